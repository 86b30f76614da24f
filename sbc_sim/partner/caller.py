"""The partner's side as a core: places calls over one TLS connection and collects what came of each.

It has the same door as the switchboard, so the same shell drives it, and a test joins the two without sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sbc_sim.calls import telling
from sbc_sim.calls.outbox import Outbox
from sbc_sim.calls.outputs import Close, Connect, Environment, Output, Send
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.placed_call import Booth, CallPlan, CallResult, PlacedCall, ReadProof
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.tls import judge_attempt
from sbc_sim.sip.alarms import Alarms
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.effects import (
    Acknowledged,
    Answered,
    Cancelled,
    ClientTransaction,
    Effect,
    Incoming,
    Obstructed,
    Overflow,
    ProvisionalAcknowledged,
    ServerTransaction,
    Stray,
    Unacknowledged,
    Unanswered,
    Unreadable,
)
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer, TlsFailure
from sbc_sim.sip.stream import KeepAlive, MessageStream, StreamError
from sbc_sim.sip.user_agent import UserAgent

CONNECTION = -1
"""The one connection that a caller opens."""


class Caller:
    """Places `calls` calls of one plan, `interval` seconds apart, over one connection."""

    def __init__(
        self, plan: CallPlan, environment: Environment, read_proof: ReadProof, policy: Policy, calls: int = 1, interval: float = 0.02
    ) -> None:
        """`policy` tells which suites and codecs we offer."""
        self.results: list[CallResult] = []
        self.failure: TlsFailure | None = None
        """Why the connection could not be had."""
        self._plan = plan
        self._agent = UserAgent(environment.new_token, Identity(user="partner"))
        self._outbox = Outbox(self._agent)
        booth = Booth(self._agent, self._outbox, policy, environment, read_proof)
        self._policy = policy
        self._calls = [PlacedCall(f"placed-{environment.new_token(6)}", plan, booth) for _ in range(calls)]
        self.results = [call.result for call in self._calls]
        self._unplaced = deque(self._calls)
        self._by_call_id: dict[str, PlacedCall] = {}
        self._interval = interval
        self._next_at: float | None = None
        self._stream = MessageStream()
        self._alarms: Alarms[PlacedCall] = Alarms()

    # --- the door ----------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next, unix seconds."""
        waits = [d for d in (self._agent.deadline, self._alarms.deadline, self._next_at) if d is not None]
        return min(waits, default=None)

    @property
    def finished(self) -> bool:
        """True when every call has its result."""
        return all(call.over for call in self._calls)

    @property
    def at_rest(self) -> bool:
        """Whether every call has its result and no transaction waits for an answer."""
        return self.finished and self._agent.at_rest

    def in_use(self, connection: int) -> bool:
        """Tell whether the connection is still needed."""
        return not self.finished

    def abandon(self, now: float) -> list[Output]:
        """Give up every call after a bug of ours."""
        self._outbox.events.clear()
        self._give_up("internal error of sbc-sim call", now)
        return self._finish(now)

    def unfinished_since(self, connection: int) -> float | None:
        """Nobody times the SBC's messages: a call that gets no answer gives up by itself."""
        return None

    def shutdown(self, now: float) -> list[Output]:
        """End every call."""
        return self.hang_up(now)

    def start(self, now: float) -> list[Output]:
        """Open the connection."""
        name = self._plan.server_name or self._plan.host
        self._outbox.put(Connect(CONNECTION, self._plan.host, self._plan.port, name))
        return self._outbox.take()

    def connected(self, connection: int, peer: Peer, now: float) -> list[Output]:
        """Place the first call."""
        data = {"connection": connection, "peer": telling.peer_data(peer), "tls": telling.tls_data(peer)}
        self._outbox.record(Kind.CONNECTION_OPENED, None, now, data)
        self._outbox.carry(self._agent.connected(connection, peer), now)
        self._next_at = now
        return self.advance(now)

    def refused(self, connection: int, peer: Peer, failure: TlsFailure, now: float) -> list[Output]:
        """Give up: there is no connection."""
        self.failure = failure
        findings = judge_attempt(peer, failure, self._policy)
        self._outbox.record(Kind.ATTEMPT, None, now, telling.attempt("attempt", peer, failure, findings))
        self._give_up(failure.detail, now)
        return self._finish(now)

    def receive(self, connection: int, data: bytes, now: float) -> list[Output]:
        """Take octets of the connection."""
        for event in self._stream.feed(data):
            if isinstance(event, KeepAlive):
                self._outbox.put(Send(connection, b"\r\n"))
            elif isinstance(event, StreamError):
                self._broken(connection, event)
            else:
                effects = self._agent.receive(connection, event, now)
                self._outbox.message(connection, event, event.raw, True, now)
                self._outbox.carry(effects, now)
            self._settle_events(now)
        return self._finish(now)

    def _broken(self, connection: int, event: StreamError) -> None:
        for call in self._calls:
            call.result.problems.append(f"the SBC sent what cannot be read: {event.error}")
        if event.fatal:
            self._outbox.put(Close(connection, f"the SBC's stream cannot be read: {event.error}"))

    def lost(self, connection: int, why: str, now: float) -> list[Output]:
        """Give up what waits for an answer on the connection."""
        self._outbox.record(Kind.CONNECTION_CLOSED, None, now, {"connection": connection, "why": why})
        self._outbox.carry(self._agent.lost(connection, now), now)
        self._settle_events(now)
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
        self._outbox.carry(self._agent.advance(now), now)
        self._settle_events(now)
        for call in self._alarms.due(now):
            call.advance(now)
            self._settle_events(now)
            self._rearm(call)
        return self._finish(now)

    def hang_up(self, now: float) -> list[Output]:
        """End every call (the user interrupts)."""
        self._unplaced.clear()
        self._next_at = None
        for call in self._calls:
            call.hang_up(now)
            self._rearm(call)
        return self._finish(now)

    # --- events ------------------------------------------------------------------------------------------------------

    def _settle_events(self, now: float) -> None:
        events = self._outbox.events
        while events:
            self._event(events.popleft(), now)

    def _event(self, event: Effect, now: float) -> None:
        match event:
            case Answered(client, response, dialog):
                self._with(client, lambda call: call.answered(client, response, dialog, now))
            case Unanswered(client, status, why):
                self._with(client, lambda call: call.unanswered(client, status, why, now))
            case Incoming(transaction, dialog) if dialog is not None:
                self._with(transaction, lambda call: call.requested(transaction, now))
            case Incoming(transaction, _):
                status = 200 if transaction.request.method == "OPTIONS" else 405
                self._outbox.carry(self._agent.server.respond(transaction, status, now), now)
            case Obstructed(transaction, _, obstacle):
                status = {"old-cseq": 500, "pending-own": 491, "pending-peer": 500, "merged": 482}.get(obstacle.fault.value, 481)
                self._outbox.carry(self._agent.server.respond(transaction, status, now), now)
            case Unreadable(request=request):
                self._outbox.carry(self._agent.server.refuse_statelessly(event, 400, ()), now)
                self._note(request, f"request of the SBC that cannot be read: {event.error}", now)
            case Overflow():
                self._outbox.carry(self._agent.server.refuse_statelessly(event, 503, ()), now)
            case Stray(_, message, why, _):
                self._note(message, why, now)
            case Acknowledged() | Cancelled() | ProvisionalAcknowledged() | Unacknowledged():
                pass  # the end of a re-INVITE of the SBC
            case _:
                raise AssertionError(f"an effect that is no event: {event}")

    def _with(self, transaction: ClientTransaction | ServerTransaction, act: Callable[[PlacedCall], None]) -> None:
        call = self._by_call_id.get(transaction.request.headers.first("Call-ID") or "")
        if call is not None and not call.over:
            act(call)
            self._rearm(call)

    def _note(self, message: Request | Response, why: str, now: float) -> None:
        self._outbox.record(Kind.NOTE, self._outbox.call_of(message, True), now, {"text": why})

    def _rearm(self, call: PlacedCall) -> None:
        self._alarms.set(call, call.deadline)

    def _give_up(self, why: str, now: float) -> None:
        self._unplaced.clear()
        self._next_at = None
        for call in self._calls:
            if call.over:
                continue
            call.abandon(why, now)
            self._rearm(call)

    def _finish(self, now: float) -> list[Output]:
        self._settle_events(now)
        return self._outbox.take()
