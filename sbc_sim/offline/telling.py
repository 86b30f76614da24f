"""What was judged, as JSON values: secrets masked, control characters escaped where text is for people."""

from __future__ import annotations

from typing import Any

from sbc_sim.exports.ladder import DATED
from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.exports.redaction import clean, mask_call, mask_values
from sbc_sim.journal.store import Trace
from sbc_sim.offline.judge import Judged

_TIMES = ("startedAt", "answeredAt", "endedAt")


def judged_data(judged: Judged) -> dict[str, Any]:
    """Tell of all calls of a trace, and the notes."""
    return {"calls": [call_data(trace) for trace in judged.calls], "notes": [clean(note) for note in judged.notes]}


def call_data(trace: Trace) -> dict[str, Any]:
    """Tell of one call as the API does, with its findings and its ladder."""
    view = trace.call
    findings = (view.verdict or {}).get("findings", view.findings)
    times = {name: None for name in _TIMES if view.started_at is not None and view.started_at < DATED}
    return {**mask_call(view.summary()), **times, "findings": mask_values(list(findings)), "ladder": ladder_text(trace, 100)}
