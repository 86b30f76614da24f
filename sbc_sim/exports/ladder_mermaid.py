"""The ladder as a Mermaid sequence diagram, for wikis and tickets that draw such text.

Mermaid reads ``;`` and line ends as the end of a statement, ``#...;`` as an entity and ``%%`` as a comment, so all of these, and what
Markdown and HTML would read, are written as entities.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sbc_sim.exports.ladder import build_ladder
from sbc_sim.exports.ladder_rows import Ladder, Mark, Row, Shape
from sbc_sim.journal.store import Trace

LONGEST = 300
"""Characters of one text; Mermaid refuses diagrams of more than 50,000 in all."""
MOST_OCTETS = 48_000
_SAFE = re.compile(r"[A-Za-z0-9 .,()/+=@?!*_'\[\]|:-]")
_KEYWORD = re.compile(r"\b(end|style|classDef|wrap|nowrap|title|init)\b", re.IGNORECASE)
"""Words on which Mermaid's preprocessing acts wherever they stand."""


def ladder_mermaid(trace: Trace) -> str:
    """Write the call as ``sequenceDiagram`` that ends in a newline; a long call is shortened in its middle."""
    ladder = build_ladder(trace)
    top, rows, end = list(_top(ladder)), [list(_row(row)) for row in ladder.rows], list(_end(ladder))
    return "".join(f"{line}\n" for line in (*top, *_fitting(rows, MOST_OCTETS - _size(top) - _size(end)), *end))


def _size(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _fitting(rows: list[list[str]], room: int) -> Iterator[str]:
    """All rows, or as many from both ends as there is room for."""
    sizes = [_size(row) for row in rows]
    front, back, used = 0, len(rows), 80
    while front < back and used + sizes[front] + (sizes[back - 1] if back - 1 > front else 0) <= room:
        used += sizes[front]
        front += 1
        if front < back:
            back -= 1
            used += sizes[back]
    for row in rows[:front]:
        yield from row
    if front < back:
        yield f"    Note over P,S: {back - front} rows are left out here"
    for row in rows[back:]:
        yield from row


def _top(ladder: Ladder) -> Iterator[str]:
    yield "sequenceDiagram"
    for letter, (name, address) in zip("PS", (ladder.left, ladder.right), strict=True):
        yield f"    participant {letter} as {_text(name)}" + (f"<br/>{_text(address)}" if address else "")
    for line in (*ladder.heading, *ladder.facts):
        yield f"    Note over P,S: {_text(line)}"
    yield from map(_mark, ladder.fact_marks)


def _end(ladder: Ladder) -> Iterator[str]:
    yield from map(_mark, ladder.loose_marks)
    for line in ladder.ending:
        yield f"    Note over P,S: {_text(line)}"
    if ladder.verdict_line:
        yield f"    Note over P,S: {_text(ladder.verdict_line)}"


def _row(row: Row) -> Iterator[str]:
    at = f"{row.at:+.3f}"
    if row.shape is Shape.ARROW:
        yield f"    {'P->>S' if row.inbound else 'S->>P'}: {at} {_text(_label(row))}"
    elif row.shape is Shape.MEDIA:
        yield f"    Note over P,S: {at} {_text(row.label)}" + "".join(f"<br/>{_text(note)}" for note in row.notes)
        if row.received or row.sent:
            yield f"    P-)S: {row.received} packets"
            yield f"    S-)P: {row.sent} {'echoed' if row.echoed else 'packets'}"
    else:
        yield f"    Note over P,S: {at} {_text(row.label)}"
    yield from map(_mark, row.marks)


def _label(row: Row) -> str:
    notes = f" with {', '.join(row.notes)}" if row.notes else ""
    times = f" x{row.times}" + (f", last at {row.last_at:+.3f}" if row.last_at is not None else "") if row.times > 1 else ""
    return f"{row.label}{notes}{times}"


def _mark(mark: Mark) -> str:
    return f"    Note over P,S: {mark.status.upper()} {_text(mark.rule)}<br/>{_text(mark.text)}"


def _text(text: str) -> str:
    short = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    escaped = "".join(character if _SAFE.match(character) else f"#{ord(character)};" for character in " ".join(short.split()))
    return _KEYWORD.sub(lambda match: f"#{ord(match[0][0])};{match[0][1:]}", escaped) or "-"
