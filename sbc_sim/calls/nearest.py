"""The nearest of the words that are known, for whoever mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMED = 40
"""Words that are named where none is near."""


def nearest(word: object, known: Iterable[str]) -> str:
    """Say which known word comes nearest, or name all of them, within a sentence."""
    near, named = _near(word, known)
    return f"did you mean {near!r}?" if near else f"there is {named}"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Say the same as a sentence of its own: the cure of a refusal."""
    near, named = _near(word, known)
    return f"Did you mean {near}?" if near else f"There are {named}."


def _near(word: object, known: Iterable[str]) -> tuple[str, str]:
    known = [str(one) for one in known]
    near = difflib.get_close_matches(str(word)[:80].lower(), known, 1, 0.5)
    return near[0] if near else "", ", ".join(known[:MOST_NAMED])
