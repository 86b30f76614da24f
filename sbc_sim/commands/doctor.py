"""The command that looks for what would keep partners from calling: doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from sbc_sim.commands import loop_call
from sbc_sim.commands.asking import asks_an_instance, client_of, explained
from sbc_sim.commands.examination import (
    Check,
    check_clock,
    check_descriptors,
    check_expiry,
    check_names,
    check_own_certificate,
    check_ports,
    check_regions,
    check_settings,
    check_store,
    check_trust,
    now,
)
from sbc_sim.commands.reachability import check_advertised, check_unset, check_ways_in, other_ways_in
from sbc_sim.commands.shared import (
    PASSED,
    RULE_FAILED,
    CannotRun,
    SettingsCommand,
    as_json,
    loaded,
    own_version,
    paint,
    passing_folder,
    say,
    say_json,
    width,
)
from sbc_sim.commands.tls_copy import TlsCopy, copied
from sbc_sim.sip.uri import host_port

if TYPE_CHECKING:
    from sbc_sim.client import Client
    from sbc_sim.net.certificates import Credentials
    from sbc_sim.settings import Loaded, Settings

STYLES = {"pass": "good", "warn": "warning", "fail": "bad", "skip": "quiet"}
WORDS = {"pass": "ok", "warn": "warn", "fail": "FAIL", "skip": "-"}
NAME_WIDTH = 20
PATIENCE = 5.0
"""Whoever listens where we would is a simulator that answers sooner than this, seconds, or another program."""
READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=SettingsCommand)
@click.option("--ca", "ca_file", type=READABLE, help="CA (PEM) that partners trust, for the loop call. Default: the one that is shown.")
@click.option("--seconds", type=click.FloatRange(1, 60), default=2.5, show_default=True, help="Length of the loop call.")
@asks_an_instance
@as_json
@click.pass_context
def doctor(ctx: click.Context, /, ca_file: Path | None, seconds: float, as_json: bool, **wanted: Any) -> int:
    """Look for what would keep partners from calling, and say how to mend it.

    Where a simulator runs already (at --api, or where http.listen says), that one is examined. Otherwise this serves for as long as
    one call takes, which goes through the address that partners dial. Nothing else is asked for outside of this machine, and nothing
    is changed: what `serve` would make in tls.dir is made in a copy, and told. Exit code 0 when nothing failed, 1 when something did,
    3 when the instance named by --api does not answer.
    """
    examination = _Examination(loaded(ctx), wanted, ca_file, seconds)
    found: list[Check] = []
    for check in examination.checks():
        found.append(check)
        if not as_json:
            say(_text(check, width()))
    if as_json:
        told = [{"name": check.name, "status": check.status, "seen": check.seen, "cure": check.cure} for check in found]
        say_json({"checks": told, "allowList": examination.allow_list, "verdict": examination.verdict})
    else:
        say(_ending(found, examination.allow_list))
    return RULE_FAILED if any(check.status == "fail" for check in found) else PASSED


class _Examination:
    """All checks, one after the other."""

    def __init__(self, with_origins: Loaded, wanted: dict[str, Any], ca_file: Path | None, seconds: float) -> None:
        import os

        self._settings = with_origins.settings
        self._origins = dict(with_origins.origins)
        self._ca_file = ca_file
        self._seconds = seconds
        self._named = bool(wanted["api"] or os.environ.get("SBC_SIM_API"))
        self._client = self._client_of(wanted)
        self.allow_list: list[Mapping[str, Any]] = []
        self.verdict: Mapping[str, Any] | None = None

    def _client_of(self, wanted: dict[str, Any]) -> Client:
        """Ask where the settings say that it would listen, unless an instance is named."""
        from sbc_sim.addresses import reachable

        http = self._settings.http
        wanted["api"] = wanted["api"] or (
            None if self._named else f"http://{host_port(reachable(http.listen.host), http.listen.port)}{http.base_path}"
        )
        if http.token is not None and not wanted["token"] and not wanted["token_file"]:
            wanted["token"] = http.token.get_secret_value()
        return client_of(wanted, PATIENCE)

    def checks(self) -> Iterator[Check]:
        """Look at everything. Raises CannotRun when a named instance does not answer, or one that runs here does not tell."""
        info = self._info()
        if info is not None:
            yield from self._of_running(info)
            return
        yield check_settings(self._origins)
        yield from self._of_settings()

    def _info(self) -> Mapping[str, Any] | None:
        """What the running instance tells; None when none is there."""
        from sbc_sim.client import ApiError, Unreachable

        if not self._named and self._settings.http.listen.port == 0:
            return None
        try:
            return self._client.info()
        except Unreachable:
            if self._named:
                with explained():
                    raise
            return None
        except ApiError as error:
            if error.code == "not-sbc-sim" and not self._named:
                return None  # the check of the HTTP port says that it is taken
            with explained():
                raise

    # --- before it runs ----------------------------------------------------------------------------------------------

    def _of_settings(self) -> Iterator[Check]:
        with copied(self._settings) as copy:
            yield from self._of_copy(copy)

    def _of_copy(self, copy: TlsCopy) -> Iterator[Check]:
        from sbc_sim.addresses import addresses

        settings = copy.settings
        own = addresses(settings)
        ports = list(check_ports(settings))
        yield from ports
        yield check_regions(settings)
        certificate, credentials = check_own_certificate(settings)
        certificate = copy.certificate(certificate)
        yield certificate
        host = own.sip_host or own.local
        if certificate.status == "fail":
            credentials = None
        if credentials is not None:
            yield from map(copy.trust, _of_certificate(settings, credentials, host))
        yield from self._of_addresses(own)
        yield check_clock(now(), credentials.leaf.not_valid_before_utc if credentials else None)
        password = settings.store.password
        yield check_store(settings.store.url, settings.store.max_file_bytes, password.get_secret_value() if password else "")
        yield check_descriptors(settings)
        self.allow_list = _allow_list(settings, own)
        taken = [check.name for check in ports if check.status == "fail" and check.name != "HTTP port"]
        if credentials is None or taken:
            why = " and ".join([*taken, *(["certificate"] if credentials is None else [])])
            yield Check(loop_call.NAME, "skip", f"not tried: see {why} above")
            return
        outcome = loop_call.place(host, own.sip_port, self._ca(settings, credentials), self._seconds, _for_one_call(settings))
        self.verdict = outcome.verdict
        yield copy.named(loop_call.judged(outcome))

    def _of_addresses(self, own: Any) -> Iterator[Check]:
        settings = self._settings
        if own.sip_host:
            yield check_advertised("SIP address", "sip.advertised", own.sip_host, own.sip_port or settings.sip.listen.port)
        else:
            yield check_unset("SIP address", "sip.advertised", own.local)
        if own.media_host:
            yield check_advertised("media address", "media.advertised", own.media_host)
        else:
            yield check_unset("media address", "media.advertised", own.local)

    def _ca(self, settings: Settings, credentials: Credentials) -> Path | None:
        """What the caller trusts: as told, the CA made here, or the roots of this machine."""
        if self._ca_file is not None or settings.tls.cert_file is None:
            return self._ca_file or settings.tls.dir / "ca.pem"
        last = credentials.chain[-1] if credentials.chain else credentials.leaf
        return settings.tls.cert_file if last.issuer == last.subject else settings.tls.ca_file

    # --- while it runs -------------------------------------------------------------------------------------------------

    def _of_running(self, info: Mapping[str, Any]) -> Iterator[Check]:
        from sbc_sim.exports.redaction import clean

        client = self._client
        yield Check("instance", "pass", f"sbc-sim {clean(info.get('version'))} runs at {client.api} and is examined through its API")
        with explained():
            setup = client.setup()
        told = _told(client.api, info, setup)
        yield check_names([clean(name) for name in told.names], clean(told.host))
        yield check_expiry(told.not_after, datetime.now(UTC))
        yield check_advertised("SIP address", "sip.advertised", clean(told.host), told.port)
        if others := other_ways_in(told.allow_list, told.host, told.port):
            yield check_ways_in(others)
        if told.media:
            yield check_advertised("media address", "media.advertised", clean(told.media))
        yield check_clock(now(), None)
        yield _running_store(told.store)
        self.allow_list = told.allow_list
        with self._downloaded_ca(told.has_ca) as ca:
            outcome = loop_call.place(told.host, told.port, ca, self._seconds, None)
        if outcome.result is not None and outcome.result.answered_at is not None:
            outcome.verdict = self.verdict = self._verdict_of(outcome.result.sip_call_id)
        yield loop_call.judged(outcome)

    @contextmanager
    def _downloaded_ca(self, has_ca: bool) -> Iterator[Path | None]:
        """Give the CA of the running instance, when it made one; the roots of this machine otherwise."""
        if self._ca_file is not None or not has_ca:
            yield self._ca_file
            return
        with passing_folder("doctor") as folder:
            ca = folder / "ca.pem"
            with explained(), ca.open("wb") as file:
                self._client.download("/api/v1/tls/ca.pem", file)
            yield ca

    def _verdict_of(self, sip_call_id: str) -> Mapping[str, Any]:
        with explained():
            return self._client.verdict(str(self._client.wait({"sipCallId": sip_call_id}, timeout=10.0)["id"]))


class _Told(NamedTuple):
    """What a running instance says of itself, as far as it is looked at."""

    host: str
    port: int
    media: str
    names: list[Any]
    not_after: datetime
    has_ca: bool
    store: Mapping[str, Any]
    allow_list: list[Mapping[str, Any]]


def _told(api: str, info: Mapping[str, Any], setup: Mapping[str, Any]) -> _Told:
    """Read the answers of an instance, which may be of another version or no sbc-sim at all. Raises CannotRun."""
    try:
        sip, media, tls = (dict(one or {}) for one in (setup.get("sip"), setup.get("media"), info.get("tls")))
        port = int(sip["port"])
        if not 0 < port < 65536:
            raise ValueError(f"port {port}")
        return _Told(
            str(sip["host"] or "127.0.0.1"),
            port,
            str(media.get("host") or ""),
            list(tls.get("certificateNames") or ()),
            datetime.fromisoformat(tls["notAfter"]).astimezone(UTC),
            bool(tls.get("caFingerprint")),
            dict(info.get("store") or {}),
            [dict(line) for line in setup.get("allowList") or ()],
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        from sbc_sim.exports.redaction import clean

        seen = clean(repr(error))[:120]
        raise CannotRun(f"{api} does not answer as sbc-sim {own_version()} does ({seen}): name another instance with --api") from None


def _of_certificate(settings: Settings, credentials: Credentials, host: str) -> Iterator[Check]:
    from sbc_sim.net import certificates

    yield check_names(certificates.names_of(credentials.leaf), host)
    yield check_expiry(credentials.not_after, datetime.now(UTC))
    yield check_trust(settings, credentials)


def _running_store(store: Mapping[str, Any]) -> Check:
    from sbc_sim.exports.redaction import clean

    if store.get("trouble"):
        return Check("store", "fail", clean(store["trouble"]))
    if store.get("lost"):
        return Check("store", "warn", f"{clean(store['lost'])} entries could not be written and are lost", "look into its log")
    if not store.get("durable"):
        return Check("store", "pass", "calls are kept in memory and gone after a restart (store.url: sqlite:FILE keeps them)")
    return Check("store", "pass", f"{clean(store.get('kind'))}, {clean(store.get('waiting', 0))} entries wait to be written")


def _for_one_call(settings: Settings) -> Settings:
    """Leave out all that the call does not need: its journal is nobody's, and the HTTP port may be taken."""
    from sbc_sim.settings import Capture, Endpoint, Hep, Http, Store

    quiet = {"http": Http(listen=Endpoint("127.0.0.1", 0)), "store": Store(), "hep": Hep(), "capture": Capture(enabled=False)}
    return settings.model_copy(update=quiet)


def _allow_list(settings: Settings, own: Any) -> list[Mapping[str, Any]]:
    """Give the lines for a firewall, as /api/v1/setup would."""
    from sbc_sim.http.setup import Instance, setup_data

    ports, mux = settings.media.ports, settings.media.mode == "mux"
    instance = Instance(
        own.sip_host or own.local,
        own.sip_port or settings.sip.listen.port,
        own.media_host or own.local,
        ports.start,
        ports.start if mux else ports.end,
        settings.media.mode,
        (),
        None,
        "",
        "",
    )
    lines = setup_data(instance)["allowList"]
    return [{**line, "ports": "any" if line["ports"] == "0" else line["ports"]} for line in lines]


# --- telling ---------------------------------------------------------------------------------------------------------------


def _text(check: Check, columns: int) -> str:
    front = f"{WORDS[check.status]:<5} {check.name:<{NAME_WIDTH}}"
    indent = " " * len(front)
    lines = wrap(check.seen, max(30, columns - len(front)), break_on_hyphens=False, break_long_words=False) or [""]
    if check.cure and check.status != "pass":
        lines += wrap(f"cure: {check.cure}", max(30, columns - len(front)), break_on_hyphens=False, break_long_words=False)
    elif check.cure:
        lines += wrap(f"note: {check.cure}", max(30, columns - len(front)), break_on_hyphens=False, break_long_words=False)
    return paint(front, STYLES[check.status]) + f"\n{indent}".join(lines)


def _ending(found: list[Check], allowed: list[Mapping[str, Any]]) -> str:
    from sbc_sim.exports.redaction import clean

    counts = {status: sum(check.status == status for check in found) for status in WORDS}
    lines = ["", paint("To allow in the firewalls between you and partners, as seen from this machine", "title")]
    named = ("direction", "protocol", "address", "ports", "why")
    rows: list[tuple[str, ...]] = [(*named[:4], "what for"), *(tuple(clean(one.get(name, "")) for name in named) for one in allowed)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        lines.append("  " + "  ".join(f"{cell:<{space}}" for cell, space in zip(row, widths, strict=False)) + f"  {row[4]}")
    told = [
        f"{counts['pass']} in order",
        *(f"{counts[s]} {w}" for s, w in (("warn", "with a warning"), ("fail", "failed"), ("skip", "not tried")) if counts[s]),
    ]
    return "\n".join([*lines, "", ", ".join(told)])
