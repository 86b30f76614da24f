"""HTTP connections that nobody can hold up: late, endless and unreadable requests get a clean answer and a clean close.

Twisted's channel does the parsing. What is added: a time for the whole request (its own timeout restarts with every octet), a limit on
bodies, answers in problem+json where Twisted closes in silence, and a lingering close, so that the answer arrives although the client
is still sending.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress, INegotiated, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import NO_BODY_CODES, HTTPChannel, HTTPFactory, Request, datetimeToString
from zope.interface import implementer

from sbc_sim.http.clock import Alarm, Clock
from sbc_sim.http.exchange import Line, Reply, StreamReply
from sbc_sim.http.problem import Problem, bad_request

LINGER = 2.0
"""Seconds in which a refused client may finish sending before the connection is cut."""

MOST_UPLOADS = 4
"""Bodies above the common limit that may come in at the same time."""

_SINGLE = frozenset({"Cache-Control", "Content-Type"})
"""Headers of which a route's own replaces the common one."""
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

    def answer(self, incoming: Incoming) -> Reply | StreamReply | Deferred[Reply]:
        """Answer, or raise Problem."""

    def most_octets(self, method: str, target: str, header: Callable[[str], list[str]]) -> int:
        """Tell how long the body of a request may be, when its header section is there. Raises Problem to refuse it at once."""


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Bounds on one connection; see SiteOptions."""

    body: int
    connections: int
    request_time: float
    upload_time: float = 120.0
    """Seconds in which a body above the common limit must have come."""


class SiteRequest(Request):
    """Collects one request, bounded, and writes its answer."""

    channel: SiteChannel
    content: BinaryIO
    _log = Logger()

    def gotLength(self, length: int | None) -> None:
        """Collect the body in memory, for it is bounded: Twisted's own file would need a place to write to, and waits for the disk."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        size = self.content.tell() + len(data)
        if size > self.channel.most_octets:
            self.channel.refuse(self.channel.too_large())
        elif size <= self.channel.factory.limits.body or self.channel.claim_upload():
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Hand the whole request over. Twisted's own reading of forms is left out."""
        self.method, self.uri, self.clientproto = command, path, version
        self.content.seek(0)
        incoming = Incoming(command.decode("latin-1"), path.decode("latin-1"), self.values, self.content.read())
        answer: Deferred[Any] = maybeDeferred(self.channel.factory.front.answer, incoming)
        self.notifyFinish().addErrback(lambda gone: answer.cancel())
        answer.addErrback(self._as_problem).addCallback(self._reply)

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value.decode("latin-1") for value in self.requestHeaders.getRawHeaders(name.encode(), [])]

    def _as_problem(self, failure: Failure) -> Reply | None:
        if isinstance(failure.value, Problem):
            return failure.value.reply(self.uri.partition(b"?")[0].decode("latin-1"))
        if isinstance(failure.value, CancelledError):
            return None
        self._log.failure("HTTP {method} {uri}", failure, method=self.method, uri=self.uri)
        fix = "This is a mistake of ours: please report it with the log of the simulator."
        return Problem(500, "internal-error", "The simulator failed to answer this request.", fix).reply()

    def _reply(self, reply: Reply | StreamReply | None) -> None:
        if reply is None or self._disconnected:
            return
        if isinstance(reply, Reply) and reply.cut:
            transport: Any = self.channel.transport
            transport.abortConnection()
            return
        for name, value in (*_common(), ("Content-Type", reply.media_type), *reply.headers):
            if name in _SINGLE:
                self.responseHeaders.setRawHeaders(name, [value])
            else:
                self.responseHeaders.addRawHeader(name, value)
        if isinstance(reply, StreamReply):
            StreamLine(self, reply.begin)
        else:
            self._whole(reply)

    def _whole(self, reply: Reply) -> None:
        self.setResponseCode(reply.status)
        if reply.status not in NO_BODY_CODES:
            self.responseHeaders.setRawHeaders("Content-Length", [str(len(reply.body))])
        self.write(reply.body)
        self.finish()


@implementer(IPushProducer)
class StreamLine:
    """A `Line`: the answer to one request, written as long as somebody reads it."""

    def __init__(self, request: SiteRequest, begin: Callable[[Line], Callable[[], None]]) -> None:
        """Send the header section and begin."""
        self._request = request
        self._lines = request.channel.factory.lines
        self._held: list[bytes] = []
        self._paused = False
        self._over = False
        self.waiting = 0
        request.write(b"")
        if request.method == b"HEAD":
            request.finish()
            return
        request.registerProducer(self, True)
        self._lines.add(self)
        self._gone = begin(self)
        request.notifyFinish().addBoth(self._ended)

    def write(self, data: bytes) -> None:
        """Send octets, or hold them while the client does not read."""
        if self._over:
            return
        if self._paused:
            self._held.append(data)
            self.waiting += len(data)
        else:
            self._request.write(data)

    def finish(self) -> None:
        """End the answer in good order; what a client has not read by now, it never will."""
        if not self._over:
            self._over = True
            self._request.unregisterProducer()
            self._request.finish()

    def abort(self) -> None:
        """Cut the connection."""
        if not self._over:
            self._over = True
            self._held.clear()
            transport: Any = self._request.channel.transport
            transport.abortConnection()

    def _ended(self, result: object) -> None:
        self._over = True
        self._held.clear()
        self._lines.discard(self)
        self._gone()

    def pauseProducing(self) -> None:
        """Hold what comes: the transport has enough to send."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Send what was held."""
        self._paused = False
        held, self._held, self.waiting = b"".join(self._held), [], 0
        if held:
            self.write(held)

    def stopProducing(self) -> None:
        """Nothing: the connection is gone, and `_ended` hears of it."""


class SiteChannel(HTTPChannel):
    """One connection."""

    factory: SiteFactory
    requestFactory = SiteRequest
    most_octets = 0
    """How long the body of the request may be that comes in now."""
    _refused = False
    _answering = False
    _uploading = False
    _deadline: Alarm | None = None

    def connectionMade(self) -> None:
        """Count."""
        self.factory.live[self] = None
        super().connectionMade()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Count, and let no alarm outlive the connection."""
        self.factory.forget(self)
        self._end_upload()
        self._end_deadline()
        super().connectionLost(reason)

    @property
    def spare(self) -> int:
        """How little is lost when this connection is closed: 2 when no request is under way, 1 when one has not come as a whole, else 0."""
        if self._answering:
            return 0
        return 2 if self._deadline is None else 1

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
        request = self.requests[-1]
        target, method = cast(bytes, self._path).decode("latin-1"), self._command.decode("latin-1")
        try:
            self.most_octets = self.factory.front.most_octets(method, target, request.values)
        except Problem as problem:
            self.refuse(problem)
            return
        if self.length is not None and self.length > self.most_octets:
            self.refuse(self.too_large())
        elif self.length is None or self.length <= self.factory.limits.body or self.claim_upload():
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """Stop the clock: the request is whole."""
        if self._refused:
            return
        self._end_deadline()
        self._end_upload()
        self._answering = True
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Be ready for the next request."""
        self._answering = False
        self.factory.rested(self)
        super().requestDone(request)

    def too_large(self) -> Problem:
        """Return the 413, with the cure that there is for traces."""
        long = self.most_octets > self.factory.limits.body
        return body_too_large(self.most_octets, "Cut the trace to the call, or raise http.upload_bytes." if long else "Send less.")

    def claim_upload(self) -> bool:
        """Claim one of the places for long bodies, or refuse the request."""
        if not self._uploading and self.factory.uploads >= MOST_UPLOADS:
            detail = f"{MOST_UPLOADS} long bodies are coming in already."
            self.refuse(Problem(503, "too-many-uploads", detail, "Ask again in a moment.", (("Retry-After", "5"),)))
            return False
        if not self._uploading:
            self._uploading = True
            self.factory.uploads += 1
            if self._deadline is not None:  # a long body may take its time
                self._end_deadline()
                self._deadline = self.callLater(self.factory.limits.upload_time, self._late)
        return True

    def refuse(self, problem: Problem) -> None:
        """Answer before the request is whole, then close without losing the answer."""
        if self._refused:
            return
        self._refused = True
        self._end_deadline()
        self.setTimeout(None)
        reply = problem.reply()
        headers = (*_common(), ("Content-Type", reply.media_type), ("Content-Length", str(len(reply.body))), *reply.headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*headers, ("Connection", "close")))
        transport: Any = self.transport
        self._networkProducer.unregisterProducer()
        transport.write(f"HTTP/1.1 {reply.status} {problem.code}\r\n{lines}\r\n".encode() + reply.body)
        if INegotiated.providedBy(transport):  # TLS: no half-close, and closing now would lose the answer: the client closes, being told to
            self._deadline = self.callLater(LINGER, self._close_late)
        else:
            transport.loseWriteConnection()
            self._deadline = self.callLater(LINGER, transport.abortConnection)

    def _close_late(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()
        self._deadline = self.callLater(LINGER, transport.abortConnection)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Answer what Twisted's parser cannot read; it calls this by name."""
        self.refuse(
            bad_request("bad-request", "This is not an HTTP/1.1 request that can be read.", "See RFC 9112; is this port the right one?")
        )

    def _late(self) -> None:
        self._deadline = None
        after = self.factory.limits.upload_time if self._uploading else self.factory.limits.request_time
        self.refuse(Problem(408, "request-timeout", f"The request was not complete after {after:g} s.", "Send it faster, or in one piece."))

    def _end_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _end_upload(self) -> None:
        if self._uploading:
            self._uploading = False
            self.factory.uploads -= 1


class SiteFactory(HTTPFactory):
    """Makes a channel for each connection, up to a number; whoever does nothing makes room for whoever comes."""

    protocol = SiteChannel  # type: ignore[assignment]  # Twisted names its own wrapper here, which adds HTTP/2

    def __init__(
        self, front: Front, limits: ChannelLimits, idle_time: float, reactor: Clock, at_end: tuple[Callable[[], None], ...] = ()
    ) -> None:
        """`idle_time`: seconds in which a connection without a request is kept; `at_end` is called when listening ends."""
        super().__init__(timeout=idle_time, reactor=cast(Any, reactor))
        self.clock = reactor
        self.front = front
        self.limits = limits
        self.live: OrderedDict[SiteChannel, None] = OrderedDict()
        """Connections, those first whose last answer is longest ago."""
        self.closing: set[SiteChannel] = set()
        """Connections that were told to go, to make room."""
        self.lines: set[StreamLine] = set()
        self.uploads = 0
        self._at_end = at_end

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Over the limit, close what lies idle, or a request that trickles in; when there is none, refuse by closing."""
        if len(self.live) - len(self.closing) < self.limits.connections or self._make_room():
            return super().buildProtocol(addr)
        return None

    def forget(self, channel: SiteChannel) -> None:
        """Know nothing more of a connection that is gone."""
        self.live.pop(channel, None)
        self.closing.discard(channel)

    def rested(self, channel: SiteChannel) -> None:
        """Note that a connection has given an answer just now."""
        if channel in self.live:
            self.live.move_to_end(channel)

    def _make_room(self) -> bool:
        spare = max((one for one in self.live if one not in self.closing), key=lambda one: one.spare, default=None)
        if spare is None or not spare.spare:
            return False
        self.closing.add(spare)
        transport: Any = spare.transport
        transport.abortConnection()
        return True

    def stopFactory(self) -> None:
        """End answers that would go on for ever."""
        for end in self._at_end:
            end()
        for line in tuple(self.lines):
            line.finish()

    def log(self, request: Request) -> None:
        """Write no access log: the service logs what matters."""


def body_too_large(limit: int, fix: str) -> Problem:
    """Return the 413."""
    return Problem(413, "body-too-large", f"The body is larger than {limit} octets.", fix, limit=limit)


def _common() -> tuple[tuple[str, str], ...]:
    """Headers of every answer. Date (RFC 9110 6.6.1) is of the wall clock: the reactor's own never steps and knows no date."""
    return (*_COMMON, ("Date", str(datetimeToString(time.time()), "ascii")))
