"""Our answers and offers, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sbc_sim.sdp.answer import Capabilities, Direction, build_answer, build_offer
from tests.sdp.samples import (
    DEFAULT,
    GCM_256,
    GOOD,
    M_LINE,
    SHA1_80,
    changed,
    inline,
    key_salt,
    local_media,
    read_offer,
    sdp,
    with_crypto,
)


def answer_lines(offer: bytes, capabilities: Capabilities = DEFAULT, **local: object) -> list[str]:
    """Our answer to a usable offer, without line ends."""
    negotiation = read_offer(offer, capabilities)
    body = build_answer(offer, negotiation, replace(local_media(), **local))  # type: ignore[arg-type]
    assert body.endswith(b"\r\n")
    return body.decode().removesuffix("\r\n").split("\r\n")


def test_the_answer_to_a_good_offer() -> None:
    assert answer_lines(sdp(*GOOD)) == [
        "v=0",
        "o=sbc-sim 7 3 IN IP4 198.51.100.5",
        "s=-",
        "c=IN IP4 198.51.100.5",
        "t=0 0",
        "m=audio 31000 RTP/SAVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        f"a=crypto:1 {SHA1_80} inline:{inline(99)}",
    ]


def test_the_answer_keeps_every_media_line_in_its_place() -> None:
    before = ("m=image 6000 udptl t38", "m=audio 5000 RTP/AVP 0 18")
    after = ("m=video 7000/2 RTP/SAVPF 96 97", "a=rtpmap:96 H264/90000", "m=audio 0 RTP/SAVP 8")
    offer = sdp(*GOOD[:5], *before, *GOOD[5:], *after)
    assert [line for line in answer_lines(offer) if line.startswith("m=")] == [
        "m=image 0 udptl t38",
        "m=audio 0 RTP/AVP 0 18",
        "m=audio 31000 RTP/SAVP 0 101",
        "m=video 0 RTP/SAVPF 96 97",
        "m=audio 0 RTP/SAVP 8",
    ]


def test_the_answer_repeats_profile_payload_types_tag_and_time() -> None:
    offer = sdp(
        *GOOD[:4],
        "t=3700000000 3800000000",
        "m=audio 40000 RTP/SAVPF 111 0 96",
        "a=rtpmap:111 pcmu/8000",
        "a=rtpmap:96 telephone-event/8000",
        f"a=crypto:17 {SHA1_80} inline:{inline()}",
    )
    lines = answer_lines(offer)
    assert lines[4] == "t=3700000000 3800000000"
    assert lines[5:9] == ["m=audio 31000 RTP/SAVPF 111 96", "a=rtpmap:111 PCMU/8000", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15"]
    assert f"a=crypto:17 {SHA1_80} inline:{inline(99)}" in lines


def test_the_answer_to_an_offer_without_telephone_event_has_none() -> None:
    lines = answer_lines(changed((M_LINE, "m=audio 40000 RTP/SAVP 0")))
    assert "m=audio 31000 RTP/SAVP 0" in lines
    assert not any("telephone-event" in line or "fmtp" in line for line in lines)


def test_the_answer_has_the_negotiated_parameters_of_the_chosen_line() -> None:
    offer = with_crypto(f"1 {SHA1_80} inline:{inline()}|2^31 WSH=64 UNAUTHENTICATED_SRTP")
    lines = answer_lines(offer, replace(DEFAULT, unencrypted=True))
    assert f"a=crypto:1 {SHA1_80} inline:{inline(99)} UNAUTHENTICATED_SRTP" in lines


@pytest.mark.parametrize(
    ("offered", "answered"), [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")]
)
def test_the_answer_mirrors_the_direction(offered: str, answered: str) -> None:
    assert f"a={answered}" in answer_lines(changed((GOOD[12], f"a={offered}")))


def test_rtcp_mux_is_answered_only_when_offered() -> None:
    assert "a=rtcp-mux" not in answer_lines(sdp(*GOOD))
    lines = answer_lines(changed(add=("a=rtcp-mux",)))
    assert "a=rtcp-mux" in lines
    assert not any(line.startswith("a=rtcp:") for line in lines)


def test_an_rtcp_port_that_is_not_the_next_one_is_named() -> None:
    assert "a=rtcp:31009" in answer_lines(sdp(*GOOD), rtcp_port=31009)
    assert "a=rtcp:31000" in answer_lines(sdp(*GOOD), rtcp_port=31000)
    mux = answer_lines(changed(add=("a=rtcp-mux",)), rtcp_port=31000)
    assert not any(line.startswith("a=rtcp:") for line in mux)


def test_an_ipv6_host_is_written_as_one() -> None:
    lines = answer_lines(sdp(*GOOD), host="2001:db8::5")
    assert lines[1] == "o=sbc-sim 7 3 IN IP6 2001:db8::5"
    assert lines[3] == "c=IN IP6 2001:db8::5"


def test_a_host_name_that_we_are_told_to_advertise_is_written_as_it_is() -> None:
    assert answer_lines(sdp(*GOOD), host="sbc.example.net")[3] == "c=IN IP4 sbc.example.net"


def test_ice_and_dtls_are_not_answered() -> None:
    lines = answer_lines(changed(add=("a=fingerprint:sha-256 AB", "a=setup:actpass", "a=ice-ufrag:x", "a=ice-pwd:y", "a=mid:0")))
    assert not any(word in line for line in lines for word in ("ice", "fingerprint", "setup", "mid"))


@pytest.mark.parametrize("direction", [Direction.SENDONLY, Direction.INACTIVE])
def test_an_offer_that_ends_its_stream_is_answered_with_port_0(direction: Direction) -> None:
    offer = sdp(*GOOD[:5], "m=audio 0 RTP/SAVP 0 8", f"a={direction}", "m=video 5000 RTP/AVP 96")
    lines = answer_lines(offer)
    assert lines[5:] == ["m=audio 0 RTP/SAVP 0 8", "m=video 0 RTP/AVP 96"]


@pytest.mark.parametrize("key", [b"", bytes(29), bytes(31), bytes(46)])
def test_an_answer_with_a_key_of_the_wrong_length_is_our_own_mistake(key: bytes) -> None:
    offer = sdp(*GOOD)
    with pytest.raises(ValueError, match="takes 30 octets"):
        build_answer(offer, read_offer(offer), replace(local_media(), crypto_key=key))


def test_an_answer_without_a_key_of_the_peer_is_our_own_mistake() -> None:
    offer = sdp(*GOOD)
    with pytest.raises(ValueError, match="without key or codec"):
        build_answer(offer, replace(read_offer(offer), crypto=None), local_media())


@pytest.mark.parametrize("host", ["", "a b", "192.0.2.1\r\na=x", "\u00e4"])
def test_a_host_that_would_break_the_lines_is_our_own_mistake(host: str) -> None:
    offer = sdp(*GOOD)
    with pytest.raises(ValueError, match="neither an address nor a host name"):
        build_answer(offer, read_offer(offer), replace(local_media(), host=host))


# --- offers -----------------------------------------------------------------------------------------------------------


def offer_lines(**arguments: object) -> list[str]:
    body = build_offer(local_media(), (SHA1_80, GCM_256), (key_salt(50), key_salt(51, 44)), **arguments)  # type: ignore[arg-type]
    return body.decode().removesuffix("\r\n").split("\r\n")


def test_our_offer_has_a_line_for_each_suite_with_tags_from_one() -> None:
    assert offer_lines() == [
        "v=0",
        "o=sbc-sim 7 3 IN IP4 198.51.100.5",
        "s=-",
        "c=IN IP4 198.51.100.5",
        "t=0 0",
        "m=audio 31000 RTP/SAVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        f"a=crypto:1 {SHA1_80} inline:{inline(50)}",
        f"a=crypto:2 {GCM_256} inline:{inline(51, 44)}",
        "a=rtcp-mux",
    ]


def test_our_offer_says_what_it_was_told() -> None:
    lines = offer_lines(codecs=("PCMA", "PCMU"), dtmf_payload_type=None, direction=Direction.SENDONLY, rtcp_mux=False)
    assert lines[5:8] == ["m=audio 31000 RTP/SAVP 8 0", "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000"]
    assert "a=sendonly" in lines
    assert "a=rtcp-mux" not in lines


def test_our_new_offer_keeps_the_media_lines_and_the_profile_of_the_session() -> None:
    offer = sdp(*GOOD[:5], "m=video 5000 RTP/AVP 96", "m=audio 40000 RTP/SAVPF 0", GOOD[10], "m=text 5002 RTP/AVP 98")
    answer = build_answer(offer, read_offer(offer), local_media())
    media = [line for line in offer_lines(previous=answer) if line.startswith("m=")]
    assert media == ["m=video 0 RTP/AVP 96", "m=audio 31000 RTP/SAVPF 0 101", "m=text 0 RTP/AVP 98"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("m=video 0 RTP/AVP 96", "m=audio 0 RTP/SAVPF 0"), ["m=video 0 RTP/AVP 96", "m=audio 31000 RTP/SAVP 0 101"]),
        (("m=audio 0 RTP/AVP 0", "m=audio 9 RTP/SAVP 0"), ["m=audio 0 RTP/AVP 0", "m=audio 31000 RTP/SAVP 0 101"]),
        (("m=video 0 RTP/AVP 96",), ["m=video 0 RTP/AVP 96", "m=audio 31000 RTP/SAVP 0 101"]),
    ],
)
def test_our_new_offer_opens_audio_where_it_was_or_behind_the_rest(before: tuple[str, ...], after: list[str]) -> None:
    assert [line for line in offer_lines(previous=sdp(*GOOD[:5], *before)) if line.startswith("m=")] == after


def test_our_offer_can_be_taken_by_our_own_side() -> None:
    body = build_offer(local_media(), (SHA1_80,), (key_salt(50),))
    negotiation = read_offer(body)
    assert negotiation.problems == ()
    assert negotiation.crypto is not None
    assert (negotiation.remote, negotiation.crypto.key_salt) == (("198.51.100.5", 31000), key_salt(50))


@pytest.mark.parametrize(
    ("suites", "keys", "codecs"),
    [
        ((), (), ("PCMU",)),
        ((SHA1_80,), (), ("PCMU",)),
        ((SHA1_80,), (bytes(30), bytes(30)), ("PCMU",)),
        ((SHA1_80,), (bytes(29),), ("PCMU",)),
        (("NULL",), (bytes(30),), ("PCMU",)),
        ((SHA1_80,), (bytes(30),), ()),
        ((SHA1_80,), (bytes(30),), ("opus",)),
    ],
)
def test_an_offer_that_cannot_be_written_is_our_own_mistake(
    suites: tuple[str, ...], keys: tuple[bytes, ...], codecs: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        build_offer(local_media(), suites, keys, codecs)


def test_keys_stay_out_of_the_repr_of_our_media() -> None:
    assert inline(99)[:8] not in repr(local_media())
    assert repr(key_salt(99))[2:12] not in repr(local_media())
