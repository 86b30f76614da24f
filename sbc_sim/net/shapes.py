"""What the net room needs of Twisted, as types: Twisted's own interfaces are zope's, which type checkers cannot read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from OpenSSL.SSL import Connection
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress


class Alarm(Protocol):
    """A call that is due later."""

    def active(self) -> bool:
        """Tell whether it is still to come."""

    def cancel(self) -> None:
        """Do not call."""


class Clock(Protocol):
    """The reactor's time."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> Alarm:
        """Call after `delay` seconds."""

    def seconds(self) -> float:
        """Tell the time."""


class ListeningPort(Protocol):
    """What is listened on."""

    def getHost(self) -> IPv4Address | IPv6Address:
        """Tell the real address."""

    def stopListening(self) -> Deferred[None] | None:
        """Stop."""


Listen = Callable[..., ListeningPort]
"""Called as `Reactor.listenTCP`, which raises CannotListenError."""


class Reactor(Clock, Protocol):
    """The reactor, as far as it is needed here."""

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> ListeningPort:
        """Listen."""


class Transport(Protocol):
    """A connection that can be written to: TCP, or TLS on it."""

    def write(self, data: bytes) -> None:
        """Send, sooner or later."""

    def loseConnection(self) -> None:
        """Close when all is sent."""

    def abortConnection(self) -> None:
        """Reset."""

    def getPeer(self) -> IAddress:
        """Tell the far address."""

    def getHost(self) -> IAddress:
        """Tell the near address."""


class TcpTransport(Transport, Protocol):
    """A TCP connection."""

    def loseWriteConnection(self) -> None:
        """Close our side when all is sent."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Switch Nagle's algorithm off."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Probe idle connections."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Tell `producer` when the buffer is full and when it is empty."""

    def unregisterProducer(self) -> None:
        """Tell no more."""


class TlsTransport(Transport, Protocol):
    """A TLS connection."""

    def getHandle(self) -> Connection:
        """Give OpenSSL's side of it."""


def cancel(alarm: Alarm | None) -> None:
    """Cancel an alarm that may be over already."""
    if alarm is not None and alarm.active():
        alarm.cancel()
