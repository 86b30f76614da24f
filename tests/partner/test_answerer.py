"""The answerer against a caller, without sockets: what a partner sees of a call that is given back to it."""

from __future__ import annotations

import pytest

from sbc_sim.journal.entries import Kind
from sbc_sim.partner.answered_call import AnswerPlan, in_clear
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.peer import Peer, TlsFacts, TlsFailure, TlsProblem
from sbc_sim.sip.uui import UuiFault
from tests.support.handed_back import HandedBack
from tests.support.sip import SDP, a_request


def test_a_call_given_back_is_answered_and_ended_by_the_sbc():
    joined = HandedBack(seconds=1.5, plan=AnswerPlan(seconds=30), extra=(("X-Intent", "billing"),))
    joined.run()
    taken = joined.taken
    assert (taken.status, taken.ended_by, taken.problems) == (200, "sbc", [])
    assert (taken.codec, taken.suite) == ("PCMU", "AES_CM_128_HMAC_SHA1_80")
    assert taken.uui is not None
    assert taken.uui.fields == {"orgId": "echo-test-org", "scrt2Domain": "afv-wss-echo:7442"}
    assert taken.invite is not None
    assert taken.invite.headers.first("X-Intent") == "billing"
    assert taken.bye is not None
    assert joined.sbc.stopped == [taken.call]
    assert joined.caller.results[0].problems == []


def test_the_partner_ends_the_call_after_its_time():
    joined = HandedBack(seconds=20.0, plan=AnswerPlan(seconds=1.0))
    joined.run()
    assert (joined.taken.ended_by, joined.taken.bye_status) == ("partner", 200)
    assert "hung up first" in joined.caller.results[0].problems[0]


def test_a_refusal_is_given_as_ordered():
    joined = HandedBack(plan=AnswerPlan(refuse=603))
    joined.run()
    assert joined.caller.results[0].status == joined.taken.status == 603
    assert joined.taken.answered_at is None


def test_a_call_without_user_to_user_is_taken_but_told_of():
    joined = HandedBack(seconds=1.0, user_to_user=None)
    joined.run()
    assert joined.caller.results[0].status == 200
    assert joined.taken.problems == ["There is no User-to-User header"]


def test_no_key_is_missed_in_the_user_to_user_of_a_return():
    joined = HandedBack(seconds=1.0, user_to_user="7b226f72674964223a2258227d;encoding=hex")
    joined.run()
    assert joined.taken.uui is not None
    assert joined.taken.uui.fields == {"orgId": "X"}
    assert [problem.fault for problem in joined.taken.uui.problems if problem.fault is UuiFault.MISSING_KEY] == []


def test_an_invite_that_rang_and_whose_cancel_is_never_answered_is_forgotten_after_32_seconds():
    joined = HandedBack(plan=AnswerPlan(ring_seconds=60))
    joined._took(joined.partner, joined.caller.start(joined.now))
    joined.step()
    joined.caller.hang_up(joined.now)  # what it sends is lost
    assert {client.request.method for client in joined.caller._agent.client.transactions} == {"INVITE", "CANCEL"}
    joined.caller.advance(joined.now + 31.0)
    assert joined.caller._agent.client.transactions
    joined.caller.advance(joined.now + 32.5)
    assert joined.caller._agent.client.transactions == []


def test_pcma_alone_is_refused_with_488():
    joined = HandedBack(offer=Policy(codecs=("PCMA",)))
    joined.run()
    assert joined.caller.results[0].status == 488
    assert "PCMA" in joined.taken.problems[0]


def test_a_client_certificate_of_the_sbc_is_told_of():
    joined = HandedBack()
    shown = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", client_certificate="CN=sbc")
    joined.answerer.connected(7, Peer("203.0.113.5", 40000, "192.0.2.1", 5061, tls=shown), joined.now)
    joined.answerer.receive(7, a_request(body=SDP), joined.now)
    assert joined.taken.problems == ["the SBC showed a client certificate (CN=sbc): mutual TLS is not supported"]


def test_a_cancelled_call_is_over():
    joined = HandedBack(plan=AnswerPlan(ring_seconds=60))
    joined._took(joined.partner, joined.caller.start(joined.now))
    joined.step()
    joined._took(joined.partner, joined.caller.hang_up(joined.now))
    assert joined.taken.status == joined.caller.results[0].status == 487
    assert joined.sbc.stopped == [joined.taken.call]


def test_only_so_many_calls_are_taken_as_ordered():
    joined = HandedBack(calls=3, seconds=1.0, wanted=2)
    joined.run()
    assert sorted(result.status or 0 for result in joined.caller.results) == [200, 200, 503]
    assert joined.answerer.finished


def test_a_200_that_is_never_acknowledged_ends_in_bye():
    joined = HandedBack()
    peer = Peer("203.0.113.5", 40000, "192.0.2.1", 5061)
    joined.answerer.connected(7, peer, joined.now)
    joined.answerer.receive(7, a_request(body=SDP), joined.now)
    for _ in range(200):
        joined.now += 0.5
        joined.answerer.advance(joined.now)
    assert "our 200 was never acknowledged" in joined.taken.problems


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"require": "replaces"}, 420), ({"content_type": "text/plain"}, 415), ({"method": "MESSAGE"}, 405), ({"method": "BYE"}, 481)],
)
def test_what_cannot_be_taken_gets_the_status_of_the_rfc(changed, status):
    joined = HandedBack()
    joined.answerer.connected(7, Peer("203.0.113.5", 40000, "192.0.2.1", 5061), joined.now)
    outputs = joined.answerer.receive(7, a_request(**{"body": SDP, **changed}), joined.now)
    sent = b"".join(output.data for output in outputs if hasattr(output, "data"))
    assert f"SIP/2.0 {status} ".encode() in sent


def test_a_connection_that_came_to_nothing_is_kept():
    joined = HandedBack()
    failure = TlsFailure(TlsProblem.UNKNOWN_CA, "the peer does not trust our CA", "unknown_ca", True)
    outputs = joined.answerer.refused(9, Peer("203.0.113.5", 40000, "192.0.2.1", 5061), failure, joined.now)
    assert joined.answerer.failures == [failure]
    assert outputs[0].entry.kind is Kind.ATTEMPT  # type: ignore[union-attr]


def test_media_in_clear_is_a_description_without_protection():
    clear = in_clear(SDP.encode())
    assert b"RTP/AVP 0 101" in clear
    assert b"crypto" not in clear
