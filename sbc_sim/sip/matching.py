"""Which transaction or dialog a request belongs to (RFC 3261 17.2.3, 8.2.2.2, 12.2.2), and the ACK that a refusal gets (17.1.1.3)."""

from __future__ import annotations

from sbc_sim.sip.dialog import DialogId
from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.headers import CSeq, NameAddr, Via
from sbc_sim.sip.message import Headers, Request, Response

Key = tuple[str, ...]


def check_contact(request: Request) -> None:
    """An INVITE must say where its requests are to go (8.1.1.8); what stands there, or in an UPDATE, must be readable, Record-Route too."""
    contacts = request.headers.listed("Contact")
    if not contacts and request.method == "INVITE":
        raise MalformedMessage(Malformation.MISSING_HEADER, "INVITE has no Contact: requests within the dialog have no target", "Contact")
    for name in ("Contact", "Record-Route"):
        for value in request.headers.listed(name):
            NameAddr.parse(value, name)


def server_key(request: Request) -> Key:
    """Match by branch, sent-by and method, ACK to INVITE; older peers by the rule for RFC 2543 (17.2.3)."""
    method = "INVITE" if request.method == "ACK" else request.method
    vias = request.headers.listed("Via")
    if not vias:
        raise MalformedMessage(Malformation.MISSING_HEADER, "Via holds no value", "Via")
    top = vias[0]
    via = Via.parse(top)
    branch = via.branch or ""
    if branch.startswith("z9hG4bK") and len(branch) > 7:
        return (branch, via.host.lower(), str(via.port or ""), method)
    number = CSeq.parse(request.headers.first("CSeq") or "").number
    sender = NameAddr.parse(request.headers.first("From") or "", "From").tag or ""
    return (request.uri, request.headers.first("Call-ID") or "", sender, str(number), top, method)


def merge_key(request: Request) -> Key:
    """Call-ID, From tag and CSeq: what two merged requests have in common (8.2.2.2)."""
    sender = NameAddr.parse(request.headers.first("From") or "", "From").tag or ""
    return (request.headers.first("Call-ID") or "", sender, request.headers.first("CSeq") or "")


def dialog_id(request: Request) -> DialogId:
    """Name the dialog that a request of the peer belongs to: Call-ID, our tag (To), its tag (From)."""
    own = NameAddr.parse(request.headers.first("To") or "", "To").tag or ""
    other = NameAddr.parse(request.headers.first("From") or "", "From").tag or ""
    return (request.headers.first("Call-ID") or "", own, other)


def ack_of_refusal(invite: Request, response: Response) -> Request:
    """ACK for a 300-699: same Via, Request-URI and Route as the INVITE, To of the response (17.1.1.3)."""
    own = invite.headers
    number = CSeq.parse(own.first("CSeq") or "").number
    fields = [("Via", own.first("Via") or ""), ("Max-Forwards", "70"), ("From", own.first("From") or "")]
    fields += [("To", response.headers.first("To") or own.first("To") or ""), ("Call-ID", own.first("Call-ID") or "")]
    fields += [("CSeq", f"{number} ACK"), *(("Route", value) for value in own.all("Route"))]
    return Request("ACK", invite.uri, Headers(fields))
