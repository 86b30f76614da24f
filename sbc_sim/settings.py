"""Settings: flag > environment > file > default, from one model that also makes the flags, the JSON schema and `config show`.

The model is nine dataclasses; kinds.py reads and refuses values. Each value carries its origin, and an unknown key is answered with the
nearest valid one. No validation library: importing one takes a fifth of the start (docs/decisions/0006). Lower rooms never see this
module: `Settings.policy` and its siblings build the plain dataclasses that they take.

Annotations are evaluated at once here (no `from __future__ import annotations`): the kind of a setting follows from them.
"""

import dataclasses
import difflib
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from sbc_sim import kinds
from sbc_sim.calls.limits import Limits as CallLimits
from sbc_sim.kinds import Endpoint, Kind, PortRange, Secret
from sbc_sim.rules.policy import Policy

DEFAULT_FILE = Path("/etc/sbc-sim/config.yaml")
PREFIX = "SBC_SIM_"
OTHER_VARIABLES = frozenset({"SBC_SIM_CONFIG", "SBC_SIM_REQUIRE_PARTNERS", "SBC_SIM_RFC4475"})
"""Variables with our prefix that are no settings: where the file is, and what the test suite is told."""

_KUBERNETES_LINK = re.compile(r"SBC_SIM(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT|PORT)(_[A-Z0-9_]+)?")
"""A pod finds SBC_SIM_SERVICE_HOST and the like in its environment when a Service is called sbc-sim: not ours, not an error."""


class SettingsError(Exception):
    """Settings that cannot be used: one sentence for the person who wrote them. Exit code 2."""


Suite: TypeAlias = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]
ALL_SUITES: tuple[Suite, ...] = get_args(Suite)
_DEFAULTS = Policy()
_ADDRESS_OR_NONE = kinds.optional(kinds.ADDRESS)
_NETWORKS = kinds.several(kinds.NETWORK)
_SUITES = kinds.several(kinds.choice(*ALL_SUITES), least=1)
_BASE_PATH = kinds.matching(r"(/[\w.~-]+)*")


def setting(default: Any, description: str, kind: Kind | None = None, **bounds: float) -> Any:
    """Declare one setting. Its kind follows from the annotation unless it is given; numbers may have bounds (kinds.bounded)."""
    return field(default_factory=lambda: default, metadata={"default": default, "description": description, "kind": kind, "bounds": bounds})


@dataclass(frozen=True)
class Sip:
    """Signalling: where to listen, what to be called, and how lenient to be."""

    listen: Endpoint = setting(Endpoint("0.0.0.0", 5061), "Address and port for SIP over TLS.")
    advertised: str | None = setting(None, "HOST or HOST:PORT in Contact and Via. Default: where it listens, or a local address.")
    allow_from: tuple[str, ...] = setting((), "Source networks (CIDR) that may call. Empty: everyone.", kind=_NETWORKS)
    off_list: Literal["403", "503", "close"] = setting("403", "What a source that is not allowed gets.")
    users: tuple[str, ...] = setting((), "User parts of the Request-URI that are served, others get 404. Empty: any.")
    hosts: tuple[str, ...] = setting((), "Hosts of the Request-URI that are served, others get 404. Empty: any.")
    accept_tel: bool = setting(False, "Accept tel: Request-URIs.")
    unknown_method: Literal[501, 405] = setting(501, "Answer to an unheard-of method.")
    refer: Literal[405, 603] = setting(405, "Answer to REFER.")
    max_forwards_zero: Literal["accept", "refuse"] = setting("accept", "A call that arrives with Max-Forwards 0.")
    delayed_offer: Literal["accept", "refuse"] = setting("accept", "An INVITE without SDP.")
    reliable_provisional: bool = setting(True, "Answer Require: 100rel with RSeq and PRACK (RFC 3262).")
    min_session_expires: int = setting(90, "Shortest session interval, seconds (RFC 4028).", least=90)
    ring_seconds: float = setting(0.2, "From 180 to 200, seconds.", least=0, most=180)
    caller_number: Literal["warn", "ignore"] = setting("warn", "A call without a caller's number.")


@dataclass(frozen=True)
class Media:
    """SRTP ports, suites and what counts as good media."""

    listen: str = setting("0.0.0.0", "Address for SRTP.", kind=kinds.ADDRESS)
    advertised: str | None = setting(None, "Address in the SDP. Default: where it listens, or a local address.", kind=_ADDRESS_OR_NONE)
    ports: PortRange = setting(PortRange(31000, 31019), "UDP ports, two for each call; 0: any free ones.")
    mode: Literal["ports", "mux"] = setting("ports", "A port for each call, or one port for all calls.")
    suites: tuple[Suite, ...] = setting(ALL_SUITES, "SRTP suites accepted (RFC 4568, RFC 7714).", kind=_SUITES)
    crypto_in_avp: Literal["refuse", "accept"] = setting("refuse", "Crypto lines under RTP/AVP.")
    mki: Literal["refuse"] = setting("refuse", "A crypto line with an MKI is skipped.")
    ipv6: bool = setting(False, "Accept IPv6 in SDP.")
    min_ptime: int = setting(10, "Shortest packets accepted, ms.", least=1, most=200)
    max_ptime: int = setting(60, "Longest packets accepted, ms.", least=1, most=200)
    min_packets: int = setting(50, "Fewer packets each way and the echo counts as unproved.", least=1)
    max_loss: float = setting(0.01, "More loss (fraction) is a warning.", least=0, most=1)
    max_jitter_ms: float = setting(30.0, "More jitter is a warning.", least=0)
    max_first_packet_ms: float = setting(1000.0, "A first packet later than this after the answer is a warning.", least=0)
    auth_failure_limit: int = setting(10, "So many authentication failures and the key is called wrong.", least=1)
    silence_dbfs: float = setting(-55.0, "Audio below this level is silence.", most=0)
    latch: bool = setting(True, "Send to the real source when it differs from the SDP.")


@dataclass(frozen=True)
class Tls:
    """Certificates and handshakes."""

    dir: Path = setting(Path("certs"), "Where the CA and server certificate are made and kept.")
    cert_file: Path | None = setting(None, "Own server certificate (PEM, leaf first, then the chain).")
    key_file: Path | None = setting(None, "Its private key (PEM).")
    ca_file: Path | None = setting(None, "CA bundle (PEM) that partners' servers are checked against.")
    names: tuple[str, ...] = setting((), "Further names and addresses for the certificate that is made.")
    client_certificates: Literal["reject", "report", "ignore"] = setting("reject", "A partner that shows a client certificate.")
    flaw: Literal["none", "expired", "wrong-name", "self-signed", "missing-intermediate"] = setting(
        "none", "Show a certificate with this flaw, so that a partner can test its own checks."
    )
    min_version: Literal["1.2", "1.3"] = setting("1.2", "Oldest TLS version accepted.")

    def __post_init__(self) -> None:
        """Check what belongs together. Raises ValueError."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("tls.cert_file and tls.key_file belong together: set both, or none")


@dataclass(frozen=True)
class Uui:
    """The User-to-User header."""

    missing: Literal["reject", "warn"] = setting("reject", "An INVITE without User-to-User.")
    content: Literal["warn", "require"] = setting("warn", "Content that is not the JSON object with the expected keys.")
    over_limit: Literal["warn", "refuse"] = setting("warn", "A value longer than the limit.")
    limit: int = setting(1024, "Longest value, characters.", least=1)
    limit_scope: Literal["value", "decoded", "line"] = setting("value", "What the limit counts.")
    several: Literal["refuse", "first", "first_json"] = setting("refuse", "More than one value.")
    leading_octet: Literal["strip", "refuse"] = setting("strip", "One octet before the text (protocol discriminator).")
    encoding: Literal["strict", "lenient"] = setting("strict", "An encoding parameter other than hex.")
    purpose: Literal["optional", "required"] = setting("optional", "The purpose parameter.")
    x_header: bool = setting(False, "Read X-User-to-User too.")
    max_depth: int = setting(8, "Deepest nesting of the JSON.", least=1, most=64)
    aliases: dict[str, str] = setting(dict(_DEFAULTS.uui_aliases), "Key in the JSON = name of the field.")
    echo_org: str = setting(_DEFAULTS.echo_org, "orgId that selects the echo test.")
    echo_domain: str = setting(_DEFAULTS.echo_domain, "scrt2Domain of the echo test.")


@dataclass(frozen=True)
class Http:
    """The HTTP interface."""

    listen: Endpoint = setting(Endpoint("127.0.0.1", 8061), "Address and port for API and metrics.")
    auth: Literal["token", "none"] = setting("token", "Off loopback: ask for a token, or for nothing.")
    token: Secret | None = setting(None, "The token. Default: made at start and shown in the banner when one is needed.")
    base_path: str = setting("", "Sub-path behind a reverse proxy, /sbc-sim say.", kind=_BASE_PATH)
    hosts: tuple[str, ...] = setting((), "Further Host names by which clients may call; * allows any.")
    origins: tuple[str, ...] = setting((), "Further origins (https://host) that pages may ask from.")


@dataclass(frozen=True)
class Store:
    """What the journal keeps."""

    url: Literal["memory:"] = setting("memory:", "Where calls are kept.")
    max_calls: int = setting(1000, "Calls kept; the oldest go first.", least=1)
    max_bytes: int = setting(64 * 1024 * 1024, "Octets kept, about; the oldest calls go first.", least=65536)


@dataclass(frozen=True)
class Limits:
    """Bounds: what is over them is refused clearly and disturbs nobody else."""

    calls: int = setting(200, "Calls at the same time; more get 503.", least=1)
    calls_per_second: float = setting(50.0, "New calls each second; more get 503.", above=0)
    connections: int = setting(1000, "SIP connections at the same time.", least=1)
    idle_seconds: float = setting(600.0, "A connection without a call or a keep-alive is closed after this.", above=0)
    handshake_seconds: float = setting(10.0, "Longest TLS handshake.", above=0)
    message_seconds: float = setting(30.0, "Longest time from the first to the last octet of one message.", above=0)
    transactions: int = setting(20_000, "SIP transactions at the same time; more get 503.", least=100)
    uri_bytes: int = setting(2048, "Longest Request-URI; longer gets 414.", least=256)
    header_bytes: int = setting(32 * 1024, "Longest header section; longer gets 513.", least=2048)
    body_bytes: int = setting(64 * 1024, "Longest body; longer gets 413.", least=1024)
    call_seconds: float = setting(3600.0, "Longest call; then BYE.", above=0)
    media_timeout_seconds: float = setting(60.0, "No media for so long, hold excepted: BYE.", above=0)


@dataclass(frozen=True)
class Rules:
    """Which rules hold."""

    profile: Literal["published", "extended"] = setting("published", "The guide as published, or with its newer additions.")


@dataclass(frozen=True)
class Log:
    """Log lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", "Least important line that is written.")
    format: Literal["auto", "console", "json"] = setting("auto", "auto: console on a terminal, json elsewhere.")


@dataclass(frozen=True)
class Settings:
    """Everything that can be set."""

    sip: Sip = Sip()
    media: Media = Media()
    tls: Tls = Tls()
    uui: Uui = Uui()
    http: Http = Http()
    store: Store = Store()
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
            sections = (self.uui,) if name != short else (self.sip, self.media, self.uui)
            values[name] = next(getattr(section, short) for section in sections if hasattr(section, short))
        return Policy(**values)

    def call_limits(self) -> CallLimits:
        """Build the bounds of the switchboard."""
        owners = {name: self.sip if hasattr(self.sip, name) else self.limits for name in CallLimits.__dataclass_fields__}
        return CallLimits(**{name: getattr(owner, name) for name, owner in owners.items()})

    def value(self, key: str) -> object:
        """Return the value of `section.key`."""
        section, _, name = key.partition(".")
        return getattr(getattr(self, section), name)


SECTIONS: dict[str, type[Any]] = {section.name: type(section.default) for section in dataclasses.fields(Settings)}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key, for flags and documents."""

    key: str
    """section.name"""
    description: str
    value: object
    """What holds when nobody sets it."""
    kind: Kind
    secret: bool = False

    @property
    def default(self) -> str:
        """The default as a flag or variable would take it."""
        return shown(self.value)

    @property
    def section(self) -> str:
        """The part before the dot."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """The part behind the dot."""
        return self.key.partition(".")[2]

    @property
    def schema(self) -> dict[str, Any]:
        """What the JSON schema says of it."""
        return {**self.kind.schema, "description": self.description, "default": kinds.to_json(self.value)}

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
    for section, model in SECTIONS.items():
        for declared in dataclasses.fields(model):
            key, about = f"{section}.{declared.name}", declared.metadata
            kind = about["kind"] or kinds.of_annotation(declared.type)
            if about["bounds"]:
                kind = kinds.bounded(kind, **about["bounds"])
            secret = Secret in (declared.type, *get_args(declared.type))
            yield key, Setting(key, about["description"], about["default"], kind, secret)


def json_schema() -> dict[str, Any]:
    """Say as JSON schema (2020-12) what a settings file may hold."""
    known = all_settings().values()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings",
        "description": Settings.__doc__,
        "type": "object",
        "additionalProperties": False,
        "properties": {
            section: {
                "description": model.__doc__,
                "type": "object",
                "additionalProperties": False,
                "properties": {one.name: one.schema for one in known if one.section == section},
            }
            for section, model in SECTIONS.items()
        },
    }


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
        if section not in SECTIONS:
            raise _unknown(f"{path}: {section}", section, list(SECTIONS))
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
    sections: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, value in values.items():
        one = known[key]
        try:
            sections[one.section][one.name] = one.kind.read(value)
        except ValueError as reason:
            given = "" if one.secret else f" {shown(value)!r}:"
            raise SettingsError(f"{key} ({origins[key]}):{given} {reason}") from None
    try:
        return Settings(**{section: SECTIONS[section](**members) for section, members in sections.items()})
    except ValueError as reason:  # settings that are fine one by one, but not together
        raise SettingsError(str(reason)) from None


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
