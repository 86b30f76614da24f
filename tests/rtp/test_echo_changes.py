"""Hold, resume, new keys and new addresses: what a re-INVITE does to a leg."""

from __future__ import annotations

from typing import Any

import pytest

from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import Direction
from sbc_sim.rtp.srtp import SUITES, Refusal, SrtpReceiver

START = 1_700_000_000.0
ELSEWHERE = ("198.51.100.7", 5555)


def leg_for(peer: Any, **changes: Any) -> EchoLeg:
    return EchoLeg(peer.description(**changes), START)


@pytest.mark.parametrize(
    ("direction", "unwanted"),
    [(Direction.RECVONLY, 0), (Direction.INACTIVE, 5), (Direction.SENDONLY, 5)],
)
def test_on_hold_nothing_goes_to_the_peer_and_what_it_should_not_send_is_counted(peer: Any, direction: Direction, unwanted: int) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 5)
    leg.change(peer.description(direction=direction))
    assert peer.talk(leg, 5) == []
    report = leg.report()
    assert (report.packets_received, report.echoed_packets, report.unwanted_while_held) == (10, 5, unwanted)
    assert report.last_packet_at == pytest.approx(peer.now - 0.02)


def test_after_a_hold_the_echo_goes_on_with_the_next_number_and_a_marker(peer: Any) -> None:
    leg = leg_for(peer)
    before = peer.talk(leg, 5)[-1]
    leg.change(peer.description(direction=Direction.RECVONLY))
    peer.talk(leg, 20)
    leg.change(peer.description())
    after = peer.talk(leg, 2)
    assert [packet.sequence for packet in after] == [before.sequence + 1, before.sequence + 2]
    assert after[0].timestamp == before.timestamp + 21 * 160
    assert [packet.marker for packet in after] == [True, False]


def test_a_silent_hold_leaves_the_echo_as_it_was(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 5)
    leg.change(peer.description(direction=Direction.INACTIVE))
    leg.change(peer.description())
    assert [packet.sequence for packet in peer.talk(leg, 3)] == [12, 13, 14]
    assert leg.report().lost == 0


@pytest.mark.parametrize("remote", [("0.0.0.0", 40000), ("::", 40000), ("192.0.2.10", 0)])
def test_to_an_address_of_the_old_hold_neither_media_nor_rtcp_is_sent(peer: Any, remote: tuple[str, int]) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 5)
    leg.change(peer.description(remote=remote))
    assert peer.talk(leg, 5) == []
    assert leg.tick(START + 60) == []
    assert leg.goodbye(START + 60) == []
    assert leg.report().packets_received == 10


def test_rtcp_goes_on_while_the_media_is_on_hold(peer: Any) -> None:
    leg = leg_for(peer)
    leg.change(peer.description(direction=Direction.INACTIVE))
    assert len(leg.tick(START + 5)) == 1


def test_media_follows_a_new_address(peer: Any) -> None:
    leg = leg_for(peer)
    leg.change(peer.description(remote=ELSEWHERE, remote_rtcp=("198.51.100.7", 5556)))
    assert (leg.destination, leg.rtcp_destination) == (ELSEWHERE, ("198.51.100.7", 5556))
    peer.source = ELSEWHERE
    peer.talk(leg, 5)
    assert leg.report().stray == 0


@pytest.mark.parametrize("suite", SUITES)
def test_equal_keys_keep_the_rollover_counter_of_both_directions(make_peer: Any, suite: str) -> None:
    peer = make_peer(suite=suite, sequence=65_530)
    leg = leg_for(peer, first_sequence=65_530)
    peer.talk(leg, 20)
    leg.change(peer.description(first_sequence=65_530, direction=Direction.RECVONLY))
    leg.change(peer.description(first_sequence=65_530))
    assert len(peer.talk(leg, 20)) == 20
    assert leg.report().auth_failures == 0


@pytest.mark.parametrize("suite", SUITES)
def test_after_a_new_key_the_old_one_is_refused_and_named(make_peer: Any, suite: str) -> None:
    peer = make_peer(suite=suite)
    leg = leg_for(peer)
    peer.talk(leg, 5)
    old = [peer.packet() for _ in range(3)]
    peer.rekey(50)
    leg.change(peer.description())
    assert [leg.receive_rtp(datagram, peer.source, START) for datagram in old] == [None] * 3
    assert len(peer.talk(leg, 5)) == 5
    report = leg.report()
    assert (report.old_key, report.auth_failures, report.packets_received) == (3, 0, 10)


def test_with_a_new_key_the_same_ssrc_may_begin_at_any_number(peer: Any) -> None:
    leg = leg_for(peer)
    before = peer.talk(leg, 5)[-1]
    peer.rekey(50)
    peer.sequence = 3
    leg.change(peer.description())
    assert [packet.sequence for packet in peer.talk(leg, 5)] == [before.sequence + n for n in range(1, 6)]
    report = leg.report()
    assert (report.lost, report.expected, report.replayed) == (0, 10, 0)


def test_a_key_that_was_never_agreed_is_still_an_authentication_failure_after_a_change(peer: Any, make_peer: Any) -> None:
    leg = leg_for(peer)
    peer.rekey(50)
    leg.change(peer.description())
    stranger = make_peer()
    stranger.rekey(77)
    leg.receive_rtp(stranger.packet(), peer.source, START)
    report = leg.report()
    assert (report.auth_failures, report.old_key) == (1, 0)


def test_with_a_new_key_of_ours_the_numbers_go_on_and_the_old_key_opens_nothing(peer: Any, make_peer: Any) -> None:
    leg = leg_for(peer)
    before = peer.talk(leg, 5)[-1]
    old_receiver, other = peer.receiver, make_peer()
    other.rekey(60)
    leg.change(peer.description(send_key=other.send_key))
    answer = leg.receive_rtp(peer.packet(), peer.source, START)
    assert answer is not None
    assert old_receiver.open(answer) is Refusal.AUTHENTICATION
    peer.receiver = SrtpReceiver(other.send_key)
    assert peer.open(answer).sequence == before.sequence + 1


def test_a_new_ssrc_of_ours_begins_at_its_own_first_numbers(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 5)
    leg.change(peer.description(ssrc=0xABCD, first_sequence=500, first_timestamp=77))
    echo = peer.talk(leg, 2)
    assert [(packet.ssrc, packet.sequence, packet.timestamp) for packet in echo] == [(0xABCD, 500, 77), (0xABCD, 501, 237)]


def test_another_codec_and_payload_type_are_echoed_and_measured_from_the_change_on(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 5)
    leg.change(peer.description(payload_type=8, codec="PCMA"))
    echo = peer.say(leg, payload_type=8, payload=b"\xd5" * 160)
    assert (echo.payload_type, echo.payload) == (8, b"\xd5" * 160)
    assert peer.say(leg) is None
    report = leg.report()
    assert (report.wrong_payload, report.silent_packets) == (1, 1)


# --- symmetric RTP and latching (RFC 4961) ---------------------------------------------------------------------------------


def test_without_latching_the_echo_goes_to_the_sdp_and_the_difference_is_reported(peer: Any) -> None:
    leg = leg_for(peer)
    peer.source = ELSEWHERE
    assert len(peer.talk(leg, 5)) == 5
    assert leg.destination == peer.description().remote
    report = leg.report()
    assert (report.stray, report.remote) == (5, ELSEWHERE)


def test_with_latching_the_echo_goes_to_the_source_of_the_first_authentic_packet(peer: Any) -> None:
    leg = leg_for(peer, latch=True)
    leg.receive_rtp(b"\x80" + bytes(181), ("203.0.113.66", 6666), START)
    assert leg.destination == peer.description().remote
    peer.source = ELSEWHERE
    peer.talk(leg, 5)
    assert leg.destination == ELSEWHERE
    report = leg.report()
    assert (report.stray, report.remote, report.auth_failures) == (0, ELSEWHERE, 1)


def test_once_latched_an_authentic_packet_from_a_third_place_is_a_stray(peer: Any) -> None:
    leg = leg_for(peer, latch=True)
    peer.source = ELSEWHERE
    peer.talk(leg, 5)
    peer.source = ("203.0.113.66", 6666)
    peer.talk(leg, 1)
    assert leg.destination == ELSEWHERE
    report = leg.report()
    assert (report.stray, report.remote) == (1, ELSEWHERE)


def test_a_leg_stays_latched_over_a_change_that_keeps_the_address_and_latches_anew_after_one_that_does_not(peer: Any) -> None:
    leg = leg_for(peer, latch=True)
    peer.source = ELSEWHERE
    peer.talk(leg, 1)
    leg.change(peer.description(latch=True, direction=Direction.RECVONLY))
    assert leg.destination == ELSEWHERE
    leg.change(peer.description(latch=True, remote=("192.0.2.99", 7000)))
    assert leg.destination == ("192.0.2.99", 7000)
    peer.source = ("192.0.2.100", 7001)
    peer.talk(leg, 1)
    assert leg.destination == ("192.0.2.100", 7001)


def test_rtcp_latches_on_its_own_and_only_to_authentic_reports(peer: Any) -> None:
    leg = leg_for(peer, latch=True)
    report = peer.sender.protect_rtcp(bytes.fromhex("80c90001") + peer.ssrc.to_bytes(4, "big"))
    leg.receive_rtcp(bytes([0x80, 201]) + bytes(40), ("203.0.113.66", 6666), START)
    assert leg.rtcp_destination == ("192.0.2.10", 40001)
    leg.receive_rtcp(report, ("198.51.100.7", 5556), START)
    assert leg.rtcp_destination == ("198.51.100.7", 5556)


# --- DTMF (RFC 4733) over such changes ---------------------------------------------------------------------------------------


def press(peer: Any, leg: EchoLeg, code: int) -> None:
    """One key, with the three end packets."""
    for duration, end in [(160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)]:
        peer.say(leg, payload_type=101, payload=bytes([code, end | 10]) + duration.to_bytes(2, "big"), step=0)
    peer.timestamp += 800


def new_ssrc(peer: Any, leg: EchoLeg) -> None:
    peer.ssrc, peer.timestamp = 0xD00D, 160


def new_key(peer: Any, leg: EchoLeg) -> None:
    peer.rekey(50)
    peer.sequence, peer.timestamp = 3, 160
    leg.change(peer.description())


def new_numbers(peer: Any, leg: EchoLeg) -> None:
    peer.sequence, peer.timestamp = peer.sequence + 10_000, 160


def new_timestamps(peer: Any, leg: EchoLeg) -> None:
    peer.timestamp = 160


@pytest.mark.parametrize("change", [new_ssrc, new_key, new_numbers, new_timestamps])
def test_keys_are_read_once_each_when_a_sender_starts_anew_with_smaller_timestamps(peer: Any, change: Any) -> None:
    leg = leg_for(peer)
    press(peer, leg, 1)
    change(peer, leg)
    press(peer, leg, 2)
    press(peer, leg, 3)
    assert [(event.digit, event.duration_ms) for event in leg.report().dtmf] == [("1", 60), ("2", 60), ("3", 60)]


def test_an_end_packet_that_is_overtaken_by_the_next_key_is_no_digit(peer: Any) -> None:
    leg = leg_for(peer)
    press(peer, leg, 1)
    peer.timestamp -= 800
    late = peer.packet(payload_type=101, payload=b"\x01\x8a\x01\xe0", step=800)
    press(peer, leg, 2)
    leg.receive_rtp(late, peer.source, peer.now)
    press(peer, leg, 3)
    assert [event.digit for event in leg.report().dtmf] == ["1", "2", "3"]
