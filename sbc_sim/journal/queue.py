"""What waits between the thread of the calls and the thread that writes: bounded, and never a reason to wait for the first of the two."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sbc_sim.journal.entries import Entry, Kind

RESERVE = 1.125
"""Beginnings and ends of calls are few and tell most: for them the queue is so much larger."""
_TELLING = frozenset({Kind.CALL_STARTED, Kind.CALL_STATE, Kind.CALL_ENDED})


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry on its way to the file; without an entry: the wish to forget all that is over by now."""

    ordinal: int
    entry: Entry | None
    opened: Entry | None = None
    """CONNECTION_OPENED of the call's connection, with its CALL_STARTED."""
    octets: int = 0
    begins: bool = False
    """The first one of a call."""
    missed: int = 0
    """So many entries of the call before this one found no place in the queue."""
    since: float = 0.0
    """Seconds of the queue's clock."""
    until: int = 0
    """Of the wish to forget: what is newer stays."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the file holds after a commit."""

    calls: int = 0
    octets: int = 0
    """Estimated as everywhere; not those of the file."""
    dropped: int = 0
    file_octets: int = 0


class Counts(NamedTuple):
    """How things stand."""

    waiting: int
    """Entries that are not in the file yet."""
    octets: int
    """Theirs."""
    begun: int
    """Calls that begin with one of them."""
    lost: int
    """Entries that found no place, or no time at the end."""
    totals: Totals


class WriteQueue:
    """One thread puts, one takes away what it has written."""

    def __init__(self, most_octets: int, flush_seconds: float, clock: Callable[[], float]) -> None:
        """Nothing waits. `clock`: seconds that never run backwards."""
        self.flush_seconds = flush_seconds
        self.clock = clock
        self._most = most_octets
        self._items: deque[Waiting] = deque()
        self._octets = self._begun = self._lost = 0
        self._holes: dict[str, int] = {}
        self._urgent = self._closed = False
        self._totals = Totals()
        self._changed = threading.Condition()

    def put(self, ordinal: int, entry: Entry, octets: int, opened: Entry | None = None, begins: bool = False) -> bool:
        """Let an entry wait; False when there is no room for it, or no more writing. Never blocks on the disk."""
        with self._changed:
            if self._closed:
                return False
            room = self._most * (RESERVE if entry.kind in _TELLING else 1.0)
            if self._octets + octets > room and self._items:
                self._lose(entry)
                return False
            missed = self._holes.pop(entry.call, 0) if entry.call and self._holes else 0
            self._add(Waiting(ordinal, entry, opened, octets, begins, missed, self.clock()))
            return True

    def put_clearance(self, ordinal: int, until: int) -> None:
        """Let the wish wait that everything that is over by now, and began up to `until`, be forgotten."""
        with self._changed:
            if not self._closed:
                self._add(Waiting(ordinal, None, since=self.clock(), until=until))
                self._hurry()

    def _lose(self, entry: Entry) -> None:
        self._lost += 1
        if entry.call is not None and (entry.call in self._holes or len(self._holes) < 10_000):
            self._holes[entry.call] = self._holes.get(entry.call, 0) + 1

    def _add(self, item: Waiting) -> None:
        first = not self._items
        self._items.append(item)
        self._octets += item.octets
        self._begun += item.begins
        if first:
            self._changed.notify_all()
        elif self._octets * 2 > self._most and not self._urgent:
            self._hurry()

    def _hurry(self) -> None:
        self._urgent = True
        self._changed.notify_all()

    def due(self, now: float) -> float | None:
        """Seconds until the oldest entry must be written, 0 when it is time; None: nothing waits."""
        with self._changed:
            if not self._items:
                return None
            return 0.0 if self._urgent else max(0.0, self._items[0].since + self.flush_seconds - now)

    def batch(self, most: int, most_octets: int) -> list[Waiting]:
        """The oldest ones, which stay until `written`; at least one when any waits."""
        with self._changed:
            taken: list[Waiting] = []
            octets = 0
            for item in self._items:
                octets += item.octets
                if taken and (len(taken) == most or octets > most_octets):
                    break
                taken.append(item)
            return taken

    def publish(self, totals: Totals) -> None:
        """Tell what the file holds now."""
        with self._changed:
            self._totals = totals

    def written(self, count: int, totals: Totals) -> None:
        """Let go of so many of the oldest, and tell what the file holds with them."""
        with self._changed:
            self._totals = totals
            for _ in range(count):
                item = self._items.popleft()
                self._octets -= item.octets
                self._begun -= item.begins
            if not self._items:
                self._urgent = False
            self._changed.notify_all()

    def sleep(self, seconds: float, patient: bool = False) -> None:
        """Wait for the writing thread's next task: so long, or until somebody is in a hurry, or the first entry comes.

        Who is patient, after a failure, is woken by the closing alone.
        """
        with self._changed:
            idle = not self._items

            def wanted() -> bool:
                return self._closed or (not patient and (self._urgent or (idle and bool(self._items))))

            self._changed.wait_for(wanted, max(0.0, seconds))

    def drain(self, seconds: float) -> bool:
        """Ask for all that waits to be written now, and wait for that so long; True when it was."""
        with self._changed:
            if not self._items:
                return True
            last = self._items[-1].ordinal
            self._hurry()
            return self._changed.wait_for(lambda: not self._items or self._items[0].ordinal > last, seconds)

    def holds(self, ordinal: int) -> bool:
        """Whether an entry up to this one still waits."""
        with self._changed:
            return bool(self._items) and self._items[0].ordinal <= ordinal

    def close(self) -> None:
        """Take nothing more."""
        with self._changed:
            self._closed = True
            self._hurry()

    def give_up(self) -> None:
        """Count what still waits as lost."""
        with self._changed:
            self._lost += sum(item.entry is not None for item in self._items)
            self._items.clear()
            self._octets = self._begun = 0
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    @property
    def counts(self) -> Counts:
        """How things stand, all of the same moment."""
        with self._changed:
            return Counts(len(self._items), self._octets, self._begun, self._lost, self._totals)

    def oldest_seconds(self) -> float:
        """How long the oldest entry has waited."""
        with self._changed:
            return self.clock() - self._items[0].since if self._items else 0.0
