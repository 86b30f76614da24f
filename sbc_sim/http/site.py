"""The HTTP interface as one object to listen with: `reactor.listenTCP(port, build_site(...), interface=host)`.

It knows no settings: what it needs comes in as plain values and functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http import HTTPFactory

from sbc_sim.http.calls_api import CallsApi
from sbc_sim.http.channel import ChannelLimits, Incoming, SiteFactory
from sbc_sim.http.clock import Clock
from sbc_sim.http.exchange import JSON, Asked, Reply
from sbc_sim.http.guard import Guard
from sbc_sim.http.metrics import Metrics
from sbc_sim.http.problem import Problem
from sbc_sim.http.routes import Route, RouteTable, check_accept, choose, read_query
from sbc_sim.http.service_api import ServiceApi
from sbc_sim.http.waiting import Waiting
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


def build_site(sources: Sources, options: SiteOptions, reactor: Clock) -> HTTPFactory:
    """Make the factory to listen with."""
    waiting = Waiting(sources.store, reactor, options.waiters)
    calls = CallsApi(sources.store, waiting, sources.hang_up, options.longest_wait)
    service = ServiceApi(sources.info, sources.unready, sources.metrics, sources.ca_file)
    guard = Guard(options.token, tuple(name.lower() for name in options.hosts), options.origins, options.base_path)
    front = Desk(guard, RouteTable((*service.routes(), *calls.routes())), waiting)
    limits = ChannelLimits(options.body_limit, options.connections, options.request_time)
    return SiteFactory(front, limits, options.idle_time, reactor)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests arrive: admit, find the route, check what was sent, answer."""

    guard: Guard
    table: RouteTable
    waiting: Waiting
    """Who waits for a call."""

    def answer(self, incoming: Incoming) -> Reply | Deferred[Reply]:
        """Answer, or raise Problem."""
        self.guard.check_origin(incoming.header)
        target, _, query = incoming.target.partition("?")
        path = self.guard.relative(target, incoming.header)
        route, names = self._route(incoming, path)
        accept = ", ".join(incoming.header("Accept"))
        check_accept(accept, route.produces)
        _check_body(incoming)
        return route.function(Asked(incoming.method, path, names, read_query(query, route.query), incoming.body, accept))

    def _route(self, incoming: Incoming, path: str) -> tuple[Route, Mapping[str, str]]:
        """Find the route, but tell who is not admitted nothing about which paths there are."""
        try:
            methods, names = self.table.find(path)
            route = choose(methods, incoming.method, path)
        except Problem:
            self.guard.check(incoming.header)
            raise
        if not route.open:
            self.guard.check(incoming.header)
        return route, names


def _check_body(incoming: Incoming) -> None:
    """Raise Problem 415 for a body that is not JSON."""
    kind = (incoming.header("Content-Type") or [""])[0].partition(";")[0].strip().lower()
    if incoming.body and kind != JSON:
        said = f"declared as {kind[:60]}" if kind else "of no declared type"
        raise Problem(415, "not-json", f"The body is {said}.", "Send JSON with the header Content-Type: application/json.")
