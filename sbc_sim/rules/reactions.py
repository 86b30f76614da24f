"""How the partner takes what is done wrong on purpose (requirement 116): ACK, Retry-After, CANCEL, hold, a connection that breaks."""

from __future__ import annotations

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import failed, passed, skipped, undecided, warned
from sbc_sim.rules.policy import Policy

IN_FLIGHT = 25
"""Packets that may still come after a BYE: what was on its way, or half a second of a leg that closes slowly."""
_WAITED_FOR = ("media-timeout", "session-expired")
"""Ends by us for want of the partner; before any other it need not have said anything."""


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge the reactions; what was not provoked is skipped."""
    return [_acknowledged(evidence), _waited(evidence), _cancelled(evidence), _stopped(evidence), _held(evidence), _came_back(evidence)]


def _acknowledged(evidence: Evidence) -> Finding:
    rule, seen = "SBC-DLG-014", evidence.provocation
    if seen.refused_at is None:
        return skipped(rule, "No INVITE was refused on purpose.")
    status = evidence.refused_status
    if seen.refusal_acknowledged_at is not None:
        waited = (seen.refusal_acknowledged_at - seen.refused_at) * 1000
        return passed(rule, f"The ACK came {waited:.0f} ms after the {status}.")
    if evidence.end_reason == "shutdown":
        return undecided(rule, f"The simulator was shut down before the ACK to the {status} could come.")
    return failed(rule, f"No ACK came within 32 s of the {status}.", Quote(f"{status} without ACK", "ACK", None, "ACK"))


def _waited(evidence: Evidence) -> Finding:
    rule, seen = "SBC-DLG-015", evidence.provocation
    if not seen.waited:
        return skipped(rule, "This caller was not asked to wait by a Retry-After.")
    if seen.retried:
        detail = f"The same number was called again from the same address {seen.retried}."
        return warned(rule, detail, Quote("INVITE before Retry-After was over", "Retry-After", None, "INVITE"))
    return passed(rule, "The partner waited as long as Retry-After had asked for.")


def _cancelled(evidence: Evidence) -> Finding:
    rule, seen = "SBC-DLG-016", evidence.provocation
    if not seen.unanswered:
        return skipped(rule, "No INVITE was left without an answer.")
    if evidence.end_reason == "cancelled" and evidence.invited_at is not None and evidence.ended_at is not None:
        return passed(rule, f"CANCEL came {evidence.ended_at - evidence.invited_at:.1f} s after the INVITE.")
    if evidence.end_reason in ("api", "shutdown", "refused"):
        return undecided(rule, "The call ended otherwise before the partner gave up.")
    return failed(rule, "The partner waited on without CANCEL until we gave the INVITE up.", Quote("no CANCEL", "CANCEL", None, "CANCEL"))


def _stopped(evidence: Evidence) -> Finding:
    rule, seen = "SBC-DLG-017", evidence.provocation
    if not seen.byes:
        return skipped(rule, "No BYE was left without an answer.")
    again = f" {seen.byes} BYEs came." if seen.byes > 1 else ""
    if seen.packets_after_bye is None:
        return undecided(rule, f"Whether media went on was not looked at.{again}")
    if seen.packets_after_bye > IN_FLIGHT:
        detail = (
            f"{seen.packets_after_bye} packets of media came after the BYE that was not answered: the session is over with the BYE.{again}"
        )
        return warned(rule, detail, Quote(f"packets after BYE {seen.packets_after_bye}", "RTP", None, "media"))
    return passed(rule, f"Media stopped with the BYE, though it was not answered.{again}")


def _held(evidence: Evidence) -> Finding:
    rule, seen = "SBC-DLG-018", evidence.provocation
    if not seen.hold_asked:
        return skipped(rule, "We did not put the call on hold.")
    if seen.hold_status is None and seen.reset_at is not None:
        return undecided(rule, "We dropped the connection on purpose: no answer to our re-INVITE could come over it.")
    if seen.hold_status is None:
        return undecided(rule, "The call ended before our re-INVITE was answered.")
    if seen.hold_status == 408:
        return failed(rule, "Our re-INVITE for hold was not answered.", Quote("no answer", "INVITE", None, "re-INVITE"))
    if seen.hold_status >= 300:
        return warned(rule, f"Our hold was refused with {seen.hold_status}.", Quote(str(seen.hold_status), "start line", None, "re-INVITE"))
    if seen.hold_direction not in ("recvonly", "inactive"):
        detail = f"Our a=sendonly was answered with a={seen.hold_direction or 'sendrecv'}: recvonly or inactive is wanted."
        return failed(rule, detail, Quote(f"a={seen.hold_direction or 'sendrecv'}", "SDP", None, "200 OK"))
    return passed(rule, f"Our a=sendonly was answered with a={seen.hold_direction}.")


def _came_back(evidence: Evidence) -> Finding:
    rule, seen = "SBC-DLG-019", evidence.provocation
    if seen.reset_at is None:
        return skipped(rule, "The connection was not dropped on purpose.")
    if seen.back_at is not None:
        return passed(rule, f"The partner was back on a new connection after {seen.back_at - seen.reset_at:.1f} s.")
    if evidence.ended_by == "sbc" and evidence.end_reason not in _WAITED_FOR:
        return undecided(rule, "The call was ended from our side before the partner had to say anything.")
    detail = "The partner opened no new connection for its dialog after the old one was reset."
    return warned(rule, detail, Quote("connection reset", "TCP", None, ""))
