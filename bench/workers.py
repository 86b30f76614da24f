"""Several workers against one: how many calls they carry, and what a worker more costs the others.

Whole calls as in bench/calls.py, one connection to each worker. What they carry is counted by the CPU time of the busiest of them, all
threads: on cores of their own, that one sets the limit. The time of this program is not in it, nor that of neighbours. That they push each
other out of the processor's caches, and change its pace, is: calls of the same kind differ by half from one minute to the next on a busy
machine. So many short rounds are run, each kind in turn, only rounds that follow each other are compared, and the middle one of these
comparisons counts. The best and the worst are told beside it, and the load: far apart, they say that the figure is the machine's.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.calls import Caller, serving

CALLS = 100
"""In each round, by each worker that takes calls."""
IN_A_ROW = 50
ROUNDS = 8
SETTLE_SECONDS = 0.5
"""What is written (after 0.1 s) and read (0.1 s later) in the background belongs to the calls too: a round ends when it is over."""
QUIET_SHARE = 0.04
"""Who takes no more of a processor than this has nothing left to do."""
WANTED = 1.8


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
        for _ in range(max(1, calls // IN_A_ROW)):
            for caller in self._callers[:busy]:
                for _ in range(IN_A_ROW):
                    caller.call(hang_up=True)
        self._settle()
        spent = [cpu_seconds(pid) - was for pid, was in zip(self._pids, before, strict=True)]
        return Cost(calls * busy, tuple(spent))

    def _settle(self) -> None:
        """Wait until all that the calls left behind is done; not for ever."""
        for _ in range(10):
            before = sum(map(cpu_seconds, self._pids))
            time.sleep(SETTLE_SECONDS)
            if sum(map(cpu_seconds, self._pids)) - before < QUIET_SHARE * SETTLE_SECONDS * len(self._pids):
                return


@contextmanager
def crew(count: int, url: str = "memory:") -> Iterator[Crew]:
    """Serve with so many workers; a `sqlite:` url names a file in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = {"SBC_SIM_WORKERS__COUNT": str(count), "SBC_SIM_STORE__URL": url.replace("sqlite:", f"sqlite:{folder}/")}
        with serving(folder, own) as (process, ports, _):
            yield Crew(folder, ports, process.pid)


def measure(calls: int = CALLS, rounds: int = ROUNDS) -> str:
    """Compare the rounds of each kind; all servers stay up, each kind has its turn."""
    file = "sqlite:calls.db"
    with ExitStack() as stack:
        memory, one, two = (stack.enter_context(crew(count, url)) for count, url in ((1, "memory:"), (1, file), (2, file)))
        kinds = ((memory, 1), (one, 1), (two, 2), (two, 1))
        turns = [[running.round(calls, busy) for running, busy in kinds] for _ in range(rounds)]
    return said(turns)


def said(turns: list[list[Cost]]) -> str:
    """Put rounds of one that writes no file, of one, of two, and of one beside an idle one into a line."""
    ratios = sorted(two.capacity / one.capacity for _, one, two, _ in turns)
    ratio = median(ratios)
    wanted = f"{WANTED:.2f} is wanted" if ratio >= WANTED else f"BELOW the {WANTED:.2f} that is wanted"
    pace = (
        f"{median(two.capacity for _, _, two, _ in turns):.0f} to {median(one.capacity for _, one, _, _ in turns):.0f} calls per CPU-second"
    )
    spread = f"middle of {len(turns)} comparisons, {ratios[0]:.2f} to {ratios[-1]:.2f}, load {os.getloadavg()[0]:.1f}"
    file = median(two.capacity / memory.capacity for memory, _, two, _ in turns)
    idle = median(beside.seconds[1] / beside.calls for *_, beside in turns) * 1000
    each = median(1 / beside.capacity for *_, beside in turns) * 1000
    more = median(one.capacity / beside.capacity for _, one, _, beside in turns)
    return (
        f"workers: 2 carry {ratio:.2f} x the calls of 1 on a SQLite file ({wanted}; {spread}; {pace} of the busiest);"
        f" {file:.2f} x those of 1 that writes no file; an idle one more takes {idle:.2f} ms of its own for each call of the other,"
        f" which takes {each:.2f}, {more:.2f} x what it takes alone"
    )
