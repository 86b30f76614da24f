"""The asking half of a user agent: our requests, the answers to them, the dialogs that come of it.

RFC 3261 sections 8.1, 9.1, 12.1.2, 12.2.1, 13.2 and 17.1; RFC 6026.
"""

from __future__ import annotations

from collections.abc import Callable

from sbc_sim.sip.alarms import Alarms
from sbc_sim.sip.connections import DEFAULT_PORT, Connections
from sbc_sim.sip.dialog import Dialog, DialogId, DialogInput, DialogState, contact_uri, dialog_of_caller
from sbc_sim.sip.effects import Answered, ClientTransaction, Effect, Stray, Transmit, Unanswered
from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.headers import CSeq, Via
from sbc_sim.sip.inspection import ALLOWED
from sbc_sim.sip.matching import Key, ack_of_refusal
from sbc_sim.sip.message import Headers, Request, Response
from sbc_sim.sip.responses import PRODUCT, has_tag
from sbc_sim.sip.transaction import (
    INVITE_CLIENT_MACHINE,
    NON_INVITE_CLIENT_MACHINE,
    TIMEOUT,
    Action,
    Input,
    State,
    Transaction,
    response_input,
)

MOST_FORKS = 20
"""Dialogs of one INVITE; a proxy forks to a handful of places, and each costs a BYE."""
Extra = tuple[tuple[str, str], ...]


class ClientSide:
    """Our requests and the peer's answers."""

    def __init__(
        self,
        connections: Connections,
        dialogs: dict[DialogId, Dialog],
        new_token: Callable[[int], str],
        ended: Callable[[Dialog], None],
        forget: Callable[[Dialog], None],
        supported: tuple[str, ...],
    ) -> None:
        """Share connections and dialogs with the answering half, which hears of a BYE of ours (`ended`) and of its answer (`forget`)."""
        self._connections = connections
        self._dialogs = dialogs
        self._new_token = new_token
        self._supported = ", ".join(supported)
        self._ended = ended
        self._forget = forget
        self._clients: dict[Key, ClientTransaction] = {}
        self._alarms: Alarms[ClientTransaction] = Alarms()

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next."""
        return self._alarms.deadline

    @property
    def transactions(self) -> list[ClientTransaction]:
        """All that are kept."""
        return list(self._clients.values())

    def invite_pending(self, dialog: Dialog) -> bool:
        """Tell whether a re-INVITE of ours waits for its final answer."""
        return any(
            client.dialog is dialog and client.request.method == "INVITE" and not client.answered for client in self._clients.values()
        )

    def uses(self, connection: int) -> bool:
        """Tell whether a request of ours waits on the connection."""
        return any(client.connection == connection for client in self._clients.values())

    def lost(self, connection: int, now: float) -> list[Effect]:
        """Fail what waits for an answer on a connection that is gone."""
        effects: list[Effect] = []
        for client in [c for c in self._clients.values() if c.connection == connection]:
            effects += self._client_step(client, Input.TRANSPORT_ERROR, None, now)
        return effects

    def invite(
        self, connection: int, uri: str, caller: str, called: str, now: float, extra: Extra = (), body: bytes = b"", call_id: str = ""
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Call: From is `caller` (a tag is added), To is `called`; both are complete name-addr values."""
        return self.ask(connection, "INVITE", uri, caller, called, now, extra, body, call_id)

    def ask(
        self,
        connection: int,
        method: str,
        uri: str,
        caller: str,
        called: str,
        now: float,
        extra: Extra = (),
        body: bytes = b"",
        call_id: str = "",
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request outside of any dialog (8.1.1): INVITE, or OPTIONS (11.1). From and To as for `invite`."""
        local = caller if has_tag(caller) else f"{caller};tag={self._new_token(6)}"
        fields = [
            ("Max-Forwards", "70"),
            ("From", local),
            ("To", called),
            ("Call-ID", call_id or self._new_token(12)),
            ("CSeq", f"1 {method}"),
            ("Contact", self._connections.contact(connection, uri.lower().startswith("sips:"))),
            ("Allow", ", ".join(ALLOWED)),
            ("Supported", self._supported),
        ]
        return self._start(method, uri, fields, connection, now, None, extra, body)

    def request(
        self, dialog: Dialog, method: str, now: float, extra: Extra = (), body: bytes = b""
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request within a dialog (12.2.1.1), over a new connection when its own is gone."""
        dialog.local_sequence += 1
        connection, effects = self._way_to(dialog)
        uri, fields = self._dialog_fields(dialog, f"{dialog.local_sequence} {method}")
        if method in ("INVITE", "UPDATE", "REFER"):
            fields.append(("Contact", self._connections.contact(connection, dialog.secure)))
        if method in ("INVITE", "UPDATE"):
            fields += [("Allow", ", ".join(ALLOWED)), ("Supported", self._supported)]
        transaction, sent = self._start(method, uri, fields, connection, now, dialog, extra, body)
        if method == "BYE" and not dialog.over:
            # The dialog stays known until the answer, for the peer's BYE may cross ours.
            dialog.feed(DialogInput.BYE)
            self._ended(dialog)
        return transaction, effects + sent

    def acknowledge(self, transaction: ClientTransaction, dialog: Dialog, body: bytes = b"") -> list[Effect]:
        """Acknowledge a 2xx (13.2.2.4); repeated 2xx are acknowledged by themselves from then on."""
        number = CSeq.parse(transaction.request.headers.first("CSeq") or "").number
        connection, effects = self._way_to(dialog)
        uri, fields = self._dialog_fields(dialog, f"{number} ACK")
        fields.insert(0, ("Via", self._connections.via(connection)))
        if body:
            fields.append(("Content-Type", "application/sdp"))
        ack = Request("ACK", uri, Headers(fields), body)
        transaction.acks[dialog.id] = ack
        if not dialog.over:
            dialog.feed(DialogInput.ACK)
        return effects + self._connections.send(Transmit(connection, ack, False, dialog))

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
        transaction.machine.cancelled(now)
        self._settle(transaction)
        return self._connections.send(Transmit(transaction.connection, request, False, transaction.dialog))

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
        all_fields = [("Via", self._connections.via(connection, branch)), *fields, *extra]
        if not any(name.lower() == "user-agent" for name, _ in extra):
            all_fields.append(("User-Agent", PRODUCT))
        if body and not any(name.lower() == "content-type" for name, _ in extra):
            all_fields.append(("Content-Type", "application/sdp"))
        request = Request(method, uri, Headers(all_fields), body)
        machine = INVITE_CLIENT_MACHINE if method == "INVITE" else NON_INVITE_CLIENT_MACHINE
        transaction = ClientTransaction(request, connection, (branch, method), Transaction(machine, now), dialog)
        self._clients[transaction.key] = transaction
        self._settle(transaction)
        if not self._connections.usable(connection):
            return transaction, self._client_step(transaction, Input.TRANSPORT_ERROR, None, now)
        return transaction, self._connections.send(Transmit(connection, request, False, dialog))

    def _dialog_fields(self, dialog: Dialog, sequence: str) -> tuple[str, list[tuple[str, str]]]:
        uri, routes = dialog.destination()
        fields = [("Max-Forwards", "70"), ("From", dialog.local), ("To", dialog.remote), ("Call-ID", dialog.call_id)]
        return uri, [*fields, ("CSeq", sequence), *(("Route", route) for route in routes)]

    def _way_to(self, dialog: Dialog) -> tuple[int, list[Effect]]:
        if dialog.connection is not None and self._connections.usable(dialog.connection):
            return dialog.connection, []
        hop = dialog.next_hop()
        dialog.connection, effects = self._connections.dial(hop.host, hop.port or DEFAULT_PORT, dialog.peer, dialog.trust)
        return dialog.connection, effects

    def receive(self, connection: int, response: Response, now: float) -> list[Effect]:
        """Take a response."""
        try:
            vias = response.headers.listed("Via")
            key = (Via.parse(vias[0]).branch or "", CSeq.parse(response.headers.first("CSeq") or "").method)
        except (MalformedMessage, IndexError):
            return [Stray(connection, response, "response whose Via or CSeq cannot be read", True)]
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
            effects += self._connections.send(
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
                return [*effects, *self._connections.send(Transmit(client.connection, client.acks[dialog.id], True, dialog))]
        elif client.request.method in ("INVITE", "UPDATE") and dialog is not None and 200 <= response.status < 300:
            if dialog.id in client.acks:
                return [*effects, *self._connections.send(Transmit(client.connection, client.acks[dialog.id], True, dialog))]
            effects += self._refresh_target(client, response, dialog)
        return [*effects, Answered(client, response, dialog)]

    def _refresh_target(self, client: ClientTransaction, response: Response, dialog: Dialog) -> list[Effect]:
        """Take the Contact of a 2xx as the new target (12.2.1.2; RFC 3311 section 5.1); one that cannot be read leaves the old."""
        try:
            dialog.remote_target = contact_uri(response) or dialog.remote_target
        except MalformedMessage as error:
            return [Stray(client.connection, response, f"{response.status} whose Contact cannot be read: {error}", True)]
        return []

    def _fork(self, client: ClientTransaction, response: Response) -> Dialog | None:
        """Find or make the dialog of a 1xx or 2xx; several may come from one INVITE (12.1.2, 13.2.2.4)."""
        if not has_tag(response.headers.first("To") or ""):
            return None
        fresh = dialog_of_caller(client.request, response, client.connection)
        if fresh.id not in client.dialogs and len(client.dialogs) >= MOST_FORKS:
            raise MalformedMessage(Malformation.BAD_HEADER, f"more than {MOST_FORKS} forks answer one INVITE", "To")
        dialog = client.dialogs.setdefault(fresh.id, fresh)
        if dialog is fresh:
            self._dialogs[dialog.id] = dialog
        elif response.status >= 200 and dialog.state is DialogState.EARLY:
            dialog.remote_target, dialog.route_set = fresh.remote_target, fresh.route_set
        dialog.feed(DialogInput.SUCCESS if response.status >= 200 else DialogInput.PROVISIONAL) if not dialog.over else None
        return dialog

    def _client_alarm(self, client: ClientTransaction, now: float) -> list[Effect]:
        action = client.machine.advance(now)
        self._settle(client)
        if action is Action.TIMED_OUT:
            return [Unanswered(client, 408, f"no answer to {client.request.method} within {TIMEOUT:g} s")]
        return []

    def advance(self, now: float) -> list[Effect]:
        """Let time pass up to `now`."""
        effects: list[Effect] = []
        for client in self._alarms.due(now):
            effects += self._client_alarm(client, now)
        return effects

    def _settle(self, transaction: ClientTransaction) -> None:
        """Keep the alarm of a transaction; forget it when it is over."""
        self._alarms.set(transaction, transaction.machine.deadline)
        if not transaction.machine.over:
            return
        self._clients.pop(transaction.key, None)
        for dialog in transaction.dialogs.values():
            if dialog.state is DialogState.EARLY:
                self._forget(dialog)  # rang, and never came to an answer
        if transaction.request.method == "BYE" and transaction.dialog is not None:
            self._forget(transaction.dialog)
