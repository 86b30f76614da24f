"""podman, as far as the tests of the image need it: one built image, containers that end with the test, free ports of this machine.

def test_something(image: str, tmp_path: Path) -> None:
    with running(image, "--read-only", settings={"SBC_SIM_HTTP__TOKEN": "..."}) as container:
        container.said(), container.run("sbc-sim", "doctor"), container.stop()
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sbc_sim.testing.free_ports import free, held

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "localhost/sbc-sim:tests"
PATIENCE = 120.0
"""Seconds; only what is broken takes so long."""
_NUMBERS = itertools.count(1)


def missing() -> str | None:
    """What keeps containers from being run, None: nothing."""
    wanted = {
        "podman": shutil.which("podman"),
        "runc or crun": shutil.which("runc") or shutil.which("crun"),
        "netavark": Path("/usr/lib/podman/netavark").exists() or shutil.which("netavark"),
        "debootstrap": shutil.which("debootstrap"),
        "root": os.getuid() == 0,
    }
    return ", ".join(what for what, there in wanted.items() if not there) or None


def environment(folder: Path) -> dict[str, str]:
    """The environment for podman: settings that suit machines without systemd, and where limits cannot be raised."""
    # the program takes the hard limit of processes, the service only the soft one
    limits = {"nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1:], "nproc": resource.getrlimit(resource.RLIMIT_NPROC)}
    most = {name: min(32768, *(one for one in given if one != resource.RLIM_INFINITY)) for name, given in limits.items()}
    same = ", ".join(f'"{name}={limit}:{limit}"' for name, limit in most.items())
    runtime = "runc" if shutil.which("runc") else "crun"
    (folder / "containers.conf").write_text(
        f'[containers]\ndefault_ulimits = [{same}]\nlog_driver = "k8s-file"\n'
        f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "{runtime}"\n'
    )
    return {**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")}


class Podman:
    """The program, with settings of its own."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sbc-sim-podman-"))
        self.environment = environment(self._folder)

    def __call__(self, *words: str, check: bool = True, program: Sequence[str] = ("podman",)) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*program, *words], env=self.environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0 or not check, f"{' '.join([*program, *words])}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def build(self) -> str:
        """Build the image of this checkout, one process at a time: what has not changed is taken from the last build."""
        with (Path(tempfile.gettempdir()) / "sbc-sim-image.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self(IMAGE, program=(str(ROOT / "tests" / "image" / "build.sh"),))
        return IMAGE

    def close(self) -> None:
        """Forget the settings; images stay."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Container:
    """One that was started."""

    def __init__(self, podman: Podman, name: str) -> None:
        self._podman = podman
        self.name = name

    def said(self) -> str:
        """All of its output."""
        done = self._podman("logs", self.name)
        return done.stdout + done.stderr

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside of it."""
        return self._podman("exec", self.name, *words, check=False)

    def healthy(self) -> bool:
        """Run its health check: podman does so by itself only where systemd is."""
        return self._podman("healthcheck", "run", self.name, check=False).returncode == 0

    def told(self) -> dict[str, Any]:
        """All that podman knows of it."""
        [told] = json.loads(self._podman("inspect", self.name).stdout)
        return dict(told)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL after a while; its exit code."""
        self._podman("stop", "--time", "60", self.name)
        return int(self.told()["State"]["ExitCode"])

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        return int(self._podman("wait", self.name).stdout)


@contextmanager
def running(
    podman: Podman, image: str, *options: str, settings: Mapping[str, str] | None = None, words: Sequence[str] = ()
) -> Iterator[Container]:
    """Run a container until the block ends. It need not be ready, nor live long."""
    name = f"sbc-sim-test-{os.getpid()}-{next(_NUMBERS)}"
    variables = [word for pair in (settings or {}).items() for word in ("--env", "=".join(pair))]
    try:
        podman("run", "--detach", "--name", name, *options, *variables, image, *words)
        yield Container(podman, name)
    finally:
        podman("rm", "--force", "--time", "0", "--volumes", name, check=False)


def free_ports(host: str, media: int) -> tuple[int, int, str]:
    """Find ports of this machine: TCP for SIP, TCP for HTTP, and a range of UDP ports that begins with an even one."""
    first = free(socket.SOCK_DGRAM, media, host)
    with held(socket.SOCK_STREAM, 2, host) as (sip, _):
        return sip, sip + 1, f"{first}-{first + media - 1}"
