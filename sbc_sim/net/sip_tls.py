"""SIP over TLS: where connections are accepted, and how they are opened.

Three layers lie on each TCP connection: a `Tap` that sees the raw octets, Twisted's TLS, and a `SipConnection` that gives
decrypted octets to its owner, the shell.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress

from sbc_sim.calls.production import is_production, not_dialled
from sbc_sim.net.certificates import Credentials
from sbc_sim.net.key_log import KeyLog
from sbc_sim.net.listen_errors import cannot_listen
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.shapes import Listen, ListeningPort, Reactor
from sbc_sim.net.sip_connection import ConnectionLimits, ConnectionOwner, SipConnection, ends
from sbc_sim.net.tap import Ciphertext, TapFactory, TapLimits
from sbc_sim.net.tls_contexts import ByName, ClientConnections, ClientTls, Handshake, ServerConnections, ServerTls
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem

_LIMITS, _SERVER_TLS, _CLIENT_TLS = ConnectionLimits(), ServerTls(), ClientTls()


class ProductionError(Exception):
    """A name of production, which is neither resolved nor dialled (requirement 145)."""


class ListenError(Exception):
    """The address cannot be listened on: one sentence for people."""


class SipListener:
    """Accepts SIP over TLS on one address."""

    def __init__(
        self,
        reactor: Reactor,
        owner: ConnectionOwner,
        credentials: Credentials,
        options: ServerTls = _SERVER_TLS,
        limits: ConnectionLimits = _LIMITS,
        *,
        name: str = "default",
        ciphertext: Ciphertext | None = None,
        key_log: KeyLog | None = None,
        by_name: ByName = lambda name: None,
        sockets: Callable[[], int] | None = None,
        listen_tcp: Listen | None = None,
    ) -> None:
        """`ciphertext` sees the octets under TLS and `key_log` their secrets, for captures. `by_name`: see `ServerConnections`.

        `sockets` counts what the limit of connections is for; None: those accepted here. `listen_tcp`: instead of the reactor's. Raises
        `CertificateError`.
        """
        self._reactor = reactor
        self._listen_tcp: Listen = listen_tcp or reactor.listenTCP
        self._owner = owner
        self._limits = limits
        self.name = name
        self._connections = ServerConnections(credentials, options, key_log, by_name)
        self._count = sockets or (lambda: self._taps.sockets)
        self._taps: TapFactory = TapFactory(self._connections, self._accept, _tap_limits(limits), reactor, ciphertext)
        self._port: ListeningPort | None = None
        self.host = ""
        self.port = 0

    @property
    def sockets(self) -> int:
        """TCP connections accepted here that are not gone."""
        return self._taps.sockets

    def listen(self, host: str, port: int, backlog: int = 512) -> None:
        """Begin to accept; afterwards `host` and `port` are the real ones. Raises `ListenError`."""
        try:
            self._port = self._listen_tcp(port, self._taps, backlog=backlog, interface=_numeric(host))
        except (CannotListenError, OSError) as problem:
            setting = f"regions.{self.name}.listen" if self.name not in ("", "default") else "sip.listen"
            raise ListenError(cannot_listen("SIP", host, port, setting, problem)) from problem
        address = self._port.getHost()
        self.host, self.port = str(address.host), int(address.port)

    def use(self, credentials: Credentials, options: ServerTls | None = None) -> None:
        """Show another certificate, or behave otherwise, from the next connection on. Raises `CertificateError`.

        For the rehearsal of a certificate that is switched while calls are up (requirement 148).
        """
        self._connections.use(credentials, options)

    def stop(self) -> Deferred[object]:
        """Accept no more; connections that are there stay."""
        port, self._port = self._port, None
        return succeed(None) if port is None else maybeDeferred(_stop, port)

    def _accept(self, address: IAddress | None) -> SipConnection | None:
        host, port = ends(address)
        peer = Peer(host, port, self.host, self.port, listener=self.name)
        connection = SipConnection(self._owner.new_number(), self._owner, self._limits, self._reactor, peer, Handshake())
        failure = self._turned_away()
        if failure is None:
            return connection
        self._owner.refused(connection, failure)
        return None

    def _turned_away(self) -> TlsFailure | None:
        if self._count() >= self._limits.connections:
            return TlsFailure(TlsProblem.TOO_MANY, f"there are {self._count()} connections already, and no more are allowed")
        return None


class SipDialler:
    """Opens SIP over TLS."""

    def __init__(
        self,
        reactor: Reactor,
        options: ClientTls = _CLIENT_TLS,
        limits: ConnectionLimits = _LIMITS,
        *,
        ciphertext: Ciphertext | None = None,
        key_log: KeyLog | None = None,
        production: bool = False,
    ) -> None:
        """`ciphertext` and `key_log` as in `SipListener`. `production`: whether names of production may be dialled (requirement 145).

        Raise `CertificateError` when the CA bundle cannot be used.
        """
        self._production = production
        self._reactor = reactor
        self._limits = limits
        self._ciphertext = ciphertext
        self._options, self._key_log = options, key_log
        self._connections = {"": ClientConnections(options, key_log)}
        """By the CA bundle that a server is checked against; empty: the common one."""

    def new(self, owner: ConnectionOwner, number: int, host: str, port: int, server_name: str = "", trust: str = "") -> SipConnection:
        """Make a connection that begins to connect on `begin`; its owner is then told by `opened` or `refused`.

        `server_name` goes into SNI and the server's certificate must be for it; empty: `host`. `trust`: path of another CA bundle.
        """
        name = server_name or host
        handshake = Handshake(dialled=True, server_name=name, expected_name=name)
        peer = Peer(host, port, "", 0, dialled=True)
        connection = SipConnection(number, owner, self._limits, self._reactor, peer, handshake)
        once = iter((connection,))  # a host name may have several addresses that answer
        try:
            connections = self._checked_by(trust)
        except CertificateError as problem:
            handshake.failure = TlsFailure(TlsProblem.OTHER, str(problem))
            failed = fail(problem)
            connection.dials_by(lambda: failed)
            return connection
        taps = TapFactory(connections, lambda _: next(once, None), _tap_limits(self._limits), self._reactor, self._ciphertext)
        if is_production(host) and not self._production:
            handshake.failure = TlsFailure(TlsProblem.UNREACHABLE, not_dialled(host))
            connection.dials_by(lambda: fail(ProductionError(not_dialled(host))))
        else:
            connection.dials_by(lambda: maybeDeferred(self._connect, host, port, taps))
        return connection

    def _checked_by(self, trust: str) -> ClientConnections:
        """Find or make the contexts for a CA bundle. Raises `CertificateError` when it cannot be used."""
        if trust not in self._connections:
            self._connections[trust] = ClientConnections(replace(self._options, ca_file=Path(trust)), self._key_log)
        return self._connections[trust]

    def _connect(self, host: str, port: int, taps: TapFactory) -> Deferred[object]:
        from twisted.internet.endpoints import HostnameEndpoint  # slow to import, and only needed here

        endpoint = HostnameEndpoint(cast(Any, self._reactor), host.strip("[]"), port, self._limits.connect_seconds)
        return cast("Deferred[object]", endpoint.connect(cast(Any, taps)))


def _stop(port: ListeningPort) -> object:
    return port.stopListening()


def _tap_limits(limits: ConnectionLimits) -> TapLimits:
    return TapLimits(limits.unsent_octets, limits.unsent_seconds)


def _numeric(host: str) -> str:
    """Find the address of a host name to listen on: Twisted takes addresses only. Raises `OSError`."""
    bare = host.strip("[]")
    return str(socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM)[0][4][0]) if bare else bare
