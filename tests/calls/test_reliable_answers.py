"""The answer to an offer of ours in a reliable 183: to a call back of the switchboard, and to a call of the partner's side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sbc_sim.calls.escalation_settings import EscalationPlan
from sbc_sim.calls.outputs import StartMedia
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.caller import CONNECTION, Caller
from sbc_sim.partner.placed_call import CallPlan
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.message import Request
from tests.support.sip import SDP, Exchange, Line, a_peer, an_answer, an_environment

OTHER_SDP = SDP.replace(" 24000 ", " 26000 ")
CLEAR = SDP.replace("RTP/SAVP", "RTP/AVP").partition("a=crypto")[0]


def called_back() -> Line:
    """The line of a call back."""
    exchange = Exchange()
    plan = EscalationPlan(mode="invite-back", return_uri="sips:p@back.example:5071", seconds=3, check_seconds=5)
    exchange.switchboard = Switchboard(exchange.policy, exchange.limits, Identity("sbc.example", 5061), exchange.environment, plan)
    exchange.line().call()
    call = exchange.told(Kind.CALL_STARTED)[0].call or ""
    exchange.took(exchange.switchboard.escalate(call, "", "why", exchange.now))
    return exchange.line(replace(a_peer("192.0.2.7", 5071), dialled=True), exchange.dialled()[0].connection)


def placed() -> Line:
    """The line of a call of the partner's side."""
    exchange = Exchange()
    plan = CallPlan("sbc.example", 5061, "sip:1000@sbc.example", "<sip:a@b.example>", "<sip:1000@sbc.example>", None)
    caller = Caller(plan, an_environment(), lambda call: None, Policy())
    exchange.switchboard = caller  # type: ignore[assignment]
    exchange.took(caller.start(exchange.now))
    return exchange.line(number=CONNECTION)


@pytest.fixture(params=[called_back, placed])
def line(request: pytest.FixtureRequest) -> Line:
    make: Callable[[], Line] = request.param
    return make()


def invite(line: Line) -> Request:
    return next(m for m in line.messages if isinstance(m, Request))


def asked(line: Line) -> list[str]:
    return [m.method for m in line.messages if isinstance(m, Request)]


def ring(line: Line, number: int, body: str = "", tag: str = "one") -> list[str]:
    """A reliable 183; what is asked at once."""
    back = line.send(an_answer(invite(line), 183, body, tag, require="100rel", rseq=str(number)))
    return [f"{m.method} {m.headers.first('RAck')}" for m in back if isinstance(m, Request)]


def ports(line: Line) -> list[int]:
    return [output.leg.remote[1] for output in line.exchange.started_media()[-1:]]


def test_the_answer_in_a_reliable_183_holds_when_the_200_brings_none(line: Line) -> None:
    assert ring(line, 1, SDP) == ["PRACK 1 1 INVITE"]
    line.send(an_answer(invite(line), 200, tag="one"))
    assert asked(line)[:3] == ["INVITE", "PRACK", "ACK"]
    assert ports(line) == [24000]
    line.exchange.wait(1.0)
    assert "BYE" not in asked(line)


def test_what_the_200_describes_after_that_is_not_looked_at(line: Line) -> None:
    ring(line, 1, SDP)
    line.send(an_answer(invite(line), 200, OTHER_SDP, tag="one"))
    assert ports(line) == [24000]


def test_another_fork_is_taken_by_its_own_answer(line: Line) -> None:
    ring(line, 1, SDP)
    line.send(an_answer(invite(line), 200, OTHER_SDP, tag="two"))
    assert ports(line) == [26000]


def test_each_rseq_is_acknowledged_once_and_in_its_order(line: Line) -> None:
    assert ring(line, 7) == ["PRACK 7 1 INVITE"]
    assert ring(line, 7) == []
    assert ring(line, 9) == []
    assert ring(line, 8) == ["PRACK 8 1 INVITE"]
    assert ring(line, 7, tag="two") == ["PRACK 7 1 INVITE"]


def test_an_answer_in_a_reliable_183_that_cannot_be_used_ends_the_call(line: Line) -> None:
    started = len([o for o in line.exchange.outputs if isinstance(o, StartMedia)])
    ring(line, 1, CLEAR)
    line.send(an_answer(invite(line), 200, SDP, tag="one"))
    assert asked(line) == ["INVITE", "PRACK", "ACK", "BYE"]
    assert len(line.exchange.started_media()) == started
