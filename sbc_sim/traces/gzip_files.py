"""Captures packed with gzip (RFC 1952): several members one behind the other too, as bgzip and rotating writers make them."""

from __future__ import annotations

import zlib

from sbc_sim.traces.allowance import Allowance
from sbc_sim.traces.limits import Limits, Notes
from sbc_sim.traces.recording import TraceError

MAGIC = b"\x1f\x8b"
_SLICE = 16 * 1024
"""Octets given to zlib at once: whatever stands behind a member is copied once for each, so it must be little."""


def inflated(data: bytes, limits: Limits, notes: Notes, time: Allowance) -> bytes:
    """Unpack up to the bounds; what is beyond or damaged is told. Raises TraceError when nothing can be unpacked."""
    packed = _Packed(data, limits, notes, time)
    for number in range(limits.members):
        if not packed.member():
            break
        if number + 1 == limits.members and packed.more:
            notes.add(f"The gzip file has more than the {limits.members} parts that are read: unpack it first.")
    if not packed.pieces:
        raise TraceError(f"The gzip file holds nothing in its first {limits.members} parts: unpack it first, and look what is in it.")
    return b"".join(packed.pieces)


class _Packed:
    """A gzip file on its way out."""

    def __init__(self, data: bytes, limits: Limits, notes: Notes, time: Allowance) -> None:
        self.pieces: list[bytes] = []
        self._view, self._place, self._room = memoryview(data), 0, limits.inflated
        self._most, self._notes, self._time = limits.inflated, notes, time

    @property
    def more(self) -> bool:
        """Whether another member follows."""
        return bytes(self._view[self._place : self._place + 2]) == MAGIC

    def member(self) -> bool:
        """Unpack one member; false when nothing more is to be read."""
        if not self.more:
            return False
        if self._room <= 0:
            return self._too_long()
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            taken = self._view[self._place : self._place + _SLICE]
            if not taken:
                self._notes.add("The gzip file ends too early: it was cut, what comes before is read.")
                return False
            if self._room <= 0:
                return self._too_long()
            if self._time.step(16):
                self._notes.add("The trace is longer than the time allowed for it: only the beginning of the gzip file was unpacked.")
                return False
            if not self._step(member, taken):
                return False
        return True

    def _step(self, member: zlib._Decompress, taken: memoryview) -> bool:
        try:
            piece = member.decompress(taken, self._room)
        except zlib.error as error:
            if not self.pieces:
                raise TraceError(f"The gzip file is damaged ({error}): pack or copy it again, in binary mode.") from None
            self._notes.add("The gzip file is damaged behind its first part: what comes before is read.")
            return False
        if piece:
            self.pieces.append(piece)
            self._room -= len(piece)
        self._place += len(taken) - len(member.unused_data) - len(member.unconsumed_tail)
        return True

    def _too_long(self) -> bool:
        self._notes.add(f"The gzip file holds more than the {self._most} octets that are read: unpack it, and cut it to the call.")
        return False
