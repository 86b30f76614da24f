"""Settings: flag > environment > file > default, from one model that also makes the flags, the JSON schema and `config show`.

pydantic checks the values. The merging is here and not in pydantic-settings, since each value carries its origin, an unknown key is
answered with the nearest valid one, and importing that package takes longer than the start of the whole simulator may
(docs/decisions/0006). Lower rooms never see this module: `Settings.policy` and its siblings build the plain dataclasses that they take.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text at start.
"""

import difflib
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from sbc_sim.calls.limits import Limits as CallLimits
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.uri import host_port

DEFAULT_FILE = Path("/etc/sbc-sim/config.yaml")
PREFIX = "SBC_SIM_"
OTHER_VARIABLES = frozenset(
    {"SBC_SIM_CONFIG", "SBC_SIM_API", "SBC_SIM_TOKEN", "SBC_SIM_TOKEN_FILE", "SBC_SIM_REQUIRE_PARTNERS", "SBC_SIM_RFC4475"}
)
"""Variables with our prefix that are no settings: where the file is, whom the client asks, and what the test suite is told."""

_KUBERNETES_LINK = re.compile(r"SBC_SIM(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT|PORT)(_[A-Z0-9_]+)?")
"""A pod finds SBC_SIM_SERVICE_HOST and the like in its environment when a Service is called sbc-sim: not ours, not an error."""


class SettingsError(Exception):
    """Settings that cannot be used: one sentence for the person who wrote them. Exit code 2."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to listen on. Port 0: any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return HOST:PORT, an IPv6 host in brackets."""
        return host_port(self.host, self.port)

    @property
    def wildcard(self) -> bool:
        """True when it means every address of the machine."""
        return ipaddress.ip_address(self.host).is_unspecified


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports for media, both ends included; 0-0: any free ones."""

    start: int
    end: int

    def __str__(self) -> str:
        """Return START-END, or one number."""
        return str(self.start) if self.start == self.end else f"{self.start}-{self.end}"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port number (0 to 65535)")
    return int(text)


def _address(text: str) -> str:
    """Check an IP address to listen on; names other than localhost would need a look-up."""
    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text.strip("[]")))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address (0.0.0.0 means every address of this machine)") from None


def _endpoint(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{value!r} is not HOST:PORT, for example 0.0.0.0:5061")
    return Endpoint(_address(host), _port(port))


def _port_range(value: object) -> object:
    if isinstance(value, PortRange):
        return value
    first, dash, last = str(value).replace(" ", "").partition("-")
    ports = PortRange(_port(first), _port(last if dash else first))
    if ports.start > ports.end or (ports.start == 0 and ports.end != 0):
        raise ValueError(f"{value!r} is not a port range, for example 31000-31019, or 0 for any free ports")
    return ports


def _network(value: object) -> str:
    return str(ipaddress.ip_network(str(value), strict=False))


def _words(value: object) -> object:
    """Let the environment and flags write a list as words between commas."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _pairs(value: object) -> object:
    """Let the environment and flags write a mapping as a=b,c=d."""
    if not isinstance(value, str):
        return value
    named = (word.partition("=") for word in value.split(",") if "=" in word)
    return {name.strip(): member.strip() for name, _, member in named}


def _number(value: object) -> object:
    """Choices among numbers are exact in pydantic, so text has to become a number first."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


_TEXT = PlainSerializer(str, return_type=str)
Listen: TypeAlias = Annotated[Endpoint, BeforeValidator(_endpoint), _TEXT, WithJsonSchema({"type": "string", "pattern": r"^.+:\d+$"})]
Ports: TypeAlias = Annotated[PortRange, BeforeValidator(_port_range), _TEXT, WithJsonSchema({"type": "string", "pattern": r"^\d+(-\d+)?$"})]
Address: TypeAlias = Annotated[str, BeforeValidator(lambda value: _address(str(value)))]
Words: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_words)]
Networks: TypeAlias = Annotated[tuple[Annotated[str, BeforeValidator(_network)], ...], BeforeValidator(_words)]
Pairs: TypeAlias = Annotated[dict[str, str], BeforeValidator(_pairs)]
Suite: TypeAlias = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]
ALL_SUITES: tuple[Suite, ...] = get_args(Suite)
Suites: TypeAlias = Annotated[tuple[Suite, ...], BeforeValidator(_words), Field(min_length=1)]
_DEFAULTS = Policy()


class Section(BaseModel):
    """One group of settings."""

    # The schema of all sections is built once, as part of Settings.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class Sip(Section):
    """Signalling: where to listen, what to be called, and how lenient to be."""

    listen: Listen = Field(Endpoint("0.0.0.0", 5061), description="Address and port for SIP over TLS.")
    advertised: str | None = Field(None, description="HOST or HOST:PORT in Contact and Via. Default: where it listens, or a local address.")
    allow_from: Networks = Field((), description="Source networks (CIDR) that may call. Empty: everyone.")
    off_list: Literal["403", "503", "close"] = Field("403", description="What a source that is not allowed gets.")
    users: Words = Field((), description="User parts of the Request-URI that are served, others get 404. Empty: any.")
    hosts: Words = Field((), description="Hosts of the Request-URI that are served, others get 404. Empty: any.")
    accept_tel: bool = Field(False, description="Accept tel: Request-URIs.")
    unknown_method: Annotated[Literal[501, 405], BeforeValidator(_number)] = Field(501, description="Answer to an unheard-of method.")
    refer: Annotated[Literal[405, 603], BeforeValidator(_number)] = Field(405, description="Answer to REFER.")
    max_forwards_zero: Literal["accept", "refuse"] = Field("accept", description="A call that arrives with Max-Forwards 0.")
    delayed_offer: Literal["accept", "refuse"] = Field("accept", description="An INVITE without SDP.")
    reliable_provisional: bool = Field(True, description="Answer Require: 100rel with RSeq and PRACK (RFC 3262).")
    min_session_expires: int = Field(90, ge=90, description="Shortest session interval, seconds (RFC 4028).")
    ring_seconds: float = Field(0.2, ge=0, le=180, description="From 180 to 200, seconds.")
    caller_number: Literal["warn", "ignore"] = Field("warn", description="A call without a caller's number.")


class Media(Section):
    """SRTP ports, suites and what counts as good media."""

    listen: Address = Field("0.0.0.0", description="Address for SRTP.")
    advertised: Address | None = Field(None, description="Address in the SDP. Default: where it listens, or a local address.")
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

    url: str = Field(
        "memory:", pattern=r"^(memory:|sqlite:.+)$", description="Where calls are kept: `memory:`, or `sqlite:FILE` to survive a restart."
    )
    max_calls: int = Field(10_000, ge=1, description="Calls kept; the oldest go first.")
    max_bytes: int = Field(64 * 1024 * 1024, ge=65536, description="Octets kept in memory, about; the oldest calls go first.")
    max_file_bytes: int = Field(1024 * 1024 * 1024, ge=1024 * 1024, description="Largest file; the oldest calls go first.")
    max_age_days: float = Field(30.0, gt=0, description="Calls in a file are forgotten after this.")
    flush_ms: int = Field(100, ge=1, le=60_000, description="Entries are written to the file at least so often; a crash loses no more.")
    queue_bytes: int = Field(
        32 * 1024 * 1024, ge=65536, description="Octets that may wait for a disk that is slow or full; more are counted as lost."
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
    store: Store = Store()
    capture: Capture = Capture()
    hep: Hep = Hep()
    limits: Limits = Limits()
    rules: Rules = Rules()
    log: Log = Log()

    def policy(self) -> Policy:
        """Build what the core enforces: each field of Policy from the setting of its name."""
        values: dict[str, Any] = {
            "profile": self.rules.profile,
            "codecs": ("PCMU", "PCMA") if self.rules.profile == "extended" else ("PCMU",),
            "served_users": self.sip.users,
            "served_hosts": self.sip.hosts,
            "uui_aliases": tuple(self.uui.aliases.items()),
        }
        for name in set(Policy.__dataclass_fields__) - set(values):
            short = name.removeprefix("uui_")
            sections: tuple[Section, ...] = (self.uui,) if name != short else (self.sip, self.media, self.uui)
            values[name] = next(getattr(section, short) for section in sections if short in type(section).model_fields)
        return Policy(**values)

    def call_limits(self) -> CallLimits:
        """Build the bounds of the switchboard."""
        owners = {name: self.sip if name in Sip.model_fields else self.limits for name in CallLimits.__dataclass_fields__}
        return CallLimits(**{name: getattr(owner, name) for name, owner in owners.items()})

    def value(self, key: str) -> object:
        """Return the value of `section.key`."""
        section, _, name = key.partition(".")
        return getattr(getattr(self, section), name)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key, for flags and documents."""

    key: str
    """section.key"""
    description: str
    default: str
    secret: bool = False

    @property
    def variable(self) -> str:
        """Name in the environment."""
        return PREFIX + self.key.upper().replace(".", "__")

    @property
    def flag(self) -> str:
        """Name on the command line."""
        return "--" + self.key.replace(".", "-").replace("_", "-")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where each value came from."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    """section.key -> ``default``, ``file /etc/...``, ``environment SBC_SIM_...`` or ``flag --...``."""


def all_settings() -> dict[str, Setting]:
    """List every setting by its section.key."""
    return dict(_all_settings())


def _all_settings() -> Iterator[tuple[str, Setting]]:
    for section, about in Settings.model_fields.items():
        model = about.annotation
        assert isinstance(model, type)
        assert issubclass(model, Section)
        for name, info in model.model_fields.items():
            secret = SecretStr in (info.annotation, *get_args(info.annotation))
            yield f"{section}.{name}", Setting(f"{section}.{name}", info.description or "", shown(info.default), secret)


def shown(value: object) -> str:
    """Write a value as a flag or variable would take it; a secret is masked."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items())
    return str(value)


def load(
    flags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    default_file: Path = DEFAULT_FILE,
) -> Loaded:
    """Merge all sources and check the result.

    `flags` maps section.key to text. `file` is what --config names (else SBC_SIM_CONFIG, else `default_file` when there).
    Raises SettingsError.
    """
    environment = os.environ if environment is None else environment
    known = all_settings()
    values: dict[str, object] = {}
    origins = dict.fromkeys(known, "default")
    path = file or (Path(environment["SBC_SIM_CONFIG"]) if environment.get("SBC_SIM_CONFIG") else None)
    if path is None and default_file.is_file():
        path = default_file
    sources = [] if path is None else [_from_file(path, known)]
    sources += [_from_environment(environment, known), _from_flags(flags or {}, known)]
    for source in sources:
        for key, (value, origin) in source.items():
            values[key], origins[key] = value, origin
    return Loaded(_checked(values, origins, known), origins)


Source: TypeAlias = dict[str, tuple[object, str]]


def _from_file(path: Path, known: Mapping[str, Setting]) -> Source:
    import yaml  # only when there is a file: not every start pays for it

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not YAML: {' '.join(str(error).split())}") from None
    found: Source = {}
    for section, members in _mapping(tree, str(path)).items():
        if section not in Settings.model_fields:
            raise _unknown(f"{path}: {section}", section, list(Settings.model_fields))
        for name, value in _mapping(members, f"{path}: {section}").items():
            if (key := f"{section}.{name}") not in known:
                raise _unknown(f"{path}: {key}", key, list(known))
            found[key] = value, f"file {path}"
    return found


def _mapping(value: object, where: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError(f"{where} must be a mapping of names to values, not {type(value).__name__}")
    return {str(name): member for name, member in value.items()}


def _from_environment(environment: Mapping[str, str], known: Mapping[str, Setting]) -> Source:
    by_name = {setting.variable: setting for setting in known.values()}
    files = {f"{setting.variable}_FILE": setting for setting in known.values() if setting.secret}
    found: Source = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        if name in by_name:
            found[by_name[name].key] = value, f"environment {name}"
        elif name in files:
            found.setdefault(files[name].key, (_secret(name, value), f"environment {name}"))
        elif "__" in name or not _KUBERNETES_LINK.fullmatch(name):
            raise _unknown(f"environment variable {name}", name, [*by_name, *files])
    return found


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} names {path}, which cannot be read: {getattr(error, 'strerror', error)}") from None


def _from_flags(flags: Mapping[str, str], known: Mapping[str, Setting]) -> Source:
    for key in flags:
        if key not in known:
            raise _unknown(f"setting {key}", key, list(known))
    return {key: (value, f"flag {known[key].flag}") for key, value in flags.items()}


def _unknown(what: str, word: str, valid: list[str]) -> SettingsError:
    near = difflib.get_close_matches(word, valid, n=1, cutoff=0.0)
    return SettingsError(f"{what} is not known; the nearest setting is {near[0]}")


def _checked(values: Mapping[str, object], origins: Mapping[str, str], known: Mapping[str, Setting]) -> Settings:
    tree: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
    reason = str(first.get("ctx", {}).get("error", "")) or first["msg"][:1].lower() + first["msg"][1:]
    key = ".".join(str(part) for part in first["loc"][:2])
    if key not in known:
        raise SettingsError(reason)
    given = "" if known[key].secret else f" {shown(values[key])!r}:"
    raise SettingsError(f"{key} ({origins[key]}):{given} {reason}")


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
