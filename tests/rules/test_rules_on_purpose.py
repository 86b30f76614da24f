from __future__ import annotations

from sbc_sim.calls.fault_types import FAULT_TYPES
from sbc_sim.rtp.leg import LegReport
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.finding import Status
from sbc_sim.rules.judge import judge_call
from sbc_sim.rules.on_purpose import TOUCHED
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.provocation import Provocation
from tests.rules.rule_samples import a_call


def test_only_rules_and_faults_that_there_are_are_named() -> None:
    assert {rule for rules in TOUCHED.values() for rule in rules} <= set(RULES)
    assert {kind.partition(" ")[0] for kind in TOUCHED} <= set(FAULT_TYPES)


def test_a_call_that_a_fault_has_cut_short_passes_and_says_whose_doing_it_was() -> None:
    evidence = a_call(Policy())
    evidence.report, evidence.ended_at = LegReport(), (evidence.answered_at or 0.0) + 0.2
    evidence.ended_by, evidence.end_reason = "sbc", "fault"
    assert judge_call(evidence, Policy()).status is Status.WARN
    evidence.provocation = Provocation(faults=({"name": "now", "type": "bye-at-once", "by": "api"},))
    verdict = judge_call(evidence, Policy())
    assert verdict.status is Status.PASS
    (echo,) = (finding for finding in verdict.findings if finding.rule == "SBC-MEDIA-001")
    assert echo.status is Status.SKIP
    assert echo.detail.endswith("Caused by the fault now (bye-at-once) on purpose.")


def test_a_fault_excuses_nothing_that_it_cannot_have_caused() -> None:
    evidence = a_call(Policy())
    evidence.acknowledged_at, evidence.ended_by, evidence.end_reason = None, "sbc", "no-ack"
    evidence.provocation = Provocation(faults=({"name": "x", "type": "loss", "by": "api"},))
    assert judge_call(evidence, Policy()).status is Status.FAIL
