"""The answering half of a user agent: server transactions, the dialogs they belong to, our answers.

RFC 3261 sections 8.2, 9.2, 12.2.2, 13.3, 14.2 and 17.2; RFC 3262 section 3; RFC 6026.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sbc_sim.sip.alarms import Alarms
from sbc_sim.sip.connections import DEFAULT_PORT, Connections
from sbc_sim.sip.dialog import Dialog, DialogId, DialogInput, DialogState, contact_uri, dialog_of_callee
from sbc_sim.sip.effects import (
    Acknowledged,
    Cancelled,
    Effect,
    Incoming,
    Obstructed,
    Overflow,
    ProvisionalAcknowledged,
    RefusalAcknowledged,
    ServerTransaction,
    Stray,
    Transmit,
    Unacknowledged,
    Unreadable,
)
from sbc_sim.sip.errors import InvalidInput, MalformedMessage
from sbc_sim.sip.headers import CSeq, RAck, Via
from sbc_sim.sip.inspection import ALLOWED, Obstacle, RequestFault
from sbc_sim.sip.matching import Key, dialog_id, merge_key, server_key
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.responses import build_response, has_tag
from sbc_sim.sip.transaction import (
    INVITE_SERVER_MACHINE,
    NON_INVITE_SERVER_MACHINE,
    T1,
    T2,
    TIMEOUT,
    Action,
    Input,
    State,
    Transaction,
    response_input,
)

Extra = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What another user agent chose, so that its dialogs can be followed again from a trace instead of being made."""

    tag: Callable[[Request], str]
    """To tag of the answers to a request."""
    rseq: Callable[[Request], int | None]
    """RSeq of its reliable provisional response to an INVITE that demands one; None when it sent none."""


@dataclass(slots=True, eq=False)
class Repetition:
    """A response that is sent again until it is acknowledged (13.3.1.4; RFC 3262 section 3)."""

    transaction: ServerTransaction
    response: Response
    until: float
    interval: float = T1


class ServerSide:
    """Requests of the peer and our answers."""

    def __init__(
        self,
        connections: Connections,
        dialogs: dict[DialogId, Dialog],
        new_token: Callable[[int], str],
        own_invite_pending: Callable[[Dialog], bool],
        limit: int,
        supported: tuple[str, ...],
        choices: Choices | None = None,
    ) -> None:
        """Share connections and dialogs with the asking half; `own_invite_pending` asks it about glare (14.2).

        Without `choices` tags and RSeq come by chance.
        """
        self._choices = choices or Choices(lambda _: new_token(8), lambda _: int(new_token(2), 16) + 1)
        self._supported = ", ".join(supported)
        self._connections = connections
        self._dialogs = dialogs
        self._new_token = new_token
        self._own_invite_pending = own_invite_pending
        self._limit = limit
        self._servers: dict[Key, ServerTransaction] = {}
        self._merges: dict[Key, ServerTransaction] = {}
        self._alarms: Alarms[ServerTransaction | Repetition] = Alarms()
        self._repetitions: dict[ServerTransaction, Repetition] = {}
        self._of_dialog: dict[Dialog, list[ServerTransaction]] = {}

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next."""
        return self._alarms.deadline

    @property
    def transactions(self) -> list[ServerTransaction]:
        """All that are kept."""
        return list(self._servers.values())

    def refuse_statelessly(self, event: Unreadable | Overflow, status: int, extra: Extra) -> list[Effect]:
        """Answer a request that has no transaction, from what could be read of it."""
        response = build_response(event.request, self._connections.peer(event.connection), status, self._new_token(4), extra)
        return self._connections.send(Transmit(event.connection, response))

    def receive(self, connection: int, request: Request, now: float) -> list[Effect]:
        """Take a request that is readable where it matters. Raises MalformedMessage where it turns out not to be."""
        key = server_key(request)
        known = self._servers.get(key)
        if known is not None:
            return self._repeated(known, request, now)
        if request.method == "ACK":
            return self._acknowledge(connection, request)
        if len(self._servers) >= self._limit and request.method not in ("BYE", "CANCEL"):
            return [Overflow(connection, request)]
        transaction = self._new_server(connection, request, key, now)
        if request.method == "CANCEL":
            return self._cancel(transaction, now)
        effects: list[Effect] = []
        if request.method == "INVITE" and not has_tag(request.headers.first("To") or ""):
            effects += self.respond(transaction, 100, now)
        return effects + self._classified(transaction)

    def _new_server(self, connection: int, request: Request, key: Key, now: float) -> ServerTransaction:
        machine = INVITE_SERVER_MACHINE if request.method == "INVITE" else NON_INVITE_SERVER_MACHINE
        peer = self._connections.peer(connection)
        tag = self._choices.tag(request)
        transaction = ServerTransaction(request, connection, key, merge_key(request), Transaction(machine, now), tag, peer)
        self._servers[key] = transaction
        return transaction

    def _classified(self, transaction: ServerTransaction) -> list[Effect]:
        """Outside a dialog: merged or new. Inside: known, in order, nothing pending (8.2.2.2, 12.2.2, 14.2)."""
        request = transaction.request
        if not has_tag(request.headers.first("To") or ""):
            other = self._merges.setdefault(transaction.merge_key, transaction)
            if other is not transaction:
                detail = "the same request (Call-ID, From tag, CSeq) arrived before with another branch"
                return [Obstructed(transaction, None, Obstacle(RequestFault.MERGED, detail, "Via"))]
            return [Incoming(transaction, None)]
        dialog = self._dialogs.get(dialog_id(request))
        if dialog is None or (dialog.over and request.method != "BYE"):
            detail = f"no dialog has Call-ID {request.headers.first('Call-ID')} with these From and To tags"
            return [Obstructed(transaction, None, Obstacle(RequestFault.NO_DIALOG, detail[:200], "Call-ID"))]
        self._join(transaction, dialog)
        return self._within(transaction, dialog)

    def _join(self, transaction: ServerTransaction, dialog: Dialog) -> None:
        transaction.dialog = dialog
        self._of_dialog.setdefault(dialog, []).append(transaction)

    def _within(self, transaction: ServerTransaction, dialog: Dialog) -> list[Effect]:
        request = transaction.request
        number = CSeq.parse(request.headers.first("CSeq") or "").number
        if dialog.remote_sequence is not None and number < dialog.remote_sequence:
            detail = f"CSeq {number} is lower than {dialog.remote_sequence}, the last one in this dialog"
            return [Obstructed(transaction, dialog, Obstacle(RequestFault.OLD_CSEQ, detail, "CSeq"))]
        dialog.remote_sequence = number
        if not self._connections.usable(dialog.connection):
            self._use_connection(transaction, dialog)
        if request.method in ("INVITE", "UPDATE"):
            obstacle = self._pending(transaction, dialog)
            if obstacle is not None:
                return [Obstructed(transaction, dialog, obstacle)]
        if request.method == "PRACK":
            return self._prack(transaction, dialog)
        return [Incoming(transaction, dialog)]

    def _pending(self, transaction: ServerTransaction, dialog: Dialog) -> Obstacle | None:
        """Only one offer at a time in a dialog (14.2; RFC 3311 section 5.2)."""
        if transaction.request.method == "UPDATE" and not transaction.request.body:
            return None
        for server in self._of_dialog.get(dialog, ()):
            if server is not transaction and server.request.method == "INVITE" and not server.answered:
                return Obstacle(RequestFault.PENDING_PEER, "an earlier INVITE of this dialog is not answered yet", "CSeq")
        if self._own_invite_pending(dialog):
            return Obstacle(RequestFault.PENDING_OWN, "our own INVITE of this dialog is not answered yet", "CSeq")
        return None

    def _use_connection(self, transaction: ServerTransaction, dialog: Dialog) -> None:
        dialog.connection, dialog.peer = transaction.connection, transaction.peer

    def _refresh_target(self, transaction: ServerTransaction, dialog: Dialog) -> None:
        """Only a request that was taken moves the target (12.2.2; RFC 3311 section 5.2), and our own requests to its connection."""
        dialog.remote_target = contact_uri(transaction.request) or dialog.remote_target
        self._use_connection(transaction, dialog)

    def _repeated(self, known: ServerTransaction, request: Request, now: float) -> list[Effect]:
        what = Input.ACK if request.method == "ACK" else Input.REQUEST
        refused = known.machine.state is State.COMPLETED
        action = known.machine.feed(what, now) if known.machine.allows(what) else Action.NOTHING
        self._settle(known)
        if action is Action.RESEND and known.last is not None:
            return self._connections.send(Transmit(known.connection, known.last, True, known.dialog))
        if action is Action.PASS:
            return self._acknowledge(known.connection, request)
        return [RefusalAcknowledged(known)] if refused and what is Input.ACK else []

    def _acknowledge(self, connection: int, request: Request) -> list[Effect]:
        dialog = self._dialogs.get(dialog_id(request))
        if dialog is None:
            return [Stray(connection, request, "ACK for no dialog and no transaction")]
        number = CSeq.parse(request.headers.first("CSeq") or "").number
        for transaction in self._of_dialog.get(dialog, ()):
            if transaction not in self._repetitions or transaction.reliable is not None:
                continue
            if CSeq.parse(transaction.request.headers.first("CSeq") or "").number == number:
                self._stop_repeating(transaction)
                dialog.feed(DialogInput.ACK)
                return [Acknowledged(dialog, request, transaction)]
        return [Acknowledged(dialog, request, None)]

    def _cancel(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        invite = self._servers.get((*transaction.key[:-1], "INVITE"))
        if invite is None:
            detail = "no INVITE with this branch is open"
            return [Obstructed(transaction, None, Obstacle(RequestFault.NO_TRANSACTION, detail, "Via"))]
        transaction.tag = invite.tag
        effects = self.respond(transaction, 200, now)
        if not invite.answered:
            effects += self.respond(invite, 487, now)
            effects.append(Cancelled(invite, transaction.request.headers.first("Reason")))
        return effects

    def _prack(self, transaction: ServerTransaction, dialog: Dialog) -> list[Effect]:
        text = transaction.request.headers.first("RAck")
        try:
            rack = RAck.parse(text or "")
        except MalformedMessage as error:
            return [Obstructed(transaction, dialog, Obstacle(RequestFault.RACK, f"RAck: {error}", "RAck"))]
        for waiting in self._of_dialog.get(dialog, ()):
            sequence = CSeq.parse(waiting.request.headers.first("CSeq") or "")
            if waiting in self._repetitions and (rack.response, rack.cseq, rack.method) == (
                waiting.reliable,
                sequence.number,
                sequence.method,
            ):
                self._stop_repeating(waiting)
                waiting.reliable = None
                return [Incoming(transaction, dialog), ProvisionalAcknowledged(waiting)]
        detail = f"RAck {text} matches no provisional response that waits for its PRACK"
        return [Obstructed(transaction, dialog, Obstacle(RequestFault.RACK, detail, "RAck"))]

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        extra: Extra = (),
        body: bytes = b"",
        reason: str = "",
        reliable: bool = False,
    ) -> list[Effect]:
        """Answer a request. A 101-299 to an INVITE makes the dialog; `reliable` asks for a PRACK (RFC 3262)."""
        action = transaction.machine.feed(response_input(status), now)
        if action is not Action.SEND:
            raise InvalidInput(f"{status} to {transaction.request.method} in state {transaction.machine.state}")
        if reliable:
            transaction.reliable = self._choices.rseq(transaction.request)
            extra = (("Require", "100rel"), ("RSeq", str(transaction.reliable)), *extra)
        effects = self._way_back(transaction)
        self._move_dialog(transaction, status)
        response = self._response(transaction, status, extra, body, reason)
        transaction.last = response
        self._settle(transaction)
        if transaction.request.method == "INVITE" and (reliable or 200 <= status < 300):
            self._repeat(transaction, response, now)
        elif status >= 300:
            self._stop_repeating(transaction)
        return effects + self._connections.send(Transmit(transaction.connection, response, False, transaction.dialog))

    def _move_dialog(self, transaction: ServerTransaction, status: int) -> None:
        if transaction.request.method == "BYE" and transaction.dialog is not None and 200 <= status < 300:
            self.end(transaction.dialog)
        dialog = transaction.dialog
        if transaction.request.method in ("INVITE", "UPDATE") and dialog is not None and 200 <= status < 300:
            self._refresh_target(transaction, dialog)
        if transaction.request.method != "INVITE" or status == 100:
            return
        if dialog is None:
            if status >= 300:
                return
            dialog = dialog_of_callee(transaction.request, transaction.tag, transaction.connection)
            dialog.peer = transaction.peer
            self._join(transaction, dialog)
            self._dialogs[dialog.id] = dialog
        if status < 200:
            if dialog.state is DialogState.EARLY:
                dialog.feed(DialogInput.PROVISIONAL)
        elif status < 300:
            dialog.feed(DialogInput.SUCCESS)
        elif dialog.state is DialogState.EARLY and not has_tag(transaction.request.headers.first("To") or ""):
            # Only the INVITE that made the dialog ends it by failing; a second one may be refused while the first rings.
            dialog.feed(DialogInput.FAILURE)
            self.forget(dialog)

    def _response(self, transaction: ServerTransaction, status: int, extra: Extra, body: bytes, reason: str) -> Response:
        request = transaction.request
        fields: list[tuple[str, str]] = []
        dialog = transaction.dialog
        if request.method in ("INVITE", "UPDATE") and 100 < status < 300 and dialog is not None:
            if request.method == "INVITE":
                fields += [("Record-Route", value) for value in request.headers.all("Record-Route")]
            fields.append(("Contact", self._connections.contact(transaction.connection, dialog.secure)))
        if request.method in ("INVITE", "OPTIONS", "UPDATE") and 200 <= status < 300:
            fields += [("Allow", ", ".join(ALLOWED)), ("Supported", self._supported)]
        fields += extra
        if body and not any(name.lower() == "content-type" for name, _ in extra):
            fields.append(("Content-Type", "application/sdp"))
        tag = None if status == 100 else transaction.tag
        return build_response(request, transaction.peer, status, tag, tuple(fields), body, reason)

    def _way_back(self, transaction: ServerTransaction) -> list[Effect]:
        """Answers go back on the same connection; if it is gone, to received and the sent-by port (18.2.2)."""
        if self._connections.usable(transaction.connection):
            return []
        via = Via.parse(transaction.request.headers.listed("Via")[0])
        host = transaction.peer.host if transaction.peer else via.host
        transaction.connection, effects = self._connections.dial(host, via.port or DEFAULT_PORT, transaction.peer)
        return effects

    def leave(self, transaction: ServerTransaction) -> None:
        """Never answer a request that waits: forget it, and with a BYE its dialog."""
        self._drop(transaction)
        if transaction.request.method == "BYE" and transaction.dialog is not None:
            self.end(transaction.dialog)

    def end(self, dialog: Dialog) -> None:
        """A BYE was taken: the dialog is over; our 2xx is not repeated any more."""
        dialog.feed(DialogInput.BYE)
        self.forget(dialog)

    def forget(self, dialog: Dialog) -> None:
        """Know the dialog no more."""
        self._dialogs.pop(dialog.id, None)
        self.stop_repeating_within(dialog)

    def stop_repeating_within(self, dialog: Dialog) -> None:
        """Send no answer of the dialog again."""
        for transaction in self._of_dialog.get(dialog, ()):
            self._stop_repeating(transaction)

    def unanswered_within(self, dialog: Dialog) -> list[ServerTransaction]:
        """Requests of the peer in this dialog that still wait for our final answer (15.1.2: they get 487)."""
        return [server for server in self._of_dialog.get(dialog, ()) if not server.answered]

    def _server_alarm(self, server: ServerTransaction, now: float) -> list[Effect]:
        action = server.machine.advance(now)
        self._settle(server)
        return [Unacknowledged(server)] if action is Action.TIMED_OUT else []

    def _repeat(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        self._stop_repeating(transaction)
        repetition = Repetition(transaction, response, now + TIMEOUT)
        self._repetitions[transaction] = repetition
        self._alarms.set(repetition, now + T1)

    def _stop_repeating(self, transaction: ServerTransaction) -> None:
        repetition = self._repetitions.pop(transaction, None)
        if repetition is not None:
            self._alarms.set(repetition, None)

    def _again(self, repetition: Repetition, now: float) -> list[Effect]:
        transaction = repetition.transaction
        if self._repetitions.get(transaction) is not repetition:
            return []
        if now >= repetition.until:
            del self._repetitions[transaction]
            return [Unacknowledged(transaction, repetition.response.status < 200)]
        # 2xx: doubling up to T2 (13.3.1.4); provisional: doubling without that bound (RFC 3262 section 3).
        repetition.interval *= 2
        if repetition.response.status >= 200:
            repetition.interval = min(repetition.interval, T2)
        self._alarms.set(repetition, min(now + repetition.interval, repetition.until))
        return self._connections.send(Transmit(transaction.connection, repetition.response, True, transaction.dialog))

    def advance(self, now: float) -> list[Effect]:
        """Let time pass up to `now`."""
        effects: list[Effect] = []
        for key in self._alarms.due(now):
            effects += self._again(key, now) if isinstance(key, Repetition) else self._server_alarm(key, now)
        return effects

    def _settle(self, transaction: ServerTransaction) -> None:
        """Keep the alarm of a transaction; forget it when it is over."""
        self._alarms.set(transaction, transaction.machine.deadline)
        if transaction.machine.over:
            self._drop(transaction)

    def _drop(self, transaction: ServerTransaction) -> None:
        self._servers.pop(transaction.key, None)
        companions = self._of_dialog.get(transaction.dialog, []) if transaction.dialog else []
        if transaction in companions:
            companions.remove(transaction)
            if not companions and transaction.dialog is not None:
                del self._of_dialog[transaction.dialog]
        if self._merges.get(transaction.merge_key) is transaction:
            del self._merges[transaction.merge_key]
