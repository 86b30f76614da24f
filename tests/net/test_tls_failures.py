"""Attempts that never became a SIP connection: each is told with its problem, its alert and a sentence."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone

from sbc_sim.net import certificates
from sbc_sim.net.sip_connection import ConnectionLimits
from sbc_sim.net.tls_contexts import FIRST_OCTETS, Handshake, ServerTls
from sbc_sim.net.tls_failures import ALERTS, alert_name, clear_text, failure_of, unclear
from sbc_sim.sip.peer import TlsProblem

INVITE = b"INVITE sip:echo@sbc.example SIP/2.0\r\nVia: SIP/2.0/TCP a.example\r\n\r\n"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def read_all(connection):
    """What the far end sent until it closed, or reset."""
    data = b""
    try:
        while piece := connection.recv(4096):
            data += piece
    except ConnectionResetError:
        pass
    return data


def client_hello(lab):
    """The first flight of a real client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = lab.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def half_close(connection):
    """Send FIN; to close with octets unread would send RST."""
    connection.shutdown(socket.SHUT_WR)


def reset(connection):
    """Close so that the kernel sends RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        INVITE,
        b"OPTIONS sips:a@b SIP/2.0\r\n",
        b"SIP/2.0 200 OK\r\nVia: x\r\n",
        b"\r\n\r\n" + INVITE,
        b"FOO tel:+1 SIP/2.0\r\n",
        INVITE[:30] * 4,
    ],
)
def test_sip_in_clear_text_is_told_as_such_and_gets_no_answer(lab, sent):
    with lab.tcp() as client:
        client.sendall(sent)
        assert read_all(client) == b""
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.PLAIN_SIP
    assert "set the transport to TLS" in failure.detail
    assert failure.first_bytes == sent[:64]
    assert failure.alert is None


def test_sip_in_clear_text_is_known_when_it_comes_octet_by_octet(lab):
    with lab.tcp() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in INVITE[:40]:
            try:
                client.sendall(bytes([octet]))
            except ConnectionError:
                break
        read_all(client)
    assert lab.core.refusal().problem is TlsProblem.PLAIN_SIP


def test_a_keep_alive_in_clear_text_is_plain_sip(lab):
    with lab.tcp() as client:
        client.sendall(b"\r\n\r\n")
        assert read_all(client) == b""
    assert lab.core.refusal().problem is TlsProblem.PLAIN_SIP


def test_clear_text_is_told_also_when_the_peer_closes_first(lab):
    with lab.tcp() as client:
        client.sendall(b"INVITE sip:a")
    assert lab.core.refusal().problem is TlsProblem.PLAIN_SIP


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
        (b"OPTIONS / HTTP/1.1\r\n", "HTTP"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 5061 5061\r\n", "PROXY protocol"),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", "PROXY protocol"),
        (b"SSH-2.0-x\r\n", "SSH"),
        (b"\x00" * 64, "octets"),
        (b"\x16\x02\x00" + b"\x00" * 64, "octets"),
        (b"hello there\n", "clear text"),
    ],
)
def test_other_octets_are_told_as_not_tls(lab, sent, named):
    with lab.tcp() as client:
        client.sendall(sent)
        assert read_all(client) == b""
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.NOT_TLS
    assert named in failure.detail
    assert failure.first_bytes == sent[:64]


def test_a_hello_of_ssl_2_is_an_old_version(lab):
    with lab.tcp() as client:
        client.sendall(b"\x80\x2e\x01\x00\x02" + b"\x00" * 60)
        read_all(client)
    failure = lab.core.refusal()
    assert (failure.problem, failure.version) == (TlsProblem.OLD_VERSION, "SSLv2")


def test_clear_text_without_an_end_does_not_hold_the_connection(lab):
    """The tap looks at 64 octets and then throws away; the peer may not keep it busy for ever."""
    with lab.tcp() as client, pytest.raises(OSError):  # noqa: PT012 - any of the calls may be the one that fails
        while True:
            client.sendall(b"x" * 65536)
    assert lab.core.refusal().problem is TlsProblem.NOT_TLS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_peer_that_lacks_our_ca_is_told_as_unknown_ca(lab, version):
    context = ssl.create_default_context(cafile=None)
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLCertVerificationError):
        lab.tls(context)
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.UNKNOWN_CA
    assert (failure.alert, failure.alert_from_peer) == ("unknown_ca", True)
    assert "import the CA" in failure.detail


@pytest.mark.parametrize(
    ("flaw", "alert", "problem"),
    [
        (certificates.Flaw.EXPIRED, "certificate_expired", TlsProblem.BAD_CERTIFICATE),
        (certificates.Flaw.WRONG_NAME, "bad_certificate", TlsProblem.BAD_CERTIFICATE),
        (certificates.Flaw.SELF_SIGNED, "unknown_ca", TlsProblem.UNKNOWN_CA),
        (certificates.Flaw.MISSING_INTERMEDIATE, "unknown_ca", TlsProblem.UNKNOWN_CA),
    ],
)
def test_each_flawed_certificate_is_refused_by_a_careful_peer_with_its_alert(make_lab, certificate_dir, flaw, alert, problem):
    lab = make_lab(credentials=certificates.issue_flawed(certificate_dir, flaw, []))
    with pytest.raises(ssl.SSLCertVerificationError):
        lab.tls()
    failure = lab.core.refusal()
    assert (failure.problem, failure.alert, failure.alert_from_peer) == (problem, alert, True)


def test_a_peer_without_a_usable_cipher_is_told_as_such(lab):
    context = lab.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")  # our key is RSA
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        lab.tls(context)
    failure = lab.core.refusal()
    assert (failure.problem, failure.alert, failure.alert_from_peer) == (TlsProblem.NO_COMMON_CIPHER, "handshake_failure", False)
    assert "no shared cipher" in failure.detail


def test_a_tcp_health_check_is_told_as_closed_early(lab):
    lab.tcp().close()
    failure = lab.core.refusal()
    assert (failure.problem, failure.first_bytes) == (TlsProblem.CLOSED_EARLY, b"")
    assert "without sending anything" in failure.detail


@pytest.mark.parametrize("finish", [half_close, reset])
def test_a_peer_that_leaves_in_the_middle_of_the_handshake_is_told_as_closed_early(lab, finish):
    client = lab.tcp()
    client.sendall(client_hello(lab))
    client.recv(1)  # our answer is there, so the hello was read
    finish(client)
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.CLOSED_EARLY
    assert failure.alert is None
    assert failure.server_name == "localhost"
    assert ("reset" in failure.detail) is (finish is reset)
    with lab.tls():
        lab.core.next("connected")


def test_a_broken_record_ends_the_handshake_and_nothing_else(lab):
    with lab.tls() as good:
        lab.core.next("connected")
        with lab.tcp() as client:
            client.sendall(b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff")
            read_all(client)
        failure = lab.core.refusal()
        assert failure.problem is TlsProblem.OTHER
        assert failure.alert is not None
        assert not failure.alert_from_peer
        good.sendall(b"still here")
        assert lab.core.octets(10) == b"still here"


@pytest.mark.parametrize("sent", [b"", b"\x16\x03"])
def test_a_handshake_that_takes_too_long_is_dropped(make_lab, sent):
    lab = make_lab(limits=replace(ConnectionLimits(), handshake_seconds=0.3))
    with lab.tcp() as client:
        client.sendall(sent)
        read_all(client)
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.HANDSHAKE_TIMEOUT
    assert "0.3 s" in failure.detail
    assert ("nothing was received" in failure.detail) is (not sent)


def test_a_connection_too_many_is_turned_away_and_the_others_stay(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), connections=2))
    clients = [lab.tls() for _ in range(2)]
    for _ in clients:
        lab.core.next("connected")
    with lab.tcp() as third:
        assert read_all(third) == b""
    failure = lab.core.refusal()
    assert failure.problem is TlsProblem.TOO_MANY
    clients[0].sendall(b"still here")
    assert lab.core.octets(10) == b"still here"
    clients.pop().unwrap().close()
    assert lab.core.next("lost").why == "closed by the peer"
    until = time.monotonic() + 5
    while lab.run(lambda: lab.listener.sockets) > 1 and time.monotonic() < until:
        time.sleep(0.005)
    with lab.tls():
        lab.core.next("connected")
    clients[0].close()


@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_any_first_octets_get_a_sentence(octets, dialled):
    failure = clear_text(octets, dialled=dialled)
    assert failure.detail.endswith((".", "TLS", "2.0"))
    assert failure.first_bytes == octets[:FIRST_OCTETS]
    assert isinstance(unclear(octets, dialled=dialled), bool)


@given(st.integers(0, 255), st.booleans(), st.booleans(), st.binary(max_size=64))
def test_any_alert_has_a_meaning(alert, from_peer, dialled, first):
    handshake = Handshake(dialled=dialled, alert=alert, alert_from_peer=from_peer, first_bytes=first)
    failure = failure_of(handshake, ConnectionDone())
    assert failure.alert == alert_name(alert) == ALERTS.get(alert, f"alert_{alert}")
    assert failure.alert_from_peer is from_peer
    assert failure.detail


@pytest.mark.parametrize(
    ("dialled", "words"), [(True, "without answering our ClientHello"), (False, "as port scans and TCP health checks do")]
)
def test_an_end_without_an_octet_is_told_by_who_dialled(dialled, words):
    assert words in failure_of(Handshake(dialled=dialled), ConnectionDone()).detail


def test_attempts_keep_their_listener_name(make_lab):
    lab = make_lab(ServerTls(), name="frankfurt")
    lab.tcp().close()
    assert lab.core.next("refused").peer.listener == "frankfurt"


def spliced(hello, position, junk, keep):
    """A real hello with junk in it."""
    position %= len(hello)
    return hello[:position] + junk + (hello[position + len(junk) :] if keep else b"")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 2000), junk=st.binary(max_size=300), keep=st.booleans(), split=st.integers(1, 400))
def test_no_octets_before_the_handshake_do_more_than_end_it(lab, position, junk, keep, split):
    """Each attempt is told exactly once; the fixture fails the test for any traceback."""
    sent = spliced(client_hello(lab), position, junk, keep)
    with lab.tcp() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            client.sendall(sent[:split])
            client.sendall(sent[split:])
            client.shutdown(socket.SHUT_WR)
        read_all(client)
    failure = lab.core.refusal()
    assert failure.first_bytes == sent[: len(failure.first_bytes)]
    assert len(failure.first_bytes) <= 64
    assert lab.core.silent()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(min_size=1, max_size=300))
def test_no_octets_after_the_handshake_do_more_than_end_the_connection(lab, junk):
    client = lab.tls(lab.context(maximum_version=ssl.TLSVersion.TLSv1_2))
    lab.core.next("connected")
    with socket.socket(fileno=client.detach()) as tcp:
        tcp.settimeout(10)
        with contextlib.suppress(ConnectionError):
            tcp.sendall(junk)
            tcp.shutdown(socket.SHUT_WR)
        read_all(tcp)
    assert lab.core.next("lost").why
    assert lab.core.silent()
