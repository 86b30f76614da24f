"""Every message that a peer may send in every state of a call, of ours or of the partner's side: none is met as a mistake of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sbc_sim.calls.call_states import CallState
from sbc_sim.calls.conduct import Answer, Conduct
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outputs import Environment, Output, Send
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.partner.answered_call import AnsweredState, AnswerPlan
from sbc_sim.partner.answerer import Answerer
from sbc_sim.partner.caller import CONNECTION, Caller
from sbc_sim.partner.placed_call import CallPlan, PlacedState
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.stream import MessageStream
from tests.support.sip import SDP, a_peer, a_request, an_answer, an_environment, an_invite

FIRST = MessageStream().feed(an_invite())[0]
assert isinstance(FIRST, Request)


@dataclass
class Wire:
    """One connection of a peer to a core."""

    core: Any
    number: int = 1
    now: float = 1_700_000_000.0
    messages: list[Request | Response] = field(default_factory=list)
    stream: MessageStream = field(default_factory=MessageStream)
    sequence: int = 1

    def took(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.messages += [m for m in self.stream.feed(output.data) if isinstance(m, Request | Response)]

    def connect(self) -> None:
        self.took(self.core.connected(self.number, a_peer(), self.now))

    def send(self, data: bytes) -> None:
        self.took(self.core.receive(self.number, data, self.now))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(2000):
            due = self.core.deadline
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.took(self.core.advance(self.now))
        else:
            pytest.fail("the core wants to be called again and again")
        self.now = end

    def asked(self, method: str) -> Request:
        return next(m for m in reversed(self.messages) if isinstance(m, Request) and m.method == method)

    # --- what the peer says ------------------------------------------------------------------------------------------

    def says(self, method: str, body: str = "") -> None:
        """A request within the dialog, as far as there is one."""
        ours = [m for m in self.messages if isinstance(m, Request) and m.method == "INVITE"]
        self.sequence += 1
        number = 1 if method in ("ACK", "CANCEL") else self.sequence
        fields = {"cseq": f"{number} {method}"}
        if self.number == CONNECTION:
            own = ours[0].headers
            fields |= {"From": f"{own.first('To')};tag=one", "To": own.first("From") or ""}
        else:
            own = FIRST.headers
            tagged = [m.headers.first("To") or "" for m in self.messages if isinstance(m, Response) and m.status > 100]
            fields |= {"From": own.first("From") or "", "To": tagged[0]}
        fields |= {"call_id": own.first("Call-ID") or "", "Contact": "<sip:ann@192.0.2.1:5071;transport=tls>"}
        if method == "CANCEL":
            fields |= {"Via": own.first("Via") or "", "To": own.first("To") or ""}
        if method == "PRACK":
            fields["rack"] = "1 1 INVITE"
        if body:
            fields["Content-Type"] = "application/sdp"
        self.send(a_request(method, body, ("User-to-User",), "sip:1000@203.0.113.5", **fields))

    def answers(self, status: int, body: str = "", tag: str = "one", oldest: bool = False, **extra: str) -> None:
        """A response to the newest request, or to the oldest, which is the INVITE."""
        requests = [m for m in self.messages if isinstance(m, Request) and m.method != "ACK"]
        asked = requests[0 if oldest else -1] if requests else None
        if asked is not None:
            within = ";tag=" in (asked.headers.first("To") or "")
            self.send(an_answer(asked, status, body, "" if within else tag, **extra))


Say = Callable[[Wire], None]
REQUESTS: dict[str, Say] = {
    "ACK": lambda wire: wire.says("ACK"),
    "ACK with SDP": lambda wire: wire.says("ACK", SDP),
    "BYE": lambda wire: wire.says("BYE"),
    "CANCEL": lambda wire: wire.says("CANCEL"),
    "INFO": lambda wire: wire.says("INFO"),
    "INVITE": lambda wire: wire.says("INVITE", SDP),
    "INVITE without SDP": lambda wire: wire.says("INVITE"),
    "MESSAGE": lambda wire: wire.says("MESSAGE"),
    "NOTIFY": lambda wire: wire.says("NOTIFY"),
    "OPTIONS": lambda wire: wire.says("OPTIONS"),
    "PRACK": lambda wire: wire.says("PRACK"),
    "REFER": lambda wire: wire.says("REFER"),
    "UPDATE": lambda wire: wire.says("UPDATE", SDP),
    "UPDATE without SDP": lambda wire: wire.says("UPDATE"),
}
RESPONSES: dict[str, Say] = {
    "100": lambda wire: wire.answers(100, tag=""),
    "180": lambda wire: wire.answers(180),
    "180 of a fork": lambda wire: wire.answers(180, tag="two"),
    "183 reliable": lambda wire: wire.answers(183, SDP, require="100rel", rseq="7"),
    "183 reliable without RSeq": lambda wire: wire.answers(183, SDP, require="100rel"),
    "200": lambda wire: wire.answers(200, SDP),
    "200 of a fork": lambda wire: wire.answers(200, SDP, tag="two"),
    "200 to INVITE": lambda wire: wire.answers(200, SDP, oldest=True),
    "200 to INVITE of a fork": lambda wire: wire.answers(200, SDP, tag="two", oldest=True),
    "200 without SDP": lambda wire: wire.answers(200),
    "302": lambda wire: wire.answers(302),
    "481": lambda wire: wire.answers(481),
    "487": lambda wire: wire.answers(487),
    "491": lambda wire: wire.answers(491),
    "503": lambda wire: wire.answers(503),
}
SAID = {**REQUESTS, **RESPONSES}


# --- calls in every state --------------------------------------------------------------------------------------------


def our_call(state: str) -> Wire:
    """A call of the switchboard."""
    conduct = {
        "declined": Conduct(answer=Answer(486), faults=({"name": "busy", "type": "busy"},)),
        "ignoring": Conduct(ignore_bye=True),
        "holding": Conduct(hold_after=1.0),
    }.get(state, Conduct())
    blank = an_environment()
    environment = Environment(blank.open_media, blank.read_media, blank.new_token, blank.new_key, choose=lambda facts, now: conduct)
    ringing = 60.0 if state == "ringing" else 0.0
    wire = Wire(Switchboard(Policy(), Limits(ring_seconds=ringing), Identity("sbc.example", 5061), environment))
    wire.connect()
    wire.send(FIRST.raw)
    if state in ("established", "holding", "ignoring", "ending", "ended"):
        wire.says("ACK")
    if state == "holding":
        wire.wait(1.5)
        wire.asked("INVITE")
    elif state in ("ignoring", "ended"):
        wire.says("BYE")
    elif state == "ending":
        (call,) = wire.core._calls
        wire.took(wire.core.hang_up(call, wire.now))
        wire.asked("BYE")
    return wire


def taken_call(state: str) -> Wire:
    """A call that the partner's side takes."""
    wire = Wire(Answerer(AnswerPlan(5.0, 60.0 if state == "ringing" else 0.0), an_environment(), lambda call: None, Policy()))
    wire.connect()
    wire.send(FIRST.raw)
    if state in ("up", "ending", "done"):
        wire.says("ACK")
    if state == "ending":
        wire.took(wire.core.hang_up(wire.now))
    elif state == "done":
        wire.says("BYE")
    return wire


def placed_call(state: str) -> Wire:
    """A call that the partner's side places."""
    plan = CallPlan("sbc.example", 5061, "sip:1000@sbc.example", "<sip:a@b.example>", "<sip:1000@sbc.example>", None)
    wire = Wire(Caller(plan, an_environment(), lambda call: None, Policy()), CONNECTION)
    wire.core.start(wire.now)
    wire.connect()
    if state != "waiting":
        wire.answers(180)
    if state == "cancelling":
        wire.took(wire.core.hang_up(wire.now))
    elif state in ("up", "ending", "done"):
        wire.answers(200, SDP)
    if state == "ending":
        wire.took(wire.core.hang_up(wire.now))
    elif state == "done":
        wire.says("BYE")
    return wire


OURS = ["ringing", "answered", "established", "holding", "ignoring", "ending", "declined", "ended"]
TAKEN = ["ringing", "answered", "up", "ending", "done"]
PLACED = ["inviting", "cancelling", "up", "ending", "done"]
CALLS = [
    *(pytest.param(our_call, state, id=f"call-{state}") for state in OURS),
    *(pytest.param(taken_call, state, id=f"taken-{state}") for state in TAKEN),
    *(pytest.param(placed_call, state, id=f"placed-{state}") for state in PLACED),
]


@pytest.mark.parametrize(("make", "state"), CALLS)
def test_the_calls_are_in_the_states_that_they_are_said_to_be_in(make: Callable[[str], Wire], state: str) -> None:
    core = make(state).core
    calls = core._calls.values() if isinstance(core, Switchboard) else core.calls
    shown = {"holding": "established"}.get(state, state)
    assert [call.state.value for call in calls] == ([] if state == "ended" else [shown])


def test_no_state_is_left_out() -> None:
    """Before its dialog a call hears nothing that goes by its table."""
    assert {*OURS, "invited", "rejected"} - {"holding"} == set(CallState)
    assert {*TAKEN, "invited"} == set(AnsweredState)
    assert {*PLACED, "waiting"} == set(PlacedState)


@pytest.mark.parametrize("then", ["", "BYE", "200", "200 of a fork"])
@pytest.mark.parametrize(("make", "state"), CALLS)
def test_whatever_the_peer_says_is_taken_and_the_call_comes_to_its_end(make: Callable[[str], Wire], state: str, then: str) -> None:
    for said, say in SAID.items():
        wire = make(state)
        try:
            say(wire)
            SAID.get(then, lambda _: None)(wire)
            wire.wait(400)
        except Exception as error:
            raise AssertionError(f"{said}, then {then or 'nothing'}: {error!r}") from error
        core = wire.core
        assert core.live_calls == 0 if isinstance(core, Switchboard) else all(call.over for call in core.calls), said
        assert isinstance(core, Caller) or not core._agent.dialogs, said  # a caller is one command: what is late for it dies with it


def test_a_bye_while_it_rings_ends_the_invite_with_487() -> None:
    wire = taken_call("ringing")
    wire.says("BYE")
    assert [(m.status, (m.headers.first("CSeq") or "").split()[1]) for m in wire.messages[-2:] if isinstance(m, Response)] == [
        (200, "BYE"),
        (487, "INVITE"),
    ]
    (result,) = wire.core.results
    assert (result.status, result.ended_by) == (487, "sbc")


def test_a_bye_of_the_callee_before_its_answer_is_told_and_the_invite_cancelled() -> None:
    wire = placed_call("inviting")
    wire.says("BYE")
    assert wire.asked("CANCEL")
    wire.send(an_answer(wire.asked("INVITE"), 487, tag="one"))
    (result,) = wire.core.results
    assert result.status == 487
    assert result.problems == ["the SBC sent BYE before it answered, as only a caller may (RFC 3261 section 15)"]
