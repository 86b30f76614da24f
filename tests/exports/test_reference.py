from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.exports.reference import reference_invite
from sbc_sim.journal.store import Trace
from sbc_sim.sip.message import Response
from tests.support.documents import a_call_of, a_good_call, a_refused_call
from tests.support.sip import KEY, SDP, Exchange


def by_header(trace: Trace) -> dict[str, dict[str, Any]]:
    return {row["header"]: row for row in reference_invite(trace)["rows"]}


def answered_with(text: str) -> int:
    """What the simulator answers to the text of a reference, with a real key in it."""
    sent = text.replace("[40 masked]", KEY).replace("\n", "\r\n").encode()
    responses = [message for message in Exchange().line().send(sent) if isinstance(message, Response)]
    return responses[-1].status


BROKEN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no Contact": {"remove": ("Contact",)},
    "no User-to-User": {"remove": ("User-to-User",)},
    "odd hex": {"user_to_user": "7b2;encoding=hex"},
    "no Max-Forwards": {"remove": ("Max-Forwards",)},
    "no From tag": {"from": "<sip:+15550111@partner.example>"},
    "not E.164": {"from": "<sip:4155550111@partner.example>;tag=1"},
    "plain RTP": {"sdp": SDP.replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x")},
    "no offer": {"sdp": ""},
    "no PCMU": {"sdp": SDP.replace("SAVP 0", "SAVP 18")},
    "old branch": {"via": "SIP/2.0/TLS 192.0.2.1:5071;branch=1"},
    "UDP Via": {"via": "SIP/2.0/UDP 192.0.2.1:5071;branch=z9hG4bK77"},
    "wrong CSeq": {"cseq": "1 BYE"},
    "unknown Require": {"require": "magic"},
    "several at once": {"remove": ("Contact", "Max-Forwards", "User-to-User"), "sdp": SDP.replace("SAVP", "AVP")},
    "bad suite": {"sdp": SDP.replace("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80")},
    "IPv6 media": {"sdp": SDP.replace("IN IP4 192.0.2.1", "IN IP6 2001:db8::1")},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_the_reference_is_an_invite_that_the_simulator_takes(broken: dict[str, Any]) -> None:
    assert answered_with(reference_invite(a_refused_call(**broken))["text"]) == 200


def test_a_correct_invite_is_its_own_reference() -> None:
    trace = a_good_call()
    rows = reference_invite(trace)["rows"]
    assert {row["state"] for row in rows} == {"same"}
    assert [row["header"] for row in rows][:3] == ["start line", "Via", "Max-Forwards"]
    assert [row["header"] for row in rows][-2:] == ["SDP a=crypto", "SDP a=rtpmap telephone-event"]


def test_what_is_missing_is_named_with_its_rule() -> None:
    rows = by_header(a_refused_call(remove=("Contact",)))
    assert rows["Contact"]["state"] == "missing"
    assert rows["Contact"]["found"] is None
    assert "SBC-HDR-005" in rows["Contact"]["rules"]
    assert rows["Contact"]["reference"].startswith("<sip:")


def test_what_is_wrong_stands_beside_what_is_right() -> None:
    rows = by_header(a_refused_call(user_to_user="7b2;encoding=hex"))
    assert rows["User-to-User"]["state"] == "wrong"
    assert rows["User-to-User"]["found"] == "7b2;encoding=hex"
    assert rows["User-to-User"]["reference"].endswith(";encoding=hex")
    assert "SBC-UUI-002" in rows["User-to-User"]["rules"]


def test_a_number_that_is_not_in_e164_is_put_right_and_the_rest_of_its_header_kept() -> None:
    row = by_header(a_refused_call(**{"from": '"Ann" <sip:1-415-555-0111@partner.example>;tag=1'}))["From"]
    assert (row["state"], row["rules"]) == ("wrong", ["SBC-HDR-002"])
    assert row["reference"] == '"Ann" <sip:+14155550111@partner.example>;tag=1'


def test_what_is_not_needed_is_extra_and_not_in_the_text() -> None:
    trace = a_refused_call(x_own="1", sdp=SDP + "a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\n")
    rows = by_header(trace)
    assert (rows["X-Own"]["state"], rows["X-Own"]["reference"]) == ("extra", None)
    assert rows["SDP a=candidate"]["reference"] is None
    assert "X-Own" not in reference_invite(trace)["text"]


def test_a_line_that_no_rule_reached_but_is_not_right_differs() -> None:
    row = by_header(a_refused_call(remove=("Contact",), sdp=SDP.replace("RTP/SAVP", "RTP/AVP")))["SDP m=audio"]
    assert row["state"] in ("differs", "wrong")
    assert row["reference"] == "m=audio 24000 RTP/SAVP 0 101"


def test_keys_and_tokens_are_masked() -> None:
    trace = a_good_call()
    assert KEY not in json.dumps(reference_invite(trace))
    trace = a_refused_call(authorization="Digest secret")
    assert "secret" not in json.dumps(reference_invite(trace))


def test_without_an_invite_all_of_it_is_missing() -> None:
    told = reference_invite(a_call_of(b"BYE sip:a@b SIP/2.0\r\n\r\n"))
    assert {row["state"] for row in told["rows"]} == {"missing"}
    assert answered_with(told["text"]) == 200


@given(st.binary(max_size=300))
@settings(max_examples=80, deadline=None)
def test_any_invite_has_a_reference(tail: bytes) -> None:
    trace = a_call_of(b"INVITE sip:a@b SIP/2.0\r\n" + tail)
    trace.entries[1].data["summary"] = "INVITE"  # type: ignore[index]
    told = reference_invite(trace)
    json.dumps(told).encode()
    assert {row["state"] for row in told["rows"]} <= {"same", "differs", "missing", "extra", "wrong"}
