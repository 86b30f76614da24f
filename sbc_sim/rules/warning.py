"""The text by which a refusal explains itself in the partner's own trace (RFC 3261 section 20.43)."""

from __future__ import annotations

from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.finding import Finding

LONGEST = 200
"""Characters of the text, before escaping; longer Warning headers get cut by middleboxes."""


def warning_text(finding: Finding) -> str:
    """Text of the Warning header: rule id, what was seen, and what to change if there is room.

    Printable ASCII, backslashes escaped, double quotes turned into single ones: ready to stand between the quotes of warn-text. The
    caller adds code and host.
    """
    text = _cut(_plain(f"{finding.rule}: {finding.detail}"), LONGEST)
    advice = _plain(_advice(finding))
    if advice and len(text) + len(_FIX) + len(advice) <= LONGEST:
        text = f"{text}{_FIX}{advice}"
    return text.replace("\\", "\\\\")


_FIX = " Fix: "


def _advice(finding: Finding) -> str:
    """Give the finding's own advice, else the first sentence of the rule's."""
    rule = RULES.get(finding.rule)
    first, stop, _ = (rule.fix if rule else "").partition(". ")
    return finding.fix or first + stop.strip()


def _plain(text: str) -> str:
    """Printable ASCII on one line, without double quotes."""
    flat = " ".join(text.replace('"', "'").split())
    return "".join(c if " " <= c <= "~" else "?" for c in flat)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3].rstrip() + "..."
