"""What crosses on the wire: answers to our re-INVITEs after a BYE, a BYE that meets a hold that waits, an ACK that brings the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sbc_sim.calls.agents import Agents, AgentSettings
from sbc_sim.calls.conduct import Conduct
from sbc_sim.calls.outputs import Say, StartMedia, StopMedia
from sbc_sim.journal.entries import Kind
from sbc_sim.sip.message import Request
from tests.support.sip import SDP, Exchange, Line, Placed, an_answer, an_environment, an_invite

HOLD = Conduct("hold", hold_after=1.0)
REFRESH = Conduct("refresh", refresh_after=1.0)


def behaving(conduct: Conduct) -> tuple[Exchange, Line]:
    exchange = Exchange(environment=replace(an_environment(), choose=lambda facts, now: conduct))
    return exchange, exchange.line()


def asked(line: Line, method: str) -> list[Request]:
    return [m for m in line.messages if isinstance(m, Request) and m.method == method]


def media(exchange: Exchange) -> list[str]:
    return [type(o).__name__ for o in exchange.outputs if isinstance(o, StartMedia | Say | StopMedia)]


@pytest.mark.parametrize("conduct", [HOLD, REFRESH])
@pytest.mark.parametrize("answered", [False, True])
def test_a_200_to_our_re_invite_that_comes_after_our_bye_is_acknowledged_and_starts_no_media(conduct: Conduct, answered: bool) -> None:
    exchange, line = behaving(conduct)
    line.call()
    exchange.wait(1.5)
    (again,) = asked(line, "INVITE")
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    if answered:
        line.send(an_answer(asked(line, "BYE")[0], 200))
    assert [m.method for m in line.send(an_answer(again, 200, SDP)) if isinstance(m, Request)] == ["ACK"]
    assert media(exchange) == ["StartMedia", "StopMedia"]
    assert [m.method for m in line.send(an_answer(again, 200, SDP)) if isinstance(m, Request)] == ["ACK"]  # that one was lost


@pytest.mark.parametrize("bye_first", [False, True])
def test_a_hold_that_waits_to_be_tried_again_wakes_nobody_while_a_bye_is_ignored(bye_first: bool) -> None:
    exchange, line = behaving(replace(HOLD, ignore_bye=True))
    placed = line.call()
    exchange.wait(1.05)
    glare = an_answer(asked(line, "INVITE")[0], 491)
    bye = placed.request("BYE")
    for data in (bye, glare) if bye_first else (glare, bye):
        line.send(data)
    exchange.now += 1.2
    exchange.took(exchange.switchboard.advance(exchange.now))
    assert exchange.switchboard.deadline is not None
    assert exchange.switchboard.deadline > exchange.now
    exchange.wait(10)
    assert len(asked(line, "INVITE")) == 1
    assert len(exchange.told(Kind.VERDICT)) == 1


def talking() -> tuple[Exchange, Line, Placed]:
    agents = Agents(AgentSettings(), {})
    exchange = Exchange(environment=replace(an_environment(), choose=lambda facts, now: agents(facts)))
    line = exchange.line()
    return exchange, line, Placed(line, an_invite("", remove=("Content-Type",)))


def test_with_a_delayed_offer_the_agent_speaks_once_there_is_media_to_speak_into() -> None:
    exchange, line, placed = talking()
    line.send(placed.request("ACK", SDP, cseq=1))
    assert media(exchange)[:2] == ["StartMedia", "Say"]


def test_an_agent_is_not_told_of_a_call_whose_ack_brings_no_answer() -> None:
    exchange, line, placed = talking()
    line.send(placed.request("ACK", cseq=1))
    assert [m.method for m in asked(line, "BYE")] == ["BYE"]
    assert "Say" not in media(exchange)
    assert not exchange.told(Kind.AGENT)


def test_a_481_to_the_bye_of_an_escalation_that_crossed_the_partners_own_is_a_good_answer() -> None:
    exchange = Exchange()
    line = exchange.line()
    placed = line.call()
    exchange.took(exchange.switchboard.escalate(exchange.told(Kind.CALL_STARTED)[0].call or "", "bye", "a test", exchange.now))
    (bye,) = asked(line, "BYE")
    assert placed.final("BYE").status == 200
    line.send(an_answer(bye, 481))
    assert "SBC-E2E-023" in exchange.rules("pass")
