"""The Telephony Integration API on a real port, voice calls and keys in our own API, and what a restart keeps."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as ReactorClock

from sbc_sim.http.exchange import Asked
from sbc_sim.http.telephony_source import TelephonySource, restore
from sbc_sim.http.voice_calls_api import VoiceCallsApi
from sbc_sim.http.work import Pace, Work
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.sqlite import SqliteStore
from sbc_sim.telephony.asking import RestFault, RestRequest
from sbc_sim.telephony.ids import numbered
from sbc_sim.telephony.keys import KeyRing
from sbc_sim.telephony.model import Telephony
from sbc_sim.telephony.options import TelephonyOptions
from sbc_sim.telephony.record import VoiceCall
from tests.http.conftest import Lab
from tests.support.rest_client import NOW, ORG, Rest, claims, create_body, known_key, message_body, public_pem, signed

BASE = "/telephony/v1"
PEM = {"Content-Type": "application/x-pem-file"}
MakeLab = Callable[..., Lab]


class Desk:
    """A lab with the API in it."""

    def __init__(self, make_lab: MakeLab, telephony: Telephony | None = None, **options: Any) -> None:
        self.told: list[VoiceCall] = []
        self.model = telephony or Telephony(ring=KeyRing([known_key()]))
        store: list[MemoryStore] = []
        self.source = TelephonySource(self.model, lambda: NOW, lambda entry: store[0].append(entry), self.told.append, ("acme", "p"))
        self.lab = make_lab(more={"telephony": self.source}, **options)
        store.append(self.lab.store)
        self.client: httpx.Client = self.lab.client
        self.headers = {"Authorization": f"Bearer {signed(claims())}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        return self.client.request(method, BASE + path, content=content, headers=self.headers | headers)


@pytest.fixture
def desk(make_lab: MakeLab) -> Desk:
    return Desk(make_lab)


def test_a_voice_call_is_created_by_http_and_written_down(desk: Desk) -> None:
    answer = desk.ask("POST", "/voiceCalls", create_body())
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    voice_call = answer.json()["voiceCallId"]
    told = [entry for entry in desk.lab.store.outside(10).entries if entry.kind is Kind.TELEPHONY]
    assert [entry.data["status"] for entry in told] == [201]
    assert told[0].data["durationMs"] >= 0
    assert [record.id for record in desk.told] == [voice_call]
    listed = desk.client.get("/api/v1/voice-calls").json()["voiceCalls"]
    assert [one["voiceCallId"] for one in listed] == [voice_call]


def test_a_voice_call_is_told_with_its_requests_and_findings_by_any_of_its_names(desk: Desk) -> None:
    voice_call = desk.ask("POST", "/voiceCalls", create_body()).json()["voiceCallId"]
    desk.ask("PATCH", f"/voiceCalls/{voice_call}/clearRouting")
    desk.ask("POST", "/voiceCalls", create_body("rep", initiationMethod="Transfer", parentVoiceCallId=voice_call))
    for name in (voice_call, voice_call[:15], "key-1"):
        told = desk.client.get(f"/api/v1/voice-calls/{name}").json()
        assert [one["operation"] for one in told["log"]] == ["create", "clearRouting"]
        assert [one["rule"] for one in told["findings"]] == ["SBC-E2E-012"]
        assert told["log"][1]["findings"][0]["title"]
        assert [child["vendorCallKey"] for child in desk.client.get("/api/v1/voice-calls").json()["voiceCalls"]] == ["rep", "key-1"]
        assert len(told["linkedCalls"]) == 1
    assert desk.client.get("/api/v1/voice-calls/unheard-of").status_code == 404


def test_voice_calls_come_in_pages_and_by_partner(desk: Desk) -> None:
    for number in range(5):
        desk.ask("POST", "/voiceCalls", create_body(f"key-{number}"))
    seen: list[str] = []
    cursor = ""
    while True:
        page = desk.client.get(f"/api/v1/voice-calls?limit=2{cursor}").json()
        seen += [one["vendorCallKey"] for one in page["voiceCalls"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["key-4", "key-3", "key-2", "key-1", "key-0"]
    assert len(desk.client.get("/api/v1/voice-calls?partner=acme").json()["voiceCalls"]) == 5
    assert desk.client.get("/api/v1/voice-calls?partner=other").json()["voiceCalls"] == []
    assert desk.client.get("/api/v1/voice-calls?limit=0").status_code == 400


def test_what_may_be_long_of_a_voice_call_is_told_by_itself_alone(desk: Desk) -> None:
    for number in range(30):
        desk.ask("POST", "/voiceCalls", create_body(f"key-{number}", callAttributes=json.dumps({"a": "x" * 30_000})))
    desk.ask("PATCH", "/voiceCalls/key-7", {"isActiveCall": True, "agent": "005x" * 200})
    page = desk.client.get("/api/v1/voice-calls")
    assert (len(page.json()["voiceCalls"]), page.json()["next"]) == (30, None)
    assert len(page.content) < 30 * 1000
    one = desk.client.get("/api/v1/voice-calls/key-7").json()
    assert (len(one["callAttributes"]["a"]), len(one["agent"])) == (30_000, 800)


def test_secrets_in_voice_calls_are_searched_for_beside_the_calls(desk: Desk) -> None:
    desk.ask("POST", "/voiceCalls", create_body())
    nobody_works = Work(ReactorClock(), Pace(), at_once=0)
    api = VoiceCallsApi(desk.source, desk.lab.store, nobody_works)
    for ask in (api.voice_calls, api.voice_call):
        told = ask(Asked("GET", "/", {"id": "key-1"}))
        assert isinstance(told, Deferred)
        assert not told.called


def test_a_page_of_long_voice_calls_is_shorter_and_none_is_lost(desk: Desk) -> None:
    for number in range(300):
        record = VoiceCall(numbered("0LQ", number), f"key-{number}", ORG, "c" * 1000, "acme", NOW, NOW, "1" * 1000, "2" * 1000)
        desk.model.table.put(record)
    first = desk.client.get("/api/v1/voice-calls?limit=300").json()
    second = desk.client.get(f"/api/v1/voice-calls?limit=300&cursor={first['next']}").json()
    assert 100 < len(first["voiceCalls"]) < 200
    assert [len(first["voiceCalls"]) + len(second["voiceCalls"]), second["next"]] == [300, None]


@pytest.mark.parametrize("path", ["", "/", "/nothing"])
def test_a_path_that_there_is_not_gets_the_answer_of_the_api(desk: Desk, path: str) -> None:
    answer = desk.ask("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert "/voiceCalls/{id}" in answer.json()["fix"]
    assert "..." not in answer.json()["fix"]


def test_a_request_longer_than_any_that_is_meant_is_a_413(desk: Desk) -> None:
    answer = desk.ask("POST", "/voiceCalls", {"a": "x" * 262_144})
    assert (answer.status_code, answer.json()["limit"]) == (413, 262_144)


@pytest.mark.parametrize("body", [b"null", b"{}", b""])
def test_bodies_that_say_nothing_are_taken(desk: Desk, body: bytes) -> None:
    desk.ask("POST", "/voiceCalls", create_body())
    answer = desk.client.patch(f"{BASE}/voiceCalls/key-1/clearRouting", content=body, headers=desk.headers)
    assert (answer.status_code, answer.json()) == (200, {"status": "Success"})


def test_errors_are_json_objects_with_rule_and_cure_whatever_is_wrong(desk: Desk) -> None:
    for method, path, body, headers, status in (
        ("POST", "/voiceCalls", {}, {}, 400),
        ("POST", "/voiceCalls", {}, {"Authorization": ""}, 401),
        ("GET", "/nothing", None, {}, 404),
        ("DELETE", "/voiceCalls", None, {}, 405),
        ("POST", "/voiceCalls", {}, {"Content-Type": "application/xml"}, 415),
    ):
        answer = desk.ask(method, path, body, **headers)
        assert answer.status_code == status
        told = answer.json()
        assert (told["errors"][0]["message"], told["rule"][:8]) == (told["message"], "SBC-E2E-")
        assert told["fix"]
    assert "WWW-Authenticate" in desk.ask("POST", "/voiceCalls", {}, Authorization="").headers


def test_a_token_of_ours_is_neither_needed_nor_enough(make_lab: MakeLab) -> None:
    desk = Desk(make_lab, token="s3cret")
    assert desk.ask("POST", "/voiceCalls", create_body()).status_code == 201
    assert desk.ask("POST", "/voiceCalls", create_body(), Authorization="Bearer s3cret").status_code == 401
    assert desk.client.get("/api/v1/voice-calls").status_code == 401
    assert desk.client.put("/api/v1/telephony/keys/acme", content=public_pem(), headers=PEM).status_code == 401


def test_any_name_leads_here_with_a_good_token_but_without_one_the_host_is_checked(make_lab: MakeLab) -> None:
    foreign = {"Host": "evil.example"}
    assert Desk(make_lab).ask("POST", "/voiceCalls", create_body(), **foreign).status_code == 201
    lax = Desk(make_lab, Telephony(TelephonyOptions(verify="off")))
    assert lax.ask("POST", "/voiceCalls", create_body(), **foreign).status_code == 403
    assert lax.ask("POST", "/voiceCalls", create_body()).status_code == 201
    assert lax.ask("POST", "/voiceCalls", create_body("k2"), Origin="https://evil.example").status_code == 403


def test_a_page_of_another_origin_is_refused_although_its_token_is_good(desk: Desk) -> None:
    assert desk.ask("POST", "/voiceCalls", create_body(), Origin="https://evil.example").json()["code"] == "foreign-origin"


def test_without_the_api_its_paths_say_that_it_is_switched_off(lab: Lab) -> None:
    for method, path in (("POST", f"{BASE}/voiceCalls"), ("GET", "/api/v1/voice-calls"), ("GET", "/api/v1/telephony/keys")):
        answer = lab.client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "no-telephony")


# --- keys --------------------------------------------------------------------------------------------------------------------------


def test_keys_are_given_as_pem_or_json_and_tokens_are_good_from_then_on(make_lab: MakeLab) -> None:
    desk = Desk(make_lab, Telephony())
    assert desk.ask("POST", "/voiceCalls", create_body()).json()["code"] == "NO_KEY"
    given = desk.client.put(f"/api/v1/telephony/keys/acme?orgId={ORG}", content=public_pem(), headers=PEM)
    assert given.status_code == 200
    assert (given.json()["orgId"], given.json()["keys"][0]["bits"]) == (ORG, 2048)
    assert desk.ask("POST", "/voiceCalls", create_body()).status_code == 201
    again = desk.client.put("/api/v1/telephony/keys/acme", json={"pem": public_pem().decode(), "callCenter": "Other", "partner": "p"})
    assert again.json() | {"keys": []} == {
        "name": "acme", "partner": "p", "orgId": None, "callCenter": "Other", "origin": "api", "keys": [],
    }  # fmt: skip
    assert desk.ask("POST", "/voiceCalls", create_body()).json()["code"] == "TOKEN_SUBJECT"
    listed = desk.client.get("/api/v1/telephony/keys").json()
    assert [one["name"] for one in listed["keys"]] == ["acme"]
    assert desk.client.delete("/api/v1/telephony/keys/acme").status_code == 204
    assert desk.client.delete("/api/v1/telephony/keys/acme").status_code == 404


@pytest.mark.parametrize(
    ("member", "value", "code", "says"),
    [
        ("orgId", "005000000000001", "bad-org", "00D"),
        ("orgId", "00D5g00000", "bad-org", "15 or 18 characters"),
        ("partner", "acm", "bad-partner", "Did you mean acme?"),
    ],
)
def test_a_key_for_an_org_or_a_partner_that_cannot_be_is_refused(desk: Desk, member: str, value: str, code: str, says: str) -> None:
    desk.lab.client.put("/api/v1/telephony/keys/k", json={"pem": public_pem().decode(), "orgId": ORG, "partner": "acme"}).raise_for_status()
    answer = desk.client.put("/api/v1/telephony/keys/k", json={"pem": public_pem().decode(), member: value})
    assert (answer.status_code, answer.json()["code"], answer.json()["member"]) == (400, code, member)
    assert says in answer.json()["fix"]


@pytest.mark.parametrize(
    ("name", "send", "says"),
    [
        ("acme", {"content": b"nothing", "headers": PEM}, "o PEM block"),
        ("acme", {"json": {"pem": "x"}}, "o PEM block"),
        ("acme", {"json": {}}, "pem"),
        ("a%20b", {"content": b"x", "headers": PEM}, "cannot be a name"),
    ],
)
def test_what_is_no_key_is_refused_with_a_problem(desk: Desk, name: str, send: dict[str, Any], says: str) -> None:
    answer = desk.client.put(f"/api/v1/telephony/keys/{name}", **send)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


# --- faults ------------------------------------------------------------------------------------------------------------------------


def fault(desk: Desk, kind: str, value: float | None = None) -> None:
    desk.model.fault = lambda path, partner, now: RestFault("f", kind, value)


def test_json_with_a_number_without_end_is_refused_without_words_of_python(desk: Desk) -> None:
    headers = {"Content-Type": "application/json"}
    answer = desk.client.put("/api/v1/telephony/keys/acme", content=b'{"pem": ' + b"9" * 5000 + b"}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-json")
    assert "sys." not in answer.text


def test_a_key_is_at_most_64_kib_long(desk: Desk) -> None:
    answer = desk.client.put("/api/v1/telephony/keys/acme", content=b"-----BEGIN A-----\n" * 4000, headers=PEM)
    assert (answer.status_code, answer.json()["limit"]) == (413, 65536)


def test_a_dropped_connection_gets_no_answer_and_the_next_request_does(desk: Desk) -> None:
    fault(desk, "telephony-drop")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        desk.ask("POST", "/voiceCalls", create_body())
    desk.model.fault = lambda path, partner, now: None
    assert desk.ask("PATCH", "/voiceCalls/key-1", {}).status_code == 200


def test_garbage_is_json_that_is_cut_off(make_lab: MakeLab) -> None:
    desk = Desk(make_lab, contract=False)
    fault(desk, "telephony-garbage")
    answer = desk.ask("POST", "/voiceCalls", create_body())
    assert answer.status_code == 201
    with pytest.raises(ValueError):
        answer.json()


def test_a_slow_answer_comes_late_and_holds_nobody_else_up(desk: Desk) -> None:
    met = threading.Event()

    def once(path: str, partner: str, now: float) -> RestFault | None:
        if met.is_set():
            return None
        met.set()
        return RestFault("f", "telephony-slow", 3600.0)

    desk.model.fault = once
    with socket.create_connection(("127.0.0.1", desk.lab.port)) as waiting:
        body, fields = json.dumps(create_body()), "".join(f"{name}: {value}\r\n" for name, value in desk.headers.items())
        head = f"POST {BASE}/voiceCalls HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
        waiting.sendall((head + body).encode())
        assert met.wait(60), "the request met the fault"
        assert desk.ask("PATCH", "/voiceCalls/key-1", {}).status_code == 200
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)
    fault(desk, "telephony-slow", 0.01)
    assert desk.ask("PATCH", "/voiceCalls/key-1", {}).status_code == 200


# --- events and restarts -----------------------------------------------------------------------------------------------------------


def test_who_follows_the_events_hears_of_voice_calls(desk: Desk) -> None:
    with desk.client.stream("GET", "/api/v1/events") as events:
        lines = events.iter_lines()
        next(lines)
        desk.ask("POST", "/voiceCalls", create_body())
        named = next(line for line in lines if line.startswith("event: voice"))
        data = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
    assert named == "event: voice.call"
    listed = desk.client.get("/api/v1/voice-calls").json()["voiceCalls"][0]
    assert data == {"at": data["at"], **listed}
    assert (listed["createdAt"][-1], listed["call"], listed["parentVoiceCallId"]) == ("Z", None, None)


def test_voice_calls_and_requests_survive_a_restart_in_a_file(tmp_path: Path) -> None:
    rest = Rest()
    store = SqliteStore(tmp_path / "calls.sqlite", NOW)
    source = TelephonySource(rest.telephony, lambda: NOW, store.append)

    def ask(method: str, path: str, body: Any) -> None:
        headers = f"Bearer {rest.token}"
        source.answer(RestRequest(method, path, {}, headers, "application/json", json.dumps(body).encode()))

    ask("POST", "/voiceCalls", create_body(callAttributes='{"a":1}'))
    ask("POST", "/voiceCalls/key-1/messages", message_body())
    ask("PATCH", "/voiceCalls/key-1", {"endTime": "2026-11-18T12:05:00Z"})
    before = rest.telephony.find("key-1")
    store.close()
    again = SqliteStore(tmp_path / "calls.sqlite", NOW + 60)
    fresh = Telephony()
    assert restore(fresh, again) == 1
    assert fresh.find("key-1") == before
    assert before is not None
    assert [told["operation"] for told in fresh.requests_of(before)] == ["create", "messages", "update"]
    again.close()


def test_a_restart_keeps_every_voice_call_and_who_belongs_to_whom(tmp_path: Path) -> None:
    first = Telephony(TelephonyOptions(verify="off"))
    store = SqliteStore(tmp_path / "calls.sqlite", NOW)
    source = TelephonySource(first, lambda: NOW + len(first.table), store.append)

    def ask(method: str, path: str, body: Any) -> dict[str, Any]:
        return dict(source.answer(RestRequest(method, path, content_type="application/json", body=json.dumps(body).encode())).body)

    attributes = json.dumps({"a": "x" * 30_000})
    ids = [ask("POST", "/voiceCalls", create_body(f"key-{number}", callAttributes=attributes))["voiceCallId"] for number in range(300)]
    rep = ask("POST", "/voiceCalls", create_body("rep", initiationMethod="Transfer", parentVoiceCallId=ids[0]))["voiceCallId"]
    ask("PATCH", f"/voiceCalls/{ids[0]}", {"isActiveCall": True})
    store.close()
    again = SqliteStore(tmp_path / "calls.sqlite", NOW + 1000)
    fresh = Telephony()
    assert restore(fresh, again) == 301
    assert list(fresh.table) == list(first.table)
    assert [child.id for child in fresh.linked_to(ids[0])] == [rep]
    again.close()


def test_requests_about_a_linked_voice_call_stand_in_the_trace_of_its_sip_call(desk: Desk) -> None:
    voice_call = desk.ask("POST", "/voiceCalls", create_body()).json()["voiceCallId"]
    desk.lab.tell(Entry(NOW, Kind.CALL_STARTED, "c1", {"sipCallId": "x"}))
    record = desk.model.find(voice_call)
    assert record is not None
    desk.model.link(record, "c1", NOW)
    desk.ask("PATCH", f"/voiceCalls/{voice_call}", {"isActiveCall": True})
    trace = desk.lab.store.trace("c1")
    assert trace is not None
    assert [entry.data["operation"] for entry in trace.entries if entry.kind is Kind.TELEPHONY] == ["update"]
    desk.model.requests.clear()
    assert [one["operation"] for one in desk.client.get("/api/v1/voice-calls/key-1").json()["log"]] == ["update"]


def test_requests_and_their_findings_are_counted(desk: Desk) -> None:
    desk.ask("POST", "/voiceCalls", create_body())
    desk.ask("PATCH", "/voiceCalls/key-1/clearRouting")
    desk.ask("GET", "/nothing")
    metrics = desk.client.get("/metrics").text
    assert 'sbc_sim_telephony_requests_total{code="201",operation="create"} 1.0' in metrics
    assert 'sbc_sim_telephony_requests_total{code="404",operation="other"} 1.0' in metrics
    assert 'sbc_sim_rule_results_total{rule="SBC-E2E-012",status="warn"} 1.0' in metrics
