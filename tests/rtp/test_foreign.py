"""Strangers: what another source than the peer's sends while the call goes well is not held against the partner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from sbc_sim.rtp import rtcp
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import LegReport
from sbc_sim.rtp.packet import RtpPacket, build

START = 1_700_000_000.0
STRANGER = ("192.0.2.10", 47777)
ELSEWHERE = ("198.51.100.7", 5555)
STUN = bytes.fromhex("000100002112a442") + bytes(12)
CLEAR_RTCP = bytes.fromhex("81c8000c") + bytes(48)
GARBAGE = {
    "auth_failures": b"\x80\x00" + b"\x17" * 180,
    "plain_rtp": build(RtpPacket(0, 1, 160, 1, b"\x55" * 160)),
    "stun": STUN,
    "dtls": bytes.fromhex("16fefd") + bytes(20),
    "malformed": b"\xff" * 60,
    "rtcp_plain": CLEAR_RTCP,
    "rtcp_auth_failures": bytes.fromhex("80c90001000000ff") + b"\x80\0\0\1" + bytes(10),
}


def leg_for(peer: Any, **changes: Any) -> EchoLeg:
    return EchoLeg(peer.description(**changes), START)


def throw(leg: EchoLeg, datagrams: Iterable[bytes], source: tuple[str, int]) -> None:
    for datagram in datagrams:
        assert leg.receive_rtp(datagram, source, START) is None


def own_report(peer: Any) -> Any:
    return peer.sender.protect_rtcp(rtcp.build_report(rtcp.Report(peer.ssrc)))


def without_foreign(report: LegReport) -> LegReport:
    return replace(report, foreign=0)


def test_garbage_of_a_stranger_in_a_good_call_is_counted_as_foreign_and_in_nothing_else(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 5)
    before = leg.report()
    throw(leg, GARBAGE.values(), STRANGER)
    report = leg.report()
    assert (before.foreign, report.foreign) == (0, len(GARBAGE))
    assert without_foreign(report) == before
    assert len(peer.talk(leg, 5)) == 5


@pytest.mark.parametrize("counter", ["stun", "dtls", "malformed", "rtcp_plain", "rtcp_auth_failures"])
def test_a_stranger_on_the_rtcp_port_is_foreign_too(peer: Any, counter: str) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 1)
    before = leg.report()
    leg.receive_rtcp(GARBAGE[counter], STRANGER, START)
    assert leg.report() == replace(before, foreign=1)


def test_a_forgery_that_copies_a_number_of_the_stream_is_foreign_and_no_replay(peer: Any) -> None:
    leg = leg_for(peer)
    forged = peer.packet()
    leg.receive_rtp(forged, peer.source, START)
    throw(leg, [forged[:12] + bytes(len(forged) - 12)], STRANGER)
    report = leg.report()
    assert (report.foreign, report.replayed, report.duplicates) == (1, 0, 0)


@pytest.mark.parametrize("counter", GARBAGE)
def test_before_any_authentic_packet_whoever_sends_is_counted_as_the_partner(peer: Any, counter: str) -> None:
    leg = leg_for(peer)
    throw(leg, [GARBAGE[counter]], STRANGER)
    report = leg.report()
    assert (getattr(report, counter), report.foreign) == (1, 0)


@pytest.mark.parametrize("counter", GARBAGE)
@pytest.mark.parametrize("source", [("192.0.2.10", 40000), ("192.0.2.10", 40001)])
def test_from_the_addresses_of_the_sdp_everything_is_still_counted(peer: Any, counter: str, source: tuple[str, int]) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 3)
    throw(leg, [GARBAGE[counter]], source)
    report = leg.report()
    assert (getattr(report, counter), report.foreign) == (1, 0)


@pytest.mark.parametrize("latch", [True, False])
def test_behind_nat_the_source_of_the_authentic_packets_is_the_partners_latched_to_or_not(peer: Any, latch: bool) -> None:
    leg = leg_for(peer, latch=latch)
    peer.source = ELSEWHERE
    peer.talk(leg, 3)
    throw(leg, GARBAGE.values(), ELSEWHERE)
    report = leg.report()
    assert (report.foreign, report.auth_failures, report.plain_rtp, report.stun) == (0, 1, 1, 1)
    throw(leg, GARBAGE.values(), STRANGER)
    assert leg.report() == replace(report, foreign=len(GARBAGE))


def test_until_rtcp_was_heard_the_port_for_it_at_the_latched_host_is_the_partners_and_then_only_where_it_came_from(peer: Any) -> None:
    leg = leg_for(peer, latch=True)
    peer.source = ELSEWHERE
    peer.talk(leg, 3)
    guessed, mapped = (ELSEWHERE[0], 40001), (ELSEWHERE[0], 6001)
    leg.receive_rtcp(CLEAR_RTCP, guessed, START)
    assert (leg.report().rtcp_plain, leg.report().foreign) == (1, 0)
    leg.receive_rtcp(own_report(peer), mapped, START)
    leg.receive_rtcp(CLEAR_RTCP, guessed, START)
    leg.receive_rtcp(CLEAR_RTCP, mapped, START)
    report = leg.report()
    assert (report.rtcp_received, report.rtcp_plain, report.foreign) == (1, 2, 1)


def test_authentic_packets_from_another_source_are_strays_and_reports_are_read_from_anywhere(peer: Any) -> None:
    leg = leg_for(peer, remote_rtcp=None)
    peer.talk(leg, 3)
    leg.receive_rtp(peer.packet(), STRANGER, START)
    leg.receive_rtcp(own_report(peer), ELSEWHERE, START)
    report = leg.report()
    assert (report.stray, report.rtcp_received, report.foreign) == (1, 1, 0)


def test_after_a_new_key_packets_under_the_old_one_and_a_wrong_key_from_anywhere_are_still_told(peer: Any) -> None:
    leg = leg_for(peer)
    peer.talk(leg, 3)
    late = peer.packet()
    old = peer.sender
    peer.rekey(50)
    leg.change(peer.description(remote=ELSEWHERE, remote_rtcp=None))
    throw(leg, [late, GARBAGE["auth_failures"]], STRANGER)
    report = leg.report()
    assert (report.old_key, report.auth_failures, report.foreign) == (1, 1, 0)
    peer.source = ELSEWHERE
    peer.talk(leg, 2)
    throw(leg, [old.protect(build(RtpPacket(0, peer.sequence, 9, peer.ssrc, b"\x55" * 160))), GARBAGE["auth_failures"]], STRANGER)
    report = leg.report()
    assert (report.old_key, report.auth_failures, report.foreign) == (2, 1, 1)
