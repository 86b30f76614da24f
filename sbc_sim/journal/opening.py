"""Opening the file of a store: one process each, and one sentence with the cure for everything that can stand in the way."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from pathlib import Path

from sbc_sim.journal.migrations import APPLICATION, VERSION, migrate, version_of
from sbc_sim.journal.store import StoreError

BUSY_SECONDS = 1.0
"""So long the writer waits for a lock of another program before it says so."""


def file_of(url: str) -> Path:
    """Read the file's path from `sqlite:FILE` or `sqlite:///absolute/path`. Raises StoreError."""
    path = url.removeprefix("sqlite:")
    if path.startswith("//"):
        if not path.startswith("///"):
            raise StoreError(f"store.url {url} names a host; write sqlite:FILE, or sqlite:///path/from/the/root")
        path = "/" + path.lstrip("/")
    if path in ("", ":memory:"):
        raise StoreError(f"store.url {url} names no file: write sqlite:FILE, or memory: to keep nothing")
    return Path(path).expanduser()


class Lock:
    """Holds FILE.lock for the life of this process; the kernel lets go of it however the process ends.

    Not the file itself: to close it anywhere in a process would take SQLite's own locks away.
    """

    def __init__(self, path: Path) -> None:
        """Take it. Raises StoreError when another process has it; OSError."""
        name = path.with_name(path.name + ".lock")
        self._file: int | None = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(self._file, 32).decode("ascii", "replace").strip()
            self.free()
            raise StoreError(
                f"{path} is in use by another sbc-sim (pid {pid or 'unknown'}): stop that one, or name another file in store.url"
            ) from None
        except OSError:
            self.free()
            raise
        self._name_owner()

    def _name_owner(self) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds without the number

    def free(self) -> None:
        """Let go; a second time does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class SqliteConnection(sqlite3.Connection):
    """A connection to a file, as journal/database wants it."""

    kind = "sqlite"
    row_lock = ""
    lost = False

    def begin(self) -> None:
        """Begin a transaction that writes. Raises sqlite3.Error."""
        self.execute("BEGIN IMMEDIATE")

    def hold(self, name: str) -> None:
        """Who writes is alone."""

    def tell(self, replica: str, ordinal: int) -> None:
        """The others look at PRAGMA data_version."""

    def fileno(self) -> int | None:
        """Nothing tells: PRAGMA data_version has to be looked at."""
        return None

    def heard(self) -> bool:
        """Nothing was told."""
        return False


def open_file(path: Path, alone: bool = True) -> tuple[SqliteConnection, Lock | None]:
    """Open or make the file, bring it to our version, and keep all other processes out, unless somebody else does. Raises StoreError."""
    lock: Lock | None = None
    connection: SqliteConnection | None = None
    try:
        _check_place(path)
        lock = Lock(path) if alone else None
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # secrets stand in it: nobody else reads it
        connection = connect(path)
        _prepare(connection, path)
    except OSError as error:
        raise _given_up(connection, lock, _os_sentence(error, path)) from None
    except sqlite3.Error as error:
        raise _given_up(connection, lock, sentence(error, path)) from None
    except StoreError as error:
        raise _given_up(connection, lock, str(error)) from None
    return connection, lock


def connect(path: Path, reading: bool = False) -> SqliteConnection:
    """Connect without implicit transactions. A reader never waits for a lock. Raises sqlite3.Error."""
    seconds = 0.0 if reading else BUSY_SECONDS
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None, check_same_thread=False, factory=SqliteConnection)
    try:
        if reading:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def peek(path: Path) -> sqlite3.Connection:
    """Connect to look at a file as it lies there, and change nothing: not even the log that a killed writer left is folded back.

    What stands in that log alone is not seen. Raises sqlite3.Error.
    """
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", timeout=0.0, isolation_level=None, uri=True)


def _given_up(connection: sqlite3.Connection | None, lock: Lock | None, words: str) -> StoreError:
    if connection is not None:
        connection.close()
    if lock is not None:
        lock.free()
    return StoreError(words)


def _check_place(path: Path) -> None:
    """Refuse what cannot be meant. No folder is made: a mistyped path would give an empty store that looks fine."""
    if path.is_dir():
        raise StoreError(f"store.url names {path}, which is a folder: name a file in it, {path / 'calls.db'} say")
    if path.exists() and not path.is_file():
        raise StoreError(f"store.url names {path}, which is not a file but a pipe, a socket or a device: name another one")
    if not path.parent.exists():
        raise StoreError(f"store.url names {path}, but there is no folder {path.absolute().parent}: make it first, or mend the path")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = version_of(connection)
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise StoreError(f"{path} is a database of another program: name another file in store.url")
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer sbc-sim (its layout is version {version}, this one knows up to {VERSION}): "
            "start that sbc-sim, or name another file in store.url"
        )
    if not tables:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only an empty file can be told so
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    migrate(connection)


def _os_sentence(error: OSError, path: Path) -> str:
    if error.errno == errno.ENOSPC:
        return full(path)
    folder = path.parent
    return f"{path} cannot be opened for writing ({error.strerror}): let this user write in {folder}, or name another file in store.url"


def full(path: Path) -> str:
    """Say that the disk is full."""
    return f"the disk under {path} is full: make room there, or name another file in store.url"


def sentence(error: Exception, path: Path) -> str:
    """Say in one sentence what SQLite could not do, and the cure."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL"):
        return full(path)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another program holds a lock on {path}: end it, or name another file in store.url"
    if name.startswith("SQLITE_NOTADB"):
        return f"{path} is no database: name another file in store.url, or move this one away"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_FORMAT")) or type(error) is sqlite3.DatabaseError:
        return f"{path} is damaged ({error}): move it away, and a new one is made; `sqlite3 FILE .recover` may save what is in it"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"{path} cannot be written ({error}): let this user write to it and its folder, or name another file in store.url"
    if name.startswith("SQLITE_IOERR"):
        return f"the disk under {path} does not take what is written ({error}; {name}): look after it, or name another file in store.url"
    return f"{path} cannot be used: {error}"
