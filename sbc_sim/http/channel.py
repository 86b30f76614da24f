"""HTTP connections that nobody can hold up: late, endless and unreadable requests get a clean answer and a clean close.

Twisted's channel does the parsing. What is added: a time for the whole request (its own timeout restarts with every octet), a limit on
bodies, answers in problem+json where Twisted closes in silence, and a lingering close, so that the answer arrives although the client
is still sending.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, HTTPFactory, Request, datetimeToString

from sbc_sim.http.clock import Alarm, Clock
from sbc_sim.http.exchange import Reply
from sbc_sim.http.problem import Problem, bad_request

LINGER = 2.0
"""Seconds in which a refused client may finish sending before the connection is cut."""

_COMMON = (("Server", "sbc-sim"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came, before any check."""

    method: str
    target: str
    header: Callable[[str], list[str]]
    body: bytes = field(repr=False)


class Front(Protocol):
    """What answers requests."""

    def answer(self, incoming: Incoming) -> Reply | Deferred[Reply]:
        """Answer, or raise Problem."""


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Bounds on one connection; see SiteOptions."""

    body: int
    connections: int
    request_time: float


class SiteRequest(Request):
    """Collects one request, bounded, and writes its answer."""

    channel: SiteChannel
    content: BinaryIO
    _log = Logger()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.content.tell() + len(data) > self.channel.factory.limits.body:
            self.channel.refuse(body_too_large(self.channel.factory.limits.body))
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Hand the whole request over. Twisted's own reading of forms is left out."""
        self.method, self.uri, self.clientproto = command, path, version
        self.content.seek(0)
        incoming = Incoming(command.decode("latin-1"), path.decode("latin-1"), self._values, self.content.read())
        answer: Deferred[Any] = maybeDeferred(self.channel.factory.front.answer, incoming)
        self.notifyFinish().addErrback(lambda gone: answer.cancel())
        answer.addErrback(self._as_problem).addCallback(self._reply)

    def _values(self, name: str) -> list[str]:
        return [value.decode("latin-1") for value in self.requestHeaders.getRawHeaders(name.encode(), [])]

    def _as_problem(self, failure: Failure) -> Reply | None:
        if isinstance(failure.value, Problem):
            return failure.value.reply(self.uri.partition(b"?")[0].decode("latin-1"))
        if isinstance(failure.value, CancelledError):
            return None
        self._log.failure("HTTP {method} {uri}", failure, method=self.method, uri=self.uri)
        fix = "This is a mistake of ours: please report it with the log of the simulator."
        return Problem(500, "internal-error", "The simulator failed to answer this request.", fix).reply()

    def _reply(self, reply: Reply | None) -> None:
        if reply is None or self._disconnected:
            return
        self.setResponseCode(reply.status)
        for name, value in (*_common(), ("Content-Type", reply.media_type), *reply.headers):
            self.responseHeaders.addRawHeader(name, value)
        self.responseHeaders.setRawHeaders("Content-Length", [str(len(reply.body))])
        self.write(reply.body)
        self.finish()


class SiteChannel(HTTPChannel):
    """One connection."""

    factory: SiteFactory
    requestFactory = SiteRequest
    _refused = False
    _answering = False
    _deadline: Alarm | None = None

    def connectionMade(self) -> None:
        """Count."""
        self.factory.live += 1
        super().connectionMade()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Count, and let no alarm outlive the connection."""
        self.factory.live -= 1
        self._end_deadline()
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        """Start the clock with the first octet of a request; after a refusal only drain."""
        if self._refused:
            return
        if self._deadline is None and not self._answering:
            self._deadline = self.callLater(self.factory.limits.request_time, self._late)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Take a line of the header section, unless the request is refused already."""
        if not self._refused:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """Take octets of a body, unless the request is refused already."""
        if not self._refused:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line without end."""
        self.refuse(Problem(431, "header-too-large", "A line of the request is longer than 16 KiB.", "Shorten the URL or the headers."))

    def allHeadersReceived(self) -> None:
        """Refuse a body that is announced too large before it comes, even for clients that ask first (100-continue)."""
        if self.length is not None and self.length > self.factory.limits.body:
            self.refuse(body_too_large(self.factory.limits.body))
        else:
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """Stop the clock: the request is whole."""
        if self._refused:
            return
        self._end_deadline()
        self._answering = True
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Be ready for the next request."""
        self._answering = False
        super().requestDone(request)

    def refuse(self, problem: Problem) -> None:
        """Answer before the request is whole, then close without losing the answer."""
        if self._refused:
            return
        self._refused = True
        self._end_deadline()
        self.setTimeout(None)
        reply = problem.reply()
        headers = (*_common(), ("Content-Type", reply.media_type), ("Content-Length", str(len(reply.body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*headers, ("Connection", "close")))
        transport: Any = self.transport
        self._networkProducer.unregisterProducer()
        transport.write(f"HTTP/1.1 {reply.status} {problem.code}\r\n{lines}\r\n".encode() + reply.body)
        transport.loseWriteConnection()
        self._deadline = self.callLater(LINGER, transport.abortConnection)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Answer what Twisted's parser cannot read; it calls this by name."""
        self.refuse(
            bad_request("bad-request", "This is not an HTTP/1.1 request that can be read.", "See RFC 9112; is this port the right one?")
        )

    def _late(self) -> None:
        self._deadline = None
        detail = f"The request was not complete after {self.factory.limits.request_time:g} s."
        self.refuse(Problem(408, "request-timeout", detail, "Send it faster, or in one piece."))

    def _end_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None


class SiteFactory(HTTPFactory):
    """Makes a channel for each connection, up to a number."""

    protocol = SiteChannel  # type: ignore[assignment]  # Twisted names its own wrapper here, which adds HTTP/2

    def __init__(self, front: Front, limits: ChannelLimits, idle_time: float, reactor: Clock) -> None:
        """`idle_time`: seconds in which a connection without a request is kept."""
        super().__init__(timeout=idle_time, reactor=cast(Any, reactor))
        self.clock = reactor
        self.front = front
        self.limits = limits
        self.live = 0

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Refuse connections over the limit by closing them."""
        return super().buildProtocol(addr) if self.live < self.limits.connections else None

    def log(self, request: Request) -> None:
        """Write no access log: the service logs what matters."""


def body_too_large(limit: int) -> Problem:
    """Return the 413."""
    return Problem(413, "body-too-large", f"The body is larger than {limit} octets.", "Send less.", limit=limit)


def _common() -> tuple[tuple[str, str], ...]:
    """Headers of every answer. Date (RFC 9110 6.6.1) is of the wall clock: the reactor's own never steps and knows no date."""
    return (*_COMMON, ("Date", str(datetimeToString(time.time()), "ascii")))
