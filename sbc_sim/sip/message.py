"""SIP messages as values: a request or a response, its header fields in order, its body, its raw octets (RFC 3261 section 7).

The reader keeps raw octets and offsets so that a finding quotes verbatim, and reads on after a mistake: `read_message` gives what could be
read together with the first mistake, so that even a broken request can be answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.fields import HeaderField as HeaderField
from sbc_sim.sip.fields import Headers as Headers
from sbc_sim.sip.fields import canonical as canonical
from sbc_sim.sip.headers import CSeq, NameAddr, Via
from sbc_sim.sip.text import TOKEN, one_line, printable, split_list
from sbc_sim.sip.uri import Uri

_HEAD_END = re.compile(rb"\n\r?\n")
_VERSION = re.compile(r"SIP/([0-9]+)\.([0-9]+)", re.IGNORECASE)
_STATUS_LINE = re.compile(r"(SIP/[0-9]+\.[0-9]+) ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE)
_METHOD = re.compile(TOKEN)
_BLANK = re.compile(r"\s")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_IN_NAME = re.compile(r"[\x00-\x20\x7f]")
_DIGITS = re.compile(r"[0-9]+")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Request:
    """A SIP request."""

    method: str
    """As written (methods are case-sensitive)."""
    uri: str
    """Request-URI as written."""
    headers: Headers
    body: bytes = b""
    raw: bytes = field(default=b"", repr=False)
    """Octets as received; empty for a request that we made."""
    version: str = "SIP/2.0"

    def to_bytes(self) -> bytes:
        """Octets to send; sets Content-Length (7.4, 20.14)."""
        return _to_bytes(f"{self.method} {self.uri} {self.version}", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """A SIP response."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    raw: bytes = field(default=b"", repr=False)
    version: str = "SIP/2.0"

    def to_bytes(self) -> bytes:
        """Octets to send; sets Content-Length."""
        return _to_bytes(f"{self.version} {self.status} {self.reason}", self.headers, self.body)


Message = Request | Response


def _to_bytes(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line, *(f"{item.name}: {item.value}" for item in headers if canonical(item.name) != "content-length")]
    lines.append(f"Content-Length: {len(body)}")
    # Whatever a peer supplied may sit in a value; a line end in it must never begin a header line of ours.
    return _encoded("\r\n".join(map(one_line, lines))) + b"\r\n\r\n" + body


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # lone surrogates, e.g. out of a JSON text
        return text.encode("utf-8", "replace")


# --- reading ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of a message, and the first thing that was wrong with it."""

    message: Message | None
    """None when the start line is beyond reading."""
    error: MalformedMessage | None
    headers: Headers
    """Also there when the start line is beyond reading."""


def parse_message(data: bytes) -> Message:
    """Parse one complete message (header section and body).

    Raises MalformedMessage only for what cannot be read at all (start line, header lines without a colon, SIP version).
    Missing or contradictory header fields are found by `check_request`. The body is what Content-Length says of the octets behind the
    header section, or all of them when there is no readable Content-Length.
    """
    reading = read_message(data)
    if reading.error is not None:
        raise reading.error
    assert reading.message is not None
    return reading.message


def read_message(data: bytes) -> Reading:
    """Read one complete message as far as it goes; leading line ends are skipped (RFC 3261 section 7.5)."""
    data = data.lstrip(b"\r\n")
    end = _HEAD_END.search(data)
    head, body = (data[: end.end()], data[end.end() :]) if end else (data, b"")
    reading = read_head(head)
    if reading.message is None:
        return reading
    length, _ = frame_length(reading.headers)
    return Reading(with_body(reading.message, body[:length], data), reading.error, reading.headers)


def with_body(message: Message, body: bytes, raw: bytes) -> Message:
    """A message of which only the head was read, completed."""
    if isinstance(message, Request):
        return Request(message.method, message.uri, message.headers, body, raw, message.version)
    return Response(message.status, message.reason, message.headers, body, raw, message.version)


def read_head(head: bytes) -> Reading:
    """Read start line and header fields. Lines end with CRLF or a bare LF."""
    lines = head.split(b"\n")
    first = _decoded(lines[0])
    headers, field_error = read_fields(lines)
    try:
        message = _start(first, headers)
    except MalformedMessage as error:
        return Reading(None, error, headers)
    return Reading(message, _start_error(first, message) or field_error, headers)


def _decoded(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "surrogateescape")


def read_fields(lines: list[bytes]) -> tuple[Headers, MalformedMessage | None]:
    """Header fields of `lines[1:]` up to the empty line; a line that is no header field is left out and is the error."""
    fields: list[HeaderField] = []
    error = None
    for offset, line in _unfolded(lines):
        name, colon, value = _decoded(line).replace("\r", " ").partition(":")
        name = name.rstrip(" \t")
        if colon and name and not _NOT_IN_NAME.search(name):
            fields.append(HeaderField(name, value.strip(" \t"), offset))
        elif error is None:
            why = "has no colon" if not colon else "has no proper name before its colon"
            error = MalformedMessage(Malformation.BAD_HEADER_LINE, f"Header line {why}: {printable(line)}", "header line", offset=offset)
    return Headers(fields), error


def _unfolded(lines: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Logical lines with their offsets: a line that begins with a blank goes on with the one before it (RFC 3261 section 7.3.1)."""
    begin = offset = len(lines[0]) + 1
    parts: list[bytes] = []
    for line in lines[1:]:
        if line in (b"", b"\r"):
            break
        if parts and line[0] in b" \t":
            parts.append(line.strip(b" \t\r"))
        else:
            if parts:
                yield begin, b" ".join(parts)
            parts, begin = [line.removesuffix(b"\r")], offset
        offset += len(line) + 1
    if parts:
        yield begin, b" ".join(parts)


def _start(line: str, headers: Headers) -> Message:
    """The message that the start line announces, however badly written; raises when it cannot be told at all."""
    if line[:4].upper() == "SIP/":
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise _bad_start("a status line is SIP/2.0, three digits and a reason", line)
        return Response(int(match[2]), match[3] or "", headers, version=match[1].upper())
    words = line.split()
    if len(words) < 3 or not _METHOD.fullmatch(words[0]) or not _VERSION.fullmatch(words[-1]):
        raise _bad_start("a request line is METHOD URI SIP/2.0", line)
    uri = line.strip()[len(words[0]) : -len(words[-1])].strip()
    return Request(words[0], uri, headers, version=words[-1].upper())


def _start_error(line: str, message: Message) -> MalformedMessage | None:
    """What is wrong with a start line that could be read."""
    if message.version != "SIP/2.0":
        detail = f"SIP version is not SIP/2.0: {printable(line)}"
        return MalformedMessage(Malformation.BAD_VERSION, detail, "start line", 505, 0)
    if (bad := _CONTROL.search(line if isinstance(message, Request) else line.replace("\t", " "))) is not None:
        return _bad_start(f"control character {printable(bad[0])} at index {bad.start()}", line)
    if isinstance(message, Request) and line != f"{message.method} {message.uri} {line[-7:]}":
        return _bad_start("exactly one blank belongs between method, URI and version, and none behind", line)
    if isinstance(message, Request) and (blank := _BLANK.search(message.uri)) is not None:
        return _bad_start(f"blank inside the Request-URI at its index {blank.start()}", line)
    return None


def _bad_start(why: str, line: str) -> MalformedMessage:
    return MalformedMessage(Malformation.BAD_START_LINE, f"Start line: {why}: {printable(line)}", "start line", offset=0)


# --- checking ---------------------------------------------------------------------------------------------------------------

_WANTED = ("Via", "From", "To", "Call-ID", "CSeq")


def content_length(headers: Headers) -> int | None:
    """Value of Content-Length, None when there is none (RFC 3261 section 20.14).

    Raises CONTENT_LENGTH_DUPLICATE for two fields, even equal ones, and CONTENT_LENGTH_BAD for what is no number.
    """
    fields = headers.fields("Content-Length")
    if len(fields) > 1:
        seen = printable(" and ".join(item.value for item in fields[:4]))
        detail = f"Content-Length is there {len(fields)} times: {seen}"
        raise MalformedMessage(Malformation.CONTENT_LENGTH_DUPLICATE, detail, "Content-Length", offset=fields[1].offset)
    return _length(fields[0]) if fields else None


def frame_length(headers: Headers) -> tuple[int | None, MalformedMessage | None]:
    """How many octets of body follow on a stream, and what is wrong with Content-Length.

    The length is None when it cannot be known: absent, unreadable, or two fields that disagree (RFC 3261 section 18.3).
    """
    try:
        length = content_length(headers)
    except MalformedMessage as error:
        return _agreed_length(headers.fields("Content-Length")), error
    if length is not None:
        return length, None
    detail = "Content-Length is missing: on a stream nothing else tells where a message ends"
    return None, MalformedMessage(Malformation.CONTENT_LENGTH_MISSING, detail, "Content-Length")


def _agreed_length(fields: list[HeaderField]) -> int | None:
    try:
        lengths = {_length(item) for item in fields}
    except MalformedMessage:
        return None
    return lengths.pop() if len(lengths) == 1 else None


def _length(item: HeaderField) -> int:
    digits = item.value.lstrip("0") or "0"
    if not item.value or not _DIGITS.fullmatch(digits) or len(digits) > 15:
        detail = f"Content-Length is no number of octets: {printable(item.value) or 'empty'}"
        raise MalformedMessage(Malformation.CONTENT_LENGTH_BAD, detail, "Content-Length", offset=item.offset)
    return int(digits)


def check_request(request: Request) -> None:
    """Raise MalformedMessage for requirements 17-19: missing, duplicate or unreadable To, From, Call-ID, CSeq, Via; CSeq mismatch or range.

    Also for a Content-Length that is twice there, unreadable, or promises more than the body holds (RFC 3261 sections 8.1.1 and 20.14).
    """
    cseq = _check_common(request)
    if cseq.method != request.method:
        detail = f"CSeq says {printable(cseq.method, 30)}, the start line {printable(request.method, 30)}"
        item = request.headers.fields("CSeq")[0]
        raise MalformedMessage(Malformation.CSEQ_MISMATCH, detail, "CSeq", offset=item.offset)


def check_response(response: Response) -> None:
    """Raise MalformedMessage when a response lacks, doubles or garbles what every response needs (RFC 3261 section 8.2.6.2)."""
    _check_common(response)


def _check_common(message: Message) -> CSeq:
    headers = message.headers
    for name in _WANTED:
        for item in headers.fields(name):
            # Quoted strings may hold them, escaped (RFC 4475 section 3.1.1.2); nothing else of what an answer copies may.
            if (bad := _CONTROL.search(_QUOTED.sub("", item.value.replace("\t", " ")))) is not None:
                detail = f"{name} has the control character {printable(bad[0])}: {printable(item.value)}"
                raise MalformedMessage(Malformation.BAD_HEADER, detail, name, offset=item.offset)
    if missing := [name for name in _WANTED if not any(headers.all(name))]:
        raise MalformedMessage(Malformation.MISSING_HEADER, f"Missing or empty: {', '.join(missing)}", missing[0])
    for name in _WANTED[1:]:
        if len(fields := headers.fields(name)) > 1:
            seen = printable(" and ".join(item.value for item in fields[:4]))
            detail = f"{name} is there {len(fields)} times: {seen}"
            raise MalformedMessage(Malformation.DUPLICATE_HEADER, detail, name, offset=fields[1].offset)
    for item in headers.fields("Via"):
        for value in split_list(item.value):
            _placed(item, Via.parse, value, "Via")
    for name in ("From", "To"):
        item = headers.fields(name)[0]
        _placed(item, NameAddr.parse, item.value, name)
    _check_length(message)
    item = headers.fields("CSeq")[0]
    return _placed(item, CSeq.parse, item.value)


def _check_length(message: Message) -> None:
    length = content_length(message.headers)
    if length is not None and length > len(message.body):
        detail = f"Content-Length is {length}, but only {len(message.body)} octets of body are there"
        raise MalformedMessage(Malformation.CONTENT_LENGTH_BAD, detail, "Content-Length")


def _placed(item: HeaderField, parse: Callable[..., _Value], *arguments: str) -> _Value:
    """Parse a field's value; an error learns the offset of the field."""
    try:
        return parse(*arguments)
    except MalformedMessage as error:
        raise replace(error, offset=item.offset) from None


def request_uri(request: Request, accept_tel: bool = False) -> Uri:
    """The Request-URI, read. Raises BAD_REQUEST_URI: 400 when unreadable, 416 for another scheme than sip or sips (or tel)."""
    try:
        uri = Uri.parse(request.uri, "Request-URI")
    except MalformedMessage as error:
        raise MalformedMessage(Malformation.BAD_REQUEST_URI, error.detail, "start line", offset=0) from None
    if uri.scheme in ("sip", "sips") or (accept_tel and uri.scheme == "tel"):
        return uri
    detail = f"Request-URI scheme {printable(uri.scheme, 30)} is not served here: {printable(request.uri)}"
    raise MalformedMessage(Malformation.BAD_REQUEST_URI, detail, "start line", 416, 0)
