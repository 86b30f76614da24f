"""The simulator of a test suite: how long its start takes, and the reset from one test to the next.

As a suite does it, through the handle: a process of its own, asked over HTTP. Each test before a reset placed a call that passed through
the whole of it. Beside the time on the wall, which neighbours on the machine make longer, stands the CPU time of simulator and handle.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.calls import Caller
from bench.workers import cpu_seconds
from sbc_sim.testing.instance import Instance
from sbc_sim.testing.simulator import SbcSim

STARTS = 5
RESETS = 30
CALLS_PER_TEST = 2


def measure(starts: int = STARTS, resets: int = RESETS) -> str:
    """Give the best of some starts, certificates being made each time as for each session, and the median and worst of some resets."""
    with tempfile.TemporaryDirectory() as name:
        ready = [_start(Path(name) / str(number)) for number in range(starts)]
        times, cpu = _resets(Path(name) / "resets", resets)
    wall, own = min(ready), min(spent for _, spent in ready)
    per_reset = (
        f"{times[len(times) // 2] * 1000:.0f} ms, worst {times[-1] * 1000:.0f} ms, {cpu / resets * 1000:.0f} ms CPU; below 50 is wanted"
    )
    return (
        f"pytest: ready in {wall[0]:.2f} s, worst of {starts} {max(ready)[0]:.2f} s, {own:.2f} s CPU; below 1 s is wanted;"
        f" reset in {per_reset} ({resets} after {CALLS_PER_TEST} calls each)"
    )


def _start(folder: Path) -> tuple[float, float]:
    """Start one as the fixture does: seconds until the handle can be used, and CPU seconds of the process until then."""
    began = time.perf_counter()
    with SbcSim(Instance(folder)) as sim:
        took = time.perf_counter() - began
        return took, cpu_seconds(_pid(sim))


def _resets(folder: Path, resets: int) -> tuple[list[float], float]:
    """Seconds of each reset, the shortest first, and the CPU seconds of all."""
    times, cpu = [], 0.0
    with SbcSim(Instance(folder)) as sim:
        caller = Caller(sim.sip_port, sim.ca_pem)
        for _ in range(resets):
            for _ in range(CALLS_PER_TEST):
                caller.call(hang_up=True)
            while len(sim.calls(status="ended")) < CALLS_PER_TEST:
                time.sleep(0.01)
            before, began = cpu_seconds(_pid(sim)) + time.process_time(), time.perf_counter()
            sim.reset()
            times.append(time.perf_counter() - began)
            cpu += cpu_seconds(_pid(sim)) + time.process_time() - before
    return sorted(times), cpu


def _pid(sim: SbcSim) -> int:
    assert isinstance(sim.instance, Instance)
    assert sim.instance.pid is not None
    return sim.instance.pid
