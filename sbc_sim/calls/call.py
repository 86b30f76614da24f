"""One call: from its INVITE to its verdict.

The life of a call is a table. `Call.invited` is the place where the protocol meets the world, so it only joins steps that have
names: gather evidence, let the rules judge, refuse or take a port and ring. A media packet never comes here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sbc_sim.calls import telling
from sbc_sim.calls.book import Book
from sbc_sim.calls.call_states import CALL, SHOWN_STATES, CallInput, CallState
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.media_watch import MediaWatch
from sbc_sim.calls.outbox import Outbox
from sbc_sim.calls.outputs import Environment, StartMedia, StopMedia
from sbc_sim.calls.session import Session, capabilities, seen_by
from sbc_sim.calls.session_timer import SessionTimer, timer_after_refresh, timer_for, timer_headers
from sbc_sim.journal.entries import Kind
from sbc_sim.rules import offer as offer_rules
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Refusal
from sbc_sim.rules.judge import first_refusal, judge_invite
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.signalling import judge_malformed, request_finding
from sbc_sim.rules.warning import warning_text
from sbc_sim.sdp.answer import Negotiation, negotiate
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction, Effect, ServerTransaction
from sbc_sim.sip.errors import InvalidInput, MalformedMessage
from sbc_sim.sip.headers import Reason
from sbc_sim.sip.inspection import RequestFault
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.text import parse_number, printable
from sbc_sim.sip.user_agent import UserAgent
from sbc_sim.sip.uui import UuiExpectation, found_elsewhere, read


@dataclass(frozen=True, slots=True)
class Desk:
    """What every call of a switchboard shares."""

    agent: UserAgent
    outbox: Outbox
    policy: Policy
    limits: Limits
    environment: Environment
    warn_host: str


def uui_expectation(policy: Policy) -> UuiExpectation:
    """Give the settings that reading the User-to-User header needs."""
    return UuiExpectation(
        several=policy.uui_several,
        leading_octet=policy.uui_leading_octet,
        x_header=policy.uui_x_header,
        limit=policy.uui_limit,
        limit_scope=policy.uui_limit_scope,
        max_depth=policy.uui_max_depth,
        aliases=policy.uui_aliases,
        echo_org=policy.echo_org,
        echo_domain=policy.echo_domain,
    )


class Call:
    """One call that a partner placed."""

    def __init__(self, call_id: str, invite: Request, connection: int, desk: Desk, now: float) -> None:
        """Write down that it began. `connection` carried the INVITE."""
        self.id = call_id
        self.sip_call_id = invite.headers.first("Call-ID") or ""
        self.state = CallState.INVITED
        self.dialog: Dialog | None = None
        self.deadline: float | None = None
        self.evidence = Evidence(peer=desk.agent.peer(connection), invite=invite, invited_at=now)
        self._desk = desk
        self._book = Book(call_id, self.evidence, desk.outbox, desk.policy)
        self._watch: MediaWatch | None = None
        self._session: Session | None = None
        self._invite: ServerTransaction | None = None
        self._offer: bytes | None = None
        self._awaits_answer = False
        """Our offer went out in a 2xx: the ACK must bring the answer."""
        self._timer: SessionTimer | None = None
        self._refresh: ClientTransaction | None = None
        self._ring_until: float | None = None
        self._expires: float | None = None
        self._awaits_prack = False
        self._hang_up: tuple[str, str] | None = None
        self._book.record(Kind.CALL_STARTED, now, telling.started(invite, self.evidence.peer, connection))

    # --- the beginning -----------------------------------------------------------------------------------------------

    def invited(self, transaction: ServerTransaction, overloaded: str, now: float) -> None:
        """Take the INVITE: judge it, then refuse it or ring."""
        self._invite = transaction
        self.evidence.overloaded = overloaded
        try:
            self._gather(transaction.request)
        except MalformedMessage as error:
            self.refuse(transaction, judge_malformed(error, transaction.request.raw), now)
            return
        findings = judge_invite(self.evidence, self._desk.policy)
        self._book.tell_judged(findings, now)
        stands_against = first_refusal(findings)
        if stands_against is not None:
            self._refuse_with(transaction, *stands_against, now)
            return
        self._take_port(transaction, now)

    def _gather(self, invite: Request) -> None:
        """Read what the INVITE carries. Raises MalformedMessage for a body that cannot be taken apart."""
        policy = self._desk.policy
        self.evidence.uui = read(invite.headers, uui_expectation(policy), found_elsewhere(invite))
        self._offer = sdp_body(invite)
        self.evidence.offer = self._offer
        self.evidence.offered_by_us = self._offer is None
        if self._offer is not None:
            self.evidence.negotiation = negotiate(self._offer, capabilities(policy))

    def _take_port(self, transaction: ServerTransaction, now: float) -> None:
        desk = self._desk
        address = desk.environment.open_media(self.id)
        if address is None:
            finding = request_finding(
                RequestFault.OVERLOADED, "all media ports are in use (media.ports)", desk.policy, (("Retry-After", "5"),)
            )
            self.evidence.overloaded = "all media ports are in use (media.ports)"
            self.refuse(transaction, finding, now)
            return
        self._session = Session(self.id, seen_by(address, self.evidence.peer), desk.policy, desk.environment)
        self._ring(transaction, now)

    def _ring(self, transaction: ServerTransaction, now: float) -> None:
        reliable = any(tag.lower() == "100rel" for tag in transaction.request.headers.listed("Require"))
        self._move(CallInput.RING, now)
        self._carry(self._desk.agent.server.respond(transaction, 180, now, reliable=reliable), now)
        self.dialog = transaction.dialog
        self._awaits_prack = reliable
        self._ring_until = now + self._desk.limits.ring_seconds
        self._expires = _expires_at(transaction.request, now)
        self._rearm()
        self.advance(now)

    def _answer(self, transaction: ServerTransaction, now: float) -> None:
        """Send the 200 with our answer, or with our offer when the INVITE had none."""
        session = self._session
        if session is None:
            raise InvalidInput("answered without a session")
        if self._offer is None:
            body = session.offer()
            self._awaits_answer = True
        else:
            assert self.evidence.negotiation is not None
            body = session.answer(self._offer, self.evidence.negotiation)
            self._start_media(self.evidence.negotiation, False, now)
        self._timer = timer_for(transaction.request, now)
        self.evidence.answered_at = now
        self._watch = self._watch or MediaWatch(self._book, self._desk.limits, self._desk.environment, now)
        self._move(CallInput.ANSWER, now)
        self._carry(self._desk.agent.server.respond(transaction, 200, now, timer_headers(self._timer), body), now)

    def refuse(self, transaction: ServerTransaction, finding: Finding, now: float) -> None:
        """Refuse the INVITE for a finding that carries its refusal."""
        self.found_out(finding, now)
        assert finding.refusal is not None
        self._refuse_with(transaction, finding, finding.refusal, now)

    def _refuse_with(self, transaction: ServerTransaction, finding: Finding, refusal: Refusal, now: float) -> None:
        self._carry(self._desk.agent.server.respond(transaction, refusal.status, now, refusal_headers(finding, refusal, self._desk)), now)
        self._rejected(finding, now)

    def unreadable(self, finding: Finding, now: float) -> None:
        """Close the book of a call whose INVITE broke the grammar; it was answered without a transaction."""
        self.found_out(finding, now)
        self._rejected(finding, now)

    def _rejected(self, finding: Finding, now: float) -> None:
        assert finding.refusal is not None
        self._book.rejected(finding, "INVITE", now)
        self.evidence.refused_status = finding.refusal.status
        self._move(CallInput.REFUSE, now)
        self._finish("sbc", "refused", now)

    def found_out(self, finding: Finding, now: float) -> None:
        """Keep a finding for the verdict that was made on the way."""
        self._book.found_out(finding, now)

    # --- what the peer does ------------------------------------------------------------------------------------------

    def acknowledged(self, request: Request, expected: bool, now: float) -> None:
        """Take the ACK: to the first 200 or to a re-INVITE; with a delayed offer it brings the answer."""
        if not expected:
            return
        if self.state is CallState.ANSWERED:
            self.evidence.acknowledged_at = now
            self._move(CallInput.ACK, now)
        if self._awaits_answer:
            self._awaits_answer = False
            self._take_answer(request, now)
        if self._hang_up is not None and self.state is CallState.ESTABLISHED:
            self.hang_up(*self._hang_up, now)

    def _take_answer(self, ack: Request, now: float) -> None:
        session = self._session
        assert session is not None
        try:
            sdp = sdp_body(ack)
        except MalformedMessage as error:
            self._book.mistake(f"the answer in the ACK cannot be read: {error}")
            sdp = None
        self.evidence.offer = sdp
        negotiation = session.read_answer(sdp) if sdp is not None else None
        self.evidence.negotiation = negotiation
        if negotiation is None or not negotiation.usable or sdp is None:
            self.hang_up("refused", "the answer to our offer is missing or cannot be used", now)
            return
        change = session.leg is not None
        session.settle(sdp, negotiation)
        self._start_media(negotiation, change, now)

    def provisional_acknowledged(self, now: float) -> None:
        """Go on after the PRACK to our reliable 180."""
        self._awaits_prack = False
        self.advance(now)

    def cancelled(self, reason: str | None, now: float) -> None:
        """The partner gave up while it rang; 487 was sent."""
        self.evidence.bye_reason = reason
        if self.state is CallState.RINGING:
            self._move(CallInput.CANCEL, now)
            self._finish("partner", "cancelled", now)

    def requested(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request within the dialog."""
        method = transaction.request.method
        self.evidence.methods[method] = self.evidence.methods.get(method, 0) + 1
        if method == "BYE":
            self._bye(transaction, now)
        elif method == "INVITE":
            self._reinvited(transaction, now)
        elif method == "UPDATE":
            self._updated(transaction, now)
        elif method == "INFO":
            self._info(transaction, now)
        else:
            self._carry(self._desk.agent.server.respond(transaction, 200, now), now)

    def _bye(self, transaction: ServerTransaction, now: float) -> None:
        agent = self._desk.agent
        self.evidence.bye_reason = transaction.request.headers.first("Reason")
        pending = agent.server.unanswered_within(transaction.dialog) if transaction.dialog else []
        self._carry(agent.server.respond(transaction, 200, now), now)
        for other in pending:
            if other is not transaction:
                self._carry(agent.server.respond(other, 487, now), now)
        ending = self.state is CallState.ENDING
        self._move(CallInput.PEER_BYE, now)
        if not ending:
            self._finish("partner", "normal", now)

    def _info(self, transaction: ServerTransaction, now: float) -> None:
        package = transaction.request.headers.first("Info-Package")
        if package is not None:
            # An empty Recv-Info says that no package is taken (RFC 6086 section 5.2.3).
            detail = f"Info-Package {printable(package, 60)} is not supported"
            finding = request_finding(RequestFault.INFO_PACKAGE, detail, self._desk.policy, (("Recv-Info", ""),))
            self.refuse_within(transaction, finding, now)
            return
        self._book.record(Kind.NOTE, now, {"text": "INFO received; digits are read from RTP (RFC 4733) only"})
        self._carry(self._desk.agent.server.respond(transaction, 200, now), now)

    def refuse_within(self, transaction: ServerTransaction, finding: Finding, now: float) -> None:
        """Refuse a request within the dialog; the call goes on."""
        refusal = finding.refusal
        assert refusal is not None
        method = transaction.request.method
        self.evidence.refer_seen |= method == "REFER"
        self.found_out(finding, now)
        self._book.rejected(finding, method, now)
        self._carry(self._desk.agent.server.respond(transaction, refusal.status, now, refusal_headers(finding, refusal, self._desk)), now)

    # --- changes of the session --------------------------------------------------------------------------------------

    def _reinvited(self, transaction: ServerTransaction, now: float) -> None:
        offer = self._changed(transaction, now)
        if offer is None:
            return
        self._timer = timer_for(transaction.request, now)
        if offer:
            self._carry(self._desk.agent.server.respond(transaction, 200, now, timer_headers(self._timer), offer), now)
        else:
            self._awaits_answer = True
            assert self._session is not None
            body = self._session.offer()
            self._carry(self._desk.agent.server.respond(transaction, 200, now, timer_headers(self._timer), body), now)
        self._rearm()

    def _updated(self, transaction: ServerTransaction, now: float) -> None:
        answer = self._changed(transaction, now)
        if answer is None:
            return
        self._timer = timer_for(transaction.request, now)
        self._carry(self._desk.agent.server.respond(transaction, 200, now, timer_headers(self._timer), answer), now)
        self._rearm()

    def _changed(self, transaction: ServerTransaction, now: float) -> bytes | None:
        """Take the offer of a re-INVITE or UPDATE; return our answer, empty without offer, None when it was refused."""
        try:
            sdp = sdp_body(transaction.request)
        except MalformedMessage as error:
            self.refuse_within(transaction, judge_malformed(error, transaction.request.raw), now)
            return None
        if sdp is None or self._session is None:
            return b""
        negotiation = self._session.read(sdp)
        trial = Evidence(peer=self.evidence.peer, invite=transaction.request, offer=sdp, negotiation=negotiation)
        stands_against = first_refusal(offer_rules.judge(trial, self._desk.policy))
        if stands_against is not None:
            self.refuse_within(transaction, stands_against[0], now)
            return None
        answer = self._session.answer(sdp, negotiation)
        self.evidence.negotiation = negotiation
        self._start_media(negotiation, True, now)
        return answer

    def _start_media(self, negotiation: Negotiation, change: bool, now: float) -> None:
        session = self._session
        assert session is not None
        assert session.leg is not None
        self.evidence.leg = session.leg
        self._watch = self._watch or MediaWatch(self._book, self._desk.limits, self._desk.environment, now)
        self._watch.changed(negotiation.held, now)
        self._desk.outbox.put(StartMedia(session.leg))
        local = f"{session.address.host}:{session.address.rtp_port}"
        self._book.record(Kind.MEDIA_AGREED, now, telling.agreed(session.leg, negotiation, local, change))

    # --- our own requests --------------------------------------------------------------------------------------------

    def hang_up(self, reason: str, text: str, now: float) -> None:
        """End the call from our side: refuse while it rings, BYE later, never before the ACK (section 15)."""
        if self.state is CallState.RINGING and self._invite is not None:
            self._carry(self._desk.agent.server.respond(self._invite, 480, now, (("Reason", _reason(reason, text)),)), now)
            self._move(CallInput.REFUSE, now)
            self._finish("sbc", reason, now)
        elif self.state is CallState.ANSWERED and reason != "no-ack":
            self._hang_up = (reason, text)
        elif self.state in (CallState.ANSWERED, CallState.ESTABLISHED) and self.dialog is not None:
            self._move(CallInput.OUR_BYE, now)
            _, effects = self._desk.agent.client.request(self.dialog, "BYE", now, (("Reason", _reason(reason, text)),))
            self._settle_evidence("sbc", reason, now)
            self._carry(effects, now)

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer to a request of ours: BYE, or the refresh of the session."""
        if response.status < 200:
            return
        if transaction.request.method == "BYE":
            self._bye_over(now)
        elif transaction is self._refresh:
            self._refreshed(transaction, response, now)

    def unanswered(self, transaction: ClientTransaction, status: int, why: str, now: float) -> None:
        """Give up a request of ours."""
        self._book.mistake(why)
        if transaction.request.method == "BYE":
            self._bye_over(now)
        elif transaction is self._refresh:
            self._refresh = None
            self.hang_up("session-expired", f"{transaction.request.method} to refresh the session: {why}", now)

    def _bye_over(self, now: float) -> None:
        if self.state is CallState.ENDING:
            self._move(CallInput.OVER, now)
            self._finish(self.evidence.ended_by, self.evidence.end_reason, now)

    def _send_refresh(self, now: float) -> None:
        assert self.dialog is not None
        assert self._timer is not None
        extra: Extra = (("Session-Expires", f"{self._timer.interval};refresher=uac"),)
        invite = self.evidence.invite
        allowed = [m.upper() for m in invite.headers.listed("Allow")] if invite else []
        method, body = ("UPDATE", b"") if "UPDATE" in allowed else ("INVITE", self._session.local if self._session else b"")
        self._refresh, effects = self._desk.agent.client.request(self.dialog, method, now, extra, body)
        self._carry(effects, now)

    def _refreshed(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self._refresh = None
        if response.status in (408, 481):
            self.hang_up("session-expired", f"the refresh was answered {response.status}", now)
            return
        if self.dialog is not None and transaction.request.method == "INVITE" and response.status < 300:
            self._carry(self._desk.agent.client.acknowledge(transaction, self.dialog), now)
        if self._timer is None:
            return
        if response.status < 300:
            self._timer = timer_after_refresh(self._timer, response, now)
        else:
            self._book.mistake(f"the session refresh was refused with {response.status}")
            self._timer = SessionTimer(self._timer.interval, False, self._timer.started)
        self._rearm()

    def unacknowledged(self, provisional: bool, now: float) -> None:
        """64*T1 passed without ACK to our 200, or without PRACK to our 180."""
        if provisional and self._invite is not None and self.state is CallState.RINGING:
            self._book.mistake("our reliable 180 was never acknowledged by PRACK")
            self._carry(self._desk.agent.server.respond(self._invite, 504, now), now)
            self._move(CallInput.REFUSE, now)
            self._finish("sbc", "no-prack", now)
        elif self.state is CallState.ANSWERED:
            self.hang_up("no-ack", "no ACK within 32 s", now)
        elif self.state is CallState.ESTABLISHED:
            self._book.mistake("our 200 to a re-INVITE was never acknowledged")
            self.hang_up("no-ack", "no ACK to a re-INVITE within 32 s", now)

    # --- time --------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Do what is due."""
        if self.state is CallState.RINGING:
            self._ringing_on(now)
        if self._watch is not None and self._watch.deadline is not None and now >= self._watch.deadline:
            ending = self._watch.look(now)
            if ending is not None and self.state is CallState.ESTABLISHED:
                self.hang_up(*ending, now)
        if self._timer is not None and self.state is CallState.ESTABLISHED and now >= self._timer.alarm:
            self._timer_rings(now)
        self._rearm()

    def _ringing_on(self, now: float) -> None:
        transaction = self._invite
        assert transaction is not None
        if self._expires is not None and now >= self._expires:
            detail = "the INVITE's Expires ran out before the call was answered"
            self.refuse(transaction, request_finding(RequestFault.EXPIRED, detail, self._desk.policy), now)
        elif not self._awaits_prack and self._ring_until is not None and now >= self._ring_until:
            self._answer(transaction, now)

    def _timer_rings(self, now: float) -> None:
        assert self._timer is not None
        if not self._timer.ours:
            self.hang_up("session-expired", f"no refresh within {self._timer.interval} s", now)
        elif self._refresh is None:
            self._send_refresh(now)
            self._timer = SessionTimer(self._timer.interval, True, now)

    def _rearm(self) -> None:
        """Keep the earliest of what the state waits for."""
        waits: list[float | None] = []
        if self.state is CallState.RINGING:
            waits = [self._expires, None if self._awaits_prack else self._ring_until]
        elif self.state in (CallState.ANSWERED, CallState.ESTABLISHED):
            waits = [
                self._watch.deadline if self._watch else None,
                self._timer.alarm if self._timer and self.state is CallState.ESTABLISHED else None,
            ]
        self.deadline = min((w for w in waits if w is not None), default=None)

    # --- the end -----------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """True when the verdict is given."""
        return self.state in (CallState.ENDED, CallState.REJECTED)

    def _settle_evidence(self, by: str, reason: str, now: float) -> None:
        """Take the last report and free the port; the verdict may still wait for the answer to our BYE."""
        if self.evidence.ended_at is not None:
            return
        self.evidence.ended_at = now
        self.evidence.ended_by = by
        self.evidence.end_reason = reason
        if self._watch is not None:
            self._watch.close(now)
        if self._session is not None:
            self._desk.outbox.put(StopMedia(self.id))

    def _finish(self, by: str, reason: str, now: float) -> None:
        """Give the verdict."""
        self._settle_evidence(by, reason, now)
        self._book.close(self.state.value, now)
        self._rearm()

    def _move(self, what: CallInput, now: float) -> None:
        try:
            self.state = CALL[self.state, what]
        except KeyError:
            raise InvalidInput(f"call: no {what} in state {self.state}") from None
        if what in SHOWN_STATES:
            self._book.record(Kind.CALL_STATE, now, {"state": SHOWN_STATES[what]})

    def _carry(self, effects: list[Effect], now: float) -> None:
        self._desk.outbox.carry(effects, now)


def refusal_headers(finding: Finding, refusal: Refusal, desk: Desk) -> Extra:
    """Headers of a refusal: what the status demands, and the rule in a Warning (20.43)."""
    warning = f'{refusal.warn_code} {desk.warn_host} "{warning_text(finding)}"'
    return (*refusal.headers, ("Warning", warning))


def _reason(reason: str, text: str) -> str:
    """Reason header of our BYE (RFC 3326): the SIP cause where one fits, and Q.850."""
    cause = {"media-timeout": 408, "session-expired": 408, "no-ack": 408, "refused": 488, "shutdown": 503}.get(reason, 200)
    sip = Reason("SIP", cause, text or "call ended by sbc-sim")
    return str(sip) if cause != 200 else f"{sip}, {Reason('Q.850', 16, 'Normal call clearing')}"


def _expires_at(invite: Request, now: float) -> float | None:
    """When the INVITE's own Expires runs out (13.3.1)."""
    text = invite.headers.first("Expires")
    if text is None:
        return None
    try:
        return now + parse_number(text, "Expires")
    except MalformedMessage:
        return None
