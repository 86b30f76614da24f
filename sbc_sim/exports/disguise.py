"""What the level `strict` makes of packets: hosts get the stand-ins that the messages have, audio and names are overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from sbc_sim.exports.ip_packets import numeric
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.packet import HEADER_OCTETS

_COVER = 0xFF
"""Silence in PCMU; in a telephone-event a code that no key has."""
_SOURCE_DESCRIPTION = 202
_REPORTS = (200, 201)


class Hosts:
    """Stand-ins for addresses: those that stand in the redacted trace, else ones of the ranges for documentation, always the same."""

    def __init__(self, before: Trace, after: Trace) -> None:
        """`before` and `after` are the same trace without and with its redaction."""
        self._known: dict[str, str] = {}
        for original, hidden in zip(_hosts(before), _hosts(after), strict=True):
            if original != hidden:
                self._known.setdefault(original, hidden)

    def stand_in(self, host: str) -> str:
        """Give another address of the same family; loopback stays."""
        plain = numeric(host)
        address = ip_address(plain)
        if address.is_loopback or address.is_unspecified:
            return plain
        number = len(self._known) + 1
        fresh = f"203.0.113.{number % 256}" if address.version == 4 else f"2001:db8::{number:x}"
        return self._known.setdefault(plain, fresh)


def _hosts(trace: Trace) -> Iterator[str]:
    peer = trace.opened.data.get("peer", {}) if trace.opened is not None else {}
    yield numeric(str(peer.get("host", "")))
    yield numeric(str(peer.get("localHost", "")))
    for agreement in trace.call.agreements:
        yield host_of(str(agreement.get("remote", "")))
        yield host_of(str(agreement.get("local", "")))


def host_of(text: str) -> str:
    """Take the host out of ``host:port``; 0.0.0.0 when it is no address."""
    return numeric(text.rpartition(":")[0])


def covered(packet: bytes) -> bytes:
    """Overwrite all of an RTP packet behind its fixed header; the length stays."""
    flags = packet[:1].translate(bytes(octet & 0xC0 for octet in range(256)))  # no padding, extension or CSRC: nothing is left of them
    return flags + packet[1:HEADER_OCTETS] + bytes([_COVER]) * (len(packet) - HEADER_OCTETS) if len(packet) > HEADER_OCTETS else packet


def covered_rtcp(compound: bytes) -> bytes:
    """Overwrite in an RTCP packet what names somebody: the texts of source descriptions, and all that is no report."""
    pieces, place = [], 0
    while place + 8 <= len(compound):
        end = place + 4 + 4 * int.from_bytes(compound[place + 2 : place + 4], "big")
        pieces.append(_covered_part(compound[place:end]))
        place = end
    return b"".join(pieces)


def _covered_part(part: bytes) -> bytes:
    if part[1] in _REPORTS:
        return part
    if part[1] != _SOURCE_DESCRIPTION:
        return part[:8] + bytes(len(part) - 8)
    covered, place = bytearray(part), 8
    while place + 2 <= len(part) and part[place]:  # the items of the first chunk; further ones are rare and go as a whole
        length = part[place + 1]
        covered[place + 2 : place + 2 + length] = b"x" * len(covered[place + 2 : place + 2 + length])
        place += 2 + length
    return bytes(covered[: max(8, place)]) + bytes(max(0, len(part) - max(8, place)))
