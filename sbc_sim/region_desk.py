"""What a running simulator tells of its regions, partners and certificates: GET /api/v1/regions, /partners and /tls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sbc_sim.addresses import Addresses, Ports, split_host_port
from sbc_sim.calls.directory import Directory
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.region import Region
from sbc_sim.journal.owners import Alone, Fellows, TooManyOrders
from sbc_sim.journal.view import camel
from sbc_sim.net import certificates
from sbc_sim.net.listeners import Rotation
from sbc_sim.net.shown_certificates import Change, How
from sbc_sim.settings import Endpoint, Settings

ROTATE = "rotate"
"""The order to all other replicas: `order_of`."""
_log = Logger()


class Regional:
    """The facts, once everything listens."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        rotation: Rotation,
        addresses: Addresses,
        ports: Callable[[], Ports],
        options: Callable[[str], list[dict[str, Any]]] = lambda partner: [],
        fellows: Fellows | None = None,
    ) -> None:
        """`ports` gives the real ones, `options` tells how OPTIONS of ours to a partner fare; `fellows`: the other replicas."""
        self._fellows = fellows or Alone()
        self._settings = settings
        self._directory = directory
        self._rotation = rotation
        self._addresses = addresses
        self._ports = ports
        self._options = options

    def regions(self) -> list[dict[str, Any]]:
        """Tell of the regions that are enabled."""
        ports = self._ports()
        return [self._region(region, ports) for region in self._directory.regions.values()]

    def _region(self, region: Region, ports: Ports) -> dict[str, Any]:
        own = self._settings.regions[region.name]
        first, last = ports.media_regions.get(region.name, (ports.media_start, ports.media_end))
        return {
            "name": region.name,
            "label": region.label,
            "host": region.host or None,
            "default": region.name == self._directory.default,
            "listen": None if own.listen is None else str(Endpoint(own.listen.host, ports.regions[region.name])),
            "address": str(self.address_of(region.name)),
            "media": {"advertised": own.media_advertised or self._addresses.media_host or None, "portStart": first, "portEnd": last},
            "allowFrom": list(region.allow_from or self._settings.sip.allow_from),
            "numbers": list(region.numbers or self._settings.sip.users),
            "ownCertificate": own.cert_file is not None,
            "foundBy": self._found_by(region),
            "partners": [partner.name for partner in self._directory.partners.values() if partner.maps(region.name)],
        }

    def address_of(self, region: str) -> Endpoint:
        """Give the address that partners send calls for a region to."""
        own, ports = self._settings.regions[region], self._ports()
        if own.listen is None:
            return Endpoint(self._addresses.sip_host or self._addresses.local, self._addresses.sip_port or ports.sip)
        host, port = split_host_port(own.advertised or "")
        there = self._addresses.sip_host or self._addresses.local if own.listen.wildcard else own.listen.host
        return Endpoint(host or there, port or ports.regions[region])

    def _found_by(self, region: Region) -> list[str]:
        """By what a call can mean it, in the order in which that is looked for."""
        theirs = any("signalling" in partner.by_region.get(region.name, {}) for partner in self._directory.partners.values())
        ways = {
            "listener": bool(region.listeners),
            "SNI": bool(region.host),
            "Request-URI": bool(region.host),
            "source network": bool(region.allow_from) or theirs,
            "default": region.name == self._directory.default,
        }
        return [way for way, there in ways.items() if there]

    def partners(self) -> list[dict[str, Any]]:
        """Tell of the partners."""
        return [self._partner(partner) for partner in self._directory.partners.values()]

    def _partner(self, partner: Partner) -> dict[str, Any]:
        return {
            "name": partner.name,
            "label": partner.label,
            "location": partner.location,
            "provider": partner.provider,
            "regions": [name for name in self._directory.regions if partner.maps(name)],
            "signalling": list(partner.signalling),
            "media": list(partner.media or partner.signalling),
            "signallingPorts": partner.signalling_ports,
            "mediaPorts": partner.media_ports,
            "returnUri": partner.return_uri or None,
            "caFile": partner.ca or None,
            "orgId": partner.org_id or None,
            "callCenter": partner.call_center or None,
            "publicKeys": list(partner.public_keys),
            "byRegion": {region: {camel(name): _plain(value) for name, value in differs.items()} for region, differs in _sorted(partner)},
            "options": self._options(partner.name),
        }

    def certificates(self) -> list[dict[str, Any]]:
        """Tell what is shown to whom."""
        return self._rotation.all_shown()

    def rotate(self, how: str, region: str) -> Deferred[dict[str, Any]]:
        """Show another certificate, here and at the other replicas. Raises ValueError for words that mean nothing."""
        return self._rotation.rotate(how, region).addCallback(self._ordered)

    def _ordered(self, told: dict[str, Any]) -> dict[str, Any]:
        """Have the others do the same once it worked here."""
        if self._fellows.name and self._rotation.newest is not None:
            self._fellows.order("", ROTATE, order_of(self._rotation.newest))
        return told

    def renewed(self) -> None:
        """Have the others renew theirs too, since a call to test number 1020 has renewed ours."""
        try:
            self._ordered({})
        except TooManyOrders as error:
            _log.warn("other replicas show their old certificates on: {why}", why=str(error))

    def ordered(self, data: Mapping[str, Any]) -> None:
        """Show what another replica shows. Raises KeyError, ValueError and CertificateError for what makes no sense."""
        ca = data.get("ca")
        shown = None if ca is None else certificates.of_order(str(ca["certificate"]), str(ca["key"]))
        rotated = self._rotation.rotate(str(data["how"]), str(data["region"]), shown)
        rotated.addErrback(lambda failure: _log.failure("the certificate of another replica cannot be shown here", failure=failure))

    def standing(self) -> list[dict[str, Any]]:
        """What is shown instead of what the settings say, as `ordered` takes it: for a replica that has just begun."""
        return [order_of(change) for change in self._rotation.changes]


def order_of(change: Change) -> dict[str, Any]:
    """A rotation as other replicas can do it. The key of another CA goes with it, for its certificate is what partners are told to trust:
    it was made for a rehearsal, and signs for nobody else."""
    ca = change.ca if change.how is How.NEW_CA else None
    told = None if ca is None else {"certificate": ca.certificate_pem().decode("ascii"), "key": ca.key_pem().decode("ascii")}
    return {"how": change.how.value, "region": change.region, "ca": told}


def _sorted(partner: Partner) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(partner.by_region.items())


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
