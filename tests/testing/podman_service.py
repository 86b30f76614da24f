"""podman as the service that Testcontainers talks to, with settings that hold on any machine, and the image of this checkout."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.clients.conversation import wait_until

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/sbc-sim:dev"
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
"""For machines without systemd, where no limit may be raised; crun does not take hybrid control groups."""


def missing() -> str | None:
    """What is not installed, in words; None when all is there."""
    wanted = {"podman": shutil.which("podman"), "runc": shutil.which("runc")}
    return ", ".join(what for what, there in wanted.items() if not there) or None


def environment(folder: Path) -> dict[str, str]:
    """Write podman's settings; give the variables that name them."""
    files, processes = (_least(what) for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    file = folder / "containers.conf"
    file.write_text(SETTINGS.format(files=files, processes=processes), encoding="utf-8")
    return {**os.environ, "CONTAINERS_CONF": str(file)}


def _least(what: int) -> int:
    return min(PLENTY, *(limit for limit in resource.getrlimit(what) if limit >= 0))


def ensure_image(known: dict[str, str]) -> str:
    """Give the name of the image, and build it when there is none; several who want it at once wait for one of them."""
    with (Path(tempfile.gettempdir()) / f"sbc-sim-image-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if subprocess.run(["podman", "image", "exists", IMAGE], env=known).returncode:
            done = subprocess.run([str(ROOT / "tests" / "image" / "build.sh"), IMAGE], env=known, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


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
