"""Phone numbers of a call, found where they must stand (user parts of URIs) and masked wherever else they stand.

Masked is the middle: the first digits and the last two stay. A number may be written with blanks, dots, dashes, brackets or percent
escapes between and for its digits, in hex, or in its national form. Shorter ones than `FEWEST` digits are extensions and service codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

FEWEST = 6
MOST_KNOWN = 64
"""Numbers of a call that are looked for; further ones are only masked where they stand in a URI."""

_UNIT = r"(?:[0-9]|%3[0-9])"
_CANDIDATE = re.compile(rf"\+?{_UNIT}(?:[-.() ]{{0,2}}{_UNIT}){{{FEWEST - 1},}}")
_DIGIT = re.compile(r"%3([0-9])|([0-9])")
_SIP_USER = re.compile(r"\bsips?:(?P<user>[^@\s<>\":]{1,256}+)(?::[^@\s<>\"]{0,256}+)?+@", re.IGNORECASE)
_TEL_USER = re.compile(r"\btel:(?P<user>[^\s;<>\",?]{1,64})", re.IGNORECASE)
BARE_IN_JSON = re.compile(r"\":\s*\Z")
_FEWEST_IN_TEXT = 7
"""Digits of a tail of a number, its national form, that is taken for it."""
_MOST_OF_E164 = 15


def user_parts(text: str) -> Iterator[tuple[int, int]]:
    """Where the user parts of SIP URIs and the numbers of tel URIs stand."""
    for pattern in (_SIP_USER, _TEL_USER):
        for match in pattern.finditer(text):
            yield match.span("user")


def numbers_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Collect the digits of numbers that stand in URIs, longest first."""
    found: dict[str, None] = {}
    for text in texts:
        for start, end in user_parts(text):
            for match in _CANDIDATE.finditer(text[start:end]):
                found[digits_of(match[0])] = None
        if len(found) >= MOST_KNOWN:
            break
    return tuple(sorted(found, key=len, reverse=True)[:MOST_KNOWN])


def number_text(text: str) -> str:
    """Digits of a text that is a number as a whole; empty when it is none."""
    return digits_of(text) if _CANDIDATE.fullmatch(text.strip()) else ""


def digits_of(text: str) -> str:
    """The digits of a number without what stands between them, and with percent escapes undone."""
    if text.isdigit() and text.isascii():
        return text
    return "".join(match[1] or match[2] for match in _DIGIT.finditer(text))


def shown(length: int) -> tuple[int, int]:
    """How many digits of a number stay in front and at the end: never more than half of it."""
    return max(0, min(4, length // 2 - 2)), 2


def masked_run(run: str, filler: str) -> str:
    """Mask the middle of one number; its length stays."""
    out = list(run)
    _overwrite(out, [unit.span() for unit in _DIGIT.finditer(run)], filler, whole=False)
    return "".join(out)


def _overwrite(out: list[str], places: list[tuple[int, int]], filler: str, whole: bool, scale: int = 1) -> None:
    length = len(places) // scale
    front, back = (0, 0) if whole else shown(length)
    star = {1: filler, 2: "2a", 4: "3261"}[scale]
    for index, (low, high) in enumerate(places):
        if front <= index // scale < length - back:
            out[low:high] = "%2a" if high - low == 3 else star[index % scale]


class Numbers:
    """Numbers that are known, and the masking of them."""

    def __init__(self, known: Iterable[str], whole: bool = False) -> None:
        """`known`: digits only. `whole`: nothing of a number stays."""
        self._known = tuple(sorted({k for k in known if len(k) >= FEWEST}, key=len, reverse=True))
        self._whole = whole
        self._needles = [(needle, len(k), scale) for k in self._known for needle, scale in _spellings(k)]

    def masked(self, text: str) -> str:
        """Mask the numbers in a text; its length stays."""
        users = list(user_parts(text)) if ":" in text else []
        out: list[str] | None = None
        for match in _CANDIDATE.finditer(text):
            digits = digits_of(match[0])
            in_user = any(low <= match.start() < high for low, high in users)
            whole = in_user or self._is_national(digits) or self._is_global(match[0], digits)
            if whole or any(needle in digits for needle, _, _ in self._needles):
                out = list(text) if out is None else out
                self._mask(out, match, digits, whole)
        return text if out is None else "".join(out)

    def masked_int(self, value: int) -> int:
        """Mask a number that stands as a JSON number."""
        text = str(value)
        if len(text) < FEWEST or not self._is_known(text):
            return value
        start, end = (0, 0) if self._whole else shown(len(text))
        return int(text[:start] + "0" * (len(text) - start - end) + text[len(text) - end :])

    def _mask(self, out: list[str], match: re.Match[str], digits: str, whole: bool) -> None:
        places = [(match.start() + unit.start(), match.start() + unit.end()) for unit in _DIGIT.finditer(match[0])]
        filler = "0" if BARE_IN_JSON.search(match.string, max(0, match.start() - 12), match.start()) else "*"
        if whole:
            _overwrite(out, places, filler, self._whole)
            return
        for needle, length, scale in self._needles:
            start = digits.find(needle)
            while start >= 0:
                _overwrite(out, places[start : start + length * scale], filler, self._whole, scale)
                start = digits.find(needle, start + len(needle))

    def _is_known(self, digits: str) -> bool:
        return any(digits in (known, known.lstrip("0")) for known in self._known)

    def _is_national(self, digits: str) -> bool:
        tail = digits.lstrip("0")
        return len(tail) >= _FEWEST_IN_TEXT and any(known.endswith(tail) for known in self._known)

    def _is_global(self, text: str, digits: str) -> bool:
        return text[0] == "+" and _FEWEST_IN_TEXT <= len(digits) <= _MOST_OF_E164


def _spellings(digits: str) -> Iterator[tuple[str, int]]:
    once = digits.encode().hex()
    yield digits, 1
    yield once, 2
    yield once.encode().hex(), 4
