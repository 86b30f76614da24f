"""What a trace holds, whatever file it came from: octets of connections in order, datagrams, and facts of TLS. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

Address = tuple[str, int]
"""Host as text, port; port 0 and host "" where a text trace does not tell."""


class TraceError(ValueError):
    """The input cannot be read as a trace at all: one sentence for people, with the place."""


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """What a TLS handshake in the trace showed."""

    version: str = ""
    """As OpenSSL writes it: ``TLSv1.2``, ``TLSv1.3``."""
    cipher: str = ""
    """OpenSSL's name: ``TLS_AES_256_GCM_SHA384``, ``ECDHE-RSA-AES128-GCM-SHA256``."""
    server_name: str | None = None
    client_certificate: str | None = None
    """Subject (RFC 4514 text) when the client showed one; words in parentheses when it cannot be read."""
    alert: str | None = None
    """First fatal alert, RFC 8446 spelling, when it could be read."""
    alert_from_client: bool = False
    decrypted: bool = False
    why_not: str = ""
    """Why the octets could not be decrypted: no secrets for this client random, cipher not known, octets missing ..."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One TCP connection, or one pair of UDP ends that speak SIP, or a text trace: a flow for each pair of ends that it names, else one."""

    number: int
    """From 1, in the order of first packets."""
    transport: str
    """``tls`` | ``tcp`` | ``udp`` | ``text``"""
    client: Address
    """Who sent the first SYN, else the first octet."""
    server: Address
    began_at: float
    tls: TlsSeen | None = None
    ended_at: float | None = None
    end: str = ""
    """``fin`` | ``rst`` | empty: still open at the end of the trace."""


@dataclass(frozen=True, slots=True)
class Octets:
    """Application octets (after TLS) in the order of the stream; a UDP datagram or a text message is one whole piece."""

    at: float
    """Unix seconds; text traces without times count from 0.0."""
    flow: int
    from_client: bool
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram that is not SIP: SRTP, RTP, SRTCP, STUN, ..."""

    at: float
    source: Address
    destination: Address
    data: bytes = field(repr=False)
    clear: bool = False
    """RTP or RTCP of an SRTP session that the capturing side had decrypted already: exported PDUs, and the interfaces in clear of our own
    captures. False for what was on the wire."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole trace. `octets` and `datagrams` are each sorted by time (stable)."""

    flows: tuple[Flow, ...]
    octets: tuple[Octets, ...]
    datagrams: tuple[Datagram, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences for people: what was skipped, cut or could not be decrypted, and what to do about it."""
