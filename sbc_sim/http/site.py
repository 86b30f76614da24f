"""The HTTP interface as one object to listen with: `reactor.listenTCP(port, build_site(...), interface=host)`.

It knows no settings: what it needs comes in as plain values and functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import HTTPFactory

from sbc_sim.http.metrics import Metrics
from sbc_sim.journal.store import Store


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """How the interface behaves towards its clients. Times in seconds, sizes in octets."""

    token: str | None = None
    """Bearer token that every request must show, but for /livez, /readyz and the CA download. None: no token is asked for."""
    hosts: tuple[str, ...] = ()
    """Names by which clients may call us (Host header), beside localhost, address literals; ``*`` allows any. Only looked at without a
    token: with one, a foreign page in a browser can do nothing anyway."""
    origins: tuple[str, ...] = ()
    """Origins (``https://host[:port]``) that may ask beside our own."""
    base_path: str = ""
    """Sub-path under which a reverse proxy that does not cut it off serves us, for example ``/sbc-sim``."""
    body_limit: int = 1024 * 1024
    connections: int = 256
    request_time: float = 15.0
    """A request must have arrived as a whole after this time."""
    idle_time: float = 60.0
    waiters: int = 100
    """Requests to /calls/wait under way at once."""
    longest_wait: float = 300.0


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers come from."""

    store: Store
    metrics: Metrics
    info: Callable[[], Mapping[str, Any]]
    """Members of /api/v1/info in camelCase, JSON values only."""
    unready: Callable[[], Sequence[str]]
    """Why the service is not ready, one sentence each; empty: it is."""
    hang_up: Callable[[str], bool]
    """End a live call by its id; False when this process has no such live call."""
    ca_file: Path | None = None
    """PEM of the CA, None when the certificate is not of our own making."""


def token_needed(host: str) -> bool:
    """Say whether listening on this host asks for a token: everything but loopback does, and so does a name that is not ``localhost``."""
    try:
        return not ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host != "localhost"


def build_site(sources: Sources, options: SiteOptions, reactor: IReactorTime) -> HTTPFactory:
    """Make the factory to listen with."""
    raise NotImplementedError
