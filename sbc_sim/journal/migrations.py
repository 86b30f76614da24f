"""The file's layout, in numbered steps: each one is a transaction of its own, so that a file is always of one version.

A step is never changed once it was released; a new layout is a new step, and tests/journal/fixtures keeps a file of each version before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.packing import Words, pack, pack_findings, unpack, unpack_findings
from sbc_sim.journal.replica_tables import REPLICA_TABLES

VERSION = 4
"""What this sbc-sim writes."""

APPLICATION = 0x5342_4353
"""`application_id` of our files: the letters SBCS."""

_FIRST = (
    """CREATE TABLE calls (
        ordinal INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        over INTEGER NOT NULL,
        region TEXT, partner TEXT, state TEXT NOT NULL, verdict TEXT,
        started_at REAL, last_at REAL NOT NULL,
        octets INTEGER NOT NULL, first INTEGER NOT NULL,
        opened, findings, view NOT NULL)""",
    """CREATE TABLE entries (
        call INTEGER NOT NULL, seq INTEGER NOT NULL,
        at REAL NOT NULL, kind TEXT NOT NULL, data NOT NULL, raw BLOB,
        PRIMARY KEY (call, seq)) WITHOUT ROWID""",
    """CREATE TABLE loose (
        ordinal INTEGER PRIMARY KEY, attempt INTEGER NOT NULL,
        at REAL NOT NULL, kind TEXT NOT NULL, data NOT NULL, raw BLOB, octets INTEGER NOT NULL)""",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO counters VALUES ('ordinal', 0)",
    "CREATE INDEX calls_region ON calls (region, ordinal)",
    "CREATE INDEX calls_partner ON calls (partner, ordinal)",
    "CREATE INDEX calls_state ON calls (state, ordinal)",
    "CREATE INDEX calls_verdict ON calls (verdict, ordinal)",
    "CREATE INDEX calls_started ON calls (started_at, ordinal)",
    "CREATE INDEX calls_over ON calls (over, ordinal)",
    "CREATE INDEX calls_last ON calls (over, last_at)",
    "CREATE INDEX loose_kind ON loose (attempt, ordinal)",
)


def _first(connection: sqlite3.Connection) -> None:
    for statement in _FIRST:
        connection.execute(statement)


def _words_once(connection: sqlite3.Connection) -> None:
    """Keep the words of the rules once; version 1 repeated them in every verdict."""
    connection.execute("CREATE TABLE words (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, text TEXT NOT NULL)")
    words = Words(connection)
    spoken = (Kind.VERDICT, Kind.FINDING, Kind.ATTEMPT)
    marks = ", ".join("?" * len(spoken))
    for table, key in (("entries", "call, seq"), ("loose", "ordinal")):
        where = " AND ".join(f"{name} = ?" for name in key.split(", "))
        for *place, kind, data in connection.execute(f"SELECT {key}, kind, data FROM {table} WHERE kind IN ({marks})", spoken).fetchall():
            again = pack(Entry(0.0, Kind(kind), None, unpack(kind, data, words)), words)
            connection.execute(f"UPDATE {table} SET data = ? WHERE {where}", (again, *place))
    for ordinal, findings in connection.execute("SELECT ordinal, findings FROM calls WHERE findings IS NOT NULL").fetchall():
        again = pack_findings(unpack_findings(findings, words), words)
        connection.execute("UPDATE calls SET findings = ? WHERE ordinal = ?", (again, ordinal))


def _voice_calls_once(connection: sqlite3.Connection) -> None:
    """Keep of each voice call only what it is now; version 2 had each of its changes among the entries of no call."""
    connection.execute(
        """CREATE TABLE voice_calls (
            id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, at REAL NOT NULL,
            open INTEGER NOT NULL, octets INTEGER NOT NULL, data NOT NULL)"""
    )
    connection.execute("CREATE INDEX voice_calls_open ON voice_calls (open, ordinal, octets, id)")
    words, kind = Words(connection), str(Kind.VOICE_CALL)
    for ordinal, at, octets, data in connection.execute(
        "SELECT ordinal, at, octets, data FROM loose WHERE kind = ? ORDER BY ordinal", (kind,)
    ).fetchall():
        told = unpack(kind, data, words)
        name, is_open = told.get("voiceCallId"), bool(told.get("isActiveCall"))
        if isinstance(name, str):
            connection.execute("INSERT OR REPLACE INTO voice_calls VALUES (?, ?, ?, ?, ?, ?)", (name, ordinal, at, is_open, octets, data))
    connection.execute("DELETE FROM loose WHERE kind = ?", (kind,))


_SHARED = (
    "ALTER TABLE calls ADD COLUMN replica TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE calls ADD COLUMN newest INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE entries ADD COLUMN ordinal INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE loose ADD COLUMN replica TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE voice_calls ADD COLUMN replica TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX calls_replica ON calls (replica, newest)",
    "CREATE INDEX loose_replica ON loose (replica, ordinal)",
    "CREATE INDEX voice_calls_replica ON voice_calls (replica, ordinal)",
    *REPLICA_TABLES,
)
"""What several writers need: who wrote what, and where each of them has come to."""


def _shared(connection: sqlite3.Connection) -> None:
    for statement in _SHARED:
        connection.execute(statement)


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _first, 2: _words_once, 3: _voice_calls_once, 4: _shared}
"""Version -> what leads to it from the version before."""


def version_of(connection: sqlite3.Connection) -> int:
    """Version of the file's layout; 0: an empty file. Raises sqlite3.Error."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, to: int = VERSION) -> None:
    """Bring the file to a version, step by step. Raises sqlite3.Error; what was done by then stays done."""
    for number in range(version_of(connection) + 1, to + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version_of(connection) < number:  # another worker may have been quicker
                STEPS[number](connection)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
