"""How a judge says what it found: one function per status, and the refusals with their reason phrases."""

from __future__ import annotations

from sbc_sim.rules.finding import Finding, Quote, Refusal, Status

REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    469: "Bad Info Package",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    513: "Message Too Large",
    603: "Decline",
}
"""Reason phrases of every status with which a rule refuses (RFC 3261 section 21, RFC 4028 section 6, RFC 6086 section 10)."""


def refusal(status: int, warn_code: int = 399, headers: tuple[tuple[str, str], ...] = ()) -> Refusal:
    """Build a refusal; `headers` are those that the status demands (Allow, Accept, Min-SE ...)."""
    return Refusal(status, REASONS[status], warn_code, headers)


def found(rule: str, status: Status, detail: str, *evidence: Quote | None, fix: str = "", refused: Refusal | None = None) -> Finding:
    """Build a finding; quotes that could not be made (None) are left out."""
    return Finding(rule, status, detail, tuple(quote for quote in evidence if quote is not None), fix, refused)


def passed(rule: str, detail: str, *evidence: Quote | None) -> Finding:
    """Say that the rule holds; `detail` names what was seen."""
    return found(rule, Status.PASS, detail, *evidence)


def warned(rule: str, detail: str, *evidence: Quote | None, fix: str = "") -> Finding:
    """Say that the rule is broken in a way that the call survives."""
    return found(rule, Status.WARN, detail, *evidence, fix=fix)


def failed(rule: str, detail: str, *evidence: Quote | None, fix: str = "", refused: Refusal | None = None) -> Finding:
    """Say that the rule is broken; with `refused` the request is answered so."""
    return found(rule, Status.FAIL, detail, *evidence, fix=fix, refused=refused)


def skipped(rule: str, why: str) -> Finding:
    """Say that the call never reached the point where the rule applies."""
    return found(rule, Status.SKIP, why)


def undecided(rule: str, why: str) -> Finding:
    """Say that what was seen is not enough to decide."""
    return found(rule, Status.UNKNOWN, why)
