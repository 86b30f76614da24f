"""What a capture file says in comments: the findings of the call, each beside the packet that it is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sbc_sim.exports.capture import Capture
from sbc_sim.exports.ladder import build_ladder
from sbc_sim.exports.ladder_rows import Mark, Shape
from sbc_sim.exports.redacted import HIDDEN, Redaction
from sbc_sim.exports.redaction import clean
from sbc_sim.journal.store import Trace


@dataclass(frozen=True, slots=True)
class Remarks:
    """Comments by where they belong."""

    general: tuple[str, ...] = ()
    connection: tuple[str, ...] = ()
    messages: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """By the number of the message, as the ladder counts them."""
    media: tuple[str, ...] = ()


def remarks_of(trace: Trace, capture: Capture, level: Redaction) -> Remarks:
    """Read a trace that went through its redaction; what finds no packet of its own is said in general."""
    ladder = build_ladder(trace)
    fixes = {str(f.get("rule")): str(f.get("fix") or "") for f in (trace.call.verdict or {}).get("findings", trace.call.findings)}
    messages: dict[int, list[str]] = defaultdict(list)
    media: list[str] = []
    loose = list(_texts(ladder.loose_marks, fixes))
    for row in ladder.rows:
        texts = list(_texts(row.marks, fixes))
        if row.shape is Shape.MEDIA:
            media += texts
        elif row.message is not None:
            messages[row.message] += texts
        else:
            loose += texts
    connection = list(_texts(ladder.fact_marks, fixes))
    packets = capture.media is not None and (capture.media.received.packets or capture.media.sent.packets)
    if not packets:
        loose, media = [*loose, *media], []
    if not capture.tls or level is not Redaction.NONE:
        loose, connection = [*connection, *loose], []
    general = (_summary(trace), *loose, *capture.notes, *_hidden(level))
    return Remarks(general, tuple(connection), {number: tuple(texts) for number, texts in messages.items() if texts}, tuple(media))


def _texts(marks: Iterable[Mark], fixes: dict[str, str]) -> Iterable[str]:
    for mark in marks:
        fix = clean(fixes.get(mark.rule, ""))
        yield f"{mark.status.upper()} {mark.rule}: {mark.text}" + (f"  To do: {fix}" if fix else "")


def _summary(trace: Trace) -> str:
    call = trace.call
    counts = (call.verdict or {}).get("counts") or {}
    verdict = str((call.verdict or {}).get("status") or "none yet")
    told = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    return clean(f"sbc-sim, call {call.id}: verdict {verdict}{f' ({told})' if told else ''}; from {call.caller} to {call.called}")


def _hidden(level: Redaction) -> tuple[str, ...]:
    if level is Redaction.NONE:
        return ("nothing is hidden in this file: it holds keys, and TLS secrets of other calls on the same connection",)
    return (f"hidden at the level {level.value}: TLS octets and secrets; {'; '.join(HIDDEN[level])}",)
