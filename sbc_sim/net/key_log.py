"""TLS secrets written to files in the format of SSLKEYLOGFILE, for Wireshark. A file that cannot be written never stops a call.

A line is written at once, on the thread of the calls, about five for each handshake: whoever follows the file can read what comes next. It
goes to the page cache; on a disk that hangs the calls hang with it, so a key log belongs on a disk of this machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from twisted.logger import Logger

ENVIRONMENT = "SSLKEYLOGFILE"
"""The variable by which browsers, curl and others are told where to write. OpenSSL as shipped with Python packages does not look at it."""

KeyLog = Callable[[int, str], None]
"""Gets each secret: number of the connection, the line."""


class KeyLogFile:
    """One file that lines are appended to; whoever opens it anew may read it alone (mode 0600)."""

    _log = Logger()

    def __init__(self, path: Path) -> None:
        """Nothing is opened before the first line."""
        self.path = path
        self._descriptor: int | None = None
        self._complained = False

    def append(self, line: str) -> None:
        """Write a line; the first failure is said in the log, none is raised."""
        try:
            self._write(f"{line}\n".encode("ascii", "backslashreplace"))
        except OSError as error:
            self.close()
            if not self._complained:
                self._complained = True
                self._log.warn("TLS secrets cannot be written to {path}: {why}", path=str(self.path), why=error.strerror or str(error))

    def _write(self, octets: bytes) -> None:
        if self._descriptor is None:
            # Not blocking: a pipe that nobody reads must not hold the reactor.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
        os.write(self._descriptor, octets)

    def close(self) -> None:
        """Close the file; a further line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)


class KeyLogFiles:
    """The file of the settings and that of the environment; when both are the same, it gets each line once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """At least one."""
        self.files = tuple(KeyLogFile(path) for path in dict.fromkeys(path.absolute() for path in paths))

    def append(self, line: str) -> None:
        """Write a line to each."""
        for file in self.files:
            file.append(line)

    def close(self) -> None:
        """Close all."""
        for file in self.files:
            file.close()


def key_log_files(configured: Path | None, environment: Mapping[str, str] = os.environ) -> KeyLogFiles | None:
    """Give the files that TLS secrets go to, None when nobody asked for any."""
    named = environment.get(ENVIRONMENT, "").strip()
    paths = [path for path in (configured, Path(named) if named else None) if path is not None]
    return KeyLogFiles(paths) if paths else None
