"""The dialog from the 200 to the BYE: acknowledgement, order, timers, end (requirements 31, 39-51, 110)."""

from __future__ import annotations

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import failed, passed, skipped, undecided, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote, sentence, whole_sentence
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.fields import Headers
from sbc_sim.sip.headers import Reason

_OUR_BYE = {
    "media-timeout": "the media timeout: see SBC-MEDIA-018",
    "max-duration": "the longest duration: see SBC-DLG-011",
    "session-expired": "the session timer: see SBC-DLG-009",
    "no-ack": "the missing ACK: see SBC-DLG-001",
    "refused": "an answer in the ACK that was missing or could not be used: see SBC-SDP-018",
    "shutdown": "the shutdown of the simulator",
    "api": "a request to the API",
    "fault": "a fault of ours, on purpose",
    "escalated": "the escalation: see SBC-E2E-036",
    "agent-ended": "the agent, which ended the call without escalating it",
    "agent-limit": "a bound of the agent's scenario, without an escalation",
    "returned": "the end of the call back (escalation.seconds)",
    "cancelled": "an answer that crossed our CANCEL",
    "far-end": "a decision of the far end, as the trace shows",
}
"""Why we sent BYE, by end_reason."""
_PARTNER_GONE = ("media-timeout", "session-expired")
"""Ends that look like a partner that went away without BYE."""
_UNANSWERED = {
    "cancelled": "the partner sent CANCEL",
    "no-prack": "our 180 was not acknowledged by PRACK: see SBC-SIP-032",
    "shutdown": "the simulator was shut down",
    "api": "by a request to the API",
    "fault": "a fault of ours left the INVITE unanswered",
}
"""Why a call ended while it rang, by end_reason."""
_QUIET = {
    "SBC-DLG-003": "Every request found its dialog.",
    "SBC-DLG-004": "CSeq grew from request to request.",
    "SBC-DLG-005": "No offer came while another was unanswered.",
    "SBC-DLG-006": "No glare.",
    "SBC-DLG-007": "No CANCEL without its INVITE.",
}
"""What no refusal on the way means; a refusal takes the place of these (`finding.with_found`)."""


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge the dialog of a call at its end."""
    if evidence.answered_at is None:
        return [skipped(f"SBC-DLG-{n:03d}", "The call was not answered.") for n in range(1, 13) if n != 10] + [
            _reason(evidence),
            _answered(evidence),
        ]
    return [
        _acknowledged(evidence),
        _ended(evidence),
        *(passed(rule, text) for rule, text in _QUIET.items()),
        _mistakes(evidence),
        _refreshed(evidence),
        _reason(evidence),
        _duration(evidence),
        _readable(evidence),
        _answered(evidence),
    ]


def _acknowledged(evidence: Evidence) -> Finding:
    rule = "SBC-DLG-001"
    assert evidence.answered_at is not None
    if evidence.acknowledged_at is not None:
        waited = (evidence.acknowledged_at - evidence.answered_at) * 1000
        return passed(rule, f"The ACK came {waited:.0f} ms after the 200.")
    if evidence.end_reason == "no-ack":
        return failed(rule, "No ACK came within 32 s of the 200, so the call was ended.", Quote("200 OK without ACK", "ACK", None, "ACK"))
    return undecided(rule, "The call ended before the ACK came.")


def _ended(evidence: Evidence) -> Finding:
    rule, reason = "SBC-DLG-002", evidence.end_reason
    if not evidence.ended_by:
        return undecided(rule, "The call had not ended.")
    if evidence.ended_by == "partner":
        return passed(rule, "The partner sent BYE.")
    if reason in _PARTNER_GONE:
        return warned(rule, f"No BYE came from the partner; we sent it because of {_OUR_BYE[reason]}.", Quote("no BYE received", "BYE"))
    return passed(rule, f"We sent BYE because of {_OUR_BYE.get(reason, reason or 'no recorded reason')}.")


def _mistakes(evidence: Evidence) -> Finding:
    rule, mistakes = "SBC-DLG-008", evidence.dialog_errors
    if not mistakes:
        return passed(rule, f"In-dialog requests: {_counted(evidence.methods)}.")
    more = f" And {len(mistakes) - 3} more." if len(mistakes) > 3 else ""
    return warned(rule, " ".join(map(whole_sentence, mistakes[:3])) + more, Quote(mistakes[0], "dialog", None, ""))


def _counted(methods: dict[str, int]) -> str:
    return ", ".join(f"{count} {method}" for method, count in sorted(methods.items())) or "none"


def _refreshed(evidence: Evidence) -> Finding:
    rule = "SBC-DLG-009"
    if evidence.end_reason == "session-expired":
        detail = "The session was not refreshed in time, so the call was ended with BYE."
        return failed(rule, detail, Quote("session expired", "Session-Expires", None, ""))
    asked = evidence.invite is not None and "Session-Expires" in evidence.invite.headers
    return passed(rule, "The session timer did not run out.") if asked else skipped(rule, "No session timer was agreed.")


def _reason(evidence: Evidence) -> Finding:
    rule, text = "SBC-DLG-010", evidence.bye_reason
    if text is None:
        return skipped(rule, "No Reason was sent.")
    try:
        reasons = [Reason.parse(value) for value in Headers([("Reason", text)]).listed("Reason")]
    except MalformedMessage as error:
        return warned(rule, sentence(error.detail), quote(text, "Reason", "BYE", 0))
    return passed(rule, f"Reason: {', '.join(map(str, reasons))}.")


def _duration(evidence: Evidence) -> Finding:
    rule = "SBC-DLG-011"
    assert evidence.answered_at is not None
    if evidence.end_reason == "max-duration":
        return warned(rule, "The call reached limits.call_seconds and was ended with BYE.", Quote("longest duration", "timer", None, "BYE"))
    if evidence.ended_at is None:
        return undecided(rule, "The call had not ended.")
    return passed(rule, f"The call was up for {evidence.ended_at - evidence.answered_at:.1f} s.")


def _readable(evidence: Evidence) -> Finding:
    rule, count = "SBC-DLG-012", evidence.malformed_in_dialog
    if count:
        detail = f"{count} message{'s' if count > 1 else ''} of this call could not be read."
        return failed(rule, detail, Quote("malformed", "SIP", None, ""))
    return passed(rule, "Every message of this call could be read.")


def _answered(evidence: Evidence) -> Finding:
    """Say that a call which ended while it rang proved nothing; a refused one is judged by what it was refused for."""
    rule = "SBC-DLG-013"
    if evidence.answered_at is not None:
        return passed(rule, "The call was answered.")
    if evidence.refused_status is not None or evidence.end_reason == "refused":
        return skipped(rule, "The call was refused.")
    if not evidence.end_reason:
        return skipped(rule, "The call was not answered.")
    detail = f"The call ended before it was answered ({_UNANSWERED.get(evidence.end_reason, evidence.end_reason)}): nothing was proved."
    return warned(rule, detail, Quote("no answer", "INVITE", None, "INVITE"))
