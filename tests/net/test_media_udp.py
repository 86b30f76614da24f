"""The media plane on real sockets, with real SRTP, driven by the real reactor; only its clock can be set forward."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread

from sbc_sim.net.media_ports import MEASURE_EVERY, _age, parse_ports
from sbc_sim.net.media_udp import MOST_REPORTS, MediaPlane
from sbc_sim.rtp import rtcp
from sbc_sim.rtp.audio import PCMU_SILENCE, tone
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import Direction, LegReport, MediaAddress, MediaConduct, Prompt
from sbc_sim.rtp.legs import make_leg
from sbc_sim.rtp.packet import RtpPacket
from sbc_sim.rtp.play import PlayLeg
from sbc_sim.rtp.reception import Heard
from tests.support.srtp_peer import Peer

reactor: Any = _reactor
WAIT = 10.0
HOST = "127.0.0.1"


class Plane:
    """A media plane whose methods are called in the reactor's thread."""

    def __init__(self, ports: str = "0", mode: str = "ports", host: str = HOST, **options: Any) -> None:
        self.ahead = 0.0
        self.plane = MediaPlane(reactor, host, host, ports, mode, clock=lambda: time.time() + self.ahead, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments: blockingCallFromThread(reactor, getattr(self.plane, name), *arguments)

    def opened(self, call: str = "call-1") -> MediaAddress:
        address: MediaAddress | None = self.open(call)
        assert address is not None
        return address

    def stopped(self, call: str) -> None:
        self.stop(call, time.time())

    def wait_for(self, call: str, condition: Callable[[LegReport], bool]) -> LegReport:
        """Ask for the report until it is as it should be."""
        until = time.monotonic() + WAIT
        while True:
            report: LegReport = self.report(call)
            if condition(report):
                return report
            assert time.monotonic() < until, report
            time.sleep(0.005)


class Phone:
    """A peer with real sockets: RTP on one, RTCP on another."""

    def __init__(self, host: str = HOST) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.rtp, self.rtcp = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        for udp in (self.rtp, self.rtcp):
            udp.bind((host, 0))
            udp.settimeout(WAIT)
        self.peer = Peer(source=self.rtp.getsockname()[:2])

    def described(self, call: str = "call-1", **changes: Any) -> Any:
        there = {"call": call, "remote": self.rtp.getsockname()[:2], "remote_rtcp": self.rtcp.getsockname()[:2]}
        return self.peer.description(**there | changes)

    def say(self, port: int, **options: Any) -> None:
        self.rtp.sendto(self.peer.packet(**options), (self.rtp.getsockname()[0], port))

    def hear(self) -> tuple[RtpPacket, int]:
        """The next packet that comes back, and from which port."""
        while True:
            datagram, source = self.rtp.recvfrom(2048)
            if not 192 <= datagram[1] < 224:
                return self.peer.open(datagram), source[1]

    def reports(self, udp: socket.socket) -> tuple[list[Any], int]:
        """The next compound RTCP packet on a socket, and from which port."""
        while True:
            datagram, source = udp.recvfrom(2048)
            if 192 <= datagram[1] < 224:
                clear = self.peer.receiver.open_rtcp(datagram)
                assert isinstance(clear, bytes)
                return rtcp.parse(clear) or [], source[1]

    def echoed(self, port: int, count: int = 1) -> list[bytes]:
        """Say so much, one after the other, and check that each comes back."""
        heard = []
        for _ in range(count):
            self.say(port)
            heard.append(self.hear()[0].payload)
        return heard

    def silent(self) -> bool:
        """True when nothing has come. To be asked after something else that was sent later has been answered."""
        self.rtp.setblocking(False)
        try:
            self.rtp.recv(2048)
        except BlockingIOError:
            return True
        finally:
            self.rtp.settimeout(WAIT)
        return False


@pytest.fixture
def make_plane(reactor_thread: None, faults: list[dict[str, Any]]) -> Iterator[Callable[..., Plane]]:
    planes: list[Plane] = []

    def make(*arguments: Any, **options: Any) -> Plane:
        plane = Plane(*arguments, **options)
        plane.listen()
        planes.append(plane)
        return plane

    yield make
    for plane in planes:
        plane.close_all(time.time())


@pytest.fixture
def make_phone() -> Iterator[Callable[..., Phone]]:
    with contextlib.ExitStack() as stack:

        def make(host: str = HOST) -> Phone:
            phone = Phone(host)
            stack.enter_context(phone.rtp)
            stack.enter_context(phone.rtcp)
            return phone

        yield make


@pytest.fixture
def plane(make_plane: Callable[..., Plane]) -> Plane:
    return make_plane()


@pytest.fixture
def phone(make_phone: Callable[..., Phone]) -> Phone:
    return make_phone()


def free_range(pairs: int) -> int:
    """An even port from which so many pairs were free a moment ago."""
    for start in range(20_000 + 2 * (threading.get_native_id() % 4000), 60_000, 2 * pairs):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(start, start + 2 * pairs):
                    stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((HOST, port))
            except OSError:
                continue
            return start
    raise AssertionError("no free ports")


# --- echo over the network -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ports", "mux"])
@pytest.mark.parametrize("gather", [True, False])
def test_what_a_phone_says_comes_back_octet_by_octet_from_the_port_it_was_sent_to(
    make_plane: Callable[..., Plane], phone: Phone, mode: str, gather: bool
) -> None:
    plane = make_plane("0", mode, gather=gather)
    address = plane.opened()
    plane.start(phone.described(), time.time())
    said = [bytes((n * 3 + i) % 256 for i in range(160)) for n in range(100)]
    for payload in said:
        phone.say(address.rtp_port, payload=payload)
    heard = [phone.hear() for _ in said]
    assert [packet.payload for packet, _ in heard] == said
    assert {port for _, port in heard} == {address.rtp_port}
    report = plane.report("call-1")
    assert (report.packets_received, report.echoed_packets, report.lost, report.send_errors) == (100, 100, 0, 0)
    assert report.remote == phone.peer.source


@pytest.mark.parametrize("mode", ["ports", "mux"])
def test_what_is_to_be_said_before_the_leg_begins_is_said_when_it_does(make_plane: Callable[..., Plane], phone: Phone, mode: str) -> None:
    plane = make_plane("0", mode, make_leg=make_leg)
    plane.opened()
    for name, octet in (("first", 1), ("newest", 2)):
        plane.say("call-1", Prompt(name, bytes([octet]) * 320), time.time())
    plane.start(phone.described(conduct=MediaConduct("agent")), time.time())
    assert [phone.hear()[0].payload for _ in range(2)] == [bytes([2]) * 160] * 2


def test_what_was_to_be_said_and_is_not_any_more_is_not_said(make_plane: Callable[..., Plane], phone: Phone) -> None:
    plane = make_plane(make_leg=make_leg)
    plane.opened()
    plane.say("call-1", Prompt("first", bytes([1]) * 160), time.time())
    plane.say("call-1", None, time.time())
    plane.start(phone.described(conduct=MediaConduct("agent")), time.time())
    assert phone.hear()[0].payload == bytes([PCMU_SILENCE]) * 160
    plane.say("nobody", Prompt("first", bytes([1]) * 160), time.time())


@pytest.mark.parametrize("calls", [20, 64])
def test_many_calls_at_once_each_hear_only_themselves(
    make_plane: Callable[..., Plane], make_phone: Callable[..., Phone], calls: int
) -> None:
    plane = make_plane()
    phones = [make_phone() for _ in range(calls)]
    ports = []
    for n, phone in enumerate(phones):
        ports.append(plane.opened(str(n)).rtp_port)
        plane.start(phone.described(str(n)), time.time())
    for _ in range(10):
        for n, phone in enumerate(phones):
            phone.say(ports[n], payload=bytes([n + 1]) * 160)
    for n, phone in enumerate(phones):
        assert {phone.hear()[0].payload for _ in range(10)} == {bytes([n + 1]) * 160}


def test_a_flood_on_one_port_does_not_keep_another_call_from_its_echo(plane: Plane, make_phone: Callable[..., Phone]) -> None:
    quiet, loud = make_phone(), make_phone()
    port, target = plane.opened("quiet").rtp_port, plane.opened("loud").rtp_port
    plane.start(quiet.described("quiet"), time.time())
    plane.start(loud.described("loud"), time.time())
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            loud.rtp.sendto(b"\x80" + bytes(181), (HOST, target))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        heard = 0
        while plane.report("loud").auth_failures < 500:
            heard += len(quiet.echoed(port, 10))
    finally:
        over.set()
        thread.join()
    assert plane.report("quiet").echoed_packets == heard >= 10


def test_with_latching_the_echo_goes_where_the_packets_come_from(plane: Plane, phone: Phone) -> None:
    port = plane.opened().rtp_port
    plane.start(phone.described(remote=(HOST, 9), latch=True), time.time())
    assert len(phone.echoed(port, 3)) == 3
    assert plane.report("call-1").remote == phone.peer.source


def test_a_change_reaches_the_leg_and_keeps_its_srtp_state(plane: Plane, phone: Phone) -> None:
    port = plane.opened().rtp_port
    plane.start(phone.described(), time.time())
    phone.echoed(port, 5)
    plane.start(phone.described(direction=Direction.RECVONLY), time.time())
    phone.say(port)
    plane.wait_for("call-1", lambda report: report.packets_received == 6)
    plane.start(phone.described(), time.time())
    assert len(phone.echoed(port, 5)) == 5
    assert (plane.report("call-1").echoed_packets, plane.report("call-1").auth_failures) == (10, 0)


@pytest.mark.parametrize("mode", ["ports", "mux"])
def test_over_ipv6_it_is_the_same(make_plane: Callable[..., Plane], make_phone: Callable[..., Phone], mode: str) -> None:
    try:
        phone = make_phone("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    plane = make_plane("0", mode, "::1")
    port = plane.opened().rtp_port
    plane.start(phone.described(), time.time())
    assert len(phone.echoed(port, 3)) == 3
    report = plane.report("call-1")
    assert (report.stray, report.remote) == (0, phone.peer.source)


@pytest.fixture
def stamps() -> Iterator[None]:
    """Have the system stamp datagrams as they arrive. It begins to do so a moment after the first socket that asks for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, 35, 1)
        udp.bind((HOST, 0))
        until = time.monotonic() + WAIT
        while True:
            udp.sendto(b"x", udp.getsockname())
            time.sleep(0.01)
            if _age(udp.recvmsg(10, 64)[1]) >= 0.01:
                break
            assert time.monotonic() < until
        yield


@pytest.mark.parametrize("mode", ["ports", "mux"])
def test_the_echo_delay_includes_the_time_that_a_packet_lay_in_the_socket(
    make_plane: Callable[..., Plane], phone: Phone, stamps: None, mode: str
) -> None:
    plane = make_plane("0", mode)
    port = plane.opened().rtp_port
    plane.start(phone.described(), time.time())
    phone.echoed(port, 1)
    assert plane.report("call-1").max_echo_delay_ms is not None
    for _ in range(2 * MEASURE_EVERY):
        say_while_busy(0.02, lambda: phone.say(port))
        phone.hear()
        if plane.report("call-1").max_echo_delay_ms >= 20:
            return
    pytest.fail(f"{plane.report('call-1').max_echo_delay_ms} ms")


def say_while_busy(seconds: float, say: Callable[[], object]) -> None:
    """Have the reactor busy with something else while something is sent, and for so long after it."""
    busy, said = threading.Event(), threading.Event()

    def be_busy() -> None:
        busy.set()
        said.wait(WAIT)
        time.sleep(seconds)

    reactor.callFromThread(be_busy)
    assert busy.wait(WAIT)
    say()
    said.set()


# --- ports -----------------------------------------------------------------------------------------------------------------


def test_a_call_gets_an_even_port_and_the_one_above_it_at_the_advertised_address(make_plane: Callable[..., Plane]) -> None:
    plane = make_plane()
    plane.plane._advertised = "192.0.2.77"
    for n in range(10):
        address = plane.opened(str(n))
        assert address.host == "192.0.2.77"
        assert address.rtp_port % 2 == 0
        assert address.rtcp_port == address.rtp_port + 1


def test_a_call_that_has_ports_keeps_them(plane: Plane) -> None:
    assert plane.opened() == plane.opened()
    assert plane.plane.ports_in_use == 2


def test_twenty_ports_are_ten_calls_and_the_eleventh_gets_none_until_one_ends(make_plane: Callable[..., Plane]) -> None:
    start = free_range(10)
    plane = make_plane(f"{start}-{start + 19}")
    ports = [plane.opened(str(n)).rtp_port for n in range(10)]
    assert ports == list(range(start, start + 20, 2))
    assert plane.open("one too many") is None
    assert (plane.plane.ports_in_use, plane.plane.ports_limit, plane.plane.ports) == (20, 20, (start, start + 19))
    plane.stopped("3")
    assert plane.opened("now").rtp_port == ports[3]


def test_ports_freed_last_are_taken_last(make_plane: Callable[..., Plane]) -> None:
    start = free_range(4)
    plane = make_plane(f"{start}-{start + 7}")
    taken = []
    for n in range(8):
        taken.append(plane.opened(str(n)).rtp_port)
        plane.stopped(str(n))
    assert taken == list(range(start, start + 8, 2)) * 2


@pytest.mark.parametrize("offset", [0, 1])
def test_a_pair_of_which_another_program_has_a_port_is_passed_over_until_it_is_free(make_plane: Callable[..., Plane], offset: int) -> None:
    start = free_range(2)
    plane = make_plane(f"{start}-{start + 3}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, start + offset))
        assert plane.opened("a").rtp_port == start + 2
        assert plane.open("b") is None
    assert plane.opened("b").rtp_port == start


def test_an_odd_first_port_is_left_out(make_plane: Callable[..., Plane]) -> None:
    start = free_range(2)
    plane = make_plane(f"{start + 1}-{start + 3}")
    assert plane.opened("a").rtp_port == start + 2
    assert plane.open("b") is None


def test_a_stopped_call_frees_its_ports_at_once(plane: Plane, phone: Phone) -> None:
    address = plane.opened()
    plane.start(phone.described(), time.time())
    plane.stopped("call-1")
    for port in (address.rtp_port, address.rtcp_port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((HOST, port))
    assert plane.plane.ports_in_use == 0


def test_a_call_that_was_opened_and_never_started_frees_its_ports_too(plane: Plane) -> None:
    plane.opened()
    plane.stopped("call-1")
    plane.stopped("call-1")
    assert (plane.plane.ports_in_use, plane.report("call-1")) == (0, None)


def test_without_file_descriptors_there_is_no_port_and_no_exception(make_plane: Callable[..., Plane]) -> None:
    import resource

    plane = make_plane()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        assert plane.plane.open("call-1") is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert plane.opened("call-1")


@pytest.mark.parametrize("text", ["31000-31019", " 31000 - 31019"])
def test_a_range_of_ports_is_read(text: str) -> None:
    assert parse_ports(text) == (31000, 31019)


@pytest.mark.parametrize(("text", "ports"), [("0", (0, 0)), ("31000", (31000, 31000)), ("65534-65535", (65534, 65535))])
def test_single_ports_and_zero_are_read(text: str, ports: tuple[int, int]) -> None:
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "2-1", "0-5", "1-70000", "1-2-3", "\uff11-\uff12"])
def test_other_port_texts_are_refused_and_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="media ports"):
        parse_ports(text)


@pytest.mark.parametrize(
    ("ports", "mode", "why"), [("31001-31002", "ports", "even port"), ("31000", "ports", "even port"), ("0", "x", "mode")]
)
def test_settings_that_make_no_sense_are_refused(ports: str, mode: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MediaPlane(reactor, HOST, HOST, ports, mode, clock=time.time)


# --- RTCP ------------------------------------------------------------------------------------------------------------------


def test_reports_go_from_the_rtcp_port_to_the_rtcp_port(plane: Plane, phone: Phone) -> None:
    address = plane.opened()
    plane.start(phone.described(), time.time())
    phone.echoed(address.rtp_port, 3)
    [report, name], port = phone.reports(phone.rtcp)
    assert port == address.rtcp_port
    assert report.sender.packets == 3
    assert report.blocks[0].ssrc == phone.peer.ssrc
    assert name == rtcp.Description(0xBEEF, "echo@sbc")


@pytest.mark.parametrize("mode", ["ports", "mux"])
def test_with_rtcp_mux_reports_go_both_ways_on_the_media_port(make_plane: Callable[..., Plane], phone: Phone, mode: str) -> None:
    plane = make_plane("0", mode)
    address = plane.opened()
    plane.start(phone.described(remote_rtcp=None), time.time())
    compound = rtcp.build_report(rtcp.Report(phone.peer.ssrc)) + rtcp.build_cname(phone.peer.ssrc, "alice")
    phone.rtp.sendto(phone.peer.sender.protect_rtcp(compound), (HOST, address.rtp_port))
    assert phone.reports(phone.rtp)[1] == address.rtp_port
    assert plane.wait_for("call-1", lambda report: report.rtcp_received == 1).peer_cname == "alice"


def test_without_rtcp_mux_the_peers_reports_are_read_on_the_rtcp_port(plane: Plane, phone: Phone) -> None:
    address = plane.opened()
    plane.start(phone.described(), time.time())
    compound = rtcp.build_report(rtcp.Report(phone.peer.ssrc)) + rtcp.build_bye(phone.peer.ssrc)
    phone.rtcp.sendto(phone.peer.sender.protect_rtcp(compound), (HOST, address.rtcp_port))
    assert plane.wait_for("call-1", lambda report: report.rtcp_received == 1).rtcp_bye


@pytest.mark.parametrize("mode", ["ports", "mux"])
def test_the_end_of_the_media_is_said_by_rtcp(make_plane: Callable[..., Plane], phone: Phone, mode: str) -> None:
    plane = make_plane("0", mode)
    plane.opened()
    plane.start(phone.described(), time.time())
    plane.stopped("call-1")
    assert phone.reports(phone.rtcp)[0][-1] == rtcp.Bye((0xBEEF,))


def test_reports_come_every_few_seconds_from_one_timer(plane: Plane, make_phone: Callable[..., Phone]) -> None:
    phones = [make_phone() for _ in range(3)]
    for n, phone in enumerate(phones):
        plane.opened(str(n))
        plane.start(phone.described(str(n), ssrc=n), time.time())
    for _ in range(3):
        for phone in phones:
            assert phone.reports(phone.rtcp)
        plane.ahead += 10.0


# --- what goes wrong -------------------------------------------------------------------------------------------------------


def test_what_arrives_before_the_media_starts_is_counted_for_nobody(plane: Plane, phone: Phone) -> None:
    port = plane.opened().rtp_port
    phone.rtp.sendto(b"early", (HOST, port))
    until = time.monotonic() + WAIT
    while plane.plane.refused_datagrams["no_leg"] == 0:
        assert time.monotonic() < until
    plane.start(phone.described(), time.time())
    assert len(phone.echoed(port)) == 1


def test_what_the_system_will_not_send_is_counted(plane: Plane, phone: Phone) -> None:
    port = plane.opened().rtp_port
    plane.start(phone.described(remote=("255.255.255.255", 9), remote_rtcp=None), time.time())
    for _ in range(3):
        phone.say(port)
    report = plane.wait_for("call-1", lambda report: report.packets_received == 3)
    assert report.send_errors >= 3


def test_media_for_a_call_without_a_port_or_to_a_name_is_our_mistake(plane: Plane, phone: Phone) -> None:
    with pytest.raises(ValueError, match="no port"):
        plane.start(phone.described("other"), time.time())
    plane.opened()
    for changes in (
        {"remote": ("sbc.example.net", 4000)},
        {"remote_rtcp": ("sbc.example.net", 4000)},
        {"remote": ("", 4000)},
        {"remote": (HOST, 70_000)},
    ):
        with pytest.raises(ValueError, match="not to names"):
            plane.start(phone.described(**changes), time.time())


def test_a_plane_that_does_not_listen_opens_nothing() -> None:
    with pytest.raises(ValueError, match="does not listen"):
        MediaPlane(reactor, HOST, HOST, "0", clock=time.time).open("call-1")


def test_the_one_port_of_mux_mode_may_be_taken_and_says_so(reactor_thread: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        plane = Plane(str(other.getsockname()[1]), "mux")
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            plane.listen()
        plane.close_all(time.time())
    plane.listen()
    assert plane.plane.ports_in_use == 1
    plane.close_all(time.time())


class BrokenLeg(EchoLeg):
    """A leg with a bug: it fails on a payload of zeros, or when it is asked for reports after an hour."""

    def _hear(self, heard: Heard, now: float) -> bytes | None:
        if heard[4] == bytes(160):
            raise RuntimeError("a bug")
        return super()._hear(heard, now)

    def tick(self, now: float) -> list[bytes]:
        if now > time.time() + 3600:
            raise RuntimeError("another bug")
        return super().tick(now)


def test_a_bug_in_one_leg_is_logged_once_and_the_others_go_on(
    make_plane: Callable[..., Plane], make_phone: Callable[..., Phone], faults: list[dict[str, Any]]
) -> None:
    plane = make_plane(make_leg=BrokenLeg)
    bad, good = make_phone(), make_phone()
    ports = [plane.opened(call).rtp_port for call in ("bad", "good")]
    plane.start(bad.described("bad"), time.time())
    plane.start(good.described("good"), time.time())
    for _ in range(3):
        bad.say(ports[0], payload=bytes(160))
    assert len(good.echoed(ports[1], 3)) == 3
    until = time.monotonic() + WAIT
    while plane.plane.refused_datagrams["no_leg"] < 2:
        assert time.monotonic() < until
    assert ["a bug" in str(event["log_failure"]) for event in faults] == [True]
    faults.clear()


def test_what_a_leg_answered_before_it_failed_in_the_same_turn_is_sent(
    make_plane: Callable[..., Plane], phone: Phone, faults: list[dict[str, Any]]
) -> None:
    plane = make_plane(make_leg=BrokenLeg, gather=False)
    port = plane.opened().rtp_port
    plane.start(phone.described(), time.time())
    phone.echoed(port)  # the first turn of a port is measured, and what is measured is answered at once

    def say() -> None:
        phone.say(port, payload=b"sound")
        phone.say(port, payload=bytes(160))

    say_while_busy(0.0, say)
    assert phone.hear()[0].payload == b"sound"
    assert plane.wait_for("call-1", lambda report: report.packets_received == 3)
    assert ["a bug" in str(event["log_failure"]) for event in faults] == [True]
    faults.clear()


def test_a_bug_in_the_reports_of_one_leg_does_not_stop_the_timer(
    make_plane: Callable[..., Plane], make_phone: Callable[..., Phone], faults: list[dict[str, Any]]
) -> None:
    plane = make_plane(make_leg=BrokenLeg)
    phone, later = make_phone(), make_phone()
    port = plane.opened("first").rtp_port
    plane.start(phone.described("first"), time.time())
    plane.ahead = 4000.0
    until = time.monotonic() + WAIT
    while not faults:
        assert time.monotonic() < until
    assert "another bug" in str(faults[0]["log_failure"])
    faults.clear()
    plane.ahead = 0.0
    plane.opened("second")
    plane.start(later.described("second"), time.time())
    assert later.reports(later.rtcp)
    phone.say(port)
    plane.stopped("first")


# --- sums and the end ------------------------------------------------------------------------------------------------------


def test_the_report_of_an_ended_call_can_still_be_read_and_such_reports_are_bounded(plane: Plane, phone: Phone) -> None:
    port = plane.opened().rtp_port
    plane.start(phone.described(), time.time())
    phone.echoed(port, 4)
    plane.stopped("call-1")
    assert plane.report("call-1").echoed_packets == 4
    assert plane.leg("call-1") is None

    def many() -> None:
        for n in range(MOST_REPORTS):
            plane.plane.open(f"x{n}")
            plane.plane.start(phone.described(f"x{n}"), time.time())
            plane.plane.stop(f"x{n}", time.time())

    blockingCallFromThread(reactor, many)
    assert plane.report("call-1") is None
    assert plane.report("x1") is not None
    assert len(plane.plane._reports) == MOST_REPORTS


def test_closing_says_goodbye_frees_everything_and_may_be_repeated(make_plane: Callable[..., Plane], phone: Phone) -> None:
    before = len(reactor.getReaders())
    plane = make_plane()
    port = plane.opened().rtp_port
    plane.start(phone.described(), time.time())
    plane.close_all(time.time())
    plane.close_all(time.time())
    assert phone.reports(phone.rtcp)[0][-1] == rtcp.Bye((0xBEEF,))
    assert len(blockingCallFromThread(reactor, reactor.getReaders)) == before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((HOST, port))


def test_mux_mode_has_one_port_for_any_number_of_calls(make_plane: Callable[..., Plane], make_phone: Callable[..., Phone]) -> None:
    plane = make_plane("0", "mux")
    phones = [make_phone() for _ in range(5)]
    for n, phone in enumerate(phones):
        phone.peer.rekey(n)
        address = plane.opened(str(n))
        assert address.rtp_port == address.rtcp_port == plane.plane.ports[0]
        plane.start(phone.described(str(n)), time.time())
    for phone in phones:
        assert len(phone.echoed(plane.plane.ports[0], 3)) == 3
    assert (plane.plane.ports_in_use, plane.plane.ports_limit) == (1, 1)
    plane.stopped("2")
    phones[2].say(plane.plane.ports[0])
    assert len(phones[3].echoed(plane.plane.ports[0], 3)) == 3
    assert phones[2].silent()


# --- the partner's side ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ports", "mux"])
def test_a_caller_and_an_echo_on_two_planes_prove_every_frame(make_plane: Callable[..., Plane], mode: str) -> None:
    legs: dict[str, PlayLeg] = {}

    def make_leg(description: Any, now: float) -> PlayLeg:
        leg = PlayLeg(description, now, itertools.islice(tone(len(legs)), 25))
        legs[description.call] = leg
        return leg

    server, caller = make_plane("0", mode), make_plane(make_leg=make_leg)
    for n in range(4):
        call, peer = str(n), Peer()
        peer.rekey(n)
        there, here = server.opened(call), caller.opened(call)
        to_caller, to_server = (HOST, here.rtp_port), (HOST, there.rtp_port)
        description = peer.description(call=call, remote=to_caller, remote_rtcp=None)
        server.start(description, time.time())
        keys = {"receive_key": description.send_key, "send_key": description.receive_key}
        caller.start(replace(description, remote=to_server, ssrc=9 + n, **keys), time.time())
    until = time.monotonic() + WAIT
    while any(leg.proof().identical < 25 for leg in legs.values()):
        assert time.monotonic() < until, [leg.proof() for leg in legs.values()]
        time.sleep(0.01)
    for n in range(4):
        caller.stopped(str(n))
        proof = legs[str(n)].proof()
        assert (proof.sent, proof.returned, proof.identical, proof.lost, proof.altered) == (25, 25, 25, 0, 0)
        assert proof.delay_min_ms is not None
        assert 0 < proof.delay_min_ms <= (proof.delay_mean_ms or 0) <= (proof.delay_max_ms or 0)
