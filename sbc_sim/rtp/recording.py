"""What a leg heard and said, packet by packet in clear: the first and the last ones of a call, bounded.

A leg that has a `Recording` adds to it; one that has none pays a look at None. Nothing is copied: the packets are those that were
opened, or built, anyway.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from sbc_sim.rtp.srtp import Refusal

MOST_REFUSED = 100
"""Datagrams kept that no key opened."""
MOST_RTCP = 400
"""RTCP packets kept of each direction."""

Address = tuple[str, int]
Packet = tuple[float, Address, bytes]
"""Unix seconds, the far end (source of what came, destination of what went), the packet in clear."""


class Way(StrEnum):
    """Which way a packet went, as seen by us."""

    RECEIVED = "received"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class Clip:
    """The packets of one direction in their order; `dropped` of them are missing behind the first `dropped_after`."""

    packets: tuple[Packet, ...] = ()
    dropped_after: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class RefusedDatagram:
    """A datagram that was not taken, as it came."""

    at: float
    source: Address
    datagram: bytes
    reason: str
    """In words: ``wrong key or suite``, ``replayed``, ``not SRTP``, ..."""


class Ring:
    """The first `most` packets and the last `most` of one direction."""

    __slots__ = ("_first", "_last", "_room", "added", "most")

    def __init__(self, most: int) -> None:
        """`most`: at least 1."""
        self.most = most
        self.added = 0
        self._room = most
        self._first: list[Packet] = []
        self._last: deque[Packet] = deque(maxlen=most)

    def add(self, at: float, address: Address, packet: bytes) -> None:
        """Keep a packet."""
        self.added += 1
        if self._room:
            self._room -= 1
            self._first.append((at, address, packet))
        else:
            self._last.append((at, address, packet))

    def clip(self) -> Clip:
        """Give what is kept."""
        kept = len(self._first) + len(self._last)
        return Clip((*self._first, *self._last), len(self._first), self.added - kept)


class Recording:
    """All of one leg."""

    __slots__ = ("received", "refused", "rtcp_received", "rtcp_sent", "sent")

    def __init__(self, most: int) -> None:
        """`most`: packets of each direction that are kept from the beginning, and as many from the end."""
        self.received = Ring(most)
        self.sent = Ring(most)
        self.rtcp_received = Ring(MOST_RTCP // 2)
        self.rtcp_sent = Ring(MOST_RTCP // 2)
        self.refused: list[RefusedDatagram] = []

    def refuse(self, at: float, source: Address, datagram: bytes, refusal: Refusal | None, reason: str = "") -> None:
        """Keep a datagram that was not taken, as long as there is room."""
        if len(self.refused) < MOST_REFUSED:
            self.refused.append(RefusedDatagram(at, source, datagram, reason or (refusal.name.lower() if refusal is not None else "")))
