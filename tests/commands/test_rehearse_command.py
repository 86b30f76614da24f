"""`sbc-sim rehearse` at a real simulator, with calls that `sbc-sim call` places: progress, files, exit codes, stop, resume, restart."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sbc_sim.commands.rehearse import Progress, exit_code
from tests.end_to_end.clients.conversation import Conversation, wait_until
from tests.end_to_end.server import PATIENT, ROOT, Server, serving

pytestmark = pytest.mark.timeout(180)
OTHER_ORG = "7b226f72674964223a22303044356930303030304142434445222c2273637274" + "32446f6d61696e223a2264227d"
"""{"orgId":"00D5i00000ABCDE","scrt2Domain":"d"}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("rehearse"), **PATIENT) as running:
        yield running


@pytest.fixture(autouse=True)
def none_left_running(server):
    yield
    for one in server.get("/api/v1/rehearsals")["rehearsals"]:
        if one["state"] == "running":
            server.post(f"/api/v1/rehearsals/{one['id']}/stop")


def command(server: Server, *words: str) -> list[str]:
    return [sys.executable, "-m", "sbc_sim", "rehearse", "--api", f"http://127.0.0.1:{server.http_port}", *words]


ENVIRONMENT = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}


def rehearse(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(server, *words), env=ENVIRONMENT, capture_output=True, text=True, timeout=90, check=False)


@pytest.fixture
def watching(server, tmp_path):
    """Start a command that goes on, and end it at the latest with the test."""
    started: list[Conversation] = []

    def start(*words: str) -> Conversation:
        one = Conversation("rehearse", command(server, *words), tmp_path, ENVIRONMENT)
        started.append(one)
        return one

    yield start
    for one in started:
        one.end()


def call(server: Server, *words: str) -> None:
    line = [sys.executable, "-m", "sbc_sim", "call", f"tls:127.0.0.1:{server.sip_port}", "--ca", str(server.ca), "--seconds", "1.5", *words]
    subprocess.run(line, env=ENVIRONMENT, capture_output=True, timeout=60, check=False)


def until(conversation: Conversation, words: str) -> None:
    wait_until(lambda: words in " ".join(conversation.said.split()), f"rehearse says {words!r}", said=conversation.last_words)


def until_over(conversation: Conversation) -> int:
    wait_until(lambda: conversation.process.poll() is not None, "rehearse ends", said=conversation.last_words)
    return int(conversation.process.wait())


@pytest.mark.slow
def test_it_tells_what_is_missing_why_a_try_failed_and_writes_the_files(server, watching, tmp_path):
    files = {name: tmp_path / name for name in ("r.xml", "r.html", "r.json", "form.md", "form.html")}
    wanted = {"--junit": "r.xml", "--html": "r.html", "--json": "r.json", "--form": "form.md"}
    written = [word for flag, name in wanted.items() for word in (flag, str(files[name]))]
    shown = watching("--region", "frankfurt", "--part", "connectivity", "--name", "Monday", *written)
    until(shown, "No call with the echo payload has reached FRANKFURT and passed")
    call(server, "--uui", OTHER_ORG, "--to", "sip:1000@127.0.0.1")
    until(shown, "names the org 00D5i00000ABCDE")
    until(shown, "Another try counts until")
    call(server)
    assert until_over(shown) == 0
    said = shown.said
    assert "it names the org 00D5i00000ABCDE" in " ".join(said.split())
    assert said.index(" waiting ") < said.index(" failed ") < said.index(" passed ")
    assert "\x1b" not in said, "no colours and no cursor without a terminal"
    assert ElementTree.parse(files["r.xml"]).getroot().get("tests") == "1"
    told = json.loads(files["r.json"].read_text())
    assert (told["rehearsal"]["name"], told["rehearsal"]["state"], told["steps"][0]["tried"]) == ("Monday", "passed", 2)
    assert (
        files["r.html"].read_text().startswith(("<!doctype html>", "\n<!doctype html>")) or "<!doctype html>" in files["r.html"].read_text()
    )
    assert files["form.md"].read_text().startswith("# SIP Signaling Configuration Form")


def test_without_a_call_it_ends_with_4_and_with_a_failed_one_with_1(server, watching):
    silent = rehearse(server, "--region", "london", "--part", "connectivity", "--step-seconds", "0.5")
    assert (silent.returncode, "Nothing came within 0.5 s." in silent.stdout) == (4, True)
    shown = watching("--region", "london", "--part", "connectivity", "--tries", "1", "--json")
    wait_until(lambda: server.get("/api/v1/rehearsals")["rehearsals"][0]["state"] == "running", "it runs")
    call(server, "--no-uui")
    assert until_over(shown) == 1
    told = json.loads(shown.said)
    assert (told["state"], told["steps"][0]["attempts"][0]["findings"][0]["rule"]) == ("failed", "SBC-UUI-001")


@pytest.mark.slow
def test_ctrl_c_ends_the_watching_and_says_how_to_go_on_and_resume_goes_on(server, watching):
    shown = watching("--region", "london", "--part", "connectivity")
    until(shown, "waiting")
    shown.process.send_signal(signal.SIGINT)
    assert until_over(shown) == 130
    name = server.get("/api/v1/rehearsals")["rehearsals"][0]["id"]
    assert f"sbc-sim rehearse --resume {name}" in shown.said
    stopped = rehearse(server, "--stop", "last")
    assert (stopped.returncode, stopped.stdout) == (0, f"stopped {name}; go on with: sbc-sim rehearse --resume {name}\n")
    assert f"{name}  stopped" in rehearse(server, "--list").stdout
    again = watching("--resume", name)
    until(again, "waiting")
    call(server)
    assert until_over(again) == 0


def test_what_cannot_be_done_is_refused_with_2_and_an_instance_that_is_away_with_3(server, tmp_path):
    for words, said in (
        (("--region", "paris"), "There is no region 'paris'"),
        (("--resume", "nobody"), "There is no rehearsal 'nobody'"),
        (("--part", "lunch"), "lunch"),
        (("--against", "self", "--part", "end-to-end", "--mistake", "pcma-only"), "shows in the part connectivity alone"),
        (("--against", "self", "--part", "connectivity", "--mistake", "no-create"), "shows in the part end-to-end alone"),
    ):
        refused = rehearse(server, *words)
        assert (refused.returncode, said in refused.stderr, "Traceback" in refused.stderr) == (2, True, False)
    nowhere = subprocess.run(
        [*command(server)[:-2], "--api", "http://127.0.0.1:1"], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (nowhere.returncode, "Traceback" in nowhere.stderr) == (3, False)


@pytest.mark.slow
def test_a_rehearsal_goes_on_after_a_restart_on_the_same_store(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    settings = {"STORE__URL": f"sqlite:{tmp_path / 'calls.db'}", **PATIENT}
    with serving(first, **settings) as before:
        begun = before.post("/api/v1/rehearsals", {"regions": ["frankfurt"], "parts": ["connectivity"], "name": "two days"})
        path = f"/api/v1/rehearsals/{begun['id']}"
        call(before, "--no-uui")
        wait_until(lambda: before.get(path)["steps"][0]["state"] == "failed", "the call counts")
    with serving(second, **settings) as after:
        one = after.get(path)
        assert (one["state"], one["name"], one["steps"][0]["tried"]) == ("running", "two days", 1)
        call(after)
        wait_until(lambda: after.get(path)["state"] == "passed", "the call counts")
        assert len(after.get(f"{path}/report.json")["calls"]) == 2


# --- pure ------------------------------------------------------------------------------------------------------------------


def step(state: str, tried: int = 0, **more: object) -> dict:
    told = {"id": "a/b", "title": "t", "state": state, "why": "", "tried": tried, "missing": [], "attempts": [], "deadline": None}
    return {**told, **more}


@pytest.mark.parametrize(
    ("state", "steps", "code"),
    [
        ("passed", [step("passed", 1)], 0),
        ("failed", [step("failed", 0), step("passed", 1)], 4),
        ("incomplete", [step("skipped", 0), step("passed", 1)], 5),
        ("failed", [step("failed", 0), step("failed", 2)], 1),
        ("stopped", [step("pending")], 1),
    ],
)
def test_the_exit_code_tells_failed_calls_from_calls_that_never_came(state, steps, code):
    assert exit_code({"state": state, "steps": steps}) == code


def test_nothing_that_an_instance_says_moves_the_cursor(capsys, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    hostile = step("failed", 1, why="\x1b[2J\r\nevil", title="\x9b31m")
    Progress().show({"id": "\x1b]0;x\x07", "partner": "p\r", "steps": [hostile], "state": "failed", "counts": {"failed": 1}, "notes": []})
    out = capsys.readouterr().out
    assert not [character for character in out if ord(character) < 32 and character != "\n"]
    assert "\x9b" not in out
