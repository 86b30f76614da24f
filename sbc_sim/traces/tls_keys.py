"""From secrets to what opens records: key schedules of TLS 1.2 (RFC 5246 section 6.3) and 1.3 (RFC 8446 section 7), and the ciphers."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sbc_sim.traces.tls_suites import Suite, Way

_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {"sha256": hashes.SHA256, "sha384": hashes.SHA384}
_MAC_LENGTHS = {"sha1": 20, "sha256": 32, "sha384": 48}
_BLOCK = 16


class NotOpened(Exception):
    """A record does not open: wrong keys, or it was damaged or preceded by one that is missing."""


class _Aead(Protocol):
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Record(NamedTuple):
    """One TLS record as it came."""

    at: float
    kind: int
    version: bytes
    body: bytes

    def header(self) -> bytes:
        """Write its header."""
        return bytes([self.kind]) + self.version + len(self.body).to_bytes(2)


class Opener(Protocol):
    """Opens the records of one direction, one after the other."""

    def open(self, record: Record) -> tuple[int, bytes]:
        """Give content type and content. Raises NotOpened."""


def expand_label(secret: bytes, label: str, length: int, digest: str) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 section 7.1)."""
    name = b"tls13 " + label.encode()
    info = length.to_bytes(2) + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(_HASHES[digest](), length, info).derive(secret)


def next_secret(secret: bytes, digest: str) -> bytes:
    """Traffic secret N+1 after a KeyUpdate (RFC 8446 section 7.2)."""
    return expand_label(secret, "traffic upd", len(secret), digest)


def key_block(master: bytes, server_random: bytes, client_random: bytes, length: int, digest: str) -> bytes:
    """Expand the TLS 1.2 master secret (RFC 5246 sections 5 and 6.3) to `length` octets."""
    seed = b"key expansion" + server_random + client_random
    block, link = b"", seed
    while len(block) < length:
        link = hmac.digest(master, link, digest)
        block += hmac.digest(master, link + seed, digest)
    return block[:length]


def _aead(suite: Suite, key: bytes) -> _Aead:
    match suite.way:
        case Way.GCM:
            return AESGCM(key)
        case Way.CCM:
            return AESCCM(key)
        case Way.CCM_8:
            return AESCCM(key, tag_length=8)
        case _:
            return ChaCha20Poly1305(key)


def _xor(nonce: bytes, number: int) -> bytes:
    return (int.from_bytes(nonce) ^ number).to_bytes(len(nonce))


def _decrypted(aead: _Aead, nonce: bytes, data: bytes, associated: bytes) -> bytes:
    try:
        return aead.decrypt(nonce, data, associated)
    except (InvalidTag, ValueError, OverflowError):
        raise NotOpened from None


class Tls13Opener:
    """Records of TLS 1.3 (RFC 8446 section 5.2) under one traffic secret."""

    def __init__(self, suite: Suite, secret: bytes) -> None:
        """`secret`: a traffic secret of one direction."""
        self._aead = _aead(suite, expand_label(secret, "key", suite.key_length, suite.digest))
        self._iv = expand_label(secret, "iv", 12, suite.digest)
        self._number = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        """Give the inner content type and content. Raises NotOpened, and then still expects the same record number."""
        inner = _decrypted(self._aead, _xor(self._iv, self._number), record.body, record.header())
        self._number += 1
        content = inner.rstrip(b"\0")
        if not content:
            raise NotOpened
        return content[-1], content[:-1]


class Tls12AeadOpener:
    """Records of TLS 1.2 under GCM or CCM (RFC 5288, RFC 6655), or ChaCha20-Poly1305 (RFC 7905)."""

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        """`iv`: 4 octets for GCM and CCM, the rest comes with each record; 12 for ChaCha20."""
        self._aead = _aead(suite, key)
        self._iv = iv
        self._tag = 8 if suite.way is Way.CCM_8 else 16
        self._explicit = suite.way is not Way.CHACHA20
        self._number = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        """Give content type and content. Raises NotOpened."""
        explicit = 8 if self._explicit else 0
        length = len(record.body) - explicit - self._tag
        if length < 0:
            raise NotOpened
        nonce = self._iv + record.body[:8] if self._explicit else _xor(self._iv, self._number)
        associated = self._number.to_bytes(8) + bytes([record.kind]) + record.version + length.to_bytes(2)
        content = _decrypted(self._aead, nonce, record.body[explicit:], associated)
        self._number += 1
        return record.kind, content


class Tls12CbcOpener:
    """Records of TLS 1.2 under AES-CBC with an HMAC (RFC 5246 section 6.2.3.2), or the HMAC outside (RFC 7366)."""

    def __init__(self, suite: Suite, key: bytes, mac_key: bytes, encrypt_then_mac: bool) -> None:
        """`encrypt_then_mac`: what the ServerHello said."""
        self._key, self._mac_key, self._mac = key, mac_key, suite.mac
        self._outside = encrypt_then_mac
        self._number = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        """Give content type and content. Raises NotOpened."""
        size = _MAC_LENGTHS[self._mac]
        if self._outside:
            sealed, mac = record.body[:-size], record.body[-size:]
            self._check(record, sealed, mac)
            content = self._unpadded(sealed)
        else:
            inner = self._unpadded(record.body)
            content, mac = inner[:-size], inner[-size:]
            self._check(record, content, mac)
        self._number += 1
        return record.kind, content

    def _unpadded(self, sealed: bytes) -> bytes:
        if len(sealed) < 2 * _BLOCK or len(sealed) % _BLOCK:
            raise NotOpened
        cipher = Cipher(algorithms.AES(self._key), modes.CBC(sealed[:_BLOCK])).decryptor()
        inner = cipher.update(sealed[_BLOCK:]) + cipher.finalize()
        padding = inner[-1] + 1
        if padding > len(inner):
            raise NotOpened
        return inner[:-padding]

    def _check(self, record: Record, covered: bytes, mac: bytes) -> None:
        head = self._number.to_bytes(8) + bytes([record.kind]) + record.version + len(covered).to_bytes(2)
        if not hmac.compare_digest(hmac.digest(self._mac_key, head + covered, self._mac), mac):
            raise NotOpened


def tls12_openers(suite: Suite, master: bytes, client_random: bytes, server_random: bytes, encrypt_then_mac: bool) -> tuple[Opener, Opener]:
    """Make what opens the records of the client and of the server."""
    mac = _MAC_LENGTHS.get(suite.mac, 0)
    key = suite.key_length
    iv = 0 if suite.way is Way.CBC else 12 if suite.way is Way.CHACHA20 else 4
    block = key_block(master, server_random, client_random, 2 * (mac + key + iv), suite.digest)
    keys, ivs = block[2 * mac : 2 * (mac + key)], block[2 * (mac + key) :]
    if suite.way is Way.CBC:
        client = Tls12CbcOpener(suite, keys[:key], block[:mac], encrypt_then_mac)
        return client, Tls12CbcOpener(suite, keys[key:], block[mac : 2 * mac], encrypt_then_mac)
    return Tls12AeadOpener(suite, keys[:key], ivs[:iv]), Tls12AeadOpener(suite, keys[key:], ivs[iv:])
