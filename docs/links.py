"""List what the pages link to outside, with where; or ask each whether it is still there.

    python docs/links.py           one line for each address
    python docs/links.py --ask     ask them all (needs the network); exit code 1 when one is gone

Links between pages need no target of their own: `make docs` checks them.
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *(ROOT / name / "README.md" for name in ("certs", "examples"))]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")
PATIENCE = 20
"""Seconds for each."""


def addresses() -> dict[str, list[str]]:
    """Find each address and the pages that link to it; what stands in code is an example."""
    found: dict[str, list[str]] = defaultdict(list)
    for page in filter(Path.exists, PAGES):
        for one, other in ADDRESS.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
            found[one or other].append(str(page.relative_to(ROOT)))
    return dict(sorted(found.items()))


def trouble(address: str) -> str:
    """Ask for one; returns what is wrong with it, or nothing."""
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (links of sbc-sim's docs)"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return ""
    except urllib.error.HTTPError as refusal:
        return f"{refusal.code} {refusal.reason}"
    except OSError as error:
        return str(error)


def main(arguments: list[str]) -> int:
    """List, or ask."""
    gone = 0
    for address, pages in addresses().items():
        wrong = trouble(address) if "--ask" in arguments else ""
        gone += bool(wrong)
        print(f"{address}  {', '.join(sorted(set(pages)))}" + (f"  GONE: {wrong}" if wrong else ""))
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
