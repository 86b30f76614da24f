"""The one writer of the file: takes what waits in batches, each of them a transaction, and clears away in between.

`step` does what is due and says when it wants to be called again; `WriterThread` calls it, tests call it with a clock of their own.
When the disk refuses, everything that waits goes on waiting, and the next try begins from what the file itself says.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from sbc_sim.journal.batch import Batch
from sbc_sim.journal.opening import sentence
from sbc_sim.journal.queue import Totals, WriteQueue
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.retention import FileBounds, Retention

BATCH = 1000
BATCH_OCTETS = 4 * 1024 * 1024
RETRY_SECONDS = 1.0
"""Longest time between two tries while the disk refuses."""
IDLE_SECONDS = 1.0
"""So often it is looked whether something has to go."""
BETWEEN_STEPS = 0.01
"""Seconds between two steps of clearing away, for others to have the processor."""


class Writing:
    """The writer, without its thread. What stands here in public is read by the other thread, each value whole or not at all."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        queue: WriteQueue,
        limits: StoreLimits,
        bounds: FileBounds,
        now: Callable[[], float],
        committed: Callable[[int], None] = lambda ordinal: None,
    ) -> None:
        """`now`: unix seconds, for ages. `committed` is told the newest ordinal that is safe, in the writer's thread.

        Raises sqlite3.Error.
        """
        self.trouble = ""
        self.cleared = 0
        """The ordinal of the newest clearance that is done."""
        self.gone: deque[str] = deque()
        """Calls that had to go, for the store to forget too."""
        self._path, self._queue, self._limits, self._now, self._committed = path, queue, limits, now, committed
        self._connection = connection
        self._retention = Retention(connection, bounds)
        self._batch: Batch | None = Batch(connection, limits)
        self._forgotten: Iterable[str] = ()
        self._dropped = 0
        self._failures = 0
        self._retry_at = self._tidy_at = float("-inf")
        self._inode = os.stat(path).st_ino
        queue.publish(self._sum())

    @property
    def patient(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def step(self, now: float) -> float:
        """Do what is due at `now` (seconds of the queue's clock); return after how many seconds there is more to do."""
        if now < self._retry_at and not self._queue.closed:
            return self._retry_at - now
        due = self._queue.due(now)
        if due == 0.0:
            self._attempt(self._flush)
        if now >= self._tidy_at and not self._failures:
            more = self._attempt(self._clear_away)
            self._tidy_at = now + (BETWEEN_STEPS if more else IDLE_SECONDS)
        if self._failures:
            self._retry_at = now + min(RETRY_SECONDS, self._queue.flush_seconds * 2 ** min(self._failures, 10))
            return self._retry_at - now
        due = self._queue.due(now)
        tidy = max(0.0, self._tidy_at - now)
        return tidy if due is None else min(due, tidy)

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
            self._look_for_file()
            if self._batch is None:
                self._batch = Batch(self._connection, self._limits, self._forgotten)
            done = task()
        except Exception as error:  # whatever it is: the calls go on, and health() says what is wrong
            self._failed(error)
            return False
        self._failures, self.trouble = 0, ""
        return done

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if isinstance(error, sqlite3.Error | OSError):
            self.trouble = f"{sentence(error, self._path)}; what happens meanwhile waits in memory, up to store.queue_bytes"
        else:
            self.trouble = f"the store met a fault of its own, please report it: {error!r}"
        if self._batch is not None:
            self._forgotten = tuple(self._batch.forgotten)
        self._batch = None
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the next try says more

    def _look_for_file(self) -> None:
        try:
            there = os.stat(self._path).st_ino
        except FileNotFoundError:
            there = 0
        if there != self._inode:
            raise OSError("it was removed or replaced under a running sbc-sim: put it back, or start again")

    def _flush(self) -> bool:
        batch = self._batch
        assert batch is not None
        items = self._queue.batch(BATCH, BATCH_OCTETS)
        self._connection.execute("BEGIN IMMEDIATE")
        for item in items:
            batch.take(item)
        batch.write(items[-1].ordinal if items else 0)
        self._connection.execute("COMMIT")
        batch.newest = max([batch.newest, *(item.ordinal for item in items)])
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
        victims, loose_before = self._retention.victims(batch.calls, now), self._retention.loose_before(now)
        if not victims and loose_before is None:
            gave = self._retention.give_back()
            if gave:
                self._queue.publish(self._sum())
            return gave
        self._connection.execute("BEGIN IMMEDIATE")
        batch.delete(victims)
        if loose_before is not None:
            batch.delete_loose(loose_before)
        self._connection.execute("COMMIT")
        self._queue.publish(self._sum())
        self.gone.extend(victim.id for victim in victims)
        return True

    def _fold_back(self) -> bool:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return True

    def _sum(self) -> Totals:
        batch = self._batch
        assert batch is not None
        self._dropped += batch.dropped
        batch.dropped = 0
        return Totals(batch.calls, batch.octets, self._dropped, self._retention.file_octets())


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
