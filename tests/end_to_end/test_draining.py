"""SIGTERM: no new calls, the live ones may go on for limits.drain_seconds, then BYE with Reason, all in the journal, exit code 0."""

from __future__ import annotations

import re
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.raw_sip import RawSip, connected, invite, request
from tests.end_to_end.server import Server, serving

pytestmark = pytest.mark.timeout(180)
NEVER = "86400"
"""Longer than any test: what ends the server before that is not the clock."""


def call_up(server: Server, raw: RawSip, name: str) -> str:
    """Place a call, see it answered; returns the tag that its requests carry in To."""
    raw.send(invite(name, ECHO_UUI))
    answer = raw.final()
    assert answer is not None
    assert answer.status == 200
    tag = re.search(r";tag=[^\s;>]+", answer.header("To") or "")
    assert tag is not None
    raw.send(request("ACK", name, to_tag=tag[0]))
    server.wait_for_call(f"{name}@partner.example", "answered")
    return tag[0]


def readiness(server: Server) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/readyz", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def terminate(server: Server) -> None:
    """Ask the server to end, and see that it has heard it."""
    assert readiness(server)[0] == 200
    server.conversation.process.send_signal(signal.SIGTERM)
    wait_until(lambda: readiness(server)[0] == 503, "the server is not ready any more")


def test_a_server_that_drains_takes_no_new_calls_keeps_the_live_ones_and_ends_with_the_last_of_them(tmp_path: Path) -> None:
    with serving(tmp_path, LIMITS__DRAIN_SECONDS=NEVER) as server, connected(server.sip_port, server.ca) as raw:
        tag = call_up(server, raw, "staying")
        terminate(server)
        assert "shutting down" in readiness(server)[1]
        server.conversation.wait_for(r"stopping: no new calls, and the live ones get BYE in 86400 s \(limits\.drain_seconds\)")
        with connected(server.sip_port, server.ca) as late:
            for refused in (invite("late", ECHO_UUI), request("OPTIONS", "asking")):
                late.send(refused)
                answer = late.final()
                assert answer is not None
                assert (answer.status, answer.header("Retry-After")) == (503, "10")
                assert "the simulator is shutting down" in (answer.header("Warning") or "")
        assert server.get("/api/v1/calls?status=answered")["calls"], "the call goes on"
        raw.send(request("BYE", "staying", cseq=2, to_tag=tag))
        answer = raw.final()
        assert answer is not None
        assert answer.status == 200
        assert server.conversation.process.wait(60) == 0


def test_a_second_signal_ends_live_calls_by_bye_with_reason_and_the_journal_has_it(tmp_path: Path) -> None:
    kept = {"STORE__URL": f"sqlite:{tmp_path / 'calls.db'}", "STORE__FLUSH_MS": "60000"}
    with serving(tmp_path, LIMITS__DRAIN_SECONDS=NEVER, **kept) as server, connected(server.sip_port, server.ca) as raw:
        call_up(server, raw, "cut")
        terminate(server)
        server.conversation.process.send_signal(signal.SIGTERM)
        bye = raw.request()
        assert bye.startswith("BYE sip:partner@127.0.0.1:5061")
        assert "the simulator is shutting down" in bye[bye.index("Reason:") :]
        raw.send(answer_to(bye))
        assert server.conversation.process.wait(60) == 0
    (tmp_path / "ports.json").unlink()
    with serving(tmp_path, **kept) as server:
        [call] = server.get("/api/v1/calls")["calls"]
        assert (call["state"], call["endedBy"], call["endReason"]) == ("ended", "sbc", "shutdown")


def test_calls_that_outlast_the_drain_get_their_bye_then(tmp_path: Path) -> None:
    with serving(tmp_path, LIMITS__DRAIN_SECONDS="0.3") as server, connected(server.sip_port, server.ca) as raw:
        call_up(server, raw, "too-long")
        server.conversation.process.send_signal(signal.SIGTERM)
        bye = raw.request()
        assert bye.startswith("BYE sip:partner@127.0.0.1:5061")
        raw.send(answer_to(bye))
        assert server.conversation.process.wait(60) == 0


def answer_to(asked: str) -> bytes:
    """200 to a request of the server."""
    same = re.findall(r"(?im)^(?:Via|From|To|Call-ID|CSeq)\s*:[^\r\n]*", asked)
    return "\r\n".join(["SIP/2.0 200 OK", *same, "Content-Length: 0", "", ""]).encode()
