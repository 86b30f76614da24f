"""The media of one call: what was agreed on and changed since, what the plane is told, and how it goes (RFC 3264, RFC 4568).

A call asks here for descriptions to send and gives those that came. Whether the answer to one is 200 or a refusal is the call's
own business: it gets the description, or the finding that stands against it.
"""

from __future__ import annotations

from sbc_sim.calls import telling
from sbc_sim.calls.book import Book
from sbc_sim.calls.desk import Desk
from sbc_sim.calls.media_watch import MediaWatch
from sbc_sim.calls.outputs import StartMedia, StopMedia
from sbc_sim.calls.session import Session
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import Direction
from sbc_sim.rules import offer as offer_rules
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Status
from sbc_sim.rules.judge import first_refusal
from sbc_sim.rules.policy import Policy
from sbc_sim.sdp.answer import Negotiation
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.errors import InvalidInput, MalformedMessage
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.uri import host_port


class CallMedia:
    """Session and watch of one call."""

    def __init__(self, book: Book, desk: Desk, policy: Policy) -> None:
        """Begin without a port."""
        self.session: Session | None = None
        """Set once a port was taken."""
        self.awaits_answer = False
        """Our offer went out in a 2xx: the ACK must bring the answer."""
        self._book = book
        self._desk = desk
        self._policy = policy
        self._watch: MediaWatch | None = None

    @property
    def local(self) -> bytes:
        """The last description that we sent; empty before any."""
        return self.session.local if self.session is not None else b""

    @property
    def begun(self) -> bool:
        """Whether the plane has a leg of this call."""
        return self.session is not None and self.session.leg is not None

    # --- descriptions ------------------------------------------------------------------------------------------------

    def offer(self) -> bytes:
        """Write an offer of ours for a 2xx: its ACK brings the answer. Raises InvalidInput without a port."""
        self.awaits_answer = True
        return self._with_port().offer()

    def answer_first(self, offer: bytes, now: float) -> bytes:
        """Begin the media that the offer of the INVITE asks for; give our answer."""
        negotiation = self._book.evidence.negotiation
        assert negotiation is not None
        body = self._with_port().answer(offer, negotiation)
        self._start(negotiation, False, now)
        return body

    def answer_change(self, request: Request, sdp: bytes, now: float) -> bytes | Finding:
        """Take the offer of a re-INVITE or UPDATE; give our answer, or the finding for which it is refused, and nothing has changed."""
        session = self._with_port()
        negotiation = session.read(sdp)
        stands_against = first_refusal(self._judge_change(request, sdp, negotiation, now))
        if stands_against is not None:
            return stands_against[0]
        answer = session.answer(sdp, negotiation)
        self._start(negotiation, True, now)
        return answer

    def settle_answer(self, message: Request | Response, now: float) -> bool:
        """Take the answer to our offer out of an ACK or a 2xx; False when no session can come of it."""
        session, evidence = self._with_port(), self._book.evidence
        self.awaits_answer &= isinstance(message, Response)
        try:
            sdp = sdp_body(message)
        except MalformedMessage as error:
            self._book.mistake(f"the answer to our offer cannot be read: {error}")
            sdp = None
        negotiation = session.read_answer(sdp) if sdp is not None else None
        change = session.leg is not None
        if not change:
            evidence.offer, evidence.negotiation = sdp, negotiation
        elif sdp is not None and negotiation is not None:
            self._judge_change(message, sdp, negotiation, now)
        if sdp is None or negotiation is None or not negotiation.usable:
            return False
        session.settle(sdp, negotiation)
        self._start(negotiation, change, now)
        return True

    def _with_port(self) -> Session:
        if self.session is None:
            raise InvalidInput("a description was wanted for a call without a media port")
        return self.session

    def _judge_change(self, message: Request | Response, sdp: bytes, negotiation: Negotiation, now: float) -> list[Finding]:
        """Judge a later description; what is wrong with it stands in the verdict beside what was said of the first."""
        evidence = self._book.evidence
        invite = message if isinstance(message, Request) else evidence.invite
        trial = Evidence(peer=evidence.peer, invite=invite, offer=sdp, negotiation=negotiation)
        findings = offer_rules.judge(trial, self._policy)
        if first_refusal(findings) is None:
            for finding in findings:
                if finding.status in (Status.WARN, Status.FAIL):
                    self._book.found_out(finding, now)
        return findings

    # --- the plane ---------------------------------------------------------------------------------------------------

    def _start(self, negotiation: Negotiation, change: bool, now: float) -> None:
        session = self._with_port()
        assert session.leg is not None
        self._book.evidence.leg = session.leg
        expects = session.leg.direction in (Direction.SENDRECV, Direction.RECVONLY)
        self._watched(now).changed(negotiation.held or session.on_hold, expects, now)
        self._desk.outbox.put(StartMedia(session.leg))
        local = host_port(session.address.host, session.address.rtp_port)
        self._book.record(Kind.MEDIA_AGREED, now, telling.agreed(session.leg, negotiation, local, change))

    def _watched(self, now: float) -> MediaWatch:
        if self._watch is None:
            self._watch = MediaWatch(self._book, self._desk.limits, self._desk.environment, now)
        return self._watch

    @property
    def deadline(self) -> float | None:
        """When `look` wants to be called next."""
        return None if self._watch is None else self._watch.deadline

    def expect(self, now: float) -> None:
        """Count the wait for media from the answer on, also when nothing is agreed yet."""
        self._watched(now)

    def look(self, now: float) -> tuple[str, str] | None:
        """Look at the media when it is time; return reason and text when the call must end."""
        if self._watch is None or self._watch.deadline is None or now < self._watch.deadline:
            return None
        return self._watch.look(now)

    def last_look(self, now: float) -> None:
        """Take the last report."""
        if self._watch is not None:
            self._watch.close(now)

    def end(self, now: float) -> None:
        """Take the last report, then free the ports."""
        self.last_look(now)
        if self.session is not None:
            self._desk.outbox.put(StopMedia(self._book.call_id))
