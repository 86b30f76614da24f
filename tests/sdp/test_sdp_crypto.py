"""SDES: a=crypto lines read, refused one by one, chosen and written."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from sbc_sim.sdp.answer import KEY_SALT_LENGTH, Capabilities, SdpFault
from sbc_sim.sdp.crypto import CryptoFault, parse_crypto, write_crypto
from tests.sdp.samples import (
    DEFAULT,
    GCM_128,
    GCM_256,
    SHA1_32,
    SHA1_80,
    fatal_faults,
    inline,
    key_salt,
    read_offer,
    the_problem,
    with_crypto,
)

GOOD_LINE = f"2 {SHA1_80} inline:{inline(2)}"


@pytest.mark.parametrize("suite", KEY_SALT_LENGTH)
def test_a_line_that_is_written_reads_back(suite: str) -> None:
    key = key_salt(3, KEY_SALT_LENGTH[suite])
    line = write_crypto(42, suite, key)
    crypto = parse_crypto(line.removeprefix("a=crypto:"))
    assert (crypto.tag, crypto.suite, crypto.key_salt) == (42, suite, key)
    assert (crypto.lifetime, crypto.mki, crypto.parameters) == (None, None, ())


@pytest.mark.parametrize(
    ("suite", "characters"), [(SHA1_80, 40), (SHA1_32, 40), (GCM_128, 40), (GCM_256, 60), ("AES_256_CM_HMAC_SHA1_80", 64)]
)
def test_the_key_has_the_length_in_base64_that_the_suite_asks_for(suite: str, characters: int) -> None:
    line = write_crypto(1, suite, bytes(KEY_SALT_LENGTH[suite]))
    assert len(line.rpartition("inline:")[2]) == characters


def test_a_key_of_the_wrong_length_is_not_written() -> None:
    with pytest.raises(ValueError, match="takes 30 octets"):
        write_crypto(1, SHA1_80, bytes(29))


@pytest.mark.parametrize(
    ("tail", "lifetime", "mki"),
    [
        ("", None, None),
        ("|2^20", 1 << 20, None),
        ("|2^48", 1 << 48, None),
        ("|1048576", 1_048_576, None),
        ("|1", 1, None),
        (f"|{2**48}", 1 << 48, None),
        ("|1:4", None, (1, 4)),
        ("|2^20|66051:4", 1 << 20, (66051, 4)),
        ("|2^31|255:1", 1 << 31, (255, 1)),
        (f"|{256**128 - 1}:128", None, (256**128 - 1, 128)),
    ],
)
def test_lifetime_and_mki_are_read(tail: str, lifetime: int | None, mki: tuple[int, int] | None) -> None:
    crypto = parse_crypto(f"1 {SHA1_80} inline:{inline()}{tail}")
    assert (crypto.lifetime, crypto.mki) == (lifetime, mki)


def test_the_suite_name_is_read_in_any_case() -> None:
    assert parse_crypto(f"1 {SHA1_80.lower()} INLINE:{inline()}").suite == SHA1_80


@pytest.mark.parametrize("length", [28, 44, 46])
def test_padding_may_be_left_out(length: int) -> None:
    suite = next(name for name, octets in KEY_SALT_LENGTH.items() if octets == length)
    assert parse_crypto(f"1 {suite} inline:{inline(5, length).rstrip('=')}").key_salt == key_salt(5, length)


BROKEN_LINES = [
    ("1", "tag, a suite and inline"),
    (f"1 {SHA1_80}", "tag, a suite and inline"),
    (f"1 inline:{inline()}", "tag, a suite and inline"),
    (f"one {SHA1_80} inline:{inline()}", "tag"),
    (f"1234567890 {SHA1_80} inline:{inline()}", "up to 9 digits"),
    (f"-1 {SHA1_80} inline:{inline()}", "tag"),
    (f"1 {SHA1_80} {inline()}", "begin with inline:"),
    (f"1 {SHA1_80} uri:{inline()}", "begin with inline:"),
    (f"1 {SHA1_80} inline:", "0 octets long"),
    (f"1 {SHA1_80} inline:{inline(1, 29)}", "29 octets long"),
    (f"1 {SHA1_80} inline:{inline(1, 31)}", "31 octets long"),
    (f"1 {GCM_128} inline:{inline(1, 30)}", "takes 28"),
    (f"1 {SHA1_80} inline:{inline()[:10]}!{inline()[11:]}", "character 11"),
    (f"1 {SHA1_80} inline:{inline()[:10]}-{inline()[11:]}", "character 11"),
    (f"1 {SHA1_80} inline:{inline()[:10]}={inline()[11:]}", "padding stands inside it, at character 11"),
    (f"1 {SHA1_80} inline:{inline()}A", "41 characters"),
    (f"1 {SHA1_80} inline:{inline()};inline:{inline(2)}", "2 keys"),
    (f"1 {SHA1_80} inline:{inline()}|2^20|1:4;inline:{inline(2)}|2^20|2:4", "2 keys"),
    (f"1 {SHA1_80} inline:{inline()}|", "lifetime"),
    (f"1 {SHA1_80} inline:{inline()}|soon", "lifetime"),
    (f"1 {SHA1_80} inline:{inline()}|0", "outside 1 to 2^48"),
    (f"1 {SHA1_80} inline:{inline()}|{2**48 + 1}", "outside 1 to 2^48"),
    (f"1 {SHA1_80} inline:{inline()}|2^49", "beyond the 2^48"),
    (f"1 {SHA1_80} inline:{inline()}|2^{'9' * 15}", "beyond the 2^48"),
    (f"1 {SHA1_80} inline:{inline()}|{'9' * 5000}", "lifetime"),
    (f"1 {SHA1_80} inline:{inline()}|1:4|2^20", "More than"),
    (f"1 {SHA1_80} inline:{inline()}|1:0", "MKI"),
    (f"1 {SHA1_80} inline:{inline()}|1:129", "MKI"),
    (f"1 {SHA1_80} inline:{inline()}|256:1", "does not fit into 1"),
    (f"1 {SHA1_80} inline:{inline()}|x:1", "MKI"),
    (f"1 {SHA1_80} inline:{inline()} KDR=25", "KDR is not a number from 0 to 24"),
    (f"1 {SHA1_80} inline:{inline()} KDR=", "KDR"),
    (f"1 {SHA1_80} inline:{inline()} WSH=wide", "WSH"),
    (f"1 {SHA1_80} inline:{inline()} UNENCRYPTED_SRTP=1", "not known here"),
    (f"1 {SHA1_80} inline:{inline()} NOVEL=1", "NOVEL=1 is not known here"),
]
UNUSABLE_LINES = [
    (f"1 {SHA1_80} inline:{inline()}|1:4", "MKI of 4 octets"),
    (f"1 {SHA1_80} inline:{inline()}|2^31|1:1", "MKI of 1 octets"),
    (f"1 {SHA1_80} inline:{inline()} KDR=0", "every 2^0 packets"),
    (f"1 {SHA1_80} inline:{inline()} KDR=24", "every 2^24 packets"),
    (f"1 {SHA1_80} inline:{inline()} UNENCRYPTED_SRTP", "UNENCRYPTED_SRTP would take the protection away"),
    (f"1 {SHA1_80} inline:{inline()} unencrypted_srtcp", "UNENCRYPTED_SRTCP"),
    (f"1 {SHA1_80} inline:{inline()} WSH=128 UNAUTHENTICATED_SRTP", "UNAUTHENTICATED_SRTP"),
    (f"1 {SHA1_80} inline:{inline()} FEC_ORDER=FEC_SRTP", "FEC_ORDER asks for forward error correction"),
    (f"1 {SHA1_80} inline:{inline()} FEC_KEY=inline:{inline(9)}", "FEC_KEY asks for forward error correction"),
    (f"1 F8_128_HMAC_SHA1_80 inline:{inline()}", "not known here"),
    (f"1 AES_CM_256_HMAC_SHA1_80 inline:{inline(1, 46)}", "registered name is AES_256_CM_HMAC_SHA1_80"),
    (f"1 AES_CM_192_HMAC_SHA1_32 inline:{inline(1, 38)}", "registered name is AES_192_CM_HMAC_SHA1_32"),
    (f"1 {SHA1_32} inline:{inline()}", f"not taken here; taken: {SHA1_80}"),
]


@pytest.mark.parametrize(("value", "words"), BROKEN_LINES)
def test_a_broken_line_cannot_be_parsed_and_says_why_without_its_key(value: str, words: str) -> None:
    with pytest.raises(CryptoFault) as caught:
        parse_crypto(value)
    assert words in str(caught.value)
    assert inline()[:8] not in str(caught.value)


@pytest.mark.parametrize(("value", "words"), BROKEN_LINES + UNUSABLE_LINES)
def test_a_line_that_is_no_good_is_passed_over_with_its_reason_and_the_next_is_taken(value: str, words: str) -> None:
    negotiation = read_offer(with_crypto(value, GOOD_LINE), replace(DEFAULT, suites=(SHA1_80, GCM_128)))
    assert negotiation.usable
    assert negotiation.crypto is not None
    assert (negotiation.crypto.tag, negotiation.crypto.key_salt, negotiation.crypto.line) == (2, key_salt(2), 12)
    (refusal,) = negotiation.refused_crypto
    assert words in refusal.detail
    assert refusal.line == 11
    assert inline()[:8] not in refusal.text + refusal.detail


@pytest.mark.parametrize(("value", "words"), BROKEN_LINES + UNUSABLE_LINES[:9])
def test_an_offer_with_only_such_a_line_has_unusable_crypto_and_tells_the_reason(value: str, words: str) -> None:
    negotiation = read_offer(with_crypto(value), replace(DEFAULT, suites=(SHA1_80, GCM_128)))
    assert fatal_faults(negotiation) == [SdpFault.CRYPTO_UNUSABLE]
    found = the_problem(negotiation, SdpFault.CRYPTO_UNUSABLE)
    assert words in found.detail
    assert found.line == 11
    assert inline()[:8] not in repr(negotiation)


def test_an_offer_without_a_wanted_suite_has_no_common_suite() -> None:
    negotiation = read_offer(with_crypto(f"1 {SHA1_32} inline:{inline()}", f"2 F8_128_HMAC_SHA1_80 inline:{inline(2)}"))
    assert fatal_faults(negotiation) == [SdpFault.NO_COMMON_SUITE]
    assert SHA1_80 in the_problem(negotiation, SdpFault.NO_COMMON_SUITE).detail
    assert [refusal.line for refusal in negotiation.refused_crypto] == [11, 12]
    assert fatal_faults(read_offer(with_crypto(f"1 {SHA1_32}"))) == [SdpFault.NO_COMMON_SUITE]


def test_the_wanted_suite_is_found_on_the_third_line() -> None:
    lines = [f"1 {GCM_256} inline:{inline(1, 44)}", f"2 {SHA1_32} inline:{inline(2)}", f"3 {SHA1_80} inline:{inline(3)}"]
    negotiation = read_offer(with_crypto(*lines, f"4 {SHA1_80} inline:{inline(4)}"))
    assert negotiation.crypto is not None
    assert (negotiation.crypto.tag, negotiation.crypto.key_salt) == (3, key_salt(3))
    assert [refusal.line for refusal in negotiation.refused_crypto] == [11, 12]


def test_the_order_of_the_offer_counts_and_not_ours() -> None:
    capabilities = Capabilities(suites=(GCM_256, SHA1_80, SHA1_32))
    negotiation = read_offer(with_crypto(f"7 {SHA1_32} inline:{inline(7)}", f"8 {GCM_256} inline:{inline(8, 44)}"), capabilities)
    assert negotiation.crypto is not None
    assert (negotiation.crypto.tag, negotiation.crypto.suite) == (7, SHA1_32)


def test_unprotected_media_is_taken_only_when_allowed_and_kept_for_the_answer() -> None:
    offer = with_crypto(f"1 {SHA1_80} inline:{inline()} WSH=64 UNENCRYPTED_SRTCP")
    assert fatal_faults(read_offer(offer)) == [SdpFault.CRYPTO_UNUSABLE]
    negotiation = read_offer(offer, replace(DEFAULT, unencrypted=True))
    assert negotiation.crypto is not None
    assert negotiation.crypto.parameters == ("UNENCRYPTED_SRTCP",)


@pytest.mark.parametrize("parameters", ["WSH=64", "WSH=1024", "-NOVEL=1", "-KDR=3 WSH=128", "-x"])
def test_hints_and_optional_parameters_are_left_aside(parameters: str) -> None:
    negotiation = read_offer(with_crypto(f"1 {SHA1_80} inline:{inline()}|2^31 {parameters}"))
    assert negotiation.refused_crypto == ()
    assert negotiation.crypto is not None
    assert negotiation.crypto.parameters == ()


def test_a_tag_used_twice_refuses_the_later_line_even_after_the_choice() -> None:
    negotiation = read_offer(with_crypto(f"1 {SHA1_80} inline:{inline(1)}", f"01 {SHA1_80} inline:{inline(2)}"))
    assert negotiation.crypto is not None
    assert negotiation.crypto.key_salt == key_salt(1)
    (refusal,) = negotiation.refused_crypto
    assert (refusal.line, "already used on line 11" in refusal.detail) == (12, True)


def test_a_tag_of_a_refused_line_is_used_too() -> None:
    negotiation = read_offer(with_crypto(f"1 {SHA1_32} inline:{inline(1)}", f"1 {SHA1_80} inline:{inline(2)}"))
    assert fatal_faults(negotiation) == [SdpFault.CRYPTO_UNUSABLE]


def test_tag_zero_is_a_tag() -> None:
    negotiation = read_offer(with_crypto(f"0 {SHA1_80} inline:{inline()}"))
    assert negotiation.crypto is not None
    assert negotiation.crypto.tag == 0


def test_the_number_of_crypto_lines_that_are_read_is_bounded() -> None:
    lines = [f"{tag} {SHA1_32} inline:{inline()}" for tag in range(500)]
    negotiation = read_offer(with_crypto(*lines, f"999 {SHA1_80} inline:{inline()}"))
    assert negotiation.crypto is None
    assert len(negotiation.refused_crypto) == 65
    assert "first 64" in negotiation.refused_crypto[-1].detail


def test_a_crypto_line_is_written_as_rfc_4568_spells_it() -> None:
    key = bytes(range(30))
    assert write_crypto(3, SHA1_80, key, ("UNENCRYPTED_SRTCP",)) == (
        "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd UNENCRYPTED_SRTCP"
    )
    assert base64.b64decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd") == key
