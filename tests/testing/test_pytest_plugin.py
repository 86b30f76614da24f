"""The plugin in test suites of its own: pytest runs them as a partner would, in a process of its own, with real simulators."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sbc_sim.testing.reporting import _folder_name, forget
from tests.support.suites import ROOT, run_pytest

pytestmark = pytest.mark.timeout(300)
PLUGINS = ("sbc_sim", "xdist", "asyncio", "anyio")
PREFACE = """
import asyncio, os, signal, socket, threading
import pytest
from tests.end_to_end import raw_sip
from tests.testing.signalling import call, dialling
"""
FAILING = """
def test_keeps_the_rules(sbc_sim):
    call(sbc_sim)
    sbc_sim.wait_for_call().assert_passed()

def test_breaks_a_rule(sbc_sim):
    call(sbc_sim, uui="")
    sbc_sim.wait_for_call().assert_passed()

def test_asserts_by_itself(sbc_sim):
    call(sbc_sim, "+15551234")
    assert sbc_sim.wait_for_call().called == "+4930"

def test_waits_for_another(sbc_sim):
    call(sbc_sim)
    sbc_sim.wait_for_call(to="+4930", timeout=0.1)

def test_sends_octets_that_are_no_sip(sbc_sim):
    with raw_sip.connected(sbc_sim.sip_port, sbc_sim.ca_pem) as raw:
        raw.send(b"GET / HTTP/1.1\\r\\n\\r\\n")
        assert raw.answer() is None
    sbc_sim.wait_for_call(timeout=0.1)

HELD = []

def test_leaves_a_call_up(sbc_sim):
    HELD.append(dialling(sbc_sim))
    dialled = HELD[0].__enter__()
    threading.Thread(target=dialled.answer_bye, daemon=True).start()
    assert not sbc_sim.wait_for_call(state="answered").over

def test_sees_nothing_of_the_tests_before(sbc_sim):
    assert sbc_sim.calls() == []
    assert sbc_sim.attempts() == []
    assert sbc_sim.faults.all() == []

def test_loses_the_simulator(sbc_sim):
    os.kill(sbc_sim.instance.pid, signal.SIGKILL)
    sbc_sim.wait_for_call(timeout=60)

def test_has_one_again(sbc_sim, sbc_sim_ca):
    call(sbc_sim)
    assert sbc_sim.wait_for_call().ended_by == "partner"
    assert sbc_sim.ca_pem == sbc_sim_ca
"""
AGAIN = """
def test_loses_one_of_its_own(make_sbc_sim):
    own = make_sbc_sim()
    os.kill(own.instance.pid, signal.SIGKILL)
    own.instance.obituary()
    assert False

def test_fails_by_itself(sbc_sim, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with socket.create_connection((sbc_sim.host, sbc_sim.sip_port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
        assert sbc_sim.wait_for_attempt()["problem"]
    call(sbc_sim)
    assert sbc_sim.wait_for_call().over is bool(os.environ.get("MENDED"))

def test_has_to_do_with_no_simulator():
    assert False
"""
ENDED = """
def test_fails_in_the_block_of_its_own_simulator(make_sbc_sim):
    with make_sbc_sim() as own:
        call(own, "+15551111")
        assert own.wait_for_call().called == "+4930"

def test_fails_after_that_block(make_sbc_sim):
    with make_sbc_sim() as own:
        call(own, "+15552222")
        found = own.wait_for_call()
    assert found.called == "+4930"

def test_passes_in_such_a_block(make_sbc_sim):
    with make_sbc_sim() as own:
        call(own, "+15553333")

@pytest.fixture
def checked(sbc_sim):
    yield sbc_sim
    assert sbc_sim.wait_for_call().called == "+4930"

def test_is_checked_after_its_end(checked):
    call(checked, "+15554444")

@pytest.mark.parametrize("number", ["+15555555"])
def test_is_the_last_and_checked_after_its_end(checked, number):
    call(checked, number)
"""
EIGHT = """
@pytest.mark.parametrize("number", range(8))
def test_one_of_eight(sbc_sim, number, tmp_path_factory):
    call(sbc_sim, f"+1555000{number}")
    assert [one.called for one in sbc_sim.calls()] == [f"+1555000{number}"]
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{os.environ['PYTEST_XDIST_WORKER']} {sbc_sim.instance.pid}\\n")
"""
ASYNC = """
async def invited(sim):
    return await asyncio.to_thread(call, sim)

@pytest.mark.asyncio
async def test_the_loop_goes_on_while_a_call_is_waited_for(sbc_sim):
    waiting = asyncio.create_task(sbc_sim.wait_for_call_async(to="5550100"))
    await invited(sbc_sim)
    found = await waiting
    await found.assert_passed_async()
    assert await found.wait_async("answered") is found

@pytest.mark.asyncio
async def test_who_is_cancelled_waits_no_more(sbc_sim):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(sbc_sim.wait_for_call_async(timeout=290), 0.1)

@pytest.mark.asyncio
async def test_a_failure_is_as_clear(sbc_sim):
    await sbc_sim.wait_for_call_async(to="+4930", timeout=0.1)

@pytest.mark.anyio
async def test_anyio_does_as_well(sbc_sim, anyio_backend):
    await invited(sbc_sim)
    assert (await sbc_sim.wait_for_call_async()).over

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
SETTINGS = """
@pytest.fixture(scope="session")
def sbc_sim_settings():
    return {"uui.missing": "warn", "rules": {"profile": "extended"}}

def test_the_settings_of_the_suite_hold(sbc_sim):
    assert sbc_sim.info["profile"] == "extended"
    assert call(sbc_sim, uui="").status == 200

def test_a_second_one_has_settings_on_top_and_ends_with_its_block(sbc_sim, make_sbc_sim):
    with make_sbc_sim({"uui.missing": "reject"}) as strict:
        assert (strict.sip_port, strict.instance.pid) != (sbc_sim.sip_port, sbc_sim.instance.pid)
        assert call(strict, uui="").status == 400
        assert strict.info["profile"] == "extended"
    assert not strict.instance.alive
    assert sbc_sim.calls() == []

def test_what_the_command_line_sets_goes_first(sbc_sim):
    assert sbc_sim.info["uui"]["limit"] == 777
"""


@dataclass(frozen=True)
class Run:
    """What pytest said, and how it ended."""

    said: str
    code: int

    def section(self, test: str) -> str:
        """The report of one failure."""
        found = re.search(rf"(?ms)^_+ {test} _+$(.*?)(?=^_+ \S+ _+$|^=+ )", self.said)
        assert found is not None, self.said
        return found.group(1)

    def outcomes(self) -> dict[str, str]:
        """Outcome by the name of the test."""
        return {name: outcome.lower() for outcome, name in re.findall(r"(?m)^(PASSED|FAILED|ERROR) \S+?::(\w+)", self.said)}


def run(folder: Path, suite: str, *arguments: str, **environment: str) -> Run:
    """Run a suite in a process of its own, whose plugins are those of its environment."""
    (folder / "test_suite.py").write_text(PREFACE + suite, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")
    done = run_pytest(folder, folder / "tmp", PLUGINS, "-rA", *arguments, **environment)
    return Run(done.stdout + done.stderr, done.returncode)


def test_reports_tell_what_came_what_was_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    said = run(tmp_path, FAILING, "--sbc-sim-artifacts", str(kept))
    passed = {"test_keeps_the_rules", "test_leaves_a_call_up", "test_sees_nothing_of_the_tests_before", "test_has_one_again"}
    assert {name for name, outcome in said.outcomes().items() if outcome == "passed"} == passed, said.said
    assert len(said.outcomes()) == 9
    _of_a_broken_rule(said.section("test_breaks_a_rule"), kept / "test_suite.py_test_breaks_a_rule")
    _of_an_assertion_of_its_own(said.section("test_asserts_by_itself"))
    _of_what_never_came(said.section("test_waits_for_another"), said.section("test_sends_octets_that_are_no_sip"))
    _of_a_death(said.section("test_loses_the_simulator"))
    assert {folder.name for folder in kept.iterdir()} == {f"test_suite.py_{name}" for name in said.outcomes().keys() - passed}
    for without_a_call in ("test_loses_the_simulator", "test_sends_octets_that_are_no_sip"):
        assert [file.suffix for file in (kept / f"test_suite.py_{without_a_call}").iterdir()] == [".log"]


def test_a_death_is_told_once_and_artifacts_are_those_of_the_last_run(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    folder = kept / "test_suite.py_test_fails_by_itself"
    folder.mkdir(parents=True)
    for name in ("call-1-00aa-bb.pcapng", "sbc-sim-17.log"):
        (folder / name).touch()
    for mended, endings in (("", [".html", ".json", ".json", ".log", ".pcapng", ".txt"]), ("1", [])):
        said = run(tmp_path, AGAIN, "--sbc-sim-artifacts", "kept", MENDED=mended)
        assert said.said.count("-- sbc-sim has died --") == 1, said.said
        assert "sbc-sim has died" in said.section("test_loses_one_of_its_own")
        assert {name.name for name in kept.iterdir()} - {folder.name} == {"test_suite.py_test_loses_one_of_its_own"}
        assert sorted(file.suffix for file in folder.glob("*")) == endings


def test_names_of_folders_are_as_different_as_those_of_tests() -> None:
    tests = ["a.py::t", "a.py::t[x y]", "a.py::t[x:y]", "a.py::t[x_y]", *(f"a.py::{'t' * 200}{end}" for end in "ab")]
    assert len(set(map(_folder_name, tests))) == len(tests)


def test_artifacts_that_cannot_be_written_are_told_and_nothing_else_is_removed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    said = run(tmp_path, "def test_x(sbc_sim):\n    assert False\n", "--sbc-sim-artifacts", "file")
    assert "cannot be written: Not a directory" in said.section("test_x")
    own = tmp_path / "a.py_t"
    own.mkdir()
    for name in ("notes.txt", "call-1-01a-99.pcapng", "sbc-sim-17.log", "connections-17.json"):
        (own / name).touch()
    forget(tmp_path, "a.py::t")
    assert [file.name for file in own.iterdir()] == ["notes.txt"]


def test_what_is_found_when_the_simulator_or_the_test_has_ended_is_told_as_well(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    said = run(tmp_path, ENDED, "--sbc-sim-artifacts", str(kept)).said
    folders = {folder.name.rpartition("test_suite.py_")[2]: {file.suffix for file in folder.iterdir()} for folder in kept.iterdir()}
    named = {
        "test_fails_in_the_block_of_its_own_simulator": "+15551111",
        "test_fails_after_that_block": "+15552222",
        "test_is_checked_after_its_end": "+15554444",
        "test_is_the_last_and_checked_after_its_end_+15555555": "+15555555",
    }
    for number in named.values():
        assert len(re.findall(rf"(?m)^\S+  inbound  \+15550111 -> \{number}  ended", said)) == 1, said
    assert said.count("-- sbc-sim files --") == 4, said
    assert folders == {name: {".html", ".json", ".log", ".pcapng", ".txt"} for name in named}


def _of_a_broken_rule(section: str, kept: Path) -> None:
    assert re.search(r"CallFailed: SBC-UUI-001 is not kept by call \S+ from \+15550111 to 5550100", section)
    assert "fix     Add User-to-User" in section
    assert section.count("INVITE with SDP") == 1
    assert "simulator.py" not in section
    assert ">       sbc_sim.wait_for_call().assert_passed()" in section
    assert sorted(file.suffix for file in kept.iterdir()) == [".html", ".json", ".log", ".pcapng", ".txt"]
    assert str(kept) in section


def _of_an_assertion_of_its_own(section: str) -> None:
    assert re.search(r"-+ sbc-sim call \S+ -+\n\S+  inbound  \+15550111 -> \+15551234  ended  warn", section)
    assert "INVITE with SDP, User-to-User" in section


def _of_what_never_came(section: str, unreadable: str) -> None:
    assert "to is '5550100', not '+4930'" in section
    assert "INVITE with SDP, User-to-User" in section
    assert "parse.error: Not SIP, the first line names no SIP version: GET / HTTP/1.1" in unreadable


def _of_a_death(section: str) -> None:
    assert "Died: the simulator ended by signal 9 while the test needed it" in section
    assert "sbc-sim.log)" in section
    assert "client.py" not in section


@pytest.mark.slow
def test_each_worker_has_a_simulator_of_its_own(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    said = run(tmp_path, EIGHT, "-n", "4", NOTES=str(notes))
    assert said.code == 0, said.said
    pairs = {tuple(line.split()) for line in notes.read_text().splitlines()}
    workers, pids = {worker for worker, _ in pairs}, {pid for _, pid in pairs}
    assert len(workers) == len(pids) == len(pairs) > 1
    assert not any(_runs(int(pid)) for pid in pids)


def _runs(pid: int) -> bool:
    return b"sbc_sim" in (Path(f"/proc/{pid}/cmdline").read_bytes() if Path(f"/proc/{pid}").exists() else b"")


def test_asynchronous_tests_wait_without_holding_up_their_loop(tmp_path: Path) -> None:
    pytest.importorskip("pytest_asyncio")
    said = run(tmp_path, ASYNC)
    assert said.outcomes().pop("test_a_failure_is_as_clear") == "failed", said.said
    assert set(said.outcomes().values()) == {"passed", "failed"}
    assert list(said.outcomes().values()).count("failed") == 1, said.said
    assert "NoSuchCall: no call with to=" in said.section("test_a_failure_is_as_clear")
    assert "awaiting.py" not in said.section("test_a_failure_is_as_clear")


def test_settings_come_from_a_fixture_the_command_line_and_each_instance(tmp_path: Path) -> None:
    said = run(tmp_path, SETTINGS, "--sbc-sim-set", "uui.limit=777")
    assert said.code == 0, said.said


def test_a_setting_that_cannot_be_fails_the_fixture_with_the_sentence_of_serve(tmp_path: Path) -> None:
    said = run(tmp_path, "def test_x(sbc_sim): pass\n", "--sbc-sim-set", "uui.mising=warn")
    assert "uui.mising is not known; the nearest setting is uui.missing" in said.said
    assert said.outcomes() == {"test_x": "error"}


@pytest.mark.parametrize("pair", ["uui.missing", "=warn"])
def test_an_option_that_is_no_pair_is_refused_once_before_the_first_test(tmp_path: Path, pair: str) -> None:
    said = run(tmp_path, "def test_x(sbc_sim): pass\ndef test_y(): pass\n", "--sbc-sim-set", pair)
    assert said.said.strip() == f"ERROR: --sbc-sim-set {pair}: it is not KEY=VALUE, rules.profile=extended say"
    assert (said.code, said.outcomes()) == (pytest.ExitCode.USAGE_ERROR, {})


def test_nothing_heavy_is_imported_and_at_the_start_of_pytest_next_to_nothing() -> None:
    probe = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import sbc_sim.pytest_plugin; plugin = sorted(set(sys.modules) - before)\n"
        "import sbc_sim.testing.reporting, json; print(json.dumps([plugin, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    plugin, everything = json.loads(done.stdout)
    assert plugin == ["sbc_sim", "sbc_sim.pytest_plugin"]
    rooms = {name for name in everything if name.startswith("sbc_sim.")}
    assert {room.split(".")[1] for room in rooms} == {"client", "pytest_plugin", "testing"}
    assert not {"twisted", "OpenSSL", "pydantic", "click", "yaml", "cryptography", "trio"} & set(everything)
