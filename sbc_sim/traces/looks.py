"""What octets look like at first sight: SIP, TLS, HTTP, or neither."""

from __future__ import annotations

import re
from enum import StrEnum

METHODS = b"INVITE|ACK|BYE|CANCEL|OPTIONS|REGISTER|REFER|NOTIFY|SUBSCRIBE|UPDATE|PRACK|INFO|MESSAGE|PUBLISH"
START_LINE = re.compile(rb"(?:SIP/2\.0 [1-6]\d\d\b|[A-Z][A-Za-z\-]{1,19} {1,4}[^\s]{1,2000} {1,4}SIP/\d)")
"""The beginning of a SIP message at this very place."""
START_LINES = re.compile(
    rb"(?:SIP/2\.0 [1-6]\d\d [^\r\n]{0,200}|(?:" + METHODS + rb") {1,4}[^\s]{1,2000} {1,4}SIP/2\.0)\r?\n[A-Za-z][\w\-]{0,40}[ \t]{0,8}:"
)
"""A start line with a header behind it, anywhere: a body need not end with a line."""
_HTTP = re.compile(rb"[A-Z]{3,10} [^\s]{0,2000} HTTP/\d|HTTP/\d\.\d \d\d\d |PRI \* HTTP/2")
_PARTIAL = re.compile(rb"[A-Za-z/][A-Za-z0-9/.\-]{0,19}(?: {1,4}[^\s]{0,2000}(?: {1,4}[SIP/]{0,4})?)?\Z")
LONGEST_RECORD = 16_384 + 2_048


class Kind(StrEnum):
    """What a stream of octets is."""

    TLS = "tls"
    SIP = "sip"
    OTHER = "other"
    UNDECIDED = ""


def is_tls_record(head: bytes) -> bool:
    """Tell whether octets begin with the header of a TLS record (RFC 8446 section 5.1)."""
    return len(head) >= 5 and 20 <= head[0] <= 24 and head[1] == 3 and head[2] <= 4 and head[3] << 8 | head[4] <= LONGEST_RECORD


def is_sip(head: bytes) -> bool:
    """Tell whether octets begin with a SIP start line, after line ends that are only keep-alives (RFC 3261 section 7.5)."""
    return START_LINE.match(head.lstrip(b"\r\n")[:2100]) is not None


def is_http(head: bytes) -> bool:
    """Tell whether octets begin as HTTP does."""
    return _HTTP.match(head[:2100]) is not None


def kind_of(head: bytes) -> Kind:
    """Judge the first octets of one direction of a stream, at least one, no line end."""
    if is_tls_record(head):
        return Kind.TLS
    if is_sip(head):
        return Kind.SIP
    if len(head) < 5 and 20 <= head[0] <= 24 and head[1:2] in (b"", b"\x03"):
        return Kind.UNDECIDED
    return Kind.UNDECIDED if len(head) < 2100 and _PARTIAL.match(head) is not None else Kind.OTHER
