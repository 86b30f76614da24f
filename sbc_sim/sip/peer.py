"""Who is at the other end of a connection: addresses and what the TLS handshake told.

These are facts, not judgements: the rules room says what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What one finished TLS handshake showed."""

    version: str
    """For example ``TLSv1.3``."""
    cipher: str
    server_name: str | None = None
    """SNI as sent by the peer; may be an IP literal although RFC 6066 forbids it."""
    client_certificate: str | None = None
    """Subject of the certificate that the peer presented, RFC 4514 text."""
    certificate_requested: bool = False
    """As TLS client only: the peer asked for our certificate."""
    peer_certificate: str | None = None
    """As TLS client only: subject of the server's certificate."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The two ends of one connection."""

    host: str
    port: int
    local_host: str
    local_port: int
    listener: str = "default"
    tls: TlsFacts | None = None
    dialled: bool = False
    """True when we opened the connection."""


class TlsProblem(StrEnum):
    """Why a connection never became a SIP connection."""

    PLAIN_SIP = "plain-sip"
    """Clear-text SIP on the TLS port."""
    NOT_TLS = "not-tls"
    """Some other bytes that are no TLS record."""
    CLIENT_CERTIFICATE = "client-certificate"
    """The peer presented a certificate (mutual TLS) and policy refuses it."""
    OLD_VERSION = "old-version"
    """The peer offers no TLS version that is allowed here."""
    NO_COMMON_CIPHER = "no-common-cipher"
    UNKNOWN_CA = "unknown-ca"
    """The peer does not trust our CA (alerts unknown_ca, self-signed chain)."""
    BAD_CERTIFICATE = "bad-certificate"
    """The peer refused our certificate for another reason: name, expiry, purpose."""
    UNKNOWN_NAME = "unknown-name"
    """SNI names a host that is not served, and policy refuses that."""
    CLOSED_EARLY = "closed-early"
    """The peer closed the connection before the handshake was over (port scan, TCP health check)."""
    HANDSHAKE_TIMEOUT = "handshake-timeout"
    TOO_MANY = "too-many-connections"
    OFF_LIST = "off-list"
    """Source address is not on the allow-list and the policy is a silent close."""
    OTHER = "other"
    # As TLS client:
    UNREACHABLE = "unreachable"
    UNTRUSTED_SERVER = "untrusted-server"
    """The server's chain does not lead to our CA bundle, or its name does not match."""
    SERVER_WANTS_CERTIFICATE = "server-wants-certificate"
    """The server insists on a client certificate."""


@dataclass(frozen=True, slots=True)
class TlsFailure:
    """One attempt that never became a SIP connection."""

    problem: TlsProblem
    detail: str
    """One sentence for people: what was seen."""
    alert: str | None = None
    """TLS alert in RFC 8446 spelling, e.g. ``unknown_ca``, sent or received."""
    alert_from_peer: bool = False
    version: str | None = None
    server_name: str | None = None
    client_certificate: str | None = None
    first_bytes: bytes = b""
    """At most the first 64 octets received."""
    certificate: str = ""
    """As TLS client, for UNTRUSTED_SERVER: what is wrong with the certificate, ``name``, ``dates`` or ``chain``."""
    timed_out: bool = False
    """For UNREACHABLE: nobody refused, nobody answered."""
