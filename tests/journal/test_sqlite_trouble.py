"""A disk that is slow, full or gone: calls go on, the state says so with the cure, and what fits in the queue is written in the end."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.kept import SLOW_SECONDS
from sbc_sim.journal.queue import WriteQueue
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.retention import FileBounds
from sbc_sim.journal.share import Share, ShareOptions
from sbc_sim.journal.sqlite import FileOptions, SqliteStore
from sbc_sim.journal.sqlite_file import SqliteFile
from sbc_sim.journal.store import CallQuery, StoreError
from sbc_sim.journal.writing import Writing

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("full_disk_child.py")
PATIENCE = 30.0


def open_store(folder: Path, **options: Any) -> SqliteStore:
    return SqliteStore(folder / "calls.db", 0.0, options=FileOptions(**options), wall=lambda: 0.0)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Another program holds SQLite's lock for writing: a real one, so nothing can be written."""
    other = sqlite3.connect(folder / "calls.db", timeout=PATIENCE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def until(wanted: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def place(store: SqliteStore, call: str, messages: int = 1, octets: int = 1000) -> None:
    store.append(Entry(1.0, Kind.CALL_STARTED, call, {"sipCallId": call}))
    for number in range(messages):
        store.append(Entry(2.0, Kind.MESSAGE, call, {"summary": "INFO", "number": number}, bytes(octets)))
    store.append(Entry(3.0, Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": "ended"}))


def in_file(folder: Path, question: str) -> list[Any]:
    with sqlite3.connect(folder / "calls.db") as connection:
        return connection.execute(question).fetchall()


def test_while_nothing_can_be_written_calls_are_taken_and_read_and_then_written(tmp_path: Path) -> None:
    """The lock is held by the thread that appends: an append that waited for the disk would wait for ever."""
    store = open_store(tmp_path)
    heard: list[Entry] = []
    store.subscribe(heard.append)
    with held(tmp_path):
        for number in range(100):
            place(store, f"c{number}")
        assert len(heard) == 300
        assert store.health().waiting == 300
        assert [view.id for view in store.calls(CallQuery(limit=2)).calls] == ["c99", "c98"]
        trace = store.trace("c0")
        assert trace is not None
        assert len(trace.entries) == 3
        assert store.size().calls == 100
        until(lambda: store.health().trouble, "the trouble is told")
        assert store.health().durable is False
        assert f"another program holds a lock on {tmp_path / 'calls.db'}: end it" in store.health().trouble
        assert in_file(tmp_path, "SELECT count(*) FROM calls") == [(0,)]
    assert store.flush(PATIENCE)
    health = store.health()
    assert (health.trouble, health.waiting, health.lost) == ("", 0, 0)
    assert in_file(tmp_path, "SELECT count(*) FROM entries") == [(300,)]
    store.close()


@pytest.mark.parametrize("share", [None, ShareOptions("one", 0, lambda task: None)], ids=["alone", "shared"])
def test_a_trouble_is_over_with_its_cause_although_nothing_waits_to_be_written(tmp_path: Path, share: ShareOptions | None) -> None:
    """Turn by turn: the thread of the store is not asked, so that no time passes but what the test says."""
    database = SqliteFile(tmp_path / "calls.db", alone=share is None)
    database.prepare()
    queue = WriteQueue(1_000_000, 0.1, lambda: 0.0)
    connection = database.connect()
    told: list[str] = []
    days = iter(range(1, 1000))
    bounds = FileBounds(age_seconds=1.0)
    writing = Writing(connection, database, queue, StoreLimits(), bounds, lambda: next(days) * 86400.0, share=Share(share))
    writing.between = lambda: told.append("the database answers")
    writing.step(0.0)
    assert (writing.trouble, told) == ("", ["the database answers"])
    connection.execute("PRAGMA busy_timeout = 1")
    with held(tmp_path):
        writing.step(10.0)
        assert "another program holds a lock" in writing.trouble
        assert len(told) == 1
    writing.step(20.0)
    assert (writing.trouble, len(told)) == ("", 2)
    connection.close()
    database.free()


def test_a_queue_that_is_full_counts_what_is_lost_and_the_calls_say_so(tmp_path: Path) -> None:
    store = open_store(tmp_path, queue_octets=40_000)
    with held(tmp_path):
        place(store, "first", messages=100)
        place(store, "second", messages=100)
        health = store.health()
        assert 0 < health.waiting < 204
        assert health.waiting + health.lost == 204
        trace = store.trace("second")
        assert trace is not None
        assert len(trace.entries) == 102, "in memory all is there"
    assert store.flush(PATIENCE)
    assert store.health().lost == health.lost
    assert store.health().trouble == ""
    store.close()
    store = open_store(tmp_path)
    first, second = store.trace("first"), store.trace("second")
    assert first is not None
    assert second is not None
    assert store.restarted == [], "the ends of calls had room"
    assert (first.call.end_reason, second.call.end_reason) == ("normal", "normal")
    assert first.dropped + second.dropped == health.lost
    assert len(first.entries) + len(second.entries) == health.waiting
    numbers = [entry.data["number"] for entry in first.entries if entry.kind is Kind.MESSAGE]
    assert numbers == list(range(len(numbers)))
    store.close()


def test_closing_while_nothing_can_be_written_gives_up_and_counts(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    place(store, "written")
    assert store.flush(PATIENCE)
    with held(tmp_path):
        place(store, "unwritten")
        store.close()
        store.close()
        assert store.health().lost == 3
    store = open_store(tmp_path)
    assert [view.id for view in store.calls(CallQuery()).calls] == ["written"]
    store.close()


def test_a_disk_that_never_answers_is_told_and_closing_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writing thread stands still for real, as it does in a system call that does not return."""
    monkeypatch.setattr("sbc_sim.journal.kept.CLOSING_SECONDS", 0.05)
    stands, goes_on = threading.Event(), threading.Event()

    def stand(ordinal: int) -> None:
        stands.set()
        goes_on.wait(PATIENCE)

    now = [1000.0]
    store = SqliteStore(tmp_path / "calls.db", 0.0, clock=lambda: now[0], wall=lambda: 0.0, committed=stand)
    store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": 1}))
    now[0] += 1.0
    threading.Thread(target=store.flush, args=(PATIENCE,)).start()
    assert stands.wait(PATIENCE)
    place(store, "c")
    assert store.health().trouble == ""
    now[0] += SLOW_SECONDS + 1.0
    assert f"the disk under {tmp_path / 'calls.db'} is slow: 3 entries wait, the oldest for 6 s" in store.health().trouble
    assert store.calls(CallQuery()).calls[0].id == "c"
    store.close()
    assert store.health().lost == 3
    goes_on.set()


def test_a_file_that_was_removed_is_noticed_and_named(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    place(store, "c")
    assert store.flush(PATIENCE)
    (tmp_path / "calls.db").rename(tmp_path / "elsewhere.db")
    place(store, "d")
    until(lambda: store.health().trouble, "the trouble is told")
    assert "was removed or replaced under a running sbc-sim: put it back, or start again" in store.health().trouble
    assert not store.health().durable, "what happens now would be gone after a restart"
    assert [view.id for view in store.calls(CallQuery()).calls] == ["d", "c"]
    (tmp_path / "elsewhere.db").rename(tmp_path / "calls.db")
    assert store.flush(PATIENCE)
    assert store.health().trouble == ""
    store.close()
    assert in_file(tmp_path, "SELECT id FROM calls ORDER BY ordinal") == [("c",), ("d",)]


# --- a full disk ---------------------------------------------------------------------------------------------------------


def told(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check_recovery(result: dict[str, Any]) -> None:
    """40 calls of three entries each, all but the first of them while the disk was full."""
    assert result["degraded"]
    assert result["waiting"] == 39 * 3
    assert result["lost"] == 0
    assert result["listed"] == 40
    assert result["entries"] == 3
    assert result["recovered"]
    assert result["after"] == ["", 0, 0]
    assert result["kept"] == [40, 120]
    assert result["integrity"] == "ok"


def test_when_files_may_not_grow_the_store_waits_and_recovers_by_itself(tmp_path: Path) -> None:
    result = told([sys.executable, "-m", "tests.journal.full_disk_child", str(tmp_path), "file-size"])
    assert f"the disk under {tmp_path / 'calls.db'} does not take what is written" in result["trouble"]
    check_recovery(result)


def test_on_a_full_file_system_the_store_waits_and_recovers_by_itself(tmp_path: Path) -> None:
    """A file system of 2 MiB, in a namespace of its own, where anybody may mount one."""
    words = [sys.executable, "-m", "tests.journal.full_disk_child", str(tmp_path), "file-system"]
    mount = f"mount -t tmpfs -o size=2m none {shlex.quote(str(tmp_path))}"
    within = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    tried = shutil.which("unshare") and subprocess.run([*within, mount], capture_output=True, text=True, timeout=60)
    if not tried or tried.returncode != 0:
        why = tried.stderr.strip() if tried else "no unshare"
        pytest.skip(f"NO FULL DISK TO TEST WITH: this machine lets no user mount a tmpfs ({why})")
    result = told([*within, f"{mount} && {shlex.join(words)}"])
    assert f"the disk under {tmp_path / 'calls.db'} is full: make room there" in result["trouble"]
    check_recovery(result)


def test_there_is_no_file_on_a_full_disk_and_the_refusal_says_why(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from sbc_sim.journal.sqlite import SqliteStore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "try:\n SqliteStore(Path(sys.argv[1]), 0.0)\nexcept Exception as error:\n print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "calls.db")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"StoreError the disk under {tmp_path / 'calls.db'} does not take what is written"), done.stderr


# --- damage --------------------------------------------------------------------------------------------------------------

TRUNCATED = bytes.fromhex("789c0001")
DAMAGES = {
    "cut off": ("UPDATE entries SET data = ? WHERE seq = 0", TRUNCATED),
    "no JSON": ("UPDATE entries SET data = ? WHERE seq = 0", "{"),
    "no members": ("UPDATE entries SET data = ? WHERE seq = 0", "[1]"),
    "no kind": ("UPDATE entries SET kind = ? WHERE seq = 0", "what"),
    "a view with a stranger": ("UPDATE calls SET view = ?", '{"stranger": 1}'),
    "a view that is a list": ("UPDATE calls SET view = ?", "[]"),
    "findings that are none": ("UPDATE calls SET findings = ?", "[7]"),
    "findings without words": ("UPDATE calls SET findings = ?", "[[]]"),
    "an opening that is none": ("UPDATE calls SET opened = ?", "{}"),
}


def damaged(folder: Path, damage: str) -> Path:
    """Leave a file with one call, then break it where SQLite does not look."""
    store = open_store(folder)
    place(store, "c")
    store.close()
    with sqlite3.connect(folder / "calls.db") as connection:
        question, value = DAMAGES[damage]
        assert connection.execute(question, (value,)).rowcount == 1
    connection.close()
    return folder / "calls.db"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_call_is_missing_and_the_state_says_why(tmp_path: Path, damage: str) -> None:
    file = damaged(tmp_path, damage)
    store = open_store(tmp_path)
    assert store.trace("c") is None
    health = store.health()
    assert health.unreadable.startswith(f"older calls cannot be read: {file} is damaged (")
    assert "move it away, and a new one is made" in health.unreadable
    assert health.trouble == "", "what happens now is written all the same"
    place(store, "d")
    assert store.flush(PATIENCE)
    assert store.trace("d") is not None
    assert store.attempts().entries == ()
    assert store.health().unreadable == "", "the last reading went well"
    store.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_store_whose_live_call_is_damaged_is_refused_in_one_sentence(tmp_path: Path, damage: str) -> None:
    file = damaged(tmp_path, damage)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE calls SET over = 0")
    connection.close()
    with pytest.raises(StoreError, match=r"is damaged .* move it away, and a new one is made"):
        open_store(tmp_path)


def test_words_of_a_rule_that_are_damaged_are_named_at_the_start(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    for words in ("[1, 2]", "[[], 2, 3, 4, 5, 6, {}]", "{"):
        with sqlite3.connect(tmp_path / "calls.db") as connection:
            connection.execute("INSERT OR REPLACE INTO words (id, digest, text) VALUES (1, x'00', ?)", (words,))
        connection.close()
        with pytest.raises(StoreError, match="is damaged"):
            open_store(tmp_path)


def test_an_id_that_is_no_text_is_of_no_call_and_of_no_trouble(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.call("\ud800") is None
    assert store.trace("\ud800") is None
    assert store.health().unreadable == ""
    place(store, "\ud800")
    store.close()
    store = open_store(tmp_path)
    trace = store.trace("\ud800")
    assert trace is not None
    assert len(trace.entries) == 3
    store.close()


def test_a_store_that_closed_while_its_writer_hangs_keeps_others_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sbc_sim.journal.kept.CLOSING_SECONDS", 0.05)
    goes_on = threading.Event()

    def stand(ordinal: int) -> None:
        goes_on.wait(PATIENCE)

    store = SqliteStore(tmp_path / "calls.db", 0.0, wall=lambda: 0.0, committed=stand)
    place(store, "c")
    store.close()
    with pytest.raises(StoreError, match="is in use by another sbc-sim"):
        open_store(tmp_path)
    goes_on.set()
