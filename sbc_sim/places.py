"""Regions and partners of the settings, as the core and the network side take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sbc_sim.addresses import in_uri, split_host_port
from sbc_sim.calls.directory import Directory
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.region import Region
from sbc_sim.settings import Endpoint, Settings
from sbc_sim.settings_maps import PartnerRegionSettings, PartnerSettings, RegionSettings

ONLY_PARTNER = "partner"
"""Who calls when no partner is set: one, from anywhere, for all regions."""


def directory_of(settings: Settings) -> Directory:
    """Build the directory of the settings."""
    return Directory(regions_of(settings), partners_of(settings), settings.sip.default_region, settings.policy())


def regions_of(settings: Settings) -> list[Region]:
    """List the regions that are enabled."""
    return [_region(name, region) for name, region in settings.regions.items() if region.enabled]


def _region(name: str, region: RegionSettings) -> Region:
    return Region(
        name,
        label=region.label or name,
        host=region.host or "",
        listeners=(name,) if region.listen is not None else (),
        allow_from=region.allow_from,
        numbers=region.numbers,
        own_media_ports=region.media_ports is not None,
    )


def partners_of(settings: Settings) -> list[Partner]:
    """List the partners; without any in the settings the one from anywhere."""
    return [_partner(name, partner) for name, partner in settings.partners.items()] or [Partner(ONLY_PARTNER, label="partner")]


def _partner(name: str, partner: PartnerSettings) -> Partner:
    return Partner(
        name,
        label=partner.label or name,
        location=partner.location,
        regions=partner.regions,
        signalling=partner.signalling,
        media=partner.media,
        signalling_ports=partner.signalling_ports,
        media_ports=partner.media_ports,
        return_uri=partner.return_uri or "",
        ca=str(partner.ca_file or ""),
        provider=partner.provider,
        org_id=partner.org_id,
        call_center=partner.call_center,
        public_keys=tuple(map(str, partner.public_keys)),
        by_region={region: _differs(differs) for region, differs in partner.by_region.items()},
    )


def own_listeners(settings: Settings) -> dict[str, Endpoint]:
    """List the regions that listen on an address of their own."""
    return {name: region.listen for name, region in settings.regions.items() if region.enabled and region.listen is not None}


def own_identities(settings: Settings, common_host: str) -> dict[str, tuple[str, int]]:
    """List what Contact and Via say on each region's own listener: host (empty: the address reached) and port (0: the one listened on)."""
    found = {}
    for name, listen in own_listeners(settings).items():
        host, port = split_host_port(settings.regions[name].advertised or "")
        found[name] = in_uri(host or (common_host if listen.wildcard else listen.host)), port
    return found


def own_media(settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """List media ranges and addresses of the regions that have their own, by region."""
    there = {name: region for name, region in settings.regions.items() if region.enabled}
    ranges = {name: str(region.media_ports) for name, region in there.items() if region.media_ports is not None}
    return ranges, {name: region.media_advertised for name, region in there.items() if region.media_advertised is not None}


def own_certificates(settings: Settings) -> dict[str, tuple[Path, Path]]:
    """List certificates that were set, with their keys, by region; "": for everybody."""
    set_: dict[str, Any] = {"": settings.tls, **{name: region for name, region in settings.regions.items() if region.enabled}}
    return {name: (at.cert_file, at.key_file) for name, at in set_.items() if at.cert_file is not None and at.key_file is not None}


def _differs(differs: PartnerRegionSettings) -> Mapping[str, Any]:
    return {name: value for name in type(differs).model_fields if (value := getattr(differs, name))}
