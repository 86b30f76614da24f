"""Telephone-events: which keys were pressed (RFC 4733)."""

from __future__ import annotations

from sbc_sim.rtp.leg import DtmfEvent
from sbc_sim.rtp.packet import CLOCK_RATE

DIGITS = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 section 3.2). 16 is a hook flash, everything above no key."""

MOST = 128
"""Events that are kept; what follows is not."""

_LONGEST = 0xFFFF
"""A longer event goes on in a new segment (section 2.5.1.3)."""


class DtmfReader:
    """Makes one event of all its packets. An event is its timestamp: neither the marker nor the end packets are relied on."""

    def __init__(self) -> None:
        """Begin with no key pressed."""
        self._events: list[DtmfEvent] = []
        self._timestamp: int | None = None
        self._digit = ""
        self._duration = 0
        self._before = 0
        """Duration of the segments before this one."""
        self._ended = False
        self._kept = False
        self.malformed = 0

    def take(self, timestamp: int, payload: bytes, now: float) -> None:
        """Read one packet. Late repeats of an event that is over are recognised by their timestamp."""
        if len(payload) < 4:
            self.malformed += 1
            return
        code, flags, duration = payload[0], payload[1], payload[2] << 8 | payload[3]
        digit = DIGITS[code] if code < len(DIGITS) else "flash" if code == 16 else ""
        if not digit:
            return
        if self._timestamp is None or 0 < ((timestamp - self._timestamp) & 0xFFFFFFFF) < 0x80000000:
            self._begin(timestamp, digit, now)
        if timestamp == self._timestamp and digit == self._digit:
            self._lengthen(duration, ended=flags >= 0x80)

    def _begin(self, timestamp: int, digit: str, now: float) -> None:
        if self._goes_on(timestamp, digit):
            self._before += self._duration
        else:
            self._before = 0
            self._kept = len(self._events) < MOST
            if self._kept:
                self._events.append(DtmfEvent(digit, now, 0))
        self._timestamp, self._digit, self._duration, self._ended = timestamp, digit, 0, False

    def _goes_on(self, timestamp: int, digit: str) -> bool:
        """Tell the next segment of a long event from a new one: it begins where the full one stopped, which had no end bit."""
        if self._timestamp is None or self._ended or digit != self._digit or self._duration != _LONGEST:
            return False
        return timestamp == (self._timestamp + _LONGEST) & 0xFFFFFFFF

    def _lengthen(self, duration: int, *, ended: bool) -> None:
        self._ended = self._ended or ended
        self._duration = max(self._duration, duration)
        if self._kept:
            total = round((self._before + self._duration) * 1000 / CLOCK_RATE)
            self._events[-1] = DtmfEvent(self._digit, self._events[-1].at, total)

    @property
    def events(self) -> tuple[DtmfEvent, ...]:
        """The first 128 key presses, in order."""
        return tuple(self._events)
