"""No key gets out in a text."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.sdp.crypto import mask_sdp
from tests.sdp.samples import GOOD, PARTNERS, SHA1_80, inline, read_offer, sdp, with_crypto


def test_the_key_is_masked_and_everything_else_stays() -> None:
    body = sdp(*GOOD).decode()
    assert mask_sdp(body) == body.replace(inline(1), "****")


def test_a_whole_sip_message_is_masked() -> None:
    message = "INVITE sip:x@sbc SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n" + sdp(*GOOD).decode()
    assert mask_sdp(message) == message.replace(inline(1), "****")


def test_lifetime_mki_and_parameters_stay() -> None:
    line = f"a=crypto:1 {SHA1_80} inline:{inline(1)}|2^20|1:4;inline:{inline(2)}|2^20|2:4 KDR=3 UNENCRYPTED_SRTP FEC_ORDER=FEC_SRTP WSH=64"
    assert mask_sdp(line) == line.replace(inline(1), "****").replace(inline(2), "****")


def test_every_key_of_the_field_is_masked() -> None:
    for body in PARTNERS.values():
        masked = mask_sdp(body.decode())
        for seed in range(30):
            for length in (28, 30, 44, 46):
                assert inline(seed, length)[:16] not in masked


def test_a_key_in_the_wrong_place_is_masked() -> None:
    key = inline(4)
    start = f"1 {SHA1_80}"
    for value in (f"{start} {key}", f"1 {key}", key, f"{start} inline: {key}", f"{start} inline:{key[:9]} {key[9:]}", f" 1 x:{key}"):
        for line in (f"a=crypto:{value}", f"a= crypto :{value}", f"A=CRYPTO:{value}"):
            masked = mask_sdp(line)
            assert key[9:30] not in masked, masked
            assert "****" in masked


def test_other_places_of_keys_are_masked() -> None:
    key = inline(6)
    assert mask_sdp(f"a=acap:1 crypto:1 {SHA1_80} inline:{key}|2^31") == f"a=acap:1 crypto:1 {SHA1_80} inline:****|2^31"
    assert mask_sdp(f"k=base64:{key}\r\nk=prompt") == "k=base64:****\r\nk=prompt"
    assert mask_sdp(f"a=key-mgmt:mikey {key}") == "a=key-mgmt:mikey ****"
    assert mask_sdp(f"a=crypto:1 {SHA1_80} inline:**** FEC_KEY=inline:{key}|1:4").endswith("FEC_KEY=inline:****|1:4")


def test_a_line_wrapped_by_json_escapes_is_masked_too() -> None:
    assert inline(7) not in mask_sdp(f"a=crypto:1 {SHA1_80} inline:{inline(7)}\\r\\na=ptime:20")


def test_keys_are_in_no_repr_and_no_problem_text() -> None:
    broken = f"2 {SHA1_80} inline:{inline(2)} {inline(3)}"
    negotiation = read_offer(with_crypto(f"1 {SHA1_80} inline:{inline(1)}|1:4", broken, f"3 {SHA1_80} inline:{inline(3)}"))
    assert negotiation.usable
    shown = repr(negotiation)
    for seed in (1, 2, 3):
        assert inline(seed)[:10] not in shown
        assert inline(seed)[-10:] not in shown
    assert [refusal.text for refusal in negotiation.refused_crypto] == [
        f"a=crypto:1 {SHA1_80} inline:****|1:4",
        f"a=crypto:2 {SHA1_80} inline:**** ****",
    ]


@settings(deadline=None)
@given(st.text())
def test_masking_twice_changes_nothing_more(text: str) -> None:
    for wrapped in (text, f"a=crypto:{text}", f"inline:{text}"):
        assert mask_sdp(mask_sdp(wrapped)) == mask_sdp(wrapped)


@settings(deadline=None)
@given(st.binary(min_size=30, max_size=30), st.text(alphabet="ab :|;=\r\n\t", max_size=12), st.text(alphabet="ab :|;=\r\n\t", max_size=12))
def test_no_inline_key_survives_whatever_stands_around_it(key: bytes, before: str, after: str) -> None:
    text = base64.b64encode(key).decode()
    assert text not in mask_sdp(f"{before}inline:{text}{after}")
