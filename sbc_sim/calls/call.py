"""One call: from its INVITE to its verdict.

The life of a call is a table. `Call.invited` is the place where the protocol meets the world, so it only joins steps that have
names: gather evidence, let the rules judge, refuse or take a port and ring. A media packet never comes here.
"""

from __future__ import annotations

from collections.abc import Mapping

from sbc_sim.calls import telling
from sbc_sim.calls.book import Book
from sbc_sim.calls.call_media import CallMedia
from sbc_sim.calls.call_states import CALL, SHOWN_STATES, CallInput, CallState
from sbc_sim.calls.companion import NO_DATA, Companion
from sbc_sim.calls.companions import companions
from sbc_sim.calls.conduct import Answer, CallFacts, Conduct
from sbc_sim.calls.desk import Desk as Desk
from sbc_sim.calls.escalation import Escalation
from sbc_sim.calls.outputs import Close, Say, StopMedia
from sbc_sim.calls.provoking import LONGEST_RING_S, Provoking
from sbc_sim.calls.region import Place
from sbc_sim.calls.renewal import Renewal
from sbc_sim.calls.session import Session, capabilities, seen_by
from sbc_sim.calls.within_dialog import WithinDialog
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegEvent, Prompt
from sbc_sim.rules.answers import RETRY_AFTER_S
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Refusal
from sbc_sim.rules.judge import first_refusal, judge_invite
from sbc_sim.rules.signalling import judge_malformed, request_finding
from sbc_sim.rules.x_headers import captured
from sbc_sim.sdp.answer import negotiate
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction, Effect, ServerTransaction
from sbc_sim.sip.errors import InvalidInput, MalformedMessage
from sbc_sim.sip.headers import Reason
from sbc_sim.sip.inspection import RequestFault
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.text import parse_number, printable
from sbc_sim.sip.uri import user_of_uri
from sbc_sim.sip.uui import found_elsewhere, read

_NOT_LOOKED_AT = "Not looked at: the INVITE was refused before."
_BODY_UNREAD = "Not looked at: the body of the INVITE could not be taken apart."


class Call:
    """One call that a partner placed."""

    def __init__(
        self, call_id: str, invite: Request, connection: int, desk: Desk, place: Place, now: float, escalation_of: str = ""
    ) -> None:
        """Write down that it began. `connection` carried the INVITE; what holds at its `place` goes before what holds everywhere.

        `escalation_of`: the call that this one gives back; it is an INVITE of ours then.
        """
        self.id = call_id
        self.sip_call_id = invite.headers.first("Call-ID") or ""
        self.state = CallState.INVITED
        self.dialog: Dialog | None = None
        self.deadline: float | None = None
        self.evidence = Evidence(peer=desk.agent.peer(connection), invite=invite, invited_at=now, unread_content=_NOT_LOOKED_AT)
        self.place = place
        self._desk = desk
        self._policy = place.policy or desk.policy
        self._book = Book(call_id, self.evidence, desk.outbox, self._policy)
        self._provoking = self._forks(Conduct())
        self._companions: list[Companion] = []
        self._media = CallMedia(self._book, desk, self._policy)
        self._invite: ServerTransaction | None = None
        self._offer: bytes | None = None
        self._renewal = Renewal(self._book, desk.agent, desk.outbox, desk.environment)
        self._within = WithinDialog(self._book, desk, self._policy, self._media, self._renewal)
        self._ring_until: float | None = None
        self._expires: float | None = None
        self._awaits_prack = False
        self._hang_up: tuple[str, str, Extra] | None = None
        self._escalation: Escalation | None = None
        self.outbound_connection: int | None = None
        """The connection that was opened for this call alone."""
        self._escalate: tuple[str, str, Mapping[str, str], str] | None = None
        """Asked for before the ACK."""
        self._book.record(
            Kind.CALL_STARTED,
            now,
            telling.started(invite, self.evidence.peer, connection, place, escalation_of, captured(invite.headers, self._policy)),
        )

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
        self._desk.links.look(self.evidence, now)
        findings = judge_invite(self.evidence, self._policy)
        self._book.tell_judged(findings, now)
        stands_against = first_refusal(findings)
        if stands_against is not None:
            self._refuse_with(transaction, *stands_against, now)
            return
        self._choose(transaction.request, now)
        if self._provoking.conduct.answer is not None:
            self._decline(transaction, self._provoking.conduct.answer, now)
        else:
            self._take_port(transaction, now)

    def _choose(self, invite: Request, now: float) -> None:
        """Choose how to behave towards this call: what it reaches, and what is done wrong on purpose."""
        host = self.evidence.peer.host if self.evidence.peer is not None else ""
        number, caller = user_of_uri(invite.uri), telling.user_in(invite, "From") or ""
        facts = CallFacts(self.id, number, self.evidence.uui, self.place, host, caller)
        conduct = self._desk.environment.choose(facts, now)
        self._provoking = self._forks(conduct)
        self.evidence.scenario = conduct.scenario
        self.evidence.journey.expected = conduct.agent is not None
        self._companions = companions(conduct, self)
        self._book.record(Kind.SCENARIO, now, telling.scenario(conduct))
        self._desk.links.taken(self, now)

    def _forks(self, conduct: Conduct) -> Provoking:
        desk = self._desk
        return Provoking(conduct, self.evidence, desk.agent, desk.outbox, desk.environment)

    def _gather(self, invite: Request) -> None:
        """Read what the INVITE carries. Raises MalformedMessage for a body that cannot be taken apart."""
        policy = self._policy
        self.evidence.uui = read(invite.headers, policy.uui_expectation(), found_elsewhere(invite))
        self.evidence.unread_content = _BODY_UNREAD
        self._offer = sdp_body(invite)
        self.evidence.offer = self._offer
        self.evidence.offered_by_us = self._offer is None
        if self._offer is not None:
            self.evidence.negotiation = negotiate(self._offer, capabilities(policy))
        self.evidence.unread_content = ""

    def _take_port(self, transaction: ServerTransaction, now: float) -> None:
        desk = self._desk
        address = desk.environment.open_media(self.id, self.region)
        if address is None:
            self.evidence.overloaded = f"{self.place.no_media_port}{desk.environment.media_share}"
            wait = (("Retry-After", str(RETRY_AFTER_S)),)
            finding = request_finding(RequestFault.OVERLOADED, self.evidence.overloaded, self._policy, wait)
            self.refuse(transaction, finding, now)
            return
        at = seen_by(address, self.evidence.peer)
        self._media.session = Session(self.id, at, self._policy, desk.environment, self._provoking.conduct.media)
        self._ring(transaction, now)

    def _ring(self, transaction: ServerTransaction, now: float) -> None:
        reliable = any(tag.lower() == "100rel" for tag in transaction.request.headers.listed("Require"))
        choices = self._desk.environment.choices
        if choices is not None and choices.rseq(transaction.request) is None:
            reliable = False
        conduct = self._provoking.conduct
        self._move(CallInput.RING, now)
        if conduct.early_media and self._offer is not None:
            body = self._media.answer_first(self._offer, now)
            self._carry(self._desk.agent.server.respond(transaction, 183, now, (), body, reliable=reliable), now)
            self.say(self._provoking.ringing(), now)
        elif not conduct.silent:
            self._carry(self._desk.agent.server.respond(transaction, 180, now, reliable=reliable), now)
        self.dialog = transaction.dialog
        self._awaits_prack = reliable and not conduct.silent
        rings = self._desk.limits.ring_seconds if conduct.ring_seconds is None else conduct.ring_seconds
        self._ring_until = now + (LONGEST_RING_S if self._provoking.seen.unanswered else rings)
        self._expires = _expires_at(transaction.request, now)
        self._rearm()
        self.advance(now)

    def _answer(self, transaction: ServerTransaction, now: float) -> None:
        """Send the 200 with our answer, or with our offer when the INVITE had none."""
        if self._offer is None:
            body = self._media.offer()
        elif not self._media.begun:
            body = self._media.answer_first(self._offer, now)
        else:
            body = self._media.local  # as in the 183
            self.say(None, now)
        extra = self._renewal.agree(transaction.request, now)
        self.evidence.answered_at = now
        self._media.expect(now)
        self._move(CallInput.ANSWER, now)
        self._carry(self._desk.agent.server.respond(transaction, 200, now, extra, body), now)

    def _decline(self, transaction: ServerTransaction, answer: Answer, now: float) -> None:
        """Refuse or redirect on purpose; the verdict waits for the ACK."""
        extra = self._provoking.refusal(answer, transaction, self._desk.warn_host)
        self._carry(self._desk.agent.server.respond(transaction, answer.status, now, extra, reason=answer.reason), now)
        self.evidence.refused_status = answer.status
        self._provoking.seen.refused_at = now
        self._move(CallInput.DECLINE, now)

    def _let_go(self, reason: str, now: float) -> None:
        """Give the verdict on a call that only waited for a reaction of the partner."""
        by = "sbc" if self.state is CallState.DECLINED else "partner"
        self._provoking.leave()
        self._move(CallInput.OVER, now)
        self._finish(by, reason if by == "sbc" else "normal", now)

    def refuse(self, transaction: ServerTransaction, finding: Finding, now: float) -> None:
        """Refuse the INVITE for a finding that carries its refusal."""
        self.found_out(finding, now)
        assert finding.refusal is not None
        self._refuse_with(transaction, finding, finding.refusal, now)

    def _refuse_with(self, transaction: ServerTransaction, finding: Finding, refusal: Refusal, now: float) -> None:
        self._carry(self._desk.agent.server.respond(transaction, refusal.status, now, self._desk.refusal_headers(finding, refusal)), now)
        self._rejected(finding, now)

    def unreadable(self, finding: Finding, now: float, cut: bool) -> None:
        """Close the book of a call whose INVITE broke the grammar; it was answered without a transaction.

        `cut`: not all of its header section was read.
        """
        self.evidence.unread_content = f"Not looked at, for the INVITE could not be read: {finding.detail}"
        self.evidence.unread_headers = self.evidence.unread_content if cut else ""
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

    def acknowledged(self, request: Request, invite: ServerTransaction | None, now: float) -> None:
        """Take the ACK: to the first 200 or to that of a re-INVITE; with a delayed offer it brings the answer."""
        if invite is None:
            self._unexpected_ack(request)
            return
        fresh = invite is self._invite and self.state is CallState.ANSWERED
        if fresh:
            self.evidence.acknowledged_at = now
            self._move(CallInput.ACK, now)
        if self._media.awaits_answer:
            self._take_answer(request, now)
        if fresh and self.state is CallState.ESTABLISHED:  # there is media to speak into by now, also with a delayed offer
            self._told_up(now)
        if self._hang_up is not None and self.state is CallState.ESTABLISHED:
            reason, text, extra = self._hang_up
            self.hang_up(reason, text, now, extra)
        elif self._escalate is not None and self.state is CallState.ESTABLISHED:
            mode, why, data, target = self._escalate
            self.escalate(mode, why, now, data, target)
        self._rearm()

    def _told_up(self, now: float) -> None:
        for companion in self._companions:
            companion.established(now)

    def _unexpected_ack(self, ack: Request) -> None:
        """An ACK may come again, but with the CSeq of an INVITE."""
        invite = self._invite
        wanted = None if invite is None else invite.request.headers.first("CSeq")
        number = (ack.headers.first("CSeq") or "").split()[:1]
        if self.state is CallState.ANSWERED and wanted is not None and wanted.split()[:1] != number:
            self._book.mistake(f"ACK with CSeq {printable(' '.join(number), 20)}, the INVITE's is {printable(wanted, 30)}")

    def _take_answer(self, ack: Request, now: float) -> None:
        """Take the answer to our offer; without one that can be used there is no session."""
        if not self._media.settle_answer(ack, now):
            self.hang_up("refused", "the answer to our offer is missing or cannot be used", now)

    def response_acknowledged(self, now: float) -> None:
        """Go on after the PRACK to our reliable 180, or the ACK to a refusal on purpose."""
        if self.state is CallState.DECLINED:
            self._provoking.seen.refusal_acknowledged_at = now
            self._let_go("fault", now)
        else:
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
        self._provoking.came_back(now)
        if method == "BYE":
            self._bye(transaction, now)
        elif method == "NOTIFY":
            self._notified(transaction, now)
        else:
            self._within.take(transaction, now)
            self._rearm()

    def _bye(self, transaction: ServerTransaction, now: float) -> None:
        agent = self._desk.agent
        self.evidence.bye_reason = ", ".join(transaction.request.headers.all("Reason")) or None
        if self._provoking.conduct.ignore_bye and self.state in (CallState.ESTABLISHED, CallState.IGNORING):
            self._move(CallInput.IGNORE_BYE, now)
            self._provoking.ignore(transaction, now)
            self._rearm()
            return
        pending = agent.server.unanswered_within(transaction.dialog) if transaction.dialog else []
        self._carry(agent.server.respond(transaction, 200, now), now)
        for other in pending:
            if other is not transaction:
                self._carry(agent.server.respond(other, 487, now), now)
        ending = self.state is CallState.ENDING
        self._move(CallInput.PEER_BYE, now)
        self.evidence.journey.bye_crossed = ending
        if not ending:
            self._finish("partner", "normal", now)

    @property
    def awaits_notify(self) -> bool:
        """Whether a NOTIFY within the dialog answers to a REFER of ours."""
        return self._escalation is not None and self._escalation.awaits_notify

    def _notified(self, transaction: ServerTransaction, now: float) -> None:
        self._carry(self._desk.agent.server.respond(transaction, 200, now), now)
        if self._escalation is not None:
            self._escalation.notified(transaction.request, now)
        self._rearm()

    def refuse_within(self, transaction: ServerTransaction, finding: Finding, now: float) -> None:
        """Refuse a request within the dialog; the call goes on."""
        self._within.refuse(transaction, finding, now)

    # --- our own requests --------------------------------------------------------------------------------------------

    def record(self, kind: Kind, now: float, data: Mapping[str, object]) -> None:
        """Append an entry of this call to the journal."""
        self._book.record(kind, now, data)

    def say(self, prompt: Prompt | None, now: float) -> None:
        """Play a prompt towards the partner, instead of what plays; None: be silent."""
        self._desk.outbox.put(Say(self.id, prompt))

    def escalate(self, mode: str, why: str, now: float, data: Mapping[str, str] = NO_DATA, target: str = "") -> None:
        """Give the call back to the partner, once; before the ACK it waits for that. `target`: a URI to call instead of what is set."""
        if self.state is CallState.ANSWERED:
            self._escalate = (mode, why, data, target)
        elif self.state is CallState.ESTABLISHED and self._escalation is None:
            self._escalation = Escalation(self, self._desk, mode or self._provoking.conduct.escalate_mode, why, target, data)
            self._escalation.begin(now)
            self._rearm()

    def judge_again(self, now: float) -> None:
        """Give a new verdict after the end: the partner check has news."""
        self._book.judge(now)

    def heard(self, event: LegEvent, now: float) -> None:
        """Pass on what the leg has heard."""
        if self.state is CallState.ESTABLISHED:
            for companion in self._companions:
                companion.heard(event, now)
        self._rearm()

    def hang_up(self, reason: str, text: str, now: float, extra: Extra = ()) -> None:
        """End the call from our side: refuse while it rings, BYE later, never before the ACK (section 15)."""
        if self.state is CallState.RINGING and self._invite is not None:
            self._give_up_ringing(480, reason, text, now)
        elif self.state in (CallState.DECLINED, CallState.IGNORING):
            self._let_go(reason, now)
        elif self.state is CallState.ANSWERED and reason != "no-ack":
            self._hang_up = (reason, text, extra)
        elif self.state in (CallState.ANSWERED, CallState.ESTABLISHED) and self.dialog is not None:
            self._move(CallInput.OUR_BYE, now)
            own: Extra = () if any(name == "Reason" for name, _ in extra) else (("Reason", _reason(reason, text)),)
            _, effects = self._desk.agent.client.request(self.dialog, "BYE", now, (*own, *extra))
            self._settle_evidence("sbc", reason, now)
            self._carry(effects, now)

    def refresh(self, method: str, now: float) -> None:
        """Refresh the session now by UPDATE or INVITE, as the far end of a trace did; empty: as the partner allows."""
        if self.state is CallState.ESTABLISHED and self.dialog is not None and self._media.session is not None:
            self._renewal.refresh(method or self._renewal.method, self.dialog, self._media.local, now)

    def hold(self, held: bool, now: float) -> None:
        """Put the call on hold by re-INVITE, or resume it."""
        if self.state is CallState.ESTABLISHED and self.dialog is not None and self._media.session is not None:
            self._provoking.hold(held, self.dialog, self._media.session, now)

    def drop_connection(self, now: float) -> None:
        """Drop the TCP connection of the dialog at once (RST)."""
        connection = None if self.dialog is None else self.dialog.connection
        if connection is not None:
            self._provoking.seen.reset_at = now
            self._desk.outbox.put(Close(connection, "reset on purpose", abort=True))

    def renew_certificate(self, now: float) -> None:
        """Show another server certificate on new connections from now on."""
        self._desk.environment.renew_certificate()
        text = "The server certificate was renewed: new connections see the new one, this call goes on"
        self._book.record(Kind.NOTE, now, {"text": text})

    def conclude(self, status: int | None, now: float) -> None:
        """Give the verdict on what was reached: a trace tells no more, or its far end refused the call with `status` where we rang."""
        if status is not None and self.state is CallState.RINGING:
            self.evidence.refused_status = status
            self._move(CallInput.REFUSE, now)
            self._finish("sbc", "refused", now)
        elif self.state is CallState.ENDING:
            self._bye_over(now)
        else:
            self.evidence.ended_at = now
            self._media.last_look(now)
            self._book.judge(now)

    def _give_up_ringing(self, status: int, reason: str, text: str, now: float) -> None:
        """Refuse a call that rings, for a reason of our own."""
        assert self._invite is not None
        warning = f'399 {self._desk.warn_host} "{text}"'
        extra = (("Reason", _reason(reason, text)), ("Warning", warning))
        self._carry(self._desk.agent.server.respond(self._invite, status, now, extra), now)
        self.evidence.refused_status = status
        self._move(CallInput.REFUSE, now)
        self._finish("sbc", reason, now)

    def answered(self, transaction: ClientTransaction, response: Response, now: float, dialog: Dialog | None = None) -> None:
        """Take the answer to a request of ours: BYE, REFER, or the refresh of the session."""
        if response.status < 200:
            return
        if self._escalation is not None and self._escalation.answered(transaction, response, now):
            self._rearm()
        elif transaction.request.method == "BYE":
            self.evidence.journey.bye_status = response.status
            self._bye_over(now)
        elif self._renewal.owns(transaction) or self._provoking.owns(transaction):
            self._refreshed(transaction, response, now)

    def unanswered(self, transaction: ClientTransaction, status: int, why: str, now: float) -> None:
        """Give up a request of ours."""
        if self._escalation is not None and self._escalation.unanswered(transaction, why, now):
            return
        self._book.mistake(why)
        if transaction.request.method == "BYE":
            self.evidence.journey.bye_unanswered, self.evidence.journey.bye_undelivered = why, status == 503
            self._bye_over(now)
        elif self._provoking.owns(transaction):
            self._provoking.unanswered(self.state is not CallState.ESTABLISHED)
            self.hang_up("fault", f"hold: {why}", now)
        elif self._renewal.owns(transaction):
            self.hang_up(*self._renewal.unanswered(why), now)

    def answered_late(self, transaction: ClientTransaction, response: Response, dialog: Dialog | None, now: float) -> None:
        """Take an answer that comes when the call is over: only a 2xx to a re-INVITE asks for something, its ACK (13.2.2.4)."""
        if self.dialog is not None and transaction.dialog is self.dialog and _makes_session(transaction, response):
            self._carry(self._desk.agent.client.acknowledge(transaction, self.dialog), now)

    def _bye_over(self, now: float) -> None:
        if self.state is CallState.ENDING:
            self._move(CallInput.OVER, now)
            self._finish(self.evidence.ended_by, self.evidence.end_reason, now)

    def _refreshed(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer to our refresh; that to a re-INVITE brings a description, perhaps with a new key or address.

        One that crossed a BYE is acknowledged, but the media is over.
        """
        if self.dialog is not None and _makes_session(transaction, response):
            self._carry(self._desk.agent.client.acknowledge(transaction, self.dialog), now)
            if self.state is CallState.ESTABLISHED and not self._media.settle_answer(response, now):
                self._book.mistake("the answer to our refresh cannot be used; the session goes on as it was")
        if self._provoking.owns(transaction):
            self._refused_change(self._provoking.held(response, self.state is not CallState.ESTABLISHED, now))
            return
        ending = self._renewal.answered(response, now)
        if ending is not None:
            self.hang_up(*ending, now)
        self._rearm()

    def _refused_change(self, why: str) -> None:
        if why:
            self._book.mistake(why)
        self._rearm()

    def unacknowledged(self, transaction: ServerTransaction, provisional: bool, now: float) -> None:
        """64*T1 passed without ACK to our final answer, or without PRACK to our 180."""
        if transaction.last is not None and transaction.last.status >= 300:
            self._book.mistake(f"our {transaction.last.status} was never acknowledged")
            if self.state is CallState.DECLINED:
                self._let_go("no-ack", now)
        elif provisional and self._invite is not None and self.state is CallState.RINGING:
            text = "our reliable 180 was never acknowledged by PRACK"
            self._book.mistake(text)
            self._give_up_ringing(504, "no-prack", text, now)
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
        ending = self._media.look(now)
        if ending is not None and self.state is CallState.ESTABLISHED:
            self.hang_up(*ending, now)
        if self.state is CallState.ESTABLISHED and self.dialog is not None:
            if self._media.session is not None:
                self._provoking.try_again(self.dialog, self._media.session, now)
            expired = self._renewal.look(self.dialog, self._media.local, now)
            if expired is not None:
                self.hang_up(*expired, now)
        if self.state is CallState.IGNORING and self._provoking.ignored_long_enough(now):
            self._let_go("normal", now)
        for companion in self._companions:
            if self.state is CallState.ESTABLISHED and companion.deadline is not None and now >= companion.deadline:
                companion.advance(now)
        if self._escalation is not None and self._escalation.deadline is not None and now >= self._escalation.deadline:
            self._escalation.advance(now)
        self._rearm()

    def _ringing_on(self, now: float) -> None:
        transaction = self._invite
        assert transaction is not None
        if self._expires is not None and now >= self._expires:
            detail = "the INVITE's Expires ran out before the call was answered"
            self.refuse(transaction, request_finding(RequestFault.EXPIRED, detail, self._policy), now)
        elif not self._awaits_prack and self._ring_until is not None and now >= self._ring_until:
            if self._provoking.seen.unanswered:
                status = 408 if self._provoking.conduct.silent else 480
                self._give_up_ringing(status, "fault", f"{self._provoking.cause}: no CANCEL came", now)
            else:
                self._answer(transaction, now)

    def _rearm(self) -> None:
        """Keep the earliest of what the state waits for."""
        waits: list[float | None] = []
        if self.state is CallState.RINGING:
            waits = [self._expires, None if self._awaits_prack else self._ring_until]
        elif self.state in (CallState.ANSWERED, CallState.ESTABLISHED):
            waits = [self._media.deadline, self._renewal.deadline if self.state is CallState.ESTABLISHED else None]
        if self.state in (CallState.ESTABLISHED, CallState.IGNORING):
            waits.append(self._provoking.deadline)
        if self.state is CallState.ESTABLISHED:
            waits += [companion.deadline for companion in self._companions]
            waits.append(self._escalation.deadline if self._escalation is not None else None)
        self.deadline = min((w for w in waits if w is not None), default=None)

    # --- the end -----------------------------------------------------------------------------------------------------

    @property
    def region(self) -> str:
        """Name of the region that the call belongs to; empty without one."""
        return "" if self.place.region is None else self.place.region.name

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
        for companion in self._companions:
            companion.over(now)
        self._media.end(now)

    def fail(self, now: float) -> None:
        """End the call after a bug of ours met it: 500 or BYE, ports freed, no verdict."""
        agent, waiting = self._desk.agent, self._invite
        if self.state in (CallState.INVITED, CallState.RINGING) and waiting is not None and not waiting.answered:
            self._carry(agent.server.respond(waiting, 500, now), now)
            self.evidence.refused_status = 500
        elif self.dialog is not None and not self.dialog.over:
            self._carry(agent.client.request(self.dialog, "BYE", now, (("Reason", _reason("shutdown", "internal error")),))[1], now)
        self.state = CallState.ENDED
        self.deadline = None
        self._desk.outbox.put(StopMedia(self.id))
        data = {"endedBy": "sbc", "endReason": "internal-error", "state": "ended", "status": self.evidence.refused_status}
        self._book.record(Kind.CALL_ENDED, now, data)

    def _finish(self, by: str, reason: str, now: float) -> None:
        """Give the verdict."""
        self._settle_evidence(by, reason, now)
        if self._escalation is not None:
            self._escalation.first_leg_over(by, now)
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


def _reason(reason: str, text: str) -> str:
    """Reason header of our BYE (RFC 3326): the SIP cause where one fits, and Q.850."""
    cause = {"media-timeout": 408, "session-expired": 408, "no-ack": 408, "refused": 488, "shutdown": 503}.get(reason, 200)
    sip = Reason("SIP", cause, text or "call ended by sbc-sim")
    return str(sip) if cause != 200 else f"{sip}, {Reason('Q.850', 16, 'Normal call clearing')}"


def _makes_session(transaction: ClientTransaction, response: Response) -> bool:
    """Tell whether a response to a request of ours is to be acknowledged and brings a description: a 2xx to INVITE."""
    return transaction.request.method == "INVITE" and 200 <= response.status < 300


def _expires_at(invite: Request, now: float) -> float | None:
    """When the INVITE's own Expires runs out (13.3.1)."""
    text = invite.headers.first("Expires")
    if text is None:
        return None
    try:
        return now + parse_number(text, "Expires")
    except MalformedMessage:
        return None
