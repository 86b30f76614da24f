"""What a leg heard and said, packet by packet in clear: the first and the last ones of a call, bounded in octets.

A leg that has a `Recording` adds to it; one that has none pays a look at None. Nothing is copied: the packets are those that were
opened, or built, anyway.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

PER_PACKET = 140
"""Octets that a kept packet costs beside its own: the objects around it, measured on CPython 3.11."""

MOST_REFUSED = 100
"""Datagrams kept that no key opened."""
LONGEST_REFUSED = 512
"""Octets kept of each: SRTP of 20 ms has under 200."""
RTCP_OCTETS = 16 * 1024
"""RTCP kept of each direction from the beginning, and as much from the end: some 60 reports, five minutes."""

Address = tuple[str, int]
Packet = tuple[float, Address, bytes]
"""Unix seconds, the far end (source of what came, destination of what went), the packet in clear."""


@dataclass(frozen=True, slots=True)
class Clip:
    """The packets of one direction in their order; `dropped` of them are missing behind the first `dropped_after`."""

    packets: tuple[Packet, ...] = ()
    dropped_after: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class RefusedDatagram:
    """A datagram that was not taken, as it came; a long one is cut to its first 512 octets."""

    at: float
    source: Address
    datagram: bytes
    reason: str
    """In words: ``wrong key or suite``, ``replayed``, ``plain RTP, not encrypted``, ..."""
    length: int = 0
    """Octets of the whole datagram."""


class Ring:
    """The first packets of one direction and the last ones, so many octets of each."""

    __slots__ = ("_first", "_last", "_room", "_spare", "added", "most")

    def __init__(self, most: int) -> None:
        """`most`: octets kept from the beginning, and as many from the end; each packet counts with what its objects cost."""
        self.most = most
        self.added = 0
        self._room = most
        self._spare = most
        self._first: list[Packet] = []
        self._last: deque[Packet] = deque()

    def add(self, at: float, address: Address, packet: bytes) -> None:
        """Keep a packet; when both parts are full, the oldest of the last ones makes room."""
        self.added += 1
        if self._room > 0:
            self._room -= len(packet) + PER_PACKET
            self._first.append((at, address, packet))
            return
        last = self._last
        last.append((at, address, packet))
        spare = self._spare - len(packet) - PER_PACKET
        while spare < 0:
            spare += len(last.popleft()[2]) + PER_PACKET
        self._spare = spare

    @property
    def octets(self) -> int:
        """What is kept costs about so much memory."""
        return 2 * self.most - self._room - self._spare

    def clip(self) -> Clip:
        """Give what is kept."""
        kept = len(self._first) + len(self._last)
        return Clip((*self._first, *self._last), len(self._first), self.added - kept)


def octets_for(seconds: float, ptime_ms: int) -> int:
    """Estimate what so much G.711 costs when it is kept, in packets of so many milliseconds (counted as 10 to 60)."""
    packets = seconds * 1000 / min(60, max(10, ptime_ms))
    return round(seconds * 8000 + packets * (12 + PER_PACKET))


class Recording:
    """All of one leg."""

    __slots__ = ("_refused_octets", "most", "received", "refused", "refused_more", "rtcp_received", "rtcp_sent", "sent")

    def __init__(self, most: int) -> None:
        """`most`: octets of RTP of each direction that are kept from the beginning, and as many from the end."""
        self.most = most
        self.received = Ring(most)
        self.sent = Ring(most)
        self.rtcp_received = Ring(RTCP_OCTETS)
        self.rtcp_sent = Ring(RTCP_OCTETS)
        self.refused: list[RefusedDatagram] = []
        self.refused_more = 0
        """Refused datagrams that were not kept any more."""
        self._refused_octets = 0

    def refuse(self, at: float, source: Address, datagram: bytes, reason: str) -> None:
        """Keep a datagram that was not taken, as long as there is room."""
        if len(self.refused) >= MOST_REFUSED:
            self.refused_more += 1
            return
        kept = RefusedDatagram(at, source, datagram[:LONGEST_REFUSED], reason, len(datagram))
        self.refused.append(kept)
        self._refused_octets += len(kept.datagram) + 2 * PER_PACKET

    @property
    def octets(self) -> int:
        """What is kept costs about so much memory."""
        rings = (self.received, self.sent, self.rtcp_received, self.rtcp_sent)
        return sum(ring.octets for ring in rings) + self._refused_octets

    @property
    def most_octets(self) -> int:
        """What it can come to cost at most, but for one packet of each ring."""
        return 4 * self.most + 4 * RTCP_OCTETS + MOST_REFUSED * (LONGEST_REFUSED + 2 * PER_PACKET)
