"""The image: how long a container takes until it is ready, and what of its size is ours.

The container is as tight as tests/image runs it, and without a network: what a network costs is the host's. Told are the seconds from
`podman run`, those from the start of the process in it, and its CPU time up to then, which neighbours on the machine change least.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bench.workers import cpu_seconds
from tests.support import podman as containers
from tests.support.podman import IMAGE, Podman

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
BASES = (os.environ.get("SBC_SIM_IMAGE_BASE", ""), "docker.io/library/python:3.13-slim", "localhost/sbc-sim-base:3.13")
MB = 1_000_000
WANTED = 1.0


def measure(times: int = 5) -> str:
    """Give the best of some starts, of the image that the tests built last; it is built when there is none."""
    missing = containers.missing()
    if missing:
        return f"container: not measured, there is no {missing}"
    podman = Podman()
    try:
        if podman("image", "exists", IMAGE, check=False).returncode:
            podman.build()
        tries = [_start(podman, number) for number in range(times)]
        return f"container: {_ready(tries)}; {_size(podman)}"
    finally:
        podman.close()


def _ready(tries: Sequence[tuple[float, float, float]]) -> str:
    whole, own, cpu = (min(kind) for kind in zip(*tries, strict=True))
    worst = max(seconds for _, seconds, _ in tries)
    return (
        f"ready in {own:.2f} s, {cpu:.2f} s CPU (best of {len(tries)}, worst {worst:.2f} s; below {WANTED:.0f} s is wanted),"
        f" {whole:.2f} s with podman run, load {os.getloadavg()[0]:.1f}"
    )


def _start(podman: Podman, number: int) -> tuple[float, float, float]:
    """Start one: seconds since `podman run`, seconds since its process began, and the CPU seconds of that, until it is ready."""
    name = f"sbc-sim-bench-{os.getpid()}-{number}"
    began = time.perf_counter()
    command = ["podman", "run", "--rm", "--name", name, *HARDENED, IMAGE]
    with subprocess.Popen(command, env=podman.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            if not any("is ready for calls" in line for line in process.stdout):
                raise SystemExit("the container ended before it was ready")
            whole, now = time.perf_counter() - began, time.time()
            state = _told(podman, "container", name)["State"]
            return whole, now - datetime.fromisoformat(state["StartedAt"]).timestamp(), cpu_seconds(state["Pid"])
        finally:
            podman("rm", "--force", "--time", "0", name, check=False)


def _size(podman: Podman) -> str:
    """Say how large the image is, on which base, and how much comes on top of it."""
    image = _told(podman, "image", IMAGE)
    said = f"the image has {image['Size'] / MB:.0f} MB"
    for name in filter(None, BASES):
        if podman("image", "exists", name, check=False).returncode:
            continue
        base = _told(podman, "image", name)
        layers = base["RootFS"]["Layers"]
        if image["RootFS"]["Layers"][: len(layers)] == layers:
            return f"{said}: {base['Size'] / MB:.0f} of its base {name}, {(image['Size'] - base['Size']) / MB:.0f} ours"
    return said


def _told(podman: Podman, kind: str, name: str) -> dict[str, Any]:
    [told] = json.loads(podman(kind, "inspect", name).stdout)
    return dict(told)
