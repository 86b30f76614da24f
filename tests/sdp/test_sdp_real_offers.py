"""Offers of the shapes that real partners send: each is taken, and its answer fits it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sbc_sim.sdp.answer import Capabilities, SdpFault, build_answer, negotiate
from tests.sdp.samples import DEFAULT, GCM_128, GCM_256, PARTNERS, SHA1_32, SHA1_80, faults, key_salt, local_media, read_offer


@dataclass(frozen=True)
class Taken:
    """What must come out of an offer under the default capabilities."""

    tag: int
    key_seed: int
    remote: tuple[str, int]
    rtcp: tuple[str, int] | None
    dtmf: int
    media_index: int = 0
    refused_lines: tuple[int, ...] = ()
    notes: tuple[SdpFault, ...] = ()


EXPECTED = {
    "baresip": Taken(2, 3, ("192.0.2.21", 21310), None, 101, refused_lines=(14,)),
    "linphone": Taken(3, 7, ("192.0.2.22", 7078), ("192.0.2.22", 7079), 98, refused_lines=(14, 15)),
    "genesys": Taken(1, 9, ("203.0.113.40", 18544), ("203.0.113.40", 18545), 101),
    "audiocodes": Taken(2, 11, ("203.0.113.51", 6020), ("203.0.113.51", 6021), 96, refused_lines=(15,)),
    "asterisk": Taken(1, 12, ("192.0.2.60", 12876), ("192.0.2.60", 12877), 101),
    "freeswitch": Taken(
        2,
        14,
        ("192.0.2.70", 30002),
        ("192.0.2.71", 30003),
        101,
        media_index=1,
        refused_lines=(16,),
        notes=(SdpFault.EXTRA_STREAMS,),
    ),
    "cube": Taken(1, 15, ("198.51.100.80", 16390), ("198.51.100.80", 16391), 101),
    "pjsua": Taken(3, 19, ("192.0.2.90", 4000), ("192.0.2.90", 4001), 121, refused_lines=(22, 23), notes=(SdpFault.ICE_OFFERED,)),
}


def test_every_partner_has_its_expectation() -> None:
    assert EXPECTED.keys() == PARTNERS.keys()


@pytest.mark.parametrize("partner", PARTNERS)
def test_the_offer_is_taken_as_expected(partner: str) -> None:
    negotiation, expected = read_offer(PARTNERS[partner]), EXPECTED[partner]
    assert negotiation.usable
    assert negotiation.crypto is not None
    assert (negotiation.crypto.tag, negotiation.crypto.key_salt) == (expected.tag, key_salt(expected.key_seed))
    assert (negotiation.remote, negotiation.remote_rtcp) == (expected.remote, expected.rtcp)
    assert (negotiation.codec, negotiation.payload_type, negotiation.dtmf_payload_type) == ("PCMU", 0, expected.dtmf)
    assert negotiation.media_index == expected.media_index
    assert tuple(refusal.line for refusal in negotiation.refused_crypto) == expected.refused_lines
    assert tuple(faults(negotiation)) == expected.notes


@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("suite", [SHA1_80, SHA1_32, GCM_128, GCM_256])
def test_a_suite_of_ours_is_found_exactly_where_the_offer_names_it(partner: str, suite: str) -> None:
    offer = PARTNERS[partner]
    negotiation = read_offer(offer, Capabilities(suites=(suite,)))
    named = f" {suite} inline".encode() in offer
    assert negotiation.usable is named
    assert (SdpFault.NO_COMMON_SUITE in faults(negotiation)) is not named


@pytest.mark.parametrize("partner", PARTNERS)
def test_the_answer_suits_the_one_who_offered(partner: str) -> None:
    offer = PARTNERS[partner]
    answer = build_answer(offer, read_offer(offer), local_media())
    back = negotiate(answer, DEFAULT, offer=offer)
    assert [found for found in back.problems if found.fault is not SdpFault.NO_TELEPHONE_EVENT] == []
    assert back.crypto is not None
    assert (back.crypto.tag, back.crypto.key_salt) == (EXPECTED[partner].tag, key_salt(99))
    assert answer.count(b"\r\nm=") == offer.count(b"\nm=")
