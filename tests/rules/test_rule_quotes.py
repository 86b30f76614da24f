from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.finding import Finding, Status
from sbc_sim.rules.judge import judge_call, judge_invite, judge_options
from sbc_sim.rules.outcome import failed
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import WINDOW, escaped, quote, quote_header, quote_octets, sentence
from sbc_sim.rules.warning import LONGEST, warning_text
from sbc_sim.sip.headers import WarningValue
from tests.rules.rule_cases_uui import P, jwt
from tests.rules.rule_samples import ECHO, SDP, a_call, an_invite, changed_sdp, hex_of

ANY_TEXT = st.text(st.characters(codec=None, exclude_characters=""), max_size=400)


def found(uui: str, rule: str, policy: Policy | None = None) -> Finding:
    policy = policy or Policy()
    (finding,) = (f for f in judge_invite(a_call(policy, uui), policy) if f.rule == rule)
    return finding


# --- quotes ----------------------------------------------------------------------------------------------------------------------


def test_the_first_bad_character_of_a_hex_value_is_marked_in_the_verbatim_header() -> None:
    value = ECHO[:20] + "g" + ECHO[21:] + P
    (shown,) = found(value, "SBC-UUI-003").evidence
    assert (shown.header, shown.message, shown.text) == ("User-to-User", "INVITE", value)
    assert shown.offset == 20


def test_the_first_bad_octet_is_marked_after_letters_of_several_octets() -> None:
    (shown,) = found(hex_of("ää".encode() + b"\xe4!"), "SBC-UUI-020").evidence
    assert shown.text == "ää\\xe4!"
    assert shown.offset == 2


def test_a_long_value_is_cut_to_a_window_round_the_bad_character() -> None:
    shown = quote("a" * 500 + "!" + "b" * 500, "X", "INVITE", 500)
    assert len(shown.text) <= WINDOW + 6
    assert shown.text[shown.offset or 0] == "!"
    assert shown.text.startswith("...")
    assert shown.text.endswith("...")


def test_a_token_never_stands_in_a_finding() -> None:
    token = jwt(600)
    content = json.dumps({"orgId": 5, "scrt2Domain": "x", "jwt": token})
    for finding in judge_invite(a_call(Policy(), hex_of(content)), Policy()):
        shown = " ".join([finding.detail, *(quote.text for quote in finding.evidence)])
        assert token[20:60] not in shown
        assert token[20:60].encode().hex() not in shown


def test_the_line_of_the_sdp_is_quoted_with_its_number_and_without_its_key() -> None:
    evidence = a_call(
        Policy(), offer=b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    )
    (finding,) = (f for f in judge_invite(evidence, Policy()) if f.rule == "SBC-SRTP-001")
    assert [(q.header, q.text) for q in finding.evidence] == [("SDP line 6", "m=audio 4000 RTP/AVP 0")]


def test_what_does_not_print_is_made_visible() -> None:
    assert escaped("a\r\n\t\x00\x1b[31m\u202e\ufeff\udce4b") == "a\\r\\n\\t\\x00\\x1b[31m\\u202e\\ufeff\\xe4b"
    assert quote_octets(b"\xe4\x00", "X").text == "\\xe4\\x00"


@given(ANY_TEXT, st.integers(0, 450))
def test_the_mark_is_always_inside_the_quote(text: str, position: int) -> None:
    shown = quote(text, "X", "INVITE", min(position, len(text)))
    assert shown.offset is not None
    assert 0 <= shown.offset <= len(shown.text)
    assert shown.text.isprintable()


def test_a_header_that_is_not_there_gives_no_quote() -> None:
    assert quote_header(an_invite(diversion=None), "Diversion") is None
    assert quote_header(None, "Diversion") is None


def test_a_sentence_gets_one_full_stop() -> None:
    assert [sentence(text) for text in ("a", "a.", "a!", " a ", "")] == ["a.", "a.", "a!", "a.", ""]


# --- Warning ---------------------------------------------------------------------------------------------------------------------


def test_a_warning_says_rule_sight_and_cure() -> None:
    text = warning_text(failed("SBC-SDP-006", "Only PCMA is offered."))
    assert text == "SBC-SDP-006: Only PCMA is offered. Fix: Offer PCMU beside or instead of PCMA."


def test_a_warning_without_room_leaves_the_cure_out() -> None:
    text = warning_text(failed("SBC-UUI-001", "There is no User-to-User header."))
    assert text == "SBC-UUI-001: There is no User-to-User header."


def test_a_warning_prefers_the_cure_of_the_finding() -> None:
    assert warning_text(failed("SBC-SDP-006", "x.", fix="Do this.")) == "SBC-SDP-006: x. Fix: Do this."


@given(ANY_TEXT, ANY_TEXT)
def test_a_warning_can_always_stand_in_a_header(detail: str, fix: str) -> None:
    text = warning_text(Finding("SBC-UUI-003", Status.FAIL, detail, fix=fix))
    assert text.startswith("SBC-UUI-003:")
    assert all(" " <= char <= "~" for char in text)
    read = WarningValue.parse(f'399 sbc.example "{text}"')
    assert len(read.text) <= LONGEST
    assert read.agent == "sbc.example"


# --- any header at all -----------------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60),
    st.sampled_from(
        [
            "",
            "<",
            "<sip:",
            "<sip:a@b",
            "sip:;;",
            '"',
            "SIP/2.0/TLS",
            "tel:",
            "1;refresher",
            "-1",
            "7" * 5000,
            "\u0663" * 5,
            "1;cause=" + "8" * 5000,
            "<sip:a@b:" + "9" * 5000 + ">",
            "<sip:%@b>;tag=",
            "a,b,,",
            "[::",
        ]
    ),
)
NAMES = st.sampled_from(
    ["via", "max_forwards", "From", "contact", "p_asserted_identity", "diversion", "session_expires", "user_to_user", "Reason"]
)


@settings(max_examples=150)
@given(st.dictionaries(NAMES, st.one_of(st.none(), VALUES), max_size=5), VALUES, st.binary(max_size=80))
def test_no_header_value_request_uri_or_body_upsets_the_judge(headers: dict[str, str | None], uri: str, offer: bytes) -> None:
    evidence = a_call(Policy(), invite=an_invite(uri, **headers), offer=offer)
    evidence.bye_reason = headers.get("Reason")
    assert judge_invite(evidence, Policy())
    assert judge_options(evidence, Policy())
    assert [finding.rule for finding in judge_call(evidence, Policy()).findings] == list(RULES)


DIGITS = st.one_of(
    st.integers(1, 6000).map(lambda length: "9" * length),
    st.text(st.characters(categories=["Nd", "No", "Nl"]), min_size=1, max_size=20),
)


@settings(max_examples=100)
@given(NAMES, DIGITS, st.sampled_from(["", "-", "+", "1;refresher=", "SIP;cause=", "<sip:a@b:", "SIP/2.0/TLS a:"]), st.sampled_from(SDP))
def test_no_number_however_long_or_strange_upsets_the_judge(name: str, digits: str, before: str, line: str) -> None:
    offer = changed_sdp(line, re.sub(r"[0-9]+", lambda _: digits, line))
    content = hex_of(f'{{"orgId": {digits}, "voiceCallId": 1e{digits}}}')
    evidence = a_call(Policy(), invite=an_invite(**{"user_to_user": content, name: before + digits}), offer=offer)
    evidence.bye_reason = before + digits
    assert judge_invite(evidence, Policy())
    assert judge_options(evidence, Policy())
    assert [finding.rule for finding in judge_call(evidence, Policy()).findings] == list(RULES)


@pytest.mark.parametrize("uui", [None, "", "zz", ECHO, "a" * 5000, '"', ";;;", "%00", hex_of("[" * 200)])
def test_every_uui_finding_tells_all_three_lengths_when_there_is_a_value(uui: str | None) -> None:
    for finding in judge_invite(a_call(Policy(), uui), Policy()):
        if finding.rule.startswith("SBC-UUI") and finding.status in (Status.WARN, Status.FAIL) and uui is not None:
            assert "Lengths:" in finding.detail, finding
