"""Connections that we open: whom we trust, what we notice, and how each failure is told."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import error as network

from sbc_sim.calls.outputs import Close, Connect, Send
from sbc_sim.net import certificates
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.server_name import mismatch
from sbc_sim.net.sip_connection import ConnectionLimits
from sbc_sim.net.tls_contexts import ClientConnections, ClientTls
from sbc_sim.net.tls_failures import unreachable
from sbc_sim.sip.peer import TlsProblem

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
NUMBER = -1


class Partner:
    """A TLS server of a partner, for one connection, on the standard library's TLS."""

    def __init__(self, serve):
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.tcp.settimeout(10)
        self.port = self.tcp.getsockname()[1]
        self.error = None
        self.client_certificate = None
        self._thread = threading.Thread(target=self._run, args=(serve,), daemon=True)
        self._thread.start()

    def _run(self, serve):
        connection, _ = self.tcp.accept()
        connection.settimeout(10)
        with connection:
            try:
                serve(self, connection)
            except OSError as problem:
                self.error = problem

    def finish(self):
        self._thread.join(10)
        self.tcp.close()


@contextmanager
def partner(serve):
    server = Partner(serve)
    yield server
    server.finish()


def tls_server(ca, name="localhost", *, verify=ssl.CERT_NONE, greet=b"", old=False, **attributes):
    """Serve TLS, then echo until the other side leaves."""

    def serve(server, connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for attribute, value in attributes.items():
            setattr(context, attribute, value)
        if old:
            context.set_ciphers("ALL:@SECLEVEL=0")
        ca.issue_cert(name).configure_cert(context)
        ca.configure_trust(context)
        context.verify_mode = verify
        with context.wrap_socket(connection, server_side=True) as tls:
            server.client_certificate = tls.getpeercert()
            tls.sendall(greet)
            while data := tls.recv(4096):
                tls.sendall(data)

    return serve


@pytest.fixture
def bundle(partner_ca, tmp_path):
    path = tmp_path / "partner-ca.pem"
    partner_ca.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def lab(make_lab, bundle):
    return make_lab(client=ClientTls(ca_file=bundle))


def dial(lab, port, server_name="localhost", host="127.0.0.1"):
    lab.run(lab.shell.ask, lambda now: [Connect(NUMBER, host, port, server_name)])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_trusted_server_is_connected_to_and_told_with_its_facts(lab, partner_ca, version):
    lab.core.on_connected = lambda connection: [Send(connection, b"INVITE")]
    with partner(tls_server(partner_ca, minimum_version=version, maximum_version=version)) as server:
        dial(lab, server.port)
        told = lab.core.next("connected")
        assert told.connection == NUMBER
        assert told.peer.dialled
        assert (told.peer.host, told.peer.port) == ("127.0.0.1", server.port)
        assert told.peer.local_host == "127.0.0.1"
        assert told.peer.local_port > 0
        assert told.peer.tls.version == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
        assert told.peer.tls.server_name == "localhost"
        assert "trustme" in told.peer.tls.peer_certificate
        assert not told.peer.tls.certificate_requested
        assert lab.core.octets(6) == b"INVITE"
        lab.run(lab.shell.ask, lambda now: [Close(NUMBER, "done")])
        assert lab.core.next("lost").why == "done"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_without_a_server_name_the_host_is_checked(lab, partner_ca, name):
    with partner(tls_server(partner_ca, name)) as server:
        dial(lab, server.port, server_name="", host=name)
        lab.core.next("connected")
        lab.run(lab.shell.ask, lambda now: [Close(NUMBER, "done")])


def test_without_a_bundle_the_trust_store_of_the_machine_decides_on_every_connection(make_lab, partner_ca, bundle, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))  # where OpenSSL takes the machine's store from
    lab = make_lab(client=ClientTls())
    for _ in range(2):
        with partner(tls_server(partner_ca)) as server:
            dial(lab, server.port)
            lab.core.next("connected")
            lab.run(lab.shell.ask, lambda now: [Close(NUMBER, "done")])
            lab.core.next("lost")
    with partner(tls_server(trustme.CA())) as server:
        dial(lab, server.port)
        assert lab.core.refusal().problem is TlsProblem.UNTRUSTED_SERVER


def test_a_server_of_an_unknown_ca_is_not_trusted_and_gets_the_alert(lab):
    with partner(tls_server(trustme.CA())) as server:
        dial(lab, server.port)
        failure = lab.core.refusal()
    assert failure.problem is TlsProblem.UNTRUSTED_SERVER
    assert "ends in a root that is not in the bundle" in failure.detail
    assert (failure.alert, failure.alert_from_peer) == ("unknown_ca", False)
    assert "UNKNOWN_CA" in str(server.error)


@pytest.mark.parametrize(
    ("names", "reason"), [("other.example", "for other.example, not for sbc.example.net"), ("*.example.net", "no wildcard")]
)
def test_a_server_with_another_name_is_not_trusted(lab, partner_ca, names, reason):
    with partner(tls_server(partner_ca, names)) as server:
        dial(lab, server.port, "sbc.example.net")
        failure = lab.core.refusal()
    assert failure.problem is TlsProblem.UNTRUSTED_SERVER
    assert reason in failure.detail
    assert server.error is not None


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        (certificates.Flaw.EXPIRED, "has expired"),
        (certificates.Flaw.SELF_SIGNED, "self-signed"),
        (certificates.Flaw.MISSING_INTERMEDIATE, "intermediate is missing"),
        (certificates.Flaw.WRONG_NAME, "for wrong-name.invalid, not for localhost"),
    ],
)
def test_our_own_flawed_certificates_are_found_out(make_lab, certificate_dir, flaw, reason):
    server = make_lab(credentials=certificates.issue_flawed(certificate_dir, flaw, []))
    client = make_lab(client=ClientTls(ca_file=certificate_dir / "ca.pem"))
    dial(client, server.listener.port)
    failure = client.core.refusal()
    assert failure.problem is TlsProblem.UNTRUSTED_SERVER
    assert reason in failure.detail
    assert server.core.refusal().alert_from_peer


def test_a_server_may_be_left_unchecked_when_asked(make_lab, bundle):
    lab = make_lab(client=ClientTls(ca_file=bundle, verify=False))
    with partner(tls_server(trustme.CA(), "other.example")) as server:
        dial(lab, server.port)
        lab.core.next("connected")
        lab.run(lab.shell.ask, lambda now: [Close(NUMBER, "done")])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_asks_for_a_certificate_gets_none_and_that_is_told(lab, partner_ca, version):
    with partner(tls_server(partner_ca, verify=ssl.CERT_OPTIONAL, minimum_version=version, maximum_version=version)) as server:
        dial(lab, server.port)
        assert lab.core.next("connected", timeout=0.8).peer.tls.certificate_requested
        lab.run(lab.shell.ask, lambda now: [Close(NUMBER, "done")])
    assert not server.client_certificate


def test_what_a_server_says_at_once_is_not_lost_while_we_wait_for_its_objection(lab, partner_ca):
    with partner(tls_server(partner_ca, verify=ssl.CERT_OPTIONAL, greet=b"OPTIONS")) as server:
        dial(lab, server.port)
        lab.core.next("connected")
        assert lab.core.octets(7) == b"OPTIONS"
        lab.run(lab.shell.ask, lambda now: [Close(NUMBER, "done")])
        server.tcp.close()


@pytest.mark.parametrize(("version", "alert"), [(VERSIONS[0], "handshake_failure"), (VERSIONS[1], "certificate_required")])
def test_a_server_that_insists_on_a_certificate_is_told_as_such(lab, partner_ca, version, alert):
    """In TLS 1.3 its objection comes after our side of the handshake is done."""
    with partner(tls_server(partner_ca, verify=ssl.CERT_REQUIRED, minimum_version=version, maximum_version=version)) as server:
        dial(lab, server.port)
        failure = lab.core.refusal()
    assert failure.problem is TlsProblem.SERVER_WANTS_CERTIFICATE
    assert (failure.alert, failure.alert_from_peer) == (alert, True)
    assert "switch it off" in failure.detail
    assert server.error is not None
    assert lab.core.silent()


def test_a_port_without_a_listener_is_unreachable(lab):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    dial(lab, port)
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.UNREACHABLE
    assert "nothing listens" in failure.detail


@pytest.mark.parametrize(("host", "port"), [("bad host", 5061), ("127.0.0.1", 99999), ("127.0.0.1", -1), ("", 5061)])
def test_an_impossible_address_is_unreachable(lab, host, port):
    dial(lab, port, host=host)
    assert lab.core.refusal().problem is TlsProblem.UNREACHABLE
    assert lab.run(lambda: len(lab.shell._connections)) == 0


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (network.DNSLookupError("x"), "the host name has no address"),
        (network.TimeoutError(), "a firewall, or a wrong address"),
        (network.NoRouteError(), "no route"),
        (network.ConnectError(string="odd"), "odd"),
        (ValueError(), "ValueError"),
    ],
)
def test_each_way_not_to_reach_a_host_has_its_words(problem, words):
    assert words in unreachable(problem).detail


def test_a_server_that_says_nothing_is_given_up(make_lab, bundle):
    lab = make_lab(client=ClientTls(ca_file=bundle), limits=replace(ConnectionLimits(), handshake_seconds=0.2))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dial(lab, mute.getsockname()[1])
        failure = lab.core.refusal()
    assert failure.problem is TlsProblem.HANDSHAKE_TIMEOUT
    assert "nothing was received" in failure.detail


def test_a_server_without_tls_is_told_as_such(lab):
    with partner(lambda server, connection: connection.sendall(b"SIP/2.0 400 Bad Request\r\n\r\n") or connection.recv(1000)) as server:
        dial(lab, server.port)
        failure = lab.core.refusal()
    assert failure.problem is TlsProblem.PLAIN_SIP
    assert failure.first_bytes.startswith(b"SIP/2.0 400")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_a_server_with_old_versions_only_is_told_as_such(lab, partner_ca):
    oldest, newest = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with partner(tls_server(partner_ca, old=True, minimum_version=oldest, maximum_version=newest)) as server:
        dial(lab, server.port)
        failure = lab.core.refusal()
    assert failure.problem is TlsProblem.OLD_VERSION
    assert failure.alert == "protocol_version"


def test_dialling_can_be_given_up(make_lab, bundle):
    lab = make_lab(client=ClientTls(ca_file=bundle))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        jam = [socket.socket() for _ in range(8)]  # so that the next attempt stays in the air
        for waiting in jam:
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        dial(lab, full.getsockname()[1])
        lab.run(lab.shell.ask, lambda now: [Close(NUMBER, "the call was cancelled")])
        failure = lab.core.refusal()
        for waiting in jam:
            waiting.close()
    assert "the call was cancelled" in failure.detail
    assert lab.run(lambda: len(lab.shell._connections)) == 0


def test_a_bundle_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CertificateError, match=r"nothing\.pem is no CA bundle"):
        ClientConnections(ClientTls(ca_file=tmp_path / "nothing.pem"))
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(CertificateError, match=r"junk\.pem is no CA bundle"):
        ClientConnections(ClientTls(ca_file=tmp_path / "junk.pem"))


# --- names in certificates (RFC 5922 section 7) ----------------------------------------------------------------------------


def certificate(common_name=None, alternatives=None):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
    now = certificates._now()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + certificates.LEAF_LIFE)
    if alternatives is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (certificate(alternatives=[x509.DNSName("SBC.Example.net")]), "sbc.example.NET."),
        (certificate(alternatives=[x509.UniformResourceIdentifier("sip:sbc.example.net")]), "sbc.example.net"),
        (certificate("sbc.example.net"), "sbc.example.net"),
    ],
)
def test_names_that_fit(made, wanted):
    assert mismatch(made, wanted) is None


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (certificate("sbc.example.net", [x509.DNSName("other.example")]), "for other.example"),
        (certificate(alternatives=[x509.UniformResourceIdentifier("sip:user@sbc.example.net")]), "for no name at all"),
        (certificate(alternatives=[x509.UniformResourceIdentifier("https:sbc.example.net")]), "for no name at all"),
        (certificate(alternatives=[x509.DNSName("*.example.net")]), "RFC 5922 section 7.2"),
        (certificate(), "for no name at all"),
        (certificate(alternatives=[x509.DNSName(f"n{n}.example") for n in range(9)]), "and others"),
    ],
)
def test_names_that_do_not_fit(made, reason):
    assert reason in mismatch(made, "sbc.example.net")
