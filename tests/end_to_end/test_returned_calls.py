"""Calls given back over real TLS to partners that are in order, dead, slow, in clear, wrongly certified, or want a client certificate."""

from __future__ import annotations

import contextlib
import datetime
import json
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.end_to_end import raw_sip
from tests.end_to_end.raw_sip import RawSip
from tests.end_to_end.server import ROOT, Server, serving
from tests.support.sip import ECHO

PATIENCE = 60
ENDED = "ended"
SDP = (
    "v=0\r\no=back 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 RTP/{profile} 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
Serve = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def partner_ca() -> trustme.CA:
    return trustme.CA(organization_name="the partner's CA")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, partner_ca: trustme.CA) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("returns")
    partner_ca.cert_pem.write_to_path(str(folder / "partner-ca.pem"))
    settings = {"TLS__CA_FILE": str(folder / "partner-ca.pem"), "ESCALATION__MODE": "invite-back", "ESCALATION__CHECK_SECONDS": "60"}
    settings["STORE__URL"] = f"sqlite:{folder / 'calls.db'}"  # a verdict that comes late must find its call there, too
    with serving(folder, **settings, LIMITS__HANDSHAKE_SECONDS="1", ESCALATION__SECONDS="0") as running:
        yield running


# --- the first leg -----------------------------------------------------------------------------------------------------


@contextmanager
def first_leg(server: Server, name: str) -> Iterator[tuple[RawSip, str]]:
    """A call that is up; gives its connection and its id."""
    with raw_sip.connected(server.sip_port, server.ca) as line:
        line.send(raw_sip.invite(name, ECHO))
        answer = line.final()
        assert answer is not None
        assert answer.status == 200
        to_tag = ";" + str(answer.header("To")).partition(";")[2]
        line.send(raw_sip.request("ACK", name, to_tag=to_tag))
        call = server.wait_for_call(f"{name}@partner.example", "answered")
        yield line, str(call["id"])


def take_bye(line: RawSip) -> str:
    """Wait for the BYE of the server, answer it, and give its head."""
    head = line.request()
    assert head.startswith("BYE "), head
    kept = [field for field in head.split("\r\n")[1:] if field.lower().startswith(("via:", "from:", "to:", "call-id:", "cseq:"))]
    line.send(("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0"]) + "\r\n\r\n").encode())
    return head


def findings(server: Server, call: str) -> dict[str, dict[str, Any]]:
    """What the verdict holds against a call, of the rules of the whole flow."""
    told = server.get(f"/api/v1/calls/{call}/verdict")["findings"]
    return {
        one["rule"]: one
        for one in told
        if one["rule"] >= "SBC-E2E-024" and one["rule"].startswith("SBC-E2E") and one["status"] in ("warn", "fail")
    }


def nothing_is_left(server: Server) -> None:
    assert server.metric("sbc_sim_calls_active") == 0
    assert server.metric("sbc_sim_media_ports_in_use") == 0


# --- partners ------------------------------------------------------------------------------------------------------------


@contextmanager
def partner(serve: Serve) -> Iterator[int]:
    """A TCP server for one connection; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)
        taken: list[socket.socket] = []

        def run() -> None:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            taken.append(connection.dup())
            with connection:
                try:
                    serve(connection)
                except OSError:
                    return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        for connection in taken:
            with connection, contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


def over_tls(
    ca: trustme.CA, name: str = "127.0.0.1", *, verify: ssl.VerifyMode = ssl.CERT_NONE, expired: bool = False, profile: str = "SAVP"
) -> Serve:
    """Take one call over TLS, with SRTP unless `profile` says otherwise, and answer everything else with 200."""

    def serve(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        leaf = ca.issue_cert(name, not_before=past, not_after=past) if expired else ca.issue_cert(name)
        leaf.configure_cert(context)
        ca.configure_trust(context)
        context.verify_mode = verify
        with context.wrap_socket(connection, server_side=True) as tls:
            rest = b""
            while octets := tls.recv(65536):
                rest += octets
                while b"\r\n\r\n" in rest:
                    rest = _answer_one(tls, rest, profile)

    return serve


def _answer_one(tls: ssl.SSLSocket, octets: bytes, profile: str) -> bytes:
    head, _, after = octets.partition(b"\r\n\r\n")
    fields = head.decode().split("\r\n")
    length = next(int(field.partition(":")[2]) for field in fields if field.lower().startswith("content-length:"))
    if fields[0].startswith("ACK "):
        return after[length:]
    kept = [field for field in fields[1:] if field.lower().startswith(("via:", "from:", "call-id:", "cseq:"))]
    to = next(field for field in fields if field.lower().startswith("to:"))
    kept.append(to if ";tag=" in to else f"{to};tag=back")
    body = SDP.format(profile=profile) + (CRYPTO if profile == "SAVP" else "") if fields[0].startswith("INVITE ") else ""
    if body:
        kept += ["Contact: <sips:rep@127.0.0.1:5071>", "Content-Type: application/sdp"]
    tls.sendall(("\r\n".join(["SIP/2.0 200 OK", *kept, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body).encode())
    return after[length:]


def in_clear(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.recv(4096)


def asleep(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


# --- the tests -----------------------------------------------------------------------------------------------------------


def test_a_call_is_given_back_over_tls_to_a_partner_in_order(server: Server, partner_ca: trustme.CA) -> None:
    with partner(over_tls(partner_ca)) as port, first_leg(server, "good") as (line, call):
        server.post(f"/api/v1/calls/{call}/escalate", {"target": f"sips:rep@127.0.0.1:{port}", "why": "a test"})
        assert "Reason: SIP;cause=200" in take_bye(line)
        server.wait_for_call("good@partner.example", ENDED)
        told = server.get(f"/api/v1/calls/{call}")
        second = server.get(f"/api/v1/calls/{told['escalation']['call']}")
    assert findings(server, call) == {}
    assert (told["endReason"], second["direction"], second["escalationOf"]) == ("escalated", "outbound", call)
    server.wait_for_call(second["sipCallId"], ENDED)
    nothing_is_left(server)


@pytest.mark.parametrize(
    ("name", "rule", "status", "says"),
    [
        ("dead", "SBC-E2E-025", "fail", "nothing listens"),
        ("slow", "SBC-E2E-026", "fail", "was not over after 1 s"),
        ("clear", "SBC-E2E-027", "fail", "SIP in clear text"),
        ("chain", "SBC-E2E-028", "fail", "not in the bundle"),
        ("name", "SBC-E2E-029", "fail", "127.0.0.1"),
        ("expired", "SBC-E2E-030", "fail", "has expired"),
        ("asks", "SBC-E2E-031", "warn", "none was sent"),
        ("insists", "SBC-E2E-031", "fail", "client certificate"),
        ("plain-rtp", "SBC-E2E-034", "fail", "without encryption"),
    ],
)
def test_each_bad_partner_is_one_finding_and_the_first_leg_ends(
    server: Server, partner_ca: trustme.CA, name: str, rule: str, status: str, says: str
) -> None:
    kinds: dict[str, Serve] = {
        "dead": lambda connection: None,
        "slow": asleep,
        "clear": in_clear,
        "chain": over_tls(trustme.CA()),
        "name": over_tls(partner_ca, "other.example"),
        "expired": over_tls(partner_ca, expired=True),
        "asks": over_tls(partner_ca, verify=ssl.CERT_OPTIONAL),
        "insists": over_tls(partner_ca, verify=ssl.CERT_REQUIRED),
        "plain-rtp": over_tls(partner_ca, profile="AVP"),
    }
    with partner(kinds[name]) as port, first_leg(server, name) as (line, call):
        target = f"sips:rep@127.0.0.1:{_closed_port() if name == 'dead' else port}"
        server.post(f"/api/v1/calls/{call}/escalate", {"target": target})
        take_bye(line)
        server.wait_for_call(f"{name}@partner.example", ENDED)
        if name == "dead":
            socket.create_connection(("127.0.0.1", port)).close()  # nobody came: let the thread go
    found = findings(server, call)
    assert {r: one["status"] for r, one in found.items()} == {rule: status}
    assert says in found[rule]["detail"]
    nothing_is_left(server)


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_the_partners_word_leads_to_a_new_verdict(server: Server) -> None:
    with first_leg(server, "word") as (line, call):
        server.post(f"/api/v1/calls/{call}/escalate", {"mode": "bye"})
        take_bye(line)
        server.wait_for_call("word@partner.example", ENDED)
    before = {one["rule"]: one["status"] for one in server.get(f"/api/v1/calls/{call}/verdict")["findings"]}
    assert before["SBC-E2E-021"] == "unknown"
    server.post(f"/api/v1/calls/{call}/partner", {"repReached": True, "linked": False, "repCall": "0LQ2", "text": "the rep said hello"})
    after = {one["rule"]: one for one in server.get(f"/api/v1/calls/{call}/verdict")["findings"]}
    assert [after[rule]["status"] for rule in ("SBC-E2E-020", "SBC-E2E-021", "SBC-E2E-022")] == ["pass", "pass", "fail"]
    assert "the rep said hello" in after["SBC-E2E-021"]["detail"]
    check = server.get(f"/api/v1/calls/{call}")["escalation"]["check"]
    assert (check["repReached"], check["linked"], check["repCall"], check["by"]) == (True, False, "0LQ2", "api")


def sbc_sim(server: Server, *words: str) -> tuple[int, str]:
    """Run a command against the server."""
    environment = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "SBC_SIM_API": f"http://127.0.0.1:{server.http_port}"}
    done = subprocess.run(
        [sys.executable, "-m", "sbc_sim", *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_calls_escalate_and_hangup_do_so_from_the_command_line(server: Server) -> None:
    with first_leg(server, "commanded") as (line, call):
        assert sbc_sim(server, "calls", "escalate", call, "--mode", "bye+data", "--why", "by hand")[0] == 0
        bye = take_bye(line)
        assert 'text="escalation: by hand"' in bye
        assert "User-to-User: " in bye
        server.wait_for_call("commanded@partner.example", ENDED)
    code, said = sbc_sim(server, "calls", "escalate", call)
    assert code != 0
    assert "only a live call can be given back" in said
    with first_leg(server, "hung-up") as (line, call):
        assert sbc_sim(server, "calls", "hangup", call)[0] == 0
        take_bye(line)
    assert server.wait_for_call("hung-up@partner.example", ENDED)["endReason"] == "api"


def test_what_cannot_be_escalated_is_refused_with_a_reason(server: Server) -> None:
    with first_leg(server, "refusals") as (line, call):
        one = f"/api/v1/calls/{call}"
        assert problem(server, f"{one}/escalate", {"mode": "refer"}) == (400, "bad-escalation")
        assert problem(server, f"{one}/escalate", {"mode": "shout"}) == (400, "bad-member")
        assert problem(server, f"{one}/escalate", {"modus": "bye"}) == (400, "unknown-member")
        assert problem(server, f"{one}/escalate", {"target": "tel:+15550100"}) == (400, "bad-escalation")
        for target in ("sips:rep@gateway.afvsip.x.salesforce-ccaas.com", "sip:SALESFORCE-CCAAS.COM.:5061;transport=tls"):
            assert problem(server, f"{one}/escalate", {"mode": "invite-back", "target": target}) == (400, "bad-escalation")
        assert problem(server, f"{one}/partner", {"repReached": True}) == (409, "not-escalated"), "the first leg is untouched so far"
        assert problem(server, f"{one}/partner", {"repReached": "yes"}) == (400, "bad-member")
        server.post(f"{one}/escalate", {"mode": "bye"})
        assert problem(server, f"{one}/partner", {"repReached": True}) == (409, "not-over")
        assert problem(server, f"{one}/escalate", {})[1] == "escalated-already"
        take_bye(line)
        server.wait_for_call("refusals@partner.example", ENDED)
        assert problem(server, f"{one}/escalate", {}) == (409, "call-not-live")
    assert problem(server, "/api/v1/calls/nobody/escalate", {}) == (404, "no-such-call")
    assert problem(server, "/api/v1/calls/nobody/partner", {"repReached": True}) == (404, "no-such-call")


def problem(server: Server, path: str, body: dict[str, Any]) -> tuple[int, str]:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{server.http_port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(asked, timeout=PATIENCE)
    told = json.loads(refusal.value.read())
    assert told["fix"]
    return refusal.value.code, told["code"]


def test_settings_that_cannot_be_used_are_refused_at_start(tmp_path: Path) -> None:
    from sbc_sim.settings import SettingsError, load

    for name, value, says in (
        ("escalation.reason", 'SIP;cause=200;text="a\rb"', "control character"),
        ("escalation.reason", "SIP;cause=x", "RFC 3326"),
        ("escalation.reason", "SIP;cause=200, sip;cause=480", "twice"),
        ("escalation.data", "{phone}", "{orgId}"),
        ("escalation.data", "x" * 600, "1200 hex digits"),
        ("escalation.headers", "Reason=x", "no name of an X-header"),
        ("escalation.headers", "X-A={nobody}", "{nobody}"),
        ("escalation.return_uri", "tel:+15550100", "no sip or sips URI"),
        ("escalation.return_uri", "sip:a@b;transport=udp", "over TLS only"),
        ("escalation.mode", "refer", "rules.profile extended"),
    ):
        with pytest.raises(SettingsError, match=says.replace("{", r"\{").replace("}", r"\}")):
            load({name: value}, {}, default_file=tmp_path / "none.yaml")
