"""The judge: all areas in order, at the INVITE and at the end of a call."""

from __future__ import annotations

from sbc_sim.rules import dialog, escalation, headers, media, network, offer, reactions, records, signalling, tls, uui
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Refusal, Verdict, verdict
from sbc_sim.rules.on_purpose import excused
from sbc_sim.rules.outbound import only_theirs
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.unread import only_read

_OF_THE_INVITE = (network.judge, signalling.judge, headers.judge, uui.judge, offer.judge)
"""In the order of RFC 3261 section 8.2: who, where to, then what the request carries."""
_AT_THE_INVITE = (*_OF_THE_INVITE, records.judge_invite)
_AT_THE_END = (tls.judge, *_OF_THE_INVITE, media.judge, dialog.judge, reactions.judge, records.judge, escalation.judge)
_PLACE = {rule: place for place, rule in enumerate(RULES)}


def judge_invite(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge an INVITE: source, request line, headers, User-to-User, offer.

    The first finding that carries a refusal decides the answer; see `first_refusal`.
    """
    return [finding for judge in _AT_THE_INVITE for finding in judge(evidence, policy)]


def judge_options(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge an OPTIONS outside a dialog (`evidence.invite` holds it): the refusals that an INVITE would get from there (RFC 3261 11.2)."""
    request = evidence.invite
    line = [] if request is None else signalling.judge_request_line(request, policy)
    return [*network.judge(evidence, policy), *line]


def judge_source(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge where any request outside a dialog came from, whatever its method: 403 or 503 for a source that is not on the allow-list."""
    return [network.judge_source(evidence, policy)]


def judge_call(evidence: Evidence, policy: Policy) -> Verdict:
    """Judge a call at its end: one finding for every rule of the catalogue, in its order."""
    findings = [finding for judge in _AT_THE_END for finding in judge(evidence, policy)]
    if evidence.outbound:
        findings = only_theirs(findings)
    if evidence.unread_headers:
        findings = only_read(findings, evidence.unread_headers)
    findings = excused(findings, evidence.provocation)
    return verdict(sorted(findings, key=lambda finding: _PLACE[finding.rule]))


def first_refusal(findings: list[Finding]) -> tuple[Finding, Refusal] | None:
    """Return the finding that decides the answer to a request, with its refusal; None when nothing stands against the request."""
    return next(((f, f.refusal) for f in findings if f.refusal is not None), None)
