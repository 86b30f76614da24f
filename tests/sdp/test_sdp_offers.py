"""An offer read: what is taken, and every reason why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sbc_sim.sdp.answer import Direction, Negotiation, SdpFault, negotiate
from tests.sdp.samples import (
    CRYPTO_LINE,
    DEFAULT,
    GOOD,
    M_LINE,
    SHA1_80,
    changed,
    fatal_faults,
    faults,
    inline,
    key_salt,
    read_offer,
    sdp,
    the_problem,
)

FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)


def sole_fatal(negotiation: Negotiation, fault: SdpFault) -> str:
    """The offer fails for this alone; its sentence."""
    assert fatal_faults(negotiation) == [fault]
    assert not negotiation.usable
    return the_problem(negotiation, fault).detail


def test_a_good_offer_is_taken_without_any_problem() -> None:
    negotiation = read_offer(sdp(*GOOD))
    assert negotiation.problems == ()
    assert negotiation.refused_crypto == ()
    assert negotiation.usable
    assert (negotiation.media_index, negotiation.media_count, negotiation.profile) == (0, 1, "RTP/SAVP")
    assert (negotiation.codec, negotiation.payload_type, negotiation.dtmf_payload_type) == ("PCMU", 0, 101)
    assert negotiation.offered_codecs == ("PCMU/8000", "PCMA/8000", "telephone-event/8000")
    assert negotiation.crypto is not None
    assert (negotiation.crypto.tag, negotiation.crypto.suite, negotiation.crypto.key_salt) == (1, SHA1_80, key_salt(1))
    assert (negotiation.remote, negotiation.remote_rtcp) == (("192.0.2.10", 40000), ("192.0.2.10", 40001))
    assert (negotiation.rtcp_mux, negotiation.direction, negotiation.held) == (False, Direction.SENDRECV, False)
    assert (negotiation.ptime, negotiation.max_ptime) == (20, None)
    assert negotiation.session == ("4711", "192.0.2.10", 1)


# --- what cannot be read ----------------------------------------------------------------------------------------------


def test_an_offer_that_is_no_sdp_is_unparsable_with_its_line() -> None:
    negotiation = read_offer(b"v=0\r\n<xml/>\r\n")
    assert negotiation.problems[0].fault is SdpFault.UNPARSABLE
    assert (negotiation.problems[0].line, negotiation.problems[0].text, negotiation.problems[0].fatal) == (2, "<xml/>", True)


def test_a_missing_line_is_told_with_the_place_where_it_belongs() -> None:
    found = the_problem(read_offer(changed((GOOD[1], None))), SdpFault.UNPARSABLE)
    assert (found.line, found.text) == (2, "")
    assert "o=-" in found.detail


@pytest.mark.parametrize(("line", "number"), [(GOOD[2], 3), (GOOD[4], 3)])
def test_a_missing_name_or_time_is_only_noted(line: str, number: int) -> None:
    negotiation = read_offer(changed((line, None)))
    assert negotiation.usable
    assert the_problem(negotiation, SdpFault.ODD_SYNTAX).line == number


def test_an_offer_over_the_size_limit_has_that_one_problem() -> None:
    assert sole_fatal(read_offer(sdp(*GOOD) + b"a=" + b"x" * 70_000), SdpFault.UNPARSABLE)


def test_the_list_of_problems_is_bounded_and_keeps_the_fatal_ones() -> None:
    odd = [f"a=rtpmap:{number} broken" for number in range(200)]
    negotiation = read_offer(changed((CRYPTO_LINE, None), add=tuple(odd)))
    assert len(negotiation.problems) == 50
    assert fatal_faults(negotiation) == [SdpFault.NO_CRYPTO]


# --- streams ----------------------------------------------------------------------------------------------------------


def test_no_media_line_at_all_is_no_audio() -> None:
    negotiation = read_offer(sdp(*GOOD[:5]))
    assert sole_fatal(negotiation, SdpFault.NO_AUDIO)
    assert the_problem(negotiation, SdpFault.NO_AUDIO).line == 6


def test_video_alone_is_no_audio() -> None:
    negotiation = read_offer(sdp(*GOOD[:5], "m=video 5000 RTP/SAVP 96"))
    assert sole_fatal(negotiation, SdpFault.NO_AUDIO)
    assert negotiation.media_count == 1


def test_the_first_usable_audio_stream_is_taken_and_the_others_are_named() -> None:
    clear = ("m=audio 5000 RTP/AVP 0", "m=video 5002 RTP/SAVP 96")
    negotiation = read_offer(sdp(*GOOD[:5], *clear, *GOOD[5:], "m=audio 5004 RTP/SAVP 0", CRYPTO_LINE))
    assert negotiation.usable
    assert (negotiation.media_index, negotiation.media_count, negotiation.remote) == (2, 4, ("192.0.2.10", 40000))
    found = the_problem(negotiation, SdpFault.EXTRA_STREAMS)
    assert "audio on line 6, video on line 7, audio on line 16" in found.detail
    assert (found.line, found.fatal) == (6, False)


def test_when_no_audio_stream_is_usable_the_first_is_reported() -> None:
    negotiation = read_offer(sdp(*GOOD[:5], "m=video 5000 RTP/AVP 96", "m=audio 5002 RTP/AVP 0", "m=audio 5004 UDP/TLS/RTP/SAVP 0"))
    assert sole_fatal(negotiation, SdpFault.NOT_SRTP)
    assert negotiation.media_index == 1


def test_an_audio_stream_with_port_0_is_passed_over_for_a_later_one() -> None:
    negotiation = read_offer(sdp(*GOOD[:5], "m=audio 0 RTP/SAVP 0", *GOOD[5:]))
    assert negotiation.usable
    assert negotiation.media_index == 1
    assert SdpFault.EXTRA_STREAMS not in faults(negotiation)


def test_an_audio_stream_with_port_0_alone_is_refused_audio_and_nothing_else() -> None:
    negotiation = read_offer(sdp(*GOOD[:5], "m=audio 0 RTP/AVP 0 x", "a=rtpmap:0"))
    assert sole_fatal(negotiation, SdpFault.AUDIO_REFUSED)
    assert len(negotiation.problems) == 1
    assert negotiation.media_index == 0


def test_the_reason_of_a_live_stream_counts_before_that_of_a_refused_one() -> None:
    negotiation = read_offer(sdp(*GOOD[:5], "m=audio 0 RTP/SAVP 0", "m=audio 5000 RTP/AVP 0"))
    assert sole_fatal(negotiation, SdpFault.NOT_SRTP)


def test_the_number_of_audio_streams_that_are_looked_at_is_bounded() -> None:
    refused = ["m=audio 5000 RTP/AVP 0"] * 16
    assert read_offer(sdp(*GOOD[:5], *refused[1:], *GOOD[5:])).media_index == 15
    assert fatal_faults(read_offer(sdp(*GOOD[:5], *refused, *GOOD[5:]))) == [SdpFault.NOT_SRTP]


@pytest.mark.parametrize("field", ["x ", "128 ", "0 "])
def test_a_media_line_of_the_greatest_length_costs_no_more_than_reading_it(field: str) -> None:
    negotiation = read_offer(sdp(*GOOD[:5], "m=audio 5000 RTP/SAVP " + field * (64_000 // len(field)), CRYPTO_LINE))
    assert negotiation.usable is (field == "0 ")
    assert len(negotiation.problems) <= 4
    assert all(len(found.text) <= 303 and len(found.detail) <= 500 for found in negotiation.problems)


# --- profile and keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF"])
def test_both_srtp_profiles_are_met(profile: str) -> None:
    negotiation = read_offer(changed((M_LINE, f"m=audio 40000 {profile} 0 101")))
    assert negotiation.usable
    assert negotiation.profile == profile


@pytest.mark.parametrize("profile", ["RTP/AVP", "RTP/AVPF"])
def test_a_plain_profile_without_crypto_is_not_srtp(profile: str) -> None:
    offer = changed((M_LINE, f"m=audio 40000 {profile} 0 101"), (CRYPTO_LINE, None))
    assert "RTP/SAVP" in sole_fatal(read_offer(offer), SdpFault.NOT_SRTP)
    assert the_problem(read_offer(offer), SdpFault.NOT_SRTP).line == 6
    assert sole_fatal(read_offer(offer, replace(DEFAULT, crypto_in_avp=True)), SdpFault.NOT_SRTP)


def test_srtp_offered_as_a_mere_capability_gets_a_hint() -> None:
    lines = ("a=tcap:1 RTP/SAVP", f"a=acap:1 crypto:1 {SHA1_80} inline:{inline()}", "a=pcfg:1 t=1 a=1")
    offer = changed((M_LINE, "m=audio 40000 RTP/AVP 0 101"), (CRYPTO_LINE, None), add=lines)
    assert "RFC 5939" in sole_fatal(read_offer(offer), SdpFault.NOT_SRTP)


@pytest.mark.parametrize("profile", ["RTP/AVP", "RTP/AVPF"])
def test_crypto_in_a_plain_profile_is_taken_only_when_allowed(profile: str) -> None:
    offer = changed((M_LINE, f"m=audio 40000 {profile} 0 101"))
    assert "not taken" in sole_fatal(read_offer(offer), SdpFault.CRYPTO_IN_AVP)
    negotiation = read_offer(offer, replace(DEFAULT, crypto_in_avp=True))
    assert negotiation.usable
    assert faults(negotiation) == [SdpFault.CRYPTO_IN_AVP]
    assert negotiation.crypto is not None


@pytest.mark.parametrize("profile", ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF"])
@pytest.mark.parametrize("crypto", [None, CRYPTO_LINE])
def test_a_dtls_profile_is_dtls_only(profile: str, crypto: str | None) -> None:
    offer = changed((M_LINE, f"m=audio 40000 {profile} 0 101"), (CRYPTO_LINE, crypto), add=(FINGERPRINT,))
    assert sole_fatal(read_offer(offer), SdpFault.DTLS_ONLY)


@pytest.mark.parametrize("profile", ["RTP/SAVPF", "RTP/AVP"])
def test_a_fingerprint_without_crypto_is_dtls_only(profile: str) -> None:
    media = changed((M_LINE, f"m=audio 40000 {profile} 0 101"), (CRYPTO_LINE, None), add=(FINGERPRINT,))
    above = changed((GOOD[4], f"t=0 0\r\n{FINGERPRINT}"), (M_LINE, f"m=audio 40000 {profile} 0 101"), (CRYPTO_LINE, None))
    for offer in (media, above):
        negotiation = read_offer(offer)
        assert sole_fatal(negotiation, SdpFault.DTLS_ONLY)
        assert the_problem(negotiation, SdpFault.DTLS_ONLY).text == FINGERPRINT


def test_dtls_and_ice_beside_crypto_are_noted_and_left_aside() -> None:
    ice = ("a=ice-ufrag:x", "a=ice-pwd:y", "a=candidate:1 1 UDP 1 192.0.2.1 9 typ host")
    negotiation = read_offer(changed(add=(FINGERPRINT, "a=setup:actpass", *ice)))
    assert negotiation.usable
    assert faults(negotiation) == [SdpFault.DTLS_BESIDE, SdpFault.ICE_OFFERED]
    assert [found.line for found in negotiation.problems] == [14, 16]


@pytest.mark.parametrize("profile", ["udp", "TCP/MRCPv2", "RTP/SAVPX", "TCP/RTP/SAVP", "SAVP"])
def test_any_other_profile_is_named(profile: str) -> None:
    assert profile in sole_fatal(read_offer(changed((M_LINE, f"m=audio 40000 {profile} 0 101"))), SdpFault.OTHER_PROFILE)


def test_savp_without_crypto_has_no_crypto() -> None:
    negotiation = read_offer(changed((CRYPTO_LINE, None)))
    assert sole_fatal(negotiation, SdpFault.NO_CRYPTO)
    assert the_problem(negotiation, SdpFault.NO_CRYPTO).text == M_LINE


def test_crypto_above_the_media_lines_is_noted_and_does_not_count() -> None:
    beside = read_offer(changed((GOOD[4], f"t=0 0\r\na=crypto:9 {SHA1_80} inline:{inline(9)}")))
    assert beside.usable
    assert beside.crypto is not None
    assert beside.crypto.tag == 1
    assert the_problem(beside, SdpFault.ODD_SYNTAX).line == 6
    alone = read_offer(changed((GOOD[4], f"t=0 0\r\na=crypto:9 {SHA1_80} inline:{inline(9)}"), (CRYPTO_LINE, None)))
    assert sole_fatal(alone, SdpFault.NO_CRYPTO)
    assert inline(9)[:8] not in repr(alone)


# --- codecs -----------------------------------------------------------------------------------------------------------


def with_formats(formats: str, *lines: str) -> bytes:
    return sdp(*GOOD[:5], f"m=audio 40000 RTP/SAVP {formats}", CRYPTO_LINE, *lines)


@pytest.mark.parametrize(
    ("formats", "lines", "payload_type"),
    [
        ("0", (), 0),
        ("8 0", (), 0),
        ("0", ("a=rtpmap:0 pcmu/8000",), 0),
        ("0", ("a=rtpmap:0 PCMU/8000/1",), 0),
        ("97", ("a=rtpmap:97 PCMU/8000",), 97),
        ("97 0", ("a=rtpmap:97 Pcmu/8000",), 97),
        ("97 0", ("a=rtpmap:97 PCMU/16000",), 0),
        ("97 0", ("a=rtpmap:97 PCMU/8000/2",), 0),
        ("111 9 0", ("a=rtpmap:111 opus/48000/2",), 0),
        ("98 0", (), 0),
        ("0 0 0", (), 0),
    ],
)
def test_pcmu_is_found_by_static_type_or_rtpmap(formats: str, lines: tuple[str, ...], payload_type: int) -> None:
    negotiation = read_offer(with_formats(formats, *lines))
    assert negotiation.usable
    assert (negotiation.codec, negotiation.payload_type) == ("PCMU", payload_type)


def test_formats_are_listed_in_order_with_name_and_rate() -> None:
    negotiation = read_offer(with_formats("111 9 0 98 101", "a=rtpmap:111 opus/48000/2", "a=rtpmap:101 telephone-event/8000"))
    unmapped = "payload type 98 without rtpmap"
    assert negotiation.offered_codecs == ("opus/48000/2", "G722/8000", "PCMU/8000", unmapped, "telephone-event/8000")


def test_static_payload_types_have_the_names_of_rfc_3551() -> None:
    names = {
        0: "PCMU/8000", 3: "GSM/8000", 4: "G723/8000", 5: "DVI4/8000", 6: "DVI4/16000", 7: "LPC/8000", 8: "PCMA/8000", 9: "G722/8000",
        10: "L16/44100/2", 11: "L16/44100", 12: "QCELP/8000", 13: "CN/8000", 14: "MPA/90000", 15: "G728/8000", 16: "DVI4/11025",
        17: "DVI4/22050", 18: "G729/8000",
    }  # fmt: skip
    offered = read_offer(with_formats(" ".join(str(number) for number in range(20)))).offered_codecs
    assert offered == tuple(names.get(number, f"payload type {number} without rtpmap") for number in range(20))


@pytest.mark.parametrize("formats", ["8", "8 13", "18 8"])
def test_pcma_without_pcmu_has_its_own_fault_unless_pcma_is_taken(formats: str) -> None:
    offer = with_formats(formats)
    detail = sole_fatal(read_offer(offer), SdpFault.PCMA_ONLY)
    assert "PCMA/8000" in detail
    assert "PCMU/8000" in detail
    negotiation = read_offer(offer, replace(DEFAULT, codecs=("PCMU", "PCMA")))
    assert (negotiation.codec, negotiation.payload_type, negotiation.usable) == ("PCMA", 8, True)


@pytest.mark.parametrize("formats", ["9", "18 13", "96 97", "101"])
def test_no_common_codec_names_what_was_offered(formats: str) -> None:
    detail = sole_fatal(read_offer(with_formats(formats, "a=rtpmap:96 iLBC/8000", "a=rtpmap:101 telephone-event/8000")), SdpFault.NO_CODEC)
    assert "PCMU/8000" in detail


def test_the_order_of_the_offer_decides_between_two_codecs_that_we_take() -> None:
    both = replace(DEFAULT, codecs=("PCMU", "PCMA"))
    assert read_offer(with_formats("8 0"), both).codec == "PCMA"
    assert read_offer(with_formats("0 8"), both).codec == "PCMU"


def test_formats_that_are_no_payload_types_are_passed_over_with_a_note() -> None:
    negotiation = read_offer(with_formats("t38 128 \u0660 0"))
    assert negotiation.usable
    assert negotiation.offered_codecs == ("PCMU/8000",)
    assert "t38, 128, " in the_problem(negotiation, SdpFault.ODD_SYNTAX).detail


def test_a_broken_or_second_rtpmap_is_noted() -> None:
    negotiation = read_offer(with_formats("0 96", "a=rtpmap:0 PCMU", "a=rtpmap:96 opus/48000/2", "a=rtpmap:96 G722/8000"))
    assert negotiation.usable
    assert [(found.fault, found.line) for found in negotiation.problems[:2]] == [(SdpFault.ODD_SYNTAX, 8), (SdpFault.ODD_SYNTAX, 10)]
    assert negotiation.offered_codecs == ("PCMU/8000", "opus/48000/2")


# --- telephone-event --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [96, 100, 127])
@pytest.mark.parametrize("events", [None, "0-15", "0-16", "0-11,66,70", "nonsense"])
def test_the_payload_type_of_telephone_event_comes_from_the_offer(number: int, events: str | None) -> None:
    lines = [f"a=rtpmap:{number} Telephone-Event/8000"] + ([] if events is None else [f"a=fmtp:{number} {events}"])
    negotiation = read_offer(with_formats(f"0 {number}", *lines))
    assert negotiation.dtmf_payload_type == number
    assert negotiation.problems == ()


def test_the_telephone_event_with_the_rate_of_the_audio_is_taken() -> None:
    offer = with_formats("0 100 101", "a=rtpmap:100 telephone-event/48000", "a=rtpmap:101 telephone-event/8000")
    assert read_offer(offer).dtmf_payload_type == 101


@pytest.mark.parametrize(
    ("formats", "lines", "words"),
    [
        ("0", (), "No telephone-event/8000"),
        ("0 100", ("a=rtpmap:100 telephone-event/48000",), "telephone-event/48000 is there"),
        ("0", ("a=rtpmap:101 telephone-event/8000",), "No telephone-event/8000"),
        ("0 101", (), "No telephone-event/8000"),
    ],
)
def test_an_offer_without_telephone_event_is_noted_and_taken(formats: str, lines: tuple[str, ...], words: str) -> None:
    negotiation = read_offer(with_formats(formats, *lines))
    assert negotiation.usable
    assert negotiation.dtmf_payload_type is None
    assert words in the_problem(negotiation, SdpFault.NO_TELEPHONE_EVENT).detail


# --- packet times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "ptime", "max_ptime"),
    [
        ((), 20, None),
        (("a=ptime:10",), 10, None),
        (("a=ptime:30",), 30, None),
        (("a=ptime:60", "a=maxptime:60"), 60, 60),
        (("a=ptime:20.0",), 20, None),
        (("a=maxptime:150",), 20, 150),
        (("a=maxptime:10",), 10, 10),
        (("a=ptime:40", "a=maxptime:30"), 30, 30),
    ],
)
def test_the_packet_time_is_what_the_peer_wants_to_receive(lines: tuple[str, ...], ptime: int, max_ptime: int | None) -> None:
    negotiation = read_offer(changed((GOOD[11], None), add=lines))
    assert negotiation.problems == ()
    assert (negotiation.ptime, negotiation.max_ptime) == (ptime, max_ptime)


@pytest.mark.parametrize(("wish", "sent"), [(5, 10), (80, 60), (9999, 60)])
def test_a_packet_time_out_of_range_is_noted_and_held_inside(wish: int, sent: int) -> None:
    negotiation = read_offer(changed((GOOD[11], f"a=ptime:{wish}")))
    assert negotiation.usable
    assert negotiation.ptime == sent
    found = the_problem(negotiation, SdpFault.PTIME_RANGE)
    assert (found.line, found.text) == (12, f"a=ptime:{wish}")


def test_a_maximum_below_the_shortest_packet_clashes() -> None:
    negotiation = read_offer(changed(add=("a=maxptime:5",)))
    assert "5 ms" in sole_fatal(negotiation, SdpFault.PTIME_CLASH)
    assert the_problem(negotiation, SdpFault.PTIME_CLASH).line == 14
    assert read_offer(changed(add=("a=maxptime:5",)), replace(DEFAULT, min_ptime=5)).ptime == 5


@pytest.mark.parametrize("value", ["0", "-20", "twenty", "", "1e3", "99999", "\u0662\u0660"])
def test_a_packet_time_that_is_no_number_is_noted_and_passed_over(value: str) -> None:
    negotiation = read_offer(changed((GOOD[11], f"a=ptime:{value}")))
    assert negotiation.usable
    assert (negotiation.ptime, faults(negotiation)) == (20, [SdpFault.ODD_SYNTAX])


# --- addresses --------------------------------------------------------------------------------------------------------


def test_the_address_of_the_stream_counts_before_that_of_the_session() -> None:
    offer = changed((M_LINE, f"{M_LINE}\r\nc=IN IP4 203.0.113.9"))
    assert read_offer(offer).remote == ("203.0.113.9", 40000)
    assert read_offer(changed((GOOD[3], None), (M_LINE, f"{M_LINE}\r\nc=IN IP4 203.0.113.9"))).remote == ("203.0.113.9", 40000)


def test_no_address_at_all_is_told_with_the_stream_that_needs_it() -> None:
    negotiation = read_offer(changed((GOOD[3], None)))
    assert "c=IN IP4 ADDRESS" in sole_fatal(negotiation, SdpFault.NO_ADDRESS)
    assert the_problem(negotiation, SdpFault.NO_ADDRESS).line == 5
    assert negotiation.remote is None


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ("c=IN IP4 media.example.net", "not a host name"),
        ("c=IN IP4 192.0.2.256", "no IP address"),
        ("c=IN IP4 192.0.2", "no IP address"),
        ("c=IN IP4 192.0.2.010", "no IP address"),
        ("c=IN IP4 2001:db8::1", "not what IP4 stands for"),
        ("c=IN IP4 224.2.36.42/127", "multicast"),
        ("c=IN IP4 239.1.1.1", "multicast"),
        ("c=IN IP4 255.255.255.255", "not the address of a host"),
        ("c=IN IP4 0.0.0.1", "not the address of a host"),
        ("c=IN IP4 192.0.2.1/127", "TTL"),
        ("c=IN IP4", "write IN IP4 ADDRESS"),
        ("c=IN IP5 192.0.2.1", "write IN IP4 ADDRESS"),
        ("c=ATM NSAP 47", "write IN IP4 ADDRESS"),
        ("c=192.0.2.1", "write IN IP4 ADDRESS"),
        ("c=", "write IN IP4 ADDRESS"),
    ],
)
def test_an_address_that_is_none_is_told_with_its_line(connection: str, words: str) -> None:
    negotiation = read_offer(changed((GOOD[3], connection)))
    assert words in sole_fatal(negotiation, SdpFault.BAD_ADDRESS)
    found = the_problem(negotiation, SdpFault.BAD_ADDRESS)
    assert (found.line, found.text) == (4, connection)


def test_ipv6_is_refused_unless_allowed_and_then_read() -> None:
    offer = changed((GOOD[3], "c=IN IP6 2001:DB8:0:0::7"))
    assert "2001:DB8:0:0::7" in sole_fatal(read_offer(offer), SdpFault.IPV6)
    negotiation = read_offer(offer, replace(DEFAULT, ipv6=True))
    assert negotiation.usable
    assert (negotiation.remote, negotiation.remote_rtcp) == (("2001:db8::7", 40000), ("2001:db8::7", 40001))


@pytest.mark.parametrize("address", ["ff02::1", "fe80::1%eth0", "192.0.2.1", "::1::"])
def test_a_wrong_ipv6_address_is_bad_where_ipv6_is_allowed(address: str) -> None:
    negotiation = read_offer(changed((GOOD[3], f"c=IN IP6 {address}")), replace(DEFAULT, ipv6=True))
    assert sole_fatal(negotiation, SdpFault.BAD_ADDRESS)


def test_a_second_address_for_a_stream_is_noted() -> None:
    negotiation = read_offer(changed((M_LINE, f"{M_LINE}\r\nc=IN IP4 203.0.113.9\r\nc=IN IP4 203.0.113.10")))
    assert negotiation.remote == ("203.0.113.9", 40000)
    assert the_problem(negotiation, SdpFault.ODD_SYNTAX).line == 8


# --- RTCP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "rtcp"),
    [
        ((), ("192.0.2.10", 40001)),
        (("a=rtcp:50000",), ("192.0.2.10", 50000)),
        (("a=rtcp:1",), ("192.0.2.10", 1)),
        (("a=rtcp:65535",), ("192.0.2.10", 65535)),
        (("a=rtcp:50000 IN IP4 203.0.113.3",), ("203.0.113.3", 50000)),
        (("a=rtcp-mux",), None),
        (("a=rtcp:50000", "a=rtcp-mux"), None),
        (("a=rtcp-mux", "a=rtcp:9 IN IP4 0.0.0.0"), None),
    ],
)
def test_rtcp_goes_where_the_offer_says(lines: tuple[str, ...], rtcp: tuple[str, int] | None) -> None:
    negotiation = read_offer(changed(add=lines))
    assert negotiation.problems == ()
    assert negotiation.remote_rtcp == rtcp
    assert negotiation.rtcp_mux is (rtcp is None)


@pytest.mark.parametrize("value", ["", "x", "0", "65536", "50000 IN IP4 host.example", "50000 IN IP6 ::1", "\u0661"])
def test_a_broken_rtcp_line_is_noted_and_rtcp_goes_above_rtp(value: str) -> None:
    negotiation = read_offer(changed(add=(f"a=rtcp:{value}",)))
    assert negotiation.usable
    assert negotiation.remote_rtcp == ("192.0.2.10", 40001)
    assert the_problem(negotiation, SdpFault.ODD_SYNTAX).line == 14


def test_an_odd_rtp_port_is_noted_unless_rtcp_has_a_place_of_its_own() -> None:
    odd = (M_LINE, "m=audio 40001 RTP/SAVP 0 101")
    negotiation = read_offer(changed(odd))
    assert negotiation.usable
    assert faults(negotiation) == [SdpFault.ODD_RTP_PORT]
    assert negotiation.remote_rtcp == ("192.0.2.10", 40002)
    assert read_offer(changed(odd, add=("a=rtcp-mux",))).problems == ()
    assert read_offer(changed(odd, add=("a=rtcp:40004",))).problems == ()


def test_the_highest_port_does_not_push_rtcp_out_of_range() -> None:
    assert read_offer(changed((M_LINE, "m=audio 65535 RTP/SAVP 0"))).remote_rtcp == ("192.0.2.10", 65535)


# --- hold -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours", "held"),
    [
        (None, Direction.SENDRECV, False),
        ("sendrecv", Direction.SENDRECV, False),
        ("sendonly", Direction.RECVONLY, True),
        ("recvonly", Direction.SENDONLY, False),
        ("inactive", Direction.INACTIVE, True),
    ],
)
@pytest.mark.parametrize("above", [False, True])
def test_our_direction_mirrors_the_offer(theirs: str | None, ours: Direction, held: bool, above: bool) -> None:
    line = None if theirs is None else f"a={theirs}"
    offer = changed((GOOD[12], None), (GOOD[4], f"t=0 0\r\n{line}")) if above and line else changed((GOOD[12], line))
    negotiation = read_offer(offer)
    assert negotiation.problems == ()
    assert (negotiation.direction, negotiation.held) == (ours, held)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sendrecv", Direction.RECVONLY),
        ("sendonly", Direction.RECVONLY),
        ("recvonly", Direction.INACTIVE),
        ("inactive", Direction.INACTIVE),
    ],
)
def test_the_old_hold_by_address_zero_stops_our_sending(theirs: str, ours: Direction) -> None:
    negotiation = read_offer(changed((GOOD[3], "c=IN IP4 0.0.0.0"), (GOOD[12], f"a={theirs}")))
    assert negotiation.usable
    assert (negotiation.direction, negotiation.held, negotiation.remote) == (ours, True, ("0.0.0.0", 40000))


def test_the_old_hold_by_the_unspecified_ipv6_address() -> None:
    negotiation = read_offer(changed((GOOD[3], "c=IN IP6 ::")), replace(DEFAULT, ipv6=True))
    assert (negotiation.held, negotiation.direction, negotiation.usable) == (True, Direction.RECVONLY, True)


def test_the_direction_of_the_stream_counts_before_that_of_the_session() -> None:
    offer = changed((GOOD[4], "t=0 0\r\na=inactive"))
    assert read_offer(offer).direction is Direction.SENDRECV


def test_a_second_direction_is_noted() -> None:
    negotiation = read_offer(changed(add=("a=sendrecv", "a=inactive")))
    assert negotiation.direction is Direction.SENDRECV
    assert [(found.fault, found.line) for found in negotiation.problems] == [(SdpFault.ODD_SYNTAX, 15)]


# --- the version of o= ------------------------------------------------------------------------------------------------


def reread(origin: str, *, hold: bool) -> Negotiation:
    again = changed((GOOD[1], origin), (GOOD[12], "a=sendonly" if hold else GOOD[12]))
    return negotiate(again, DEFAULT, previous=sdp(*GOOD))


@pytest.mark.parametrize(
    ("origin", "hold"),
    [
        ("o=pbx 4711 1 IN IP4 192.0.2.10", False),
        ("o=pbx 4711 2 IN IP4 192.0.2.10", True),
        ("o=pbx 4711 2 IN IP4 192.0.2.10", False),
    ],
)
def test_a_version_that_goes_with_the_change_is_fine(origin: str, hold: bool) -> None:
    assert reread(origin, hold=hold).problems == ()


@pytest.mark.parametrize(
    ("origin", "hold", "words"),
    [
        ("o=pbx 4711 1 IN IP4 192.0.2.10", True, "still 1: write 2"),
        ("o=pbx 4711 3 IN IP4 192.0.2.10", True, "from 1 to 3: write 2"),
        ("o=pbx 4711 0 IN IP4 192.0.2.10", True, "from 1 to 0: write 2"),
        ("o=pbx 4711 0 IN IP4 192.0.2.10", False, "from 1 to 0: write 1"),
        ("o=pbx 4712 2 IN IP4 192.0.2.10", True, "session id of o= went from 4711 to 4712"),
    ],
)
def test_a_version_that_does_not_go_with_the_change_is_noted(origin: str, hold: bool, words: str) -> None:
    negotiation = reread(origin, hold=hold)
    assert negotiation.usable
    found = the_problem(negotiation, SdpFault.VERSION_NOT_RAISED)
    assert words in found.detail
    assert (found.line, found.text) == (2, origin)


def test_an_unreadable_previous_description_settles_nothing() -> None:
    assert negotiate(sdp(*GOOD), DEFAULT, previous=b"nonsense").problems == ()
