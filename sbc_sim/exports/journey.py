"""What goes with a call beside its messages, in words: region, scenario, faults, agent, voice call, escalation and what became of it.

Everything comes from the view of the call, so that a store written by an older version, which knows none of it, tells nothing of it.
Texts are masked and escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sbc_sim.exports.redaction import clean
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.journal.view import CallView, rfc3339

ECHO = "echo"
AGENT_WORDS: Mapping[str, str] = {
    "prompt": "agent says",
    "prompt-over": "agent is through with",
    "speech": "agent hears",
    "digit": "agent hears the key",
    "silence": "agent hears nothing",
    "step": "agent goes on with",
    "end": "agent ends",
}
MODES: Mapping[str, str] = {
    "bye": "by BYE",
    "bye+data": "by BYE with data",
    "invite-back": "by an INVITE to the partner",
    "refer": "by REFER",
}
STATES: Mapping[str, str] = {
    "began": "gives the call back",
    "data": "data for the partner",
    "calling": "calls the partner",
    "returned": "the partner has the call",
    "failed": "giving back failed",
    "over": "giving back is over",
}
ANSWERS: tuple[tuple[str, str, str], ...] = (
    ("customerAlive", "the customer's leg lives", "the customer's leg was dropped"),
    ("repReached", "a human rep was reached", "no human rep was reached"),
    ("linked", "the rep's voice call is linked", "the rep's voice call is not linked"),
)
CHECKED_BY = {
    "rest": "told by REST",
    "api": "told by the API",
    "return": "told by the call back",
    "deadline": "the time for it is over",
    "cut": "cut short by us",
}
"""Member of a partner check, and what true and false mean."""
MOST_REQUESTS = 200
"""Requests to the Telephony Integration API that are listed."""
SAYS_ITSELF = frozenset({"name", "type", "by", "createdAt", "hits", "remaining", "expiresAt"})
"""Members of a fault that are told by name and type, or that only the list of faults tells."""


def has_journey(call: CallView) -> bool:
    """Tell whether there is anything to say beyond an echo call."""
    return bool(
        call.region
        or call.faults
        or call.agent
        or call.escalation
        or call.escalation_of
        or call.voice_call
        or (call.scenario or ECHO) != ECHO
    )


def facts(call: CallView) -> tuple[str, ...]:
    """Lines for the top of a ladder; none for a plain echo call."""
    return tuple(clean(line) for line in _facts(call))


def _facts(call: CallView) -> Iterator[str]:
    if call.region:
        yield f"region {call.region}" + (f", chosen by {call.chosen_by}" if call.chosen_by else "")
    if (call.scenario or ECHO) != ECHO or (call.scenario_why and call.faults):
        yield f"reaches {call.scenario}" + (f": {call.scenario_why}" if call.scenario_why else "")
    for fault in call.faults:
        yield f"wrong on purpose: {fault_text(fault)}"
    if call.escalation_of:
        yield f"gives back the call {call.escalation_of}"


def fault_text(fault: Mapping[str, Any]) -> str:
    """A fault in words: its type, its parameters, and its name when that says more."""
    kind, name = str(fault.get("type") or "fault"), str(fault.get("name") or "")
    by = str(fault.get("by") or "")
    quiet = {*SAYS_ITSELF, *(("seed", "value") if by.startswith("number") else ())}  # a test number says all by itself
    told = [f"{key} {_value(value)}" for key, value in fault.items() if key not in quiet and value not in (None, "", {}, [])]
    set_as = f", by test {by}" if by.startswith("number") else f", set as {name}" if name and name != kind else ""
    return kind + (f" ({', '.join(told)})" if told else "") + set_as


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {inner}" for key, inner in value.items() if inner not in (None, ""))
    return f"{value:g}" if isinstance(value, float) else str(value)


def agent_text(event: Mapping[str, Any]) -> str:
    """One thing that the agent said or heard."""
    kind, text, step = str(event.get("event") or ""), str(event.get("text") or ""), str(event.get("step") or "")
    said = AGENT_WORDS.get(kind, f"agent {kind}".rstrip())
    told = f'"{text}"' if text and kind == "prompt" else text or (step if kind in ("step", "prompt-over") else "")
    return clean(f"{said}: {told}" if told else said)


def escalation_text(state: Mapping[str, Any]) -> str:
    """One state of an escalation; `state` is the data of one entry."""
    named = str(state.get("state") or "")
    words = STATES.get(named, f"escalation {named}")
    if named == "began":
        words += f" {MODES.get(str(state.get('mode')), state.get('mode') or '')}".rstrip()
        told = [state.get("why"), state.get("text")]
    else:
        target = f"at {state['target']}" if state.get("target") and named in ("calling", "began") else ""
        other = f"call {state['call']}" if state.get("call") and named in ("calling", "returned") else ""
        told = [target, other, state.get("text")]
    more = ", ".join(dict.fromkeys(str(part) for part in told if part))
    return clean(f"{words}: {more}" if more else words)


def check_text(check: Mapping[str, Any]) -> str:
    """What the partner did with the call that it got back."""
    told = [good if check[name] else bad for name, good, bad in ANSWERS if isinstance(check.get(name), bool)]
    rep = f"rep's voice call {check['repCall']}" if check.get("repCall") else ""
    by = CHECKED_BY.get(str(check.get("by")), "")
    parts = [*told, rep, str(check.get("text") or ""), by]
    return clean("partner check: " + (", ".join(part for part in parts if part) or "nothing is known yet"))


def voice_call_text(voice_call: Mapping[str, Any]) -> str:
    """A voice call of the Telephony Integration API in a line."""
    key = f", key {voice_call['vendorCallKey']}" if voice_call.get("vendorCallKey") else ""
    state = f" is {voice_call['state']}" if voice_call.get("state") else ""
    parent = f", linked to {voice_call['parentVoiceCallId']}" if voice_call.get("parentVoiceCallId") else ""
    return clean(f"voice call {voice_call.get('voiceCallId') or '?'}{key}{state}{parent}")


def request_text(request: Mapping[str, Any]) -> str:
    """A request to the Telephony Integration API, like a SIP response: ``POST /voiceCalls (201)``."""
    path = str(request.get("path") or request.get("operation") or "").removeprefix("/telephony/v1")
    status = f" ({request['status']})" if request.get("status") else ""
    return clean(f"{request.get('method') or 'REST'} {path}{status}")


def flow_input(call: CallView) -> dict[str, Any]:
    """Members of the User-to-User object beyond those that Salesforce itself reads: what the inbound flow can use (requirement 66)."""
    fields, named = (call.uui or {}).get("fields"), (call.uui or {}).get("named")
    if not isinstance(fields, Mapping):
        return {}
    taken = set(named.values()) if isinstance(named, Mapping) else set()
    return {str(name): value for name, value in fields.items() if name not in taken}


def journey_of(trace: Trace) -> dict[str, Any]:
    """The same for programs, with words for people: the member `journey` of a report."""
    call = trace.call
    escalation, voice_call = call.escalation or {}, call.voice_call or {}
    requests = [entry for entry in trace.entries if entry.kind is Kind.TELEPHONY]
    words = {
        "faults": [clean(fault_text(fault)) for fault in call.faults],
        "escalation": [_state_text(entry) for entry in trace.entries if entry.kind is Kind.ESCALATION],
        "check": check_text(escalation["check"]) if isinstance(escalation.get("check"), Mapping) else None,
        "voiceCall": voice_call_text(voice_call) if voice_call else None,
    }
    told = [{"at": rfc3339(entry.at), "words": request_text(entry.data), **entry.data} for entry in requests[:MOST_REQUESTS]]
    return {"any": has_journey(call), **_journey_data(call), "requests": told, "words": words}


def _state_text(entry: Entry) -> dict[str, Any]:
    return {"at": rfc3339(entry.at), "words": escalation_text(entry.data)}


def _journey_data(call: CallView) -> dict[str, Any]:
    return {
        "region": call.region,
        "chosenBy": call.chosen_by or None,
        "partner": call.partner,
        "scenario": call.scenario,
        "why": call.scenario_why or None,
        "faults": [{"text": clean(fault_text(fault)), **fault} for fault in call.faults],
        "flowInput": flow_input(call),
        "agent": [_agent_data(event, call) for event in call.agent],
        "escalation": call.escalation,
        "escalationOf": call.escalation_of,
        "voiceCall": call.voice_call,
    }


def _agent_data(event: Mapping[str, Any], call: CallView) -> dict[str, Any]:
    at = event.get("at")
    offset = round(at - (call.started_at or 0.0), 6) if isinstance(at, int | float) else None
    shown = {name: value for name, value in event.items() if name != "at"}
    return {"at": rfc3339(at) if isinstance(at, int | float) else None, "offsetS": offset, "words": agent_text(event), **shown}


def journey_lines(call: CallView) -> Iterator[str]:
    """Lines for a terminal: facts, voice call, escalation, partner check; nothing for a plain echo call."""
    yield from facts(call)
    spoken = [event for event in call.agent if event.get("event") in ("prompt", "speech", "digit", "silence", "end")]
    if spoken:
        prompts = sum(event.get("event") == "prompt" for event in spoken)
        last = agent_text(spoken[-1])
        yield f"agent: {prompts} prompts, {len(spoken) - prompts} things heard; last: {last}"
    if call.voice_call:
        yield voice_call_text(call.voice_call)
    if call.escalation:
        yield from escalation_lines(call.escalation)


def escalation_lines(escalation: Mapping[str, Any]) -> Iterator[str]:
    """An escalation with its mode, reason and states, and the partner check."""
    mode = str(escalation.get("mode") or "")
    states = " > ".join(str(state.get("state")) for state in _states(escalation))
    why = f" ({escalation['why']})" if escalation.get("why") else ""
    other = f", call {escalation['call']}" if escalation.get("call") else ""
    if states or mode:
        yield clean(f"escalation {MODES.get(mode, mode)}{why}: {states or 'not begun'}{other}")
    check = escalation.get("check")
    if isinstance(check, Mapping):
        yield check_text(check)


def _states(escalation: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [state for state in escalation.get("states") or () if isinstance(state, Mapping)]
