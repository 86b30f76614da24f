"""What has to go from a file: by count, age and size, oldest first, never a live call; and its room is given back."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.retention import FileBounds
from sbc_sim.journal.sqlite import FileOptions, SqliteStore
from sbc_sim.journal.store import CallQuery

DAY = 86400.0
PATIENCE = 30.0


def open_store(folder: Path, wall: float = 0.0, **bounds: Any) -> SqliteStore:
    return SqliteStore(folder / "calls.db", wall, options=FileOptions(FileBounds(**bounds)), wall=lambda: wall)


def place(store: SqliteStore, call: str, at: float = 1.0, octets: int = 100, ends: bool = True) -> None:
    store.append(Entry(at, Kind.CALL_STARTED, call, {"sipCallId": call}))
    store.append(Entry(at, Kind.MESSAGE, call, {"summary": "INVITE"}, bytes(octets)))
    if ends:
        store.append(Entry(at, Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": "ended"}))


def ids(store: SqliteStore) -> list[str]:
    return [view.id for view in store.calls(CallQuery(limit=500)).calls]


def until_kept(store: SqliteStore, expected: list[str]) -> None:
    """Until both say so: what is gone is gone for a reader of the file a moment before the writing thread has counted anew."""
    deadline = time.monotonic() + PATIENCE
    while (ids(store), store.size().calls) != (expected, len(expected)):
        assert time.monotonic() < deadline, (ids(store), store.size())
        time.sleep(0.01)


def in_file(folder: Path, question: str) -> list[Any]:
    with sqlite3.connect(folder / "calls.db") as connection:
        return connection.execute(question).fetchall()


def test_over_the_number_of_calls_the_oldest_ended_ones_go(tmp_path: Path) -> None:
    store = open_store(tmp_path, calls=3)
    place(store, "live", ends=False)
    for number in range(80):
        place(store, f"c{number}")
    until_kept(store, ["c79", "c78", "live"])
    store.close()
    assert in_file(tmp_path, "SELECT id FROM calls ORDER BY ordinal") == [("live",), ("c78",), ("c79",)]
    assert in_file(tmp_path, "SELECT count(DISTINCT call) FROM entries") == [(3,)]


def test_live_calls_stay_even_when_they_are_too_many(tmp_path: Path) -> None:
    store = open_store(tmp_path, calls=2)
    for number in range(5):
        place(store, f"live{number}", ends=False)
    place(store, "over")
    until_kept(store, [f"live{number}" for number in reversed(range(5))])
    store.close()


def test_calls_attempts_and_messages_that_are_too_old_go(tmp_path: Path) -> None:
    store = open_store(tmp_path, wall=40 * DAY, age_seconds=30 * DAY)
    place(store, "live", at=1.0, ends=False)
    for number in range(60):
        place(store, f"old{number}", at=2.0)
    place(store, "new", at=30 * DAY)
    store.append(Entry(3.0, Kind.ATTEMPT, None, {"id": "old"}))
    store.append(Entry(30 * DAY, Kind.ATTEMPT, None, {"id": "new"}))
    assert store.flush(PATIENCE)
    store.close()
    store = open_store(tmp_path, wall=40 * DAY, age_seconds=30 * DAY)  # the age is looked at now and then, and at the start
    until_kept(store, ["new"])  # `live` ended by the restart, at the time of its last entry
    deadline = time.monotonic() + PATIENCE
    while len(store.attempts().entries) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [entry.data["id"] for entry in store.attempts().entries] == ["new"]
    store.close()


def test_over_the_size_the_oldest_go_and_the_file_becomes_smaller(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(200):
        place(store, f"c{number}", octets=20_000)
    assert store.flush(PATIENCE)
    store.close()
    before = (tmp_path / "calls.db").stat().st_size
    assert before > 4_000_000
    store = open_store(tmp_path, octets=2_000_000)
    place(store, "new")
    deadline = time.monotonic() + PATIENCE
    while store.health().file_octets > 2_200_000:
        assert time.monotonic() < deadline, store.health()
        time.sleep(0.01)
    kept = ids(store)
    assert kept[:2] == ["new", "c199"]
    assert kept == ["new", *(f"c{number}" for number in reversed(range(201 - len(kept), 200)))]
    store.close()
    assert (tmp_path / "calls.db").stat().st_size < 3_200_000
    assert in_file(tmp_path, "PRAGMA integrity_check") == [("ok",)]


def test_the_room_of_what_was_cleared_is_given_back(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(100):
        place(store, f"c{number}", octets=30_000)
    assert store.flush(PATIENCE)
    full = store.health().file_octets
    assert store.clear() == 100
    deadline = time.monotonic() + PATIENCE
    while store.health().file_octets > full / 2:
        assert time.monotonic() < deadline, store.health()
        time.sleep(0.01)
    store.close()


def test_a_call_that_had_to_go_does_not_come_back_as_a_fragment(tmp_path: Path) -> None:
    store = open_store(tmp_path, calls=1)
    place(store, "gone")
    place(store, "kept")
    until_kept(store, ["kept"])
    store.append(Entry(9.0, Kind.NOTE, "gone", {"text": "late"}))
    assert store.flush(PATIENCE)
    assert ids(store) == ["kept"]
    assert store.call("gone") is None
    assert store.trace("gone") is None
    store.close()
    assert in_file(tmp_path, "SELECT id FROM calls") == [("kept",)]


@pytest.mark.parametrize("octets", [1024, 4096])
def test_a_size_that_nothing_fits_in_keeps_live_calls_and_ends(tmp_path: Path, octets: int) -> None:
    store = open_store(tmp_path, octets=octets)
    place(store, "live", ends=False)
    place(store, "over")
    until_kept(store, ["live"])
    assert store.health().trouble == ""
    store.close()
