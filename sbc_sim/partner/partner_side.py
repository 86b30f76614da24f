"""What both cores of the partner's side share: connections and their streams, the user agent, and which call an event is for.

It has the same door as the switchboard, so the same shell drives it, and a test joins the two without sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sbc_sim.calls import telling
from sbc_sim.calls.outbox import Outbox
from sbc_sim.calls.outputs import Close, Environment, Output, Send
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.partner_call import PartnerCall
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
    ServerTransaction,
    Stray,
    Unacknowledged,
    Unanswered,
    Unreadable,
)
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.stream import KeepAlive, MessageStream, StreamError
from sbc_sim.sip.user_agent import UserAgent

C = TypeVar("C", bound=PartnerCall)
REFUSALS = {"old-cseq": 500, "pending-own": 491, "pending-peer": 500, "merged": 482}


class PartnerSide(Generic[C]):
    """A user agent of the partner, and its calls by Call-ID."""

    def __init__(self, environment: Environment, identity: Identity) -> None:
        """`identity` is what stands in Contact."""
        self._agent = UserAgent(environment.new_token, identity)
        self._outbox = Outbox(self._agent)
        self._streams: dict[int, MessageStream] = {}
        self._by_call_id: dict[str, C] = {}
        self._alarms: Alarms[C] = Alarms()

    # --- what each side says for itself --------------------------------------------------------------------------------

    @property
    def calls(self) -> Sequence[C]:
        """All calls, in their order."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        """True when every call that is to be has its result."""
        raise NotImplementedError

    def hang_up(self, now: float) -> list[Output]:
        """End every call."""
        raise NotImplementedError

    def _give_up(self, why: str, now: float) -> None:
        for call in self.calls:
            if not call.over:
                call.abandon(why, now)
                self._rearm(call)

    def _invited(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request outside of a dialog; who takes no calls answers OPTIONS alone."""
        status = 200 if transaction.request.method == "OPTIONS" else 405
        self._outbox.carry(self._agent.server.respond(transaction, status, now), now)

    # --- the door ----------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next, unix seconds."""
        return min((d for d in (self._agent.deadline, self._alarms.deadline) if d is not None), default=None)

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
        self._give_up("internal error of sbc-sim on the partner's side", now)
        return self._finish(now)

    def unfinished_since(self, connection: int) -> float | None:
        """Nobody times the SBC's messages: a call that gets no answer gives up by itself."""
        return None

    def shutdown(self, now: float) -> list[Output]:
        """End every call."""
        return self.hang_up(now)

    def _opened(self, connection: int, peer: Peer, now: float) -> None:
        self._streams[connection] = MessageStream()
        data = {"connection": connection, "peer": telling.peer_data(peer), "tls": telling.tls_data(peer)}
        self._outbox.record(Kind.CONNECTION_OPENED, None, now, data)
        self._outbox.carry(self._agent.connected(connection, peer), now)

    def receive(self, connection: int, data: bytes, now: float) -> list[Output]:
        """Take octets of a connection."""
        stream = self._streams.get(connection)
        for event in () if stream is None else stream.feed(data):
            if isinstance(event, KeepAlive):
                self._outbox.put(Send(connection, b"\r\n"))
            elif isinstance(event, StreamError):
                self._broken(connection, event)
            else:
                self._message(connection, event, now)
            self._settle_events(now)
        return self._finish(now)

    def _message(self, connection: int, message: Request | Response, now: float) -> None:
        self._outbox.receive(connection, message, lambda effect: self._begins(effect, connection, now), now)

    def _begins(self, effect: Effect, connection: int, now: float) -> None:
        """Open a call for an INVITE that begins one, before the message itself is written down."""

    def _broken(self, connection: int, event: StreamError) -> None:
        for call in self.calls:
            if not call.over:
                call.result.problems.append(f"the SBC sent what cannot be read: {event.error}")
        if event.fatal:
            self._outbox.put(Close(connection, f"the SBC's stream cannot be read: {event.error}"))

    def _closed(self, connection: int, why: str, now: float) -> None:
        self._streams.pop(connection, None)
        self._outbox.record(Kind.CONNECTION_CLOSED, None, now, {"connection": connection, "why": why})
        self._outbox.carry(self._agent.lost(connection, now), now)
        self._settle_events(now)

    def advance(self, now: float) -> list[Output]:
        """Let time pass up to `now`."""
        self._outbox.carry(self._agent.advance(now), now)
        self._settle_events(now)
        for call in self._alarms.due(now):
            call.advance(now)
            self._settle_events(now)
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
                self._invited(transaction, now)
            case Obstructed(transaction, _, obstacle):
                status = REFUSALS.get(obstacle.fault.value, 481)
                self._outbox.carry(self._agent.server.respond(transaction, status, now), now)
            case Acknowledged(_, request, invite) if invite is not None:
                self._with(invite, lambda call: call.acknowledged(request, invite, now))
            case Cancelled(transaction, reason):
                self._with(transaction, lambda call: call.cancelled(reason, now))
            case Unacknowledged(transaction, _):
                self._with(transaction, lambda call: call.unacknowledged(transaction, now))
            case _:
                self._other_event(event, now)

    def _other_event(self, event: Effect, now: float) -> None:
        """Take what is for no call."""
        match event:
            case Unreadable(request=request):
                self._outbox.carry(self._agent.server.refuse_statelessly(event, 400, ()), now)
                self._note(request, f"request of the SBC that cannot be read: {event.error}", now)
            case Overflow():
                self._outbox.carry(self._agent.server.refuse_statelessly(event, 503, ()), now)
            case Stray(_, message, why, _):
                self._note(message, why, now)
            case _:
                pass  # acknowledgements that nothing waits for

    def _with(self, transaction: ClientTransaction | ServerTransaction, act: Callable[[C], None]) -> None:
        call = self._by_call_id.get(transaction.request.headers.first("Call-ID") or "")
        if call is not None and not call.over:
            act(call)
            self._rearm(call)

    def _note(self, message: Request | Response, why: str, now: float) -> None:
        self._outbox.record(Kind.NOTE, self._outbox.call_of(message, True), now, {"text": why})

    def _rearm(self, call: C) -> None:
        self._alarms.set(call, call.deadline)

    def _finish(self, now: float) -> list[Output]:
        self._settle_events(now)
        return self._outbox.take()
