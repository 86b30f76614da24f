"""Regions and partners of the settings, as the core and the network side take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def own_certificates(settings: Settings) -> dict[str, tuple[Path, Path]]:
    """List certificates that were set, with their keys, by region; "": for everybody."""
    set_ = {"": settings.tls, **{name: region for name, region in settings.regions.items() if region.enabled}}
    return {name: (at.cert_file, at.key_file) for name, at in set_.items() if at.cert_file is not None and at.key_file is not None}


def _differs(differs: PartnerRegionSettings) -> Mapping[str, Any]:
    return {name: value for name in type(differs).model_fields if (value := getattr(differs, name))}
