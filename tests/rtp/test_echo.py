from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import Direction, LegDescription
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.srtp import SUITES

START = 1_700_000_000.0
DTMF = 101


def leg_for(peer: Any, **changes: Any) -> EchoLeg:
    return EchoLeg(peer.description(**changes), START)


@pytest.mark.parametrize("suite", SUITES)
def test_each_octet_comes_back_unchanged_under_our_own_key_ssrc_and_numbers(make_peer: Any, suite: str) -> None:
    peer = make_peer(suite=suite)
    leg = leg_for(peer)
    sent = [bytes((n * 7 + i) % 256 for i in range(160)) for n in range(60)]
    echo = [peer.say(leg, payload=payload) for payload in sent]
    assert [packet.payload for packet in echo] == sent
    assert {packet.ssrc for packet in echo} == {0xBEEF}
    assert [packet.sequence for packet in echo] == list(range(7, 67))
    assert [packet.timestamp for packet in echo] == list(range(11_000, 11_000 + 60 * 160, 160))
    assert [packet.marker for packet in echo] == [True] + [False] * 59
    assert {packet.payload_type for packet in echo} == {0}


@pytest.mark.parametrize("octets", [80, 240, 480, 33])
def test_packets_of_any_duration_come_back_as_they_are(peer: Any, octets: int) -> None:
    leg = leg_for(peer)
    echo = [peer.say(leg, payload=bytes(range(1, 34)) * (octets // 33) + b"\x11" * (octets % 33)) for _ in range(5)]
    assert {len(packet.payload) for packet in echo} == {octets}
    assert [packet.timestamp - echo[0].timestamp for packet in echo] == [octets * n for n in range(5)]
    assert leg.report().packet_ms == octets / 8


def test_durations_may_change_within_a_call(peer: Any) -> None:
    leg = leg_for(peer)
    sizes = [160, 80, 480, 240, 160]
    assert [len(peer.say(leg, payload=b"\x22" * size).payload) for size in sizes] == sizes


def test_a_pause_of_the_peer_is_a_pause_in_the_echo(peer: Any) -> None:
    leg = leg_for(peer)
    first = peer.say(leg, step=8000)
    second = peer.say(leg, marker=True)
    assert second.timestamp - first.timestamp == 8000
    assert second.sequence - first.sequence == 1
    assert second.marker


def test_numbers_and_timestamps_wrap_on_both_sides_without_a_break(make_peer: Any) -> None:
    peer = make_peer(sequence=65_500, timestamp=2**32 - 3000)
    leg = leg_for(peer, first_sequence=65_400, first_timestamp=2**32 - 9000)
    echo = peer.talk(leg, 300)
    assert [packet.sequence for packet in echo] == [(65_400 + n) % 65_536 for n in range(300)]
    assert [packet.timestamp for packet in echo] == [(2**32 - 9000 + 160 * n) % 2**32 for n in range(300)]
    assert leg.report().lost == 0


def test_a_lost_packet_is_a_gap_in_the_echo_too(peer: Any) -> None:
    leg = leg_for(peer)
    peer.say(leg)
    peer.packet()
    after = peer.say(leg)
    assert (after.sequence, after.timestamp) == (9, 11_320)
    assert leg.report().lost == 1


def test_a_late_packet_goes_back_late_under_the_number_that_belongs_to_it(peer: Any) -> None:
    leg = leg_for(peer)
    peer.say(leg)
    payload = b"\x33" * 160
    late, now = peer.packet(payload=payload), peer.now
    assert peer.say(leg).sequence == 9
    back = peer.open(leg.receive_rtp(late, peer.source, now))
    assert (back.sequence, back.timestamp, back.payload) == (8, 11_160, payload)
    assert peer.say(leg).sequence == 10
    report = leg.report()
    assert (report.reordered, report.lost, report.echoed_packets) == (1, 0, 4)


def test_a_duplicate_is_counted_and_not_echoed(peer: Any) -> None:
    leg = leg_for(peer)
    datagram = peer.packet()
    assert leg.receive_rtp(datagram, peer.source, START) is not None
    assert leg.receive_rtp(datagram, peer.source, START) is None
    report = leg.report()
    assert (report.packets_received, report.duplicates, report.replayed, report.echoed_packets) == (1, 1, 1, 1)


def test_what_is_behind_the_replay_window_is_no_duplicate_but_refused(peer: Any) -> None:
    leg = leg_for(peer)
    old = peer.packet()
    peer.say(leg)
    peer.sequence += 1500
    peer.say(leg)
    assert leg.receive_rtp(old, peer.source, START) is None
    report = leg.report()
    assert (report.duplicates, report.replayed) == (0, 1)


def clear(peer: Any, flags: int, body: bytes) -> bytes:
    """Protect a packet with header bits that `build` does not set."""
    packet = bytearray(build(RtpPacket(0, peer.sequence, peer.timestamp, peer.ssrc, body)))
    packet[0] |= flags
    peer.sequence += 1
    peer.timestamp += 160
    return peer.sender.protect(bytes(packet))


def test_padding_csrcs_and_extension_are_not_echoed_but_the_audio_is(peer: Any) -> None:
    leg = leg_for(peer)
    audio = b"\x44" * 160
    bodies = {0x20: audio + b"\0\0\0\4", 0x02: bytes(8) + audio, 0x10: bytes.fromhex("bede0001aabbccdd") + audio}
    for flags, body in bodies.items():
        back = peer.open(leg.receive_rtp(clear(peer, flags, body), peer.source, START))
        assert back.payload == audio
    assert leg.report().malformed == 0


def test_an_authentic_packet_with_impossible_inner_lengths_is_counted_and_takes_no_number(peer: Any) -> None:
    leg = leg_for(peer)
    peer.say(leg)
    assert leg.receive_rtp(clear(peer, 0x20, b"audio and too much padding\xff"), peer.source, START) is None
    assert peer.say(leg).sequence == 8
    assert leg.report().malformed == 1


@pytest.mark.parametrize(
    ("payload_type", "payload", "counter"),
    [(13, b"\x40", "comfort_noise"), (8, b"\x55" * 160, "wrong_payload"), (0, b"", None), (DTMF, b"\x05\x0a\x00\xa0", None)],
)
def test_what_is_no_audio_is_not_echoed_and_leaves_no_gap(peer: Any, payload_type: int, payload: bytes, counter: str | None) -> None:
    leg = leg_for(peer)
    peer.say(leg)
    for _ in range(3):
        assert peer.say(leg, payload_type=payload_type, payload=payload, step=160) is None
    after = peer.say(leg)
    assert (after.sequence, after.timestamp, after.marker) == (8, 11_000 + 4 * 160, True)
    assert not peer.say(leg).marker
    report = leg.report()
    assert (report.packets_received, report.echoed_packets, report.lost) == (6, 3, 0)
    assert counter is None or getattr(report, counter) == 3


def test_a_digit_is_read_once_with_its_time_and_duration(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 10)
    began = peer.now
    for duration, end in [(160, 0), (320, 0), (480, 0), (640, 0x80), (640, 0x80), (640, 0x80)]:
        peer.say(leg, payload_type=DTMF, payload=bytes([9, end | 10]) + duration.to_bytes(2, "big"), step=0)
        peer.now += 0.02
    peer.timestamp += 6 * 160
    peer.talk(leg, 10)
    [event] = leg.report().dtmf
    assert (event.digit, event.at, event.duration_ms) == ("9", began, 80)
    assert leg.report().max_jitter_ms < 0.1


def test_events_without_an_agreed_payload_type_are_a_wrong_payload(peer: Any) -> None:
    leg = leg_for(peer, dtmf_payload_type=None)
    peer.say(leg, payload_type=DTMF, payload=b"\x05\x8a\x00\xa0")
    report = leg.report()
    assert (report.dtmf, report.wrong_payload) == ((), 1)


def test_audio_that_is_late_beyond_a_digit_is_dropped_because_its_number_was_given_away(peer: Any) -> None:
    leg = leg_for(peer)
    peer.say(leg)
    late = peer.packet()
    peer.say(leg, payload_type=DTMF, payload=b"\x05\x0a\x00\xa0", step=0)
    assert leg.receive_rtp(late, peer.source, START) is None
    assert peer.say(leg).sequence == 9
    assert leg.report().send_errors == 0


def test_a_new_ssrc_of_the_peer_does_not_make_our_numbers_jump(peer: Any) -> None:
    leg = leg_for(peer)
    before = peer.talk(leg, 5)[-1]
    peer.ssrc, peer.sequence, peer.timestamp = 0xF00D, 40_000, 3_000_000_000
    peer.now += 1.0
    after = peer.talk(leg, 2)
    assert [packet.sequence for packet in after] == [before.sequence + 1, before.sequence + 2]
    assert after[0].timestamp == before.timestamp + 160 + 8000
    assert [packet.marker for packet in after] == [True, False]
    report = leg.report()
    assert (report.ssrcs, report.ssrc, report.lost, report.expected) == (2, 0xF00D, 0, 7)


def test_a_peer_that_jumps_to_other_numbers_does_not_take_ours_along(peer: Any) -> None:
    leg = leg_for(peer)
    before = peer.talk(leg, 5)[-1]
    peer.sequence, peer.timestamp = peer.sequence + 20_000, peer.timestamp + 99_999_999
    after = peer.say(leg)
    assert after.sequence == before.sequence + 1
    assert 0 < after.timestamp - before.timestamp <= 320
    assert leg.report().lost == 0


def test_the_state_of_ever_new_ssrcs_is_bounded_and_each_is_still_echoed(peer: Any) -> None:
    leg = leg_for(peer)
    for ssrc in range(1, 101):
        peer.ssrc = ssrc
        assert peer.say(leg) is not None
    assert len(leg.reception.streams) <= 16
    report = leg.report()
    assert (report.ssrcs, report.packets_received, report.echoed_packets, report.lost) == (100, 100, 100, 0)


def test_a_packet_too_long_to_send_is_an_error_and_not_an_exception(peer: Any) -> None:
    leg = leg_for(peer)
    assert peer.say(leg, payload=b"\x55" * 1328) is not None
    clear_packet = build(RtpPacket(0, peer.sequence, peer.timestamp, peer.ssrc, b"\x55" * 1329))
    assert peer.sender.protect(clear_packet) is not None
    assert leg.transmission.send(b"\x55" * 1329, 99, 0, START) is None
    assert leg.report().send_errors == 1


class Walk:
    """A call in which anything may come next."""

    def __init__(self, peer: Any, first: int) -> None:
        self.peer, self.first, self.number = peer, first, 0
        self.leg = EchoLeg(self.described(), START)
        self.sent: set[bytes] = set()
        self.delayed: list[bytes] = []
        self.answers: list[RtpPacket] = []

    def described(self, direction: Direction = Direction.SENDRECV) -> LegDescription:
        return self.peer.description(first_sequence=self.first, direction=direction)

    def offer(self, datagram: bytes) -> None:
        answer = self.leg.receive_rtp(datagram, self.peer.source, self.peer.now)
        if answer is not None:
            self.answers.append(self.peer.open(answer))

    def next_audio(self) -> bytes:
        self.number += 1
        payload = self.number.to_bytes(2, "big") * 80
        self.sent.add(payload)
        return self.peer.packet(payload=payload)

    def audio(self) -> None:
        self.offer(self.next_audio())

    def again(self) -> None:
        datagram = self.next_audio()
        self.offer(datagram)
        self.offer(datagram)

    def lose(self) -> None:
        self.next_audio()

    def delay(self) -> None:
        self.delayed.append(self.next_audio())

    def late(self) -> None:
        for datagram in self.delayed:
            self.offer(datagram)
        self.delayed.clear()

    def digit(self) -> None:
        self.offer(self.peer.packet(payload_type=DTMF, payload=b"\x01\x0a\x00\xa0", step=0))

    def noise(self) -> None:
        self.offer(self.peer.packet(payload_type=13, payload=b"\x40"))

    def ssrc(self) -> None:
        self.peer.ssrc += 1

    def jump(self) -> None:
        self.peer.sequence = (self.peer.sequence + 5000) & 0xFFFF

    def key(self) -> None:
        self.peer.rekey(self.number)
        self.leg.change(self.described())

    def hold(self) -> None:
        self.leg.change(self.described(Direction.INACTIVE))

    def resume(self) -> None:
        self.leg.change(self.described())


STEPS = st.lists(
    st.sampled_from(["audio"] * 6 + ["again", "lose", "delay", "delay", "late", "digit", "noise", "ssrc", "jump", "key", "hold", "resume"]),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, first=st.integers(0, 32_767), sequence=st.integers(0, 65_535))
def test_whatever_the_peer_does_no_number_of_ours_is_used_twice(make_peer: Any, steps: list[str], first: int, sequence: int) -> None:
    walk = Walk(make_peer(sequence=sequence), first)
    for step in steps:
        getattr(walk, step)()
    numbers = [packet.sequence for packet in walk.answers]
    assert len(set(numbers)) == len(numbers)
    assert {packet.payload for packet in walk.answers} <= walk.sent
    assert walk.leg.report().send_errors == 0


@pytest.mark.parametrize("change", ["ssrc", "jump"])
def test_audio_that_is_late_beyond_a_new_start_is_dropped_because_its_number_may_be_taken(peer: Any, change: str) -> None:
    walk = Walk(peer, 7)
    for step in ["audio", "audio", "audio", change, "delay", "audio", "late", "audio"]:
        getattr(walk, step)()
    assert [packet.sequence for packet in walk.answers] == [7, 8, 9, 10, 11]
    assert walk.leg.report().send_errors == 0


def test_an_ssrc_whose_state_was_dropped_may_begin_anew(peer: Any) -> None:
    leg = leg_for(peer)
    first = peer.packet()
    leg.receive_rtp(first, peer.source, START)
    for ssrc in range(1, 17):
        peer.ssrc = ssrc
        peer.say(leg)
    assert leg.receive_rtp(first, peer.source, START) is not None
