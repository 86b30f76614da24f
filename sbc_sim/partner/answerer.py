"""The partner's side as a core: takes the calls that an SBC gives back to it, as escalation by INVITE does (requirement 109)."""

from __future__ import annotations

from collections.abc import Sequence

from sbc_sim.calls import telling
from sbc_sim.calls.outbox import call_key
from sbc_sim.calls.outputs import Environment, Output
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.answered_call import AnsweredCall, AnswerPlan, AnswerResult
from sbc_sim.partner.partner_call import Booth, ReadProof
from sbc_sim.partner.partner_side import PartnerSide
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.tls import judge_attempt
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.effects import Effect, Incoming, ServerTransaction
from sbc_sim.sip.inspection import ALLOWED, Obstacle, RequestFault, inspect
from sbc_sim.sip.peer import Peer, TlsFailure
from sbc_sim.sip.responses import has_tag
from sbc_sim.sip.server_side import Extra

MOST_AT_ONCE = 200
"""Calls that are up; a further one gets 503."""
MOST_KEPT = 1000
"""Results that are kept of calls that are over, and failed connections."""


class Answerer(PartnerSide[AnsweredCall]):
    """Takes `calls` calls (0: without end)."""

    def __init__(self, plan: AnswerPlan, environment: Environment, read_proof: ReadProof, policy: Policy, calls: int = 0) -> None:
        """`policy` tells which suites and codecs we take, and how User-to-User is read."""
        super().__init__(environment, Identity(user="partner"))
        self.failures: list[TlsFailure] = []
        """Connections of the SBC that came to nothing."""
        self._plan = plan
        self._policy = policy
        self._wanted = calls
        self._new_token = environment.new_token
        self._booth = Booth(self._agent, self._outbox, policy, environment, read_proof)
        self._calls: list[AnsweredCall] = []
        self._taken = 0
        self._closing = False

    @property
    def calls(self) -> Sequence[AnsweredCall]:
        """The calls that are up, and the newest of those that are over."""
        return self._calls

    @property
    def results(self) -> list[AnswerResult]:
        """What came of each call."""
        return [call.result for call in self._calls]

    @property
    def finished(self) -> bool:
        """True when as many calls as wanted are over, or nobody wants more."""
        return (self._closing or 0 < self._wanted <= self._taken) and all(call.over for call in self._calls)

    # --- the door ----------------------------------------------------------------------------------------------------

    def connected(self, connection: int, peer: Peer, now: float) -> list[Output]:
        """Take a connection of the SBC."""
        self._opened(connection, peer, now)
        return self._finish(now)

    def refused(self, connection: int, peer: Peer, failure: TlsFailure, now: float) -> list[Output]:
        """Note a connection that never became one."""
        self.failures = [*self.failures[1 - MOST_KEPT :], failure]
        findings = judge_attempt(peer, failure, self._policy)
        number = f"{int(now * 1000):012x}-{self._new_token(4)}"
        self._outbox.record(Kind.ATTEMPT, None, now, telling.attempt(number, peer, failure, findings))
        return self._finish(now)

    def lost(self, connection: int, why: str, now: float) -> list[Output]:
        """Forget a connection; a dialog outlives it."""
        self._closed(connection, why, now)
        return self._finish(now)

    def in_use(self, connection: int) -> bool:
        """Tell whether a call or a transaction needs the connection."""
        return self._agent.uses(connection)

    def hang_up(self, now: float) -> list[Output]:
        """End every call and take no more."""
        self._closing = True
        for call in self._calls:
            if not call.over:
                call.hang_up(now)
                self._rearm(call)
        return self._finish(now)

    # --- a new call --------------------------------------------------------------------------------------------------

    def _begins(self, effect: Effect, connection: int, now: float) -> None:
        if not isinstance(effect, Incoming):
            return
        invite = effect.transaction.request
        if invite.method != "INVITE" or has_tag(invite.headers.first("To") or ""):
            return
        call = AnsweredCall(f"taken-{self._new_token(6)}", invite, connection, self._plan, self._booth, now)
        self._taken += 1
        self._calls.append(call)
        self._by_call_id[call.result.sip_call_id] = call
        self._outbox.calls[call_key(invite, True)] = call.id
        if len(self._calls) > MOST_KEPT:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = next((call for call in self._calls if call.over), None)
        if oldest is not None:
            self._calls.remove(oldest)
            self._by_call_id.pop(oldest.result.sip_call_id, None)
            self._outbox.calls = {key: call for key, call in self._outbox.calls.items() if call != oldest.id}

    def _invited(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        call = self._by_call_id.get(request.headers.first("Call-ID") or "")
        obstacle = inspect(request)
        if request.method != "INVITE" or call is None:
            self._outsider(transaction, obstacle, now)
        elif obstacle is not None:
            call.result.problems.append(obstacle.detail)
            self._with(transaction, lambda call: call.turn_away(transaction, *_refusal(obstacle), now))
        elif self._full:
            self._with(transaction, lambda call: call.turn_away(transaction, 503, (), now))
        else:
            self._with(transaction, lambda call: call.invited(transaction, now))

    @property
    def _full(self) -> bool:
        return self._closing or 0 < self._wanted < self._taken or sum(not call.over for call in self._calls) > MOST_AT_ONCE

    def _outsider(self, transaction: ServerTransaction, obstacle: Obstacle | None, now: float) -> None:
        """Answer what is no INVITE."""
        if obstacle is not None:
            status, extra = _refusal(obstacle)
        else:
            status, extra = (200, ()) if transaction.request.method == "OPTIONS" else (481, ())
        self._outbox.carry(self._agent.server.respond(transaction, status, now, extra), now)


def _refusal(obstacle: Obstacle) -> tuple[int, Extra]:
    """Status and headers for a request that cannot be taken (RFC 3261 section 8.2)."""
    match obstacle.fault:
        case RequestFault.EXTENSION:
            return 420, (("Unsupported", ", ".join(obstacle.listed)),)
        case RequestFault.CONTENT_TYPE:
            return 415, (("Accept", "application/sdp"),)
        case RequestFault.CONTENT_ENCODING:
            return 415, (("Accept-Encoding", "identity"),)
        case _:
            return 405, (("Allow", ", ".join(ALLOWED)),)
