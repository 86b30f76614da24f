"""Capture files and link layers: every way to write the same packets reads the same."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from hashlib import sha512
from struct import pack

import pytest

from sbc_sim.traces.limits import Limits
from sbc_sim.traces.reading import read_trace
from sbc_sim.traces.recording import Datagram, TraceError
from tests.support.capture_files import (
    Conversation,
    Frame,
    block,
    enhanced_packet,
    ethernet,
    interface,
    ip,
    option,
    pcap,
    pcapng,
    section,
    tcp_segment,
    tls_secrets,
    udp_datagram,
    udp_frame,
)
from tests.support.tls_pairs import TlsPair

AT = 1_700_000_000.5
A, B = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
SIX_A, SIX_B = ("2001:db8::1", 4000), ("2001:db8::2", 5000)
MEDIA = b"\x80\x00" + bytes(170)
INVITE = b"INVITE sip:100@sbc.example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
FOUR = ip(A[0], B[0], 17, udp_datagram(A[1], B[1], MEDIA))
SIX = ip(SIX_A[0], SIX_B[0], 17, udp_datagram(SIX_A[1], SIX_B[1], MEDIA))


def the_datagram(data: bytes) -> Datagram:
    (datagram,) = read_trace(data).datagrams
    return datagram


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_is_read_in_both_orders_and_resolutions(order: str, nano: bool) -> None:
    datagram = the_datagram(pcap([Frame(AT, ethernet(FOUR))], order=order, nano=nano))
    assert datagram == Datagram(AT, A, B, MEDIA)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_is_read_in_both_orders(order: str) -> None:
    assert the_datagram(pcapng([Frame(AT, ethernet(FOUR))], order=order)) == Datagram(AT, A, B, MEDIA)


@pytest.mark.parametrize(("resolution", "ticks"), [(3, 10**3), (9, 10**9), (0x80 | 20, 2**20), (0, 1)])
def test_the_clock_of_an_interface_is_respected(resolution: int, ticks: int) -> None:
    options = option(9, bytes([resolution])) + option(14, pack("<q", 3600)) + option(0, b"")
    at = AT if ticks > 1 else 1_700_000_000.0
    file = section() + interface(options=options) + enhanced_packet(Frame(at, ethernet(FOUR)), ticks=ticks)
    assert the_datagram(file).at == pytest.approx(at + 3600, abs=1e-5)


def test_sections_have_their_own_order_and_interfaces() -> None:
    other = section(">") + interface(228, order=">") + enhanced_packet(Frame(AT + 1, FOUR), ">")
    recording = read_trace(section() + interface() + enhanced_packet(Frame(AT, ethernet(FOUR))) + other)
    assert [datagram.at for datagram in recording.datagrams] == [AT, AT + 1]


def test_interfaces_of_one_section_have_their_own_links() -> None:
    packets = enhanced_packet(Frame(AT, ethernet(FOUR))) + enhanced_packet(Frame(AT, FOUR[:-1] + b"x", None, 1))
    assert len(read_trace(section() + interface(1) + interface(101) + packets).datagrams) == 2


def test_simple_and_old_packet_blocks_are_read() -> None:
    frame = ethernet(FOUR)
    simple = block(3, pack("<I", len(frame)) + frame)
    ticks = int(AT * 1e6)
    old = block(2, pack("<HHIIII", 0, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    recording = read_trace(section() + interface() + simple + old)
    assert [datagram.at for datagram in recording.datagrams] == [0.0, AT]
    assert any("without times" in note for note in recording.notes)


def test_a_simple_packet_is_cut_at_the_snap_length() -> None:
    frame = ethernet(FOUR)
    simple = block(3, pack("<I", len(frame)) + frame[:100])
    (datagram,) = read_trace(section() + interface(snap_length=100) + simple).datagrams
    assert datagram.data == MEDIA[: 100 - 14 - 28]


def test_unknown_custom_and_statistics_blocks_are_passed_over() -> None:
    others = b"".join(block(kind, b"whatever") for kind in (4, 5, 9, 0xBAD, 0x40000BAD, 77))
    assert the_datagram(section() + interface() + others + enhanced_packet(Frame(AT, ethernet(FOUR)))).data == MEDIA


def test_the_secrets_in_a_file_open_what_is_in_it_wherever_they_stand() -> None:
    pair = TlsPair().say((True, INVITE))
    frames = Conversation().whole(pair.wire)
    for file in (pcapng(frames, key_log=pair.key_log), pcapng(frames) + tls_secrets(pair.key_log)):
        assert [piece.data for piece in read_trace(file).octets] == [INVITE]


def _null(order: str, family: int) -> Callable[[bytes], bytes]:
    return lambda packet: pack(order + "I", family) + packet


@pytest.mark.parametrize(
    ("link", "wrapped"),
    [
        (1, ethernet),
        (1, lambda packet: ethernet(packet, b"\x81\x00\x00\x05")),
        (1, lambda packet: ethernet(packet, b"\x88\xa8\x00\x05\x81\x00\x00\x06")),
        (1, lambda packet: bytes(12) + b"\x88\x64\x11\x00\x00\x01" + pack("!H", len(packet) + 2) + b"\x00\x21" + packet),
        (1, lambda packet: bytes(12) + b"\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40" + packet),
        (113, lambda packet: bytes(14) + b"\x08\x00" + packet),
        (276, lambda packet: b"\x08\x00" + bytes(18) + packet),
        (0, _null("<", 2)),
        (0, _null(">", 2)),
        (108, _null(">", 2)),
        (12, bytes),
        (14, bytes),
        (101, bytes),
        (228, bytes),
        (9, lambda packet: b"\xff\x03\x00\x21" + packet),
        (9, lambda packet: b"\x21" + packet),
        (1, lambda packet: ethernet(ip("192.0.2.1", "192.0.2.2", 4, packet))),
    ],
)
def test_ip_is_found_behind_each_link_layer(link: int, wrapped: Callable[[bytes], bytes]) -> None:
    assert the_datagram(pcap([Frame(AT, wrapped(FOUR))], link)) == Datagram(AT, A, B, MEDIA)


@pytest.mark.parametrize(("link", "head"), [(1, bytes(12) + b"\x86\xdd"), (0, b"\x1e\0\0\0"), (0, b"\0\0\0\x18"), (229, b""), (101, b"")])
def test_ipv6_is_found_too(link: int, head: bytes) -> None:
    assert the_datagram(pcap([Frame(AT, head + SIX)], link)) == Datagram(AT, SIX_A, SIX_B, MEDIA)


def test_ip_options_and_padding_of_short_frames_do_not_matter() -> None:
    packet = ip(A[0], B[0], 17, udp_datagram(A[1], B[1], b"\x80 short"), options=b"\x01" * 8)
    assert the_datagram(pcap([Frame(AT, ethernet(packet) + bytes(20))])).data == b"\x80 short"


def test_extension_headers_of_ipv6_are_passed_over() -> None:
    body = udp_datagram(4000, 5000, MEDIA)
    chain = b"\x2b\x00" + bytes(6) + b"\x3c\x01" + bytes(14) + b"\x11\x00" + bytes(6) + body
    packet = ip(SIX_A[0], SIX_B[0], 0, chain)
    assert the_datagram(pcap([Frame(AT, packet)], 229)).data == MEDIA


def _fragments(body: bytes, sizes: list[int], identification: int = 7) -> list[bytes]:
    pieces, place = [], 0
    for size in sizes:
        piece = body[place : place + size]
        more = place + size < len(body)
        pieces.append(ip(A[0], B[0], 17, piece, identification, place // 8 | (0x2000 if more else 0)))
        place += size
    return pieces


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 0, 1, 2, 2]])
def test_fragments_are_put_together_in_whatever_order_they_came(order: list[int]) -> None:
    payload = INVITE + bytes(3000)
    pieces = _fragments(udp_datagram(A[1], B[1], payload), [1000, 1000, 5000])
    frames = [Frame(AT + place, ethernet(pieces[number])) for place, number in enumerate(order)]
    recording = read_trace(pcap(frames))
    assert [piece.data for piece in recording.octets] == [payload]
    assert recording.octets[0].at == AT + order.index(max(order, key=order.index))


def test_fragments_of_ipv6_are_put_together() -> None:
    body = udp_datagram(4000, 5000, MEDIA)
    packets = [
        ip(SIX_A[0], SIX_B[0], 44, b"\x11\0" + pack("!HI", place | (place + 80 < len(body)), 99) + body[place : place + 80])
        for place in range(0, len(body), 80)
    ]
    assert the_datagram(pcap([Frame(AT, packet) for packet in packets], 101)).data == MEDIA


def test_a_datagram_whose_fragments_are_missing_is_told() -> None:
    pieces = _fragments(udp_datagram(A[1], B[1], bytes(3000)), [1000, 1000, 5000])
    recording = read_trace(pcap([Frame(AT, ethernet(pieces[0])), Frame(AT, ethernet(pieces[2]))]))
    assert recording.datagrams == ()
    assert "1 fragmented IP datagrams are not whole in the capture and were left out." in recording.notes


def test_overlapping_fragments_keep_what_came_first() -> None:
    first = ip(A[0], B[0], 17, udp_datagram(A[1], B[1], b"A" * 100)[:64], 7, 0x2000)
    evil = ip(A[0], B[0], 17, b"E" * 44, 7, 7)
    rest = ip(A[0], B[0], 17, b"A" * 44, 7, 8)
    recording = read_trace(pcap([Frame(AT, ethernet(packet)) for packet in (first, evil, rest)]))
    assert recording.datagrams[0].data[:56] == b"A" * 56


def test_a_packet_captured_on_two_interfaces_is_read_once_and_a_repeated_one_twice() -> None:
    frame = Frame(AT, ethernet(FOUR))
    twice = Frame(AT + 0.0001, ethernet(FOUR, b"\x81\x00\x00\x05"))
    assert len(read_trace(pcap([frame, twice])).datagrams) == 1
    assert len(read_trace(pcap([frame, Frame(AT + 0.0001, frame.data)])).datagrams) == 2


def _pdu(protocol: bytes, payload: bytes, port_type: int, server: int = 5061) -> bytes:
    tags = [(12, protocol), (20, bytes([10, 0, 0, 1])), (21, bytes([10, 0, 0, 2])), (24, pack("!I", port_type))]
    tags += [(25, pack("!I", 4000)), (26, pack("!I", server))]
    padded = [(tag, value + bytes(-len(value) % 4)) for tag, value in tags]
    return b"".join(pack("!HH", tag, len(value)) + value for tag, value in padded) + bytes(4) + payload


def test_exported_pdus_are_read_with_their_addresses() -> None:
    frames = [Frame(AT, _pdu(b"sip", INVITE, 2)), Frame(AT + 1, _pdu(b"rtp", MEDIA, 3, 5000)), Frame(AT + 2, _pdu(b"dns", MEDIA, 3))]
    recording = read_trace(pcap(frames, 252))
    (flow,) = recording.flows
    assert (flow.transport, flow.client, flow.server) == ("tls", ("10.0.0.1", 4000), ("10.0.0.2", 5061))
    assert flow.tls is not None
    assert flow.tls.decrypted
    assert recording.octets[0].data == INVITE
    assert recording.datagrams == (Datagram(AT + 1, A, B, MEDIA, clear=True),)


def test_gzip_is_unpacked_in_one_or_several_parts_and_bounded() -> None:
    file = pcap([Frame(AT, ethernet(FOUR))])
    assert the_datagram(gzip.compress(file)).data == MEDIA
    assert the_datagram(gzip.compress(file[:50]) + gzip.compress(file[50:])).data == MEDIA
    assert the_datagram(gzip.compress(file) + b"trailing").data == MEDIA
    bomb = gzip.compress(file + bytes(50_000_000))
    recording = read_trace(bomb, limits=Limits(inflated=100_000))
    assert any("unpack it, and cut it" in note for note in recording.notes)


def test_a_gzip_file_of_very_many_parts_is_not_unpacked_to_its_end() -> None:
    nothing = gzip.compress(b"")
    with pytest.raises(TraceError, match="holds nothing in its first 10000 parts"):
        read_trace(nothing * 20_000)
    file = pcap([Frame(AT + n, ethernet(FOUR)) for n in range(20)])
    parts = [gzip.compress(file[:-1]), *[nothing] * 8, gzip.compress(file[-1:]), nothing]
    recording = read_trace(b"".join(parts), limits=Limits(members=10))
    assert len(recording.datagrams) == 20
    assert recording.notes[0] == "The gzip file has more than the 10 parts that are read: unpack it first."


def test_a_gzip_part_larger_than_a_slice_is_followed_by_the_next_one() -> None:
    noise = [Frame(AT + n, ethernet(ip(A[0], B[0], 17, udp_datagram(A[1], B[1], sha512(b"%d" % n).digest() * 20)))) for n in range(60)]
    file = pcap([*noise, Frame(AT + 60, ethernet(FOUR))])
    parts = [gzip.compress(piece, 0) for piece in (file[:30_000], file[30_000:60_000], file[60_000:])]
    assert min(map(len, parts)) > 16 * 1024
    recording = read_trace(b"".join(parts))
    assert (len(recording.datagrams), recording.datagrams[-1].data) == (61, MEDIA)
    assert not any("gzip" in note for note in recording.notes)


def test_a_trace_is_cut_where_the_time_allowed_for_it_ends() -> None:
    file = pcap([udp_frame(AT + n, A, B, MEDIA + pack("!I", n)) for n in range(2000)])
    asked: list[int] = []

    def spent() -> bool:
        asked.append(1)
        return len(asked) > 3

    for data in (file, gzip.compress(file)):
        asked.clear()
        recording = read_trace(data, spent=spent)
        assert 0 < len(recording.datagrams) < 1100
        assert any("longer than the time allowed for it: it was cut after" in note for note in recording.notes)
    assert read_trace(file, spent=lambda: False) == read_trace(file)


def test_a_cut_gzip_gives_what_is_there() -> None:
    file = gzip.compress(pcap([Frame(AT + n, ethernet(FOUR[:-8] + pack("!d", n))) for n in range(50)]))
    recording = read_trace(file[:-100])
    assert recording.datagrams
    assert any("cut" in note for note in recording.notes)


def test_frames_that_cannot_be_read_are_counted_with_the_cure() -> None:
    recording = read_trace(pcap([Frame(AT, bytes(60))] * 3, 105))
    assert "3 frames of 802.11 (link type 105) cannot be read: capture on an Ethernet or IP interface, or on `any`." in recording.notes
    assert recording.flows == ()


def test_what_the_snap_length_cut_is_told() -> None:
    whole = ethernet(FOUR)
    recording = read_trace(pcap([Frame(AT, whole[:100], len(whole)), Frame(AT + 1, whole[:30], len(whole))]))
    assert recording.datagrams[0].data == MEDIA[: 100 - 42]
    assert "1 UDP datagrams were cut by the snap length of the capture: capture whole packets (snap length 0)." in recording.notes
    assert any(note.startswith("1 frames end within their headers") for note in recording.notes)


def test_a_capture_without_sip_says_so_and_says_what_it_has() -> None:
    http = Conversation(server=("10.0.0.2", 80)).whole([(True, b"GET / HTTP/1.1\r\n\r\n"), (False, b"HTTP/1.1 200 OK\r\n\r\n")])
    recording = read_trace(pcap([*http, udp_frame(AT, A, B, MEDIA)]))
    assert not recording.flows
    assert any("1 TCP connections and 1 UDP datagrams that carry neither" in note for note in recording.notes)


def test_a_refused_and_an_unanswered_connection_are_told() -> None:
    refused, silent = Conversation(), Conversation(client=("10.0.0.1", 40001))
    reset = ethernet(ip("10.0.0.2", "10.0.0.1", 6, tcp_segment(5061, 40000, 0, 1001, 4 | 16)))
    frames = [refused.frame(True, 2), Frame(AT, reset), silent.frame(True, 2), silent.frame(True, 2)]
    notes = read_trace(pcap(frames)).notes
    assert any(note.startswith("Connection 10.0.0.1:40000 -> 10.0.0.2:5061 was refused (RST)") for note in notes)
    assert any(note.startswith("Connection 10.0.0.1:40001 -> 10.0.0.2:5061 was never answered") for note in notes)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \r\n ", "is empty"),
        (b"PK\x03\x04....", "zip archive: unpack it"),
        (b"\xfd7zXZ\0", "packed with xz"),
        (b"snoop\0\0\0\0\0\0\2", "editcap -F pcapng"),
        (b"\xd4\xc3\xb2\xa1" + bytes(8), "ends within its header"),
        (b"\x0a\x0d\x0d\x0a" + bytes(20), "no byte-order magic"),
        (b"\x1f\x8b\x08" + b"\xff" * 30, "gzip file is damaged"),
        (b"\x7fELF\0\0\0\0" + bytes(100), "neither pcap nor pcapng nor text"),
        (b"hello\nworld", "No SIP message was found in 2 lines of text"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_sentence_with_the_cure(data: bytes, words: str) -> None:
    with pytest.raises(TraceError, match=words.replace("(", r"\(")) as caught:
        read_trace(data)
    assert "\n" not in str(caught.value)
    assert ":" in str(caught.value)


def test_limits_cut_and_say_so() -> None:
    frames = [udp_frame(AT + n, A, B, MEDIA + pack("!I", n)) for n in range(20)]
    packets = read_trace(pcap(frames), limits=Limits(packets=5))
    assert len(packets.datagrams) == 5
    assert any("Only the first 5 packets are read" in note for note in packets.notes)
    datagrams = read_trace(pcap(frames), limits=Limits(datagrams=5))
    assert (len(datagrams.datagrams), datagrams.notes[-1][:2]) == (5, "15")
    octets = read_trace(pcap(frames), limits=Limits(octets=1000))
    assert len(octets.datagrams) == 1000 // len(MEDIA + b"1234")
    pieces = read_trace(pcap(frames), limits=Limits(pieces=7))
    assert len(pieces.datagrams) == 7
    assert any("more octets or packets than are read" in note for note in pieces.notes)
    many = [frame for n in range(9) for frame in Conversation(client=("10.0.0.1", 1000 + n)).whole([(True, INVITE)])]
    assert len(read_trace(pcap(many), limits=Limits(connections=4)).flows) == 4
    long = Conversation().whole([(True, INVITE * 100)])
    cut = read_trace(pcap(long), limits=Limits(connection_octets=3000))
    assert sum(len(piece.data) for piece in cut.octets) == 2 * 1448
    assert any("is read up to 2896 octets only" in note for note in cut.notes)


def test_copies_in_clear_stand_in_for_tls_only_where_it_is_not_opened() -> None:
    pair = TlsPair().say((True, INVITE))
    wire = [enhanced_packet(frame) for frame in Conversation().whole(pair.wire)]
    copy = Conversation(server=("10.0.0.2", 5060)).whole([(True, INVITE + INVITE)])
    clear = [enhanced_packet(Frame(frame.at, frame.data, None, 1)) for frame in copy]
    rtp = enhanced_packet(Frame(AT, ethernet(FOUR), None, 2))
    head = section() + b"".join(interface(options=option(2, name)) for name in (b"TLS as it came", b"SIP decrypted", b"RTP decrypted"))
    opened = read_trace(head + tls_secrets(pair.key_log) + b"".join([*wire, *clear, rtp]))
    closed = read_trace(head + b"".join([*clear, rtp]))
    for recording, data in ((opened, INVITE), (closed, INVITE + INVITE)):
        (flow,) = recording.flows
        assert flow.tls is not None
        assert (flow.transport, flow.tls.decrypted) == ("tls", True)
        assert b"".join(piece.data for piece in recording.octets) == data
        assert [datagram.clear for datagram in recording.datagrams] == [True]
