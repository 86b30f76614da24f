"""What stands in the way of opening a file is said in one sentence with the cure; an older layout is brought up to date."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.migrations import VERSION, migrate, version_of
from sbc_sim.journal.opening import file_of
from sbc_sim.journal.packing import Words, pack
from sbc_sim.journal.sqlite import SqliteStore
from sbc_sim.journal.store import CallQuery, StoreError

FIXTURE = Path(__file__).with_name("fixtures") / "calls-version-1.db.gz"
ROOT = Path(__file__).resolve().parents[2]


def open_store(path: Path) -> SqliteStore:
    return SqliteStore(path, now=1_700_000_500.0, wall=lambda: 0.0)


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(path).close()
    words = str(caught.value)
    assert "\n" not in words
    assert str(path) in words
    return words


def a_call(path: Path) -> None:
    store = open_store(path)
    store.append(Entry(1.0, Kind.CALL_STARTED, "c", {"sipCallId": "c@partner"}))
    store.close()


# --- urls ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:calls.db", "calls.db"),
        ("sqlite:folder/calls.db", "folder/calls.db"),
        ("sqlite:/var/lib/calls.db", "/var/lib/calls.db"),
        ("sqlite:///var/lib/calls.db", "/var/lib/calls.db"),
        ("sqlite:////var/lib/calls.db", "/var/lib/calls.db"),
        ("sqlite:~/calls.db", str(Path.home() / "calls.db")),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert file_of(url) == Path(path)


@pytest.mark.parametrize("url", ["sqlite:", "sqlite::memory:", "sqlite://host/calls.db"])
def test_a_url_without_a_file_is_refused_with_a_better_one(url: str) -> None:
    with pytest.raises(StoreError, match="sqlite:FILE"):
        file_of(url)


# --- refusals ------------------------------------------------------------------------------------------------------------


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert f"is a folder: name a file in it, {tmp_path / 'calls.db'} say" in refusal(tmp_path)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'no' / 'such'}: make it first" in refusal(tmp_path / "no" / "such" / "calls.db")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refusal(tmp_path / "pipe")


def test_a_path_through_a_file_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be opened for writing" in refusal(tmp_path / "file" / "calls.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert f"let this user write in {folder}" in refusal(folder / "calls.db")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc")
def test_a_folder_where_nobody_may_write_is_named() -> None:
    assert "let this user write in /proc/self" in refusal(Path("/proc/self/calls.db"))


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all\n" * 500)
    assert "is no database: name another file in store.url, or move this one away" in refusal(path)
    assert path.read_text() == "not a database at all\n" * 500


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE calls (id INTEGER)")
    assert "is a database of another program" in refusal(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("calls",)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_damaged_file_is_refused_with_what_may_save_it(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    a_call(path)
    octets = bytearray(path.read_bytes())
    octets[4096:] = b"\x5a" * (len(octets) - 4096)  # the first page, with the layout, stays
    path.write_bytes(octets)
    assert "is damaged" in refusal(path)


def test_a_newer_layout_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    a_call(path)
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    words = refusal(path)
    assert f"is version {VERSION + 1}, this one knows up to {VERSION}" in words
    assert "start that sbc-sim, or name another file in store.url" in words


def test_a_refused_file_is_free_for_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    path.write_text("x" * 5000)
    refusal(path)
    path.unlink()
    a_call(path)


def test_only_one_process_uses_a_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    code = "import sys; from pathlib import Path; from sbc_sim.journal.sqlite import SqliteStore\n"
    code += "store = SqliteStore(Path(sys.argv[1]), 0.0); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == b"open\n"
    assert f"in use by another sbc-sim (pid {other.pid}): stop that one, or name another file" in refusal(path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    other.stdin.close()
    a_call(path)  # however a process ends, its lock ends with it


def test_within_a_process_too_only_one_store_uses_a_file(tmp_path: Path) -> None:
    store = open_store(tmp_path / "calls.db")
    assert f"(pid {os.getpid()})" in refusal(tmp_path / "calls.db")
    store.close()
    a_call(tmp_path / "calls.db")


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    store = open_store(path)
    store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": 1}))
    assert store.flush(30)
    assert {(file.name, file.stat().st_mode & 0o077) for file in path.parent.iterdir()} == {
        ("calls.db", 0),
        ("calls.db-wal", 0),
        ("calls.db-shm", 0),
        ("calls.db.lock", 0),
    }
    store.close()


# --- migrations ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    path = tmp_path / "calls.db"
    path.write_bytes(gzip.decompress(FIXTURE.read_bytes()))
    return path


def test_a_file_of_version_1_is_brought_up_to_date_and_tells_the_same(version_1: Path) -> None:
    with sqlite3.connect(version_1) as old:
        assert version_of(old) == 1
        assert old.execute("SELECT name FROM sqlite_master WHERE name = 'words'").fetchone() is None
        kept = old.execute("SELECT id, ordinal, state FROM calls ORDER BY ordinal DESC").fetchall()
        rows = {
            call: [
                (at, kind, json.loads(data), raw or b"")
                for at, kind, data, raw in old.execute("SELECT at, kind, data, raw FROM entries WHERE call = ? ORDER BY seq", (ordinal,))
            ]
            for call, ordinal, _ in kept
        }
    store = open_store(version_1)
    assert [view.id for view in store.calls(CallQuery()).calls] == [call for call, _, _ in kept]
    assert store.restarted == ["up"]
    for call, _, state in kept:
        trace = store.trace(call)
        assert trace is not None
        told = [(entry.at, entry.kind.value, entry.data, entry.raw) for entry in trace.entries]
        assert told[: len(rows[call])] == rows[call]
        assert "TLSv1.3" in ladder_text(trace)
        if call != "up":
            assert len(told) == len(rows[call])
            assert trace.call.verdict is not None
            failed = {f["rule"] for f in trace.call.verdict["findings"] if f["status"] == "fail"}
            assert failed == ({"SBC-UUI-007"} if state == "rejected" else set())
            assert all(next(iter(f)) == "rule" and f["title"] and f["why"] and f["fix"] for f in trace.call.verdict["findings"])
    refused = store.calls(CallQuery(status="rejected")).calls[0]
    full = store.call(refused.id)
    assert full is not None
    assert full.findings[0]["rule"] == "SBC-UUI-007"
    assert full.findings[0] in (full.verdict or {})["findings"]
    assert store.attempts().entries[0].data["findings"][0]["detail"] == "no TLS"
    assert store.outside().entries[0].raw == b"OPTIONS"
    store.close()


def test_voice_calls_of_a_file_of_version_2_are_found_again_each_as_it_was_last(tmp_path: Path) -> None:
    file = tmp_path / "version-2.db"
    connection = sqlite3.connect(file, isolation_level=None)
    migrate(connection, to=2)
    words = Words(connection)
    for ordinal, (name, state) in enumerate((("0LQ1", "created"), ("0LQ2", "created"), ("0LQ1", "closed")), 1):
        entry = Entry(1000.0 + ordinal, Kind.VOICE_CALL, None, {"voiceCallId": name, "state": state, "isActiveCall": state != "closed"})
        row = (ordinal, False, entry.at, entry.kind.value, pack(entry, words), None, 300)
        connection.execute("INSERT INTO loose VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    store = open_store(file)
    assert [(entry.data["voiceCallId"], entry.data["state"]) for entry in store.voice_calls()] == [("0LQ2", "created"), ("0LQ1", "closed")]
    assert store.outside().entries == ()
    store.clear()
    assert store.flush(5.0)
    store.close()
    again = open_store(file)
    assert [entry.data["voiceCallId"] for entry in again.voice_calls()] == ["0LQ2"]
    again.close()


def test_a_migration_gives_the_words_up_and_the_room(version_1: Path) -> None:
    def octets_of_data(path: Path) -> int:
        with sqlite3.connect(path) as connection:
            return int(connection.execute("SELECT sum(length(data)) FROM entries").fetchone()[0])

    before = octets_of_data(version_1)
    open_store(version_1).close()
    assert octets_of_data(version_1) < before / 10
    with sqlite3.connect(version_1) as connection:
        assert version_of(connection) == VERSION
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_migration_that_fails_leaves_the_file_as_it_was(version_1: Path) -> None:
    before = version_1.read_bytes()
    connection = sqlite3.connect(version_1, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE words (of TEXT)")  # in the way of version 2
    connection.execute("COMMIT")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    assert version_of(connection) == 1
    connection.execute("DROP TABLE words")
    dump = list(connection.iterdump())
    connection.close()
    version_1.write_bytes(before)
    connection = sqlite3.connect(version_1)
    assert dump == list(connection.iterdump())
    connection.close()


def test_every_version_on_the_way_is_whole(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
    for version in range(1, VERSION + 1):
        migrate(connection, to=version)
        assert version_of(connection) == version
    connection.close()
    a_call(tmp_path / "calls.db")
