"""A SQLite file as a `Database`: one process has it, or the workers of one parent, who keeps all others out."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sbc_sim.journal.database import Connection
from sbc_sim.journal.opening import Lock, SqliteConnection, connect, open_file, sentence

PAGES = 256
"""Pages of the file that are given back at once, and how many empty ones are worth it."""


class SqliteFile:
    """The file of a store."""

    kind = "sqlite"
    hangs = False
    slow_cure = "look after it, or name another file in store.url"

    def __init__(self, path: Path, alone: bool = True) -> None:
        """Nothing is opened yet. `alone`: keep other processes out; False for a worker, whose parent does so."""
        self.path = path
        self.name = str(path)
        self.place = f"the disk under {path}"
        self._alone = alone
        self._lock: Lock | None = None
        self._opened: SqliteConnection | None = None
        self._inode = 0

    def prepare(self) -> None:
        """Open or make the file, take its lock, bring its layout up to date. A second time does nothing. Raises StoreError."""
        if self._inode:
            return
        self._opened, self._lock = open_file(self.path, self._alone)
        self._inode = os.stat(self.path).st_ino

    def connect(self, reading: bool = False) -> Connection:
        """Make a connection. Raises sqlite3.Error."""
        if not reading and self._opened is not None:
            opened, self._opened = self._opened, None
            return opened
        return connect(self.path, reading)

    def look(self) -> None:
        """Raise OSError when the file was removed or replaced."""
        try:
            there = os.stat(self.path).st_ino
        except FileNotFoundError:
            there = 0
        if there != self._inode:
            raise OSError("it was removed or replaced under a running sbc-sim: put it back, or start again")

    def used_octets(self, connection: Connection, estimated: int) -> int:
        """Octets of the file that hold something."""
        return (_pragma(connection, "page_count") - _pragma(connection, "freelist_count")) * _pragma(connection, "page_size")

    def file_octets(self, connection: Connection) -> int:
        """Octets of the file."""
        return _pragma(connection, "page_count") * _pragma(connection, "page_size")

    def give_back(self, connection: Connection, most_octets: int) -> bool:
        """Give some empty pages back to the disk; True when that was worth it and may be again."""
        free = _pragma(connection, "freelist_count")
        if free < PAGES and (not free or self.file_octets(connection) <= most_octets):
            return False
        assert isinstance(connection, sqlite3.Connection)
        connection.executescript(f"PRAGMA incremental_vacuum({PAGES})")  # `execute` would stop after the first page
        return True

    def fold_back(self, connection: Connection) -> None:
        """Bring what stands in the log into the file."""
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def sentence(self, error: Exception) -> str:
        """Say in one sentence what could not be done, and the cure."""
        return sentence(error, self.path)

    def free(self) -> None:
        """Let others in."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        if self._lock is not None:
            self._lock.free()
            self._lock = None


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
