"""The answer to our own offer read: it must fit what we offered (RFC 3264 section 6, RFC 4568 section 5.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sbc_sim.sdp.answer import Capabilities, Direction, Negotiation, SdpFault, build_answer, build_offer, negotiate
from tests.sdp.samples import GCM_256, SHA1_32, SHA1_80, fatal_faults, faults, inline, key_salt, local_media, sdp, the_problem

SUITES = (SHA1_80, GCM_256, SHA1_32)
KEYS = (key_salt(50), key_salt(51, 44), key_salt(52))
CAPABILITIES = Capabilities(suites=SUITES)
OFFER = build_offer(local_media(), SUITES, KEYS)

ANSWER = (
    "v=0",
    "o=- 88 88 IN IP4 192.0.2.33",
    "s=-",
    "c=IN IP4 192.0.2.33",
    "t=0 0",
    "m=audio 23000 RTP/SAVP 0 101",
    "a=rtpmap:101 telephone-event/8000",
    f"a=crypto:1 {SHA1_80} inline:{inline(60)}",
    "a=rtcp-mux",
)


def answered(*pairs: tuple[int, str | None], add: tuple[str, ...] = (), offer: bytes = OFFER) -> Negotiation:
    """The good answer with numbered lines replaced, read against our offer."""
    lines: dict[int, str | None] = {**dict(enumerate(ANSWER, start=1)), **dict(pairs)}
    body = sdp(*(line for line in lines.values() if line is not None), *add)
    return negotiate(body, CAPABILITIES, offer=offer)


def mismatch(negotiation: Negotiation) -> str:
    """The answer fails for a mismatch alone; its sentence."""
    assert fatal_faults(negotiation) == [SdpFault.ANSWER_MISMATCH]
    return the_problem(negotiation, SdpFault.ANSWER_MISMATCH).detail


def test_a_good_answer_is_taken_without_any_problem() -> None:
    negotiation = answered()
    assert negotiation.problems == ()
    assert (negotiation.media_index, negotiation.media_count, negotiation.codec, negotiation.payload_type) == (0, 1, "PCMU", 0)
    assert (negotiation.remote, negotiation.remote_rtcp, negotiation.rtcp_mux) == (("192.0.2.33", 23000), None, True)
    assert negotiation.crypto is not None
    assert negotiation.crypto.key_salt == key_salt(60)


@pytest.mark.parametrize(("tag", "suite", "length"), [(1, SHA1_80, 30), (2, GCM_256, 44), (3, SHA1_32, 30)])
def test_the_tag_of_the_answer_tells_which_of_our_keys_is_in_use(tag: int, suite: str, length: int) -> None:
    negotiation = answered((8, f"a=crypto:{tag} {suite} inline:{inline(60, length)}"))
    assert negotiation.problems == ()
    assert negotiation.crypto is not None
    assert (negotiation.crypto.tag, SUITES[negotiation.crypto.tag - 1]) == (tag, suite)


def test_our_own_answer_is_read_by_our_own_offer_side() -> None:
    taken = negotiate(OFFER, Capabilities(suites=(GCM_256,)))
    answer = build_answer(OFFER, taken, local_media(70, 44, host="192.0.2.44"))
    negotiation = negotiate(answer, CAPABILITIES, offer=OFFER)
    assert negotiation.problems == ()
    assert negotiation.crypto is not None
    assert (negotiation.crypto.tag, negotiation.crypto.key_salt) == (2, key_salt(70, 44))


def test_the_echo_of_our_own_key_is_a_mismatch_with_its_own_sentence() -> None:
    for seed in (50, 52):
        negotiation = answered((8, f"a=crypto:1 {SHA1_80} inline:{inline(seed)}"))
        assert "our own key back" in mismatch(negotiation)
        assert inline(seed)[:8] not in repr(negotiation)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"a=crypto:4 {SHA1_80} inline:{inline(60)}", "tag 4 is not in our offer, whose tags are 1, 2, 3"),
        (f"a=crypto:3 {SHA1_80} inline:{inline(60)}", f"3 is {SHA1_32} in our offer, the answer says {SHA1_80}"),
    ],
)
def test_a_tag_or_suite_that_was_not_offered_is_a_mismatch(line: str, words: str) -> None:
    negotiation = answered((8, line))
    assert words in mismatch(negotiation)
    assert the_problem(negotiation, SdpFault.ANSWER_MISMATCH).line == 8


def test_several_crypto_lines_are_a_mismatch() -> None:
    negotiation = answered(add=(f"a=crypto:3 {SHA1_32} inline:{inline(61)}",))
    assert "exactly one" in mismatch(negotiation)
    assert the_problem(negotiation, SdpFault.ANSWER_MISMATCH).line == 10


def test_an_answer_without_crypto_has_none() -> None:
    assert fatal_faults(answered((8, None))) == [SdpFault.NO_CRYPTO]


def test_a_suite_that_we_take_but_did_not_offer_is_no_common_suite() -> None:
    offer = build_offer(local_media(), (SHA1_80,), KEYS[:1])
    negotiation = answered((8, f"a=crypto:1 {GCM_256} inline:{inline(60, 44)}"), offer=offer)
    assert fatal_faults(negotiation) == [SdpFault.NO_COMMON_SUITE]


def test_a_broken_key_in_the_answer_is_unusable() -> None:
    assert fatal_faults(answered((8, f"a=crypto:1 {SHA1_80} inline:{inline(60, 29)}"))) == [SdpFault.CRYPTO_UNUSABLE]


def test_another_profile_is_a_mismatch() -> None:
    assert "our offer says RTP/SAVP" in mismatch(answered((6, "m=audio 23000 RTP/SAVPF 0 101")))


def test_a_plain_answer_is_told_both_ways() -> None:
    negotiation = answered((6, "m=audio 23000 RTP/AVP 0 101"), (8, None))
    assert fatal_faults(negotiation) == [SdpFault.NOT_SRTP, SdpFault.ANSWER_MISMATCH]


def test_another_number_of_media_lines_is_a_mismatch() -> None:
    two = answered(add=("m=video 0 RTP/SAVP 96",))
    assert "2 m= lines, our offer has 1" in mismatch(two)
    assert the_problem(two, SdpFault.ANSWER_MISMATCH).line == 10
    missing = negotiate(sdp(*ANSWER[:5]), CAPABILITIES, offer=OFFER)
    assert fatal_faults(missing) == [SdpFault.ANSWER_MISMATCH, SdpFault.NO_AUDIO]


def test_another_kind_of_media_is_a_mismatch() -> None:
    negotiation = answered((6, "m=video 23000 RTP/SAVP 0"))
    assert fatal_faults(negotiation) == [SdpFault.ANSWER_MISMATCH, SdpFault.NO_AUDIO]


def test_an_answer_with_port_0_refuses_the_audio() -> None:
    assert fatal_faults(answered((6, "m=audio 0 RTP/SAVP 0"))) == [SdpFault.AUDIO_REFUSED]


def test_a_codec_that_we_did_not_offer_is_no_common_one() -> None:
    both = replace(CAPABILITIES, codecs=("PCMU", "PCMA"))
    body = sdp(*ANSWER).replace(b"RTP/SAVP 0 101", b"RTP/SAVP 8 101")
    only_pcmu = build_offer(local_media(), SUITES, KEYS, codecs=("PCMU",))
    assert fatal_faults(negotiate(body, both, offer=only_pcmu)) == [SdpFault.PCMA_ONLY]
    with_pcma = build_offer(local_media(), SUITES, KEYS, codecs=("PCMU", "PCMA"))
    assert negotiate(body, both, offer=with_pcma).codec == "PCMA"


def test_telephone_event_is_missed_only_when_we_offered_it() -> None:
    assert faults(answered((6, "m=audio 23000 RTP/SAVP 0"), (7, None))) == [SdpFault.NO_TELEPHONE_EVENT]
    without = build_offer(local_media(), SUITES, KEYS, dtmf_payload_type=None)
    assert faults(answered((6, "m=audio 23000 RTP/SAVP 0"), (7, None), offer=without)) == []


def test_rtcp_mux_counts_only_when_we_offered_it() -> None:
    without = build_offer(local_media(), SUITES, KEYS, rtcp_mux=False)
    negotiation = answered(offer=without)
    assert negotiation.usable
    assert (negotiation.rtcp_mux, negotiation.remote_rtcp) == (False, ("192.0.2.33", 23001))
    assert "a=rtcp-mux" in the_problem(negotiation, SdpFault.ANSWER_MISMATCH).detail


def test_an_answer_without_rtcp_mux_gets_rtcp_on_its_own_port() -> None:
    negotiation = answered((9, None))
    assert negotiation.problems == ()
    assert (negotiation.rtcp_mux, negotiation.remote_rtcp) == (False, ("192.0.2.33", 23001))


@pytest.mark.parametrize(
    ("offered", "answer", "ours", "held"),
    [
        (Direction.SENDRECV, "sendrecv", Direction.SENDRECV, False),
        (Direction.SENDRECV, "recvonly", Direction.SENDONLY, False),
        (Direction.SENDRECV, "sendonly", Direction.RECVONLY, True),
        (Direction.SENDRECV, "inactive", Direction.INACTIVE, True),
        (Direction.SENDONLY, "recvonly", Direction.SENDONLY, False),
        (Direction.SENDONLY, "inactive", Direction.INACTIVE, True),
        (Direction.RECVONLY, "sendonly", Direction.RECVONLY, False),
        (Direction.INACTIVE, "inactive", Direction.INACTIVE, False),
    ],
)
def test_the_answer_narrows_our_direction(offered: Direction, answer: str, ours: Direction, held: bool) -> None:
    offer = build_offer(local_media(), SUITES, KEYS, direction=offered)
    negotiation = answered(add=(f"a={answer}",), offer=offer)
    assert negotiation.problems == ()
    assert (negotiation.direction, negotiation.held) == (ours, held)


@pytest.mark.parametrize(
    ("offered", "answer", "ours"),
    [
        (Direction.SENDONLY, "sendrecv", Direction.SENDONLY),
        (Direction.SENDONLY, "sendonly", Direction.INACTIVE),
        (Direction.RECVONLY, "sendrecv", Direction.RECVONLY),
        (Direction.INACTIVE, "sendrecv", Direction.INACTIVE),
    ],
)
def test_a_direction_that_does_not_answer_ours_is_noted_and_narrowed(offered: Direction, answer: str, ours: Direction) -> None:
    offer = build_offer(local_media(), SUITES, KEYS, direction=offered)
    negotiation = answered(add=(f"a={answer}",), offer=offer)
    assert negotiation.usable
    assert faults(negotiation) == [SdpFault.ANSWER_MISMATCH]
    assert negotiation.direction is ours


def test_the_old_hold_in_an_answer_stops_our_sending() -> None:
    negotiation = answered((4, "c=IN IP4 0.0.0.0"))
    assert negotiation.problems == ()
    assert (negotiation.direction, negotiation.held) == (Direction.RECVONLY, True)


def test_a_stream_that_we_offer_with_port_0_stays_closed() -> None:
    earlier = sdp(*ANSWER[:5], "m=video 0 RTP/AVP 96", *ANSWER[5:])
    offer = build_offer(local_media(), SUITES, KEYS, previous=earlier)
    body = [*ANSWER[:5], "m=video 0 RTP/AVP 96", *ANSWER[5:]]
    closed = negotiate(sdp(*body), CAPABILITIES, offer=offer)
    assert closed.problems == ()
    assert closed.media_index == 1
    body[5] = "m=video 9000 RTP/AVP 96"
    opened = negotiate(sdp(*body), CAPABILITIES, offer=offer)
    assert opened.usable
    assert "port 0" in the_problem(opened, SdpFault.ANSWER_MISMATCH).detail


def test_the_version_rule_holds_for_answers_too() -> None:
    body = sdp(*ANSWER, "a=sendonly")
    negotiation = negotiate(body, CAPABILITIES, offer=OFFER, previous=sdp(*ANSWER))
    assert faults(negotiation) == [SdpFault.VERSION_NOT_RAISED]
