from __future__ import annotations

import time

import pytest

from sbc_sim.sip.errors import Malformation
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.stream import KeepAlive, MessageStream, StreamError, StreamEvent, StreamLimits

OPTIONS = (
    b"OPTIONS sip:sbc.example SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\n"
    b"To: <sip:sbc.example>\r\n"
    b"Call-ID: 1\r\n"
    b"CSeq: 1 OPTIONS\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"h\xc3\xa9\r\n"
)


def fed(*pieces: bytes, limits: StreamLimits | None = None) -> tuple[list[StreamEvent], MessageStream]:
    stream = MessageStream(limits)
    return [event for piece in pieces for event in stream.feed(piece)], stream


def both_ways(data: bytes, limits: StreamLimits | None = None) -> list[StreamEvent]:
    """Feed whole and one octet at a time; the events must be the same."""
    whole, first = fed(data, limits=limits)
    single, second = fed(*(data[i : i + 1] for i in range(len(data))), limits=limits)
    assert whole == single
    assert (first.pending, first.broken) == (second.pending, second.broken)
    return whole


def only_error(data: bytes, limits: StreamLimits | None = None) -> StreamError:
    events = both_ways(data, limits)
    assert len(events) == 1
    assert isinstance(events[0], StreamError)
    return events[0]


def test_a_message_is_the_same_wherever_it_is_split() -> None:
    whole, _ = fed(OPTIONS)
    for cut in range(len(OPTIONS) + 1):
        assert fed(OPTIONS[:cut], OPTIONS[cut:])[0] == whole
    assert isinstance(whole[0], Request)
    assert whole[0].body == b"h\xc3\xa9\r\n"
    assert whole[0].raw == OPTIONS


def test_several_messages_in_one_segment_come_out_in_order() -> None:
    response = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n"
    events = both_ways(OPTIONS + response + OPTIONS)
    assert [type(event) for event in events] == [Request, Response, Request]


def test_bare_line_feeds_frame_a_message_too() -> None:
    events = both_ways(b"OPTIONS sip:a SIP/2.0\nl: 2\n\nhi" + OPTIONS)
    assert [event.body for event in events if isinstance(event, Request)] == [b"hi", b"h\xc3\xa9\r\n"]


def test_a_double_crlf_is_a_ping_and_a_single_one_is_nothing() -> None:
    assert both_ways(b"\r\n\r\n") == [KeepAlive.PING]
    assert both_ways(b"\r\n") == []
    assert both_ways(b"\n\n") == []
    assert both_ways(b"\r\n\r\n" * 3) == [KeepAlive.PING] * 3
    assert both_ways(b"\r\n\n\r\n") == []


def test_line_ends_before_a_start_line_do_not_disturb() -> None:
    events = both_ways(b"\r\n" + OPTIONS + b"\r\n" + OPTIONS)
    assert [type(event) for event in events] == [Request, Request]
    events = both_ways(b"\r\n\r\n\r\n" + OPTIONS)
    assert events[0] is KeepAlive.PING
    assert isinstance(events[1], Request)


def test_crlfs_on_two_sides_of_a_message_are_no_ping() -> None:
    assert KeepAlive.PING not in both_ways(b"\r\n" + OPTIONS + b"\r\n")


def test_pending_counts_what_waits_for_the_rest() -> None:
    stream = MessageStream()
    stream.feed(OPTIONS[:100])
    assert stream.pending == 100
    stream.feed(OPTIONS[100:])
    assert stream.pending == 0


# --- errors that end the stream ---


def test_a_missing_content_length_is_fatal_but_can_be_answered() -> None:
    error = only_error(OPTIONS.replace(b"Content-Length: 5\r\n", b""))
    assert error.fatal
    assert (error.error.malformation, error.error.status) == (Malformation.CONTENT_LENGTH_MISSING, 400)
    assert error.request is not None
    assert error.request.headers.first("CSeq") == "1 OPTIONS"


@pytest.mark.parametrize("value", [b"-5", b"five", b"5 5", b"5,5", b"", b"0x5", b"9" * 400, b"\xd9\xa5"])
def test_an_unreadable_content_length_is_fatal(value: bytes) -> None:
    error = only_error(OPTIONS.replace(b"Content-Length: 5", b"Content-Length: " + value))
    assert error.fatal
    assert error.error.malformation is Malformation.CONTENT_LENGTH_BAD
    assert error.request is not None


def test_two_content_lengths_that_differ_are_fatal() -> None:
    error = only_error(OPTIONS.replace(b"\r\n\r\n", b"\r\nl: 6\r\n\r\n", 1))
    assert error.fatal
    assert error.error.malformation is Malformation.CONTENT_LENGTH_DUPLICATE
    assert "5 and 6" in error.error.detail


def test_two_equal_content_lengths_are_refused_but_the_stream_goes_on() -> None:
    error, after = both_ways(OPTIONS.replace(b"\r\n\r\n", b"\r\nl: 5\r\n\r\n", 1) + OPTIONS)
    assert isinstance(error, StreamError)
    assert not error.fatal
    assert error.error.malformation is Malformation.CONTENT_LENGTH_DUPLICATE
    assert isinstance(after, Request)


def test_a_body_over_the_limit_is_413_before_it_arrives() -> None:
    error = only_error(OPTIONS.replace(b"Content-Length: 5", b"Content-Length: 11")[:-5], StreamLimits(body=10))
    assert error.fatal
    assert (error.error.malformation, error.error.status) == (Malformation.BODY_TOO_LARGE, 413)
    assert error.request is not None


def test_headers_over_the_limit_are_513_and_can_be_answered() -> None:
    data = OPTIONS.replace(b"Call-ID: 1\r\n", b"Call-ID: 1\r\nSubject: " + b"x" * 400)
    error = only_error(data, StreamLimits(headers=300))
    assert error.fatal
    assert (error.error.malformation, error.error.status) == (Malformation.HEADERS_TOO_LARGE, 513)
    assert error.request is not None
    assert error.request.headers.first("Call-ID") == "1"
    assert "Subject" not in error.request.headers


def test_a_header_section_of_exactly_the_limit_is_taken() -> None:
    size = OPTIONS.index(b"\r\n\r\n") + 4
    assert isinstance(both_ways(OPTIONS, StreamLimits(headers=size))[0], Request)
    assert isinstance(both_ways(OPTIONS, StreamLimits(headers=size - 1))[0], StreamError)


@pytest.mark.parametrize(
    ("data", "looked_at"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 16),
        (b"HTTP/1.1 200 OK\r\n\r\n", 5),
        (b"\x16\x03\x01\x02\x00\x01", 1),
        (b"\x00" * 50, 1),
        (b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", 2),
        (b"Content-Type: application/sdp\r\n", 13),
        (b" OPTIONS sip:a SIP/2.0\r\n", 1),
        (b"A" * 5000, 129),
        (b"\rX", 1),
        (b"hello\r\n\r\n", 7),
    ],
)
def test_what_cannot_become_sip_is_fatal_at_once(data: bytes, looked_at: int) -> None:
    error = only_error(data)
    assert error.fatal
    assert error.request is None
    assert error.error.malformation is Malformation.NO_START_LINE
    assert error.raw == data[:looked_at], "the verdict falls as early as it can"


def test_garbage_behind_a_good_message_is_fatal_and_the_message_is_kept() -> None:
    message, error = both_ways(OPTIONS + b"\x80\x81")
    assert isinstance(message, Request)
    assert isinstance(error, StreamError)
    assert error.fatal


def test_a_broken_stream_says_nothing_any_more() -> None:
    _, stream = fed(b"\x00")
    assert stream.broken
    assert stream.feed(OPTIONS) == []
    assert stream.pending == 0


# --- errors that do not ---


@pytest.mark.parametrize(
    ("old", "new", "what", "status"),
    [
        (b"SIP/2.0\r\n", b"SIP/3.0\r\n", Malformation.BAD_VERSION, 505),
        (b"sip:sbc.example SIP", b"sip:sbc example SIP", Malformation.BAD_START_LINE, 400),
        (b"Call-ID: 1", b"Call-ID: 1\r\nno colon", Malformation.BAD_HEADER_LINE, 400),
        (b"sip:sbc.example SIP", b"sip:" + b"u" * 60 + b" SIP", Malformation.URI_TOO_LONG, 414),
    ],
)
def test_a_mistake_with_a_known_frame_end_leaves_the_stream_usable(old: bytes, new: bytes, what: Malformation, status: int) -> None:
    error, after = both_ways(OPTIONS.replace(old, new, 1) + OPTIONS, StreamLimits(uri=50))
    assert isinstance(error, StreamError)
    assert not error.fatal
    assert (error.error.malformation, error.error.status) == (what, status)
    assert error.request is not None
    assert error.request.headers.first("CSeq") == "1 OPTIONS"
    assert isinstance(after, Request)


def test_an_unreadable_response_is_reported_without_a_request() -> None:
    error = only_error(b"SIP/2.0 4294967301 large\r\nl: 0\r\n\r\n")
    assert not error.fatal
    assert error.request is None


def test_at_most_4_kib_of_a_broken_message_are_kept() -> None:
    data = OPTIONS.replace(b"SIP/2.0\r\n", b"SIP/3.0\r\nSubject: " + b"x" * 9000 + b"\r\n", 1)
    assert only_error(data).raw == data[:4096]


# --- time and memory ---


def test_feeding_one_octet_at_a_time_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        data = b"OPTIONS sip:a SIP/2.0\r\nSubject: " + b"x" * size + b"\r\nl: 0\r\n\r\n"
        pieces = [data[i : i + 1] for i in range(len(data))]
        stream = MessageStream(StreamLimits(headers=size + 100))
        begin = time.process_time()
        events = [event for piece in pieces for event in stream.feed(piece)]
        assert len(events) == 1
        return time.process_time() - begin

    seconds(2_000)
    # Sixteen times the octets; a rescan of the buffer would cost 256 times.
    assert min(seconds(160_000) for _ in range(2)) < 80 * max(seconds(10_000), 0.001)


def test_a_flood_of_line_ends_is_not_kept() -> None:
    stream = MessageStream()
    for _ in range(100):
        assert len(stream.feed(b"\r\n" * 1000)) == 500
        assert stream.pending == 0


def test_an_endless_header_section_is_cut_at_the_limit() -> None:
    stream = MessageStream(StreamLimits(headers=1000))
    stream.feed(b"OPTIONS sip:a SIP/2.0\r\n")
    events = [event for _ in range(100) for event in stream.feed(b"X: y\r\n" * 50)]
    assert len(events) == 1
    assert stream.pending == 0
