"""Traces sent to the API: judged and compared by the real rooms, refused precisely, bounded, and nothing of them kept."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sbc_sim.http import judge_api
from sbc_sim.http.site import MOST_TRACES_WAITING, TRACES_AT_ONCE
from sbc_sim.http.work import AT_ONCE
from sbc_sim.journal.entries import Kind
from sbc_sim.traces.recording import TraceError
from tests.http.conftest import Lab
from tests.http.stored import a_call, keep_a_call
from tests.support.sip import KEY, an_invite

MakeLab = Callable[..., Lab]
ANNOUNCED = (
    b"POST /api/v1/judge HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n"
)
PCAP_HEAD = bytes.fromhex("d4c3b2a1020004000000000000000000000004000100000000"[:48])


def text_of_a_call() -> bytes:
    """Both sides' messages, one after the other, as a log would show them."""
    _, entries = a_call()
    return b"\n".join(entry.raw for entry in entries if entry.kind is Kind.MESSAGE)


def judge(lab: Lab, content: bytes, media_type: str = "text/plain") -> httpx.Response:
    return lab.client.post("/api/v1/judge", content=content, headers={"Content-Type": media_type})  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["text/plain", "text/plain; charset=utf-8", "json"])
def test_a_call_in_text_gets_the_verdict_with_findings_and_a_ladder(lab: Lab, how: str) -> None:
    text = text_of_a_call()
    response = lab.client.post("/api/v1/judge", json={"text": text.decode()}) if how == "json" else judge(lab, text, how)
    assert response.status_code == 200, response.text
    (call,) = response.json()["calls"]
    assert call["verdict"]["status"] in ("pass", "warn", "fail")
    assert sum(call["verdict"]["counts"].values()) == len(call["findings"])
    assert "INVITE" in call["ladder"]
    assert KEY not in response.text
    assert lab.client.get("/api/v1/calls").json()["calls"] == []


def test_a_broken_rule_in_a_trace_is_found(lab: Lab) -> None:
    response = judge(lab, an_invite(user_to_user="7b2z;encoding=hex"))
    (call,) = response.json()["calls"]
    assert "SBC-UUI-003" in [finding["rule"] for finding in call["findings"] if finding["status"] == "fail"]


def test_a_capture_of_our_own_gets_the_verdict_again(lab: Lab) -> None:
    call = keep_a_call(lab)
    capture = lab.client.get(f"/api/v1/calls/{call}/capture.pcapng").content
    for response in (
        judge(lab, capture, "application/vnd.tcpdump.pcap"),
        judge(lab, capture, "application/octet-stream"),
        lab.client.post("/api/v1/judge", json={"capture": base64.b64encode(capture).decode(), "keyLog": "CLIENT_RANDOM 00 00"}),
    ):
        assert response.status_code == 200, response.text
        assert [one["sipCallId"] for one in response.json()["calls"]] == [lab.client.get(f"/api/v1/calls/{call}").json()["sipCallId"]]


@pytest.mark.parametrize(
    "octets",
    [
        PCAP_HEAD + b"\xff" * 100, b"PK\x03\x04" + bytes(50), b"\x1f\x8b" + bytes(50), b"hello", b"\x00" * 1000, b"\n\r\r\n" * 50,
        os.urandom(500),
    ],
    ids=["truncated pcap", "zip", "gzip", "text without SIP", "zeros", "almost pcapng", "noise"],
)  # fmt: skip
@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream"])
def test_what_is_no_trace_is_told_so_and_never_an_error_of_ours(lab: Lab, octets: bytes, media_type: str) -> None:
    response = judge(lab, octets, media_type)
    if response.status_code == 200:
        assert response.json()["calls"] == []
        assert response.json()["notes"]
    else:
        assert (response.status_code, response.json()["code"]) == (422, "unreadable-trace")
        assert response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad-member"), ({"text": "a", "capture": "AA=="}, "bad-member"), ({"capture": "%%%"}, "bad-base64"),
        ({"capture": ""}, "no-trace"),
        ({"capture": "é"}, "bad-base64"), ({"text": ""}, "no-trace"), ({"tetx": "a"}, "unknown-member"), ({"text": 5}, "bad-member"),
    ],
)  # fmt: skip
def test_a_body_that_holds_no_trace_is_refused(lab: Lab, body: dict[str, Any], code: str) -> None:
    response = lab.client.post("/api/v1/judge", json=body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_an_empty_body_is_refused(lab: Lab) -> None:
    assert (judge(lab, b"").status_code, judge(lab, b"").json()["code"]) == (400, "no-trace")
    assert lab.client.post("/api/v1/judge").status_code == 400


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png"])
def test_a_type_that_is_not_read_is_a_415_that_names_those_that_are(lab: Lab, kind: str) -> None:
    response = judge(lab, b"INVITE", kind)
    assert (response.status_code, response.json()["code"]) == (415, "unknown-media-type")
    assert "application/vnd.tcpdump.pcap" in response.json()["fix"]


def test_a_trace_over_the_limit_is_a_413_before_it_is_sent(make_lab: MakeLab) -> None:
    lab = make_lab(upload_limit=3_000_000)
    answer = lab.raw(ANNOUNCED % (99_999_999, b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    response = judge(lab, b"a" * 3_000_001)
    assert (response.status_code, response.json()["limit"]) == (413, 3_000_000)
    assert judge(lab, b" " * 2_999_990 + b"INVITE x").status_code in (200, 422)


@pytest.mark.parametrize(("kind", "most"), [("text/plain", 3_000_000), ("application/json", 5_048_576)])
def test_a_trace_without_end_is_refused_as_soon_as_it_is_over_the_limit_of_its_kind(make_lab: MakeLab, kind: str, most: int) -> None:
    lab = make_lab(upload_limit=3_000_000)
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    head = b"POST /api/v1/judge HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % kind.encode()
    answer = lab.raw(head + chunk * (most // 65536 + 1))  # the last chunk never comes
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"http.upload_bytes" in answer


def test_a_long_body_is_only_taken_from_who_is_admitted(make_lab: MakeLab) -> None:
    lab = make_lab(token="t0ken")
    assert lab.raw(ANNOUNCED % (20_000_000, b"")).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection(("127.0.0.1", lab.port), 10) as line:
        line.sendall(ANNOUNCED % (20_000_000, b"Authorization: Bearer t0ken\r\n"))
        assert line.recv(100).startswith(b"HTTP/1.1 100 ")


def test_only_a_few_long_bodies_come_in_at_once(lab: Lab) -> None:
    head = ANNOUNCED % (20_000_000, b"")
    lines = [socket.create_connection(("127.0.0.1", lab.port), 10) for _ in range(5)]
    for line in lines[:4]:
        line.sendall(head)
        assert line.recv(100).startswith(b"HTTP/1.1 100 ")
    lines[4].sendall(head)
    assert lines[4].recv(2000).startswith(b"HTTP/1.1 503 ")
    assert lab.client.post("/api/v1/uui/encode", json={"echo": True}).status_code == 200
    for line in lines:
        line.close()
    end = time.monotonic() + 10
    while lab.on_reactor(lambda: lab.factory.uploads):
        assert time.monotonic() < end


def test_a_long_body_has_a_place_only_while_it_comes_in(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from sbc_sim.traces import reading

    begun, free = threading.Event(), threading.Event()
    real = reading.read_trace
    monkeypatch.setattr(reading, "read_trace", lambda *given, **more: (begun.set(), free.wait(50), real(*given, **more))[2])
    asking = threading.Thread(target=lambda: judge(lab, b" " * 1_500_000 + text_of_a_call()))
    asking.start()
    assert begun.wait(50)
    held = lab.on_reactor(lambda: lab.factory.uploads)
    free.set()
    asking.join(50)
    assert held == 0


def test_traces_that_take_long_hold_up_no_report_and_more_of_them_are_told_to_come_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from sbc_sim.traces import reading

    call, text = keep_a_call(lab), text_of_a_call()
    free, real = threading.Event(), reading.read_trace
    monkeypatch.setattr(reading, "read_trace", lambda *given, **more: (free.wait(50), real(*given, **more))[1])
    places, statuses = TRACES_AT_ONCE + MOST_TRACES_WAITING, list[int]()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            url = f"http://127.0.0.1:{lab.port}/api/v1/judge"
            statuses.append(client.post(url, content=text, headers={"Content-Type": "text/plain"}).status_code)

    asking = [threading.Thread(target=ask) for _ in range(places + 2)]
    for thread in asking:
        thread.start()
    while statuses.count(503) < 2:
        assert any(thread.is_alive() for thread in asking)
    for path in (f"/api/v1/calls/{call}/report.xml", f"/api/v1/calls/{call}/ladder.svg", "/api/v1/openapi.json"):
        assert lab.client.get(path).status_code == 200
    free.set()
    for thread in asking:
        thread.join(50)
    assert sorted(statuses) == [200] * places + [503] * 2


def test_a_trace_that_takes_too_long_is_refused_with_what_to_do(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_api, "LONGEST", 0.0)
    call = keep_a_call(lab)
    for response in (
        judge(lab, text_of_a_call()),
        lab.client.post("/api/v1/compare", json={"theirs": {"text": text_of_a_call().decode()}, "call": call}),
    ):
        assert (response.status_code, response.json()["code"]) == (422, "trace-takes-too-long")
        assert "sbc-sim judge" in response.json()["fix"]


def test_the_work_on_a_trace_ends_when_its_client_has_gone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from sbc_sim.traces import reading

    body, begun, ended = text_of_a_call(), threading.Event(), threading.Event()

    def endless(*given: Any, spent: Callable[[], bool], **more: Any) -> None:
        begun.set()
        while not spent():
            ended.wait(0.01)
        ended.set()
        raise TraceError("nobody waits for this")

    monkeypatch.setattr(judge_api, "LONGEST", 1e6)
    monkeypatch.setattr(reading, "read_trace", endless)
    with socket.create_connection(("127.0.0.1", lab.port), 10) as line:
        head = b"POST /api/v1/judge HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        line.sendall(head % len(body) + body)
        assert begun.wait(50)
        assert not ended.is_set()
    assert ended.wait(50)


def test_no_body_with_a_trace_is_parsed_on_the_thread_of_the_reactor(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = judge_api.read_body
    monkeypatch.setattr(judge_api, "read_body", lambda *given: (seen.append(threading.current_thread().name), real(*given))[1])
    call, text = keep_a_call(lab), text_of_a_call().decode()
    assert lab.client.post("/api/v1/judge", json={"text": text}).status_code == 200
    assert lab.client.post("/api/v1/compare", json={"theirs": {"text": text}, "call": call}).status_code == 200
    assert len(seen) == 2
    assert lab.on_reactor(lambda: threading.current_thread().name) not in seen


def test_a_trace_is_held_against_a_call_of_ours(lab: Lab) -> None:
    call, entries = a_call()
    lab.tell(*entries)
    theirs = b"\n".join(entry.raw for entry in entries if entry.kind is Kind.MESSAGE).replace(b"Max-Forwards: 70", b"Max-Forwards: 69")
    response = lab.client.post("/api/v1/compare", json={"theirs": {"text": theirs.decode()}, "call": call})
    assert response.status_code == 200, response.text
    (compared,) = response.json()["calls"]
    changed = {change["header"] for message in compared["messages"] for change in message["changes"]}
    assert "Max-Forwards" in changed
    assert KEY not in response.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"theirs": {"text": "x"}, "call": "nobody"}, 404, "no-such-call"), ({"theirs": {"text": "x"}}, 400, "bad-member"),
        ({"call": "c1"}, 400, "bad-member"), ({"theirs": {"txet": "x"}, "call": "c1"}, 400, "unknown-member"),
        ({"theirs": {"text": "x"}, "call": "c1", "more": 1}, 400, "unknown-member"), ({"theirs": "x", "call": "c1"}, 400, "bad-member"),
    ],
)  # fmt: skip
def test_a_comparison_that_cannot_be_made_is_refused(lab: Lab, body: dict[str, Any], status: int, code: str) -> None:
    response = lab.client.post("/api/v1/compare", json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_client_that_goes_away_leaves_no_fault_behind(lab: Lab) -> None:
    body = text_of_a_call()
    assert judge(lab, body).status_code == 200
    before = threading.active_count()
    head = b"POST /api/v1/judge HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", lab.port), 10) as line:
            line.sendall(head + body)
    assert judge(lab, body).status_code == 200
    assert threading.active_count() <= before + AT_ONCE
