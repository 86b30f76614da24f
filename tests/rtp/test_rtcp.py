from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.rtp.rtcp import (
    Bye,
    Description,
    Other,
    Report,
    ReportBlock,
    SenderInfo,
    build_bye,
    build_cname,
    build_report,
    looks_clear,
    middle,
    ntp_time,
    parse,
)

WORDS = st.integers(0, 2**32 - 1)
BLOCKS = st.builds(ReportBlock, WORDS, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), WORDS, WORDS, WORDS, WORDS)
SENDERS = st.builds(SenderInfo, st.integers(0, 2**64 - 1), WORDS, WORDS, WORDS)


@given(st.builds(Report, WORDS, st.none() | SENDERS, st.lists(BLOCKS, max_size=31).map(tuple)))
def test_a_report_that_is_built_is_read_again(report: Report) -> None:
    assert parse(build_report(report)) == [report]


@given(WORDS, st.text(max_size=60))
def test_a_cname_that_is_built_is_read_again_whatever_its_length(ssrc: int, cname: str) -> None:
    written = build_cname(ssrc, cname)
    assert len(written) % 4 == 0
    assert parse(written) == [Description(ssrc, cname)]


def test_a_cname_longer_than_its_length_octet_is_cut() -> None:
    assert parse(build_cname(1, "x" * 300)) == [Description(1, "x" * 255)]


def test_a_compound_packet_is_read_part_by_part() -> None:
    report = Report(5, None, (ReportBlock(9, 64, -3, 70_000, 12),))
    compound = build_report(report) + build_cname(5, "a@b") + bytes.fromhex("80cc0002") + b"\0\0\0\5ABCD" + build_bye(5)
    assert parse(compound) == [report, Description(5, "a@b"), Other(204), Bye((5,))]


def test_octets_of_a_known_report_are_those_of_the_rfc() -> None:
    block = ReportBlock(ssrc=0x11111111, fraction_lost=0x40, lost=0x010203, highest=0x00010002, jitter=3, last_sr=4, delay=5)
    report = Report(0x22222222, SenderInfo(0x0102030405060708, 0x0A, 0x0B, 0x0C), (block,))
    assert build_report(report).hex() == (
        "81c8000c" "22222222" "01020304" "05060708" "0000000a" "0000000b" "0000000c"
        "11111111" "40010203" "00010002" "00000003" "00000004" "00000005"
    )  # fmt: skip


def test_more_than_31_blocks_do_not_fit_and_are_left_out() -> None:
    [report] = parse(build_report(Report(1, None, tuple(ReportBlock(n, 0, 0, 0, 0) for n in range(40))))) or []
    assert isinstance(report, Report)
    assert len(report.blocks) == 31


def test_padding_at_the_end_is_taken_off() -> None:
    padded = bytearray(build_bye(7) + b"\0\0\0\4")
    padded[0] |= 0x20
    padded[3] += 1
    assert parse(bytes(padded)) == [Bye((7,))]


@pytest.mark.parametrize(
    ("datagram", "why"),
    [
        ("", "nothing"),
        ("80c9", "a header cut short"),
        ("80c9000100000001ff", "an octet left over"),
        ("80c90002000000ff", "a length beyond the end"),
        ("40c9000100000001", "version 1"),
        ("8000000100000001", "a packet type of RTP"),
        ("81c9000100000001", "a report block promised and not there"),
        ("80c8000100000001", "sender information promised and not there"),
        ("82cb000100000001", "two sources promised and one there"),
        ("a0c900010000000f", "more padding than packet"),
        ("a0c9000100000000", "no padding where padding is said to be"),
        ("a0c90001000000048 0c9000100000001".replace(" ", ""), "padding before the last packet"),
    ],
)
def test_lengths_that_do_not_add_up_are_malformed(datagram: str, why: str) -> None:
    assert parse(bytes.fromhex(datagram)) is None, why


def test_sdes_chunks_end_where_they_make_no_sense_any_more() -> None:
    two = bytes.fromhex("82ca000400000001010161000000000201ff6263")
    assert parse(two) == [Description(1, "a"), Description(2, "bc")]


@given(st.binary(max_size=100))
def test_any_datagram_is_read_or_refused_without_an_exception(datagram: bytes) -> None:
    assert (parse(datagram) is not None) is looks_clear(datagram)


@given(st.integers(128, 191), st.integers(192, 223), st.binary(max_size=80))
def test_anything_behind_a_plausible_header_is_read_or_refused(first: int, packet_type: int, body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    parse(bytes([first, packet_type]) + (len(body) // 4).to_bytes(2, "big") + body)


def test_ntp_time_counts_from_1900_and_its_middle_in_65536ths() -> None:
    assert ntp_time(0.5) == (2_208_988_800 << 32) + (1 << 31)
    assert middle(ntp_time(1.25)) == ((2_208_988_801 & 0xFFFF) << 16) + 0x4000
