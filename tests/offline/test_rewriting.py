"""Answers to the far end's requests become answers to ours, and its BYE says why it hung up."""

from __future__ import annotations

import pytest

from sbc_sim.offline.rewriting import as_answer_to, for_our_offer, reason_of
from sbc_sim.sip.message import Message, Request, Response, read_message
from tests.support.sip import SDP, a_request

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM")


def message(raw: bytes) -> Message:
    read = read_message(raw).message
    assert read is not None
    return read


def request(raw: bytes) -> Request:
    read = message(raw)
    assert isinstance(read, Request)
    return read


def test_an_answer_gets_our_via_and_cseq_and_keeps_the_rest():
    theirs = message(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS far;branch=z9hG4bKfar\r\nVia: SIP/2.0/TLS b\r\nCSeq: 77 BYE\r\nX-Y: z\r\n\r\n")
    assert isinstance(theirs, Response)
    ours = request(a_request("BYE", cseq="1 BYE"))
    written = message(as_answer_to(theirs, ours))
    assert written.headers.all("Via") == [ours.headers.first("Via")]
    assert (written.headers.first("CSeq"), written.headers.first("X-Y")) == ("1 BYE", "z")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("7 AEAD_AES_128_GCM", "a=crypto:3 AEAD_AES_128_GCM"),
        ("1 AES_CM_128_HMAC_SHA1_80", "a=crypto:1 AES_CM_128_HMAC_SHA1_80"),
        ("4 AEAD_AES_256_GCM", "a=crypto:4 AEAD_AES_256_GCM"),
    ],
)
def test_the_crypto_tag_of_an_answer_is_that_of_our_offer(line, expected):
    body = SDP.replace("1 AES_CM_128_HMAC_SHA1_80", line)
    raw = a_request("ACK", body, content_type="application/sdp")
    written = message(for_our_offer(request(raw), raw, SUITES))
    assert expected in written.body.decode()
    answer = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body.encode())
    written = message(for_our_offer(message(answer), answer, SUITES))
    assert expected in written.body.decode()
    assert written.body.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('SIP;cause=408;text="no SRTP for 60 s"', "media-timeout"),
        ('SIP;cause=200;text="hung up by the API", Q.850;cause=16', "api"),
        ('SIP;cause=408;text="no ACK within 32 s"', "no-ack"),
        ('Q.850;cause=16;text="Normal call clearing"', "far-end"),
        ("???", "far-end"),
        ("", "far-end"),
    ],
)
def test_only_our_own_words_tell_more_than_that_the_far_end_hung_up(header, reason):
    assert reason_of(request(a_request("BYE", reason=header)))[0] == reason
