"""The plan of a rehearsal: which steps, in which order, for a partner, its regions and the parts that are asked for.

The parts follow the partner guide: a connectivity test in every mapped region, then the end-to-end test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sbc_sim.calls.rehearsal_steps import Step

CONNECTIVITY, END_TO_END, COMPARE, FORM = "connectivity", "end-to-end", "compare", "form"
PARTS = (CONNECTIVITY, END_TO_END, COMPARE, FORM)
USUAL_PARTS = (CONNECTIVITY, END_TO_END)
MODES = ("bye", "bye+data", "invite-back", "refer")
USUAL_MODES = ("bye", "invite-back")
STEP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to rehearse; names of partner and regions are known ones."""

    partner: str
    regions: tuple[str, ...]
    parts: tuple[str, ...] = USUAL_PARTS
    escalations: tuple[str, ...] = USUAL_MODES
    step_seconds: float = STEP_SECONDS
    """How long a step waits, from when its turn has come."""
    tries: int = 0
    """After so many failed tries a step is given up; 0: it can be tried until its time is over."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    title: str
    expects: str
    missing: str
    needs: str = ""


JOURNEY: Mapping[str, _Line] = {
    "create": _Line(
        "The voice call is created by REST",
        "POST /telephony/v1/voiceCalls is answered with a voiceCallId, before the call is sent out.",
        "No voice call was created: POST /telephony/v1/voiceCalls with a valid JWT.",
    ),
    "invite": _Line(
        "The call is sent to the agent",
        "An INVITE whose User-to-User names the org and that voice call is answered, with SRTP and PCMU.",
        "No call to the agent came: send an INVITE whose User-to-User holds orgId, scrt2Domain, the voice call's id and a JWT.",
        "create",
    ),
    "agent": _Line("The agent speaks", "The agent's greeting is played to the caller.", "The agent has not spoken yet.", "invite"),
    "customer": _Line(
        "The customer speaks",
        "Speech, or a key, of the caller reaches the agent.",
        "The agent has heard neither speech nor a key from the caller.",
        "agent",
    ),
    "escalate": _Line(
        "The agent escalates",
        "The agent gives the call back to the partner, by {mode}.",
        "The agent has not escalated: press the scenario's key, or POST /api/v1/calls/ID/escalate.",
        "customer",
    ),
    "return": _Line(
        "The call comes back to the partner",
        "The partner answers the INVITE that returns the call, over TLS and with SRTP.",
        "The partner has not answered the INVITE that returns the call.",
        "escalate",
    ),
    "ended": _Line(
        "The first leg ends with BYE",
        "The simulator's BYE is answered with 200, and no rule fails in the verdict on the call.",
        "The first leg has not ended with BYE and 200.",
        "escalate",
    ),
    "customer-alive": _Line(
        "The customer stays connected",
        "The partner keeps the customer's leg when the agent's leg ends.",
        "Nothing tells that the customer's leg is alive: by REST (the voice call goes on), or POST /api/v1/calls/ID/partner.",
        "ended",
    ),
    "rep": _Line(
        "The human rep is reached",
        "The partner routes the call to a rep: acceptTime and agent by REST, or the partner check.",
        "No rep took the call: PATCH the voice call with acceptTime and agent, or POST /api/v1/calls/ID/partner with repReached.",
        "customer-alive",
    ),
    "linked": _Line(
        "The records are linked",
        "The rep's voice call refers to the agent's: by parentVoiceCallId, or by the vendorCallKey.",
        "The rep's voice call does not refer to the agent's voice call yet: parentVoiceCallId or vendorCallKey.",
        "rep",
    ),
    "closed": _Line(
        "The voice call is closed",
        "A PATCH without isActiveCall true closes the voice call.",
        "The voice call is still open: PATCH /telephony/v1/voiceCalls/ID with endTime and isActiveCall false.",
        "ended",
    ),
}
"""The end-to-end test (requirement 144), step by step."""

ORDER: Mapping[str, tuple[str, ...]] = {
    mode: tuple(
        name
        for name in ("create", "invite", "agent", "customer", "escalate", "return", "ended", "customer-alive", "rep", "linked", "closed")
        if name != "return" or mode == "invite-back"
    )
    for mode in MODES
}
"""By INVITE the call is back before the first leg ends (requirement 109)."""


def steps_of(wanted: Wanted, labels: Mapping[str, str]) -> Iterator[Step]:
    """Make the steps of a rehearsal in their order. `labels`: regions as published, by name."""
    if CONNECTIVITY in wanted.parts:
        yield from _connectivity(wanted.regions, labels)
    if END_TO_END in wanted.parts:
        for mode in wanted.escalations:
            yield from _journey(mode)
    if COMPARE in wanted.parts:
        expects = "The partner's own trace of these calls is uploaded, and nothing in it breaks on the way."
        yield Step(COMPARE, COMPARE, "The traces of both ends agree", expects)
    if FORM in wanted.parts:
        expects = "The SIP Signaling Configuration Form is complete, and the traffic does not contradict it."
        yield Step(FORM, FORM, "The signalling form is complete", expects)


def _connectivity(regions: Sequence[str], labels: Mapping[str, str]) -> Iterator[Step]:
    for region in regions:
        label = labels.get(region) or region
        expects = "A call with the echo payload passes TLS, User-to-User, SDP, SRTP, the echo in both directions, and BYE."
        yield Step(f"{CONNECTIVITY}/{region}", CONNECTIVITY, f"Connectivity test in {label}", expects, region)


def _journey(mode: str) -> Iterator[Step]:
    names = ORDER[mode]
    for name in names:
        line = JOURNEY[name]
        needs = "return" if name == "customer-alive" and "return" in names else line.needs
        yield Step(
            f"e2e-{mode}/{name}",
            name,
            line.title,
            line.expects.replace("{mode}", spoken(mode)),
            None,
            f"e2e-{mode}/{needs}" if needs else "",
        )


def spoken(mode: str) -> str:
    """Say an escalation mode in words."""
    return {"bye": "BYE", "bye+data": "BYE with data", "invite-back": "a new INVITE", "refer": "REFER"}.get(mode, mode)


def missing_for(step: Step, label: str) -> list[str]:
    """What a step that waits still lacks, in sentences. `label`: of its region."""
    if step.kind == CONNECTIVITY:
        return [f"No call with the echo payload has reached {label} and passed: TLS, User-to-User, SDP, SRTP, echo, BYE."]
    if step.kind == COMPARE:
        return [f"No trace was uploaded: POST it to /api/v1/rehearsals/ID/steps/{COMPARE}/trace, as text or pcap."]
    if step.kind == FORM:
        return ["The form was not checked yet."]
    return [JOURNEY[step.kind].missing]


def listed(names: Iterable[str]) -> str:
    """Write names as people list them."""
    *most, last = list(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last
