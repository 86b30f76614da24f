"""The tap: sits between TCP and TLS, sees the raw octets, and knows peers that are not TLS, do not read, or do not leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from typing import Protocol as Shape

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from sbc_sim.net.shapes import Alarm, Clock, TcpTransport, cancel
from sbc_sim.net.tls_contexts import FIRST_OCTETS, ClientConnections, Handshake, ServerConnections
from sbc_sim.net.tls_failures import clear_text, unclear

Ciphertext = Callable[[int, bool, bytes], None]
"""Gets every piece of TLS as it passes: connection number, whether it came from the peer, octets. No octets: TCP is gone."""


@dataclass(frozen=True, slots=True)
class TapLimits:
    """Bounds of the raw connection; times in seconds."""

    unsent_octets: int
    unsent_seconds: float
    clear_text_seconds: float = 1.0
    """How long a peer that does not speak TLS may take to show what it speaks."""
    linger_seconds: float = 2.0
    """How long the peer may keep its side open after we closed ours."""
    linger_octets: int = 1 << 20


@implementer(IPushProducer)
class Backlog:
    """Watches what waits to be sent: Twisted says when its buffer is over 64 KiB and when it is empty again."""

    def __init__(self, limits: TapLimits, clock: Clock, overflow: Callable[[str], None]) -> None:
        self._limits = limits
        self._clock = clock
        self._overflow = overflow
        self._waiting: int | None = None
        self._alarm: Alarm | None = None

    def note(self, octets: int) -> None:
        """Count what is written while the peer is not reading."""
        if self._waiting is not None:
            self._waiting += octets
            if self._waiting > self._limits.unsent_octets:
                self.stopProducing()  # the end of the connection writes once more
                self._overflow(f"the peer does not read: more than {self._limits.unsent_octets} octets wait for it")

    def pauseProducing(self) -> None:
        """The buffer is full."""
        if self._waiting is None:
            self._waiting = 0
            why = f"the peer does not read: octets wait for {self._limits.unsent_seconds:g} s"
            self._alarm = self._clock.callLater(self._limits.unsent_seconds, self._overflow, why)

    def resumeProducing(self) -> None:
        """The buffer is empty."""
        self.stopProducing()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._waiting = None
        cancel(self._alarm)


class Tapped(Shape):
    """The SIP connection two layers up, as far as the tap knows it."""

    number: int
    handshake: Handshake

    def drop(self, why: str) -> None:
        """Reset the connection for a reason."""


@implementer(IHalfCloseableProtocol)
class Tap(ProtocolWrapper):
    """One TCP connection with TLS on it."""

    transport: TcpTransport  # type: ignore[assignment]
    factory: TapFactory

    def __init__(self, factory: TapFactory, tls: TLSMemoryBIOProtocol, connection: Tapped) -> None:
        super().__init__(cast(Any, factory), cast(Any, tls))
        self._connection = connection
        self._handshake = connection.handshake
        self._backlog = Backlog(factory.limits, factory.clock, connection.drop)
        self._in_clear: bool | None = None
        """Whether the peer sends clear text; None until two octets are there."""
        self._ending = False
        self._released = False
        self._alarm: Alarm | None = None
        self._drained = 0

    # --- from TCP -------------------------------------------------------------------------------------------------------

    def makeConnection(self, transport: TcpTransport) -> None:
        """TCP is up. Without TCP_NODELAY a response waits for the acknowledgement of the one before."""
        self.factory.sockets += 1
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        transport.registerProducer(self._backlog, True)
        super().makeConnection(transport)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """Octets from the peer."""
        if self._ending:
            self._drain(len(data))
            return
        handshake = self._handshake
        if handshake.octets_received < FIRST_OCTETS:
            handshake.first_bytes += data[: FIRST_OCTETS - handshake.octets_received]
        handshake.octets_received += len(data)
        if self.factory.ciphertext is not None:
            self.factory.ciphertext(self._connection.number, True, data)
        if self._in_clear is None:
            self._look()
        if self._in_clear:
            self._gather()
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def readConnectionLost(self) -> None:
        """The peer closed its side: send what is left, then close ours. Twisted would else throw answers away."""
        self._end_within(self.factory.limits.linger_seconds)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our side is closed, as was asked."""

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """TCP is gone."""
        self.factory.sockets -= 1
        self._ending = True
        cancel(self._alarm)
        self._backlog.stopProducing()
        if self._handshake.tcp_end is None:
            self._handshake.tcp_end = reason.value
        if self._in_clear:
            self._handshake.failure = clear_text(self._handshake.first_bytes, dialled=self._handshake.dialled)
        self._release(reason)
        if self.factory.ciphertext is not None:
            self.factory.ciphertext(self._connection.number, True, b"")

    # --- from TLS -------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """TLS sends octets."""
        if self._ending:
            return
        self._backlog.note(len(data))
        if self.factory.ciphertext is not None:
            self.factory.ciphertext(self._connection.number, False, data)
        self.transport.write(data)

    def loseConnection(self) -> None:
        """TLS is done: send what is left, then close our side and wait a little for the peer to close its own.

        To close both at once would let the kernel answer octets still under way with a reset, and a reset makes many
        peers forget the alert that tells them why.
        """
        if self._ending:
            return
        self._ending = True
        self._end_within(self.factory.limits.linger_seconds)
        self.transport.loseWriteConnection()
        self.factory.clock.callLater(0, self._release, Failure(ConnectionDone()))  # type: ignore[no-untyped-call]

    def abortConnection(self) -> None:
        """Reset."""
        self._ending = True
        self.transport.abortConnection()

    # --- the rest -------------------------------------------------------------------------------------------------------

    def _end_within(self, seconds: float) -> None:
        self._backlog.stopProducing()
        self.transport.unregisterProducer()
        cancel(self._alarm)
        self._alarm = self.factory.clock.callLater(seconds, self.transport.abortConnection)

    def _release(self, reason: Failure) -> None:
        """Tell the layers above, once."""
        if not self._released:
            self._released = True
            super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def _drain(self, octets: int) -> None:
        self._drained += octets
        if self._drained > self.factory.limits.linger_octets:
            self.transport.abortConnection()

    def _look(self) -> None:
        first = self._handshake.first_bytes
        if unclear(first, dialled=self._handshake.dialled):
            self._in_clear = True
        elif len(first) > 1:
            self._in_clear = False

    def _gather(self) -> None:
        """Wait for enough clear text to name it: a line, 64 octets, or a moment."""
        first = self._handshake.first_bytes
        if len(first) >= FIRST_OCTETS or b"\n" in first.lstrip(b"\r\n"):
            self._end_clear_text()
        elif self._alarm is None:
            self._alarm = self.factory.clock.callLater(self.factory.limits.clear_text_seconds, self._end_clear_text)

    def _end_clear_text(self) -> None:
        self._handshake.failure = clear_text(self._handshake.first_bytes, dialled=self._handshake.dialled)
        self.loseConnection()


class TapFactory(WrappingFactory):
    """Puts a tap and TLS on each TCP connection."""

    noisy = False

    def __init__(
        self,
        tls: ServerConnections | ClientConnections,
        connection_for: Callable[[IAddress | None], Tapped | None],
        limits: TapLimits,
        clock: Clock,
        ciphertext: Ciphertext | None,
    ) -> None:
        """`connection_for` makes what lies on TLS, or None when the peer is turned away."""
        # Twisted's interfaces are zope's, which mypy does not know.
        self._tls = TLSMemoryBIOFactory(cast(Any, tls), isinstance(tls, ClientConnections), cast(Any, Factory()), cast(Any, clock))
        super().__init__(self._tls)  # type: ignore[no-untyped-call]
        self._connection_for = connection_for
        self.limits = limits
        self.clock = clock
        self.ciphertext = ciphertext
        self.sockets = 0
        """TCP connections, those on their way out included."""

    def buildProtocol(self, addr: IAddress | None) -> Tap | None:  # type: ignore[override]
        """Twisted has a TCP connection; None closes it."""
        connection = self._connection_for(addr)
        return None if connection is None else Tap(self, _on_tls(self._tls, connection), connection)


def _on_tls(factory: TLSMemoryBIOFactory, connection: Tapped) -> TLSMemoryBIOProtocol:
    return TLSMemoryBIOProtocol(factory, connection)  # type: ignore[no-untyped-call]
