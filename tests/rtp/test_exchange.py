from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.rtp.exchange import RtcpExchange
from sbc_sim.rtp.rtcp import (
    Bye,
    Description,
    Report,
    ReportBlock,
    SenderInfo,
    build_bye,
    build_cname,
    build_report,
    middle,
    ntp_time,
    parse,
)
from sbc_sim.rtp.statistics import StreamStatistics

START = 1_700_000_000.0
OURS, THEIRS = 0xBEEF, 0xCAFE


def heard(count: int = 10, lost: int = 0) -> StreamStatistics:
    stream = StreamStatistics(THEIRS, 100)
    for n in range(count):
        stream.take_audio(100 + n + lost, n * 160, START + n * 0.02)
    return stream


@given(st.integers(0, 2**32 - 1))
def test_the_first_report_is_due_well_within_five_seconds_and_the_others_about_five_apart(ssrc: int) -> None:
    exchange = RtcpExchange(ssrc, "x", START)
    assert 0.5 <= exchange.next_at - START <= 1.5
    times = []
    for _ in range(40):
        times.append(exchange.next_at)
        exchange.schedule(exchange.next_at)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(2.0 <= gap <= 6.2 for gap in gaps)
    assert 3.0 <= sum(gaps) / len(gaps) <= 5.5


def test_two_legs_do_not_report_in_step() -> None:
    assert len({RtcpExchange(ssrc, "x", START).next_at for ssrc in range(1000, 1050)}) == 50


def test_a_report_has_what_was_heard_and_a_cname() -> None:
    report, description = parse(RtcpExchange(OURS, "echo@sbc", START).compound(START + 1, None, [heard(10)])) or []
    assert isinstance(report, Report)
    assert report.sender is None
    assert report.blocks == (ReportBlock(THEIRS, 0, 0, 109, 0, 0, 0),)
    assert description == Description(OURS, "echo@sbc")


def test_it_is_a_sender_report_only_while_packets_are_sent() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    info = SenderInfo(ntp_time(START), 160, 5, 800)
    reports = [(parse(exchange.compound(START + n, info, [])) or [])[0] for n in range(2)]
    assert [report.sender for report in reports if isinstance(report, Report)] == [info, None]


def test_the_last_report_says_goodbye() -> None:
    assert (parse(RtcpExchange(OURS, "x", START).compound(START, None, [], bye=True)) or [])[-1] == Bye((OURS,))


def test_the_peers_name_and_goodbye_are_noted() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    assert exchange.take(build_report(Report(THEIRS)) + build_cname(THEIRS, "alice@example"), START)
    assert (exchange.peer_cname, exchange.bye, exchange.received) == ("alice@example", False, 1)
    assert exchange.take(build_report(Report(THEIRS)) + build_bye(THEIRS), START + 1)
    assert exchange.bye


def test_only_the_report_block_about_us_is_taken() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    exchange.take(build_report(Report(THEIRS, None, (ReportBlock(1, 255, 9, 9, 900), ReportBlock(OURS, 64, 5, 9, 160)))), START)
    assert (exchange.peer_fraction_lost, exchange.peer_jitter, exchange.round_trip) == (0.25, 160, None)


def test_the_round_trip_is_the_time_that_the_peer_did_not_hold_the_report() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    sent = middle(ntp_time(START))
    exchange.take(build_report(Report(THEIRS, None, (ReportBlock(OURS, 0, 0, 0, 0, sent, int(2.0 * 65536)),))), START + 2.125)
    assert exchange.round_trip == pytest.approx(0.125, abs=0.001)


def test_a_peer_that_rounds_its_delay_up_gives_a_round_trip_of_zero() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    sent = middle(ntp_time(START))
    exchange.take(build_report(Report(THEIRS, None, (ReportBlock(OURS, 0, 0, 0, 0, sent, int(2.1 * 65536)),))), START + 2.0)
    assert exchange.round_trip == 0.0


def test_our_blocks_name_the_peers_last_sender_report_and_how_long_ago_it_came() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    ntp = ntp_time(START - 3)
    exchange.take(build_report(Report(THEIRS, SenderInfo(ntp, 0, 1, 160))), START)
    [report, _] = parse(exchange.compound(START + 1.5, None, [heard()])) or []
    assert isinstance(report, Report)
    assert (report.blocks[0].last_sr, report.blocks[0].delay) == (middle(ntp), int(1.5 * 65536))


def test_two_exchanges_measure_the_round_trip_of_each_other() -> None:
    left, right = RtcpExchange(1, "left", START), RtcpExchange(2, "right", START)
    stream = StreamStatistics(1, 0)
    right.take(left.compound(START, SenderInfo(ntp_time(START), 0, 1, 160), []), START + 0.040)
    left.take(right.compound(START + 1.0, None, [stream]), START + 1.060)
    assert left.round_trip == pytest.approx(0.100, abs=0.001)


def test_sender_reports_of_ever_new_sources_do_not_pile_up() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    for ssrc in range(1000):
        exchange.take(build_report(Report(ssrc, SenderInfo(1 << 40, 0, 1, 1))), START)
    assert len(exchange._sender_reports) <= 16


def test_a_malformed_packet_is_said_to_be_one_and_changes_nothing() -> None:
    exchange = RtcpExchange(OURS, "x", START)
    assert exchange.take(b"\x81\xc9\0\1\0\0\0\1", START) is False
    assert exchange.received == 0


@given(st.binary(max_size=120))
def test_any_authentic_datagram_is_taken_without_an_exception(datagram: bytes) -> None:
    RtcpExchange(OURS, "x", START).take(datagram, START)
