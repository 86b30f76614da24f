"""Requests: faults that a user agent server refuses, malformed messages, and the request line of an INVITE.

The order of checks is that of RFC 3261 section 8.2; what the user agent finds by itself comes here through `request_finding`,
so that one table says which rule and which status belong to a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote, Status
from sbc_sim.rules.outcome import failed, found, passed, refusal, skipped, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote, quote_header, quote_start_line
from sbc_sim.sip.errors import MalformedMessage, Malformation
from sbc_sim.sip.message import Request


class RequestFault(StrEnum):
    """Why a request is refused before, or apart from, what it carries."""

    OFF_LIST = "off-list"
    OVERLOADED = "overloaded"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    METHOD_UNKNOWN = "method-unknown"
    REFER = "refer"
    URI_SCHEME = "uri-scheme"
    NOT_SERVED = "not-served"
    MAX_FORWARDS = "max-forwards"
    MERGED = "merged"
    EXTENSION = "extension"
    CONTENT_TYPE = "content-type"
    CONTENT_ENCODING = "content-encoding"
    NO_DIALOG = "no-dialog"
    NO_TRANSACTION = "no-transaction"
    """CANCEL without an INVITE that it could end."""
    OLD_CSEQ = "old-cseq"
    PENDING_OWN = "pending-own"
    """Our own re-INVITE or UPDATE waits for its answer: glare."""
    PENDING_PEER = "pending-peer"
    """The peer sends an offer while its former one is unanswered."""
    INFO_PACKAGE = "info-package"
    RACK = "rack"
    SESSION_INTERVAL = "session-interval"
    EXPIRED = "expired"
    """The INVITE's Expires ran out before the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Which rule a fault breaks, how it is answered, and how bad it is."""

    rule: str
    status: int
    verdict: Status = Status.FAIL


ANSWERS: dict[RequestFault, Answer] = {
    RequestFault.OFF_LIST: Answer("SBC-NET-001", 403),
    RequestFault.OVERLOADED: Answer("SBC-NET-002", 503),
    RequestFault.URI_SCHEME: Answer("SBC-SIP-020", 416),
    RequestFault.NOT_SERVED: Answer("SBC-SIP-021", 404),
    RequestFault.METHOD_NOT_ALLOWED: Answer("SBC-SIP-022", 405),
    RequestFault.METHOD_UNKNOWN: Answer("SBC-SIP-023", 501),
    RequestFault.REFER: Answer("SBC-SIP-024", 405),
    RequestFault.EXTENSION: Answer("SBC-SIP-025", 420),
    RequestFault.CONTENT_TYPE: Answer("SBC-SIP-026", 415),
    RequestFault.CONTENT_ENCODING: Answer("SBC-SIP-027", 415),
    RequestFault.MERGED: Answer("SBC-SIP-028", 482),
    RequestFault.MAX_FORWARDS: Answer("SBC-SIP-029", 483),
    RequestFault.SESSION_INTERVAL: Answer("SBC-SIP-030", 422),
    RequestFault.INFO_PACKAGE: Answer("SBC-SIP-031", 469),
    RequestFault.RACK: Answer("SBC-SIP-032", 481),
    RequestFault.EXPIRED: Answer("SBC-SIP-033", 487, Status.WARN),
    RequestFault.NO_DIALOG: Answer("SBC-DLG-003", 481),
    RequestFault.OLD_CSEQ: Answer("SBC-DLG-004", 500),
    RequestFault.PENDING_PEER: Answer("SBC-DLG-005", 500),
    RequestFault.PENDING_OWN: Answer("SBC-DLG-006", 491, Status.WARN),
    RequestFault.NO_TRANSACTION: Answer("SBC-DLG-007", 481, Status.WARN),
}
"""Every request fault belongs to exactly one rule (a test walks the enum)."""

MALFORMED: dict[Malformation, str] = {
    Malformation.NO_START_LINE: "SBC-SIP-001",
    Malformation.BAD_START_LINE: "SBC-SIP-001",
    Malformation.BAD_VERSION: "SBC-SIP-002",
    Malformation.BAD_HEADER_LINE: "SBC-SIP-003",
    Malformation.MISSING_HEADER: "SBC-SIP-004",
    Malformation.DUPLICATE_HEADER: "SBC-SIP-005",
    Malformation.BAD_HEADER: "SBC-SIP-006",
    Malformation.CSEQ_MISMATCH: "SBC-SIP-007",
    Malformation.CSEQ_RANGE: "SBC-SIP-008",
    Malformation.CONTENT_LENGTH_MISSING: "SBC-SIP-009",
    Malformation.CONTENT_LENGTH_BAD: "SBC-SIP-010",
    Malformation.CONTENT_LENGTH_DUPLICATE: "SBC-SIP-011",
    Malformation.HEADERS_TOO_LARGE: "SBC-SIP-012",
    Malformation.BODY_TOO_LARGE: "SBC-SIP-013",
    Malformation.URI_TOO_LONG: "SBC-SIP-014",
    Malformation.BAD_REQUEST_URI: "SBC-SIP-015",
    Malformation.BAD_MULTIPART: "SBC-SIP-016",
}
"""Every malformation belongs to exactly one rule (a test walks the enum)."""


def _status(fault: RequestFault, policy: Policy) -> int:
    """Status for a fault: the table's, but where a setting chooses."""
    if fault is RequestFault.REFER:
        return policy.refer
    if fault is RequestFault.METHOD_UNKNOWN:
        return policy.unknown_method
    if fault is RequestFault.OFF_LIST and policy.off_list == "503":
        return 503
    return ANSWERS[fault].status


def request_finding(
    fault: RequestFault, detail: str, policy: Policy, headers: tuple[tuple[str, str], ...] = (), quote: Quote | None = None
) -> Finding:
    """Make the finding, with its refusal, of a fault that the user agent detected.

    `headers` are those that the status demands (Allow with 405, Unsupported with 420, Min-SE with 422 ...).
    """
    answer = ANSWERS[fault]
    return found(answer.rule, answer.verdict, detail, quote, refused=refusal(_status(fault, policy), 399, headers))


def judge_malformed(error: MalformedMessage) -> Finding:
    """Make the finding, with its refusal, of a message that could not be read."""
    rule = MALFORMED[error.malformation]
    shown = Quote(error.detail, error.where, None, "")
    return failed(rule, error.detail, shown, refused=refusal(error.status))
