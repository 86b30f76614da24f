"""The parent of several workers: it starts them, starts anew who dies, passes the end on, and no worker outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.workers import PAUSES, pause
from tests.end_to_end.clients.conversation import wait_until

CHILD = Path(__file__).with_name("crew_child.py")


class Parent:
    """The process under test, and what it told so far."""

    def __init__(self, folder: Path, wrong: str, grace: str) -> None:
        self.starts = folder / "starts"
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), wrong, str(self.starts), grace],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(CHILD.parents[1])},
        )
        self.told: list[dict[str, Any]] = []

    def hear(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read on until it told something that is wanted; an end before that fails."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))
            if wanted(self.told[-1]):
                return self.told[-1]
        raise AssertionError(f"it ended: {self.told}; {self.process.stderr.read() if self.process.stderr else ''}")

    def ready(self) -> dict[int, int]:
        """Wait until all are ready; give their processes by number."""
        pids = self.hear(lambda told: "pids" in told)["pids"]
        assert self.hear(lambda told: "first" in told)["first"] == [{"ready": 1}, {"ready": 2}]
        return {int(number): pid for number, pid in pids.items()}

    def end(self) -> tuple[int, str]:
        """Read to the end; give the exit code and what stood on standard error."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.told += [json.loads(line) for line in self.process.stdout]
        errors = self.process.stderr.read()
        return self.process.wait(30), errors


@pytest.fixture
def parent(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Parent]:
    wrong = getattr(request, "param", "nothing")
    child = Parent(tmp_path, wrong, grace="0.5" if wrong == "deaf" else "60")
    yield child
    child.process.kill()
    child.process.wait()
    for stream in (child.process.stdin, child.process.stdout, child.process.stderr):
        assert stream is not None
        stream.close()


def runs(pid: int) -> bool:
    """Whether a process is there; one that only waits to be buried is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)])
def test_a_signal_to_the_parent_ends_all_workers_in_good_order(parent: Parent, number: int, code: int) -> None:
    pids = parent.ready()
    parent.process.send_signal(number)
    ended, errors = parent.end()
    assert (ended, errors) == (code, "")
    assert sorted(told["stopped"] for told in parent.told if "stopped" in told) == [1, 2]
    assert not any(map(runs, pids.values()))


def words(parent: Parent) -> list[tuple[int, str]]:
    """What the workers heard from their parent before the end."""
    return sorted((told["worker"], told["word"]) for told in parent.told if "word" in told)


def test_sigterm_asks_the_workers_to_let_their_calls_end(parent: Parent) -> None:
    parent.ready()
    parent.process.terminate()
    parent.end()
    assert words(parent) == [(1, "drain\n"), (2, "drain\n")]


def test_an_interrupt_ends_calls_at_once(parent: Parent) -> None:
    parent.ready()
    parent.process.send_signal(signal.SIGINT)
    parent.end()
    assert words(parent) == []


@pytest.mark.parametrize("parent", ["has-calls"], indirect=True)
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_calls_that_the_first_let_go_on(parent: Parent, second: int) -> None:
    parent.ready()
    parent.process.terminate()
    for _ in range(2):
        parent.hear(lambda told: "word" in told)
    parent.process.send_signal(second)
    ended, errors = parent.end()
    assert (ended, errors) == (0, "")
    assert sorted(told["stopped"] for told in parent.told if "stopped" in told) == [1, 2]


def test_the_end_of_the_leash_ends_all_workers_in_good_order(parent: Parent) -> None:
    parent.ready()
    assert parent.process.stdin is not None
    parent.process.stdin.close()
    ended, errors = parent.end()
    assert (ended, errors) == (0, "")
    assert sorted(told["stopped"] for told in parent.told if "stopped" in told) == [1, 2]


def test_a_worker_that_was_killed_is_replaced_while_the_others_go_on(parent: Parent) -> None:
    pids = parent.ready()
    os.kill(pids[2], signal.SIGKILL)
    said = parent.hear(lambda told: told.get("level") == "error")["text"]
    assert said == f"worker 2 (pid {pids[2]}) has died, and its calls with it: a new one starts in 0.5 s"
    assert parent.hear(lambda told: "pids" in told) == {"pids": {"1": pids[1]}, "deaths": {"1": 0, "2": 1}}
    new = parent.hear(lambda told: "pids" in told)["pids"]
    assert new["1"] == pids[1]
    assert new["2"] not in pids.values()
    assert parent.hear(lambda told: told.get("level") == "warning")["text"] == f"worker 2 is back (pid {new['2']})"


@pytest.mark.parametrize("parent", ["raises-again"], indirect=True)
def test_one_that_dies_again_waits_longer_before_its_next_start(parent: Parent) -> None:
    os.kill(parent.ready()[2], signal.SIGKILL)
    words = [parent.hear(lambda told: told.get("level") == "error")["text"] for _ in range(2)]
    assert [word.rpartition(" starts in ")[2] for word in words] == ["0.5 s", "1 s"]
    parent.hear(lambda told: "is back" in told.get("text", ""))


@pytest.mark.parametrize("parent", ["few-files"], indirect=True)
def test_a_worker_that_cannot_be_forked_is_tried_again_and_costs_the_others_nothing(parent: Parent) -> None:
    pids = parent.ready()
    os.kill(pids[1], signal.SIGKILL)
    told = parent.hear(lambda told: "cannot be started" in told.get("text", ""))
    assert "worker 1 cannot be started: Too many open files" in told["text"]
    assert told["text"].endswith("tried again in 1 s")
    back = parent.hear(lambda told: "is back" in told.get("text", ""))
    assert "worker 1 is back" in back["text"]
    assert runs(pids[2])


@pytest.mark.parametrize("parent", ["few-files-at-once"], indirect=True)
def test_a_first_worker_that_cannot_be_forked_ends_all_with_a_sentence(parent: Parent) -> None:
    code, errors = parent.end()
    assert (code, errors) == (3, "")
    assert "cannot be started: Too many open files" in parent.told[-1]["error"]


def test_pauses_grow_and_have_an_end() -> None:
    assert [pause(deaths) for deaths in range(1, 9)] == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert list(PAUSES) == sorted(set(PAUSES))


@pytest.mark.parametrize("parent", ["cannot-begin"], indirect=True)
def test_what_keeps_a_worker_from_beginning_ends_all_with_its_sentence(parent: Parent) -> None:
    ended, _ = parent.end()
    assert ended == 3
    assert {"error": "no port is free"} in parent.told
    assert parent.starts.read_bytes() == b".", "it is not tried again"
    assert not any("level" in told for told in parent.told), "nor is it said that it will be"


@pytest.mark.parametrize("parent", ["raises"], indirect=True)
def test_a_worker_that_fails_before_it_is_ready_ends_all_and_shows_why(parent: Parent) -> None:
    ended, errors = parent.end()
    assert ended == 3
    assert {"error": "worker 2 ended before it was ready: see the lines above"} in parent.told
    assert "RuntimeError: a bug of ours" in errors


def test_no_worker_outlives_a_parent_that_was_killed(parent: Parent) -> None:
    pids = parent.ready()
    parent.process.kill()
    parent.end()
    wait_until(lambda: not any(map(runs, pids.values())), "the workers have ended")
    assert sorted(told["stopped"] for told in parent.told if "stopped" in told) == [1, 2]


@pytest.mark.parametrize("parent", ["deaf"], indirect=True)
def test_who_does_not_end_in_time_is_killed_and_the_exit_code_says_so(parent: Parent) -> None:
    pids = parent.ready()
    parent.process.terminate()
    ended, _ = parent.end()
    assert ended == 3
    killed = [told["text"] for told in parent.told if told.get("level") == "error"]
    assert killed == [f"worker {number} (pid {pids[number]}) is killed: no end within 0.5 s" for number in (1, 2)]
    assert not any(map(runs, pids.values()))
