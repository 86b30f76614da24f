"""`calls ls`, `show` and `export` in this process, against a real simulator that has had calls, and against a hostile instance."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sbc_sim.cli import main
from sbc_sim.commands.call_files import DOCUMENTS, file_name
from sbc_sim.commands.call_rows import heading, row, started
from tests.end_to_end.server import PATIENT, ROOT, Server, serving
from tests.support.answering import answering, send

pytestmark = pytest.mark.timeout(180)
HOSTILE = "\x1b]0;owned\x07\x9b31m‮evil\r\nx\x00"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """A simulator with two calls: an echo, then one that was refused."""
    with serving(tmp_path_factory.mktemp("calls"), **PATIENT) as running:
        for more in (["--seconds", "1.5"], ["--no-uui", "--to", "+15550123"]):
            words = ["call", f"tls:127.0.0.1:{running.sip_port}", "--ca", str(running.ca), *more]
            subprocess.run(
                [sys.executable, "-m", "sbc_sim", *words], env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=50, check=False
            )
        yield running


@pytest.fixture
def run(server, capfdbinary, monkeypatch, tmp_path):
    """Run one command in an empty folder, as the shell would see it."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("SBC_SIM_API", f"http://127.0.0.1:{server.http_port}")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, bytes, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capfdbinary.readouterr()
        return int(ended.value.code or 0), out, err.decode()

    return run


def listed(run, *words: str) -> list[dict]:
    return json.loads(run("calls", "ls", "--json", *words)[1])


def test_ls_lists_calls_newest_first_in_lines_that_fit(run):
    code, out, _ = run("calls", "ls")
    lines = out.decode().splitlines()
    calls = listed(run)
    assert code == 0, "a verdict that failed is no failure of the list"
    assert [line.split()[1] for line in lines] == ["CALL", calls[0]["id"], calls[1]["id"]]
    assert ("rejected" in lines[1], "fail 1" in lines[1], "+15550123" in lines[1]) == (True, True, True)
    assert ("ended" in lines[2], f"  {calls[1]['verdict']['status']}" in lines[2]) == (True, True)
    assert max(map(len, lines)) <= 100


def test_ls_filters_by_state_verdict_number_and_time(run):
    assert [call["state"] for call in listed(run, "--status", "rejected")] == ["rejected"]
    assert [call["verdict"]["status"] for call in listed(run, "--status", "fail")][:1] == ["fail"]
    assert len(listed(run, "--limit", "1")) == 1
    assert len(listed(run, "--since", "1h")) == 2
    assert listed(run, "--since", (datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    assert run("calls", "ls", "--status", "ringing")[1] == b"no calls like that\n"


def test_show_tells_ladder_verdict_uui_and_media(run):
    code, out, _ = run("calls", "show", listed(run, "--status", "ended")[0]["id"])
    text = out.decode()
    assert code == 0
    for word in ("INVITE", "200 OK (BYE)", "verdict: ", "echo-test-org", "PCMU over SRTP", "packets received", "first packet"):
        assert word in text


def test_show_last_is_the_newest_and_exits_0_although_it_failed(run):
    code, out, _ = run("calls", "show", "last", "--verdict")
    assert (code, b"SBC-UUI-001" in out, b"verdict: FAIL" in out) == (0, True, True)
    assert b"INVITE sip:" not in out


def test_show_messages_gives_every_message_with_its_keys_masked(run):
    out = run("calls", "show", listed(run, "--status", "ended")[0]["id"], "--messages")[1].decode()
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("--- ")][:1] == ["INVITE"]
    assert {"INVITE", "(INVITE)", "ACK", "BYE", "(BYE)"} <= {line.split()[-1] for line in out.splitlines() if line.startswith("--- ")}
    assert "masked]" in out
    assert "verdict" not in out


def test_show_as_json_holds_everything(run):
    told = json.loads(run("calls", "show", "last", "--json", "--messages")[1])
    assert set(told) == {"call", "verdict", "uui", "media", "messages"}
    assert told["verdict"]["call"] == told["call"]["id"]


def test_an_unknown_call_is_a_usage_error_and_nobody_there_is_3(run):
    assert run("calls", "show", "nope")[0] == 2
    code, _, err = run("calls", "ls", "--api", "http://127.0.0.1:1")
    assert (code, err.count("\n"), "sbc-sim serve" in err) == (3, 1, True)
    assert run("calls", "ls", "--api", "nonsense://")[0] == 2
    assert run("calls", "ls", "--token", "a", "--token-file", __file__)[0] == 2


def test_export_writes_every_kind_of_document_under_its_usual_name(run, tmp_path):
    call = listed(run, "--status", "ended")[0]["id"]
    code, out, err = run("calls", "export", call, *(f"--{document.option}" for document in DOCUMENTS))
    assert (code, out) == (0, b""), err
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(files) == {call + document.ending for document in DOCUMENTS}
    starts = {
        ".pcapng": b"\x0a\x0d\x0d\x0a",
        ".wav": b"RIFF",
        ".zip": b"PK\x03\x04",
        ".svg": b"<",
        ".html": b"<!doctype html>",
        ".json": b"{",
        ".mmd": b"sequence",
    }
    for ending, octets in starts.items():
        assert files[call + ending].startswith(octets), ending
    for name in files:
        assert name in err


def test_a_document_that_a_call_does_not_have_stops_no_other(run, tmp_path):
    code, _, err = run("calls", "export", "last", "--wav", "sound.wav", "--html", "report.html", "--junit", "rules.xml")
    assert code == 2
    assert "sbc-sim: no --wav: No audio was captured" in err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "rules.xml"]


def test_an_empty_id_is_told_to_be_empty(run):
    code, _, err = run("calls", "show", "")
    assert (code, err.count("\n")) == (2, 1)
    assert "The id of the call is empty" in err


def test_export_names_files_folders_or_standard_output(run, tmp_path):
    (tmp_path / "folder").mkdir()
    call = listed(run, "--limit", "1")[0]["id"]
    code, out, _ = run("calls", "export", "last", "--txt", "-", "--mmd", "here.mmd", "--svg", "folder")
    assert code == 0
    assert b"INVITE" in out
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {"here.mmd", f"folder/{call}.svg"}


def test_export_overwrites_only_when_told_to(run, tmp_path):
    (tmp_path / "here.txt").write_text("mine")
    code, _, err = run("calls", "export", "last", "--mmd", "new.mmd", "--txt", "here.txt")
    assert (code, "--force" in err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.txt"], "nothing is written when one file may not be"
    assert run("calls", "export", "last", "--txt", "here.txt", "--force")[0] == 0
    assert "INVITE" in (tmp_path / "here.txt").read_text()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--txt", "-", "--mmd", "-"],
        ["--txt", "a", "--mmd", "a"],
        ["--txt", "missing/a.txt"],
        ["--redaction", "all", "--zip"],
        ["--redaction", "strict", "--zip", "--txt"],
    ],
)
def test_an_export_that_cannot_be_meant_is_a_usage_error(run, tmp_path, words):
    assert run("calls", "export", "last", *words)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_redaction_reaches_the_document(run):
    call = listed(run, "--status", "ended")[0]["id"]
    shown = {level: run("calls", "export", call, "--html", "-", "--redaction", level)[1] for level in ("none", "strict")}
    assert b"+15550100" in shown["none"]
    assert b"+15550100" not in shown["strict"]


@pytest.mark.parametrize("call", ["../../etc/passwd", "/etc/passwd", "..", "-", ".hidden", "a\x1b[2Jb\n", "ä" * 300, ""])
def test_no_id_names_a_file_elsewhere_or_a_hidden_one(call):
    name = file_name(call, ".txt")
    assert os.path.basename(name) == name
    assert name[0] not in ".-"
    assert name.isascii()
    assert name.isprintable()
    assert len(name) < 120


def hostile(desk) -> None:
    """An instance that writes what no terminal should get into everything it says."""
    call = dict.fromkeys(("id", "state", "from", "to", "requestUri", "startedAt"), HOSTILE) | {
        "numbers": {"from": HOSTILE}, "verdict": {"status": HOSTILE}, "peer": HOSTILE,
    }  # fmt: skip
    if "/ladder.txt" in desk.path:
        send(desk, HOSTILE.encode(), kind="text/plain")
    elif "/calls?" in desk.path:
        send(desk, json.dumps({"calls": [call], "next": None}).encode())
    elif "/messages" in desk.path:
        send(desk, json.dumps({"messages": [{"summary": HOSTILE, "text": HOSTILE, "peer": HOSTILE, "at": HOSTILE}]}).encode())
    elif desk.path.endswith("/verdict"):
        send(
            desk, json.dumps({"status": "fail", "counts": {}, "findings": [{"rule": HOSTILE, "title": HOSTILE, "status": "fail"}]}).encode()
        )
    elif desk.path.endswith("/uui"):
        send(desk, json.dumps({"raw": HOSTILE, "decoded": HOSTILE, "fields": {HOSTILE: HOSTILE}, "lengths": {}}).encode())
    elif desk.path.endswith("/media"):
        send(desk, json.dumps({"agreed": {"codec": HOSTILE, "suite": HOSTILE}, "report": None, "dtmf": []}).encode())
    else:
        send(desk, json.dumps({"code": HOSTILE, "detail": HOSTILE, "fix": HOSTILE}).encode(), 500, "application/problem+json")


@pytest.mark.parametrize(
    "words", [["ls"], ["show", "last"], ["show", "last", "--messages"], ["show", "last", "--verdict"], ["show", "other"]]
)
def test_what_no_terminal_should_get_comes_out_as_an_escape(run, words):
    with answering(hostile) as api:
        _, out, err = run("calls", *words, "--api", api)
    text = out.decode() + err
    assert "\\x1b]0;owned" in text
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "‮" not in text


def test_a_download_that_breaks_off_leaves_no_file_behind(run, tmp_path):
    def answer(desk) -> None:
        if "/calls?" in desk.path:
            send(desk, b'{"calls": [{"id": "../../broken"}]}')
        else:
            send(desk, b"half", kind="application/zip", length=100_000)

    with answering(answer) as api:
        code, _, err = run("calls", "export", "last", "--zip", "--api", api)
    assert (code, "4 of 100000 octets" in err) == (3, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", [60, 80, 90, 91, 120])
def test_a_row_is_one_line_of_the_width_with_its_colour_on_the_verdict_alone(width):
    call = {"id": "x" * 25, "state": "ended", "startedAt": "2026-01-31T12:00:00Z", "verdict": {"status": "fail", "counts": {"fail": 12}}}
    call |= {"from": "<sip:" + "9" * 200, "numbers": {"requestUri": "8" * 200}}
    plain = row(call, width)
    assert len(plain) == width
    assert len(heading(width)) <= width
    assert [name in heading(width) for name in ("CALL", "VERDICT", "SECONDS")] == [True, True, width >= 91]
    assert row(call, width, lambda text, style: f"<{style}:{text.strip()}>").count("<bad:fail 12>") == 1


def test_a_time_that_cannot_be_read_is_a_dash():
    assert started("yesterday") == started(None) == "-"


def test_follow_tells_calls_as_they_happen_each_state_once(server, tmp_path):
    words = [sys.executable, "-m", "sbc_sim", "calls", "ls", "--follow", "--json", "--api", f"http://127.0.0.1:{server.http_port}"]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    following = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert following.stdout is not None
    before = [json.loads(following.stdout.readline())["state"] for _ in range(2)]
    assert before == ["ended", "rejected"], "oldest first"
    call = [sys.executable, "-m", "sbc_sim", "call", f"tls:127.0.0.1:{server.sip_port}", "--ca", str(server.ca), "--seconds", "0.3"]
    subprocess.run(call, env=environment, capture_output=True, timeout=50, check=False)
    told = []
    while not told or told[-1]["state"] != "ended":
        told.append(json.loads(following.stdout.readline()))
    following.send_signal(2)
    assert following.wait(20) == 130
    following.stdout.close()
    assert len({line["id"] for line in told}) == 1
    states = [line["state"] for line in told]
    assert states == [state for state in ("ringing", "answered", "ended") if state in states], "none twice, in their order"


def test_a_list_that_is_not_complete_is_no_empty_one(run):
    body = b'{"calls": [], "next": null, "incomplete": "older calls cannot be read: PostgreSQL does not answer"}'
    with answering(lambda desk: send(desk, body)) as api:
        code, out, err = run("calls", "ls", "--api", api)
        assert (code, out) == (0, b"no calls that can be read\n")
        assert err == "sbc-sim: the list is not complete: older calls cannot be read: PostgreSQL does not answer\n"
        code, out, err = run("calls", "show", "last", "--api", api)
        assert (code, out) != (0, b"")
        assert "The newest call cannot be told: older calls cannot be read" in err
