"""Server-sent events over real sockets: what is told, resuming, folding, and listeners that do not read."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable

import pytest
from twisted.internet.threads import blockingCallFromThread

from sbc_sim.http import events as module
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from tests.http.conftest import START, Lab, answered, ended, message, reactor, started
from tests.support.event_stream import following

MakeLab = Callable[..., Lab]
TURN_TO_SPEAK = Entry(START, Kind.UUI, "c1", {"raw": "00", "decoded": "", "fields": None, "lengths": {}, "findings": []})


def listeners(lab: Lab) -> int:
    return lab.on_reactor(lambda: len(lab.factory.front.events))  # type: ignore[no-any-return]


def until_listening(lab: Lab, number: int) -> None:
    end = time.monotonic() + 20
    while listeners(lab) != number:
        assert time.monotonic() < end
        time.sleep(0.01)


def names(events: list[tuple[str, object]]) -> list[str]:
    return [name for name, _ in events]


def test_a_call_is_told_from_its_beginning_to_its_end(lab: Lab) -> None:
    with following(lab.port) as stream:
        assert stream.status == 200
        assert "content-type: text/event-stream" in stream.head.lower()
        assert "cache-control: no-store" in stream.head.lower()
        assert "content-length" not in stream.head.lower()
        stream.opened()
        lab.tell(started("c1"), message("c1", "INVITE", b"INVITE x"), message("c1", "200 OK (INVITE)", b"SIP/2.0 200", direction="out"))
        first = stream.until("message")
        lab.tell(*ended("c1", status="warn"))
        told = first + stream.until("call.ended")
    assert names(told) == ["call.started", "message", "message", "verdict", "call.ended"]
    assert told[0][1] == lab.client.get("/api/v1/calls/c1").json() | {
        "state": told[0][1]["state"], "endedAt": told[0][1]["endedAt"], "endedBy": told[0][1]["endedBy"],
        "endReason": told[0][1]["endReason"], "verdict": told[0][1]["verdict"],
    }  # fmt: skip
    assert told[1][1] == {"call": "c1", "number": 0, "at": "2023-11-14T22:13:20.000Z", "direction": "in", "summary": "INVITE"}
    assert (told[2][1]["number"], told[2][1]["direction"], told[2][1]["summary"]) == (1, "out", "200 OK (INVITE)")
    assert told[3][1] == {"call": "c1", "status": "warn", "counts": {"warn": 1}}
    assert told[4][1] == lab.client.get("/api/v1/calls/c1").json()


def test_an_attempt_is_told_as_attempts_lists_it(lab: Lab) -> None:
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(Entry(START, Kind.ATTEMPT, None, {"id": "a1", "problem": "plain-sip", "detail": "x", "firstBytes": "4f50"}))
        (told,) = stream.until("attempt")
    assert told[1] == lab.client.get("/api/v1/attempts").json()["attempts"][0]


def test_faults_and_voice_calls_are_told_and_what_goes_with_a_call_updates_it(lab: Lab) -> None:
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(
            Entry(START, Kind.FAULT_CHANGED, None, {"name": "slow", "change": "set", "fault": {"name": "slow", "type": "slow-answer"}})
        )
        (fault,) = stream.until("fault.changed")
        assert (fault[1]["name"], fault[1]["change"], fault[1]["at"]) == ("slow", "set", "2023-11-14T22:13:20.000Z")
        lab.tell(Entry(START, Kind.VOICE_CALL, None, {"voiceCallId": "0LQ1", "state": "created"}))
        (record,) = stream.until("voice.call")
        assert record[1]["voiceCallId"] == "0LQ1"
        lab.tell(started("c1"))
        stream.until("call.started")
        lab.tell(Entry(START, Kind.ESCALATION, "c1", {"mode": "bye", "state": "began"}))
        updated = stream.until("call.updated", "c1")[-1]
        assert updated[1]["escalation"]["mode"] == "bye"


def test_secrets_are_masked_in_events_too(lab: Lab) -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIwMEQifQ.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LXNob3VsZC1yZWFk"
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(started("c1", requestUri=f"sip:a@b?x={token}"), message("c1", f"INVITE {token}", b"x"), *ended("c1"))
        text = str(stream.until("call.ended"))
    assert "masked" in text
    assert token.rpartition(".")[2] not in text


def test_updates_of_one_call_are_folded(lab: Lab) -> None:
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(started("c1"))
        stream.until("call.started")
        for _ in range(200):
            lab.tell(TURN_TO_SPEAK)
        lab.tell(*ended("c1"))
        told = stream.until("call.ended")
    assert names(told).count("call.updated") < 100
    lab.tell(started("c2"), answered("c2"))
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(Entry(START, Kind.DTMF, "c2", {"digit": "5", "durationMs": 80}), Entry(START, Kind.DTMF, "c2", {"digit": "6"}))
        lab.tell(Entry(START, Kind.ATTEMPT, None, {"id": "a1"}))
        assert names(stream.until("call.updated", "c2")).count("call.updated") == 1


def test_who_comes_back_gets_what_was_missed_and_nothing_twice(lab: Lab) -> None:
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(started("c1"))
        stream.until("call.started")
        last = stream.last
    until_listening(lab, 0)
    lab.tell(answered("c1"), TURN_TO_SPEAK, message("c1", "BYE", b"BYE x"), *ended("c1"), started("c2"))
    for how in ({"last": last}, {"query": f"?lastEventId={last}"}):
        with following(lab.port, **how) as stream:
            told = stream.until("call.started")
            assert names(told) == ["message", "verdict", "call.ended", "call.started"]
            assert told[2][1]["state"] == "ended"
            lab.tell(message("c2", "INVITE", b"INVITE x"))
            assert names(stream.until("message")) == ["message"]
        until_listening(lab, 0)


def test_the_header_counts_when_a_browser_repeats_its_old_query(lab: Lab) -> None:
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(started("c1"), started("c2"))
        stream.until("call.started")
        first = stream.last
        stream.until("call.started")
        second = stream.last
    with following(lab.port, query=f"?lastEventId={first}", last=second) as stream:
        lab.tell(*ended("c2"))
        assert names(stream.until("call.ended")) == ["verdict", "call.ended"]


def test_a_listener_that_saw_nothing_yet_has_an_id_to_come_back_with(lab: Lab) -> None:
    with following(lab.port) as stream:
        block = next(stream.blocks())
    assert block[0] == "retry: 1000"
    last = block[1].removeprefix("id: ")
    until_listening(lab, 0)
    lab.tell(started("c1"))
    with following(lab.port, last=last) as stream:
        assert names(stream.until("call.started")) == ["call.started"]


@pytest.mark.parametrize("last", ["elsewhere-5", "x", "-", "5", "%s-99999", "%s-x", "%s--1", "%s-%%D9%%A3"])
def test_an_id_that_cannot_be_resumed_from_says_so(lab: Lab, last: str) -> None:
    with following(lab.port) as stream:
        boot = next(stream.blocks())[1].removeprefix("id: ").partition("-")[0]
    given = last % boot if "%s" in last else last
    with following(lab.port, query=f"?lastEventId={given}") as stream:
        lab.tell(started("c1"))
        assert names(stream.until("call.started")) == ["resync", "call.started"]


def test_no_line_break_gets_out_of_an_id(lab: Lab) -> None:
    with following(lab.port, query="?lastEventId=x%0Aevent:%20evil%0Adata:%20%7B%7D%0A%0A") as stream:
        lab.tell(started("c1"))
        assert names(stream.until("call.started")) == ["resync", "call.started"]


def test_an_id_that_the_ring_has_left_behind_says_so(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT_OCTETS", 3000)
    lab = make_lab()
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(*(started(f"c{number}") for number in range(20)))
        seen = []
        for _ in range(20):
            stream.until("call.started")
            seen.append(stream.last)
    with following(lab.port, last=seen[0]) as stream:
        assert next(stream.events())[0] == "resync"
    with following(lab.port, last=seen[-2]) as stream:
        assert next(stream.events())[1]["id"] == "c19"


def test_where_others_write_too_who_comes_back_reads_anew_what_nobody_followed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "shared", True)  # what follows from it does not depend on who else is there
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(started("c1"))
        stream.until("call.started")
        before = stream.last
    until_listening(lab, 0)
    with following(lab.port, last=before) as stays:
        assert next(stays.events())[0] == "resync"
        lab.tell(started("c2"))
        stays.until("call.started")
        with following(lab.port, last=before) as late:
            assert next(late.events())[0] == "resync"
        lab.tell(started("c3"))
        with following(lab.port, last=stays.last) as back:
            assert names(back.until("call.started")) == ["call.started"]


def test_reset_is_told(lab: Lab) -> None:
    lab.tell(started("c1"), *ended("c1"), started("c2"))
    with following(lab.port) as stream:
        stream.opened()
        assert lab.client.post("/api/v1/reset").json() == {"forgotten": 1}
        assert names(stream.until("reset")) == ["reset"]
    assert [call["id"] for call in lab.client.get("/api/v1/calls").json()["calls"]] == ["c2"]


def test_listeners_over_the_limit_get_a_503_and_a_place_once_one_is_free(make_lab: MakeLab) -> None:
    lab = make_lab(listeners=2)
    with following(lab.port) as one:
        one.opened()
        with following(lab.port) as two:
            two.opened()
            response = lab.client.get("/api/v1/events")
            assert (response.status_code, response.json()["code"]) == (503, "too-many-listeners")
            assert int(response.headers["retry-after"]) > 0
        until_listening(lab, 1)
        with following(lab.port) as three:
            three.opened()


def test_a_listener_that_does_not_read_is_cut_off_and_nobody_else_notices(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNREAD", 20_000)
    lab = make_lab()
    with socket.socket() as deaf, following(lab.port) as stream:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", lab.port))
        deaf.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream.opened()
        until_listening(lab, 2)
        for number in range(2000):
            if listeners(lab) == 1:
                break
            call = f"c{number}"
            lab.tell(started(call, userAgent="x" * 60_000))
            assert stream.until("call.started")[-1][1]["id"] == call
        assert listeners(lab) == 1
        lab.tell(started("last"))
        assert stream.until("call.started")[-1][1]["id"] == "last"


def test_nobody_listening_costs_no_looks_at_calls(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = lab.store.call
    monkeypatch.setattr(lab.store, "call", lambda call: (asked.append(call), real(call))[1])
    lab.tell(started("c1"), answered("c1"), TURN_TO_SPEAK, *ended("c1"))
    blockingCallFromThread(reactor, lambda: None)
    assert asked == []


def test_a_burst_of_calls_is_written_turn_by_turn_and_lacks_nobody(lab: Lab) -> None:
    calls = {f"c{number}" for number in range(3 * module.MOST_CALLS)}
    with following(lab.port) as stream:
        stream.opened()
        lab.tell(*(started(call) for call in sorted(calls)))
        seen = set()
        while seen != calls:
            seen.add(stream.until("call.started")[-1][1]["id"])


def test_comments_keep_the_connection_alive_and_the_idle_time_does_not_end_it(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_ALIVE", 0.05)
    lab = make_lab(idle_time=0.1, request_time=0.1)
    with following(lab.port) as stream:
        blocks = stream.blocks()
        assert [next(blocks) for _ in range(10)][-1] == [": here"]
        lab.tell(started("c1"))
        assert stream.until("call.started")


def test_trouble_of_the_store_is_told(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    from sbc_sim.journal.store import StoreHealth

    lab = make_lab()
    with following(lab.port) as stream:
        stream.opened()
        monkeypatch.setattr(lab.store, "health", lambda: StoreHealth("sqlite", False, "The disk is full: make room.", 3, 1))
        lab.tell(started("c1"))
        (*_, (_, told)) = stream.until("store")
    health = {"kind": "sqlite", "durable": False, "trouble": "The disk is full: make room.", "waiting": 3, "lost": 1}
    assert told == {**health, "unreadable": ""}


def test_trouble_that_only_counts_on_is_told_once(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    from sbc_sim.journal.store import StoreHealth

    lab, looks = make_lab(), itertools.count(1)
    with following(lab.port) as stream:
        stream.opened()
        slow = "The disk is slow: {0} entries wait and {0}.{0} MB of 64 are taken."
        monkeypatch.setattr(lab.store, "health", lambda: StoreHealth("sqlite", True, slow.format(next(looks)), 3, 1))
        told = []
        for call in ("c1", "c2", "c3", "c4"):
            lab.tell(started(call))
            told += stream.until("call.started", call)
    assert names(told).count("store") == 1


def test_the_end_does_not_look_at_the_store_again(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab()
    with following(lab.port) as stream:
        stream.opened()
        looks: list[int] = []
        real = lab.store.health
        monkeypatch.setattr(lab.store, "health", lambda: (looks.append(1), real())[1])
        lab.on_reactor(lambda: [lab.store.append(started("c1")), lab.factory.stopFactory()])
        assert names(list(stream.events())) == ["call.started"]
    assert looks == []


def test_head_tells_of_the_stream_and_ends(lab: Lab) -> None:
    response = lab.client.head("/api/v1/events")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/event-stream"
    assert listeners(lab) == 0


def test_http_1_0_gets_the_events_without_chunks(lab: Lab) -> None:
    with following(lab.port, version="1.0") as stream:
        assert "chunked" not in stream.head
        stream.opened()
        lab.tell(started("c1"))
        assert names(stream.until("call.started")) == ["call.started"]


def test_the_end_of_listening_ends_the_streams_in_good_order(lab: Lab) -> None:
    with following(lab.port) as stream:
        stream.opened()
        lab.on_reactor(lambda: [lab.store.append(started("c1")), lab.factory.stopFactory()])
        assert names(list(stream.events())) == ["call.started"]  # what happened in the last moment is told
        assert listeners(lab) == 0
        assert stream.whole


def test_events_need_the_token_and_a_browser_shows_it_by_cookie(make_lab: MakeLab) -> None:
    lab = make_lab(token="t0ken")
    assert lab.client.get("/api/v1/events").status_code == 401
    signed = lab.client.post("/api/v1/session", json={"token": "t0ken"})
    cookie = signed.headers["set-cookie"].partition(";")[0]
    with following(lab.port, headers=f"Cookie: {cookie}\r\n") as stream:
        stream.opened()
        lab.tell(started("c1"))
        assert stream.until("call.started")


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "text/*"])
def test_whoever_takes_an_event_stream_gets_one(lab: Lab, accept: str) -> None:
    with following(lab.port, headers=f"Accept: {accept}\r\n") as stream:
        assert stream.status == 200


def test_whoever_wants_json_only_gets_a_406(lab: Lab) -> None:
    assert lab.client.get("/api/v1/events", headers={"Accept": "application/json"}).status_code == 406
