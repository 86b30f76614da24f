"""The partner's side as a core: places calls over one TLS connection and collects what came of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sbc_sim.calls import telling
from sbc_sim.calls.outputs import Connect, Environment, Output
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.partner_call import Booth, CallResult, ReadProof
from sbc_sim.partner.partner_side import PartnerSide
from sbc_sim.partner.placed_call import CallPlan, PlacedCall
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.tls import judge_attempt
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.peer import Peer, TlsFailure

CONNECTION = -1
"""The one connection that a caller opens."""


class Caller(PartnerSide[PlacedCall]):
    """Places `calls` calls of one plan, `interval` seconds apart, over one connection."""

    def __init__(
        self, plan: CallPlan, environment: Environment, read_proof: ReadProof, policy: Policy, calls: int = 1, interval: float = 0.02
    ) -> None:
        """`policy` tells which suites and codecs we offer."""
        super().__init__(environment, Identity(*(plan.contact or ("", 0)), user="partner"))
        self.failure: TlsFailure | None = None
        """Why the connection could not be had."""
        self._plan = plan
        self._policy = policy
        booth = Booth(self._agent, self._outbox, policy, environment, read_proof)
        self._calls = [PlacedCall(f"placed-{environment.new_token(6)}", plan, booth) for _ in range(calls)]
        self.results: list[CallResult] = [call.result for call in self._calls]
        self._unplaced = deque(self._calls)
        self._interval = interval
        self._next_at: float | None = None

    @property
    def calls(self) -> Sequence[PlacedCall]:
        """All calls, in the order in which they are placed."""
        return self._calls

    @property
    def finished(self) -> bool:
        """True when every call has its result."""
        return all(call.over for call in self._calls)

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next, unix seconds."""
        return min((d for d in (super().deadline, self._next_at) if d is not None), default=None)

    def start(self, now: float) -> list[Output]:
        """Open the connection."""
        name = self._plan.server_name or self._plan.host
        self._outbox.put(Connect(CONNECTION, self._plan.host, self._plan.port, name))
        return self._outbox.take()

    def connected(self, connection: int, peer: Peer, now: float) -> list[Output]:
        """Place the first call."""
        self._opened(connection, peer, now)
        self._next_at = now
        return self.advance(now)

    def refused(self, connection: int, peer: Peer, failure: TlsFailure, now: float) -> list[Output]:
        """Give up: there is no connection."""
        self.failure = failure
        findings = judge_attempt(peer, failure, self._policy)
        self._outbox.record(Kind.ATTEMPT, None, now, telling.attempt("attempt", peer, failure, findings))
        self._give_up(failure.detail, now)
        return self._finish(now)

    def lost(self, connection: int, why: str, now: float) -> list[Output]:
        """Give up what waits for an answer on the connection."""
        self._closed(connection, why, now)
        self._give_up(f"the connection was lost: {why}", now)
        return self._finish(now)

    def advance(self, now: float) -> list[Output]:
        """Let time pass up to `now`: place the next call, hang up, give up."""
        while self._unplaced and self._next_at is not None and now >= self._next_at:
            call = self._unplaced.popleft()
            self._next_at = self._next_at + self._interval if self._unplaced else None
            call.place(CONNECTION, now)
            self._by_call_id[call.result.sip_call_id] = call
            self._rearm(call)
            self._settle_events(now)
        return super().advance(now)

    def hang_up(self, now: float) -> list[Output]:
        """End every call (the user interrupts)."""
        self._unplaced.clear()
        self._next_at = None
        for call in self._calls:
            call.hang_up(now)
            self._rearm(call)
        return self._finish(now)

    def _give_up(self, why: str, now: float) -> None:
        self._unplaced.clear()
        self._next_at = None
        super()._give_up(why, now)
