"""Any octets, whole or one at a time: the same events, and no error but MalformedMessage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sbc_sim.sip.body import body_parts, content_encoding, sdp_body
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import CSeq, MediaType, NameAddr, RAck, Reason, SessionExpires, Via, WarningValue
from sbc_sim.sip.message import Headers, Message, Request, Response, check_request, check_response, parse_message, read_message, request_uri
from sbc_sim.sip.stream import KeepAlive, MessageStream, StreamError, StreamEvent, StreamLimits
from sbc_sim.sip.text import Parameters, parse_number, printable, quote, split_list, unescape, unquote
from sbc_sim.sip.uri import Uri
from sbc_sim.sip.uui import Uui, UuiExpectation, UuiFault, decode_jwt, encode, found_elsewhere, mask, mask_jwt, mask_value, read

LIMITS = StreamLimits(headers=300, body=60, uri=40)
ALIASES = (("jwt", "jwt"), ("callId", "callId"))

# Octets that look like SIP often enough to get past the first checks.
WORDS = [
    b"INVITE sip:a@b SIP/2.0\r\n",
    b"OPTIONS sip:c SIP/2.0\n",
    b"SIP/2.0 200 OK\r\n",
    b"SIP/3.0 200 OK\r\n",
    b"Via: SIP/2.0/TLS a;branch=z9hG4bK1\r\n",
    b'From: "A" <sip:a@b>;tag=1\r\n',
    b"To: <sip:c>\r\n",
    b"Call-ID: 1\r\n",
    b"CSeq: 1 INVITE\r\n",
    b"Content-Length: 3\r\n",
    b"l: 0\r\n",
    b"l: -1\r\n",
    b"l: 61\r\n",
    b"c: multipart/mixed;boundary=b\r\n",
    b"--b\r\nc: application/sdp\r\n\r\nv=0\r\n--b--",
    b" folded\r\n",
    b"no colon\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"abc",
    b"\x16\x03",
    b"\xff",
    b"\x00",
    b'"',
    b"<",
]
sip_octets = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=4)), max_size=16).map(b"".join)
# No line ends: the message reader takes them out of every value.
texts = st.text(alphabet=st.sampled_from('ab:@;=,<>"\\ \t/.[]?%41%é\udcff\ud800sipSIP20-+*()'), max_size=40)


def events_of(pieces: list[bytes]) -> tuple[list[StreamEvent], int, bool]:
    stream = MessageStream(LIMITS)
    events = [event for piece in pieces for event in stream.feed(piece)]
    return events, stream.pending, stream.broken


def outcome(call: Callable[..., object], *arguments: object) -> object:
    """What a call gives, or the one kind of error that it may raise, which must be fit to show."""
    try:
        return call(*arguments)
    except MalformedMessage as error:
        malformed = error
    assert 400 <= malformed.status < 600
    assert malformed.detail.isprintable()
    assert len(malformed.detail) < 400
    return malformed


def used(message: Message) -> None:
    """Do with a message what the rooms above do."""
    if isinstance(message, Request):
        outcome(check_request, message)
        outcome(request_uri, message)
    else:
        outcome(check_response, message)
    outcome(sdp_body, message)
    content_encoding(message.headers)
    found_elsewhere(message)
    read(message.headers, UuiExpectation(x_header=True))
    assert message.to_bytes()


@settings(max_examples=400, deadline=None)
@given(st.one_of(sip_octets, st.binary(max_size=80)), st.lists(st.integers(0, 400), max_size=4))
@example(b"\r\n\r\r\n\r\n", [])
@example(b"INVITE sip:a SIP/2.0\r\n" + b"a: b\r\n" * 60, [])
def test_any_octets_give_the_same_events_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    whole = events_of([data])
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    assert events_of([data[a:b] for a, b in pairwise(places)]) == whole
    assert events_of([data[i : i + 1] for i in range(len(data))]) == whole
    for event in whole[0]:
        if isinstance(event, StreamError):
            assert len(event.raw) <= 4096
            assert event.error.detail.isprintable()
            if event.request is not None:
                used(event.request)
        elif event is not KeepAlive.PING:
            assert isinstance(event, Request | Response)
            used(event)


@settings(max_examples=200, deadline=None)
@given(st.one_of(sip_octets, st.binary(max_size=80)))
def test_any_octets_parse_or_are_malformed(data: bytes) -> None:
    reading = read_message(data)
    assert (reading.message is None) <= (reading.error is not None)
    message = outcome(parse_message, data)
    if isinstance(message, MalformedMessage):
        assert reading.error == message
        return
    assert isinstance(message, Request | Response)
    assert reading.error is None
    used(message)
    for item in message.headers:
        assert "\n" not in item.value
        assert "\r" not in item.value
        assert message.raw[item.offset :].startswith(item.name.encode("utf-8", "surrogateescape"))


@settings(max_examples=200, deadline=None)
@given(sip_octets)
def test_what_was_read_and_written_reads_the_same(data: bytes) -> None:
    message = read_message(data).message
    if message is None:
        return
    again = read_message(message.to_bytes()).message
    assert again is not None
    assert again.body == message.body
    kept = [(item.name, item.value) for item in message.headers if item.name.lower() not in ("l", "content-length")]
    assert [(item.name, item.value) for item in again.headers][:-1] == [
        (name, value.replace("\0", " ").strip(" \t")) for name, value in kept
    ]


PARSERS: list[Callable[[str], object]] = [
    lambda text: Uri.parse(text, "X"),
    lambda text: NameAddr.parse(text, "X"),
    Via.parse,
    CSeq.parse,
    RAck.parse,
    Reason.parse,
    WarningValue.parse,
    SessionExpires.parse,
    MediaType.parse,
    lambda text: parse_number(text, "X"),
    lambda text: Parameters.parse(text, "X"),
]


@settings(max_examples=300, deadline=None)
@given(texts, st.sampled_from(["", "sip:", "<sip:a@", "SIP/2.0/TLS a", "1 ", "SIP;cause=", "399 a "]))
def test_any_text_is_a_header_value_or_malformed(text: str, start: str) -> None:
    for parse in PARSERS:
        value = outcome(parse, start + text)
        if not isinstance(value, MalformedMessage):
            assert parse(str(value)) == value, "what was read can be written and read again"


@settings(deadline=None)
@given(st.text(max_size=60))
def test_quoting_any_text_gives_one_list_element_on_one_line(text: str) -> None:
    quoted = quote(text)
    assert "\n" not in quoted
    assert split_list(f"{quoted}, x") == [quoted, "x"]
    assert quote(unquote(quoted)) == quoted
    assert printable(text).isprintable()
    unescape(text.replace("a", "%"))


# --- User-to-User ---

uui_values = st.one_of(
    st.binary(max_size=60).map(lambda octets: octets.hex() + ";encoding=hex"),
    st.text(max_size=40).map(encode),
    st.text(alphabet='{}[]":,\\0123eE+-.u dtrueNaNInfinity', max_size=40).map(encode),
    st.text(alphabet='07bB22f"\\;=,{} \t%+/=xencodighp\udcff', max_size=60),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.just("eyJh.eyJh.x")),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["orgId", "jwt", "x", "\ud800"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(lambda value: encode(json.dumps(value))),
)


def checked(uui: Uui) -> None:
    for problem in uui.problems:
        assert problem.detail.isprintable(), problem
        if problem.position is not None and problem.fault is not UuiFault.OVER_LIMIT:
            text = uui.raw if problem.within == "value" else (uui.text if uui.text is not None else uui.decoded)
            assert text is not None
            assert 0 <= problem.position <= len(text), problem
    json.dumps(uui.fields, allow_nan=False).encode()
    json.dumps(mask(uui).fields).encode()


@settings(max_examples=500, deadline=None)
@given(st.lists(uui_values, min_size=1, max_size=2), st.sampled_from(["refuse", "first", "first_json"]), st.integers(0, 12))
def test_any_header_is_read_without_an_exception(values: list[str], several: str, depth: int) -> None:
    expectation = UuiExpectation(several=several, max_depth=depth, limit=40, aliases=ALIASES)
    checked(read(Headers([("User-to-User", value) for value in values]), expectation))
    for value in values:
        mask_value(value)
        mask_jwt(value)


@settings(deadline=None)
@given(
    st.one_of(st.text(max_size=40), st.tuples(st.binary(max_size=20), st.binary(max_size=20)).map(lambda p: f"{p[0].hex()}.{p[1].hex()}.x"))
)
def test_any_text_is_a_jwt_or_a_reason(text: str) -> None:
    decoded = decode_jwt(text)
    assert decoded


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        max_size=4,
    )
)
def test_any_fields_that_were_encoded_read_back(fields: dict[str, str]) -> None:
    uui = read(Headers([("User-to-User", encode(fields, purpose="isdn-uui"))]), UuiExpectation())
    assert uui.fields == fields
    assert not {UuiFault.NOT_JSON, UuiFault.BAD_GRAMMAR, UuiFault.NO_ENCODING, UuiFault.TRAILING_TEXT} & {p.fault for p in uui.problems}


# --- hostile sizes ---

HOSTILE = [
    '"' * 60_000,
    '"\\' * 30_000,
    "<" * 60_000,
    '";' * 30_000,
    ";" * 60_000,
    "," * 60_000,
    ";a=" * 20_000,
    ';a="' * 15_000,
    " " * 60_000,
    "SIP/2.0/TLS" + " " * 60_000,
    "sip:" + "@" * 60_000,
    "sip:a:" + "1" * 60_000,
    "eyJ" * 20_000,
    "eyJ." * 15_000,
    "65794a" * 10_000,
    "363537393461" * 5_000,
    "0" * 60_000,
    "9" * 60_000,
    "%7b" * 20_000,
]
HOSTILE_UUI = [
    *(text[:16_000] for text in HOSTILE),
    *(
        encode(text)
        for text in (
            "[" * 7_000,
            '"' * 7_000,
            '"\\' * 3_000,
            '{"a":' * 1_500,
            "{" + '"a":1,' * 1_200 + '"b":1}',
            "{" + ",".join(f'"k{i}":{{}}' for i in range(700)) + "}",
            " " * 7_000,
            "1" * 7_000,
            json.dumps({"jwt": "eyJ" * 2_000}),
            json.dumps({"jwt": "." * 7_000}),
            "eyJ" * 2_300,
        )
    ),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:6]!r}")
def test_hostile_values_are_read_in_bounded_time(text: str) -> None:
    begin = time.process_time()
    for parse in PARSERS:
        outcome(parse, text)
    split_list(text)
    mask_value(text)
    # Linear reading takes some hundredths of a second; quadratic reading of 60,000 characters takes many seconds.
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("value", HOSTILE_UUI, ids=lambda value: f"{value[:12]!r}")
def test_hostile_user_to_user_values_are_read_in_bounded_time(value: str) -> None:
    begin = time.process_time()
    uui = read(Headers([("User-to-User", value)]), UuiExpectation(several="first_json", aliases=ALIASES))
    mask(uui)
    assert time.process_time() - begin < 1
    assert all(len(problem.detail) < 600 for problem in uui.problems)


def test_a_hostile_multipart_is_split_in_bounded_time() -> None:
    request = Request("INVITE", "sip:a", Headers([("c", "multipart/mixed;boundary=b")]), b"\r\n--b" * 12_000)
    begin = time.process_time()
    with pytest.raises(MalformedMessage):
        body_parts(request)
    assert time.process_time() - begin < 1
