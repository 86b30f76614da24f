"""A PostgreSQL of the tests' own: a cluster in a temporary folder, one for each worker, or one to stop, freeze and kill.

    def test_something(postgres: Cluster) -> None:             # shared by all tests of the worker: each takes a database of its own
        url = postgres.database()                              # postgresql://sbc_sim@127.0.0.1:PORT/NAME, without its password
        ... store.url = url, store.password = Cluster.password

    def test_an_outage(own_postgres: Cluster) -> None:         # nobody else's: stop(), start(), kill(), freeze(), thaw()

Root cannot run PostgreSQL, so that the cluster then belongs to the user `postgres`.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "never-shown-4711"
PATIENCE = 60.0
"""Seconds; only what is broken takes so long."""
_LIBC = ctypes.CDLL(None)


def programs() -> Path | None:
    """The folder with initdb and postgres: that of the newest version, Debian keeps them out of PATH; None: not installed."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    found = known[-1] if known else shutil.which("initdb")
    return Path(found).parent if found else None


def missing() -> str | None:
    """What keeps a cluster from being made, None: nothing."""
    return None if programs() else "initdb (Debian: postgresql)"


def cluster_or_skip() -> Cluster:
    """Make a cluster, or skip loudly, or fail where real partners are required."""
    from tests.end_to_end.conftest import require

    require("PostgreSQL", missing())
    return Cluster()


class Cluster:
    """One PostgreSQL server, with a role `sbc_sim` that may do no more than it must."""

    user = "sbc_sim"
    password = PASSWORD

    def __init__(self, options: tuple[str, ...] = ()) -> None:
        """Make it and start it. `options`: more of postgres, `-c name=value` each."""
        found = programs()
        assert found is not None
        self._programs = found
        self._options = options
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix=f"sbc-sim-pg-{os.getpid()}-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            who = pwd.getpwnam("postgres")
            os.chown(self.folder, who.pw_uid, who.pw_gid)
            self._as = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
        self._make()
        self.port = _free_port()
        self.start()
        self.run(f"CREATE ROLE {self.user} LOGIN PASSWORD '{PASSWORD}'")

    def _make(self) -> None:
        words = ["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"]
        done = subprocess.run(
            [self._programs / "initdb", "-D", self.folder / "data", *words], cwd=self.folder, capture_output=True, text=True, **self._as
        )
        assert done.returncode == 0, done.stderr

    # --- databases ---------------------------------------------------------------------------------------------------

    def database(self) -> str:
        """Make an empty database and return its URL: with the user, without the password."""
        name = f"calls{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} OWNER {self.user}")
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{name}"

    def connect(self, url: str, **words: Any) -> Any:
        """Connect to one of these databases as its owner, with autocommit: for tests that look into it or get in the way."""
        import psycopg

        return psycopg.connect(url, password=PASSWORD, autocommit=True, **words)

    def ask(self, url: str, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask a database something (`%s` for values)."""
        with self.connect(url) as connection:
            return list(connection.execute(question, values).fetchall())

    def run(self, statement: str) -> None:
        """Do something as the superuser, by the socket in the cluster's folder."""
        import psycopg

        with psycopg.connect(host=str(self.folder), port=self.port, user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)

    # --- coming and going --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, on the same port each time, and wait until it answers."""
        assert self._process is None
        words = ["-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-k", str(self.folder), "-F"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", *words, *self._options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
                **self._as,
            )
        self._wait()

    def _wait(self) -> None:
        import psycopg

        until = time.monotonic() + PATIENCE
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                self.run("SELECT 1")
                return
            except psycopg.OperationalError:
                assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The server's first process."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop it as an administrator does: connections are cut, nothing is lost. A second time does nothing."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Take it away without a word; `start` recovers what was committed."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        children = _children(self._process.pid)
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._process = None
        if number == signal.SIGKILL:  # its children notice, but take their time, and hold the memory that the next one wants
            for child in children:
                _signal(child, signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang: connections stay, nothing answers. New ones are taken by the kernel and hang too."""
        for process in (self.pid, *_children(self.pid)):
            _signal(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for process in (self.pid, *_children(self.pid)):
            _signal(process, signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and remove its files."""
        if self._process is not None:
            self.thaw()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _end_with_parent() -> None:
    """Ask the kernel for SIGINT when the tests are killed: a server must not outlive them."""
    _LIBC.prctl(1, signal.SIGINT)


def _children(process: int) -> list[int]:
    if sys.platform != "linux":
        return []
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The PostgreSQL that the tests of this worker share; it is never stopped in between."""
    cluster = cluster_or_skip()
    yield cluster
    cluster.remove()


@pytest.fixture
def own_postgres() -> Iterator[Cluster]:
    """A PostgreSQL for one test, to stop, freeze and kill."""
    cluster = cluster_or_skip()
    yield cluster
    cluster.remove()
