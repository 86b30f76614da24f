"""`judge` and `compare`: what they print of a trace, and their exit codes."""

import io
import json
import re

import pytest

from sbc_sim.cli import main
from sbc_sim.commands import trace_files
from tests.support.recorded import RecordedCall
from tests.support.sip import an_invite


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run one command in this process, as the shell would see it."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)

    def run(*words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture(scope="module")
def text() -> bytes:
    """The messages of a call as somebody would paste them."""
    call = RecordedCall(seconds=1.5)
    call.run()
    return b"\n".join(piece.data for piece in call.octets)


def test_a_good_call_is_judged_with_ladder_verdict_and_notes(run, tmp_path, text):
    (tmp_path / "good.txt").write_bytes(text)
    code, out, err = run("judge", "good.txt")
    assert (code, err) == (0, "")
    assert "INVITE with SDP, User-to-User" in out
    assert "verdict: PASS  (profile published" in out
    assert re.search(r"note: Call-ID \S+ there is no RTP of it in the trace", out)


def test_standard_input_is_judged_and_a_broken_rule_ends_with_1(run):
    code, out, _ = run("judge", "-", stdin=an_invite(remove=("User-to-User",)))
    assert code == 1
    assert "FAIL  SBC-UUI-001" in out
    assert "fix:" in out


def test_settings_govern_the_rules(run, tmp_path):
    (tmp_path / "t.txt").write_bytes(an_invite(remove=("User-to-User",)))
    assert run("judge", "t.txt", "--set", "uui.missing=warn")[0] == 0
    assert run("judge", "t.txt", "--uui-missing", "warn")[0] == 0


def test_ladder_alone(run, tmp_path, text):
    (tmp_path / "good.txt").write_bytes(text)
    code, out, _ = run("judge", "good.txt", "--ladder")
    assert code == 0
    assert "rule by rule" not in out
    assert "INVITE with SDP" in out


def test_json_is_json_with_everything_in_it(run, tmp_path, text):
    (tmp_path / "good.txt").write_bytes(text)
    code, out, _ = run("judge", "good.txt", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["calls"][0]["verdict"]["status"] == "pass"
    assert data["notes"]


def test_reports_are_written(run, tmp_path, text):
    (tmp_path / "t.txt").write_bytes(text)
    assert run("judge", "t.txt", "--html", "r.html", "--junit", "r.xml")[0] == 0
    assert "<svg" in (tmp_path / "r.html").read_text()
    assert 'name="sbc-sim"' in (tmp_path / "r.xml").read_text()
    (tmp_path / "two.txt").write_bytes(an_invite() + b"\n" + an_invite())
    assert run("judge", "two.txt", "--html", "r.html")[0] == 0
    assert (tmp_path / "r-1.html").exists()
    assert (tmp_path / "r-2.html").exists()
    code, _, err = run("judge", "t.txt", "--junit", "no/such/folder.xml")
    assert code == 3
    assert "cannot be written" in err


@pytest.mark.parametrize("command", [("judge", "t.txt"), ("compare", "t.txt", "t.txt")])
def test_a_bug_ends_with_3_and_asks_for_a_report(run, tmp_path, monkeypatch, command):
    (tmp_path / "t.txt").write_bytes(an_invite())

    def broken(*_: object) -> None:
        raise ZeroDivisionError("made for this test")

    monkeypatch.setattr("sbc_sim.traces.reading.read_trace", broken)
    code, out, err = run(*command)
    assert (code, out) == (3, "")
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("sbc-sim: internal error (ZeroDivisionError): this is a bug of sbc-sim, please report it")


def test_what_is_no_trace_ends_with_2(run, tmp_path, monkeypatch):
    (tmp_path / "x.txt").write_bytes(b"hello\n")
    code, _, err = run("judge", "x.txt")
    assert code == 2
    assert err.startswith("sbc-sim: x.txt: No SIP message was found")
    assert run("judge", "missing.pcap")[0] == 2
    assert run("judge", "-", stdin=b"")[0] == 2
    code, _, err = run("judge", "x.txt", "--sbc", "a:b")
    assert code == 2
    assert "is not HOST or HOST:PORT" in err
    monkeypatch.setattr(trace_files, "LARGEST", 1024)
    (tmp_path / "x.txt").write_bytes(bytes(2000))
    code, _, err = run("judge", "x.txt")
    assert code == 2
    assert "has more than" in err


def test_a_trace_without_a_call_ends_with_4(run, tmp_path):
    (tmp_path / "x.txt").write_bytes(b"SIP/2.0 200 OK\r\nCall-ID: x\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n")
    code, out, _ = run("judge", "x.txt")
    assert code == 4
    assert "200 OK (BYE)" in out, "what is there is shown"
    assert "its INVITE is not in the trace" in out
    (tmp_path / "x.txt").write_bytes(b"OPTIONS sip:x SIP/2.0\r\nCall-ID: x\r\nCSeq: 2 OPTIONS\r\nContent-Length: 0\r\n\r\n")
    code, out, _ = run("judge", "x.txt")
    assert code == 4
    assert "no call in the trace" in out
    (tmp_path / "good.txt").write_bytes(an_invite())
    assert run("judge", "good.txt", "--call", "another")[0] == 4
    assert run("judge", "good.txt", "--sbc", "198.51.100.7")[0] == 4


def test_control_characters_never_reach_the_terminal_raw(run, tmp_path):
    hostile = an_invite(subject="\x1b]0;owned\x07 \x9b31m", user_agent="\x1b[2J", user_to_user="\x1b[31m")
    hostile = hostile.replace(b"call-", b"c\x1b[1mall-")
    (tmp_path / "x.txt").write_bytes(hostile)
    (tmp_path / "y.txt").write_bytes(hostile.replace(b"Subject: ", b"Subject: \x1b[5m"))
    for words in (("judge", "x.txt"), ("judge", "x.txt", "--ladder"), ("compare", "x.txt", "y.txt", "--all")):
        _, out, err = run(*words)
        assert "\x1b" not in out + err
        assert "\x9b" not in out + err


def test_compare_reads_like_a_diff_and_tells_by_its_code_what_broke(run, tmp_path, text):
    (tmp_path / "theirs.txt").write_bytes(text)
    (tmp_path / "same.txt").write_bytes(text)
    (tmp_path / "cut.txt").write_bytes(text.replace(b"7d;encoding=hex", b""))
    code, out, _ = run("compare", "theirs.txt", "same.txt")
    assert (code, "nothing changed" in out) == (0, True)
    code, out, _ = run("compare", "theirs.txt", "cut.txt")
    assert code == 1
    assert re.search(r"^- User-to-User: ", out, re.MULTILINE)
    assert re.search(r"^\+ User-to-User: ", out, re.MULTILINE)
    assert "breaks SBC-UUI-" in out
    code, out, _ = run("compare", "theirs.txt", "cut.txt", "--json")
    assert (code, json.loads(out)["calls"][0]["worst"]) == (1, "breaks")
    (tmp_path / "other.txt").write_bytes(an_invite(user_to_user="00;encoding=hex", call_id="q") + an_invite(user_to_user="01;encoding=hex"))
    assert run("compare", "theirs.txt", "other.txt")[0] == 4


def test_compare_with_an_instance_that_is_not_there_ends_with_3(run, tmp_path, text):
    (tmp_path / "theirs.txt").write_bytes(text)
    code, _, err = run("compare", "theirs.txt", "last", "--api", "http://127.0.0.1:9")
    assert code == 3
    assert "No sbc-sim answers" in err
    code, _, err = run("compare", "theirs.txt", "no/such.pcap")
    assert code == 2
    assert "no such file" in err


def test_many_calls_are_told_in_a_table_and_in_full_when_asked(run, tmp_path):
    invites = [an_invite(remove=("User-to-User",)).replace(b"Call-ID: ", f"Call-ID: n{number}-".encode()) for number in range(11)]
    (tmp_path / "many.txt").write_bytes(b"\n".join(invites))
    code, out, _ = run("judge", "many.txt")
    assert code == 1
    assert out.splitlines()[0].split() == ["CALL", "FROM", "TO", "VERDICT", "WORST", "RULE"]
    assert len(re.findall(r"^n\d+-.* fail +SBC-UUI-001", out, re.MULTILINE)) == 11
    assert ("11 calls" in out, "--call CALL-ID" in out, "What went over the wire" in out) == (True, True, False)
    assert run("judge", "many.txt", "--all")[1].count("What went over the wire") == 11
    (tmp_path / "few.txt").write_bytes(b"\n".join(invites[:10]))
    assert run("judge", "few.txt")[1].count("What went over the wire") == 10
