"""Offer and answer: what the facts of a negotiation mean, with the status and Warning code of a refusal (requirements 71-85)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote, Refusal, Status
from sbc_sim.rules.outcome import failed, found, passed, skipped, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote, sentence
from sbc_sim.sdp.answer import CryptoRefusal, Negotiation, SdpFault, SdpProblem
from sbc_sim.sip.uri import host_port


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a fault of a description means."""

    rule: str
    warn_code: int = 399
    status: int = 488
    harmless: Literal["warn", "note"] = "warn"
    """How it is told when a session can be made all the same."""


FAULTS: dict[SdpFault, Meaning] = {
    SdpFault.UNPARSABLE: Meaning("SBC-SDP-001", status=400),
    SdpFault.NO_AUDIO: Meaning("SBC-SDP-003", 304),
    SdpFault.AUDIO_REFUSED: Meaning("SBC-SDP-004", 304),
    SdpFault.NO_CODEC: Meaning("SBC-SDP-005", 305),
    SdpFault.PCMA_ONLY: Meaning("SBC-SDP-006", 305),
    SdpFault.OTHER_PROFILE: Meaning("SBC-SDP-007", 302),
    SdpFault.IPV6: Meaning("SBC-SDP-008", 301, harmless="note"),
    SdpFault.NO_ADDRESS: Meaning("SBC-SDP-009", 301),
    SdpFault.BAD_ADDRESS: Meaning("SBC-SDP-010", 301),
    SdpFault.PTIME_RANGE: Meaning("SBC-SDP-011", 306),
    SdpFault.PTIME_CLASH: Meaning("SBC-SDP-012", 306),
    SdpFault.NO_TELEPHONE_EVENT: Meaning("SBC-SDP-013", 305),
    SdpFault.ICE_OFFERED: Meaning("SBC-SDP-014", 306, harmless="note"),
    SdpFault.EXTRA_STREAMS: Meaning("SBC-SDP-015", 304, harmless="note"),
    SdpFault.ODD_RTP_PORT: Meaning("SBC-SDP-016"),
    SdpFault.VERSION_NOT_RAISED: Meaning("SBC-SDP-017"),
    SdpFault.ANSWER_MISMATCH: Meaning("SBC-SDP-018"),
    SdpFault.ODD_SYNTAX: Meaning("SBC-SDP-019"),
    SdpFault.NOT_SRTP: Meaning("SBC-SRTP-001", 302),
    SdpFault.CRYPTO_IN_AVP: Meaning("SBC-SRTP-002", 302),
    SdpFault.DTLS_ONLY: Meaning("SBC-SRTP-003", 302),
    SdpFault.NO_CRYPTO: Meaning("SBC-SRTP-004", 306),
    SdpFault.NO_COMMON_SUITE: Meaning("SBC-SRTP-005", 306),
    SdpFault.CRYPTO_UNUSABLE: Meaning("SBC-SRTP-006", 306),
    SdpFault.DTLS_BESIDE: Meaning("SBC-SRTP-008", 306, harmless="note"),
}
"""Every fault belongs to exactly one rule (a test walks the enum)."""

RULES = (*(f"SBC-SDP-{number:03d}" for number in range(1, 20)), *(f"SBC-SRTP-{number:03d}" for number in range(1, 9)))


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge the peer's description: what stands against a session first, then what is odd, then the rules that hold."""
    delayed = _delayed(evidence, policy)
    negotiation = evidence.negotiation
    if negotiation is None:
        missing = (
            [_no_answer(f"The {_answer_in(evidence)} brought no answer to our offer that could be read.", evidence)]
            if _unanswered(evidence)
            else []
        )
        told = {delayed.rule, *(finding.rule for finding in missing)}
        return [delayed, *missing, *(skipped(rule, _why_not(evidence)) for rule in RULES if rule not in told)]
    broken: dict[str, Finding] = {}
    for problem in sorted(negotiation.problems, key=lambda p: not p.fatal):
        finding = _broken(problem, evidence)
        broken.setdefault(finding.rule, finding)
    if _unanswered(evidence) and "SBC-SDP-018" not in broken:
        blamed = ", ".join(sorted(f.rule for f in broken.values() if f.status is Status.FAIL))
        broken["SBC-SDP-018"] = _no_answer(
            f"The answer in the {_answer_in(evidence)} cannot be used{f': see {blamed}' if blamed else ''}.", evidence
        )
    _passed_over(negotiation, policy, broken)
    texts = _seen(negotiation)
    kept = [_kept(rule, evidence, negotiation, texts) for rule in RULES if rule not in broken and rule != delayed.rule]
    return [delayed, *broken.values(), *kept]


def _unanswered(evidence: Evidence) -> bool:
    """True when an ACK had to bring the answer to an offer of ours and none came that can be used."""
    waited = evidence.end_reason == "refused" or (evidence.offered_by_us and evidence.acknowledged_at is not None)
    usable = evidence.offer is not None and evidence.negotiation is not None and evidence.negotiation.usable
    return evidence.answered_at is not None and waited and not usable


def _no_answer(detail: str, evidence: Evidence) -> Finding:
    return failed("SBC-SDP-018", detail, Quote("no usable answer", "SDP", None, _answer_in(evidence)))


def _answer_in(evidence: Evidence) -> str:
    """Name the message that brings the answer to an offer of ours: the ACK to our 200, or the 200 to our INVITE."""
    return "200 OK" if evidence.outbound else "ACK"


def _why_not(evidence: Evidence) -> str:
    if _unanswered(evidence):
        return "There is no answer to look at: see SBC-SDP-018."
    if evidence.unread_content:
        return evidence.unread_content
    return "The partner's answer has not come." if evidence.offered_by_us else "There is no session description."


def _delayed(evidence: Evidence, policy: Policy) -> Finding:
    rule = "SBC-SDP-002"
    if evidence.invite is None:
        return skipped(rule, "No INVITE was read.")
    if evidence.unread_content:
        return skipped(rule, evidence.unread_content)
    # A re-INVITE without offer may leave no description behind: the INVITE had one all the same.
    described = evidence.offer is not None or evidence.negotiation is not None or _unanswered(evidence)
    if not evidence.offered_by_us and described:
        return passed(rule, f"The offer came with the {evidence.invite.method}.")
    detail = "The INVITE carries no session description"
    if policy.delayed_offer == "refuse":
        return failed(rule, f"{detail}.", refused=Refusal(488))
    return warned(rule, f"{detail}: our 200 carries the offer, and the ACK has to bring the answer.")


def _broken(problem: SdpProblem, evidence: Evidence) -> Finding:
    meaning = FAULTS[problem.fault]
    status = Status.FAIL if problem.fatal else Status.PASS if meaning.harmless == "note" else Status.WARN
    refusable = problem.fatal and not evidence.offered_by_us
    refused = Refusal(meaning.status, meaning.warn_code) if refusable else None
    return found(meaning.rule, status, sentence(problem.detail), _shown(problem, evidence), refused=refused)


def _shown(problem: SdpProblem | CryptoRefusal, evidence: Evidence) -> Quote | None:
    if not problem.text and problem.line is None:
        return None
    place = "SDP" if problem.line is None else f"SDP line {problem.line}"
    return quote(problem.text, place, _answer_in(evidence) if evidence.offered_by_us else _method(evidence))


def _method(evidence: Evidence) -> str:
    return evidence.invite.method if evidence.invite else "INVITE"


def _passed_over(negotiation: Negotiation, policy: Policy, broken: dict[str, Finding]) -> None:
    """Tell of crypto lines that were passed over for a fault, though their suite is wanted; other suites are nobody's fault."""
    faulty = [refused for refused in negotiation.refused_crypto if set(policy.suites) & set(refused.text.split())]
    if not faulty:
        return
    quotes = [quote(refused.text, f"SDP line {refused.line}" if refused.line else "SDP") for refused in faulty[:4]]
    detail = " ".join(sentence(refused.detail) for refused in faulty[:4])
    broken["SBC-SRTP-007"] = warned("SBC-SRTP-007", detail, *quotes)


# --- rules that hold -----------------------------------------------------------------------------------------------------------


def _kept(rule: str, evidence: Evidence, agreed: Negotiation, texts: dict[str, str]) -> Finding:
    if rule == "SBC-SDP-018" and not evidence.offered_by_us:
        return skipped(rule, "The partner made the offer.")
    if not agreed.usable and rule != "SBC-SDP-001":
        return skipped(rule, "No session could be made.")
    return passed(rule, texts.get(rule) or texts[rule.split("-")[1]])


def _seen(agreed: Negotiation) -> dict[str, str]:
    """What was agreed, as sentences: for single rules, and for the rest of each area."""
    remote = host_port(*agreed.remote) if agreed.remote else "no address"
    codecs = f"{agreed.codec} as payload type {agreed.payload_type}; offered: {', '.join(agreed.offered_codecs[:8])}."
    return {
        "SBC-SDP-005": codecs,
        "SBC-SDP-006": codecs,
        "SBC-SDP-007": f"Media profile {agreed.profile}.",
        "SBC-SDP-011": f"The partner wants packets of {agreed.ptime} ms.",
        "SBC-SDP-013": f"telephone-event as payload type {agreed.dtmf_payload_type}.",
        "SBC-SDP-014": "No ICE is offered.",
        "SBC-SDP-016": "RTCP shares the RTP port." if agreed.rtcp_mux else f"RTP at {remote}.",
        "SBC-SRTP-001": f"Media profile {agreed.profile}.",
        "SBC-SRTP-008": "No DTLS is offered.",
        "SRTP": f"{agreed.crypto.suite} with tag {agreed.crypto.tag} was taken." if agreed.crypto else f"Media profile {agreed.profile}.",
        "SDP": f"{agreed.codec} at {remote}, {agreed.profile}, m= lines: {agreed.media_count}.",
    }
