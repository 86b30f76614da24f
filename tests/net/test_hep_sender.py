"""Copies for a Homer server on real sockets: order, a server that is away, one that is slow, and what no datagram can hold."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sipdoctor import hep as receiver
from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread

from sbc_sim.exports.hep import Agent, HepCopies
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.net import hep_sender
from sbc_sim.net.hep_sender import HepSender

reactor: Any = _reactor
WAIT = 10.0
AT = 1_700_000_000.0


def opened() -> Entry:
    ends = {"host": "192.0.2.1", "port": 40001, "localHost": "192.0.2.5", "localPort": 5061, "listener": "default", "dialled": False}
    return Entry(AT, Kind.CONNECTION_OPENED, None, {"connection": 1, "peer": ends, "tls": None})


def message(raw: bytes) -> Entry:
    return Entry(AT, Kind.MESSAGE, "call-1", {"connection": 1, "direction": "in", "sipCallId": "abc"}, raw)


class Running:
    """A sender whose methods are called in the reactor's thread."""

    def __init__(self, sender: HepSender) -> None:
        self.sender = sender

    def hear(self, *entries: Entry) -> None:
        blockingCallFromThread(reactor, lambda: [self.sender.hear(entry) for entry in entries])

    def until(self, holds: Callable[[HepSender], bool]) -> None:
        until = time.monotonic() + WAIT
        while not blockingCallFromThread(reactor, holds, self.sender):
            assert time.monotonic() < until, self.sender.counts
            time.sleep(0.005)


@pytest.fixture
def sending(reactor_thread: None, faults: list[dict[str, Any]]) -> Iterator[Callable[..., Running]]:
    made: list[HepSender] = []

    def start(host: str, port: int, transport: str, hide: Callable[[bytes], bytes] = lambda raw: raw) -> Running:
        sender = HepSender(reactor, HepCopies(Agent(1), hide), host, port, transport)
        made.append(sender)
        blockingCallFromThread(reactor, sender.start)
        running = Running(sender)
        running.hear(opened())
        return running

    yield start
    for sender in made:
        blockingCallFromThread(reactor, sender.stop)


def datagrams(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((host, port))
    server.settimeout(WAIT)
    return server


def payload(packet: bytes) -> bytes:
    read = receiver.decode(packet)
    assert read is not None
    return read.payload


def stream_packets(line: socket.socket) -> Iterator[bytes]:
    """Cut a TCP stream by the lengths that the packets carry."""
    with line.makefile("rb") as file:
        while head := file.read(6):
            yield head + file.read(struct.unpack("!H", head[4:])[0] - 6)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_udp_copies_arrive_in_the_order_of_the_messages(sending, host):
    with closing(datagrams(host)) as server:
        running = sending(host, server.getsockname()[1], "udp")
        running.hear(*(message(b"MESSAGE %d" % number) for number in range(120)))
        assert [payload(server.recv(65536)) for _ in range(120)] == [b"MESSAGE %d" % number for number in range(120)]
        running.until(lambda sender: sender.counts["sent"] == 120 and sender.waiting == 0)


def test_a_udp_server_that_is_away_costs_nothing_and_is_served_when_it_is_back(sending):
    with closing(datagrams()) as gone:
        port = gone.getsockname()[1]
    running = sending("127.0.0.1", port, "udp")
    for number in range(3):
        running.hear(message(b"LOST %d" % number))
        running.until(lambda sender: sender.waiting == 0)
    with closing(datagrams(port=port)) as server:
        running.hear(message(b"HERE"))
        assert payload(server.recv(65536)) == b"HERE", "the refusal of an earlier datagram does not swallow this one"


def test_a_message_that_fits_no_datagram_is_counted_and_the_next_one_is_sent(sending):
    with closing(datagrams()) as server:
        running = sending("127.0.0.1", server.getsockname()[1], "udp")
        running.hear(message(b"x" * 65_450), message(b"y" * 70_000), message(b"NEXT"))
        assert payload(server.recv(65536)) == b"NEXT"
        running.until(lambda sender: sender.counts == {"sent": 1, "dropped": 0, "too_large": 2, "failed": 0})


def test_tcp_carries_what_no_datagram_can(sending):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        running = sending("127.0.0.1", server.getsockname()[1], "tcp")
        running.hear(message(b"x" * 65_400), message(b"NEXT"))
        with closing(server.accept()[0]) as line:
            line.settimeout(WAIT)
            packets = stream_packets(line)
            assert [len(payload(next(packets))), payload(next(packets))] == [65_400, b"NEXT"]


def test_copies_wait_for_a_tcp_server_that_comes_later_and_for_one_that_comes_back(sending, monkeypatch):
    monkeypatch.setattr(hep_sender, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(hep_sender, "LONGEST_PAUSE", 0.05)
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    running = sending("127.0.0.1", port, "tcp")
    running.hear(message(b"EARLY"))
    for words in (b"EARLY", b"AGAIN"):
        with closing(socket.create_server(("127.0.0.1", port))) as server:
            server.settimeout(WAIT)
            with closing(server.accept()[0]) as line:
                line.settimeout(WAIT)
                assert payload(next(stream_packets(line))) == words
        running.until(lambda sender: not sender._line.ready)
        running.hear(message(b"AGAIN"))


def test_a_tcp_server_that_does_not_read_fills_a_bounded_queue_and_the_oldest_go(sending, monkeypatch):
    monkeypatch.setattr(hep_sender, "MOST_OCTETS", 1_000_000)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        running = sending("127.0.0.1", server.getsockname()[1], "tcp")
        with closing(server.accept()[0]) as line:
            line.settimeout(WAIT)
            for _ in range(40):
                running.hear(*(message(b"x" * 60_000) for _ in range(10)))
            running.hear(message(b"LAST"))
            running.until(lambda sender: not sender._entries and not sender._copying)
            counts, waiting = dict(running.sender.counts), running.sender.waiting
            assert counts["dropped"] > 0
            assert waiting * 60_000 < 1_100_000
            assert counts["sent"] + counts["dropped"] + waiting == 401
            packets = stream_packets(line)
            got = [payload(next(packets)) for _ in range(counts["sent"] + waiting)]
            assert got[-1] == b"LAST"
            assert len(got) == 401 - counts["dropped"]


def test_a_redaction_that_fails_costs_one_copy_and_says_so(sending, faults):
    def hide(raw: bytes) -> bytes:
        if raw == b"BAD":
            raise ValueError("a fault")
        return raw

    with closing(datagrams()) as server:
        running = sending("127.0.0.1", server.getsockname()[1], "udp", hide)
        running.hear(message(b"BAD"), message(b"GOOD"))
        assert payload(server.recv(65536)) == b"GOOD"
    assert len(faults) == 1
    faults.clear()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_was_heard_before_the_end_is_still_sent(reactor_thread, transport):
    with closing(datagrams() if transport == "udp" else socket.create_server(("127.0.0.1", 0))) as server:
        sender = HepSender(reactor, HepCopies(Agent(1), lambda raw: raw), "127.0.0.1", server.getsockname()[1], transport)
        blockingCallFromThread(reactor, sender.start)
        Running(sender).until(lambda sender: sender._line.ready)

        def hear_and_stop() -> Any:
            sender.hear(opened())
            for number in range(200):
                sender.hear(message(b"%d" % number))
            return sender.stop()

        blockingCallFromThread(reactor, hear_and_stop)
        if transport == "udp":
            got = [payload(server.recv(65536)) for _ in range(200)]
        else:
            with closing(server.accept()[0]) as line:
                line.settimeout(WAIT)
                got = [payload(packet) for packet in stream_packets(line)]
    assert got == [b"%d" % number for number in range(200)]


def test_stopping_without_a_server_ends_the_attempts(reactor_thread):
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    sender = HepSender(reactor, HepCopies(Agent(1), lambda raw: raw), "127.0.0.1", port, "tcp")
    blockingCallFromThread(reactor, sender.start)
    Running(sender).hear(opened(), message(b"NEVER"))
    blockingCallFromThread(reactor, sender.stop)
    assert sender.counts["dropped"] == 1
    assert sender.waiting == 0


def test_a_socket_that_is_full_is_tried_again_in_order_and_says_nothing_against_the_server(sending):
    """A pair of local sockets: unlike the loopback it has real limits."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    theirs.settimeout(WAIT)
    with closing(datagrams()) as server, closing(theirs):
        running = sending("127.0.0.1", server.getsockname()[1], "udp")

        def swap() -> None:
            line = running.sender._line
            line._socket.close()
            line._socket = ours

        blockingCallFromThread(reactor, swap)
        running.hear(*(message(b"%d" % number + b"x" * 20_000) for number in range(300)))
        running.until(lambda sender: sender._line._again is not None)
        assert [int(payload(theirs.recv(65536)).rstrip(b"x")) for _ in range(300)] == list(range(300))
        running.until(lambda sender: sender.waiting == 0)
        assert running.sender.counts == {"sent": 300, "dropped": 0, "too_large": 0, "failed": 0}
        assert running.sender._trouble == ""


def test_copies_are_made_beside_the_reactor_which_goes_on_while_one_takes_long(sending):
    """The copy waits for something that the reactor does after it: in the reactor's thread it would wait for ever."""
    goes_on = threading.Event()
    threads: list[int] = []

    def hide(raw: bytes) -> bytes:
        assert goes_on.wait(WAIT)
        threads.append(threading.get_ident())
        return raw

    with closing(datagrams()) as server:
        running = sending("127.0.0.1", server.getsockname()[1], "udp", hide)
        running.hear(*(message(b"%d" % number) for number in range(120)))
        running.until(lambda sender: sender._copying > 0)
        blockingCallFromThread(reactor, goes_on.set)
        assert [payload(server.recv(65536)) for _ in range(120)] == [b"%d" % number for number in range(120)]
        assert len(set(threads)) == 1


def test_the_end_does_not_wait_for_a_copy_that_takes_for_ever(reactor_thread, monkeypatch):
    monkeypatch.setattr(hep_sender, "COPYING_PATIENCE", 0.05)
    goes_on = threading.Event()

    def hide(raw: bytes) -> bytes:
        goes_on.wait(WAIT)
        return raw

    with closing(datagrams()) as server:
        sender = HepSender(reactor, HepCopies(Agent(1), hide), "127.0.0.1", server.getsockname()[1], "udp")
        blockingCallFromThread(reactor, sender.start)
        Running(sender).hear(opened(), *(message(b"%d" % number) for number in range(120)))
        blockingCallFromThread(reactor, sender.stop)
        assert (sender.counts["sent"], sender.waiting) == (0, 0)
        assert sender.counts["dropped"] == 121, "the opening of the connection waited with them"
        goes_on.set()
