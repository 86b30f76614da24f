"""Rehearsals over HTTP: on a real port, fed by a journal, every answer held against the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import pytest
from twisted.internet import reactor as _reactor

from sbc_sim.calls.partner import Partner
from sbc_sim.calls.rehearsal_calls import PROOFS
from sbc_sim.calls.rehearsals import Rehearsals
from sbc_sim.exports.rehearsal_report import rehearsal_schema
from sbc_sim.http.rehearsal_documents import form_flags
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.net.rehearsing import Rehearsing
from tests.http.conftest import START, Lab, answered, ended, message, started
from tests.support.event_stream import following
from tests.support.sip import ECHO

reactor: Any = _reactor
MakeLab = Callable[..., Lab]
ACME = Partner("acme", label="Acme", signalling=("192.0.2.0/24",), regions=("frankfurt", "london"))
INVITE = (
    b"INVITE sip:echo@sbc.example SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:+15550111@partner.example>;tag=1\r\nTo: <sip:echo@sbc.example>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:pbx@192.0.2.1:5061;transport=tls>\r\nUser-to-User: " + ECHO.encode() + b"\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def rehearsing(make_lab: MakeLab) -> Lab:
    """An interface with rehearsals of one partner, fed from its journal."""
    return lab_of(make_lab, ACME)


def lab_of(make_lab: MakeLab, *partners: Partner) -> Lab:
    numbers = iter(range(1, 100))
    rehearsals = Rehearsals(
        lambda now: f"r{next(numbers)}", {one.name: one for one in partners}, (("frankfurt", "FRANKFURT"), ("london", "LONDON"))
    )
    lazy: list[Any] = []
    lab = make_lab(more={"rehearsals": Late(lazy)})
    desk = Rehearsing(rehearsals, lab.store, reactor, lambda: START, lambda one: form_flags(one, desk, lab.store))
    lazy.append(desk)
    lab.on_reactor(desk.start)
    return lab


class Late:
    """The desk, which needs the store that is made with the interface."""

    def __init__(self, made: list[Any]) -> None:
        self._made = made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made[0], name)


def begin(lab: Lab, **body: Any) -> dict[str, Any]:
    answer = lab.client.post("/api/v1/rehearsals", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/rehearsals/{answer.json()['id']}"
    return answer.json()


PROVED = tuple({"rule": rule, "status": "pass", "title": "", "detail": ""} for rules in PROOFS.values() for rule in rules)


def echo_call(call: str, region: str = "frankfurt", at: float = START, **over: Any) -> list[Entry]:
    """A call that passed, as far as a rehearsal looks."""
    uui = {
        "raw": ECHO, "header": "User-to-User", "decoded": "{}", "fields": {"orgId": "echo-test-org"}, "named": {}, "isEcho": True,
        "lengths": {"value": 118, "line": 146, "decoded": 59}, "parameters": [], "jwt": None, "problems": [], "findings": [],
        "leadingOctet": None,
    }  # fmt: skip
    agreed = {"codec": "PCMU", "suite": "AES_CM_128_HMAC_SHA1_80", "remote": "192.0.2.1:40000", "local": "192.0.2.5:31000"}
    return [
        started(call, at, region=region, partner="acme", requestUri="sip:echo@sbc.example", peer="192.0.2.1:40001"),
        message(call, "INVITE", INVITE, at),
        Entry(at, Kind.UUI, call, uui),
        Entry(at, Kind.MEDIA_AGREED, call, agreed),
        answered(call, at + 0.2),
        Entry(at + 4, Kind.MEDIA, call, {"packetsReceived": 200, "echoedPackets": 200, "packetsSent": 200, "final": True}),
        *ended(call, at + 5, **{"findings": PROVED, **over}),
    ]


def state_of(lab: Lab, name: str) -> dict[str, str]:
    return {step["id"]: step["state"] for step in lab.client.get(f"/api/v1/rehearsals/{name}").json()["steps"]}


def test_a_rehearsal_begins_with_what_is_usual_and_is_listed(rehearsing: Lab) -> None:
    one = begin(rehearsing)
    assert (one["partner"], one["regions"], one["parts"]) == ("acme", ["frankfurt", "london"], ["connectivity", "end-to-end"])
    assert one["escalations"] == ["bye", "invite-back"]
    assert (one["state"], one["stepSeconds"], len(one["steps"])) == ("running", 600.0, 23)
    assert rehearsing.client.get("/api/v1/rehearsals").json()["rehearsals"][0]["id"] == one["id"]
    assert rehearsing.client.get(f"/api/v1/rehearsals/{one['id']}").json() == one


def test_a_call_passes_its_step_and_the_last_one_ends_the_rehearsal(rehearsing: Lab) -> None:
    one = begin(rehearsing, parts=["connectivity"])
    rehearsing.tell(*echo_call("c1"))
    assert state_of(rehearsing, one["id"]) == {"connectivity/frankfurt": "passed", "connectivity/london": "waiting"}
    rehearsing.tell(*echo_call("c2", "london"))
    assert rehearsing.client.get(f"/api/v1/rehearsals/{one['id']}").json()["state"] == "passed"


def test_who_follows_the_events_hears_of_each_step_and_of_the_end(rehearsing: Lab) -> None:
    with following(rehearsing.port) as stream:
        stream.opened()
        one = begin(rehearsing, regions=["frankfurt"], parts=["connectivity"])
        begun = stream.until("rehearsal.changed")[-1][1]
        rehearsing.tell(*echo_call("c1"))
        told = stream.until("rehearsal.changed")
    assert (begun["rehearsal"], begun["rehearsalState"], "steps" in begun) == (one["id"], "running", False)
    assert [(data["step"], data["state"]) for name, data in told if name == "rehearsal.step"] == [
        ("connectivity/frankfurt", "running"), ("connectivity/frankfurt", "passed"),
    ]  # fmt: skip
    assert (told[-1][1]["rehearsalState"], told[-1][1]["counts"]["passed"]) == ("passed", 1)


def test_a_second_rehearsal_of_the_same_partner_is_refused_until_the_first_is_stopped(rehearsing: Lab) -> None:
    one = begin(rehearsing)
    refused = rehearsing.client.post("/api/v1/rehearsals", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "not-now")
    assert f"The rehearsal {one['id']} of the partner acme is running" in refused.json()["detail"]
    path = f"/api/v1/rehearsals/{one['id']}"
    assert rehearsing.client.post(f"{path}/stop").json()["state"] == "stopped"
    assert rehearsing.client.post(f"{path}/stop").status_code == 409
    begin(rehearsing)
    assert rehearsing.client.post(f"{path}/resume").status_code == 409


def test_stop_and_resume_go_on_with_what_was_done(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, parts=['connectivity'])['id']}"
    rehearsing.tell(*echo_call("c1"))
    rehearsing.client.post(f"{path}/stop")
    rehearsing.tell(*echo_call("c2", "london"))
    assert rehearsing.client.get(path).json()["counts"] == {"pending": 1, "waiting": 0, "passed": 1, "failed": 0, "skipped": 0}
    assert rehearsing.client.post(f"{path}/resume").json()["state"] == "running"
    assert rehearsing.client.post(f"{path}/resume").status_code == 200
    rehearsing.tell(*echo_call("c3", "london"))
    assert rehearsing.client.get(path).json()["state"] == "passed"


def test_a_step_can_be_left_out_and_tried_again(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, parts=['connectivity'])['id']}"
    step = f"{path}/steps/connectivity/london"
    assert rehearsing.client.post(f"{step}/skip").json()["counts"]["skipped"] == 1
    again = rehearsing.client.post(f"{path}/steps/connectivity%2Flondon/retry").json()
    assert [one["state"] for one in again["steps"]] == ["waiting", "waiting"]
    twice = rehearsing.client.post(f"{step}/retry")
    assert (twice.status_code, twice.json()["detail"]) == (409, "The step connectivity/london is waiting already.")
    unknown = rehearsing.client.post(f"{path}/steps/connectivity/paris/retry")
    assert (unknown.status_code, "connectivity/frankfurt" in unknown.json()["fix"]) == (404, True)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"regions": ["paris"]}, 422, "There is no region 'paris'; known: frankfurt, london."),
        ({"partner": "nobody"}, 422, "There is no partner 'nobody'; known: acme."),
        ({"parts": ["lunch"]}, 400, "parts.0"),
        ({"regions": [], "parts": ["connectivity"]}, 422, "Nothing is to be rehearsed"),
        ({"region": "london"}, 400, "'region' means nothing here"),
        ({"stepSeconds": 0}, 400, "stepSeconds"),
        ({"tries": -1}, 400, "tries"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_with_the_reason(rehearsing: Lab, body: dict[str, Any], status: int, words: str) -> None:
    answer = rehearsing.client.post("/api/v1/rehearsals", json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert rehearsing.client.get("/api/v1/rehearsals").json() == {"rehearsals": []}


def test_a_region_that_the_partner_does_not_map_is_refused_with_those_that_it_maps(make_lab: MakeLab) -> None:
    lab = lab_of(make_lab, replace(ACME, regions=("frankfurt",)))
    answer = lab.client.post("/api/v1/rehearsals", json={"regions": ["london"]})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "The partner acme does not map the region 'london'; it maps frankfurt."


def test_the_form_names_the_ca_file_without_its_folder(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = lab_of(make_lab, replace(ACME, ca=str(tmp_path / "gone.pem")))
    told = lab.client.get(f"/api/v1/rehearsals/{begin(lab)['id']}/signaling-form.md").text
    assert "The CA file gone.pem cannot be read" in told
    assert str(tmp_path.name) not in told


def test_with_several_partners_one_must_be_named(make_lab: MakeLab) -> None:
    lab = lab_of(make_lab, ACME, Partner("zen"))
    answer = lab.client.post("/api/v1/rehearsals", json={})
    assert (answer.status_code, answer.json()["fix"]) == (400, "Name one as partner: acme, zen.")
    assert begin(lab, partner="zen", parts=["connectivity"])["regions"] == ["frankfurt", "london"]


def test_a_process_without_rehearsals_says_so(lab: Lab) -> None:
    for method, path in (("GET", "/api/v1/rehearsals"), ("POST", "/api/v1/rehearsals"), ("GET", "/api/v1/rehearsals/x/report.html")):
        answer = lab.client.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "no-rehearsals")


def test_the_report_comes_as_html_json_and_junit(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, regions=['frankfurt'], parts=['connectivity'])['id']}"
    rehearsing.tell(*echo_call("c1"))
    html = rehearsing.client.get(f"{path}/report.html")
    assert "default-src 'none'" in html.headers["content-security-policy"]
    assert "The rehearsal passed: 1 step passed." in html.text
    told = rehearsing.client.get(f"{path}/report.json").json()
    assert [error.message for error in jsonschema_rs.validator_for(rehearsal_schema()).iter_errors(told)] == []
    assert (told["steps"][0]["verdict"], told["steps"][0]["call"], told["calls"][0]["id"]) == ("pass", "c1", "c1")
    suite = ElementTree.fromstring(rehearsing.client.get(f"{path}/report.xml").text)
    assert [case.get("name") for case in suite.iter("testcase")] == ["connectivity/frankfurt: Connectivity test in FRANKFURT"]
    assert rehearsing.client.get(f"{path}/report.html?redaction=loud").status_code == 400
    assert rehearsing.client.get("/api/v1/rehearsals/nobody/report.html").status_code == 404


def test_numbers_are_masked_in_a_report_unless_it_is_asked_for_as_it_was(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, regions=['frankfurt'], parts=['connectivity'])['id']}"
    rehearsing.tell(*echo_call("c1"))
    texts = {level: rehearsing.client.get(f"{path}/report.html?redaction={level}").text for level in ("none", "share", "strict")}
    assert "+15550111" in texts["none"]
    assert "+15550111" not in texts["share"] + texts["strict"]
    assert "Acme" in texts["share"]
    assert "Acme" not in texts["strict"]


def test_the_form_is_given_and_its_step_fails_with_what_is_missing(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, regions=['frankfurt'], parts=['connectivity', 'form'])['id']}"
    assert state_of(rehearsing, path.rpartition("/")[2])["form"] == "pending"
    rehearsing.tell(*echo_call("c1"))
    one = rehearsing.client.get(path).json()
    assert (one["state"], one["steps"][-1]["state"]) == ("failed", "failed")
    assert "The name of the contact-centre provider is missing: set partners.acme.provider." in one["steps"][-1]["missing"]
    markdown = rehearsing.client.get(f"{path}/signaling-form.md")
    assert (markdown.headers["content-type"], "| FRANKFURT | 192.0.2.0/24 | **missing** |" in markdown.text) == (
        "text/markdown; charset=utf-8",
        True,
    )
    assert "SIP Signaling Configuration Form" in rehearsing.client.get(f"{path}/signaling-form.html").text


def test_the_partner_s_trace_is_held_against_the_calls_and_settles_its_step(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, regions=['frankfurt'], parts=['connectivity', 'compare'])['id']}"
    text = {"Content-Type": "text/plain"}
    early = rehearsing.client.post(f"{path}/steps/compare/trace", content=INVITE, headers=text)
    assert (early.status_code, early.json()["detail"]) == (409, "There is no call to hold the trace against yet.")
    rehearsing.tell(*echo_call("c1"))
    plain = INVITE.replace(b";encoding=hex", b"")
    broken = rehearsing.client.post(f"{path}/steps/connectivity/frankfurt/trace", json={"text": plain.decode()}).json()
    renamed = rehearsing.client.post(f"{path}/steps/compare/trace", content=INVITE.replace(b"sip:pbx@", b"sip:abc@"), headers=text).json()
    assert broken["comparisons"][0]["call"] == "c1"
    assert renamed["text"].startswith("1 of 1 calls are in both traces. Nothing broke on the way; ")
    assert (renamed["fine"], renamed["rehearsal"]["state"]) == (True, "passed")


def test_a_trace_of_other_calls_fails_the_step(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, regions=['frankfurt'], parts=['connectivity', 'compare'])['id']}"
    rehearsing.tell(*echo_call("c1"))
    other = INVITE.replace(b"Call-ID: a", b"Call-ID: zzz").replace(b"+15550111", b"+15550999").replace(b"tag=1", b"tag=9")
    other = other.replace(ECHO.encode(), b"7b7d;encoding=hex").replace(b"sip:echo@sbc", b"sip:bob@pbx").replace(b"sip:pbx@", b"sip:x@")
    told = rehearsing.client.post(f"{path}/steps/compare/trace", content=other, headers={"Content-Type": "text/plain"}).json()
    step = told["rehearsal"]["steps"][-1]
    assert (told["fine"], step["state"]) == (False, "failed")
    assert step["why"] == "None of the calls of this rehearsal is in the partner's trace."


def test_a_rehearsal_without_the_step_takes_no_trace(rehearsing: Lab) -> None:
    path = f"/api/v1/rehearsals/{begin(rehearsing, parts=['connectivity'])['id']}"
    answer = rehearsing.client.post(f"{path}/steps/compare/trace", content=INVITE, headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["detail"]) == (409, "The rehearsal has no step compare.")
