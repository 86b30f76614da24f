"""`serve --workers N`: the parent's side, which holds the ports and prints, and the worker's, which is a whole simulator.

The parent checks, makes certificates, binds the ports and loads all modules once; then it forks (docs/decisions/0015). It takes no calls.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sbc_sim.commands.shared import CANNOT_RUN, CannotRun, Ending, Unusable, own_version, paint, run_reactor, say, the_reactor
from sbc_sim.worker_plan import Share, WorkerPart, shares
from sbc_sim.workers import Crew, CrewError
from sbc_sim.workers import say as tell_parent

if TYPE_CHECKING:
    from sbc_sim.settings import Endpoint, Loaded, Settings

PRIVATE = "calls.db"
STOP_SECONDS = 20.0
"""Beyond what calls are given to end: journal, connections, and a machine that is busy."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the parent prepared."""

    settings: Settings
    """With real ports, and a store that can be shared."""
    parts: Mapping[int, WorkerPart]
    """By the number of the worker."""


def serve_workers(loaded: Loaded, ports_file: Path | None, leash: int | None = None) -> int:
    """Run all workers until a signal, or the end of what descriptor `leash` reads, ends them; give the exit code."""
    from sbc_sim import logs
    from sbc_sim.http.shared_metrics import write_crew
    from sbc_sim.settings import SettingsError

    settings = loaded.settings
    try:
        parts = shares(settings, loaded.origins)
    except SettingsError as error:
        raise Unusable(str(error)) from None
    logs.start_logging(settings.log.level, settings.log.format)
    with ExitStack() as held:
        _tidy_at_signals(held)
        folder = _folder(held)
        plan = _prepared(settings, parts, folder, held)
        crew = Crew(
            [share.number for share in parts],
            partial(_work, plan, os.getpid()),
            logs.say_at,
            grace=settings.limits.drain_seconds + STOP_SECONDS,
            on_change=partial(write_crew, folder),
            leash=leash,
        )
        gc.freeze()  # modules are there for good: the workers share their memory as long as nobody writes to it
        try:
            first = crew.start()
            _announce(settings, first, ports_file)
        except CrewError as error:
            raise CannotRun(str(error)) from None
        except CannotRun:
            crew.end()
            raise
        return crew.watch()


# --- before the fork -------------------------------------------------------------------------------------------------------


def _tidy_at_signals(held: ExitStack) -> None:
    """Let a signal that comes before the workers are there end this as it always would, but with the folder taken away."""

    def ended(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            held.callback(signal.signal, number, signal.signal(number, ended))


def _folder(held: ExitStack) -> Path:
    try:
        return Path(held.enter_context(tempfile.TemporaryDirectory(prefix="sbc-sim-", ignore_cleanup_errors=True)))
    except OSError as error:
        raise CannotRun(
            f"the workers need a folder for what they tell each other, and none can be made ({error.strerror}): "
            "set TMPDIR to a folder that can be written, or workers.count to 1"
        ) from None


def _prepared(settings: Settings, parts: Sequence[Share], folder: Path, held: ExitStack) -> _Plan:
    from sbc_sim import places
    from sbc_sim.building import token_of
    from sbc_sim.service import ServiceError, certificate_files

    token = token_of(settings)
    if "" not in places.own_certificates(settings):
        try:
            certificate_files(settings)
        except ServiceError as error:
            raise CannotRun(str(error)) from None
    real = _with_store(_with_ports(settings, held), folder, held)
    host = real.sip.listen.host
    own = tuple(_reserved(held, "SIP", "workers.sip_ports", host, share.sip_port) for share in parts)
    return _Plan(real, {share.number: WorkerPart(share, port, own, token, folder) for share, port in zip(parts, own, strict=True)})


def _with_store(settings: Settings, folder: Path, held: ExitStack) -> Settings:
    """Give the store its layout, once and before anybody writes to it; of a SQLite file, keep all other processes out.

    Without one the workers get a file of their own, which goes with the folder.
    """
    from sbc_sim.journal.store import StoreError
    from sbc_sim.stores import database_of

    if settings.store.url == "memory:":
        settings = settings.model_copy(update={"store": settings.store.model_copy(update={"url": f"sqlite:{folder / PRIVATE}"})})
    try:
        database = database_of(settings)
        assert database is not None
        database.prepare()
    except StoreError as error:
        raise CannotRun(str(error)) from None
    held.callback(database.free)
    database.connect().close()  # no connection may be open at the fork
    return settings


def _with_ports(settings: Settings, held: ExitStack) -> Settings:
    """Hold every common port, and put real numbers in the place of 0."""

    def at(what: str, key: str, wanted: Endpoint) -> Endpoint:
        return replace(wanted, port=_reserved(held, what, key, wanted.host, wanted.port))

    regions = {
        name: region.model_copy(update={"listen": at("SIP", f"regions.{name}.listen", region.listen)})
        if region.enabled and region.listen is not None
        else region
        for name, region in settings.regions.items()
    }
    sections: dict[str, Any] = {
        "sip": settings.sip.model_copy(update={"listen": at("SIP", "sip.listen", settings.sip.listen)}),
        "http": settings.http.model_copy(update={"listen": at("HTTP", "http.listen", settings.http.listen)}),
        "regions": regions,
    }
    https = settings.telephony.tls_listen
    if https is not None and settings.telephony.enabled:
        sections["telephony"] = settings.telephony.model_copy(update={"tls_listen": at("HTTPS", "telephony.tls_listen", https)})
    return settings.model_copy(update=sections)


def _reserved(held: ExitStack, what: str, key: str, host: str, port: int) -> int:
    """Hold a port, any for 0; give its number."""
    from sbc_sim.net.listen_errors import cannot_listen
    from sbc_sim.net.shared_ports import reserve

    try:
        sock = held.enter_context(reserve(host, port))
    except OSError as error:
        raise CannotRun(cannot_listen(what, host, port, key, error)) from None
    return int(sock.getsockname()[1])


# --- a worker --------------------------------------------------------------------------------------------------------------


def _work(plan: _Plan, parent: int, number: int, line: socket.socket) -> int:
    from sbc_sim import logs
    from sbc_sim.net.parent_line import ParentLine
    from sbc_sim.service import Service, ServiceError

    logs.name_worker(number)
    part, reactor = plan.parts[number], the_reactor()
    try:
        service = Service(plan.settings, reactor, own_version(), part)
        service.listen()
    except ServiceError as error:
        tell_parent(line, failed=str(error))
        return CANNOT_RUN
    service.store.subscribe(logs.tell)
    ending = Ending(service, reactor)
    ParentLine(reactor, line, ending.drain, ending.stop)
    tell_parent(line, ready=_told(service), banner=asdict(service.announcement.banner()) if part.share.number == 1 else None)
    code = run_reactor(reactor, ending.stop, ending.drain)
    _tidy(part, parent)
    return code


def _told(service: Any) -> dict[str, Any]:
    media_start, media_end = service.plane.ports
    own = {"sip": service.worker.sip_port, "media_start": media_start, "media_end": media_end, "pid": os.getpid()}
    return {"own": own, "common": service.told_ports(), "media_ports": service.plane.ports_limit}


def _tidy(part: WorkerPart, parent: int) -> None:
    """Take away what a parent that was killed can take away no more: the last worker does it."""
    if os.getppid() == parent:
        return
    from sbc_sim.http.shared_metrics import PARENT, forget

    forget(part.folder, part.share.number)
    if not [path for path in part.folder.glob("*.metrics") if path.stem != PARENT]:
        shutil.rmtree(part.folder, ignore_errors=True)


# --- telling ---------------------------------------------------------------------------------------------------------------


def _announce(settings: Settings, first: Sequence[Mapping[str, Any]], ports_file: Path | None) -> None:
    """Write the ports file, the banner and the first line of the log: one each for all workers."""
    from sbc_sim import logs, terminal
    from sbc_sim.service import ServiceError, write_ports

    ready = [one["ready"] for one in first]
    ports = {**ready[0]["common"], "workers": [one["own"] for one in ready]}
    try:
        if ports_file is not None:
            write_ports(ports_file, ports)
    except ServiceError as error:
        raise CannotRun(str(error)) from None
    say(terminal.banner(_banner(settings, first[0]["banner"], ready), paint))
    media = f"{ports['media_start']}-{ports['media_end']}"
    logs.say(f"listening: sip {ports['sip']}, http {ports['http']}, media {media}, {len(ready)} workers", ports=ports)


def _banner(settings: Settings, first: Mapping[str, Any], ready: Sequence[Mapping[str, Any]]) -> Any:
    """Tell all workers where the first one told itself."""
    from sbc_sim.terminal import Banner

    count, private = len(ready), settings.store.url == "memory:"
    rooms = [
        settings.limits.calls if settings.media.mode == "mux" else min(one["media_ports"] // 2, settings.limits.calls) for one in ready
    ]
    ports = ", ".join(str(one["own"]["sip"]) for one in ready)
    notes = [
        f"{count} workers take calls, and each has a SIP port of its own ({ports}) beside the common one: its Contact names that one, so "
        "firewalls must let those ports through too, and a container publish them unchanged; a call stays with the worker that has its "
        "connection (docs/workers.md)",
        *first["notes"],
    ]
    own = {"store": "memory", "durable": False} if private else {}
    mode = f"{first['mode']}, {count} workers"
    return Banner(**{**first, "calls": sum(rooms), "mode": mode, "notes": notes, **own})
