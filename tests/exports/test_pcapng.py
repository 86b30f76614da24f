"""The capture file, read back by a reader of its own: what is in it, octet by octet, whatever the call was like."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.exports.capture import NOTHING, Capture, MediaRecording, TlsPiece, TlsRecording
from sbc_sim.exports.pcapng import INTERFACES, NOTES, REFUSED, RTCP, RTP, SIP, TLS, capture_pcapng
from sbc_sim.exports.redacted import Redaction
from sbc_sim.exports.rtcp_masked import masked_rtcp
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore, StoreLimits
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.recording import Clip, RefusedDatagram
from tests.support import pcapng
from tests.support.sip import Exchange, an_invite
from tests.support.srtp_peer import frame

START = 1_700_000_000.0
PEER, LOCAL = ("192.0.2.1", 40001), ("203.0.113.5", 5061)
FAR, OWN = ("192.0.2.77", 24000), ("203.0.113.5", 31000)
SECRET = "CLIENT_RANDOM " + "ab" * 32 + " " + "cd" * 48


def rtp(number: int, ssrc: int = 0xCAFE, payload: bytes | None = None) -> bytes:
    return build(RtpPacket(0, number, 160 * number, ssrc, frame(number) if payload is None else payload))


def clip(count: int, ssrc: int = 0xCAFE, **gap: int) -> Clip:
    return Clip(tuple((START + 0.02 * n, FAR, rtp(n, ssrc)) for n in range(count)), **gap)


def media(**parts: Any) -> MediaRecording:
    return MediaRecording(OWN[0], OWN[1], OWN[1] + 1, **{"received": clip(5), "sent": clip(5, 0xBEEF), **parts})


def tls(pieces: tuple[TlsPiece, ...] = (), **parts: Any) -> TlsRecording:
    pieces = pieces or (TlsPiece(START, True, b"\x16hello"), TlsPiece(START + 1, False, b"\x16hello too"))
    return TlsRecording(**{"connection": 1, "peer": PEER, "local": LOCAL, "pieces": pieces, "secrets": (SECRET,), **parts})


def trace_of(entries: list[Entry], limits: StoreLimits | None = None) -> Trace:
    store = MemoryStore(limits)
    for entry in entries:
        store.append(entry)
    trace = store.trace(next(entry.call for entry in entries if entry.call))
    assert trace is not None
    return trace


def a_call(**changed: str) -> Trace:
    exchange = Exchange()
    placed = exchange.line().call(**changed)
    exchange.wait(1.0)
    placed.send("BYE")
    return trace_of(exchange.entries)


def a_trace(messages: list[tuple[bool, bytes]], kind: Kind = Kind.MESSAGE, **data: Any) -> Trace:
    entries = [Entry(START, Kind.CALL_STARTED, "c", {"connection": 1, "peer": "192.0.2.1:40001"})]
    entries += [Entry(START + n, kind, "c", told(inbound, **data), raw) for n, (inbound, raw) in enumerate(messages)]
    return trace_of(entries)


def told(inbound: bool, **data: Any) -> Mapping[str, Any]:
    return {"connection": 1, "direction": "in" if inbound else "out", "summary": "INVITE", **data}


def written(trace: Trace, capture: Capture = NOTHING, level: Redaction = Redaction.NONE) -> pcapng.File:
    return pcapng.read(capture_pcapng(trace, capture, level))


def datagrams(file: pcapng.File, interface: int) -> list[pcapng.Datagram]:
    return [pcapng.open_ip(packet.octets, packet.length) for packet in file.on(interface)]


def test_the_interfaces_have_names_and_the_file_names_its_writer() -> None:
    file = pcapng.read(capture_pcapng(a_call(), NOTHING, application="sbc-sim 9.9"))
    assert file.application == "sbc-sim 9.9"
    assert file.interfaces == [name for name, _ in INTERFACES]


def test_the_messages_of_a_call_are_there_octet_by_octet_on_a_connection_of_their_own() -> None:
    trace = a_call()
    sent = [b"".join(e.raw for e in trace.entries if e.kind is Kind.MESSAGE and e.data["direction"] == way) for way in ("in", "out")]
    streams = pcapng.tcp_streams(written(trace, Capture((tls(),), media())).on(SIP))
    assert {ends: stream.octets for ends, stream in streams.items()} == {
        (PEER, (LOCAL[0], 5060)): sent[0],
        ((LOCAL[0], 5060), PEER): sent[1],
    }


def test_tls_octets_are_as_they_came_between_the_real_addresses_with_the_secrets_before_them() -> None:
    pieces = (TlsPiece(START, True, b"\x16" * 5000), TlsPiece(START + 0.5, False, b"\x16answer"), TlsPiece(START + 1, True, b"\x17more"))
    file = written(a_call(), Capture((tls(pieces, ended_at=START + 2),)))
    streams = pcapng.tcp_streams(file.on(TLS))
    assert {ends: stream.octets for ends, stream in streams.items()} == {
        (PEER, LOCAL): b"\x16" * 5000 + b"\x17more",
        (LOCAL, PEER): b"\x16answer",
    }
    assert file.secrets == [SECRET]
    flags = [segment.flags for segment in datagrams(file, TLS)]
    assert (flags[0], flags[1], flags[-3] & 1, flags[-2] & 1) == (2, 18, 1, 1), "from SYN to FIN"
    assert [packet.nanoseconds for packet in file.on(TLS)][-1] == int((START + 2) * 1e9)


def test_on_a_connection_that_we_opened_we_are_the_client() -> None:
    pieces = (TlsPiece(START, False, b"\x16hello"), TlsPiece(START + 1, True, b"\x16answer"))
    trace = a_trace([(False, b"BYE"), (True, b"200")], connection=-1)
    file = written(trace, Capture((tls(pieces, connection=-1, peer=("192.0.2.1", 5061), local=("203.0.113.5", 51000)),)))
    syn = datagrams(file, TLS)[0]
    assert (syn.flags, syn.source, syn.destination) == (2, ("203.0.113.5", 51000), ("192.0.2.1", 5061))
    syn = datagrams(file, SIP)[0]
    assert (syn.flags, syn.source, syn.destination) == (2, ("203.0.113.5", 51000), ("192.0.2.1", 5060))


def test_tls_that_is_really_on_port_5060_is_not_mixed_with_the_messages_in_clear() -> None:
    file = written(a_call(), Capture((tls(local=(LOCAL[0], 5060)),)))
    assert {datagram.destination[1] for datagram in datagrams(file, SIP)} == {5070, PEER[1]}
    assert {datagram.destination[1] for datagram in datagrams(file, TLS)} == {5060, PEER[1]}


def test_packets_of_both_ways_are_there_in_clear_with_their_times_and_addresses() -> None:
    recording = media(rtcp_received=Clip(((START, (FAR[0], FAR[1] + 1), b"\x81\xc9rtcp in"),)))
    file = written(a_call(), Capture(media=recording))
    found = datagrams(file, RTP)
    received = [d for d in found if d.source == FAR]
    sent = [d for d in found if d.source == OWN]
    assert [d.payload for d in received] == [rtp(n) for n in range(5)]
    assert [d.payload for d in sent] == [rtp(n, 0xBEEF) for n in range(5)]
    assert {d.destination for d in received} == {OWN}
    assert {d.destination for d in sent} == {FAR}
    assert [packet.nanoseconds for packet in file.on(RTP)] == [(int(START) * 1000 + 20 * n) * 10**6 for n in range(5) for _ in range(2)]
    (report,) = datagrams(file, RTCP)
    assert (report.source, report.payload) == ((FAR[0], FAR[1] + 1), b"\x81\xc9rtcp in")


def test_packets_stand_in_the_order_of_their_times() -> None:
    file = written(a_call(), Capture((tls(),), media()))
    times = [packet.nanoseconds for packet in file.packets]
    assert times == sorted(times)


def test_wireshark_is_told_that_rtp_is_in_clear_after_every_message_that_could_make_it_think_otherwise() -> None:
    file = written(a_call(), Capture((tls(),), media()))
    told = False
    for packet in file.packets:
        if packet.interface == NOTES:
            told = True
            assert b"RTP/AVP 0" in packet.octets
            assert all(f"m=audio {port} ".encode() in packet.octets for port in (FAR[1], OWN[1]))
        elif packet.interface == TLS or (packet.interface == SIP and b"m=audio" in packet.octets):
            told = told and not packet.octets[54:]
        elif packet.interface in (RTP, RTCP):
            assert told


def test_what_was_not_kept_in_the_middle_is_said_at_the_first_packet_behind_it_and_nowhere_else() -> None:
    file = written(a_call(), Capture(media=media(received=clip(6, dropped_after=4, dropped=1234))))
    said = [(place, packet) for place, packet in enumerate(file.on(RTP)) if any("1234" in comment for comment in packet.comments)]
    ((_, packet),) = said
    assert pcapng.open_ip(packet.octets, packet.length).payload == rtp(4)
    assert "not lost on the network" in " ".join(packet.comments)


def test_journal_entries_that_were_left_out_are_said_at_the_next_message() -> None:
    messages = [(True, b"OPTIONS %d" % n) for n in range(40)]
    entries = [Entry(START, Kind.CALL_STARTED, "c", {"connection": 1})]
    entries += [Entry(START + n, Kind.MESSAGE, "c", told(True), raw) for n, (_, raw) in enumerate(messages)]
    trace = trace_of(entries, StoreLimits(first_entries=5, last_entries=5))
    said = [packet for packet in written(trace).on(SIP) if any("were not kept" in comment for comment in packet.comments)]
    ((packet),) = said
    assert pcapng.open_ip(packet.octets, packet.length).payload == b"OPTIONS 35"


def test_a_finding_is_a_comment_of_the_message_it_quotes_with_what_to_do() -> None:
    exchange = Exchange()
    exchange.line().send(an_invite(user_to_user="7b2"))
    file = written(trace_of(exchange.entries))
    commented = [packet for packet in file.on(SIP) if any("SBC-UUI-002" in comment for comment in packet.comments)]
    assert len(commented) == 1
    assert b"INVITE sip:" in commented[0].octets
    assert "To do:" in next(comment for comment in commented[0].comments if "SBC-UUI-002" in comment)
    assert any(comment.startswith("sbc-sim, call") and "verdict fail" in comment for comment in file.comments)


def test_refused_datagrams_carry_the_reason_and_those_of_a_stream_that_was_opened_are_kept_out_of_it() -> None:
    wrong, again = rtp(3, 0xBAD), rtp(2)
    refused = (
        RefusedDatagram(START, FAR, wrong, "wrong key or suite", len(wrong)),
        RefusedDatagram(START + 0.1, FAR, again, "replayed", len(again)),
        RefusedDatagram(START + 0.2, ("198.51.100.3", 9), wrong[:20], "stranger", 900),
    )
    file = written(a_call(), Capture(media=media(refused=refused)))
    first, stranger = file.on(REFUSED)
    assert pcapng.open_ip(first.octets, first.length).payload == wrong
    assert first.comments == [f"refused: wrong key or suite ({len(wrong)} octets)"]
    assert (len(stranger.octets), stranger.length) == (14 + 20 + 8 + 20, 14 + 20 + 8 + 900)
    kept_out = [packet for packet in file.on(NOTES) if "refused: replayed (172 octets)" in packet.comments]
    found = pcapng.open_ip(kept_out[0].octets, kept_out[0].length)
    assert (found.protocol, found.source[0], found.destination[0], found.payload) == (253, FAR[0], OWN[0], again)


def test_octets_that_could_not_be_read_have_a_stream_of_their_own() -> None:
    entries = [Entry(START, Kind.CALL_STARTED, "c", {"connection": 1, "peer": "192.0.2.1:40001"})]
    entries.append(Entry(START, Kind.MESSAGE, "c", told(True), b"good"))
    entries.append(Entry(START, Kind.PARSE_ERROR, "c", {"connection": 1, "detail": "no\x1b[31m colon"}, b"Content-Length: 9999\r\n\r\n"))
    entries.append(Entry(START, Kind.MESSAGE, "c", told(True), b"good too"))
    file = written(trace_of(entries))
    streams = [stream.octets for stream in pcapng.tcp_streams(file.on(SIP)).values() if stream.octets]
    assert sorted(streams) == [b"Content-Length: 9999\r\n\r\n", b"goodgood too"]
    comments = [comment for packet in file.on(SIP) for comment in packet.comments]
    assert "could not be read: no\\x1b[31m colon" in comments


def test_a_call_of_which_only_the_journal_is_left_still_has_its_messages_and_the_reason() -> None:
    file = written(a_call(), Capture(notes=("captures are switched off",)))
    assert not file.on(TLS)
    assert not file.on(RTP)
    assert len({datagram.source for datagram in datagrams(file, SIP)}) == 2
    assert "captures are switched off" in file.comments


# --- levels --------------------------------------------------------------------------------------------------------------


def test_at_share_tls_and_secrets_are_gone_and_messages_keep_their_lengths() -> None:
    trace, capture = a_call(), Capture((tls(),), media())
    octets = capture_pcapng(trace, capture, Redaction.SHARE)
    file = pcapng.read(octets)
    assert not file.on(TLS)
    assert not file.secrets
    assert b"inline:AAECAw" not in octets
    before, after = (pcapng.tcp_streams(one.on(SIP)) for one in (written(trace, capture), file))
    assert {ends: len(stream.octets) for ends, stream in before.items()} == {ends: len(stream.octets) for ends, stream in after.items()}
    assert [datagram.payload for datagram in datagrams(file, RTP) if datagram.source == FAR] == [rtp(n) for n in range(5)]


def test_at_share_the_code_of_telephone_events_is_overwritten_and_end_and_duration_stay() -> None:
    pressed = build(RtpPacket(101, 5, 800, 0xCAFE, b"\x04\x8a\x03\x20", marker=True))
    padded = bytes([0xB0]) + build(RtpPacket(101, 6, 800, 0xCAFE, b"\xbe\xde\x00\x01\x07\x07\x07\x07" + b"\x04\x8a\x03\x20" + b"\0\2"))[1:]
    other = build(RtpPacket(97, 7, 800, 0xCAFE, b"\x04\x8a\x03\x20"))
    refused = RefusedDatagram(START, ("192.0.2.78", 5), pressed, "plain RTP, not encrypted", len(pressed))
    received = Clip(tuple((START + n, FAR, packet) for n, packet in enumerate((pressed, padded, other, rtp(8)))))
    recording = media(received=received, refused=(refused,))
    file = written(a_call(), Capture((), recording), Redaction.SHARE)
    shown = [datagram.payload for datagram in datagrams(file, RTP) if datagram.source == FAR]
    assert shown[0] == pressed[:12] + b"\xff\x8a\x03\x20"
    assert shown[1] == padded.replace(b"\x04\x8a", b"\xff\x8a")
    assert shown[2] == other[:12] + b"\xff\x8a\x03\x20"
    assert shown[3] == rtp(8)
    assert b"\x04\x8a\x03\x20" not in capture_pcapng(a_call(), Capture((), recording), Redaction.SHARE)


def sdes(*chunks: tuple[tuple[int, bytes], ...]) -> bytes:
    body = b""
    for chunk in chunks:
        items = b"".join(bytes([kind, len(text)]) + text for kind, text in chunk)
        body += struct.pack("!I", 0xCAFE) + items + bytes(4 - len(items) % 4)
    return struct.pack("!BBH", 0x80 | len(chunks), 202, len(body) // 4) + body


def bye(reason: bytes) -> bytes:
    text = bytes([len(reason)]) + reason
    return struct.pack("!BBHI", 0x81, 203, 1 + (len(text) + 3) // 4, 0xCAFE) + text + bytes(-len(text) % 4)


def test_at_share_the_numbers_in_texts_of_rtcp_are_masked_and_everything_else_stays() -> None:
    report = struct.pack("!BBHI", 0x80, 201, 1, 0xCAFE)
    texts = ((1, b"sip:+15550111@127.0.0.1"), (2, b"Ann"), (3, b"4930123456@pbx"), (4, b"0049 30 7654321"), (5, b"192.168.100.200"))
    private = (8, b"\x08x-number" + b"15557777777")
    goodbye = bye(b"bye 15550111")
    sent = report + sdes((*texts, private), ((1, b"15558888888@h"), (7, b"a note"))) + goodbye
    app = struct.pack("!BBHI4s", 0x80, 204, 6, 0xCAFE, b"SIPU") + b"sip:15559999@h\0\0"
    recording = media(
        rtcp_received=Clip(((START, FAR, sent),)),
        rtcp_sent=Clip(((START, FAR, report + sdes(((1, b"sbc-sim"),))),)),
        refused=(RefusedDatagram(START, FAR, sent, "plain RTCP", len(sent)), RefusedDatagram(START, FAR, app, "plain RTCP", len(app))),
    )
    octets = capture_pcapng(a_call(), Capture((), recording), Redaction.SHARE)
    file = pcapng.read(octets)
    received, own = datagrams(file, RTCP)
    assert own.payload == report + sdes(((1, b"sbc-sim"),))
    assert len(received.payload) == len(sent)
    assert received.payload.startswith(report)
    assert datagrams(file, REFUSED)[0].payload == received.payload
    for number in (b"15550111", b"4930123456", b"7654321", b"15557777777", b"15558888888", b"15559999"):
        assert number not in octets, number
    for text in (b"Ann", b"192.168.100.200", b"\x08x-number", b"@127.0.0.1", b"@pbx", b"a note", b"bye "):
        assert text in received.payload, text


@given(st.binary(max_size=120) | st.binary(max_size=60).map(lambda rest: b"\x81\xca\x00\x08" + rest))
def test_whatever_octets_are_taken_for_rtcp_keep_their_length(octets: bytes) -> None:
    assert len(masked_rtcp(octets, lambda text: "*" * len(text))) == len(octets)


def test_at_strict_no_address_name_or_audio_of_the_partner_is_left() -> None:
    cname = b"ann@192.0.2.77"
    sdes = struct.pack("!BBHI", 0x81, 202, 5, 0xCAFE) + bytes([1, len(cname)]) + cname
    report = struct.pack("!BBHI", 0x80, 201, 1, 0xCAFE) + sdes
    refused = (RefusedDatagram(START, ("192.0.2.78", 5), rtp(9, 0xBAD), "plain RTP", 172),)
    recording = media(rtcp_received=Clip(((START, FAR, report),)), refused=refused)
    octets = capture_pcapng(a_call(), Capture((tls(),), recording), Redaction.STRICT)
    file = pcapng.read(octets)
    found = datagrams(file, RTP) + datagrams(file, SIP) + datagrams(file, RTCP) + datagrams(file, REFUSED)
    real = {PEER[0], FAR[0], LOCAL[0], "192.0.2.78"}
    assert not real & {host for datagram in found for host in (datagram.source[0], datagram.destination[0])}
    for secret in (*(host.encode() for host in real), frame(1), frame(9), b"ann", b"Ann", b"15550111"):
        assert secret not in octets
    payloads = [datagram.payload for datagram in datagrams(file, RTP)]
    assert {len(payload) for payload in payloads} == {172}
    assert {payload[12:] for payload in payloads} == {b"\xff" * 160}
    assert datagrams(file, RTCP)[0].payload[:8] == report[:8]
    assert len(datagrams(file, RTCP)[0].payload) == len(report)
    own = {datagram.source[0] for datagram in datagrams(file, RTP)} & {datagram.destination[0] for datagram in datagrams(file, RTP)}
    assert len(own) == 2, "both ends keep one stand-in each"


def test_at_strict_a_packet_with_extension_and_padding_is_covered_whole() -> None:
    odd = bytes([0xB1]) + rtp(1)[1:] + b"\x04"
    file = written(a_call(), Capture(media=media(received=Clip(((START, FAR, odd), (START, FAR, b"\x80\x00"))))), Redaction.STRICT)
    covered = [datagram.payload for datagram in datagrams(file, RTP) if datagram.destination[1] == OWN[1]]
    assert covered[0][0] == 0x80
    assert set(covered[0][12:]) == {0xFF}
    assert covered[1] == b"\x80\x00"


# --- any call ------------------------------------------------------------------------------------------------------------

addresses = st.tuples(
    st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.9", "fe80::1%eth0", "[::1]", "sbc.example", ""]), st.integers(0, 65535)
)
octets = st.binary(max_size=200) | st.just(b"INVITE sip:a SIP/2.0\r\nContent-Length: 99999999\r\n\r\n") | st.just(bytes(3000))
words = st.text(max_size=40)
pieces = st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=3000)), max_size=5)
clips = st.lists(st.tuples(st.floats(0, 2e9), addresses, st.binary(max_size=300)), max_size=4).flatmap(
    lambda packets: st.builds(Clip, st.just(tuple(packets)), st.integers(0, 5), st.integers(0, 10**9))
)
refusals = st.builds(RefusedDatagram, st.floats(0, 2e9), addresses, st.binary(max_size=64), words, st.integers(0, 2000))


@settings(deadline=None, max_examples=60)
@given(
    messages=st.lists(st.tuples(st.booleans(), octets), max_size=6),
    kind=st.sampled_from([Kind.MESSAGE, Kind.PARSE_ERROR]),
    far=addresses,
    near=addresses,
    passed=pieces,
    clips=st.tuples(clips, clips, clips, clips),
    refused=st.lists(refusals, max_size=3),
    notes=st.lists(words, max_size=2),
    peer=words,
    level=st.sampled_from(Redaction),
)
def test_whatever_the_call_was_like_the_file_can_be_read_and_holds_it(
    messages: list[tuple[bool, bytes]],
    kind: Kind,
    far: tuple[str, int],
    near: tuple[str, int],
    passed: list[tuple[bool, bytes]],
    clips: tuple[Clip, Clip, Clip, Clip],
    refused: list[RefusedDatagram],
    notes: list[str],
    peer: str,
    level: Redaction,
) -> None:
    trace = a_trace(messages, kind, detail=peer)
    trace = replace(trace, call=replace(trace.call, peer=peer))
    kept = tuple(TlsPiece(START + n, from_peer, data) for n, (from_peer, data) in enumerate(passed))
    recording = MediaRecording(near[0], near[1], near[1], *clips, tuple(refused))
    capture = Capture((TlsRecording(1, far, near, kept, False, (SECRET,), START),), recording, tuple(notes))
    file = written(trace, capture, level)
    packets = clips[0].packets + clips[1].packets
    assert len(file.on(RTP)) == len(packets)
    for interface in (RTP, RTCP):
        datagrams(file, interface)
    assert len(file.on(REFUSED)) + sum("refused:" in " ".join(packet.comments) for packet in file.on(NOTES)) == len(refused)
    said = sum(len(stream.octets) for stream in pcapng.tcp_streams(file.on(SIP)).values())
    assert said == sum(len(raw) for _, raw in messages)
    if level is Redaction.NONE:
        assert sorted(datagram.payload for datagram in datagrams(file, RTP)) == sorted(packet for _, _, packet in packets)
        if far != near:
            assert sum(len(stream.octets) for stream in pcapng.tcp_streams(file.on(TLS)).values()) == sum(len(data) for _, data in passed)
