"""Why a connection never became a SIP connection: alerts, OpenSSL's reasons and first octets become one `TlsFailure`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from twisted.internet import error as network

from sbc_sim.net.tls_contexts import FIRST_OCTETS, Handshake
from sbc_sim.sip.peer import TlsFailure, TlsProblem
from sbc_sim.traces.tls_alerts import ALERTS

_UNKNOWN_CA = 48
_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2"}
_SIP_START = re.compile(rb"(?:[A-Z][\w.!%*+`'~-]* +(?:sips?|tel):|SIP/\d\.\d )", re.IGNORECASE)
_SIP_METHOD = re.compile(rb"(?:INVITE|OPTIONS|REGISTER|ACK|BYE|CANCEL|MESSAGE|SUBSCRIBE|NOTIFY|PUBLISH|INFO|UPDATE|PRACK|REFER) ")
_HTTP_START = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|PATCH|CONNECT|OPTIONS|TRACE) +[/*h]")
_PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n"


@dataclass(frozen=True, slots=True)
class _Meaning:
    problem: TlsProblem
    text: str


_FROM_CLIENT = {
    "unknown_ca": _Meaning(TlsProblem.UNKNOWN_CA, "the peer does not trust the CA of our certificate: import the CA there"),
    "bad_certificate": _Meaning(
        TlsProblem.BAD_CERTIFICATE,
        "the peer refuses our certificate; some stacks also say this when they lack the CA, others when the name differs",
    ),
    "unsupported_certificate": _Meaning(TlsProblem.BAD_CERTIFICATE, "the peer cannot use a certificate of this kind"),
    "certificate_revoked": _Meaning(TlsProblem.BAD_CERTIFICATE, "the peer holds our certificate for revoked"),
    "certificate_expired": _Meaning(TlsProblem.BAD_CERTIFICATE, "the peer holds our certificate for expired: compare the clocks"),
    "certificate_unknown": _Meaning(
        TlsProblem.BAD_CERTIFICATE, "the peer refuses our certificate without saying why; Java says this when it lacks the CA"
    ),
    "protocol_version": _Meaning(TlsProblem.OLD_VERSION, "the peer refuses the TLS version that we chose"),
    "insufficient_security": _Meaning(TlsProblem.NO_COMMON_CIPHER, "the peer wants stronger ciphers than those both sides have"),
    "handshake_failure": _Meaning(TlsProblem.NO_COMMON_CIPHER, "the peer found no acceptable set of ciphers and parameters"),
}
"""Alerts that a TLS client sends to us."""

_TO_CLIENT = {
    "protocol_version": _Meaning(TlsProblem.OLD_VERSION, "the peer offers no TLS version that is allowed here"),
    "handshake_failure": _Meaning(TlsProblem.NO_COMMON_CIPHER, "the peer offers no cipher or parameters that can be used here"),
    "insufficient_security": _Meaning(TlsProblem.NO_COMMON_CIPHER, "the peer offers too weak ciphers or parameters only"),
}
"""Alerts that we send to a TLS client."""

_FROM_SERVER = {
    "protocol_version": _Meaning(TlsProblem.OLD_VERSION, "the server accepts no TLS version that we offer"),
    "handshake_failure": _Meaning(TlsProblem.NO_COMMON_CIPHER, "the server found no acceptable set of ciphers and parameters"),
    "insufficient_security": _Meaning(TlsProblem.NO_COMMON_CIPHER, "the server wants other ciphers than those that we offer"),
    "unrecognized_name": _Meaning(TlsProblem.UNKNOWN_NAME, "the server does not serve the name that we sent by SNI"),
    "certificate_required": _Meaning(
        TlsProblem.SERVER_WANTS_CERTIFICATE, "the server insists on a client certificate, and none is ever presented"
    ),
}
"""Alerts that a TLS server sends to us."""

_TO_SERVER = {
    "protocol_version": _Meaning(TlsProblem.OLD_VERSION, "the server chose a TLS version that is not allowed here"),
    "handshake_failure": _Meaning(TlsProblem.NO_COMMON_CIPHER, "the server chose parameters that cannot be used here"),
}
"""Alerts that we send to a TLS server."""


def alert_name(alert: int) -> str:
    """Name an alert as RFC 8446 spells it."""
    return ALERTS.get(alert, f"alert_{alert}")


def unclear(octets: bytes, *, dialled: bool) -> bool:
    """Tell whether the first octets of a peer are no TLS record: a handshake (22), or as a server also an alert (21)."""
    return octets[0] not in ((0x15, 0x16) if dialled else (0x16,)) or (len(octets) > 1 and octets[1] != 3)


def clear_text(octets: bytes, *, dialled: bool = False) -> TlsFailure:
    """Say what a peer sent instead of TLS."""
    first = octets[:FIRST_OCTETS]
    who = "the server answered" if dialled else "the peer sent"
    if not dialled and len(first) > 2 and first[0] & 0x80 and first[2] == 1:
        return TlsFailure(TlsProblem.OLD_VERSION, "the peer sent a hello of SSL 2.0", version="SSLv2", first_bytes=first)
    if _is_sip(first):
        return TlsFailure(TlsProblem.PLAIN_SIP, f"{who} SIP in clear text on the TLS port: set the transport to TLS", first_bytes=first)
    return TlsFailure(TlsProblem.NOT_TLS, f"{who} {_other(first)}, which is not TLS", first_bytes=first)


def failure_of(handshake: Handshake, reason: BaseException) -> TlsFailure:
    """Judge a handshake that ended with `reason`: an OpenSSL error, or how the TCP connection went down."""
    known = handshake.failure or (_as_client(handshake, reason) if handshake.dialled else _as_server(handshake, reason))
    return replace(
        known,
        alert=known.alert or (None if handshake.alert is None else alert_name(handshake.alert)),
        alert_from_peer=handshake.alert_from_peer,
        version=known.version or (_offered_version(handshake.first_bytes) if known.problem is TlsProblem.OLD_VERSION else None),
        server_name=handshake.server_name,
        client_certificate=None if handshake.dialled else handshake.client_certificate,
        first_bytes=handshake.first_bytes,
    )


def end_of(handshake: Handshake, reason: BaseException) -> str:
    """Say in a few words how a connection ended that had been a SIP connection."""
    if handshake.alert is not None:
        return f"TLS alert {alert_name(handshake.alert)} {'from the peer' if handshake.alert_from_peer else 'sent to the peer'}"
    if handshake.close_notify:
        return "closed by the peer"
    return _tcp_text(handshake.tcp_end or reason, "closed by the peer without TLS close_notify")


def unreachable(reason: BaseException) -> TlsFailure:
    """Say why no TCP connection came about."""
    match reason:
        case network.DNSLookupError():
            text = "the host name has no address"
        case network.ConnectionRefusedError():
            text = "nothing listens on that port"
        case network.TimeoutError() | network.TCPTimedOutError():
            text = "no answer to the TCP connection attempt: a firewall, or a wrong address"
        case network.NoRouteError():
            text = "there is no route to that address"
        case _:
            text = str(reason) or type(reason).__name__
    timed_out = isinstance(reason, network.TimeoutError | network.TCPTimedOutError)
    return TlsFailure(TlsProblem.UNREACHABLE, text, timed_out=timed_out)


# --- as TLS server ------------------------------------------------------------------------------------------------------


def _as_server(handshake: Handshake, reason: BaseException) -> TlsFailure:
    if handshake.client_certificate and handshake.alert == _UNKNOWN_CA and not handshake.alert_from_peer:
        return TlsFailure(
            TlsProblem.CLIENT_CERTIFICATE,
            f"the peer presented the client certificate {handshake.client_certificate}: mutual TLS is not supported, switch it off there",
        )
    if handshake.alert is None:
        return _without_alert(handshake, reason)
    meanings = _FROM_CLIENT if handshake.alert_from_peer else _TO_CLIENT
    return _meant(handshake, reason, meanings)


def _without_alert(handshake: Handshake, reason: BaseException) -> TlsFailure:
    if isinstance(reason, network.ConnectionDone | network.ConnectionLost | network.ConnectionAborted):
        return TlsFailure(TlsProblem.CLOSED_EARLY, _closed_text(handshake, reason))
    return TlsFailure(TlsProblem.OTHER, f"the TLS handshake failed: {_reasons(reason)}")


def _closed_text(handshake: Handshake, reason: BaseException) -> str:
    how = _tcp_text(handshake.tcp_end or reason, "closed")
    if not handshake.octets_received and handshake.dialled:
        return f"the peer {how} the connection without answering our ClientHello: nothing speaks TLS there, or it does not let us in"
    if not handshake.octets_received:
        return f"the peer {how} the connection without sending anything, as port scans and TCP health checks do"
    if handshake.client_certificate:
        return f"the peer {how} the connection after presenting the client certificate {handshake.client_certificate}"
    return f"the peer {how} the connection in the middle of the handshake, without an alert"


# --- as TLS client ------------------------------------------------------------------------------------------------------


def _as_client(handshake: Handshake, reason: BaseException) -> TlsFailure:
    if handshake.verify_error and not handshake.alert_from_peer:
        detail = f"the server's certificate is not accepted: {handshake.verify_error}"
        return TlsFailure(TlsProblem.UNTRUSTED_SERVER, detail, certificate=handshake.verify_fault)
    gave_up = handshake.alert_from_peer or isinstance(reason, network.ConnectionDone | network.ConnectionLost)
    if handshake.certificate_requested and gave_up:
        return TlsFailure(
            TlsProblem.SERVER_WANTS_CERTIFICATE,
            "the server asked for a client certificate and gave up when none came: mutual TLS is not supported, switch it off there",
        )
    if handshake.alert is None:
        return _without_alert(handshake, reason)
    return _meant(handshake, reason, _FROM_SERVER if handshake.alert_from_peer else _TO_SERVER)


# --- both ---------------------------------------------------------------------------------------------------------------


def _meant(handshake: Handshake, reason: BaseException, meanings: dict[str, _Meaning]) -> TlsFailure:
    name = alert_name(handshake.alert or 0)
    said = f"{'alert' if handshake.alert_from_peer else 'we sent alert'} {name}"
    meaning = meanings.get(name)
    if meaning is None:
        return TlsFailure(TlsProblem.OTHER, f"the TLS handshake failed: {said}, {_reasons(reason)}")
    detail = f"{meaning.text} ({said}{'' if handshake.alert_from_peer else ': ' + _reasons(reason)})"
    return TlsFailure(meaning.problem, detail)


def _reasons(reason: BaseException) -> str:
    """Take OpenSSL's own words from an error: a list of (library, function, reason)."""
    queue = reason.args[0] if reason.args and isinstance(reason.args[0], list) else []
    return ", ".join(str(entry[-1]) for entry in queue[:3]) or str(reason) or type(reason).__name__


def _tcp_text(reason: BaseException, otherwise: str) -> str:
    if isinstance(reason, network.ConnectionAborted):
        return "dropped by us"
    return "reset" if isinstance(reason, network.ConnectionLost) else otherwise


def _offered_version(first: bytes) -> str | None:
    """Read the highest version that a hello offers, up to TLS 1.2: it stands in the first eleven octets (RFC 5246 7.4.1.2)."""
    if len(first) < 11 or first[0] != 0x16 or first[5] != 1:
        return None
    return _VERSIONS.get(int.from_bytes(first[9:11], "big"))


def _is_sip(first: bytes) -> bool:
    """Tell SIP, a piece of its start line, or its keep-alive (RFC 5626) from other text."""
    if first.startswith(_PROXY_V2):
        return False
    line = first.lstrip(b"\r\n")
    return not line or bool(_SIP_START.match(line)) or bool(_SIP_METHOD.match(line) and not _HTTP_START.match(line))


def _other(first: bytes) -> str:
    if first.startswith((b"PROXY ", _PROXY_V2)):
        return "a PROXY protocol header (switch that off in the load balancer)"
    if _HTTP_START.match(first) or first.startswith(b"HTTP/"):
        return "HTTP"
    if first.startswith(b"SSH-"):
        return "SSH"
    return "clear text" if all(octet in b"\r\n\t" or 32 <= octet < 127 for octet in first) else "octets"
