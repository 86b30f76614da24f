"""Record ids as Salesforce writes them: 15 characters that know upper from lower case, or 18 that end in a check of the case."""

from __future__ import annotations

import re
from hashlib import sha256

VOICE_CALL = "0LQ"
ROUTING = "0JR"
USER = "005"
QUEUE = "00G"
ORG = "00D"

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?", re.ASCII)
_PLACE = "SB0"
"""Where a real id names the instance; two digits for the replica follow."""


def base62(number: int, width: int) -> str:
    """Write a number in base 62, its last `width` digits."""
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return digits


def with_check(short: str) -> str:
    """Make 18 characters of 15: each of the last three tells which of five letters are upper case."""
    marks = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, letter in enumerate(short[start : start + 5]) if letter.isupper())
        marks += _CHECKS[bits]
    return short + marks


def numbered(prefix: str, number: int, slot: int = 0) -> str:
    """Make an id of 18 characters from a number; `slot`: of the replica, so that no two make the same."""
    return with_check(prefix + _PLACE + base62(slot, 2) + base62(number, 7))


def number_of(record_id: str) -> int:
    """The number that `numbered` made an id of."""
    number = 0
    for digit in record_id[8:15]:
        number = number * 62 + _DIGITS.index(digit)
    return number


def named(prefix: str, name: str) -> str:
    """Make the same id of 18 characters for the same name, always."""
    return with_check(prefix + _PLACE + base62(int.from_bytes(sha256(name.encode("utf-8", "surrogatepass")).digest()[:8]), 7))


def looks_like(text: str, prefix: str) -> bool:
    """Whether this is an id with that prefix, of 15 or 18 characters."""
    return text.startswith(prefix) and _ID.fullmatch(text) is not None


def short_id(record_id: object) -> str:
    """The 15 characters that ids of 15 and 18 characters of one record share; empty for none."""
    return str(record_id or "")[:15]


def same_org(one: str, other: str) -> bool:
    """Whether two org ids mean one org: 15 and 18 characters of it are the same."""
    return bool(one) and short_id(one) == short_id(other)
