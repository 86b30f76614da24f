"""The call that gives another one back: an INVITE of ours to the partner, with User-to-User over TLS (requirements 49, 109).

Once it is up it is a call like any other, so it is one: `Call` sees to its dialog, session, media and verdict. What differs stands here:
it begins with our INVITE, may be cancelled, and may be answered by more than one fork.
"""

from __future__ import annotations

from collections.abc import Mapping

from sbc_sim.calls import telling
from sbc_sim.calls.call import Call
from sbc_sim.calls.call_states import CallInput, CallState
from sbc_sim.calls.companion import NO_DATA, Acts, Companion
from sbc_sim.calls.conduct import Conduct
from sbc_sim.calls.desk import Desk
from sbc_sim.calls.escalation import Escalation
from sbc_sim.calls.escalation_plan import Target
from sbc_sim.calls.session import Session, seen_by
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegEvent, MediaConduct, Prompt
from sbc_sim.rtp.ringing import ringing_tone
from sbc_sim.rules.journey import Journey, ReturnTrouble
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction, Effect
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import NameAddr
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.reliable import ReliableProvisionals
from sbc_sim.sip.responses import PRODUCT_OF_RETURNS
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.text import printable
from sbc_sim.sip.uui import read

CONDUCT = Conduct("return", "escalation by INVITE", media=MediaConduct("agent"))
CANCEL_PATIENCE = 32.0
"""Seconds that a CANCEL may take to bring the final answer to the INVITE (RFC 3261 section 9.1)."""
TONE_S = 2.0
"""So long a tone is heard on the new leg before it is silent."""


def place_return(call_id: str, escalation: Escalation, target: Target, connection: int, desk: Desk, now: float) -> ReturnedCall | None:
    """Make the call on an open connection; its INVITE goes out with `begin`. None when no media port is free, and the escalation knows."""
    place = escalation.leg.place
    address = desk.environment.open_media(call_id, "" if place.region is None else place.region.name)
    if address is None:
        escalation.failed(ReturnTrouble.NO_PORT, f"on our own side {place.no_media_port}", now)
        return None
    policy = place.policy or desk.policy
    session = Session(call_id, seen_by(address, desk.agent.peer(connection)), policy, desk.environment, CONDUCT.media)
    first = escalation.leg.evidence.invite
    caller, asserted = _identities(first, desk.warn_host)
    extra: Extra = (*escalation.data, *asserted, ("User-Agent", PRODUCT_OF_RETURNS))
    offer = session.offer()
    outgoing, effects = desk.agent.client.invite(connection, target.uri, caller, f"<{target.uri}>", now, extra, offer)
    call = ReturnedCall(call_id, escalation, outgoing, session, desk, now)
    call.held_back = effects
    return call


def _identities(first: Request | None, host: str) -> tuple[str, Extra]:
    """From of the new call: who was called before; and the customer as asserted identity."""
    if first is None:
        return f"<sip:sbc-sim@{host}>", ()
    try:
        own = f"<{NameAddr.parse(first.headers.first('To') or '', 'To').uri}>"
    except MalformedMessage:
        own = f"<sip:sbc-sim@{host}>"
    asserted = first.headers.listed("P-Asserted-Identity")[:1] or first.headers.listed("From")[:1]
    try:
        return own, (("P-Asserted-Identity", f"<{NameAddr.parse(asserted[0], 'From').uri}>"),) if asserted else ()
    except MalformedMessage:
        return own, ()


class ReturnedCall(Call):
    """One call back."""

    def __init__(self, call_id: str, escalation: Escalation, outgoing: ClientTransaction, session: Session, desk: Desk, now: float) -> None:
        """Write down that it began; nothing is sent yet."""
        super().__init__(call_id, outgoing.request, outgoing.connection, desk, escalation.leg.place, now, escalation.leg.id)
        self.outgoing = outgoing
        self.outbound_connection = outgoing.connection
        self.held_back: list[Effect] = []
        self._escalation_of = escalation
        self._reliable = ReliableProvisionals(desk.agent.client)
        self._media.session = session
        self._cancelled: tuple[ReturnTrouble, str] | None = None
        self._provoking = self._forks(CONDUCT)
        self._companions: list[Companion] = [_Ending(self, desk.plan.seconds)]
        evidence = self.evidence
        evidence.outbound = evidence.offered_by_us = True
        evidence.unread_content = ""
        evidence.scenario = CONDUCT.scenario
        evidence.journey = Journey(is_return=True, mode="invite-back", returning=escalation.journey.returning)
        self._book.record(Kind.SCENARIO, now, telling.scenario(CONDUCT))
        if outgoing.request.headers.first("User-to-User") is not None:
            evidence.uui = read(outgoing.request.headers, self._policy.uui_expectation())
            self._book.record(Kind.UUI, now, telling.user_to_user(evidence.uui, []))

    def begin(self, now: float) -> None:
        """Send the INVITE."""
        self._move(CallInput.RING, now)
        self._ring_until = now + self._desk.plan.ring_seconds
        effects, self.held_back = self.held_back, []
        self._carry(effects, now)
        self._rearm()

    # --- answers to the INVITE ---------------------------------------------------------------------------------------

    def answered(self, transaction: ClientTransaction, response: Response, now: float, dialog: Dialog | None = None) -> None:
        """Take the answer to a request of ours."""
        if transaction is not self.outgoing:
            super().answered(transaction, response, now, dialog)
        elif response.status < 200:
            self._provisional(response, dialog, now)
        elif response.status >= 300 or dialog is None:
            self._refused(response, now)
        elif self.state is CallState.RINGING:
            self._taken(response, dialog, now)
        else:
            self._end_fork(dialog, now)
        self._rearm()

    def answered_late(self, transaction: ClientTransaction, response: Response, dialog: Dialog | None, now: float) -> None:
        """End a session that a fork makes after all was over: acknowledge, then BYE (13.2.2.4)."""
        if transaction is self.outgoing and dialog is not None and 200 <= response.status < 300:
            self._end_fork(dialog, now)

    def _provisional(self, response: Response, dialog: Dialog | None, now: float) -> None:
        """Acknowledge a reliable provisional response; the answer that it may bring holds once the call is taken."""
        if dialog is None:
            return
        try:
            self._carry(self._reliable.acknowledge(response, dialog, now), now)
        except MalformedMessage as error:
            self._book.mistake(f"reliable {response.status}: {error}")

    def _refused(self, response: Response, now: float) -> None:
        warning = response.headers.first("Warning")
        told = f"the partner answered INVITE with {response.status} {printable(response.reason, 60)}"
        trouble, detail = self._cancelled or (ReturnTrouble.REFUSED, f"{told}{f' (Warning: {printable(warning, 120)})' if warning else ''}")
        if response.status < 300:
            trouble, detail = ReturnTrouble.REFUSED, f"the {response.status} to INVITE has no tag in To, so it makes no dialog"
        self._not_up(trouble, detail, response.status, now)

    def _not_up(self, trouble: ReturnTrouble, detail: str, status: int, now: float) -> None:
        self.evidence.refused_status = status
        self._move(CallInput.REFUSE, now)
        self._finish("sbc" if self._cancelled else "partner", "cancelled" if self._cancelled else "refused", now)
        self._escalation_of.failed(trouble, detail, now, status)

    def _taken(self, response: Response, dialog: Dialog, now: float) -> None:
        """Acknowledge the 200; with usable media the call is up, else, or when it crossed our CANCEL, it is ended by BYE."""
        self.dialog = dialog
        self.evidence.answered_at = self.evidence.acknowledged_at = now
        self._move(CallInput.ANSWER, now)
        self._carry(self._desk.agent.client.acknowledge(self.outgoing, dialog), now)
        self._move(CallInput.ACK, now)
        if self._cancelled is not None:
            self.hang_up("cancelled", "the answer crossed our CANCEL", now)
            self._escalation_of.failed(*self._cancelled, now, response.status)
        elif self._media.settle_answer(self._reliable.answer(response, dialog), now):
            self.say(Prompt("tone", ringing_tone(TONE_S)), now)
            for companion in self._companions:
                companion.established(now)
            self._escalation_of.up(response.status, now)
        else:
            self.hang_up("refused", "the answer to our INVITE cannot be used", now)
            self._escalation_of.failed(*self._unusable(), now, response.status)

    def _unusable(self) -> tuple[ReturnTrouble, str]:
        agreed = self.evidence.negotiation
        if agreed is None:
            return ReturnTrouble.REFUSED, "the answer to INVITE carries no session description that can be read"
        fatal = [problem for problem in agreed.problems if problem.fatal]
        about_srtp = any(word in problem.fault.value for problem in fatal for word in ("srtp", "crypto", "suite", "dtls", "profile"))
        detail = "; ".join(problem.detail for problem in fatal) or "no media can come of it"
        return ReturnTrouble.NOT_SRTP if about_srtp else ReturnTrouble.REFUSED, f"the answer to INVITE cannot be used: {detail}"

    def _end_fork(self, dialog: Dialog, now: float) -> None:
        if self.dialog is not None and dialog.id == self.dialog.id:
            return
        self._book.record(Kind.NOTE, now, {"text": "another fork answered our INVITE: acknowledged and ended by BYE"})
        self._carry(self._desk.agent.client.acknowledge(self.outgoing, dialog), now)
        self._carry(self._desk.agent.client.request(dialog, "BYE", now)[1], now)

    def unanswered(self, transaction: ClientTransaction, status: int, why: str, now: float) -> None:
        """Give up a request of ours."""
        if transaction is not self.outgoing:
            super().unanswered(transaction, status, why, now)
        elif self.state is CallState.RINGING:
            lost = ReturnTrouble.LOST if status == 503 else ReturnTrouble.UNANSWERED
            self._not_up(*(self._cancelled or (lost, why)), status, now)

    # --- our own decisions ---------------------------------------------------------------------------------------------

    def hang_up(self, reason: str, text: str, now: float, extra: Extra = ()) -> None:
        """End the call: CANCEL while it rings, BYE once it is up."""
        if self.state is CallState.RINGING:
            self._cancel(ReturnTrouble.HUNG_UP, text, now)
        else:
            super().hang_up(reason, text, now, extra)

    def give_up(self, now: float) -> None:
        """Nobody is left to be given back: the first leg is gone."""
        self.hang_up("first-leg", "the partner ended the first leg before the call back was answered", now)

    def _cancel(self, trouble: ReturnTrouble, why: str, now: float) -> None:
        if self._cancelled is None:
            self._cancelled = (trouble, why)
            self._ring_until = now + CANCEL_PATIENCE
            self._carry(self._desk.agent.client.cancel(self.outgoing, now), now)
            self._rearm()

    def _ringing_on(self, now: float) -> None:
        if self._ring_until is None or now < self._ring_until:
            return
        if self._cancelled is None:
            seconds = self._desk.plan.ring_seconds
            self._cancel(ReturnTrouble.UNANSWERED, f"the partner did not answer within {seconds:g} s, so the INVITE was cancelled", now)
        else:
            self._not_up(*self._cancelled, 408, now)

    def escalate(self, mode: str, why: str, now: float, data: Mapping[str, str] = NO_DATA, target: str = "") -> None:
        """Do nothing: it is given back already."""

    def fail(self, now: float) -> None:
        """End the call after a bug of ours met it."""
        if self.state is CallState.RINGING:
            self._carry(self._desk.agent.client.cancel(self.outgoing, now), now)
        super().fail(now)
        self._escalation_of.failed(ReturnTrouble.LOST, "an internal error of the simulator ended the call back", now)


class _Ending:
    """Ends a call some time after it came up."""

    def __init__(self, acts: Acts, seconds: float) -> None:
        self.deadline: float | None = None
        self._acts = acts
        self._seconds = seconds

    def established(self, now: float) -> None:
        """Wait from now on."""
        self.deadline = now + self._seconds

    def heard(self, event: LegEvent, now: float) -> None:
        """Nothing is listened for."""

    def advance(self, now: float) -> None:
        """Hang up."""
        self.deadline = None
        self._acts.hang_up("returned", f"escalation.seconds ({self._seconds:g} s) are over", now)

    def over(self, now: float) -> None:
        """Nothing is left to do."""
        self.deadline = None
