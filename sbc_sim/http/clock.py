"""What is needed of a reactor here: the part of IReactorTime, as a type that mypy can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Alarm(Protocol):
    """IDelayedCall."""

    def cancel(self) -> None:
        """Do not ring."""

    def active(self) -> bool:
        """True while it may still ring."""


class Clock(Protocol):
    """IReactorTime: the reactor, or Twisted's Clock in a test."""

    def seconds(self) -> float:
        """Seconds of the reactor's own clock, which may be monotonic: for spans of time, never for a date."""

    def callLater(self, delay: float, function: Callable[..., Any], *args: Any) -> Alarm:
        """Call a function after `delay` seconds."""
