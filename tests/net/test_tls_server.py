"""Handshakes with the listener: what is accepted, what is told of it, and what becomes of client certificates."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess

import pytest
from OpenSSL import SSL

from sbc_sim.calls.outputs import Send
from sbc_sim.net import certificates
from sbc_sim.net.tls_contexts import ClientCertificates, ServerTls
from sbc_sim.sip.peer import TlsProblem

OPTIONS = b"OPTIONS sip:echo@localhost SIP/2.0\r\n\r\n"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def only(version):
    return {"minimum_version": version, "maximum_version": version}


def with_certificate(context, partner_ca, subject="sbc.partner.example"):
    partner_ca.issue_cert(subject, common_name=subject).configure_cert(context)
    return context


def alert_at_client(connection):
    """Read until the far end says why: the alert, by the name OpenSSL gives it."""
    connection.sendall(OPTIONS)
    with pytest.raises(ssl.SSLError) as caught:
        connection.recv(4096)
    return caught.value.reason


@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_is_told_with_version_cipher_and_name(lab, version):
    with lab.tls(lab.context(**only(version))) as client:
        told = lab.core.next("connected")
        assert told.peer.tls.version == client.version()
        assert told.peer.tls.cipher == client.cipher()[0]
        assert told.peer.tls.server_name == "localhost"
        assert told.peer.tls.client_certificate is None
        assert (told.peer.host, told.peer.port) == client.getsockname()
        assert (told.peer.local_host, told.peer.local_port) == client.getpeername()
        assert told.peer.listener == "default"
        assert not told.peer.dialled


def test_octets_go_both_ways(lab):
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"SIP/2.0 "), Send(connection, b"200 OK\r\n")]
    with lab.tls() as client:
        client.sendall(OPTIONS)
        assert client.recv(100) == b"SIP/2.0 200 OK\r\n"
    assert lab.core.next("connected").connection == lab.core.next("receive").connection


def test_an_address_as_server_name_is_accepted_and_told(lab):
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client = SSL.Connection(context, lab.tcp())
    client.set_tlsext_host_name(b"127.0.0.1")
    client.set_connect_state()
    client.setblocking(True)
    client.do_handshake()
    assert lab.core.next("connected").peer.tls.server_name == "127.0.0.1"
    client.close()


def test_no_server_name_is_accepted(lab):
    with lab.tls(name="127.0.0.1"):  # Python sends no SNI for an address
        assert lab.core.next("connected").peer.tls.server_name is None


def test_protocol_names_of_alpn_are_ignored(lab):
    context = lab.context()
    context.set_alpn_protocols(["sip", "h2"])
    with lab.tls(context) as client:
        assert client.selected_alpn_protocol() is None
        lab.core.next("connected")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(("version", "name"), [(ssl.TLSVersion.TLSv1, "TLSv1"), (ssl.TLSVersion.TLSv1_1, "TLSv1.1")])
def test_an_old_version_is_refused_with_the_alert_protocol_version(lab, version, name):
    context = lab.context(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        lab.tls(context)
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.OLD_VERSION
    assert (failure.alert, failure.alert_from_peer, failure.version) == ("protocol_version", False, name)


def test_the_oldest_version_can_be_raised(make_lab):
    lab = make_lab(ServerTls(min_version="1.3"))
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        lab.tls(lab.context(**only(ssl.TLSVersion.TLSv1_2)))
    assert lab.core.refusal().version == "TLSv1.2"
    with lab.tls():
        lab.core.next("connected")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_certificate_is_refused_before_any_octet_of_sip_is_read(lab, partner_ca, version):
    context = with_certificate(lab.context(**only(version)), partner_ca)
    if version is ssl.TLSVersion.TLSv1_2:
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            lab.tls(context)
    else:  # in TLS 1.3 the client is done before the server has looked, and may send at once
        assert alert_at_client(lab.tls(context)) == "TLSV1_ALERT_UNKNOWN_CA"
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.CLIENT_CERTIFICATE
    assert "CN=sbc.partner.example" in failure.client_certificate
    assert "CN=sbc.partner.example" in failure.detail
    assert "switch it off" in failure.detail
    assert (failure.alert, failure.alert_from_peer) == ("unknown_ca", False)
    assert failure.server_name == "localhost"
    assert lab.core.silent()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_subject_is_that_of_the_leaf_when_the_client_sends_a_chain(lab, partner_ca, version):
    intermediate = partner_ca.create_child_ca()
    context = with_certificate(lab.context(**only(version)), intermediate, "leaf.partner.example")
    with pytest.raises(ssl.SSLError):
        lab.tls(context).recv(1)
    assert "CN=leaf.partner.example" in lab.core.refusal().client_certificate


@pytest.mark.parametrize("version", VERSIONS)
def test_a_self_signed_client_certificate_is_refused_the_same_way(lab, certificate_dir, tmp_path, version):
    shown = certificates.issue_flawed(certificate_dir, certificates.Flaw.SELF_SIGNED, ["self.example"])
    (tmp_path / "both.pem").write_bytes(shown.certificate_pem() + shown.key_pem())
    context = lab.context(**only(version))
    context.load_cert_chain(tmp_path / "both.pem")
    with pytest.raises(ssl.SSLError):
        lab.tls(context).recv(1)
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.CLIENT_CERTIFICATE
    assert "CN=self.example" in failure.client_certificate


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_certificate_can_be_reported_instead(make_lab, partner_ca, version):
    lab = make_lab(ServerTls(client_certificates=ClientCertificates.REPORT))
    with lab.tls(with_certificate(lab.context(**only(version)), partner_ca)) as client:
        client.sendall(OPTIONS)
        assert "CN=sbc.partner.example" in lab.core.next("connected").peer.tls.client_certificate
        assert lab.core.octets(len(OPTIONS)) == OPTIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_ignored_client_certificates_are_not_asked_for(make_lab, partner_ca, version):
    lab = make_lab(ServerTls(client_certificates=ClientCertificates.IGNORE))
    with lab.tls(with_certificate(lab.context(**only(version)), partner_ca)):
        assert lab.core.next("connected").peer.tls.client_certificate is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(("policy", "asked"), [("reject", True), ("report", True), ("ignore", False)])
def test_openssl_sees_a_request_for_its_certificate_unless_that_is_ignored(make_lab, policy, asked):
    lab = make_lab(ServerTls(client_certificates=ClientCertificates(policy)))
    host, port = lab.address
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", str(lab.ca), "-state", "-verify_return_error"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=True)
    assert (b"read server certificate request" in done.stderr) is asked
    assert b"Verify return code: 0 (ok)" in done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_can_be_resumed_although_certificates_are_asked_for(lab, version):
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"\r\n")]
    context = lab.context(**only(version))
    with lab.tls(context) as first:
        first.sendall(b"\r\n\r\n")
        first.recv(2)  # in TLS 1.3 the ticket comes with the first octets
        session = first.session
    with context.wrap_socket(lab.tcp(), server_hostname="localhost", session=session) as second:
        assert second.session_reused
        second.sendall(b"\r\n\r\n")
        assert second.recv(2) == b"\r\n"


def test_any_server_name_is_served_and_told(lab):
    with lab.tls(lab.context(check_hostname=False), "some.other.name"):
        assert lab.core.next("connected").peer.tls.server_name == "some.other.name"


def test_another_certificate_is_shown_from_the_next_connection_on(lab, certificate_dir):
    before = lab.tls()
    lab.core.next("connected")
    lab.run(lab.listener.use, certificates.issue_flawed(certificate_dir, certificates.Flaw.WRONG_NAME, []))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        lab.tls()
    lab.core.next("refused")
    before.sendall(OPTIONS)
    assert lab.core.octets(len(OPTIONS)) == OPTIONS
    before.close()


def test_responses_are_not_held_back_by_nagle(lab):
    """A second write must not wait for the acknowledgement of the first."""
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"x")]
    with lab.tls() as client:
        client.sendall(b"ping")
        client.recv(1)
        taps = list(lab.listener._taps.protocols)
        assert [tap.transport.getTcpNoDelay() for tap in taps] == [1]
        assert [tap.transport.getTcpKeepAlive() for tap in taps] == [1]


def test_a_listener_says_clearly_that_the_port_is_taken(lab):
    from sbc_sim.net.sip_tls import ListenError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ListenError, match=rf"cannot listen for SIP on 127.0.0.1 port {taken.getsockname()[1]}: Address already in use"):
            lab.run(lab.listener.listen, "127.0.0.1", taken.getsockname()[1])


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("far", ["127.0.0.1", "::1"])
def test_a_socket_for_both_families_tells_addresses_as_their_own_family_writes_them(make_lab, far):
    lab = make_lab()
    lab.run(lab.listener.stop)
    lab.run(lab.listener.listen, "[::]", 0)
    with socket.create_connection((far, lab.listener.port), timeout=10) as tcp:
        tcp.shutdown(socket.SHUT_WR)
        peer = lab.core.next("refused").peer
    assert (peer.host, peer.local_host) == (far, far)


def test_a_host_name_can_be_listened_on(make_lab):
    lab = make_lab()
    lab.run(lab.listener.stop)
    lab.run(lab.listener.listen, "localhost", 0)
    assert lab.listener.host in ("127.0.0.1", "::1")
    lab.tcp().close()
    lab.core.next("refused")
