"""A comparison as text that reads like a diff. Every text from a message is masked and escaped."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from sbc_sim.exports.redaction import clean, mask
from sbc_sim.offline.changes import Change, Weight
from sbc_sim.offline.compare import Compared, ComparedCall, Comparison

NARROWEST = 60
MARGIN = "    "
_SIGN = {Weight.BREAKS: "!", Weight.MATTERS: "~", Weight.HARMLESS: " "}


def comparison_text(comparison: Comparison, width: int = 100, everything: bool = False) -> str:
    """Write a comparison. Without `everything` harmless changes are only counted."""
    width = max(NARROWEST, width)
    lines: list[str] = []
    for call in comparison.calls:
        lines += [*_call(call, width, everything), ""]
    if not comparison.calls:
        lines.append("no call is in both traces")
    for note in comparison.notes:
        lines += wrap(f"note: {clean(note)}", width, subsequent_indent="      ", break_on_hyphens=False)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _call(call: ComparedCall, width: int, everything: bool) -> Iterator[str]:
    yield f"--- theirs  Call-ID {clean(call.theirs)}"
    yield f"+++ ours    Call-ID {clean(call.ours)}" + ("" if call.theirs == call.ours else f"  (matched by {call.matched_by})")
    yield _clocks(call)
    yield ""
    for message in call.messages:
        yield from _message(message, width, everything)
    yield ""
    yield {
        Weight.BREAKS: "worst: a rule that held when the message was sent is broken when it arrives",
        Weight.MATTERS: "worst: something that matters changed, no rule is broken by it",
        Weight.HARMLESS: "worst: only what any hop may change",
        None: "nothing changed",
    }[call.worst]


def _clocks(call: ComparedCall) -> str:
    if call.clock_offset is None or call.one_way is None:
        return "clocks: cannot be compared (no times, or messages in one direction only)"
    which = "ahead of" if call.clock_offset >= 0 else "behind"
    return (
        f"clocks: ours is {_time(abs(call.clock_offset))} {which} theirs; one way takes {_time(call.one_way)} at least "
        "(if both ways take equally long)"
    )


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.3f} s"


def _message(message: Compared, width: int, everything: bool) -> Iterator[str]:
    arrow = "partner -> SBC" if message.inbound else "SBC -> partner"
    delay = "" if message.delay is None else f", {message.delay * 1000:+.1f} ms on the way"
    yield f"@@ {clean(message.summary)}  (CSeq {clean(' '.join(message.sequence))}, {arrow}{delay}) @@"
    if message.why:
        yield f"{MARGIN}only in {message.seen_by}: {message.why}"
    for count, side in zip(message.repeats, ("theirs", "ours"), strict=True):
        if count:
            yield f"{MARGIN}{side}: came {count} time{'s' if count > 1 else ''} more"
    shown = [change for change in message.changes if everything or change.weight is not Weight.HARMLESS]
    for change in shown:
        yield from _change(change, width)
    if message.body:
        yield f"{MARGIN}body:"
    for line in message.body:
        yield f"{line.sign} {clean(line.text)}" + (f"   ({line.why})" if line.why else "")
    for finding in message.broken:
        text = f"breaks {finding.rule}: {clean(finding.detail)}"
        yield from wrap(text, width, initial_indent="! ", subsequent_indent=MARGIN, break_on_hyphens=False)
    harmless = len(message.changes) - len(shown)
    if harmless:
        names = ", ".join(dict.fromkeys(clean(c.header) for c in message.changes if c.weight is Weight.HARMLESS))
        yield from wrap(f"harmless: {names}", width, initial_indent=MARGIN, subsequent_indent=MARGIN * 2, break_on_hyphens=False)


def _change(change: Change, width: int) -> Iterator[str]:
    name = clean(change.header)
    hidden = change.before is not None and change.after is not None and change.before != change.after and _alike(change)
    room = max(20, width - len(name) - 10)
    start = _start(change, room)
    if change.before is not None:
        yield f"- {name}: {_part(change.before, start, room)}"
    if change.after is not None:
        yield f"+ {name}: {_part(change.after, start, room)}"
        yield from _pointer(len(name) + 4 + (3 if start else 0), change, start, width)
    if change.before is None and change.after is None:
        yield f"  {name}: {change.what}"
    words = [change.what if change.what != "changed" else "", change.why, "differs within what is masked" if hidden else ""]
    rules = f"breaks {', '.join(change.rules)}" if change.rules else ""
    told = "; ".join(word for word in (rules, *words) if word)
    if told:
        yield from wrap(told, width, initial_indent=f"{_SIGN[change.weight]}   ", subsequent_indent=MARGIN, break_on_hyphens=False)


def _alike(change: Change) -> bool:
    return mask(change.before or "") == mask(change.after or "")


def _start(change: Change, room: int) -> int:
    """Where both values are shown from: both at the same character, so that they stand above each other."""
    sides = [text for text in (change.before, change.after) if text is not None]
    longest = max((len(text) for text in sides), default=0)
    if longest <= room or change.position is None or any(clean(text) != text for text in sides):
        return 0
    return max(0, min(change.position - room // 2, longest - room))


def _part(value: str, start: int, room: int) -> str:
    text = clean(value)
    part = text[start : start + room]
    return f"{'...' if start else ''}{part}{'...' if start + len(part) < len(text) else ''}"


def _pointer(margin: int, change: Change, start: int, width: int) -> Iterator[str]:
    """Mark the first character that differs, where what is shown is what was there."""
    texts, position = (change.before or "", change.after or ""), change.position
    if position is None or any(clean(text) != text for text in texts):
        return
    column = margin + position - start
    if column < width:
        yield " " * column + f"^ character {position + 1}"
