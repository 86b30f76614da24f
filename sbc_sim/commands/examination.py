"""What `doctor` looks at on this machine: ports, certificate, addresses, clock, store, descriptors. Nothing leaves the machine."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sbc_sim.commands.shared import own_version
from sbc_sim.sip.uri import host_port

if TYPE_CHECKING:
    from sbc_sim.net.certificates import Credentials
    from sbc_sim.settings import Settings

SOON_DAYS = 30
OLDEST_TIME = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""Before this the clock is wrong: the program is younger."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: str
    """``pass`` | ``warn`` | ``fail`` | ``skip``"""
    seen: str
    cure: str = ""


# --- ports ---------------------------------------------------------------------------------------------------------------


def check_ports(settings: Settings) -> Iterator[Check]:
    """Try to take every port that `serve` would take, and let go of it again."""
    for name, endpoint in (("SIP port", settings.sip.listen), ("HTTP port", settings.http.listen)):
        yield _tcp_port(name, endpoint.host, endpoint.port)
    yield _media_ports(settings)
    yield from _region_ports(settings)


def _region_ports(settings: Settings) -> Iterator[Check]:
    """What regions have of their own; the others share what is looked at anyway."""
    for region, own in settings.regions.items():
        if own.enabled and own.listen is not None:
            yield _tcp_port(f"port of {region}", own.listen.host, own.listen.port, f"regions.{region}.listen")
        if own.enabled and own.media_ports is not None and own.media_ports.start:
            ports = range(own.media_ports.start, own.media_ports.end + 1)
            taken = [port for port in ports if not _udp_is_free(settings.media.listen, port)]
            cure = f"see who holds them (`ss -lunp`), or set regions.{region}.media_ports to another range"
            seen = f"{own.media_ports}/udp: {', '.join(map(str, taken[:8]))} taken" if taken else f"{own.media_ports}/udp are free"
            room = any(port not in taken and port + 1 not in taken for port in ports[:-1] if port % 2 == 0)
            status = "pass" if not taken else "warn" if room or (settings.media.mode == "mux" and len(taken) < len(ports)) else "fail"
            yield Check(f"media of {region}", status, seen, cure if taken else "")


def check_regions(settings: Settings) -> Check:
    """Which regions there are, and how calls say which one they mean."""
    there = {name: region for name, region in settings.regions.items() if region.enabled}
    if not there:
        return Check("regions", "pass", "none: every region is switched off (regions.NAME.enabled)")
    own = [f"{name} on {region.listen}" for name, region in there.items() if region.listen is not None]
    shared = len(there) - len(own)
    told = [f"{shared} share {settings.sip.listen} and are told apart by SNI, Request-URI host or source network"] if shared else []
    default = f"; calls that name none belong to {settings.sip.default_region}" if settings.sip.default_region else ""
    return Check("regions", "pass", "; ".join([*told, *own]) + default)


def _tcp_port(name: str, host: str, port: int, setting: str = "") -> Check:
    what = f"{host_port(host, port)}/tcp"
    if port == 0:
        return Check(name, "pass", f"{host}: any free port")
    key = setting or ("sip.listen" if name == "SIP port" else "http.listen")
    try:
        with _socket(host, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: old connections do not hold the port
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        cure = f"see who holds it (`ss -ltnp 'sport = :{port}'`), or set {key} to another port"
        if port < 1024 and error.errno == 13:
            cure = f"ports below 1024 need a privilege: set {key} to a higher port"
        return Check(name, "fail", f"{what} cannot be had: {error.strerror}", cure)
    return Check(name, "pass", f"{what} is free")


def _media_ports(settings: Settings) -> Check:
    media = settings.media
    first, last = media.ports.start, media.ports.end
    if media.mode == "mux":
        taken = [] if first == 0 or _udp_is_free(media.listen, first) else [first]
        cure = f"see who holds it (`ss -lunp 'sport = :{first}'`), or set media.ports to another port"
        if taken:
            return Check("media ports", "fail", f"{host_port(media.listen, first)}/udp is taken", cure)
        return Check("media ports", "pass", f"{host_port(media.listen, first)}/udp for all calls ({settings.limits.calls} at most)")
    if first == 0:
        return Check("media ports", "pass", f"{media.listen}: any free ports, call by call")
    taken = [port for port in range(first, last + 1) if not _udp_is_free(media.listen, port)]
    pairs = [port for port in range(first + first % 2, last, 2) if not {port, port + 1} & set(taken)]
    most = min(len(pairs), settings.limits.calls)
    room = f"room for {most} call{'s' if most != 1 else ''} at the same time"
    if not pairs:
        why = f"no pair of ports in {first}-{last}/udp is free"
        return Check("media ports", "fail", why, "set media.ports to a range of free ports that begins with an even one")
    if taken:
        shown = ", ".join(map(str, taken[:8])) + (f" and {len(taken) - 8} more" if len(taken) > 8 else "")
        cure = "see who holds them (`ss -lunp`), or set media.ports to another range"
        return Check("media ports", "warn", f"{first}-{last}/udp: {shown} taken, {room}", cure)
    return Check("media ports", "pass", f"{first}-{last}/udp are free, {room}")


def _udp_is_free(host: str, port: int) -> bool:
    try:
        with _socket(host, socket.SOCK_DGRAM) as probe:
            probe.bind((host, port))
    except OSError:
        return False
    return True


def _socket(host: str, kind: socket.SocketKind) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)


# --- certificate -----------------------------------------------------------------------------------------------------------


def check_names(names: Sequence[str], host: str) -> Check:
    """Whether a certificate is for the host that partners dial."""
    listed = ", ".join(names) or "no name at all"
    if covers(names, host):
        return Check("certificate names", "pass", f"{host} is among them: {listed}")
    cure = f"add it with `--tls-names {host}` (tls.names), or dial a name that the certificate has"
    return Check("certificate names", "fail", f"partners dial {host}, but the certificate is for {listed}", cure)


def covers(names: Sequence[str], host: str) -> bool:
    """Tell whether one of the names is the host's; a wildcard stands for one label (RFC 6125 section 6.4.3)."""
    wanted = host.lower().rstrip(".")
    _, dot, parent = wanted.partition(".")
    return any(name.lower() == wanted or (bool(dot) and name.lower() == f"*.{parent}") for name in names)


def check_expiry(not_after: datetime, now: datetime) -> Check:
    """Whether a certificate holds for a while."""
    days = (not_after - now).days
    seen = f"{not_after:%Y-%m-%d}, {days} days from now"
    if days < 0:
        return Check("certificate expiry", "fail", f"it expired on {not_after:%Y-%m-%d}", "put a renewed one into tls.cert_file")
    if days < SOON_DAYS:
        return Check("certificate expiry", "warn", seen, "renew it in time: partners refuse an expired one")
    return Check("certificate expiry", "pass", seen)


def check_own_certificate(settings: Settings) -> tuple[Check, Credentials | None]:
    """Load what `serve` would show, made if it is not there yet (`rehearsed` leads to a copy): key and chain fit, it is valid now."""
    from sbc_sim.net import certificates
    from sbc_sim.net.pem_files import CertificateError
    from sbc_sim.service import ServiceError, certificate_files

    tls = settings.tls
    own = tls.cert_file is not None and tls.key_file is not None
    try:
        if tls.cert_file is not None and tls.key_file is not None:
            credentials = certificates.load_own(tls.cert_file, tls.key_file)
        else:
            credentials = certificates.load(certificate_files(settings))
    except (CertificateError, ServiceError) as error:
        cure = (
            "set tls.cert_file and tls.key_file to a pair that fits, or neither: then one is made" if own else f"see to {tls.dir} (tls.dir)"
        )
        return Check("certificate", "fail", str(error), cure), None
    if tls.flaw != "none":
        cure = "set tls.flaw: none when that test is over"
        return Check("certificate", "warn", f"tls.flaw is {tls.flaw}: careful partners refuse it on purpose", cure), credentials
    if credentials.warnings:
        return Check("certificate", "warn", "; ".join(credentials.warnings), "append the issuers to the file of tls.cert_file"), credentials
    seen = f"{tls.cert_file}, key and chain fit" if own else f"made by the local CA in {tls.dir}, key and chain fit"
    return Check("certificate", "pass", seen), credentials


def check_trust(settings: Settings, credentials: Credentials) -> Check:
    """What a partner must trust."""
    from sbc_sim.net import certificates

    if settings.tls.cert_file is None:
        ca = settings.tls.dir / "ca.pem"
        return Check("trust", "pass", f"partners import {ca}, SHA-256 {certificates.show(ca).fingerprint}")
    last = credentials.chain[-1] if credentials.chain else credentials.leaf
    return Check("trust", "pass", f"partners must have {last.issuer.rfc4514_string()} among their trusted roots")


# --- clock, store, descriptors -------------------------------------------------------------------------------------------


def check_clock(now: float, valid_from: datetime | None) -> Check:
    """Whether the clock can be right: certificates and traces depend on it."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    cure = "set the clock, or let it be set: `timedatectl set-ntp true`"
    if now < OLDEST_TIME or (valid_from is not None and now < valid_from.timestamp()):
        return Check("clock", "fail", f"{shown} cannot be: this program or its certificate is younger", cure)
    if _clock_is_synchronised() is False:
        return Check("clock", "warn", f"{shown}; the system says that nothing keeps it right, so traces may not line up", cure)
    return Check("clock", "pass", shown)


def _clock_is_synchronised() -> bool | None:
    """Ask the kernel (adjtimex(2), status bit STA_UNSYNC); None when it does not say."""
    import ctypes

    asked = ctypes.create_string_buffer(512)  # struct timex with modes 0: only read
    try:
        if ctypes.CDLL(None).adjtimex(asked) < 0:
            return None
    except (OSError, AttributeError):
        return None
    word = ctypes.sizeof(ctypes.c_long)
    status = int.from_bytes(asked.raw[5 * word : 5 * word + 4], "little")
    return not status & 0x0040


def check_store(url: str, most_octets: int, password: str = "") -> Check:
    """Whether the file or database of the journal can be written, and read by this version. Nothing in it is changed."""
    import shutil

    from sbc_sim.journal.opening import file_of
    from sbc_sim.journal.store import StoreError

    if url.startswith("postgres"):
        return _check_postgres(url, password)
    if not url.startswith("sqlite:"):
        return Check("store", "pass", "calls are kept in memory and gone after a restart (store.url: sqlite:FILE keeps them)")
    cure = "name another file in store.url, or let this user write it and its folder"
    try:
        file = file_of(url).absolute()
        trouble = _store_trouble(file)
    except (StoreError, OSError) as error:
        return Check("store", "fail", str(error), cure)
    if trouble:
        return Check("store", "fail", trouble, cure)
    free = shutil.disk_usage(file.parent).free
    if free < most_octets:
        room = f"{free // 2**20} MiB are free, store.max_file_bytes allows {most_octets // 2**20} MiB"
        return Check("store", "warn", f"{file}: {room}", "make room, or lower store.max_file_bytes")
    return Check("store", "pass", f"{file} can be written, {free // 2**20} MiB are free")


def _check_postgres(url: str, password: str) -> Check:
    from sbc_sim.journal.store import StoreError

    try:
        from sbc_sim.journal.postgres import PostgresDatabase  # psycopg may be missing

        return Check("store", "pass", PostgresDatabase(url, password).examine())
    except StoreError as error:
        return Check("store", "fail", str(error), "mend the database, or store.url and store.password")


def _store_trouble(file: Path) -> str:
    """Say what keeps the file from being used; empty: nothing."""
    import sqlite3
    from contextlib import closing

    from sbc_sim.journal.migrations import APPLICATION, VERSION, version_of
    from sbc_sim.journal.opening import peek, sentence

    if file.is_dir():
        return f"{file} is a folder"
    if file.exists() and not file.is_file():
        return f"{file} is not a file"
    if not file.exists():
        folder = file.parent
        if not folder.exists():
            return f"there is no folder {folder}: make it first, or mend the path"
        return "" if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK) else f"this user cannot write in {folder}"
    if not os.access(file, os.R_OK | os.W_OK) or not os.access(file.parent, os.W_OK | os.X_OK):
        return f"this user cannot write {file} and beside it"
    try:
        with closing(peek(file)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
                return f"{file} is a database of another program"
            return "" if version_of(connection) <= VERSION else f"{file} was written by a newer sbc-sim"
    except sqlite3.Error as error:
        return sentence(error, file)


def check_descriptors(settings: Settings) -> Check:
    """Whether the limits fit under the limit of open files, up to which `serve` raises its own."""
    import resource

    from sbc_sim.capacity import TooFewFiles, fitted, wanted

    needed = wanted(settings).files
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return Check("open files", "pass", f"{'any number' if hard < 0 else hard} allowed, at most {needed} needed with these limits")
    try:
        status, told = "warn", fitted(settings, hard).note
    except TooFewFiles as problem:
        status, told = "fail", str(problem)
    seen, _, cure = told.partition(": ")
    return Check("open files", status, seen, f"{cure}; or lower limits.connections")


def check_settings(origins: dict[str, str]) -> Check:
    """The settings were loaded, or the command had ended."""
    changed = [key for key, origin in origins.items() if origin != "default"]
    shown = ", ".join(changed[:6]) + (f" and {len(changed) - 6} more" if len(changed) > 6 else "")
    return Check("settings", "pass", f"sbc-sim {own_version()}, {f'set: {shown}' if changed else 'all at their defaults'}")


def now() -> float:
    """Tell the wall clock's time, unix seconds."""
    return time.time()
