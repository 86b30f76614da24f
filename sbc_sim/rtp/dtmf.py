"""Telephone-events: which keys were pressed (RFC 4733)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from sbc_sim.rtp.leg import DtmfEvent
from sbc_sim.rtp.packet import CLOCK_RATE

DIGITS = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 section 3.2). 16 is a hook flash, everything above no key."""

MOST = 128
"""Events that are kept; what follows is not."""

_LONGEST = 0xFFFF
"""A longer event goes on in a new segment (section 2.5.1.3)."""

MOST_NEW = 16
"""Keys that wait to be asked for: far more than anybody presses between two packets."""

MOST_STREAMS = 16
"""SSRCs of which it is known which key is pressed."""


USUAL_MS = 160
"""How long a key is pressed: enough for any receiver, which may ask for 40 ms and more."""
VOLUME = 10
"""Of the tone that the event stands for, -dBm0."""
END_PACKETS = 3
"""So often the last packet is sent, for it may be lost (section 2.5.1.4)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key to press, among the frames that a leg plays."""

    digit: str
    ms: int = USUAL_MS


def event_payloads(key: Key, ptime_ms: int = 20) -> Iterator[bytes]:
    """Yield the payloads of one event, one a packet time, its duration growing (section 2.5.1). Raises ValueError for what is no key."""
    code = DIGITS.index(key.digit.upper())
    step, whole = ptime_ms * CLOCK_RATE // 1000, min(key.ms * CLOCK_RATE // 1000, _LONGEST)
    for duration in range(step, whole, step):
        yield bytes((code, VOLUME)) + duration.to_bytes(2, "big")
    for _ in range(END_PACKETS):
        yield bytes((code, 0x80 | VOLUME)) + whole.to_bytes(2, "big")


@dataclass(slots=True)
class _Press:
    """The newest event of one SSRC."""

    timestamp: int
    digit: str
    place: int | None
    """Among the events; None when there were too many to keep it."""
    duration: int = 0
    before: int = 0
    """Duration of the segments before this one."""
    ended: bool = False

    def goes_on(self, timestamp: int, digit: str) -> bool:
        """Tell the next segment of a long event from a new one: it begins where the full one stopped, which had no end bit."""
        if self.ended or digit != self.digit or self.duration != _LONGEST:
            return False
        return timestamp == (self.timestamp + _LONGEST) & 0xFFFFFFFF


class DtmfReader:
    """Makes one event of all its packets. An event is its SSRC and timestamp: neither the marker nor the end packets are relied on."""

    def __init__(self) -> None:
        """Begin with no key pressed."""
        self._events: list[DtmfEvent] = []
        self._presses: dict[int, _Press] = {}
        self.pressed = 0
        """Keys pressed so far, those that are not kept among them."""
        self._newest: deque[str] = deque(maxlen=MOST_NEW)
        self.malformed = 0

    def take(self, timestamp: int, payload: bytes, now: float, *, ssrc: int = 0, late: bool = False) -> None:
        """Read one packet. `late` says that its sequence number is not the newest of its SSRC.

        Only a late packet can be a repeat of an event before the newest one, and then its timestamp is smaller. In its order a smaller
        timestamp is a new event too: the sender's clock was set anew.
        """
        if len(payload) < 4:
            self.malformed += 1
            return
        code, flags, duration = payload[0], payload[1], payload[2] << 8 | payload[3]
        digit = DIGITS[code] if code < len(DIGITS) else "flash" if code == 16 else ""
        if not digit:
            return
        press = self._presses.get(ssrc)
        if press is None or (timestamp != press.timestamp and not (late and _is_behind(timestamp, press.timestamp))):
            press = self._begin(ssrc, timestamp, digit, now)
        if timestamp == press.timestamp and digit == press.digit:
            self._lengthen(press, duration, ended=flags >= 0x80)

    def _begin(self, ssrc: int, timestamp: int, digit: str, now: float) -> _Press:
        last = self._presses.pop(ssrc, None)
        if last is not None and last.goes_on(timestamp, digit):
            press = _Press(timestamp, digit, last.place, before=last.before + last.duration)
        else:
            press = _Press(timestamp, digit, self._keep(digit, now))
        if len(self._presses) >= MOST_STREAMS:
            del self._presses[next(iter(self._presses))]
        self._presses[ssrc] = press
        return press

    def newest(self, count: int) -> list[str]:
        """Give the last `count` keys, or as many of them as are remembered: sixteen."""
        return list(self._newest)[-count:] if count > 0 else []

    def _keep(self, digit: str, now: float) -> int | None:
        self.pressed += 1
        self._newest.append(digit)
        if len(self._events) >= MOST:
            return None
        self._events.append(DtmfEvent(digit, now, 0))
        return len(self._events) - 1

    def _lengthen(self, press: _Press, duration: int, *, ended: bool) -> None:
        press.ended = press.ended or ended
        press.duration = max(press.duration, duration)
        if press.place is not None:
            total = round((press.before + press.duration) * 1000 / CLOCK_RATE)
            self._events[press.place] = DtmfEvent(press.digit, self._events[press.place].at, total)

    @property
    def events(self) -> tuple[DtmfEvent, ...]:
        """The first 128 key presses, in order."""
        return tuple(self._events)


def _is_behind(timestamp: int, other: int) -> bool:
    return ((other - timestamp) & 0xFFFFFFFF) < 0x80000000
