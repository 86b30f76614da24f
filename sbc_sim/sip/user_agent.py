"""The user agent core: transactions and dialogs of one SIP element over TLS (RFC 3261 sections 8, 9, 12-15, 17; 3262; 6026).

Messages and time go in, effects come out: what to transmit, which connection to open, and what happened for the transaction
user (calls/ on our side, partner/ on the other). The same class plays both roles. It knows nothing of sessions, media or rules.

What it does by itself: 100 for an INVITE, repeated answers, 2xx and reliable provisional responses until they are acknowledged,
ACK to refusals, 487 after CANCEL. Everything else is the transaction user's answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sbc_sim.sip.alarms import Alarms
from sbc_sim.sip.dialog import Dialog, DialogId, DialogInput, DialogState, contact_uri, dialog_of_callee, dialog_of_caller
from sbc_sim.sip.effects import (
    Acknowledged,
    Answered,
    Cancelled,
    ClientTransaction,
    Dial,
    Effect,
    Incoming,
    Obstructed,
    ProvisionalAcknowledged,
    ServerTransaction,
    Stray,
    Transmit,
    Unacknowledged,
    Unanswered,
    Unreadable,
)
from sbc_sim.sip.errors import InvalidInput, MalformedMessage
from sbc_sim.sip.headers import CSeq, RAck, Via
from sbc_sim.sip.inspection import ALLOWED, SUPPORTED, Obstacle, RequestFault
from sbc_sim.sip.matching import Key, ack_of_refusal, check_contact, dialog_id, merge_key, server_key
from sbc_sim.sip.message import Headers, Request, Response, check_request
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.responses import PRODUCT, build_response, has_tag
from sbc_sim.sip.transaction import (
    INVITE_CLIENT_MACHINE,
    INVITE_SERVER_MACHINE,
    NON_INVITE_CLIENT_MACHINE,
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
DEFAULT_PORT = 5061
"""SIP over TLS (19.1.2)."""


@dataclass(slots=True, eq=False)
class _Repetition:
    """A response that is sent again until it is acknowledged (13.3.1.4; RFC 3262 section 3)."""

    transaction: ServerTransaction
    response: Response
    until: float
    interval: float = T1


@dataclass(frozen=True, slots=True)
class Identity:
    """How we name ourselves in Contact and Via; without a host, the local end of the connection."""

    host: str = ""
    port: int = 0
    user: str = ""


class UserAgent:
    """All transactions and dialogs of one element. `new_token(n)` gives n random octets in hex."""

    def __init__(self, new_token: Callable[[int], str], identity: Identity, transactions: int = 20_000) -> None:
        """`transactions` bounds the server transactions; a request over it is refused with 503."""
        self.identity = identity
        self.dialogs: dict[DialogId, Dialog] = {}
        self._new_token = new_token
        self._limit = transactions
        self._peers: dict[int, Peer] = {}
        self._waiting: dict[int, list[Transmit]] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._merges: dict[Key, ServerTransaction] = {}
        self._clients: dict[Key, ClientTransaction] = {}
        self._alarms: Alarms[ServerTransaction | ClientTransaction | _Repetition] = Alarms()
        self._repetitions: dict[ServerTransaction, _Repetition] = {}
        self._dialled = 0

    # --- connections -------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next, unix seconds."""
        return self._alarms.deadline

    @property
    def open_transactions(self) -> int:
        """Number of transactions kept."""
        return len(self._servers) + len(self._clients)

    def uses(self, connection: int) -> bool:
        """Tell whether a dialog or an open transaction needs the connection."""
        if any(dialog.connection == connection for dialog in self.dialogs.values()):
            return True
        return any(s.connection == connection for s in self._servers.values()) or any(
            c.connection == connection for c in self._clients.values()
        )

    def peer(self, connection: int) -> Peer | None:
        """Tell who is at the other end."""
        return self._peers.get(connection)

    def connected(self, connection: int, peer: Peer) -> list[Effect]:
        """Take a connection into use; what waited for it goes out."""
        self._peers[connection] = peer
        return list(self._waiting.pop(connection, ()))

    def lost(self, connection: int, now: float) -> list[Effect]:
        """Forget a connection, or one that could not be opened: our open requests on it fail, dialogs outlive it."""
        self._peers.pop(connection, None)
        self._waiting.pop(connection, None)
        for dialog in self.dialogs.values():
            if dialog.connection == connection:
                dialog.connection = None
        effects: list[Effect] = []
        for client in [c for c in self._clients.values() if c.connection == connection]:
            effects += self._client_step(client, Input.TRANSPORT_ERROR, None, now)
        return effects

    def dial(self, host: str, port: int) -> tuple[int, list[Effect]]:
        """Ask for a new connection; numbers of dialled connections are negative."""
        self._dialled -= 1
        self._waiting[self._dialled] = []
        return self._dialled, [Dial(self._dialled, host, port)]

    def _send(self, transmit: Transmit) -> list[Effect]:
        if transmit.connection in self._waiting:
            self._waiting[transmit.connection].append(transmit)
            return []
        return [transmit]

    # --- receiving ---------------------------------------------------------------------------------------------------

    def receive(self, connection: int, message: Request | Response, now: float) -> list[Effect]:
        """Take one message. Never raises for what a peer can send."""
        if isinstance(message, Response):
            return self._receive_response(connection, message, now)
        try:
            check_request(message)
            if message.method == "INVITE":
                check_contact(message)
            return self._receive_request(connection, message, now)
        except MalformedMessage as error:
            if message.method == "ACK":
                return [Stray(connection, message, f"ACK that cannot be read: {error}")]
            return [Unreadable(connection, message, error)]

    def refuse_unreadable(self, event: Unreadable, status: int, extra: Extra) -> list[Effect]:
        """Answer a request that has no transaction, from what could be read of it."""
        response = build_response(event.request, self._peers.get(event.connection), status, self._new_token(4), extra)
        return self._send(Transmit(event.connection, response))

    def _receive_request(self, connection: int, request: Request, now: float) -> list[Effect]:
        key = server_key(request)
        known = self._servers.get(key)
        if known is not None:
            return self._repeated(known, request, now)
        if request.method == "ACK":
            return self._acknowledge(connection, request)
        transaction = self._new_server(connection, request, key, now)
        if len(self._servers) > self._limit:
            obstacle = Obstacle(RequestFault.OVERLOADED, f"more than {self._limit} transactions are open")
            return [Obstructed(transaction, None, obstacle)]
        if request.method == "CANCEL":
            return self._cancel(transaction, now)
        effects: list[Effect] = []
        if request.method == "INVITE" and not has_tag(request.headers.first("To") or ""):
            effects += self.respond(transaction, 100, now)
        return effects + self._classified(transaction)

    def _new_server(self, connection: int, request: Request, key: Key, now: float) -> ServerTransaction:
        machine = INVITE_SERVER_MACHINE if request.method == "INVITE" else NON_INVITE_SERVER_MACHINE
        transaction = ServerTransaction(request, connection, key, merge_key(request), Transaction(machine, now), self._new_token(8))
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
        dialog = self.dialogs.get(dialog_id(request))
        if dialog is None or (dialog.over and request.method != "BYE"):
            detail = f"no dialog has Call-ID {request.headers.first('Call-ID')} with these From and To tags"
            return [Obstructed(transaction, None, Obstacle(RequestFault.NO_DIALOG, detail[:200], "Call-ID"))]
        transaction.dialog = dialog
        return self._within(transaction, dialog)

    def _within(self, transaction: ServerTransaction, dialog: Dialog) -> list[Effect]:
        request = transaction.request
        number = CSeq.parse(request.headers.first("CSeq") or "").number
        if dialog.remote_sequence is not None and number < dialog.remote_sequence:
            detail = f"CSeq {number} is lower than {dialog.remote_sequence}, the last one in this dialog"
            return [Obstructed(transaction, dialog, Obstacle(RequestFault.OLD_CSEQ, detail, "CSeq"))]
        dialog.remote_sequence = number
        if dialog.connection is None or transaction.connection != dialog.connection:
            dialog.connection = transaction.connection
        if request.method in ("INVITE", "UPDATE"):
            obstacle = self._pending(transaction, dialog)
            if obstacle is not None:
                return [Obstructed(transaction, dialog, obstacle)]
            self._refresh_target(dialog, request)
        if request.method == "PRACK":
            return self._prack(transaction, dialog)
        return [Incoming(transaction, dialog)]

    def _pending(self, transaction: ServerTransaction, dialog: Dialog) -> Obstacle | None:
        """Only one offer at a time in a dialog (14.2; RFC 3311 section 5.2)."""
        if transaction.request.method == "UPDATE" and not transaction.request.body:
            return None
        for server in self._servers.values():
            if server is not transaction and server.dialog is dialog and server.request.method == "INVITE" and not server.answered:
                return Obstacle(RequestFault.PENDING_PEER, "an earlier INVITE of this dialog is not answered yet", "CSeq")
        for client in self._clients.values():
            unanswered = client.machine.state in (State.CALLING, State.PROCEEDING)
            if client.dialog is dialog and client.request.method == "INVITE" and unanswered:
                return Obstacle(RequestFault.PENDING_OWN, "our own INVITE of this dialog is not answered yet", "CSeq")
        return None

    def _refresh_target(self, dialog: Dialog, request: Request) -> None:
        target = contact_uri(request)
        if target:
            dialog.remote_target = target

    def _repeated(self, known: ServerTransaction, request: Request, now: float) -> list[Effect]:
        what = Input.ACK if request.method == "ACK" else Input.REQUEST
        action = known.machine.feed(what, now) if known.machine.allows(what) else Action.NOTHING
        self._settle(known)
        if action is Action.RESEND and known.last is not None:
            return self._send(Transmit(known.connection, known.last, True, known.dialog))
        if action is Action.PASS:
            return self._acknowledge(known.connection, request)
        return []

    def _acknowledge(self, connection: int, request: Request) -> list[Effect]:
        dialog = self.dialogs.get(dialog_id(request))
        if dialog is None:
            return [Stray(connection, request, "ACK for no dialog and no transaction")]
        number = CSeq.parse(request.headers.first("CSeq") or "").number
        for transaction in self._repetitions:
            own = CSeq.parse(transaction.request.headers.first("CSeq") or "").number
            if transaction.dialog is dialog and not transaction.reliable and own == number:
                self._stop_repeating(transaction)
                dialog.feed(DialogInput.ACK)
                return [Acknowledged(dialog, request, True)]
        return [Acknowledged(dialog, request, False)]

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
        for waiting in list(self._repetitions):
            sequence = CSeq.parse(waiting.request.headers.first("CSeq") or "")
            if waiting.dialog is dialog and (rack.response, rack.cseq, rack.method) == (waiting.reliable, sequence.number, sequence.method):
                self._stop_repeating(waiting)
                waiting.reliable = None
                return [Incoming(transaction, dialog), ProvisionalAcknowledged(waiting)]
        detail = f"RAck {text} matches no provisional response that waits for its PRACK"
        return [Obstructed(transaction, dialog, Obstacle(RequestFault.RACK, detail, "RAck"))]

    # --- answering ---------------------------------------------------------------------------------------------------

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
            transaction.reliable = int(self._new_token(2), 16) + 1
            extra = (("Require", "100rel"), ("RSeq", str(transaction.reliable)), *extra)
        self._move_dialog(transaction, status)
        response = self._response(transaction, status, extra, body, reason)
        transaction.last = response
        self._settle(transaction)
        if transaction.request.method == "INVITE" and (reliable or 200 <= status < 300):
            self._repeat(transaction, response, now)
        elif status >= 300:
            self._stop_repeating(transaction)
        connection, effects = self._way_back(transaction)
        return effects + self._send(Transmit(connection, response, False, transaction.dialog))

    def _move_dialog(self, transaction: ServerTransaction, status: int) -> None:
        if transaction.request.method == "BYE" and transaction.dialog is not None and 200 <= status < 300:
            self.end(transaction.dialog)
        if transaction.request.method != "INVITE" or status == 100:
            return
        dialog = transaction.dialog
        if dialog is None:
            if status >= 300:
                return
            dialog = dialog_of_callee(transaction.request, transaction.tag, transaction.connection)
            transaction.dialog = dialog
            self.dialogs[dialog.id] = dialog
        if status < 200:
            if dialog.state is DialogState.EARLY:
                dialog.feed(DialogInput.PROVISIONAL)
        elif status < 300:
            dialog.feed(DialogInput.SUCCESS)
        elif dialog.state is DialogState.EARLY:
            dialog.feed(DialogInput.FAILURE)
            self._forget(dialog)

    def _response(self, transaction: ServerTransaction, status: int, extra: Extra, body: bytes, reason: str) -> Response:
        request = transaction.request
        fields: list[tuple[str, str]] = []
        dialog = transaction.dialog
        if request.method in ("INVITE", "UPDATE") and 100 < status < 300 and dialog is not None:
            if request.method == "INVITE":
                fields += [("Record-Route", value) for value in request.headers.all("Record-Route")]
            fields.append(("Contact", self._contact(transaction.connection, dialog.secure)))
        if request.method in ("INVITE", "OPTIONS", "UPDATE") and 200 <= status < 300:
            fields += [("Allow", ", ".join(ALLOWED)), ("Supported", ", ".join(SUPPORTED))]
        fields += extra
        if body and not any(name.lower() == "content-type" for name, _ in extra):
            fields.append(("Content-Type", "application/sdp"))
        tag = None if status == 100 else transaction.tag
        return build_response(request, self._peers.get(transaction.connection), status, tag, tuple(fields), body, reason)

    def _way_back(self, transaction: ServerTransaction) -> tuple[int, list[Effect]]:
        """Answers go back on the same connection; if it is gone, to received and the sent-by port (18.2.2)."""
        if transaction.connection in self._peers or transaction.connection in self._waiting:
            return transaction.connection, []
        via = Via.parse(transaction.request.headers.listed("Via")[0])
        host = via.received or via.host
        transaction.connection, effects = self.dial(host, via.port or DEFAULT_PORT)
        return transaction.connection, effects

    def _contact(self, connection: int, secure: bool) -> str:
        host, port = self._own_address(connection)
        at = f"{self.identity.user}@" if self.identity.user else ""
        # transport=tls is deprecated (26.2.2), yet it is what keeps a partner from answering a sip: URI over UDP.
        return f"<sips:{at}{host}:{port}>" if secure else f"<sip:{at}{host}:{port};transport=tls>"

    def _own_address(self, connection: int) -> tuple[str, int]:
        peer = self._peers.get(connection)
        host = self.identity.host or (peer.local_host if peer else "localhost")
        port = self.identity.port or (peer.local_port if peer else DEFAULT_PORT)
        return (f"[{host}]" if ":" in host and not host.startswith("[") else host), port

    # --- requesting --------------------------------------------------------------------------------------------------

    def invite(
        self, connection: int, uri: str, caller: str, called: str, now: float, extra: Extra = (), body: bytes = b"", call_id: str = ""
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Call: From is `caller` (a tag is added), To is `called`; both are complete name-addr values."""
        local = caller if has_tag(caller) else f"{caller};tag={self._new_token(6)}"
        fields = [
            ("Max-Forwards", "70"),
            ("From", local),
            ("To", called),
            ("Call-ID", call_id or self._new_token(12)),
            ("CSeq", "1 INVITE"),
            ("Contact", self._contact(connection, uri.lower().startswith("sips:"))),
            ("Allow", ", ".join(ALLOWED)),
            ("Supported", ", ".join(SUPPORTED)),
        ]
        return self._start("INVITE", uri, fields, connection, now, None, extra, body)

    def request_outside(
        self, connection: int, method: str, uri: str, caller: str, called: str, now: float, extra: Extra = (), body: bytes = b""
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request outside any dialog: OPTIONS and the like."""
        local = caller if has_tag(caller) else f"{caller};tag={self._new_token(6)}"
        fields = [("Max-Forwards", "70"), ("From", local), ("To", called), ("Call-ID", self._new_token(12)), ("CSeq", f"1 {method}")]
        return self._start(method, uri, fields, connection, now, None, extra, body)

    def request(
        self, dialog: Dialog, method: str, now: float, extra: Extra = (), body: bytes = b""
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request within a dialog (12.2.1.1), over a new connection when its own is gone."""
        dialog.local_sequence += 1
        connection, effects = self._way_to(dialog)
        uri, fields = self._dialog_fields(dialog, f"{dialog.local_sequence} {method}")
        if method in ("INVITE", "UPDATE"):
            fields.append(("Contact", self._contact(connection, dialog.secure)))
            fields += [("Allow", ", ".join(ALLOWED)), ("Supported", ", ".join(SUPPORTED))]
        transaction, sent = self._start(method, uri, fields, connection, now, dialog, extra, body)
        if method == "BYE" and not dialog.over:
            # The dialog stays known until the answer, for the peer's BYE may cross ours.
            dialog.feed(DialogInput.BYE)
            self._stop_repeating_within(dialog)
        return transaction, effects + sent

    def acknowledge(self, transaction: ClientTransaction, dialog: Dialog, body: bytes = b"") -> list[Effect]:
        """Acknowledge a 2xx (13.2.2.4); repeated 2xx are acknowledged by themselves from then on."""
        number = CSeq.parse(transaction.request.headers.first("CSeq") or "").number
        connection, effects = self._way_to(dialog)
        uri, fields = self._dialog_fields(dialog, f"{number} ACK")
        fields.insert(0, ("Via", self._via(connection)))
        if body:
            fields.append(("Content-Type", "application/sdp"))
        ack = Request("ACK", uri, Headers(fields), body)
        transaction.acks[dialog.id] = ack
        if not dialog.over:
            dialog.feed(DialogInput.ACK)
        return effects + self._send(Transmit(connection, ack, False, dialog))

    def cancel(self, transaction: ClientTransaction, now: float, extra: Extra = ()) -> list[Effect]:
        """Cancel an INVITE (9.1). Before any provisional answer the CANCEL must wait: it is then sent with the first one."""
        transaction.cancelled = True
        if transaction.machine.state is not State.PROCEEDING:
            return []
        return self._send_cancel(transaction, now, extra)

    def _send_cancel(self, transaction: ClientTransaction, now: float, extra: Extra = ()) -> list[Effect]:
        own = transaction.request.headers
        number = CSeq.parse(own.first("CSeq") or "").number
        fields = [("Via", own.first("Via") or ""), ("Max-Forwards", "70")]
        fields += [(name, own.first(name) or "") for name in ("From", "To", "Call-ID")]
        fields += [("CSeq", f"{number} CANCEL"), *(("Route", value) for value in own.all("Route")), *extra]
        request = Request("CANCEL", transaction.request.uri, Headers(fields))
        key = (*transaction.key[:-1], "CANCEL")
        cancel = ClientTransaction(
            request,
            transaction.connection,
            key,
            Transaction(NON_INVITE_CLIENT_MACHINE, now),
            transaction.dialog,
        )
        self._clients[cancel.key] = cancel
        self._settle(cancel)
        return self._send(Transmit(transaction.connection, request, False, transaction.dialog))

    def end(self, dialog: Dialog) -> None:
        """A BYE was taken: the dialog is over; our 2xx is not repeated any more."""
        dialog.feed(DialogInput.BYE)
        self._forget(dialog)

    def abandon(self, dialog: Dialog) -> None:
        """The peer knows the dialog no more (481, 408) or never acknowledged it."""
        dialog.feed(DialogInput.GONE)
        self._forget(dialog)

    def _forget(self, dialog: Dialog) -> None:
        self.dialogs.pop(dialog.id, None)
        self._stop_repeating_within(dialog)

    def _stop_repeating_within(self, dialog: Dialog) -> None:
        for transaction in [t for t in self._repetitions if t.dialog is dialog]:
            self._stop_repeating(transaction)

    def unanswered_within(self, dialog: Dialog) -> list[ServerTransaction]:
        """Requests of the peer in this dialog that still wait for our final answer (15.1.2: they get 487)."""
        return [s for s in self._servers.values() if s.dialog is dialog and not s.answered]

    def _start(
        self,
        method: str,
        uri: str,
        fields: list[tuple[str, str]],
        connection: int,
        now: float,
        dialog: Dialog | None,
        extra: Extra,
        body: bytes,
    ) -> tuple[ClientTransaction, list[Effect]]:
        branch = f"z9hG4bK{self._new_token(10)}"
        all_fields = [("Via", self._via(connection, branch)), *fields, *extra, ("User-Agent", PRODUCT)]
        if body and not any(name.lower() == "content-type" for name, _ in extra):
            all_fields.append(("Content-Type", "application/sdp"))
        request = Request(method, uri, Headers(all_fields), body)
        machine = INVITE_CLIENT_MACHINE if method == "INVITE" else NON_INVITE_CLIENT_MACHINE
        transaction = ClientTransaction(request, connection, (branch, method), Transaction(machine, now), dialog)
        self._clients[transaction.key] = transaction
        self._settle(transaction)
        if connection not in self._peers and connection not in self._waiting:
            return transaction, self._client_step(transaction, Input.TRANSPORT_ERROR, None, now)
        return transaction, self._send(Transmit(connection, request, False, dialog))

    def _dialog_fields(self, dialog: Dialog, sequence: str) -> tuple[str, list[tuple[str, str]]]:
        uri, routes = dialog.destination()
        fields = [("Max-Forwards", "70"), ("From", dialog.local), ("To", dialog.remote), ("Call-ID", dialog.call_id)]
        return uri, [*fields, ("CSeq", sequence), *(("Route", route) for route in routes)]

    def _way_to(self, dialog: Dialog) -> tuple[int, list[Effect]]:
        if dialog.connection is not None and (dialog.connection in self._peers or dialog.connection in self._waiting):
            return dialog.connection, []
        hop = dialog.next_hop()
        dialog.connection, effects = self.dial(hop.host, hop.port or DEFAULT_PORT)
        return dialog.connection, effects

    def _via(self, connection: int, branch: str = "") -> str:
        host, port = self._own_address(connection)
        return f"SIP/2.0/TLS {host}:{port};branch={branch or 'z9hG4bK' + self._new_token(10)};rport"

    # --- responses to us ---------------------------------------------------------------------------------------------

    def _receive_response(self, connection: int, response: Response, now: float) -> list[Effect]:
        try:
            vias = response.headers.listed("Via")
            key = (Via.parse(vias[0]).branch or "", CSeq.parse(response.headers.first("CSeq") or "").method)
        except (MalformedMessage, IndexError):
            return [Stray(connection, response, "response whose Via or CSeq cannot be read")]
        client = self._clients.get(key)
        if client is None:
            return [Stray(connection, response, "response to no open request of ours")]
        return self._client_step(client, response_input(response.status), response, now)

    def _client_step(self, client: ClientTransaction, what: Input, response: Response | None, now: float) -> list[Effect]:
        action = client.machine.feed(what, now)
        self._settle(client)
        if action is Action.TIMED_OUT:
            return [Unanswered(client, 408, f"no answer to {client.request.method} within {TIMEOUT:g} s")]
        if action is Action.FAILED:
            return [Unanswered(client, 503, f"the connection was lost before {client.request.method} was answered")]
        if response is None or action is Action.NOTHING:
            return []
        effects: list[Effect] = []
        if action in (Action.PASS_AND_ACK, Action.ACK):
            effects += self._send(
                Transmit(client.connection, ack_of_refusal(client.request, response), action is Action.ACK, client.dialog)
            )
        if action is Action.ACK:
            return effects
        return effects + self._passed(client, response, now)

    def _passed(self, client: ClientTransaction, response: Response, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if client.cancelled and response.status < 200 and (*client.key[:-1], "CANCEL") not in self._clients:
            effects += self._send_cancel(client, now)
        dialog = client.dialog
        if client.request.method == "INVITE" and dialog is None and 100 < response.status < 300:
            try:
                dialog = self._fork(client, response)
            except MalformedMessage as error:
                return [*effects, Stray(client.connection, response, f"{response.status} that makes no dialog: {error}")]
            if dialog is not None and dialog.id in client.acks and response.status >= 200:
                return [*effects, *self._send(Transmit(client.connection, client.acks[dialog.id], True, dialog))]
        elif client.request.method == "INVITE" and dialog is not None and 200 <= response.status < 300:
            if dialog.id in client.acks:
                return [*effects, *self._send(Transmit(client.connection, client.acks[dialog.id], True, dialog))]
            dialog.remote_target = contact_uri(response) or dialog.remote_target
        return [*effects, Answered(client, response, dialog)]

    def _fork(self, client: ClientTransaction, response: Response) -> Dialog | None:
        """Find or make the dialog of a 1xx or 2xx; several may come from one INVITE (12.1.2, 13.2.2.4)."""
        if not has_tag(response.headers.first("To") or ""):
            return None
        fresh = dialog_of_caller(client.request, response, client.connection)
        dialog = client.dialogs.setdefault(fresh.id, fresh)
        if dialog is fresh:
            self.dialogs[dialog.id] = dialog
        elif response.status >= 200 and dialog.state is DialogState.EARLY:
            dialog.remote_target, dialog.route_set = fresh.remote_target, fresh.route_set
        dialog.feed(DialogInput.SUCCESS if response.status >= 200 else DialogInput.PROVISIONAL) if not dialog.over else None
        return dialog

    # --- time --------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> list[Effect]:
        """Let time pass up to `now`."""
        effects: list[Effect] = []
        for key in self._alarms.due(now):
            if isinstance(key, _Repetition):
                effects += self._again(key, now)
            elif isinstance(key, ServerTransaction):
                effects += self._server_alarm(key, now)
            else:
                effects += self._client_alarm(key, now)
        return effects

    def _server_alarm(self, server: ServerTransaction, now: float) -> list[Effect]:
        action = server.machine.advance(now)
        self._settle(server)
        return [Unacknowledged(server)] if action is Action.TIMED_OUT else []

    def _client_alarm(self, client: ClientTransaction, now: float) -> list[Effect]:
        action = client.machine.advance(now)
        self._settle(client)
        if action is Action.TIMED_OUT:
            return [Unanswered(client, 408, f"no answer to {client.request.method} within {TIMEOUT:g} s")]
        return []

    def _repeat(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        self._stop_repeating(transaction)
        repetition = _Repetition(transaction, response, now + TIMEOUT)
        self._repetitions[transaction] = repetition
        self._alarms.set(repetition, now + T1)

    def _stop_repeating(self, transaction: ServerTransaction) -> None:
        repetition = self._repetitions.pop(transaction, None)
        if repetition is not None:
            self._alarms.set(repetition, None)

    def _again(self, repetition: _Repetition, now: float) -> list[Effect]:
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
        return self._send(Transmit(transaction.connection, repetition.response, True, transaction.dialog))

    def _settle(self, transaction: ServerTransaction | ClientTransaction) -> None:
        """Keep the alarm of a transaction; forget it when it is over."""
        self._alarms.set(transaction, transaction.machine.deadline)
        if not transaction.machine.over:
            return
        if isinstance(transaction, ClientTransaction):
            self._clients.pop(transaction.key, None)
            if transaction.request.method == "BYE" and transaction.dialog is not None:
                self._forget(transaction.dialog)
            return
        self._servers.pop(transaction.key, None)
        if self._merges.get(transaction.merge_key) is transaction:
            del self._merges[transaction.merge_key]
