"""SIP as text: what people paste comes out as it was on the wire, whichever tool wrote it down."""

from __future__ import annotations

import sys
import textwrap

import pytest

from sbc_sim.traces.limits import Limits
from sbc_sim.traces.reading import read_trace
from sbc_sim.traces.recording import Recording, TraceError

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
    b"a=crypto:1 AEAD_AES_256_GCM inline:AAAA\r\n"
)


def sip(start: str, sender: str, method: str, body: bytes = b"", to_tag: str = "", number: int = 1) -> bytes:
    tags = {"partner": "aa", "sbc": "bb"}
    head = (
        f"{start}\r\nVia: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK{number}\r\nFrom: <sip:a@example.com>;tag={tags[sender]}\r\n"
        f"To: <sip:b@example.com>{to_tag and ';tag=' + to_tag}\r\nCall-ID: abc@10.0.0.1\r\nCSeq: {number} {method}\r\n"
        f'Warning: 399 sbc "SBC-UUI-002: says ->",\r\n\t399 sbc "folded"\r\n'
    )
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body


INVITE = sip("INVITE sip:100@sbc.example.com;transport=tls SIP/2.0", "partner", "INVITE", SDP)
TRYING = sip("SIP/2.0 100 Trying", "partner", "INVITE")
OK = sip("SIP/2.0 200 OK", "partner", "INVITE", SDP, "bb")
BYE = sip("BYE sip:a@10.0.0.1 SIP/2.0", "sbc", "BYE", to_tag="aa", number=2)
GONE = sip("SIP/2.0 200 OK", "sbc", "BYE", to_tag="aa", number=2)
CALL = (INVITE, TRYING, OK, BYE, GONE)
WAYS = [True, False, False, False, True]
A, B = "10.0.0.1:5061", "10.0.0.2:5061"


def lf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def assert_whole(recording: Recording, ways: list[bool] | None = None) -> None:
    assert [piece.data for piece in recording.octets] == list(CALL)
    assert [piece.from_client for piece in recording.octets] == (ways or WAYS)
    assert all(flow.transport == "text" for flow in recording.flows)


def written(before: str, message: bytes, after: str = "\n") -> bytes:
    return before.encode() + message + after.encode()


def arrows(line: str, style: bytes = b"\n") -> bytes:
    """All messages, each under a line with both addresses and a time."""
    ends = [(A, B) if way else (B, A) for way in WAYS]
    lines = [line.format(a=source, b=target, n=number) for number, (source, target) in enumerate(ends)]
    messages = [message.replace(b"\r\n", style) for message in CALL]
    return b"".join(written(f"{line}\n", message) for line, message in zip(lines, messages, strict=True))


def sides(received: str, sent: str, after: str = "\n") -> bytes:
    """All messages, as the server's log has them."""
    lines = [received if way else sent for way in WAYS]
    return b"".join(written(line + "\n", lf(message), after) for line, message in zip(lines, CALL, strict=True))


def test_octets_with_their_line_ends_come_out_untouched() -> None:
    recording = read_trace(b"".join(CALL))
    assert_whole(recording)
    assert [piece.at for piece in recording.octets] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert any("no times" in note for note in recording.notes)
    assert any("does not say who sent 5 of 5 messages: guessed" in note for note in recording.notes)


@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n\n", b"\n-------\n", b"\n=====\n\n", b"\n```\n```sip\n", b"\nsome words\n\n"])
def test_line_ends_that_copying_lost_are_put_back_whatever_stands_between(between: bytes) -> None:
    recording = read_trace(between.join(lf(message) for message in CALL))
    assert_whole(recording)
    assert any("CRLF was put in" in note for note in recording.notes)


@pytest.mark.parametrize("prefix", [b"    ", b"\t", b"> ", b">> ", b"| "])
def test_indentation_and_quoting_are_taken_off(prefix: bytes) -> None:
    text = b"".join((prefix + line).rstrip(b" ") + b"\n" for message in CALL for line in lf(message).split(b"\n"))
    assert_whole(read_trace(b"Hello,\n\n" + text + b"\nRegards\n"))


def test_a_log_prefix_on_every_line_is_taken_off_and_its_time_is_used() -> None:
    lines = [line for message in CALL for line in lf(message).split(b"\n")]
    text = b"".join(b"2026-01-02 10:11:%02d.%03d sbc sip[%d]: %s\n" % (n // 10, n, n * 7, line) for n, line in enumerate(lines))
    recording = read_trace(text + b"2026-01-02 10:12:00.000 sbc other: the end\n")
    assert_whole(recording)
    assert recording.octets[0].at == pytest.approx(1767348660.0)


def test_ngrep_byline_with_its_dots_is_read() -> None:
    text = arrows("T 2026/01/02 10:11:1{n}.123456 {a} -> {b} [AP] #{n}", b".\n")
    recording = read_trace(b"interface: lo\nfilter: port 5061\n####\n" + text)
    assert_whole(recording)
    assert recording.octets[2].at == pytest.approx(1767348672.123456)
    assert (recording.flows[0].client, recording.flows[0].server) == (("10.0.0.1", 5061), ("10.0.0.2", 5061))
    assert recording.notes == ()


@pytest.mark.parametrize(
    "line",
    [
        "2026/01/02 10:11:1{n}.123456 {a} -> {b}",
        "10:11:1{n}.123#TLS {a} -> {b}",
        "TLS {a} => {b}",
        "10:11:1{n}.123456 IP {a} > {b}: SIP",
        "U {a} -> {b} #{n}",
        "Jan  2 10:11:1{n}.123 On [0:0]{b} received from {a}",
        "\x1b[36;1m10:11:1{n}.123#\nTLS {a} -> {b}\x1b[m",
    ],
)
def test_lines_with_two_addresses_tell_who_sent_what(line: str) -> None:
    recording = read_trace(arrows(line))
    assert_whole(recording)
    assert (recording.flows[0].client, recording.flows[0].server) == (("10.0.0.1", 5061), ("10.0.0.2", 5061))
    assert not any("guessed" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("received", "sent", "after"),
    [
        ("<--- SIP read from TLS:10.0.0.1:5061 --->", "<--- Transmitting (no NAT) to 10.0.0.1:5061 --->", "\n<------------>\n"),
        (
            "[Jan  2 10:11:12] VERBOSE[1] res_pjsip_logger.c: <--- Received SIP request (900 bytes) from TLS:10.0.0.1:5061 --->",
            "[Jan  2 10:11:12] VERBOSE[1] res_pjsip_logger.c: <--- Transmitting SIP response (400 bytes) to TLS:10.0.0.1:5061 --->",
            "\n",
        ),
        (
            "recv 900 bytes from tls/[10.0.0.1]:5061 at 10:11:12.123456:\n   ---------",
            "send 400 bytes to tls/[10.0.0.1]:5061 at 10:11:12.123456:\n   ---------",
            "   ----------\n",
        ),
        (
            "10:11:12.123   pjsua_core.c  .RX 900 bytes Request msg INVITE/cseq=1 (rdata0x7f) from TLS 10.0.0.1:5061:",
            "10:11:12.123   pjsua_core.c  .TX 400 bytes Response msg 200/INVITE/cseq=1 (tdta0x7f) to TLS 10.0.0.1:5061:",
            "\n--end msg--\n",
        ),
        (
            "10:46:37.221 [S=1] ---- Incoming SIP Message from 10.0.0.1:5061 to SIPInterface #0 (Main) TLS TO(#1) SocketID(5) ----",
            "10:46:37.221 [S=1] ---- Outgoing SIP Message to 10.0.0.1:5061 from SIPInterface #0 (Main) TLS TO(#1) SocketID(5) ----",
            "\n [Time:02-01@10:11:12.123]\n",
        ),
        (
            "2026-01-02 10:11:12:123 belle-sip-message-channel [0x5]: received [900] new bytes from [TLS://10.0.0.1:5061]:",
            "2026-01-02 10:11:12:123 belle-sip-message-channel [0x5]: message sent to [TLS://10.0.0.1:5061], size: [400] bytes",
            "\n",
        ),
    ],
)
def test_logs_of_one_side_tell_who_sent_what(received: str, sent: str, after: str) -> None:
    recording = read_trace(sides(received, sent, after))
    assert_whole(recording)
    assert recording.flows[0].client == ("10.0.0.1", 5061)
    assert not any("guessed" in note for note in recording.notes)


@pytest.mark.parametrize(("received", "sent"), [("Received:", "Sent:"), ("<<<", ">>>"), ("10:11:12.123 RX:", "10:11:12.123 TX:")])
def test_words_without_addresses_are_enough(received: str, sent: str) -> None:
    assert_whole(read_trace(sides(received, sent)))
    recording = read_trace(sides(sent, received))
    assert_whole(recording)
    assert not any("guessed" in note for note in recording.notes)


def test_two_legs_in_one_log_are_two_flows() -> None:
    other = INVITE.replace(b"abc@10.0.0.1", b"other-leg")
    text = written(f"{A} -> {B}\n", INVITE) + written(f"{B} -> 10.0.0.3:5061\n", other) + written(f"10.0.0.3:5061 -> {B}\n", TRYING)
    recording = read_trace(text)
    assert [(flow.client[0], flow.server[0]) for flow in recording.flows] == [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.3")]
    assert [(piece.flow, piece.from_client) for piece in recording.octets] == [(1, True), (2, True), (2, False)]


def test_times_of_day_go_on_behind_midnight() -> None:
    text = written(f"23:59:59.500 {A} -> {B}\n", INVITE) + written(f"00:00:00.250 {B} -> {A}\n", TRYING)
    first, second = read_trace(text).octets
    assert second.at - first.at == pytest.approx(0.75)


def test_escaped_line_ends_of_json_logs_are_turned_back() -> None:
    text = b"\n".join(b'{"sip": "' + message.replace(b'"', b'\\"').replace(b"\r\n", b"\\r\\n") + b'"}' for message in CALL)
    assert [piece.data for piece in read_trace(text.replace(b"\t", b" ")).octets] == [message.replace(b"\t", b" ") for message in CALL]


def test_utf_16_and_a_byte_order_mark_are_read() -> None:
    assert_whole(read_trace(b"\xef\xbb\xbf" + b"".join(CALL)))
    assert_whole(read_trace(b"".join(CALL).decode().encode("utf-16")))


def test_a_body_without_its_last_line_end_is_whole() -> None:
    assert [piece.data for piece in read_trace(lf(INVITE).rstrip()).octets] == [INVITE]


def test_a_body_that_really_has_bare_line_feeds_keeps_them() -> None:
    body = b"{\n  1\n}\n"
    message = b"MESSAGE sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert [piece.data for piece in read_trace(message + TRYING).octets] == [message, TRYING]
    assert [piece.data for piece in read_trace(lf(message) + b"\n" + lf(TRYING)).octets] == [message, TRYING]


@pytest.mark.parametrize(("length", "words"), [(b"999", "says 999, but the body has"), (b"10", "says 10, but the body has")])
def test_a_length_that_does_not_fit_stays_and_is_told(length: bytes, words: str) -> None:
    wrong = INVITE.replace(b"Content-Length: %d" % len(SDP), b"Content-Length: " + length)
    recording = read_trace(lf(wrong) + b"\n" + lf(TRYING))
    assert [piece.data for piece in recording.octets] == [wrong, TRYING]
    assert any(note.startswith("Message 1: Content-Length") and words in note for note in recording.notes)


def test_a_missing_length_leaves_the_body_up_to_the_next_message() -> None:
    bare = INVITE.replace(b"Content-Length: %d\r\n" % len(SDP), b"")
    recording = read_trace(lf(bare) + b"\n\n" + lf(TRYING))
    assert [piece.data for piece in recording.octets] == [bare, TRYING]
    assert any("has a body but no Content-Length" in note for note in recording.notes)


def test_masked_pieces_are_named_as_the_reason_for_a_length_that_does_not_fit() -> None:
    recording = read_trace(lf(INVITE.replace(b"inline:AAAA", b"inline:[40 masked]")))
    assert b"inline:[40 masked]" in recording.octets[0].data
    assert any("parts of it are masked" in note for note in recording.notes)


LONG = INVITE.replace(b"inline:AAAA", b"inline:" + b"A" * 60)
LONG = LONG.replace(b"Content-Length: %d" % len(SDP), b"Content-Length: %d" % (len(SDP) + 56))
LONG_UUI = INVITE.replace(b"Content-Type", b"User-to-User: " + b"7b" * 60 + b";encoding=hex\r\nContent-Type")


@pytest.mark.parametrize("message", [LONG, LONG_UUI], ids=["SDP", "header"])
@pytest.mark.parametrize("width", [60, 72, 78])
def test_a_message_that_a_mail_broke_into_shorter_lines_is_told_to_be_wrapped(message: bytes, width: int) -> None:
    lines = message.decode().split("\r\n")
    broken = "\n".join("\n".join(textwrap.wrap(line, width, drop_whitespace=True)) or line for line in lines)
    notes = read_trace(broken.encode() + lf(TRYING)).notes
    assert [note for note in notes if note.startswith("Message 1 looks wrapped")], notes
    assert not [note for note in notes if note.startswith("Message 2 looks wrapped")]


@pytest.mark.parametrize("text", [LONG + TRYING, LONG_UUI + TRYING, lf(LONG + b"\r\n" + LONG_UUI), lf(LONG + b"=" * 72 + b"\r\n" + TRYING)])
def test_a_message_with_long_lines_that_are_whole_is_not(text: bytes) -> None:
    assert not [note for note in read_trace(text).notes if "looks wrapped" in note]


def test_a_missing_empty_line_before_the_body_is_told() -> None:
    recording = read_trace(lf(INVITE).replace(b"\n\n", b"\n") + b"\n" + lf(TRYING))
    assert [piece.data for piece in recording.octets] == [INVITE, TRYING]
    assert any("the empty line between headers and body is missing" in note for note in recording.notes)


def test_a_message_within_a_body_is_not_taken_for_one_of_its_own() -> None:
    inner = b"SIP/2.0 486 Busy Here\r\nReason: SIP;cause=486\r\n"
    head = b"NOTIFY sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Type: message/sipfrag;version=2.0\r\nContent-Length: %d\r\n\r\n" % len(inner)
    for notify in (head + inner, lf(head + inner)):
        assert [piece.data for piece in read_trace(notify + TRYING).octets] == [head + inner, TRYING]


def test_broken_headers_stay_as_they_are() -> None:
    broken = INVITE.replace(b"Call-ID:", b"no colon here\r\nCall-ID :")
    assert [piece.data for piece in read_trace(lf(broken)).octets] == [broken]


def test_words_about_messages_are_no_messages() -> None:
    with pytest.raises(TraceError, match="No SIP message was found in 3 lines"):
        read_trace(b"we sent INVITE sip:a@b SIP/2.0\nand got SIP/2.0 488 Not Acceptable Here\nwhy?")


def test_messages_are_bounded() -> None:
    recording = read_trace(b"".join(CALL), limits=Limits(messages=3))
    assert len(recording.octets) == 3
    assert any("Only the first 3 messages" in note for note in recording.notes)


def test_a_key_log_for_a_text_is_told_to_be_of_no_use() -> None:
    assert read_trace(INVITE, "CLIENT_RANDOM x y").notes[0].startswith("The key log is not used")


def many_that_say_they_hold_messages(number: int) -> bytes:
    one = "NOTIFY sip:a@h SIP/2.0\nCall-ID: c{}\nContent-Type: multipart/mixed\nContent-Length: 250000\n\n----------\n"
    return "".join(one.format(n) for n in range(number)).encode()


def searches(text: bytes, limits: Limits) -> tuple[Recording, int]:
    """Read a text, and count how often something was looked for in it."""
    count = 0

    def called(_: object, event: str, function: object) -> None:
        nonlocal count
        count += event == "c_call" and getattr(function, "__name__", "") == "find"

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        recording = read_trace(text, limits=limits)
    finally:
        sys.setprofile(before)
    return recording, count


def test_bodies_that_say_they_hold_messages_and_do_not_cost_no_more_than_is_allowed_for_them() -> None:
    text = many_that_say_they_hold_messages(200)
    recording, count = searches(text, Limits(looked_ahead=2 * len(text)))
    assert len(recording.octets) == 200
    assert any("say that they hold messages and do not" in note for note in recording.notes)
    # Each line is looked for some times over. Without a bound each message looks at all lines that follow it.
    assert count < 20 * text.count(b"\n") < 200 * text.count(b"\n") / 2


def test_bodies_that_hold_messages_are_found_however_many_there_are() -> None:
    inner = b"SIP/2.0 200 OK\r\nVia: x\r\n"
    one = b"NOTIFY sip:a@h SIP/2.0\r\nCall-ID: %d\r\nContent-Type: message/sipfrag\r\nContent-Length: %d\r\n\r\n" + inner + b"\r\n"
    recording = read_trace(b"".join(one % (n, len(inner)) for n in range(200)), limits=Limits(looked_ahead=100))
    assert len(recording.octets) == 200
    assert all(piece.data.endswith(inner) for piece in recording.octets)


def test_a_text_is_cut_where_the_time_allowed_for_it_ends() -> None:
    text = b"".join(CALL) * 100
    recording = read_trace(text, spent=lambda: True)
    assert 0 < len(recording.octets) < 100
    assert any("longer than the time allowed for it: it was cut after" in note for note in recording.notes)
