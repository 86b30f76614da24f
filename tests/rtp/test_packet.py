from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.rtp.packet import Kind, RtpPacket, build, classify, parse, payload_of

HEADER = bytes.fromhex("80000001000000a0deadbeef")


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        *((octet, "STUN") for octet in (0, 3)),
        *((octet, "DTLS") for octet in (20, 63)),
        *((octet, "RTP") for octet in (128, 191)),
        *((octet, "UNKNOWN") for octet in (4, 19, 64, 127, 192, 255)),
    ],
)
def test_the_first_octet_tells_the_protocol_as_rfc_7983_has_it(first: int, kind: str) -> None:
    assert classify(bytes([first]) + bytes(19)) is Kind[kind]


@pytest.mark.parametrize(("second", "kind"), [(191, Kind.RTP), (192, Kind.RTCP), (200, Kind.RTCP), (223, Kind.RTCP), (224, Kind.RTP)])
def test_rtcp_on_the_rtp_port_is_known_by_its_packet_type(second: int, kind: Kind) -> None:
    assert classify(bytes([0x80, second]) + bytes(18)) is kind


@pytest.mark.parametrize("datagram", [b"", b"\x80", bytes([0x80]) + bytes(10), b"\x80\xc8\x00"])
def test_a_datagram_that_ends_before_the_header_is_of_no_kind(datagram: bytes) -> None:
    assert classify(datagram) is Kind.UNKNOWN


def test_csrc_list_extension_and_padding_are_cut_off() -> None:
    packet = b"\xb2" + HEADER[1:] + bytes(8) + bytes.fromhex("bede0001aabbccdd") + b"audio" + b"\x00\x00\x03"
    assert payload_of(packet) == b"audio"


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"\x8f" + HEADER[1:] + bytes(59), "fifteen CSRCs need sixty octets"),
        (b"\x90" + HEADER[1:] + bytes(3), "an extension header needs four"),
        (b"\x90" + HEADER[1:] + bytes.fromhex("bede0002") + bytes(7), "an extension longer than the packet"),
        (b"\xa0" + HEADER[1:] + b"ab\x04", "more padding than payload"),
        (b"\xa0" + HEADER[1:] + b"ab\x00", "a padding count of zero"),
        (HEADER[:11], "a header cut short"),
    ],
)
def test_inner_lengths_that_cannot_be_true_give_no_payload(packet: bytes, why: str) -> None:
    assert payload_of(packet) is None, why
    assert parse(packet) is None, why


def test_padding_may_fill_the_whole_payload() -> None:
    assert payload_of(b"\xa0" + HEADER[1:] + b"\x00\x02") == b""


def test_another_version_is_not_parsed() -> None:
    assert parse(b"\x40" + HEADER[1:] + b"audio") is None


@given(st.binary(max_size=120))
def test_any_datagram_is_classified_and_read_without_an_exception(datagram: bytes) -> None:
    kind, packet, payload = classify(datagram), parse(datagram), payload_of(datagram)
    assert kind in Kind
    assert packet is None or (payload == packet.payload and len(datagram) >= 12)


@given(
    st.integers(0, 127), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=40), st.booleans()
)
def test_what_is_built_is_read_again(payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool) -> None:
    packet = RtpPacket(payload_type, sequence, timestamp, ssrc, payload, marker)
    assert parse(build(packet)) == packet


def test_numbers_beyond_their_width_wrap() -> None:
    packet = parse(build(RtpPacket(0, 65536 + 5, 2**32 + 9, 1, b"x")))
    assert packet is not None
    assert (packet.sequence, packet.timestamp) == (5, 9)
