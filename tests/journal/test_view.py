from __future__ import annotations

import json

import pytest

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import MOST_AGREEMENTS, MOST_FINDINGS, CallView, address_text, rfc3339
from tests.support.folding import fold


def entry(kind: Kind, at: float, **data: object) -> Entry:
    return Entry(at, kind, "c1", data)


STORY = [
    entry(Kind.CALL_STARTED, 1000.0, sipCallId="x@y", direction="inbound", **{"from": "sip:+1@p", "to": "sip:echo@s"},
          requestUri="sip:echo@s", region="TOKYO", partner="acme", scenario="echo", connection=3,
          peer="10.0.0.1:5555", userAgent="baresip", numbers={"from": "+1"}),
    entry(Kind.UUI, 1000.0, raw="7b7d;encoding=hex", decoded="{}", fields={}, lengths={"value": 4, "line": 31, "decoded": 2}, findings=[]),
    entry(Kind.CALL_STATE, 1000.0, state="ringing"),
    entry(Kind.MEDIA_AGREED, 1000.2, codec="PCMU", suite="AES_CM_128_HMAC_SHA1_80", remote="10.0.0.1:4000", local="10.0.0.2:31000"),
    entry(Kind.CALL_STATE, 1000.25, state="answered"),
    entry(Kind.MEDIA, 1005.0, packetsReceived=200, packetsSent=199, echoedPackets=199, lost=1, jitterMs=0.5, authFailures=2,
          firstPacketAt=1000.3, remote=["10.0.0.9", 4002], final=False),
    entry(Kind.DTMF, 1006.0, digit="5", durationMs=120),
    entry(Kind.VERDICT, 1010.0, status="warn", counts={"warn": 1, "pass": 30}, findings=[]),
    entry(Kind.CALL_ENDED, 1010.5, endedBy="partner", endReason="normal", state="ended", status=None),
]  # fmt: skip


def test_a_whole_call_reads_as_interface_md_says() -> None:
    assert fold("c1", STORY).summary() == {
        "id": "c1",
        "sipCallId": "x@y",
        "region": "TOKYO",
        "partner": "acme",
        "direction": "inbound",
        "state": "ended",
        "scenario": "echo",
        "from": "sip:+1@p",
        "to": "sip:echo@s",
        "requestUri": "sip:echo@s",
        "userAgent": "baresip",
        "peer": "10.0.0.1:5555",
        "numbers": {"from": "+1"},
        "startedAt": "1970-01-01T00:16:40.000Z",
        "answeredAt": "1970-01-01T00:16:40.250Z",
        "endedAt": "1970-01-01T00:16:50.500Z",
        "endedBy": "partner",
        "endReason": "normal",
        "endStatus": None,
        "uui": {
            "raw": "7b7d;encoding=hex",
            "decoded": "{}",
            "fields": {},
            "lengths": {"value": 4, "line": 31, "decoded": 2},
            "findings": [],
        },
        "media": {
            "codec": "PCMU",
            "suite": "AES_CM_128_HMAC_SHA1_80",
            "packetsReceived": 200,
            "packetsSent": 199,
            "lost": 1,
            "jitterMs": 0.5,
            "authFailures": 2,
            "echoedPackets": 199,
            "firstPacketMs": 50.0,
            "remote": "10.0.0.9:4002",
        },
        "verdict": {"status": "warn", "counts": {"warn": 1, "pass": 30}},
        "faults": [],
        "chosenBy": "",
        "scenarioWhy": "",
        "escalation": None,
        "escalationOf": None,
        "xHeaders": {},
        "voiceCallId": None,
        "replica": "",
    }


@pytest.mark.parametrize("length", range(len(STORY) + 1))
def test_every_beginning_of_a_story_gives_a_call_that_is_json(length: int) -> None:
    summary = fold("c1", STORY[:length]).summary()
    assert json.loads(json.dumps(summary)) == summary


def test_the_order_of_entries_of_one_moment_does_not_matter_to_the_whole() -> None:
    message_first = [entry(Kind.MESSAGE, 999.9, summary="INVITE"), *STORY]
    assert fold("c1", message_first).summary() == fold("c1", STORY).summary()


def test_a_rejected_call_tells_its_status_and_was_never_answered() -> None:
    view = fold("c1", [STORY[0], entry(Kind.CALL_ENDED, 1001.0, endedBy="sbc", endReason="refused", state="rejected", status=488)])
    assert (view.state, view.end_status, view.answered_at, view.over) == ("rejected", 488, None, True)


def test_no_later_state_brings_an_ended_call_back() -> None:
    view = fold("c1", [*STORY, entry(Kind.CALL_STATE, 1011.0, state="answered")])
    assert view.state == "ended"
    assert view.answered_at == 1000.25


@pytest.mark.parametrize(("reason", "state"), [("lost", "answered"), ("normal", "ended")])
def test_only_a_call_that_was_ended_as_lost_goes_on_when_its_replica_says_so(reason: str, state: str) -> None:
    view = CallView("c1")
    view.add(entry(Kind.CALL_STATE, 1.0, state="answered"))
    view.add(entry(Kind.CALL_ENDED, 2.0, endedBy="sbc", endReason=reason, state="ended", status=None))
    view.add(entry(Kind.NOTE, 3.0, text="it goes on", goesOn=True, replica="pod-2"))
    assert view.replica == "pod-2"
    assert view.state == state
    assert (view.ended_at is None) == (view.end_reason is None) == (state == "answered")


def test_the_answer_time_is_that_of_the_first_answer() -> None:
    view = fold("c1", [*STORY[:5], entry(Kind.CALL_STATE, 1003.0, state="answered")])
    assert view.answered_at == 1000.25


def test_media_before_the_answer_counts_as_zero_milliseconds() -> None:
    view = fold("c1", [*STORY[:5], entry(Kind.MEDIA, 1001.0, firstPacketAt=1000.1)])
    assert view.first_packet_ms == 0.0


def test_the_agreed_address_stands_until_packets_show_the_real_one() -> None:
    summary = fold("c1", STORY[:5]).summary()
    assert summary["media"]["remote"] == "10.0.0.1:4000"
    assert summary["media"]["firstPacketMs"] is None


def test_the_same_finding_twice_is_listed_once_and_another_detail_is_another_finding() -> None:
    view = CallView("c1")
    for detail in ("a", "a", "b"):
        view.add(entry(Kind.FINDING, 1.0, rule="SBC-SIP-001", detail=detail))
    assert [finding["detail"] for finding in view.findings] == ["a", "b"]


def test_findings_and_agreements_of_one_call_are_bounded_and_the_first_agreement_stays() -> None:
    view = CallView("c1")
    for number in range(1000):
        view.add(entry(Kind.FINDING, 1.0, rule="SBC-SIP-001", detail=str(number)))
        view.add(entry(Kind.MEDIA_AGREED, float(number), codec="PCMU"))
        view.add(entry(Kind.DTMF, 1.0, digit="1"))
    assert len(view.findings) == MOST_FINDINGS
    assert len(view.agreements) == MOST_AGREEMENTS
    assert (view.agreements[0]["at"], view.agreements[-1]["at"]) == (0.0, 999.0)
    assert len(view.keys_pressed) == 128


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1700000000.1239) == "2023-11-14T22:13:20.123Z"
    assert rfc3339(None) is None


def test_addresses_are_written_with_brackets_where_ipv6_needs_them() -> None:
    assert address_text(("10.0.0.1", 5)) == "10.0.0.1:5"
    assert address_text(["::1", 5]) == "[::1]:5"
    assert address_text("host:5") == "host:5"
    assert address_text(None) is None
