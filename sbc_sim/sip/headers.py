"""Header values with a structure: addresses, Via, CSeq and their kin (RFC 3261 section 20).

Reading is tolerant where the meaning is plain (odd hosts, blanks, empty parameters) and keeps what it does not know, so that it can be
written again unchanged. What cannot be read raises `MalformedMessage` with `Malformation.BAD_HEADER`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.text import NO_PARAMETERS, TOKEN, Parameters, bad_header, one_line, parse_number, printable, quote, unquote
from sbc_sim.sip.uri import Uri, host_port, parse_host_port

MAX_CSEQ = 2**31 - 1
"""Largest sequence number (RFC 3261 section 8.1.1.5)."""

_NAME_ADDR = re.compile(r'(?:"((?:[^"\\]|\\.)*)"\s*|([^"<]*))<([^>]*)>(.*)', re.DOTALL)
_VIA = re.compile(rf"({TOKEN})\s*/\s*({TOKEN})\s*/\s*({TOKEN})\s+([^\s;].*)", re.DOTALL)
_CSEQ = re.compile(rf"(-?[0-9]+)\s+({TOKEN})")
_RACK = re.compile(rf"([0-9]+)\s+([0-9]+)\s+({TOKEN})")
_WARNING = re.compile(r'([0-9]{3})\s+(\S+)\s+("(?:[^"\\]|\\.)*")', re.DOTALL)


# --- addresses --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NameAddr:
    """An address with its header parameters: From, To, Contact, Route, P-Asserted-Identity, Refer-To ... (RFC 3261 section 20.10)."""

    uri: Uri
    display: str = ""
    """Display name without quotes; empty when there is none."""
    parameters: Parameters = NO_PARAMETERS

    @classmethod
    def parse(cls, text: str, where: str) -> NameAddr:
        """Read one address. Without angle brackets all parameters belong to the header and none to the URI (section 20)."""
        text = text.strip()
        match = _NAME_ADDR.fullmatch(text)
        if match is not None:
            return _bracketed(match, where)
        if text.startswith('"'):
            raise bad_header(where, "the quoted display name is never closed, or no <URI> follows it", text)
        if "<" in text:
            raise bad_header(where, "the < is never closed", text)
        address, _, parameters = text.partition(";")
        return cls(Uri.parse(address, where), parameters=Parameters.parse(parameters, where))

    @property
    def tag(self) -> str | None:
        """The tag parameter, None when absent or empty."""
        return self.parameters.get("tag") or None

    def with_tag(self, tag: str) -> NameAddr:
        """The same address with that tag."""
        return replace(self, parameters=self.parameters.replaced("tag", tag))

    def __str__(self) -> str:
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{self.parameters}"


def user_of_address(text: str, where: str) -> str:
    """User part of one address, percent-decoded; empty when there is none or the address cannot be read."""
    try:
        return NameAddr.parse(text, where).uri.user_text
    except MalformedMessage:
        return ""


def _bracketed(match: re.Match[str], where: str) -> NameAddr:
    quoted, plain, address, rest = match.groups()
    rest = rest.strip()
    if rest and not rest.startswith(";"):
        raise bad_header(where, "text after the > that is no parameter", rest)
    display = plain.strip() if quoted is None else unquote(f'"{quoted}"')
    return NameAddr(Uri.parse(address, where), display, Parameters.parse(rest, where))


def add_tag(value: str, tag: str) -> str:
    """A To value as received, with our tag behind it (RFC 3261 section 8.2.6.2)."""
    return f"{value.rstrip(' ;')};tag={tag}"


# --- Via --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value (RFC 3261 section 20.42)."""

    transport: str
    """As written, e.g. ``TLS``."""
    host: str
    """sent-by host; IPv6 without its brackets."""
    port: int | None = None
    parameters: Parameters = NO_PARAMETERS
    protocol: str = "SIP"
    version: str = "2.0"

    @classmethod
    def parse(cls, text: str, where: str = "Via") -> Via:
        """Read one value (not a list)."""
        match = _VIA.fullmatch(text.strip())
        if match is None:
            raise bad_header(where, "not of the form SIP/2.0/TRANSPORT host", text)
        protocol, version, transport, rest = match.groups()
        sent_by, _, parameters = rest.partition(";")
        host, port = parse_host_port(sent_by, where, text)
        return cls(transport, host, port, Parameters.parse(parameters, where), protocol, version)

    @property
    def branch(self) -> str | None:
        """The branch, None when absent or empty."""
        return self.parameters.get("branch") or None

    @property
    def received(self) -> str | None:
        """Address from which the previous hop saw the request come (section 18.2.1)."""
        return self.parameters.get("received") or None

    @property
    def rport(self) -> str | None:
        """None when absent, empty when asked for, else the port (RFC 3581)."""
        return self.parameters.get("rport")

    @property
    def alias(self) -> bool:
        """The peer lets us reuse the connection (RFC 5923)."""
        return "alias" in self.parameters

    @property
    def sent_by(self) -> str:
        """``host[:port]``, lower case, for comparing (section 17.2.3)."""
        return host_port(self.host, self.port).lower()

    def with_parameter(self, name: str, value: str | None) -> Via:
        """The same value with a parameter set or replaced."""
        return replace(self, parameters=self.parameters.replaced(name, value))

    def __str__(self) -> str:
        return f"{self.protocol}/{self.version}/{self.transport} {host_port(self.host, self.port)}{self.parameters}"


# --- small ones -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CSeq:
    """CSeq (RFC 3261 section 20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Raises BAD_HEADER for the form, CSEQ_RANGE for a number outside 0 .. 2^31-1."""
        match = _CSEQ.fullmatch(text.strip())
        if match is None:
            raise bad_header("CSeq", "not of the form NUMBER METHOD", text)
        number = match[1].lstrip("0") or "0"
        if number.startswith("-") or len(number) > 10 or int(number) > MAX_CSEQ:
            raise MalformedMessage(Malformation.CSEQ_RANGE, f"CSeq number is not in 0 .. {MAX_CSEQ}: {printable(text)}", "CSeq")
        return cls(int(number), match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class RAck:
    """RAck of a PRACK (RFC 3262 section 7.2)."""

    response: int
    """RSeq of the response."""
    cseq: int
    method: str

    @classmethod
    def parse(cls, text: str) -> RAck:
        """Read ``RSeq CSeq METHOD``."""
        match = _RACK.fullmatch(text.strip())
        if match is None:
            raise bad_header("RAck", "not of the form RSEQ CSEQ METHOD", text)
        return cls(parse_number(match[1], "RAck"), parse_number(match[2], "RAck"), match[3])

    def __str__(self) -> str:
        return f"{self.response} {self.cseq} {self.method}"


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """Session-Expires, and Min-SE, which has no refresher (RFC 4028 sections 4 and 5)."""

    delta: int
    """Seconds."""
    refresher: str | None = None
    """``uac``, ``uas`` or None."""

    @classmethod
    def parse(cls, text: str, where: str = "Session-Expires") -> SessionExpires:
        """Read the interval; an unknown refresher counts as none."""
        number, _, rest = text.partition(";")
        refresher = (Parameters.parse(rest, where).get("refresher") or "").lower()
        return cls(parse_number(number, where), refresher if refresher in ("uac", "uas") else None)

    def __str__(self) -> str:
        return f"{self.delta};refresher={self.refresher}" if self.refresher else str(self.delta)


@dataclass(frozen=True, slots=True)
class Reason:
    """One Reason value: ``protocol;cause=n;text="..."`` (RFC 3326 section 2)."""

    protocol: str
    cause: int | None = None
    text: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reason:
        """Read one value (not a list)."""
        protocol, _, rest = text.partition(";")
        if re.fullmatch(TOKEN, protocol := protocol.strip()) is None:
            raise bad_header("Reason", "no protocol before the parameters", text)
        parameters = Parameters.parse(rest, "Reason")
        cause = parameters.get("cause")
        return cls(protocol, None if cause is None else parse_number(cause, "Reason", 999999), parameters.get("text"))

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        text = "" if self.text is None else f";text={quote(self.text)}"
        return f"{self.protocol}{cause}{text}"


@dataclass(frozen=True, slots=True)
class WarningValue:
    """One Warning value: ``399 host "text"`` (RFC 3261 section 20.43)."""

    code: int
    agent: str
    text: str

    @classmethod
    def parse(cls, text: str) -> WarningValue:
        """Read one value (not a list)."""
        match = _WARNING.fullmatch(text.strip())
        if match is None:
            raise bad_header("Warning", 'not of the form CODE AGENT "TEXT" with three digits', text)
        return cls(int(match[1]), match[2], unquote(match[3]))

    def __str__(self) -> str:
        return f"{self.code:03d} {one_line(self.agent)} {quote(self.text)}"


@dataclass(frozen=True, slots=True)
class MediaType:
    """Content-Type (RFC 3261 section 20.15)."""

    name: str
    """``type/subtype`` in lower case."""
    parameters: Parameters = NO_PARAMETERS

    @classmethod
    def parse(cls, text: str, where: str = "Content-Type") -> MediaType:
        """Read a media type with its parameters."""
        name, _, rest = text.partition(";")
        match = re.fullmatch(rf"({TOKEN})\s*/\s*({TOKEN})", name.strip())
        if match is None:
            raise bad_header(where, "not of the form type/subtype", text)
        return cls(f"{match[1]}/{match[2]}".lower(), Parameters.parse(rest, where))

    def __str__(self) -> str:
        return f"{self.name}{self.parameters}"
