"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966), read tolerantly and written again unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.text import NO_PARAMETERS, Parameters, bad_header, parse_parameter, printable, unescape

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(.*)", re.DOTALL)
_NOT_IN_URI = re.compile(r'[\x00-\x20\x7f<>"]')
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^\s\[\]:;?,/<>@\"\\]+)(?:\s*:\s*([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Uri:
    """A SIP, SIPS or tel URI (RFC 3261 section 19.1, RFC 3966); of other schemes only `scheme` and `raw` are known."""

    scheme: str
    """Lower case."""
    user: str | None = None
    """As written, escapes kept; the number of a tel URI."""
    password: str | None = None
    host: str = ""
    """As written; IPv6 without its brackets."""
    port: int | None = None
    parameters: Parameters = NO_PARAMETERS
    headers: str = ""
    """Text after the question mark, as written."""
    raw: str = field(default="", compare=False)
    """As received; written again unchanged. Empty when we made it."""

    @classmethod
    def parse(cls, text: str, where: str) -> Uri:
        """Read an addr-spec. `where` names the header for the error."""
        text = text.strip()
        match = _SCHEME.fullmatch(text)
        if match is None:
            raise bad_header(where, "URI without a scheme", text)
        if (bad := _NOT_IN_URI.search(text)) is not None:
            raise bad_header(where, f"{_name_of(bad[0])} at index {bad.start()} of a URI", text)
        scheme, rest = match[1].lower(), match[2]
        if scheme in ("sip", "sips"):
            return _sip_uri(scheme, rest, text, where)
        if scheme == "tel":
            number, _, parameters = rest.partition(";")
            return cls(scheme, user=number, parameters=_uri_parameters(parameters, where), raw=text)
        return cls(scheme, raw=text)

    @property
    def user_text(self) -> str:
        """The user part with escapes decoded and, for sip URIs, without its own ``;`` parameters; empty when there is none."""
        return unescape((self.user or "").partition(";")[0])

    @property
    def host_port(self) -> str:
        """``host[:port]`` with brackets around IPv6."""
        return host_port(self.host, self.port)

    def header(self, name: str) -> str | None:
        """A header carried in the URI (``?name=value``), escapes decoded; None when absent."""
        for pair in self.headers.split("&"):
            key, _, value = pair.partition("=")
            if unescape(key).lower() == name.lower():
                return unescape(value)
        return None

    def changed(self, **parts: object) -> Uri:
        """The same URI with other parts; it is then written from its parts and not as received."""
        return replace(self, raw="", **parts)  # type: ignore[arg-type]

    def __str__(self) -> str:
        if self.raw:
            return self.raw
        password = "" if self.password is None else f":{self.password}"
        if self.scheme == "tel":
            return f"tel:{self.user}{self.parameters}"
        user = "" if self.user is None else f"{self.user}{password}@"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host_port}{self.parameters}{headers}"


def user_of_uri(text: str, where: str = "Request-URI") -> str:
    """User part of a URI, percent-decoded; empty when there is none or the URI cannot be read."""
    try:
        return Uri.parse(text, where).user_text
    except MalformedMessage:
        return ""


def host_port(host: str, port: int | None) -> str:
    """``host[:port]`` with brackets around IPv6."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _name_of(char: str) -> str:
    return "a blank" if char == " " else printable(char)


def _sip_uri(scheme: str, rest: str, text: str, where: str) -> Uri:
    # The user part may hold ; ? and / unescaped, so the first @ decides before anything else does.
    user, at, place = rest.partition("@")
    if not at:
        user, place = "", rest
    name, colon, password = user.partition(":")
    host_part, question, headers = place.partition("?")
    host_part, _, parameters = host_part.partition(";")
    host, port = parse_host_port(host_part, where, text)
    return Uri(
        scheme,
        name if at else None,
        password if colon else None,
        host,
        port,
        _uri_parameters(parameters, where),
        headers if question else "",
        text,
    )


def _uri_parameters(text: str, where: str) -> Parameters:
    return Parameters(tuple(parse_parameter(part, where) for part in text.split(";") if part))


def parse_host_port(text: str, where: str, whole: str = "") -> tuple[str, int | None]:
    """Read ``host[:port]``; names with underscores or without dots are fine, IPv6 wants its brackets (RFC 3261 section 25.1)."""
    match = _HOST_PORT.fullmatch(text.strip())
    if match is None:
        raise bad_header(where, f"no host or port can be read from {printable(text, 40)!r}", whole or text)
    host, port = match[1], int(match[2]) if match[2] else None
    if port is not None and port > 65535:
        raise bad_header(where, f"port {port} is above 65535", whole or text)
    return _unbracket(host, where), port


def _unbracket(host: str, where: str) -> str:
    if not host.startswith("["):
        return host
    try:
        IPv6Address(host[1:-1])
    except ValueError:
        raise bad_header(where, "not an IPv6 address", host) from None
    return host[1:-1]
