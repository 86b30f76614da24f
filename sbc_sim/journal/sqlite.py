"""A store in a SQLite file: what happened survives a restart, and a disk that is slow or full stops no call.

Everything that is appended stands at once in a store in memory, from which live and recent calls are read, and waits for the one thread
that writes the file (docs/decisions/0011). Older calls are read from the file. A call is the same from either.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import merge
from pathlib import Path
from typing import TypeVar

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.latest import Known, is_open, name_of
from sbc_sim.journal.memory import MemoryStore, call_page, entry_page, place_of
from sbc_sim.journal.opening import connect, open_file, sentence
from sbc_sim.journal.queue import WriteQueue
from sbc_sim.journal.reading import Rows
from sbc_sim.journal.record import StoreLimits, entry_octets
from sbc_sim.journal.restart import end_live_calls
from sbc_sim.journal.retention import FileBounds
from sbc_sim.journal.store import CallPage, CallQuery, EntryPage, Listener, StoreError, StoreHealth, StoreSize, Trace
from sbc_sim.journal.view import CallView
from sbc_sim.journal.writing import WriterThread, Writing

Read = TypeVar("Read")

HOT_CALLS = 1000
"""Calls kept in memory at most beside the file; live ones stay whatever their number."""
SLOW_SECONDS = 5.0
"""An entry that waits so much longer than the flush interval is worth a word."""
CLOSING_SECONDS = 10.0
"""Longest wait for the last entries when the store is closed."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the file is kept."""

    bounds: FileBounds = field(default_factory=FileBounds)
    flush_seconds: float = 0.1
    queue_octets: int = 32 * 1024 * 1024


class SqliteStore:
    """A `Store` that survives."""

    def __init__(
        self,
        path: Path,
        now: float,
        limits: StoreLimits | None = None,
        options: FileOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        committed: Callable[[int], None] = lambda ordinal: None,
    ) -> None:
        """Open or make the file; calls that were up when it was last written are ended, see `restarted`. Raises StoreError.

        `now`: unix seconds. `limits`: bounds of one call, of lists outside of calls, and of what is in memory. `clock` and `wall` time the
        writing and the ages. `committed` is told, in the writing thread, the newest ordinal that is safe.
        """
        limits, options = limits or StoreLimits(), options or FileOptions()
        self._path = path
        self._most_voice_calls = limits.voice_calls
        self._queue = WriteQueue(options.queue_octets, options.flush_seconds, clock)
        connection, self._lock = open_file(path)
        try:
            ordinal = _newest(connection)
            self.restarted = end_live_calls(connection, limits, ordinal, now)
            """Calls that were ended because they were up when the process before this one stopped."""
            self._writing = Writing(connection, path, self._queue, limits, options.bounds, wall, committed)
            self._hot = MemoryStore(replace(limits, calls=HOT_CALLS), _newest(connection), live_stay=True)
            self._reader: sqlite3.Connection | None = connect(path, reading=True)
            self._rows = Rows(self._reader)
        except (sqlite3.Error, OSError) as error:
            connection.close()
            self._lock.free()
            raise StoreError(sentence(error, path)) from None
        self._cleared = 0
        self._unreadable = ""
        self._thread = WriterThread(self._writing, self._queue)
        self._thread.start()

    # --- writing -----------------------------------------------------------------------------------------------------

    def append(self, entry: Entry) -> None:
        """Keep an entry, let it wait for the disk, then tell it to every subscriber."""
        call = entry.call
        begins = call is not None and call not in self._hot
        octets = entry_octets(entry)
        entry = self._hot.keep(entry, octets)
        record = self._hot.record(call) if call is not None else None
        opened = record.opened if record is not None and entry.kind is Kind.CALL_STARTED else None
        self._queue.put(self._hot.ordinal, entry, octets, opened, begins and record is not None)
        self._hot.tell(entry)

    def voice_calls(self) -> tuple[Entry, ...]:
        """The newest VOICE_CALL entry of each voice call, changed longest ago first."""
        hidden = self._cleared if self._cleared > self._writing.cleared else 0
        found = {
            name_of(entry): (ordinal, entry)
            for ordinal, entry in self._cold(lambda rows: rows.voice_calls())
            if ordinal > hidden or is_open(entry)
        }
        found |= {name_of(one.entry): (one.ordinal, one.entry) for one in self._hot.latest if not self._outdated(one, found)}
        return tuple(entry for _, entry in sorted(found.values(), key=lambda pair: pair[0]))[-self._most_voice_calls :]

    @staticmethod
    def _outdated(one: Known, found: Mapping[str, tuple[int, Entry]]) -> bool:
        """Whether the file knows a voice call better: it changed again, and memory had no room for it."""
        return found.get(name_of(one.entry), (0, None))[0] > one.ordinal

    def subscribe(self, listener: Listener, others: bool = False) -> Callable[[], None]:
        """Call `listener` with every entry after it is kept; the returned function ends that."""
        return self._hot.subscribe(listener, others)

    def clear(self) -> int:
        """Forget what is over and what belongs to no call; return how many calls went. The file follows within a moment."""
        before = self.size().calls
        self._hot.clear()
        self._cleared = self._hot.ordinal
        self._queue.put_clearance(self._hot.ordinal)
        return max(0, before - self._hot.size().calls)

    def flush(self, seconds: float) -> bool:
        """Wait so long for everything that was appended by now to be in the file; True when it is."""
        return self._queue.drain(seconds)

    def close(self) -> None:
        """Write what waits and let go of the file; nothing may be appended afterwards. A second time does nothing."""
        if self._reader is None:
            return
        self._reader.close()
        self._reader = None
        self._queue.close()
        self._thread.join(CLOSING_SECONDS)
        if self._thread.is_alive():  # what hangs may yet write: the lock goes with the process, lest another one opens the file meanwhile
            self._queue.give_up()
        else:
            self._lock.free()

    # --- reading -----------------------------------------------------------------------------------------------------

    def calls(self, query: CallQuery) -> CallPage:
        """Calls that match, newest first. Raises BadCursor."""
        self._settle()
        hot = self._hot.matching(query)
        below = place_of(query.cursor)
        cold = self._cold(lambda rows: rows.calls(query, below, self._only_cold))
        return call_page(merge(hot, cold, key=lambda view: -view.ordinal), query.limit)

    def call(self, call: str) -> CallView | None:
        """One call, or None. The view is for reading only."""
        self._settle()
        view = self._hot.call(call)
        if view is None:
            view = next(self._cold(lambda rows: _some(rows.call(call))), None)
            view = view if view is not None and self._only_cold(view.id, view.ordinal) else None
        return view

    def trace(self, call: str) -> Trace | None:
        """One call with its entries, or None."""
        self._settle()
        trace = self._hot.trace(call)
        if trace is not None:
            return trace
        record = next(self._cold(lambda rows: _some(rows.record(call))), None)
        if record is None or not self._only_cold(record.view.id, record.view.ordinal):
            return None
        return Trace(record.view, record.entries, record.view.dropped, len(record.first), record.opened)

    def attempts(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """ATTEMPT entries, newest first. Raises BadCursor."""
        return entry_page(self._loose(True, cursor), limit)

    def outside(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """Other entries that belong to no call, newest first. Raises BadCursor."""
        return entry_page(self._loose(False, cursor), limit)

    def size(self) -> StoreSize:
        """How full the store is: the file, and what waits for it."""
        counts = self._queue.counts
        calls, octets = counts.totals.calls + counts.begun, counts.totals.octets + counts.octets
        if self._cleared > self._writing.cleared:  # the file will follow
            calls, octets = self._hot.size().calls, self._hot.size().octets
        return StoreSize(calls, octets, counts.totals.dropped)

    def health(self) -> StoreHealth:
        """Whether what is appended also survives."""
        counts = self._queue.counts
        trouble = self._writing.trouble or self._slowness(counts.waiting)
        return StoreHealth("sqlite", not trouble, trouble, counts.waiting, counts.lost, counts.totals.file_octets, self._unreadable)

    @property
    def newest(self) -> int:
        """Ordinal of the newest entry: with `committed`, what tells whether it is safe."""
        return self._hot.ordinal

    def _slowness(self, waiting: int) -> str:
        late = self._queue.oldest_seconds() - self._queue.flush_seconds
        if late < SLOW_SECONDS:
            return ""
        return (
            f"the disk under {self._path} is slow: {waiting} entries wait, the oldest for {late:.0f} s; "
            "look after it, or name another file in store.url"
        )

    def _loose(self, attempts: bool, cursor: str | None) -> Iterator[tuple[int, Entry]]:
        below = place_of(cursor)
        lowest = below
        for ordinal, entry in self._hot.loose(attempts, cursor):
            lowest = ordinal
            yield ordinal, entry
        hidden = self._cleared if self._cleared > self._writing.cleared else 0
        yield from self._cold(lambda rows: (pair for pair in rows.loose(attempts, lowest) if pair[0] > hidden))

    def _cold(self, read: Callable[[Rows], Iterable[Read]]) -> Iterator[Read]:
        """Read from the file; when it cannot be read there is nothing in it, and health() says why."""
        if self._reader is None:
            return
        try:
            yield from read(self._rows)
            self._unreadable = ""
        except sqlite3.Error as error:
            self._unreadable = f"older calls cannot be read: {sentence(error, self._path)}"

    def _only_cold(self, call: str, ordinal: int) -> bool:
        """Whether a call of the file is to be shown: not what memory knows better, nor what is about to be cleared."""
        return call not in self._hot and (ordinal > self._cleared or self._cleared <= self._writing.cleared)

    def _settle(self) -> None:
        """Forget the calls that had to go from the file."""
        gone = self._writing.gone
        while gone:
            self._hot.forget([gone.popleft()])


def _some(value: Read | None) -> tuple[Read, ...]:
    return () if value is None else (value,)


def _newest(connection: sqlite3.Connection) -> int:
    """The newest ordinal of the file."""
    row = connection.execute(
        "SELECT max((SELECT value FROM counters WHERE name = 'ordinal'), "
        "coalesce((SELECT max(ordinal) FROM calls), 0), coalesce((SELECT max(ordinal) FROM loose), 0))"
    ).fetchone()
    return int(row[0])
