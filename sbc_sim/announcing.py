"""What a running simulator tells of itself: /api/v1/info, /api/v1/setup, and the banner of `serve`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import compress
from pathlib import Path
from typing import Any

from sbc_sim import settings_data
from sbc_sim.addresses import Addresses, Ports, bridged, reachable, split_host_port
from sbc_sim.calls.numbers import OTHER_NUMBERS
from sbc_sim.journal.view import rfc3339
from sbc_sim.net import certificates
from sbc_sim.net.certificates import Credentials
from sbc_sim.rules.catalogue import RULE_SET_VERSION
from sbc_sim.settings import Endpoint, Settings
from sbc_sim.terminal import Banner

FIRST_NUMBERS = ("echo", "agent", "busy")
"""Test numbers that the banner names."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The facts, once everything listens, and the three ways to tell them."""

    settings: Settings
    version: str
    addresses: Addresses
    ports: Ports
    credentials: Credentials
    ca_file: Path | None
    """None when the certificate is not of our own making."""
    token: str | None
    """What the API asks for."""
    media_ports: int
    """How many there are for all calls."""
    survives: bool
    """Whether calls are kept over a restart."""
    restarted: int
    """Calls that the last stop cut off."""
    key_log_paths: Sequence[Path]
    cramped: Sequence[str] = ()
    """What there is less of than the settings allow, and why."""
    regions: Sequence[Mapping[str, Any]] = ()
    """As GET /api/v1/regions tells them."""
    partners: Sequence[str] = ()
    """Names."""
    worker_ports: Sequence[int] = ()
    """SIP ports of single workers; none when there is one process."""
    shown: str = "original"
    """What the certificate was rotated to."""

    def info(self) -> Mapping[str, Any]:
        """Tell /api/v1/info."""
        ports, settings = self.ports, self.settings
        return {
            "version": self.version,
            "ruleSet": RULE_SET_VERSION,
            "profile": settings.rules.profile,
            "uui": {"limit": settings.uui.limit, "limitScope": settings.uui.limit_scope},
            "sip": {
                "listen": str(Endpoint(settings.sip.listen.host, ports.sip)),
                "advertised": self.sip_advertised if self.addresses.sip_host else None,
            },
            "media": {
                "listen": settings.media.listen,
                "advertised": self.addresses.media_host or None,
                "mode": settings.media.mode,
                "portStart": ports.media_start,
                "portEnd": ports.media_end,
            },
            "http": {"listen": str(Endpoint(settings.http.listen.host, ports.http)), "auth": "token" if self.token else "none"},
            "tls": {
                "clientCertificates": settings.tls.client_certificates,
                "minVersion": settings.tls.min_version,
                "caFingerprint": self.fingerprint if self.ca_file else None,
                "certificateNames": list(certificates.names_of(self.credentials.leaf)),
                "notAfter": rfc3339(self.credentials.not_after.timestamp()),
                "shown": self.shown,
            },
            "regions": [region["name"] for region in self.regions],
            "partners": list(self.partners),
        }

    @property
    def sip_advertised(self) -> str:
        """HOST:PORT by which partners reach us, as far as this machine can tell."""
        return str(Endpoint(self.addresses.sip_host or self.addresses.local, self.addresses.sip_port or self.ports.sip))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the CA, or of the own certificate."""
        return certificates.show(self.ca_file).fingerprint if self.ca_file else certificates.facts_of(self.credentials.leaf).fingerprint

    def setup(self) -> Mapping[str, Any]:
        """Tell /api/v1/setup: how a partner points an SBC here."""
        from sbc_sim.http.setup import Instance, RegionAddress, setup_data

        ports, policy = self.ports, self.settings.policy()
        content = json.dumps({"orgId": policy.echo_org, "scrt2Domain": policy.echo_domain}, separators=(",", ":"))
        instance = Instance(
            sip_host=self.addresses.sip_host or self.addresses.local,
            sip_port=self.addresses.sip_port or ports.sip,
            media_host=self.addresses.media_host or self.addresses.local,
            media_start=ports.media_start,
            media_end=ports.media_end,
            media_mode=self.settings.media.mode,
            certificate_names=certificates.names_of(self.credentials.leaf),
            ca_fingerprint=self.fingerprint if self.ca_file else None,
            echo_header=f"{content.encode().hex()};encoding=hex",
            echo_content=content,
            regions=tuple(RegionAddress(*_region_values(region)) for region in self.regions),
            worker_ports=tuple(self.worker_ports),
        )
        return setup_data(instance)

    def banner(self) -> Banner:
        """Tell what `serve` prints first."""
        ports, settings = self.ports, self.settings
        return Banner(
            version=self.version,
            sip=str(Endpoint(settings.sip.listen.host, ports.sip)),
            sip_advertised=self.sip_advertised,
            sip_by_connection=not self.addresses.sip_host,
            media=f"{settings.media.listen} {_range(ports)}",
            media_advertised=self.addresses.media_host,
            calls=settings.limits.calls if settings.media.mode == "mux" else min(self.media_ports // 2, settings.limits.calls),
            mode="one port for all calls" if settings.media.mode == "mux" else "two ports for each call",
            http=f"http://{Endpoint(reachable(settings.http.listen.host), ports.http)}{settings.http.base_path}/",
            token=self.token if settings.http.token is None else None,
            ca=str(self.ca_file) if self.ca_file else None,
            ca_path=_ca_path() if bridged() else "",
            fingerprint=self.fingerprint,
            call=self._first_call(ports),
            numbers=tuple(self._number_rows()),
            notes=self._notes(),
            store=settings.store.url.removeprefix("sqlite:").removesuffix(":"),
            durable=self.survives,
            regions=tuple(self._region_rows()),
            worker_ports=tuple(self.worker_ports),
        )

    def _number_rows(self) -> Iterator[tuple[str, str]]:
        """Name the numbers that a newcomer dials first, and what every other gets."""
        table = self.settings.number_table()
        if table is not None:
            first = [one for one in table.numbers if one.name in FIRST_NUMBERS]
            yield from ((f"{one.number} or {one.name}", one.does) for one in first)
        yield "any other" if table is not None else "any number", OTHER_NUMBERS
        if table is not None:
            yield f"all {len(table.numbers)}", "sbc-sim numbers"

    def _region_rows(self) -> Iterator[tuple[str, str]]:
        """Sum up the regions of the common listener, then name those with one of their own."""
        shared = [region for region in self.regions if region["listen"] is None]
        default = next((region["name"] for region in self.regions if region["default"]), "")
        if shared:
            yield f"{len(shared)} here", f"by SNI, Request-URI host or source network; else {default or 'none'} (docs/regions.md)"
        for region in self.regions:
            if region["listen"] is not None:
                yield f"{region['name']} {region['listen']}", f"its own listener; partners call {region['address']}"

    def _first_call(self, ports: Ports) -> str:
        if bridged():
            return f"sbc-sim call tls:{self.sip_advertised}{' --ca ca.pem' if self.ca_file else ''}"
        ca = f" --ca {self.ca_file}" if self.ca_file else ""
        return f"sbc-sim call tls:{Endpoint(reachable(self.settings.sip.listen.host), ports.sip)}{ca}"

    def _notes(self) -> tuple[str, ...]:
        notes = [*self._not_kept(), *self.cramped, *self.credentials.warnings]
        if self.restarted:
            were = "call was" if self.restarted == 1 else "calls were"
            notes.append(f"{self.restarted} {were} up when the simulator stopped the last time; the list has them as ended by restart")
        if self.addresses.by_connection:
            notes.append(unadvertised(self.addresses, bridged()))
        if note := unfetched(self.settings):
            notes.append(note)
        if self.settings.tls.flaw != "none":
            notes.append(f"the server certificate is flawed on purpose (tls.flaw: {self.settings.tls.flaw}); a careful partner refuses it")
        for path in self.key_log_paths:
            notes.append(f"TLS secrets are appended to {path}: whoever has that file can read captures of these calls")
        return tuple(notes)

    def _not_kept(self) -> list[str]:
        """Warn of a `data.dir` that nothing can be written in."""
        kept = self.settings.store.url
        made = str(self.settings.tls.dir) if self.ca_file else ""
        return list(filter(None, [settings_data.warning(self.settings.data.dir, store=kept == "memory:", certificates=made)]))


def unfetched(settings: Settings) -> str:
    """Say that replicas on other machines cannot fetch captures from here; empty when they can, or there are none."""
    among_machines = settings.store.url.startswith(("postgresql:", "postgres:")) and settings.workers.count == 1
    if not among_machines or settings.replicas.http is not None or not ip_address(settings.http.listen.host.strip("[]")).is_loopback:
        return ""
    return (
        f"replicas on other machines cannot fetch captures (capture.pcapng, audio.wav) from here: http.listen is {settings.http.listen}; "
        "let it listen for them, with one http.token for all, or set replicas.http (docs/replicas.md)"
    )


def unadvertised(own: Addresses, contained: bool) -> str:
    """Say what follows from addresses that nobody set: right on a desk, wrong in a container (`contained`)."""
    unset = [not own.sip_host, not own.media_host]
    carry = " and ".join(compress(("Contact", "SDP"), unset)) + (" carry" if all(unset) else " carries")
    if not contained:
        cure = " and ".join(compress(("sip.advertised", "media.advertised"), unset))
        return f"{carry} the address by which each partner reached this machine; behind NAT or in a container set {cure}"
    cure = " and ".join(compress(("SBC_SIM_SIP__ADVERTISED (HOST:PORT)", "SBC_SIM_MEDIA__ADVERTISED (ADDRESS)"), unset))
    return (
        f"this is a container, and {carry} its own address, {own.local}, which its host alone knows: set {cure} to what partners reach "
        "(docs/containers.md)"
    )


def _ca_path() -> str:
    from sbc_sim.http.setup import CA_PATH

    return CA_PATH


def _region_values(region: Mapping[str, Any]) -> tuple[Any, ...]:
    host, port = split_host_port(region["address"])
    media = region["media"]
    name, label, named = region["name"], region["label"], region["host"] or ""
    return name, label, named, host, port, media["advertised"] or "", media["portStart"], media["portEnd"]


def _range(ports: Ports) -> str:
    if ports.media_start == 0:
        return "any free port"
    return str(ports.media_start) if ports.media_start == ports.media_end else f"{ports.media_start}-{ports.media_end}"
