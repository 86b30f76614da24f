from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.exports.report_text import echo_text, verdict_text
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import CallView
from tests.support.folding import fold
from tests.support.sip import Exchange, an_invite


def finding(rule: str = "SBC-UUI-002", status: str = "fail", **changed: Any) -> dict[str, Any]:
    return {
        "rule": rule, "status": status, "title": "The hex digits come in pairs", "severity": "must", "detail": "3 hex digits.",
        "evidence": [{"message": "INVITE", "header": "User-to-User", "text": "7b2", "offset": 2}], "why": "Two digits make an octet.",
        "fix": "Encode again.", "platforms": {"AudioCodes": "a", "Oracle SBC": "b"}, "source": "RFC 7433", **changed,
    }  # fmt: skip


def verdict(*findings: dict[str, Any], status: str = "fail") -> dict[str, Any]:
    counts = {word: sum(f["status"] == word for f in findings) for word in ("pass", "warn", "fail", "skip", "unknown")}
    return {"status": status, "counts": counts, "findings": list(findings), "profile": "published", "ruleSet": "1"}


def test_a_failed_rule_is_told_with_its_place_why_and_fix() -> None:
    assert verdict_text(verdict(finding())) == (
        "verdict: FAIL  (profile published, rule set 1)\n"
        "1 failed\n"
        "\n"
        "FAIL  SBC-UUI-002  The hex digits come in pairs\n"
        "      seen:   3 hex digits.\n"
        "      in:     INVITE, User-to-User\n"
        "              7b2\n"
        "                ^\n"
        "      why:    Two digits make an octet.\n"
        "      fix:    Encode again.\n"
        "      source: RFC 7433\n"
        "      where:  settings of AudioCodes, Oracle SBC: sbc-sim explain SBC-UUI-002\n"
    )


def test_the_worst_comes_first_and_what_passed_has_one_line() -> None:
    statuses = ["pass", "skip", "warn", "unknown", "fail", "pass"]
    text = verdict_text(verdict(*(finding(f"SBC-SIP-{n:03}", status) for n, status in enumerate(statuses))))
    starts = [line.split()[:2] for line in text.splitlines() if "SBC-SIP" in line and "explain" not in line]
    assert starts == [
        ["FAIL", "SBC-SIP-004"], ["WARN", "SBC-SIP-002"], ["UNKNOWN", "SBC-SIP-003"], ["PASS", "SBC-SIP-000"], ["PASS", "SBC-SIP-005"],
        ["SKIP", "SBC-SIP-001"],
    ]  # fmt: skip
    assert "PASS    SBC-SIP-000   The hex digits come in pairs - 3 hex digits.\n" in text
    assert "PASS    SBC-SIP-000   The hex digits come in pairs\n" in verdict_text(verdict(finding("SBC-SIP-000", "pass")), 60)
    assert "1 failed, 1 with a warning, 2 passed, 1 not reached, 1 undecided" in text


def test_only_what_matters_is_told_when_asked() -> None:
    text = verdict_text(verdict(finding("SBC-SIP-001", "pass"), finding("SBC-SIP-002", "warn")), everything=False)
    assert "SBC-SIP-001" not in text
    assert "SBC-SIP-002" in text
    assert "1 passed" in text


@pytest.mark.parametrize("offset", [0, 1, 40, 79, 150, 199])
def test_the_mark_stands_under_the_character_it_names_however_long_the_text(offset: int) -> None:
    text = "".join(chr(ord("a") + n % 26) for n in range(200))
    bad = text[:offset] + "#" + text[offset + 1 :]
    lines = verdict_text(verdict(finding(evidence=[{"message": "INVITE", "header": "X", "text": bad, "offset": offset}])), 80).splitlines()
    mark = next(index for index, line in enumerate(lines) if line.strip() == "^")
    assert lines[mark - 1][lines[mark].index("^")] == "#"


def test_no_mark_is_set_into_a_text_that_masking_has_changed() -> None:
    key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
    quote = {"message": "INVITE", "header": "SDP line 7", "text": f"inline:{key}|x", "offset": 48}
    text = verdict_text(verdict(finding(evidence=[quote])))
    assert key not in text
    assert "inline:[40 masked]|x" in text
    assert "^" not in text


def test_a_real_verdict_names_every_rule_once_and_keeps_the_width() -> None:
    exchange = Exchange()
    exchange.line().send(an_invite(user_to_user="7b2"))
    told = exchange.verdict()
    text = verdict_text(told, 80)
    assert max(map(len, text.splitlines())) <= 80
    for one in told["findings"]:  # type: ignore[attr-defined]
        assert sum(line.split()[:2] == [one["status"].upper(), one["rule"]] for line in text.splitlines()) == 1


@given(st.text(), st.text(), st.integers(-3, 400) | st.none(), st.integers(0, 200))
def test_any_finding_becomes_printable_text(detail: str, quoted: str, offset: int | None, width: int) -> None:
    one = finding(
        detail=detail, why=quoted, title=detail, evidence=[{"message": detail, "header": quoted, "text": quoted, "offset": offset}]
    )
    text = verdict_text(verdict(one, {**one, "status": "pass"}), width)
    assert all(character == "\n" or character.isprintable() for character in text)


def test_an_empty_verdict_says_so() -> None:
    assert verdict_text({}).startswith("no verdict: the call goes on")


def a_call(*entries: tuple[Kind, dict[str, Any]]) -> CallView:
    return fold("c1", [Entry(1000.0 + n, kind, "c1", data) for n, (kind, data) in enumerate(entries)])


AGREED = (Kind.MEDIA_AGREED, {"codec": "PCMU", "suite": "AES_CM_128_HMAC_SHA1_80", "remote": "192.0.2.1:4000"})
REPORT = {
    "packetsReceived": 200, "packetsSent": 199, "echoedPackets": 199, "lost": 1, "jitterMs": 0.42, "maxJitterMs": 1.2,
    "firstPacketAt": 1000.06,
    "remote": ["192.0.2.9", 4002], "levelDbfs": -12.34, "silentPackets": 3, "audioPackets": 200, "maxEchoDelayMs": 0.35,
}  # fmt: skip


def test_the_echo_is_proved_by_numbers() -> None:
    call = a_call((Kind.CALL_STATE, {"state": "answered"}), AGREED, (Kind.MEDIA, REPORT), (Kind.DTMF, {"digit": "5"}))
    assert echo_text(call) == (
        "media: PCMU over SRTP, AES_CM_128_HMAC_SHA1_80, 192.0.2.1:4000\n"
        "echo: 200 packets received, 199 echoed (99.5%), 199 sent to 192.0.2.9:4002\n"
        "path: lost 1, jitter 0.4 ms (at most 1.2), first packet 60 ms after the answer, echoed within 0.35 ms\n"
        "audio: level -12.3 dBFS, 3 of 200 packets silent\n"
        "keys: 5\n"
    )


def test_no_media_and_no_packets_are_told_apart() -> None:
    assert echo_text(a_call()) == "echo: no media was agreed on\n"
    assert "echo: no packet came, so nothing was echoed" in echo_text(a_call(AGREED))
    wrong_key = echo_text(a_call(AGREED, (Kind.MEDIA, {"packetsReceived": 0, "packetsSent": 0, "authFailures": 150, "plainRtp": 2})))
    assert "no packet came" not in wrong_key
    assert "not taken: 150 failed authentication, 2 were not encrypted" in wrong_key
