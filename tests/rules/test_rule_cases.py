from __future__ import annotations

from collections.abc import Iterable

import pytest

from sbc_sim.rtp.leg import LegReport
from sbc_sim.rules.answers import ANSWERS
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Status
from sbc_sim.rules.judge import judge_call
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.signalling import MALFORMED
from sbc_sim.rules.tls import PROBLEMS
from tests.rules import (
    rule_cases_escalation,
    rule_cases_media,
    rule_cases_reactions,
    rule_cases_records,
    rule_cases_sdp,
    rule_cases_signalling,
    rule_cases_uui,
)
from tests.rules.rule_samples import Case, a_call

CASES = [
    *rule_cases_signalling.CASES,
    *rule_cases_uui.CASES,
    *rule_cases_sdp.CASES,
    *rule_cases_media.CASES,
    *rule_cases_reactions.CASES,
    *rule_cases_escalation.CASES,
    *rule_cases_records.CASES,
]
HARMLESS = {"SBC-SDP-014", "SBC-SDP-015", "SBC-SRTP-008"}
"""Noted and never held against anybody: the bad case passes with a note."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_call_is_judged_as_its_case_says(case: Case) -> None:
    finding = case.finding
    assert (finding.status, case.says in finding.detail) == (case.status, True), finding


@pytest.mark.parametrize("case", [case for case in CASES if case.status in (Status.WARN, Status.FAIL)], ids=str)
def test_what_is_wrong_is_shown_with_a_sentence_and_an_offset_inside_its_quote(case: Case) -> None:
    finding = case.finding
    assert finding.detail.endswith("."), finding.detail
    assert "  " not in finding.detail
    for quote in finding.evidence:
        assert quote.offset is None or 0 <= quote.offset <= len(quote.text), quote


def test_a_call_that_went_well_passes_with_one_finding_for_every_rule_in_the_order_of_the_catalogue() -> None:
    verdict = judge_call(a_call(Policy()), Policy())
    assert [finding.rule for finding in verdict.findings] == list(RULES)
    assert verdict.status is Status.PASS
    assert {f.status for f in verdict.findings} == {Status.PASS, Status.SKIP}
    assert verdict.counts["pass"] > 140


def test_every_verdict_has_one_finding_for_every_rule() -> None:
    for case in CASES:
        assert [finding.rule for finding in judge_call(case.evidence, case.policy).findings] == list(RULES), case


def test_a_call_that_ended_for_an_unusable_answer_says_what_failed_and_points_to_it() -> None:
    evidence = a_call(Policy())
    evidence.offer, evidence.negotiation, evidence.offered_by_us = None, None, True
    evidence.ended_by, evidence.end_reason = "sbc", "refused"
    verdict = judge_call(evidence, Policy())
    (ended,) = (finding for finding in verdict.findings if finding.rule == "SBC-DLG-002")
    assert "see SBC-SDP-018" in ended.detail
    assert with_status(verdict.findings, Status.FAIL) == {"SBC-SDP-018"}


def test_a_cancelled_call_proves_nothing_and_does_not_pass() -> None:
    evidence = a_call(Policy())
    evidence.answered_at = evidence.acknowledged_at = evidence.report = evidence.leg = None
    evidence.ended_by, evidence.end_reason = "partner", "cancelled"
    verdict = judge_call(evidence, Policy())
    assert verdict.status is Status.WARN
    assert with_status(verdict.findings, Status.WARN) == {"SBC-DLG-013"}


def test_a_call_that_was_answered_and_ended_before_any_media_proves_nothing_and_does_not_pass() -> None:
    evidence = a_call(Policy())
    evidence.report, evidence.ended_at = LegReport(), (evidence.answered_at or 0.0) + 0.2
    verdict = judge_call(evidence, Policy())
    assert verdict.status is Status.WARN
    assert with_status(verdict.findings, Status.WARN, Status.FAIL) == {"SBC-MEDIA-001"}
    (echo,) = (finding for finding in verdict.findings if finding.rule == "SBC-MEDIA-001")
    wanted = Policy().min_packets
    assert echo.detail == f"The call lasted 0.2 s: too short to prove the echo; at least {wanted} packets each way are wanted."


def with_status(findings: Iterable[Finding], *wanted: Status) -> set[str]:
    return {finding.rule for finding in findings if finding.status in wanted}


def test_every_rule_has_a_case_in_which_it_holds_and_one_in_which_it_is_broken() -> None:
    good = judge_call(a_call(Policy()), Policy()).findings
    held = with_status(good, Status.PASS) | {case.rule for case in CASES if case.status is Status.PASS}
    broken = {case.rule for case in CASES if case.status in (Status.WARN, Status.FAIL)} | HARMLESS
    # These arise before or beside a call; test_rule_refusals and test_rule_attempts go through all of them.
    broken |= {*MALFORMED.values(), *PROBLEMS.values(), *(answer.rule for answer in ANSWERS.values())}
    assert set(RULES) - held == set()
    assert set(RULES) - broken == set()


def test_a_judge_of_nothing_skips_every_rule_and_fails_none() -> None:
    verdict = judge_call(Evidence(), Policy())
    assert verdict.status is Status.PASS
    assert with_status(verdict.findings, Status.WARN, Status.FAIL) == set()
    assert len(verdict.findings) == len(RULES)
