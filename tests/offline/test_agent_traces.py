"""Traces of calls to an agent: they are not judged as an echo."""

from __future__ import annotations

import pytest

from sbc_sim.calls.limits import Limits
from sbc_sim.offline.judge import judge
from sbc_sim.rules.policy import Policy
from tests.support.recorded import RecordedExchange, statuses
from tests.support.sip import an_invite

ANOTHER_ORG = b'{"orgId":"00D5i000000ABCD","scrt2Domain":"acme.my.salesforce-scrt.com"}'.hex()


@pytest.mark.parametrize(
    ("uri", "user_to_user"), [("sip:+15550100@sbc.example", f"{ANOTHER_ORG};encoding=hex"), ("sip:2001@sbc.example", None)]
)
def test_a_traced_call_to_an_agent_needs_no_echo(uri: str, user_to_user: str | None) -> None:
    exchange = RecordedExchange(limits=Limits(ring_seconds=0.0))
    changed = {} if user_to_user is None else {"user_to_user": user_to_user}
    placed = exchange.line().call(an_invite(uri=uri, **changed))
    exchange.talk(100)
    placed.send("BYE")
    judged = judge(exchange.recording(), Policy())
    (trace,) = judged.calls
    assert trace.call.scenario == ("agent" if user_to_user else "agent-escalates")
    found = statuses(trace)
    assert (found["SBC-MEDIA-001"], found["SBC-MEDIA-020"], found["SBC-MEDIA-021"]) == ("skip", "skip", "pass")
    assert trace.call.ended_by == "partner"
