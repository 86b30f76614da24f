from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sbc_sim.exports.ladder_rows import NUMBERED
from sbc_sim.exports.marks import all_marks, marks
from sbc_sim.exports.redaction import message_text
from sbc_sim.journal.store import Trace
from tests.support.documents import a_call_of, a_call_with_findings, a_good_call, a_refused_call
from tests.support.sip import KEY, SDP, an_invite

INVITE = b"INVITE sip:a@b SIP/2.0\r\nVia: v\r\nX-A: one two\r\n three\r\nf: <sip:c@d>\r\n\r\nv=0\r\no=- 1 1 IN IP4 h\r\n"


def marked(trace: Trace, number: int = 0, secrets: bool = False) -> list[tuple[str, str]]:
    """Rules and the text that each marks."""
    raw = [entry.raw for entry in trace.entries if entry.kind in NUMBERED][number]
    text = message_text(raw, secrets)
    return [(mark["rule"], text[mark["start"] : mark["end"]]) for mark in marks(trace, number, secrets)]


def a_quote(header: str, text: str, offset: int | None = None, message: str = "INVITE sip:a@b SIP/2.0") -> list[tuple[str, str]]:
    one: dict[str, Any] = {"message": message, "header": header, "text": text, "offset": offset}
    finding = {"rule": "SBC-HDR-001", "status": "fail", "title": "t", "detail": "d", "evidence": [one]}
    return marked(a_call_of(INVITE, findings=(finding,)))


def test_the_offending_word_of_a_quote_is_marked() -> None:
    assert a_quote("X-A", "one two", 4) == [("SBC-HDR-001", "two")]
    assert a_quote("X-A", "one two") == [("SBC-HDR-001", "one two")]
    assert a_quote("start line", "INVITE sip:a@b SIP/2.0", 7) == [("SBC-HDR-001", "sip:a@b")]


def test_a_compact_name_a_fold_and_a_line_of_sdp_are_found() -> None:
    assert a_quote("From", "<sip:c@d>", 1) == [("SBC-HDR-001", "sip:c@d")]
    assert a_quote("X-A", "three") == [("SBC-HDR-001", "three")]
    assert a_quote("SDP line 2", "o=- 1 1 IN IP4 h", 15) == [("SBC-HDR-001", "h")]


def test_a_quote_that_cannot_be_found_marks_its_header_else_the_start_line() -> None:
    assert a_quote("Via", "something else") == [("SBC-HDR-001", "v")]
    assert a_quote("Contact", "gone") == [("SBC-HDR-001", "INVITE sip:a@b SIP/2.0")]
    assert a_quote("", "") == [("SBC-HDR-001", "INVITE sip:a@b SIP/2.0")]


def test_a_cut_quote_is_found_by_its_middle() -> None:
    assert a_quote("X-A", "...e tw...", 5) == [("SBC-HDR-001", "tw")]


def test_an_odd_hex_digit_is_marked_where_it_stands() -> None:
    found = dict(marked(a_refused_call(user_to_user="7b2z7d;encoding=hex")))
    assert found["SBC-UUI-003"] == "z7d"


def test_a_place_in_what_was_decoded_is_marked_in_the_digits() -> None:
    digits = b'{"orgId":1}'.hex()
    raw = an_invite(user_to_user=f"{digits};encoding=hex")
    one = {"message": "INVITE", "header": "User-to-User, decoded", "text": '{"orgId":1}', "offset": 9}
    finding = {"rule": "SBC-UUI-030", "status": "warn", "detail": "d", "evidence": [one]}
    trace = a_call_of(raw, findings=(finding,))
    entry = trace.entries[1]
    entry.data["summary"] = "INVITE"  # type: ignore[index]
    assert marked(trace) == [("SBC-UUI-030", b"1".hex())]


def test_a_bad_digit_in_a_token_is_marked_although_its_quote_is_starred() -> None:
    digits = ('{"jwt":"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIwMEQifQ.' + "c2ln" * 20 + '"}').encode().hex()
    trace = a_refused_call(user_to_user=f"{digits[:150]}z{digits[151:]};encoding=hex")
    found = dict(marked(trace, secrets=True))
    assert found["SBC-UUI-003"].startswith("z")


def test_a_real_call_marks_the_message_that_a_finding_is_about() -> None:
    trace = a_call_with_findings()
    summaries = [entry.data["summary"] for entry in trace.entries if entry.kind in NUMBERED]
    told = all_marks(trace)
    assert [summaries[number] for number in told] == ["REFER"]
    (mark,) = told[summaries.index("REFER")]
    assert mark["title"] == "No REFER is sent"
    assert mark["status"] == "fail"


def test_a_missing_header_marks_the_start_line() -> None:
    found = dict(marked(a_refused_call(remove=("Contact",))))
    assert found["SBC-HDR-005"].startswith("INVITE sip:")


def test_a_call_that_keeps_all_rules_and_a_message_that_is_not_there_have_no_marks() -> None:
    trace = a_good_call()
    assert all_marks(trace) == {}
    assert marks(trace, 99) == []


def test_masked_text_is_marked_in_the_masked_message() -> None:
    raw = an_invite(SDP)
    line = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
    one = {"message": "INVITE", "header": "SDP line 8", "text": line, "offset": 11}
    trace = a_call_of(raw, findings=({"rule": "SBC-SRTP-007", "status": "warn", "detail": KEY, "evidence": [one]},))
    trace.entries[1].data["summary"] = "INVITE"  # type: ignore[index]
    assert marked(trace) == [("SBC-SRTP-007", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[40 masked]")]
    assert marked(trace, secrets=True) == [("SBC-SRTP-007", "AES_CM_128_HMAC_SHA1_80")]


HEADERS = ["X", "start line", "SDP line 1", "SDP", "SDP line x", "User-to-User, decoded", "", "\x00"]


@given(st.binary(max_size=300), st.sampled_from(HEADERS), st.text(max_size=30), st.none() | st.integers(-5, 400), st.booleans())
@example(b"\n\x00", "start line", "", None, False)
@settings(max_examples=150, deadline=None)
def test_any_message_and_any_quote_give_places_within_the_text(
    raw: bytes, header: str, quoted: str, offset: int | None, secrets: bool
) -> None:
    one = {"message": "", "header": header, "text": quoted, "offset": offset}
    trace = a_call_of(raw, findings=({"rule": "SBC-HDR-001", "status": "fail", "detail": quoted, "evidence": [one]},))
    trace.entries[1].data["summary"] = "INVITE"  # type: ignore[index]
    text = message_text(raw, secrets)
    for mark in marks(trace, 0, secrets):
        assert 0 <= mark["start"] <= mark["end"] <= len(text)
        assert mark["start"] < mark["end"] or not text.strip("\n")
