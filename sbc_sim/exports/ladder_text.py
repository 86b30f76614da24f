"""The ladder as text for terminals: 80 to 120 columns, no colour codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from sbc_sim.exports.ladder import build_ladder
from sbc_sim.exports.ladder_rows import Ladder, Mark, Row, Shape
from sbc_sim.journal.store import Trace

NARROWEST, WIDEST = 80, 120
MARGIN = 10
"""Columns of the time."""
MOST_MARK_LINES = 4


@dataclass(frozen=True, slots=True)
class Pen:
    """The characters to draw with."""

    post: str
    line: str
    double: str
    right: str
    left: str
    cut: str


FINE = Pen("│", "─", "═", "▶", "◀", "…")
PLAIN = Pen("|", "-", "=", ">", "<", "~")


def ladder_text(trace: Trace, width: int = 100, plain: bool = False) -> str:
    """Draw the call as text that ends in a newline; `plain` keeps our own lines to ASCII. `width` is brought into 80 to 120."""
    drawing = _Drawing(max(NARROWEST, min(width, WIDEST)), PLAIN if plain else FINE)
    return "".join(f"{line.rstrip()}\n" for line in drawing.lines(build_ladder(trace)))


class _Drawing:
    """A width and a pen."""

    def __init__(self, width: int, pen: Pen) -> None:
        self._width = width
        self._lane = width - MARGIN - 2
        self._pen = pen

    def lines(self, ladder: Ladder) -> Iterator[str]:
        """Draw everything."""
        for line in (*ladder.heading, *ladder.facts):
            yield from self._wrapped(line, "", "     ")
        for mark in ladder.fact_marks:
            yield from self._outside(mark)
        yield ""
        for left, right in zip(ladder.left, ladder.right, strict=True):
            yield " " * MARGIN + self._ends(left, right, self._lane + 2)
        yield self._posts()
        for row in ladder.rows:
            yield from self._row(row)
        yield self._posts()
        yield ""
        for mark in ladder.loose_marks:
            yield from self._outside(mark)
        for line in ladder.ending:
            yield from self._wrapped(line, "", "  ")
        if ladder.verdict_line:
            yield ladder.verdict_line

    def _row(self, row: Row) -> Iterator[str]:
        if row.shape is Shape.ARROW:
            yield self._arrow(row)
        elif row.shape is Shape.MEDIA:
            yield from self._media(row)
        else:
            yield from self._remark(row)
        for mark in row.marks:
            yield from self._beside(mark)

    def _arrow(self, row: Row) -> str:
        text = self._cut(f" {_label(row)} ", self._lane - 6)
        shaft = self._lane - len(text) - 2
        if row.inbound:
            lane = self._pen.line + text + self._pen.line * shaft + self._pen.right
        else:
            lane = self._pen.left + self._pen.line * shaft + text + self._pen.line
        return self._timed(row, lane)

    def _media(self, row: Row) -> Iterator[str]:
        pen = self._pen
        yield self._timed(row, self._centred(f" {row.label} ", pen.double))
        if row.received or row.sent or row.notes:
            half = self._lane // 2
            there = self._cut(f" {row.received} packets ", half - 4)
            back = self._cut(f" {row.sent} {'echoed' if row.echoed else 'packets'} ", self._lane - half - 4)
            left = pen.double + there + pen.double * (half - len(there) - 3) + pen.right + " "
            right = pen.left + pen.double * (self._lane - half - len(back) - 2) + back + pen.double
            yield self._posts(left + right)
        for note in row.notes:
            yield self._posts(f"  {note}")

    def _remark(self, row: Row) -> Iterator[str]:
        for number, line in enumerate(wrap(row.label, self._lane - 4) or [""]):
            lane = line.center(self._lane)
            yield self._timed(row, lane) if number == 0 else self._posts(lane)

    def _beside(self, mark: Mark) -> Iterator[str]:
        for line in self._mark_lines(mark, self._lane - 4):
            yield self._posts(f"  {line}")

    def _outside(self, mark: Mark) -> Iterator[str]:
        yield from self._mark_lines(mark, self._width)

    def _mark_lines(self, mark: Mark, width: int) -> list[str]:
        lines = wrap(f"{mark.status.upper()} {mark.rule}  {mark.text}", width, subsequent_indent="     ", break_on_hyphens=False)
        if len(lines) > MOST_MARK_LINES:
            lines = [*lines[: MOST_MARK_LINES - 1], self._cut(lines[MOST_MARK_LINES - 1] + " " * width, width)]
        return lines

    def _wrapped(self, text: str, first: str, more: str) -> list[str]:
        return wrap(text, self._width, initial_indent=first, subsequent_indent=more, break_on_hyphens=False) or [""]

    def _timed(self, row: Row, lane: str) -> str:
        return f"{row.at:+{MARGIN - 2}.3f}  "[:MARGIN].rjust(MARGIN) + self._pen.post + lane.ljust(self._lane) + self._pen.post

    def _posts(self, lane: str = "") -> str:
        return " " * MARGIN + self._pen.post + self._cut(lane, self._lane).ljust(self._lane) + self._pen.post

    def _centred(self, text: str, fill: str) -> str:
        return self._cut(text, self._lane - 4).center(self._lane, fill)

    def _ends(self, left: str, right: str, width: int) -> str:
        left = self._cut(left, width - len(right) - 2)
        return left + right.rjust(width - len(left))

    def _cut(self, text: str, width: int) -> str:
        if len(text) <= width:
            return text
        return text[: width - 2] + self._pen.cut + (" " if text.endswith(" ") else self._pen.cut)


def _label(row: Row) -> str:
    parts = [row.label]
    if row.notes:
        parts.append(f"with {', '.join(row.notes)}")
    if row.times > 1:
        parts.append(f"x{row.times}" + (f", last at {row.last_at:+.3f}" if row.last_at is not None else ""))
    return " ".join(parts)
