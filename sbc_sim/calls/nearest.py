"""The nearest of the words that are known, for whoever mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word comes nearest, or name all of them."""
    known = [str(one) for one in known]
    near = difflib.get_close_matches(word[:80].lower(), known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known[:20])}"
