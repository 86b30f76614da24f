"""A child process that is talked to line by line. What it says is kept, written to a log, and can be waited for."""

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

PATIENCE = 60.0  # seconds; generous, since it is only ever spent on a failure


class PartnerFailed(AssertionError):
    """A client did not do what was waited for; the message ends with what it said last."""


def wait_until(wanted: Callable[[], bool], what: str, patience: float = PATIENCE, said: Callable[[], str] = str) -> None:
    """Poll `wanted` until it holds; raises PartnerFailed after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not wanted():
        if time.monotonic() > deadline:
            raise PartnerFailed(f"{what}: not within {patience:.0f} s\n{said()}")
        time.sleep(0.03)


class Conversation:
    """One child process. Its output and its errors are one stream, decoded with care, kept whole."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._said = ""
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stream = cast("IO[bytes]", self.process.stdout)
        with self.log.open("wb") as log:
            while octets := os.read(stream.fileno(), 65536):
                log.write(octets)
                log.flush()
                with self._changed:
                    self._said += octets.decode("utf-8", "replace").replace("\r\n", "\n")
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def said(self) -> str:
        """Everything so far, line ends made plain."""
        with self._changed:
            return self._said

    def say(self, line: str) -> None:
        """One line to its standard input."""
        self.send(line.encode() + b"\n")

    def send(self, octets: bytes) -> None:
        """Octets to its standard input."""
        stream = cast("IO[bytes]", self.process.stdin)
        stream.write(octets)
        stream.flush()

    def wait_for(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        """The first match of `pattern` (multi-line) in what was said; raises PartnerFailed when it ends or stays silent."""
        wanted = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + patience
        with self._changed:
            while not (match := wanted.search(self._said)):
                ended = not self._reader.is_alive() and self.process.poll() is not None
                left = deadline - time.monotonic()
                if ended or left <= 0:
                    why = f"ended with {self.process.returncode}" if ended else f"silent for {patience:.0f} s"
                    raise PartnerFailed(f"{self.name} {why}, waiting for {pattern!r}; last words:\n{self._said[-6000:]}")
                self._changed.wait(min(left, 0.5))
        return match

    def last_words(self) -> str:
        """The end of what was said, for a failure's message."""
        return self.said[-6000:]

    def end(self, patience: float = 10.0) -> int:
        """Close its input, ask it to end, insist after `patience` seconds; returns the exit status."""
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(patience)
        if self.process.stdout:
            self.process.stdout.close()
        return self.process.returncode
