from __future__ import annotations

import pytest

from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.fields import canonical
from sbc_sim.sip.message import (
    HeaderField,
    Headers,
    Request,
    Response,
    check_request,
    check_response,
    parse_message,
    read_message,
    request_uri,
)

INVITE = (
    b"INVITE sip:echo@sbc.example SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS 192.0.2.9:40001;branch=z9hG4bK77;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Ann" <sip:ann@partner.example>;tag=a1\r\n'
    b"To: <sip:echo@sbc.example>\r\n"
    b"Call-ID: c1@partner.example\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Contact: <sip:ann@192.0.2.9:5061;transport=tls>\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


def changed(old: bytes, new: bytes) -> Request:
    assert old in INVITE
    message = parse_message(INVITE.replace(old, new))
    assert isinstance(message, Request)
    return message


def malformation(data: bytes | Request) -> MalformedMessage:
    if isinstance(data, Request):
        with pytest.raises(MalformedMessage) as caught:
            check_request(data)
    else:
        with pytest.raises(MalformedMessage) as caught:
            parse_message(data)
    return caught.value


# --- reading ---


def test_a_request_is_read_with_its_start_line_fields_and_body() -> None:
    request = parse_message(INVITE)
    assert isinstance(request, Request)
    assert (request.method, request.uri, request.version) == ("INVITE", "sip:echo@sbc.example", "SIP/2.0")
    assert request.headers.first("call-id") == "c1@partner.example"
    assert request.body == b"v=0\n"
    assert request.raw == INVITE
    check_request(request)


def test_a_response_is_read_with_status_and_reason() -> None:
    response = parse_message(b"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/TLS a\r\n\r\n")
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (486, "Busy Here")


@pytest.mark.parametrize("line", [b"SIP/2.0 200 \r\n", b"SIP/2.0 200\r\n"])
def test_a_reason_phrase_may_be_empty(line: bytes) -> None:
    response = parse_message(line + b"l: 0\r\n\r\n")
    assert isinstance(response, Response)
    assert response.reason == ""


def test_each_field_knows_the_octet_at_which_it_begins() -> None:
    data = "OPTIONS sip:ä SIP/2.0\r\nSubject: é\r\nFolded: a\r\n b\r\nLast: x\r\n\r\n".encode()
    for item in parse_message(data).headers:
        assert data[item.offset :].startswith(item.name.encode() + b":")


def test_folded_lines_become_one_value() -> None:
    request = changed(b"Max-Forwards: 70", b"Subject: one\r\n two\r\n\tthree\r\nMax-Forwards:\r\n 70")
    assert request.headers.first("Subject") == "one two three"
    assert request.headers.first("Max-Forwards") == "70"


def test_bare_line_feeds_end_lines_too() -> None:
    request = parse_message(INVITE.replace(b"\r\n", b"\n"))
    assert isinstance(request, Request)
    check_request(request)
    assert request.headers.first("Max-Forwards") == "70"
    assert request.body == b"v=0\n"


def test_a_lone_carriage_return_in_a_value_is_a_blank() -> None:
    assert changed(b"Max-Forwards: 70", b"Subject: a\rEvil: b").headers.first("Subject") == "a Evil: b"


def test_octets_that_are_not_utf8_survive_reading_and_writing() -> None:
    request = changed(b"Max-Forwards: 70", b"Subject: \xff\xfe")
    assert b"Subject: \xff\xfe\r\n" in request.to_bytes()


def test_line_ends_before_the_start_line_are_skipped() -> None:
    assert parse_message(b"\r\n\r\n" + INVITE).headers.first("CSeq") == "7 INVITE"


def test_the_body_is_cut_at_content_length() -> None:
    assert parse_message(INVITE + b"more").body == b"v=0\n"


def test_without_content_length_the_rest_is_the_body() -> None:
    assert parse_message(INVITE.replace(b"Content-Length: 4\r\n", b"") + b"more").body == b"v=0\nmore"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("i", "Call-ID"),
        ("m", "Contact"),
        ("e", "Content-Encoding"),
        ("l", "Content-Length"),
        ("c", "Content-Type"),
        ("f", "From"),
        ("s", "Subject"),
        ("k", "Supported"),
        ("t", "To"),
        ("v", "Via"),
        ("x", "Session-Expires"),
    ],
)
def test_compact_forms_count_as_the_long_names(short: str, long: str) -> None:
    headers = Headers([(short.upper(), "value")])
    assert headers.first(long.upper()) == "value"
    assert canonical(short) == long.lower()


@pytest.mark.parametrize(
    ("line", "what", "status"),
    [
        (b"INVITE sip:a SIP/3.0", Malformation.BAD_VERSION, 505),
        (b"SIP/7.0 200 OK", Malformation.BAD_VERSION, 505),
        (b"INVITE  sip:a SIP/2.0", Malformation.BAD_START_LINE, 400),
        (b"INVITE sip:a SIP/2.0 ", Malformation.BAD_START_LINE, 400),
        (b"INVITE sip:a b SIP/2.0", Malformation.BAD_START_LINE, 400),
        (b"INVITE sip:a\x01 SIP/2.0", Malformation.BAD_START_LINE, 400),
        (b"INVITE sip:a", Malformation.BAD_START_LINE, 400),
        (b"INV(TE sip:a SIP/2.0", Malformation.BAD_START_LINE, 400),
        (b"SIP/2.0 1000 Large", Malformation.BAD_START_LINE, 400),
        (b"SIP/2.0 099 Small", Malformation.BAD_START_LINE, 400),
        (b"SIP/2.0 OK", Malformation.BAD_START_LINE, 400),
        (b"", Malformation.BAD_START_LINE, 400),
    ],
)
def test_a_bad_start_line_is_refused_with_the_status_for_it(line: bytes, what: Malformation, status: int) -> None:
    error = malformation(line + b"\r\nl: 0\r\n\r\n" if line else b"")
    assert (error.malformation, error.status, error.where) == (what, status, "start line")


def test_a_request_with_a_bad_start_line_can_still_be_answered() -> None:
    reading = read_message(INVITE.replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1))
    assert isinstance(reading.message, Request)
    assert reading.message.headers.first("CSeq") == "7 INVITE"
    assert reading.error is not None
    assert reading.error.status == 505


@pytest.mark.parametrize("line", [b"no colon here", b": nameless", b"two words: x", b" begins with a blank: x"])
def test_a_line_that_is_no_header_field_is_named_with_its_offset(line: bytes) -> None:
    data = INVITE.replace(b"Via:", line + b"\r\nVia:", 1)
    error = malformation(data)
    assert error.malformation is Malformation.BAD_HEADER_LINE
    assert error.offset == data.index(line)
    reading = read_message(data)
    assert reading.message is not None
    assert "Via" in reading.message.headers, "what stands behind it is read all the same"


# --- checking ---


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_missing_header_is_named(name: str) -> None:
    request = parse_message(INVITE)
    assert isinstance(request, Request)
    error = malformation(Request("INVITE", request.uri, request.headers.without(name)))
    assert (error.malformation, error.where, error.status) == (Malformation.MISSING_HEADER, name, 400)
    assert name in error.detail


def test_a_missing_max_forwards_is_no_mistake() -> None:
    check_request(changed(b"Max-Forwards: 70\r\n", b""))


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq"])
def test_a_header_that_may_be_there_once_is_refused_when_it_comes_twice(name: str) -> None:
    request = parse_message(INVITE)
    assert isinstance(request, Request)
    twice = request.headers.added((name, request.headers.first(name) or ""))
    error = malformation(Request("INVITE", request.uri, twice))
    assert (error.malformation, error.where) == (Malformation.DUPLICATE_HEADER, name)


@pytest.mark.parametrize(
    ("old", "new", "what", "where"),
    [
        (b"CSeq: 7 INVITE", b"CSeq: 7 BYE", Malformation.CSEQ_MISMATCH, "CSeq"),
        (b"CSeq: 7 INVITE", b"CSeq: 7 invite", Malformation.CSEQ_MISMATCH, "CSeq"),
        (b"CSeq: 7 INVITE", b"CSeq: 2147483648 INVITE", Malformation.CSEQ_RANGE, "CSeq"),
        (b"CSeq: 7 INVITE", b"CSeq: -1 INVITE", Malformation.CSEQ_RANGE, "CSeq"),
        (b"CSeq: 7 INVITE", b"CSeq: " + b"9" * 5000 + b" INVITE", Malformation.CSEQ_RANGE, "CSeq"),
        (b"CSeq: 7 INVITE", b"CSeq: seven INVITE", Malformation.BAD_HEADER, "CSeq"),
        (b"Via: SIP/2.0/TLS 192.0.2.9:40001", b"Via: SIP/2.0/TLS 192.0.2.9:99999", Malformation.BAD_HEADER, "Via"),
        (b"Via: SIP/2.0/TLS 192.0.2.9:40001", b"Via: nonsense", Malformation.BAD_HEADER, "Via"),
        (b'From: "Ann" <', b'From: "Ann <', Malformation.BAD_HEADER, "From"),
        (b"To: <sip:echo@sbc.example>", b"To: <sip:echo@sbc.example", Malformation.BAD_HEADER, "To"),
        (b"Content-Length: 4", b"Content-Length: 5", Malformation.CONTENT_LENGTH_BAD, "Content-Length"),
        (b"Content-Length: 4", b"Content-Length: -4", Malformation.CONTENT_LENGTH_BAD, "Content-Length"),
        (b"Content-Length: 4", b"Content-Length: 4\r\nl: 4", Malformation.CONTENT_LENGTH_DUPLICATE, "Content-Length"),
    ],
)
def test_a_garbled_header_is_refused_and_named(old: bytes, new: bytes, what: Malformation, where: str) -> None:
    error = malformation(changed(old, new))
    assert (error.malformation, error.where, error.status) == (what, where, 400)
    assert len(error.detail) < 250


def test_the_offset_of_a_garbled_header_is_told() -> None:
    data = INVITE.replace(b"To: <sip:echo@sbc.example>", b"To: sbc")
    request = parse_message(data)
    assert isinstance(request, Request)
    offset = malformation(request).offset
    assert offset is not None
    assert data[offset:].startswith(b"To: sbc")


def test_the_largest_cseq_is_fine() -> None:
    check_request(changed(b"CSeq: 7 INVITE", b"CSeq: 0002147483647 INVITE"))


def test_a_response_with_a_garbled_cseq_is_refused() -> None:
    response = parse_message(INVITE.replace(b"INVITE sip:echo@sbc.example SIP/2.0", b"SIP/2.0 200 OK").replace(b"7 INVITE", b"x INVITE"))
    assert isinstance(response, Response)
    with pytest.raises(MalformedMessage):
        check_response(response)


@pytest.mark.parametrize(
    ("uri", "status"),
    [("http://sbc.example", 416), ("tel:+15550100", 416), ("<sip:a@b>", 400), ("echo", 400), ("sip:a@[1:2", 400), ("sip:a@b:70000", 400)],
)
def test_a_request_uri_of_another_kind_is_refused(uri: str, status: int) -> None:
    with pytest.raises(MalformedMessage) as caught:
        request_uri(Request("INVITE", uri, Headers()))
    assert (caught.value.malformation, caught.value.status) == (Malformation.BAD_REQUEST_URI, status)


def test_a_tel_uri_is_taken_when_it_is_wanted() -> None:
    assert request_uri(Request("INVITE", "tel:+15550100", Headers()), accept_tel=True).user == "+15550100"


# --- writing ---


def test_a_message_that_was_written_reads_back_equal() -> None:
    request = Request("BYE", "sip:ann@192.0.2.9:5061", Headers([("Via", "SIP/2.0/TLS x"), ("Subject", "grüße")]), b"body")
    again = parse_message(request.to_bytes())
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == (request.method, request.uri, request.body)
    assert [(item.name, item.value) for item in again.headers] == [
        ("Via", "SIP/2.0/TLS x"),
        ("Subject", "grüße"),
        ("Content-Length", "4"),
    ]


def test_content_length_is_always_the_true_one() -> None:
    response = Response(200, "OK", Headers([("l", "99"), ("Content-Length", "1")]), b"ab")
    assert response.to_bytes() == b"SIP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab"


@pytest.mark.parametrize("evil", ["x\r\nEvil: 1", "x\nEvil: 1", "x\rEvil: 1", "x\r\n\r\nINVITE", "x\0y"])
def test_a_line_end_in_any_part_cannot_begin_a_header(evil: str) -> None:
    written = [
        Response(200, evil, Headers([("Subject", "s")])).to_bytes(),
        Response(200, "OK", Headers([("Subject", evil)])).to_bytes(),
        Response(200, "OK", Headers([(evil, "v")])).to_bytes(),
        Request("INVITE", evil, Headers([("Subject", "s")])).to_bytes(),
        Request(evil, "sip:a", Headers([("Subject", "s")])).to_bytes(),
    ]
    for data in written:
        assert data.count(b"\n") == data.count(b"\r") == 4
        assert b"\0" not in data


def test_lone_surrogates_do_not_stop_a_message_from_being_written() -> None:
    assert Response(200, "OK", Headers([("Subject", "a\ud800b")])).to_bytes().startswith(b"SIP/2.0 200 OK\r\nSubject: a?b\r\n")


# --- headers as a value ---


def test_values_are_listed_across_fields_and_commas() -> None:
    headers = Headers([("Route", '<sip:a,b;x="1">, "c, d" <sip:e>'), ("route", "<sip:f>,")])
    assert headers.listed("ROUTE") == ['<sip:a,b;x="1">', '"c, d" <sip:e>', "<sip:f>"]
    assert headers.all("route") == ['<sip:a,b;x="1">, "c, d" <sip:e>', "<sip:f>,"]


def test_replacing_keeps_the_place_and_leaves_one() -> None:
    headers = Headers([("A", "1"), ("t", "2"), ("To", "3"), ("B", "4")]).replaced("To", "new")
    assert [(item.name, item.value) for item in headers] == [("A", "1"), ("To", "new"), ("B", "4")]
    assert Headers().replaced("To", "x").first("t") == "x"


def test_changing_headers_leaves_the_old_ones_alone() -> None:
    headers = Headers([("A", "1")])
    assert len(headers.added(("B", "2"), HeaderField("C", "3"))) == 3
    assert "A" not in headers.without("a")
    assert [item.name for item in headers] == ["A"]
    assert headers == Headers([HeaderField("A", "1")])
    assert hash(headers) == hash(Headers([("A", "1")]))
    assert "B" not in headers
    assert 7 not in headers
