"""PostgreSQL as a `Database`: for several simulators, on one machine or many, whose calls stand in one journal.

psycopg is an extra (`pip install "sbc-sim[postgres]"`), and imported by nobody but this module. All tables are in a schema of their own. No
statement waits for ever: a server that hangs costs a bounded time, and then the connection, and the next try makes a new one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sbc_sim.journal.database import Connection, Cursor, DatabaseError
from sbc_sim.journal.packing import Json
from sbc_sim.journal.postgres_layout import SCHEMA, TABLES, look_at, update
from sbc_sim.journal.postgres_words import Place, place_of, sentence
from sbc_sim.journal.store import StoreError

try:
    import psycopg
    from psycopg import errors, pq
    from psycopg.types.string import BytesBinaryDumper
except ImportError as missing:
    raise StoreError(
        f'store.url names a PostgreSQL, and psycopg is not there ({missing}): pip install "sbc-sim[postgres]", or name a file in store.url'
    ) from None

CHANNEL = "sbc_sim_journal"
"""On it each transaction tells `REPLICA ORDINAL`: up to where there is something new of whom."""
CONNECT_SECONDS = 5
READ_SECONDS = 1.0
"""Longest time that a read may hold the thread of the calls."""
WRITE_SECONDS = 15.0
SIZE_SECONDS = 10.0
"""So often the size on the disk is asked for."""
OLDEST_SERVER = 120000

_WRITING = (
    ("search_path", SCHEMA),
    ("statement_timeout", "15s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "10s"),
)
_READING = (
    *_WRITING,
    ("statement_timeout", "1s"),
    ("default_transaction_isolation", "repeatable read"),
    ("default_transaction_read_only", "on"),
)
_LIVELY = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""Of TCP, in seconds and milliseconds: a server whose machine is gone is noticed."""


class _JsonDumper(BytesBinaryDumper):
    """JSON goes into columns of octets."""

    def dump(self, obj: Any) -> Any:
        """Write it as octets: it is ASCII."""
        return str.encode(obj)


class _Bounded(psycopg.Connection[tuple[Any, ...]]):
    """Gives a statement up, and the connection with it, when the server does not answer in time."""

    seconds = WRITE_SECONDS

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server, as psycopg does, but not for ever. Raises errors.OperationalError."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.seconds)
        except errors._WaitTimeout:
            self.close()
            raise errors.OperationalError(f"no answer within {self.seconds:g} s") from None


class PostgresConnection:
    """A connection as journal/database wants it, by one psycopg connection in autocommit. Every method raises DatabaseError."""

    kind = "postgresql"
    row_lock = " FOR UPDATE"

    def __init__(self, connection: _Bounded) -> None:
        """It is connected."""
        self._connection = connection
        self._heard = False
        connection.adapters.register_dumper(Json, _JsonDumper)
        connection.add_notify_handler(self._hear)

    def _hear(self, notify: psycopg.Notify) -> None:
        self._heard = True

    @property
    def lost(self) -> bool:
        """Whether it was closed, from whichever side."""
        return self._connection.closed

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it a failed one."""
        return self._connection.pgconn.transaction_status not in (pq.TransactionStatus.IDLE, pq.TransactionStatus.UNKNOWN)

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Do one statement."""
        with translated():
            return self._connection.execute(_marked(statement), values or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Do one statement for each row, all on their way at once."""
        with translated(), self._connection.cursor() as cursor:
            cursor.executemany(_marked(statement), rows)

    def begin(self) -> None:
        """Begin a transaction."""
        self.execute("BEGIN")

    def commit(self) -> None:
        """End it; that of a failed one raises, instead of taking it back without a word."""
        with translated():
            done = self._connection.execute("COMMIT")
        if done.statusmessage != "COMMIT":
            raise DatabaseError("the transaction had failed before")

    def rollback(self) -> None:
        """Take it back; without a transaction, nothing."""
        if not self.lost and self.in_transaction:
            self.execute("ROLLBACK")

    def hold(self, name: str) -> None:
        """Keep all others out who hold the same name, until the transaction ends: two who add the same words wait for each other."""
        if self.in_transaction:
            self.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (f"{SCHEMA}.{name}",))

    def tell(self, replica: str, ordinal: int) -> None:
        """Announce what the others will find when the transaction is committed."""
        self.execute("SELECT pg_notify(?, ?)", (CHANNEL, f"{replica} {ordinal}"))

    def fileno(self) -> int | None:
        """What becomes readable when others told something. Raises DatabaseError when the connection is lost."""
        with translated():
            return self._connection.fileno()

    def heard(self) -> bool:
        """Whether anybody told something since this was asked last."""
        with translated():
            line = self._connection.pgconn
            line.consume_input()
            while line.notifies() is not None:
                self._heard = True
        heard, self._heard = self._heard, False
        return heard

    def close(self) -> None:
        """Let go."""
        self._connection.close()


@contextmanager
def translated() -> Iterator[None]:
    """What psycopg raises within becomes DatabaseError: its first line, which holds no values of ours."""
    try:
        yield
    except psycopg.Error as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise DatabaseError(lines[0], error.sqlstate or "") from None


@lru_cache(500)
def _marked(statement: str) -> str:
    """Write `?` as psycopg has it. No statement of ours has one in a text."""
    return statement.replace("%", "%%").replace("?", "%s")


class PostgresDatabase:
    """A database on a PostgreSQL server."""

    kind = "postgresql"
    hangs = True
    slow_cure = "look after it, and the network to it"

    def __init__(self, url: str, password: str = "", application: str = "sbc-sim") -> None:
        """Nothing is connected yet. `url`: `postgresql://USER@HOST:PORT/DB`, `password` beside it. Raises StoreError for no URL."""
        self.at: Place = place_of(url)
        self.name = self.at.shown
        self.place = self.at.server
        self._url = url
        self._words: dict[str, Any] = {**({"password": password} if password else {}), **_LIVELY, "fallback_application_name": application}
        self._octets, self._octets_until = 0, float("-inf")

    def prepare(self) -> None:
        """Make the tables, or bring them up to date; several may do so at the same time. Raises StoreError."""
        try:
            connection = self._connect(WRITE_SECONDS, ())
            try:
                self._check(connection)
                update(connection, self.name)
            finally:
                connection.close()
        except DatabaseError as error:
            raise StoreError(self.sentence(error)) from None

    def examine(self) -> str:
        """Look whether it can be used, and change nothing; return what is there. Raises StoreError."""
        try:
            connection = self._connect(WRITE_SECONDS, (("default_transaction_read_only", "on"),))
            try:
                self._check(connection)
                found = look_at(connection, self.name)
                server = connection.execute("SELECT current_setting('server_version')").fetchone()[0]
            finally:
                connection.close()
        except DatabaseError as error:
            raise StoreError(self.sentence(error)) from None
        return f"{self.name} (PostgreSQL {server}) can be used; {found}"

    def _check(self, connection: PostgresConnection) -> None:
        version, encoding, standby = connection.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery()"
        ).fetchone()
        if version < OLDEST_SERVER:
            raise StoreError(f"{self.place} is PostgreSQL {version // 10000}; sbc-sim needs 12 or later: name another one in store.url")
        if encoding != "UTF8":
            raise StoreError(f"{self.name} has the encoding {encoding}: make a database with ENCODING 'UTF8', and name it in store.url")
        if standby:
            raise StoreError(f"{self.place} is a standby, which nobody can write to: name the primary in store.url")

    def connect(self, reading: bool = False) -> Connection:
        """Connect, within CONNECT_SECONDS. Raises DatabaseError."""
        limits = _WRITING if not reading else _READING
        return self._connect(READ_SECONDS if reading else WRITE_SECONDS, limits)

    def _connect(self, seconds: float, settings: Sequence[tuple[str, str]]) -> PostgresConnection:
        with translated():
            made = _Bounded.connect(self._url, autocommit=True, **({"connect_timeout": CONNECT_SECONDS} | self._words))
        connection = PostgresConnection(made)
        made.seconds = CONNECT_SECONDS
        try:
            for name, value in settings:
                connection.execute("SELECT set_config(?, ?, false)", (name, value))
        except DatabaseError:
            connection.close()
            raise
        made.seconds = seconds
        return connection

    def look(self) -> None:
        """Nobody can put another database in its place unnoticed."""

    def used_octets(self, connection: Connection, estimated: int) -> int:
        """What is kept, as estimated: files of PostgreSQL do not shrink when rows go."""
        return estimated

    def file_octets(self, connection: Connection) -> int:
        """Octets on the server's disk, asked for from time to time."""
        now = time.monotonic()
        if now >= self._octets_until:
            sizes = ", ".join(f"'{SCHEMA}.{table}'" for table in TABLES)
            statement = f"SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(ARRAY[{sizes}]) AS name"
            self._octets, self._octets_until = int(connection.execute(statement).fetchone()[0]), now + SIZE_SECONDS
        return self._octets

    def give_back(self, connection: Connection, most_octets: int) -> bool:
        """Autovacuum does that."""
        return False

    def fold_back(self, connection: Connection) -> None:
        """Nothing is to be done before the end."""

    def sentence(self, error: Exception) -> str:
        """Say in one sentence what could not be done, and the cure."""
        return sentence(error, self.at)

    def free(self) -> None:
        """Nobody was kept out."""
