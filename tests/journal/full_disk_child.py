"""Runs out of disk for real, sees how the store takes it, makes room, and tells in JSON: the other half of test_sqlite_trouble.

python full_disk_child.py FOLDER file-size|file-system

file-size: RLIMIT_FSIZE, the kernel refuses to let any file grow (EFBIG). file-system: FOLDER is a small file system of its own, which is
filled with a ballast (ENOSPC).
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.sqlite import SqliteStore
from sbc_sim.journal.store import CallQuery

PATIENCE = 30.0
CALLS = 40


class FileSize:
    """No file may grow."""

    def __init__(self, folder: Path) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._file = folder / "calls.db-wal"

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._file.stat().st_size + 20_000, self._before[1]))

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


class FileSystem:
    """The file system is full."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as ballast:
            for piece in (65536, 4096):
                try:
                    while True:
                        ballast.write(bytes(piece))
                except OSError:
                    pass

    def make_room(self) -> None:
        self._ballast.unlink()


def place(store: SqliteStore, number: int) -> None:
    call = f"c{number}"
    store.append(Entry(1.0, Kind.CALL_STARTED, call, {"sipCallId": call}))
    store.append(Entry(2.0, Kind.MESSAGE, call, {"summary": "INVITE"}, bytes([number % 256]) * 3000))
    store.append(Entry(3.0, Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": "ended"}))


def until(wanted: Any) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not wanted():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def main(folder: Path, how: str) -> dict[str, Any]:
    path = folder / "calls.db"
    store = SqliteStore(path, 0.0, wall=lambda: 0.0)
    place(store, 0)
    assert store.flush(PATIENCE)
    disk = FileSize(folder) if how == "file-size" else FileSystem(folder)
    disk.fill()
    for number in range(1, CALLS):
        place(store, number)
    degraded = until(lambda: store.health().trouble)
    told = store.health()
    listed = len(store.calls(CallQuery(limit=500)).calls)
    trace = store.trace(f"c{CALLS - 1}")
    disk.make_room()
    recovered = store.flush(PATIENCE) and until(lambda: not store.health().trouble)
    after = store.health()
    store.close()
    with sqlite3.connect(path) as rows:
        kept = rows.execute("SELECT count(*) FROM calls").fetchone()[0], rows.execute("SELECT count(*) FROM entries").fetchone()[0]
        integrity = rows.execute("PRAGMA integrity_check").fetchone()[0]
    return {
        "degraded": degraded,
        "trouble": told.trouble,
        "waiting": told.waiting,
        "lost": told.lost,
        "listed": listed,
        "entries": len(trace.entries) if trace else 0,
        "recovered": recovered,
        "after": [after.trouble, after.waiting, after.lost],
        "kept": kept,
        "integrity": integrity,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
