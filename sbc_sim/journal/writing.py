"""The one writer of a database in this process: takes what waits in batches, each of them a transaction, and clears away in between.

`step` does what is due and says when it wants to be called again; `WriterThread` calls it, tests call it with a clock of their own.
When the database refuses, everything that waits goes on waiting, and the next try begins from what the database itself says, by a new
connection where the old one is lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sbc_sim.journal.batch import Batch
from sbc_sim.journal.database import FAILURES, Connection, Database
from sbc_sim.journal.queue import Totals, WriteQueue
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.retention import FileBounds, Retention
from sbc_sim.journal.share import Share

BATCH = 1000
BATCH_OCTETS = 4 * 1024 * 1024
RETRY_SECONDS = 1.0
"""Longest time between two tries while the disk refuses."""
IDLE_SECONDS = 1.0
"""So often it is looked whether something has to go."""
BETWEEN_STEPS = 0.01
"""Seconds between two steps of clearing away, for others to have the processor."""
RECOUNT_SECONDS = 2.0
"""So often it is counted what others wrote to a shared store, and deleted."""

MOST_GONE = 10_000
"""Calls that went and of which the store may not have been told yet; it has far fewer in memory that are over."""


class Seen(NamedTuple):
    """What a shared store held when it was counted."""

    floor: int
    """Calls that are over and older than this are gone."""
    newest: int
    """Ordinal up to which the store had everything of this replica."""


class Writing:
    """The writer, without its thread. What stands here in public is read by the other thread, each value whole or not at all."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        queue: WriteQueue,
        limits: StoreLimits,
        bounds: FileBounds,
        now: Callable[[], float],
        committed: Callable[[int], None] = lambda ordinal: None,
        share: Share | None = None,
    ) -> None:
        """`now`: unix seconds, for ages. `committed` is told the newest ordinal that is safe, in the writer's thread.

        Raises sqlite3.Error or DatabaseError.
        """
        self.trouble = ""
        self.cleared = 0
        """The ordinal of the newest clearance that is done."""
        self.safe = 0
        """Ordinal up to which the database has everything of this replica."""
        self.gone: deque[str] = deque(maxlen=MOST_GONE)
        """The last calls that had to go, for the store to forget too: more than it has in memory of those that are over."""
        self.seen: Seen | None = None
        """What others left of a shared store."""
        self.between: Callable[[], None] = lambda: None
        """Called in the writer's thread while the database answers."""
        self._database, self._queue, self._limits, self._now, self._committed = database, queue, limits, now, committed
        self._share = share or Share()
        self._connection = connection
        self._retention = Retention(connection, database, bounds)
        self._batch: Batch | None = Batch(connection, limits, self._share)
        self._forgotten: Iterable[str] = ()
        self._dropped = 0
        self._failures, self._refused = 0, False
        self._retry_at = self._tidy_at = self._recount_at = float("-inf")
        queue.publish(self._sum())

    @property
    def patient(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def step(self, now: float) -> float:
        """Do what is due at `now` (seconds of the queue's clock); return after how many seconds there is more to do."""
        if now < self._retry_at and not self._queue.closed:
            return self._retry_at - now
        if self._fails(now):
            self._retry_at = now + min(RETRY_SECONDS, self._queue.flush_seconds * 2 ** min(self._failures, 10))
            return self._retry_at - now
        due = self._queue.due(now)
        tidy = max(0.0, self._tidy_at - now)
        return tidy if due is None else min(due, tidy)

    def _fails(self, now: float) -> bool:
        """Do what is due, up to the first that fails: that stays due, so that it is tried again although nothing may wait to be written."""
        self._refused = False
        if self._queue.due(now) == 0.0:
            self._attempt(self._flush)
        if not self._refused and self._share.shared and now >= self._recount_at and self._attempt(self._recount):
            self._recount_at = now + RECOUNT_SECONDS
        if not self._refused and now >= self._tidy_at:
            more = self._attempt(self._clear_away)
            if not self._refused:
                self.between()
                self._tidy_at = now + (BETWEEN_STEPS if more else IDLE_SECONDS)
        return self._refused

    def finish(self) -> None:
        """Write all that waits, as far as the disk takes it, and close the file."""
        while self._queue.counts.waiting and self._attempt(self._flush):
            pass
        self._queue.give_up()
        self._attempt(self._fold_back)
        self._connection.close()

    def _attempt(self, task: Callable[[], bool]) -> bool:
        """Do something in one transaction; False when there was nothing to do, or it failed."""
        try:
            self._database.look()
            if self._connection.lost:
                self._connection = self._retention.connection = self._database.connect()
            if self._batch is None:
                self._batch = Batch(self._connection, self._limits, self._share, self._forgotten)
            done = task()
        except Exception as error:  # whatever it is: the calls go on, and health() says what is wrong
            self._failed(error)
            return False
        self._failures, self.trouble = 0, ""
        return done

    def _failed(self, error: Exception) -> None:
        self._failures, self._refused = self._failures + 1, True
        if isinstance(error, FAILURES):
            self.trouble = f"{self._database.sentence(error)}; what happens meanwhile waits in memory, up to store.queue_bytes"
        else:
            self.trouble = f"the store met a fault of its own, please report it: {error!r}"
        if self._batch is not None:
            self._forgotten = tuple(self._batch.forgotten)
        self._batch = None
        try:
            if not self._connection.lost and self._connection.in_transaction:
                self._connection.rollback()
        except FAILURES:
            pass  # the next try says more

    def _flush(self) -> bool:
        batch = self._batch
        assert batch is not None
        items = self._queue.batch(BATCH, BATCH_OCTETS)
        self._connection.begin()
        for item in items:
            batch.take(item)
        batch.write(items[-1].ordinal if items else 0)
        if items and self._share.shared:
            self._connection.tell(self._share.replica, items[-1].ordinal)
        self._connection.commit()
        self.safe = batch.newest = max([batch.newest, *(item.ordinal for item in items)])
        batch.tidy()
        self.cleared = max([self.cleared, *(item.ordinal for item in items if item.entry is None)])
        self._queue.written(len(items), self._sum())
        if items:
            self._committed(items[-1].ordinal)
        return True

    def _clear_away(self) -> bool:
        """Do one step of retention."""
        batch = self._batch
        assert batch is not None
        now = self._now()
        surplus, loose_before = self._retention.surplus(batch.calls, batch.octets), self._retention.loose_before(now)
        victims = surplus or self._retention.aged(now)
        if not victims and loose_before is None:
            gave = self._retention.give_back()
            if gave:
                self._queue.publish(self._sum())
            return gave
        self._connection.begin()
        if self._share.shared:  # others may have deleted the same ones, and then the next are not too many
            self._connection.hold("retention")
            batch.recount()
            victims = self._retention.surplus(batch.calls, batch.octets) if surplus else victims
        batch.delete(victims)
        if loose_before is not None:
            batch.delete_loose(loose_before)
        self._connection.commit()
        self._queue.publish(self._sum())
        self.gone.extend(victim.id for victim in victims)
        return True

    def _recount(self) -> bool:
        """Count what several write together, and keep its bounds."""
        batch = self._batch
        assert batch is not None
        self._connection.begin()
        batch.recount()
        batch.trim_loose()
        floor = self._connection.execute("SELECT min(ordinal) FROM calls WHERE over = 1").fetchone()[0]
        self._connection.commit()
        self.seen = Seen(2**63 - 1 if floor is None else int(floor), batch.newest)
        self._queue.publish(self._sum())
        return True

    def _fold_back(self) -> bool:
        self._database.fold_back(self._connection)
        return True

    def _sum(self) -> Totals:
        batch = self._batch
        assert batch is not None
        self._dropped += batch.dropped
        batch.dropped = 0
        return Totals(batch.calls, batch.octets, self._dropped, self._database.file_octets(self._connection))


class WriterThread(threading.Thread):
    """Calls `step` until the queue is closed, then `finish`."""

    def __init__(self, writing: Writing, queue: WriteQueue) -> None:
        """Not started yet. A disk that never answers does not keep the process from ending."""
        super().__init__(name="sbc-sim store", daemon=True)
        self._writing = writing
        self._queue = queue

    def run(self) -> None:
        """Write."""
        while not self._queue.closed:
            seconds = self._writing.step(self._queue.clock())
            self._queue.sleep(seconds, self._writing.patient)
        self._writing.finish()
