"""What a leg keeps of its packets: which ones, in what bound, and why others were refused."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.packet import RtpPacket, build, parse
from sbc_sim.rtp.recording import MOST_REFUSED, PER_PACKET, Recording, Ring, octets_for
from tests.support.srtp_peer import SDP_ADDRESS, START, Peer, frame, make_key

STRANGER = ("203.0.113.9", 999)


def recorded(peer: Peer, most: int = 1_000_000, **changes: Any) -> tuple[EchoLeg, Recording]:
    recording = Recording(most)
    leg = EchoLeg(peer.description(**changes), START)
    leg.record_to(recording)
    return leg, recording


def reasons(recording: Recording) -> list[str]:
    return [refused.reason for refused in recording.refused]


@given(st.integers(1, 3000), st.lists(st.integers(0, 400), max_size=60))
def test_a_ring_keeps_the_first_and_the_last_packets_within_its_octets(most: int, sizes: list[int]) -> None:
    ring = Ring(most)
    packets = [(float(number), SDP_ADDRESS, bytes(size)) for number, size in enumerate(sizes)]
    for at, address, packet in packets:
        ring.add(at, address, packet)
    clip = ring.clip()
    last = len(clip.packets) - clip.dropped_after
    assert clip.packets == (*packets[: clip.dropped_after], *packets[len(packets) - last :])
    assert clip.dropped == len(packets) - len(clip.packets)
    assert ring.octets == sum(len(packet) + PER_PACKET for _, _, packet in clip.packets)
    assert ring.octets <= 2 * most + max(sizes, default=0) + PER_PACKET
    assert not clip.dropped or ring.octets >= 2 * most - (max(sizes) + PER_PACKET), "nothing goes while there is room"


def test_what_was_heard_and_said_is_kept_in_clear_with_its_time_and_far_end(peer: Peer) -> None:
    leg, recording = recorded(peer)
    answers = peer.talk(leg, 3)
    received, sent = recording.received.clip().packets, recording.sent.clip().packets
    assert [parse(packet) for _, _, packet in sent] == answers
    assert [parse(packet).payload for _, _, packet in received] == [frame(1000 + n) for n in range(3)]  # type: ignore[union-attr]
    assert [at for at, _, _ in received] == pytest.approx([START, START + 0.02, START + 0.04])
    assert {address for _, address, _ in (*received, *sent)} == {SDP_ADDRESS}


def test_a_latched_source_is_kept_as_it_is_and_the_answers_go_there(peer: Peer) -> None:
    leg, recording = recorded(peer, latch=True)
    peer.source = ("198.51.100.7", 4444)
    peer.talk(leg, 2)
    assert {address for _, address, _ in (*recording.received.clip().packets, *recording.sent.clip().packets)} == {peer.source}


def test_an_address_is_kept_once_for_all_packets_that_come_from_it(peer: Peer) -> None:
    leg, recording = recorded(peer)
    for source in (SDP_ADDRESS, ("198.51.100.7", 4444)):
        for _ in range(3):
            peer.source = source[0], source[1]  # an equal one, but not the same, as sockets give them
            peer.say(leg)
    addresses = [address for _, address, _ in recording.received.clip().packets]
    assert len({id(address) for address in addresses}) == 2


def test_the_garbage_collector_does_not_look_at_kept_packets_again(peer: Peer) -> None:
    leg, recording = recorded(peer)
    peer.talk(leg, 20)
    gc.collect()
    assert not [packet for packet in recording.received.clip().packets if gc.is_tracked(packet)]
    assert not [packet for packet in recording.sent.clip().packets if gc.is_tracked(packet)]


def test_each_refused_datagram_is_kept_as_it_came_with_the_reason_in_words(peer: Peer) -> None:
    leg, recording = recorded(peer)
    first = peer.packet()
    leg.receive_rtp(first, SDP_ADDRESS, peer.now)
    leg.receive_rtp(first, SDP_ADDRESS, peer.now)
    leg.receive_rtp(build(RtpPacket(0, 5, 5, 7, frame(1))), SDP_ADDRESS, peer.now)
    other = Peer(ssrc=0xBAD)
    other.rekey(55)
    wrong = other.packet()
    leg.receive_rtp(wrong, SDP_ADDRESS, peer.now)
    leg.receive_rtp(other.packet(), STRANGER, peer.now)
    leg.receive_rtp(b"\x00\x01" + bytes(18), SDP_ADDRESS, peer.now)
    leg.receive_rtp(b"\x16" + bytes(18), SDP_ADDRESS, peer.now)
    leg.receive_rtp(b"hello", SDP_ADDRESS, peer.now)
    told = reasons(recording)
    assert [reason.partition(":")[0].partition(",")[0] for reason in told] == [
        "replayed",
        "plain RTP",
        "wrong key or suite",
        "stranger",
        "STUN",
        "DTLS",
        "neither RTP nor RTCP",
    ]
    assert "a tag of 10 octets" in told[2]
    assert recording.refused[2].datagram == wrong
    assert (recording.refused[3].source, recording.refused[3].at) == (STRANGER, peer.now)


def test_a_packet_under_the_replaced_key_is_refused_as_such(peer: Peer) -> None:
    leg, recording = recorded(peer)
    peer.talk(leg, 1)
    late = peer.packet()
    leg.change(peer.description(receive_key=make_key(77)))
    leg.receive_rtp(late, SDP_ADDRESS, peer.now)
    assert reasons(recording) == ["old key: replaced by a re-INVITE or UPDATE"]


def test_refused_datagrams_are_bounded_in_number_and_length_and_the_rest_is_counted(peer: Peer) -> None:
    _, recording = recorded(peer)
    for _ in range(MOST_REFUSED + 7):
        recording.refuse(START, STRANGER, bytes(1400), "any")
    assert len(recording.refused) == MOST_REFUSED
    assert recording.refused_more == 7
    assert {(len(kept.datagram), kept.length) for kept in recording.refused} == {(512, 1400)}
    assert recording.octets <= recording.most_octets


def test_rtcp_is_kept_in_clear_both_ways_and_what_is_no_srtcp_is_refused(peer: Peer) -> None:
    leg, recording = recorded(peer)
    peer.talk(leg, 2)
    report = leg.exchange.compound(peer.now, None, [])
    protected = peer.sender.protect_rtcp(report)
    assert isinstance(protected, bytes)
    leg.receive_rtcp(protected, SDP_ADDRESS, peer.now)
    leg.receive_rtcp(protected, SDP_ADDRESS, peer.now)
    leg.receive_rtcp(report, SDP_ADDRESS, peer.now)
    other = Peer()
    other.rekey(55)
    leg.receive_rtcp(other.sender.protect_rtcp(report[:4] + b"\x00\x00\x0b\xad" + report[8:]), SDP_ADDRESS, peer.now)  # type: ignore[arg-type]
    goodbye = leg.goodbye(peer.now)
    assert [packet for _, _, packet in recording.rtcp_received.clip().packets] == [report]
    ((_, destination, said),) = recording.rtcp_sent.clip().packets
    assert destination == (SDP_ADDRESS[0], SDP_ADDRESS[1] + 1)
    assert said == peer.receiver.open_rtcp(goodbye[0])
    kinds = [reason.partition(":")[0].partition(",")[0] for reason in reasons(recording)]
    assert kinds == ["SRTCP replayed", "plain RTCP", "SRTCP with a wrong key or suite"]


def test_a_packet_that_may_be_another_legs_is_not_held_against_this_one(peer: Peer) -> None:
    leg, recording = recorded(peer)
    other = Peer()
    other.rekey(55)
    assert leg.claim_rtp(other.packet(), STRANGER, peer.now) == (False, None)
    assert not recording.refused


@pytest.mark.parametrize(("ptime", "packets"), [(20, 50), (10, 100), (5, 100), (60, 16), (200, 16)])
def test_the_bound_holds_so_many_seconds_of_audio_of_the_agreed_packet_time(ptime: int, packets: int, peer: Peer) -> None:
    size = 8 * min(60, max(10, ptime))
    ring = Ring(octets_for(3.0, ptime))
    for number in range(4 * packets):
        ring.add(START + number, SDP_ADDRESS, bytes(12 + size))
    assert ring.clip().dropped_after in (3 * packets, 3 * packets + 1, 3 * packets + 2)
