"""Requirements 27-38 through the door of the core: octets in, octets out, time as an argument."""

from __future__ import annotations

import pytest

from sbc_sim.calls.limits import Limits
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Request
from tests.support.sip import SDP, Exchange, Placed, a_request, an_invite

RINGING = Limits(ring_seconds=5.0)


def test_an_invite_gets_100_then_180_then_200_with_one_to_tag():
    line = Exchange().line()
    answers = line.send(an_invite(timestamp="54"))
    assert [a.status for a in answers] == [100, 180, 200]
    assert "tag=" not in (answers[0].headers.first("To") or "")
    assert answers[0].headers.first("Timestamp") == "54"
    assert answers[1].headers.first("To") == answers[2].headers.first("To")
    assert "tag=" in (answers[2].headers.first("To") or "")


def test_from_call_id_cseq_and_all_vias_come_back_in_order_and_unchanged():
    via = "SIP/2.0/TLS 192.0.2.1:5071;branch=z9hG4bKabc;x-own=1, SIP/2.0/TLS far.example;branch=z9hG4bKfar"
    answer = Exchange().line().final(an_invite(via=via, call_id="odd@@id", cseq="77 INVITE"))
    assert ", ".join(answer.headers.all("Via")) == via
    assert answer.headers.first("Call-ID") == "odd@@id"
    assert answer.headers.first("CSeq") == "77 INVITE"


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        ("SIP/2.0/TLS sbc1:5071;branch=z9hG4bK1", "SIP/2.0/TLS sbc1:5071;branch=z9hG4bK1;received=192.0.2.1"),
        ("SIP/2.0/TLS 192.0.2.1:5071;branch=z9hG4bK2", "SIP/2.0/TLS 192.0.2.1:5071;branch=z9hG4bK2"),
        ("SIP/2.0/TLS 10.0.0.9;rport;branch=z9hG4bK3", "SIP/2.0/TLS 10.0.0.9;rport=40001;branch=z9hG4bK3;received=192.0.2.1"),
    ],
)
def test_received_and_rport_say_where_the_request_came_from(via, expected):
    assert Exchange().line().final(an_invite(via=via)).headers.first("Via") == expected


def test_a_repeated_invite_while_ringing_gets_the_last_answer_again():
    line = Exchange(limits=RINGING).line()
    invite = an_invite()
    line.send(invite)
    assert line.statuses(invite) == [180]


def test_a_repeated_invite_after_200_is_absorbed():
    line = Exchange().line()
    invite = an_invite()
    line.send(invite)
    assert line.send(invite) == []


def test_a_refused_invite_that_comes_again_is_refused_again_until_acknowledged():
    line = Exchange().line()
    invite = an_invite(remove=("User-to-User",))
    assert line.statuses(invite)[-1] == 400
    assert line.statuses(invite) == [400]


def test_a_refusal_is_not_repeated_by_time_and_its_transaction_ends_after_32_seconds():
    exchange = Exchange()
    line = exchange.line()
    line.send(an_invite(remove=("User-to-User",)))
    seen = len(line.messages)
    exchange.wait(40)
    assert len(line.messages) == seen
    assert exchange.switchboard.at_rest


def test_a_200_without_ack_is_repeated_with_doubling_intervals_and_then_the_call_is_ended_with_bye():
    exchange = Exchange()
    line = exchange.line()
    start = exchange.now
    line.send(an_invite())
    line.messages.clear()
    times = []
    for _ in range(400):
        before = len(line.messages)
        exchange.wait(0.1)
        times += [round(exchange.now - start, 1)] * (len(line.messages) - before)
    repeated = [m for m in line.messages if not isinstance(m, Request)]
    assert times[:4] == pytest.approx([0.5, 1.5, 3.5, 7.5], abs=0.11)
    assert all(m.status == 200 for m in repeated)
    byes = [m for m in line.messages if isinstance(m, Request)]
    assert [m.method for m in byes] == ["BYE"]
    assert times[-1] == pytest.approx(32.0, abs=0.2)


def test_an_acknowledged_200_is_not_repeated():
    exchange = Exchange()
    line = exchange.line()
    line.call()
    seen = len(line.messages)
    exchange.wait(30)
    assert len(line.messages) == seen


def test_a_stray_ack_gets_no_answer():
    line = Exchange().line()
    assert line.send(a_request("ACK", to="<sip:x@y>;tag=none")) == []


def test_cancel_while_ringing_is_answered_200_and_the_invite_487():
    exchange = Exchange(limits=RINGING)
    line = exchange.line()
    line.send(an_invite(via="SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKc", call_id="c1", **{"from": "<sip:a@b>;tag=1"}))
    answers = line.send(a_request("CANCEL", via="SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKc", call_id="c1", **{"from": "<sip:a@b>;tag=1"}))
    assert [(a.status, a.headers.first("CSeq")) for a in answers] == [(200, "1 CANCEL"), (487, "1 INVITE")]
    ended = exchange.told(Kind.CALL_ENDED)[0].data
    assert (ended["endedBy"], ended["endReason"]) == ("partner", "cancelled")
    assert len(exchange.stopped_media()) == 1


def test_cancel_without_invite_gets_481_and_after_the_answer_200_without_effect():
    line = Exchange().line()
    assert line.statuses(a_request("CANCEL")) == [481]
    line.send(an_invite(via="SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKd", call_id="c2"))
    assert line.statuses(a_request("CANCEL", via="SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKd", call_id="c2")) == [200]


def test_a_peer_without_the_magic_cookie_is_matched_by_the_older_rule():
    line = Exchange(limits=RINGING).line()
    invite = an_invite(via="SIP/2.0/TLS old.example:5061")
    assert line.statuses(invite) == [100, 180]
    assert line.statuses(invite) == [180]


def test_the_same_request_on_another_branch_is_a_loop():
    line = Exchange(limits=RINGING).line()
    same = {"call_id": "m1", "from": "<sip:a@b>;tag=7"}
    line.send(an_invite(**same))
    answer = line.final(an_invite(**same))
    assert answer.status == 482
    assert "SBC-SIP-028" in (answer.headers.first("Warning") or "")


@pytest.mark.parametrize("method", ["OPTIONS", "BYE", "REGISTER", "INFO"])
def test_requests_other_than_invite_get_no_provisional_answer(method):
    assert all(status >= 200 for status in Exchange().line().statuses(a_request(method)))


def test_an_invite_that_expires_while_ringing_gets_487():
    exchange = Exchange(limits=RINGING)
    line = exchange.line()
    line.send(an_invite(expires="2"))
    exchange.wait(2.1)
    assert line.messages[-1].status == 487


def test_require_100rel_makes_the_180_reliable_and_the_200_waits_for_prack():
    exchange = Exchange()
    line = exchange.line()
    ringing = line.send(an_invite(require="100rel", call_id="r1", **{"from": "<sip:a@b>;tag=1"}))[-1]
    assert ringing.status == 180
    assert ringing.headers.first("Require") == "100rel"
    rseq = ringing.headers.first("RSeq")
    own = {"call_id": "r1", "from": "<sip:a@b>;tag=1", "to": ringing.headers.first("To") or ""}
    wrong = line.final(a_request("PRACK", cseq="2 PRACK", rack="999999 1 INVITE", **own))
    assert wrong.status == 481
    exchange.wait(0.6)
    assert line.messages[-1].status == 180, "repeated until it is acknowledged"
    answers = line.statuses(a_request("PRACK", cseq="3 PRACK", rack=f"{rseq} 1 INVITE", **own))
    assert answers == [200, 200]


def test_a_reliable_180_without_prack_ends_the_call_with_504():
    exchange = Exchange()
    line = exchange.line()
    line.send(an_invite(require="100rel"))
    exchange.wait(33)
    assert line.messages[-1].status == 504


def test_100rel_is_refused_with_420_when_it_is_switched_off():
    answer = Exchange(Policy(reliable_provisional=False)).line().final(an_invite(require="100rel"))
    assert answer.status == 420
    assert answer.headers.first("Unsupported") == "100rel"


def test_answers_go_back_on_a_new_connection_when_the_old_one_is_gone():
    exchange = Exchange(limits=RINGING)
    line = exchange.line()
    line.send(an_invite(via="SIP/2.0/TLS 10.0.0.9:5071;branch=z9hG4bKx;rport"))
    line.lose()
    exchange.wait(5.1)
    dialled = exchange.dialled()
    assert [(d.host, d.port) for d in dialled] == [("192.0.2.1", 5071)]
    back = exchange.line(number=dialled[0].connection)
    assert [m.status for m in back.messages] == [200]


def test_placing_a_call_again_on_the_same_call_id_after_a_refusal_works():
    line = Exchange().line()
    own = {"call_id": "again", "from": "<sip:+1@b>;tag=7"}
    assert line.final(an_invite(cseq="1 INVITE", session_expires="30", supported="timer", **own)).status == 422
    assert line.final(an_invite(cseq="2 INVITE", session_expires="90", supported="timer", **own)).status == 200


def test_a_broken_copy_of_an_invite_does_not_disturb_the_live_call_of_that_call_id():
    exchange = Exchange()
    line = exchange.line()
    placed = line.call(an_invite(call_id="live", **{"from": "<sip:+1@b>;tag=7"}))
    line.send(an_invite(call_id="live", cseq="9 OPTIONS", **{"from": "<sip:+1@b>;tag=7"}))
    assert placed.final("BYE").status == 200
    assert exchange.told(Kind.CALL_ENDED)[-1].data["state"] == "ended"


def test_more_transactions_than_the_limit_are_refused_with_503():
    exchange = Exchange(limits=Limits(transactions=3))
    line = exchange.line()
    for _ in range(3):
        line.send(an_invite(remove=("User-to-User",)))
    answer = line.final(an_invite())
    assert answer.status == 503
    assert answer.headers.first("Retry-After")


def test_the_sdp_of_the_support_is_a_whole_offer():
    assert Placed(Exchange().line(), an_invite(SDP)).ok.status == 200
