"""Public keys by partner: what a CallCenter record holds at Salesforce. RSA keys, in PEM, bare or in a certificate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MOST_NAMES = 200
"""Names under which keys are kept; one more is refused."""
MOST_KEYS = 10
"""Keys of one name: as many as a rotation needs."""
SHORTEST, LONGEST = 1024, 16_384
LONGEST_PEM = 64 * 1024
"""Octets of a PEM text: ten certificates of the longest keys."""
MAKE_A_KEY = "Make an RSA key of 2,048 bits (openssl genrsa -out private.key 2048), and send its public half."
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")


class BadKey(ValueError):
    """Text that holds no key that can be used: one sentence. Never quotes the text."""

    def __init__(self, reason: str, fix: str = "") -> None:
        """`fix`: what to do, where it is not to send a public key in PEM."""
        super().__init__(reason)
        self.fix = fix


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One RSA key."""

    key: RSAPublicKey = field(repr=False)
    bits: int
    fingerprint: str
    """SHA-256 of its SubjectPublicKeyInfo, the first 16 hex digits."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """Keys of one partner, and whose tokens they are for."""

    name: str
    keys: tuple[PublicKey, ...]
    org: str = ""
    """Org id that iss must name, 15 or 18 characters; empty: any."""
    call_center: str = ""
    """API name that sub must be; empty: any."""
    partner: str = ""
    origin: str = "settings"
    """``settings`` or ``api``"""

    def data(self) -> dict[str, Any]:
        """As JSON; public keys are no secret, yet their fingerprint says enough."""
        keys = [{"bits": key.bits, "sha256": key.fingerprint} for key in self.keys]
        return {
            "name": self.name,
            "partner": self.partner or None,
            "orgId": self.org or None,
            "callCenter": self.call_center or None,
            "origin": self.origin,
            "keys": keys,
        }

    @property
    def pem(self) -> bytes:
        """The keys as `read_keys` takes them."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return b"".join(key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in self.keys)

    def order(self) -> dict[str, str]:
        """The entry as JSON values from which `ordered_entry` makes it again."""
        return {
            "name": self.name,
            "pem": self.pem.decode("ascii"),
            "org": self.org,
            "callCenter": self.call_center,
            "partner": self.partner,
        }


def ordered_entry(data: Mapping[str, Any]) -> KeyEntry:
    """Read what `KeyEntry.order` wrote. Raises BadKey and KeyError."""
    keys = read_keys(str(data["pem"]).encode("utf-8", "surrogatepass"))
    return KeyEntry(str(data["name"]), keys, str(data["org"]), str(data["callCenter"]), str(data["partner"]), "api")


class KeyRing:
    """All keys of one process."""

    def __init__(self, entries: Iterable[KeyEntry] = ()) -> None:
        """Begin with these."""
        self._entries = {entry.name: entry for entry in entries}

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._entries)

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """All of them, by name."""
        return tuple(entry for _, entry in sorted(self._entries.items()))

    def get(self, name: str) -> KeyEntry | None:
        """The keys of a name."""
        return self._entries.get(name)

    def put(self, entry: KeyEntry) -> bool:
        """Keep keys under their name, instead of what was there; True when the name is new. Raises BadKey when there are too many."""
        new = entry.name not in self._entries
        if new and len(self._entries) >= MOST_NAMES:
            raise BadKey(
                f"Keys are kept under {MOST_NAMES} names already: delete one that is not needed any more",
                "DELETE /api/v1/telephony/keys/NAME.",
            )
        self._entries[entry.name] = entry
        return new

    def drop(self, name: str) -> bool:
        """Forget the keys of a name; False when there are none."""
        return self._entries.pop(name, None) is not None


def read_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """Read every public key and certificate of a PEM text. Raises BadKey."""
    if len(pem) > LONGEST_PEM:
        raise BadKey(f"the PEM text has {len(pem)} octets; at most {LONGEST_PEM} are taken")
    blocks = list(islice(_blocks(pem), MOST_KEYS + 1))
    if any("PRIVATE KEY" in kind for kind, _ in blocks):
        raise BadKey(
            "this holds a private key, which must not leave the partner: give the public half "
            "(openssl pkey -in private.key -pubout) or the certificate",
            "Send what openssl pkey -in private.key -pubout writes; make a new key if others could read this one on its way.",
        )
    if not blocks:
        raise BadKey("no PEM block was found: -----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE----- is expected")
    if len(blocks) > MOST_KEYS:
        raise BadKey(f"there are more than the {MOST_KEYS} keys that one name may have")
    return tuple(_checked(_loaded(kind, block), kind) for kind, block in blocks)


def _blocks(pem: bytes) -> Iterator[tuple[str, bytes]]:
    """Give kind and text of each block (RFC 7468 section 2), reading every octet once. Raises BadKey for one without an end."""
    place = 0
    while (begin := _BEGIN.search(pem, place)) is not None:
        kind = begin[1].decode()
        line = b"-----END " + begin[1] + b"-----"
        end = pem.find(line, begin.end())
        if end < 0:
            raise BadKey(f"the {kind} block has no end: -----END {kind}----- is missing")
        place = end + len(line)
        yield kind, pem[begin.start() : place] + b"\n"


def _loaded(kind: str, block: bytes) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        if kind == "CERTIFICATE":
            return load_pem_x509_certificate(block).public_key()
        if kind in ("PUBLIC KEY", "RSA PUBLIC KEY"):
            return load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey(f"the {kind} block cannot be read: its Base64 or DER is damaged, or its key is of no kind that is known") from None
    raise BadKey(f"a {kind} block is no public key: PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE is expected")


def _checked(key: object, kind: str) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, RSAPublicKey):
        raise BadKey(f"the {kind} block holds a key that is not RSA: tokens are signed with RS256, which needs an RSA key", MAKE_A_KEY)
    if not SHORTEST <= key.key_size <= LONGEST:
        raise BadKey(f"an RSA key of {key.key_size} bits is not taken: 2,048 or 4,096 bits are documented, 1,024 in older text", MAKE_A_KEY)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(key, key.key_size, sha256(der).hexdigest()[:16])
