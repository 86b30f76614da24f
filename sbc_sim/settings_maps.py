"""Settings that are maps of names: regions and partners have a model each, scenarios and faults are read by those who play them.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text at start.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from sbc_sim.calls.region import PUBLIC_HOST, PUBLIC_REGIONS
from sbc_sim.settings_values import Advertised, Listen, Networks, PortRange, PortRanges, Ports, Section, ToldAddress, Words
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.uri import Uri

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""What regions, partners, scenarios and faults may be called: names stand in URLs, metrics and environment variables."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ORG = re.compile(r"00D[0-9A-Za-z]{12}([A-Z0-5]{3})?")
MOST_COMPARED = 200
"""Networks of partners that are held against each other."""
V = TypeVar("V")


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"{value!r} cannot be a name: use lower-case letters, digits, - and _, at most 63, a letter or digit first")
    return value


def _host(value: object) -> str:
    host = str(value).lower().rstrip(".")
    if not _HOST.fullmatch(host) or ".." in host:
        raise ValueError(f"{value!r} is not a host name")
    return host


def _uri(value: object) -> str:
    try:
        uri = Uri.parse(str(value), "setting")
    except MalformedMessage as error:
        raise ValueError(str(error)) from None
    if uri.scheme not in ("sip", "sips") or not uri.host:
        raise ValueError(f"{value!r} is not a SIP URI, for example sips:+15550100@sbc.acme.example:5061")
    return str(uri)


Name: TypeAlias = Annotated[str, AfterValidator(_name)]
Host: TypeAlias = Annotated[str, BeforeValidator(_host)]
SipUri: TypeAlias = Annotated[str, BeforeValidator(_uri)]


class RegionSettings(Section):
    """One region: how calls find it, and what holds there. Empty: what holds everywhere."""

    enabled: bool = Field(True, description="False: it is not there.")
    label: str = Field("", description="As people write it. Default: the name.")
    host: Host | None = Field(None, description="Its host name: in SNI, certificate and Request-URI of calls that mean it.")
    listen: Listen | None = Field(None, description="A listener of its own. Default: it shares the one of sip.listen.")
    advertised: Advertised | None = Field(None, description="HOST or HOST:PORT in Contact and Via of its calls.")
    media_ports: Ports | None = Field(None, description="UDP ports of its own for media.")
    media_advertised: ToldAddress | None = Field(None, description="Address in the SDP of its calls.")
    allow_from: Networks = Field((), description="Source networks (CIDR) that may call it. Default: those of sip.allow_from.")
    numbers: Words = Field((), description="User parts of the Request-URI that are served here, others get 404. Default: sip.users.")
    cert_file: Path | None = Field(None, description="Own server certificate (PEM, leaf first). Default: one is made for its host.")
    key_file: Path | None = Field(None, description="Its private key (PEM).")


class PartnerRegionSettings(Section):
    """What a partner uses in one region, where it differs."""

    signalling: Networks = Field((), description="Source networks of its signalling.")
    media: Networks = Field((), description="Source networks of its media.")
    signalling_ports: PortRanges = Field("", description="Ports of its signalling.")
    media_ports: PortRanges = Field("", description="Ports of its media.")
    return_uri: SipUri | None = Field(None, description="Where a call is given back to.")


class PartnerSettings(Section):
    """One partner (contact-centre vendor): who it is, from where it calls, and where a call is given back to."""

    label: str = Field("", description="As people write it. Default: the name.")
    location: str = Field("", description="Location of the customers' data centre.")
    provider: str = Field("", description="Name of the contact-centre provider, as the form asks for it.")
    regions: Words = Field((), description="Regions that it maps. Empty: all.")
    signalling: Networks = Field((), description="Source networks of its signalling. Empty: from anywhere.")
    media: Networks = Field((), description="Source networks of its media. Empty: those of signalling.")
    signalling_ports: PortRanges = Field("", description="Ports of its signalling; 5061 is usual.")
    media_ports: PortRanges = Field("", description="Ports of its media.")
    return_uri: SipUri | None = Field(None, description="Where a call is given back to. Default: the Contact of the call.")
    ca_file: Path | None = Field(None, description="CA bundle (PEM) that its server is checked against. Default: tls.ca_file.")
    org_id: str = Field("", description="Salesforce organisation of its JWTs.")
    call_center: str = Field("", description="API name of the call centre, subject of its JWTs.")
    public_keys: tuple[Path, ...] = Field((), description="Public keys or certificates (PEM files) of its JWTs.")
    by_region: dict[Name, PartnerRegionSettings] = Field({}, description="REGION: what differs there.")


def _scenario(value: object) -> object:
    if not isinstance(value, str | dict):
        raise ValueError("a scenario is a mapping, or the name of a file that holds one")
    return value


def _fault(value: dict[str, Any]) -> dict[str, Any]:
    from sbc_sim.calls.faults import read_fault  # only who sets faults pays for it

    read_fault("fault", value, "settings")
    return value


Regions: TypeAlias = dict[Name, RegionSettings]
Partners: TypeAlias = dict[Name, PartnerSettings]
Scenarios: TypeAlias = dict[Name, Annotated[Any, BeforeValidator(_scenario)]]
Faults: TypeAlias = dict[Name, Annotated[dict[str, Any], AfterValidator(_fault)]]

MAPS: Mapping[str, type[Section] | None] = {"regions": RegionSettings, "partners": PartnerSettings, "scenarios": None, "faults": None}
"""Each map and the model of its members; None: they are kept as they are written."""
MAP_TEXTS: Mapping[str, str] = {
    "regions": "Regions by name. The ten published ones are there without any settings, on the common listener.",
    "partners": "Partners by name. Without any there is one, `partner`, from anywhere, for all regions.",
    "scenarios": "What an agent says and does, by name: a mapping, or the name of a file that holds one.",
    "faults": "What is done wrong on purpose from the start, by name: members as of PUT /api/v1/faults/NAME.",
}
PUBLISHED: Mapping[str, Mapping[str, str]] = {
    name: {"label": label, "host": PUBLIC_HOST.format(code=code)} for name, label, code in PUBLIC_REGIONS
}
"""The published regions as settings."""


def published_regions() -> Any:
    """Give the ten regions that are there without any settings, to be validated: with the model of all settings that costs nothing."""
    return {name: dict(members) for name, members in PUBLISHED.items()}


def contradictions(
    regions: Mapping[str, RegionSettings], partners: Mapping[str, PartnerSettings], default: str
) -> Iterator[tuple[str, str]]:
    """Name each setting that does not go together with another: its key, and a sentence."""
    there = [name for name, region in regions.items() if region.enabled]
    if default and default not in there:
        yield "sip.default_region", _no_region(default, there)
    for name, region in regions.items():
        yield from _of_region(name, region)
    yield from _same_networks(partners)
    for name, partner in partners.items():
        yield from _of_partner(name, partner)
        for asked in partner.regions:
            if asked not in there:
                yield f"partners.{name}.regions", _no_region(asked, there)
        for asked in partner.by_region:
            if asked not in there:
                yield f"partners.{name}.by_region.{asked}", _no_region(asked, there)
            elif partner.regions and asked not in partner.regions:
                yield (
                    f"partners.{name}.by_region.{asked}",
                    f"partners.{name}.regions does not have {asked}: add it there, or remove it here",
                )


def production_targets(common: str, partners: Mapping[str, PartnerSettings]) -> Iterator[tuple[str, str]]:
    """Name each setting that gives calls back to a name of Salesforce's production: its key, and a sentence."""
    uris = {"escalation.return_uri": common}
    for name, partner in partners.items():
        uris[f"partners.{name}.return_uri"] = partner.return_uri or ""
        uris |= {f"partners.{name}.by_region.{region}.return_uri": there.return_uri or "" for region, there in partner.by_region.items()}
    for key, uri in uris.items():
        if uri:
            from sbc_sim.calls.production import is_production, not_dialled  # only who sets one pays for it

            host = Uri.parse(uri, key).host
            if is_production(host):
                yield key, not_dialled(host)


def overlaps(common: PortRange, regions: Mapping[str, RegionSettings]) -> Iterator[tuple[str, str]]:
    """Name each media range that shares some ports, but not all, with another: one side would find them taken."""
    ranges = {"media.ports": common}
    for name, region in regions.items():
        ports = region.media_ports
        if not region.enabled or ports is None:
            continue
        for setting, other in ranges.items():
            if ports != other and ports.start and other.start and ports.start <= other.end and other.start <= ports.end:
                yield f"regions.{name}.media_ports", f"{ports} and {other} ({setting}) overlap: keep them apart, or make them equal"
        ranges[f"regions.{name}.media_ports"] = ports


def no_pairs(common: PortRange, regions: Mapping[str, RegionSettings]) -> Iterator[tuple[str, str]]:
    """Name each media range without room for one call: an even port and the one above it."""
    own = {f"regions.{name}.media_ports": region.media_ports for name, region in regions.items() if region.enabled}
    for key, ports in {"media.ports": common, **own}.items():
        if ports is not None and ports.start and (first := ports.start + ports.start % 2) >= ports.end:
            few = f"{ports} has no room for a call, which takes an even port and the one above it"
            yield key, f"{few}: make it {first}-{first + 19} say, or set media.mode to mux (one port for all calls)"


def too_few_ports(calls: int, common: PortRange, regions: Mapping[str, RegionSettings]) -> Iterator[tuple[str, str]]:
    """Say when `calls`, which somebody asked for, can never be up at the same time: each takes an even port and the one above it."""
    ranges = {common, *(own.media_ports for own in regions.values() if own.enabled and own.media_ports is not None)}
    room = sum((ports.end + 1) // 2 - (ports.start + 1) // 2 for ports in ranges)
    if calls > room and all(ports.start for ports in ranges):
        first = common.start + common.start % 2
        cure = f"set media.ports: {first}-{first + 2 * calls - 1}, media.mode: mux (one port for all calls), or limits.calls: {room}"
        yield "limits.calls", f"{calls} calls need {2 * calls} media ports, but {common} (media.ports) has room for {room}: {cure}"


def same_listener(common: str, regions: Mapping[str, RegionSettings]) -> Iterator[tuple[str, str]]:
    """Name each region whose listener is that of another, or of all: only one of them could have it. Port 0 is always a free one."""
    taken = {common: "sip.listen"}
    for name, region in regions.items():
        if region.enabled and region.listen is not None and region.listen.port:
            other = taken.setdefault(str(region.listen), f"regions.{name}.listen")
            if other != f"regions.{name}.listen":
                why = (
                    "leave it out, and SNI and Request-URI tell the region" if other == "sip.listen" else "give each an address of its own"
                )
                yield f"regions.{name}.listen", f"{region.listen} is {other} too: {why}"


def strangers(
    agents: Mapping[str, Mapping[str, str]],
    faults: Mapping[str, Mapping[str, Any]],
    regions: Mapping[str, RegionSettings],
    partners: Mapping[str, PartnerSettings],
) -> Iterator[tuple[str, str]]:
    """Name each setting that is meant for a region or partner that is not there: `agent.by_*`, and the scopes of faults."""
    there = {"region": [name for name, region in regions.items() if region.enabled], "partner": list(partners) or ["partner"]}
    for kind, known in there.items():
        for name in agents[f"by_{kind}"]:
            if name not in known:
                yield f"agent.by_{kind}", _no(kind, name, known)
        for fault, members in faults.items():
            scope = members.get("scope")
            meant = scope.get(kind) if isinstance(scope, Mapping) else None
            if meant and meant not in known:
                yield f"faults.{fault}.scope.{kind}", _no(kind, str(meant), known)


def _same_networks(partners: Mapping[str, PartnerSettings]) -> Iterator[tuple[str, str]]:
    """Name each network that two partners have: the longest prefix wins, but of two equal ones none does."""
    owners: dict[str, tuple[str, str]] = {}
    for name, partner in partners.items():
        own = [(f"partners.{name}.signalling", partner.signalling)]
        own += [(f"partners.{name}.by_region.{region}.signalling", there.signalling) for region, there in partner.by_region.items()]
        for key, networks in own:
            for network in networks:
                owner, other = owners.setdefault(network, (name, key))
                if owner != name:
                    yield key, f"{network} is in {other} too, so that nobody could tell whose call it is: the narrower network would win"


def nested_networks(partners: Mapping[str, PartnerSettings]) -> Iterator[str]:
    """Say of each network of a partner that lies in a wider one of another whose calls come from there: the narrower one's."""
    from ipaddress import ip_network  # only who is asked pays for it

    own = [(f"partners.{name}.signalling", name, ip_network(network)) for name, one in partners.items() for network in one.signalling]
    for key, name, network in own[:MOST_COMPARED]:
        for other_key, other, wider in own[:MOST_COMPARED]:
            if other != name and wider.prefixlen < network.prefixlen and network.version == wider.version and network[0] in wider:
                yield f"{key}: {network} lies in {wider} of {other_key}; calls from there are those of {name}"


def _of_partner(name: str, partner: PartnerSettings) -> Iterator[tuple[str, str]]:
    if partner.org_id and not _ORG.fullmatch(partner.org_id):
        yield f"partners.{name}.org_id", f"{partner.org_id[:40]!r} is no id of an org: 15 or 18 letters and digits that begin with 00D"


def _of_region(name: str, region: RegionSettings) -> Iterator[tuple[str, str]]:
    if name == "default":  # what the common listener is called
        yield "regions.default", "a region cannot be called default; which region calls belong to that name none is sip.default_region"
    if (region.cert_file is None) != (region.key_file is None):
        yield f"regions.{name}", "cert_file and key_file belong together: set both, or none"
    if region.advertised and region.listen is None:
        yield f"regions.{name}.advertised", f"it shares the common listener, where sip.advertised holds: set regions.{name}.listen too"
    if name not in PUBLISHED and not (region.host or region.listen or region.allow_from):
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        hint = f" (the nearest published region is {near[0]})" if near else ""
        yield f"regions.{name}", f"no call could reach it: give it a host, listen or allow_from{hint}"
    elif name not in PUBLISHED and not region.host:
        near = difflib.get_close_matches(name, PUBLISHED, n=1, cutoff=0.85)
        if near:
            yield f"regions.{name}", f"is {near[0]} meant, the published region? One of your own whose name is that like it needs a host"


def _no_region(asked: str, there: list[str]) -> str:
    return _no("region", asked, there)


def _no(kind: str, asked: str, there: list[str]) -> str:
    near = difflib.get_close_matches(asked, there, n=1)
    return f"there is no {kind} {asked[:80]!r}; " + (f"the nearest is {near[0]}" if near else f"there is {', '.join(there[:20])}")
