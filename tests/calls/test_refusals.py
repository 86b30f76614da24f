"""What is refused, with which status, and that the answer names the rule: the cases of the issue's last paragraph and the limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.calls.limits import Limits
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.headers import WarningValue
from sbc_sim.sip.message import Request
from tests.support.sip import ECHO, SDP, Exchange, a_peer, a_request, an_environment, an_invite

CASES = [
    ("only PCMA", an_invite(SDP.replace("RTP/SAVP 0 101", "RTP/SAVP 8 101")), 488, 305, "SBC-SDP-"),
    ("plain RTP", an_invite(SDP.replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x-no")), 488, 302, "SBC-"),
    ("no usable suite", an_invite(SDP.replace("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80")), 488, 306, "SBC-SRTP-"),
    ("video only", an_invite(SDP.replace("m=audio", "m=video")), 488, 304, "SBC-SDP-"),
    ("SDP that is none", an_invite("hello"), 400, 399, "SBC-SDP-"),
    ("no User-to-User", an_invite(remove=("User-to-User",)), 400, 399, "SBC-UUI-"),
    ("odd digits", an_invite(user_to_user=ECHO[1:]), 400, 399, "SBC-UUI-"),
    ("not hex", an_invite(user_to_user="7bzz;encoding=hex"), 400, 399, "SBC-UUI-"),
    ("another encoding", an_invite(user_to_user="7b7d;encoding=base64"), 400, 399, "SBC-UUI-"),
    ("two values", an_invite(user_to_user=f"{ECHO}, {ECHO}"), 400, 399, "SBC-UUI-"),
    ("tel URI", an_invite(uri="tel:+15550100"), 416, 399, "SBC-SIP-"),
    ("unknown extension", an_invite(require="precondition"), 420, 399, "SBC-SIP-"),
    ("text body", an_invite("hi", content_type="text/plain"), 415, 399, "SBC-SIP-"),
    ("zipped body", an_invite(SDP, content_encoding="gzip"), 415, 399, "SBC-SIP-"),
    ("no Contact", an_invite(remove=("Contact",)), 400, 399, "SBC-SIP-"),
    ("CSeq of another method", an_invite(cseq="1 OPTIONS"), 400, 399, "SBC-SIP-"),
    ("CSeq too large", an_invite(cseq="2147483648 INVITE"), 400, 399, "SBC-SIP-"),
    ("no Call-ID", an_invite(remove=("Call-ID",)), 400, 399, "SBC-SIP-"),
    ("short session", an_invite(session_expires="30", supported="timer"), 422, 399, "SBC-SIP-"),
]


@pytest.mark.parametrize(("invite", "status", "code", "rule"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_refusal_names_its_rule_on_the_wire_in_the_journal_and_in_the_verdict(invite, status, code, rule):
    exchange = Exchange()
    answer = exchange.line().final(invite)
    assert answer.status == status
    warning = WarningValue.parse(answer.headers.first("Warning") or "")
    assert warning.code == code
    named = warning.text.split(":")[0]
    assert named.startswith(rule)
    assert named in RULES
    assert [e.data["rule"] for e in exchange.told(Kind.REJECTED)] == [named]
    assert named in exchange.rules("fail")
    ended = exchange.told(Kind.CALL_ENDED)[0].data
    assert (ended["state"], ended["status"]) == ("rejected", status)
    exchange.wait(200)
    assert exchange.switchboard.at_rest


def test_plain_hex_text_is_echoed_and_shown_with_a_warning():
    exchange = Exchange()
    exchange.line().call(an_invite(user_to_user="48656c6c6f;encoding=hex")).send("BYE")
    assert exchange.told(Kind.UUI)[0].data["decoded"] == "Hello"
    verdict = exchange.verdict()
    assert verdict["status"] == "warn"


@pytest.mark.parametrize(("off_list", "status"), [("403", 403), ("503", 503)])
def test_a_source_off_the_list_is_refused_and_named(off_list, status):
    exchange = Exchange(Policy(allow_from=("198.51.100.0/24",), off_list=off_list))
    answer = exchange.line().final(an_invite())
    assert answer.status == status
    assert "192.0.2.1" in (answer.headers.first("Warning") or "")


def test_a_source_off_the_list_can_be_closed_silently_and_is_listed_as_an_attempt():
    exchange = Exchange(Policy(allow_from=("198.51.100.0/24",), off_list="close"))
    line = exchange.line()
    assert line.closed is not None
    assert line.send(an_invite()) == []
    assert exchange.told(Kind.ATTEMPT)[0].data["problem"] == "off-list"
    assert exchange.line(a_peer("198.51.100.7")).final(an_invite()).status == 200


def test_more_calls_than_the_limit_get_503_with_retry_after_and_the_others_go_on():
    exchange = Exchange(limits=Limits(ring_seconds=0, calls=2))
    line = exchange.line()
    first, second = line.call(), line.call()
    answer = line.final(an_invite())
    assert answer.status == 503
    assert answer.headers.first("Retry-After")
    assert line.final(a_request("OPTIONS")).status == 503
    first.send("BYE")
    assert line.final(an_invite()).status == 200
    assert second.final("OPTIONS").status == 200


def test_more_calls_in_a_second_than_allowed_get_503():
    exchange = Exchange(limits=Limits(ring_seconds=0, calls_per_second=2))
    line = exchange.line()
    assert [line.final(an_invite()).status for _ in range(3)] == [200, 200, 503]
    exchange.wait(1.1)
    assert line.final(an_invite()).status == 200


def test_a_call_without_a_free_port_gets_503():
    exchange = Exchange(environment=an_environment(ports=1))
    line = exchange.line()
    line.call()
    answer = line.final(an_invite())
    assert answer.status == 503
    assert "media ports" in (answer.headers.first("Warning") or "")


def test_a_message_without_content_length_gets_400_and_the_connection_is_closed():
    exchange = Exchange()
    line = exchange.line()
    answer = line.final(an_invite(remove=("Content-Length",)))
    assert answer.status == 400
    assert line.closed is not None
    assert exchange.told(Kind.PARSE_ERROR)[0].data["malformation"] == "content-length-missing"


def test_a_ping_is_answered_with_one_crlf_and_a_single_crlf_with_nothing():
    line = Exchange().line()
    line.send(b"\r\n\r\n")
    assert line.raw == b"\r\n"
    line.send(an_invite()[:10])
    line.send(an_invite()[10:])


def test_broken_octets_on_one_connection_leave_a_call_on_another_alone():
    exchange = Exchange()
    good, bad = exchange.line(), exchange.line()
    placed = good.call()
    bad.send(b"\x16\x03\x01 not sip\r\n\r\n")
    assert bad.closed is not None
    assert placed.final("OPTIONS").status == 200
    assert placed.final("BYE").status == 200


_PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            an_invite(),
            an_invite(remove=("To",)),
            a_request("BYE"),
            a_request("ACK"),
            a_request("OPTIONS"),
            b"\r\n\r\n",
            b"SIP/2.0 200 OK\r\n",
        ]
    ),
    st.builds(lambda m, i, b: m[:i] + b + m[i + 1 :], st.just(an_invite()), st.integers(0, 600), st.binary(max_size=3)),
    st.builds(
        lambda name, value: an_invite(**{name: value}),
        st.sampled_from(["via", "to", "contact", "cseq", "require", "record_route"]),
        st.text(max_size=30),
    ),
)


@settings(max_examples=150)
@given(st.lists(_PIECES, max_size=6))
def test_any_octets_are_answered_or_closed_and_leave_nothing_behind(pieces):
    exchange = Exchange()
    placed = exchange.line().call()
    line = exchange.line()
    for piece in pieces:
        line.send(piece)
    assert placed.final("BYE").status == 200
    line.lose()
    exchange.wait(400)
    for dialled in exchange.dialled():
        exchange.line(number=dialled.connection)
    exchange.wait(400)
    board = exchange.switchboard
    assert board.live_calls == 0
    assert (board._register.empty, board._outbox.calls) == (True, {})
    started = {entry.call for entry in exchange.told(Kind.CALL_STARTED)}
    assert started == {entry.call for entry in exchange.told(Kind.CALL_ENDED)}


@settings(max_examples=60)
@given(st.data())
def test_octet_by_octet_gives_the_same_answers_as_whole(data):
    messages = data.draw(
        st.lists(st.sampled_from([an_invite(call_id="x"), a_request("OPTIONS", call_id="y"), an_invite(call_id="z", cseq="x")]), max_size=4)
    )
    octets = b"".join(messages)
    whole, pieces = Exchange().line(), Exchange().line()
    whole.send(octets)
    for octet in octets:
        pieces.send(bytes([octet]))
    assert [_told(m) for m in whole.messages] == [_told(m) for m in pieces.messages]


def _told(message: object) -> object:
    return message.method if isinstance(message, Request) else message.status  # type: ignore[attr-defined]


def test_a_worker_without_a_free_media_port_says_that_others_may_have_some() -> None:
    shared = replace(an_environment(ports=0), media_share=" at worker 1 of 3; a new connection may come to another one")
    answer = Exchange(environment=shared).line().final(an_invite(SDP))
    said = WarningValue.parse(answer.headers.first("Warning") or "").text
    assert answer.status == 503
    assert "ll media ports are in use (media.ports) at worker 1 of 3; a new connection may come to another one" in said
