"""The checks of RFC 3261 section 8.2 that need nothing but the request: method, extensions, body type and encoding.

An obstacle is a fact. Which rule it breaks and how it is answered stands in the rules room.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sbc_sim.sip.body import SDP, body_parts, content_encoding, sdp_body
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.message import Headers, Request
from sbc_sim.sip.text import Parameters, printable


class RequestFault(StrEnum):
    """Why a well-formed request cannot be taken."""

    METHOD_NOT_ALLOWED = "method-not-allowed"
    METHOD_UNKNOWN = "method-unknown"
    REFER = "refer"
    EXTENSION = "extension"
    CONTENT_TYPE = "content-type"
    CONTENT_ENCODING = "content-encoding"
    MERGED = "merged"
    NO_DIALOG = "no-dialog"
    NO_TRANSACTION = "no-transaction"
    """CANCEL without an INVITE that it could cancel (9.2)."""
    OLD_CSEQ = "old-cseq"
    PENDING_OWN = "pending-own"
    """Our re-INVITE is pending (14.2: 491)."""
    PENDING_PEER = "pending-peer"
    """The peer's earlier INVITE is pending (14.2: 500)."""
    INFO_PACKAGE = "info-package"
    RACK = "rack"
    MAX_FORWARDS = "max-forwards"
    SESSION_INTERVAL = "session-interval"
    OVERLOADED = "overloaded"
    # Found where the call and the settings are known, not here:
    OFF_LIST = "off-list"
    URI_SCHEME = "uri-scheme"
    NOT_SERVED = "not-served"
    EXPIRED = "expired"
    """The INVITE's Expires ran out before the answer (13.3.1)."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason against a request, with what its answer must list."""

    fault: RequestFault
    detail: str
    """One sentence with the values seen."""
    header: str = "start line"
    """Where it stands."""
    listed: tuple[str, ...] = ()
    """Unsupported option tags, for the Unsupported header."""


ALLOWED = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "PRACK", "UPDATE")
"""Methods of the published profile (requirements 40, 50)."""
KNOWN = (*ALLOWED, "REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REGISTER")
"""Methods that we have heard of (requirements 22, 140)."""
SUPPORTED = ("timer", "100rel")
"""Option tags that we understand."""


def inspect(request: Request, supported: tuple[str, ...] = SUPPORTED) -> Obstacle | None:
    """Return the first obstacle in the order of section 8.2, None when there is none."""
    return _method(request) or _extensions(request, supported) or _body(request)


def _method(request: Request) -> Obstacle | None:
    method = request.method
    if method in ALLOWED:
        return None
    if method == "REFER":
        return Obstacle(RequestFault.REFER, "REFER is not supported by the Salesforce SBC")
    if method in KNOWN:
        return Obstacle(RequestFault.METHOD_NOT_ALLOWED, f"{method} is not allowed here")
    return Obstacle(RequestFault.METHOD_UNKNOWN, f"method {printable(method, 40)} is unknown (methods are case-sensitive)")


def _extensions(request: Request, supported: tuple[str, ...]) -> Obstacle | None:
    if request.method in ("CANCEL", "ACK"):
        return None
    unknown = tuple(tag for tag in request.headers.listed("Require") if tag.lower() not in supported)
    if not unknown:
        return None
    names = printable(", ".join(unknown), 120)
    return Obstacle(RequestFault.EXTENSION, f"Require lists {names}, which is not supported here", "Require", unknown)


def _body(request: Request) -> Obstacle | None:
    if request.method not in ("INVITE", "UPDATE", "PRACK") or not request.body:
        return None
    encoding = content_encoding(request.headers)
    if encoding != "identity":
        return Obstacle(RequestFault.CONTENT_ENCODING, f"Content-Encoding is {printable(encoding, 40)}", "Content-Encoding")
    try:
        parts = body_parts(request)
    except MalformedMessage:
        return None  # whoever takes the body answers that
    foreign = [part for part in parts if part.media_type != SDP and not _may_be_left_out(part.headers)]
    if not foreign or (foreign[0].media_type == "" and sdp_body(request) is not None):
        return None
    kind = foreign[0].headers.first("Content-Type")
    what = "a part of the body" if len(parts) > 1 or kind is None or foreign[0].headers is not request.headers else "the body"
    seen = f"{what} has no Content-Type" if kind is None else f"Content-Type is {printable(kind, 60)}"
    return Obstacle(RequestFault.CONTENT_TYPE, f"{seen}; a session description is application/sdp", "Content-Type")


def _may_be_left_out(headers: Headers) -> bool:
    """Content-Disposition with handling=optional: who does not know the type goes on without it (20.11, RFC 5621 section 5)."""
    _, _, parameters = (headers.first("Content-Disposition") or "").partition(";")
    try:
        return (Parameters.parse(parameters, "Content-Disposition").get("handling") or "").lower() == "optional"
    except MalformedMessage:
        return False
