"""Connections that are up: octets in any pieces, closing in every way, and bounds on peers that misbehave."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sbc_sim.calls.outputs import Close, Send
from sbc_sim.net.sip_connection import ConnectionLimits

MESSAGE = "OPTIONS sip:echo@sbc.example SIP/2.0\r\nSubject: zürich\r\n\r\n".encode()


def settled(condition, seconds=30.0):
    """Wait until `condition` holds."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.002)
    return condition()


def read_to_end(client):
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


class ByHand:
    """A TLS client whose records the test carries, so that it decides where TCP cuts them."""

    def __init__(self, lab, version=ssl.TLSVersion.TLSv1_2):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = lab.context(maximum_version=version).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.tcp = lab.tcp()
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._done():
            self.tcp.sendall(self.outgoing.read())
            self.incoming.write(self.tcp.recv(65536))

    def _done(self):
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def record(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    def goodbye(self):
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()


def test_octets_arrive_unchanged_however_they_are_cut(lab):
    with lab.tls() as client:
        lab.core.next("connected")
        for position in range(len(MESSAGE)):  # one TLS record for each octet, also inside CRLFCRLF and inside the letter u umlaut
            client.sendall(MESSAGE[position : position + 1])
        assert lab.core.octets(len(MESSAGE)) == MESSAGE
        client.sendall(MESSAGE * 3)
        assert lab.core.octets(3 * len(MESSAGE)) == MESSAGE * 3


def test_a_record_cut_into_tcp_segments_arrives_whole(lab):
    client = ByHand(lab)
    record = client.record(MESSAGE)
    for position in range(len(record)):
        client.tcp.sendall(record[position : position + 1])
    lab.core.next("connected")
    assert lab.core.octets(len(MESSAGE)) == MESSAGE
    client.tcp.close()


def test_a_message_larger_than_a_tls_record_is_sent_and_received_whole(lab):
    large = bytes(range(256)) * 1024
    with lab.tls() as client:
        lab.core.next("connected")
        got = bytearray()
        lab.core.on_receive = lambda connection, data, now: got.extend(data) or [Send(connection, data)]  # type: ignore[func-returns-value]
        client.sendall(large)
        answer = b""
        while len(answer) < len(large):
            answer += client.recv(65536)
        assert answer == large == bytes(got)


def test_what_one_answer_holds_goes_out_in_one_record(lab):
    lab.core.on_receive = lambda connection, data, now: [
        Send(connection, b"a" * 10),
        Send(connection, b"b" * 10),
        Send(connection, b"c" * 10),
    ]
    with lab.tls() as client:
        client.sendall(b"ping")
        assert client.recv(65536) == b"a" * 10 + b"b" * 10 + b"c" * 10


def test_closing_sends_what_was_written_first_and_then_says_goodbye(lab):
    lab.core.on_receive = lambda connection, data, now: [
        Send(connection, b"400 Bad"),
        Close(connection, "no end of message"),
        Send(connection, b"late"),
    ]
    with lab.tls() as client:
        client.sendall(b"x")
        assert read_to_end(client) == b"400 Bad"  # ends by close_notify: a bare FIN would raise
        client.unwrap()
    lab.core.next("connected")
    lab.core.next("receive")
    assert lab.core.next("lost").why == "no end of message"


def test_nothing_is_delivered_after_the_core_has_closed(lab):
    lab.core.on_receive = lambda connection, data, now: [Close(connection, "enough")]
    with lab.tls() as client:
        client.sendall(b"first")
        assert client.recv(10) == b""
        client.sendall(b"second")
        client.unwrap()
    assert [lab.core.next().what for _ in range(3)] == ["connected", "receive", "lost"]
    assert lab.core.silent()


def test_a_peer_that_never_answers_our_close_is_dropped(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), close_seconds=0.2))
    lab.core.on_receive = lambda connection, data, now: [Close(connection, "enough")]
    with lab.tls() as client:
        client.sendall(b"x")
        lab.core.next("connected")
        lab.core.next("receive")
        assert lab.core.next("lost").why == "enough"


def test_an_abort_resets_the_connection(lab):
    lab.core.on_receive = lambda connection, data, now: [Close(connection, "fault", abort=True)]
    client = ByHand(lab)
    client.tcp.sendall(client.record(b"x"))
    with pytest.raises(ConnectionResetError):
        client.tcp.recv(100)
    client.tcp.close()
    lab.core.next("connected")
    lab.core.next("receive")
    assert lab.core.next("lost").why == "fault"


@pytest.mark.parametrize(
    ("leave", "why"),
    [
        ("close_notify", "closed by the peer"),
        ("fin", "closed by the peer without TLS close_notify"),
        ("rst", "reset"),
    ],
)
def test_the_way_a_peer_leaves_is_told(lab, leave, why):
    client = lab.tls()
    lab.core.next("connected")
    if leave == "close_notify":
        client.unwrap()
    elif leave == "rst":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    else:  # to close with octets unread would send RST
        client.shutdown(socket.SHUT_WR)
    assert lab.core.next("lost").why == why
    client.close()


@pytest.mark.parametrize("polite", [True, False])
def test_octets_that_come_with_the_end_are_still_delivered_and_answered(lab, polite):
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"200 OK")]
    client = ByHand(lab)
    client.tcp.sendall(client.record(b"x") + (client.goodbye() if polite else b""))
    client.tcp.shutdown(socket.SHUT_WR)
    while piece := client.tcp.recv(65536):
        client.incoming.write(piece)
    assert client.tls.read(100) == b"200 OK"
    client.tcp.close()


def test_an_idle_connection_is_closed_but_not_one_that_is_needed(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), idle_seconds=600.0), steered=True)
    lab.core.used = True
    with lab.tls() as client:
        lab.core.next("connected")
        lab.advance(1900)
        assert lab.core.silent()
        lab.core.used = False
        lab.advance(600)
        assert client.recv(10) == b""
        client.unwrap()
        assert lab.core.next("lost").why == "idle for 600 s"


def test_traffic_either_way_keeps_a_connection(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), idle_seconds=600.0), steered=True)
    with lab.tls() as client:
        number = lab.core.next("connected").connection
        lab.advance(400)
        client.sendall(b"ab")
        assert lab.core.octets(2) == b"ab"
        lab.advance(400)
        lab.run(lab.shell.ask, lambda now: [Send(number, b"cd")])
        assert client.recv(2) == b"cd"
        lab.advance(599)
        assert lab.core.silent()
        lab.advance(2)
        assert client.recv(2) == b""
        client.unwrap()


def test_a_message_that_is_not_complete_in_time_closes_the_connection(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), message_seconds=30.0), steered=True)
    lab.core.unfinished = 1234.5
    with lab.tls() as client:
        lab.core.next("connected")
        for octet in b"INVITE":  # a slow loris: an octet now and then
            client.sendall(bytes([octet]))
            lab.core.octets(1)
            lab.advance(5)
        assert client.recv(10) == b""
        client.unwrap()
        assert lab.core.next("lost").why == "a message was not complete after 30 s"


def test_the_time_for_a_message_begins_anew_with_the_next(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), message_seconds=30.0), steered=True)
    with lab.tls() as client:
        lab.core.next("connected")
        for unfinished in (1.0, 2.0, None):
            lab.core.unfinished = unfinished
            client.sendall(b"x")
            lab.core.octets(1)
            lab.advance(20)
        lab.advance(100)
        assert lab.core.silent()
        client.sendall(b"more")
        assert lab.core.octets(4) == b"more"


def test_a_peer_that_never_reads_is_dropped_by_amount(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), unsent_octets=300_000))
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"z" * 200_000)]
    with lab.tls() as client, lab.tls() as other:
        client.settimeout(0.5)
        with pytest.raises(OSError):  # noqa: PT012 - reset or broken pipe, in any of the writes
            for _ in range(400):
                client.sendall(b"more")
                time.sleep(0.002)
            pytest.fail("nothing stopped it")
        other.sendall(b"ping")
        assert other.recv(1) == b"z"
    whys = []
    while len(whys) < 2:
        told = lab.core.next()
        if told.what == "lost":
            whys.append(told.why)
    assert "the peer does not read: more than 300000 octets wait for it" in whys


def test_a_peer_that_never_reads_is_dropped_after_a_time(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), unsent_seconds=0.3, unsent_octets=1 << 28))
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"z" * 20_000_000)]
    with lab.tls() as client:
        client.sendall(b"go")
        lab.core.next("connected")
        lab.core.next("receive")
        assert lab.core.next("lost").why == "the peer does not read: octets wait for 0.3 s"


def test_a_slow_reader_within_bounds_is_left_alone(make_lab):
    lab = make_lab(limits=replace(ConnectionLimits(), unsent_octets=1 << 24))
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"z" * 8_000_000)]
    with lab.tls() as client:
        client.sendall(b"go")
        time.sleep(0.2)
        got = 0
        while got < 8_000_000:
            got += len(client.recv(65536))
        client.sendall(b"again")
        lab.core.next("connected")
        assert lab.core.next("receive").data == b"go"
        assert lab.core.next("receive").data == b"again"


def test_two_hundred_connections_live_side_by_side(lab):
    lab.core.on_receive = lambda connection, data, now: [Send(connection, data[::-1])]
    context = lab.context()

    def visit(number):
        text = f"connection {number}".encode()
        client = lab.tls(context)
        client.sendall(text)
        return client, client.recv(100) == text[::-1]

    with ThreadPoolExecutor(20) as pool:
        visits = list(pool.map(visit, range(200)))
    assert all(good for _, good in visits)
    assert lab.run(lambda: lab.shell.connections) == 200
    for client, _ in visits:
        client.close()
    assert settled(lambda: lab.run(lambda: (lab.shell.connections, lab.listener.sockets)) == (0, 0))


def test_nothing_of_a_connection_is_kept_when_it_is_gone(lab):
    for _ in range(3):
        lab.tls().close()
        lab.tcp().close()
    assert settled(lambda: lab.run(lambda: lab.listener.sockets) == 0)
    assert not lab.listener._taps.protocols
    assert not lab.listener._taps._tls.protocols
    assert not lab.shell._connections


def test_ciphertext_can_be_seen_as_it_passes(make_lab):
    seen = []
    lab = make_lab(ciphertext=lambda number, from_peer, data: seen.append((number, from_peer, data)))
    lab.core.on_receive = lambda connection, data, now: [Send(connection, b"pong")]
    with lab.tls() as client:
        client.sendall(b"ping")
        client.recv(4)
    number = lab.core.next("connected").connection
    assert {entry[0] for entry in seen} == {number}
    assert settled(lambda: seen[-1] == (number, True, b"")), "the end is told too"
    assert seen[0][1]
    assert seen[0][2].startswith(b"\x16\x03\x01")
    assert any(not from_peer and data.startswith(b"\x16\x03\x03") for _, from_peer, data in seen)
    assert not any(b"ping" in data or b"pong" in data for _, _, data in seen)
