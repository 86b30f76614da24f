"""The book of a call: its evidence, the findings made on the way, and what it tells the journal up to the verdict."""

from __future__ import annotations

from collections.abc import Mapping

from sbc_sim.calls import telling
from sbc_sim.calls.outbox import Outbox
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.catalogue import RULE_SET_VERSION
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Status, with_found
from sbc_sim.rules.judge import judge_call
from sbc_sim.rules.policy import Policy

MOST_FOUND = 100
"""Findings kept that were made on the way; a peer can provoke any number."""
MOST_MISTAKES = 50


class Book:
    """All that is written down about one call."""

    def __init__(self, call_id: str, evidence: Evidence, outbox: Outbox, policy: Policy) -> None:
        """Open it for one call."""
        self.call_id = call_id
        self.evidence = evidence
        self._outbox = outbox
        self._policy = policy
        self._found: list[Finding] = []

    def record(self, kind: Kind, now: float, data: Mapping[str, object]) -> None:
        """Append an entry of this call to the journal."""
        self._outbox.record(kind, self.call_id, now, data)

    def tell_judged(self, findings: list[Finding], now: float) -> None:
        """Tell what the judge said of the INVITE: the User-to-User value and all that is not in order."""
        if self.evidence.uui is not None:
            self.record(Kind.UUI, now, telling.user_to_user(self.evidence.uui, findings))
        for finding in findings:
            if finding.status in (Status.WARN, Status.FAIL):
                self.record(Kind.FINDING, now, telling.finding(finding))

    def found_out(self, finding: Finding, now: float) -> None:
        """Keep a finding that was made on the way and that no judge derives from the evidence."""
        if len(self._found) < MOST_FOUND:
            self._found.append(finding)
        self.record(Kind.FINDING, now, telling.finding(finding))

    def rejected(self, finding: Finding, method: str, now: float) -> None:
        """Note that a request was refused for a finding."""
        assert finding.refusal is not None
        self.record(Kind.REJECTED, now, {"status": finding.refusal.status, "rule": finding.rule, "method": method})

    def mistake(self, sentence: str) -> None:
        """Note an in-dialog mistake of the peer for the verdict."""
        if len(self.evidence.dialog_errors) < MOST_MISTAKES:
            self.evidence.dialog_errors.append(sentence)

    def judge(self, now: float) -> None:
        """Give the verdict."""
        judged = with_found(judge_call(self.evidence, self._policy), self._found)
        self.record(Kind.VERDICT, now, telling.verdict(judged, self._policy.profile, RULE_SET_VERSION))

    def close(self, state: str, now: float) -> None:
        """Give the verdict and tell how the call ended."""
        evidence = self.evidence
        self.judge(now)
        data = {"endedBy": evidence.ended_by, "endReason": evidence.end_reason, "state": state, "status": evidence.refused_status}
        self.record(Kind.CALL_ENDED, now, data)
