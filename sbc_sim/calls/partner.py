"""Partners: who may call, from where, and where a call is given back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Partner:
    """One contact-centre vendor as the settings describe it (requirements 13, 146)."""

    name: str
    """As in settings and API: ``acme``."""
    label: str = ""
    """As people write it: ``Acme Contact Centre``."""
    location: str = ""
    """Of the customers' data centre, as the form asks for it."""
    regions: tuple[str, ...] = ()
    """Names of the regions that it maps; empty: all."""
    signalling: tuple[str, ...] = ()
    """IPv4 networks in CIDR form; empty: from anywhere."""
    media: tuple[str, ...] = ()
    """Networks of its media; empty: those of signalling."""
    signalling_ports: str = ""
    media_ports: str = ""
    return_uri: str = ""
    """Where escalation by INVITE, and our own requests outside a dialog, go: ``sips:+15550100@sbc.acme.example:5061``. Empty: the Contact
    of the call."""
    ca: str = ""
    """CA bundle (path of a PEM file) that its server is checked against; empty: as for all."""
    provider: str = ""
    """Name of the contact-centre provider, as the form asks for it."""
    org_id: str = ""
    """Salesforce organisation of its JWTs; empty: any."""
    call_center: str = ""
    """API name of the call centre, subject of its JWTs; empty: any."""
    public_keys: tuple[str, ...] = ()
    """Paths of PEM files with the public keys or certificates of its JWTs."""
    by_region: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Region name -> fields of this class that differ there: signalling, media, signalling_ports, media_ports, return_uri."""

    def at(self, region: str) -> Partner:
        """The same partner as it is in one region."""
        differs = self.by_region.get(region)
        return replace(self, **differs) if differs else self

    def maps(self, region: str) -> bool:
        """Whether it uses a region."""
        return not self.regions or region in self.regions
