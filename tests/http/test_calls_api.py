from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.threads import blockingCallFromThread

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.sqlite import SqliteStore
from tests.http.conftest import START, Lab, answered, ended, message, reactor, started
from tests.support.flow import TOKEN, first_leg
from tests.support.sip import Exchange

KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIwMEQifQ.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LXNob3VsZC1yZWFk"
PAYLOAD = json.dumps({"orgId": "00D", "jwt": JWT})
HEX = PAYLOAD.encode().hex()
UUI = {
    "header": "User-to-User", "raw": f"{HEX};encoding=hex", "decoded": PAYLOAD, "fields": json.loads(PAYLOAD),
    "named": {"orgId": "orgId", "jwt": "jwt"},
    "parameters": [["encoding", "hex"]],
    "jwt": {"header": {"alg": "RS256"}, "claims": {"iss": "00D"}, "masked": "eyJhbGciOi...", "key": "jwt"},
    "lengths": {"value": len(HEX), "line": len(HEX) + 27, "decoded": len(PAYLOAD)}, "isEcho": False, "leadingOctet": None, "problems": [],
    "findings": ["SBC-UUI-001"],
}  # fmt: skip
INVITE = f"INVITE sip:a@b SIP/2.0\r\nUser-to-User: {HEX};encoding=hex\r\n\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n".encode()
FINDING = {"rule": "SBC-UUI-001", "status": "warn", "severity": "must", "title": "t", "detail": f"saw {JWT}", "evidence": [{"text": HEX}]}


def get(lab: Lab, path: str) -> dict[str, object]:
    response = lab.client.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()  # type: ignore[no-any-return]


def problem(lab: Lab, path: str, status: int, code: str) -> dict[str, str]:
    response = lab.client.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]
    assert response.json()["fix"]
    return response.json()  # type: ignore[no-any-return]


def test_a_real_call_of_the_switchboard_reads_back_through_every_path(lab: Lab) -> None:
    exchange = Exchange()
    placed = exchange.line().call()
    exchange.wait(3.0)
    placed.send("BYE")
    lab.tell(*exchange.entries)

    listed = get(lab, "/api/v1/calls")
    (call,) = listed["calls"]
    assert listed["next"] is None
    assert (call["state"], call["endedBy"], call["direction"]) == ("ended", "partner", "inbound")
    path = f"/api/v1/calls/{call['id']}"
    assert get(lab, path) == call
    summaries = [one["summary"] for one in get(lab, f"{path}/messages")["messages"]]
    assert summaries[0] == "INVITE"
    assert "200 OK (INVITE)" in summaries
    assert summaries[-2:] == ["BYE", "200 OK (BYE)"]
    verdict = get(lab, f"{path}/verdict")
    assert verdict["final"] is True
    assert verdict["counts"] == call["verdict"]["counts"]
    assert sum(verdict["counts"].values()) == len(verdict["findings"])
    assert get(lab, f"{path}/uui")["fields"] == {"orgId": "echo-test-org", "scrt2Domain": "afv-wss-echo:7442"}
    assert get(lab, f"{path}/media")["agreed"]["suite"] == "AES_CM_128_HMAC_SHA1_80"


def test_calls_come_newest_first_in_pages_that_join(lab: Lab) -> None:
    lab.tell(*(started(f"c{number}") for number in range(7)))
    first = get(lab, "/api/v1/calls?limit=3")
    second = get(lab, f"/api/v1/calls?limit=3&cursor={first['next']}")
    third = get(lab, f"/api/v1/calls?limit=3&cursor={second['next']}")
    assert [call["id"] for page in (first, second, third) for call in page["calls"]] == ["c6", "c5", "c4", "c3", "c2", "c1", "c0"]
    assert third["next"] is None


def test_calls_are_filtered(lab: Lab) -> None:
    lab.tell(started("west", region="US-WEST", partner="acme"), *ended("west", status="fail"))
    lab.tell(started("tokyo", at=START + 60, region="TOKYO", partner="acme"))

    def ids(query: str) -> list[str]:
        return [call["id"] for call in get(lab, f"/api/v1/calls?{query}")["calls"]]

    assert ids("region=TOKYO") == ["tokyo"]
    assert ids("partner=acme") == ["tokyo", "west"]
    assert ids("status=fail") == ["west"]
    assert ids("status=ringing") == ["tokyo"]
    assert ids("since=2023-11-14T22:14:00Z") == ["tokyo"]
    assert ids("since=2023-11-14T23:14:00+01:00") == ["tokyo"]
    assert ids("partner=nobody") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "bad-number"), ("limit=501", "bad-number"), ("limit=x", "bad-number"), ("limit=-1", "bad-number"),
        ("limit=", "bad-number"),
        ("limit=%D9%A1", "bad-number"), ("cursor=zzz", "bad-cursor"), ("since=yesterday", "bad-time"),
        ("since=2023-11-14T22:14:00", "bad-time"),
        ("since=0001-01-01T00:00:00%2B23:59", "bad-time"), ("status=good", "bad-status"), ("regoin=TOKYO", "unknown-parameter"),
        ("region=a&region=b", "repeated-parameter"), ("region=%ff", "bad-query"), ("&".join(["a=b"] * 40), "bad-query"),
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused_precisely(lab: Lab, query: str, code: str) -> None:
    problem(lab, f"/api/v1/calls?{query}", 400, code)


@pytest.mark.parametrize("what", ["", "/messages", "/verdict", "/uui", "/media", "/ladder.txt"])
def test_an_unknown_call_is_a_404_that_says_where_to_look(lab: Lab, what: str) -> None:
    assert "/api/v1/calls" in problem(lab, f"/api/v1/calls/nobody{what}", 404, "no-such-call")["fix"]


@pytest.mark.parametrize("path", ["", "/messages", "/verdict", "/ladder.txt", "/report.html"])
def test_that_there_is_no_call_is_not_said_while_older_calls_cannot_be_read(
    make_lab: Callable[..., Lab], tmp_path: Path, path: str
) -> None:
    store = blockingCallFromThread(reactor, SqliteStore, tmp_path / "calls.db", START)
    lab = make_lab(kept=store)
    with sqlite3.connect(tmp_path / "calls.db", isolation_level=None) as other:
        other.execute("ALTER TABLE calls RENAME TO away")
        response = lab.client.get(f"/api/v1/calls/older{path}")
        assert (response.status_code, response.json()["code"]) == (503, "store-unreadable")
        assert response.headers["retry-after"] == "2"
        assert "Whether there is a call 'older' cannot be told now: older calls cannot be read: " in response.json()["detail"]
        other.execute("ALTER TABLE away RENAME TO calls")
    problem(lab, f"/api/v1/calls/older{path}", 404, "no-such-call")
    lab.on_reactor(store.close)


def test_a_list_says_that_older_calls_are_missing(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    store = blockingCallFromThread(reactor, SqliteStore, tmp_path / "calls.db", START)
    lab = make_lab(kept=store)
    assert [lab.client.get(f"/api/v1/{what}").json()["incomplete"] for what in ("calls", "attempts")] == [None, None]
    with sqlite3.connect(tmp_path / "calls.db", isolation_level=None) as other:
        other.execute("ALTER TABLE calls RENAME TO away")
        told = lab.client.get("/api/v1/calls").json()
        assert (told["calls"], told["incomplete"][:28]) == ([], "older calls cannot be read: ")
        other.execute("ALTER TABLE away RENAME TO calls")
    assert lab.client.get("/api/v1/calls").json()["incomplete"] is None
    lab.on_reactor(store.close)


def test_keys_and_tokens_are_masked_everywhere_and_shown_only_on_request(lab: Lab) -> None:
    lab.tell(started("c1"), message("c1", "INVITE", INVITE, uri=f"sip:a@b?User-to-User={HEX}"), Entry(START, Kind.UUI, "c1", UUI))
    lab.tell(Entry(START, Kind.FINDING, "c1", FINDING), *ended("c1", findings=(FINDING,)))
    lab.tell(message(None, "OPTIONS", INVITE.replace(b"INVITE", b"OPTIONS")), Entry(START, Kind.ATTEMPT, None, {"id": "a1", "detail": JWT}))
    signature = JWT.rpartition(".")[2]
    paths = [f"/api/v1/calls/c1{what}" for what in ("", "/messages", "/verdict", "/uui", "/media", "/ladder.txt")]
    for path in [*paths, "/api/v1/calls", "/api/v1/messages", "/api/v1/attempts"]:
        text = lab.client.get(path).text
        assert text
        assert signature not in text, path
        assert signature.encode().hex() not in text, path
        assert KEY not in text, path
    for path in ("/api/v1/calls/c1/messages?secrets=show", "/api/v1/messages?secrets=show"):
        assert KEY in lab.client.get(path).text
        assert HEX in lab.client.get(path).text
    assert signature in lab.client.get("/api/v1/calls/c1/uui?secrets=show").text
    problem(lab, "/api/v1/calls/c1/uui?secrets=yes", 400, "bad-secrets")
    for path in ("/api/v1/calls?secrets=show", "/api/v1/calls/c1?secrets=show", "/api/v1/calls/c1/ladder.txt?secrets=show"):
        problem(lab, path, 400, "unknown-parameter")


@pytest.mark.parametrize("written", [JWT, HEX, HEX.upper()], ids=["plain", "hex", "upper-case hex"])
def test_a_token_that_a_partner_wrote_anywhere_shows_in_no_answer(lab: Lab, written: str) -> None:
    uri, warning = f"sip:x@sbc.example?User-to-User={written};encoding=hex", f'399 h "{written}"'
    raw = f"INVITE {uri} SIP/2.0\r\nCall-ID: {written}@partner\r\nUser-Agent: a/{written}\r\nWarning: {warning}\r\n\r\n".encode()
    numbers = {"requestUri": written, "from": written}
    lab.tell(
        started("c1", requestUri=uri, to=f"<{uri}>", sipCallId=f"{written}@partner", userAgent=f"a/{written}", numbers=numbers,
                **{"from": f'"{written}" <sip:a@b>;tag={written}'}),
        message("c1", "INVITE", raw, uri=uri, sipCallId=f"{written}@partner", warning=warning),
        *ended("c1", endReason=f"Reason: {written}"),
        message(None, "OPTIONS", raw, uri=uri, sipCallId=f"{written}@partner", warning=warning),
        Entry(START, Kind.ATTEMPT, None, {"id": "a1", "detail": uri, "serverName": written, "firstBytes": raw.hex()}),
    )  # fmt: skip
    lab.info.update(version="1")
    one = "/api/v1/calls/c1"
    answers = {path: lab.client.get(path).text for path in ("/api/v1/calls", one, f"{one}/messages", f"{one}/verdict", f"{one}/media",
               f"{one}/ladder.txt", "/api/v1/messages", "/api/v1/attempts")}  # fmt: skip
    answers["wait"] = lab.client.post("/api/v1/calls/wait", json={"timeoutS": 0}).text
    answers["hangup"] = lab.client.post(f"{one}/hangup").text
    secret = JWT.rpartition(".")[2]
    for path, text in answers.items():
        for form in (secret, secret.encode().hex(), secret.encode().hex().encode().hex(), secret.encode().hex().upper().encode().hex()):
            assert form not in text.replace(secret.encode().hex().upper(), secret.encode().hex()), path
    assert get(lab, one)["requestUri"].startswith("sip:x@sbc.example?User-to-User=")
    assert "masked]" in get(lab, one)["from"]
    assert written in lab.client.get(f"{one}/messages?secrets=show").text
    assert written in lab.client.get("/api/v1/messages?secrets=show").text


def test_a_message_is_shown_as_text_with_escapes_and_its_octets_on_request(lab: Lab) -> None:
    raw = b"INVITE sip:a@b SIP/2.0\r\nSubject: \x1b[2J\xff\r\n\r\n"
    lab.tell(started("c1"), message("c1", "INVITE", raw))
    (shown,) = get(lab, "/api/v1/calls/c1/messages")["messages"]
    assert shown["text"] == "INVITE sip:a@b SIP/2.0\nSubject: \\x1b[2J\\xff\n\n"
    assert shown["octets"] == len(raw)
    assert (shown["at"], shown["direction"], shown["number"]) == ("2023-11-14T22:13:20.000Z", "in", 0)
    assert "raw" not in shown
    import base64

    (whole,) = get(lab, "/api/v1/calls/c1/messages?secrets=show")["messages"]
    assert base64.b64decode(whole["raw"]) == raw


def test_messages_are_paged_oldest_first(lab: Lab) -> None:
    lab.tell(started("c1"), *(message("c1", "INFO", f"INFO {n}".encode()) for n in range(5)))
    first = get(lab, "/api/v1/calls/c1/messages?limit=3")
    second = get(lab, f"/api/v1/calls/c1/messages?limit=3&cursor={first['next']}")
    assert [one["text"] for one in first["messages"] + second["messages"]] == [f"INFO {n}" for n in range(5)]
    assert second["next"] is None
    problem(lab, "/api/v1/calls/c1/messages?cursor=-1", 400, "bad-cursor")


def test_what_a_peer_wrote_in_no_encoding_never_breaks_the_json(lab: Lab) -> None:
    lab.tell(started("c1", **{"from": "\udcff\udc80 <sip:a@b>\x00", "userAgent": "\ud800"}))
    assert get(lab, "/api/v1/calls/c1")["from"] == "\\xff\\x80 <sip:a@b>\x00"
    assert get(lab, "/api/v1/calls/c1")["userAgent"] == "\\ud800"


def test_the_verdict_of_a_live_call_is_what_was_found_so_far(lab: Lab) -> None:
    lab.tell(started("c1"), Entry(START, Kind.FINDING, "c1", FINDING))
    verdict = get(lab, "/api/v1/calls/c1/verdict")
    assert (verdict["final"], verdict["status"], verdict["counts"]["warn"]) == (False, None, 1)
    assert [finding["rule"] for finding in verdict["findings"]] == ["SBC-UUI-001"]


def test_a_call_without_user_to_user_has_the_same_members_all_empty(lab: Lab) -> None:
    lab.tell(started("bare"), started("full"), Entry(START, Kind.UUI, "full", UUI))
    bare, full = get(lab, "/api/v1/calls/bare/uui"), get(lab, "/api/v1/calls/full/uui")
    assert bare.keys() == full.keys()
    assert bare["raw"] is None


def test_a_user_to_user_that_was_never_read_is_not_called_absent(lab: Lab) -> None:
    lab.tell(started("unread"), started("absent"), Entry(START, Kind.UUI, "absent", {"raw": None}))
    assert [get(lab, f"/api/v1/calls/{call}/uui")["read"] for call in ("unread", "absent")] == [False, True]


def test_findings_about_the_user_to_user_are_explained_beside_it(lab: Lab) -> None:
    other, passed = {**FINDING, "rule": "SBC-SIP-001"}, {**FINDING, "rule": "SBC-UUI-009", "status": "pass"}
    lab.tell(started("c1"), Entry(START, Kind.UUI, "c1", UUI), *ended("c1", findings=(FINDING, other, passed)))
    assert [finding["rule"] for finding in get(lab, "/api/v1/calls/c1/uui")["explained"]] == ["SBC-UUI-001"]


def test_media_tells_what_was_agreed_before_and_now_and_times_in_rfc_3339(lab: Lab) -> None:
    agreed = [Entry(START + n, Kind.MEDIA_AGREED, "c1", {"codec": "PCMU", "held": n == 1, "change": n > 0}) for n in range(2)]
    report = {
        "packetsReceived": 5,
        "firstPacketAt": START + 0.5,
        "remote": ["::1", 4000],
        "dtmf": [{"digit": "5", "at": START + 1, "durationMs": 80}],
        "final": False,
    }
    key = Entry(START + 1, Kind.DTMF, "c1", {"digit": "5", "durationMs": 80})
    lab.tell(started("c1"), answered("c1"), *agreed, Entry(START + 2, Kind.MEDIA, "c1", report), key)
    media = get(lab, "/api/v1/calls/c1/media")
    assert media["agreed"]["held"] is True
    assert [earlier["at"] for earlier in media["earlier"]] == ["2023-11-14T22:13:20.000Z"]
    assert media["report"]["firstPacketAt"] == "2023-11-14T22:13:20.500Z"
    assert media["report"]["dtmf"][0]["at"] == "2023-11-14T22:13:21.000Z"
    assert media["report"]["firstPacketMs"] == 250.0
    assert media["report"]["remote"] == "[::1]:4000"
    assert media["dtmf"] == [{"at": "2023-11-14T22:13:21.000Z", "digit": "5", "durationMs": 80}]


def test_attempts_and_messages_outside_of_calls_are_listed_and_paged(lab: Lab) -> None:
    for number in range(3):
        lab.tell(Entry(START + number, Kind.ATTEMPT, None, {"id": f"a{number}", "problem": "plain-sip", "firstBytes": "4f50"}))
        lab.tell(Entry(START, Kind.PARSE_ERROR, None, {"malformation": "bad-start-line", "detail": "x"}, b"\x00\x01"))
    first = get(lab, "/api/v1/attempts?limit=2")
    rest = get(lab, f"/api/v1/attempts?limit=2&cursor={first['next']}")
    assert [attempt["id"] for attempt in first["attempts"] + rest["attempts"]] == ["a2", "a1", "a0"]
    assert first["attempts"][0]["at"] == "2023-11-14T22:13:22.000Z"
    errors = get(lab, "/api/v1/messages")["messages"]
    assert [(error["kind"], error["text"]) for error in errors] == [("parse.error", "\\x00\\x01")] * 3


def test_the_ladder_is_text_in_the_width_asked_for(lab: Lab) -> None:
    lab.tell(started("c1"), message("c1", "INVITE", INVITE), *ended("c1"))
    response = lab.client.get("/api/v1/calls/c1/ladder.txt?width=80")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "INVITE" in response.text
    assert max(map(len, response.text.splitlines())) <= 80


def test_hanging_up_asks_for_the_live_call(lab: Lab) -> None:
    lab.tell(started("c1"))
    response = lab.client.post("/api/v1/calls/c1/hangup")
    assert (response.status_code, response.json()) == (202, {"id": "c1", "state": "ringing"})
    assert lab.hung_up == ["c1"]


def test_a_call_that_is_over_or_unknown_cannot_be_hung_up(lab: Lab) -> None:
    lab.tell(started("c1"), *ended("c1"))
    assert lab.client.post("/api/v1/calls/c1/hangup").status_code == 409
    assert lab.client.post("/api/v1/calls/c2/hangup").status_code == 404
    assert lab.client.get("/api/v1/calls/c1/hangup").status_code == 405
    assert lab.hung_up == []


def test_ten_thousand_octets_of_json_depth_are_a_400_and_no_crash(lab: Lab) -> None:
    body = b"[" * 100_000
    response = lab.client.post("/api/v1/calls/wait", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "bad-json")


def test_what_goes_with_a_call_beside_its_messages_is_told_with_words_and_masked(lab: Lab) -> None:
    lab.tell(*first_leg().entries)
    told = get(lab, "/api/v1/calls/c1/journey")
    assert (told["call"], told["any"], told["region"], told["chosenBy"]) == ("c1", True, "frankfurt", "SNI")
    assert [event["words"] for event in told["agent"]][1] == 'agent says: "Hello, how can I help?"'  # type: ignore[attr-defined,index]
    assert told["words"]["check"].startswith("partner check: the customer's leg lives")  # type: ignore[index,call-overload]
    assert TOKEN in json.dumps(first_leg().call.voice_call)
    assert TOKEN.rpartition(".")[2] not in json.dumps(told)
    lab.tell(started("c9"))
    assert get(lab, "/api/v1/calls/c9/journey")["any"] is False
    problem(lab, "/api/v1/calls/none/journey", 404, "no-such-call")


@pytest.mark.parametrize("body", [{}, {"customerAlive": None}, {"text": ""}])
def test_a_partner_that_says_nothing_of_the_customer_is_asked_to(lab: Lab, body: dict[str, object]) -> None:
    refused = lab.client.post("/api/v1/calls/some/partner", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "nothing-said")
    assert "customerAlive, repReached, linked" in refused.json()["fix"]
