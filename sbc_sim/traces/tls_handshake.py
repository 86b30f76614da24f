"""What handshake messages and alerts say: hellos, certificates (RFC 8446 section 4, RFC 5246 section 7.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography import x509

from sbc_sim.traces.tls_alerts import ALERTS

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, FINISHED, KEY_UPDATE = 1, 2, 11, 20, 24
HELLO_RETRY = sha256(b"HelloRetryRequest").digest()
"""The random by which a ServerHello is a HelloRetryRequest (RFC 8446 section 4.1.3)."""
TLS_1_2, TLS_1_3 = 0x0303, 0x0304
_SERVER_NAME, _ALPN, _ENCRYPT_THEN_MAC, _EARLY_DATA, _SUPPORTED_VERSIONS = 0, 16, 22, 42, 43
_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", TLS_1_2: "TLSv1.2", TLS_1_3: "TLSv1.3"}
_LONGEST_TEXT = 500
UNREADABLE = "(a certificate that cannot be read)"

_HARMLESS = frozenset((0, 90, 100))


class BadHandshake(Exception):
    """A handshake message is not what its type says."""


class _Reader:
    """Reads fields one after the other. Raises BadHandshake at the end of the octets."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self, length: int) -> bytes:
        end = self.place + length
        if end > len(self.data):
            raise BadHandshake
        piece, self.place = self.data[self.place : end], end
        return piece

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets))

    def vector(self, octets: int) -> bytes:
        """A length of so many octets, then as much."""
        return self.take(self.number(octets))

    @property
    def more(self) -> bool:
        return self.place < len(self.data)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What matters of it."""

    random: bytes = field(repr=False)
    server_name: str | None = None
    protocols: tuple[str, ...] = ()
    """ALPN."""
    early_data: bool = False


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What matters of it."""

    random: bytes = field(repr=False)
    version: int = TLS_1_2
    suite: int = 0
    compressed: bool = False
    encrypt_then_mac: bool = False

    @property
    def is_retry(self) -> bool:
        """Whether it is a HelloRetryRequest."""
        return self.random == HELLO_RETRY


def version_name(version: int) -> str:
    """Name a protocol version as OpenSSL does."""
    return _VERSIONS.get(version, f"0x{version:04X}")


def client_hello(body: bytes) -> ClientHello:
    """Read a ClientHello. Raises BadHandshake."""
    reader = _Reader(body)
    reader.take(2)
    random = reader.take(32)
    reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    found = dict(_extensions(reader))
    return ClientHello(random, _server_name(found.get(_SERVER_NAME)), _protocols(found.get(_ALPN, b"")), _EARLY_DATA in found)


def server_hello(body: bytes) -> ServerHello:
    """Read a ServerHello. Raises BadHandshake."""
    reader = _Reader(body)
    version = reader.number(2)
    random = reader.take(32)
    reader.vector(1)
    suite, compression = reader.number(2), reader.number(1)
    found = dict(_extensions(reader))
    chosen = found.get(_SUPPORTED_VERSIONS, b"")
    return ServerHello(random, int.from_bytes(chosen) if len(chosen) == 2 else version, suite, compression != 0, _ENCRYPT_THEN_MAC in found)


def client_subject(body: bytes, version: int) -> str | None:
    """Give the subject of the first certificate in a Certificate message; None when there is none, UNREADABLE when it is damaged."""
    try:
        reader = _Reader(body)
        if version == TLS_1_3:
            reader.vector(1)
        chain = _Reader(reader.vector(3))
        if not chain.more:
            return None
        return _subject(chain.vector(3))
    except BadHandshake:
        return None


def _subject(certificate: bytes) -> str:
    try:
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()[:_LONGEST_TEXT]
    except Exception:  # a certificate can be wrong in many ways, and not all that is raised is a ValueError (InvalidVersion is none)
        return UNREADABLE


def fatal_alert(content: bytes, version: int) -> str | None:
    """Name the alert when it ends the connection for a reason; None for close_notify and mere warnings."""
    if len(content) != 2 or content[1] in _HARMLESS or (content[0] == 1 and version != TLS_1_3):
        return None
    return ALERTS.get(content[1], f"alert {content[1]}")


def _extensions(reader: _Reader) -> Iterator[tuple[int, bytes]]:
    if not reader.more:
        return
    inner = _Reader(reader.vector(2))
    while inner.more:
        yield inner.number(2), inner.vector(2)


def _server_name(extension: bytes | None) -> str | None:
    """RFC 6066 section 3."""
    if extension is None:
        return None
    names = _Reader(_Reader(extension).vector(2))
    while names.more:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return _visible(name)
    return None


def _protocols(extension: bytes) -> tuple[str, ...]:
    """RFC 7301 section 3.1."""
    if not extension:
        return ()
    names, found = _Reader(_Reader(extension).vector(2)), []
    while names.more:
        found.append(_visible(names.vector(1)))
    return tuple(found)


def _visible(name: bytes) -> str:
    text = name[:_LONGEST_TEXT].decode("ascii", "backslashreplace")
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
