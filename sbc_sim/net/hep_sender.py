"""Sends copies of SIP messages to a Homer server: over UDP, or over a TCP connection that is made again when it is lost.

Nothing here ever waits for the server: what cannot be sent yet stays in a bounded queue, and what does not fit in there is counted.
Copies are made in one thread of their own, some at a time and in their order: to find what must be hidden in a message takes milliseconds,
in one that was made for it far longer, and no call waits for that either.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from errno import EMSGSIZE, ENOBUFS
from functools import partial
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from sbc_sim.exports.hep import HepCopies, TooLarge
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.net.shapes import Alarm, cancel
from sbc_sim.sip.uri import host_port

_log = Logger()
MOST_WAITING = 10_000
"""Packets ..."""
MOST_OCTETS = 32 * 1024 * 1024
"""... and octets that may wait for the server; then the oldest go."""
AT_ONCE = 50
"""Entries that the thread turns into packets before it hands them over."""
BREATH = 0.0001
"""Seconds between two entries, for the reactor to have the interpreter at once and not after one of Python's turns."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between attempts to connect."""
CONNECT_SECONDS = 10.0
QUIET_SECONDS = 10.0
AGAIN_SECONDS = 0.02
"""After the kernel had no room for a datagram."""
COPYING_PATIENCE = 3.0
"""At the end: longest wait for what is still to be copied ..."""
PATIENCE = 1.0
"""... and sent, seconds."""
_Copied = bytes | TooLarge | Failure | None
_HEARD = frozenset({Kind.MESSAGE, Kind.PARSE_ERROR, Kind.CONNECTION_OPENED, Kind.CONNECTION_CLOSED})


class HepSender:
    """Hears the journal and sends: `store.subscribe(sender.hear)`."""

    def __init__(self, reactor: Any, copies: HepCopies, host: str, port: int, transport: str) -> None:
        """`host` is an address, `transport` ``udp`` or ``tcp``."""
        self._reactor = reactor
        self._copies = copies
        self._entries: deque[Entry] = deque()
        self._packets: deque[bytes] = deque()
        self._octets = 0
        self._alarm: Alarm | None = None
        self._pool: ThreadPool | None = None
        self._copying = 0
        self._ended: Deferred[None] | None = None
        self._given_up = False
        self._trouble = ""
        self._target = f"the HEP server {host_port(host, port)} ({transport})"
        self._line: _Datagrams | _Stream = (_Datagrams if transport == "udp" else _Stream)(reactor, host, port, self._flush, self.tell)
        self.counts: dict[str, int] = {"sent": 0, "dropped": 0, "too_large": 0, "failed": 0}
        """Copies by what became of them."""

    @property
    def waiting(self) -> int:
        """Entries and packets that are not sent yet."""
        return len(self._entries) + self._copying + len(self._packets)

    def start(self) -> None:
        """Open the way to the server. Raises OSError when there is none from this machine."""
        self._line.start()

    def hear(self, entry: Entry) -> None:
        """Take an entry of the journal; it is copied later and elsewhere, so that no call waits for it."""
        if entry.kind in _HEARD and self._ended is None:
            self._entries.append(entry)
            if len(self._entries) > MOST_WAITING:
                self._entries.popleft()
                self.counts["dropped"] += 1
            if self._alarm is None and not self._copying:
                self._alarm = self._reactor.callLater(0, self._copy)

    def stop(self) -> Deferred[None]:
        """Copy and send what can be, close; fires when that is done."""
        cancel(self._alarm)
        last = self._reactor.callLater(COPYING_PATIENCE, self._give_up)
        self._ended = Deferred()
        self._ended.addCallback(lambda _: cancel(last))
        self._ended.addCallback(lambda _: self._close())
        if not self._copying:
            self._copy()
        return self._ended

    def _give_up(self) -> None:
        """Let go of what is not copied yet; the thread ends with the process."""
        self._given_up = True
        if self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def _close(self) -> Deferred[None]:
        self._flush()
        self.counts["dropped"] += self.waiting
        self._entries.clear()
        self._packets.clear()
        self._octets = 0
        if self._pool is not None and not self._copying:
            self._pool.stop()
            self._pool = None
        self._copying = 0
        return self._line.stop()

    def tell(self, trouble: str) -> None:
        """Log it when the server cannot be reached, or can be again: once each, not for every packet."""
        if trouble and not self._trouble:
            cure = "check hep.target and hep.transport; calls go on, their copies are kept for a while"
            _log.warn("{target}: {trouble}; {cure}", target=self._target, trouble=trouble, cure=cure)
        elif self._trouble and not trouble:
            _log.info("{target} can be reached again", target=self._target)
        self._trouble = trouble

    def _copy(self) -> None:
        """Let the thread copy the next entries; when none is left, and it is the end, say so."""
        self._alarm = None
        if not self._entries:
            if self._ended is not None:
                self._ended.callback(None)
            return
        entries = [self._entries.popleft() for _ in range(min(AT_ONCE, len(self._entries)))]
        self._copying = len(entries)
        deferToThreadPool(self._reactor, self._thread(), self._copies_of, entries).addCallback(self._take)

    def _thread(self) -> ThreadPool:
        if self._pool is None:
            self._pool = ThreadPool(0, 1, "hep")
            self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
            self._pool.start()
        return self._pool

    def _copies_of(self, entries: Sequence[Entry]) -> list[_Copied]:
        """Turn entries into packets, in the thread; what went wrong with one stands in its place and costs no other."""
        copies: list[_Copied] = []
        for entry in entries:
            if self._given_up:
                break
            try:
                copies.append(self._copies.packet(entry))
            except TooLarge as error:
                copies.append(error)
            except Exception:
                copies.append(Failure())  # type: ignore[no-untyped-call]
            time.sleep(BREATH)
        return copies

    def _take(self, copies: Sequence[_Copied]) -> None:
        """Send what was copied, and go on with what came meanwhile."""
        if self._given_up:
            return
        self._copying = 0
        for copy in copies:
            match copy:
                case bytes():
                    self._put(copy)
                case TooLarge():
                    self._too_large(str(copy))
                case Failure():
                    self.counts["failed"] += 1
                    _log.failure("a message could not be copied", failure=copy)
        self._flush()
        self._copy()

    def _put(self, packet: bytes) -> None:
        self._packets.append(packet)
        self._octets += len(packet)
        while len(self._packets) > MOST_WAITING or self._octets > MOST_OCTETS:
            self._octets -= len(self._packets.popleft())
            self.counts["dropped"] += 1

    def _flush(self) -> None:
        """Send as long as the line takes more."""
        while self._packets and self._line.ready:
            packet = self._packets[0]
            try:
                self.counts["sent" if self._line.send(packet) else "failed"] += 1
            except BlockingIOError:
                return  # the line flushes again when there may be room
            except TooLarge as error:
                self._too_large(str(error))
            self._packets.popleft()
            self._octets -= len(packet)

    def _too_large(self, why: str) -> None:
        self.counts["too_large"] += 1
        if self.counts["too_large"] == 1:
            _log.warn("a SIP message was not copied: {why}", why=why)


class _Datagrams:
    """The way over UDP: a plain socket. Twisted's closes when the server's machine says that nobody listens there."""

    def __init__(self, reactor: Any, host: str, port: int, flush: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._to = host, port
        self._flush = flush
        self._tell = tell
        self._socket: socket.socket | None = None
        self._refused_at: float | None = None
        self._again: Alarm | None = None

    @property
    def ready(self) -> bool:
        """Whether the socket is there, and had room the last time."""
        return self._socket is not None and self._again is None

    def start(self) -> None:
        """Make a socket that is for this server alone: then the kernel tells when nobody listens there."""
        made = socket.socket(socket.AF_INET6 if ":" in self._to[0] else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.connect(self._to)
        except OSError:
            made.close()
            raise
        self._socket = made

    def send(self, packet: bytes) -> bool:
        """Send one packet; False when the kernel would not. Raises TooLarge, and BlockingIOError when there is no room for the moment."""
        assert self._socket is not None
        try:
            try:
                self._socket.send(packet)
            except ConnectionRefusedError:  # the answer to an earlier packet; this one was not sent
                self._refused_at = self._reactor.seconds()
                self._tell("connection refused")
                self._socket.send(packet)
            else:
                self._settle()
        except OSError as error:
            if error.errno == EMSGSIZE:
                raise TooLarge(f"its {len(packet)} octets fit into no UDP datagram; hep.transport: tcp carries it") from None
            if isinstance(error, BlockingIOError) or error.errno == ENOBUFS:  # our own side is full: no word against the server
                self._again = self._reactor.callLater(AGAIN_SECONDS, self._try_again)
                raise BlockingIOError(error.errno, error.strerror) from None
            self._refused_at = self._reactor.seconds()
            self._tell(str(error.strerror or error))
            return False
        return True

    def _try_again(self) -> None:
        self._again = None
        self._flush()

    def _settle(self) -> None:
        """Call it well when no refusal came for a while: one packet that was sent proves nothing."""
        if self._refused_at is not None and self._reactor.seconds() - self._refused_at > QUIET_SECONDS:
            self._refused_at = None
            self._tell("")

    def stop(self) -> Deferred[None]:
        """Close the socket."""
        cancel(self._again)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        return succeed(None)


class _Stream(ClientFactory):
    """The way over TCP: the packets carry their own lengths, so they follow each other without more."""

    noisy = False

    def __init__(self, reactor: Any, host: str, port: int, flush: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._to = host, port
        self._flush = flush
        self._tell = tell
        self._talk: _Talk | None = None
        self._connector: Any = None
        self._pause = FIRST_PAUSE
        self._again: Alarm | None = None
        self._closed: Deferred[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a connection with room for more."""
        return self._talk is not None and not self._talk.full

    def start(self) -> None:
        """Connect."""
        self._connector = self._reactor.connectTCP(*self._to, self, timeout=CONNECT_SECONDS)

    def send(self, packet: bytes) -> bool:
        """Send one packet."""
        assert self._talk is not None
        self._talk.send(packet)
        return True

    def stop(self) -> Deferred[None]:
        """Close when all is sent, or after a second."""
        self._closed = Deferred()
        cancel(self._again)
        if self._talk is None:
            if self._connector is not None:
                self._connector.disconnect()
            return succeed(None)
        last = self._reactor.callLater(PATIENCE, self._talk.abort)
        self._talk.close()
        return self._closed.addCallback(lambda _: cancel(last))

    def buildProtocol(self, addr: Any) -> Protocol:
        """The server accepted."""
        return _Talk(self)

    def made(self, talk: _Talk) -> None:
        """Go on sending."""
        self._talk, self._pause = talk, FIRST_PAUSE
        self._tell("")
        self._flush()

    def emptied(self) -> None:
        """There is room again."""
        self._flush()

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        """Try again after a pause."""
        self._lost(_words(reason))

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        """Try again after a pause."""
        self._talk = None
        self._lost("the connection was lost")

    def _lost(self, trouble: str) -> None:
        if self._closed is not None:
            if not self._closed.called:
                self._closed.callback(None)
            return
        self._tell(trouble)
        self._again = self._reactor.callLater(self._pause, self._connector.connect)
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)


class _Talk(Protocol):
    """One connection. It is a producer for its own transport, which tells it when the buffer is full."""

    transport: Any

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self.full = False

    def connectionMade(self) -> None:
        """Listen for a full buffer, then begin."""
        self.transport.registerProducer(self, True)
        self.transport.setTcpKeepAlive(True)
        self._stream.made(self)

    def send(self, packet: bytes) -> None:
        """Send, sooner or later."""
        self.transport.write(packet)

    def close(self) -> None:
        """Close when all is sent."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close now."""
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Nothing is expected back."""

    def pauseProducing(self) -> None:
        """The buffer is full: the server is slower than we are."""
        self.full = True

    def resumeProducing(self) -> None:
        """There is room again."""
        self.full = False
        self._stream.emptied()

    def stopProducing(self) -> None:
        """The connection is going."""
        self.full = True


def _words(reason: Any) -> str:
    error = reason.value
    return str(getattr(getattr(error, "osError", None), "strerror", None) or error).rstrip(".")
