"""Certificates: a CA and a server certificate made at the first start and kept, further ones, and a check of one's own.

Keys are RSA 2048: every TLS stack of every SBC has RSA, some older ones have no ECDSA, and a test server must not fail a
partner for its own choice of curve. A new key costs about a tenth of a second, once.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sbc_sim.net import pem_files
from sbc_sim.net.pem_files import CertificateError, PrivateKey

CA_LIFE = dt.timedelta(days=3650)
LEAF_LIFE = dt.timedelta(days=820)
"""Under the 825 days that some TLS stacks allow a server certificate, with room for a clock that runs behind."""
RENEW_BEFORE = dt.timedelta(days=30)
_BACKDATED = dt.timedelta(days=1)
"""A peer whose clock runs behind must not see a certificate from the future."""
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_DNS_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the certificates of a local run are."""

    ca: Path
    ca_key: Path
    server: Path
    """The server certificate, then the CA's."""
    server_key: Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate that can be shown: leaf, the rest of its chain in order, and its private key."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    warnings: tuple[str, ...] = ()
    """What peers may stumble over although it can be used."""

    @property
    def not_after(self) -> dt.datetime:
        """When the leaf expires, UTC."""
        return self.leaf.not_valid_after_utc

    def certificate_pem(self) -> bytes:
        """Leaf and chain, PEM."""
        return b"".join(pem_files.certificate_pem(certificate) for certificate in (self.leaf, *self.chain))

    def key_pem(self) -> bytes:
        """Private key, PEM (PKCS #8), not encrypted."""
        return pem_files.key_pem(self.key)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What `tls show` prints of a certificate."""

    subject: str
    """RFC 4514 text."""
    names: tuple[str, ...]
    """DNS names, addresses and URIs of subjectAltName."""
    issuer: str
    not_before: dt.datetime
    not_after: dt.datetime
    fingerprint: str
    """SHA-256 of the DER, pairs of hex digits with colons."""
    key: str
    """For example ``RSA 2048``."""
    is_ca: bool


class Flaw(StrEnum):
    """A server certificate that a careful partner must refuse (requirement 4)."""

    EXPIRED = "expired"
    WRONG_NAME = "wrong-name"
    SELF_SIGNED = "self-signed"
    MISSING_INTERMEDIATE = "missing-intermediate"


def ensure(directory: Path, names: Sequence[str] = (), now: dt.datetime | None = None) -> CertificateFiles:
    """Make what is missing in `directory`, renew what is about to expire or lacks one of `names`, keep the rest.

    `names` are DNS names and addresses beside localhost, 127.0.0.1 and ::1. Raises `CertificateError`.
    """
    moment = now or _now()
    wanted = _distinct((*_LOCAL_NAMES, *names))
    files = _files(directory)
    if _in_order(files, wanted, moment):
        return files
    with pem_files.locked(directory):
        if not _in_order(files, wanted, moment):  # another process may have been first
            ca = _ensure_ca(files, moment)
            leaf = _leaf_under(ca, wanted, moment)
            pem_files.write_whole(files.server_key, leaf.key_pem(), private=True)
            pem_files.write_whole(files.server, leaf.certificate_pem())
    return files


def issue(directory: Path, names: Sequence[str], stem: str, now: dt.datetime | None = None) -> tuple[Path, Path]:
    """Make one more certificate under the CA of `directory`, as `stem`.pem and `stem`-key.pem; returns both paths.

    It can be shown by a server and by a client, so that a partner may use it either way. Raises `CertificateError`.
    """
    if not re.fullmatch(r"[\w.@-]{1,64}", stem) or stem in ("ca", "server") or stem.startswith("."):
        raise CertificateError(f"{stem!r} cannot name a certificate file: use letters, digits, dots and dashes, not ca or server")
    moment = now or _now()
    files = _files(directory)
    with pem_files.locked(directory):
        leaf = _leaf_under(_ensure_ca(files, moment), _distinct(names), moment)
        certificate, key = directory / f"{stem}.pem", directory / f"{stem}-key.pem"
        pem_files.write_whole(key, leaf.key_pem(), private=True)
        pem_files.write_whole(certificate, leaf.certificate_pem())
    return certificate, key


def issue_flawed(directory: Path, flaw: Flaw, names: Sequence[str], now: dt.datetime | None = None) -> Credentials:
    """Make a certificate with one flaw under the CA of `directory`, in memory only. Raises `CertificateError`."""
    ca = None if flaw is Flaw.SELF_SIGNED else local_ca(directory, now)
    return issue_in_memory(ca, names, new_key(), flaw, now)


def local_ca(directory: Path, now: dt.datetime | None = None) -> Credentials:
    """Read the CA of `directory`, made when it is missing. Raises `CertificateError`."""
    with pem_files.locked(directory):
        return _ensure_ca(_files(directory), now or _now())


def other_ca(now: dt.datetime | None = None) -> Credentials:
    """Make another CA, in memory only: its key takes a tenth of a second."""
    return _new_ca(now or _now())


def issue_in_memory(
    ca: Credentials | None, names: Sequence[str], key: PrivateKey, flaw: Flaw | None = None, now: dt.datetime | None = None
) -> Credentials:
    """Make a certificate for `names` (and this machine) with a key that is there already: a millisecond. Without a CA, self-signed.

    Raises `CertificateError`.
    """
    moment = now or _now()
    wanted = _distinct((*names, *_LOCAL_NAMES))
    if ca is None or flaw is Flaw.SELF_SIGNED:
        return _self_signed(wanted, moment, key)
    match flaw:
        case Flaw.EXPIRED:
            return _leaf_under(ca, wanted, moment - dt.timedelta(days=30), dt.timedelta(days=29), key)
        case Flaw.WRONG_NAME:
            return _leaf_under(ca, ("wrong-name.invalid",), moment, key=key)
        case Flaw.MISSING_INTERMEDIATE:
            leaf = _leaf_under(_intermediate_under(ca, moment, key), wanted, moment, key=key)
            return Credentials(leaf.leaf, (), leaf.key)
        case _:
            return _leaf_under(ca, wanted, moment, key=key)


def show(path: Path) -> CertificateFacts:
    """Read what there is to say of the first certificate in a PEM file. Raises `CertificateError`."""
    return facts_of(pem_files.read_certificates(path)[0])


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Say what there is to say of a certificate."""
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        names=names_of(certificate),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        key=_key_text(certificate),
        is_ca=_is_ca(certificate),
    )


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """List the DNS names, addresses and URIs of subjectAltName; empty when it has none or cannot be read."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    kinds = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    return tuple(str(name.value) for name in alternatives if isinstance(name, kinds))


def load(files: CertificateFiles) -> Credentials:
    """Load what `ensure` keeps. Raises `CertificateError`."""
    return load_own(files.server, files.server_key)


def load_own(cert_file: Path, key_file: Path, now: dt.datetime | None = None) -> Credentials:
    """Load a certificate (leaf first, then its chain) and its key, and refuse what no peer could accept.

    Raises `CertificateError` for files that cannot be read, a key of another certificate, a certificate that has expired
    or is not valid yet, and a chain whose next certificate is not the issuer of the one before.
    """
    leaf, *chain = pem_files.read_certificates(cert_file)
    key = pem_files.read_key(key_file)
    if not pem_files.fits(key, leaf):
        raise CertificateError(
            f"the key in {key_file} does not belong to the certificate in {cert_file} ({leaf.subject.rfc4514_string()}): "
            "name the two that were made together"
        )
    _check_dates(cert_file, leaf, now or _now())
    _check_order(cert_file, leaf, chain)
    return Credentials(leaf, tuple(chain), key, _weaknesses(leaf, chain))


def of_order(certificate: str, key: str) -> Credentials:
    """Read a certificate and its key, PEM, that another replica has sent. Raises `CertificateError`."""
    leaf, *chain = pem_files.certificates_of(certificate.encode("ascii", "replace"), "the order of another replica")
    return Credentials(leaf, tuple(chain), pem_files.key_of(key.encode("ascii", "replace"), "the order of another replica"))


# --- what is in the directory -------------------------------------------------------------------------------------------


def _files(directory: Path) -> CertificateFiles:
    return CertificateFiles(directory / "ca.pem", directory / "ca-key.pem", directory / "server.pem", directory / "server-key.pem")


def _in_order(files: CertificateFiles, wanted: Sequence[str], now: dt.datetime) -> bool:
    """Tell whether nothing must be written: a directory that may only be read is fine then."""
    if not all(path.exists() for path in (files.ca, files.server, files.server_key)):
        return False
    ca = _read_ca(files.ca, now)
    leaf = pem_files.read_certificates(files.server)[0]
    return (
        _signed_by(leaf, ca)
        and leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc - RENEW_BEFORE
        and set(wanted) <= set(names_of(leaf))
        and pem_files.fits(pem_files.read_key(files.server_key), leaf)
    )


def _ensure_ca(files: CertificateFiles, now: dt.datetime) -> Credentials:
    if not files.ca.exists():  # a key alone is what a crash between the two writes leaves: nobody has seen its certificate
        ca = _new_ca(now)
        pem_files.write_whole(files.ca_key, ca.key_pem(), private=True)
        pem_files.write_whole(files.ca, ca.certificate_pem())
        return ca
    certificate = _read_ca(files.ca, now)
    if not files.ca_key.exists():
        raise CertificateError(f"{files.ca} is there but its key {files.ca_key.name} is not: put it back, or delete ca.pem to begin again")
    key = pem_files.read_key(files.ca_key)
    if not pem_files.fits(key, certificate):
        raise CertificateError(f"{files.ca_key} is not the key of {files.ca}: put the right one back, or delete both to begin again")
    return Credentials(certificate, (), key)


def _read_ca(path: Path, now: dt.datetime) -> x509.Certificate:
    certificate = pem_files.read_certificates(path)[0]
    if not _is_ca(certificate):
        raise CertificateError(f"{path} is not the certificate of a CA: put the right one back, or delete it to begin again")
    if certificate.not_valid_after_utc <= now:
        raise CertificateError(f"the CA in {path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: delete it to begin again")
    return certificate


# --- making certificates ------------------------------------------------------------------------------------------------


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def new_key() -> rsa.RSAPrivateKey:
    """Make a private key; about a tenth of a second, during which other threads run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Write addresses and names in one form each, and drop repeats."""
    return tuple(dict.fromkeys(str(_general_name(name).value) for name in names))


def _general_name(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    if len(name) > 253 or not _DNS_NAME.fullmatch(name):
        raise CertificateError(f"{name!r} is neither a host name nor an address, so no certificate can be made for it")
    return x509.DNSName(name.lower().rstrip("."))


def _subject(common_name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sbc-sim")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]), organization])


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: dt.datetime, life: dt.timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not ca,  # TLS 1.2 with RSA key exchange needs it
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _new_ca(now: dt.datetime) -> Credentials:
    key = new_key()
    # Several of these end up side by side in the trust store of one SBC: the serial in the name tells them apart.
    name = _subject(f"sbc-sim local CA {x509.random_serial_number() % 16**6:06x}")
    builder = _builder(name, name, key, now, CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    return Credentials(builder.sign(key, hashes.SHA256()), (), key)


def _intermediate_under(ca: Credentials, now: dt.datetime, key: PrivateKey) -> Credentials:
    """Its key may be that of the leaf: nobody ever sees its certificate."""
    builder = _builder(_subject("sbc-sim intermediate CA"), ca.leaf.subject, key, now, LEAF_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True).add_extension(_authority(ca), critical=False)
    return Credentials(builder.sign(ca.key, _hash_for(ca.key)), (), key)


def _leaf_under(
    ca: Credentials, names: Sequence[str], now: dt.datetime, life: dt.timedelta = LEAF_LIFE, key: PrivateKey | None = None
) -> Credentials:
    if not names:
        raise CertificateError("a certificate needs at least one name or address")
    key = key or new_key()
    life = min(life, ca.leaf.not_valid_after_utc - now)
    builder = _leaf_extensions(_builder(_subject(_common_name(names)), ca.leaf.subject, key, now, life), names)
    builder = builder.add_extension(_authority(ca), critical=False)
    return Credentials(builder.sign(ca.key, _hash_for(ca.key)), (ca.leaf,), key)


def _self_signed(names: Sequence[str], now: dt.datetime, key: PrivateKey) -> Credentials:
    subject = _subject(_common_name(names))
    builder = _leaf_extensions(_builder(subject, subject, key, now, LEAF_LIFE), names)
    return Credentials(builder.sign(key, _hash_for(key)), (), key)


def _leaf_extensions(builder: x509.CertificateBuilder, names: Sequence[str]) -> x509.CertificateBuilder:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    )


def _common_name(names: Sequence[str]) -> str:
    """Prefer a name that was asked for over localhost: it is what people see in their SBC's list."""
    return next((name for name in names if name not in _LOCAL_NAMES), names[0])


def _authority(ca: Credentials) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = ca.leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except (x509.ExtensionNotFound, ValueError):  # a CA that was not made here
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _hash_for(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()


# --- judging certificates -----------------------------------------------------------------------------------------------


def _check_dates(path: Path, leaf: x509.Certificate, now: dt.datetime) -> None:
    first, last = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if last <= now:
        raise CertificateError(f"the certificate in {path} expired on {last:%Y-%m-%d %H:%M} UTC: put a renewed one there")
    if first > now:
        raise CertificateError(f"the certificate in {path} is not valid before {first:%Y-%m-%d %H:%M} UTC: check the clock, or wait")


def _check_order(path: Path, leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
    for position, (certificate, issuer) in enumerate(zip((leaf, *chain), chain, strict=False), start=2):
        if not _signed_by(certificate, issuer):
            subject, found = certificate.issuer.rfc4514_string(), issuer.subject.rfc4514_string()
            raise CertificateError(
                f"certificate {position} in {path} is {found}, but the one before it was issued by {subject}: "
                "the file must hold the leaf, then each issuer in turn"
            )


def _weaknesses(leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> tuple[str, ...]:
    found = []
    if not names_of(leaf):
        found.append("the certificate has no subjectAltName: most TLS clients refuse it")
    if not chain and leaf.issuer != leaf.subject:
        issuer = leaf.issuer.rfc4514_string()
        found.append(f"the file holds the leaf alone: unless partners trust {issuer} itself, its certificate must follow")
    if not chain and leaf.issuer == leaf.subject:
        found.append("the certificate is self-signed: partners must trust this very certificate")
    return tuple(found)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _key_text(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case _:
            return type(key).__name__.strip("_").removesuffix("PublicKey")
