"""The report of a rehearsal as data: step, expected, observed, verdict, trace; what HTML and JUnit show (schemas/rehearsal-1.json).

It is made from the rehearsal as the journal keeps it and from the traces of its calls; both are redacted here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.exports.numbers import masked_run
from sbc_sim.exports.redacted import HIDDEN, Redaction, redacted, text_mask
from sbc_sim.exports.redaction import mask_values
from sbc_sim.exports.report import guesses, storable
from sbc_sim.journal.store import Trace

SCHEMA = "sbc-sim.rehearsal/1"
"""Changes when a member goes or changes its meaning; new members do not change it."""
LADDER_COLUMNS = 100
MOST_TRACES = 60
VERDICTS = {"passed": "pass", "failed": "fail", "skipped": "skip"}
"""Verdict of a step by its state; any other is ``open``."""
_HIDDEN_TEXT = "(hidden)"
_Mask = Callable[[str], str]
"""Masks a text that belongs to a call."""
_NUMBER = re.compile(r"(?<![\w.:-])\+?\d{7,20}(?![\w.:-])")


@dataclass(frozen=True, slots=True)
class About:
    """Who rehearsed, as plain values."""

    partner: str = ""
    """As people write it."""
    location: str = ""
    provider: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Regions as published, by name."""
    version: str = ""
    """Of sbc-sim."""


@cache
def rehearsal_schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    schema: dict[str, Any] = json.loads(files("sbc_sim.exports").joinpath("schemas/rehearsal-1.json").read_text("utf-8"))
    return schema


def rehearsal_data(rehearsal: Mapping[str, Any], traces: Mapping[str, Trace], about: About, level: Redaction) -> dict[str, Any]:
    """Gather all that is known of a rehearsal; `traces` of its calls by their ids. JSON values only."""
    return data_of(rehearsal, traces, {call: redacted(trace, level) for call, trace in traces.items()}, about, level)


def data_of(
    rehearsal: Mapping[str, Any], traces: Mapping[str, Trace], shown: Mapping[str, Trace], about: About, level: Redaction
) -> dict[str, Any]:
    """Gather it from traces of which `shown` are the copies that were redacted at this level."""
    masks = {call: text_mask(trace, level) for call, trace in traces.items()}
    steps = [_step(step, masks, shown, level) for step in rehearsal["steps"]]
    head = {name: value for name, value in mask_values(dict(rehearsal)).items() if name not in ("steps", "notes")}
    hide = level is Redaction.STRICT
    told: dict[str, Any] = storable(
        {
            "schema": SCHEMA,
            "rehearsal": {**head, "partner": _HIDDEN_TEXT if hide else head["partner"], "name": _plain(str(head["name"]), level)},
            "partner": {
                "label": _HIDDEN_TEXT if hide else about.partner,
                "location": _HIDDEN_TEXT if hide else about.location,
                "provider": _HIDDEN_TEXT if hide else about.provider,
            },
            "regions": [{"name": name, "label": about.labels.get(name, name)} for name in rehearsal["regions"]],
            "conclusion": _conclusion(rehearsal, steps),
            "steps": steps,
            "calls": [_call(trace) for trace in shown.values()],
            "guesses": _guesses(traces.values()),
            "faults": _faults(steps),
            "notes": [
                {**note, "text": _plain(str(note.get("text", "")), level)} for note in mask_values({"n": rehearsal.get("notes") or []})["n"]
            ],
            "writtenBy": f"sbc-sim {about.version}".strip(),
            "redaction": {"level": level.value, "hidden": list(HIDDEN[level])},
        }
    )
    return told


def calls_of(rehearsal: Mapping[str, Any]) -> list[str]:
    """Ids of the calls that a report shows: those that settled a step, then those of failed tries; each once."""
    steps = rehearsal["steps"]
    settled = [step.get("call") for step in steps]
    tried = [attempt.get("call") for step in steps for attempt in reversed(step.get("attempts") or ())]
    return list(dict.fromkeys(str(call) for call in (*settled, *tried) if call))[:MOST_TRACES]


# --- in one sentence -----------------------------------------------------------------------------------------------------


def _conclusion(rehearsal: Mapping[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Say in one sentence how it went, and what to mend first."""
    state, count = rehearsal["state"], len(steps)
    failed = [step for step in steps if step["verdict"] == "fail"]
    passed = sum(step["verdict"] == "pass" for step in steps)
    if state == "passed":
        sentence = f"The rehearsal passed: {_number(passed, 'step')} passed."
    elif state == "incomplete":
        sentence = f"The rehearsal is incomplete: {passed} of {_number(count, 'step')} passed, {count - passed} left out by somebody."
    elif state == "failed":
        sentence = f"The rehearsal failed: {passed} of {_number(count, 'step')} passed, {len(failed)} failed."
    else:
        sentence = f"The rehearsal is not over ({state}): {passed} of {_number(count, 'step')} passed so far."
    return {"sentence": sentence, "mendFirst": [{"step": step["id"], "title": step["title"], "text": step["why"]} for step in failed]}


def _number(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


# --- steps ---------------------------------------------------------------------------------------------------------------


def _step(step: Mapping[str, Any], masks: Mapping[str, _Mask], shown: Mapping[str, Trace], level: Redaction) -> dict[str, Any]:
    attempts = [_attempt(attempt, masks, level) for attempt in step.get("attempts") or ()]
    last = attempts[-1] if attempts else None
    call = step.get("call") if step.get("call") in shown else None
    hide = _hiding(masks.get(str(step.get("call"))), level)
    why = hide(str(step.get("why") or ""))
    if level is Redaction.STRICT and step.get("state") == "skipped":
        why = str(step.get("why") or "")  # ours, without a word of a stranger
    return {
        "id": step["id"],
        "kind": step["kind"],
        "region": step.get("region"),
        "title": step["title"],
        "expected": step["expects"],
        "observed": (last or {}).get("text") or why or "Nothing.",
        "state": step["state"],
        "verdict": VERDICTS.get(str(step["state"]), "open"),
        "why": why,
        "missing": [hide(text) for text in step.get("missing") or ()],
        "attempts": attempts,
        "tried": step.get("tried", len(attempts)),
        "faults": (last or {}).get("faults", []),
        "call": call,
        "voiceCall": step.get("voiceCall"),
        "startedAt": step.get("startedAt"),
        "endedAt": step.get("endedAt"),
    }


def _attempt(attempt: Mapping[str, Any], masks: Mapping[str, Callable[[str], str]], level: Redaction) -> dict[str, Any]:
    hide = _hiding(masks.get(str(attempt.get("call"))), level)
    told = dict(mask_values(dict(attempt)))
    told["text"] = hide(str(told.get("text") or ""))
    told["findings"] = [
        {**finding, **{name: hide(str(finding.get(name) or "")) for name in ("detail", "evidence")}}
        for finding in told.get("findings") or ()
    ]
    told["checks"] = [{**check, "text": hide(str(check.get("text") or ""))} for check in told.get("checks") or ()]
    told["faults"] = [dict(fault) for fault in told.get("faults") or ()]
    return told


def _hiding(mask: Callable[[str], str] | None, level: Redaction) -> Callable[[str], str]:
    """What masks a text: as the trace of its call is masked; without a call by what looks like a phone number, for strangers as a whole."""
    if mask is None:
        return lambda text: _plain(text, level)
    return lambda text: str(mask_values(_through(mask, text)))


def _through(mask: Callable[[str], str], text: str) -> str:
    """Mask a text, of which the mask wants a character an octet."""
    return mask(text.encode("utf-8", "surrogateescape").decode("latin-1")).encode("latin-1", "replace").decode("utf-8", "backslashreplace")


def _plain(text: str, level: Redaction) -> str:
    if level is Redaction.STRICT:
        return _HIDDEN_TEXT if text else ""
    masked = str(mask_values(text))
    return masked if level is Redaction.NONE else _NUMBER.sub(lambda match: masked_run(match[0], "x"), masked)


# --- what stands behind it -------------------------------------------------------------------------------------------------


def _call(trace: Trace) -> dict[str, Any]:
    call = trace.call
    return {
        "id": call.id,
        "sipCallId": call.sip_call_id,
        "region": call.region,
        "chosenBy": call.chosen_by,
        "verdict": (call.verdict or {}).get("status"),
        "scenario": call.scenario,
        "startedAt": call.summary()["startedAt"],
        "endedAt": call.summary()["endedAt"],
        "ladder": ladder_text(trace, LADDER_COLUMNS),
    }


def _guesses(traces: Iterable[Trace]) -> list[dict[str, Any]]:
    """Rules that rest on a guess about the real SBC, and what they said in the calls of the rehearsal (requirement 147)."""
    joined: dict[str, dict[str, Any]] = {}
    for trace in traces:
        for guess in guesses((trace.call.verdict or {}).get("findings") or ()):
            known = joined.setdefault(guess["rule"], {"rule": guess["rule"], "source": guess["source"], "statuses": {}})
            known["statuses"][guess["status"]] = known["statuses"].get(guess["status"], 0) + 1
    return sorted(joined.values(), key=lambda guess: (not _fired(guess), str(guess["rule"])))


def _fired(guess: Mapping[str, Any]) -> bool:
    return bool({"fail", "warn", "unknown"} & set(guess["statuses"]))


def _faults(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was done wrong on purpose, and in which step."""
    return [{"step": step["id"], "fault": fault} for step in steps for attempt in step["attempts"] for fault in attempt["faults"]]
