"""Settings: flag > environment > file > default, from one model that also makes the flags, the JSON schema and `config show`.

pydantic checks the values. The merging is here and not in pydantic-settings, since each value carries its origin, an unknown key is
answered with the nearest valid one, and importing that package takes longer than the start of the whole simulator may
(docs/decisions/0006). Lower rooms never see this module: `Settings.policy` and its siblings build the plain dataclasses that they take.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text at start.
"""

import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from sbc_sim.calls.agents import AgentSettings
from sbc_sim.calls.escalation_settings import EscalationPlan
from sbc_sim.calls.limits import Limits as CallLimits
from sbc_sim.calls.numbers import NumberTable
from sbc_sim.calls.production import DIAL_WORDS
from sbc_sim.calls.region import PUBLIC_DOMAIN
from sbc_sim.rules.policy import Policy
from sbc_sim.settings_data import Data, defaults_below
from sbc_sim.settings_maps import (
    MAP_TEXTS,
    MAPS,
    PUBLISHED,
    Faults,
    Partners,
    Regions,
    Scenarios,
    contradictions,
    no_pairs,
    overlaps,
    production_targets,
    published_regions,
    same_listener,
    strangers,
    too_few_ports,
)
from sbc_sim.settings_replicas import Replicas
from sbc_sim.settings_sources import Known, Setting, Source, from_environment, from_file, from_flags
from sbc_sim.settings_telephony import Telephony
from sbc_sim.settings_values import (
    ALL_SUITES,
    Address,
    Advertised,
    Listen,
    Networks,
    Pairs,
    Ports,
    Section,
    StoreUrl,
    Suites,
    ToldAddress,
    Unshown,
    Words,
    number,
)
from sbc_sim.settings_values import Endpoint as Endpoint
from sbc_sim.settings_values import PortRange as PortRange
from sbc_sim.settings_values import SettingsError as SettingsError
from sbc_sim.settings_values import shown as shown
from sbc_sim.settings_workers import Workers

DEFAULT_FILE = Path("/etc/sbc-sim/config.yaml")
_DEFAULTS = Policy()
_PLAN = EscalationPlan()


def _numbers(value: dict[str, str]) -> dict[str, str]:
    NumberTable(more=value)
    return value


NumberPairs = Annotated[Pairs, AfterValidator(_numbers)]


def _never_or_calmly(seconds: float) -> float:
    if 0 < seconds < 1:
        raise ValueError("once a second at most: 1 or more, or 0 for none")
    return seconds


OptionsSeconds = Annotated[float, Field(ge=0, le=86400), AfterValidator(_never_or_calmly)]


class Sip(Section):
    """Signalling: where to listen, what to be called, and how lenient to be."""

    listen: Listen = Field(Endpoint("0.0.0.0", 5061), description="Address and port for SIP over TLS.")
    advertised: Advertised | None = Field(
        None, description="HOST or HOST:PORT in Contact and Via. Default: where it listens, or a local address."
    )
    allow_from: Networks = Field((), description="Source networks (CIDR) that may call. Empty: everyone.")
    off_list: Literal["403", "503", "close"] = Field("403", description="What a source that is not allowed gets.")
    users: Words = Field((), description="User parts of the Request-URI that are served, others get 404. Empty: any.")
    hosts: Words = Field((), description="Hosts of the Request-URI that are served, others get 404. Empty: any.")
    test_numbers: bool = Field(True, description="User parts like 4860 (busy) get what the table of test numbers says.")
    numbers: NumberPairs = Field({}, description="Further user part = the test number or its name that it stands for, +15550100=agent say.")
    accept_tel: bool = Field(False, description="Accept tel: Request-URIs.")
    unknown_method: Annotated[Literal[501, 405], BeforeValidator(number)] = Field(501, description="Answer to an unheard-of method.")
    refer: Annotated[Literal[405, 603], BeforeValidator(number)] = Field(405, description="Answer to REFER.")
    max_forwards_zero: Literal["accept", "refuse"] = Field("accept", description="A call that arrives with Max-Forwards 0.")
    delayed_offer: Literal["accept", "refuse"] = Field("accept", description="An INVITE without SDP.")
    reliable_provisional: bool = Field(True, description="Answer Require: 100rel with RSeq and PRACK (RFC 3262).")
    min_session_expires: int = Field(90, ge=90, description="Shortest session interval, seconds (RFC 4028).")
    ring_seconds: float = Field(0.2, ge=0, le=180, description="From 180 to 200, seconds.")
    caller_number: Literal["warn", "ignore"] = Field("warn", description="A call without a caller's number.")
    x_headers: int = Field(20, ge=0, le=100, description="Custom X-headers of an INVITE that are captured; profile extended only.")
    x_header_bytes: int = Field(2048, ge=1, le=16384, description="Longest value of a captured X-header, octets.")
    options_seconds: OptionsSeconds = Field(
        0.0, description="From one OPTIONS of ours to the next at each partner's return_uri, seconds: does the way back work? 0: none."
    )
    seed: str = Field(
        "",
        max_length=200,
        description="From which tags, branches, Call-IDs and SSRCs follow: two runs with the same calls in the same order have the same "
        "ones. Keys stay random. Empty: chance.",
    )
    default_region: str = Field("", description="Region of calls that name none. Empty: none.")
    dial_production: Literal["", "I know that this calls production"] = Field(
        "", description=f"Must be the words `{DIAL_WORDS}` before a name below {PUBLIC_DOMAIN} is ever resolved or dialled."
    )


class Media(Section):
    """SRTP ports, suites and what counts as good media."""

    listen: Address = Field("0.0.0.0", description="Address for SRTP.")
    advertised: ToldAddress | None = Field(None, description="Address in the SDP. Default: where it listens, or a local address.")
    ports: Ports = Field(PortRange(31000, 31019), description="UDP ports, two for each call; 0: any free ones.")
    mode: Literal["ports", "mux"] = Field("ports", description="A port for each call, or one port for all calls.")
    suites: Suites = Field(ALL_SUITES, description="SRTP suites accepted (RFC 4568, RFC 7714).")
    crypto_in_avp: Literal["refuse", "accept"] = Field("refuse", description="Crypto lines under RTP/AVP.")
    ipv6: bool = Field(False, description="Accept IPv6 in SDP.")
    min_ptime: int = Field(10, ge=1, le=200, description="Shortest packets accepted, ms.")
    max_ptime: int = Field(60, ge=1, le=200, description="Longest packets accepted, ms.")
    min_packets: int = Field(50, ge=1, description="Fewer packets each way and the echo counts as unproved.")
    max_loss: float = Field(0.01, ge=0, le=1, description="More loss (fraction) is a warning.")
    max_jitter_ms: float = Field(30.0, ge=0, description="More jitter is a warning.")
    max_first_packet_ms: float = Field(1000.0, ge=0, description="A first packet later than this after the answer is a warning.")
    max_echo_delay_ms: float = Field(100.0, ge=0, description="An echo that leaves later than this after its packet is a warning.")
    auth_failure_limit: int = Field(10, ge=1, description="So many authentication failures and the key is called wrong.")
    silence_dbfs: float = Field(-55.0, le=0, description="Audio whose loudest sample or mean level is below this is silence.")
    latch: bool = Field(True, description="Send to the real source when it differs from the SDP.")

    @model_validator(mode="after")
    def _shortest_first(self) -> Self:
        if self.min_ptime > self.max_ptime:
            raise ValueError(f"media.min_ptime ({self.min_ptime} ms) is above media.max_ptime ({self.max_ptime} ms): no packet would fit")
        return self


class Tls(Section):
    """Certificates and handshakes."""

    dir: Path = Field(Path("certs"), description="Where the CA and server certificate are made and kept.")
    cert_file: Path | None = Field(None, description="Own server certificate (PEM, leaf first, then the chain).")
    key_file: Path | None = Field(None, description="Its private key (PEM).")
    ca_file: Path | None = Field(None, description="CA bundle (PEM) that partners' servers are checked against.")
    names: Words = Field((), description="Further names and addresses for the certificate that is made.")
    client_certificates: Literal["reject", "report", "ignore"] = Field("reject", description="A partner that shows a client certificate.")
    flaw: Literal["none", "expired", "wrong-name", "self-signed", "missing-intermediate"] = Field(
        "none", description="Show a certificate with this flaw, so that a partner can test its own checks."
    )
    min_version: Literal["1.2", "1.3"] = Field("1.2", description="Oldest TLS version accepted.")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("tls.cert_file and tls.key_file belong together: set both, or none")
        return self


class Uui(Section):
    """The User-to-User header."""

    missing: Literal["reject", "warn"] = Field("reject", description="An INVITE without User-to-User.")
    content: Literal["warn", "require"] = Field("warn", description="Content that is not the JSON object with the expected keys.")
    over_limit: Literal["warn", "refuse"] = Field("warn", description="A value longer than the limit.")
    limit: int = Field(1024, ge=1, description="Longest value, characters.")
    limit_scope: Literal["value", "decoded", "line"] = Field("value", description="What the limit counts.")
    several: Literal["refuse", "first", "first_json"] = Field("refuse", description="More than one value.")
    leading_octet: Literal["strip", "refuse"] = Field("strip", description="One octet before the text (protocol discriminator).")
    encoding: Literal["strict", "lenient"] = Field("strict", description="An encoding parameter other than hex.")
    purpose: Literal["optional", "required"] = Field("optional", description="The purpose parameter.")
    x_header: bool = Field(False, description="Read X-User-to-User too.")
    max_depth: int = Field(8, ge=1, le=64, description="Deepest nesting of the JSON.")
    aliases: Pairs = Field(dict(_DEFAULTS.uui_aliases), description="Key in the JSON = name of the field.")
    echo_org: str = Field(_DEFAULTS.echo_org, description="orgId that selects the echo test.")
    echo_domain: str = Field(_DEFAULTS.echo_domain, description="scrt2Domain of the echo test.")


class Http(Section):
    """The HTTP interface."""

    listen: Listen = Field(Endpoint("127.0.0.1", 8061), description="Address and port for API and metrics.")
    auth: Literal["token", "none"] = Field("token", description="Off loopback: ask for a token, or for nothing.")
    token: SecretStr | None = Field(None, description="The token. Default: made at start and shown in the banner when one is needed.")
    base_path: str = Field("", pattern=r"^(/[\w.~-]+)*$", description="Sub-path behind a reverse proxy, /sbc-sim say.")
    hosts: Words = Field((), description="Further Host names by which clients may call; * allows any.")
    origins: Words = Field((), description="Further origins (https://host) that pages may ask from.")
    upload_bytes: int = Field(32 * 1024 * 1024, ge=65536, description="Largest trace that /api/v1/judge takes; larger gets 413.")
    listeners: int = Field(100, ge=1, description="Pages and programs that follow /api/v1/events at the same time; more get 503.")


class Store(Section):
    """What the journal keeps."""

    url: StoreUrl = Field(
        "memory:",
        description="Where calls are kept: `memory:`, `sqlite:FILE` to survive a restart, or `postgresql://USER@HOST:PORT/DATABASE`, which "
        "several replicas may share.",
    )
    password: SecretStr | None = Field(None, description="Password for PostgreSQL. Default: as libpq finds one (PGPASSWORD, ~/.pgpass).")
    max_calls: int = Field(10_000, ge=1, description="Calls kept; the oldest go first.")
    max_bytes: int = Field(64 * 1024 * 1024, ge=65536, description="Octets kept in memory, about; the oldest calls go first.")
    max_file_bytes: int = Field(
        1024 * 1024 * 1024,
        ge=1024 * 1024,
        description="Largest file, in PostgreSQL the octets of what is kept, about; the oldest calls go first.",
    )
    max_age_days: float = Field(30.0, gt=0, description="Calls in a file or database are forgotten after this.")
    flush_ms: int = Field(100, ge=1, le=60_000, description="Entries are written to it at least so often; a crash loses no more.")
    queue_bytes: int = Field(
        32 * 1024 * 1024, ge=65536, description="Octets that may wait for a disk or database that is slow, full or away; more are lost."
    )


class Capture(Section):
    """What is kept of the wire for /capture.pcapng, /audio.wav and the pictures of the media. In memory only."""

    enabled: bool = Field(True, description="Keep TLS octets and packets in clear, within the bounds below.")
    media_seconds: float = Field(15.0, gt=0, le=3600, description="So much RTP from the beginning of each call, and as much from its end.")
    connection_bytes: int = Field(256 * 1024, ge=4096, description="TLS octets from the beginning of each connection.")
    max_bytes: int = Field(128 * 1024 * 1024, ge=1024 * 1024, description="Octets in all, about; ended calls go first.")
    key_log_file: Path | None = Field(None, description="Append TLS secrets here (as SSLKEYLOGFILE does), for Wireshark.")


class Hep(Section):
    """Copies of SIP messages for a Homer server (HEP version 3)."""

    target: Listen | None = Field(None, description="ADDRESS:PORT that the copies go to.")
    transport: Literal["udp", "tcp"] = Field("udp", description="How.")
    capture_id: int = Field(2001, ge=0, le=0xFFFFFFFF, description="Capture agent id in each copy.")
    password: SecretStr | None = Field(None, description="Authenticate key that Homer asks for.")
    redaction: Literal["none", "share", "strict"] = Field("share", description="What is masked in the copies.")


class Limits(Section):
    """Bounds: what is over them is refused clearly and disturbs nobody else."""

    calls: int = Field(200, ge=1, description="Calls at the same time; more get 503.")
    calls_per_second: float = Field(50.0, gt=0, description="New calls each second; more get 503.")
    connections: int = Field(1000, ge=1, description="SIP connections at the same time.")
    idle_seconds: float = Field(600.0, gt=0, description="A connection without a call or a keep-alive is closed after this.")
    handshake_seconds: float = Field(10.0, gt=0, description="Longest TLS handshake.")
    message_seconds: float = Field(30.0, gt=0, description="Longest time from the first to the last octet of one message.")
    transactions: int = Field(20_000, ge=100, description="SIP transactions at the same time; more get 503.")
    uri_bytes: int = Field(2048, ge=256, description="Longest Request-URI; longer gets 414.")
    header_bytes: int = Field(32 * 1024, ge=2048, description="Longest header section; longer gets 513.")
    body_bytes: int = Field(64 * 1024, ge=1024, description="Longest body; longer gets 413.")
    call_seconds: float = Field(3600.0, gt=0, description="Longest call; then BYE.")
    media_timeout_seconds: float = Field(60.0, gt=0, description="No media for so long, hold excepted: BYE.")
    drain_seconds: float = Field(
        0.0,
        ge=0,
        le=86400,
        description="After SIGTERM new calls get 503 and live ones may go on for so long, then BYE. "
        "The end comes at most 4 s after that, 7 s when the store hangs.",
    )


def _plan_check(name: str) -> Callable[[Any], Any]:
    """Check a value of the escalation by the function of that name; only who sets one pays for the import."""

    def check(value: Any) -> Any:
        from sbc_sim.calls import escalation_plan

        return getattr(escalation_plan, name)(value)

    return check


class Escalation(Section):
    """Giving a call back to the partner. Templates may hold {orgId}, {voiceCallId}, {vendorCallKey} and {why}."""

    mode: Literal["bye", "bye+data", "invite-back", "refer"] = Field(
        "bye", description="How: BYE, BYE with data, a new INVITE to the partner and then BYE, or REFER (profile extended only)."
    )
    reason: Annotated[str, AfterValidator(_plan_check("check_reason"))] = Field(
        "", description="Reason of the BYE in modes bye and bye+data, template (RFC 3326). Default: our own words and Q.850 cause 16."
    )
    data: Annotated[str, AfterValidator(_plan_check("check_data"))] = Field(
        _PLAN.data, description="User-to-User in clear, template; sent as hex in BYE, INVITE and Refer-To. Empty: left out."
    )
    headers: Annotated[Pairs, AfterValidator(_plan_check("check_headers"))] = Field(
        {}, description="X-headers of the BYE in mode bye+data: name = template."
    )
    return_uri: Annotated[str, AfterValidator(_plan_check("check_return_uri"))] = Field(
        "",
        description="Where a call is given back to when its partner names nothing (sips:USER@HOST:PORT). Default: the Contact of the call.",
    )
    seconds: float = Field(20.0, ge=0, le=3600, description="A call back by INVITE is ended by our BYE after this.")
    ring_seconds: float = Field(30.0, ge=1, le=180, description="Longest wait for the answer to INVITE or REFER, and for the transfer.")
    check_seconds: float = Field(30.0, ge=0, le=600, description="How long the partner check waits after an escalation.")


class Agent(Section):
    """The simulated agent: which scenario it follows, and how it listens."""

    scenario: str = Field("support", description="Scenario of calls that reach the agent: `support`, `escalate`, or one of `scenarios`.")
    by_partner: Pairs = Field({}, description="PARTNER = scenario of its calls.")
    by_region: Pairs = Field({}, description="REGION = scenario of its calls, unless the partner has one.")
    prompts_dir: Path | None = Field(
        None, description="Folder of own prompts (WAV); NAME.wav there goes before the shipped prompt. Default: beside the scenario's file."
    )
    speech_dbfs: float = Field(-40.0, ge=-90, le=0, description="A packet louder than this is speech.")
    pause_ms: int = Field(700, ge=100, le=10_000, description="So much without speech and the other side has finished, ms.")


class Rehearsal(Section):
    """The endorsement checklist."""

    step_seconds: float = Field(600.0, gt=0, le=86400, description="How long a step waits for its call or request.")


class Rules(Section):
    """Which rules hold."""

    profile: Literal["published", "extended"] = Field("published", description="The guide as published, or with its newer additions.")


class Log(Section):
    """Log lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least important line that is written.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, json elsewhere.")


class Settings(BaseModel):
    """Everything that can be set."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sip: Sip = Sip()
    media: Media = Media()
    tls: Tls = Tls()
    uui: Uui = Uui()
    http: Http = Http()
    data: Data = Data()
    store: Store = Store()
    capture: Capture = Capture()
    hep: Hep = Hep()
    limits: Limits = Limits()
    workers: Workers = Workers()
    replicas: Replicas = Replicas()
    escalation: Escalation = Escalation()
    telephony: Telephony = Telephony()
    rules: Rules = Rules()
    log: Log = Log()
    agent: Agent = Agent()
    rehearsal: Rehearsal = Rehearsal()
    regions: Regions = Field(default_factory=published_regions, validate_default=True, description=MAP_TEXTS["regions"])
    partners: Partners = Field(default_factory=dict, description=MAP_TEXTS["partners"])
    scenarios: Scenarios = Field(default_factory=dict, description=MAP_TEXTS["scenarios"])
    faults: Faults = Field(default_factory=dict, description=MAP_TEXTS["faults"])

    @model_validator(mode="after")
    def _refer_is_extended(self) -> Self:
        if self.escalation.mode == "refer" and self.rules.profile != "extended":
            raise ValueError("escalation.mode refer needs rules.profile extended: the published guide ends calls with BYE")
        return self

    def escalation_plan(self) -> EscalationPlan:
        """Build how calls are given back."""
        values: dict[str, Any] = {name: getattr(self.escalation, name) for name in EscalationPlan.__dataclass_fields__}
        return EscalationPlan(**{**values, "headers": tuple(self.escalation.headers.items())})

    def policy(self) -> Policy:
        """Build what the core enforces: each field of Policy from the setting of its name."""
        values: dict[str, Any] = {
            "profile": self.rules.profile,
            "codecs": ("PCMU", "PCMA") if self.rules.profile == "extended" else ("PCMU",),
            "served_users": self.sip.users,
            "served_users_by": "sip.users",
            "served_hosts": self.sip.hosts,
            "uui_aliases": tuple(self.uui.aliases.items()),
            "e2e_unknown_call": self.telephony.unknown_call,
            "e2e_unknown_org": self.telephony.unknown_org,
            "e2e_token": self.telephony.uui_token,
            "e2e_domains": self.telephony.scrt2_domains,
            "source_lists": (),  # of regions and partners: calls/directory
        }
        for name in set(Policy.__dataclass_fields__) - set(values):
            short = name.removeprefix("uui_")
            sections: tuple[Section, ...] = (self.uui,) if name != short else (self.sip, self.media, self.uui)
            values[name] = next(getattr(section, short) for section in sections if short in type(section).model_fields)
        return Policy(**values)

    def number_table(self) -> NumberTable | None:
        """Build the table of test numbers; None when they are off. Raises ValueError for a further number that stands for none of them."""
        return NumberTable(more=self.sip.numbers) if self.sip.test_numbers else None

    def agent_settings(self) -> AgentSettings:
        """Build what chooses the scenarios of agents."""
        return AgentSettings(**{name: getattr(self.agent, name) for name in AgentSettings.__dataclass_fields__})

    def call_limits(self) -> CallLimits:
        """Build the bounds of the switchboard."""
        owners = {name: self.sip if name in Sip.model_fields else self.limits for name in CallLimits.__dataclass_fields__}
        return CallLimits(**{name: getattr(owner, name) for name, owner in owners.items()})

    def value(self, key: str) -> object:
        """Return the value of `section.key`, or of `regions.NAME.member` and the like."""
        found: Any = self
        for name in key.split("."):
            found = found[name] if isinstance(found, dict) else getattr(found, name)
        return found


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where each value came from."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    """section.key -> ``default``, ``file /etc/..., line 3``, ``environment SBC_SIM_...`` or ``flag --...``; of maps what is set, as
    ``regions.frankfurt.listen``."""


def all_settings() -> dict[str, Setting]:
    """List every setting by its section.key; maps of names (regions, partners, scenarios, faults) are not among them."""
    return dict(_all_settings())


def sections() -> dict[str, type[Section]]:
    """List the sections whose members are all known, by name."""
    models = {name: about.annotation for name, about in Settings.model_fields.items() if name not in MAPS}
    return {name: model for name, model in models.items() if isinstance(model, type) and issubclass(model, Section)}


def _all_settings() -> Iterator[tuple[str, Setting]]:
    for section, model in sections().items():
        for name, info in model.model_fields.items():
            secret = SecretStr in (info.annotation, *get_args(info.annotation))
            yield f"{section}.{name}", Setting(f"{section}.{name}", info.description or "", shown(info.default), secret)


def load(
    flags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    default_file: Path = DEFAULT_FILE,
) -> Loaded:
    """Merge all sources and check the result.

    `flags` maps a key to text. `file` is what --config names (else SBC_SIM_CONFIG, else `default_file` when there). Raises SettingsError.
    """
    environment = os.environ if environment is None else environment
    known = all_settings()
    path = file or (Path(environment["SBC_SIM_CONFIG"]) if environment.get("SBC_SIM_CONFIG") else None)
    if path is None and default_file.is_file():
        path = default_file
    found: Source = {} if path is None else from_file(path, known, sections())
    found |= from_environment(environment, known, {key.split(".")[1] for key in found if key.partition(".")[0] in MAPS})
    found |= from_flags(flags or {}, known)
    folder, origin = found.get("data.dir", ("", ""))
    if folder:
        below = {key: (value, f"below data.dir ({origin})") for key, value in defaults_below(Path(str(folder))).items()}
        found = below | found
    origins = dict.fromkeys(known, "default") | {key: origin for key, (_, origin) in found.items()}
    return Loaded(_checked({key: value for key, (value, _) in found.items()}, origins, known), origins)


def _checked(values: Mapping[str, object], origins: Mapping[str, str], known: Known) -> Settings:
    try:
        settings = Settings.model_validate(_tree(values))
    except ValidationError as invalid:
        raise _refusal(invalid, values, origins, known) from None
    against = contradictions(settings.regions, settings.partners, settings.sip.default_region)
    agents = {"by_region": settings.agent.by_region, "by_partner": settings.agent.by_partner}
    listeners = same_listener(str(settings.sip.listen), settings.regions)
    nobody = strangers(agents, settings.faults, settings.regions, settings.partners)
    wrong = [*against, *listeners, *nobody, *overlaps(settings.media.ports, settings.regions)]
    if settings.media.mode == "ports":
        wrong += no_pairs(settings.media.ports, settings.regions)
    if settings.limits.calls != Limits.model_fields["calls"].default and settings.media.mode == "ports":  # somebody counts on so many
        wrong += too_few_ports(settings.limits.calls, settings.media.ports, settings.regions)
    if not settings.sip.dial_production:
        wrong += production_targets(settings.escalation.return_uri, settings.partners)
    for key, reason in wrong:
        raise SettingsError(f"{place_of(key, origins)}: {reason}")
    return settings


def _tree(values: Mapping[str, object]) -> dict[str, Any]:
    """Make the mapping that the model takes; what is set of a published region comes on top of what is published."""
    tree: dict[str, Any] = {}
    if any(key.startswith("regions.") for key in values):
        tree["regions"] = {name: dict(members) for name, members in PUBLISHED.items()}
    for key, value in values.items():
        *path, name = key.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        if value == {} and path[:1] == ["regions"]:
            at.setdefault(name, {})
        else:
            at[name] = value
    return tree


def _refusal(invalid: ValidationError, values: Mapping[str, object], origins: Mapping[str, str], known: Known) -> SettingsError:
    first = invalid.errors(include_url=False)[0]
    reason = str(first.get("ctx", {}).get("error", "")) or first["msg"][:1].lower() + first["msg"][1:]
    where = [str(part) for part in first["loc"]]
    key = next((key for length in range(len(where), 0, -1) if (key := ".".join(where[:length])) in values), "")
    if not key:  # what a map holds is checked as a whole
        error = first.get("ctx", {}).get("error")
        at = ".".join([*where[:2], *filter(None, [getattr(error, "member", "")])])
        return SettingsError(f"{place_of(at, origins)}: {reason}" if where[:1] and where[0] in MAPS else reason)
    secret = (key in known and known[key].secret) or isinstance(first.get("ctx", {}).get("error"), Unshown)
    value = values[key]
    given = "" if secret or isinstance(value, dict) else f" {shown(tuple(value) if isinstance(value, list) else value)!r}:"
    return SettingsError(f"{place_of(key, origins)}:{given} {reason}")


def place_of(key: str, origins: Mapping[str, str]) -> str:
    """Give a key with the origin of what is set there, or below it."""
    origin = origins.get(key) or next((origin for set_, origin in origins.items() if set_.startswith(f"{key}.")), "")
    above = key.rpartition(".")[0]
    while not origin and above:  # a member of what is set as a whole
        origin, above = origins.get(above, ""), above.rpartition(".")[0]
    return f"{key} ({origin})" if origin else key


def local_address(names: list[tuple[int, str]] | None = None) -> str:
    """Find the IPv4 address of the first interface that is not loopback, or 127.0.0.1. Asks the kernel, sends nothing."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in sorted(socket.if_nameindex() if names is None else names):
            try:
                answer = fcntl.ioctl(probe.fileno(), 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
            except OSError:
                continue  # an interface without an IPv4 address
            address = ipaddress.IPv4Address(answer[20:24])
            if not address.is_loopback and not address.is_unspecified:
                return str(address)
    return "127.0.0.1"
