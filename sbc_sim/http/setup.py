"""How a partner points an SBC at this instance: addresses, trust, firewall lines and settings to copy.

Pure assembling from plain values; what each platform is told comes from the rules' own list of settings and from http/snippets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sbc_sim.calls.numbers import OTHER_NUMBERS
from sbc_sim.http.snippets import Values, snippets
from sbc_sim.sip.uri import host_port

CA_PATH = "api/v1/tls/ca.pem"


@dataclass(frozen=True, slots=True)
class RegionAddress:
    """Where calls for a region go."""

    name: str
    label: str
    host: str
    """Its public host name: to be mapped to the address. Empty: it has none."""
    sip_host: str
    sip_port: int
    media_host: str
    """Empty: the address reached."""
    media_start: int
    media_end: int


@dataclass(frozen=True, slots=True)
class Instance:
    """What this instance is called and where it listens."""

    sip_host: str
    sip_port: int
    media_host: str
    media_start: int
    media_end: int
    """Both 0: any free port, call by call."""
    media_mode: str
    """``ports`` | ``mux``"""
    certificate_names: tuple[str, ...]
    ca_fingerprint: str | None
    """None when the certificate is not of our own making."""
    echo_header: str
    """Value of the User-to-User header that selects the echo test."""
    echo_content: str
    regions: tuple[RegionAddress, ...] = ()
    worker_ports: tuple[int, ...] = ()
    """SIP ports of single workers, which their Contact names."""


def setup_data(instance: Instance) -> dict[str, Any]:
    """Give what /api/v1/setup answers."""
    one = instance
    return {
        "sip": {"host": one.sip_host, "port": one.sip_port, "uri": _uri(one), "transport": "tls"},
        "ca": None if one.ca_fingerprint is None else {"path": CA_PATH, "fingerprint": one.ca_fingerprint},
        "certificateNames": list(one.certificate_names),
        "media": {"host": one.media_host, "portStart": one.media_start, "portEnd": one.media_end, "mode": one.media_mode},
        "uui": {"header": "User-to-User", "value": one.echo_header, "decoded": one.echo_content},
        "allowList": [*_allow_list(one), *_region_lines(one)],
        "regions": [_region(one, region) for region in one.regions],
        "numbers": [{"number": "any number", "label": "echo or agent", "does": f"{OTHER_NUMBERS}; test numbers: GET /api/v1/numbers"}],
        "snippets": snippets(Values(one.sip_host, one.sip_port, one.echo_header, one.ca_fingerprint is not None)),
    }


def _uri(instance: Instance) -> str:
    return f"sip:echo@{host_port(instance.sip_host, instance.sip_port)};transport=tls"


def _allow_list(instance: Instance) -> list[dict[str, str]]:
    ports = "any" if instance.media_start == 0 else str(instance.media_start)
    if instance.media_end > instance.media_start:
        ports = f"{instance.media_start}-{instance.media_end}"
    sip, media = instance.sip_host, instance.media_host
    return [
        _allowed("tcp", sip, str(instance.sip_port), "in", "SIP over TLS from your SBC"),
        *(
            _allowed("tcp", sip, str(port), "in", "SIP over TLS from your SBC, on a new connection to our Contact")
            for port in instance.worker_ports
        ),
        _allowed("udp", media, ports, "in", "SRTP and SRTCP from your SBC"),
        _allowed("udp", media, ports, "out", "SRTP and SRTCP to the address and port in your SDP (or where yours really comes from)"),
        _allowed("tcp", sip, "any", "out", "SIP over TLS to your Contact, when your SBC has closed the connection of the call"),
    ]


def _region_lines(instance: Instance) -> list[dict[str, str]]:
    """Further lines for regions with a listener or media of their own."""
    lines = []
    for region in instance.regions:
        if (region.sip_host, region.sip_port) != (instance.sip_host, instance.sip_port):
            lines.append(_allowed("tcp", region.sip_host, str(region.sip_port), "in", f"SIP over TLS for {region.name}"))
        media = region.media_host or instance.media_host
        if (media, region.media_start) != (instance.media_host, instance.media_start):
            ports = "any" if region.media_start == 0 else f"{region.media_start}-{region.media_end}"
            lines += [_allowed("udp", media, ports, way, f"SRTP and SRTCP for {region.name}") for way in ("in", "out")]
    return lines


def _region(instance: Instance, region: RegionAddress) -> dict[str, Any]:
    at = host_port(region.sip_host, region.sip_port)
    own = (region.sip_host, region.sip_port) != (instance.sip_host, instance.sip_port)
    return {
        "name": region.name,
        "label": region.label,
        "host": region.host or None,
        "address": at,
        "hostsLine": f"{region.sip_host} {region.host}" if region.host else None,
        "uri": f"sip:echo@{at if own or not region.host else host_port(region.host, region.sip_port)};transport=tls",
    }


def _allowed(protocol: str, address: str, ports: str, direction: str, why: str) -> dict[str, str]:
    return {"protocol": protocol, "address": address, "ports": ports, "direction": direction, "why": why}
