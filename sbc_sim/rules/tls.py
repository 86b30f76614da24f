"""TLS: what the handshake of a call showed, and attempts that never became calls."""

from __future__ import annotations

from ipaddress import ip_address

from sbc_sim.rules.alerts import alert_named
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote, Status
from sbc_sim.rules.network import off_list
from sbc_sim.rules.outcome import failed, found, passed, skipped, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote, quote_octets, sentence
from sbc_sim.sip.peer import Peer, TlsFacts, TlsFailure, TlsProblem

_LINE_ENDS = {9: 32, 10: 32, 13: 32}
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

ALLOWED_VERSIONS = ("TLSv1.2", "TLSv1.3")
_SERVER_RULES = ("SBC-TLS-012", "SBC-TLS-013")
"""What we look at as TLS client only."""
_CLIENT_RULES = ("SBC-TLS-003", "SBC-TLS-006", "SBC-TLS-007", "SBC-TLS-008")
"""What we look at as TLS server only."""
RULES = tuple(f"SBC-TLS-{number:03d}" for number in range(1, 14))


# --- attempts that never became calls ------------------------------------------------------------------------------------------


def judge_attempt(peer: Peer, failure: TlsFailure, policy: Policy) -> list[Finding]:
    """Say what an attempt that never became a SIP connection means and what to do about it."""
    status = Status.WARN if failure.problem is TlsProblem.CLOSED_EARLY else Status.FAIL
    detail = " ".join(filter(None, (sentence(failure.detail), _alert_sentence(failure), _source(peer, failure, policy))))
    return [found(PROBLEMS[failure.problem], status, detail, *_evidence(failure), fix=_advice(failure))]


def _alert_sentence(failure: TlsFailure) -> str:
    if failure.alert is None:
        return ""
    alert = alert_named(failure.alert)
    sender = "the partner" if failure.alert_from_peer else "us"
    known = f" ({alert.code}) from {sender} means: {alert.meaning}." if alert else f" came from {sender}."
    return f"Alert {failure.alert}{known}"


def _source(peer: Peer, failure: TlsFailure, policy: Policy) -> str:
    return off_list(peer.host, policy) if failure.problem is TlsProblem.OFF_LIST else ""


def _advice(failure: TlsFailure) -> str:
    """Advice of the alert when the partner sent it: nearer to the case than the rule's own."""
    alert = alert_named(failure.alert or "")
    return alert.advice if alert and failure.alert_from_peer else ""


def _evidence(failure: TlsFailure) -> tuple[Quote | None, ...]:
    return (
        quote(failure.alert, "TLS alert", "TLS") if failure.alert else None,
        quote(failure.client_certificate, "client certificate", "TLS") if failure.client_certificate else None,
        quote(failure.server_name, "SNI", "TLS") if failure.server_name else None,
        quote(failure.version, "TLS version", "TLS") if failure.version else None,
        _first_octets(failure.first_bytes) if failure.first_bytes else None,
    )


def _first_octets(octets: bytes) -> Quote:
    """Quote what came first: clear text as text, anything else (a TLS record) in hex."""
    if octets.isascii() and octets.decode("ascii").translate(_LINE_ENDS).isprintable():
        return quote_octets(octets, "first octets", "TLS")
    return quote(octets.hex(" "), "first octets", "TLS")


# --- the handshake of a call ---------------------------------------------------------------------------------------------------


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge the TLS handshake of the connection on which the call came, or which we opened for it."""
    peer = evidence.peer
    if peer is None or peer.tls is None:
        return [skipped(rule, "Nothing is known about a TLS handshake.") for rule in RULES]
    tls = peer.tls
    done = f"The handshake was completed: {tls.version}, {tls.cipher}."
    findings = {rule: passed(rule, done) for rule in RULES}
    findings["SBC-TLS-004"] = _version(tls)
    if peer.dialled:
        findings |= {rule: skipped(rule, "We opened this connection.") for rule in _CLIENT_RULES}
        findings |= {"SBC-TLS-012": _server_certificate(tls), "SBC-TLS-013": _certificate_demand(tls)}
    else:
        findings |= {rule: skipped(rule, "The partner opened this connection.") for rule in _SERVER_RULES}
        findings |= {"SBC-TLS-003": _client_certificate(tls), "SBC-TLS-008": _server_name(tls)}
    return list(findings.values())


def _version(tls: TlsFacts) -> Finding:
    if tls.version in ALLOWED_VERSIONS:
        return passed("SBC-TLS-004", f"{tls.version} with {tls.cipher}.")
    return failed("SBC-TLS-004", f"{tls.version} was negotiated.", quote(tls.version, "TLS version", "TLS"))


def _client_certificate(tls: TlsFacts) -> Finding:
    if tls.client_certificate is None:
        return passed("SBC-TLS-003", "No client certificate was presented.")
    detail = f"The partner presented a client certificate: {tls.client_certificate}."
    return failed("SBC-TLS-003", detail, quote(tls.client_certificate, "client certificate", "TLS"))


def _server_name(tls: TlsFacts) -> Finding:
    name = tls.server_name
    if not name:
        return passed("SBC-TLS-008", "No SNI was sent.")
    if _is_address(name):
        detail = f"SNI is the address {name}; it must be a host name (RFC 6066)."
        return warned("SBC-TLS-008", detail, quote(name, "SNI", "TLS", 0))
    return passed("SBC-TLS-008", f"SNI is {name}.")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _server_certificate(tls: TlsFacts) -> Finding:
    return passed("SBC-TLS-012", f"The partner's certificate was verified: {tls.peer_certificate or 'subject not recorded'}.")


def _certificate_demand(tls: TlsFacts) -> Finding:
    if tls.certificate_requested:
        detail = "The partner's server asked for a client certificate; none was sent, and the handshake went on."
        return warned("SBC-TLS-013", detail, quote("CertificateRequest", "TLS", "TLS"))
    return passed("SBC-TLS-013", "The partner's server asked for no client certificate.")
