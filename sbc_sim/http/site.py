"""The HTTP interface as one object to listen with: `reactor.listenTCP(port, build_site(...), interface=host)`.

It knows no settings: what it needs comes in as plain values and functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from secrets import token_hex
from typing import Any

from twisted.web.http import HTTPFactory

from sbc_sim.exports.capture import NOTHING, Capture
from sbc_sim.http.calls_api import CallsApi
from sbc_sim.http.channel import ChannelLimits, SiteFactory
from sbc_sim.http.clock import Clock
from sbc_sim.http.desk import Desk
from sbc_sim.http.documents_api import DocumentsApi
from sbc_sim.http.elsewhere import Elsewhere, by_owner
from sbc_sim.http.escalation_api import EscalationApi, EscalationDesk, NoEscalations
from sbc_sim.http.events import Events
from sbc_sim.http.faults_api import FaultDesk, FaultsApi, NoFaults
from sbc_sim.http.guard import Guard
from sbc_sim.http.judge_api import JudgeApi
from sbc_sim.http.metrics import Metrics
from sbc_sim.http.openapi import OpenApi
from sbc_sim.http.page_files import PageFiles
from sbc_sim.http.regions_api import NoRegions, RegionDesk, RegionsApi
from sbc_sim.http.rehearsal_documents import RehearsalDocuments
from sbc_sim.http.rehearsals_api import RehearsalDesk, RehearsalsApi
from sbc_sim.http.replicas_api import ReplicasApi
from sbc_sim.http.reset_api import ResetApi
from sbc_sim.http.routes import RouteTable
from sbc_sim.http.service_api import ServiceApi
from sbc_sim.http.session_api import SessionApi
from sbc_sim.http.telephony_api import TelephonyApi, TelephonyFront
from sbc_sim.http.telephony_source import TelephonySource
from sbc_sim.http.uui_api import UuiApi
from sbc_sim.http.voice_calls_api import VoiceCallsApi
from sbc_sim.http.waiting import Waiting
from sbc_sim.http.work import Pace, Work
from sbc_sim.journal.owners import Alone, Fellows
from sbc_sim.journal.replica import Replica
from sbc_sim.journal.store import Store, Trace
from sbc_sim.rules.policy import Policy

TRACES_AT_ONCE = 1
MOST_TRACES_WAITING = 3
"""Uploads have a lane of their own, so that no trace holds up a report."""
VIEWS_AT_ONCE = 1
MOST_VIEWS_WAITING = 64
"""So has what a page shows of a call, so that no report holds up a page; equal ones are made once."""
FETCHED_AT_ONCE = 2
MOST_FETCHED_WAITING = 16
"""Files that other replicas are asked for: waiting for them holds up nobody here."""


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
    listeners: int = 100
    """Who follows /api/v1/events at once; more get 503."""
    upload_limit: int = 32 * 1024 * 1024
    """Largest trace in octets that can be judged."""


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
    capture: Callable[[Trace], Capture] = lambda trace: NOTHING
    """What was kept of the wire for this call."""
    setup: Callable[[], Mapping[str, Any]] = dict
    """What /api/v1/setup tells: see http/setup."""
    reset: Callable[[], int] | None = None
    """Forget what is over and say how many calls that were; None: `store.clear`."""
    policy: Policy = field(default_factory=Policy)
    """By which traces and User-to-User values are judged."""
    escalations: EscalationDesk = field(default_factory=NoEscalations)
    """What gives calls back by order, and hears of the partner."""
    rehearsals: RehearsalDesk | None = None
    """What keeps and feeds the rehearsals; None: there are none here."""
    regions: RegionDesk = field(default_factory=NoRegions)
    """Regions, partners and certificates."""
    faults: FaultDesk = field(default_factory=NoFaults)
    """What keeps the faults and knows the test numbers."""
    replicas: Callable[[], Sequence[Replica]] = tuple
    """Who shares the store; none: nobody."""
    fellows: Fellows = field(default_factory=Alone)
    """The other replicas."""
    on_reset: Callable[[Callable[[], None]], object] = lambda tell: None
    """Is given what tells the listeners that the store was emptied, for when another replica's API has done it."""
    telephony: TelephonySource | None = None
    """The Telephony Integration API; None: it is switched off."""


def token_needed(host: str) -> bool:
    """Say whether listening on this host asks for a token: everything but loopback does, and so does a name that is not ``localhost``."""
    try:
        return not ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host != "localhost"


def build_site(sources: Sources, options: SiteOptions, reactor: Clock) -> HTTPFactory:
    """Make the factory to listen with."""
    store, page, pace = sources.store, PageFiles(), Pace()
    work, views = Work(reactor, pace), Work(reactor, pace, "views", VIEWS_AT_ONCE, MOST_VIEWS_WAITING)
    traces = Work(reactor, pace, "traces", TRACES_AT_ONCE, MOST_TRACES_WAITING)
    fetched = Work(reactor, pace, "files of other replicas", FETCHED_AT_ONCE, MOST_FETCHED_WAITING)
    waiting = Waiting(store, reactor, options.waiters)
    events = Events(store, reactor, token_hex(4), options.listeners)
    sources.on_reset(events.reset)
    elsewhere = Elsewhere(sources.fellows, options.token, fetched)
    guard = Guard(options.token, tuple(name.lower() for name in options.hosts), options.origins, options.base_path)
    judge = JudgeApi(store, sources.policy, traces, options.upload_limit)
    parts = (
        ServiceApi(sources.info, sources.unready, sources.metrics, sources.ca_file, sources.setup, store, page.index),
        CallsApi(store, waiting, sources.hang_up, options.longest_wait, views),
        EscalationApi(store, sources.escalations),
        DocumentsApi(store, by_owner(sources.fellows, sources.capture), work, views, elsewhere),
        events,
        UuiApi(sources.policy),
        judge,
        RehearsalsApi(sources.rehearsals, store, judge, traces),
        RehearsalDocuments(sources.rehearsals, store, lambda: str(sources.info().get("version", "")), work),
        RegionsApi(sources.regions),
        FaultsApi(sources.faults),
        VoiceCallsApi(sources.telephony, store, views),
        TelephonyApi(sources.telephony, guard, reactor),
        ReplicasApi(sources.replicas),
        ResetApi(sources.reset or store.clear, events),
        SessionApi(guard),
        page,
        OpenApi(lambda: table.routes, lambda: str(sources.info().get("version")), options.token is not None, work),
    )
    table = RouteTable(route for part in parts for route in part.routes())
    front = Desk(guard, table, waiting, events, options.body_limit, sources.fellows)
    limits = ChannelLimits(options.body_limit, options.connections, options.request_time)
    return SiteFactory(front, limits, options.idle_time, reactor, (work.stop, views.stop, traces.stop, fetched.stop, events.close))


def build_telephony_site(source: TelephonySource, options: SiteOptions, reactor: Clock) -> HTTPFactory:
    """Make the factory of a listener that has the Telephony Integration API and nothing else."""
    guard = Guard(options.token, tuple(name.lower() for name in options.hosts), options.origins, "")
    front = TelephonyFront(TelephonyApi(source, guard, reactor), guard, options.body_limit)
    return SiteFactory(front, ChannelLimits(options.body_limit, options.connections, options.request_time), options.idle_time, reactor)
