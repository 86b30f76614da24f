"""Answers to what belongs to no call: OPTIONS, requests that can only be refused, strays, TLS attempts.

A refusal that names a live call all the same stands in that call's verdict too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sbc_sim.calls import telling
from sbc_sim.calls.call import Call
from sbc_sim.calls.desk import Desk
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.answers import RETRY_AFTER_S
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding
from sbc_sim.rules.judge import first_refusal, judge_options, judge_source
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote, quote_header
from sbc_sim.rules.signalling import judge_malformed, request_finding
from sbc_sim.rules.tls import judge_attempt
from sbc_sim.sip import inspection
from sbc_sim.sip.effects import Overflow, ServerTransaction, Stray, Unreadable
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import Peer, TlsFailure
from sbc_sim.sip.server_side import Extra

RETRY_AFTER = str(RETRY_AFTER_S)
_ACCEPT: Extra = (("Accept", "application/sdp"), ("Accept-Encoding", "identity"), ("Accept-Language", "en"))


class Outside:
    """Answers outside of calls."""

    def __init__(self, desk: Desk, calls: Mapping[str, Call], busy: Callable[[float, int], str]) -> None:
        """`calls` are the live ones by id; `busy(now, others)` says why no call can be taken beside so many, empty when one can."""
        self._desk = desk
        self._calls = calls
        self._busy = busy

    # --- requests ------------------------------------------------------------------------------------------------------

    def options(self, transaction: ServerTransaction, now: float) -> None:
        """Answer OPTIONS as an INVITE would be answered from there (11.2)."""
        desk = self._desk
        peer = desk.agent.peer(transaction.connection)
        evidence = Evidence(peer=peer, invite=transaction.request, invited_at=now, overloaded=self._busy(now, len(self._calls)))
        stands_against = first_refusal(judge_options(evidence, self._policy(peer, transaction.request)))
        if stands_against is not None:
            self.refuse(transaction, stands_against[0], now)
            return
        desk.outbox.carry(desk.agent.server.respond(transaction, 200, now, _ACCEPT), now)

    def from_elsewhere(self, transaction: ServerTransaction, now: float) -> bool:
        """Refuse a request from a source that is not on the allow-list; for INVITE and OPTIONS the judge sees to that."""
        evidence = Evidence(peer=transaction.peer, invite=transaction.request, invited_at=now)
        stands_against = first_refusal(judge_source(evidence, self._policy(transaction.peer, transaction.request)))
        if stands_against is not None:
            self.refuse(transaction, stands_against[0], now)
        return stands_against is not None

    def refuse(self, transaction: ServerTransaction, finding: Finding, now: float) -> None:
        """Refuse a request that no call answers for, for a finding that carries its refusal."""
        assert finding.refusal is not None
        extra = self._desk.refusal_headers(finding, finding.refusal)
        self._desk.outbox.carry(self._desk.agent.server.respond(transaction, finding.refusal.status, now, extra), now)
        self._blame(transaction.request, finding, now)

    def obstruction(self, transaction: ServerTransaction, obstacle: inspection.Obstacle) -> Finding:
        """Make the finding, with its refusal, of what stands against a request."""
        request = transaction.request
        line = f"{request.method} {request.uri} {request.version}"
        shown = quote(line, "start line", request.method, 0) if obstacle.header == "start line" else quote_header(request, obstacle.header)
        return request_finding(obstacle.fault, obstacle.detail, self._desk.policy, _demanded(obstacle), shown)

    def unreadable(self, event: Unreadable, now: float) -> Finding:
        """Refuse a request that breaks the grammar; nobody is blamed yet."""
        finding = judge_malformed(event.error, event.request.raw)
        self._refuse_statelessly(event, finding, now)
        return finding

    def blame_unreadable(self, event: Unreadable, finding: Finding, now: float) -> None:
        """Write down a request that broke the grammar and began no call."""
        self._blame(event.request, finding, now, unreadable=True)

    def overflow(self, event: Overflow, now: float) -> None:
        """Refuse a request for which there is no room."""
        desk = self._desk
        detail = f"more than {desk.limits.transactions} transactions are open (limits.transactions)"
        finding = request_finding(inspection.RequestFault.OVERLOADED, detail, desk.policy, (("Retry-After", RETRY_AFTER),))
        self._refuse_statelessly(event, finding, now)
        self._blame(event.request, finding, now)

    def _refuse_statelessly(self, event: Unreadable | Overflow, finding: Finding, now: float) -> None:
        assert finding.refusal is not None
        extra = self._desk.refusal_headers(finding, finding.refusal)
        self._desk.outbox.carry(self._desk.agent.server.refuse_statelessly(event, finding.refusal.status, extra), now)

    def _blame(self, request: Request, finding: Finding, now: float, unreadable: bool = False) -> None:
        """Write down a refusal that no call answered for; the live call that the request names gets the finding in its verdict."""
        call_id = self._desk.outbox.call_of(request, True)
        call = self._calls.get(call_id or "")
        if call is not None:
            call.found_out(finding, now)
            call.evidence.malformed_in_dialog += unreadable
        assert finding.refusal is not None
        data = {"status": finding.refusal.status, "rule": finding.rule, "method": request.method, "finding": telling.finding(finding)}
        self._desk.outbox.record(Kind.REJECTED, call_id, now, data)

    # --- what is only written down ---------------------------------------------------------------------------------------

    def stray(self, stray: Stray, now: float) -> None:
        """Note a response or ACK that belongs to nothing."""
        call_id = self._desk.outbox.call_of(stray.message, True)
        self._desk.outbox.record(Kind.NOTE, call_id, now, {"text": stray.why})
        call = self._calls.get(call_id or "")
        if call is not None:
            call.evidence.malformed_in_dialog += stray.unreadable

    def attempt(self, peer: Peer, failure: TlsFailure, now: float) -> None:
        """Write down a connection that never became one for SIP."""
        desk = self._desk
        findings = judge_attempt(peer, failure, self._policy(peer, None))
        number = f"{int(now * 1000):012x}-{desk.environment.new_token(4)}"
        desk.outbox.record(Kind.ATTEMPT, None, now, telling.attempt(number, peer, failure, findings))

    def is_allowed(self, peer: Peer) -> bool:
        """Tell whether a peer may send anything at all."""
        return first_refusal(judge_source(Evidence(peer=peer), self._policy(peer, None))) is None

    def _policy(self, peer: Peer | None, request: Request | None) -> Policy:
        """What holds where a request, or a connection, belongs."""
        return self._desk.environment.locate(peer, request).policy or self._desk.policy


def _demanded(obstacle: inspection.Obstacle) -> Extra:
    """Headers that the status of an obstacle demands (RFC 3261 section 21.4)."""
    fault = inspection.RequestFault
    match obstacle.fault:
        case fault.METHOD_NOT_ALLOWED | fault.METHOD_UNKNOWN | fault.REFER:
            return (("Allow", ", ".join(inspection.ALLOWED)),)
        case fault.EXTENSION:
            return (("Unsupported", ", ".join(obstacle.listed)),)
        case fault.CONTENT_TYPE:
            return (("Accept", "application/sdp, multipart/mixed"),)
        case fault.CONTENT_ENCODING:
            return (("Accept-Encoding", "identity"),)
        case fault.PENDING_PEER | fault.OVERLOADED:
            return (("Retry-After", RETRY_AFTER),)
        case _:
            return ()
