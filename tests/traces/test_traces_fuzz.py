"""Hostile traces: whatever the octets are, reading gives a Recording or a TraceError, nothing else."""

from __future__ import annotations

import gzip
from functools import cache
from itertools import pairwise
from struct import pack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sbc_sim.traces.frames import LATEST
from sbc_sim.traces.limits import Limits
from sbc_sim.traces.reading import read_trace
from sbc_sim.traces.recording import Recording, TraceError
from tests.support.capture_files import Conversation, Frame, block, ethernet, ip, pcap, pcapng, section, udp_datagram, udp_frame
from tests.support.tls_pairs import TlsPair

MESSAGE = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
SMALL = Limits(inflated=1 << 20, packets=2000, connections=50, octets=1 << 20)


def read(data: bytes, key_log: str = "") -> Recording | None:
    """Read, and check what every recording promises."""
    try:
        recording = read_trace(data, key_log, SMALL)
    except TraceError:
        return None
    assert [flow.number for flow in recording.flows] == list(range(1, len(recording.flows) + 1))
    assert all(piece.data and 1 <= piece.flow <= len(recording.flows) for piece in recording.octets)
    for pieces in (recording.octets, recording.datagrams):
        assert all(0.0 <= piece.at <= LATEST + 86400 * SMALL.messages for piece in pieces)
        assert all(earlier.at <= later.at for earlier, later in pairwise(pieces))
    return recording


@cache
def captures() -> tuple[tuple[str, bytes, str], ...]:
    """Real captures of all kinds, with their key logs."""
    modern = TlsPair("TLSv1.3").say((True, MESSAGE), (False, MESSAGE)).close()
    older = TlsPair("TLSv1.2", "ECDHE-RSA-AES128-SHA", "rsa").say((True, MESSAGE), (False, MESSAGE)).close()
    plain = Conversation(segment=30).whole([(True, MESSAGE), (False, MESSAGE)])
    sent = udp_datagram(5060, 5060, MESSAGE * 5)
    flags = [(at, 0x2000 if at + 200 < len(sent) else 0) for at in (0, 200, 400)]
    parts = [ip("10.0.0.1", "10.0.0.2", 17, sent[at : at + 200], 5, at // 8 | more) for at, more in flags]
    udp = [udp_frame(1.7e9, ("10.0.0.1", 5060), ("10.0.0.2", 5060), MESSAGE), *(Frame(1.7e9, ethernet(part)) for part in parts)]
    return (
        ("tls 1.3", pcap(Conversation().whole(modern.wire)), modern.key_log),
        ("tls 1.2", pcapng(Conversation().whole(older.wire), key_log=older.key_log), ""),
        ("tcp", pcapng(plain, order=">"), ""),
        ("udp", pcap(udp, nano=True), ""),
        ("gzip", gzip.compress(pcap(plain)), ""),
        ("text", MESSAGE * 3, ""),
        ("log", b"U 2026/01/02 10:11:12.1 10.0.0.1:5060 -> 10.0.0.2:5060\n" + MESSAGE.replace(b"\r", b""), ""),
    )


NAMES = ("tls 1.3", "tls 1.2", "tcp", "udp", "gzip", "text", "log")


def capture(name: str) -> tuple[bytes, str]:
    return next((data, key_log) for known, data, key_log in captures() if known == name)


@pytest.mark.parametrize("name", NAMES)
def test_untouched_they_are_read(name: str) -> None:
    recording = read(*capture(name))
    assert recording is not None
    assert any(MESSAGE in piece.data or MESSAGE.startswith(piece.data) for piece in recording.octets)


@pytest.mark.parametrize("name", NAMES)
def test_cut_anywhere_they_are_read_as_far_as_they_go(name: str) -> None:
    data, key_log = capture(name)
    for length in range(0, len(data), max(1, len(data) // 400)):
        read(data[:length], key_log)


@pytest.mark.parametrize("name", NAMES)
@given(changes=st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 255)), min_size=1, max_size=30))
@settings(max_examples=50)
def test_with_octets_changed_they_are_read_or_refused(name: str, changes: list[tuple[int, int]]) -> None:
    data, key_log = capture(name)
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    read(bytes(changed), key_log)


@pytest.mark.parametrize("name", NAMES)
@given(cuts=st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 400), st.binary(max_size=20)), min_size=1, max_size=8))
@settings(max_examples=30)
def test_with_pieces_taken_out_and_put_in_they_are_read_or_refused(name: str, cuts: list[tuple[int, int, bytes]]) -> None:
    data, key_log = capture(name)
    for place, length, instead in cuts:
        place %= len(data) + 1
        data = data[:place] + instead + data[place + length :]
    read(data, key_log)


MAGICS = [b"", b"\xd4\xc3\xb2\xa1" + bytes(16) + b"\x01\0\0\0", b"\x1f\x8b\x08\0", section(), section(">"), b"INVITE sip:a SIP/2.0\r\nVia:"]


@given(st.sampled_from(MAGICS), st.binary(max_size=2000), st.text(max_size=200))
@settings(max_examples=150)
@example(b"", b"\xff\xfe", "")
def test_any_octets_are_read_or_refused(magic: bytes, data: bytes, key_log: str) -> None:
    read(magic + data, key_log)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 6, 10, 5, 0xBAD]), st.binary(max_size=120)), max_size=12), st.sampled_from("<>"))
@settings(max_examples=100)
def test_any_blocks_are_read(blocks: list[tuple[int, bytes]], order: str) -> None:
    read(section(order) + block(1, bytes(8), order) + b"".join(block(kind, body, order) for kind, body in blocks))


@given(st.sampled_from([0, 1, 9, 12, 50, 101, 108, 113, 228, 229, 252, 276, 105, 65535]), st.lists(st.binary(max_size=120), max_size=8))
@settings(max_examples=100)
def test_any_frames_are_read(link: int, frames: list[bytes]) -> None:
    assert read(pcap([Frame(1.7e9, frame) for frame in frames], link)) is not None


PROTOCOLS = st.sampled_from([4, 6, 17, 41, 44, 0, 43, 51, 60, 132])


@given(st.lists(st.tuples(PROTOCOLS, st.integers(0, 0xFFFF), st.binary(max_size=100)), max_size=8))
@settings(max_examples=100)
def test_any_ip_packets_are_read(packets: list[tuple[int, int, bytes]]) -> None:
    four = [ip("10.0.0.1", "10.0.0.2", protocol, body, 1, fragment) for protocol, fragment, body in packets]
    six = [ip("::1", "::2", protocol, body) for protocol, _, body in packets]
    assert read(pcap([Frame(1.7e9, packet) for packet in four + six], 101)) is not None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 63), st.integers(0, 2**32), st.binary(max_size=60)), max_size=30))
@settings(max_examples=100)
def test_any_segments_are_read(segments: list[tuple[bool, int, int, bytes]]) -> None:
    conversation = Conversation()
    frames = [*conversation.opening(), *conversation.say(True, MESSAGE)]
    frames += [conversation.frame(side, flags, data, sequence) for side, flags, sequence, data in segments]
    assert read(pcap(frames)) is not None


@given(st.lists(st.tuples(st.booleans(), st.integers(18, 26), st.binary(max_size=80)), max_size=20), st.integers(0, 6))
@settings(max_examples=60)
def test_any_tls_records_are_read(records: list[tuple[bool, int, bytes]], real: int) -> None:
    modern = TlsPair("TLSv1.3")
    modern.pump()
    made = [(side, bytes([kind, 3, 3]) + pack("!H", len(body)) + body) for side, kind, body in records]
    assert read(pcap(Conversation().whole([*modern.wire[:real], *made])), modern.key_log) is not None


LINES = st.sampled_from(
    b"""INVITE sip:a@b SIP/2.0
SIP/2.0 200 OK
SIP/2.0 200 OK.
Via: SIP/2.0/TLS a
Content-Length: 99999999999
Content-Length: 5
Content-Length: -1
Content-Type: message/sipfrag
From: <sip:a>;tag=1
Call-ID: 1
v=0
c=IN IP4 1.1.1.1

 \x20
\t
.
---
```
>
>>>
\\r\\n
\x00\xff
<--- SIP read from TLS:1.2.3.4:99999 --->
99:99:99 10.0.0.1:5061 -> 999.0.0.1:5061
2026/99/99 10:11:12 1.1.1.1:1 -> 2.2.2.2:2
9999/12/31 23:59:59 -99:99 [::1]:5 -> [::2]:5
0000/01/01 00:00:00 sent to [:::]:1
23:59:59 1.1.1.1:1 -> 2.2.2.2:2
00:00:01
Received:
Sent:
[Time:02-01@10:11:12.123]""".split(b"\n")
)


@given(st.lists(LINES, max_size=40), st.sampled_from([b"\n", b"\r\n", b"\r", b" \n"]), st.sampled_from([b"", b"> ", b"10:11:12 x[1]: "]))
@settings(max_examples=200)
def test_any_lines_are_read_or_refused(lines: list[bytes], ending: bytes, prefix: bytes) -> None:
    read(b"".join(prefix + line + ending for line in lines))


@pytest.mark.parametrize("size", [0, 1, 4, 8, 11, 13, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFC])
@pytest.mark.parametrize("kind", [1, 6, 10, 0x0A0D0D0A, 77])
def test_wrong_block_lengths_end_the_reading(kind: int, size: int) -> None:
    recording = read(section() + block(1, pack("<HHI", 1, 0, 0)) + pack("<II", kind, size) + bytes(64))
    assert recording is not None
    assert recording.notes
