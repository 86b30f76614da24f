"""podman as the service that Testcontainers talks to, with the settings of tests/support/podman.py."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.clients.conversation import wait_until


@contextmanager
def serving(known: dict[str, str]) -> Iterator[str]:
    """Run podman's service; gives its URL. The socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="podman-") as folder:
        socket, log = Path(folder) / "s", Path(folder) / "log"
        with log.open("wb") as said:
            process = subprocess.Popen(["podman", "system", "service", "--time=0", f"unix://{socket}"], env=known, stdout=said, stderr=said)
        try:
            wait_until(socket.exists, "podman's service listens", said=lambda: log.read_text(errors="replace"))
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()
