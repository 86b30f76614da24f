"""The report of one call as data: what the HTML shows, and what programs read as JSON (schemas/report-1.json).

The trace is redacted here; whoever redacted it before loses nothing by that. Control characters in what came from outside are escapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from sbc_sim.exports.capture import Capture
from sbc_sim.exports.journey import journey_of
from sbc_sim.exports.ladder import build_ladder
from sbc_sim.exports.ladder_rows import NUMBERED, Ladder, Mark
from sbc_sim.exports.marks import all_marks
from sbc_sim.exports.redacted import HIDDEN, Redaction, redacted
from sbc_sim.exports.redaction import message_text, visible
from sbc_sim.exports.report_text import ORDER, rests_on_guess
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.journal.view import CallView, address_text, rfc3339
from sbc_sim.rules.catalogue import AREAS, RULES, area

SCHEMA = "sbc-sim.report/1"
"""Changes when a member goes or changes its meaning; new members do not change it."""
LONGEST_MESSAGE = 32 * 1024
"""Octets of one message that are shown."""
MOST_MESSAGES = 400
MOST_MESSAGE_OCTETS = 4 * 1024 * 1024
"""Of all messages together; later ones are listed without their text."""


@cache
def report_schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    schema: dict[str, Any] = json.loads(files("sbc_sim.exports").joinpath("schemas/report-1.json").read_text("utf-8"))
    return schema


def report_data(trace: Trace, capture: Capture | None, level: Redaction) -> dict[str, Any]:
    """Gather all that is known of a call; JSON values only."""
    return data_of(redacted(trace, level), capture, level)


def data_of(trace: Trace, capture: Capture | None, level: Redaction) -> dict[str, Any]:
    """Gather it from a trace that was redacted at this level already."""
    call = trace.call
    ladder = build_ladder(trace)
    verdict = _verdict(call)
    told: dict[str, Any] = storable(
        {
            "schema": SCHEMA,
            "call": call.summary(),
            "conclusion": conclusion(trace),
            "verdict": verdict,
            "guesses": guesses(verdict["findings"]),
            "connection": _connection(trace.opened),
            "journey": journey_of(trace),
            "media": _media(call),
            "series": _series(trace, capture, level),
            "ladder": _ladder(ladder),
            "messages": _messages(trace),
            "dropped": trace.dropped,
            "notes": list(capture.notes) if capture is not None else [],
            "redaction": {"level": level.value, "hidden": list(HIDDEN[level])},
        }
    )
    return told


def storable(value: Any) -> Any:
    """Copy a JSON value with text that every file can hold: an octet that was not UTF-8 becomes an escape."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {storable(str(name)): storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return value


# --- conclusion -----------------------------------------------------------------------------------------------------------


def conclusion(trace: Trace) -> dict[str, Any]:
    """Say in one sentence how it went, and what to mend first."""
    call = trace.call
    findings = [finding for finding in (call.verdict or {}).get("findings", call.findings) if isinstance(finding, Mapping)]
    first = _first(findings, _rejected_by(trace))
    return {"sentence": _sentence(call, findings, first), "mendFirst": _advice(first)}


def _rejected_by(trace: Trace) -> str | None:
    rules = [entry.data.get("rule") for entry in trace.entries if entry.kind is Kind.REJECTED]
    return next((str(rule) for rule in rules if rule), None)


def _first(findings: Iterable[Mapping[str, Any]], rejected_by: str | None) -> Mapping[str, Any] | None:
    """What ended the call, else the worst in the order in which a call meets the rules."""
    bad = [finding for finding in findings if finding.get("status") in ("fail", "warn")]
    areas = list(AREAS)

    def place(finding: Mapping[str, Any]) -> tuple[int, bool, int]:
        rule = str(finding.get("rule"))
        named = area(rule) if rule.count("-") == 2 else ""
        return ORDER.index(finding["status"]), rule != rejected_by, areas.index(named) if named in areas else len(areas)

    return min(bad, key=place, default=None)


def _sentence(call: CallView, findings: list[Mapping[str, Any]], first: Mapping[str, Any] | None) -> str:
    status = (call.verdict or {}).get("status")
    counted = {word: sum(finding.get("status") == word for finding in findings) for word in ORDER}
    if status == "pass":
        return f"The call passed: {_number(counted['pass'], 'rule')} kept, none broken."
    if status in ("warn", "fail") and first is not None:
        failed, warned = _number(counted["fail"], "rule"), _number(counted["warn"], "warning")
        what = f"The call failed {failed}" if counted["fail"] else f"The call passed with {warned}"
        also = f" and has {warned}" if counted["fail"] and counted["warn"] else ""
        verb = "Mend first" if counted["fail"] else "Look first at"
        return f"{what}{also}. {verb} {first.get('rule')}: {first.get('title')}."
    if call.escalation_of:
        return f"The call gives back call {call.escalation_of}, and is judged with that one."
    if call.direction != "inbound":
        return "The call was placed by the simulator and is not judged."
    return "There is no verdict yet: the call goes on." if not call.over else "There is no verdict on this call."


def _number(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def _advice(finding: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if finding is None else {name: str(finding.get(name) or "") for name in ("rule", "title", "detail", "fix")}


# --- parts ----------------------------------------------------------------------------------------------------------------


def _verdict(call: CallView) -> dict[str, Any]:
    told = call.verdict or {}
    findings = [{**_EMPTY_FINDING, **finding} for finding in told.get("findings", call.findings)]
    findings.sort(key=lambda finding: ORDER.index(finding["status"]) if finding.get("status") in ORDER else len(ORDER))
    counts = told.get("counts") or {word: sum(finding.get("status") == word for finding in findings) for word in ORDER}
    return {
        "status": told.get("status"),
        "final": call.verdict is not None,
        "counts": counts,
        "profile": told.get("profile"),
        "ruleSet": told.get("ruleSet"),
        "findings": findings,
    }


_EMPTY_FINDING: dict[str, Any] = {"title": "", "detail": "", "evidence": []}


def guesses(findings: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Rules of this verdict that rest on a guess about the real SBC."""
    listed = []
    for finding in findings:
        source = str(finding.get("source") or getattr(RULES.get(str(finding.get("rule"))), "source", ""))
        if rests_on_guess({**finding, "source": source}):
            listed.append({"rule": str(finding.get("rule")), "status": str(finding.get("status")), "source": source})
    return sorted(listed, key=lambda guess: guess["rule"])


def _connection(opened: Entry | None) -> dict[str, Any] | None:
    return None if opened is None else {"at": rfc3339(opened.at), "peer": opened.data.get("peer"), "tls": opened.data.get("tls")}


def _media(call: CallView) -> dict[str, Any] | None:
    if not call.agreements and call.media is None:
        return None
    agreed = [{**agreement, "at": rfc3339(agreement.get("at"))} for agreement in call.agreements]
    report = None
    if call.media is not None:
        times = {name: rfc3339(call.media.get(name)) for name in ("firstPacketAt", "lastPacketAt")}
        report = {**call.media, **times, "remote": address_text(call.media.get("remote")), "firstPacketMs": call.first_packet_ms}
        report.pop("dtmf", None)
    return {"agreements": agreed, "report": report, "dtmf": [_key(key) for key in call.keys_pressed]}


def _key(key: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": rfc3339(key.get("at")), "digit": str(key.get("digit", "")), "durationMs": key.get("durationMs")}


def _series(trace: Trace, capture: Capture | None, level: Redaction) -> dict[str, Any] | None:
    """Media over time; strangers get no level, which is a picture of the audio."""
    from sbc_sim.exports.capture import NOTHING
    from sbc_sim.exports.series import media_series

    if not trace.call.agreements and trace.call.media is None:
        return None
    series = media_series(trace, capture or NOTHING)
    if level is Redaction.STRICT:
        nothing = [None] * len(series["t"])
        return {**series, "levelIn": nothing, "levelOut": nothing}
    return series


def _ladder(ladder: Ladder) -> dict[str, Any]:
    rows = [
        {
            "at": round(row.at, 6),
            "shape": row.shape.value,
            "label": row.label,
            "direction": None if row.inbound is None else "in" if row.inbound else "out",
            "notes": list(row.notes),
            "times": row.times,
            "lastAt": None if row.last_at is None else round(row.last_at, 6),
            "message": row.message,
            "received": row.received,
            "sent": row.sent,
            "marks": _marks(row.marks),
        }
        for row in ladder.rows
    ]
    return {
        "left": list(ladder.left),
        "right": list(ladder.right),
        "facts": list(ladder.facts),
        "rows": rows,
        "marks": [*_marks(ladder.fact_marks), *_marks(ladder.loose_marks)],
        "ending": list(ladder.ending),
    }


def _marks(marks: Iterable[Mark]) -> list[dict[str, str]]:
    return [{"status": mark.status, "rule": mark.rule, "text": mark.text} for mark in marks]


def _messages(trace: Trace) -> list[dict[str, Any]]:
    start = trace.call.started_at or 0.0
    # The trace went through its redaction: what is still there may be shown.
    marks, told, room = all_marks(trace, secrets=True), [], MOST_MESSAGE_OCTETS
    listed = [entry for entry in trace.entries if entry.kind in NUMBERED]
    for number, entry in enumerate(listed[:MOST_MESSAGES]):
        shown = entry.raw[: min(LONGEST_MESSAGE, room)]
        room -= len(shown)
        text = message_text(shown, secrets=True)
        told.append(
            {
                "number": number,
                "at": rfc3339(entry.at),
                "offsetS": round(entry.at - start, 6),
                "kind": entry.kind.value,
                "direction": entry.data.get("direction", "in"),
                "summary": visible(str(entry.data.get("summary") or entry.data.get("detail") or "")),
                "repeated": bool(entry.data.get("repeated")),
                "octets": len(entry.raw),
                "truncated": len(shown) < len(entry.raw),
                "text": text,
                "marks": [mark for mark in marks.get(number, ()) if mark["end"] <= len(text)],
            }
        )
    return told
