"""Network: where a call came from, and whether there is room for it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import failed, passed, refusal, skipped
from sbc_sim.rules.policy import Policy

RETRY_AFTER_S = 10
"""Seconds that a refused caller is asked to wait (RFC 3261 section 20.33)."""


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge source address and room."""
    return [_source(evidence, policy), _room(evidence), _connections(evidence), _reached(evidence)]


def _source(evidence: Evidence, policy: Policy) -> Finding:
    peer = evidence.peer
    if peer is None:
        return skipped("SBC-NET-001", "Nothing is known about the source address.")
    if not evidence.allow_list or not _allowed(peer.host, policy.allow_from):
        detail = f"Source {peer.host} is in none of the allowed networks: {', '.join(policy.allow_from) or 'none is set'}."
        shown = Quote(f"{peer.host}:{peer.port}", "source address", None, "TCP")
        return failed("SBC-NET-001", detail, shown, refused=refusal(503 if policy.off_list == "503" else 403))
    if not policy.allow_from:
        return passed("SBC-NET-001", f"Source {peer.host}; no allow-list is set.")
    return passed("SBC-NET-001", f"Source {peer.host} is on the allow-list.")


def _allowed(host: str, networks: tuple[str, ...]) -> bool:
    """Tell whether an address is in one of the networks; without networks every address is."""
    try:
        address = ip_address(host)
    except ValueError:
        return not networks
    return not networks or any(address in ip_network(network, strict=False) for network in networks)


def _room(evidence: Evidence) -> Finding:
    if evidence.overloaded:
        wait = (("Retry-After", str(RETRY_AFTER_S)),)
        return failed("SBC-NET-002", f"No room: {evidence.overloaded}.", refused=refusal(503, 399, wait))
    return passed("SBC-NET-002", "There was room for the call.")


def _connections(evidence: Evidence) -> Finding:
    if evidence.peer is None:
        return skipped("SBC-NET-003", "Nothing is known about the connection.")
    return passed("SBC-NET-003", "The connection was within the limit.")


def _reached(evidence: Evidence) -> Finding:
    if evidence.peer is not None and evidence.peer.dialled:
        return passed("SBC-NET-004", f"{evidence.peer.host}:{evidence.peer.port} accepted our connection.")
    return skipped("SBC-NET-004", "We opened no connection for this call.")
