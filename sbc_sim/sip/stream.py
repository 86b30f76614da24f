"""Whole messages out of the pieces that a TLS connection delivers (RFC 3261 sections 7.5 and 18.3, RFC 5626 section 4.4.1).

Invariant: the same octets give the same events, fed whole or one at a time. Every octet is looked at a bounded number of times, and never
more is kept than the limits allow plus what was fed last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.message import Message, Request, Response, frame_length, read_head, with_body
from sbc_sim.sip.text import TOKEN, printable

_RAW_LIMIT = 4096
_METHOD_LIMIT = 128
_LINE_END = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\n\r?\n")
_METHOD = re.compile(TOKEN.encode("ascii"))


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Octets; what is larger is refused (requirements 14 and 21)."""

    headers: int = 65536
    """Start line and header fields together: 513 beyond it."""
    body: int = 65536
    """413 beyond it."""
    uri: int = 2048
    """414 beyond it."""


class KeepAlive(Enum):
    """What a connection says to show that it lives."""

    PING = "ping"
    """CRLF CRLF between messages: answer with one CRLF within 10 s (RFC 5626 section 4.4.1)."""


@dataclass(frozen=True, slots=True)
class StreamError:
    """A message that is broken, as far as it could be read."""

    error: MalformedMessage
    request: Request | None
    """What could be read of a request, so that it can be answered; None for a response or garbage."""
    raw: bytes = field(repr=False)
    """The octets concerned, at most the first 4 KiB."""
    fatal: bool
    """The frame end is unknown: answer if possible, then close. The stream gives no events any more."""
    whole: bytes = field(default=b"", repr=False)
    """All octets that led to this: fed again to a new stream they lead to it again."""


StreamEvent = Request | Response | KeepAlive | StreamError


@dataclass(frozen=True, slots=True)
class _Head:
    """A header section that is complete, and where its body ends."""

    octets: bytes
    message: Message | None
    error: MalformedMessage | None
    length: int


class MessageStream:
    """Framing on Content-Length."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self._limits = limits or StreamLimits()
        self._buffer = bytearray()
        self._crlf = 0  # CRLFs in a row between messages
        self._broken = False
        self._begin()

    def _begin(self) -> None:
        """Be ready for the next start line."""
        self._scanned = 0  # octets already searched for the end of the header section
        self._method_checked = self._line_checked = False
        self._head: _Head | None = None

    @property
    def pending(self) -> int:
        """Octets waiting for the rest of their message."""
        return len(self._buffer)

    @property
    def broken(self) -> bool:
        """A fatal error was reported: nothing more will come."""
        return self._broken

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Take octets as they come; return what is complete, in order."""
        if self._broken:
            return []
        self._buffer += data
        events: list[StreamEvent] = []
        while (event := self._next()) is not None:
            events.append(event)
        return events

    def _next(self) -> StreamEvent | None:
        if self._broken:
            return None
        if self._head is None:
            if not self._scanned and self._skip_line_ends():
                return KeepAlive.PING
            if not self._buffer or self._buffer == b"\r":
                return None
            found = self._first_line_error() or self._find_head()
            if not isinstance(found, _Head):
                return found
            self._head = found
        return self._complete(self._head)

    def _skip_line_ends(self) -> bool:
        """Drop line ends before a start line; True for a ping."""
        start, buffer = 0, self._buffer
        while self._crlf < 2 and (match := _LINE_END.match(buffer, start)):
            crlf = match.end() - start == 2
            self._crlf = self._crlf + 1 if crlf else 0
            start = match.end()
        del buffer[:start]
        ping = self._crlf == 2
        if ping or (buffer and buffer != b"\r"):
            self._crlf = 0
        return ping

    # --- the header section ---

    def _first_line_error(self) -> StreamError | None:
        """Tell at once what cannot become SIP: another protocol, binary, or a stream that lost its frame."""
        if self._line_checked:
            return None
        if not self._method_checked:
            match = _METHOD.match(self._buffer, 0, _METHOD_LIMIT + 1)
            end = match.end() if match else 0
            if end > _METHOD_LIMIT:
                return self._garbage(end, f"no method has more than {_METHOD_LIMIT} octets")
            if end < len(self._buffer):
                if not _may_follow(bytes(self._buffer[: end + 1])):
                    return self._garbage(end + 1, _what_begins(self._buffer[end], end))
                self._method_checked = True
        end = self._buffer.find(b"\n", self._scanned, self._limits.headers)
        if end < 0:
            return None
        self._line_checked = True
        known = b"SIP/" in self._buffer[:end].upper()
        return None if known else self._garbage(end + 1, "the first line names no SIP version")

    def _garbage(self, size: int, why: str) -> StreamError:
        seen = bytes(self._buffer[:size])
        detail = f"Not SIP, {why}: {printable(seen)}"
        return self._fail(MalformedMessage(Malformation.NO_START_LINE, detail, "start line", offset=0), None, seen)

    def _find_head(self) -> _Head | StreamError | None:
        """Look for the end of the header section; None when more octets are needed."""
        buffer, limit = self._buffer, self._limits.headers
        match = _HEAD_END.search(buffer, max(0, self._scanned - 2))
        self._scanned = len(buffer)
        size = match.end() if match else len(buffer)
        if size > limit:
            detail = f"Header section is longer than {limit} octets"
            error = MalformedMessage(Malformation.HEADERS_TOO_LARGE, detail, "header section", 513, limit)
            return self._fail(error, read_head(bytes(buffer[: buffer.rfind(b"\n", 0, limit) + 1])).message, bytes(buffer[: limit + 1]))
        return self._frame(bytes(buffer[:size])) if match else None

    def _frame(self, octets: bytes) -> _Head | StreamError:
        """Read the header section and learn where the body ends."""
        reading = read_head(octets)
        length, error = frame_length(reading.headers)
        if length is None:
            assert error is not None
            return self._fail(error, reading.message, octets)
        if length > (limit := self._limits.body):
            detail = f"Content-Length {length} is above the limit of {limit} octets"
            error = MalformedMessage(Malformation.BODY_TOO_LARGE, detail, "Content-Length", 413)
            return self._fail(error, reading.message, octets)
        return _Head(octets, reading.message, reading.error or error or self._uri_error(reading.message), length)

    def _uri_error(self, message: Message | None) -> MalformedMessage | None:
        if not isinstance(message, Request) or len(message.uri) <= self._limits.uri:
            return None
        detail = f"Request-URI has {len(message.uri)} characters, the limit is {self._limits.uri}: {printable(message.uri)}"
        return MalformedMessage(Malformation.URI_TOO_LONG, detail, "start line", 414, 0)

    def _fail(self, error: MalformedMessage, message: Message | None, raw: bytes) -> StreamError:
        """Give up the stream: where the next message begins cannot be known."""
        self._broken = True
        self._buffer.clear()
        return _stream_error(error, message, raw, fatal=True)

    # --- the body ---

    def _complete(self, head: _Head) -> StreamEvent | None:
        size = len(head.octets) + head.length
        if len(self._buffer) < size:
            return None
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._begin()
        message = head.message and with_body(head.message, raw[len(head.octets) :], raw)
        if head.error is None and message is not None:
            return message
        assert head.error is not None
        return _stream_error(head.error, message, raw, fatal=False)


def _stream_error(error: MalformedMessage, message: Message | None, raw: bytes, fatal: bool) -> StreamError:
    return StreamError(error, message if isinstance(message, Request) else None, raw[:_RAW_LIMIT], fatal, raw)


def _may_follow(start: bytes) -> bool:
    """May a first line begin so? `start` ends with the first octet that no method can hold."""
    word, octet = start[:-1], start[-1:]
    return bool(word) and (octet in (b" ", b"\t", b"\r", b"\n") or (octet == b"/" and word.upper() == b"SIP"))


def _what_begins(octet: int, place: int) -> str:
    if place == 0 and octet == 0x16:
        return "a TLS record inside TLS"
    if place == 0 and octet in (0x20, 0x09):
        return "a line that begins with a blank"
    return f"the octet 0x{octet:02x} at index {place} cannot be in a method"
