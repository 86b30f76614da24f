"""How a request that cannot be taken is answered: one table from its fault to rule and status."""

from __future__ import annotations

from dataclasses import dataclass

from sbc_sim.rules.finding import Refusal, Status
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.inspection import RequestFault

RETRY_AFTER_S = 10
"""Seconds that a refused partner is asked to wait (RFC 3261 section 20.33)."""


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
"""Every fault belongs to exactly one rule (a test walks the enums)."""


def refusal(fault: RequestFault, policy: Policy, headers: tuple[tuple[str, str], ...] = ()) -> Refusal:
    """Build the refusal of a fault: the table's, but where a setting chooses; `headers` are those that its status demands."""
    return Refusal(_status(fault, policy), headers=headers)


def _status(fault: RequestFault, policy: Policy) -> int:
    if fault is RequestFault.REFER:
        return policy.refer
    if fault is RequestFault.METHOD_UNKNOWN:
        return policy.unknown_method
    if fault is RequestFault.OFF_LIST and policy.off_list == "503":
        return 503
    return ANSWERS[fault].status
