"""PEM files: read with a clear sentence when they cannot be, written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from sbc_sim.net.file_errors import unreadable

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
_MEND = "put the right file there, or delete it if sbc-sim made it"


class CertificateError(Exception):
    """A certificate, key or directory that cannot be used: one sentence with the cure, for people."""


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Encode a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKey) -> bytes:
    """Encode a private key as PEM (PKCS #8), not encrypted."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def public_der(key: PublicKeyTypes) -> bytes:
    """Encode a public key, so that two can be compared."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Read all certificates of a file, at least one. Raises `CertificateError`."""
    return certificates_of(_read(path), str(path))


def certificates_of(pem: bytes, path: str) -> list[x509.Certificate]:
    """Read all certificates of a text, at least one; `path`: where it comes from. Raises `CertificateError`."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as problem:
        raise CertificateError(f"{path} holds no readable PEM certificate: {_MEND}") from problem


def read_key(path: Path) -> PrivateKey:
    """Read a private key that is not encrypted. Raises `CertificateError`."""
    return key_of(_read(path), str(path))


def key_of(pem: bytes, path: str) -> PrivateKey:
    """Read a private key that is not encrypted from a text; `path`: where it comes from. Raises `CertificateError`."""
    try:
        # To prove its primes again costs 50 ms at each start; `fits` proves more in one.
        key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError as problem:
        raise CertificateError(f"the key in {path} is encrypted: save it without a passphrase, readable by this user alone") from problem
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise CertificateError(f"{path} holds no readable PEM private key: {_MEND}") from problem
    if not isinstance(key, PrivateKey):
        raise CertificateError(f"the key in {path} is of a kind that TLS cannot use: take RSA or EC")
    return key


def fits(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Tell whether the key belongs to the certificate and is sound."""
    public = certificate.public_key()
    if public_der(key.public_key()) != public_der(public):
        return False
    if not isinstance(key, rsa.RSAPrivateKey) or not isinstance(public, rsa.RSAPublicKey):
        return True
    try:
        public.verify(key.sign(b"sbc-sim", padding.PKCS1v15(), hashes.SHA256()), b"sbc-sim", padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file so that a crash leaves the old one or the new one; `private` is for its owner alone."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600 if private else 0o644)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise CertificateError(f"{path} cannot be written: {problem.strerror}; let this user write there, or set tls.dir") from problem


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process at a time write there, so that a CA and a leaf of two first starts are never mixed."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as problem:
        raise CertificateError(
            f"the certificate directory {directory} cannot be used: {problem.strerror}; set tls.dir to a folder that this user may write"
        ) from problem
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise CertificateError(f"{path} cannot be read: {unreadable(path, problem)}") from problem
