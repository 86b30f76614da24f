"""Rows of a ladder that are no SIP message: REST requests, what the agent says and hears, the escalation and its check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sbc_sim.exports.journey import ECHO, agent_text, check_text, escalation_text, fault_text, request_text, voice_call_text
from sbc_sim.exports.ladder_rows import TOLD, Mark, Row, Shape
from sbc_sim.exports.redaction import clean
from sbc_sim.journal.entries import Entry, Kind

ONCE = "once"
"""First member of the key of a row that is not drawn again while it says the same."""
_QUIET = ("prompt-over", "step")
"""Steps of the agent that other rows tell as well."""


def journey_row(entry: Entry, at: float) -> Row | None:
    """Draw an entry `at` seconds after the beginning of the call; None for what has no row."""
    draw = _DRAWN.get(entry.kind)
    return None if draw is None else draw(entry.data, at)


def _scenario(data: Mapping[str, Any], at: float) -> Row | None:
    scenario, faults = str(data.get("scenario") or ECHO), data.get("faults") or ()
    if scenario == ECHO and not faults:
        return None
    why = f": {data['why']}" if data.get("why") else ""
    notes = tuple(clean(f"wrong on purpose: {fault_text(fault)}") for fault in faults)
    return Row(at, Shape.REMARK, "; ".join((clean(f"reaches {scenario}{why}"), *notes)))


def _agent(data: Mapping[str, Any], at: float) -> Row | None:
    kind = data.get("event")
    return None if kind in _QUIET else Row(at, Shape.REMARK, agent_text(data), inbound=kind not in ("prompt", "end"))


def _escalation(data: Mapping[str, Any], at: float) -> Row:
    return Row(at, Shape.REMARK, escalation_text(data), inbound=False)


def _check(data: Mapping[str, Any], at: float) -> Row:
    return Row(at, Shape.REMARK, check_text(data), inbound=True)


def _voice_call(data: Mapping[str, Any], at: float) -> Row:
    text = voice_call_text(data)
    return Row(at, Shape.REMARK, text, key=(ONCE, text))


def _request(data: Mapping[str, Any], at: float) -> Row:
    return Row(at, Shape.ARROW, request_text(data), True, marks=tuple(_marks(data)))


def _marks(data: Mapping[str, Any]) -> list[Mark]:
    found = [finding for finding in data.get("findings") or () if isinstance(finding, Mapping) and finding.get("status") in TOLD]
    return [
        Mark(str(one["status"]), clean(one.get("rule", "")), clean(one.get("detail") or one.get("title") or ""))
        for one in sorted(found, key=lambda one: TOLD.index(one["status"]))
    ]


_DRAWN: Mapping[Kind, Callable[[Mapping[str, Any], float], Row | None]] = {
    Kind.SCENARIO: _scenario,
    Kind.AGENT: _agent,
    Kind.ESCALATION: _escalation,
    Kind.PARTNER_CHECK: _check,
    Kind.VOICE_CALL: _voice_call,
    Kind.TELEPHONY: _request,
}
