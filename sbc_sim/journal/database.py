"""The seam between the store and its database: a connection, and what differs between SQLite and PostgreSQL.

Statements are written once, in words that both understand, with `?` for values. What only one of them has (a file, a lock, a size, an
announcement) is a method of `Database` or `Connection`. journal/opening has SQLite's, journal/postgres that of PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class DatabaseError(Exception):
    """What a database that is not SQLite could not do, or did not do in time."""

    def __init__(self, words: str, code: str = "") -> None:
        """`words`: one sentence of the database's own. `code`: its SQLSTATE, where it has given one."""
        super().__init__(words)
        self.code = code


FAILURES = (sqlite3.Error, DatabaseError, OSError)
"""What may come of using a connection; `Database.sentence` turns each into words."""


class Cursor(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """Rows that it changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""

    def close(self) -> None:
        """No more of it."""


class Connection(Protocol):
    """A connection, used by one thread at a time. What fails raises sqlite3.Error or DatabaseError."""

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""

    @property
    def row_lock(self) -> str:
        """What stands behind a SELECT whose rows nobody else may delete until the transaction ends."""

    @property
    def lost(self) -> bool:
        """It is of no use any more; make another one."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Do one statement, with `?` for values."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Do one statement for each row of values."""

    def begin(self) -> None:
        """Begin a transaction that writes."""

    def commit(self) -> None:
        """End it."""

    def rollback(self) -> None:
        """Take it back; without a transaction, nothing."""

    def hold(self, name: str) -> None:
        """Keep all others out who hold the same name, until the transaction ends. SQLite's writers are alone anyway."""

    def tell(self, replica: str, ordinal: int) -> None:
        """Announce within a transaction up to where the others will find entries of a replica when it is committed."""

    def fileno(self) -> int | None:
        """What becomes readable when others told something; None: look."""

    def heard(self) -> bool:
        """Whether anybody told something on a channel (`LISTEN`) since this was asked last. Never waits."""

    def close(self) -> None:
        """Let go; a second time does nothing."""


class Database(Protocol):
    """Where a store keeps its tables."""

    kind: str
    """`sqlite` or `postgresql`."""
    name: str
    """As people know it: a path, or a URL without a password."""
    place: str
    """What people look after when it is slow."""
    slow_cure: str
    """What is to be done then."""
    hangs: bool
    """Whether a read may hang for as long as a network: then it is bounded, and a new connection is made by the writing thread."""

    def prepare(self) -> None:
        """Bring the layout up to date, and keep out whom it must. Raises StoreError: one sentence with the cure."""

    def connect(self, reading: bool = False) -> Connection:
        """Make a connection; one for `reading` never holds its thread for longer than about a second. Raises what a connection raises."""

    def look(self) -> None:
        """Raise OSError when the database is not the one any more that was opened."""

    def used_octets(self, connection: Connection, estimated: int) -> int:
        """Octets that count against the bound; `estimated`: those of all that is kept."""

    def file_octets(self, connection: Connection) -> int:
        """Octets on the disk."""

    def give_back(self, connection: Connection, most_octets: int) -> bool:
        """Give some empty pages back to the disk; True when that was worth it and may be again."""

    def fold_back(self, connection: Connection) -> None:
        """What is done before the last connection is closed."""

    def sentence(self, error: Exception) -> str:
        """Say in one sentence what could not be done, and the cure."""

    def free(self) -> None:
        """Let others in."""


def newest_name(replica: str) -> str:
    """Name of the counter that says up to which ordinal the database has everything of a replica."""
    return f"ordinal:{replica}" if replica else "ordinal"


def told_name(replica: str) -> str:
    """Name of the counter of what others wrote for a replica that is gone."""
    return f"told:{replica}"
