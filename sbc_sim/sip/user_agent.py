"""The user agent core: transactions and dialogs of one SIP element over TLS (RFC 3261 sections 8, 9, 12-15, 17; 3262; 6026).

Messages and time go in, effects come out: what to transmit, which connection to open, and what happened for the transaction
user (calls/ on our side, partner/ on the other). The same class plays both roles. It knows nothing of sessions, media or rules.

What it does by itself: 100 for an INVITE, repeated answers, 2xx and reliable provisional responses until they are acknowledged,
ACK to refusals, 487 after CANCEL. Everything else is the transaction user's answer.
"""

from __future__ import annotations

from collections.abc import Callable

from sbc_sim.sip.client_side import ClientSide
from sbc_sim.sip.connections import Connections, Identity
from sbc_sim.sip.dialog import Dialog, DialogId
from sbc_sim.sip.effects import Effect, Stray, Unreadable
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.inspection import SUPPORTED
from sbc_sim.sip.matching import check_contact
from sbc_sim.sip.message import Request, Response, check_request
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.server_side import Choices, ServerSide


class UserAgent:
    """Both halves and what they share. `new_token(n)` gives n random octets in hex."""

    def __init__(
        self,
        new_token: Callable[[int], str],
        identity: Identity,
        transactions: int = 20_000,
        supported: tuple[str, ...] = SUPPORTED,
        choices: Choices | None = None,
    ) -> None:
        """`transactions` bounds the server transactions, a request over it is refused with 503; `supported` are our option tags.

        `choices` are those of a user agent whose part is played again from a trace.
        """
        self.dialogs: dict[DialogId, Dialog] = {}
        self._connections = Connections(identity, new_token)
        self.server = ServerSide(self._connections, self.dialogs, new_token, self._own_invite_pending, transactions, supported, choices)
        """Answers: `respond`, `refuse_unreadable`."""
        self.client = ClientSide(
            self._connections, self.dialogs, new_token, self.server.stop_repeating_within, self.server.forget, supported
        )
        """Requests: `invite`, `request`, `acknowledge`, `cancel`."""

    def _own_invite_pending(self, dialog: Dialog) -> bool:
        return self.client.invite_pending(dialog)

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next, unix seconds."""
        return min((d for d in (self.server.deadline, self.client.deadline) if d is not None), default=None)

    @property
    def at_rest(self) -> bool:
        """Whether no transaction waits for an answer; those that only linger for late copies do not count."""
        waits = any(not server.answered for server in self.server.transactions)
        return not waits and all(client.answered for client in self.client.transactions)

    def uses(self, connection: int) -> bool:
        """Tell whether a dialog or an open transaction needs the connection."""
        transactions = any(t.connection == connection for t in self.server.transactions)
        return transactions or self.client.uses(connection) or any(d.connection == connection for d in self.dialogs.values())

    def peer(self, connection: int) -> Peer | None:
        """Tell who is at the other end."""
        return self._connections.peer(connection)

    def contact(self, connection: int, user: str, secure: bool) -> str:
        """Contact value of a user part at our own address, as it is reached by a connection: for a redirection (8.3)."""
        return self._connections.contact(connection, secure, user)

    def dial(self, host: str, port: int, trust: str = "") -> tuple[int, list[Effect]]:
        """Ask for a new connection; `trust` names the CA bundle for its server, empty: the common one."""
        return self._connections.dial(host, port, None, trust)

    def connected(self, connection: int, peer: Peer) -> list[Effect]:
        """Take a connection into use; what waited for it goes out."""
        return self._connections.opened(connection, peer)

    def lost(self, connection: int, now: float) -> list[Effect]:
        """Forget a connection, or one that could not be opened: our open requests on it fail, dialogs outlive it."""
        self._connections.forget(connection)
        for dialog in self.dialogs.values():
            if dialog.connection == connection:
                dialog.connection = None
        return self.client.lost(connection, now)

    def receive(self, connection: int, message: Request | Response, now: float) -> list[Effect]:
        """Take one message. Never raises for what a peer can send."""
        if isinstance(message, Response):
            return self.client.receive(connection, message, now)
        try:
            check_request(message)
            if message.method in ("INVITE", "UPDATE"):
                check_contact(message)
            return self.server.receive(connection, message, now)
        except MalformedMessage as error:
            if message.method == "ACK":
                return [Stray(connection, message, f"ACK that cannot be read: {error}", True)]
            return [Unreadable(connection, message, error)]

    def advance(self, now: float) -> list[Effect]:
        """Let time pass up to `now`."""
        return self.server.advance(now) + self.client.advance(now)
