"""The connections of a user agent: who is at the other end, what waits for one that is being opened, and how we name ourselves on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sbc_sim.sip.effects import Dial, Effect, Transmit
from sbc_sim.sip.peer import Peer

DEFAULT_PORT = 5061
"""SIP over TLS (19.1.2)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How we name ourselves in Contact and Via; without a host, the local end of the connection."""

    host: str = ""
    port: int = 0
    user: str = ""
    listeners: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Host and port by listener (`Peer.listener`) where they differ; an empty host and port 0 as above."""


class Connections:
    """Connections by number; those that we dial have negative numbers."""

    def __init__(self, identity: Identity, new_token: Callable[[int], str]) -> None:
        """Know nobody yet."""
        self.identity = identity
        self._new_token = new_token
        self._peers: dict[int, Peer] = {}
        self._waiting: dict[int, list[Transmit]] = {}
        self._reached_as: dict[int, Peer] = {}
        """By dialled connection: the one it takes the place of, whose local end is what we are called."""
        self._dialled = 0

    def peer(self, connection: int) -> Peer | None:
        """Tell who is at the other end."""
        return self._peers.get(connection)

    def usable(self, connection: int | None) -> bool:
        """Tell whether something can be sent on it, now or once it is open."""
        return connection in self._peers or connection in self._waiting

    def opened(self, connection: int, peer: Peer) -> list[Effect]:
        """Take a connection into use; what waited for it goes out."""
        self._peers[connection] = peer
        return list(self._waiting.pop(connection, ()))

    def forget(self, connection: int) -> None:
        """It is gone, and with it what waited."""
        self._peers.pop(connection, None)
        self._waiting.pop(connection, None)
        self._reached_as.pop(connection, None)

    def dial(self, host: str, port: int, instead_of: Peer | None, trust: str = "") -> tuple[int, list[Effect]]:
        """Ask for a new connection, perhaps in place of one that is gone; `trust` names the CA bundle for its server."""
        self._dialled -= 1
        self._waiting[self._dialled] = []
        if instead_of is not None:
            self._reached_as[self._dialled] = instead_of
        return self._dialled, [Dial(self._dialled, host, port, trust)]

    def send(self, transmit: Transmit) -> list[Effect]:
        """Transmit now, or once the connection is open."""
        if transmit.connection in self._waiting:
            self._waiting[transmit.connection].append(transmit)
            return []
        return [transmit]

    def contact(self, connection: int, secure: bool, user: str = "") -> str:
        """Our Contact on a connection (8.1.1.8, 12.1.1); `user`: another user part than our own."""
        host, port = self._own_address(connection)
        user = user or self.identity.user
        at = f"{user}@" if user else ""
        # transport=tls is deprecated (26.2.2), yet it is what keeps a partner from answering a sip: URI over UDP.
        return f"<sips:{at}{host}:{port}>" if secure else f"<sip:{at}{host}:{port};transport=tls>"

    def via(self, connection: int, branch: str = "") -> str:
        """Our Via on a connection; without a branch, with a fresh one."""
        host, port = self._own_address(connection)
        return f"SIP/2.0/TLS {host}:{port};branch={branch or 'z9hG4bK' + self._new_token(10)};rport"

    def _own_address(self, connection: int) -> tuple[str, int]:
        peer = self._reached_as.get(connection) or self._peers.get(connection)
        own = self.identity.listeners.get(peer.listener) if peer else None
        set_host, set_port = own or (self.identity.host, self.identity.port)
        host = set_host or (peer.local_host if peer else "localhost")
        port = set_port or (peer.local_port if peer else DEFAULT_PORT)
        return (f"[{host}]" if ":" in host and not host.startswith("[") else host), port
