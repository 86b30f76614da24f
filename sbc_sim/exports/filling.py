"""Secrets overwritten in place: what `exports/redaction` finds, hidden without a change of length.

The filler is valid where it stands: Base64 in lines of SDP (which must still be read), the hex of a star in hex digits, a star elsewhere.
Of a JWT that can be read only the signature goes: header and claims are no secret by themselves and are what one wants to see.
Texts may be octets in Latin-1. Filling twice changes nothing more.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from sbc_sim.exports.redaction import (
    BASE64_RUN,
    DEEPEST,
    HEX_RUN,
    SHOWN,
    Span,
    decoded_base64,
    headed_secrets,
    hex_run,
    hex_tokens,
    joined,
    suspect,
    whole_secrets,
)

Rewriting = Callable[[str], str]
"""Hides something more in a text and keeps its length."""

MOST_ROUNDS = 4
"""How often a text is looked at again whose secrets overlapped each other."""
_BASE64_FILLER = "MASKED"
_STARS = {2: "2a", 4: "3261"}
"""A star in hex, and in hex of hex."""
_JWT_FRONT = re.compile(r"(?<![\w\-.])([\w\-]{8,8192})\.([\w\-]{2,32768})\.", re.ASCII)
_BLANK = " \t\r\n"


def filled(text: str, further: Rewriting | None = None, depth: int = DEEPEST) -> str:
    """Overwrite every secret in a text, in encoded runs too; `further` is then applied to the text and to what was encoded in it."""
    return _filled(text, further, depth)[0]


def stars(text: str) -> str:
    """Put a star over everything but blanks and line ends, so that a folded value stays one."""
    return "".join(character if character in _BLANK else "*" for character in text)


def base64_filler(secret: str) -> str:
    """Base64 that says MASKED, as long as the secret and padded like it."""
    padding = len(secret) - len(secret.rstrip("="))
    length = len(secret) - padding
    front = (_BASE64_FILLER * (length // len(_BASE64_FILLER) + 1))[:length]
    return (front[:-1] + "A" if padding and front else front) + "=" * padding


def hex_stars(text: str, scale: int = 2) -> str:
    """Put the hex of stars over hex digits; what is no hex digit stays."""
    filler, place, out = _STARS[scale], 0, []
    for character in text:
        digit = character in "0123456789abcdefABCDEF"
        out.append(filler[place % scale] if digit else character if character in _BLANK else "*")
        place += digit
    return "".join(out)


def _filled(text: str, further: Rewriting | None, depth: int, rounds: int = MOST_ROUNDS) -> tuple[str, list[Span]]:
    """The text, and where header and claims of a JWT stand that may be seen."""
    if not suspect(text):
        return (text if further is None else further(text)), []
    out, readable = list(text), _jwt_fronts(text)
    if depth:
        for start, end in readable:
            for part in _JWT_PART.finditer(text, start, end):
                _fill_base64(out, part, further, depth - 1)
        readable += _fill_encoded(out, text, further, depth - 1)
    overlapped = _fill_plain(out, text, readable)
    done = "".join(out)
    if overlapped and rounds and done != text:
        return _filled(done, further, depth, rounds - 1)
    return (done if further is None else further(done)), readable


_JWT_PART = re.compile(r"[\w\-]+", re.ASCII)


def _jwt_fronts(text: str) -> list[Span]:
    if "." not in text:
        return []
    return [match.span() for match in _JWT_FRONT.finditer(text) if _is_object(match[1]) and _is_object(match[2])]


def _is_object(part: str) -> bool:
    octets = decoded_base64(part)
    if octets[:1] != "{":
        return False
    try:
        return isinstance(json.loads(octets.encode("latin-1")), dict)
    except (ValueError, RecursionError):
        return False


def _fill_plain(out: list[str], text: str, readable: list[Span]) -> bool:
    """Overwrite what stands in clear; tell whether secrets overlapped, so that what is left must be looked at again."""
    edits = [(start, end, stars(text[start:end])) for start, end in _without(headed_secrets(text), readable)]
    for span, scale in hex_tokens(text):
        edits += [(start, end, hex_stars(text[start:end], scale)) for start, end in _without([span], readable)]
    for (start, end), in_sdp in whole_secrets(text):
        edits.append((start, end, base64_filler(text[start:end]) if in_sdp else stars(text[start:end])))
    for start, end, filler in sorted(edits, key=lambda edit: edit[1] - edit[0]):  # what contains another wins
        out[start:end] = filler
    edits.sort()
    return any(after[0] < before[1] for before, after in pairwise(edits))


def _fill_encoded(out: list[str], text: str, further: Rewriting | None, depth: int) -> list[Span]:
    readable: list[Span] = []
    runs = []
    for run in HEX_RUN.finditer(text):
        runs.append(run.span())
        places, octets = hex_run(text, run)
        new, fronts = _filled(octets, further, depth)
        readable += [(places[2 * start], places[2 * end - 1] + 1) for start, end in fronts]
        upper = any(text[place] in "ABCDEF" for place in places)
        for index in _changed(octets, new):
            pair = f"{ord(new[index]):02X}" if upper else f"{ord(new[index]):02x}"
            out[places[2 * index]], out[places[2 * index + 1]] = pair[0], pair[1]
    for run in BASE64_RUN.finditer(text):
        if not any(start <= run.start() and run.end() <= end for start, end in runs):
            _fill_base64(out, run, further, depth)
    return readable


def _fill_base64(out: list[str], run: re.Match[str], further: Rewriting | None, depth: int) -> None:
    octets = decoded_base64(run.group())
    new, _ = _filled(octets, further, depth)
    changed = list(_changed(octets, new))
    if not changed:
        return
    encode = urlsafe_b64encode if "-" in run.group() or "_" in run.group() else b64encode
    digits = encode(new.encode("latin-1")).decode()
    for index in changed:
        for digit in range(index * 4 // 3, min(-(-(index + 1) * 4 // 3), run.end() - run.start())):
            out[run.start() + digit] = digits[digit]


def _changed(old: str, new: str) -> Iterator[int]:
    return (index for index, (before, after) in enumerate(zip(old, new, strict=True)) if before != after)


def _without(spans: Iterable[Span], readable: list[Span]) -> Iterator[Span]:
    """The spans, less what may be read."""
    for start, end in spans:
        for low, high in joined(readable):
            if low < end and high > start:
                if start < low:
                    yield start, low
                start = max(start, high)
        if start < end:
            yield start, end


def filled_member(value: str, further: Rewriting | None) -> str:
    """Overwrite a JSON member that is called a token or the like: its first characters stay, of a JWT all but the signature."""
    text, readable = _filled(value, further, DEEPEST)
    start = SHOWN if len(value) > 2 * SHOWN else 0
    out = list(text)
    for low, high in _without([(start, len(text))], readable):
        out[low:high] = stars(text[low:high])
    return "".join(out)
