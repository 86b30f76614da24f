"""A partner's caller, a switchboard that escalates, and a partner's answerer: three cores on one clock, without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sbc_sim.calls.escalation_settings import EscalationPlan
from sbc_sim.calls.keepalive import KeepalivePlan
from sbc_sim.calls.outputs import Close, Connect, Output, Send
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.answered_call import AnswerPlan, AnswerResult
from sbc_sim.partner.answerer import Answerer
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.rtp.legs import make_leg
from sbc_sim.rtp.play import EchoProof
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.peer import Peer, TlsFacts, TlsFailure, TlsProblem
from tests.support.joined import TLS, Address, Joined, Side

RETURN_URI = "sips:+15550100@back.partner.example:5071"


class SbcSide(Side):
    """Legs as they are shipped: echo, agent."""

    def make_leg(self, description: LegDescription, now: float) -> Endpoint:
        return make_leg(description, now)


@dataclass
class GivenBack(Joined):
    """As `Joined`, with an answerer that the switchboard can call back."""

    seconds: float = 30.0
    plan: EscalationPlan = field(
        default_factory=lambda: EscalationPlan(mode="invite-back", return_uri=RETURN_URI, seconds=3, check_seconds=5)
    )
    asking: KeepalivePlan = field(default_factory=KeepalivePlan)
    answer: AnswerPlan = field(default_factory=lambda: AnswerPlan(seconds=2.0))
    failure: TlsFailure | None = None
    """How the connection to the answerer fails."""
    voice_calls: Sequence[Mapping[str, Any]] = ()
    """What the Telephony Integration API has about the call."""
    silent: bool = False
    """The connection to the answerer neither opens nor fails."""
    tls: TlsFacts = TLS
    """Of the connection to the answerer."""
    on_wire: Callable[[bool, bytes], bytes] = lambda to_back, data: data
    """Sees, and may change, what goes between switchboard and answerer."""
    closed: list[int] = field(default_factory=list)
    dialled: list[Connect] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sbc = SbcSide("203.0.113.5", "sbc")
        environment = replace(self.sbc.environment(), voice_calls=lambda first: self.voice_calls)
        self.switchboard = Switchboard(self.policy, self.limits, Identity("203.0.113.5", 5061), environment, self.plan, self.asking)
        self.sbc.core = self.switchboard
        self.back = Side("192.0.2.7", "back")
        self.answerer = Answerer(self.answer, self.back.environment(), _no_proof, self.offer)
        self.back.core = self.answerer

    # --- what tests do -----------------------------------------------------------------------------------------------

    def begin(self) -> str:
        """Place the call and let it be answered; give its id."""
        self._took(self.partner, self.caller.start(self.now))
        self.go_on(0.5)
        return str(self.sbc.told(Kind.CALL_STARTED)[0].call)

    def escalate(self, call: str, mode: str = "", target: str = "") -> None:
        self._took(self.sbc, self.switchboard.escalate(call, mode, "digit 0 was pressed", self.now, target))

    def go_on(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.step()

    def step(self) -> None:
        super().step()
        side = self.back
        if side.core.deadline is not None and side.core.deadline <= self.now:
            self._took(side, side.core.advance(self.now))
        for call, leg in list(side.legs.items()):
            for datagram in [*leg.due(self.now), *leg.tick(self.now)]:
                self._deliver(side, call, datagram, leg.destination)

    # --- what tests look at ------------------------------------------------------------------------------------------

    @property
    def taken(self) -> AnswerResult:
        (result,) = self.answerer.results
        return result

    def states(self, call: str) -> list[str]:
        return [entry.data["state"] for entry in self.sbc.told(Kind.ESCALATION) if entry.call == call]

    def verdicts(self, call: str) -> list[dict[str, str]]:
        """By rule, the status that each verdict of a call gives, oldest first."""
        return [
            {finding["rule"]: finding["status"] for finding in entry.data["findings"]}
            for entry in self.sbc.told(Kind.VERDICT)
            if entry.call == call
        ]

    def detail(self, call: str, rule: str) -> str:
        last = [entry for entry in self.sbc.told(Kind.VERDICT) if entry.call == call][-1]
        return next(str(finding["detail"]) for finding in last.data["findings"] if finding["rule"] == rule)

    def broken(self, call: str) -> dict[str, str]:
        """Rules that the last verdict of a call holds against it."""
        return {rule: status for rule, status in self.verdicts(call)[-1].items() if status in ("warn", "fail")}

    def sent(self, call: str, incoming: bool = False) -> list[str]:
        direction = "in" if incoming else "out"
        return [e.data["summary"] for e in self.sbc.told(Kind.MESSAGE) if e.call == call and e.data["direction"] == direction]

    def at_rest(self) -> None:
        """Nothing is left behind: no call, no transaction, no port, and the connection for the call back is closed."""
        end = self.now + 200
        while self.now < end:  # nobody talks any more, so time may jump to what is due
            due = [side.core.deadline for side in (self.partner, self.sbc, self.back) if side.core.deadline is not None]
            talking = self.sbc.legs or self.partner.legs or self.back.legs
            self.now = self.now if talking else max(self.now, min([*due, end]) - 0.01)
            self.step()
        assert self.switchboard.live_calls == 0
        assert self.switchboard.at_rest
        assert not self.sbc.legs
        assert sorted(self.sbc.stopped) == sorted(set(self.sbc.by_port.values()))
        assert not self.switchboard._agent.dialogs
        assert self.switchboard._register.empty
        assert not self.switchboard._backs
        assert not self.switchboard._checks.waiting

    # --- the wires ---------------------------------------------------------------------------------------------------

    def _deliver(self, sender: Side, call: str, datagram: bytes, to: Address) -> None:
        receiver = next((side for side in (self.sbc, self.partner, self.back) if side.host == to[0]), None)
        own = sender.port_of(call)
        rtcp = to[1] % 2 == 1
        target = receiver.by_port.get((to[0], to[1] - 1 if rtcp else to[1])) if receiver else None
        leg = receiver.legs.get(target or "") if receiver else None
        if leg is None or target is None or receiver is None:
            return
        if rtcp:
            leg.receive_rtcp(datagram, (own[0], own[1] + 1), self.now)
            return
        back = leg.receive_rtp(datagram, own, self.now)
        if back is not None:
            self._deliver(receiver, target, back, leg.destination)

    def _took(self, side: Side, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Connect() if side is self.sbc:
                    self.dialled.append(output)
                    self._dial_back(output)
                case Send(connection, data) if side is self.sbc and connection < 0:
                    self._took(self.back, self.answerer.receive(-connection, self.on_wire(True, data), self.now))
                case Send(connection, data) if side is self.back:
                    self._took(self.sbc, self.switchboard.receive(-connection, self.on_wire(False, data), self.now))
                case Close(connection) if side is self.sbc and connection < 0:
                    self.closed.append(connection)
                case _:
                    super()._took(side, [output])

    def _dial_back(self, output: Connect) -> None:
        number = output.connection
        here = Peer("192.0.2.7", output.port, "203.0.113.5", 40002, tls=self.tls, dialled=True)
        if self.silent:
            return
        if self.failure is not None:
            self._took(self.sbc, self.switchboard.refused(number, here, self.failure, self.now))
            return
        there = Peer("203.0.113.5", 40002, "192.0.2.7", output.port, tls=TLS)
        self._took(self.back, self.answerer.connected(-number, there, self.now))
        self._took(self.sbc, self.switchboard.connected(number, here, self.now))


def refused_by(problem: TlsProblem, **facts: object) -> TlsFailure:
    return TlsFailure(problem, f"what was seen of {problem.value}", **facts)  # type: ignore[arg-type]


def _no_proof(call: str) -> EchoProof | None:
    return None
