"""What each worker of `serve --workers N` gets for itself: a SIP port for its Contact, and its share of the media ports.

A connection belongs to the worker that accepted it, and so do its calls. Requests within a call may come on a new connection (RFC 3261
section 12.2.1.1 sends them to the Contact), and media come without any connection: both need ports that lead to this worker and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sbc_sim.settings import Endpoint, PortRange, Settings, SettingsError, place_of

_Origins = Mapping[str, str]
_NO_ORIGINS: _Origins = {}


@dataclass(frozen=True, slots=True)
class Share:
    """One worker's part of the ports."""

    number: int
    """From 1."""
    count: int
    """Workers in all."""
    sip_port: int
    """Its own, beside the common one; 0: any free one."""
    media_ports: str
    """As of media.ports: a range, in mode mux one port; ``0``: any free ones."""
    region_media: Mapping[str, str] = field(default_factory=dict)
    """The same for each region with media ports of its own."""

    @property
    def said(self) -> str:
        """Say, where its media ports are all in use, that others may have some."""
        return f" at worker {self.number} of {self.count}; a new connection may come to another one"


@dataclass(frozen=True, slots=True)
class WorkerPart:
    """What the parent gives one worker. The settings that go with it name real ports, which the parent holds."""

    share: Share
    sip_port: int
    """The real port of its own."""
    sip_ports: tuple[int, ...]
    """Those of all workers."""
    token: str | None
    """What all workers' APIs ask for."""
    folder: Path
    """Private to the workers of one parent."""


def shares(settings: Settings, origins: _Origins = _NO_ORIGINS) -> tuple[Share, ...]:
    """Deal the ports out. Raises SettingsError with the cure where they are too few, or the same port is meant for two things."""
    count = settings.workers.count
    _check_regions(settings, origins)
    sip = _sip_ports(settings, origins)
    media = _dealt("media.ports", settings.media.ports, settings, origins)
    own = {
        name: _dealt(f"regions.{name}.media_ports", region.media_ports, settings, origins)
        for name, region in settings.regions.items()
        if region.enabled and region.media_ports is not None
    }
    return tuple(Share(n + 1, count, sip[n], media[n], {name: ports[n] for name, ports in own.items()}) for n in range(count))


def all_ports(ports: PortRange, own: tuple[int, int], mode: str, count: int) -> tuple[int, int]:
    """Give the media ports of all workers, for what partners allow: first and last. `own`: one worker's, where no numbers were set."""
    if ports.start == 0:
        return own
    return (ports.start, ports.start + count - 1) if mode == "mux" else (ports.start, ports.end)


def _check_regions(settings: Settings, origins: _Origins) -> None:
    """A region's own listener names the worker's own port in Contact, so that port must be on the region's address too."""
    common = settings.sip.listen
    for name, region in settings.regions.items():
        if region.enabled and region.listen is not None and not common.wildcard and region.listen.host != common.host:
            raise SettingsError(
                f"{place_of(f'regions.{name}.listen', origins)}: with workers.count {settings.workers.count} each worker also listens on a "
                f"port of its own on the address of sip.listen ({common.host}), where a Contact for {region.listen.host} would not lead: "
                "set sip.listen to 0.0.0.0:PORT, or workers.count to 1"
            )


# --- SIP ports -------------------------------------------------------------------------------------------------------------


def _sip_ports(settings: Settings, origins: _Origins) -> list[int]:
    count, wanted, common = settings.workers.count, settings.workers.sip_ports, settings.sip.listen.port
    if wanted is None:
        wanted = PortRange(common + 1, common + count) if common else PortRange(0, 0)
    if wanted.start == 0:
        return [0] * count
    key = place_of("workers.sip_ports", origins)
    if wanted.end > 65535:
        raise SettingsError(f"{key}: {count} ports after {common} would go beyond 65535: set workers.sip_ports to {count} ports, or to 0")
    if wanted.end - wanted.start + 1 < count:
        enough = PortRange(wanted.start, wanted.start + count - 1)
        raise SettingsError(f"{key}: {wanted} is too few for {count} workers, one port each: make it {enough}, or set workers.count lower")
    ports = list(range(wanted.start, wanted.start + count))
    for use, endpoint in _taken(settings):
        if endpoint.port in ports:
            raise SettingsError(f"{key}: port {endpoint.port} of {PortRange(ports[0], ports[-1])} is that of {use}: name other ports, or 0")
    return ports


def _taken(settings: Settings) -> Iterator[tuple[str, Endpoint]]:
    """List what else listens for TCP."""
    yield "sip.listen", settings.sip.listen
    yield "http.listen", settings.http.listen
    if settings.telephony.tls_listen is not None:
        yield "telephony.tls_listen", settings.telephony.tls_listen
    for name, region in settings.regions.items():
        if region.enabled and region.listen is not None:
            yield f"regions.{name}.listen", region.listen


# --- media ports -----------------------------------------------------------------------------------------------------------


def _dealt(key: str, ports: PortRange, settings: Settings, origins: _Origins) -> list[str]:
    """Deal a range out, as evenly as whole calls allow."""
    count = settings.workers.count
    if ports.start == 0:
        return ["0"] * count
    first, step = (ports.start, 1) if settings.media.mode == "mux" else (ports.start + ports.start % 2, 2)
    there = max(0, ports.end + 1 - first) // step
    if there < count:
        what = "one port each" if step == 1 else "an even port and the one above it for each call"
        enough = PortRange(first, first + count * step - 1)
        raise SettingsError(
            f"{place_of(key, origins)}: {ports} is too few for {count} workers ({what}): make it {enough} or larger, "
            "or set workers.count lower"
        )
    if step == 1:
        return [str(first + n) for n in range(count)]
    sizes = [there // count + (n < there % count) for n in range(count)]
    starts = [first + 2 * sum(sizes[:n]) for n in range(count)]
    return [str(PortRange(start, start + 2 * size - 1)) for start, size in zip(starts, sizes, strict=True)]
