"""Faults that strike while a call is up, as companions of it: they wait, then act on the call through `Acts`."""

from __future__ import annotations

from collections.abc import Callable

from sbc_sim.calls.companion import Acts, Companion
from sbc_sim.calls.conduct import Conduct
from sbc_sim.rtp.leg import LegEvent


class After:
    """Does one thing so many seconds after the ACK, once."""

    def __init__(self, seconds: float, act: Callable[[float], object]) -> None:
        """`act` is given the time."""
        self.deadline: float | None = None
        self._seconds = seconds
        self._act = act

    def established(self, now: float) -> None:
        """Begin to wait; 0 s are over at once, but not before the ACK has been taken."""
        self.deadline = now + self._seconds

    def heard(self, event: LegEvent, now: float) -> None:
        """What is said does not matter."""

    def advance(self, now: float) -> None:
        """Act."""
        self.deadline = None
        self._act(now)

    def over(self, now: float) -> None:
        """Act no more."""
        self.deadline = None


def fault_companions(conduct: Conduct, acts: Acts) -> list[Companion]:
    """Give a companion for each thing that the conduct wants done while the call is up."""
    hold = conduct.hold_after
    planned: tuple[tuple[float | None, Callable[[float], object]], ...] = (
        (conduct.refresh_after, lambda now: acts.refresh("", now)),
        (hold, lambda now: acts.hold(True, now)),
        (None if hold is None else 2 * max(hold, 0.5), lambda now: acts.hold(False, now)),
        (conduct.renew_certificate_after, acts.renew_certificate),
        (conduct.reset_after, acts.drop_connection),
        (conduct.escalate_after, lambda now: acts.escalate(conduct.escalate_mode, _why(conduct, "escalate"), now)),
        (conduct.hang_up_after, lambda now: acts.hang_up("fault", _why(conduct, "bye-after", "bye-at-once"), now)),
    )
    return [After(seconds, act) for seconds, act in planned if seconds is not None]


def _why(conduct: Conduct, *types: str) -> str:
    """Name the fault behind an act, for the Reason header."""
    name = next((fault["name"] for fault in conduct.faults if fault.get("type") in types), types[0])
    return f"on purpose: {name}"
