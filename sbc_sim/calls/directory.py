"""The directory: to which region and partner a call belongs, and what holds there.

The region is looked for in this order, and the first that says something decides:

1. ``listener``: the connection came in on a listener that is one region's own;
2. ``SNI``: the TLS client asked for a region's host name;
3. ``Request-URI``: its host is a region's host name;
4. ``source network``: the address is in a network that one region alone has: its allow-list, or what the partner uses there;
5. ``default``: the region of sip.default_region, when there is one.

The partner is the one whose signalling networks have the source address, the longest prefix first; else the only one there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from sbc_sim.calls.partner import Partner
from sbc_sim.calls.region import Place, Region
from sbc_sim.rules.policy import Policy, SourceList
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.uri import Uri

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


class Networks:
    """Names by network: which one has an address."""

    def __init__(self, named: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Pairs of a name and its networks in CIDR form."""
        self._named: list[tuple[_Network, str]] = [(ip_network(text, strict=False), name) for name, texts in named for text in texts]

    def owner(self, address: _Address | None) -> str:
        """Name the owner of the narrowest network with this address; empty when there is none, or when several share it."""
        if address is None:
            return ""
        found = [(network.prefixlen, name) for network, name in self._named if address in network]
        longest = max((length for length, _ in found), default=0)
        owners = {name for length, name in found if length == longest}
        return owners.pop() if len(owners) == 1 else ""


class Directory:
    """Regions and partners, and which of them a call means."""

    def __init__(self, regions: Sequence[Region], partners: Sequence[Partner], default: str = "", policy: Policy | None = None) -> None:
        """`default` names a region, empty: none. `policy` is what holds everywhere. Raise ValueError for an unknown `default`."""
        self.regions: Mapping[str, Region] = {region.name: region for region in regions}
        self.partners: Mapping[str, Partner] = {partner.name: partner for partner in partners}
        if default and default not in self.regions:
            raise ValueError(f"there is no region {default!r}")
        self.default = default
        self._policy = policy or Policy()
        self._by_listener = {listener: region.name for region in regions for listener in region.listeners}
        self._by_host = {region.host.lower(): region.name for region in regions if region.host}
        self._sources = Networks((partner.name, _all_signalling(partner)) for partner in partners)
        self._home = Networks((region.name, region.allow_from) for region in regions)
        self._theirs = {partner.name: _by_region(partner) for partner in partners}
        self._anywhere = [partner.name for partner in partners if not _all_signalling(partner)]
        self._policies: dict[tuple[str, str], Policy | None] = {}
        """By region and partner; they are few."""

    def locate(self, peer: Peer | None, request: Request | None) -> Place:
        """Find where a call belongs; without a request, where a connection does, as far as it can be known by then."""
        address = None if peer is None else _address(peer.host)
        partner = self._partner(address)
        name, chosen_by = self._region(peer, request, address, partner)
        region = self.regions.get(name)
        if request is None and chosen_by not in ("listener", "SNI"):
            return Place(region, partner, chosen_by, self._any_list())
        return Place(region, partner, chosen_by, self._policy_of(region, partner))

    # --- which ---------------------------------------------------------------------------------------------------------

    def _region(self, peer: Peer | None, request: Request | None, address: _Address | None, partner: Partner | None) -> tuple[str, str]:
        if peer is not None and (name := self._by_listener.get(peer.listener)) and not peer.dialled:
            return name, "listener"
        sni = peer.tls.server_name if peer is not None and peer.tls is not None and not peer.dialled else None
        if sni and (name := self._by_host.get(_normal(sni))):
            return name, "SNI"
        if request is not None and (name := self._by_host.get(_host_of(request))):
            return name, "Request-URI"
        if name := self._home.owner(address) or (self._theirs[partner.name].owner(address) if partner else ""):
            return name, "source network"
        return (self.default, "default") if self.default else ("", "")

    def _partner(self, address: _Address | None) -> Partner | None:
        name = self._sources.owner(address)
        if not name and len(self._anywhere) == 1:
            name = self._anywhere[0]
        if not name and len(self.partners) == 1:
            name = next(iter(self.partners))
        return self.partners.get(name)

    # --- what holds there ----------------------------------------------------------------------------------------------

    def _policy_of(self, region: Region | None, partner: Partner | None) -> Policy | None:
        key = (region.name if region else "", partner.name if partner else "")
        if key not in self._policies:
            policy = self._changed(region, partner)
            self._policies[key] = None if policy == self._policy else policy
        return self._policies[key]

    def _changed(self, region: Region | None, partner: Partner | None) -> Policy:
        policy = self._policy
        lists: list[SourceList] = []
        if region is not None and region.numbers:
            policy = replace(policy, served_users=region.numbers, served_users_by=f"regions.{region.name}.numbers")
        if region is not None and region.allow_from:
            policy = replace(policy, allow_from=())
            lists.append(SourceList(f"regions.{region.name}.allow_from", region.allow_from))
        return replace(policy, source_lists=(*lists, *self._lists_of(region, partner)))

    def _lists_of(self, region: Region | None, partner: Partner | None) -> list[SourceList]:
        if partner is None:
            return self._of_no_partner()
        if region is None:
            networks = _all_signalling(partner)
            return [SourceList(f"partners.{partner.name}.signalling", networks)] if networks else []
        if not partner.maps(region.name):
            why = f"calls as the partner {partner.name}, which does not map {region.name} (partners.{partner.name}.regions)"
            return [SourceList(f"partners.{partner.name}.regions", (), why)]
        networks = partner.at(region.name).signalling
        own = ".by_region." + region.name if "signalling" in partner.by_region.get(region.name, {}) else ""
        return [SourceList(f"partners.{partner.name}{own}.signalling", networks)] if networks else []

    def _of_no_partner(self) -> list[SourceList]:
        """Nobody's address: refused when every partner has said from where it calls."""
        if not self.partners or self._anywhere:
            return []
        named = [(f"partners.{partner.name}.signalling", _all_signalling(partner)) for partner in self.partners.values()]
        return [SourceList(", ".join(setting for setting, _ in named), tuple(n for _, networks in named for n in networks))]

    def _any_list(self) -> Policy | None:
        """Before a request has come: whoever may call anywhere may connect."""
        own = [region for region in self.regions.values() if region.allow_from]
        if not own or not self._policy.allow_from:
            return None
        settings = ", ".join(("sip.allow_from", *(f"regions.{region.name}.allow_from" for region in own)))
        networks = (*self._policy.allow_from, *(network for region in own for network in region.allow_from))
        return replace(self._policy, allow_from=(), source_lists=(SourceList(settings, networks),))


def _all_signalling(partner: Partner) -> tuple[str, ...]:
    return (*partner.signalling, *(network for differs in partner.by_region.values() for network in differs.get("signalling", ())))


def _by_region(partner: Partner) -> Networks:
    return Networks((region, differs.get("signalling", ())) for region, differs in partner.by_region.items())


def _address(host: str) -> _Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _normal(host: str) -> str:
    return host.lower().rstrip(".")


def _host_of(request: Request) -> str:
    try:
        return _normal(Uri.parse(request.uri, "Request-URI").host)
    except MalformedMessage:
        return ""
