"""Kinds of settings: how text or YAML becomes a value, how it is refused, and what the JSON schema says of it.

A kind follows from the annotation of a setting (`of_annotation`), or is named where the annotation says too little. This is what
a validation library would do, in the few kinds that are needed and without its import, which took a fifth of the whole start
(docs/decisions/0006). `Kind.read` raises ValueError with the reason, to stand behind the key and the value.
"""

from __future__ import annotations

import ipaddress
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to listen on. Port 0: any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return HOST:PORT, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def wildcard(self) -> bool:
        """True when it means every address of the machine."""
        return ipaddress.ip_address(self.host).is_unspecified

    @property
    def loopback(self) -> bool:
        """True when only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports for media, both ends included; 0-0: any free ones."""

    start: int
    end: int

    def __str__(self) -> str:
        """Return START-END, or one number."""
        return str(self.start) if self.start == self.end else f"{self.start}-{self.end}"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that is used but never shown."""

    value: str

    def __str__(self) -> str:
        """Hide it, whoever prints it."""
        return "**********"

    __repr__ = __str__


Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What one setting may be."""

    read: Callable[[object], Any]
    """Raises ValueError with the reason."""
    schema: Schema


# --- single values ------------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("input should be a valid string")
    return value


_TRUTH = dict.fromkeys(("true", "yes", "on", "1", "y", "t"), True) | dict.fromkeys(("false", "no", "off", "0", "n", "f"), False)


def _truth(value: object) -> bool:
    truth = _TRUTH.get(str(value).strip().lower())
    if truth is None:
        raise ValueError("input should be true or false")
    return truth


def _number(value: object) -> float:
    try:
        number = None if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except (ValueError, OverflowError):
        number = None
    if number is None or not isfinite(number):
        raise ValueError("input should be a number")
    return number


def _whole(value: object) -> int:
    """Read a whole number; YAML may write 20.0 for it too."""
    number = _number(value)
    if not number.is_integer():
        raise ValueError("input should be a whole number")
    return int(number)


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _secret(value: object) -> Secret:
    return Secret(_text(value))


TEXT = Kind(_text, {"type": "string"})
TRUTH = Kind(_truth, {"type": "boolean"})
WHOLE = Kind(_whole, {"type": "integer"})
NUMBER = Kind(_number, {"type": "number"})
PATH = Kind(_path, {"type": "string", "format": "path"})
SECRET = Kind(_secret, {"type": "string", "format": "password", "writeOnly": True})


def choice(*members: str | int) -> Kind:
    """One of these; a number may be written as text, and YAML may take text for a number."""
    by_text = {str(member): member for member in members}
    *first, last = map(repr, members)
    wanted = f"{', '.join(first)} or {last}" if first else last

    def read(value: object) -> str | int:
        if isinstance(value, bool) or str(value) not in by_text:
            raise ValueError(f"input should be {wanted}")
        return by_text[str(value)]

    schema = {"enum": list(members)} if first else {"const": members[0]}
    return Kind(read, schema | {"type": "string" if isinstance(members[0], str) else "integer"})


def optional(kind: Kind) -> Kind:
    """The kind, or nothing at all (null in YAML)."""
    return Kind(lambda value: None if value is None else kind.read(value), {"anyOf": [kind.schema, {"type": "null"}]})


def bounded(kind: Kind, least: float | None = None, above: float | None = None, most: float | None = None) -> Kind:
    """The number within bounds: at least `least`, more than `above`, at most `most`."""

    def read(value: object) -> float:
        number: float = kind.read(value)
        if least is not None and number < least:
            raise ValueError(f"input should be greater than or equal to {least}")
        if above is not None and number <= above:
            raise ValueError(f"input should be greater than {above}")
        if most is not None and number > most:
            raise ValueError(f"input should be less than or equal to {most}")
        return number

    bounds = {"minimum": least, "exclusiveMinimum": above, "maximum": most}
    return Kind(read, {**kind.schema, **{name: bound for name, bound in bounds.items() if bound is not None}})


def matching(pattern: str) -> Kind:
    """Text that the pattern matches as a whole."""

    def read(value: object) -> str:
        text = _text(value)
        if not re.fullmatch(pattern, text):
            raise ValueError(f"input should match the pattern {pattern}")
        return text

    return Kind(read, {"type": "string", "pattern": f"^{pattern}$"})


# --- addresses and ports ------------------------------------------------------------------------------------------------


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port number (0 to 65535)")
    return int(text)


def _address(value: object) -> str:
    """Check an IP address to listen on; names other than localhost would need a look-up."""
    text = str(value)
    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text.strip("[]")))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address (0.0.0.0 means every address of this machine)") from None


def _endpoint(value: object) -> Endpoint:
    host, colon, port = _text(value).rpartition(":")
    if not colon or not host:
        raise ValueError(f"{value!r} is not HOST:PORT, for example 0.0.0.0:5061")
    return Endpoint(_address(host), _port(port))


def _port_range(value: object) -> PortRange:
    first, dash, last = str(value).replace(" ", "").partition("-")
    ports = PortRange(_port(first), _port(last if dash else first))
    if ports.start > ports.end or (ports.start == 0 and ports.end != 0):
        raise ValueError(f"{value!r} is not a port range, for example 31000-31019, or 0 for any free ports")
    return ports


def _network(value: object) -> str:
    return str(ipaddress.ip_network(str(value), strict=False))


ADDRESS = Kind(_address, {"type": "string"})
ENDPOINT = Kind(_endpoint, {"type": "string", "pattern": r"^.+:\d+$"})
PORTS = Kind(_port_range, {"type": "string", "pattern": r"^\d+(-\d+)?$"})
NETWORK = Kind(_network, {"type": "string"})


# --- several values -----------------------------------------------------------------------------------------------------


def several(kind: Kind, least: int = 0) -> Kind:
    """Any number of values: a list in YAML, words between commas in the environment and in flags."""

    def read(value: object) -> tuple[Any, ...]:
        words = [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value
        if not isinstance(words, list | tuple):
            raise ValueError("input should be a list, or words between commas")
        if len(words) < least:
            raise ValueError(f"input should have at least {least} item{'s' * (least > 1)}")
        return tuple(map(kind.read, words))

    return Kind(read, {"type": "array", "items": kind.schema} | ({"minItems": least} if least else {}))


def _pairs(value: object) -> dict[str, str]:
    """Read names and what they stand for: a mapping in YAML, a=b,c=d in the environment and in flags."""
    if isinstance(value, str):
        named = (word.partition("=") for word in value.split(",") if "=" in word)
        return {name.strip(): member.strip() for name, _, member in named}
    if not isinstance(value, Mapping):
        raise ValueError("input should be a mapping, or a=b,c=d")
    return {_text(name): _text(member) for name, member in value.items()}


PAIRS = Kind(_pairs, {"type": "object", "additionalProperties": {"type": "string"}})


# --- from annotation to kind, from value to JSON ------------------------------------------------------------------------

_KINDS: dict[object, Kind] = {
    bool: TRUTH,
    int: WHOLE,
    float: NUMBER,
    str: TEXT,
    Path: PATH,
    Secret: SECRET,
    Endpoint: ENDPOINT,
    PortRange: PORTS,
    tuple[str, ...]: several(TEXT),
    dict[str, str]: PAIRS,
}


def of_annotation(annotation: Any) -> Kind:
    """Give the kind that an annotation stands for; KeyError when there is none."""
    if get_origin(annotation) is Literal:
        return choice(*get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        (one,) = (member for member in get_args(annotation) if member is not type(None))
        return optional(of_annotation(one))
    return _KINDS[annotation]


def to_json(value: object) -> Any:
    """Write a value as JSON and YAML have it; a secret is masked."""
    match value:
        case tuple():
            return [to_json(member) for member in value]
        case Endpoint() | PortRange() | Path() | Secret():
            return str(value)
        case _:
            return value
