"""What a test report gets of the simulators when a test fails: ladders with findings, log lines, and files to keep."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sbc_sim.client import ApiError, Json
from sbc_sim.testing import telling
from sbc_sim.testing.call import Call
from sbc_sim.testing.given import flat
from sbc_sim.testing.instance import Died, Instance
from sbc_sim.testing.simulator import SbcSim

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
MOST_CALLS = 5
"""Calls of one simulator in a report."""
SLACK = 0.001
"""Seconds by which the API rounds; a machine has one clock, and what came a moment before belongs to another test."""
FILES = "sbc-sim files"
"""Title of the section that names them."""
KEPT = (".pcapng", ".html", ".txt", ".json")
"""Files of each call that are kept."""
OURS = re.compile(r"call-\d+-.+\.(pcapng|html|txt|json)|connections-\d+\.json|sbc-sim-\d+\.log")
"""Names of files that are kept: what else somebody puts beside them stays."""
LONGEST_NAME = 150
"""Characters in the name of a folder."""


@dataclass(frozen=True, slots=True)
class Told:
    """A section of a report."""

    title: str
    text: str
    known_by: str = ""
    """What an exception says that has told this already; empty: none does."""


class Running:
    """The simulators of one test session."""

    def __init__(self, folders: Any, settings: Mapping[str, object], timeout: float, artifacts: Path | None = None) -> None:
        """`folders` makes folders as pytest's TempPathFactory does; `settings` hold for all; `timeout` of waits, seconds.

        `artifacts`: folder in which the files of tests that fail are left.
        """
        self._folders = folders
        self._settings = settings
        self._timeout = timeout
        self._artifacts = artifacts
        self._all: list[tuple[SbcSim, Instance]] = []
        self._begun = time.time()
        self._gone: list[SbcSim] = []
        self._ended: list[Told] = []
        self._ended_files: list[Path] = []
        self._said = False

    def start(self, settings: Mapping[str, object] | None = None) -> SbcSim:
        """Start one more; its `settings` go before those of the session."""
        instance = Instance(self._folders.mktemp("sbc-sim"), {**flat(self._settings), **flat(settings)})
        simulator = SbcSim(instance, self._timeout)
        simulator.before_stop = lambda: self._ends(simulator, instance)
        self._all.append((simulator, instance))
        return simulator

    def stop(self) -> None:
        """End all."""
        for simulator, _ in self._all:
            simulator.stop()

    def test_begins(self) -> None:
        """Remember when, and who is gone by now; what ended in the test before is not told any more."""
        self._begun = time.time()
        self._gone = [simulator for simulator, instance in self._all if not instance.alive]
        self._said = False
        self._ended.clear()
        for folder in self._ended_files:
            shutil.rmtree(folder, ignore_errors=True)
        self._ended_files.clear()

    def told(self, said: str, test: str, used: bool = True) -> Iterator[tuple[str, str]]:
        """Give titles and texts about what happened since the test began, once; what the exception `said` already is not told again.

        `used`: the test has to do with simulators, so their logs are kept though nobody called.
        """
        if self._said:
            return
        self._said = True
        folder = self._artifacts and self._artifacts / _folder_name(test)
        sections = [told for simulator, instance in self._all for told in self._of(simulator, instance, folder, used)]
        for told in (*self._ended, *sections):
            if not told.known_by or told.known_by not in said:
                yield told.title, told.text
        if folder is not None and self._ended_files:
            yield FILES, _joined(self._ended_files, folder)

    def _ends(self, simulator: SbcSim, instance: Instance) -> None:
        """Ask one that is about to be ended, since nobody can afterwards: the test may fail yet."""
        folder = None if self._artifacts is None else Path(self._folders.mktemp("sbc-sim-ended"))
        self._ended += [told for told in self._of(simulator, instance, folder, True) if told.title != FILES]
        self._ended_files += [folder] if folder is not None and any(folder.iterdir()) else []

    def _of(self, simulator: SbcSim, instance: Instance, folder: Path | None, used: bool) -> Iterator[Told]:
        if not instance.alive and (simulator.stopped or simulator in self._gone):  # told when it happened
            return
        calls: list[Call] = []
        attempts: list[Json] = []
        try:
            if died := not instance.alive:
                yield Told("sbc-sim has died", instance.last_words(), "the simulator ended")
            else:
                calls = [call for call in simulator.calls() if self._is_new(call.data.get("startedAt"))]
                attempts = [attempt for attempt in simulator.attempts() if self._is_new(attempt.get("at"))]
                yield from _texts(simulator, calls, attempts)
        except (ApiError, Died) as error:
            died = True
            yield Told("sbc-sim", str(error))
        if folder is not None and (calls or attempts or died or used):
            yield Told(FILES, _kept(instance, calls, attempts, folder))

    def _is_new(self, at: Any) -> bool:
        """Tell whether something happened since the test began."""
        return _time(at) >= self._begun - SLACK


def forget(artifacts: Path, test: str) -> None:
    """Take away what an earlier run of the test left: it would be taken for what is found now."""
    folder = artifacts / _folder_name(test)
    with contextlib.suppress(OSError):  # there is none; or something that is not ours, or not to be removed by us, stays
        for file in list(folder.iterdir()):
            if OURS.fullmatch(file.name):
                file.unlink()
        folder.rmdir()


def _texts(simulator: SbcSim, calls: list[Call], attempts: list[Json]) -> Iterator[Told]:
    """Tell what one that runs knows."""
    for call in calls[:MOST_CALLS]:
        text = telling.call_text(telling.summary(call.data), call.verdict.failed, call.ladder())
        yield Told(f"sbc-sim call {call.id}", text, telling.name(call.data))
    if len(calls) > MOST_CALLS:
        yield Told("sbc-sim", f"{len(calls) - MOST_CALLS} more calls: {simulator.api_url}")
    if attempts:
        yield Told("sbc-sim connections", telling.attempts_text(attempts), "never became a call")
    if "Traceback" in (log := simulator.instance.last_words()):
        yield Told("sbc-sim log", log)


def _kept(instance: Instance, calls: list[Call], attempts: list[Json], folder: Path) -> str:
    """Write the files of the calls, the connections that failed, and the log; tell where they are, or why they are not."""
    try:
        return "\n".join(map(str, _written(instance, calls, attempts, folder)))
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or error}"


def _joined(folders: list[Path], into: Path) -> str:
    """Copy what was kept of simulators that have ended; tell where it is, or why it is not."""
    try:
        for folder in folders:
            shutil.copytree(folder, into, dirs_exist_ok=True)
        return "\n".join(map(str, sorted(into.iterdir())))
    except OSError as error:
        return f"{into} cannot be written: {error.strerror or error}"


def _written(instance: Instance, calls: list[Call], attempts: list[Json], folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    if attempts:
        told = folder / f"connections-{instance.pid}.json"
        told.write_text(json.dumps(attempts, indent=1), encoding="utf-8")
        yield told
    for number, call in enumerate(calls[-20:], 1):
        for ending in KEPT:
            with contextlib.suppress(ApiError, Died):  # a call that is up has no report yet, one without audio no capture
                yield call.save(folder / f"call-{number}-{call.id}{ending}")
    log = folder / f"sbc-sim-{instance.pid}.log"
    shutil.copyfile(instance.log, log)
    yield log


def _folder_name(test: str) -> str:
    """Give a name that no other test has: where it cannot say all of the test's, a checksum does."""
    name = re.sub(r"[^\w.+-]+", "_", test).strip("._") or "test"
    if len(name) <= LONGEST_NAME and re.fullmatch(r"[\w./:+-]+(\[[\w.+-]*\])?", test):
        return name
    return f"{name[:LONGEST_NAME]}-{zlib.crc32(test.encode('utf-8', 'backslashreplace')):08x}"


def _time(text: Any) -> float:
    return datetime.fromisoformat(str(text)).timestamp() if text else time.time()
