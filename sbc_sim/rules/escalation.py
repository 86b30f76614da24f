"""The escalation, the way back and the partner check, judged from the journey of a call (requirements 104-115)."""

from __future__ import annotations

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote, Status
from sbc_sim.rules.journey import Journey, Returning, ReturnTrouble
from sbc_sim.rules.outcome import failed, found, passed, skipped, undecided, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import sentence, whole_sentence

RULES = tuple(f"SBC-E2E-{number:03d}" for number in range(20, 37))
_KEPT, _REP, _LINKED, _BYE, _TARGET, _ALIVE, _IN_TIME, _TLS_PORT = RULES[:8]
_CHAIN, _NAME, _DATES, _NO_CERTIFICATE, _HANDSHAKE, _ANSWERED, _SRTP, _REFER, _HOW = RULES[8:]
_ON_THE_WAY = (_TARGET, _ALIVE, _IN_TIME, _TLS_PORT, _CHAIN, _NAME, _DATES, _NO_CERTIFICATE, _HANDSHAKE, _ANSWERED, _SRTP)
"""In the order in which a call back by INVITE meets them."""
TROUBLES: dict[ReturnTrouble, str] = {
    ReturnTrouble.NO_TARGET: _TARGET,
    ReturnTrouble.DEAD: _ALIVE,
    ReturnTrouble.SLOW: _IN_TIME,
    ReturnTrouble.CLEAR_TEXT: _TLS_PORT,
    ReturnTrouble.CHAIN: _CHAIN,
    ReturnTrouble.NAME: _NAME,
    ReturnTrouble.DATES: _DATES,
    ReturnTrouble.INSISTS: _NO_CERTIFICATE,
    ReturnTrouble.TLS: _HANDSHAKE,
    ReturnTrouble.LOST: _ANSWERED,
    ReturnTrouble.REFUSED: _ANSWERED,
    ReturnTrouble.UNANSWERED: _ANSWERED,
    ReturnTrouble.NOT_SRTP: _SRTP,
    ReturnTrouble.HUNG_UP: _ANSWERED,
    ReturnTrouble.NO_PORT: _TARGET,
    ReturnTrouble.REFER_REFUSED: _REFER,
    ReturnTrouble.REFER_FAILED: _REFER,
}
"""Every trouble belongs to exactly one rule (a test walks the enum)."""
_UNSURE = ("media-timeout", "session-expired", "no-ack")
"""Ends of which nobody said a word."""
_NOT_THE_PARTNERS = (ReturnTrouble.NO_PORT, ReturnTrouble.HUNG_UP)
"""Told as a warning: nothing that the partner's server does could change it."""


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge one call: one finding for every rule from 020 on."""
    journey = evidence.journey
    if journey.is_return:
        before = [
            skipped(rule, "This is the call back itself; the escalated call answers for it.") for rule in (_KEPT, _REP, _LINKED, _BYE)
        ]
        return [*before, *_way_back(journey), skipped(_REFER, "No REFER was sent."), skipped(_HOW, "This is the call back itself.")]
    if journey.escalated_at is None:
        why = "No escalation: the call did not reach the agent." if not journey.expected else "The call was not escalated."
        return [*(skipped(rule, why) for rule in RULES if rule != _HOW), _how(evidence)]
    return [*_check(journey), _bye(journey), *_way_back(journey), _refer(journey), _how(evidence)]


# --- after the escalation --------------------------------------------------------------------------------------------


def _check(journey: Journey) -> list[Finding]:
    return [_customer(journey), _rep(journey), _linked(journey)]


def _customer(journey: Journey) -> Finding:
    if journey.customer_alive is False:
        detail = "The partner treated BYE as end of call: the customer's leg was dropped and nobody took the call on."
        return failed(_KEPT, _with(detail, journey.check_text), _seen("the customer's leg ended"))
    if journey.rep_doubtful:
        return undecided(_KEPT, f"{whole_sentence(doubtful_rep(journey))} If it is the rep's, the customer was kept.")
    if journey.customer_alive and journey.returning is not None and journey.returning.up_at is not None:
        return passed(_KEPT, _with("The call back came up, so the customer's leg outlived our BYE.", journey.check_text))
    if journey.customer_alive:
        late = told_late(journey, "customer_alive")
        return passed(_KEPT, _with(f"The customer's leg outlived our BYE{late and f', which became known{late}'}.", journey.check_text))
    if journey.rep_reached:
        return passed(_KEPT, "A rep was reached, so the customer was kept.")
    if journey.checked == "late":
        late = f"The partner treated BYE as end of call, as far as can be told: no sign of the customer in {journey.check_seconds:g} s."
        return warned(_KEPT, late, _seen("nothing was heard of the customer's leg"))
    return undecided(_KEPT, _waiting(journey))


def told_late(journey: Journey, fact: str) -> str:
    """Say that a fact became known only after the window; empty: it did not."""
    late = journey.late.get(fact)
    return "" if late is None else f" {late:.0f} s after the window of {journey.check_seconds:g} s"


def doubtful_rep(journey: Journey) -> str:
    """Tell of a voice call that may be the rep's."""
    return f"the voice call {journey.rep_call} of the same customer has a rep and came after the escalation, but refers to no other"


def _rep(journey: Journey) -> Finding:
    if journey.rep_doubtful:
        detail = f"{whole_sentence(doubtful_rep(journey))} Whether a rep was reached for this call cannot be told."
        return warned(_REP, detail, _seen(f"voice call {journey.rep_call}"))
    if journey.rep_reached:
        return passed(_REP, _with(f"A rep took the call{told_late(journey, 'rep_reached')}.", journey.check_text))
    if journey.rep_reached is False:
        return failed(_REP, _with("The partner says that no rep was reached.", journey.check_text), _seen("no rep"))
    if journey.customer_alive is False:
        return failed(_REP, "No rep was reached: the customer's leg was dropped before (SBC-E2E-020).", _seen("no rep"))
    if journey.checked == "late":
        detail = (
            f"No rep was reached within {journey.check_seconds:g} s: no acceptTime, no agent, no second voice call, no word to the API."
        )
        return failed(_REP, detail, _seen("no rep"))
    return undecided(_REP, _waiting(journey))


def _linked(journey: Journey) -> Finding:
    if not journey.rep_reached:
        return skipped(_LINKED, "No rep was reached, so there is nothing to link.")
    if journey.rep_doubtful:
        detail = f"{whole_sentence(doubtful_rep(journey))} If it is the rep's, name this call's in its parentVoiceCallId."
        return warned(_LINKED, detail, _seen(f"rep's voice call {journey.rep_call}"))
    if journey.linked:
        return passed(_LINKED, f"The rep's voice call {journey.rep_call or '(no id)'} refers to the agent's.")
    if journey.linked is None:
        return undecided(_LINKED, "Nobody said whether the rep's voice call refers to the agent's.")
    detail = (
        f"The rep's voice call {journey.rep_call or '(no id)'} refers to no other: neither parentVoiceCallId nor vendorCallKey name it."
    )
    return failed(_LINKED, detail, _seen(f"rep's voice call {journey.rep_call or 'unknown'}"))


def _waiting(journey: Journey) -> str:
    if journey.checked == "cut":
        return f"The partner check was cut short by us before its {journey.check_seconds:g} s were over."
    return f"The partner check waits for up to {journey.check_seconds:g} s after the escalation."


def _bye(journey: Journey) -> Finding:
    status = journey.bye_status
    if status is None:
        return _bye_unanswered(journey)
    if 200 <= status < 300:
        return passed(_BYE, f"Our BYE was answered {status}.")
    if status == 481 and journey.bye_crossed:
        return passed(_BYE, "Our BYE was answered 481, as it may be: it crossed the partner's own BYE, which had ended the dialog.")
    return failed(_BYE, f"Our BYE was answered {status}.", Quote(str(status), "start line", None, "BYE"))


def _bye_unanswered(journey: Journey) -> Finding:
    if not journey.bye_unanswered:
        return undecided(_BYE, "The partner ended the leg itself, or our BYE was not sent.")
    detail, quote = f"Our BYE has no answer: {journey.bye_unanswered}.", Quote("no answer", "BYE", None, "BYE")
    if journey.bye_crossed:
        return undecided(_BYE, f"{detail} The partner's own BYE had crossed it.")
    if journey.bye_undelivered:
        return warned(_BYE, f"{detail} Whether it arrived cannot be told.", quote)
    return failed(_BYE, detail, quote)


# --- the way back ----------------------------------------------------------------------------------------------------


def _way_back(journey: Journey) -> list[Finding]:
    back = journey.returning
    if back is None or journey.mode != "invite-back":
        why = "The call was not given back by INVITE."
        return [skipped(rule, why) for rule in _ON_THE_WAY]
    broken = TROUBLES.get(back.trouble) if back.trouble is not None else None
    return [_step(rule, back, broken) for rule in _ON_THE_WAY]


def _step(rule: str, back: Returning, broken: str | None) -> Finding:
    if rule == broken:
        status = Status.WARN if back.trouble in _NOT_THE_PARTNERS else Status.FAIL
        return found(rule, status, _with(whole_sentence(back.detail), _goes_on(back)), _shown(back))
    if rule == _NO_CERTIFICATE and back.asked_for_certificate:
        detail = f"The server at {back.target} asked for a client certificate; none was sent, and the call went on."
        return warned(rule, detail, Quote("CertificateRequest", "TLS", None, "TLS"))
    reached = broken is None or _ON_THE_WAY.index(rule) < _ON_THE_WAY.index(broken)
    if (
        reached
        and (back.connected or back.up_at is not None or rule in (_TARGET,))
        and not (rule in (_ANSWERED, _SRTP) and back.up_at is None)
    ):
        return passed(rule, _went_well(rule, back))
    return skipped(rule, f"Not reached: see {broken}." if broken else "The call back is under way.")


def _went_well(rule: str, back: Returning) -> str:
    if rule == _TARGET:
        return f"The call goes back to {back.target}, as {back.chosen_by} says."
    if rule == _ANSWERED:
        return f"The call back was answered{f' {back.status}' if back.status else ''}."
    if rule == _SRTP:
        return "The answer brought SRTP."
    return f"{back.target} was connected to over TLS."


def _goes_on(back: Returning) -> str:
    return "" if back.trouble is ReturnTrouble.HUNG_UP else "The first leg was ended by BYE all the same."


def _shown(back: Returning) -> Quote:
    place = "INVITE" if back.status is not None else "TLS"
    return Quote(str(back.status) if back.status is not None else back.target or "no target", "return", None, place)


def _refer(journey: Journey) -> Finding:
    back = journey.returning
    if journey.mode != "refer" or back is None:
        return skipped(_REFER, "No REFER was sent.")
    if back.trouble is not None:
        return failed(_REFER, _with(whole_sentence(back.detail), "The leg was ended by BYE instead."), _shown(back))
    if back.reported is not None and back.reported >= 200:
        return passed(_REFER, f"REFER was taken, and NOTIFY told of {back.reported}.")
    if back.reported is None and back.status is None:
        return undecided(_REFER, "REFER waits for its answer.")
    return warned(_REFER, "REFER was taken, but no NOTIFY told how the transfer ended.", _shown(back))


# --- how it ended ----------------------------------------------------------------------------------------------------


def _how(evidence: Evidence) -> Finding:
    journey = evidence.journey
    if not journey.expected and journey.escalated_at is None:
        return skipped(_HOW, "The call did not reach the agent.")
    if evidence.ended_at is None:
        return undecided(_HOW, "The call had not ended.")
    if journey.escalated_at is not None:
        return passed(_HOW, f"Escalated ({journey.mode}){f': {journey.why}' if journey.why else ''}.")
    if evidence.end_reason in _UNSURE:
        detail = f"It is not known whether the customer hung up or the partner lost the call: it ended for {evidence.end_reason}."
        return warned(_HOW, detail, Quote(evidence.end_reason, "end of the call", None, "BYE"))
    if evidence.ended_by == "partner":
        return passed(_HOW, "The customer or the partner hung up; nothing was escalated.")
    return passed(_HOW, f"The agent's side ended the call ({evidence.end_reason or 'normal'}); nothing was escalated.")


def _with(detail: str, more: str) -> str:
    return f"{detail} {sentence(more)}" if more else detail


def _seen(text: str) -> Quote:
    return Quote(text, "partner check", None, "REST")
