"""How late the reactor is: a call that should come every half second tells how long something held the thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from sbc_sim.net.shapes import Alarm, Clock, cancel


class ReactorLag:
    """Measures all the time, at two calls a second."""

    def __init__(self, clock: Clock, interval: float = 0.5, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._interval = interval
        self._monotonic = monotonic
        self._alarm: Alarm | None = None
        self._due = 0.0
        self._peak = 0.0
        self.last = 0.0
        """Lateness of the latest call, seconds."""

    def start(self) -> None:
        """Begin to measure."""
        if self._alarm is None:
            self._again()

    def stop(self) -> None:
        """Stop measuring."""
        cancel(self._alarm)
        self._alarm = None

    def take_peak(self) -> float:
        """Tell the greatest lateness since this was last asked, seconds."""
        peak, self._peak = self._peak, self.last
        return peak

    def _again(self) -> None:
        self._due = self._monotonic() + self._interval
        self._alarm = self._clock.callLater(self._interval, self._measure)

    def _measure(self) -> None:
        self.last = max(0.0, self._monotonic() - self._due)
        self._peak = max(self._peak, self.last)
        self._again()
