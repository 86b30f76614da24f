from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.sqlite import FileOptions, SqliteStore
from sbc_sim.net.store_watch import LOOK_SECONDS, StoreWatch

PATIENCE = 30.0


@pytest.fixture
def lines() -> Iterator[list[tuple[LogLevel, str]]]:
    heard: list[tuple[LogLevel, str]] = []

    def hear(event: dict[str, Any]) -> None:
        if event["log_namespace"].startswith("sbc_sim.net.store_watch"):
            heard.append((event["log_level"], formatEvent(event)))

    globalLogPublisher.addObserver(hear)
    yield heard
    globalLogPublisher.removeObserver(hear)


def note(store: SqliteStore, count: int) -> None:
    for number in range(count):
        store.append(Entry(1.0, Kind.NOTE, None, {"number": number}))


def in_trouble(store: SqliteStore) -> None:
    deadline = time.monotonic() + PATIENCE
    while not store.health().trouble:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_trouble_and_its_end_are_said_once_each(tmp_path: Path, lines: list[tuple[LogLevel, str]]) -> None:
    clock = Clock()
    store = SqliteStore(tmp_path / "calls.db", 0.0, options=FileOptions(queue_octets=10_000), wall=lambda: 0.0)
    watch = StoreWatch(store, clock)  # type: ignore[arg-type]
    watch.start()
    clock.pump([LOOK_SECONDS] * 3)
    assert lines == []
    other = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    note(store, 100)
    in_trouble(store)
    clock.pump([LOOK_SECONDS] * 3)
    [(level, text)] = lines
    assert level is LogLevel.warn
    assert text.startswith("calls go on, but what happens is not on disk: another program holds a lock on")
    lost = store.health().lost
    assert lost > 0
    other.rollback()
    other.close()
    assert store.flush(PATIENCE)
    clock.pump([LOOK_SECONDS] * 3)
    assert lines[1:] == [(LogLevel.info, f"the store writes again: {lost} entries that came meanwhile found no room")]
    store.close()
    watch.stop()
    assert len(lines) == 2
    assert clock.getDelayedCalls() == []


def test_what_could_not_be_written_at_the_end_is_said(tmp_path: Path, lines: list[tuple[LogLevel, str]]) -> None:
    store = SqliteStore(tmp_path / "calls.db", 0.0, wall=lambda: 0.0)
    watch = StoreWatch(store, Clock())  # type: ignore[arg-type]
    watch.start()
    other = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    note(store, 5)
    store.close()
    watch.stop()
    other.close()
    assert lines == [(LogLevel.warn, "5 entries of the journal could not be written any more")]


def test_a_store_in_memory_is_not_watched() -> None:
    clock = Clock()
    watch = StoreWatch(MemoryStore(), clock)  # type: ignore[arg-type]
    watch.start()
    assert clock.getDelayedCalls() == []
    watch.stop()


def test_what_cannot_be_read_is_not_said_to_be_unwritten(tmp_path: Path, lines: list[tuple[LogLevel, str]]) -> None:
    clock = Clock()
    store = SqliteStore(tmp_path / "calls.db", 0.0, wall=lambda: 0.0)
    store.append(Entry(1.0, Kind.CALL_STARTED, "c", {"sipCallId": "c"}))
    store.append(Entry(1.0, Kind.CALL_ENDED, "c", {"state": "ended"}))
    store.close()
    with sqlite3.connect(tmp_path / "calls.db") as connection:
        connection.execute("UPDATE entries SET data = x'789c0001'")
    connection.close()
    store = SqliteStore(tmp_path / "calls.db", 0.0, wall=lambda: 0.0)
    watch = StoreWatch(store, clock)  # type: ignore[arg-type]
    watch.start()
    assert store.trace("c") is None
    clock.pump([LOOK_SECONDS] * 3)
    assert store.trace("unknown") is None
    clock.pump([LOOK_SECONDS] * 3)
    store.close()
    watch.stop()
    [(level, text), (_, after)] = lines
    assert level is LogLevel.warn
    assert text.startswith(f"calls go on, but older calls cannot be read: {tmp_path / 'calls.db'} is damaged")
    assert after == "older calls can be read again"
