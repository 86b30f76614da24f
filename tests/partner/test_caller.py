"""The caller against the switchboard, without sockets: the whole call, SRTP included."""

from __future__ import annotations

import pytest

from sbc_sim.calls.limits import Limits
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem
from tests.support.joined import Joined


def test_a_call_is_answered_echoed_octet_by_octet_and_hung_up():
    joined = Joined(seconds=3.0)
    joined.run()
    result = joined.caller.results[0]
    assert (result.status, result.bye_status, result.ended_by, result.problems) == (200, 200, "partner", [])
    proof = result.proof
    assert proof is not None
    assert proof.sent == proof.identical == 120
    assert proof.altered == proof.lost == 0
    verdict = joined.sbc.told(Kind.VERDICT)[0].data
    assert verdict["status"] == "pass", [f for f in verdict["findings"] if f["status"] in ("fail", "warn")]


@pytest.mark.parametrize("suite", Policy().suites)
def test_every_suite_carries_the_echo(suite):
    joined = Joined(seconds=1.6, offer=Policy(suites=(suite,)))
    joined.run()
    result = joined.caller.results[0]
    assert result.suite == suite
    assert result.proof is not None
    assert result.proof.identical == 50


def test_several_calls_share_a_connection():
    joined = Joined(calls=5, seconds=1.6)
    joined.run()
    assert [r.status for r in joined.caller.results] == [200] * 5
    assert all(r.proof is not None and r.proof.identical == 50 for r in joined.caller.results)
    assert len(joined.sbc.stopped) == 5


def test_a_refusal_brings_the_rule_in_its_warning():
    joined = Joined(user_to_user=None)
    joined.run()
    result = joined.caller.results[0]
    assert result.status == 400
    assert "SBC-UUI-" in (result.warning or "")
    assert joined.partner.stopped == [result.call]


def test_a_reliable_180_is_acknowledged_with_prack():
    joined = Joined(seconds=1.6, extra=(("Require", "100rel"),))
    joined.run()
    assert joined.caller.results[0].status == 200
    assert "PRACK" in [e.data["method"] for e in joined.sbc.told(Kind.MESSAGE)]


def test_the_sbc_hanging_up_first_is_told():
    joined = Joined(seconds=5.0, limits=Limits(ring_seconds=0, call_seconds=2))
    joined.run()
    result = joined.caller.results[0]
    assert result.ended_by == "sbc"
    assert "hung up first" in result.problems[0]


def test_the_sbc_hanging_up_first_is_in_order_where_it_may():
    joined = Joined(seconds=5.0, sbc_may_end=True, limits=Limits(ring_seconds=0, call_seconds=2))
    joined.run()
    assert (joined.caller.results[0].ended_by, joined.caller.results[0].problems) == ("sbc", [])


def test_hanging_up_while_it_rings_cancels():
    joined = Joined(limits=Limits(ring_seconds=30))
    joined._took(joined.partner, joined.caller.start(joined.now))
    joined.step()
    joined._took(joined.partner, joined.caller.hang_up(joined.now))
    assert joined.caller.results[0].status == 487
    assert joined.switchboard.live_calls == 0


def test_no_answer_is_cancelled_after_the_longest_ringing():
    joined = Joined(limits=Limits(ring_seconds=500))
    joined.run(longest=100)
    result = joined.caller.results[0]
    assert result.status == 487
    assert "no final answer within 60 s" in result.problems[0]


def test_a_connection_that_cannot_be_had_fails_every_call():
    joined = Joined(calls=3)
    joined.caller.start(joined.now)
    failure = TlsFailure(TlsProblem.UNTRUSTED_SERVER, "the chain does not lead to a CA of the bundle")
    peer = Peer("203.0.113.5", 5061, "", 0, dialled=True)
    joined._took(joined.partner, joined.caller.refused(-1, peer, failure, joined.now))
    assert joined.caller.finished
    assert [r.status for r in joined.caller.results] == [503] * 3
    assert joined.partner.told(Kind.ATTEMPT)[0].data["findings"]


def test_a_connection_lost_in_the_middle_ends_the_call():
    joined = Joined()
    joined._took(joined.partner, joined.caller.start(joined.now))
    for _ in range(50):
        joined.step()
    joined._took(joined.partner, joined.caller.lost(-1, "reset", joined.now))
    result = joined.caller.results[0]
    assert (result.ended_by, result.status) == ("network", 200)
