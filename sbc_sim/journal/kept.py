"""A store in a database: what happened survives a restart, and a database that is slow, full or away stops no call.

Everything that is appended stands at once in a store in memory, from which live and recent calls are read, and waits for the one thread
that writes (docs/decisions/0011, 0017). Older calls are read from the database, and so are the calls of other replicas, where several
share it. A call is the same from either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import merge
from typing import TypeVar

from sbc_sim.journal.database import FAILURES, Connection, Database
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.feed import Feed
from sbc_sim.journal.latest import Known, is_open, name_of
from sbc_sim.journal.memory import MemoryStore, call_page, entry_page, place_of
from sbc_sim.journal.queue import WriteQueue
from sbc_sim.journal.reading import Rows
from sbc_sim.journal.record import StoreLimits, entry_octets
from sbc_sim.journal.restart import end_calls_of_nobody, end_live_calls
from sbc_sim.journal.retention import FileBounds
from sbc_sim.journal.share import Share, ShareOptions
from sbc_sim.journal.store import (
    CallPage,
    CallQuery,
    EntryPage,
    Listener,
    Missed,
    StoreError,
    StoreHealth,
    StoreSize,
    Trace,
    Wanted,
    everything,
    nothing,
)
from sbc_sim.journal.view import CallView
from sbc_sim.journal.writing import Seen, WriterThread, Writing

Read = TypeVar("Read")

HOT_CALLS = 1000
"""Calls kept in memory at most beside the database; live ones stay whatever their number."""
SLOW_SECONDS = 5.0
"""An entry that waits so much longer than the flush interval is worth a word."""
CLOSING_SECONDS = 3.5
"""Longest wait for the last entries, and for what is being read of others, when the store is closed: with the calls' BYE before it and
the replica's farewell after it less than the ten seconds that containers get."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the database is kept."""

    bounds: FileBounds = field(default_factory=FileBounds)
    flush_seconds: float = 0.1
    queue_octets: int = 32 * 1024 * 1024


class KeptStore:
    """A `Store` that survives, and that several may share."""

    def __init__(
        self,
        database: Database,
        now: float,
        limits: StoreLimits | None = None,
        options: FileOptions | None = None,
        share: ShareOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        committed: Callable[[int], None] = lambda ordinal: None,
    ) -> None:
        """Open the database, or make what is missing of it. Raises StoreError.

        `now`: unix seconds. `limits`: bounds of one call, of lists outside of calls, and of what is in memory. `share`: who this is among
        several; without it, calls that were up when the database was last written are ended, see `restarted`. `clock` and `wall` time the
        writing and the ages. `committed` is told, in the writing thread, the newest ordinal that is safe.
        """
        limits, options = limits or StoreLimits(), options or FileOptions()
        self._database = database
        self._most_voice_calls = limits.voice_calls
        self._queue = WriteQueue(options.queue_octets, options.flush_seconds, clock)
        self._share = Share(share)
        self.restarted: list[str] = []
        """Calls that were ended because they were up when the process before this one stopped; in a shared store those of nobody."""
        self._cleared = self._until = 0
        self._unreadable = ""
        self._closed = False
        self._settled: Seen | None = None
        database.prepare()
        connection: Connection | None = None
        try:
            connection = database.connect()
            ordinal = Rows(connection).newest(self._share.replica) if share else _newest(connection)
            if share is None:
                self.restarted = end_live_calls(connection, limits, ordinal, now)
                ordinal = _newest(connection)
            else:
                self.restarted = end_calls_of_nobody(connection, limits, share, now)
            self._writing = Writing(connection, database, self._queue, limits, options.bounds, wall, committed, self._share)
            self._hot = MemoryStore(replace(limits, calls=HOT_CALLS), ordinal, live_stay=True, share=self._share)
            self._rows: Rows | None = Rows(database.connect(reading=True))
        except FAILURES as error:
            if connection is not None:
                connection.close()
            database.free()
            raise StoreError(database.sentence(error)) from None
        self._writing.between = self._renew_reader
        self._thread = WriterThread(self._writing, self._queue)
        self._thread.start()
        self._feed = Feed(database, share) if share else None
        if self._feed is not None:
            self._feed.start()

    # --- writing -----------------------------------------------------------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether other processes write to it too."""
        return self._share.shared

    def append(self, entry: Entry) -> None:
        """Keep an entry, let it wait for the database, then tell it to every subscriber."""
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
        hidden = self._hidden
        found = {
            name_of(entry): (ordinal, entry)
            for ordinal, entry in self._cold(lambda rows: rows.voice_calls())
            if ordinal > hidden or is_open(entry)
        }
        found |= {name_of(one.entry): (one.ordinal, one.entry) for one in self._hot.latest if not self._outdated(one, found)}
        return tuple(entry for _, entry in sorted(found.values(), key=lambda pair: pair[0]))[-self._most_voice_calls :]

    @staticmethod
    def _outdated(one: Known, found: Mapping[str, tuple[int, Entry]]) -> bool:
        """Whether the database knows a voice call better: memory had no room for its last change, or another replica made it."""
        return found.get(name_of(one.entry), (0, None))[0] > one.ordinal

    def subscribe(self, listener: Listener, others: bool | Wanted = False, missed: Missed = nothing) -> Callable[[], None]:
        """Call `listener` with every entry after it is kept, with `others` of all replicas; the returned function ends that."""
        end_own = self._hot.subscribe(listener)
        if not others or self._feed is None:
            return end_own
        end_others = self._feed.subscribe(listener, missed, everything if others is True else others)

        def end() -> None:
            end_own()
            end_others()

        return end

    def clear(self, until: int | None = None) -> int:
        """Forget what is over and what belongs to no call; return how many calls went. The database follows within a moment.

        What is newer than the ordinal `until` stays.
        """
        before = self.size().calls if not self._share.shared else self._over()
        self._hot.clear(until)
        if self._share.shared:  # calls of others that began before now are meant too
            self._hot.ordinal = self._share.next(self._hot.ordinal)
        self._cleared = self._hot.ordinal
        self._until = self._cleared if until is None else until
        self._queue.put_clearance(self._cleared, self._until)
        return max(0, before - self._hot.size().calls) if not self._share.shared else before

    @property
    def _hidden(self) -> int:
        """What is over and as old as this will be cleared from the database in a moment."""
        return self._until if self._cleared > self._writing.cleared else 0

    def _over(self) -> int:
        """Calls that are over, of all replicas: those in the database, and ours that are not there yet."""
        statement = "SELECT count(*) FROM calls WHERE over = 1 AND ordinal > ?"
        for _ in range(5):  # unless something was written while we counted, which would be counted twice
            written, hidden = self._writing.safe, self._hidden
            cold = sum(self._cold(lambda rows: [int(rows.connection.execute(statement, (hidden,)).fetchone()[0])]))  # noqa: B023
            if written == self._writing.safe:
                break
        return cold + sum(record.newest > written for record in self._hot.over())

    def rejoin(self, share: ShareOptions) -> None:
        """Go on as another replica: the others had taken this one for lost, and it registered anew. Of a shared store only."""
        self._share.become(share)
        if self._feed is not None:
            self._feed.rejoin(share)

    def flush(self, seconds: float) -> bool:
        """Wait so long for everything that was appended by now to be in the database; True when it is."""
        return self._queue.drain(seconds)

    def written(self, ordinal: int) -> bool:
        """Whether everything up to this entry of ours has left the queue: it is in the database, and others may read it. Never waits."""
        return not self._queue.holds(ordinal)

    def close(self) -> None:
        """Write what waits and let go of the database; nothing may be appended afterwards. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        until = time.monotonic() + CLOSING_SECONDS
        if self._feed is not None:
            self._feed.close(0.0)  # it ends while the last entries are written
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.connection.close()
        self._queue.close()
        self._thread.join(CLOSING_SECONDS)
        if self._feed is not None:
            self._feed.close(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():  # what hangs may yet write: the lock goes with the process, lest another one opens the file meanwhile
            self._queue.give_up()
        else:
            self._database.free()

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
            view = view if view is not None and self._only_cold(view.id, view.ordinal, view.over) else None
        return view

    def trace(self, call: str) -> Trace | None:
        """One call with its entries, or None."""
        self._settle()
        trace = self._hot.trace(call)
        if trace is not None:
            return trace
        record = next(self._cold(lambda rows: _some(rows.record(call))), None)
        if record is None or not self._only_cold(record.view.id, record.view.ordinal, record.view.over):
            return None
        return Trace(record.view, record.entries, record.view.dropped, len(record.first), record.opened)

    def attempts(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """ATTEMPT entries, newest first. Raises BadCursor."""
        return entry_page(self._loose(True, cursor), limit)

    def outside(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """Other entries that belong to no call, newest first. Raises BadCursor."""
        return entry_page(self._loose(False, cursor), limit)

    def size(self) -> StoreSize:
        """How full the store is: the database, and what waits for it."""
        counts = self._queue.counts
        calls, octets = counts.totals.calls + counts.begun, counts.totals.octets + counts.octets
        if self._cleared > self._writing.cleared:  # the database will follow
            calls, octets = self._hot.size().calls, self._hot.size().octets
        return StoreSize(calls, octets, counts.totals.dropped)

    def health(self) -> StoreHealth:
        """Whether what is appended also survives."""
        counts = self._queue.counts
        trouble = self._writing.trouble or self._slowness(counts.waiting)
        octets, missed = counts.totals.file_octets, self._feed.missed if self._feed is not None else 0
        return StoreHealth(self._database.kind, not trouble, trouble, counts.waiting, counts.lost, octets, self._unreadable, missed)

    @property
    def newest(self) -> int:
        """Ordinal of the newest entry: with `committed`, what tells whether it is safe."""
        return self._hot.ordinal

    def _slowness(self, waiting: int) -> str:
        late = self._queue.oldest_seconds() - self._queue.flush_seconds
        if late < SLOW_SECONDS:
            return ""
        database = self._database
        return f"{database.place} is slow: {waiting} entries wait, the oldest for {late:.0f} s; {database.slow_cure}"

    def _loose(self, attempts: bool, cursor: str | None) -> Iterator[tuple[int, Entry]]:
        below = place_of(cursor)
        hidden = self._hidden
        hot = self._hot.loose(attempts, cursor)
        if self._share.shared:  # entries of others stand between ours, and ours may be there too
            yield from _once(merge(hot, self._cold_loose(attempts, below, hidden), key=lambda pair: -pair[0]))
            return
        for ordinal, entry in hot:
            below = ordinal
            yield ordinal, entry
        yield from self._cold_loose(attempts, below, hidden)

    def _cold_loose(self, attempts: bool, below: int, hidden: int) -> Iterator[tuple[int, Entry]]:
        return self._cold(lambda rows: (pair for pair in rows.loose(attempts, below) if pair[0] > hidden))

    def _cold(self, read: Callable[[Rows], Iterable[Read]]) -> Iterator[Read]:
        """Read from the database; when it cannot be read there is nothing in it, and health() says why."""
        rows = self._rows
        if rows is None:
            return
        try:
            yield from read(rows)
            self._unreadable = ""
        except FAILURES as error:
            self._unreadable = f"older calls cannot be read: {self._database.sentence(error)}"
            if rows.connection.lost:
                self._rows = None

    def _renew_reader(self) -> None:
        """Connect again for reading, in the writing thread while the database answers: connecting takes longer than calls may wait."""
        if not self._database.hangs or self._rows is not None or self._closed:
            return
        try:
            rows = Rows(self._database.connect(reading=True))
        except FAILURES:
            return  # the next look tries again
        self._rows, self._unreadable = rows, ""

    def _only_cold(self, call: str, ordinal: int, over: bool) -> bool:
        """Whether a call of the database is to be shown: not what memory knows better, nor what is about to be cleared."""
        return call not in self._hot and (not over or ordinal > self._hidden)

    def _settle(self) -> None:
        """Forget the calls that had to go from the database, here or by another replica."""
        gone = self._writing.gone
        while gone:
            self._hot.forget([gone.popleft()])
        seen = self._writing.seen
        if seen is not None and seen is not self._settled:
            self._settled = seen
            over = self._hot.over()
            self._hot.forget([one.view.id for one in over if one.view.ordinal < seen.floor and one.newest <= seen.newest])


def _some(value: Read | None) -> tuple[Read, ...]:
    return () if value is None else (value,)


def _once(pairs: Iterable[tuple[int, Entry]]) -> Iterator[tuple[int, Entry]]:
    """Each entry once; equal ones stand beside each other."""
    last = -1
    for ordinal, entry in pairs:
        if ordinal != last:
            yield ordinal, entry
        last = ordinal


def _newest(connection: Connection) -> int:
    """The newest ordinal of a store that is not shared, or was."""
    places = ("SELECT max(value) FROM counters", *(f"SELECT max(ordinal) FROM {table}" for table in ("calls", "loose", "voice_calls")))
    return max(int(connection.execute(statement).fetchone()[0] or 0) for statement in places)
