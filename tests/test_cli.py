"""The command line without a network: what it prints, and its exit codes."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sbc_sim.cli import main

ECHO_HEX = "7b226f72674964223a226563686f2d746573742d6f7267222c227363727432446f6d61696e223a226166762d7773732d6563686f3a37343432227d"


@pytest.fixture
def run(capsys, monkeypatch):
    """Run one command in this process, as the shell would see it."""
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_version_is_printed_as_text_and_as_json(run):
    code, text, _ = run("version")
    assert (code, text.split()[0]) == (0, "sbc-sim")
    assert json.loads(run("version", "--json")[1])["version"] == text.split()[1]
    assert run("--version")[1].split() == text.split()[:2]


def test_an_unknown_command_is_a_usage_error(run):
    code, _, err = run("srve")
    assert code == 2
    assert "No such command 'srve'" in err


def test_help_names_every_command_and_bare_use_means_serve(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "Without a command: serve" in out
    for command in (
        "serve",
        "ready",
        "demo",
        "call",
        "calls",
        "doctor",
        "judge",
        "compare",
        "scenario",
        "tls",
        "uui",
        "explain",
        "config",
        "version",
    ):
        assert f"  {command} " in out


def test_flags_without_a_command_go_to_serve(run):
    code, _, err = run("--uui-missing", "maybe")
    assert code == 2
    assert err.startswith("sbc-sim: uui.missing (flag --uui-missing): 'maybe': input should be 'reject' or 'warn'")


def test_config_show_tells_the_origin_of_each_value(run, monkeypatch):
    monkeypatch.setenv("SBC_SIM_UUI__LIMIT", "99")
    code, out, _ = run("config", "show", "--changed", "--set", "uui.missing=warn", "--json")
    assert code == 0
    assert json.loads(out) == {
        "uui.missing": {"value": "warn", "origin": "flag --uui-missing"},
        "uui.limit": {"value": 99, "origin": "environment SBC_SIM_UUI__LIMIT"},
    }


def test_config_show_never_shows_the_token(run):
    for more in ([], ["--json"]):
        code, out, _ = run("config", "show", "--http-token", "s3cret", *more)
        assert code == 0
        assert "http.token" in out
        assert "s3cret" not in out


def test_config_check_is_0_or_2_with_one_sentence(run, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("sip: {listen: 127.0.0.1:5061}")
    assert run("config", "check", "--config", str(file))[0] == 0
    file.write_text("sip: {listn: 127.0.0.1:5061}")
    code, _, err = run("config", "check", "--config", str(file))
    assert (code, err) == (2, f"sbc-sim: {file}, line 1: sip.listn is not known; the nearest setting is sip.listen\n")


@pytest.mark.parametrize("command", [["config", "check"], ["serve"]])
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("partners: {acme: {public_keys: [FILE]}}", "line 1): FILE: no PEM block was found"),
        ("partners: {acme: {public_keys: [nowhere.pem]}}", "line 1): nowhere.pem cannot be read: No such file or directory"),
        ("partners: {acme: {ca_file: FILE}}", "line 1): FILE holds no readable PEM certificate"),
        ("regions: {frankfurt: {cert_file: FILE, key_file: FILE}}", "line 1): FILE holds no readable PEM certificate"),
    ],
)
def test_a_file_that_settings_name_and_that_cannot_be_used_is_one_sentence_with_the_line(run, tmp_path, command, settings, says):
    (tmp_path / "bad.pem").write_text("nothing")
    file = tmp_path / "config.yaml"
    file.write_text(settings.replace("FILE", str(tmp_path / "bad.pem")))
    code, _, err = run(*command, "--config", str(file))
    assert (code, err.count("\n")) == (2, 1)
    assert says.replace("FILE", str(tmp_path / "bad.pem")) in err


def test_config_schema_is_json_with_every_section(run):
    schema = json.loads(run("config", "schema")[1])
    flat = {"sip", "media", "tls", "uui", "http", "store", "capture", "hep", "limits", "rules", "log"}
    flow = {"agent", "escalation", "telephony", "rehearsal", "regions", "partners", "scenarios", "faults"}
    where = {"data", "replicas", "workers"}
    assert set(schema["properties"]) == flat | flow | where


def test_ready_is_1_where_nothing_listens(run):
    code, _, err = run("ready", "--http-listen", "127.0.0.1:1")
    assert code == 1
    assert "not ready: 127.0.0.1:1" in err


def test_encoding_the_echo_content_gives_the_published_digits(run):
    assert run("uui", "encode", "--echo")[1] == f"{ECHO_HEX};encoding=hex\n"
    assert run("uui", "encode", "--echo", "--header")[1] == f"User-to-User: {ECHO_HEX};encoding=hex\n"


def test_fields_become_a_json_object_in_their_order(run):
    code, out, _ = run("uui", "encode", "--field", "orgId=echo-test-org", "--field", "scrt2Domain=afv-wss-echo:7442")
    assert (code, out) == (0, f"{ECHO_HEX};encoding=hex\n")


def test_encode_reads_standard_input_octet_by_octet(run):
    assert run("uui", "encode", "-", stdin="Grüße")[1] == "4772c3bcc39f65;encoding=hex\n"


@pytest.mark.parametrize("words", [[], ["x", "--echo"], ["--field", "novalue"]])
def test_encode_without_exactly_one_content_is_a_usage_error(run, words):
    assert run("uui", "encode", *words)[0] == 2


@pytest.mark.parametrize("form", [ECHO_HEX, ECHO_HEX + ";encoding=hex", f"User-to-User: {ECHO_HEX};encoding=hex\r\n"])
def test_decode_takes_digits_a_value_or_the_header_line(run, form):
    for words, stdin in (([form], ""), (["-"], form)):
        code, out, _ = run("uui", "decode", *words, "--json", stdin=stdin)
        data = json.loads(out)
        assert (code, data["fields"]["orgId"], data["isEcho"]) == (0, "echo-test-org", True)
        assert data["lengths"]["value"] == 118
        assert data["lengths"]["decoded"] == 59


def test_decode_marks_the_first_bad_character(run):
    code, out, _ = run("uui", "decode", "48656c6cxf;encoding=hex")
    assert code == 1
    lines = out.splitlines()
    mark = next(i for i, line in enumerate(lines) if line.strip() == "^")
    assert lines[mark - 1][lines[mark].index("^")] == "x"


def test_a_token_is_masked_unless_asked_for(run):
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZ2VudCJ9.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU"
    value = run("uui", "encode", "--field", "orgId=o", "--field", "scrt2Domain=d", "--field", f"jwt={jwt}")[1].strip()
    for more in ([], ["--json"]):
        masked, full = run("uui", "decode", value, *more)[1], run("uui", "decode", value, "--secrets", *more)[1]
        assert "c2lnbmF0dXJl" not in masked
        assert value.split(";")[0] not in masked
        assert "c2lnbmF0dXJl" in full
        assert "agent" in masked, "the claims are shown"


def test_lint_is_1_when_a_rule_failed_and_names_it(run):
    code, out, _ = run("uui", "lint", "48656c6c6;encoding=hex")
    assert code == 1
    assert "SBC-UUI-" in out


def test_lint_of_the_echo_value_is_0(run):
    code, out, _ = run("uui", "lint", f"{ECHO_HEX};encoding=hex", "--json")
    assert code == 0
    assert {finding["status"] for finding in json.loads(out)} <= {"pass", "skip", "unknown"}


def test_explain_without_a_word_lists_rules_a_line_each(run):
    code, out, _ = run("explain")
    assert code == 0
    assert all(line.startswith("SBC-") for line in out.splitlines())
    assert len(out.splitlines()) > 50


@pytest.mark.parametrize("word", ["SBC-UUI-001", "sbc-uui-001", "488", "unknown_ca"])
def test_explain_finds_rules_by_id_status_and_alert(run, word):
    code, out, _ = run("explain", word)
    assert code == 0
    assert "SBC-" in out
    found = json.loads(run("explain", word, "--json")[1])
    assert all({"id", "title", "why", "fix", "source", "platforms"} <= set(rule) for rule in found)


def test_a_word_that_finds_many_rules_gives_an_overview_and_the_way_to_one(run):
    code, out, _ = run("explain", "488")
    *overview, blank, way = out.rstrip("\n").split("\n")
    assert (code, blank) == (0, "")
    assert len(overview) == len(json.loads(run("explain", "488", "--json")[1])) > 3
    assert all(line.startswith("SBC-") for line in overview)
    assert way.endswith(f"sbc-sim explain {overview[0].split()[0]}")


def test_explaining_an_unknown_word_is_a_usage_error(run):
    assert run("explain", "xyzzy-no-such-thing")[0] == 2


def written_to(output: int, *words: str) -> tuple[int, str]:
    """Run a process that writes to a file descriptor; give its exit code and what it says on standard error."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run([sys.executable, "-m", "sbc_sim", *words], stdout=output, stderr=subprocess.PIPE, env=environment, check=False)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("words", [("explain",), ("--help",)])
def test_a_reader_who_went_away_is_not_a_rule_that_failed(words):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert written_to(writing, *words) == (141, "")
    finally:
        os.close(writing)


@pytest.mark.parametrize("words", [("explain",), ("--help",)])
def test_an_output_that_is_full_is_told_in_one_line(words):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert written_to(full, *words) == (3, "sbc-sim: the output cannot be written: No space left on device\n")
    finally:
        os.close(full)


def test_three_digits_that_are_no_status_of_ours_explain_nothing(run):
    code, _, err = run("explain", "999")
    assert (code, err) == (2, "sbc-sim: '999' is no status that a rule answers with; `sbc-sim explain` lists them all\n")
    assert run("explain", "488")[0] == 0


def test_a_purpose_that_may_be_left_out_is_a_note_and_no_problem(run):
    out = run("uui", "decode", f"{ECHO_HEX};encoding=hex")[1]
    assert "note      No purpose parameter" in out
    assert "problem" not in out
