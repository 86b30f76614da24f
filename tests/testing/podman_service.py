"""podman as the service that Testcontainers talks to, with settings that hold on any machine."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.clients.conversation import wait_until

PLENTY = 32768
"""Of files and processes in a container."""
SETTINGS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
"""For machines without systemd, where no limit may be raised; the service refuses the hard limit of processes, which the program takes."""


def environment(folder: Path) -> dict[str, str]:
    """Write podman's settings; give the variables that name them."""
    files, processes = (_least(what) for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    file = folder / "containers.conf"
    file.write_text(SETTINGS.format(files=files, processes=processes), encoding="utf-8")
    return {**os.environ, "CONTAINERS_CONF": str(file)}


def _least(what: int) -> int:
    return min(PLENTY, *(limit for limit in resource.getrlimit(what) if limit >= 0))


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
