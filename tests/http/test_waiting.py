from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sbc_sim.http.waiting import number_fits
from sbc_sim.journal.entries import Entry, Kind
from tests.http.conftest import START, Lab, answered, ended, started


def uui(call: str, **fields: Any) -> Entry:
    rest = {"named": {"callId": "voiceCallId"}, "lengths": {"value": 4, "line": 31, "decoded": 2}, "findings": []}
    return Entry(START, Kind.UUI, call, {"raw": "7b7d;encoding=hex", "decoded": "{}", "fields": fields, **rest})


def wait(lab: Lab, **body: Any) -> httpx.Response:
    return lab.client.post("/api/v1/calls/wait", json=body)


@pytest.fixture
def later() -> Any:
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


def test_a_call_that_is_there_already_is_given_at_once(lab: Lab) -> None:
    lab.tell(started("c1"), *ended("c1"))
    response = wait(lab, match={"to": "+15550100"}, timeoutS=0)
    assert (response.status_code, response.json()["id"]) == (200, "c1")


def test_of_several_calls_the_newest_is_given_and_after_one_the_first_that_followed(lab: Lab) -> None:
    for number in range(4):
        lab.tell(started(f"c{number}", at=START + number), *ended(f"c{number}"))
    assert wait(lab, timeoutS=0).json()["id"] == "c3"
    assert wait(lab, after="c0", timeoutS=0).json()["id"] == "c1"
    assert wait(lab, after="2023-11-14T22:13:21Z", timeoutS=0).json()["id"] == "c2"
    assert wait(lab, after="c3", timeoutS=0).status_code == 408


def test_a_call_that_comes_later_is_given_when_it_is_far_enough(lab: Lab, later: Callable[..., Future[httpx.Response]]) -> None:
    answer = later(wait, lab, match={"uui": {"callId": "17"}}, state="ended")
    lab.until_waiting(1)
    lab.tell(started("other"), uui("other", voiceCallId="18"), *ended("other"))
    lab.tell(started("mine"), uui("mine", voiceCallId="17"))
    lab.tell(answered("mine"))
    lab.until_waiting(1)
    assert not answer.done()
    lab.tell(*ended("mine"))
    call = answer.result(10).json()
    assert (call["id"], call["state"], call["verdict"]["status"]) == ("mine", "ended", "pass")


def test_a_call_given_at_its_end_has_its_verdict_whatever_the_order_of_the_entries(
    lab: Lab, later: Callable[..., Future[httpx.Response]]
) -> None:
    answer = later(wait, lab)
    lab.until_waiting(1)
    verdict, over = ended("c1")
    lab.tell(started("c1"), over, verdict)
    assert answer.result(10).json()["verdict"] == {"status": "pass", "counts": {"pass": 1}}


@pytest.mark.parametrize(
    ("state", "answered_too", "over", "status"),
    [
        ("ringing", False, None, 200), ("answered", False, None, 408), ("ended", False, None, 408), ("answered", True, None, 200),
        ("ended", True, None, 408), ("ringing", True, "ended", 200), ("answered", True, "ended", 200), ("ended", True, "ended", 200),
        ("ended", False, "rejected", 200), ("answered", False, "rejected", 408), ("rejected", False, "rejected", 200),
        ("ringing", False, "rejected", 200), ("rejected", False, None, 408), ("rejected", True, "ended", 408),
    ],
)  # fmt: skip
def test_a_state_is_reached_by_whatever_lies_past_it(lab: Lab, state: str, answered_too: bool, over: str | None, status: int) -> None:
    lab.tell(started("c1"), *([answered("c1")] if answered_too else []), *(ended("c1", state=over) if over else []))
    assert wait(lab, state=state, timeoutS=0).status_code == status


def test_waiting_in_vain_is_a_408_that_tells_of_the_calls_that_came_near(lab: Lab) -> None:
    lab.tell(started("c1"))
    response = wait(lab, match={"to": "+15550100"}, timeoutS=0.05)
    assert (response.status_code, response.json()["code"]) == (408, "no-such-call-in-time")
    assert response.json()["seen"] == [{"id": "c1", "state": "ringing"}]
    assert "1 such calls" in response.json()["detail"]
    assert wait(lab, match={"to": "+1"}, timeoutS=0).json()["seen"] == []


@pytest.mark.parametrize(
    "match",
    [
        {"uui": {"orgId": "00D"}}, {"uui": {"callId": "17"}}, {"uui": {"voiceCallId": 17}}, {"uui": {"n": "5", "deep": {"a": [1]}}},
        {"uui": "7b7d"},
        {"uui": "7b7d;encoding=hex"}, {"uui": {}}, {"to": "+15550100"}, {"to": "sip:+15550100@sbc.example"}, {"to": "+1 (555) 01-00"},
        {"from": "+15550111"}, {"from": "sip:+15550111@partner.example"}, {"sipCallId": "c1@partner"}, {"region": "TOKYO"}, {},
        {"from": "+15550111", "uui": {"orgId": "00D"}, "direction": "inbound"},
    ],
)  # fmt: skip
def test_a_call_is_matched_by_user_to_user_fields_numbers_and_ids(lab: Lab, match: dict[str, Any]) -> None:
    lab.tell(started("c1", region="TOKYO"), uui("c1", orgId="00D", voiceCallId="17", n=5, deep={"a": [1]}))
    assert wait(lab, match=match, state="ringing", timeoutS=0).status_code == 200


@pytest.mark.parametrize(
    "match",
    [
        {"uui": {"orgId": "00E"}}, {"uui": {"nothing": "x"}}, {"uui": {"nothing": "None"}}, {"uui": {"callId": "1"}},
        {"uui": {"flag": "True"}},
        {"uui": "7b"}, {"to": "15550100"}, {"to": ""}, {"to": "5550100"}, {"from": "+15550100"}, {"sipCallId": "c1"},
        {"region": "LONDON"},
        {"from": "+15550111", "uui": {"orgId": "x"}},
    ],
)  # fmt: skip
def test_a_call_with_other_values_is_not_matched(lab: Lab, match: dict[str, Any]) -> None:
    lab.tell(started("c1", region="TOKYO"), uui("c1", orgId="00D", voiceCallId="17", flag=True))
    assert wait(lab, match=match, state="ringing", timeoutS=0).status_code == 408


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"stat": "ended"}, "unknown-member"), ({"state": "gone"}, "bad-state"), ({"state": 5}, "bad-state"),
        ({"state": ["ended"]}, "bad-state"),
        ({"timeoutS": -1}, "bad-timeout"), ({"timeoutS": 301}, "bad-timeout"), ({"timeoutS": "5"}, "bad-timeout"),
        ({"timeoutS": True}, "bad-timeout"),
        ({"after": 5}, "bad-after"), ({"after": "0001-01-01T00:00:00+14:00"}, "bad-after"),
        ({"match": []}, "bad-match"), ({"match": {"number": "5"}}, "bad-match"),
        ({"match": {"to": 5}}, "bad-match"),
        ({"match": {"uui": 5}}, "bad-match"), ({"match": {"region": {}}}, "bad-match"),
    ],
)  # fmt: skip
def test_a_wish_that_makes_no_sense_is_refused_precisely(lab: Lab, body: dict[str, Any], code: str) -> None:
    response = wait(lab, **body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_an_endless_timeout_is_refused_although_json_knows_infinity(lab: Lab) -> None:
    for number in ("Infinity", "NaN", "1e999"):
        body = f'{{"timeoutS": {number}}}'
        response = lab.client.post("/api/v1/calls/wait", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400


def test_more_waiters_than_allowed_are_told_to_come_back(
    make_lab: Callable[..., Lab], later: Callable[..., Future[httpx.Response]]
) -> None:
    lab = make_lab(waiters=2)
    answers = [later(wait, lab) for _ in range(2)]
    lab.until_waiting(2)
    refused = wait(lab)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "too-many-waiters", "1")
    lab.tell(started("c1"), *ended("c1"))
    assert [answer.result(10).status_code for answer in answers] == [200, 200]


def test_a_client_that_goes_away_waits_no_longer(lab: Lab) -> None:
    with pytest.raises(httpx.ReadTimeout):
        lab.client.post("/api/v1/calls/wait", json={}, timeout=0.2)
    lab.until_waiting(0)


def test_one_entry_wakes_every_waiter_it_concerns_and_no_other(lab: Lab, later: Callable[..., Future[httpx.Response]]) -> None:
    to_all = [later(wait, lab, state="ringing") for _ in range(3)]
    other = later(wait, lab, match={"to": "+1"}, state="ringing")
    lab.until_waiting(4)
    lab.tell(started("c1"))
    assert {answer.result(10).json()["id"] for answer in to_all} == {"c1"}
    lab.until_waiting(1)
    lab.tell(started("c2", to="<sip:+1@x>"))
    assert other.result(10).json()["id"] == "c2"


def test_an_answer_thread_never_sees_a_half_written_journal(lab: Lab, later: Callable[..., Future[httpx.Response]]) -> None:
    # Waiters are looked at once the batch is whole: CALL_STARTED alone would give a call without its User-to-User.
    answer = later(wait, lab, state="ringing")
    lab.until_waiting(1)
    lab.tell(started("c1"), uui("c1", orgId="00D"))
    assert answer.result(10).json()["uui"]["fields"] == {"orgId": "00D"}


@pytest.mark.parametrize(
    ("header", "wanted", "fits"),
    [
        ('"A" <sip:+1555@h;user=phone>;tag=x', "+1555", True),
        ("sip:+1-555@h", "+1555", True),
        ("<tel:+1-555>;tag=x", "+1555", True),
        ("<sip:anonymous@anonymous.invalid>", "anonymous", True),
        ("<sip:a-b@h>", "ab", False),
        ("<sip:h>", "", False),
        ("", "", True),
    ],
)
def test_numbers_are_compared_by_the_user_part(header: str, wanted: str, fits: bool) -> None:
    assert number_fits(header, wanted) is fits
