"""What the partner asks within the dialog of one call and only the session answers: re-INVITE, UPDATE, INFO, and whatever is refused.

What moves the call itself stays with it: BYE, and NOTIFY about an escalation.
"""

from __future__ import annotations

from sbc_sim.calls.book import Book
from sbc_sim.calls.call_media import CallMedia
from sbc_sim.calls.desk import Desk
from sbc_sim.calls.renewal import Renewal
from sbc_sim.calls.session_timer import requested
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.finding import Finding
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.signalling import judge_malformed, request_finding
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.effects import ServerTransaction
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.inspection import RequestFault
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.text import printable


class WithinDialog:
    """Answers of one call."""

    def __init__(self, book: Book, desk: Desk, policy: Policy, media: CallMedia, renewal: Renewal) -> None:
        """Share the call's book, media and session timer."""
        self._book = book
        self._desk = desk
        self._policy = policy
        self._media = media
        self._renewal = renewal

    def take(self, transaction: ServerTransaction, now: float) -> None:
        """Answer a request that leaves the call as it is, or changes its session."""
        method = transaction.request.method
        if method == "INVITE":
            self._reinvited(transaction, now)
        elif method == "UPDATE":
            self._updated(transaction, now)
        elif method == "INFO":
            self._info(transaction, now)
        else:
            self.respond(transaction, 200, now)

    def respond(self, transaction: ServerTransaction, status: int, now: float, extra: Extra = (), body: bytes = b"") -> None:
        """Send an answer."""
        self._desk.outbox.carry(self._desk.agent.server.respond(transaction, status, now, extra, body), now)

    def refuse(self, transaction: ServerTransaction, finding: Finding, now: float) -> None:
        """Refuse a request for a finding that carries its refusal; the call goes on."""
        refusal = finding.refusal
        assert refusal is not None
        method = transaction.request.method
        self._book.evidence.refer_seen |= method == "REFER"
        self._book.found_out(finding, now)
        self._book.rejected(finding, method, now)
        self.respond(transaction, refusal.status, now, self._desk.refusal_headers(finding, refusal))

    def _info(self, transaction: ServerTransaction, now: float) -> None:
        package = transaction.request.headers.first("Info-Package")
        if package is not None:
            # An empty Recv-Info says that no package is taken (RFC 6086 section 5.2.3).
            detail = f"Info-Package {printable(package, 60)} is not supported"
            self.refuse(transaction, request_finding(RequestFault.INFO_PACKAGE, detail, self._policy, (("Recv-Info", ""),)), now)
            return
        self._book.record(Kind.NOTE, now, {"text": "INFO received; digits are read from RTP (RFC 4733) only"})
        self.respond(transaction, 200, now)

    # --- changes of the session --------------------------------------------------------------------------------------

    def _reinvited(self, transaction: ServerTransaction, now: float) -> None:
        answer = self._changed(transaction, now)
        if answer is not None:
            body = answer or self._media.offer()
            self.respond(transaction, 200, now, self._renewal.agree(transaction.request, now), body)

    def _updated(self, transaction: ServerTransaction, now: float) -> None:
        answer = self._changed(transaction, now)
        if answer is not None:
            self.respond(transaction, 200, now, self._renewal.agree(transaction.request, now), answer)

    def _changed(self, transaction: ServerTransaction, now: float) -> bytes | None:
        """Take the offer of a re-INVITE or UPDATE; return our answer, empty without offer, None when it was refused."""
        try:
            sdp = sdp_body(transaction.request)
        except MalformedMessage as error:
            self.refuse(transaction, judge_malformed(error, transaction.request.raw), now)
            return None
        wanted = requested(transaction.request)
        if wanted is not None and wanted.delta < self._policy.min_session_expires:
            shortest = str(self._policy.min_session_expires)
            detail = f"Session-Expires {wanted.delta} is below {shortest} s"
            self.refuse(transaction, request_finding(RequestFault.SESSION_INTERVAL, detail, self._policy, (("Min-SE", shortest),)), now)
            return None
        if sdp is None or self._media.session is None:
            return b""
        answer = self._media.answer_change(transaction.request, sdp, now)
        if isinstance(answer, Finding):
            self.refuse(transaction, answer, now)
            return None
        return answer
