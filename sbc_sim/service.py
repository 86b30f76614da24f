"""The simulator as one thing: every room built from Settings and joined, listened with, told about, and stopped.

service = Service(settings, reactor, version)
service.listen()                # raises ServiceError
... reactor runs ...
service.stop()                  # Deferred
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall, deferLater

from sbc_sim.addresses import Ports, addresses, certificate_names, in_uri
from sbc_sim.announcing import Announcement
from sbc_sim.building import (
    MediaWithClock,
    connection_limits,
    faulting_of,
    hep_of,
    media_of,
    recordings_of,
    rehearsing_of,
    shown_of,
    site_options,
    token_of,
)
from sbc_sim.calls.agents import Agents
from sbc_sim.calls.choosing import Choosing
from sbc_sim.calls.keepalive import KeepalivePlan
from sbc_sim.calls.outputs import Environment
from sbc_sim.calls.production import DIAL_WORDS
from sbc_sim.calls.rehearsals import rehearsed
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.capacity import TooFewFiles, fitted
from sbc_sim.http.metrics import Gauges, Metrics
from sbc_sim.http.replicas_api import replicas_info
from sbc_sim.http.site import Sources, build_site
from sbc_sim.http.telephony_source import KEY_DELETE, KEY_PUT
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.owners import HANG_UP, RESET, Alone, Fellows
from sbc_sim.journal.share import ShareOptions, ordinal_at
from sbc_sim.journal.store import Store, StoreError
from sbc_sim.journal.view import rfc3339
from sbc_sim.net import certificates
from sbc_sim.net.certificates import CertificateFiles, Credentials
from sbc_sim.net.escalating import ESCALATE, PARTNER_SAYS, Escalating
from sbc_sim.net.faulting import ORDERS as FAULT_ORDERS
from sbc_sim.net.faulting import PUT as FAULT_PUT
from sbc_sim.net.listen_errors import cannot_listen
from sbc_sim.net.listeners import Listeners, Rotation
from sbc_sim.net.media_regions import RegionalMedia
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.rehearsing import REHEARSAL
from sbc_sim.net.shapes import Listen
from sbc_sim.net.shared_ports import listen_shared
from sbc_sim.net.shell import Shell, unix_clock
from sbc_sim.net.sip_tls import ListenError, SipDialler
from sbc_sim.net.store_watch import StoreWatch
from sbc_sim.net.tls_contexts import ClientCertificates, ClientTls, ServerTls
from sbc_sim.places import (
    directory_of,
    own_identities,
    own_listeners,
    partners_of,
)
from sbc_sim.region_desk import ROTATE, Regional
from sbc_sim.rtp.leg import LegEvent
from sbc_sim.rtp.seeded import seeded_tokens
from sbc_sim.settings import PortRange, Settings, SettingsError
from sbc_sim.sip.connections import Identity
from sbc_sim.stores import database_of, limits_of, store_of
from sbc_sim.telephony.record import VoiceCall
from sbc_sim.telephony_room import Settling, TelephonyRoom
from sbc_sim.worker_plan import WorkerPart, all_ports

FAREWELL = 0.05
"""Seconds in which the last octets of HTTP answers leave."""
WRITE_SECONDS = 1.0
"""From one writing of the metrics for other workers to the next."""
TAKEN_FOR_LOST = "others had taken this replica for lost, and this call for ended; it goes on, at the replica"
"""Note in each live call of a replica that is there again, before its name."""
DRAIN_LOOK = 0.1
"""Seconds from one look whether calls are still live to the next."""

if TYPE_CHECKING:
    from sbc_sim.joined import Door, Joined
    from sbc_sim.journal.database import Database
    from sbc_sim.journal.kept import KeptStore


class ServiceError(Exception):
    """Why the simulator cannot run: a port, a certificate, the network. One sentence."""


def certificate_files(settings: Settings) -> CertificateFiles:
    """Make what is missing of CA and server certificate. Raises ServiceError."""
    try:
        return certificates.ensure(settings.tls.dir, certificate_names(settings))
    except CertificateError as error:
        raise ServiceError(str(error)) from None


def write_ports(file: Path, told: Mapping[str, object]) -> None:
    """Write the ports file, whole or not at all. Raises ServiceError."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        part.write_text(json.dumps(told) + "\n", encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise ServiceError(f"the ports file {file} cannot be written: {error.strerror}") from None


def _fitted(settings: Settings) -> tuple[Settings, int, str]:
    try:
        found = fitted(settings)
    except TooFewFiles as problem:
        raise ServiceError(str(problem)) from None
    return found.settings, found.http, found.note


class Service:
    """All rooms of one process."""

    def __init__(self, settings: Settings, reactor: Any, version: str, worker: WorkerPart | None = None) -> None:
        """Build and join; nothing is listened on yet. `worker`: what is ours when we are one of several. Raises ServiceError."""
        self.settings, self._http_room, self.short_of_files = _fitted(settings)
        self.worker = worker
        self._listen_tcp: Listen = reactor.listenTCP if worker is None else listen_shared(reactor)
        self.version = version
        self.addresses = addresses(settings)
        self.ca_file: Path | None = None
        self.token = token_of(settings) if worker is None else worker.token
        self._reactor = reactor
        self._running = self._stopping = False
        self._web: Any = None
        self._metrics_writer: LoopingCall | None = None
        self.clock = unix_clock()
        self.fellows: Fellows = Alone()
        self._joined: Joined | None = None
        self._door: Door | None = None
        self._door_port: Any = None
        self._tell_reset: Callable[[], None] = lambda: None
        self.store = self._open_store()
        self._store_watch = StoreWatch(self.store, reactor)
        try:
            self._build()
        except (CertificateError, SettingsError, ValueError) as error:
            self.store.close()
            raise ServiceError(str(error)) from None

    def _open_store(self) -> Store:
        """Open what store.url names; where others write to it too, say first that we are there. Raises ServiceError."""
        settings, now = self.settings, self.clock()
        try:
            database = database_of(settings, self.worker is None)
            if database is None or (database.kind == "sqlite" and self.worker is None):
                return store_of(settings, now, database)
            database.prepare()
            self.fellows = self._joined = self._join(database)
            return store_of(settings, now, database, ShareOptions(self._joined.name, self._joined.slot, self._reactor.callFromThread))
        except StoreError as error:
            raise ServiceError(str(error)) from None

    def _join(self, database: Database) -> Joined:
        """Become one of those that share a store. Raises StoreError."""
        from sbc_sim.joined import Door, about, registered  # only who shares a store pays for it

        settings = self.settings
        self._door = Door() if self.worker is not None or settings.http.listen.port == 0 else None
        sip_port = self.addresses.sip_port or settings.sip.listen.port if self.worker is None else self.worker.sip_port
        told = about(settings, self.addresses, self.version, self._door.port if self._door else None, sip_port)
        return registered(settings, database, told, self._reactor, limits_of(settings))

    def _build(self) -> None:
        settings = self.settings
        self.shown, self.ca_file = shown_of(settings)
        self.recordings = recordings_of(settings, self.clock)
        host = self.addresses.media_host
        self.plane = media_of(settings, self.worker, self._reactor, self.clock, host, self.recordings, self._heard)
        self.directory = directory_of(settings)
        self.agents = Agents(settings.agent_settings(), settings.scenarios)
        self.agents.check()
        self.rehearsing = rehearsing_of(settings, self.store, self._reactor, self.clock, self.fellows)
        self.faulting = faulting_of(settings, self.directory, self._reactor, self.clock, self.store.append, self.fellows)
        self.telephony = TelephonyRoom(settings, self.store, self.clock, self.faulting.table.telephony, self.fellows)
        self.telephony.told = self._voice_call_changed
        choose = Choosing(self.faulting.number_table, self.faulting.table, self.agents, settings.uui.echo_org)
        environment = Environment(
            self.plane.open,
            self.plane.report,
            seeded_tokens(self._seed) if self._seed else secrets.token_hex,
            secrets.token_bytes,
            locate=self.directory.locate,
            choose=rehearsed(choose, self.rehearsing.rehearsals),
            voice_calls=self.telephony.voice_calls,
            telephony=self.telephony.model,
            renew_certificate=lambda: self.rotation.renew(),
            media_share="" if self.worker is None else self.worker.share.said,
        )
        identity = Identity(
            in_uri(self.addresses.sip_host),
            self.addresses.sip_port if self.worker is None else self.worker.sip_port,
            listeners=self._identities(),
        )
        asking = KeepalivePlan(settings.sip.options_seconds, partners_of(settings))
        self.switchboard = Switchboard(settings.policy(), settings.call_limits(), identity, environment, settings.escalation_plan(), asking)
        limits = connection_limits(settings)
        wire = self.recordings.taps()
        trust = ClientTls(settings.tls.ca_file, min_version=settings.tls.min_version, also=self.ca_file)
        dialler = SipDialler(self._reactor, trust, limits, **wire, production=settings.sip.dial_production == DIAL_WORDS)
        self.shell = Shell(
            self._reactor, self.switchboard, MediaWithClock(self.plane, self.clock), self.store.append, dialler=dialler, now=self.clock
        )
        behaviour = ServerTls(ClientCertificates(settings.tls.client_certificates), settings.tls.min_version)
        own = {name: (at.host, at.port) for name, at in own_listeners(settings).items()}
        beside = None if self.worker is None else (settings.sip.listen.host, self.worker.sip_port)
        self.listeners = Listeners(
            self._reactor, self.shell, self.shown, behaviour, limits, own, **wire, listen_tcp=self._listen_tcp, beside=beside
        )
        hosts = {region.name: region.host for region in self.directory.regions.values()}
        self.rotation = Rotation(self.shown, self.listeners, hosts, self._reactor, self.clock)
        self.rotation.on_entry = self.store.append
        self.faulting.rotate = self.rotation.rotate
        options = self.switchboard.keepalive.states
        self.regional = Regional(settings, self.directory, self.rotation, self.addresses, lambda: self.ports, options, self.fellows)
        production = bool(settings.sip.dial_production)
        self.escalating = Escalating(self.store, self.shell, self.switchboard, settings.rules.profile, production, self.fellows)
        if self._joined is not None:
            self._take_orders(self._joined)
        self.hep = hep_of(settings, self._reactor)
        self.metrics = Metrics(self._gauges(), self.version)
        self.store.subscribe(self.metrics.observe)
        self.store.subscribe(self.recordings.observe)
        if self.hep is not None:
            self.store.subscribe(self.hep.hear)

    @property
    def _seed(self) -> str:
        """Where chance comes from, each worker's and replica's own: two with the same would give calls of two processes one id."""
        seed = self.settings.sip.seed
        if seed and self.worker is None and self.fellows.name:
            return f"{seed} of {self.fellows.name}"
        return seed if not seed or self.worker is None else f"{seed} of worker {self.worker.share.number}"

    def _identities(self) -> dict[str, tuple[str, int]]:
        """Tell what Contact says on listeners of regions. Of a worker: always its own port, for the others lead to any worker."""
        own = own_identities(self.settings, self.addresses.sip_host)
        return own if self.worker is None else {name: (host, self.worker.sip_port) for name, (host, _) in own.items()}

    def _heard(self, call: str, event: LegEvent) -> None:
        """Pass on what the leg of a call has heard."""
        self.shell.ask(lambda now: self.switchboard.heard(call, event, now))

    @property
    def credentials(self) -> Credentials:
        """What is shown to clients that name no region."""
        return self.shown.common

    def _gauges(self) -> Gauges:
        return Gauges(
            media_ports=lambda: (self.plane.ports_in_use, self.plane.ports_limit),
            store_size=self.store.size,
            store_health=self.store.health,
            reactor_lag=self.shell.lag.take_peak,
            certificate_expiry=lambda: self.credentials.not_after.timestamp(),
            refused_datagrams=lambda: self.plane.refused_datagrams,
            internal_errors=lambda: self.shell.door_errors,
            captures=lambda: self.recordings.size,
            voice_calls=self.telephony.counts if self.telephony.model is not None else None,
            faults=self.faulting.table.active,
            options=lambda: self.switchboard.keepalive.counts,
            hep_packets=lambda: {} if self.hep is None else self.hep.counts,
            replicas=None if self._joined is None else self._joined.living,
            orders=lambda: {} if self._joined is None else self._joined.replicas.orders(),
        )

    # --- running -----------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Begin to take calls and requests. Raises ServiceError when an address cannot be had."""
        sip, http = self.settings.sip.listen, self.settings.http.listen
        try:
            self.plane.listen()
            self.listeners.listen(sip.host, sip.port)
            site = self._site()
            self._web = self._listen_tcp(http.port, site, backlog=128, interface=http.host)
        except ListenError as error:
            raise ServiceError(str(error)) from None
        except CannotListenError as error:
            raise ServiceError(cannot_listen("HTTP", http.host, http.port, "http.listen", error)) from None
        except OSError as error:
            media = self.settings.media
            raise ServiceError(cannot_listen("media", media.listen, str(media.ports), "media.ports", error, kind="udp")) from None
        if self._door is not None:
            self._door_port = self._door.open(self._reactor, site)
        self._listen_for_telephony()
        try:
            if self.hep is not None:
                self.hep.start()
        except OSError as error:
            raise ServiceError(f"there is no way to hep.target {self.settings.hep.target}: {error.strerror or error}") from None
        self.shell.start(*self.listeners.all)
        self._store_watch.start()
        self.faulting.start(self.settings.faults)
        self.rehearsing.start()
        if self._joined is not None:
            self._joined.start()
        self._share_metrics()
        self._running = True

    def _share_metrics(self) -> None:
        """Have what the metrics tell written for the other workers, again and again."""
        if self.worker is None:
            return
        shared = self.metrics.share(self.worker.folder, self.worker.share.number)
        self._metrics_writer = LoopingCall(shared.write)
        self._metrics_writer.clock = self._reactor
        self._metrics_writer.start(WRITE_SECONDS)

    def _listen_for_telephony(self) -> None:
        try:
            self.telephony.listen(
                self._reactor, site_options(self.settings, self.token, self._http_room), self.credentials, self._listen_tcp
            )
        except CannotListenError as error:
            at: Any = self.settings.telephony.tls_listen
            raise ServiceError(cannot_listen("HTTPS", at.host, at.port, "telephony.tls_listen", error)) from None

    def _site(self) -> Any:
        sources = Sources(
            self.store,
            self.metrics,
            lambda: {**self.announcement.info(), **replicas_info(self.fellows)},
            self._unready,
            self._hang_up,
            self.ca_file,
            capture=self.recordings.capture,
            setup=lambda: self.announcement.setup(),
            reset=self.reset,
            policy=self.settings.policy(),
            faults=self.faulting,
            regions=self.regional,
            rehearsals=self.rehearsing,
            escalations=self.escalating,
            replicas=self.fellows.listed,
            fellows=self.fellows,
            on_reset=self._on_reset,
            telephony=self.telephony.source,
        )
        return build_site(sources, site_options(self.settings, self.token, self._http_room), self._reactor)

    def _unready(self) -> list[str]:
        if not self._running:
            return ["the simulator is shutting down"]
        expired = self.credentials.not_after.timestamp()
        if expired < self.clock() and self.shown.on_purpose is None:
            return [f"the server certificate expired on {rfc3339(expired)}: renew it (tls.cert_file), and start again"]
        return []

    def _hang_up(self, call: str) -> bool:
        view = self.store.call(call)
        if view is None or view.over:
            return False
        owner = self.fellows.owner(view.replica)
        if owner is None:
            self._end_call({"call": call})
        else:
            self.fellows.order(owner.name, HANG_UP, {"call": call})
        return True

    def _end_call(self, data: Mapping[str, Any]) -> None:
        self.shell.ask(lambda now: self.switchboard.hang_up(str(data["call"]), now))

    def _voice_call_changed(self, record: VoiceCall) -> None:
        self.shell.ask(lambda now: self.switchboard.voice_call_changed(record, now))

    def reset(self) -> int:
        """Forget calls that are over and what was captured of them, here and at the other replicas; return how many."""
        self.fellows.order("", RESET, {"at": time.time()})
        self.faulting.clear()
        return self._forget()

    def _reset_by_order(self, data: Mapping[str, Any]) -> None:
        """Do what another replica's API was told; faults are taken away by an order of their own."""
        self._forget(ordinal_at(float(data["at"])))
        self._tell_reset()

    def _on_reset(self, tell: Callable[[], None]) -> None:
        self._tell_reset = tell

    def _forget(self, until: int | None = None) -> int:
        self.recordings.clear()
        forgotten = self.store.clear(until)
        if self.telephony.model is not None:
            self.telephony.model.clear()
        self.rehearsing.clear()
        return forgotten

    def drain(self, seconds: float) -> Deferred[None]:
        """Take no new calls, say so on /readyz; fires when no call is live any more, or after `seconds`. `stop` cuts it short."""
        self._running = False
        self.shell.ask(self.switchboard.close_to_new)
        done: Deferred[None] = Deferred()
        self._await_calls(done, self._reactor.seconds() + seconds)
        return done

    def _await_calls(self, done: Deferred[None], until: float) -> None:
        if not self.switchboard.live_calls or self._reactor.seconds() >= until:
            done.callback(None)
        elif not self._stopping:
            self._reactor.callLater(DRAIN_LOOK, self._await_calls, done, until)

    def stop(self, grace: float = 2.0) -> Deferred[None]:
        """End calls with BYE, close everything; fires when all is closed."""
        self._running, self._stopping = False, True
        if self._metrics_writer is not None:
            self._metrics_writer.stop()
        self.faulting.stop()
        done = self.shell.stop(grace)
        done.addCallback(lambda _: self.plane.close_all(self.clock()))
        done.addCallback(lambda _: None if self.hep is None else self.hep.stop())
        done.addCallback(lambda _: self.telephony.stop())
        done.addCallback(lambda _: None if self._door_port is None else maybeDeferred(self._door_port.stopListening))
        done.addCallback(lambda _: None if self._web is None else self._close_web())
        done.addBoth(self._close_store)
        return done

    def _close_web(self) -> Deferred[None]:
        """Listen no more; who follows the events hears the end of them before the reactor stops."""
        closed = maybeDeferred(self._web.stopListening)
        return closed.addCallback(lambda _: deferLater(self._reactor, FAREWELL))

    def _close_store(self, result: Any) -> Any:
        """Write what waits: the calls have ended by now."""
        self.rehearsing.stop()
        self.recordings.close()
        self.store.close()
        self._store_watch.stop()
        if self._joined is not None:
            self._joined.stop()
        return result

    # --- one of several ----------------------------------------------------------------------------------------------

    def _take_orders(self, joined: Joined) -> None:
        """Say who does what other replicas order."""
        self.rotation.on_renewed = self.regional.renewed
        alone = lambda: joined.living() < 2  # noqa: E731 - asked for each answer
        self.telephony.share(joined.slot, Settling(cast("KeptStore", self.store), self._reactor, alone))
        joined.on(HANG_UP, self._end_call)
        joined.on(RESET, self._reset_by_order)
        joined.on(REHEARSAL, self.rehearsing.ordered)
        joined.on(ROTATE, self.regional.ordered)
        joined.on_each((ESCALATE, PARTNER_SAYS), self.escalating)
        joined.on_each(FAULT_ORDERS, self.faulting)
        if self.telephony.source is not None:
            joined.on_each((KEY_PUT, KEY_DELETE), self.telephony.source)
        joined.standing = self._standing
        joined.on_left = lambda name, ours: self.rehearsing.take_over(name) if ours else None
        joined.on_renamed = self._taken_for_lost

    def _taken_for_lost(self, name: str) -> None:
        """Mend what the others wrote while we could not be heard: what is appended to a call brings it back as it is here."""
        if self._joined is not None:
            share = ShareOptions(self._joined.name, self._joined.slot, self._reactor.callFromThread)
            cast("KeptStore", self.store).rejoin(share)
        self.rehearsing.renamed(name)
        for call in self.switchboard.live_ids:
            note = {"text": f"{TAKEN_FOR_LOST} {name}", "goesOn": True, "replica": name}
            self.store.append(Entry(self.clock(), Kind.NOTE, call, note))

    def _standing(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What a replica that has just begun must be told: what was set by the API."""
        yield from ((FAULT_PUT, fault) for fault in self.faulting.standing())
        yield from ((ROTATE, rotation) for rotation in self.regional.standing())
        if self.telephony.source is not None:
            yield from ((KEY_PUT, key) for key in self.telephony.source.standing())

    # --- telling -----------------------------------------------------------------------------------------------------

    @property
    def ports(self) -> Ports:
        """The real ports."""
        own = {region: listener.port for region, listener in self.listeners.own.items()}
        media = self.plane.region_ports if isinstance(self.plane, RegionalMedia) else {}
        common = self._of_all(self.settings.media.ports, self.plane.ports)
        media = {region: self._of_all(self.settings.regions[region].media_ports, range_) for region, range_ in media.items()}
        return Ports(self.listeners.common.port, self._web.getHost().port, *common, own, media)

    def _of_all(self, ports: PortRange | None, own: tuple[int, int]) -> tuple[int, int]:
        """Give the media ports of all workers; without others: our own."""
        if self.worker is None or ports is None:
            return own
        return all_ports(ports, own, self.settings.media.mode, self.worker.share.count)

    def told_ports(self) -> dict[str, object]:
        """Tell the real ports as the ports file has them."""
        ports = self.ports
        told: dict[str, object] = {"sip": ports.sip, "http": ports.http, "media_start": ports.media_start, "media_end": ports.media_end}
        if ports.regions:
            told["regions"] = dict(ports.regions)
        if self.telephony.port is not None:
            told["telephony_tls"] = self.telephony.port
        return told

    def write_ports(self, file: Path) -> None:
        """Write the real ports for scripts, whole or not at all. Raises ServiceError."""
        write_ports(file, self.told_ports())

    @property
    def announcement(self) -> Announcement:
        """What is told of all this, once it listens."""
        return Announcement(
            settings=self.settings,
            version=self.version,
            addresses=self.addresses,
            ports=self.ports,
            credentials=self.credentials,
            ca_file=self.ca_file,
            token=self.token,
            media_ports=self.plane.ports_limit,
            survives=self.store.health().kind != "memory",
            restarted=len(getattr(self.store, "restarted", ())),
            key_log_paths=self.recordings.key_log_paths,
            cramped=tuple(filter(None, [self.short_of_files, *self.plane.taken])),
            regions=self.regional.regions(),
            partners=tuple(self.directory.partners),
            worker_ports=() if self.worker is None else self.worker.sip_ports,
            shown=self.shown.change_of("").how.value,
        )
