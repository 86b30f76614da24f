"""Writing responses: what is copied from the request and what is added (RFC 3261 8.2.6, 18.2.1, 12.1.1; RFC 3581)."""

from __future__ import annotations

import re

from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import NameAddr, Via, add_tag
from sbc_sim.sip.message import HeaderField, Headers, Request, Response
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.text import split_list

PRODUCT = "sbc-sim"
PRODUCT_OF_RETURNS = f"{PRODUCT} (call back)"
"""User-Agent of an INVITE by which a call is given back: a trace tells by it who called (a comment, RFC 3261 section 25.1)."""

REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    469: "Bad Info Package",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    603: "Decline",
}
"""Reason phrases of section 21 and of the extensions used here."""


def reason_phrase(status: int) -> str:
    """Return the phrase for a status, a plain word for one that is not listed."""
    return REASONS.get(status, "Response")


def build_response(
    request: Request,
    peer: Peer | None,
    status: int,
    to_tag: str | None,
    extra: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    reason: str = "",
) -> Response:
    """Answer a request: Via (received and rport filled), From, To with our tag, Call-ID and CSeq are copied as they came (8.2.6.2)."""
    fields = _via_fields(request, peer)
    fields += _copied(request, "From")[:1]
    to = request.headers.first("To")
    if to is not None:
        fields.append(("To", to if to_tag is None or has_tag(to) else add_tag(to, to_tag)))
    fields += _copied(request, "Call-ID")[:1] + _copied(request, "CSeq")[:1]
    if status == 100:
        fields += _copied(request, "Timestamp")[:1]
    fields += [*extra, ("Server", PRODUCT)]
    return Response(status, reason or reason_phrase(status), Headers(fields), body)


def has_tag(value: str) -> bool:
    """Tell whether a From or To value has a tag parameter; a value that cannot be read counts as having none."""
    try:
        return NameAddr.parse(value, "To").tag is not None
    except MalformedMessage:
        return re.search(r";\s*tag\s*=", value, re.IGNORECASE) is not None


def _copied(request: Request, name: str) -> list[HeaderField | tuple[str, str]]:
    return [(name, value) for value in request.headers.all(name)]


def _via_fields(request: Request, peer: Peer | None) -> list[HeaderField | tuple[str, str]]:
    values = request.headers.all("Via")
    if values and peer is not None:
        first = split_list(values[0])
        if first:
            values = [", ".join([_seen_from(first[0], peer), *first[1:]]), *values[1:]]
    return [("Via", value) for value in values]


def _seen_from(via: str, peer: Peer) -> str:
    """Add received and fill rport in the top Via (18.2.1, RFC 3581 section 4); all else stays as it came."""
    try:
        parsed = Via.parse(via)
    except MalformedMessage:
        return via
    wants_port = parsed.rport is not None
    if wants_port:
        via = re.sub(r";\s*rport\s*(=[^;,\s]*)?", f";rport={peer.port}", via, count=1, flags=re.IGNORECASE)
    if wants_port or parsed.host.lower() != peer.host.lower():
        via = re.sub(r";\s*received\s*=[^;,\s]*", "", via, flags=re.IGNORECASE)
        via = f"{via};received={peer.host}"
    return via
