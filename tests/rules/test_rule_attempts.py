from __future__ import annotations

import pytest

from sbc_sim.rules.alerts import ALERTS, alert_named
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.finding import Status
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.tls import PROBLEMS, judge_attempt
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem

PEER = Peer("192.0.2.10", 40001, "203.0.113.5", 5061)
RFC_8446_CODES = {
    *(0, 10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86, 90, 100),
    *(109, 110, 111, 112, 113, 114, 115, 116, 120),
}


@pytest.mark.parametrize("problem", TlsProblem)
def test_every_tls_problem_belongs_to_one_rule_and_is_told(problem: TlsProblem) -> None:
    (finding,) = judge_attempt(PEER, TlsFailure(problem, "something was seen"), Policy())
    assert finding.rule == PROBLEMS[problem]
    assert finding.rule in RULES
    assert finding.detail.startswith("something was seen.")
    assert finding.status is (Status.WARN if problem is TlsProblem.CLOSED_EARLY else Status.FAIL)
    assert problem.value in RULES[finding.rule].keywords


def test_every_alert_of_rfc_8446_has_a_meaning_an_advice_and_a_rule() -> None:
    assert {alert.code for alert in ALERTS.values()} == RFC_8446_CODES
    assert len(ALERTS) == len(RFC_8446_CODES)
    for alert in ALERTS.values():
        assert alert.meaning
        assert alert.advice.endswith(".")
        assert alert.rule in RULES


def test_an_alert_is_found_however_it_is_spelled() -> None:
    assert alert_named("unknown_ca") is alert_named("Unknown CA") is alert_named("unknown-ca") is ALERTS["unknown_ca"]
    assert alert_named("decryption_failed") is ALERTS["decryption_failed_RESERVED"]
    assert alert_named("no such alert") is None


def test_a_partner_that_does_not_trust_our_ca_is_told_what_its_alert_means_and_what_to_do() -> None:
    failure = TlsFailure(TlsProblem.UNKNOWN_CA, "The partner ended the handshake", "unknown_ca", True, "TLSv1.3", "sbc.example")
    (finding,) = judge_attempt(PEER, failure, Policy())
    assert finding.rule == "SBC-TLS-006"
    assert "Alert unknown_ca (48) from the partner means: the chain does not lead to a CA" in finding.detail
    assert "Import our CA" in finding.fix
    assert [(quote.header, quote.text) for quote in finding.evidence] == [
        ("TLS alert", "unknown_ca"),
        ("SNI", "sbc.example"),
        ("TLS version", "TLSv1.3"),
    ]


def test_an_alert_that_we_sent_keeps_the_advice_of_the_rule() -> None:
    failure = TlsFailure(TlsProblem.CLIENT_CERTIFICATE, "A certificate came.", "access_denied", client_certificate="CN=pbx")
    (finding,) = judge_attempt(PEER, failure, Policy())
    assert finding.rule == "SBC-TLS-003"
    assert "from us" in finding.detail
    assert finding.fix == ""
    assert ("client certificate", "CN=pbx") in [(quote.header, quote.text) for quote in finding.evidence]


def test_an_unheard_of_alert_is_named_all_the_same() -> None:
    (finding,) = judge_attempt(PEER, TlsFailure(TlsProblem.OTHER, "It failed", "alert 255", True), Policy())
    assert "Alert alert 255 came from the partner." in finding.detail


def test_plain_sip_is_quoted_with_its_line_ends_visible() -> None:
    failure = TlsFailure(TlsProblem.PLAIN_SIP, "Clear-text SIP", first_bytes=b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP x")
    (finding,) = judge_attempt(PEER, failure, Policy())
    assert finding.rule == "SBC-TLS-001"
    assert finding.evidence[0].text == "OPTIONS sip:a@b SIP/2.0\\r\\nVia: SIP/2.0/TCP x"


def test_a_source_that_is_not_on_the_list_is_named_with_the_list() -> None:
    (finding,) = judge_attempt(PEER, TlsFailure(TlsProblem.OFF_LIST, "Closed"), Policy(allow_from=("198.51.100.0/24",)))
    assert finding.rule == "SBC-NET-001"
    assert "192.0.2.10 is in none of the allowed networks of sip.allow_from: 198.51.100.0/24" in finding.detail


def test_octets_that_are_no_text_are_quoted_in_hex() -> None:
    failure = TlsFailure(TlsProblem.OLD_VERSION, "TLS 1.0 was offered.", first_bytes=bytes.fromhex("160301007ac3a9"))
    (finding,) = judge_attempt(PEER, failure, Policy())
    assert "16 03 01 00 7a c3 a9" in [quote.text for quote in finding.evidence]
