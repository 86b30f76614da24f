"""The caller's leg against a real echo leg, joined without sockets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from sbc_sim.rtp.audio import tone
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import Direction, LegDescription
from sbc_sim.rtp.packet import parse
from sbc_sim.rtp.play import PlayLeg

START = 1_700_000_000.0
CALLER, SERVER = ("192.0.2.1", 6000), ("192.0.2.2", 31000)


def described(peer: Any, *, caller: bool, **changes: Any) -> LegDescription:
    keys = (peer.send_key, peer.receive_key) if caller else (peer.receive_key, peer.send_key)
    leg = LegDescription("call", SERVER if caller else CALLER, None, *keys, ssrc=0xAAAA if caller else 0xBBBB, first_sequence=40_000)
    return LegDescription(**{name: changes.get(name, getattr(leg, name)) for name in LegDescription.__slots__})


class Line:
    """A caller and an echo with a network between them that delays, and may damage what `spoil` is given."""

    def __init__(self, peer: Any, frames: Iterable[bytes], *, delay: float = 0.03, **changes: Any) -> None:
        self.peer = peer
        self.caller = PlayLeg(described(peer, caller=True, **changes), START, frames)
        self.echo = EchoLeg(described(peer, caller=False), START)
        self.delay = delay
        self.now = START
        self.on_the_way: list[tuple[float, bytes]] = []
        self.sent = 0

    def spoil(self, number: int) -> bool:
        return False

    def run(self, seconds: float, step: float = 0.01) -> None:
        """Let time pass in steps of the caller's timer."""
        for _ in range(round(seconds / step)):
            for datagram in self.caller.due(self.now):
                self.sent += 1
                answer = None if self.spoil(self.sent) else self.echo.receive_rtp(datagram, CALLER, self.now)
                if answer is not None:
                    self.on_the_way.append((self.now + self.delay, answer))
            while self.on_the_way and self.on_the_way[0][0] <= self.now:
                self.caller.receive_rtp(self.on_the_way.pop(0)[1], SERVER, self.now)
            self.now += step


def test_every_frame_of_a_call_comes_back_identical(peer: Any) -> None:
    line = Line(peer, itertools.islice(tone(1), 100))
    line.run(3.0)
    proof = line.caller.proof()
    assert (proof.sent, proof.returned, proof.identical, proof.altered, proof.lost, proof.in_flight) == (100, 100, 100, 0, 0, 0)
    assert proof.share == 1.0
    assert line.caller.finished
    assert line.echo.report().echoed_packets == 100


def test_delays_are_measured_from_sending_to_return(peer: Any) -> None:
    line = Line(peer, itertools.islice(tone(1), 50), delay=0.05)
    line.run(2.0)
    proof = line.caller.proof()
    assert proof.delay_min_ms == pytest.approx(50, abs=11)
    assert proof.delay_mean_ms == pytest.approx(50, abs=11)
    assert proof.delay_max_ms == pytest.approx(50, abs=11)
    assert proof.first_return_ms == pytest.approx(50, abs=11)


def test_frames_that_do_not_come_back_are_lost(peer: Any) -> None:
    line = Line(peer, itertools.islice(tone(1), 100))
    line.spoil = lambda number: number % 10 == 0
    line.run(3.0)
    proof = line.caller.proof()
    assert (proof.identical, proof.lost, proof.share) == (90, 10, 0.9)


def test_without_any_answer_all_is_lost_and_nothing_has_a_delay(peer: Any) -> None:
    line = Line(peer, itertools.islice(tone(1), 20))
    line.spoil = lambda number: True
    line.run(3.0)
    proof = line.caller.proof()
    assert (proof.returned, proof.identical, proof.lost, proof.share) == (0, 0, 20, 0.0)
    assert (proof.delay_min_ms, proof.delay_mean_ms, proof.delay_max_ms, proof.first_return_ms) == (None, None, None, None)


def test_frames_still_on_their_way_are_neither_returned_nor_lost(peer: Any) -> None:
    line = Line(peer, tone(1), delay=0.2)
    line.run(1.0)
    proof = line.caller.proof()
    assert proof.sent == 50
    assert proof.lost == 0
    assert proof.in_flight == proof.sent - proof.identical > 5
    assert proof.share == 1.0


def test_one_changed_octet_is_an_altered_packet(peer: Any) -> None:
    line = Line(peer, [bytes([1]) * 160, bytes([2]) * 160])
    line.run(0.1)
    wrong = line.echo.transmission.send(bytes([3]) + bytes([1]) * 159, line.echo.transmission.sequence, 0, START)
    assert wrong is not None
    line.caller.receive_rtp(wrong, SERVER, line.now)
    line.run(1.0)
    proof = line.caller.proof()
    assert (proof.returned, proof.identical, proof.altered) == (3, 2, 1)


def test_equal_frames_are_matched_one_for_one(peer: Any) -> None:
    line = Line(peer, [b"\xff" * 160] * 50)
    line.spoil = lambda number: number == 50
    line.run(2.0)
    proof = line.caller.proof()
    assert (proof.sent, proof.identical, proof.lost) == (50, 49, 1)


def test_the_audio_of_another_call_is_not_taken_for_an_echo(peer: Any) -> None:
    line = Line(peer, itertools.islice(tone(1), 50))
    line.spoil = lambda number: True
    for number, frame in enumerate(itertools.islice(tone(2), 50)):
        line.caller.receive_rtp(line.echo.transmission.send(frame, 40_000 + number, 0, START) or b"", SERVER, line.now)
    line.run(2.0)
    proof = line.caller.proof()
    assert (proof.returned, proof.identical, proof.altered, proof.lost) == (50, 0, 50, 50)


def test_frames_are_forgotten_after_ten_seconds_and_then_lost(peer: Any) -> None:
    line = Line(peer, tone(1))
    line.spoil = lambda number: True
    line.run(30.0, step=0.02)
    assert len(line.caller._waiting) <= 502
    assert len(line.caller._order) <= 502
    proof = line.caller.proof()
    assert proof.lost + proof.in_flight == proof.sent == 1500


def clear_of(peer: Any, datagrams: list[bytes]) -> list[Any]:
    receiver = type(peer)(suite=peer.suite)
    receiver.receive_key = peer.receive_key
    return [parse(packet) for packet in map(receiver.receiver.open, datagrams) if isinstance(packet, bytes)]


@pytest.mark.parametrize("ptime", [10, 20, 30, 60])
def test_frames_go_out_one_per_packet_time(peer: Any, ptime: int) -> None:
    leg = PlayLeg(described(peer, caller=True, ptime_ms=ptime), START, tone(1, ptime))
    datagrams = [datagram for n in range(300) for datagram in leg.due(START + n * 0.01)]
    packets = clear_of(peer, datagrams)
    assert len(packets) == pytest.approx(3000 / ptime, abs=1)
    assert [packet.timestamp for packet in packets] == [n * ptime * 8 for n in range(len(packets))]
    assert [packet.sequence for packet in packets] == [40_000 + n for n in range(len(packets))]
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)


def test_a_timer_that_is_a_little_early_still_sends(peer: Any) -> None:
    leg = PlayLeg(described(peer, caller=True), START, tone(1))
    assert [len(leg.due(START + n * 0.02 - (0.002 if n % 2 else 0.0))) for n in range(10)] == [1] * 10


def test_who_was_late_catches_up_a_few_frames_at_a_time(peer: Any) -> None:
    leg = PlayLeg(described(peer, caller=True), START, tone(1))
    leg.due(START)
    assert len(leg.due(START + 0.2)) == 5
    assert len(leg.due(START + 0.2)) == 5
    assert len(leg.due(START + 0.21)) == 0


def test_who_was_away_for_long_leaves_the_time_out_as_after_a_silence(peer: Any) -> None:
    leg = PlayLeg(described(peer, caller=True), START, tone(1))
    first = leg.due(START)
    later = [datagram for n in range(10) for datagram in leg.due(START + 60.0 + n * 0.02)]
    packets = clear_of(peer, first + later)
    assert len(later) == pytest.approx(10, abs=1)
    assert packets[1].sequence == packets[0].sequence + 1
    assert packets[1].timestamp == pytest.approx(60 * 8000, abs=320)
    assert packets[1].marker


def test_on_hold_no_frame_is_sent_and_none_is_skipped(peer: Any) -> None:
    frames = list(itertools.islice(tone(1), 10))
    leg = PlayLeg(described(peer, caller=True), START, frames)
    before = leg.due(START)
    leg.change(described(peer, caller=True, direction=Direction.RECVONLY))
    assert [leg.due(START + 0.02 * n) for n in range(1, 6)] == [[]] * 5
    leg.change(described(peer, caller=True))
    after = leg.due(START + 0.12)
    packets = clear_of(peer, before + after)
    assert [packet.payload for packet in packets] == frames[:2]
    assert (packets[1].timestamp, packets[1].marker) == (6 * 160, True)


def test_a_new_key_in_the_middle_loses_no_frame(peer: Any, make_peer: Any) -> None:
    line = Line(peer, itertools.islice(tone(1), 60), delay=0.0)
    line.run(0.6)
    other = make_peer()
    other.rekey(30)
    line.caller.change(described(peer, caller=True, send_key=other.send_key))
    line.echo.change(described(peer, caller=False, receive_key=other.send_key))
    line.run(2.0)
    proof = line.caller.proof()
    assert (proof.sent, proof.identical) == (60, 60)
    assert line.echo.report().old_key == line.echo.report().auth_failures == 0


def test_both_ends_exchange_reports_and_measure_the_round_trip(peer: Any) -> None:
    line = Line(peer, tone(1))
    for _ in range(30):
        line.run(0.5)
        for datagram in line.caller.tick(line.now):
            line.echo.receive_rtp(datagram, CALLER, line.now)
        for datagram in line.echo.tick(line.now):
            line.caller.receive_rtp(datagram, SERVER, line.now)
    for report in (line.caller.report(), line.echo.report()):
        assert report.rtcp_received >= 2
        assert (report.peer_fraction_lost, report.peer_cname) == (0.0, "sbc-sim")
        assert report.round_trip_ms == pytest.approx(0, abs=1)
    for datagram in line.caller.goodbye(line.now):
        line.echo.receive_rtp(datagram, CALLER, line.now)
    assert line.echo.report().rtcp_bye
