"""The judge: all areas in order, at the INVITE and at the end of a call."""

from __future__ import annotations

from sbc_sim.rules import signalling, tls
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Refusal, Verdict, verdict
from sbc_sim.rules.policy import Policy


def judge_invite(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge an INVITE: source, request line, headers, User-to-User, offer, in the order of RFC 3261 section 8.2.

    The first finding that carries a refusal decides the answer; see `first_refusal`.
    """
    return []


def judge_options(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge an OPTIONS outside a dialog (`evidence.invite` holds it): the refusals that an INVITE would get from there (RFC 3261 11.2)."""
    return []


def judge_call(evidence: Evidence, policy: Policy) -> Verdict:
    """Judge a call at its end: one finding for every rule of the catalogue."""
    return verdict(tls.judge(evidence, policy))


def first_refusal(findings: list[Finding]) -> tuple[Finding, Refusal] | None:
    """Return the finding that decides the answer to a request, with its refusal; None when nothing stands against the request."""
    return next(((f, f.refusal) for f in findings if f.refusal is not None), None)
