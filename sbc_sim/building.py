"""The rooms of one process, each built from Settings and what it needs of its neighbours; `service` joins them.

Raises, all of them, what their rooms raise: CertificateError, SettingsError, ValueError.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sbc_sim.addresses import certificate_names
from sbc_sim.calls.directory import Directory
from sbc_sim.calls.rehearsal import Rehearsal
from sbc_sim.calls.rehearsals import Rehearsals
from sbc_sim.http.rehearsal_documents import form_flags
from sbc_sim.http.site import SiteOptions, token_needed
from sbc_sim.journal.entries import Entry
from sbc_sim.journal.owners import Fellows
from sbc_sim.journal.store import Store
from sbc_sim.net import certificates
from sbc_sim.net.certificates import Flaw
from sbc_sim.net.faulting import Faulting
from sbc_sim.net.key_log import key_log_files
from sbc_sim.net.media_regions import RegionalMedia
from sbc_sim.net.media_udp import MediaPlane
from sbc_sim.net.recordings import RecordingLimits, Recordings
from sbc_sim.net.rehearsing import Rehearsing
from sbc_sim.net.shown_certificates import Files, ShownCertificates
from sbc_sim.net.sip_connection import ConnectionLimits
from sbc_sim.places import own_certificates, own_media, partners_of, regions_of
from sbc_sim.rtp.leg import LegDescription, LegEvent, Prompt
from sbc_sim.rtp.legs import make_leg
from sbc_sim.rules.catalogue import RULE_SET_VERSION
from sbc_sim.settings import Settings
from sbc_sim.worker_plan import WorkerPart

if TYPE_CHECKING:
    from sbc_sim.net.hep_sender import HepSender

Clock = Callable[[], float]
"""Unix seconds that never run backwards."""


class MediaWithClock:
    """The media plane as the shell knows it, which has no time of its own to pass on."""

    def __init__(self, plane: MediaPlane | RegionalMedia, clock: Clock) -> None:
        self.plane = plane
        self._clock = clock

    def start(self, leg: LegDescription) -> None:
        """Begin or change a leg."""
        self.plane.start(leg, self._clock())

    def stop(self, call: str) -> None:
        """End the leg of a call and free its ports."""
        self.plane.stop(call, self._clock())

    def say(self, call: str, prompt: Prompt | None) -> None:
        """Play a prompt on the leg of a call."""
        self.plane.say(call, prompt, self._clock())


def token_of(settings: Settings) -> str | None:
    """Give the token that the API asks for: one that is set always counts, one is made where strangers could reach it."""
    http = settings.http
    if http.auth == "none":
        return None
    if http.token is not None:
        return http.token.get_secret_value()
    return secrets.token_urlsafe(18) if token_needed(http.listen.host) else None


def media_of(
    settings: Settings,
    worker: WorkerPart | None,
    reactor: Any,
    clock: Clock,
    advertised: str,
    recordings: Recordings,
    heard: Callable[[str, LegEvent], None],
) -> MediaPlane | RegionalMedia:
    """Build the media plane; regions with ports of their own have one each. `advertised`: the host in the SDP, empty: call by call."""
    media = settings.media

    def plane(ports: str) -> MediaPlane:
        return MediaPlane(
            reactor,
            media.listen,
            advertised,
            ports,
            media.mode,
            clock=clock,
            make_leg=make_leg,
            new_recording=recordings.new,
            on_event=heard,
        )

    ranges, own_addresses = own_media(settings)
    common_ports = str(media.ports)
    if worker is not None:
        ranges, common_ports = dict(worker.share.region_media), worker.share.media_ports
    planes = {ports: plane(ports) for ports in {common_ports, *ranges.values()}}
    common = planes[common_ports]
    if not ranges and not own_addresses:
        return common
    return RegionalMedia(common, {region: planes[ports] for region, ports in ranges.items()}, own_addresses)


def faulting_of(
    settings: Settings, directory: Directory, reactor: Any, clock: Clock, append: Callable[[Entry], None], fellows: Fellows
) -> Faulting:
    """Build what does things wrong on purpose. Raises ValueError for faults that make no sense."""
    known = {"region": list(directory.regions), "partner": list(directory.partners)}
    faulting = Faulting(reactor, clock, append, settings.number_table(), known, fellows)
    for name, members in settings.faults.items():
        faulting.read(name, members)
    return faulting


def rehearsing_of(settings: Settings, store: Store, reactor: Any, clock: Clock, fellows: Fellows) -> Rehearsing:
    """Build what runs the endorsement checklists."""
    rehearsals = Rehearsals(
        lambda now: f"{int(now * 1000):012x}-{secrets.token_hex(4)}",
        {partner.name: partner for partner in partners_of(settings)},
        [(region.name, region.label) for region in regions_of(settings)],
        settings.rules.profile,
        RULE_SET_VERSION,
        settings.rehearsal.step_seconds,
        fellows.name,
    )

    def check_form(one: Rehearsal) -> Iterable[str]:
        return form_flags(one, rehearsing, store)

    rehearsing = Rehearsing(rehearsals, store, reactor, clock, check_form, fellows)
    return rehearsing


def recordings_of(settings: Settings, clock: Clock) -> Recordings:
    """Build what keeps the wire for captures."""
    capture = settings.capture
    limits = RecordingLimits(capture.media_seconds, capture.connection_bytes, capture.max_bytes)
    return Recordings(limits, clock, capture.enabled, key_log_files(capture.key_log_file))


def hep_of(settings: Settings, reactor: Any) -> HepSender | None:
    """Build what sends copies to Homer; None without a target."""
    hep = settings.hep
    if hep.target is None:
        return None
    from sbc_sim.exports.hep import Agent, HepCopies  # only who sends copies pays for it
    from sbc_sim.exports.redacted import Redaction, redacted_message
    from sbc_sim.net.hep_sender import HepSender

    level = Redaction(hep.redaction)
    agent = Agent(hep.capture_id, hep.password.get_secret_value() if hep.password else "")
    copies = HepCopies(agent, lambda raw: redacted_message(raw, level))
    return HepSender(reactor, copies, hep.target.host, hep.target.port, hep.transport)


def shown_of(settings: Settings) -> tuple[ShownCertificates, Path | None]:
    """Give the certificates that are shown, and the file of the CA that we made for them; None: they are the user's own."""
    tls, names = settings.tls, certificate_names(settings)
    hosts = {region.host: region.name for region in regions_of(settings)}
    files = {name: Files(*pair) for name, pair in own_certificates(settings).items()}
    if "" in files:
        return ShownCertificates(files[""].load(), names, hosts=hosts, directory=tls.dir, issues=False, files=files), None
    made = certificates.ensure(tls.dir, names)
    flaw = None if tls.flaw == "none" else Flaw(tls.flaw)
    return ShownCertificates(certificates.load(made), names, hosts=hosts, directory=tls.dir, files=files, flaw=flaw), made.ca


def connection_limits(settings: Settings) -> ConnectionLimits:
    """Give the bounds of one SIP connection."""
    limits = settings.limits
    return ConnectionLimits(limits.connections, limits.handshake_seconds, limits.idle_seconds, limits.message_seconds)


def site_options(settings: Settings, token: str | None, connections: int) -> SiteOptions:
    """Give what the HTTP interface is told; `connections`: so many at the same time."""
    http = settings.http
    return SiteOptions(
        token,
        http.hosts,
        http.origins,
        http.base_path,
        connections=connections,
        listeners=http.listeners,
        upload_limit=http.upload_bytes,
    )
