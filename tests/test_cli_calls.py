"""`serve`, `call`, `ready` and `demo` as processes: real TLS, real SRTP, real signals."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sbc_sim.calls.numbers import NUMBERS

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")} | {
    "NO_COLOR": "1",
    "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
}


@dataclass
class Running:
    process: subprocess.Popen
    folder: Path
    banner: str
    ports: dict

    @property
    def target(self) -> str:
        return f"tls:127.0.0.1:{self.ports['sip']}"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def ca(self) -> str:
        return str(self.folder / "certs" / "ca.pem")


def start(folder: Path, *flags: str) -> Running:
    """Start `serve` on free ports and read its banner, which comes when everything listens."""
    words = ["--sip-listen", "127.0.0.1:0", "--media-listen", "127.0.0.1", "--media-ports", "0", "--http-listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sbc_sim", "serve", *words, "--ports-file", "ports.json", *flags],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
    )
    banner = ""
    while "a refusal" not in banner:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        banner += line
    return Running(process, folder, banner, json.loads((folder / "ports.json").read_text()))


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sbc_sim", *words], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=50, check=False
    )


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("serve"))
    yield running
    running.process.terminate()
    assert running.process.wait(20) == 0, "SIGTERM is an orderly end"
    log = (running.folder / "log").read_text()
    assert "Traceback" not in log
    running.process.stdout.close()


def test_the_banner_names_addresses_ca_fingerprint_and_the_next_step(serving):
    for part in (f"127.0.0.1:{serving.ports['sip']}", f"{serving.api}/", "certs/ca.pem", "test numbers", "sbc-sim explain"):
        assert part in serving.banner
    assert f"sbc-sim call {serving.target} --ca certs/ca.pem" in serving.banner
    fingerprint = json.loads(run("tls", "show", serving.ca, "--json").stdout)[0]["fingerprint"]
    assert fingerprint in serving.banner


def test_the_banner_names_the_first_test_numbers_what_any_other_gets_and_where_all_are_listed(serving):
    said = serving.banner.partition("test numbers\n")[2].partition("\n\n")[0]
    rows = [re.split(r"  +", line.strip(), maxsplit=1) for line in said.splitlines()]
    assert [row[0] for row in rows] == ["1000 or echo", "2000 or agent", "4860 or busy", "any other", f"all {len(NUMBERS)}"]
    assert rows[2][1] == "486 Busy Here"
    assert "names an org" in rows[3][1]
    assert rows[4][1] == "sbc-sim numbers"


def test_the_command_of_the_banner_places_a_call_whose_echo_is_proved(serving):
    command = next(line for line in serving.banner.splitlines() if "a first call" in line).split("sbc-sim ")[1].split()
    done = run(*command, "--seconds", "2", "--json", cwd=serving.folder)
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    call = told["calls"][0]
    assert call["passed"]
    assert call["status"] == 200
    assert call["byeStatus"] == 200
    assert call["echo"]["identical"] == call["echo"]["sent"] >= 50
    assert call["echo"]["altered"] == 0


def test_the_api_tells_the_same_story_as_the_caller(serving):
    done = run("call", serving.target, "--ca", serving.ca, "--seconds", "1", "--json", "--to", "+15550123")
    sip_call_id = json.loads(done.stdout)["calls"][0]["sipCallId"]
    calls = {call["sipCallId"]: call for call in httpx.get(f"{serving.api}/api/v1/calls").json()["calls"]}
    call = calls[sip_call_id]
    assert call["state"] == "ended"
    assert call["endedBy"] == "partner"
    assert call["numbers"]["to"] == "+15550123"
    assert call["media"]["packetsReceived"] == json.loads(done.stdout)["calls"][0]["echo"]["sent"]
    assert "sbc_sim_media_ports_in_use 0" in httpx.get(f"{serving.api}/metrics").text, "the ports are free again"


@pytest.mark.parametrize(("number", "came", "code"), [("2000", "other", 0), ("1000", "echo", 1)])
def test_who_answers_must_be_who_is_expected(serving, number, came, code):
    done = run("call", serving.target, "--ca", serving.ca, "--seconds", "1.5", "--json", "--to", number, "--expect", "agent")
    call = json.loads(done.stdout)["calls"][0]
    assert (done.returncode, call["passed"], call["cameBack"]) == (code, code == 0, came), done.stdout + done.stderr


def test_an_agent_where_an_echo_is_expected_is_told_in_words_that_name_the_option(serving):
    done = run("call", serving.target, "--ca", serving.ca, "--seconds", "1.5", "--to", "2000")
    said = done.stdout
    assert done.returncode == 1
    assert "packets came from somebody who speaks" in said
    assert "no echo, but somebody who speaks" in said
    assert "--expect agent" in said
    assert "octet by octet" not in said
    assert said.endswith("not passed\n")


@pytest.mark.parametrize("form", ["plain", "hex"])
def test_a_token_in_uri_and_names_reaches_neither_api_nor_log_nor_the_callers_own_output(serving, form):
    jwt = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiIwMEQwMDAwMDAwMDAwMDEifQ.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LXNob3VsZC1yZWFk"
    written = jwt if form == "plain" else json.dumps({"orgId": "00D", "jwt": jwt}).encode().hex()
    called = f"sip:{form}@sbc.example?User-to-User={written};encoding=hex"
    words = ["--to", called, "--from", f"sip:{written}@partner.invalid", "--header", f"Subject: {written}", "--seconds", "1"]
    done = run("call", serving.target, "--ca", serving.ca, *words, "--json")
    lines = run("call", serving.target, "--ca", serving.ca, *words, "--ladder")
    shown = {path: httpx.get(f"{serving.api}/api/v1/{path}").text for path in ("calls", "messages", "attempts")}
    assert f"sip:{form}@sbc.example?User-to-User=" in shown["calls"]
    shown |= {"log": (serving.folder / "log").read_text(), "json": done.stdout, "text": lines.stdout + lines.stderr}
    assert f"sip:{form}@sbc.example?User-to-User=" in shown["log"]
    secret = jwt.rpartition(".")[2]
    for place, text in shown.items():
        assert secret not in text, place
        assert secret.encode().hex() not in text, place


def test_info_gives_every_time_in_one_form(serving):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", httpx.get(f"{serving.api}/api/v1/info").json()["tls"]["notAfter"])


def test_a_call_without_user_to_user_is_refused_and_the_rule_is_named(serving):
    done = run("call", serving.target, "--ca", serving.ca, "--no-uui")
    assert done.returncode == 1
    assert "400 Bad Request" in done.stdout
    assert "sbc-sim explain SBC-UUI-001" in done.stdout


@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"])
def test_every_suite_can_be_offered(serving, suite):
    done = run("call", serving.target, "--ca", serving.ca, "--seconds", "1", "--suite", suite, "--json")
    assert (done.returncode, json.loads(done.stdout)["calls"][0]["suite"]) == (0, suite)


def test_several_calls_at_once_each_hear_their_own_tone(serving):
    done = run("call", serving.target, "--ca", serving.ca, "--calls", "4", "--seconds", "1", "--ladder")
    assert done.returncode == 0, done.stdout
    assert "4 of 4 calls passed" in done.stdout
    assert "INVITE" in done.stdout


def test_a_wrong_ca_is_3_and_the_server_lists_the_attempt(serving, tmp_path):
    other = tmp_path / "certs"
    assert run("tls", "ca", "--tls-dir", str(other)).returncode == 0
    done = run("call", serving.target, "--ca", str(other / "ca.pem"))
    assert done.returncode == 3
    assert "SBC-TLS-012" in done.stdout
    attempts = httpx.get(f"{serving.api}/api/v1/attempts").json()["attempts"]
    assert any(attempt["problem"] == "unknown-ca" for attempt in attempts)


def test_nothing_listening_is_3():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = run("call", f"tls:127.0.0.1:{closed.getsockname()[1]}", "--insecure")
    assert done.returncode == 3
    assert "no connection" in done.stdout


def test_a_connection_that_is_lost_before_the_answer_is_no_call_and_no_status_is_made_up(serving):
    certificates = serving.folder / "certs"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")

    def hear_and_close(listening: socket.socket) -> None:
        with context.wrap_socket(listening.accept()[0], server_side=True) as line:
            line.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=hear_and_close, args=(listening,), daemon=True)
        thread.start()
        done = run("call", f"tls:127.0.0.1:{listening.getsockname()[1]}", "--insecure", "--ladder")
        thread.join(20)
    assert done.stdout.count("no call: the connection was lost before INVITE was answered") == 2, "in the ladder and in the result"
    assert "SBC (called)" in done.stdout
    assert "rejected" not in done.stdout
    assert "verdict" not in done.stdout
    assert done.returncode == 1


def test_a_sip_uri_is_dialled_as_it_is_and_to_goes_before_its_user(serving):
    port = serving.target.rpartition(":")[2]
    busy, by_digits = (f"sip:{user}@127.0.0.1:{port};transport=tls" for user in ("busy", "4860"))
    for words, called in (([busy], busy), ([busy, "--to", "4860"], by_digits)):
        assert run("call", *words, "--ca", serving.ca).returncode == 1, "refused, so no media takes time"
        assert httpx.get(f"{serving.api}/api/v1/calls").json()["calls"][0]["requestUri"] == called


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("sip:echo@127.0.0.1:5060;transport=udp", "asks for UDP"),
        ("sip:echo@127.0.0.1:0;transport=tls", "names port 0"),
        ("sips:echo@[::1", "no host or port can be read"),
        ("sip:echo@127.0.0.1?User-to-User=00", "--header NAME:VALUE"),
    ],
)
def test_a_sip_uri_that_cannot_be_dialled_over_tls_is_2_and_says_why(target, why):
    done = run("call", target)
    assert done.returncode == 2
    assert why in done.stderr


@pytest.mark.parametrize("words", [["udp:127.0.0.1:5060"], ["tls:127.0.0.1:0"], ["tls:127.0.0.1:5061", "--uui", "00", "--no-uui"]])
def test_a_target_or_flags_that_make_no_sense_are_2(words):
    assert run("call", *words).returncode == 2


def test_ready_is_0_while_it_serves(serving):
    assert run("ready", "--wait", "--timeout", "20", "--ports-file", "ports.json", cwd=serving.folder).returncode == 0
    assert run("ready", "--http-listen", f"127.0.0.1:{serving.ports['http']}").returncode == 0


def test_a_taken_port_is_3_with_one_sentence(serving, tmp_path):
    done = run("serve", "--sip-listen", f"127.0.0.1:{serving.ports['sip']}", "--http-listen", "127.0.0.1:0", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(f"sbc-sim: cannot listen for SIP on 127.0.0.1 port {serving.ports['sip']}: ")
    assert "Traceback" not in done.stderr


def test_an_interrupt_during_a_call_ends_both_sides_in_order(tmp_path):
    running = start(tmp_path)
    words = ["call", running.target, "--ca", running.ca, "--seconds", "60"]
    caller = subprocess.Popen([sys.executable, "-m", "sbc_sim", *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    asked = {"state": "answered", "timeoutS": 30}
    call = httpx.post(f"{running.api}/api/v1/calls/wait", json=asked, timeout=40)
    assert call.status_code == 200, call.text
    caller.send_signal(signal.SIGINT)
    assert caller.wait(20) == 130
    caller.stderr.close()
    ended = httpx.post(f"{running.api}/api/v1/calls/wait", json={"state": "ended", "timeoutS": 20}, timeout=30).json()
    assert ended["endedBy"] == "partner"
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(20) == 130
    running.process.stdout.close()
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_shutting_down_says_bye_to_a_call_that_is_up(tmp_path, number, code):
    running = start(tmp_path)
    words = ["call", running.target, "--ca", running.ca, "--seconds", "60", "--json"]
    caller = subprocess.Popen([sys.executable, "-m", "sbc_sim", *words], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    httpx.post(f"{running.api}/api/v1/calls/wait", json={"state": "answered", "timeoutS": 30}, timeout=40).raise_for_status()
    asked_at = time.monotonic()
    running.process.send_signal(number)
    assert running.process.wait(20) == code
    assert time.monotonic() - asked_at < 5
    told = json.loads(caller.communicate(timeout=30)[0])
    assert caller.returncode == 1
    assert told["calls"][0]["endedBy"] == "sbc"
    running.process.stdout.close()


def test_an_ipv6_address_that_is_advertised_stands_in_brackets_in_warning_and_contact(tmp_path):
    running = start(tmp_path, "--sip-advertised", "2001:db8::5")
    refused = run("call", running.target, "--ca", running.ca, "--no-uui", "--json")
    assert json.loads(refused.stdout)["calls"][0]["warning"].startswith('399 [2001:db8::5] "SBC-UUI-001')
    assert run("call", running.target, "--ca", running.ca, "--to", "six", "--seconds", "1").stdout.startswith("call 1")
    newest = httpx.get(f"{running.api}/api/v1/calls").json()["calls"][0]["id"]
    texts = [one["text"] for one in httpx.get(f"{running.api}/api/v1/calls/{newest}/messages").json()["messages"]]
    assert any(f"[2001:db8::5]:{running.ports['sip']};transport=tls>" in text for text in texts if text.startswith("SIP/2.0 200 "))
    running.process.terminate()
    assert running.process.wait(20) == 0
    running.process.stdout.close()


def test_a_call_over_ipv6_has_its_audio_there_too(tmp_path):
    """As in a pod of a cluster whose pods have IPv6 addresses: everything listens on `::`."""
    flags = ["--sip-listen", "[::]:0", "--media-listen", "::", "--http-listen", "[::]:0", "--http-auth", "none", "--media-ipv6", "true"]
    running = start(tmp_path, *flags, "--sip-advertised", "::1", "--media-advertised", "::1", "--tls-names", "::1")
    done = run("call", f"tls:[::1]:{running.ports['sip']}", "--ca", running.ca, "--seconds", "1")
    assert done.returncode == 0, done.stdout
    assert "no media" not in done.stdout
    running.process.terminate()
    assert running.process.wait(20) == 0
    running.process.stdout.close()


def test_the_demo_prints_ladder_verdict_and_proof_and_leaves_nothing_behind(tmp_path):
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("INVITE", "200 OK", "ACK", "BYE", "PASS", "SBC-UUI-001", "frames came back octet by octet, 0 altered, 0 lost"):
        assert word in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_the_demo_as_json_holds_the_call_and_what_the_caller_heard(tmp_path):
    done = run("demo", "--seconds", "2", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert told["call"]["verdict"]["status"] == "pass"
    assert told["partner"]["echo"]["share"] == 1.0
