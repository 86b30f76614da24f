"""Faults in a running simulator: the pure table with the clock, an alarm for what ends by itself, and whoever must hear of a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sbc_sim.calls.faults import FaultTable, read_fault
from sbc_sim.calls.numbers import NumberTable
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.net.shapes import Alarm, Clock, cancel


class Faulting:
    """Keeps the table of faults and of test numbers of one process."""

    def __init__(self, reactor: Clock, now: Callable[[], float], append: Callable[[Entry], object], numbers: NumberTable | None) -> None:
        """`now` gives unix seconds; `append` writes to the journal; `numbers` None: test numbers are off."""
        self.table = FaultTable(self._tell)
        self.number_table = numbers
        self.on_change: Callable[[], object] = lambda: None
        """Called after every change, for what holds outside of calls: certificates."""
        self._reactor = reactor
        self._now = now
        self._append = append
        self._alarm: Alarm | None = None

    def start(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the faults of the settings. Raises BadFault."""
        for name, members in settings.items():
            self.table.put(read_fault(name, members, "settings"), self._now())

    def stop(self) -> None:
        """Ring no more."""
        cancel(self._alarm)
        self._alarm = None

    def _tell(self, now: float, data: Mapping[str, Any]) -> None:
        self._append(Entry(now, Kind.FAULT_CHANGED, None, data))
        self._reactor.callLater(0, self._changed)  # the table is in the middle of its change

    def _changed(self) -> None:
        self._arm()
        self.on_change()

    def _arm(self) -> None:
        cancel(self._alarm)
        deadline = self.table.deadline
        self._alarm = None if deadline is None else self._reactor.callLater(max(0.0, deadline - self._now()), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.table.advance(self._now())
        self._arm()

    # --- the desk of the HTTP interface ------------------------------------------------------------------------------

    def all(self) -> Sequence[Mapping[str, Any]]:
        """All faults as JSON, the oldest first."""
        return self.table.all(self._now())

    def one(self, name: str) -> Mapping[str, Any] | None:
        """One fault as JSON."""
        return self.table.one(name, self._now())

    def put(self, name: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Set a fault. Raises BadFault."""
        return self.table.put(read_fault(name, members), self._now())

    def remove(self, name: str) -> bool:
        """Take a fault away; False when it is not there."""
        return self.table.remove(name, self._now())

    def clear(self) -> int:
        """Take away the faults that the API has set, and give their number."""
        return self.table.clear(self._now())

    def numbers(self) -> Sequence[Mapping[str, Any]]:
        """Give the test numbers as JSON."""
        return [] if self.number_table is None else self.number_table.told()
