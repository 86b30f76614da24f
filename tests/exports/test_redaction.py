from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.exports.redaction import mask, mask_uui, mask_values, message_text, place_in_masked, visible

KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"


def segment(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


SIGNATURE = urlsafe_b64encode(bytes((n * 73 + 11) % 256 for n in range(256))).rstrip(b"=").decode()
JWT = f"{segment({'alg': 'RS256', 'typ': 'JWT'})}.{segment({'iss': '00D000000000001', 'sub': 'acme', 'exp': 1})}.{SIGNATURE}"
PAYLOAD = json.dumps({"orgId": "00D000000000001", "jwt": JWT, "voiceCallId": "0LQ000000000001"}, separators=(",", ":"))
HEX = PAYLOAD.encode().hex()


def leaks(text: str) -> bool:
    """True when 12 characters in a row of the signature can be read in any of the encodings."""
    lower = text.lower()
    pieces = [SIGNATURE[start : start + 12] for start in range(len(SIGNATURE) - 12)]
    return any(piece in text or piece.encode().hex() in lower or piece.encode().hex().encode().hex() in lower for piece in pieces)


def test_an_sdes_key_is_masked_and_its_lifetime_and_suite_stay() -> None:
    line = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:32"
    assert mask(line) == "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[40 masked]|2^20|1:32"


@pytest.mark.parametrize(
    "line",
    [
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 INLINE:{KEY}",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline: {KEY}",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:20]}|2^31;inline:{KEY}|2^31",
        f"k=base64:{KEY}",
        f"a=ice-pwd:{KEY}",
        f"Authorization: Digest username=\"a\",\r\n response=\"{KEY}\"",
        f"Proxy-Authorization:Bearer {KEY}",
        f"X-Api-Key: {KEY}",
        f"X-Auth-Token: {KEY}",
        f"Contact: <sip:alice:{KEY}@host>",
        f"Refer-To: <sip:a@b?token={KEY}>",
    ],
)  # fmt: skip
def test_no_piece_of_a_key_or_password_can_be_read(line: str) -> None:
    masked = mask(f"v=0\r\n{line}\r\na=sendrecv")
    assert "masked]" in masked
    assert not any(KEY[start : start + 6] in masked for start in range(len(KEY) - 6))
    assert masked.endswith("\r\na=sendrecv")


def test_a_jwt_inside_hex_is_masked_and_the_json_around_it_still_decodes() -> None:
    masked = mask(f"User-to-User: {HEX};encoding=hex")
    front, rest = masked.removeprefix("User-to-User: ").split("[", 1)
    back = rest.split("]", 1)[1].removesuffix(";encoding=hex")
    assert bytes.fromhex(front).decode() == '{"orgId":"00D000000000001","jwt":"eyJh'
    assert bytes.fromhex(back).decode() == '","voiceCallId":"0LQ000000000001"}'
    assert f"[{(len(JWT) - 4) * 2} masked]" in masked


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        PAYLOAD,
        HEX,
        HEX.upper(),
        HEX[:-1],
        HEX[: len(HEX) // 2],
        HEX[:101] + HEX[102:],
        HEX[:150] + " " + HEX[150:],
        HEX[:500] + "\r\n " + HEX[500:],
        "0x" + HEX,
        "04" + HEX,
        '"' + HEX + '"',
        HEX.encode().hex(),
        HEX.upper().encode().hex(),
        HEX.encode().hex()[:-1],
        "%7B%22jwt%22%3A%22" + JWT + "%22%7D",
        json.dumps({"outer": PAYLOAD}),
        PAYLOAD.replace("jwt", "accessToken"),
    ],
)
def test_no_piece_of_a_signature_can_be_read_in_any_encoding_or_damage(text: str) -> None:
    assert leaks(text.replace("\r\n ", "").replace(" ", ""))
    assert not leaks(mask(f"User-to-User: {text};encoding=hex\r\nTo: <sip:a@b>"))


@given(st.integers(0, len(HEX) - 1), st.sampled_from(["cut", "put", "change"]), st.sampled_from("0123456789abcdefgG .-\t%"))
def test_one_wrong_digit_anywhere_does_not_bare_a_token(place: int, how: str, digit: str) -> None:
    tail = HEX[place + 1 :] if how != "put" else HEX[place:]
    damaged = HEX[:place] + ("" if how == "cut" else digit) + tail
    assert not leaks(mask(f"User-to-User: {damaged};encoding=hex"))


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_token_inside_base64_is_masked(encode: Callable[[bytes], bytes]) -> None:
    text = encode(PAYLOAD.encode()).decode()
    masked = mask(f"User-to-User: {text}")
    assert "masked]" in masked
    first = PAYLOAD.index(SIGNATURE) * 4 // 3
    assert not any(text[start : start + 16] in masked for start in range(first, first + len(SIGNATURE)))


def test_an_opaque_token_in_json_is_masked_inside_hex_too() -> None:
    payload = '{"orgId":"00D000000000001","token":"not-a-jwt-but-secret-1234"}'
    assert "secret-1234" not in mask(payload)
    masked = mask(payload.encode().hex())
    assert b"secret-1234".hex() not in masked
    assert masked.endswith(b'"}'.hex())


@pytest.mark.parametrize(
    "text",
    [
        "INVITE sip:+15550100@gateway.afvsip.thb01.uengage1.sfdc-lywfpd.salesforce-ccaas.com:5061;transport=tls SIP/2.0",
        "Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK0123456789abcdef0123456789abcdef;rport;alias",
        "Call-ID: 0123456789abcdef0123456789abcdef0123456789abcdef@10.0.0.1",
        "User-to-User: " + b'{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'.hex() + ";encoding=hex",
        "a=fingerprint:sha-256 AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99",
        "sip:alice@example.com:5061;user=phone",
        "The header holds 65 characters and no key at all.",
        "",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


@given(st.text(st.sampled_from(list("eyJ65794a\r\n \t:;=\"'{}[]|.inlinetoken@<>\\")) | st.characters(), max_size=300))
def test_any_text_is_masked_without_an_error_and_masking_again_changes_nothing(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


@pytest.mark.parametrize(
    "piece", ["a", "65794a", "eyJ", '"token":"', "\\", "inline:", "AB ", "sip:a:", "token", "-", "f\r\n ", "token: \n ", "a.b", '"token']
)
def test_a_hostile_message_costs_no_more_than_its_length(piece: str) -> None:
    # A quadratic pattern needs minutes for this; pytest's own time limit is the judge.
    assert isinstance(mask(piece * (200_000 // len(piece))), str)


def test_a_message_is_shown_line_by_line_with_escapes() -> None:
    raw = b"INVITE sip:a@b SIP/2.0\r\nSubject: \x1b[31mred\x07\tx\xff\r\nX: a\rb\r\n\r\nv=0\n"
    assert message_text(raw) == "INVITE sip:a@b SIP/2.0\nSubject: \\x1b[31mred\\x07\\tx\\xff\nX: a\\rb\n\nv=0\n"


def test_a_message_is_shown_whole_when_secrets_are_asked_for() -> None:
    raw = f"a=crypto:1 X inline:{KEY}\r\nUser-to-User: {HEX}".encode()
    assert KEY in message_text(raw, secrets=True)
    assert HEX in message_text(raw, secrets=True)
    assert KEY not in message_text(raw)


@given(st.binary(max_size=200))
def test_any_octets_become_text_without_control_characters(raw: bytes) -> None:
    text = message_text(raw)
    assert all(character == "\n" or character.isprintable() for character in text)
    text.encode("utf-8")


def test_invisible_and_direction_turning_characters_become_visible() -> None:
    assert visible("a\u202eb\u200bc\x00\x9b") == "a\\u202eb\\u200bc\\x00\\x9b"
    assert visible("Grüße, 東京") == "Grüße, 東京"


def test_members_called_a_token_are_masked_whole_and_others_are_searched() -> None:
    masked = mask_values({"token": "abc", "myJwt": JWT, "list": [JWT, 5, None, True], "orgId": "00D"})
    assert masked == {
        "token": "[3 masked]",
        "myJwt": f"eyJh[{len(JWT) - 4} masked]",
        "list": [f"eyJh[{len(JWT) - 4} masked]", 5, None, True],
        "orgId": "00D",
    }
    assert mask_values(masked) == masked


def test_the_uui_of_a_call_keeps_names_and_lengths_and_loses_the_token() -> None:
    uui = {
        "raw": HEX + ";encoding=hex",
        "decoded": PAYLOAD,
        "fields": json.loads(PAYLOAD),
        "named": {"jwt": "jwt", "orgId": "orgId"},
        "jwt": {"header": {"alg": "RS256"}, "claims": {"iss": "00D000000000001"}, "masked": JWT[:10] + "..."},
        "lengths": {"value": len(HEX), "line": len(HEX) + 27, "decoded": len(PAYLOAD)},
    }
    masked = mask_uui(uui)
    assert not leaks(json.dumps(masked))
    assert masked["named"] == uui["named"]
    assert masked["jwt"] == uui["jwt"]
    assert masked["lengths"] == uui["lengths"]
    assert masked["fields"]["orgId"] == "00D000000000001"
    assert leaks(json.dumps(uui)), "the given data must stay untouched"


def test_the_offset_of_a_quote_moves_with_what_is_masked_before_it() -> None:
    text = HEX + "0;encoding=hex"
    masked = mask_values({"text": text, "offset": len(HEX)})
    assert masked["text"] != text
    assert masked["text"][masked["offset"] :] == text[len(HEX) :]
    assert mask_values(masked) == masked
    untouched = {"text": "7b2z;encoding=hex", "offset": 3}
    assert mask_values(untouched) == untouched


def test_the_position_of_a_problem_is_told_in_the_masked_value_too() -> None:
    raw = HEX + "0;encoding=hex"
    masked = mask_uui({"raw": raw, "problems": [{"fault": "odd-digits", "position": len(HEX), "within": "value"}]})
    problem = masked["problems"][0]
    assert problem["position"] == len(HEX)
    assert masked["raw"][problem["shownPosition"] :] == raw[len(HEX) :]


@given(st.sampled_from([JWT, f"a {JWT} b", f"{HEX} c {JWT}"]), st.integers(0, 2000))
def test_a_place_that_is_not_masked_holds_the_same_character_and_a_masked_one_the_mask(text: str, place: int) -> None:
    place = min(place, len(text) - 1)
    shown, moved = mask(text), place_in_masked(text, place)
    assert shown[moved] == text[place] or shown[moved] == "["
    assert mask(text)[place_in_masked(text, len(text)) :] == ""
