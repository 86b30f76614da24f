"""The door of the core: connections, octets and time go in, outputs come out.

The switchboard frames octets into messages, lets the user agent sort them, and gives each event to the call it belongs to.
What belongs to no call (OPTIONS, broken messages, TLS attempts) is answered in `outside`. It keeps no memory but of what is alive: the
past is in the journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sbc_sim.calls import telling
from sbc_sim.calls.call import Call, Desk
from sbc_sim.calls.calls_back import CallsBack
from sbc_sim.calls.escalation import Escalation
from sbc_sim.calls.escalation_settings import EscalationPlan
from sbc_sim.calls.keepalive import Keepalive, KeepalivePlan
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outbox import Outbox, call_key
from sbc_sim.calls.outputs import Close, Environment, Output, Send
from sbc_sim.calls.outside import Outside
from sbc_sim.calls.partner_check import PartnerChecks, PartnerWord
from sbc_sim.calls.record_links import RecordLinks
from sbc_sim.calls.register import Lead, Register
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegEvent
from sbc_sim.rules.policy import Policy
from sbc_sim.sip import inspection
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.dialog import Dialog
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
    RefusalAcknowledged,
    ServerTransaction,
    Stray,
    Unacknowledged,
    Unanswered,
    Unreadable,
)
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem
from sbc_sim.sip.responses import has_tag
from sbc_sim.sip.stream import KeepAlive, MessageStream, StreamError, StreamEvent, StreamLimits
from sbc_sim.sip.user_agent import UserAgent
from sbc_sim.telephony.record import VoiceCall

SILENT = (
    "the TLS handshake was over, then the connection was closed without one octet of SIP: many stacks check the certificate only now, "
    "so look whether they trust the CA and find the name that they dialled"
)
MOST_PER_TURN = 4
"""Messages taken from one connection before others have their turn: some milliseconds."""
LAST_TURNS = 8
"""Turns that a connection has left when it closes; what waits behind them is lost."""
MOST_WAITING = 2000
"""Messages of one connection that may wait; more, and it is closed."""
_BY_BYE = EscalationPlan()
_NEVER = KeepalivePlan()


@dataclass(slots=True)
class _Connection:
    stream: MessageStream
    unfinished_since: float | None = None
    peer: Peer | None = None
    heard: bool = False
    """Octets came after the handshake."""
    inbox: deque[StreamEvent] = field(default_factory=deque)
    """What was framed and not looked at yet: more than one turn takes, or what a bug of ours left."""


class Switchboard:
    """All calls of one process."""

    def __init__(
        self,
        policy: Policy,
        limits: Limits,
        identity: Identity,
        environment: Environment,
        plan: EscalationPlan = _BY_BYE,
        asking: KeepalivePlan = _NEVER,
    ) -> None:
        """`identity` is what we advertise in Contact, Via and Warning; `plan`: how calls are given back; `asking`: whom we send OPTIONS."""
        self._policy = policy
        self._limits = limits
        self._environment = environment
        supported = inspection.SUPPORTED if policy.reliable_provisional else ("timer",)
        self._supported = supported
        self._agent = UserAgent(environment.new_token, identity, limits.transactions, supported, environment.choices)
        self._outbox = Outbox(self._agent)
        self._links = RecordLinks(environment.telephony, self._outbox)
        self._register = Register(self._agent, self._outbox, self._links.ended)
        self._calls = self._register.live
        self._backs = CallsBack(self._agent, self._outbox, self._register)
        host, give_back = identity.host or "sbc-sim", self._backs.give_back
        self._desk = Desk(self._agent, self._outbox, policy, limits, environment, host, plan, give_back, self._watch, self._links)
        self._checks = PartnerChecks(environment.voice_calls)
        self.keepalive = Keepalive(asking, self._desk)
        """Our own OPTIONS to partners."""
        self._connections: dict[int, _Connection] = {}
        self._outside = Outside(self._desk, self._calls, self._busy)
        self._backlog: dict[int, float] = {}
        """Connections whose inbox was not emptied, and since when."""
        self._at_work: Call | None = None
        """The call that is being acted on: whom to give up should that raise."""
        self._starts: deque[float] = deque()
        self._closing = ""
        self._count = 0

    # --- the door ----------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next, unix seconds."""
        others = (self.keepalive.deadline, *self._backlog.values())
        waits = [
            d
            for d in (self._agent.deadline, self._register.deadline, self._checks.deadline, self._links.deadline, *others)
            if d is not None
        ]
        return min(waits, default=None)

    @property
    def live_calls(self) -> int:
        """Calls without a verdict."""
        return len(self._calls)

    @property
    def live_ids(self) -> tuple[str, ...]:
        """Ids of the calls that have not ended."""
        return tuple(self._calls)

    @property
    def at_rest(self) -> bool:
        """Whether no call is up and no transaction waits for an answer."""
        return not self._calls and self._agent.at_rest

    def in_use(self, connection: int) -> bool:
        """Tell whether a call or a transaction needs the connection."""
        return self._agent.uses(connection) or self.keepalive.needs(connection)

    def unfinished_since(self, connection: int) -> float | None:
        """When a message began to arrive that is not whole yet; None when none waits."""
        known = self._connections.get(connection)
        return None if known is None else known.unfinished_since

    def connected(self, connection: int, peer: Peer, now: float) -> list[Output]:
        """Take a connection whose TLS handshake is over."""
        if not peer.dialled and self._policy.off_list == "close" and not self._outside.is_allowed(peer):
            self._outside.attempt(peer, TlsFailure(TlsProblem.OFF_LIST, f"{peer.host} is not on the allow-list"), now)
            self._outbox.put(Close(connection, "source address is not allowed", abort=True))
            return self._outbox.take()
        sizes = StreamLimits(self._limits.header_bytes, self._limits.body_bytes, self._limits.uri_bytes)
        self._connections[connection] = _Connection(MessageStream(sizes), peer=peer)
        data = {"connection": connection, "peer": telling.peer_data(peer), "tls": telling.tls_data(peer)}
        self._outbox.record(Kind.CONNECTION_OPENED, None, now, data)
        self._outbox.carry(self._agent.connected(connection, peer), now)
        if connection in self._backs:
            self._call_back(connection, peer, now)
        self.keepalive.connected(connection, now)
        return self._finish(now)

    def refused(self, connection: int, peer: Peer, failure: TlsFailure, now: float) -> list[Output]:
        """Note a connection that never became one; our own that failed ends the requests that waited for it."""
        self._outside.attempt(peer, failure, now)
        if peer.dialled:
            self._outbox.carry(self._agent.lost(connection, now), now)
        self.keepalive.refused(connection, peer, failure, now)
        self._at_work = self._backs.first_leg(connection)
        self._backs.refused(connection, failure, now)
        return self._finish(now)

    def receive(self, connection: int, data: bytes, now: float) -> list[Output]:
        """Take octets of a connection."""
        known = self._connections.get(connection)
        if known is None:
            return []
        events = known.stream.feed(data)
        since = now if events or known.unfinished_since is None else known.unfinished_since
        known.unfinished_since = since if known.stream.pending else None
        known.heard = True
        known.inbox.extend(events)
        if len(known.inbox) > MOST_WAITING:
            known.inbox.clear()
            self._outbox.put(Close(connection, f"more than {MOST_WAITING} messages wait: slower, please", abort=True))
        self._work_off(connection, known, now)
        return self._finish(now)

    def _work_off(self, connection: int, known: _Connection, now: float) -> None:
        """Take some messages; the rest of a burst waits for the next turn, so that media and other connections come in between."""
        for _ in range(min(MOST_PER_TURN, len(known.inbox))):
            event = known.inbox.popleft()
            if isinstance(event, KeepAlive):
                self._outbox.put(Send(connection, b"\r\n"))
            elif isinstance(event, StreamError):
                self._broken(connection, event, now)
            else:
                self._message(connection, event, now)
            self._settle_events(now)
        if known.inbox:
            self._backlog[connection] = now
        else:
            self._backlog.pop(connection, None)

    def abandon(self, now: float) -> list[Output]:
        """Go on after a call through the door raised, which is a bug of ours: it costs the call that met it, and no other.

        What was decided before stands; its INVITE is answered 500, or the call is ended with BYE. Then the rest is worked off.
        """
        broken, self._at_work = self._at_work, None
        if broken is not None and not broken.over:
            broken.fail(now)
            self._register.moved(broken, now)
        for connection, known in list(self._connections.items()):
            self._work_off(connection, known, now)
        return self._finish(now)

    def lost(self, connection: int, why: str, now: float) -> list[Output]:
        """Forget a connection; calls go on, for a dialog outlives the connection that made it."""
        known = self._connections.get(connection)
        if known is None:
            return []
        for _ in range(LAST_TURNS):
            self._work_off(connection, known, now)  # who says BYE and closes at once is heard
        del self._connections[connection]
        self._backlog.pop(connection, None)
        if not known.heard and known.peer is not None and not known.peer.dialled:
            self._outside.attempt(known.peer, TlsFailure(TlsProblem.CLOSED_EARLY, SILENT), now)
        self._outbox.record(Kind.CONNECTION_CLOSED, None, now, {"connection": connection, "why": why})
        self._outbox.carry(self._agent.lost(connection, now), now)
        self.keepalive.lost(connection)
        return self._finish(now)

    def advance(self, now: float) -> list[Output]:
        """Let time pass up to `now`."""
        for connection in list(self._backlog):
            self._work_off(connection, self._connections[connection], now)
        self._outbox.carry(self._agent.advance(now), now)
        self._settle_events(now)
        for call in self._register.due(now):
            self._with(call, now, lambda call: call.advance(now))
            self._settle_events(now)
        self._checks.advance(now)
        self._links.advance(now)
        self.keepalive.advance(now)
        return self._finish(now)

    def hang_up(self, call: str, now: float, reason: str = "api", text: str = "hung up by the API") -> list[Output]:
        """End a call by order of the API, or for another reason. Unknown and ended calls are left alone."""
        self._with(self._calls.get(call), now, lambda live: live.hang_up(reason, text, now))
        return self._finish(now)

    def escalate(self, call: str, mode: str, why: str, now: float, target: str = "") -> list[Output]:
        """Give a call back to the partner; `mode` empty: as set for it; `target`: a URI to call instead of what is set.

        Unknown and ended calls are left alone.
        """
        self._with(self._calls.get(call), now, lambda live: live.escalate(mode, why, now, target=target))
        return self._finish(now)

    def partner_says(self, call: str, word: PartnerWord, now: float) -> list[Output]:
        """Take what the partner says of the customer after an escalation. Calls without a partner check are left alone."""
        self._checks.tell(call, word, now)
        return self._finish(now)

    def is_checked(self, call: str) -> bool:
        """Tell whether the partner's word about a call can be taken."""
        return self._checks.knows(call)

    def voice_call_changed(self, record: VoiceCall, now: float) -> list[Output]:
        """Take a voice call that a request to the Telephony Integration API has changed."""
        self._links.changed(record, now)
        self._checks.record_changed(record, now)
        return self._finish(now)

    def heard(self, call: str, event: LegEvent, now: float) -> list[Output]:
        """Take what the leg of a call has heard, or that it is through with a prompt."""
        self._with(self._calls.get(call), now, lambda live: live.heard(event, now))
        return self._finish(now)

    def refresh(self, call: str, method: str, now: float) -> list[Output]:
        """Refresh the session of a call by UPDATE or INVITE, because the far end of a trace did so then."""
        self._with(self._calls.get(call), now, lambda live: live.refresh(method, now))
        return self._finish(now)

    def conclude(self, call: str, now: float, status: int | None = None) -> list[Output]:
        """Give the verdict on what a call has reached: its trace ends here, or its far end refused it with `status` where we rang."""
        self._with(self._calls.get(call), now, lambda live: live.conclude(status, now))
        return self._finish(now)

    def close_to_new(self, now: float) -> list[Output]:
        """Take no new calls from now on, 503 for INVITE and OPTIONS; the live ones go on."""
        self._closing = "the simulator is shutting down"
        self.keepalive.stop()
        return self._finish(now)

    def shutdown(self, now: float) -> list[Output]:
        """Take no new calls and end the live ones: BYE with Reason."""
        self.close_to_new(now)
        for call in list(self._calls.values()):
            call.hang_up("shutdown", self._closing, now)
            self._register.moved(call, now)
        self._checks.close_all(now)
        return self._finish(now)

    # --- messages ----------------------------------------------------------------------------------------------------

    def _message(self, connection: int, message: Request | Response, now: float) -> None:
        self._outbox.receive(connection, message, lambda effect: self._begin_call(effect, connection, now), now)

    def _begin_call(self, event: Effect, connection: int, now: float) -> None:
        """Open the book of a call for an INVITE that begins one, before the message itself is written down."""
        invite = _new_invite(event)
        if invite is None:
            return
        call_id = self._new_id(now)
        place = self._environment.locate(self._agent.peer(connection), invite)
        call = Call(call_id, invite, connection, self._desk, place, now)
        self._at_work = call
        begins: Lead | None = event if isinstance(event, Unreadable) else None
        if isinstance(event, Incoming | Obstructed):
            begins = event.transaction
        self._register.enter(call, call_key(invite, True), begins)

    def _new_id(self, now: float) -> str:
        self._count += 1
        return f"{int(now * 1000):012x}{self._count & 0xFFFF:04x}-{self._environment.new_token(4)}"

    def _call_back(self, connection: int, peer: Peer, now: float) -> None:
        self._at_work = self._backs.first_leg(connection)
        call = self._backs.connected(connection, peer, self._desk, self._new_id(now), self._closing, now)
        if call is not None:
            self._with(call, now, lambda _: call.begin(now))

    def _watch(self, escalation: Escalation, now: float) -> None:
        call = self._calls.get(escalation.leg.id)
        if call is not None:
            self._checks.begin(call, now)

    def _broken(self, connection: int, event: StreamError, now: float) -> None:
        error = event.error
        data = {
            "connection": connection,
            "malformation": error.malformation.value,
            "detail": error.detail,
            "where": error.where,
            "status": error.status,
            "offset": error.offset,
        }
        self._outbox.record(Kind.PARSE_ERROR, None, now, data, event.raw)
        if event.request is not None and event.request.method != "ACK":
            unreadable = Unreadable(connection, event.request, error)
            self._begin_call(unreadable, connection, now)
            self._outbox.message(connection, event.request, event.raw, True, now)
            self._unreadable(unreadable, now, cut=True)
        if event.fatal:
            self._outbox.put(Close(connection, f"the stream cannot be framed any more: {error.detail}"))

    def _unreadable(self, event: Unreadable, now: float, cut: bool = False) -> None:
        finding = self._outside.unreadable(event, now)
        call = self._register.of(event)
        if call is not None:
            call.unreadable(finding, now, cut)
            self._register.moved(call, now)
        else:
            self._outside.blame_unreadable(event, finding, now)

    # --- events of the user agent ------------------------------------------------------------------------------------

    def _settle_events(self, now: float) -> None:
        """Give every event to whom it concerns, until none is left."""
        events = self._outbox.events
        while events:
            self._event(events.popleft(), now)

    def _event(self, event: Effect, now: float) -> None:
        match event:
            case Incoming(transaction, dialog):
                self._incoming(transaction, dialog, now)
            case Obstructed(transaction, _, obstacle):
                self._obstructed(transaction, obstacle, now)
            case Unreadable():
                self._unreadable(event, now)
            case Acknowledged(dialog, request, invite):
                self._with(self._register.of(dialog), now, lambda call: call.acknowledged(request, invite, now))
            case Overflow():
                self._outside.overflow(event, now)
            case ProvisionalAcknowledged(transaction) | RefusalAcknowledged(transaction):
                self._with(self._register.owner(transaction), now, lambda call: call.response_acknowledged(now))
            case Cancelled(transaction, reason):
                self._with(self._register.owner(transaction), now, lambda call: call.cancelled(reason, now))
            case Unacknowledged(transaction, provisional):
                self._with(self._register.owner(transaction), now, lambda call: call.unacknowledged(transaction, provisional, now))
            case Answered(client, response, dialog):
                self._answered(client, response, dialog, now)
            case Unanswered(client, status, why):
                self.keepalive.unanswered(client, status, why, now)
                self._with(self._register.owner(client), now, lambda call: call.unanswered(client, status, why, now))
            case Stray():
                self._outside.stray(event, now)

    def _answered(self, client: ClientTransaction, response: Response, dialog: Dialog | None, now: float) -> None:
        self.keepalive.answered(client, response, now)
        call = self._register.owner(client)
        if call is not None and call.over:
            call.answered_late(client, response, dialog, now)
        else:
            self._with(call, now, lambda call: call.answered(client, response, now, dialog))

    def _with(self, call: Call | None, now: float, act: Callable[[Call], None]) -> None:
        if call is not None and not call.over:
            self._at_work = call
            act(call)
            self._register.moved(call, now)

    def _incoming(self, transaction: ServerTransaction, dialog: Dialog | None, now: float) -> None:
        request = transaction.request
        obstacle = inspection.inspect(request, self._supported)
        if dialog is None and request.method not in ("INVITE", "OPTIONS") and self._outside.from_elsewhere(transaction, now):
            return
        if obstacle is not None and not self._asked_for(transaction):
            self._obstructed(transaction, obstacle, now)
        elif dialog is not None:
            self._within(transaction, now)
        elif request.method == "INVITE":
            self._with(self._register.owner(transaction), now, lambda call: call.invited(transaction, self._overload(now), now))
        elif request.method == "OPTIONS":
            self._outside.options(transaction, now)
        else:
            detail = f"{request.method} outside of a dialog"
            self._obstructed(transaction, inspection.Obstacle(inspection.RequestFault.NO_DIALOG, detail, "To"), now)

    def _asked_for(self, transaction: ServerTransaction) -> bool:
        """A NOTIFY that answers to a REFER of ours, which is allowed where other NOTIFYs are not."""
        call = self._register.owner(transaction)
        return transaction.request.method == "NOTIFY" and call is not None and call.awaits_notify

    def _within(self, transaction: ServerTransaction, now: float) -> None:
        call = self._register.owner(transaction)
        if call is None or call.over:
            obstacle = inspection.Obstacle(inspection.RequestFault.NO_DIALOG, "the call of this dialog has ended", "Call-ID")
            self._obstructed(transaction, obstacle, now)
        else:
            self._with(call, now, lambda call: call.requested(transaction, now))

    def _obstructed(self, transaction: ServerTransaction, obstacle: inspection.Obstacle, now: float) -> None:
        finding = self._outside.obstruction(transaction, obstacle)
        call = self._at_work = self._register.owner(transaction)
        if call is None or call.over:
            self._outside.refuse(transaction, finding, now)
        elif call.evidence.invite is transaction.request:
            call.refuse(transaction, finding, now)
        else:
            call.refuse_within(transaction, finding, now)
        if call is not None:
            self._register.moved(call, now)

    # --- bookkeeping -------------------------------------------------------------------------------------------------

    def _overload(self, now: float) -> str:
        """Say why no call can be taken now, and count this one; empty when it can."""
        busy = self._busy(now, len(self._calls) - 1)
        if not busy:
            self._starts.append(now)
        return busy

    def _busy(self, now: float, others: int) -> str:
        """Say why no call can be taken beside `others`; empty when it can."""
        while self._starts and self._starts[0] <= now - 1.0:
            self._starts.popleft()
        if self._closing:
            return self._closing
        if others >= self._limits.calls:
            return f"{self._limits.calls} calls are up (limits.calls)"
        if len(self._starts) >= self._limits.calls_per_second:
            return f"more than {self._limits.calls_per_second:g} calls in a second (limits.calls_per_second)"
        return ""

    def _finish(self, now: float) -> list[Output]:
        self._settle_events(now)
        self._at_work = None
        return self._outbox.take()


def _new_invite(event: Effect) -> Request | None:
    """Return the INVITE if the event begins a call: an INVITE without To tag that is no copy of another."""
    request: Request | None = None
    if isinstance(event, Unreadable):
        request = event.request
    elif isinstance(event, Incoming) or (isinstance(event, Obstructed) and event.obstacle.fault is not inspection.RequestFault.MERGED):
        request = event.transaction.request
    if request is None or request.method != "INVITE" or has_tag(request.headers.first("To") or ""):
        return None
    return request
