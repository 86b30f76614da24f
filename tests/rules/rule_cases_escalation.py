"""Calls that were escalated: how they were given back, and what the partner check saw of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sbc_sim.rules.escalation import TROUBLES
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Status
from sbc_sim.rules.journey import Journey, Returning, ReturnTrouble
from tests.rules.rule_samples import NOW, Case

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN
UP = Returning(call="c2", target="192.0.2.7:5061", chosen_by="partner", connected=True, status=200, up_at=NOW + 21)


def escalated(**facts: object) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.ended_by, evidence.end_reason = "sbc", "escalated"
        good: dict[str, object] = {
            "expected": True,
            "escalated_at": NOW + 20,
            "mode": "bye",
            "why": "digit 0",
            "checked": "done",
            "customer_alive": True,
            "rep_reached": True,
            "linked": True,
            "rep_call": "0LQ000000000002",
            "bye_status": 200,
            "check_seconds": 30.0,
        }
        evidence.journey = Journey(**(good | facts))  # type: ignore[arg-type]

    return change


def back(**facts: object) -> Callable[[Evidence], None]:
    return escalated(mode="invite-back", returning=replace(UP, **facts))  # type: ignore[arg-type]


def not_up(trouble: ReturnTrouble, **facts: object) -> Callable[[Evidence], None]:
    facts = {"up_at": None, "status": None, "connected": False, "trouble": trouble, "detail": f"trouble of the kind {trouble}", **facts}
    return back(**facts)


def ended(by: str, reason: str) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.ended_by, evidence.end_reason = by, reason
        evidence.journey = Journey(expected=True)

    return change


def refer(**facts: object) -> Callable[[Evidence], None]:
    return escalated(mode="refer", returning=Returning(target="192.0.2.7:5061", **facts))  # type: ignore[arg-type]


def silence(**facts: object) -> Callable[[Evidence], None]:
    return escalated(**{"customer_alive": None, "rep_reached": None, "linked": None, **facts})


CHECK = [
    Case("SBC-E2E-020", PASS, "outlived our BYE", escalated()),
    Case("SBC-E2E-020", PASS, "A rep was reached, so", escalated(customer_alive=None)),
    Case("SBC-E2E-020", FAIL, "treated BYE as end of call", escalated(customer_alive=False, rep_reached=None, linked=None)),
    Case("SBC-E2E-020", WARN, "treated BYE as end of call, as far as", silence(checked="late")),
    Case("SBC-E2E-020", UNKNOWN, "waits for up to 30 s", silence(checked="waiting")),
    Case("SBC-E2E-020", UNKNOWN, "cut short by us", silence(checked="cut")),
    Case("SBC-E2E-020", UNKNOWN, "If it is the rep's", escalated(rep_doubtful=True, linked=False)),
    Case("SBC-E2E-020", PASS, "call back came up", back(chosen_by="API")),
    Case("SBC-E2E-021", WARN, "cannot be told", escalated(rep_doubtful=True, linked=False)),
    Case("SBC-E2E-021", UNKNOWN, "cut short by us", silence(checked="cut")),
    Case("SBC-E2E-022", WARN, "parentVoiceCallId", escalated(rep_doubtful=True, linked=False)),
    Case("SBC-E2E-021", PASS, "A rep took the call", escalated()),
    Case("SBC-E2E-021", FAIL, "within 30 s", silence(checked="late")),
    Case("SBC-E2E-021", FAIL, "says that no rep", escalated(rep_reached=False)),
    Case("SBC-E2E-021", FAIL, "dropped before", escalated(customer_alive=False, rep_reached=None)),
    Case("SBC-E2E-021", UNKNOWN, "waits", silence(checked="waiting")),
    Case("SBC-E2E-022", PASS, "0LQ000000000002 refers", escalated()),
    Case("SBC-E2E-022", FAIL, "refers to no other", escalated(linked=False)),
    Case("SBC-E2E-022", UNKNOWN, "Nobody said", escalated(linked=None)),
    Case("SBC-E2E-022", SKIP, "nothing to link", silence(checked="late")),
    Case("SBC-E2E-023", PASS, "answered 200", escalated()),
    Case("SBC-E2E-023", FAIL, "answered 481", escalated(bye_status=481)),
    Case("SBC-E2E-023", FAIL, "answered 408", escalated(bye_status=408)),
    Case("SBC-E2E-023", FAIL, "within 32 s", escalated(bye_status=None, bye_unanswered="no answer to BYE within 32 s")),
    Case("SBC-E2E-023", WARN, "arrived", escalated(bye_status=None, bye_unanswered="the connection was lost", bye_undelivered=True)),
    Case("SBC-E2E-023", UNKNOWN, "crossed", escalated(bye_status=None, bye_unanswered="the connection was lost", bye_crossed=True)),
    Case("SBC-E2E-023", PASS, "as it may be", escalated(bye_status=481, bye_crossed=True)),
    Case("SBC-E2E-023", UNKNOWN, "ended the leg itself", escalated(bye_status=None)),
]

BACK = [
    *(Case(f"SBC-E2E-{number:03d}", PASS, "", back()) for number in range(24, 35)),
    *(
        Case(rule, WARN if trouble in (ReturnTrouble.NO_PORT, ReturnTrouble.HUNG_UP) else FAIL, trouble.value, not_up(trouble))
        for trouble, rule in TROUBLES.items()
        if rule != "SBC-E2E-035"
    ),
    Case("SBC-E2E-025", SKIP, "Not reached: see SBC-E2E-024", not_up(ReturnTrouble.NO_TARGET)),
    Case("SBC-E2E-031", WARN, "asked for a client certificate; none was sent", back(asked_for_certificate=True)),
    Case("SBC-E2E-033", SKIP, "under way", back(up_at=None, status=None)),
    Case("SBC-E2E-033", SKIP, "not given back by INVITE", escalated()),
    Case("SBC-E2E-028", PASS, "connected to over TLS", not_up(ReturnTrouble.REFUSED, connected=True, status=486)),
    Case("SBC-E2E-033", FAIL, "ended by BYE all the same", not_up(ReturnTrouble.REFUSED, connected=True, status=486)),
    Case("SBC-E2E-024", PASS, "192.0.2.7:5061, as partner says", back()),
]

REFER = [
    Case("SBC-E2E-035", PASS, "NOTIFY told of 200", refer(status=202, reported=200)),
    Case("SBC-E2E-035", WARN, "no NOTIFY", refer(status=202)),
    Case("SBC-E2E-035", UNKNOWN, "waits for its answer", refer()),
    Case("SBC-E2E-035", FAIL, "BYE instead", refer(status=405, trouble=ReturnTrouble.REFER_REFUSED, detail="REFER was refused with 405")),
    Case("SBC-E2E-035", SKIP, "No REFER", escalated()),
]

HOW = [
    Case("SBC-E2E-036", PASS, "Escalated (bye): digit 0.", escalated()),
    Case("SBC-E2E-036", PASS, "The customer or the partner hung up", ended("partner", "normal")),
    Case("SBC-E2E-036", PASS, "The agent's side ended the call", ended("sbc", "agent")),
    Case("SBC-E2E-036", WARN, "media-timeout", ended("sbc", "media-timeout")),
]

CASES = [*CHECK, *BACK, *REFER, *HOW]
