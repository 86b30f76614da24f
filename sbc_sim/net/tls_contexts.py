"""OpenSSL contexts for both directions, and what their callbacks see of each handshake.

pyOpenSSL calls back from C: an exception there is printed and lost, so the callbacks only note facts and never raise.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from sbc_sim.net.certificates import Credentials
from sbc_sim.net.key_log import KeyLog
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.server_name import mismatch
from sbc_sim.sip.peer import TlsFacts, TlsFailure

ByName = Callable[[str], Credentials | None]
_log = Logger()
_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_CLOSE_NOTIFY = 0
_USER_CANCELED = 90
FIRST_OCTETS = 64
"""So much of what a peer sends first is kept for the listing of failed attempts."""


class ClientCertificates(StrEnum):
    """What becomes of a client that presents a certificate (requirement 2)."""

    REJECT = "reject"
    """Ask for one without needing one, and end the handshake of whoever presents it."""
    REPORT = "report"
    """Ask, and tell in `TlsFacts.client_certificate`."""
    IGNORE = "ignore"
    """Do not ask."""
    REQUIRE = "require"
    """Mutual TLS: end the handshake of whoever presents none. No SBC may do so towards us, nor we: for a partner that does it wrong."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How the listener behaves in a handshake."""

    client_certificates: ClientCertificates = ClientCertificates.REJECT
    min_version: str = "1.2"
    """``1.2`` or ``1.3``."""


@dataclass(slots=True)
class Handshake:
    """What is known of one handshake so far; filled by the callbacks and by the tap under TLS."""

    dialled: bool = False
    expected_name: str | None = None
    """As client: the server's certificate must be for this name or address."""
    first_bytes: bytes = b""
    octets_received: int = 0
    alert: int | None = None
    """The first fatal TLS alert, sent or received."""
    alert_from_peer: bool = False
    close_notify: bool = False
    """The peer closed TLS in the proper way."""
    server_name: str | None = None
    client_certificate: str | None = None
    peer_certificate: str | None = None
    certificate_requested: bool = False
    on_ticket: Callable[[], object] | None = field(default=None, repr=False)
    """As client: called when a session ticket comes, which servers send once they are content with us."""
    verify_error: str | None = None
    """As client: why the server's certificate is not accepted."""
    verify_fault: str = ""
    """The same in one word: ``name``, ``dates`` or ``chain``."""
    facts: TlsFacts | None = None
    """Set when the handshake is over."""
    failure: TlsFailure | None = None
    """Set when it was ended for a reason that is no TLS error."""
    tcp_end: BaseException | None = field(default=None, repr=False)
    """How the TCP connection ended, while TLS tells its own story of it."""
    context: object = field(default=None, repr=False)
    """As server: what the connection began with. OpenSSL calls back into it although another certificate was chosen, or is shown by now."""


def handshake_of(connection: SSL.Connection) -> Handshake:
    """Find what a callback's connection belongs to: its TLS protocol is kept there, which wraps ours until it is gone."""
    protocol: TLSMemoryBIOProtocol | None = connection.get_app_data()
    wrapped: Any = None if protocol is None else protocol.wrappedProtocol
    handshake: Handshake = Handshake() if wrapped is None else wrapped.handshake
    return handshake


def finished(connection: SSL.Connection, handshake: Handshake) -> TlsFacts:
    """Collect the facts of a handshake that is over."""
    peer = connection.get_peer_certificate(as_cryptography=True)
    subject = None if peer is None else subject_of(peer)
    return TlsFacts(
        version=connection.get_protocol_version_name(),
        cipher=connection.get_cipher_name() or "unknown",
        server_name=handshake.server_name,
        client_certificate=None if handshake.dialled else subject,
        certificate_requested=handshake.certificate_requested,
        peer_certificate=subject if handshake.dialled else None,
    )


def subject_of(certificate: x509.Certificate) -> str:
    """Write the subject as RFC 4514 text; some certificates in the field cannot be read that far."""
    try:
        return certificate.subject.rfc4514_string() or "(empty subject)"
    except ValueError:
        return "(unreadable subject)"


@implementer(IOpenSSLServerConnectionCreator)
class ServerConnections:
    """Makes the OpenSSL side of connections that were accepted."""

    def __init__(
        self, credentials: Credentials, options: ServerTls, key_log: KeyLog | None = None, by_name: ByName = lambda name: None
    ) -> None:
        """`key_log` gets the secrets of each connection, `by_name` knows what is shown to clients that ask for a name (SNI).

        Raise `CertificateError` when OpenSSL will not use the credentials.
        """
        self.options = options
        self._key_log = key_log
        self._by_name = by_name
        self._context = self._new_context(credentials)
        self._named_contexts: dict[int, tuple[Credentials, SSL.Context]] = {}

    def use(self, credentials: Credentials, options: ServerTls | None = None) -> None:
        """Take others for the connections to come. Raises `CertificateError`, and nothing has changed then."""
        before = self.options
        self.options = options or before
        try:
            self._context = self._new_context(credentials)
        except CertificateError:
            self.options = before
            raise
        self._named_contexts.clear()

    def _new_context(self, credentials: Credentials) -> SSL.Context:
        context = _context(self.options.min_version)
        _show(context, credentials)
        # Without an id OpenSSL ends every resumption with an error as soon as client certificates are asked for.
        context.set_session_id(b"sbc-sim")
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # tickets need no memory here
        context.set_tlsext_servername_callback(self._named)
        _log_keys(context, self._key_log)
        if self.options.client_certificates is not ClientCertificates.IGNORE:
            insists = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if self.options.client_certificates is ClientCertificates.REQUIRE else 0
            context.set_verify(SSL.VERIFY_PEER | insists, self._presented)
            _always_call_for_the_leaf(context)
        return context

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Twisted asks for one connection."""
        connection = _new_connection(self._context, protocol)
        handshake_of(connection).context = self._context
        return connection

    def _presented(self, connection: SSL.Connection, certificate: X509, error: int, depth: int, ok: int) -> bool:
        if depth > 0:
            return True
        handshake = handshake_of(connection)
        handshake.client_certificate = _subject_of_x509(certificate)
        return self.options.client_certificates in (ClientCertificates.REPORT, ClientCertificates.REQUIRE) or bool(ok)

    def _named(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        if name is None:
            return
        asked = name.decode("ascii", "backslashreplace")
        handshake_of(connection).server_name = asked
        context = self._context_for(asked)
        if context is not None:
            connection.set_context(context)

    def _context_for(self, name: str) -> SSL.Context | None:
        """What to show to a client that asks for a name; None: what everybody gets."""
        try:
            credentials = self._by_name(name)
            if credentials is None:
                return None
            if id(credentials) not in self._named_contexts:
                self._named_contexts[id(credentials)] = credentials, self._new_context(credentials)
        except CertificateError as problem:
            _log.warn("no certificate can be shown for {name}: {problem}", name=name, problem=problem)
            return None
        return self._named_contexts[id(credentials)][1]


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How we behave in a handshake that we begin."""

    ca_file: Path | None = None
    """PEM bundle that the server's chain must lead to; None: the trust store of this machine."""
    verify: bool = True
    min_version: str = "1.2"
    also: Path | None = None
    """Another bundle beside the trust store of this machine: our own CA."""


@implementer(IOpenSSLClientConnectionCreator)
class ClientConnections:
    """Makes the OpenSSL side of connections that we open. Never presents a certificate (requirement 2)."""

    def __init__(self, options: ClientTls, key_log: KeyLog | None = None) -> None:
        """`key_log` gets the secrets of each connection. Raise `CertificateError` when the CA bundle cannot be used."""
        self.options = options
        self._context = _context(options.min_version)
        _log_keys(self._context, key_log)
        # A bundle is read now, so that a bad one is known at start. To read the CAs of the whole machine takes ten milliseconds, and a
        # server that never dials need not.
        self._trusts = options.ca_file is not None
        if options.ca_file is not None:
            _trust(self._context, options.ca_file)
        # A verify callback is set in any case: it is what names the fault.
        self._context.set_verify(SSL.VERIFY_PEER, self._verify)

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Twisted asks for one connection."""
        if not self._trusts:
            self._context.set_default_verify_paths()
            if self.options.also is not None:
                _trust(self._context, self.options.also)
            self._trusts = True
        connection = _new_connection(self._context, protocol)
        handshake: Handshake = protocol.wrappedProtocol.handshake
        name = handshake.server_name
        if name and not _is_address(name):  # RFC 6066 section 3: no address in SNI
            connection.set_tlsext_host_name(name.rstrip(".").encode("ascii", "ignore"))
        return connection

    def _verify(self, connection: SSL.Connection, certificate: X509, error: int, depth: int, ok: int) -> bool:
        handshake = handshake_of(connection)
        problem = None if ok else f"{_verify_text(error)} ({_subject_of_x509(certificate)})"
        fault = "dates" if error in _DATES else "chain"
        if depth == 0 and ok and handshake.expected_name:
            problem, fault = mismatch(certificate.to_cryptography(), handshake.expected_name), "name"
        if problem and handshake.verify_error is None:
            handshake.verify_error, handshake.verify_fault = problem, fault
        return problem is None or not self.options.verify


def _context(min_version: str) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(_VERSIONS[min_version])
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # an idle connection keeps no 32 KiB of buffers
    context.set_info_callback(_noticed)
    return context


def _log_keys(context: SSL.Context, key_log: KeyLog | None) -> None:
    """Have OpenSSL tell the secrets of each connection, in the lines of SSLKEYLOGFILE."""
    if key_log is None:
        return

    def told(connection: SSL.Connection, line: bytes) -> None:
        protocol = connection.get_app_data()
        wrapped = None if protocol is None else protocol.wrappedProtocol
        if wrapped is not None:
            key_log(wrapped.number, line.decode("ascii", "replace"))

    context.set_keylog_callback(told)


def _new_connection(context: SSL.Context, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
    connection = SSL.Connection(context, None)
    connection.set_app_data(protocol)  # newer versions of Twisted do this too
    return connection


def _always_call_for_the_leaf(context: SSL.Context) -> None:
    """Have OpenSSL miss a revocation list for the leaf, so that it calls back with an error there, whatever the chain.

    A refusal without an error would go out as the alert internal_error; this way it is unknown_ca, which is also
    the truth: no CA is trusted for clients.
    """
    store = context.get_cert_store()
    if store is not None:
        store.set_flags(X509StoreFlags.CRL_CHECK)


def _noticed(connection: SSL.Connection, where: int, value: int) -> None:
    """Note alerts both ways, and as client that a certificate was asked for (OpenSSL's info callback)."""
    if where & SSL.SSL_CB_ALERT:
        _alerted(handshake_of(connection), value >> 8, value & 0xFF, from_peer=bool(where & SSL.SSL_CB_READ))
    elif where == SSL.SSL_CB_CONNECT_LOOP:
        _stepped(handshake_of(connection), connection.get_state_string())


def _stepped(handshake: Handshake, step: bytes) -> None:
    if step.endswith(b"read server certificate request"):
        handshake.certificate_requested = True
    elif step.endswith(b"read server session ticket") and handshake.on_ticket is not None:
        handshake.on_ticket()


def _alerted(handshake: Handshake, level: int, alert: int, *, from_peer: bool) -> None:
    if alert == _CLOSE_NOTIFY:
        handshake.close_notify = handshake.close_notify or from_peer
    elif not from_peer and (handshake.tcp_end is not None or handshake.failure is not None):
        pass  # OpenSSL complains (decode_error) of an end without close_notify, when nobody is there to get it
    elif (level == 2 or alert == _USER_CANCELED) and handshake.alert is None:
        handshake.alert, handshake.alert_from_peer = alert, from_peer


def _show(context: SSL.Context, credentials: Credentials) -> None:
    try:
        context.use_certificate(credentials.leaf)
        for certificate in credentials.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(credentials.key)
        context.check_privatekey()
    except (SSL.Error, TypeError) as problem:
        subject = subject_of(credentials.leaf)
        raise CertificateError(f"OpenSSL does not take the certificate {subject}: {_openssl_text(problem)}") from problem


def _trust(context: SSL.Context, ca_file: Path) -> None:
    try:
        context.load_verify_locations(str(ca_file))
    except SSL.Error as problem:
        raise CertificateError(f"{ca_file} is no CA bundle that can be read: it must hold PEM certificates") from problem


def _openssl_text(problem: Exception) -> str:
    reasons = problem.args[0] if problem.args and isinstance(problem.args[0], list) else []
    return ", ".join(str(reason[-1]) for reason in reasons) or str(problem)


def _subject_of_x509(certificate: X509) -> str:
    try:
        return subject_of(certificate.to_cryptography())
    except ValueError:
        return "(unreadable certificate)"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


_CODES = SSL.X509VerificationCodes
_VERIFY_TEXTS = {
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT: "the chain leads to no CA of the bundle",
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the chain leads to no CA of the bundle: another CA, or an intermediate is missing",
    _CODES.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server sent the leaf alone, and no CA of the bundle issued it",
    _CODES.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is self-signed and not in the bundle",
    _CODES.ERR_SELF_SIGNED_CERT_IN_CHAIN: "the chain ends in a root that is not in the bundle",
    _CODES.ERR_CERT_HAS_EXPIRED: "the certificate has expired",
    _CODES.ERR_CERT_NOT_YET_VALID: "the certificate is not valid yet",
    _CODES.ERR_CERT_SIGNATURE_FAILURE: "a signature in the chain is wrong",
    _CODES.ERR_INVALID_PURPOSE: "the certificate may not be used by a TLS server",
    _CODES.ERR_INVALID_CA: "an issuer in the chain is not a CA",
    _CODES.ERR_CERT_CHAIN_TOO_LONG: "the chain is too long",
}


_DATES = (_CODES.ERR_CERT_HAS_EXPIRED, _CODES.ERR_CERT_NOT_YET_VALID)


def _verify_text(error: int) -> str:
    return _VERIFY_TEXTS.get(error, f"OpenSSL verification error {error}")
