"""What a call tells the journal: evidence and decisions as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sbc_sim.calls.conduct import Conduct
from sbc_sim.calls.outbox import address_of
from sbc_sim.calls.region import Place
from sbc_sim.journal.view import camel
from sbc_sim.rtp.leg import LegDescription, LegReport
from sbc_sim.rules.catalogue import rule
from sbc_sim.rules.explain import finding_data
from sbc_sim.rules.finding import Finding, Status, Verdict
from sbc_sim.sdp.answer import Negotiation
from sbc_sim.sip.headers import user_of_address
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import Peer, TlsFailure
from sbc_sim.sip.uri import host_port, user_of_uri
from sbc_sim.sip.uui import Uui

_NOWHERE = Place()
_NO_HEADERS: Mapping[str, str] = {}


def started(
    invite: Request,
    peer: Peer | None,
    connection: int,
    place: Place = _NOWHERE,
    escalation_of: str = "",
    x_headers: Mapping[str, str] = _NO_HEADERS,
) -> dict[str, Any]:
    """Tell of a new call: CALL_STARTED. `escalation_of`: the call that it gives back, for one that we placed."""
    return {
        "sipCallId": invite.headers.first("Call-ID") or "",
        "direction": "outbound" if escalation_of else "inbound",
        **({"escalationOf": escalation_of} if escalation_of else {}),
        "from": invite.headers.first("From") or "",
        "to": invite.headers.first("To") or "",
        "requestUri": invite.uri,
        "region": place.region.name if place.region else None,
        "partner": place.partner.name if place.partner else None,
        "chosenBy": place.chosen_by,
        "connection": connection,
        "peer": address_of(peer),
        "userAgent": invite.headers.first("User-Agent"),
        "numbers": numbers(invite),
        **({"xHeaders": dict(x_headers)} if x_headers else {}),
    }


def scenario(conduct: Conduct) -> dict[str, Any]:
    """Tell what a call reaches and what is done wrong on purpose: SCENARIO."""
    return {"scenario": conduct.scenario, "why": conduct.why, "faults": [dict(fault) for fault in conduct.faults]}


def numbers(invite: Request) -> dict[str, str | None]:
    """User parts that carry phone numbers, by the header they stand in (requirement 69)."""
    return {
        "requestUri": user_of_uri(invite.uri) or None,
        "from": user_in(invite, "From"),
        "to": user_in(invite, "To"),
        "assertedIdentity": user_in(invite, "P-Asserted-Identity"),
        "diversion": user_in(invite, "Diversion"),
    }


def user_in(invite: Request, name: str) -> str | None:
    """User part of the first address in a header field; None when there is none or it cannot be read."""
    values = invite.headers.listed(name)
    return user_of_address(values[0], name) or None if values else None


def user_to_user(uui: Uui, findings: list[Finding]) -> dict[str, Any]:
    """Tell of the User-to-User header: UUI."""
    jwt = uui.jwt
    return {
        "header": uui.header_name,
        "raw": uui.raw,
        "decoded": uui.text,
        "fields": uui.fields,
        "named": uui.named,
        "parameters": [list(parameter) for parameter in uui.parameters],
        "jwt": None if jwt is None else {"header": jwt.header, "claims": jwt.claims, "masked": jwt.masked, "key": jwt.key},
        "lengths": {"value": uui.value_length, "line": uui.line_length, "decoded": uui.decoded_length},
        "isEcho": uui.is_echo,
        "leadingOctet": uui.leading_octet,
        "problems": [{"fault": p.fault.value, "detail": p.detail, "position": p.position, "within": p.within} for p in uui.problems],
        "findings": [f.rule for f in findings if f.rule.startswith("SBC-UUI-") and f.status in (Status.WARN, Status.FAIL)],
    }


def agreed(leg: LegDescription, negotiation: Negotiation, local: str, change: bool) -> dict[str, Any]:
    """Tell what offer and answer settled: MEDIA_AGREED. No keys."""
    return {
        "codec": leg.codec,
        "payloadType": leg.payload_type,
        "suite": leg.receive_key.suite,
        "tag": negotiation.crypto.tag if negotiation.crypto else None,
        "profile": negotiation.profile,
        "remote": host_port(*leg.remote),
        "local": local,
        "rtcpMux": leg.remote_rtcp is None,
        "dtmfPayloadType": leg.dtmf_payload_type,
        "direction": leg.direction.value,
        "ptime": leg.ptime_ms,
        "offeredCodecs": list(negotiation.offered_codecs),
        "held": negotiation.held,
        "change": change,
    }


def media(report: LegReport, final: bool) -> dict[str, Any]:
    """Tell what the media plane has seen: MEDIA."""
    data = {camel(name): value for name, value in asdict(report).items()}
    data["dtmf"] = [{"digit": e.digit, "at": e.at, "durationMs": e.duration_ms} for e in report.dtmf]
    return {**data, "final": final}


def attempt(number: str, peer: Peer, failure: TlsFailure, findings: list[Finding]) -> dict[str, Any]:
    """Tell of a connection that never became a SIP connection: ATTEMPT."""
    return {
        "id": number,
        "peer": peer_data(peer),
        "problem": failure.problem.value,
        "detail": failure.detail,
        "alert": failure.alert,
        "alertFromPeer": failure.alert_from_peer,
        "version": failure.version,
        "serverName": failure.server_name,
        "clientCertificate": failure.client_certificate,
        "firstBytes": failure.first_bytes.hex(),
        "findings": [finding(f) for f in findings],
    }


def peer_data(peer: Peer) -> dict[str, Any]:
    """Both ends of a connection."""
    return {
        "host": peer.host,
        "port": peer.port,
        "localHost": peer.local_host,
        "localPort": peer.local_port,
        "listener": peer.listener,
        "dialled": peer.dialled,
    }


def tls_data(peer: Peer) -> dict[str, Any] | None:
    """What the handshake showed, None without TLS."""
    tls = peer.tls
    if tls is None:
        return None
    return {
        "version": tls.version,
        "cipher": tls.cipher,
        "serverName": tls.server_name,
        "clientCertificate": tls.client_certificate,
        "certificateRequested": tls.certificate_requested,
    }


def finding(one: Finding) -> dict[str, Any]:
    """One finding with the words of its rule."""
    return finding_data(one, rule(one.rule))


def verdict(judged: Verdict, profile: str, rule_set: str) -> dict[str, Any]:
    """Tell the verdict: VERDICT."""
    return {
        "status": judged.status.value,
        "counts": judged.counts,
        "findings": [finding(f) for f in judged.findings],
        "profile": profile,
        "ruleSet": rule_set,
    }
