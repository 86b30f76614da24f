"""What a message carries: media type, encoding, parts of a multipart, session description (RFC 3261 7.4, RFC 5621, RFC 2046)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.headers import MediaType
from sbc_sim.sip.message import Headers, Message, read_fields
from sbc_sim.sip.text import printable

SDP = "application/sdp"
_MAX_PARTS = 32
_MAX_DEPTH = 3
_HEAD_END = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One body that is not itself multipart."""

    media_type: str
    """``type/subtype`` in lower case; empty when Content-Type is missing or cannot be read."""
    headers: Headers
    body: bytes


def media_type(headers: Headers) -> MediaType | None:
    """Content-Type, None when there is none. Raises BAD_HEADER when it cannot be read."""
    value = headers.first("Content-Type")
    return None if value is None else MediaType.parse(value)


def content_encoding(headers: Headers) -> str:
    """Content-Encoding in lower case; ``identity`` when there is none (RFC 3261 section 20.12)."""
    return ", ".join(headers.listed("Content-Encoding")).lower() or "identity"


def body_parts(message: Message) -> tuple[BodyPart, ...]:
    """All parts in order, nested ones included; a body that is not multipart is one part, an empty body none.

    Raises BAD_MULTIPART when the parts cannot be told apart (RFC 5621 section 3).
    """
    return tuple(_parts(message.headers, message.body, 0)) if message.body else ()


def sdp_body(message: Message) -> bytes | None:
    """The session description: the body itself or the first application/sdp part of a multipart; None when there is none.

    A body without Content-Type that begins like SDP counts as SDP. Raises BAD_MULTIPART.
    """
    for part in body_parts(message):
        if part.media_type == SDP or (not part.media_type and part.body.startswith(b"v=0")):
            return part.body
    return None


def _parts(headers: Headers, body: bytes, depth: int) -> Iterator[BodyPart]:
    try:
        kind = media_type(headers)
    except MalformedMessage:
        kind = None
    if kind is None or not kind.name.startswith("multipart/"):
        yield BodyPart(kind.name if kind else "", headers, body)
        return
    if depth == _MAX_DEPTH:
        raise _bad(f"multipart bodies nested more than {_MAX_DEPTH} deep")
    for content in _split(body, kind.parameters.get("boundary") or ""):
        part_headers, part_body = _split_head(content)
        yield from _parts(part_headers, part_body, depth + 1)


def _split(body: bytes, boundary: str) -> list[bytes]:
    """The octets between the delimiters; what stands before the first and behind the last is no part (RFC 2046 section 5.1.1)."""
    if not 0 < len(boundary) <= 70:
        raise _bad("Content-Type names no boundary of 1 to 70 characters")
    line = re.escape(b"--" + boundary.encode("utf-8", "surrogateescape"))
    delimiters = list(re.finditer(rb"(?:\A|\r?\n)" + line + rb"(--)?[ \t]*(?=\r?\n|\Z)", body))
    last = next((index for index, match in enumerate(delimiters) if match[1]), None)
    if not delimiters:
        raise _bad(f"the boundary --{printable(boundary)} never comes")
    if last is None:
        raise _bad(f"the closing --{printable(boundary)}-- is missing")
    if not 0 < last <= _MAX_PARTS:
        raise _bad(f"{last} parts; 1 to {_MAX_PARTS} can be read")
    return [body[delimiters[index].end() : delimiters[index + 1].start()] for index in range(last)]


def _split_head(content: bytes) -> tuple[Headers, bytes]:
    """Header fields and body of a part; `content` begins with the line end of its delimiter."""
    end = _HEAD_END.search(content)
    head = content[: end.end()] if end else content
    headers, _ = read_fields(head.split(b"\n"))
    return headers, content[end.end() :] if end else b""


def _bad(detail: str) -> MalformedMessage:
    return MalformedMessage(Malformation.BAD_MULTIPART, f"Multipart body: {detail}", "body")
