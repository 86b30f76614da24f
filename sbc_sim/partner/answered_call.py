"""One call that we take as the partner: an INVITE of the SBC that gives a call back to us (escalation by INVITE).

What it carries is looked at as a partner should: User-to-User that can be read, SRTP by SDES, PCMU, and no client certificate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sbc_sim.calls import telling
from sbc_sim.calls.session import Session, capabilities, seen_by
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.partner_call import Booth, CallResult, PartnerCall
from sbc_sim.sdp.answer import Negotiation, negotiate
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction, ServerTransaction
from sbc_sim.sip.errors import InvalidInput, MalformedMessage
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.text import printable
from sbc_sim.sip.uui import Uui, UuiFault, read


class AnsweredState(StrEnum):
    """Where a call that was offered to us stands."""

    INVITED = "invited"
    RINGING = "ringing"
    ANSWERED = "answered"
    """Our 200 waits for its ACK."""
    UP = "up"
    ENDING = "ending"
    """Our BYE waits for its answer."""
    DONE = "done"


class AnsweredInput(StrEnum):
    """What moves it."""

    RING = "ring"
    REFUSE = "refuse"
    ANSWER = "answer"
    CANCEL = "cancel"
    ACK = "ack"
    HANG_UP = "hang-up"
    PEER_BYE = "peer-bye"
    OVER = "over"
    LOST = "lost"
    """The connection is gone, or the user gave up."""


_ANSWERED, _UP = AnsweredState.ANSWERED, AnsweredState.UP
TAKEN: Mapping[tuple[AnsweredState, AnsweredInput], AnsweredState] = {
    (AnsweredState.INVITED, AnsweredInput.RING): AnsweredState.RINGING,
    (AnsweredState.INVITED, AnsweredInput.REFUSE): AnsweredState.DONE,
    (AnsweredState.RINGING, AnsweredInput.ANSWER): _ANSWERED,
    (AnsweredState.RINGING, AnsweredInput.REFUSE): AnsweredState.DONE,
    (AnsweredState.RINGING, AnsweredInput.CANCEL): AnsweredState.DONE,
    # the caller may BYE an early dialog (RFC 3261 section 15)
    (AnsweredState.RINGING, AnsweredInput.PEER_BYE): AnsweredState.DONE,
    (_ANSWERED, AnsweredInput.ACK): _UP,
    # no BYE before the ACK, unless the wait for it is over (RFC 3261 section 15)
    (_ANSWERED, AnsweredInput.HANG_UP): AnsweredState.ENDING,
    (_ANSWERED, AnsweredInput.PEER_BYE): AnsweredState.DONE,
    (_UP, AnsweredInput.HANG_UP): AnsweredState.ENDING,
    (_UP, AnsweredInput.PEER_BYE): AnsweredState.DONE,
    (AnsweredState.ENDING, AnsweredInput.PEER_BYE): AnsweredState.ENDING,
    (AnsweredState.ENDING, AnsweredInput.OVER): AnsweredState.DONE,
    **{(state, AnsweredInput.LOST): AnsweredState.DONE for state in AnsweredState if state is not AnsweredState.DONE},
}

_CONTENT = {UuiFault.MISSING_KEY, UuiFault.WRONG_VALUE_TYPE, UuiFault.OVER_LIMIT}
NOTES = frozenset({UuiFault.NO_ENCODING, UuiFault.NO_PURPOSE} | _CONTENT)
"""Of User-to-User: no complaint. What a return carries is for the flow to say, so no key is missed in it."""


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """How to take what comes. Times in seconds."""

    seconds: float = 5.0
    """From the ACK to our BYE; the SBC may be first."""
    ring_seconds: float = 0.2
    """From 180 to 200."""
    refuse: int | None = None
    """Refuse with this status instead."""
    clear_media: bool = False
    """Answer without SRTP (RTP/AVP and no key), which an SBC must not take: a mistake on purpose."""
    suites: tuple[str, ...] = ("AES_CM_128_HMAC_SHA1_80",)


@dataclass(slots=True)
class AnswerResult(CallResult):
    """What came of a call that was offered to us, and what it carried."""

    invite: Request | None = None
    uui: Uui | None = None
    numbers: dict[str, str | None] = field(default_factory=dict)
    peer: str = ""
    client_certificate: str | None = None
    """Subject of the certificate that the SBC showed, although none is wanted (mutual TLS is not supported)."""


class AnsweredCall(PartnerCall):
    """One call that was offered to us."""

    result: AnswerResult

    def __init__(self, call_id: str, invite: Request, connection: int, plan: AnswerPlan, booth: Booth, now: float) -> None:
        """Write down that it began."""
        super().__init__(call_id, booth)
        peer = booth.agent.peer(connection)
        self.result = AnswerResult(call_id, invite.headers.first("Call-ID") or "", started_at=now, invite=invite)
        self.result.numbers = telling.numbers(invite)
        self.state = AnsweredState.INVITED
        self._plan = plan
        self._peer = peer
        self._invite: ServerTransaction | None = None
        self._offer: bytes | None = None
        self._agreed: Negotiation | None = None
        self._answer_at: float | None = None
        self._hang_up_at: float | None = None
        self._record(Kind.CALL_STARTED, now, telling.started(invite, peer, connection))

    @property
    def over(self) -> bool:
        """True when the result is complete."""
        return self.state is AnsweredState.DONE

    # --- the beginning -----------------------------------------------------------------------------------------------

    def invited(self, transaction: ServerTransaction, now: float) -> None:
        """Look at the INVITE, then ring or refuse it."""
        self._invite = transaction
        try:
            self._look_at(transaction.request)
        except MalformedMessage as error:
            self.result.problems.append(f"the body of the INVITE cannot be taken apart: {error}")
            self.refuse(400, now)
            return
        if self._plan.refuse is not None:
            self.refuse(self._plan.refuse, now)
        elif self._agreed is not None and not self._agreed.usable:
            why = "; ".join(problem.detail for problem in self._agreed.problems if problem.fatal)
            self.result.problems.append(f"the offer cannot be used: {why}")
            self.refuse(488, now, (("Warning", f'304 partner "{printable(why, 160)}"'),))
        else:
            self._ring(transaction, now)

    def _look_at(self, invite: Request) -> None:
        result, policy = self.result, self._booth.policy
        result.uui = read(invite.headers, replace(policy.uui_expectation(), wanted=()))
        result.problems += [problem.detail for problem in result.uui.problems if problem.fault not in NOTES]
        if self._peer is not None:
            result.peer = f"{self._peer.host}:{self._peer.port}"
            result.client_certificate = self._peer.tls.client_certificate if self._peer.tls else None
        if result.client_certificate:
            result.problems.append(f"the SBC showed a client certificate ({result.client_certificate}): mutual TLS is not supported")
        self._offer = sdp_body(invite)
        self._agreed = None if self._offer is None else negotiate(self._offer, capabilities(policy))

    def _ring(self, transaction: ServerTransaction, now: float) -> None:
        address = self._booth.environment.open_media(self.id, "")
        if address is None:
            self.result.problems.append("no free UDP port for the media on our own side")
            self.refuse(503, now)
            return
        self._session = Session(self.id, seen_by(address, self._peer), self._booth.policy, self._booth.environment)
        self._move(AnsweredInput.RING)
        self._carry(self._booth.agent.server.respond(transaction, 180, now), now)
        self.dialog = transaction.dialog
        self._answer_at = now + self._plan.ring_seconds
        self._rearm()
        self.advance(now)

    def turn_away(self, transaction: ServerTransaction, status: int, extra: Extra, now: float) -> None:
        """Refuse an INVITE without a look at what it carries."""
        self._invite = transaction
        self.refuse(status, now, extra)

    def refuse(self, status: int, now: float, extra: Extra = ()) -> None:
        """Refuse the INVITE."""
        assert self._invite is not None
        self.result.status = status
        self._move(AnsweredInput.REFUSE)
        self._carry(self._booth.agent.server.respond(self._invite, status, now, extra), now)
        self._finish("partner", "refused", now)

    def _answer(self, now: float) -> None:
        transaction, session = self._invite, self._session
        assert transaction is not None
        assert session is not None
        if self._offer is None or self._agreed is None:
            body = session.offer()
        else:
            body = session.answer(self._offer, self._agreed)
            self._start_media(self._agreed, now)
        self._answer_at = None
        self.result.status, self.result.answered_at = 200, now
        self._move(AnsweredInput.ANSWER)
        self._record(Kind.CALL_STATE, now, {"state": "answered"})
        self._carry(self._booth.agent.server.respond(transaction, 200, now, (), in_clear(body) if self._plan.clear_media else body), now)
        self.dialog = transaction.dialog

    # --- what the SBC does -------------------------------------------------------------------------------------------

    def acknowledged(self, request: Request, invite: ServerTransaction | None, now: float) -> None:
        """Take the ACK; with a delayed offer it brings the answer."""
        if invite is not self._invite or self.state is not AnsweredState.ANSWERED:
            return
        self._move(AnsweredInput.ACK)
        self._hang_up_at = now + self._plan.seconds
        if self._offer is None and not self._settle(request, now):
            self.hang_up(now)
        self._rearm()

    def _settle(self, ack: Request, now: float) -> bool:
        session = self._session
        assert session is not None
        try:
            sdp = sdp_body(ack)
        except MalformedMessage as error:
            self.result.problems.append(f"the ACK cannot be read: {error}")
            return False
        agreed = None if sdp is None else session.read_answer(sdp)
        if sdp is None or agreed is None or not agreed.usable:
            self.result.problems.append("the ACK brings no answer to our offer that can be used")
            return False
        session.settle(sdp, agreed)
        self._start_media(agreed, now)
        return True

    def cancelled(self, reason: str | None, now: float) -> None:
        """The SBC gave up while it rang."""
        if self.state is AnsweredState.RINGING:
            self.result.status = 487
            self.result.problems.append(f"the SBC cancelled{f': {reason}' if reason else ''}")
            self._move(AnsweredInput.CANCEL)
            self._finish("sbc", "cancelled", now)

    def unacknowledged(self, transaction: ServerTransaction, now: float) -> None:
        """64*T1 passed without ACK to our 200 (13.3.1.4)."""
        if transaction is self._invite and self.state is AnsweredState.ANSWERED:
            self.result.problems.append("our 200 was never acknowledged")
            self._end(now)

    def answered(self, transaction: ClientTransaction, response: Response, dialog: Dialog | None, now: float) -> None:
        """Take the answer to our BYE."""
        if transaction.request.method == "BYE" and response.status >= 200 and self.state is AnsweredState.ENDING:
            self._bye_answered(response)
            self._move(AnsweredInput.OVER)
            self._finish("partner", "normal", now)

    def unanswered(self, transaction: ClientTransaction, status: int, why: str, now: float) -> None:
        """Give up our BYE."""
        if self.state is AnsweredState.ENDING:
            self.result.problems.append(why)
            self._move(AnsweredInput.OVER)
            self._finish("partner", "normal", now)

    def _peer_bye(self, bye: Request, now: float) -> None:
        before = self.state
        self._move(AnsweredInput.PEER_BYE)
        if before is AnsweredState.RINGING and self._invite is not None:
            self.result.status = 487
            self.result.problems.append("the SBC ended the call by BYE while it rang")
            self._carry(self._booth.agent.server.respond(self._invite, 487, now), now)
        if before is not AnsweredState.ENDING:
            self._finish("sbc", "normal", now)

    # --- the end -----------------------------------------------------------------------------------------------------

    def hang_up(self, now: float) -> None:
        """End the call: 480 while it rings, BYE when it is up."""
        if self.state is AnsweredState.RINGING:
            self.refuse(480, now)
        elif self.state is AnsweredState.UP:
            self._end(now)
        elif self.state is AnsweredState.ANSWERED:
            self._plan = AnswerPlan(seconds=0.0)  # with the ACK
        self._rearm()

    def _end(self, now: float) -> None:
        self._move(AnsweredInput.HANG_UP)
        self._hang_up_at = None
        self._say_bye(now)

    def abandon(self, why: str, now: float) -> None:
        """End without a word: there is nobody to say it to."""
        self.result.problems.append(why)
        self._move(AnsweredInput.LOST)
        self._finish("network", why, now)

    def advance(self, now: float) -> None:
        """Do what is due: answer, or hang up."""
        if self.state is AnsweredState.RINGING and self._answer_at is not None and now >= self._answer_at:
            self._answer(now)
        elif self.state is AnsweredState.UP and self._hang_up_at is not None and now >= self._hang_up_at:
            self._end(now)
        self._rearm()

    def _rearm(self) -> None:
        self.deadline = {AnsweredState.RINGING: self._answer_at, AnsweredState.UP: self._hang_up_at}.get(self.state)

    def _move(self, what: AnsweredInput) -> None:
        try:
            self.state = TAKEN[self.state, what]
        except KeyError:
            raise InvalidInput(f"answered call: no {what} in state {self.state}") from None


def in_clear(answer: bytes) -> bytes:
    """Take the protection out of a description: RTP/AVP and no key."""
    return re.sub(rb"(?m)^a=crypto:.*\r\n", b"", answer).replace(b" RTP/SAVP ", b" RTP/AVP ").replace(b" RTP/SAVPF ", b" RTP/AVPF ")
