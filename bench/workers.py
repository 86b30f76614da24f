"""Several workers against one: how many calls they carry, and what a worker more costs the others.

Whole calls as in bench/calls.py, one connection to each worker. What they carry is counted by the CPU time of the busiest of them, all
threads: on cores of their own, that one sets the limit. So neither this program, which shares the machine with them, nor its neighbours
are in the numbers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.calls import Caller, serving

CALLS = 400
"""In each round, by each worker that takes calls."""
IN_A_ROW = 25
ROUNDS = 3
SETTLE_SECONDS = 1.5
"""Until what is written and read in the background is over: it belongs to the calls too."""


def cpu_seconds(pid: int) -> float:
    """Give the processor time of all threads of a process: the store writes in one of its own."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


@dataclass(frozen=True)
class Cost:
    """One round."""

    calls: int
    seconds: tuple[float, ...]
    """CPU of each worker."""

    @property
    def capacity(self) -> float:
        """Calls per second that these workers carry on cores of their own."""
        return self.calls / max(self.seconds)


class Crew:
    """A running server and a caller for each of its workers."""

    def __init__(self, folder: Path, ports: dict[str, object], pid: int) -> None:
        """Connect to each worker, and have it warm."""
        workers = ports.get("workers") or [{"sip": ports["sip"], "pid": pid}]
        assert isinstance(workers, list)
        self._pids = [worker["pid"] for worker in workers]
        self._callers = [Caller(worker["sip"], folder / "certs" / "ca.pem") for worker in workers]
        self.round(50, len(workers))

    def round(self, calls: int, busy: int) -> Cost:
        """Place so many calls at each of the first `busy` workers, some at one, then some at the next.

        Not one by one: with every call the other process would have to fill the processor's caches anew, as it need not on its own core.
        """
        before = [cpu_seconds(pid) for pid in self._pids]
        for _ in range(calls // IN_A_ROW):
            for caller in self._callers[:busy]:
                for _ in range(IN_A_ROW):
                    caller.call(hang_up=True)
        time.sleep(SETTLE_SECONDS)
        spent = [cpu_seconds(pid) - was for pid, was in zip(self._pids, before, strict=True)]
        return Cost(calls * busy, tuple(spent))


@contextmanager
def crew(count: int, url: str = "memory:") -> Iterator[Crew]:
    """Serve with so many workers; a `sqlite:` url names a file in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = {"SBC_SIM_WORKERS__COUNT": str(count), "SBC_SIM_STORE__URL": url.replace("sqlite:", f"sqlite:{folder}/")}
        with serving(folder, own) as (process, ports, _):
            yield Crew(folder, ports, process.pid)


def measure(calls: int = CALLS, rounds: int = ROUNDS) -> str:
    """Give the best of some rounds of each in turn: others on the machine only ever add."""
    file = "sqlite:calls.db"
    kinds = {"memory": (1, "memory:", 1), "one": (1, file, 1), "two": (2, file, 2), "beside": (2, file, 1)}
    costs: dict[str, list[Cost]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, (count, url, busy) in kinds.items():
            with crew(count, url) as running:
                costs[name].append(running.round(calls, busy))
    memory, one, two, beside = (max(costs[name], key=lambda cost: cost.capacity) for name in kinds)
    idle = min(cost.seconds[1] for cost in costs["beside"])
    more = f"{two.capacity:.0f} to {one.capacity:.0f} calls per CPU-second of the busiest, on a file; at least 1.80 is wanted"
    each = beside.seconds[0] / beside.calls
    own = f"{idle / beside.calls * 1000:.2f} ms of its own for each call of the other, which takes {each * 1000:.2f}"
    return (
        f"workers: 2 carry {two.capacity / one.capacity:.2f} x the calls of 1 ({more});"
        f" {two.capacity / memory.capacity:.2f} x those of 1 that writes no file; an idle one more takes {own},"
        f" {beside.seconds[0] / one.seconds[0]:.2f} x what it takes alone"
    )
