"""Two processes with one PostgreSQL: whichever is asked, all calls are there, and what is ordered is done by the one that has the call."""

from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import raw_sip
from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.clients.conversation import PATIENCE, wait_until
from tests.end_to_end.raw_sip import RawSip, connected
from tests.end_to_end.rest_client import ORG, ByHand
from tests.end_to_end.server import Server, serving
from tests.support.event_stream import following
from tests.support.postgres import Cluster

pytestmark = [pytest.mark.timeout(180), pytest.mark.partners]


@dataclass
class Pair:
    """Two replicas that know each other."""

    one: Server
    two: Server

    def call(self, server: Server, raw: RawSip, name: str) -> str:
        """Have a call answered by one of them, and known to both; returns its id."""
        raw.send(raw_sip.invite(name, ECHO_UUI))
        answer = raw.final()
        assert answer is not None
        assert answer.status == 200
        tag = re.search(r";tag=[^\s;>]+", answer.header("To") or "")
        assert tag is not None
        raw.send(raw_sip.request("ACK", name, to_tag=tag[0]))
        other = self.two if server is self.one else self.one
        return str(other.wait_for_call(f"{name}@partner.example", "answered")["id"])


def replicas(server: Server) -> dict[str, str]:
    return {one["name"]: one["state"] for one in server.get("/api/v1/info")["replicas"]}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Pair]:
    url = postgres.database()
    with ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            settings = {"STORE__URL": url, "STORE__PASSWORD": Cluster.password, "REPLICAS__NAME": name, "LOG__LEVEL": "info"}
            servers.append(stack.enter_context(serving(tmp_path_factory.mktemp(name), **settings)))
        for server in servers:
            wait_until(lambda s=server: replicas(s) == {"one": "live", "two": "live"}, "both know each other")  # type: ignore[misc]
        yield Pair(*servers)


def ask(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask, and give status and JSON, whatever they are."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


def test_a_call_of_one_is_listed_by_the_other_with_its_owner_and_hung_up_there(pair: Pair) -> None:
    with connected(pair.one.sip_port, pair.one.ca) as raw:
        call = pair.call(pair.one, raw, "hung-up-elsewhere")
        shown = pair.two.get(f"/api/v1/calls/{call}")
        assert (shown["replica"], shown["state"]) == ("one", "answered")
        assert ask(pair.two, "POST", f"/api/v1/calls/{call}/hangup") == (202, {"id": call, "state": "answered"})
        assert raw.request().startswith("BYE ")
    ended = pair.two.wait_for_call("hung-up-elsewhere@partner.example", "ended")
    assert (ended["endedBy"], ended["endReason"]) == ("sbc", "api")
    assert ended == pair.one.get(f"/api/v1/calls/{call}")
    assert ask(pair.two, "POST", f"/api/v1/calls/{call}/hangup")[1]["code"] == "call-not-live"


def test_a_call_is_given_back_by_the_other_and_the_partner_s_word_is_taken_there(pair: Pair) -> None:
    with connected(pair.one.sip_port, pair.one.ca) as raw:
        call = pair.call(pair.one, raw, "given-back")
        assert ask(pair.two, "POST", f"/api/v1/calls/{call}/partner", {"customerAlive": True})[1]["code"] == "not-escalated"
        assert ask(pair.two, "POST", f"/api/v1/calls/{call}/escalate", {"mode": "bye", "why": "asked at two"})[0] == 202
        assert raw.request().startswith("BYE ")
    pair.two.wait_for_call("given-back@partner.example", "ended")
    assert ask(pair.two, "POST", f"/api/v1/calls/{call}/partner", {"customerAlive": True, "text": "she holds"})[0] == 200
    wait_until(lambda: check(pair.two, call).get("customerAlive") is True, "the owner has taken the word, and the other one shows it")
    assert check(pair.one, call) == check(pair.two, call)


def check(server: Server, call: str) -> dict[str, Any]:
    """What is known of the customer of a call that was given back."""
    escalation: dict[str, Any] = server.get(f"/api/v1/calls/{call}")["escalation"]
    assert escalation["why"] == "asked at two"
    return dict(escalation.get("check") or {})


def test_faults_set_at_one_strike_at_the_other_and_a_count_is_that_of_both(pair: Pair) -> None:
    assert ask(pair.one, "PUT", "/api/v1/faults/once", {"type": "busy", "count": 2})[0] == 200
    assert [fault["name"] for fault in pair.two.get("/api/v1/faults")["faults"]] == ["once"]
    for server, name in ((pair.two, "busy-at-two"), (pair.one, "busy-at-one")):
        with connected(server.sip_port, server.ca) as raw:
            raw.send(raw_sip.invite(name, ECHO_UUI))
            answer = raw.final()
            assert answer is not None
            assert answer.status == 486
        wait_until(lambda: all(hits(other) in (None, 1) for other in (pair.one, pair.two)), "the hit is known to both")
    wait_until(lambda: hits(pair.one) is None and hits(pair.two) is None, "the fault is used up everywhere")
    assert ask(pair.one, "PUT", "/api/v1/faults/gone", {"type": "busy"})[0] == 200
    assert ask(pair.two, "DELETE", "/api/v1/faults/gone")[0] == 204
    assert pair.one.get("/api/v1/faults")["faults"] == []


def hits(server: Server) -> int | None:
    """How often the fault was hit, as one of them knows it; None: it is not there any more."""
    status, fault = ask(server, "GET", "/api/v1/faults/once")
    return None if status == 404 else int(fault["hits"])


def test_a_key_given_to_one_opens_the_other_and_a_voice_call_made_there_is_known_here_at_once(pair: Pair) -> None:
    partner = ByHand(pair.one)
    partner.server = pair.two
    made = partner.create("key-of-both")
    assert pair.one.get(f"/api/v1/voice-calls/{made}")["vendorCallKey"] == "key-of-both"
    partner.server = pair.one
    partner.ask("PATCH", f"/{made}", {"endTime": "2026-01-01T10:05:00.000Z"})
    assert pair.two.get("/api/v1/voice-calls/key-of-both")["state"] == "closed"
    with connected(pair.one.sip_port, pair.one.ca) as raw:
        raw.send(raw_sip.invite("names-it", json.dumps({"orgId": ORG, "callId": made}).encode().hex() + ";encoding=hex"))
        assert raw.final() is not None
    assert ask(pair.two, "DELETE", "/api/v1/telephony/keys/byhand")[0] == 204
    assert pair.one.get("/api/v1/telephony/keys")["keys"] == []


def test_events_and_files_of_a_call_come_by_either(pair: Pair) -> None:
    with following(pair.two.http_port) as events, connected(pair.one.sip_port, pair.one.ca) as raw:
        call = pair.call(pair.one, raw, "followed")
        pair.one.post(f"/api/v1/calls/{call}/hangup")
        assert raw.request().startswith("BYE ")
        raw.close()  # else our BYE is sent again for 32 s
        seen = set()
        for name, data in events.events():
            if data.get("call", data.get("id")) == call:
                seen.add(name)
            if name == "call.ended" and data["id"] == call:
                break
    assert {"call.started", "message", "call.ended"} <= seen
    for name in ("capture.pcapng", "bundle.zip", "report.json"):
        assert (
            octets(pair.two, f"/api/v1/calls/{call}/{name}?redaction=none")[:4]
            == octets(pair.one, f"/api/v1/calls/{call}/{name}?redaction=none")[:4]
        )
    there = octets(pair.two, f"/api/v1/calls/{call}/capture.pcapng")
    assert there == octets(pair.one, f"/api/v1/calls/{call}/capture.pcapng"), "TLS octets, secrets and all"


def octets(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=PATIENCE) as answer:
        return bytes(answer.read())


def test_a_certificate_that_is_rotated_at_one_is_shown_by_both_under_the_same_ca(pair: Pair, tmp_path: Path) -> None:
    told = pair.one.post("/api/v1/tls/rotate", {"how": "new-ca"})
    other_ca = tmp_path / "other.pem"
    other_ca.write_text(told["caPem"])
    wait_until(lambda: pair.two.get("/api/v1/tls")["certificates"][0]["how"] == "new-ca", "the other one rotates too")
    for server in (pair.one, pair.two):
        with connected(server.sip_port, other_ca) as raw:
            raw.send(raw_sip.request("OPTIONS", f"trusted-{server.sip_port}"))
            assert raw.final() is not None
    pair.two.post("/api/v1/tls/rotate", {"how": "original"})
    wait_until(lambda: pair.one.get("/api/v1/tls")["certificates"][0]["how"] == "original", "both go back")


def test_a_rehearsal_begun_at_one_counts_calls_of_the_other_and_is_stopped_and_resumed_there(pair: Pair) -> None:
    begun = pair.one.post("/api/v1/rehearsals", {"regions": ["frankfurt"], "parts": ["connectivity"], "stepSeconds": 120})
    assert begun["owner"] == "one"
    path = f"/api/v1/rehearsals/{begun['id']}"
    wait_until(lambda: ask(pair.two, "GET", path)[0] == 200, "the other one has it")
    assert pair.two.post(f"{path}/stop")["state"] == "stopped"
    wait_until(lambda: pair.one.get(path)["state"] == "stopped", "its owner has stopped it")
    assert pair.two.post(f"{path}/resume")["state"] == "running"
    wait_until(lambda: pair.one.get(path)["state"] == "running", "its owner goes on with it")
    assert ask(pair.two, "POST", "/api/v1/rehearsals", {"regions": ["frankfurt"]})[1]["code"] == "not-now"
    with connected(pair.two.sip_port, pair.two.ca) as raw:
        call = pair.call(pair.two, raw, "rehearsed")
        pair.one.post(f"/api/v1/calls/{call}/hangup")
    for server in (pair.one, pair.two):
        wait_until(lambda s=server: tried(s, path) == [call], "the try is seen by both")  # type: ignore[misc]
        assert server.get(path)["steps"][0]["attempts"][0]["status"] == "failed", "no media came"
    assert pair.two.post(f"{path}/steps/connectivity/frankfurt/skip")["steps"][0]["state"] == "skipped"
    wait_until(lambda: pair.one.get(path)["steps"][0]["state"] == "skipped", "its owner has left the step out")


def tried(server: Server, path: str) -> list[str]:
    return [attempt["call"] for attempt in server.get(path)["steps"][0]["attempts"] if attempt["status"] != "running"]


def test_a_reset_at_one_empties_both(pair: Pair) -> None:
    assert ask(pair.one, "PUT", "/api/v1/faults/stays", {"type": "busy"})[0] == 200
    over = over_at(pair.one) | over_at(pair.two)  # a call of another test may be up yet, without its ACK: it stays
    with following(pair.one.http_port) as events:
        assert pair.two.post("/api/v1/reset")["forgotten"] > 0
        assert next(name for name, _ in events.events() if name == "reset") == "reset"
    for server in (pair.one, pair.two):
        assert server.get("/api/v1/faults")["faults"] == []
        wait_until(lambda s=server: not over & over_at(s), "no call is left that was over")  # type: ignore[misc]


def over_at(server: Server) -> set[str]:
    """The calls that are over, as one of them lists them."""
    return {call["id"] for call in server.get("/api/v1/calls?limit=500")["calls"] if call["state"] in ("ended", "rejected")}


def test_what_a_lost_replica_had_is_gone_on_with_and_a_new_one_knows_what_was_set(tmp_path: Path, postgres: Cluster) -> None:
    settings = {"STORE__URL": postgres.database(), "STORE__PASSWORD": Cluster.password}
    settings |= {"REPLICAS__HEARTBEAT_SECONDS": "0.2", "REPLICAS__LOST_SECONDS": "2"}

    def replica(name: str) -> AbstractContextManager[Server]:
        (tmp_path / name).mkdir()
        return serving(tmp_path / name, REPLICAS__NAME=name, REPLICAS__HTTP="http://127.0.0.1:9", **settings)  # where nobody answers

    with replica("stays") as stays:
        with replica("dies") as dies, connected(dies.sip_port, dies.ca) as raw:
            wait_until(lambda: replicas(stays) == {"stays": "live", "dies": "live"}, "both know each other")
            begun = dies.post("/api/v1/rehearsals", {"regions": ["frankfurt"], "parts": ["connectivity"], "stepSeconds": 300})
            assert ask(dies, "PUT", "/api/v1/faults/kept", {"type": "busy", "scope": {"number": "4711"}})[0] == 200
            call = Pair(dies, stays).call(dies, raw, "lost")
            status, problem = ask(stays, "GET", f"/api/v1/calls/{call}/audio.wav")
            assert (status, problem["code"], problem["replica"]) == (404, "audio-elsewhere", "dies")
            assert f"http://127.0.0.1:9/api/v1/calls/{call}/audio.wav" in problem["fix"]
            assert b"in the memory of the replica dies (http://127.0.0.1:9)" in octets(stays, f"/api/v1/calls/{call}/capture.pcapng")
            dies.conversation.process.send_signal(signal.SIGKILL)
            dies.conversation.process.wait(30)
        ended = stays.wait_for_call("lost@partner.example", "ended")
        assert (ended["id"], ended["replica"], ended["endedBy"], ended["endReason"]) == (call, "dies", "sbc", "lost")
        path = f"/api/v1/rehearsals/{begun['id']}"
        wait_until(lambda: stays.get(path)["owner"] == "stays", "the rehearsal has a new owner")
        assert stays.get(path)["state"] == "running"
        status, problem = ask(stays, "GET", f"/api/v1/calls/{call}/audio.wav")
        assert (status, problem["code"], problem["replica"]) == (404, "audio-gone", "dies")
        assert "there no more" in stays.text(f"/api/v1/calls/{call}/report.html")
        with replica("new") as new:
            wait_until(lambda: [fault["name"] for fault in new.get("/api/v1/faults")["faults"]] == ["kept"], "the new one is told")
            assert new.get(path)["owner"] == "stays"
            assert new.get(f"/api/v1/calls/{call}")["endReason"] == "lost"
