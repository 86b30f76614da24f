"""Network: where a call came from, and whether there is room for it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from sbc_sim.rules.answers import RETRY_AFTER_S, refusal
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import failed, passed, skipped
from sbc_sim.rules.policy import Policy, SourceList
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
    against = off_list(peer.host, policy)
    if against:
        shown = Quote(host_port(peer.host, peer.port), "source address", None, "TCP")
        return failed("SBC-NET-001", against, shown, refused=refusal(RequestFault.OFF_LIST, policy))
    lists = ", ".join(listed.setting for listed in _lists(policy))
    if not lists:
        return passed("SBC-NET-001", f"Source {peer.host}; no allow-list is set.")
    return passed("SBC-NET-001", f"Source {peer.host} is on the allow-list ({lists}).")


def off_list(host: str, policy: Policy) -> str:
    """Say in one sentence which allow-list does not have a source address; empty when all have it."""
    for listed in _lists(policy):
        if listed.why:
            return f"Source {host} {listed.why}."
        if not _has(listed.networks, host):
            return f"Source {host} is in none of the allowed networks of {listed.setting}: {', '.join(listed.networks) or 'none is set'}."
    return ""


def _lists(policy: Policy) -> tuple[SourceList, ...]:
    common = (SourceList("sip.allow_from", policy.allow_from),) if policy.allow_from else ()
    return (*common, *policy.source_lists)


def _has(networks: tuple[str, ...], host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in ip_network(network, strict=False) for network in networks)


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
