"""How a thread that waits for other processes learns that they wrote something: PostgreSQL tells it, a SQLite file is looked at."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress

from sbc_sim.journal.database import Connection
from sbc_sim.journal.replica_tables import ORDERS_CHANNEL

LOOK_SECONDS = 0.1
"""So often a file is looked at."""


class Bell:
    """Rings when others wrote to the database, and when somebody in this process pulls it."""

    def __init__(self) -> None:
        """Silent."""
        self._reads, self._writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False

    def pull(self) -> None:
        """Wake who waits; from any thread."""
        with self._lock:
            if self._closed:
                return
            with suppress(BlockingIOError):  # it rings already
                os.write(self._writes, b"!")

    def wait(self, line: Connection | None, seconds: float) -> None:
        """Wait until it rings, `line` has something to read, or so long."""
        file = line.fileno() if line is not None else None
        ears = [self._reads] if file is None else [self._reads, file]
        waiting = select.poll()
        for ear in ears:
            waiting.register(ear, select.POLLIN)
        waiting.poll(max(0.0, seconds) * 1000)
        try:
            while os.read(self._reads, 512):
                pass
        except BlockingIOError:
            pass  # all are read

    def close(self) -> None:
        """Let go, once nobody waits any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reads)
                os.close(self._writes)


class Ear:
    """Hears whether other processes wrote something for us."""

    def __init__(self, connection: Connection) -> None:
        """Whatever was written before counts as new. Raises what a connection raises."""
        self._connection = connection
        self._version: int | None = None
        if connection.kind == "postgresql":
            connection.execute(f"LISTEN {ORDERS_CHANNEL}")

    def heard(self) -> bool:
        """Whether there may be something new since this was asked last. Raises what a connection raises."""
        if self._connection.kind == "postgresql":
            return self._connection.heard()
        version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        heard, self._version = version != self._version, version
        return heard


def ring(connection: Connection) -> None:
    """Tell all others, once the transaction is committed, that there is something for them. Raises what a connection raises."""
    if connection.kind == "postgresql":
        connection.execute(f"NOTIFY {ORDERS_CHANNEL}")
