"""The two ways in which things go wrong: the peer's fault and ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class InvalidInput(ValueError):
    """We misused a room: a bug on our side, never caught in the core."""


class Malformation(StrEnum):
    """What is wrong with a message, as a stable word that rules map to their ids."""

    NO_START_LINE = "no-start-line"
    BAD_START_LINE = "bad-start-line"
    BAD_VERSION = "bad-version"
    BAD_HEADER_LINE = "bad-header-line"
    MISSING_HEADER = "missing-header"
    DUPLICATE_HEADER = "duplicate-header"
    BAD_HEADER = "bad-header"
    CSEQ_MISMATCH = "cseq-mismatch"
    CSEQ_RANGE = "cseq-range"
    CONTENT_LENGTH_MISSING = "content-length-missing"
    CONTENT_LENGTH_BAD = "content-length-bad"
    CONTENT_LENGTH_DUPLICATE = "content-length-duplicate"
    HEADERS_TOO_LARGE = "headers-too-large"
    BODY_TOO_LARGE = "body-too-large"
    URI_TOO_LONG = "uri-too-long"
    BAD_REQUEST_URI = "bad-request-uri"
    BAD_MULTIPART = "bad-multipart"


@dataclass(unsafe_hash=True)
class MalformedMessage(Exception):
    """The peer's fault. Caught once, answered where an answer can be built, journalled.

    A value in spirit; not frozen, because Python itself sets the traceback of an exception on its way through a context manager.
    """

    malformation: Malformation
    detail: str
    """One sentence that quotes the offending text (control characters escaped, at most 80 characters of it)."""
    where: str
    """Header name, ``start line``, ``header line``, ``header section`` or ``body``."""
    status: int = 400
    """Status for the answer (RFC 3261 section 21.4)."""
    offset: int | None = None
    """Octet offset in the raw message, when known."""

    def __str__(self) -> str:
        """Return the sentence."""
        return self.detail
