"""One `sbc-sim serve` in a process of its own: started, waited for, watched and stopped. The standard library alone."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from sbc_sim.testing.given import named, shown

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
PREFIX = "SBC_SIM_"
NOT_INHERITED = ("PYTHONWARNINGS", "PYTHONSTARTUP", "PYTHONINSPECT")
"""What a test suite sets for itself, and what would make another program of ours."""
POLL = 0.005
"""Seconds between two looks at the ports file."""
LAST_WORDS = 40
"""Lines of the log in a message."""
MOST_LOG = 256 * 1024
"""Octets of the log that are read for a message."""
LOOPBACK = ("127.", "[::1]", "localhost")

DEFAULTS: Mapping[str, object] = {
    "sip.listen": "127.0.0.1:0",
    "http.listen": "127.0.0.1:0",
    "media.listen": "127.0.0.1",
    "media.ports": "0",
    "log.format": "console",
}
"""Settings of every instance that a test suite starts; its own go on top."""


class NotStarted(Exception):
    """The simulator did not become ready: what it said, and with which settings."""


class Died(Exception):
    """The simulator ended while it was needed: how, and its last words."""


class Home(Protocol):
    """Where a simulator runs: a process (Instance), or a container (sbc_sim.testcontainers)."""

    @property
    def api(self) -> str:
        """URL of its API."""

    @property
    def token(self) -> str | None:
        """Token of its API, None where none is needed."""

    @property
    def ca_pem(self) -> Path:
        """File with the CA of its certificate (PEM)."""

    @property
    def alive(self) -> bool:
        """True while it runs."""

    def start(self) -> object:
        """Start it, and wait until it takes calls."""

    def stop(self) -> object:
        """End it."""

    def mark(self) -> None:
        """Begin a new chapter of its log."""

    def last_words(self) -> str:
        """The end of its log, since the last mark."""

    def obituary(self) -> Died | None:
        """Tell how it ended, None while it lives."""


class Instance:
    """A simulator in a process of its own. It ends with this process, however this one ends."""

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None, patience: float = 60.0) -> None:
        """`folder` for its certificates, ports and log; `settings` by their names (``uui.missing``); `patience`: longest start, seconds."""
        self.folder = folder.absolute()
        self.settings: dict[str, object] = {**DEFAULTS, "tls.dir": str(self.folder / "certs"), **named(settings)}
        self.log = self.folder / "sbc-sim.log"
        self.ports: Mapping[str, Any] = {}
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._mark = 0
        self._token_if_needed()

    @property
    def token(self) -> str | None:
        """The token of its API, None where none is needed."""
        token = self.settings.get("http.token")
        return None if token is None else str(token)

    @property
    def host(self) -> str:
        """The address at which its API is asked."""
        host = str(self.settings["http.listen"]).rpartition(":")[0]
        return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}.get(host, host)

    @property
    def api(self) -> str:
        """URL of its API."""
        return f"http://{self.host}:{self.ports['http']}{self.settings.get('http.base_path') or ''}"

    @property
    def ca_pem(self) -> Path:
        """File with the CA of its certificate (PEM)."""
        return Path(str(self.settings["tls.dir"])) / "ca.pem"

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id, None before the start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it takes calls. Raises NotStarted with what it said."""
        self.stop()  # what is left of one that has died
        self.folder.mkdir(parents=True, exist_ok=True)
        ports_file = self.folder / "ports.json"
        ports_file.unlink(missing_ok=True)
        self.mark()
        file = self.folder / "settings.yaml"
        _write_private(file, json.dumps(nested(self._again_where_it_was()), indent=1, default=str) + "\n")  # JSON is YAML
        command = [sys.executable, "-P", "-m", "sbc_sim", "serve", "--until-stdin-ends"]
        command += ["--config", str(file), "--ports-file", str(ports_file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=_environment(), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        try:
            self._await(ports_file)
        except BaseException:
            self.stop(1.0)
            raise

    def stop(self, patience: float = 10.0) -> int | None:
        """End it: calls get BYE; insist after `patience` seconds. Returns the exit code."""
        process = self._process
        if process is None or process.stdin is None:
            return None
        with contextlib.suppress(OSError):
            process.stdin.close()  # what it waits for; a signal on top would be a second one, which ends it at once
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return process.returncode

    def obituary(self, patience: float = 1.0) -> Died | None:
        """Tell how it ended, None while it lives; `patience`: seconds in which a process that dies just now may be gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(patience)
                return Died(died(_how(self._process.returncode), self.last_words()))
        return None

    def mark(self) -> None:
        """Begin a new chapter of its log: what was said before is no part of `last_words` any more."""
        with contextlib.suppress(OSError):
            self._mark = self.log.stat().st_size

    def last_words(self) -> str:
        """The end of its log, as far as it was said since the last mark."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._mark, file.seek(0, os.SEEK_END) - MOST_LOG))
                lines = file.read(MOST_LOG).decode("utf-8", "replace").splitlines()
        except OSError as error:
            return f"(its log {self.log} cannot be read: {error.strerror})"
        shown = "\n".join(lines[-LAST_WORDS:])
        return f"{shown or 'It said nothing.'}\n(log: {self.log})"

    def _token_if_needed(self) -> None:
        """Off loopback a token is asked for: know it, instead of reading it from the banner."""
        off_loopback = not str(self.settings["http.listen"]).startswith(LOOPBACK)
        if off_loopback and self.settings.get("http.auth") != "none":
            self.settings["http.token"] = self.settings.get("http.token") or secrets.token_urlsafe(18)

    def _again_where_it_was(self) -> dict[str, object]:
        """After a crash the same ports are asked for: partners were told of them."""
        if not self.ports:
            return self.settings
        told = {name: self.settings[name] for name in ("sip.listen", "http.listen")}
        where = {name: f"{str(at).rpartition(':')[0]}:{self.ports[name.partition('.')[0]]}" for name, at in told.items()}
        return {**self.settings, **where}

    def _await(self, ports_file: Path) -> None:
        process, until = self._process, time.monotonic() + self._patience
        while process is not None and not ports_file.exists():
            if process.poll() is not None:
                raise NotStarted(self._refusal(f"the simulator did not start: it ended {_how(process.returncode)}."))
            if time.monotonic() > until:
                raise NotStarted(self._refusal(f"the simulator was not ready within {self._patience:g} s."))
            time.sleep(POLL)
        self.ports = json.loads(ports_file.read_text(encoding="utf-8"))

    def _refusal(self, what: str) -> str:
        return f"{what}\n{self.last_words()}\nsettings: {shown(self.settings)}"


def died(how: str, last_words: str) -> str:
    """Say how a simulator ended that was needed."""
    return f"the simulator ended {how} while the test needed it.\n{last_words}"


def nested(settings: Mapping[str, object]) -> dict[str, Any]:
    """Turn ``{"uui.missing": "warn"}`` into ``{"uui": {"missing": "warn"}}``; only the names at the top are taken apart."""
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        *path, last = name.split(".")
        here = tree
        for part in path:
            here = here.setdefault(part, {})
            if not isinstance(here, dict):
                raise NotStarted(f"the setting {name} does not go together with another one that ends at {part}")
        if isinstance(value, Mapping) and isinstance(here.get(last), dict):
            here[last].update(value)
        else:
            here[last] = dict(value) if isinstance(value, Mapping) else value
    return tree


def _write_private(file: Path, text: str) -> None:
    """Write a file that nobody else may read: it may hold a token."""
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
        target.write(text)


def _environment() -> dict[str, str]:
    """What is set for another simulator, or for this suite, is not meant for this one."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) and name not in NOT_INHERITED}
    root = Path(__file__).resolve().parents[2]
    if not {"site-packages", "dist-packages"} & set(root.parts):  # a checkout: the process must find the same package
        known["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), known.get("PYTHONPATH")]))
    return {**known, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"
