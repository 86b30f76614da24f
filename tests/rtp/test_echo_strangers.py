"""What arrives and is no authentic audio, the leg's own RTCP, and the report as a whole."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.rtp import rtcp
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import LegReport
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.srtp import SUITES, TAG_OCTETS

START = 1_700_000_000.0


def leg_for(peer: Any, **changes: Any) -> EchoLeg:
    return EchoLeg(peer.description(**changes), START)


def changed(report: LegReport) -> dict[str, Any]:
    """The fields that differ from a report of nothing."""
    blank = LegReport()
    return {
        field.name: getattr(report, field.name) for field in fields(report) if getattr(report, field.name) != getattr(blank, field.name)
    }


def test_a_leg_that_heard_nothing_reports_nothing(peer: Any) -> None:
    assert changed(leg_for(peer).report()) == {}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("theirs", SUITES)
def test_a_wrong_suite_is_told_from_a_wrong_key_by_the_tag(make_peer: Any, suite: str, theirs: str) -> None:
    leg = leg_for(make_peer(suite=suite))
    stranger = make_peer(suite=theirs)
    stranger.rekey(42)
    for _ in range(12):
        leg.receive_rtp(stranger.packet(), stranger.source, START)
    assert changed(leg.report()) == {"auth_failures": 12, "failed_tag_octets": TAG_OCTETS[theirs]}


@pytest.mark.parametrize("octets", [80, 160, 240, 480])
def test_clear_rtp_on_an_srtp_stream_is_recognised(peer: Any, octets: int) -> None:
    leg = leg_for(peer)
    for n in range(5):
        leg.receive_rtp(build(RtpPacket(0, n, n * octets, 1, b"\x55" * octets)), peer.source, START)
    assert changed(leg.report()) == {"plain_rtp": 5}


def test_a_clear_digit_is_clear_rtp_too(peer: Any) -> None:
    leg = leg_for(peer)
    leg.receive_rtp(build(RtpPacket(101, 1, 0, 1, b"\x05\x8a\x03\x20")), peer.source, START)
    assert changed(leg.report()) == {"plain_rtp": 1}


def test_clear_rtp_of_a_payload_type_that_was_not_agreed_is_not_called_clear_rtp(peer: Any) -> None:
    leg = leg_for(peer)
    leg.receive_rtp(build(RtpPacket(8, 1, 0, 1, b"\x55" * 160)), peer.source, START)
    assert changed(leg.report()) == {"auth_failures": 1}


def test_an_authentication_failure_does_not_disturb_the_stream(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 3)
    damaged = bytearray(peer.packet())
    damaged[40] ^= 1
    assert leg.receive_rtp(bytes(damaged), peer.source, START) is None
    assert [packet.sequence for packet in peer.talk(leg, 2)] == [11, 12]
    assert leg.report().auth_failures == 1


STUN = bytes.fromhex("000100002112a442") + bytes(12)
DTLS = bytes.fromhex("16feff0000000000000000") + bytes(20)
CLEAR_APP = bytes.fromhex("80cc0003000000ff") + b"PING" + bytes(4)


@pytest.mark.parametrize("receive", ["receive_rtp", "receive_rtcp"])
@pytest.mark.parametrize(
    ("datagram", "counter"),
    [
        (STUN, "stun"),
        (DTLS, "dtls"),
        (CLEAR_APP, "rtcp_plain"),
        (bytes.fromhex("81c8000c") + bytes(48), "rtcp_plain"),
        (bytes.fromhex("80c90001000000ff") + b"\x80\0\0\1" + bytes(10), "rtcp_auth_failures"),
        (b"", "malformed"),
        (b"\r\n\r\n", "malformed"),
        (b"OPTIONS sip:x SIP/2.0\r\n", "malformed"),
        (b"\x80" * 11, "malformed"),
        (b"\xff" * 60, "malformed"),
    ],
)
def test_strangers_on_either_port_are_counted_and_left_alone(peer: Any, receive: str, datagram: bytes, counter: str) -> None:
    leg = leg_for(peer)
    assert getattr(leg, receive)(datagram, peer.source, START) is None
    assert changed(leg.report()) == {counter: 1}


def test_rtp_on_the_rtcp_port_is_malformed_there(peer: Any) -> None:
    leg = leg_for(peer)
    leg.receive_rtcp(peer.packet(), peer.source, START)
    assert changed(leg.report()) == {"malformed": 1}


COUNTERS = ["auth_failures", "plain_rtp", "malformed", "stun", "dtls", "rtcp_plain", "rtcp_auth_failures", "replayed", "old_key"]


@settings(max_examples=300, deadline=None)
@given(
    datagram=st.binary(max_size=400) | st.builds(lambda a, b, c: bytes([a, b]) + c, st.integers(128, 191), st.integers(0, 255), st.binary())
)
def test_any_datagram_on_either_port_is_counted_exactly_once(make_peer: Any, datagram: bytes) -> None:
    peer = make_peer()
    leg = leg_for(peer)
    leg.receive_rtp(datagram, peer.source, START)
    report = leg.report()
    assert sum(getattr(report, name) for name in COUNTERS) == 1
    leg.receive_rtcp(datagram, peer.source, START)
    report = leg.report()
    assert sum(getattr(report, name) for name in COUNTERS) == 2
    assert report.packets_received == report.echoed_packets == 0


@settings(max_examples=200, deadline=None)
@given(clear=st.builds(lambda flags, rest: bytes([0x80 | flags]) + rest, st.integers(0, 63), st.binary(min_size=11, max_size=200)))
def test_any_authentic_packet_is_taken_without_an_exception(make_peer: Any, clear: bytes) -> None:
    peer = make_peer()
    leg = leg_for(peer)
    protected = peer.sender.protect(clear)
    if isinstance(protected, bytes):
        leg.receive_rtp(protected, peer.source, START)
    report = leg.report()
    assert report.packets_received + report.malformed + report.rtcp_auth_failures + report.rtcp_plain <= 2
    assert report.echoed_packets <= 1


# --- RTCP of the leg -------------------------------------------------------------------------------------------------------


def reports(peer: Any, datagrams: list[bytes]) -> list[Any]:
    clear = [peer.receiver.open_rtcp(datagram) for datagram in datagrams]
    assert all(isinstance(packet, bytes) for packet in clear)
    return [part for packet in clear for part in rtcp.parse(packet) or []]


def test_within_five_seconds_there_is_a_report_with_a_cname(peer: Any) -> None:
    leg = leg_for(peer)
    ticks = [leg.tick(START + n * 0.5) for n in range(11)]
    report, name = reports(peer, [datagram for tick in ticks for datagram in tick])[:2]
    assert report == rtcp.Report(0xBEEF)
    assert name == rtcp.Description(0xBEEF, "echo@sbc")


def test_a_sender_report_counts_what_was_sent_and_blocks_what_was_lost(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 90)
    for _ in range(10):
        peer.packet()
    peer.talk(leg, 1)
    [report] = [part for part in reports(peer, leg.tick(peer.now)) if isinstance(part, rtcp.Report)]
    assert report.sender is not None
    assert (report.sender.packets, report.sender.octets) == (91, 91 * 160)
    assert report.sender.timestamp == 11_000 + 101 * 160
    [block] = report.blocks
    assert (block.ssrc, block.lost, block.highest, block.fraction_lost) == (peer.ssrc, 10, 1100, 10 * 256 // 101)


def test_the_goodbye_ends_with_bye(peer: Any) -> None:
    assert reports(peer, leg_for(peer).goodbye(START))[-1] == rtcp.Bye((0xBEEF,))


@pytest.mark.parametrize("muxed", [True, False])
def test_the_peers_reports_are_read_on_both_ports(peer: Any, muxed: bool) -> None:
    leg = leg_for(peer)
    block = rtcp.ReportBlock(0xBEEF, 128, 7, 900, 80)
    compound = rtcp.build_report(rtcp.Report(peer.ssrc, None, (block,))) + rtcp.build_cname(peer.ssrc, "alice") + rtcp.build_bye(peer.ssrc)
    receive = leg.receive_rtp if muxed else leg.receive_rtcp
    receive(peer.sender.protect_rtcp(compound), peer.source, START)
    assert changed(leg.report()) == {
        "rtcp_received": 1,
        "rtcp_bye": True,
        "peer_cname": "alice",
        "peer_fraction_lost": 0.5,
        "peer_jitter_ms": 10.0,
    }


def test_a_report_that_comes_twice_counts_once(peer: Any) -> None:
    leg = leg_for(peer)
    datagram = peer.sender.protect_rtcp(rtcp.build_report(rtcp.Report(peer.ssrc)))
    leg.receive_rtcp(datagram, peer.source, START)
    leg.receive_rtcp(datagram, peer.source, START)
    assert changed(leg.report()) == {"rtcp_received": 1}


def test_with_rtcp_mux_reports_go_where_the_media_goes(peer: Any) -> None:
    assert leg_for(peer, remote_rtcp=None).rtcp_destination is None


# --- the report ------------------------------------------------------------------------------------------------------------


def test_a_report_says_all_of_a_short_call(peer: Any) -> None:
    leg = leg_for(peer)
    for _ in range(30):
        peer.say(leg)
    for _ in range(10):
        peer.say(leg, payload=b"\xff" * 160)
    peer.say(leg, payload_type=13, payload=b"\x40")
    leg.sent_after(0.002)
    leg.sent_after(0.001)
    report = leg.report()
    assert (report.packets_received, report.octets_received) == (41, 40 * 160)
    assert (report.packets_sent, report.octets_sent, report.echoed_packets) == (40, 40 * 160, 40)
    assert (report.expected, report.lost, report.ssrcs, report.ssrc) == (41, 0, 1, peer.ssrc)
    assert (report.first_packet_at, report.last_packet_at) == (START, pytest.approx(START + 0.8))
    assert report.payload_types == ((0, 40), (13, 1))
    assert (report.packet_ms, report.audio_packets, report.silent_packets) == (20.0, 40, 10)
    assert report.remote == peer.source
    assert report.max_echo_delay_ms == 2.0
    assert report.level_dbfs is not None
    assert report.peak_dbfs is not None
    assert -30 < report.level_dbfs < report.peak_dbfs < 0


def test_jitter_and_loss_of_a_bad_network_are_seen(peer: Any) -> None:
    leg = leg_for(peer)
    for n in range(200):
        datagram = peer.packet()
        if n % 10:
            leg.receive_rtp(datagram, peer.source, peer.now + (0.03 if n % 2 else 0.0))
    report = leg.report()
    assert report.lost == 19  # the first lost one came before anything was expected
    assert 20 < report.jitter_ms <= report.max_jitter_ms < 40


def test_reading_the_report_changes_nothing(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 75)
    assert leg.report() == leg.report()


def test_payload_types_that_are_counted_are_bounded(peer: Any) -> None:
    leg = leg_for(peer)
    for payload_type in range(64):
        peer.say(leg, payload_type=payload_type, payload=b"\x55")
    assert len(leg.report().payload_types) == 16
