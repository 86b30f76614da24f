"""The ladder as SVG: for a file of its own (with style, light and dark), or for a page that brings the style (`ladder_css`).

Class names, all below the root ``svg.ladder``:

- ``g.row`` is one row: ``arrow`` (with ``in`` or ``out``), ``media`` or ``remark``; the worst of its findings as ``pass``, ``warn`` or
  ``fail``. A message has ``data-message`` with its number as in /messages, ``tabindex``, ``role="button"`` and an ``aria-label``;
  a page may set ``chosen`` or ``aria-pressed="true"``. In it: ``rect.hit`` (the place to click), ``text.time``, ``text.label`` with
  ``tspan.note`` and ``tspan.times``, ``line.shaft``, ``path.head``, and ``text.note`` of media.
- ``g.mark.warn`` and ``g.mark.fail`` is a finding: ``rect.box``, ``text.rule``, ``text.said``.
- ``text.heading``, ``text.fact``, ``rect.end`` with ``text.name`` and ``text.address``, ``line.post``, ``text.verdict``,
  ``rect.ground`` (only in a file of its own).

Text is measured by the widest fonts that browsers take, so it never overlaps; what comes from outside is masked and escaped by the core.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files

from sbc_sim.exports.ladder import build_ladder
from sbc_sim.exports.ladder_rows import Ladder, Mark, Row, Shape
from sbc_sim.exports.lettering import lines, width
from sbc_sim.journal.store import Trace

WIDTH = 520
"""Of the drawing, in its own pixels: narrow enough to be read on a telephone, where it is made smaller by a quarter."""
_EDGE = 8
_LEFT, _RIGHT = 66, WIDTH - 14
"""Where the posts stand."""
_MIDDLE = (_LEFT + _RIGHT) / 2
_TEXT, _SMALL = 12, 11
_LINE = 15
_HEAD = 7
"""Length of the head of an arrow."""
_ZOOM = 1.3


@cache
def ladder_css() -> str:
    """The style of the drawing; a page that embeds it serves these rules."""
    return files("sbc_sim.exports").joinpath("ladder.css").read_text("utf-8")


def ladder_svg(trace: Trace, embedded: bool = False, links: bool = False) -> str:
    """Draw the call. `embedded`: no style inside, class names only, for a page that has the rules of `ladder_css`.

    `links`: each message is a link to ``#message-N`` instead of a button, for a document without scripts.
    """
    drawing = _Drawing(links)
    ladder = build_ladder(trace)
    drawing.draw(ladder)
    height = round(drawing.y + _EDGE)
    size = "" if embedded else f' width="{WIDTH * _ZOOM:.0f}" height="{height * _ZOOM:.0f}"'
    style = "" if embedded else f'<style>{ladder_css()}</style><rect class="ground" width="{WIDTH}" height="{height}"/>'
    name = f"SIP ladder of {ladder.heading[0].split('  ')[0]}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" viewBox="0 0 {WIDTH} {height}"{size} role="group" '
        f'aria-label="{_safe(name)}"><title>{_safe(name)}</title><desc>{_safe(_described(ladder))}</desc>{style}'
        + "".join(drawing.parts)
        + "</svg>\n"
    )


def _described(ladder: Ladder) -> str:
    arrows = sum(row.shape is Shape.ARROW for row in ladder.rows)
    marks = sum(len(row.marks) for row in ladder.rows) + len(ladder.fact_marks) + len(ladder.loose_marks)
    verdict = f"verdict {ladder.verdict}" if ladder.verdict else "no verdict"
    ends = f"{' '.join(ladder.left)} and {' '.join(ladder.right)}"
    return f"{arrows} messages between {ends}, {marks} findings, {verdict}"


def _safe(text: str) -> str:
    """Escape for XML; the core made control characters visible, what is left of them becomes a mark."""
    legal = text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
    return escape(legal)


class _Drawing:
    """Parts of the picture, from the top to `y`."""

    def __init__(self, links: bool) -> None:
        self._links = links
        self.parts: list[str] = []
        self.y = float(_EDGE)

    def draw(self, ladder: Ladder) -> None:
        """Draw everything."""
        self._top(ladder)
        self._ends(ladder)
        place, begin = len(self.parts), self.y
        self.y += 6
        for row in ladder.rows:
            self._row(row)
        self.y += 6
        self.parts.insert(place, self._posts(begin, self.y))
        self._bottom(ladder)

    def _top(self, ladder: Ladder) -> None:
        for number, line in enumerate(ladder.heading):
            self._paragraph(line, "heading" if number == 0 else "fact", _TEXT if number == 0 else _SMALL, most=2)
        for line in ladder.facts:
            self._paragraph(line, "fact", _SMALL)
        self._marks(ladder.fact_marks, _EDGE, WIDTH - _EDGE)
        self.y += 6

    def _ends(self, ladder: Ladder) -> None:
        """The boxes at the top of the posts."""
        wide = (WIDTH - 2 * _EDGE - 12) / 2
        texts = [(end[0], lines(end[1], wide - 12, _SMALL, most=2)) for end in (ladder.left, ladder.right)]
        high = 20 + 14 * max(len(address) for _, address in texts) + 4
        for (name, address), left in zip(texts, (_EDGE, WIDTH - _EDGE - wide), strict=True):
            right = left > _EDGE
            self.parts.append(f'<rect class="end" x="{left:g}" y="{self.y:g}" width="{wide:g}" height="{high}" rx="4"/>')
            at, anchor = (left + wide - 6, ' text-anchor="end"') if right else (left + 6, "")
            self._text(at, self.y + 16, name, "name prose", anchor)
            for number, line in enumerate(address):
                self._text(at, self.y + 31 + 14 * number, line, "address", anchor)
        self.y += high

    def _posts(self, begin: float, end: float) -> str:
        return "".join(f'<line class="post" x1="{x}" y1="{begin:g}" x2="{x}" y2="{end:g}"/>' for x in (_LEFT, _RIGHT))

    def _bottom(self, ladder: Ladder) -> None:
        self.y += 4
        self._marks(ladder.loose_marks, _EDGE, WIDTH - _EDGE)
        for line in ladder.ending:
            self._paragraph(line, "fact", _SMALL)
        if ladder.verdict_line:
            self.y += 4
            self._paragraph(ladder.verdict_line, f"verdict {_status(ladder.verdict)}", 14)

    def _row(self, row: Row) -> None:
        begin, place = self.y, len(self.parts)
        {Shape.ARROW: self._arrow, Shape.MEDIA: self._media, Shape.REMARK: self._remark}[row.shape](row)
        hit = f'<rect class="hit" x="2" y="{begin + 1:g}" width="{WIDTH - 4}" height="{self.y - begin - 2:g}" rx="4"/>'
        tag = "a" if self._links and row.message is not None else "g"
        opening = f"<{tag} {_attributes(row, self._links)}>"
        self.parts[place:place] = [opening, hit] if row.message is not None else [opening]
        self.parts.append(f"</{tag}>")
        self._marks(row.marks, _LEFT + 10, _RIGHT - 10)

    def _arrow(self, row: Row) -> None:
        self._label(row)
        y, inbound = self.y + 6, bool(row.inbound)
        self._time(row.at, y + 4)
        self._shaft(y, not inbound, inbound)
        self.y += 15

    def _media(self, row: Row) -> None:
        self._label(row)
        y = self.y + 6
        self._time(row.at, y + 6)
        for line in (y - 2, y + 2):
            self.parts.append(f'<line class="shaft" x1="{_LEFT + _HEAD:g}" y1="{line:g}" x2="{_RIGHT - _HEAD:g}" y2="{line:g}"/>')
        self._head(y, True, 6)
        self._head(y, False, 6)
        self.y += 16
        if row.received or row.sent or row.notes:
            self.y += 11
            self._text(_LEFT + 8, self.y, f"\u2192 {row.received} packets", "note")
            self._text(_RIGHT - 8, self.y, f"{row.sent} {'echoed' if row.echoed else 'packets'} \u2190", "note", ' text-anchor="end"')
            self.y += 5
        for note in row.notes:
            self._centred(note, "note", _SMALL)
        self.y += 4

    def _remark(self, row: Row) -> None:
        self._time(row.at, self.y + 14)
        self.y += 3
        self._centred(row.label, "label", _TEXT, most=3)
        self.y += 4

    def _label(self, row: Row) -> None:
        self.y += 4
        notes = f"with {', '.join(row.notes)}" if row.notes and row.shape is Shape.ARROW else ""
        times = f"\u00d7{row.times}" + (f", last at {row.last_at:+.3f}" if row.last_at is not None else "") if row.times > 1 else ""
        room = _RIGHT - _LEFT - 24
        whole = " ".join(part for part in (row.label, notes, times) if part)
        if width(whole, _TEXT) <= room:
            self._pieces([(row.label, ""), (notes, "note"), (times, "times")])
            return
        self._centred(row.label, "label", _TEXT, most=3)
        for text, kind in ((notes, "note"), (times, "label times")):
            if text:
                self._centred(text, kind, _TEXT, most=2)

    def _pieces(self, pieces: list[tuple[str, str]]) -> None:
        self.y += _LINE
        inner = " ".join(f'<tspan class="{kind}">{_safe(text)}</tspan>' if kind else _safe(text) for text, kind in pieces if text)
        self.parts.append(f'<text class="label" x="{_MIDDLE:g}" y="{self.y - 3:g}" text-anchor="middle">{inner}</text>')

    def _centred(self, text: str, kind: str, size: int, most: int = 2) -> None:
        for line in lines(text, _RIGHT - _LEFT - 24, size, most=most):
            self.y += _LINE
            self._text(_MIDDLE, self.y - 3, line, kind, ' text-anchor="middle"')

    def _paragraph(self, text: str, kind: str, size: int, most: int = 4) -> None:
        for line in lines(text, WIDTH - 2 * _EDGE, size, most=most):
            self.y += size + 4
            self._text(_EDGE, self.y - 3, line, kind)

    def _time(self, at: float, y: float) -> None:
        self._text(_LEFT - 6, y, f"{at:+.3f}", "time", ' text-anchor="end"' + _squeezed(f"{at:+.3f}"))

    def _shaft(self, y: float, to_left: bool, to_right: bool) -> None:
        start, end = _LEFT + (_HEAD if to_left else 1), _RIGHT - (_HEAD if to_right else 1)
        self.parts.append(f'<line class="shaft" x1="{start}" y1="{y:g}" x2="{end}" y2="{y:g}"/>')
        self._head(y, to_right, 4)

    def _head(self, y: float, to_right: bool, half: int) -> None:
        tip, back = (_RIGHT - 1, _RIGHT - 1 - _HEAD - 2) if to_right else (_LEFT + 1, _LEFT + 1 + _HEAD + 2)
        self.parts.append(f'<path class="head" d="M{tip} {y:g}L{back} {y - half:g}V{y + half:g}Z"/>')

    def _marks(self, marks: Iterable[Mark], left: float, right: float) -> None:
        for mark in marks:
            self._mark(mark, left, right)

    def _mark(self, mark: Mark, left: float, right: float) -> None:
        said = lines(mark.text, right - left - 16, _TEXT, prose=True)
        high = 20 + _LINE * len(said)
        self.parts.append(
            f'<g class="mark {_status(mark.status)}"><rect class="box" x="{left:g}" y="{self.y + 2:g}" width="{right - left:g}" '
            f'height="{high}" rx="4"/>'
        )
        self._text(left + 8, self.y + 16, f"{mark.status.upper()}  {mark.rule}", "rule")
        for number, line in enumerate(said):
            self._text(left + 8, self.y + 16 + _LINE * (number + 1), line, "said prose")
        self.parts.append("</g>")
        self.y += high + 6

    def _text(self, x: float, y: float, text: str, kind: str, more: str = "") -> None:
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}"{more}>{_safe(text)}</text>')


def _squeezed(text: str) -> str:
    """Keep a very long time off the left edge."""
    room = _LEFT - 6 - 2
    return f' textLength="{room}" lengthAdjust="spacingAndGlyphs"' if width(text, _SMALL) > room else ""


def _status(status: str | None) -> str:
    return status if status in ("pass", "warn", "fail") else "none"


def _attributes(row: Row, links: bool) -> str:
    worst = "fail" if any(mark.status == "fail" for mark in row.marks) else "warn" if row.marks else "pass"
    way = "" if row.inbound is None or row.shape is not Shape.ARROW else " in" if row.inbound else " out"
    kind = f'class="row {row.shape.value}{way} {worst}"'
    if row.message is None:
        return kind
    can = f'href="#message-{row.message}"' if links else 'tabindex="0" role="button"'
    return f'{kind} data-message="{row.message}" {can} aria-label="{_safe(_spoken(row))}"'


def _spoken(row: Row) -> str:
    who = "" if row.inbound is None else "from the partner" if row.inbound else "to the partner"
    found = "; ".join(f"{mark.status} {mark.rule}" for mark in row.marks)
    times = f"{row.times} times" if row.times > 1 else ""
    return ", ".join(part for part in (row.label, who, *row.notes, f"at {row.at:+.3f} s", times, found) if part)
