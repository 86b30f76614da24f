"""Keys that were pressed may be a PIN or the number of a card: that one was pressed and how long is told, which one is not.

They stand in the journal, in the finding about their length, in telephone-events (RFC 4733) and in bodies of INFO.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sbc_sim.rtp.packet import HEADER_OCTETS, payload_of

HIDDEN_KEY = "?"
"""Stands for a key; a star is one itself."""

_NO_KEY = 0xFF
"""An event code that no key has."""
_EVENT_OCTETS = 4
_FIRST_DYNAMIC = 96
_RULE = "SBC-MEDIA-015"
_TOLD = re.compile(r"(?<=^Digits )[0-9*#A-Dflsh]+(?=,)")
_SEEN = re.compile(r"^(?:[0-9*#A-D]|flash)(?=: )")
_SIGNAL = re.compile(r"^[ \t]*(?:Signal|d)[ \t]*=[ \t]*(?P<keys>[^\s=]+)", re.IGNORECASE | re.MULTILINE)
_KPML = re.compile(r"\bdigits[ \t]*=[ \t]*\"(?P<keys>[^\"\r\n]*)\"", re.IGNORECASE)
_BODY_OF_KEYS = re.compile(r"^(?:Content-Type|c)[ \t]*:[ \t]*application/[\w.+\-]*(?:dtmf|digits|kpml)", re.IGNORECASE | re.MULTILINE)


def without_key(event: Any) -> Any:
    """Copy what the journal tells of a key, without the key."""
    return {**event, "digit": HIDDEN_KEY} if isinstance(event, Mapping) and "digit" in event else event


def without_keys(events: Iterable[Any]) -> list[Any]:
    """Copy a list of them."""
    return [without_key(event) for event in events]


def finding_without_keys(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    """Copy a finding; only the one about the length of digits quotes any."""
    if finding.get("rule") != _RULE:
        return finding
    detail = _TOLD.sub(lambda match: HIDDEN_KEY * len(match[0]), str(finding.get("detail") or ""))
    quotes = [{**quote, "text": _SEEN.sub(HIDDEN_KEY, str(quote.get("text", "")))} for quote in finding.get("evidence") or ()]
    return {**finding, "detail": detail, "evidence": quotes}


def body_without_keys(head: str, body: str) -> str:
    """Overwrite the keys in a body of INFO or NOTIFY (dtmf-relay, dtmf, KPML); any other body is given back. The length stays."""
    if not body or not _BODY_OF_KEYS.search(head):
        return body
    for pattern in (_SIGNAL, _KPML):
        if pattern.search(body):
            return pattern.sub(_overwritten, body)
    return "".join(character if character.isspace() else HIDDEN_KEY for character in body) if len(body) <= _LONGEST_PLAIN else body


_LONGEST_PLAIN = 64
"""Characters of a body that is keys and nothing else."""


def _overwritten(match: re.Match[str]) -> str:
    keys = match["keys"]
    start = match.start("keys") - match.start()
    return match[0][:start] + HIDDEN_KEY * len(keys) + match[0][start + len(keys) :]


def event_covered(packet: bytes, payload_types: Collection[int]) -> bytes:
    """Overwrite the codes in a telephone-event in clear; its end bit, volume and duration stay. Any other packet is given back.

    `payload_types`: those that were agreed on; another dynamic one with four octets is taken for an event, too.
    """
    payload_type = packet[1] & 0x7F if len(packet) >= HEADER_OCTETS else 0
    agreed = payload_type in payload_types
    if not agreed and payload_type < _FIRST_DYNAMIC:
        return packet
    payload = payload_of(packet)
    if payload is None:
        return packet[:HEADER_OCTETS] + bytes([_NO_KEY]) * (len(packet) - HEADER_OCTETS)
    if not agreed and len(payload) != _EVENT_OCTETS:
        return packet
    start = len(packet) - len(payload) - (packet[-1] if packet[0] & 0x20 else 0)
    covered = bytearray(packet)
    covered[start : start + len(payload) : _EVENT_OCTETS] = bytes([_NO_KEY]) * len(range(0, len(payload), _EVENT_OCTETS))
    return bytes(covered)
