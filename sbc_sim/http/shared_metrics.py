"""Metrics of several workers as one: whichever of them is scraped tells its own as they are and those of the others from files.

Each worker writes its own each second into a private folder. A sample bears the label ``worker``; sums over it are what one process tells.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PARENT = "parent"
_AGE = "sbc_sim_worker_metrics_age_seconds"
_AGE_TEXT = "How old the metrics of a worker are; much more than 1: that worker hangs"


class SharedMetrics(Collector):
    """The families of all workers; `own` is the registry of this one."""

    def __init__(self, folder: Path, worker: int, own: Collector) -> None:
        """`folder`: private to these workers; `worker`: the number of this one."""
        self._folder = folder
        self._worker = str(worker)
        self._own = own

    def write(self) -> None:
        """Write our own for the others. A disk that fails costs the others fresh numbers, which their age tells, and nothing else."""
        told = [_plain(family, {"worker": self._worker}) for family in self._own.collect()]
        _write(self._folder, self._worker, told)

    def collect(self) -> Iterator[Metric]:
        """Give each family once, with the samples of all workers."""
        merged: dict[str, Metric] = {}
        for family in self._own.collect():
            _add(merged, _plain(family, {"worker": self._worker}))
        age = Metric(_AGE, _AGE_TEXT, "gauge")
        age.add_sample(_AGE, {"worker": self._worker}, 0.0)
        for worker, families, seconds in self._others():
            for told in families:
                _add(merged, told)
            if worker != PARENT:
                age.add_sample(_AGE, {"worker": worker}, seconds)
        yield from merged.values()
        yield age

    def _others(self) -> Iterator[tuple[str, list[Any], float]]:
        """Read what the others wrote; a file that is gone or half a worker's is left out."""
        for path in sorted(self._folder.glob("*.metrics")):
            if path.stem == self._worker:
                continue
            try:
                families, written = json.loads(path.read_bytes()), path.stat().st_mtime
            except (OSError, ValueError):
                continue
            yield path.stem, families, max(0.0, time.time() - written)


def write_crew(folder: Path, pids: Mapping[int, int], deaths: Mapping[int, int]) -> None:
    """Write what the parent knows: which workers run (by number), and how often each has died. Files of those that do not run go."""
    for number in set(deaths) - set(pids):
        (folder / f"{number}.metrics").unlink(missing_ok=True)
    up = [["sbc_sim_worker_up", {"worker": str(number)}, float(number in pids)] for number in deaths]
    died = [["sbc_sim_worker_deaths_total", {"worker": str(number)}, float(times)] for number, times in deaths.items()]
    families = [
        ["sbc_sim_worker_up", "1 while the worker runs", "gauge", up],
        ["sbc_sim_worker_deaths", "How often the worker died and was started anew", "counter", died],
    ]
    _write(folder, PARENT, families)


def forget(folder: Path, worker: int) -> None:
    """Take away what a worker wrote, at its end."""
    (folder / f"{worker}.metrics").unlink(missing_ok=True)


def _plain(family: Metric, labels: Mapping[str, str]) -> list[Any]:
    samples = [[sample.name, {**labels, **sample.labels}, sample.value] for sample in family.samples]
    return [family.name, family.documentation, family.type, samples]


def _add(merged: dict[str, Metric], told: Iterable[Any]) -> None:
    name, text, kind, samples = told
    family = merged.setdefault(name, Metric(name, text, kind))
    for sample, labels, value in samples:
        family.add_sample(sample, labels, value)


def _write(folder: Path, name: str, families: list[Any]) -> None:
    part = folder / f".{name}.part"
    with contextlib.suppress(OSError):
        part.write_bytes(json.dumps(families).encode())
        os.replace(part, folder / f"{name}.metrics")
