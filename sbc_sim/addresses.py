"""Where the simulator is: the ports it listens on, what it calls itself, and by which address this machine reaches it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sbc_sim.settings import Endpoint, Settings, local_address


@dataclass(frozen=True, slots=True)
class Ports:
    """The real ports once everything listens."""

    sip: int
    http: int
    media_start: int
    media_end: int
    """Both 0: any free ones, call by call."""
    regions: Mapping[str, int] = field(default_factory=dict)
    """Of regions that listen on a port of their own."""
    media_regions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """First and last, of regions that have media ports of their own."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """What we call ourselves. An empty host: on each call the one by which the partner reached us."""

    sip_host: str
    sip_port: int
    """0: the port listened on."""
    media_host: str
    local: str
    """An address of this machine, to show in place of an empty host; found without sending anything."""

    @property
    def by_connection(self) -> bool:
        """Whether an address depends on who calls: right on a desk, wrong behind NAT."""
        return not (self.sip_host and self.media_host)


def addresses(settings: Settings) -> Addresses:
    """Work out what to advertise: as set, else where it listens; listening everywhere, it depends on the call."""
    host, port = split_host_port(settings.sip.advertised or "")
    sip = settings.sip.listen
    media = settings.media.advertised or settings.media.listen
    return Addresses(
        host or ("" if sip.wildcard else sip.host),
        port,
        media if settings.media.advertised or not Endpoint(media, 0).wildcard else (local_address() if ":" in sip.host else ""),
        local_address() if sip.wildcard else sip.host,
    )


def split_host_port(text: str) -> tuple[str, int]:
    """Split HOST, HOST:PORT, [IPv6] and [IPv6]:PORT."""
    host, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return text.strip("[]"), 0


def certificate_names(settings: Settings) -> tuple[str, ...]:
    """List what the certificate is for, beside localhost."""
    listens = () if settings.sip.listen.wildcard else (settings.sip.listen.host,)
    own = addresses(settings)
    return tuple(dict.fromkeys((*settings.tls.names, own.sip_host or own.local, *listens)))


def in_container() -> bool:
    """Tell whether this looks like a container."""
    if "KUBERNETES_SERVICE_HOST" in os.environ or "container" in os.environ:  # the second is podman's, whose file --read-only hides
        return True
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def bridged() -> bool:
    """Tell whether this is a container with a network of its own: the address that it sees of itself is then not what partners reach.

    One end of a veth pair has another interface behind it (iflink), a real one has not; ``tap0`` is what containers without root have.
    """
    if not in_container():
        return False
    own = [path for path in Path("/sys/class/net").glob("*") if path.name != "lo"]
    return bool(own) and all(path.name == "tap0" or _text(path / "iflink") != _text(path / "ifindex") for path in own)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def in_uri(host: str) -> str:
    """Give a host as URIs, Via and Warning have it: an IPv6 address in brackets (RFC 3261 section 25.1)."""
    return f"[{host}]" if ":" in host else host


def reachable(host: str) -> str:
    """Give an address by which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
