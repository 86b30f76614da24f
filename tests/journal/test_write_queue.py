"""When writing is due, by a clock of the test: nothing here waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.queue import WriteQueue
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.retention import FileBounds
from sbc_sim.journal.sqlite_file import SqliteFile
from sbc_sim.journal.writing import IDLE_SECONDS, RETRY_SECONDS, Writing

FLUSH = 0.1


class Clocked:
    """The writer without its thread: its steps are called by the test."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self.path = path
        self.safe: list[int] = []
        self.queue = WriteQueue(1_000_000, FLUSH, lambda: self.now)
        self.file = SqliteFile(path)
        self.file.prepare()
        connection = self.file.connect()
        connection.execute("PRAGMA busy_timeout = 0")
        self.writing = Writing(connection, self.file, self.queue, StoreLimits(), FileBounds(), lambda: 0.0, self.safe.append)
        self.writing.step(self.now)  # looks at the bounds, for the first time

    def put(self, ordinal: int, octets: int = 100) -> bool:
        return self.queue.put(ordinal, Entry(self.now, Kind.NOTE, "c", {"number": ordinal}), octets)

    def step(self, seconds: float) -> float:
        """Let the clock go on, then do what is due."""
        self.now += seconds
        return self.writing.step(self.now)

    def in_file(self) -> int:
        with sqlite3.connect(self.path) as connection:
            return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])


def failing(count: int, totals: object) -> None:
    raise OSError("Error after the commit")


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    clocked = Clocked(tmp_path / "calls.db")
    yield clocked
    clocked.queue.close()
    clocked.writing.finish()
    clocked.file.free()


def test_an_entry_is_written_when_the_flush_interval_is_over_and_not_before(clocked: Clocked) -> None:
    clocked.put(1)
    assert clocked.step(0.04) == pytest.approx(0.06)
    clocked.put(2)
    assert clocked.in_file() == 0
    assert clocked.step(0.0599) == pytest.approx(0.0001)
    assert clocked.in_file() == 0
    clocked.step(0.0002)
    assert clocked.in_file() == 2, "what came later goes with it"
    assert clocked.safe == [2]


def test_no_entry_waits_longer_than_the_interval_whatever_comes_after_it(clocked: Clocked) -> None:
    """With a step exactly when it was asked for, each entry is safe at most one interval after it came."""
    came: dict[int, float] = {}
    wanted = 0.0
    for number in range(1, 200):
        clocked.put(number)
        came[number] = clocked.now
        wanted = clocked.step(min(wanted, 0.013) if wanted else 0.013)
        safe = max(clocked.safe, default=0)
        assert all(clocked.now - at <= FLUSH + 1e-9 for ordinal, at in came.items() if ordinal > safe)
    assert len(clocked.safe) > 10


def test_who_drains_and_a_queue_that_is_half_full_do_not_wait_for_the_interval(clocked: Clocked) -> None:
    clocked.put(1)
    assert clocked.queue.drain(0.0) is False
    clocked.step(0.0)
    assert clocked.in_file() == 1
    assert clocked.queue.drain(0.0) is True
    clocked.put(2, 300_000)
    clocked.step(0.0)
    assert clocked.in_file() == 1
    clocked.put(3, 300_000)
    clocked.step(0.0)
    assert clocked.in_file() == 3


def test_a_failure_is_tried_again_after_pauses_that_grow_to_a_bound(clocked: Clocked) -> None:
    clocked.put(1)
    other = sqlite3.connect(clocked.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pauses = [clocked.step(FLUSH)]
    for _ in range(6):
        assert clocked.step(pauses[-1] / 2) == pytest.approx(pauses[-1] / 2), "in between nothing is tried"
        pauses.append(clocked.step(pauses[-1] / 2 + 1e-6))
    assert pauses == pytest.approx([0.2, 0.4, 0.8, *[RETRY_SECONDS] * 4])
    assert clocked.writing.trouble
    other.rollback()
    other.close()
    clocked.step(RETRY_SECONDS + 1e-6)
    assert clocked.in_file() == 1
    assert clocked.writing.trouble == ""


def test_what_the_file_has_already_is_not_written_twice(tmp_path: Path) -> None:
    """The commit succeeds, and what comes right after it fails: the batch is tried again."""
    clocked = Clocked(tmp_path / "calls.db")
    clocked.put(1)
    clocked.put(2)
    written, clocked.queue.written = clocked.queue.written, failing  # type: ignore[method-assign]
    pause = clocked.step(FLUSH)
    assert "Error" in clocked.writing.trouble
    assert clocked.in_file() == 2
    clocked.queue.written = written  # type: ignore[method-assign]
    clocked.put(3)
    clocked.step(pause + FLUSH)
    assert clocked.writing.trouble == ""
    assert clocked.queue.counts.waiting == 0
    assert clocked.in_file() == 3
    clocked.queue.close()
    clocked.writing.finish()
    clocked.file.free()


def test_with_nothing_to_do_the_writer_looks_once_in_a_while(clocked: Clocked) -> None:
    assert clocked.step(IDLE_SECONDS) == pytest.approx(IDLE_SECONDS)


def test_a_full_queue_loses_what_comes_and_keeps_what_is_there(clocked: Clocked) -> None:
    assert clocked.put(1, 999_000)
    assert not clocked.put(2, 2_000)
    assert clocked.put(3, 900), "what still fits is taken"
    counts = clocked.queue.counts
    assert (counts.waiting, counts.octets, counts.lost) == (2, 999_900, 1)
    clocked.step(FLUSH)
    assert clocked.queue.counts.waiting == 0
    assert clocked.put(4, 2_000)


def test_the_end_of_a_call_has_room_where_its_messages_have_none(clocked: Clocked) -> None:
    clocked.put(1, 999_999)
    ended = Entry(1.0, Kind.CALL_ENDED, "c", {"state": "ended"})
    assert not clocked.put(2, 100)
    assert clocked.queue.put(3, ended, 100)


def test_one_entry_larger_than_the_queue_is_taken_when_it_is_alone(clocked: Clocked) -> None:
    assert clocked.put(1, 5_000_000)
    assert not clocked.put(2)


def test_after_closing_nothing_is_taken_and_nothing_is_counted(clocked: Clocked) -> None:
    clocked.queue.close()
    assert not clocked.put(1)
    assert clocked.queue.counts.lost == 0
