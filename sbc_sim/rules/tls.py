"""TLS: what the handshake of a call showed, and attempts that never became calls."""

from __future__ import annotations

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import failed
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem

PROBLEMS: dict[TlsProblem, str] = {
    TlsProblem.PLAIN_SIP: "SBC-TLS-001",
    TlsProblem.NOT_TLS: "SBC-TLS-002",
    TlsProblem.CLIENT_CERTIFICATE: "SBC-TLS-003",
    TlsProblem.OLD_VERSION: "SBC-TLS-004",
    TlsProblem.NO_COMMON_CIPHER: "SBC-TLS-005",
    TlsProblem.UNKNOWN_CA: "SBC-TLS-006",
    TlsProblem.BAD_CERTIFICATE: "SBC-TLS-007",
    TlsProblem.UNKNOWN_NAME: "SBC-TLS-008",
    TlsProblem.CLOSED_EARLY: "SBC-TLS-009",
    TlsProblem.HANDSHAKE_TIMEOUT: "SBC-TLS-010",
    TlsProblem.OTHER: "SBC-TLS-011",
    TlsProblem.UNTRUSTED_SERVER: "SBC-TLS-012",
    TlsProblem.SERVER_WANTS_CERTIFICATE: "SBC-TLS-013",
    TlsProblem.OFF_LIST: "SBC-NET-001",
    TlsProblem.TOO_MANY: "SBC-NET-003",
    TlsProblem.UNREACHABLE: "SBC-NET-004",
}
"""Every TLS problem belongs to exactly one rule (a test walks the enum)."""


def judge_attempt(peer: Peer, failure: TlsFailure, policy: Policy) -> list[Finding]:
    """Say what an attempt that never became a SIP connection means and what to do."""
    return [failed(PROBLEMS[failure.problem], failure.detail, Quote(failure.alert or "", "TLS"))]


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge the TLS handshake of a call."""
    return []
