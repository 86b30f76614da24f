"""A PostgreSQL on this machine that pods can reach."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.support.postgres import programs

PORT = 15439


class Database:
    """A server on one address, with a role and a database `sbcsim`."""

    def __init__(self, address: str, password: str) -> None:
        """Nothing runs yet."""
        self.password = password
        self.url = f"postgresql://sbcsim@{address}:{PORT}/sbcsim"
        self._address = address
        found = programs()
        assert found is not None, "PostgreSQL is not installed: .ci/install-partners"
        self._programs = found
        self.folder = Path(tempfile.mkdtemp(prefix=f"sbc-sim-k8s-pg-{os.getpid()}-"))
        who = pwd.getpwnam("postgres")
        os.chown(self.folder, who.pw_uid, who.pw_gid)
        self._as: dict[str, Any] = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": [], "cwd": self.folder}

    def __enter__(self) -> Self:
        """Make it and start it."""
        words = ["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"]
        self._run("initdb", "-D", self.folder / "data", *words)
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 scram-sha-256\n")
        self.start()
        for statement in (f"CREATE ROLE sbcsim LOGIN PASSWORD '{self.password}'", "CREATE DATABASE sbcsim OWNER sbcsim"):
            self._run("psql", "-h", self.folder, "-p", PORT, "-U", "postgres", "-qc", statement)
        return self

    def start(self) -> None:
        """Start it; waits until it answers."""
        options = f"-c listen_addresses={self._address} -p {PORT} -k {self.folder} -F"
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """Stop it at once."""
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")

    def __exit__(self, *_: object) -> None:
        """Stop it and leave nothing."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *words: object) -> None:
        command = [str(self._programs / program), *map(str, words)]
        with tempfile.TemporaryFile() as said:  # a pipe would be held open by the server that pg_ctl leaves behind
            done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, check=False, timeout=60, **self._as)
            said.seek(0)
            assert done.returncode == 0, f"{' '.join(command)}\n{said.read().decode()}"
