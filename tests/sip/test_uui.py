from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from sbc_sim.sip.message import Headers, Request
from sbc_sim.sip.uui import (
    ECHO_FIELDS,
    Uui,
    UuiExpectation,
    UuiFault,
    UuiProblem,
    decode_jwt,
    encode,
    found_elsewhere,
    mask,
    mask_jwt,
    mask_value,
    read,
)

ECHO = "7b226f72674964223a226563686f2d746573742d6f7267222c227363727432446f6d61696e223a226166762d7773732d6563686f3a37343432227d;encoding=hex"
EXPECTATION = UuiExpectation(aliases=(("voiceCallId", "callId"), ("callId", "callId"), ("jwt", "jwt"), ("token", "jwt")))
QUIET = {UuiFault.NO_PURPOSE}


def b64(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


JWT = f"{b64({'alg': 'RS256', 'typ': 'JWT'})}.{b64({'iss': '00D000000000001', 'sub': 'center'})}.{'S1gn' * 85}ab"


def reading(value: str, **settings: object) -> Uui:
    return read(Headers([("User-to-User", value)]), replace(EXPECTATION, **settings))  # type: ignore[arg-type]


def of(text: str | bytes, **settings: object) -> Uui:
    return reading(encode(text), **settings)


def faults(uui: Uui) -> list[UuiFault]:
    return [problem.fault for problem in uui.problems if problem.fault not in QUIET]


def the(uui: Uui, fault: UuiFault) -> UuiProblem:
    found = [problem for problem in uui.problems if problem.fault is fault]
    assert found, f"{fault} is not among {faults(uui)}"
    return found[0]


def place(uui: Uui, fault: UuiFault) -> tuple[int | None, str]:
    problem = the(uui, fault)
    return problem.position, problem.within


# --- what is right ---


def test_the_echo_payload_is_read_without_a_complaint() -> None:
    uui = reading(ECHO + ";purpose=isdn-uui;content=isdn-uui")
    assert uui.problems == ()
    assert uui.is_echo
    assert uui.fields == ECHO_FIELDS
    assert uui.named == {"orgId": "orgId", "scrt2Domain": "scrt2Domain"}
    assert (uui.value_length, uui.decoded_length) == (118, 59)
    assert uui.line_length == len("User-to-User: ") + len(ECHO) + len(";purpose=isdn-uui;content=isdn-uui")
    assert encode(ECHO_FIELDS) == ECHO


def test_any_text_is_shown_and_a_missing_json_is_said() -> None:
    uui = reading("48656c6c6f;encoding=hex")
    assert (uui.text, uui.decoded, uui.fields, uui.is_echo) == ("Hello", b"Hello", None, False)
    assert faults(uui) == [UuiFault.NOT_JSON]
    assert place(uui, UuiFault.NOT_JSON) == (0, "decoded")
    assert "Hello" in the(uui, UuiFault.NOT_JSON).detail


@pytest.mark.parametrize(
    "value",
    [
        ECHO.upper(),
        '"' + ECHO.split(";")[0] + '" ; Encoding = "HEX"',
        ECHO.split(";")[0] + " ;x-other=1;flag;encoding=hex",
        encode(' { "scrt2Domain" : "afv-wss-echo:7442", "more": 1, "orgId" : "echo-test-org" } '),
    ],
)
def test_legal_variants_of_the_echo_payload_select_the_echo(value: str) -> None:
    uui = reading(value)
    assert uui.is_echo
    assert faults(uui) == []


def test_parameters_keep_their_names_and_lose_their_quotes() -> None:
    assert reading('7b7d;Encoding=hex;x="a;b";flag').parameters == (("Encoding", "hex"), ("x", "a;b"), ("flag", None))


def test_header_names_are_case_insensitive() -> None:
    assert read(Headers([("USER-TO-USER", ECHO)]), EXPECTATION).is_echo


# --- missing, elsewhere, several ---


def test_a_missing_header_says_so_and_names_a_header_that_looks_alike() -> None:
    uui = read(Headers([("X-User-to-User", ECHO)]), EXPECTATION)
    assert uui.raw is None
    assert faults(uui) == [UuiFault.MISSING]
    assert "X-User-to-User" in uui.problems[0].detail


def test_the_x_header_is_read_when_wanted_and_the_true_one_wins() -> None:
    wanted = replace(EXPECTATION, x_header=True)
    assert read(Headers([("x-user-to-user", ECHO)]), wanted).header_name == "x-user-to-user"
    both = Headers([("X-User-to-User", "00"), ("User-to-User", ECHO)])
    assert read(both, wanted).is_echo
    assert faults(read(both, wanted)) == []


def test_a_header_found_elsewhere_is_named_with_its_place() -> None:
    invite = Request("INVITE", "sip:echo@sbc?User-to-User=7b7d%3Bencoding%3Dhex", Headers())
    assert found_elsewhere(invite) == "the Request-URI (?User-to-User=...)"
    uui = read(invite.headers, EXPECTATION, found_elsewhere(invite))
    assert faults(uui) == [UuiFault.ELSEWHERE]
    assert "Request-URI" in uui.problems[0].detail
    refer = Request("REFER", "sip:a", Headers([("r", '"A, B" <sip:c@d?Subject=x&User-to-User=7b7d>')]))
    assert found_elsewhere(refer) == "the URI of Refer-To (?User-to-User=...)"
    assert found_elsewhere(Request("INVITE", "sip:user-to-user@a?b", Headers([("Contact", "<sip:a?user-to-user")]))) == ""


@pytest.mark.parametrize("fields", [[("User-to-User", f"7b7d, {ECHO}")], [("User-to-User", "7b7d"), ("User-to-User", ECHO)]])
def test_several_values_are_told_and_the_setting_chooses(fields: list[tuple[str, str]]) -> None:
    headers = Headers(fields)
    for several in ("refuse", "first", "first_json"):
        uui = read(headers, replace(EXPECTATION, several=several))
        assert faults(uui)[0] is UuiFault.SEVERAL
        assert uui.raw == "7b7d"
    text_first = Headers([("User-to-User", f"48656c6c6f;encoding=hex,{ECHO}")])
    assert read(text_first, EXPECTATION).text == "Hello"
    assert read(text_first, replace(EXPECTATION, several="first_json")).is_echo
    assert read(Headers([("User-to-User", "00,01")]), replace(EXPECTATION, several="first_json")).raw == "00"


@pytest.mark.parametrize("value", ["", " ", ",", ";encoding=hex", '"";encoding=hex', '" "'])
def test_an_empty_value_is_called_empty(value: str) -> None:
    assert UuiFault.EMPTY in faults(reading(value))


# --- grammar ---


def test_bare_json_is_no_token_and_is_one_value_despite_its_commas() -> None:
    uui = reading('{"orgId":"a","scrt2Domain":"b"};encoding=hex')
    assert faults(uui) == [UuiFault.BAD_GRAMMAR, UuiFault.LOOKS_PLAIN_TEXT]
    assert place(uui, UuiFault.BAD_GRAMMAR) == (0, "value")
    assert uui.parameters == (("encoding", "hex"),)


@pytest.mark.parametrize(
    ("value", "position"),
    [
        ('"7b7d"x;encoding=hex', 6),
        ("7b7d;;encoding=hex", 4),
        ("7b7d;encoding=hex;", 17),
        ("7b7d;a b=c;encoding=hex", 5),
        ('7b7d;a="open;encoding=hex', 5),
        ("7b7d;=hex;encoding=hex", 5),
    ],
)
def test_parameters_that_do_not_parse_are_placed(value: str, position: int) -> None:
    assert place(reading(value), UuiFault.BAD_GRAMMAR) == (position, "value")
    assert reading(value).text == "{}", "the data is read all the same"


def test_an_open_quote_is_placed_at_its_beginning() -> None:
    uui = reading('"7b7d;encoding=hex')
    assert place(uui, UuiFault.UNTERMINATED_QUOTE) == (0, "value")
    assert uui.text == "{}"


def test_a_parameter_that_comes_twice_is_placed_at_the_second() -> None:
    assert place(reading("7b7d;encoding=hex;ENCODING=hex"), UuiFault.DUPLICATE_PARAMETER) == (18, "value")


def test_encoding_and_purpose_are_judged_by_name() -> None:
    assert faults(reading("7b7d"))[-1] is UuiFault.NO_ENCODING
    uui = reading("7b7d;encoding=ascii;purpose=isdn-interwork")
    assert place(uui, UuiFault.OTHER_ENCODING) == (14, "value")
    assert place(uui, UuiFault.OTHER_PURPOSE) == (28, "value")
    assert UuiFault.NO_PURPOSE in [problem.fault for problem in reading("7b7d").problems]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Hello;encoding=text", "Hello"),
        ('"{\\"a\\":1}";encoding=ascii', '{"a":1}'),
        ("%7B%7D;encoding=escaped", "{}"),
        ("aGVsbG8gd29ybGQ=;encoding=base64", "hello world"),
        ("48656c6c6f;encoding=own", "Hello"),
        ("zz;encoding=own", None),
        ("zz;encoding=base64", None),
    ],
)
def test_encodings_that_vendors_invented_are_read_for_the_lenient(value: str, text: str | None) -> None:
    uui = reading(value)
    assert uui.text == text
    assert UuiFault.OTHER_ENCODING in faults(uui)


# --- hex ---


def test_an_odd_number_of_digits_is_placed_at_the_last_one() -> None:
    digits = ECHO.split(";")[0]
    uui = reading(digits[:-1] + ";encoding=hex")
    assert place(uui, UuiFault.ODD_DIGITS) == (116, "value")
    assert "117" in the(uui, UuiFault.ODD_DIGITS).detail
    assert "RFC 7433" not in the(uui, UuiFault.ODD_DIGITS).detail
    assert place(reading('"7b7"'), UuiFault.ODD_DIGITS) == (3, "value")


def test_the_sample_of_the_rfc_is_recognised_as_a_trap() -> None:
    problem = the(reading("56a390f3d2b7310023a;encoding=hex"), UuiFault.ODD_DIGITS)
    assert "19 hex digits" in problem.detail
    assert "RFC 7433" in problem.detail


@pytest.mark.parametrize(
    ("value", "fault", "position"),
    [
        ("7b226fx2;encoding=hex", UuiFault.NOT_HEX, 6),
        ("7b:22:6f;encoding=hex", UuiFault.NOT_HEX, 2),
        ("7b22\udcff22;encoding=hex", UuiFault.NOT_HEX, 4),
        ("0x7b7d;encoding=hex", UuiFault.HEX_PREFIX, 0),
        ('"0X7b7d";encoding=hex', UuiFault.HEX_PREFIX, 1),
        ("7b 7d;encoding=hex", UuiFault.BLANK_INSIDE, 2),
        ('"7b22 226f";encoding=hex', UuiFault.BLANK_INSIDE, 5),
        ("Hello, world;encoding=hex", UuiFault.SEVERAL, None),
        ("Hello world;encoding=hex", UuiFault.LOOKS_PLAIN_TEXT, 0),
        ('"{\\"orgId\\":\\"x\\"}";encoding=hex', UuiFault.LOOKS_PLAIN_TEXT, 1),
        ("%7B%22orgId%22%3A%22x%22%7D;encoding=hex", UuiFault.LOOKS_PERCENT_ENCODED, 0),
        ("7b7d%3Bencoding%3Dhex", UuiFault.LOOKS_PERCENT_ENCODED, 4),
        (base64.b64encode(b'{"orgId":"a"}').decode(), UuiFault.LOOKS_BASE64, 1),
        (base64.urlsafe_b64encode(b'{"orgId":"a?>"}').decode().rstrip("="), UuiFault.LOOKS_BASE64, 1),
    ],
)
def test_data_that_is_no_hex_is_told_apart_and_placed(value: str, fault: UuiFault, position: int | None) -> None:
    uui = reading(value)
    assert faults(uui)[0] is fault
    assert place(uui, fault) == (position, "value")


def test_an_escaped_character_in_a_quoted_string_does_not_shift_the_place() -> None:
    uui = reading(r'"7b\2\2zx";encoding=hex')
    assert uui.data == "7b22zx"
    assert place(uui, UuiFault.NOT_HEX) == (7, "value")


def test_a_prefix_or_a_blank_still_lets_the_content_be_shown() -> None:
    assert reading("0x7b7d;encoding=hex").text == "{}"
    assert reading("7b 7d;encoding=hex").text == "{}"


def test_what_base64_and_percent_encoding_hide_is_quoted_back() -> None:
    assert '{"orgId":"a"}' in reading(base64.b64encode(b'{"orgId":"a"}').decode()).problems[0].detail
    assert '{"orgId":"x"}' in reading("%7B%22orgId%22%3A%22x%22%7D").problems[0].detail


def test_hex_of_hex_is_recognised() -> None:
    uui = of(ECHO.split(";")[0])
    assert faults(uui) == [UuiFault.DOUBLE_ENCODED]
    assert '{"orgId"' in uui.problems[0].detail
    assert UuiFault.DOUBLE_ENCODED not in faults(of("4155554567")), "a telephone number is not hex of text"


# --- octets to text ---


@pytest.mark.parametrize("octet", ["00", "04"])
def test_one_leading_octet_is_stripped_with_a_note(octet: str) -> None:
    uui = reading(octet + ECHO)
    assert uui.is_echo
    assert uui.leading_octet == int(octet, 16)
    assert (uui.value_length, uui.decoded_length) == (120, 60)
    assert place(uui, UuiFault.LEADING_OCTET) == (0, "decoded")
    assert uui.decoded is not None
    assert uui.decoded.startswith(b"{")
    refused = reading(octet + ECHO, leading_octet="refuse")
    assert faults(refused) == [UuiFault.LEADING_OCTET]


def test_the_octet_that_the_pd_parameter_names_is_stripped_too() -> None:
    assert reading("7e" + ECHO + ";pd=7E").is_echo
    assert not reading("7e" + ECHO).is_echo
    assert reading(ECHO + ";pd=04").is_echo, "pd may also mean that the octet was left out"
    assert reading("0448656c6c6f").text == "Hello"


def test_octets_that_are_not_utf8_are_placed() -> None:
    uui = reading("7b22e422;encoding=hex")
    assert uui.text is None
    assert uui.decoded == b'{"\xe4"'
    assert place(uui, UuiFault.NOT_UTF8) == (2, "decoded")
    assert "ä" in the(uui, UuiFault.NOT_UTF8).detail
    assert "UTF-16" in the(reading('{"a":1}'.encode("utf-16").hex()), UuiFault.NOT_UTF8).detail
    assert "UTF-16" in the(reading('{"a":1}'.encode("utf-16-le").hex()), UuiFault.NOT_JSON).detail


def test_a_byte_order_mark_is_a_problem_of_its_own() -> None:
    uui = reading("efbbbf" + ECHO)
    assert faults(uui) == [UuiFault.BOM]
    assert uui.is_echo
    assert uui.text is not None
    assert uui.text.startswith("\ufeff{")


# --- JSON ---


@pytest.mark.parametrize("size", range(1, 59))
def test_the_echo_payload_cut_anywhere_is_called_cut(size: int) -> None:
    uui = of(json.dumps(ECHO_FIELDS, separators=(",", ":"))[:size])
    assert faults(uui) == [UuiFault.TRUNCATED_JSON]
    problem = uui.problems[0]
    assert f"after {size} octets" in problem.detail
    assert (problem.position, problem.within) == (size, "decoded")


@pytest.mark.parametrize("text", ['{"a":tru', '{"a":-', '[1,[2,{"b":', '{"a":"\\u12', '{"a":1 ', '{"a":"b\\'])
def test_json_cut_inside_other_values_is_called_cut_too(text: str) -> None:
    assert faults(of(text)) == [UuiFault.TRUNCATED_JSON]


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("{'orgId':'x'}", 1, "double quotes"),
        ("{orgId:1}", 1, "double quotes"),
        ("orgId=a&scrt2Domain=b", 0, "form data"),
        ("<uui/>", 0, "XML"),
        (JWT, 0, "token alone"),
        ('{"a":01}', 6, ""),
        ('{"a" 1}', 5, ""),
        ('{"a":nul}', 5, ""),
        ('{"a":"\x01"}', 6, ""),
        ('\x07{"a":1}', 0, "octet 07"),
        ('{"a":NaN}', 5, "NaN"),
        ('{"NaN":-Infinity}', 7, "Infinity"),
        ("   ", 3, "the end"),
    ],
)
def test_text_that_is_no_json_is_placed_with_a_hint(text: str, position: int, hint: str) -> None:
    uui = of(text)
    assert faults(uui) == [UuiFault.NOT_JSON]
    assert place(uui, UuiFault.NOT_JSON) == (position, "decoded")
    assert hint in uui.problems[0].detail


@pytest.mark.parametrize(
    ("text", "kind"), [("[1]", "array"), ('"a"', "string"), ("12", "number"), ("true", "true or false"), (" null", "null")]
)
def test_json_that_is_no_object_is_named_by_its_kind(text: str, kind: str) -> None:
    uui = of(text)
    assert faults(uui) == [UuiFault.NOT_OBJECT]
    assert kind in uui.problems[0].detail


def test_text_behind_the_json_is_placed_and_the_fields_are_read() -> None:
    uui = of('{"orgId":"a","scrt2Domain":"b"} x')
    assert faults(uui) == [UuiFault.TRAILING_TEXT]
    assert place(uui, UuiFault.TRAILING_TEXT) == (32, "decoded")
    assert uui.fields == {"orgId": "a", "scrt2Domain": "b"}
    assert faults(of('{"orgId":"a","scrt2Domain":"b"}\r\n')) == []


def test_a_key_that_comes_twice_is_placed_at_the_second() -> None:
    uui = of('{"orgId":"orgId","scrt2Domain":"b","orgId" :"c"}')
    assert faults(uui) == [UuiFault.DUPLICATE_KEY]
    assert place(uui, UuiFault.DUPLICATE_KEY) == (35, "decoded")


def test_nesting_over_the_limit_is_placed_and_never_descended() -> None:
    assert faults(of('{"orgId":"a","scrt2Domain":"b","x":[[1]]}', max_depth=3)) == []
    uui = of('{"orgId":"a","scrt2Domain":"b","x":[[1]]}', max_depth=2)
    assert faults(uui) == [UuiFault.TOO_DEEP]
    assert place(uui, UuiFault.TOO_DEEP) == (36, "decoded")
    assert UuiFault.TOO_DEEP in faults(of("[" * 8000, max_depth=10**9))
    assert faults(of('{"orgId":"[[[[[[[[[[[[[[[[[","scrt2Domain":"b"}')) == [], "brackets inside strings do not nest"


def test_numbers_beyond_pythons_limits_are_kept_as_text() -> None:
    uui = of('{"orgId":"a","scrt2Domain":"b","n":' + "9" * 5000 + ',"f":1e999}')
    assert uui.fields is not None
    assert (uui.fields["n"], uui.fields["f"]) == ("9" * 5000, "1e999")
    assert json.loads(json.dumps(uui.fields)) == uui.fields


def test_lone_surrogates_in_json_become_replacement_characters() -> None:
    uui = of('{"orgId":"\\ud800x","scrt2Domain":"b","\\uDFFF":["\\ud83d\\ude00"]}')
    assert uui.fields == {"orgId": "\ufffdx", "scrt2Domain": "b", "\ufffd": ["\U0001f600"]}


def test_missing_keys_and_wrong_types_are_named() -> None:
    uui = of('{"orgid":"a","scrt2Domain":7}')
    assert faults(uui) == [UuiFault.MISSING_KEY, UuiFault.WRONG_VALUE_TYPE]
    assert "orgid" in the(uui, UuiFault.MISSING_KEY).detail
    assert "number" in the(uui, UuiFault.WRONG_VALUE_TYPE).detail
    assert faults(of('{"orgId":"","scrt2Domain":null}')) == [UuiFault.WRONG_VALUE_TYPE] * 2


def test_aliases_name_the_fields_and_the_first_wins() -> None:
    uui = of('{"orgId":"a","scrt2Domain":"b","callId":"2","voiceCallId":"1"}')
    assert uui.named == {"orgId": "orgId", "scrt2Domain": "scrt2Domain", "callId": "voiceCallId"}


def test_the_echo_org_with_another_domain_is_noted() -> None:
    uui = of('{"orgId":"echo-test-org","scrt2Domain":"other"}')
    assert faults(uui) == [UuiFault.ECHO_DOMAIN_DIFFERS]
    assert not uui.is_echo


# --- lengths ---


def test_what_is_over_the_limit_shows_three_lengths_and_what_takes_the_room() -> None:
    uui = reading(encode({**ECHO_FIELDS, "jwt": JWT}), limit=500)
    assert place(uui, UuiFault.OVER_LIMIT) == (500, "value")
    detail = the(uui, UuiFault.OVER_LIMIT).detail
    for length in (uui.value_length, uui.decoded_length, uui.line_length):
        assert str(length) in detail
    assert "jwt" in detail
    assert uui.room[0] == ("jwt", len('"jwt":""') + len(JWT))
    assert sum(size for _, size in uui.room) + len("{,,}") == uui.decoded_length


@pytest.mark.parametrize(("scope", "size"), [("value", 118), ("decoded", 59), ("line", 145)])
def test_the_limit_counts_what_its_scope_says(scope: str, size: int) -> None:
    assert UuiFault.OVER_LIMIT not in faults(reading(ECHO, limit=size, limit_scope=scope))
    assert UuiFault.OVER_LIMIT in faults(reading(ECHO, limit=size - 1, limit_scope=scope))


def test_a_value_beyond_all_measure_is_not_read() -> None:
    uui = reading("7b" * 9000)
    assert faults(uui) == [UuiFault.OVER_LIMIT]
    assert uui.value_length == 18000
    assert uui.decoded is None


# --- JWT ---


def test_a_jwt_is_decoded_and_not_verified() -> None:
    uui = of(json.dumps({"orgId": "00D000000000001", "scrt2Domain": "d", "token": JWT}))
    assert faults(uui) == []
    assert uui.jwt is not None
    assert uui.jwt.header == {"alg": "RS256", "typ": "JWT"}
    assert uui.jwt.claims == {"iss": "00D000000000001", "sub": "center"}
    assert (uui.jwt.key, uui.jwt.length) == ("token", len(JWT))
    assert len(uui.jwt.masked) < 20


def test_a_jwt_under_an_unknown_key_is_found_by_its_shape() -> None:
    uui = of(json.dumps({**ECHO_FIELDS, "whatever": JWT}))
    assert uui.jwt is not None
    assert uui.jwt.key == "whatever"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("a.b", "2 parts"),
        ("a.b.c.d", "4 parts"),
        ("=.e30.x", "header has '='"),
        ("e30.a b.x", "claims has ' '"),
        ("e30.e30.a/b", "signature has '/'"),
        ("a.e30.x", "header is not base64url"),
        ("_w.e30.x", "header is not base64url"),
        ("W10.e30.x", "header is not a JSON object"),
        ("e30.bm8.x", "claims is not a JSON object"),
        (f"{'W1tb' * 3000}.e30.x", "header is not a JSON object"),
    ],
)
def test_a_token_that_is_no_jwt_is_told_why(token: str, reason: str) -> None:
    assert reason in str(decode_jwt(token))
    uui = of(json.dumps({**ECHO_FIELDS, "jwt": token}), limit=10**6)
    if len(token) < 1000:
        assert reason in the(uui, UuiFault.BAD_JWT).detail


def test_a_token_of_another_type_is_a_wrong_value() -> None:
    assert faults(of(json.dumps({**ECHO_FIELDS, "jwt": 5}))) == [UuiFault.WRONG_VALUE_TYPE]


# --- masking ---


def shown(uui: Uui) -> str:
    return repr((uui.raw, uui.data, uui.text, uui.decoded, uui.fields, uui.problems, uui.jwt and uui.jwt.masked))


SIGNATURE = JWT.rpartition(".")[2]


@pytest.mark.parametrize(
    "value",
    [
        encode({**ECHO_FIELDS, "jwt": JWT}),
        encode({**ECHO_FIELDS, "deep": {"list": ["Bearer " + JWT]}}),
        encode({**ECHO_FIELDS, "jwt": JWT}).upper(),
        "04" + encode({"jwt": JWT}),
        encode({"jwt": JWT})[:600],
        encode(json.dumps({"jwt": JWT})[:-1]),
        encode("{} " + JWT),
        encode("{'jwt':'" + JWT + "'}"),
        json.dumps({"jwt": JWT}),
        JWT,
        base64.b64encode(json.dumps({"jwt": JWT}).encode()).decode(),
        encode(encode({"jwt": JWT}).split(";")[0]),
        "%7B%22jwt%22%3A%22" + JWT + "%22%7D",
    ],
)
def test_a_masked_reading_holds_no_signature_in_any_form(value: str) -> None:
    text = shown(mask(reading(value))).lower()
    tail = SIGNATURE[20:60]
    for form in (tail, tail.encode().hex(), tail.encode().hex().encode().hex()):
        assert form.lower() not in text


def test_an_opaque_token_is_masked_as_well() -> None:
    masked = mask(of(json.dumps({**ECHO_FIELDS, "token": "opaque-token-of-a-partner"})))
    assert masked.fields is not None
    assert masked.fields["token"] == "opaque-tok..."
    assert "of-a-partner" not in shown(masked)
    assert b"of-a-partner".hex() not in shown(masked)


def test_masking_leaves_what_holds_no_token() -> None:
    uui = reading(ECHO)
    assert mask(uui) == uui
    assert mask(read(Headers(), EXPECTATION)).raw is None
    assert mask_value(ECHO) == ECHO


def test_a_jwt_in_clear_text_is_cut() -> None:
    assert mask_jwt(f"token={JWT}; next") == f"token={JWT[:10]}...; next"
    assert mask_jwt("nothing here") == "nothing here"
    assert mask_value(f"{JWT.encode().hex()};encoding=hex") == f"{JWT[:10].encode().hex()}...;encoding=hex"


# --- writing ---


def test_what_was_encoded_reads_back() -> None:
    value = encode({"orgId": "ö", "scrt2Domain": "d"}, purpose="isdn-uui", content_type="isdn-uui", leading_octet=4)
    assert value.endswith(";encoding=hex;purpose=isdn-uui;content=isdn-uui")
    uui = reading(value)
    assert uui.fields == {"orgId": "ö", "scrt2Domain": "d"}
    assert faults(uui) == [UuiFault.LEADING_OCTET]
    assert encode(b"\x00\xff", encoding=None) == "00ff"
    assert encode("a", purpose="two words") == '61;encoding=hex;purpose="two words"'
