"""Two real TLS ends (OpenSSL) that speak through memory, with all that passes between them and their key log kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

NO_ENCRYPT_THEN_MAC = 0x80000
VERSIONS = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION, "TLSv1.1": SSL.TLS1_1_VERSION}


@cache
def certificate(name: str, kind: str) -> tuple[x509.Certificate, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]:
    """A self-signed certificate with its key, `kind` rsa or ec."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Partner")])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
    return builder.not_valid_before(start).not_valid_after(start + timedelta(days=30)).sign(key, hashes.SHA256()), key


@dataclass
class TlsServer:
    """What several connections have in common: the context, with its tickets."""

    version: str = "TLSv1.3"
    ciphers: str = ""
    kind: str = "ec"
    options: int = 0
    curve: str | None = None
    accepts: bool | None = None
    """Whether it asks for a client certificate, and takes what is shown."""
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the context."""
        self.context = make_context(SSL.TLS_SERVER_METHOD, self.version, self.ciphers, self.options, "sbc.example.com", self.kind)
        self.context.set_keylog_callback(lambda _, line: self.lines.append(line.decode()))
        self.context.set_session_id(b"tests")
        if self.curve is not None:
            self.context.set_tmp_ecdh(ec.SECP521R1() if self.curve == "secp521r1" else ec.SECP256R1())
        if self.accepts is not None:
            self.context.set_verify(SSL.VERIFY_PEER, lambda *_: bool(self.accepts))


def make_context(method: int, version: str, ciphers: str, options: int, name: str | None, kind: str) -> SSL.Context:
    """A context for one version of TLS; `name`: whom its certificate names, None for no certificate."""
    context = SSL.Context(method)
    context.set_min_proto_version(VERSIONS[version])
    context.set_max_proto_version(VERSIONS[version])
    context.set_options(options)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    if ciphers.startswith("TLS_"):
        context.set_tls13_ciphersuites(ciphers.encode())
    elif ciphers:
        context.set_cipher_list(ciphers.encode() + b":@SECLEVEL=0")
    if name is not None:
        shown, key = certificate(name, kind)
        context.use_certificate(shown)
        context.use_privatekey(key)
    return context


@dataclass
class TlsPair:
    """Say something with `say`; `wire` has what passed, `said` what was meant, `key_log` the secrets."""

    version: str = "TLSv1.3"
    ciphers: str = ""
    kind: str = "ec"
    options: int = 0
    client_certificate: str | None = None
    verify: bool = False
    resumes: SSL.Connection | None = None
    """The client of an earlier connection whose session is taken up."""
    listening: TlsServer | None = None
    wire: list[tuple[bool, bytes]] = field(default_factory=list)
    said: list[tuple[bool, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make both ends."""
        accepts = None if self.client_certificate is None else True
        self.listening = self.listening or TlsServer(self.version, self.ciphers, self.kind, self.options, accepts=accepts)
        context = make_context(SSL.TLS_CLIENT_METHOD, self.version, self.ciphers, self.options, self.client_certificate, self.kind)
        if self.verify:
            context.set_verify(SSL.VERIFY_PEER)
        if self.resumes is not None:
            context = self.resumes.get_context()
        self.client = SSL.Connection(context, None)
        self.client.set_tlsext_host_name(b"sbc.example.com")
        if self.resumes is not None:
            session = self.resumes.get_session()
            assert session is not None
            self.client.set_session(session)
        self.client.set_connect_state()
        self.server = SSL.Connection(self.listening.context, None)
        self.server.set_accept_state()

    @property
    def key_log(self) -> str:
        """All secrets of the server, as in a file."""
        assert self.listening is not None
        return "".join(f"{line}\n" for line in self.listening.lines)

    def pump(self) -> None:
        """Carry octets until both have nothing more to send."""
        moved = True
        while moved:
            for end in (self.client, self.server):
                self._step(end)
            moved = False
            for from_client, source, target in ((True, self.client, self.server), (False, self.server, self.client)):
                try:
                    octets = source.bio_read(1 << 20)
                except SSL.WantReadError:
                    continue
                self.wire.append((from_client, octets))
                target.bio_write(octets)
                moved = True

    def _step(self, end: SSL.Connection) -> None:
        try:
            end.do_handshake()
        except (SSL.WantReadError, SSL.Error):
            return
        try:
            while True:
                end.recv(1 << 20)
        except (SSL.WantReadError, SSL.ZeroReturnError, SSL.Error):
            return

    def say(self, *texts: tuple[bool, bytes]) -> TlsPair:
        """Shake hands if that was not done, then speak."""
        self.pump()
        for from_client, octets in texts:
            self.said.append((from_client, octets))
            sent = 0
            while sent < len(octets):
                sent += (self.client if from_client else self.server).send(octets[sent : sent + 16384])
            self.pump()
        return self

    def close(self) -> TlsPair:
        """Say close_notify on both sides."""
        for end in (self.client, self.server):
            end.shutdown()
            self.pump()
        return self


def joined(said: Sequence[tuple[bool, bytes]], from_client: bool) -> bytes:
    """All octets of one side."""
    return b"".join(octets for side, octets in said if side == from_client)
