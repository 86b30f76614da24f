"""Values of settings: the types that check them, and how they are written. Lower than `settings`, so that its parts share them."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, get_args
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from sbc_sim.sip.uri import host_port


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


def port_number(text: str) -> int:
    """Read a port. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port number (0 to 65535)")
    return int(text)


def _address(text: str) -> str:
    """Check an IP address to listen on; names other than localhost would need a look-up."""
    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text.strip("[]")))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address (0.0.0.0 means every address of this machine)") from None


def _told_address(value: object) -> str:
    """Check an IP address that partners are told."""
    return _of_one_machine(_address(str(value).strip()))


def _of_one_machine(address: str) -> str:
    if (found := ipaddress.ip_address(address)).is_unspecified or found.is_multicast or address == "255.255.255.255":
        raise ValueError(f"{address!r} is no address that partners can reach: write that of one machine")
    return address


def _advertised(value: object) -> str:
    """Check HOST or HOST:PORT that partners are told; empty: nothing is said. An IPv6 address needs brackets only before a port."""
    text = str(value).strip()
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, colon, port = text, "", ""
    if colon and port.isascii() and port.isdigit() and not 0 < int(port[:9]) < 65536:
        raise ValueError(f"{port[:9]} is no port that partners can call (1 to 65535); left out, it is the one that is listened on")
    plain = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in plain or _NUMBERS.fullmatch(plain):
        _of_one_machine(_told_ip(plain))
    elif text and (len(plain) > 253 or not _HOST_NAME.fullmatch(plain) or (colon and not port.isdecimal())):
        raise ValueError("write HOST or HOST:PORT, a host name or an IP address, for example 203.0.113.7:5061")
    return text


def _told_ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address, for example 203.0.113.7 or [2001:db8::7]:5061") from None


_NUMBERS = re.compile(r"([^.]*\.)*[0-9]+\.?")
"""A name that ends in a number is an IPv4 address, or wants to be one (WHATWG URL section 3.5)."""
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def _endpoint(value: object) -> object:
    if isinstance(value, Endpoint):
        return value
    host, colon, port = str(value).rpartition(":")
    if not colon or not host:
        raise ValueError(f"{value!r} is not HOST:PORT, for example 0.0.0.0:5061")
    return Endpoint(_address(host), port_number(port))


def port_range(value: object) -> PortRange:
    """Read FIRST-LAST, or one number. Raises ValueError."""
    if isinstance(value, PortRange):
        return value
    first, dash, last = str(value).replace(" ", "").partition("-")
    ports = PortRange(port_number(first), port_number(last if dash else first))
    if ports.start > ports.end or (ports.start == 0 and ports.end != 0):
        raise ValueError(f"{value!r} is not a port range, for example 31000-31019, or 0 for any free ports")
    return ports


def _port_ranges(value: object) -> str:
    """Check one or more ports and ranges between commas, and write them in one form."""
    found = [port_range(word) for word in str(value).split(",") if word.strip()]
    if any(ports.start == 0 for ports in found):
        raise ValueError(f"{value!r} names port 0: a firewall rule needs a real one")
    return ",".join(map(str, found))


def _network(value: object) -> str:
    return str(ipaddress.ip_network(str(value), strict=False))


def words(value: object) -> object:
    """Let the environment and flags write a list as words between commas."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def pairs(value: object) -> object:
    """Let the environment and flags write a mapping as a=b,c=d."""
    if not isinstance(value, str):
        return value
    named = (word.partition("=") for word in value.split(",") if "=" in word)
    return {name.strip(): member.strip() for name, _, member in named}


def number(value: object) -> object:
    """Choices among numbers are exact in pydantic, so text has to become a number first."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


_TEXT = PlainSerializer(str, return_type=str)
Listen: TypeAlias = Annotated[Endpoint, BeforeValidator(_endpoint), _TEXT, WithJsonSchema({"type": "string", "pattern": r"^.+:\d+$"})]
Ports: TypeAlias = Annotated[PortRange, BeforeValidator(port_range), _TEXT, WithJsonSchema({"type": "string", "pattern": r"^\d+(-\d+)?$"})]
Address: TypeAlias = Annotated[str, BeforeValidator(lambda value: _address(str(value)))]
ToldAddress: TypeAlias = Annotated[str, BeforeValidator(_told_address)]
Advertised: TypeAlias = Annotated[str, BeforeValidator(_advertised)]
Words: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(words)]
Networks: TypeAlias = Annotated[tuple[Annotated[str, BeforeValidator(_network)], ...], BeforeValidator(words)]
Pairs: TypeAlias = Annotated[dict[str, str], BeforeValidator(pairs)]
PortRanges: TypeAlias = Annotated[str, BeforeValidator(_port_ranges)]
Suite: TypeAlias = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]
ALL_SUITES: tuple[Suite, ...] = get_args(Suite)
Suites: TypeAlias = Annotated[tuple[Suite, ...], BeforeValidator(words), Field(min_length=1)]


_PASSWORD = re.compile(r"(://[^/@:\s]*):.*@|([?&][^&=]*password=)[^&\s]+", re.IGNORECASE)
"""One in a URL; whoever has a `/` or the like in it has not written it as %2F."""
_HOSTS = re.compile(r"[^:\[\]]*(:\d*)?|\[[^\]]*\](:\d*)?")


class Unshown(ValueError):
    """A value that may hold a password: what is wrong with it is told, the value is not."""


def _store_url(url: str) -> str:
    """Check what store.url names, as far as it can be seen from here. A password has no place in it, for it is shown."""
    scheme, _, rest = url.partition(":")
    if url == "memory:" or (scheme == "sqlite" and rest):
        return url
    refused = Unshown if "@" in url or "password" in url.lower() else ValueError
    if scheme not in ("postgresql", "postgres") or not rest.startswith("//") or len(rest) == 2:
        raise refused("write memory:, sqlite:FILE or postgresql://USER@HOST:PORT/DATABASE")
    before, at, behind = rest[2:].rpartition("@")
    if (at and not _USER.fullmatch(before)) or any(_SECRET.search(name) for name, _ in parse_qsl(url.partition("?")[2], True)):
        raise Unshown(
            "a password has no place in it, for it is shown: set store.password, or SBC_SIM_STORE__PASSWORD_FILE "
            "(a further @, of the database or an option, is written %40)"
        )
    if not all(_HOSTS.fullmatch(one) for one in re.split(r"[/?#]", behind)[0].split(",")):
        raise Unshown("what stands behind the : is no port number: write postgresql://USER@HOST:PORT/DATABASE")
    return url


_USER = re.compile(r"[^:/?#@\s]*")
_SECRET = re.compile(r"password|secret|^scram_", re.IGNORECASE)
"""Options of libpq that are shown to nobody (PostgreSQL, libpq-connect: sslpassword, oauth_client_secret, scram_client_key)."""


StoreUrl: TypeAlias = Annotated[str, AfterValidator(_store_url)]


class Section(BaseModel):
    """One group of settings."""

    # The schema of all sections is built once, as part of Settings.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


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
    return _PASSWORD.sub(_masked, str(value)) if isinstance(value, str) else str(value)


def _masked(found: re.Match[str]) -> str:
    return f"{found[2]}***" if found[2] else f"{found[1]}:***@"
