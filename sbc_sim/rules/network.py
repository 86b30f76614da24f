"""Network: where a call came from, and whether there is room for it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from sbc_sim.rules.answers import RETRY_AFTER_S, refusal
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import failed, passed, skipped
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.inspection import RequestFault
from sbc_sim.sip.uri import host_port


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge source address and room."""
    return [judge_source(evidence, policy), _room(evidence, policy), _connections(evidence), _reached(evidence)]


def judge_source(evidence: Evidence, policy: Policy) -> Finding:
    """Judge whether the peer may send requests at all (SBC-NET-001)."""
    peer = evidence.peer
    if peer is None:
        return skipped("SBC-NET-001", "Nothing is known about the source address.")
    if not _allowed(peer.host, policy.allow_from):
        detail = f"Source {peer.host} is in none of the allowed networks: {', '.join(policy.allow_from) or 'none is set'}."
        shown = Quote(host_port(peer.host, peer.port), "source address", None, "TCP")
        return failed("SBC-NET-001", detail, shown, refused=refusal(RequestFault.OFF_LIST, policy))
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


def _room(evidence: Evidence, policy: Policy) -> Finding:
    if evidence.overloaded:
        wait = (("Retry-After", str(RETRY_AFTER_S)),)
        return failed("SBC-NET-002", f"No room: {evidence.overloaded}.", refused=refusal(RequestFault.OVERLOADED, policy, wait))
    return passed("SBC-NET-002", "There was room for the call.")


def _connections(evidence: Evidence) -> Finding:
    if evidence.peer is None:
        return skipped("SBC-NET-003", "Nothing is known about the connection.")
    return passed("SBC-NET-003", "The connection was within the limit.")


def _reached(evidence: Evidence) -> Finding:
    if evidence.peer is not None and evidence.peer.dialled:
        return passed("SBC-NET-004", f"{host_port(evidence.peer.host, evidence.peer.port)} accepted our connection.")
    return skipped("SBC-NET-004", "We opened no connection for this call.")
