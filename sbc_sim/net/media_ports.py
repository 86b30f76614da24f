"""UDP sockets for media: which ports to take, and reading them with as little as possible between the system and the leg.

Twisted spends several microseconds on each descriptor that has something to read. With an epoll descriptor of their own that
Twisted watches as one, hundreds of media ports cost it one wake-up for whatever has arrived on all of them.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sbc_sim.rtp.endpoint import Endpoint

Address = tuple[str, int]
Receive = Callable[[bytes, Address, float], bytes | None]

LARGEST = 2048
"""Octets read of a datagram; media has at most 1500."""

MOST_PER_TURN = 128
"""Datagrams read before the reactor may do something else: about two milliseconds."""

MEASURE_EVERY = 31
"""One turn in so many asks the system how long its first datagram lay in the socket: asking costs as much as half an echo. A prime, lest
a regular number of calls have the same one measured again and again."""

_SO_TIMESTAMPNS = 35  # both of Linux; Python has no names for them
_SO_RCVBUFFORCE = 33
_TIMESPEC = Struct("@ll")


class Watcher(Protocol):
    """What is needed of a reactor here (IReactorFDSet)."""

    def addReader(self, reader: Any) -> Any:
        """Call `doRead` whenever there is something to read."""

    def removeReader(self, reader: Any) -> Any:
        """Call it no more."""


def parse_ports(text: str) -> tuple[int, int]:
    """Read ``31000-31019``, ``31000`` or ``0`` (any free ports). Raise ValueError with the reason."""
    first, dash, last = text.replace(" ", "").partition("-")
    if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
        raise ValueError(f"media ports {text!r}: a range such as 31000-31019, one port, or 0 for any free ones")
    low, high = int(first), int(last if dash else first)
    if high > 65535 or low > high or (low == 0 and high != 0):
        raise ValueError(f"media ports {text!r}: not a range between 1 and 65535")
    return low, high


def numeric(host: str) -> bool:
    """Tell whether a host is an address: a name would make the system look it up, which blocks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return False
    return True


def bind(host: str, port: int, receive_buffer: int) -> socket.socket:
    """Make a UDP socket; raise OSError when the port is taken."""
    udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        _enlarge(udp, receive_buffer)
        udp.bind((host, port))
    except BaseException:
        udp.close()
        raise
    return udp


def _enlarge(udp: socket.socket, octets: int) -> None:
    """Ask for a receive buffer beyond the system's limit (net.core.rmem_max), which takes a privilege, else for as much as it gives."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, octets)
    except OSError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)


class PortPairs:
    """Even RTP ports with the odd RTCP port above them (RFC 3550 section 11), the ones freed last to be taken last."""

    def __init__(self, host: str, first: int, last: int, receive_buffer: int) -> None:
        """Take ports from `first` to `last`, or any free ones when both are 0."""
        self._host = host
        self._receive_buffer = receive_buffer
        self._any = first == 0
        self._free = deque(range(first + first % 2, last, 2))
        self.limit = None if self._any else len(self._free)
        """Pairs in all; None when only the system sets a limit."""

    def take(self) -> tuple[socket.socket, socket.socket] | None:
        """Bind a pair; None when none is free. A pair of which another program holds a port is passed over for now."""
        for _ in range(64 if self._any else len(self._free)):
            pair = self._bind_any() if self._any else self._bind_next()
            if pair is not None:
                return pair
        return None

    def look(self, most: int = 256) -> int:
        """Count pairs that other programs hold, among the first `most`. Raises OSError, the last one, when no pair at all is to be had."""
        if self._any:
            return 0
        taken, last = 0, OSError()
        for number, port in enumerate(self._free):
            try:
                for one in (port, port + 1):
                    bind(self._host, one, self._receive_buffer).close()
            except OSError as error:
                taken, last = taken + 1, error
            if number >= most and taken <= number:
                break
        if taken == len(self._free):
            raise last
        return taken

    def give_back(self, port: int) -> None:
        """Take note that the pair of this RTP port has been closed."""
        if not self._any:
            self._free.append(port)

    def _bind_next(self) -> tuple[socket.socket, socket.socket] | None:
        port = self._free.popleft()
        pair = self._bind(port)
        if pair is None:
            self._free.append(port)
        return pair

    def _bind(self, port: int) -> tuple[socket.socket, socket.socket] | None:
        try:
            rtp = bind(self._host, port, self._receive_buffer)
        except OSError:
            return None
        return self._beside(rtp, port + 1)

    def _beside(self, udp: socket.socket, port: int) -> tuple[socket.socket, socket.socket] | None:
        """Complete a pair, in the order RTP, RTCP; close what was bound when the other port is not to be had."""
        try:
            other = bind(self._host, port, self._receive_buffer)
        except (OSError, OverflowError):
            udp.close()
            return None
        return (other, udp) if port % 2 == 0 else (udp, other)

    def _bind_any(self) -> tuple[socket.socket, socket.socket] | None:
        try:
            udp = bind(self._host, 0, self._receive_buffer)
        except OSError:
            return None
        port = udp.getsockname()[1]
        return self._beside(udp, port - 1 if port % 2 else port + 1)


@implementer(IReadDescriptor)
class MediaPort:
    """One socket and who takes what arrives on it: `receive(datagram, source, now)` may give an answer for its leg's destination."""

    __slots__ = (
        "_answered",
        "_clock",
        "_nobody",
        "_receive",
        "_recvfrom",
        "_short_source",
        "_socket",
        "_turns",
        "leg",
        "number",
        "sendto",
    )

    _log = Logger()

    def __init__(self, udp: socket.socket, clock: Callable[[], float], nobody: Receive) -> None:
        """Begin with nobody interested: `nobody` takes the datagrams until `attach`."""
        self._socket = udp
        self._clock = clock
        self._nobody = nobody
        self._recvfrom = udp.recvfrom
        self.sendto = udp.sendto
        self.number: int = udp.getsockname()[1]
        self._short_source = udp.family == socket.AF_INET
        self._turns = 0
        self._ask_for_stamps()
        self._answered: deque[Endpoint] = deque(maxlen=1)
        """The leg that `send` was last called for: with many legs behind one port, the only trace of who answered."""
        self.detach()

    def _ask_for_stamps(self) -> None:
        """Have the system note when datagrams arrive: the only way to know how long they lay in the socket."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def attach(self, receive: Receive, leg: Any = None) -> None:
        """Give what arrives to a function, and what it answers to the destination of its leg; without a leg it must answer nothing."""
        self._receive = receive if self._short_source else lambda datagram, source, now: receive(datagram, source[:2], now)
        self.leg = leg

    def detach(self) -> None:
        """Give what arrives to nobody."""
        self.attach(self._nobody)

    def fileno(self) -> int:
        """Give the descriptor, -1 when closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name this in Twisted's log."""
        return "media"

    def doRead(self) -> None:
        """Read what has arrived, up to a limit: the reactor comes back while there is more."""
        now = self._clock()
        arrivals: list[Arrival] = []
        self._turns += 1
        more = self.read_measured(now) if self._turns % MEASURE_EVERY == 1 else self.read(arrivals)
        while more and len(arrivals) < MOST_PER_TURN:
            more = self.read(arrivals)
        pass_on(arrivals, now)

    def read(self, arrivals: list[Arrival]) -> bool:
        """Put one datagram on the list; False when there was none."""
        recvfrom = self._recvfrom  # by way of a local: Python 3.11 calls what a slot holds slowly when it looks like a method
        try:
            datagram, source = recvfrom(LARGEST)
        except OSError as error:
            return self._go_on(error)
        arrivals.append((self, datagram, source))
        return True

    def read_measured(self, now: float) -> bool:
        """Read one datagram and pass it on at once, and tell its leg how long after its arrival the answer went out."""
        try:
            datagram, controls, _, source = self._socket.recvmsg(LARGEST, 64)
        except OSError as error:
            return self._go_on(error)
        self._answered.clear()
        answer = self.take(datagram, source, now)
        if answer is not None:
            self.send(answer, self.leg.destination, self.leg)
        for leg in self._answered:
            leg.sent_after(_age(controls))
        return True

    def take(self, datagram: bytes, source: Address, now: float) -> bytes | None:
        """Let the leg have a datagram and give its answer. A bug of ours must cost one leg, not all, and one log entry in all."""
        receive = self._receive
        try:
            return receive(datagram, source, now)
        except Exception:
            self._log.failure("a media leg failed and is switched off")
            self.detach()
            return None

    def _go_on(self, error: OSError) -> bool:
        """Tell whether to go on reading: after an error that belongs to an earlier datagram, but not when there is none."""
        if isinstance(error, BlockingIOError):
            return False
        return self.fileno() >= 0

    def send(self, datagram: bytes, destination: Address, leg: Endpoint) -> None:
        """Send a datagram; what the system refuses is counted in the leg."""
        self._answered.append(leg)
        try:
            self.sendto(datagram, destination)
        except OSError:
            leg.send_errors += 1

    def connectionLost(self, reason: Failure) -> None:
        """Close; Twisted calls this too when the reactor stops."""
        self.close()

    def close(self) -> None:
        """Close the socket: its port is free at once."""
        self._socket.close()


Arrival = tuple[MediaPort, bytes, Address]


def pass_on(arrivals: list[Arrival], now: float) -> None:
    """Let the legs have what arrived, then send all answers.

    In two rounds, after a first one that read everything: a processor that does one thing many times keeps its caches, and a packet costs
    a tenth less than when each goes the whole way alone.
    """
    answers = []
    for port, datagram, source in arrivals:
        answer = port.take(datagram, source, now)
        if answer is not None:
            answers.append((port.sendto, port.leg, answer))
    for sendto, leg, answer in answers:  # not `port.leg`: a leg that failed on a later datagram has left its port meanwhile
        try:
            sendto(answer, leg.reception.expected_source)
        except OSError:
            leg.send_errors += 1


def _age(controls: list[tuple[int, int, bytes]]) -> float:
    """Give the seconds since the time in a SO_TIMESTAMPNS message; 0 when there is none or the clock was set meanwhile."""
    for level, kind, data in controls:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            age = time.time() - seconds - nanoseconds / 1e9
            return age if 0.0 <= age < 60.0 else 0.0
    return 0.0


@implementer(IReadDescriptor)
class GatheredPorts:
    """All media ports behind one epoll descriptor, which is what the reactor watches."""

    def __init__(self, reactor: Watcher, clock: Callable[[], float]) -> None:
        """Begin with no port."""
        self._reactor = reactor
        self._clock = clock
        self._epoll = select.epoll()
        self._ports: dict[int, MediaPort] = {}
        self._turns = 0
        reactor.addReader(self)

    def add(self, port: MediaPort) -> None:
        """Watch a port."""
        self._ports[port.fileno()] = port
        self._epoll.register(port.fileno(), select.EPOLLIN)

    def remove(self, port: MediaPort) -> None:
        """Watch it no more; to be called before it is closed."""
        if self._ports.pop(port.fileno(), None) is not None:
            self._epoll.unregister(port.fileno())

    def close(self) -> None:
        """Watch nothing any more."""
        if not self._epoll.closed:
            self._reactor.removeReader(self)
            self._epoll.close()

    def fileno(self) -> int:
        """Give the descriptor that is readable when any port is."""
        return self._epoll.fileno()

    def logPrefix(self) -> str:
        """Name this in Twisted's log."""
        return "media"

    def doRead(self) -> None:
        """Read one datagram from each port that has any; the system puts a port that has more at the end of its list.

        They count as arrived now: those at the end of the list did not arrive later, they only waited for the others.
        """
        ready = self._epoll.poll(0, MOST_PER_TURN)
        if not ready:
            return
        ports, now = self._ports, self._clock()
        self._turns += 1
        if self._turns % MEASURE_EVERY == 1:
            # The first one has waited longest. It alone is measured, so the others need not ask for the time.
            ports[ready.pop(0)[0]].read_measured(now)
        arrivals: list[Arrival] = []
        for descriptor, _ in ready:
            ports[descriptor].read(arrivals)
        pass_on(arrivals, now)

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: Twisted calls this when the reactor stops, and the ports are closed by their owner."""


class SinglePorts:
    """Each media port watched by the reactor itself: for systems without epoll, and for the one port of mux mode."""

    def __init__(self, reactor: Watcher) -> None:
        """Begin with no port."""
        self._reactor = reactor

    def add(self, port: MediaPort) -> None:
        """Watch a port."""
        self._reactor.addReader(port)

    def remove(self, port: MediaPort) -> None:
        """Watch it no more."""
        self._reactor.removeReader(port)

    def close(self) -> None:
        """Nothing is left to close."""
