"""Does a server's certificate belong to the name that we dialled? RFC 5922 section 7, with no wildcard (7.2)."""

from __future__ import annotations

import ipaddress

from cryptography import x509
from cryptography.x509.oid import NameOID


def mismatch(certificate: x509.Certificate, expected: str) -> str | None:
    """Tell in one sentence why the certificate is not for `expected` (host name or address); None when it is."""
    try:
        found = _identities(certificate)
    except ValueError:
        return "the names in the certificate cannot be read"
    wanted = _normal(expected)
    if wanted in found:
        return None
    return f"the certificate is for {_listed(found)}, not for {wanted}{_about_wildcard(found, wanted)}"


def _identities(certificate: x509.Certificate) -> list[str]:
    """List what the certificate vouches for: subjectAltName, or the common name when there is none (RFC 5922 7.1)."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [_normal(str(name.value)) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    found = [_normal(name) for name in alternatives.get_values_for_type(x509.DNSName)]
    found += [str(address) for address in alternatives.get_values_for_type(x509.IPAddress)]
    return found + [host for uri in alternatives.get_values_for_type(x509.UniformResourceIdentifier) if (host := _sip_host(uri))]


def _sip_host(uri: str) -> str | None:
    """Take the host of a ``sip:`` URI that has no user part; any other URI vouches for no domain."""
    scheme, _, rest = uri.partition(":")
    return _normal(rest) if scheme.lower() == "sip" and rest and "@" not in rest else None


def _normal(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return name.lower().rstrip(".")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "") if names else "no name at all"


def _about_wildcard(found: list[str], wanted: str) -> str:
    parent = wanted.partition(".")[2]
    return " (SIP knows no wildcard certificates, RFC 5922 section 7.2)" if parent and f"*.{parent}" in found else ""
