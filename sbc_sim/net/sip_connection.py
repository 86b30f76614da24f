"""One SIP connection: from TCP through the TLS handshake to its end, with a bound on every kind of waiting.

Every connection ends by one of two calls on its owner: `refused` (it never became a SIP connection) or `closed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol as Shape
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from sbc_sim.net.shapes import Alarm, Clock, TlsTransport, cancel
from sbc_sim.net.tls_contexts import Handshake, finished
from sbc_sim.net.tls_failures import end_of, failure_of, unreachable
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one listener and of each connection; times in seconds."""

    connections: int = 1000
    handshake_seconds: float = 10.0
    idle_seconds: float = 600.0
    """No octet for so long, and the owner has no use for the connection: closed."""
    message_seconds: float = 30.0
    """Longest time from the first to the last octet of one message."""
    unsent_octets: int = 1 << 20
    """So much may wait for a peer that does not read; then the connection is dropped."""
    unsent_seconds: float = 30.0
    close_seconds: float = 3.0
    """How long a peer may take to answer our close before the connection is dropped."""
    connect_seconds: float = 10.0


class ConnectionOwner(Shape):
    """Who is told what happens on connections; the shell."""

    def new_number(self) -> int:
        """Give the number of a connection that was accepted."""

    def opened(self, connection: SipConnection) -> None:
        """The handshake is over; `connection.peer.tls` says how it went."""

    def refused(self, connection: SipConnection, failure: TlsFailure) -> None:
        """It never became a SIP connection."""

    def received(self, connection: SipConnection, data: bytes) -> None:
        """Decrypted octets arrived."""

    def closed(self, connection: SipConnection, why: str) -> None:
        """An opened connection is gone."""

    def needs(self, connection: SipConnection) -> bool:
        """Is an idle connection still of use (a call is up on it)?"""


class _Stage(Enum):
    DIALLING = auto()
    HANDSHAKE = auto()
    SETTLING = auto()
    """As client: the handshake is over for us, but a TLS 1.3 server may still refuse for want of a certificate."""
    OPEN = auto()
    CLOSING = auto()
    GONE = auto()


_SETTLE_SECONDS = 1.0


@implementer(IHandshakeListener)
class SipConnection(Protocol):
    """One connection, from TCP to its end."""

    def __init__(
        self, number: int, owner: ConnectionOwner, limits: ConnectionLimits, clock: Clock, peer: Peer, handshake: Handshake
    ) -> None:
        """`peer` is completed once TCP is up, and again with the facts of the handshake."""
        self.number = number
        self.peer = peer
        self.handshake = handshake
        self._owner = owner
        self._limits = limits
        self._clock = clock
        self._stage = _Stage.DIALLING
        self._dial: Callable[[], Deferred[object]] | None = None
        self._attempt: Deferred[object] | None = None
        self._why = ""
        self._alarm: Alarm | None = None
        self._message_alarm: Alarm | None = None
        self._unfinished_since: float | None = None
        self._active_at = clock.seconds()

    # --- what the owner asks for --------------------------------------------------------------------------------------

    def dials_by(self, dial: Callable[[], Deferred[object]]) -> None:
        """Say how `begin` opens the TCP connection."""
        self._dial = dial

    def begin(self) -> None:
        """Open the TCP connection, as the side that dials."""
        if self._dial is not None:
            self._attempt = self._dial()
            self._attempt.addErrback(self._not_reached)

    def send(self, data: bytes) -> None:
        """Encrypt and write; ignored once the connection is on its way out."""
        if self._stage is _Stage.OPEN:
            self._active_at = self._clock.seconds()
            self._tls().write(data)

    def close(self, why: str, *, abort: bool = False) -> None:
        """Close after what was written has gone out, or drop at once; `closed` follows with this reason."""
        if self._stage is _Stage.OPEN and not abort:
            self._why = why
            self._stage = _Stage.CLOSING
            # Twisted waits for the peer's close_notify without end.
            self._set_alarm(self._limits.close_seconds, lambda: self.drop("the peer did not answer our close"))
            self._tls().loseConnection()
        elif abort or self._stage is not _Stage.CLOSING:
            self.drop(why)

    def drop(self, why: str) -> None:
        """Reset the TCP connection, or stop dialling."""
        self._why = self._why or why
        if self.handshake.facts is None and self.handshake.failure is None:
            self.handshake.failure = TlsFailure(TlsProblem.OTHER, f"given up by us: {why}")
        if self._stage is _Stage.DIALLING and self._attempt is not None:
            self._attempt.cancel()
        elif self._stage not in (_Stage.DIALLING, _Stage.GONE):
            self._tls().abortConnection()

    def expect_rest(self, since: float | None) -> None:
        """Tell since when (any clock) a message is unfinished; when it is not whole in time, the connection is closed."""
        if since == self._unfinished_since:
            return
        self._unfinished_since = since
        cancel(self._message_alarm)
        self._message_alarm = None
        if since is not None and self._stage is _Stage.OPEN:
            seconds = self._limits.message_seconds
            why = f"a message was not complete after {seconds:g} s"
            self._message_alarm = self._clock.callLater(seconds, self.close, why)

    # --- what Twisted calls ---------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """TCP is up, TLS begins."""
        self._stage = _Stage.HANDSHAKE
        self.peer = _with_addresses(self.peer, self._tls().getPeer(), self._tls().getHost())
        self._set_alarm(self._limits.handshake_seconds, self._handshake_took_too_long)

    def handshakeCompleted(self) -> None:
        """TLS is up, as far as this side knows."""
        facts = finished(self._tls().getHandle(), self.handshake)
        self.handshake.facts = facts
        self.peer = replace(self.peer, tls=facts)
        if self.handshake.dialled and facts.certificate_requested and facts.version == "TLSv1.3":
            # RFC 8446 4.4.2.4: a server that misses our certificate may say so after our side is done.
            self._stage = _Stage.SETTLING
            self._set_alarm(_SETTLE_SECONDS, self._open)
            self.handshake.on_ticket = lambda: self._set_alarm(0, self._open)
        else:
            self._open()

    def dataReceived(self, data: bytes) -> None:
        """Decrypted octets arrived."""
        if self._stage is _Stage.SETTLING:
            self._open()
        if self._stage is _Stage.OPEN:
            self._active_at = self._clock.seconds()
            self._owner.received(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """TLS or TCP is gone."""
        end = reason.value or ConnectionDone()
        stage, self._stage = self._stage, _Stage.GONE
        cancel(self._alarm)
        self.expect_rest(None)
        if self.handshake.facts is None or stage is _Stage.SETTLING:
            self._owner.refused(self, failure_of(self.handshake, end))
        else:
            self._owner.closed(self, self._why or end_of(self.handshake, end))

    # --- dialling -------------------------------------------------------------------------------------------------------

    def _not_reached(self, reason: Failure) -> None:
        if self._stage is _Stage.DIALLING:
            self._stage = _Stage.GONE
            self._owner.refused(self, self.handshake.failure or unreachable(reason.value or ConnectionDone()))

    # --- alarms ---------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._stage = _Stage.OPEN
        self.handshake.on_ticket = None
        self._active_at = self._clock.seconds()
        self._set_alarm(self._limits.idle_seconds, self._maybe_idle)
        self._owner.opened(self)

    def _maybe_idle(self) -> None:
        """Look again later unless nothing happened for the whole time: cheaper than an alarm moved with each message."""
        idle = self._clock.seconds() - self._active_at
        if self._owner.needs(self):
            self._set_alarm(self._limits.idle_seconds, self._maybe_idle)
        elif 0 <= idle < self._limits.idle_seconds - 0.001:
            self._set_alarm(self._limits.idle_seconds - idle, self._maybe_idle)
        else:
            self.close(f"idle for {self._limits.idle_seconds:g} s")

    def _handshake_took_too_long(self) -> None:
        detail = f"the TLS handshake was not over after {self._limits.handshake_seconds:g} s"
        if not self.handshake.octets_received:
            detail += ": nothing was received"
        self.handshake.failure = TlsFailure(TlsProblem.HANDSHAKE_TIMEOUT, detail)
        self.drop(detail)

    def _set_alarm(self, seconds: float, act: Callable[[], None]) -> None:
        cancel(self._alarm)
        self._alarm = self._clock.callLater(seconds, act)

    def _tls(self) -> TlsTransport:
        return cast(TlsTransport, self.transport)


def _with_addresses(peer: Peer, far: IAddress, near: IAddress) -> Peer:
    host, port = ends(far)
    local_host, local_port = ends(near)
    return replace(peer, host=host, port=port, local_host=local_host, local_port=local_port)


def ends(address: object) -> tuple[str, int]:
    """Take host and port of an address in one form; an IPv4 peer of a socket for both families is an IPv4 peer."""
    if not isinstance(address, IPv4Address | IPv6Address):
        return "", 0
    return address.host.removeprefix("::ffff:") if "." in address.host else address.host, address.port
