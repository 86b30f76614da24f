"""What a test report gets of the simulators when a test fails: ladders with findings, log lines, and files to keep."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sbc_sim.client import ApiError, Json
from sbc_sim.testing import telling
from sbc_sim.testing.call import Call
from sbc_sim.testing.instance import Died, Instance
from sbc_sim.testing.simulator import SbcSim

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
MOST_CALLS = 5
"""Calls of one simulator in a report."""
SLACK = 0.5
"""Seconds by which two clocks of one machine may differ."""
KEPT = (".pcapng", ".html", ".txt", ".json")
"""Files of each call that are kept."""


class Running:
    """The simulators of one test session."""

    def __init__(self, folders: Any, settings: Mapping[str, object], timeout: float) -> None:
        """`folders` makes folders as pytest's TempPathFactory does; `settings` hold for all; `timeout` of waits, seconds."""
        self._folders = folders
        self._settings = settings
        self._timeout = timeout
        self._all: list[tuple[SbcSim, Instance]] = []
        self._begun = time.time()

    def start(self, settings: Mapping[str, object] | None = None) -> SbcSim:
        """Start one more; its `settings` go before those of the session."""
        instance = Instance(self._folders.mktemp("sbc-sim"), {**self._settings, **(settings or {})})
        simulator = SbcSim(instance, self._timeout)
        self._all.append((simulator, instance))
        return simulator

    def stop(self) -> None:
        """End all."""
        for simulator, _ in self._all:
            simulator.stop()

    def test_begins(self) -> None:
        """Remember when."""
        self._begun = time.time()

    def told(self, said: str, test: str, keep: Path | None) -> Iterator[tuple[str, str]]:
        """Give titles and texts about what happened since the test began; what the exception `said` already is not told again.

        `keep`: folder in which the files of the `test` are left.
        """
        for simulator, instance in self._all:
            try:
                yield from self._of(simulator, instance, said, keep and keep / _folder_name(test))
            except (ApiError, Died) as error:
                yield "sbc-sim", str(error)

    def _of(self, simulator: SbcSim, instance: Instance, said: str, folder: Path | None) -> Iterator[tuple[str, str]]:
        if not simulator.instance.alive:
            if not simulator.stopped and "the simulator ended" not in said:
                yield "sbc-sim has died", simulator.instance.last_words()
            return
        calls = [call for call in simulator.calls() if _time(call.data.get("startedAt")) >= self._begun - SLACK]
        untold = [call for call in calls if telling.name(call.data) not in said]
        for call in untold[:MOST_CALLS]:
            yield f"sbc-sim call {call.id}", telling.call_text(telling.summary(call.data), call.verdict.failed, call.ladder())
        if len(untold) > MOST_CALLS:
            yield "sbc-sim", f"{len(untold) - MOST_CALLS} more calls: {simulator.api_url}"
        if (attempts := simulator.attempts()) and "never became a call" not in said:
            yield "sbc-sim connections", telling.attempts_text(attempts)
        if "Traceback" in (log := simulator.instance.last_words()):
            yield "sbc-sim log", log
        if folder is not None and (calls or attempts):
            yield "sbc-sim files", "\n".join(map(str, _kept(instance, calls, attempts, folder)))


def _kept(instance: Instance, calls: list[Call], attempts: list[Json], folder: Path) -> Iterator[Path]:
    """Write the files of the calls, the connections that failed, and the log."""
    folder.mkdir(parents=True, exist_ok=True)
    if attempts:
        told = folder / f"connections-{instance.pid}.json"
        told.write_text(json.dumps(attempts, indent=1), encoding="utf-8")
        yield told
    for number, call in enumerate(calls[-20:], 1):
        for ending in KEPT:
            with contextlib.suppress(ApiError):  # a call that is up has no report yet, one without audio no capture
                yield call.save(folder / f"call-{number}-{call.id}{ending}")
    log = folder / f"sbc-sim-{instance.pid}.log"
    shutil.copyfile(instance.log, log)
    yield log


def _folder_name(test: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", test).strip("._")[:150] or "test"


def _time(text: Any) -> float:
    return datetime.fromisoformat(str(text)).timestamp() if text else time.time()
