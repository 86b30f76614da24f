"""Regions: which of Salesforce's SBCs a call means to reach, and what holds there. Host names from the published list of regions."""

from __future__ import annotations

from dataclasses import dataclass

from sbc_sim.calls.partner import Partner
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import Peer

PUBLIC_DOMAIN = "salesforce-ccaas.com"
"""Names below it are production: they are never resolved or dialled unless a setting says so (requirement 145)."""
PUBLIC_HOST = "gateway.afvsip.thb01.uengage1.sfdc-{code}.salesforce-ccaas.com"
PUBLIC_REGIONS: tuple[tuple[str, str, str], ...] = (
    ("us-west", "US-WEST", "lywfpd"),
    ("us-east", "US-EAST", "yfeipo"),
    ("canada", "CANADA", "58ktaz"),
    ("sao-paulo", "SAO PAULO", "xwy4ub"),
    ("london", "LONDON", "5pakla"),
    ("frankfurt", "FRANKFURT", "yzvdd4"),
    ("mumbai", "MUMBAI", "y37hzm"),
    ("singapore", "SINGAPORE", "hvhps"),
    ("tokyo", "TOKYO", "mchho0"),
    ("sydney", "SYDNEY", "vwfla6"),
)
"""Name in settings and API, label as published, code in the host name."""


@dataclass(frozen=True, slots=True)
class Region:
    """One region as this process plays it."""

    name: str
    """As in settings, API and metrics: ``frankfurt``."""
    label: str = ""
    host: str = ""
    """The public host name: in SNI, certificate and Request-URI of calls that mean this region."""
    listeners: tuple[str, ...] = ()
    """Names of its own listeners (`Peer.listener`); empty: it shares the common one."""
    allow_from: tuple[str, ...] = ()
    """Networks in CIDR form that may call it, and that mean it; empty: as everywhere."""
    numbers: tuple[str, ...] = ()
    """User parts that are served here; empty: as everywhere."""
    own_media_ports: bool = False
    """Whether it has media ports of its own, regions.NAME.media_ports."""
    policy: Policy | None = None
    """What holds here, when it differs from what holds everywhere: allow-list, served numbers and hosts."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call belongs, and how that was found out."""

    region: Region | None = None
    partner: Partner | None = None
    chosen_by: str = ""
    """``listener``, ``SNI``, ``Request-URI``, ``source network`` or ``default``; empty without a region."""
    own_policy: Policy | None = None
    """What holds for this partner in this region, when it differs from what holds in the region."""

    @property
    def no_media_port(self) -> str:
        """Say that no media port is free here, and which setting makes more."""
        own = self.region if self.region is not None and self.region.own_media_ports else None
        return f"all media ports are in use ({'media.ports' if own is None else f'regions.{own.name}.media_ports'})"

    @property
    def policy(self) -> Policy | None:
        """What holds here; None: what holds everywhere."""
        return self.own_policy or (None if self.region is None else self.region.policy)


def nowhere(peer: Peer | None, request: Request | None) -> Place:
    """No region and no partner: for who is told of none."""
    return Place()
