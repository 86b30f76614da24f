"""Messages of the partner rewritten so that they answer to ours instead of the far end's, and what a far end said of its BYE."""

from __future__ import annotations

import re

from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import Reason
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.text import printable

_CRYPTO = re.compile(rb"^a=crypto:([0-9]{1,9})[ \t]+(\S+)", re.MULTILINE)
FAR_END = "far-end"
_OWN_REASONS = (
    ("hung up by the api", "api"),
    ("no srtp for", "media-timeout"),
    ("longest call is", "max-duration"),
    ("no ack", "no-ack"),
    ("no refresh within", "session-expired"),
    ("our refresh was not", "session-expired"),
    ("refresh of the session", "session-expired"),
    ("the refresh was answered", "session-expired"),
    ("the answer to our offer", "refused"),
    ("the simulator is shutting down", "shutdown"),
)
"""How the Reason of our own BYE begins, and the reason that it tells: a trace of a call with the simulator is judged like the call."""


def as_answer_to(response: Response, ours: Request) -> bytes:
    """Write a response to the far end's request as one to ours: with our Via and CSeq."""
    headers = response.headers.replaced("Via", ours.headers.first("Via") or "").replaced("CSeq", ours.headers.first("CSeq") or "")
    return Response(response.status, response.reason, headers, response.body).to_bytes()


def for_our_offer(message: Request | Response, octets: bytes, suites: tuple[str, ...]) -> bytes:
    """Give the crypto line of an answer the tag that its suite has in an offer of ours, which numbers its suites from 1."""
    found = _CRYPTO.search(message.body)
    suite = found[2].decode("ascii", "replace").upper() if found else ""
    if found is None or suite not in suites:
        return octets
    tag = b"%d" % (suites.index(suite) + 1)
    if tag == found[1]:
        return octets
    body = message.body[: found.start(1)] + tag + message.body[found.end(1) :]
    if isinstance(message, Request):
        return Request(message.method, message.uri, message.headers, body).to_bytes()
    start = octets[: len(octets) - len(message.body)]
    return re.sub(rb"(?im)^(Content-Length|l)[ \t]*:[ \t]*[0-9]+", b"Content-Length: %d" % len(body), start) + body


def reason_of(message: Request | Response) -> tuple[str, str]:
    """Read why the far end hung up, from its BYE or from its refusal of a call that rang: the end reason of the journal, and its words.

    Only our own words tell more than `far-end`.
    """
    for value in message.headers.listed("Reason"):
        try:
            text = Reason.parse(value).text or ""
        except MalformedMessage:
            continue
        for begin, reason in _OWN_REASONS:
            if text.lower().startswith(begin):
                return reason, printable(text, 100)
    return FAR_END, "the far end hung up"
