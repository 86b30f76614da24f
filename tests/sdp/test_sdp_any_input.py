"""Any octets, and good offers with their lines lost, doubled, swapped or broken (Hypothesis)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.sdp.answer import KEY_SALT_LENGTH, Capabilities, Negotiation, SdpFault, build_answer, build_offer, negotiate
from sbc_sim.sdp.description import read
from tests.sdp.samples import GCM_128, GCM_256, GOOD, PARTNERS, SHA1_32, SHA1_80, inline, key_salt, local_media, sdp

EVERYTHING = Capabilities((SHA1_80, SHA1_32, GCM_128, GCM_256), ("PCMU", "PCMA"), crypto_in_avp=True, ipv6=True, unencrypted=True)
STRICT = Capabilities((SHA1_80,))
OUR_OFFER = build_offer(local_media(), (SHA1_80, GCM_256), (key_salt(50), key_salt(51, 44)))
ALL_OFFERS = [sdp(*GOOD), *PARTNERS.values(), OUR_OFFER]

WORDS = "0 8 101 IN IP4 IP6 192.0.2.1 ::1 RTP/SAVP RTP/AVP UDP/TLS/RTP/SAVP audio video 40000 65535 70000 4000/2"
KEY_WORDS = ["PCMU/8000", "telephone-event/8000", SHA1_80, GCM_256, f"inline:{inline()}", f"inline:{inline()}|2^20|1:4"]
fields = st.one_of(st.sampled_from(WORDS.split()), st.sampled_from(KEY_WORDS), st.integers(-1, 2**70).map(str), st.text(max_size=8))
names = st.sampled_from(
    ["crypto:", "rtpmap:", "fmtp:", "ptime:", "maxptime:", "rtcp:", "rtcp-mux", "sendonly", "inactive", "fingerprint:", "candidate:", "x"]
)
broken_line = st.one_of(
    st.builds("{}={}".format, st.sampled_from("vosctmabkz"), st.lists(fields, max_size=6).map(" ".join)),
    st.builds("a={}{}".format, names, st.lists(fields, max_size=6).map(" ".join)),
    st.builds("m=audio {}".format, st.lists(fields, max_size=5).map(" ".join)),
    st.text(max_size=20),
).map(lambda text: text.encode("utf-8", "replace"))


def check(negotiation: Negotiation, body: bytes) -> None:
    """What holds for every negotiation, whatever was read."""
    lines = body.count(b"\n") + 1
    assert len(negotiation.problems) <= 50
    assert len(negotiation.refused_crypto) <= 65
    for found in negotiation.problems:
        assert found.detail
        assert found.text.isprintable()
        assert found.detail.isprintable()
        assert len(found.text) <= 303
        assert len(found.detail) <= 1500
        assert found.line is not None
        assert 1 <= found.line <= lines + 1
    if negotiation.usable:
        assert negotiation.media_index is not None
        assert negotiation.crypto is not None
        assert len(negotiation.crypto.key_salt) == KEY_SALT_LENGTH[negotiation.crypto.suite]
        assert negotiation.codec in ("PCMU", "PCMA")
        assert negotiation.remote is not None
        assert 1 <= negotiation.remote[1] <= 65_535
        assert (negotiation.remote_rtcp is None) is negotiation.rtcp_mux
        assert 10 <= negotiation.ptime <= 60


def check_answer(offer: bytes, negotiation: Negotiation) -> None:
    """Our answer to a usable offer parses without a flaw, and fits the offer in every point."""
    assert negotiation.crypto is not None
    assert negotiation.media_index is not None
    local = local_media(98, KEY_SALT_LENGTH[negotiation.crypto.suite])
    answer = build_answer(offer, negotiation, local)
    theirs, ours = read(offer), read(answer)
    assert ours.flaws == ()
    assert [section.kind.lower() for section in ours.media] == [section.kind.lower() or "audio" for section in theirs.media]
    assert [section.profile for section in ours.media] == [section.profile for section in theirs.media]
    assert [bool(section.port) for section in ours.media] == [place == negotiation.media_index for place in range(len(ours.media))]
    offered = {int(number) for number in theirs.media[negotiation.media_index].formats if number.isascii() and number.isdigit()}
    assert {int(number) for number in ours.media[negotiation.media_index].formats} <= offered
    back = negotiate(answer, replace(EVERYTHING, crypto_in_avp=True))
    assert back.usable, back.problems
    assert back.crypto is not None
    assert (back.media_index, back.codec, back.payload_type) == (negotiation.media_index, negotiation.codec, negotiation.payload_type)
    assert (back.crypto.tag, back.crypto.suite) == (negotiation.crypto.tag, negotiation.crypto.suite)
    assert back.crypto.key_salt == local.crypto_key
    assert (back.dtmf_payload_type, back.rtcp_mux) == (negotiation.dtmf_payload_type, negotiation.rtcp_mux)
    assert back.remote == (local.host, local.rtp_port)


def check_all(body: bytes) -> None:
    for capabilities in (EVERYTHING, STRICT):
        negotiation = negotiate(body, capabilities)
        check(negotiation, body)
        if negotiation.usable:
            check_answer(body, negotiation)
    check(negotiate(body, EVERYTHING, offer=OUR_OFFER, previous=OUR_OFFER), body)


@settings(deadline=None)
@given(st.binary(max_size=400), st.binary(max_size=200), st.binary(max_size=200))
def test_any_octets_at_all_never_raise(body: bytes, offer: bytes, previous: bytes) -> None:
    check_all(body)
    check(negotiate(body, EVERYTHING, offer=offer, previous=previous), body)


@settings(deadline=None)
@given(st.lists(broken_line, max_size=30))
def test_any_lines_at_all_never_raise(lines: list[bytes]) -> None:
    check_all(b"\r\n".join(lines) + b"\r\n")


@settings(deadline=None)
@given(st.sampled_from(ALL_OFFERS), st.lists(st.tuples(st.integers(0, 40), broken_line), min_size=1, max_size=4))
def test_a_good_offer_with_foreign_lines_in_it_never_raises(offer: bytes, strange: list[tuple[int, bytes]]) -> None:
    lines = offer.splitlines()
    for place, line in strange:
        lines.insert(place % (len(lines) + 1), line)
    check_all(b"\r\n".join(lines) + b"\r\n")


@settings(deadline=None)
@given(st.sampled_from(ALL_OFFERS), st.integers(0, 10_000), st.integers(0, 255))
def test_a_good_offer_with_one_octet_changed_never_raises(offer: bytes, place: int, octet: int) -> None:
    place %= len(offer)
    check_all(offer[:place] + bytes([octet]) + offer[place + 1 :])


@settings(deadline=None)
@given(st.sampled_from(ALL_OFFERS), st.integers(0, 10_000))
def test_a_good_offer_cut_anywhere_never_raises(offer: bytes, length: int) -> None:
    check_all(offer[: length % len(offer)])


def without_line(lines: list[bytes], place: int) -> tuple[Negotiation, list[bytes]]:
    rest = lines[:place] + lines[place + 1 :]
    body = b"\r\n".join(rest) + b"\r\n"
    negotiation = negotiate(body, STRICT)
    check(negotiation, body)
    if negotiation.usable:
        check_answer(body, negotiation)
    return negotiation, rest


def places(negotiation: Negotiation) -> dict[SdpFault, int | None]:
    return {found.fault: found.line for found in negotiation.problems if found.fatal}


def line_of(lines: list[bytes], start: bytes) -> int:
    """Number of the last line that starts so."""
    return max(number for number, line in enumerate(lines, start=1) if line.startswith(start))


@pytest.mark.parametrize("partner", ["good", *PARTNERS])
def test_a_lost_line_leaves_the_offer_usable_or_is_told_where_it_counts(partner: str) -> None:
    """Exhaustive: each line of each good offer taken out once."""
    lines = (sdp(*GOOD) if partner == "good" else PARTNERS[partner]).splitlines()
    for place, line in enumerate(lines):
        negotiation, rest = without_line(lines, place)
        letter, told = line[:1], places(negotiation)
        if letter in b"vo":
            assert told == {SdpFault.UNPARSABLE: place + 1}
        elif letter == b"m" and not any(other.startswith(b"m=") for other in rest):
            assert told[SdpFault.NO_AUDIO] == len(rest) + 1
        elif letter == b"c" and not any(other.startswith(b"c=") for other in rest):
            assert told == {SdpFault.NO_ADDRESS: line_of(rest, b"m=audio")}
        elif line.startswith(b"a=crypto") and not any(f" {SHA1_80} ".encode() in other for other in rest):
            crypto = any(other.startswith(b"a=crypto") for other in rest)
            assert set(told) == {SdpFault.NO_COMMON_SUITE if crypto else SdpFault.NO_CRYPTO}
            assert place >= (told.popitem()[1] or 0) - 1 >= line_of(rest, b"m=audio") - 1
        elif not negotiation.usable:  # what is left: other losses that take the last usable key, or its m= line, away
            assert letter == b"m" or line.startswith(b"a=crypto"), line
            assert set(told) <= {SdpFault.CRYPTO_UNUSABLE, SdpFault.CRYPTO_IN_AVP}


@pytest.mark.parametrize("partner", ["good", *PARTNERS])
def test_a_doubled_line_leaves_the_offer_usable_or_is_told_at_the_second(partner: str) -> None:
    """Exhaustive: each line of each good offer written twice."""
    lines = (sdp(*GOOD) if partner == "good" else PARTNERS[partner]).splitlines()
    for place, line in enumerate(lines):
        doubled = b"\r\n".join([*lines[: place + 1], *lines[place:]]) + b"\r\n"
        negotiation = negotiate(doubled, STRICT)
        check(negotiation, doubled)
        if line[:1] in b"vo":
            assert [(found.fault, found.line) for found in negotiation.problems if found.fatal] == [(SdpFault.UNPARSABLE, place + 2)]
        else:
            assert negotiation.usable, line
            check_answer(doubled, negotiation)


@settings(deadline=None)
@given(st.sampled_from(ALL_OFFERS), st.data())
def test_lines_lost_doubled_and_swapped_at_will_leave_an_offer_usable_or_explained(offer: bytes, data: st.DataObject) -> None:
    lines = offer.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        first, second = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        what = data.draw(st.sampled_from(["lose", "double", "swap"]))
        if what == "lose" and len(lines) > 1:
            del lines[first]
        elif what == "double":
            lines.insert(second, lines[first])
        else:
            lines[first], lines[second] = lines[second], lines[first]
    check_all(b"\r\n".join(lines) + b"\r\n")


@settings(deadline=None)
@given(st.sampled_from(ALL_OFFERS), st.sampled_from(["\n", "\r\n"]), st.integers(0, 3))
def test_line_ends_do_not_matter(offer: bytes, end: str, blank: int) -> None:
    body = end.encode().join(offer.splitlines()) + end.encode() * (1 + blank)
    assert negotiate(body, EVERYTHING) == negotiate(offer, EVERYTHING)
