"""What a call of the partner's side is, whoever placed it: its session, what comes within its dialog, and its result.

`placed_call` adds how one is placed, `answered_call` how one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sbc_sim.calls import telling
from sbc_sim.calls.outbox import Outbox
from sbc_sim.calls.outputs import Environment, StartMedia, StopMedia
from sbc_sim.calls.session import Session
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegReport
from sbc_sim.rtp.play import EchoProof
from sbc_sim.rules.policy import Policy
from sbc_sim.sdp.answer import Negotiation
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction, Effect, ServerTransaction
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import Reason
from sbc_sim.sip.inspection import inspect
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.uri import host_port
from sbc_sim.sip.user_agent import UserAgent

ReadProof = Callable[[str], EchoProof | None]
NORMAL_END = str(Reason("Q.850", 16, "Normal call clearing"))


@dataclass(slots=True)
class CallResult:
    """What came of a call. Times are unix seconds."""

    call: str
    sip_call_id: str = ""
    status: int | None = None
    """Final answer to the INVITE; 408 when none came, 503 when the connection failed."""
    reason: str = ""
    warning: str | None = None
    """Warning header of a refusal: the rule that was broken, in the SBC's own words."""
    started_at: float = 0.0
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: str = ""
    """partner (us), sbc, or network."""
    bye_status: int | None = None
    """How our BYE was answered."""
    bye: Request | None = None
    """The BYE of the SBC: its Reason, and what it carries for an escalation."""
    refer: Request | None = None
    """The last REFER of the SBC."""
    suite: str | None = None
    codec: str | None = None
    report: LegReport | None = None
    proof: EchoProof | None = None
    problems: list[str] = field(default_factory=list)
    """Sentences about what went wrong, in order."""


@dataclass(frozen=True, slots=True)
class Booth:
    """What every call of one side shares."""

    agent: UserAgent
    outbox: Outbox
    policy: Policy
    environment: Environment
    read_proof: ReadProof


class PartnerCall:
    """One call of ours."""

    def __init__(self, call_id: str, booth: Booth) -> None:
        """Do nothing yet."""
        self.id = call_id
        self.result = CallResult(call_id)
        self.dialog: Dialog | None = None
        self.deadline: float | None = None
        self._booth = booth
        self._session: Session | None = None

    # --- what each kind of call says for itself ------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """True when the result is complete."""
        raise NotImplementedError

    def answered(self, transaction: ClientTransaction, response: Response, dialog: Dialog | None, now: float) -> None:
        """Take a response to a request of ours."""
        raise NotImplementedError

    def unanswered(self, transaction: ClientTransaction, status: int, why: str, now: float) -> None:
        """Give up a request of ours."""
        raise NotImplementedError

    def acknowledged(self, request: Request, invite: ServerTransaction | None, now: float) -> None:
        """Take the ACK to a 200 of ours."""

    def cancelled(self, reason: str | None, now: float) -> None:
        """The SBC gave up its INVITE; 487 was sent."""

    def unacknowledged(self, transaction: ServerTransaction, now: float) -> None:
        """64*T1 passed without ACK to our 200."""

    def hang_up(self, now: float) -> None:
        """End the call as its state allows."""
        raise NotImplementedError

    def abandon(self, why: str, now: float) -> None:
        """End without a word: there is nobody to say it to."""
        raise NotImplementedError

    def advance(self, now: float) -> None:
        """Do what is due."""
        raise NotImplementedError

    def _peer_bye(self, bye: Request, now: float) -> None:
        """Go on after a BYE of the SBC, which was answered."""
        raise NotImplementedError

    # --- requests of the SBC within the dialog ---------------------------------------------------------------------------

    def requested(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request within the dialog: BYE, a re-INVITE or UPDATE of the SBC, or anything else that is allowed."""
        agent, request = self._booth.agent, transaction.request
        if request.method == "REFER":
            self.result.refer = request
        if inspect(request) is not None:
            self._carry(agent.server.respond(transaction, 405, now), now)
        elif request.method == "BYE":
            self.result.bye = request
            self._carry(agent.server.respond(transaction, 200, now), now)
            self._peer_bye(request, now)
        elif request.method in ("INVITE", "UPDATE"):
            self._renegotiate(transaction, now)
        else:
            self._carry(agent.server.respond(transaction, 200, now), now)

    def _renegotiate(self, transaction: ServerTransaction, now: float) -> None:
        session, agent = self._session, self._booth.agent
        assert session is not None
        try:
            sdp = sdp_body(transaction.request)
        except MalformedMessage:
            self._carry(agent.server.respond(transaction, 400, now), now)
            return
        if sdp is None:
            body = b"" if transaction.request.method == "UPDATE" else session.offer()
            self._carry(agent.server.respond(transaction, 200, now, (), body), now)
            return
        agreed = session.read(sdp)
        if not agreed.usable:
            self._carry(agent.server.respond(transaction, 488, now), now)
            return
        body = session.answer(sdp, agreed)
        assert session.leg is not None
        self._booth.outbox.put(StartMedia(session.leg))
        self._carry(agent.server.respond(transaction, 200, now, (), body), now)

    # --- media and the end -----------------------------------------------------------------------------------------------

    def _start_media(self, agreed: Negotiation, now: float) -> None:
        session = self._session
        assert session is not None
        assert session.leg is not None
        self.result.suite, self.result.codec = session.leg.receive_key.suite, session.leg.codec
        self._booth.outbox.put(StartMedia(session.leg))
        local = host_port(session.address.host, session.address.rtp_port)
        self._record(Kind.MEDIA_AGREED, now, telling.agreed(session.leg, agreed, local, False))

    def _say_bye(self, now: float) -> None:
        assert self.dialog is not None
        self._take_report()
        _, effects = self._booth.agent.client.request(self.dialog, "BYE", now, (("Reason", NORMAL_END),))
        self._carry(effects, now)

    def _bye_answered(self, response: Response) -> None:
        self.result.bye_status = response.status
        if response.status >= 300:
            self.result.problems.append(f"our BYE was answered {response.status} {response.reason}")

    def _take_report(self) -> None:
        self.result.report = self._booth.environment.read_media(self.id) or self.result.report
        self.result.proof = self._booth.read_proof(self.id) or self.result.proof

    def _finish(self, by: str, reason: str, now: float) -> None:
        if self._session is not None:
            if self.result.proof is None:
                self._take_report()
            if self.result.report is not None:
                self._record(Kind.MEDIA, now, telling.media(self.result.report, True))
            self._booth.outbox.put(StopMedia(self.id))
        self.result.ended_at = now
        self.result.ended_by = by
        answered = self.result.answered_at is not None
        data = {"endedBy": by, "endReason": reason, "state": "ended" if answered else "rejected", "status": self.result.status}
        self._record(Kind.CALL_ENDED, now, data)
        self.deadline = None

    def _record(self, kind: Kind, now: float, data: Mapping[str, object]) -> None:
        self._booth.outbox.record(kind, self.id, now, data)

    def _carry(self, effects: list[Effect], now: float) -> None:
        self._booth.outbox.carry(effects, now)
