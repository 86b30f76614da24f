from __future__ import annotations

import pytest

from sbc_sim.sip.body import body_parts, content_encoding, media_type, sdp_body
from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.message import Headers, Request

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"


def carrying(body: bytes, content_type: str | None) -> Request:
    return Request("INVITE", "sip:a", Headers([("c", content_type)] if content_type is not None else []), body)


def multipart(*parts: bytes, boundary: bytes = b"b1", end: bytes = b"--") -> bytes:
    return b"preamble" + b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts) + b"\r\n--" + boundary + end + b"\r\nepilogue"


def test_a_plain_sdp_body_is_the_description() -> None:
    assert sdp_body(carrying(SDP, "Application/SDP;charset=utf-8")) == SDP


def test_no_body_and_other_bodies_hold_no_description() -> None:
    assert sdp_body(carrying(b"", "application/sdp")) is None
    assert sdp_body(carrying(SDP, "text/plain")) is None
    assert sdp_body(carrying(b"<x/>", None)) is None
    assert sdp_body(carrying(SDP, "nonsense")) == SDP
    assert sdp_body(carrying(SDP, None)) == SDP


def test_the_description_is_found_inside_a_multipart() -> None:
    body = multipart(b"Content-Type: text/plain\r\n\r\nhello", b"c: application/sdp\r\nX: 1\r\n\r\n" + SDP)
    request = carrying(body, 'multipart/mixed; boundary="b1"')
    assert sdp_body(request) == SDP
    assert [(part.media_type, part.body) for part in body_parts(request)] == [("text/plain", b"hello"), ("application/sdp", SDP)]
    assert body_parts(request)[1].headers.first("x") == "1"


def test_a_part_without_header_fields_is_read() -> None:
    assert body_parts(carrying(multipart(b"\r\nbare"), "multipart/mixed;boundary=b1"))[0].body == b"bare"


def test_bare_line_feeds_delimit_parts_too() -> None:
    body = multipart(b"Content-Type: application/sdp\r\n\r\nv=0").replace(b"\r\n", b"\n")
    assert sdp_body(carrying(body, "multipart/mixed;boundary=b1")) == b"v=0"


def test_a_nested_multipart_is_searched() -> None:
    inner = b"Content-Type: multipart/alternative; boundary=b2\r\n\r\n" + multipart(b"c: application/sdp\r\n\r\n" + SDP, boundary=b"b2")
    assert sdp_body(carrying(multipart(inner), "multipart/mixed;boundary=b1")) == SDP


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (multipart(SDP), "multipart/mixed"),
        (multipart(SDP), 'multipart/mixed;boundary=""'),
        (multipart(SDP), "multipart/mixed;boundary=" + "x" * 71),
        (multipart(SDP), "multipart/mixed;boundary=other"),
        (multipart(SDP, end=b""), "multipart/mixed;boundary=b1"),
        (b"--b1--\r\n", "multipart/mixed;boundary=b1"),
        (multipart(*[b"\r\nx"] * 33), "multipart/mixed;boundary=b1"),
    ],
)
def test_parts_that_cannot_be_told_apart_are_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        sdp_body(carrying(body, content_type))
    assert (caught.value.malformation, caught.value.where) == (Malformation.BAD_MULTIPART, "body")


def test_multiparts_nested_without_end_are_refused() -> None:
    body = SDP
    for level in range(6):
        name = f"n{level}".encode()
        body = b"Content-Type: multipart/mixed;boundary=" + name + b"\r\n\r\n" + multipart(body, boundary=name)
    with pytest.raises(MalformedMessage, match="nested"):
        sdp_body(carrying(multipart(body), "multipart/mixed;boundary=b1"))


def test_type_and_encoding_are_told() -> None:
    headers = Headers([("c", "application/sdp"), ("e", "GZIP, identity")])
    assert str(media_type(headers)) == "application/sdp"
    assert content_encoding(headers) == "gzip, identity"
    assert (media_type(Headers()), content_encoding(Headers())) == (None, "identity")
    with pytest.raises(MalformedMessage):
        media_type(Headers([("Content-Type", "sdp")]))
