"""IP fragments put together again (RFC 791 section 3.2, RFC 8200 section 4.5), bounded in number, size and time."""

from __future__ import annotations

from collections import OrderedDict

from sbc_sim.traces.limits import Notes

LONGEST_WAIT = 60.0
"""Seconds (RFC 8200) after which the rest of a datagram comes no more, and its identification may be used anew."""
MOST_OPEN = 64
"""Datagrams that wait for fragments at the same time."""
LARGEST = 65_535
_UNIT = 8

Key = tuple[object, ...]


class _Open:
    """One datagram with holes."""

    __slots__ = ("at", "captured", "data", "have", "total")

    def __init__(self, at: float) -> None:
        self.at = at
        self.data = bytearray()
        self.have = bytearray(LARGEST // _UNIT + 1)
        self.captured = LARGEST  # how far the octets are real
        self.total: int | None = None

    def add(self, offset: int, piece: bytes, last: bool) -> None:
        """Put a piece in its place; what came first stays, as with TCP."""
        end = offset + len(piece)
        if len(self.data) < end:
            self.data.extend(bytes(end - len(self.data)))
        first, beyond = offset // _UNIT, (end + _UNIT - 1) // _UNIT
        if self.have.count(0, first, beyond) == beyond - first:
            self.data[offset:end] = piece
        else:
            for unit in range(first, beyond):
                if not self.have[unit]:
                    place = unit * _UNIT
                    self.data[place : min(place + _UNIT, end)] = piece[place - offset : place - offset + _UNIT]
        self.have[first:beyond] = b"\x01" * (beyond - first)
        if last and self.total is None:
            self.total = end

    def whole(self) -> bytes | None:
        if self.total is None or self.have.count(0, 0, (self.total + _UNIT - 1) // _UNIT):
            return None
        return bytes(self.data[: self.total])


class Fragments:
    """All datagrams that are not whole yet."""

    def __init__(self, notes: Notes) -> None:
        """`notes`: where incomplete datagrams are told."""
        self._notes = notes
        self._open: OrderedDict[Key, _Open] = OrderedDict()

    def add(self, key: Key, at: float, offset: int, piece: bytes, more: bool, missing: int) -> tuple[bytes, int] | None:
        """Add a fragment; gives the datagram and the number of octets that were not captured of it, once it is whole.

        `offset` in octets; `missing`: octets of the fragment that were not captured.
        """
        if offset + len(piece) + missing > LARGEST:
            self._notes.count("IP fragments reach beyond 65535 octets and were left out.")
            return None
        waiting = self._open.get(key)
        if waiting is not None and at - waiting.at > LONGEST_WAIT:
            self._forget(key)
            waiting = None
        if waiting is None:
            waiting = self._begin(key, at)
        if missing:
            waiting.captured = min(waiting.captured, offset + len(piece))
        waiting.add(offset, piece + bytes(missing), not more)
        whole = waiting.whole()
        if whole is None:
            return None
        del self._open[key]
        return whole[: waiting.captured], max(0, len(whole) - waiting.captured)

    def _begin(self, key: Key, at: float) -> _Open:
        if len(self._open) >= MOST_OPEN:
            self._forget(next(iter(self._open)))
        self._open[key] = opened = _Open(at)
        return opened

    def _forget(self, key: Key) -> None:
        del self._open[key]
        self._notes.count("fragmented IP datagrams are not whole in the capture and were left out.")

    def close(self) -> None:
        """Tell of what never became whole."""
        while self._open:
            self._forget(next(iter(self._open)))
