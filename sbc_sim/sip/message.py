"""SIP messages as values: a request or a response, its header fields in order, its body, its raw octets.

Skeleton of the contract; see RFC 3261 section 7. The parser keeps raw octets and offsets so that a finding quotes verbatim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One header field as received or to be sent."""

    name: str
    """As written; compare with `canonical`."""
    value: str
    """Unfolded, outer white space stripped. Octets that are not UTF-8 are kept by surrogateescape."""
    offset: int = -1
    """Octet offset of the field in the raw message; -1 when we made it."""


class Headers:
    """Header fields in order; names compare case-insensitively and compact forms count as the long ones (7.3.3)."""

    def __init__(self, fields: Iterable[HeaderField | tuple[str, str]] = ()) -> None:
        raise NotImplementedError

    def first(self, name: str) -> str | None:
        """Value of the first field of that name, or None."""
        raise NotImplementedError

    def all(self, name: str) -> list[str]:
        """Values of all fields of that name in order, not split at commas."""
        raise NotImplementedError

    def listed(self, name: str) -> list[str]:
        """Values of all fields of that name, split at top-level commas (quotes and angle brackets respected) and stripped (7.3.1)."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[HeaderField]:
        raise NotImplementedError

    def __contains__(self, name: object) -> bool:
        raise NotImplementedError


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
        raise NotImplementedError


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
        raise NotImplementedError


type_of_message = Request | Response


def parse_message(data: bytes) -> Request | Response:
    """Parse one complete message (header section and body).

    Raises MalformedMessage only for what cannot be read at all (start line, header lines without a colon, SIP version).
    Missing or contradictory header fields are found by `check_request`.
    """
    raise NotImplementedError


def check_request(request: Request) -> None:
    """Raise MalformedMessage for requirements 17-19: missing, duplicate or unreadable To, From, Call-ID, CSeq, Via; CSeq mismatch or range."""
    raise NotImplementedError
