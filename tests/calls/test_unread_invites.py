"""An INVITE that was refused before all of it was read is blamed for what was seen, not for what was never looked at."""

from __future__ import annotations

import pytest

from sbc_sim.journal.entries import Kind
from tests.support.sip import Exchange, an_invite


def too_long() -> bytes:
    """An INVITE with a header field before User-to-User that is longer than a header section may be."""
    return an_invite().replace(b"\r\nUser-to-User:", b"\r\nX-Big: " + b"B" * 70_000 + b"\r\nUser-to-User:", 1)


def judged(invite: bytes, status: int) -> dict[str, dict[str, str]]:
    exchange = Exchange()
    assert exchange.line().statuses(invite)[-1:] == [status]
    findings = exchange.verdict()["findings"]
    assert isinstance(findings, list)
    return {finding["rule"]: finding for finding in findings}


def test_what_stands_behind_the_cut_of_a_long_header_section_is_not_called_missing() -> None:
    findings = judged(too_long(), 513)
    assert findings["SBC-SIP-012"]["status"] == "fail"
    assert {rule for rule, finding in findings.items() if finding["status"] == "warn"} == set()
    for rule in ("SBC-SDP-002", "SBC-UUI-001", "SBC-SIP-001"):
        assert findings[rule]["status"] == "skip", rule
        assert "Header section is longer than" in findings[rule]["detail"]


def test_what_was_seen_before_the_cut_is_judged_all_the_same() -> None:
    findings = judged(too_long().replace(b"Max-Forwards: 70", b"Max-Forwards: x"), 513)
    assert findings["SBC-SIP-029"]["status"] == "warn"
    assert findings["SBC-SIP-020"]["status"] == "pass"


@pytest.mark.parametrize(
    ("invite", "status", "rule"),
    [
        (an_invite(require="nonsense"), 420, "SBC-SIP-025"),
        (an_invite(cseq="1 OPTIONS"), 400, "SBC-SIP-007"),
        (an_invite(content_type="multipart/mixed;boundary=b"), 400, "SBC-SIP-016"),
    ],
)
def test_an_offer_that_was_never_looked_at_is_not_called_absent(invite: bytes, status: int, rule: str) -> None:
    findings = judged(invite, status)
    assert findings[rule]["status"] == "fail"
    assert findings["SBC-SDP-002"]["status"] == "skip"
    assert findings["SBC-SDP-002"]["detail"].startswith("Not looked at")


def test_an_invite_without_an_offer_is_told_so_as_before() -> None:
    exchange = Exchange()
    exchange.line().send(an_invite("", remove=("Content-Type",)))
    assert "SBC-SDP-002" in {entry.data["rule"] for entry in exchange.told(Kind.FINDING)}
