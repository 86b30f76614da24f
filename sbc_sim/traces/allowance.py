"""How long reading and judging may take. The caller has the clock; here it is only asked, every so many steps."""

from __future__ import annotations

from collections.abc import Callable

Spent = Callable[[], bool]
"""Tells whether the time allowed for a trace is over. It is asked often and must be quick."""
STEPS = 256
"""Steps (packets, messages, datagrams, alarms) between two questions."""


class TimeSpent(Exception):
    """The time allowed is over: what was done so far counts, the rest is left out with a note."""


class Allowance:
    """What is left of the time that several loops share."""

    def __init__(self, spent: Spent | None = None) -> None:
        """`spent`: None sets no bound."""
        self._spent = spent
        self._steps = 0
        self._over = False

    @property
    def ended(self) -> bool:
        """Whether the time was found to be over; nothing is asked."""
        return self._over

    @property
    def over(self) -> bool:
        """Ask now."""
        if not self._over and self._spent is not None:
            self._over = self._spent()
        return self._over

    def step(self, steps: int = 1) -> bool:
        """Count small steps; true when the time is over."""
        if self._spent is None:
            return False
        self._steps += steps
        if self._steps >= STEPS:
            self._steps = 0
            return self.over
        return self._over

    def need(self, steps: int = 1) -> None:
        """Count small steps. Raises TimeSpent when the time is over."""
        if self.step(steps):
            raise TimeSpent
