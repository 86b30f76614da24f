"""The audio of a call as a picture: the level of both directions over time, received upwards and sent downwards, on one axis.

Class names below ``svg.levels``: ``path.in``, ``path.out``, ``line.axis``, ``rect.gap``, ``text.name``, ``text.tick``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT = 720, 132
_LEFT, _RIGHT, _MIDDLE, _HALF = 8, 712, 62, 46
FLOOR_DBFS = -60.0
"""What is quieter is drawn as a thin line."""
MOST_BARS = 600


def level_css() -> str:
    """The style of the picture."""
    return (
        ".levels{--level-in:#0b62a8;--level-out:#b4570b;--level-soft:#59636e;--level-gap:#e6eaee;display:block;width:100%;height:auto;max-width:60rem}"
        "@media (prefers-color-scheme: dark){.levels{--level-in:#6cb6ff;--level-out:#f0a35e;--level-soft:#9aa5b1;--level-gap:#2a3138}}"
        "@media print{.levels{--level-in:#0b62a8;--level-out:#b4570b;--level-soft:#444;--level-gap:#eee}}"
        ".levels .in{fill:var(--level-in)}.levels .out{fill:var(--level-out)}.levels .axis{stroke:var(--level-soft)}"
        ".levels .gap{fill:var(--level-gap)}.levels text{font:11px system-ui,sans-serif;fill:var(--level-soft)}\n"
    )


def level_svg(series: Mapping[str, Any]) -> str:
    """Draw the columns of `exports.series`; empty when no audio was kept."""
    columns = [[_number(value) for value in series.get(name) or ()] for name in ("t", "levelIn", "levelOut")]
    rows = [row for row in zip(*columns, strict=False) if row[0] is not None]
    if not any(heard is not None or said is not None for _, heard, said in rows):
        return ""
    times = [float(row[0] or 0.0) for row in rows]
    begin, end = times[0], times[-1] + float(series.get("stepMs") or 0) / 1000
    scale = (_RIGHT - _LEFT) / max(end - begin, 0.001)
    bars = list(_bars(times, rows, begin, scale))
    title = f"Level of the audio, {begin:.1f} s to {end:.1f} s after the answer: received above, sent below the line"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="levels" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{_gap(series.get('gap'), begin, end, scale)}"
        f'<path class="in" d="{_path(bars, 1)}"/><path class="out" d="{_path(bars, 2)}"/>'
        f'<line class="axis" x1="{_LEFT}" y1="{_MIDDLE}" x2="{_RIGHT}" y2="{_MIDDLE}"/>'
        f'<text class="name" x="{_LEFT}" y="12">received</text><text class="name" x="{_LEFT}" y="{HEIGHT - 18}">sent (the echo)</text>'
        + "".join(_ticks(begin, end, scale))
        + "</svg>\n"
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _height(level: float | None) -> float:
    return 0.0 if level is None else max(0.6, _HALF * (1 - max(FLOOR_DBFS, min(0.0, level)) / FLOOR_DBFS))


def _bars(times: Sequence[float], rows: Sequence[tuple[Any, ...]], begin: float, scale: float) -> Iterator[tuple[float, float, float]]:
    """Place, height received, height sent; the loudest of the steps that share a bar."""
    share = -(-len(rows) // MOST_BARS)
    for start in range(0, len(rows), share):
        part = rows[start : start + share]
        yield _LEFT + (times[start] - begin) * scale, max(_height(row[1]) for row in part), max(_height(row[2]) for row in part)


def _path(bars: Sequence[tuple[float, float, float]], which: int) -> str:
    wide = max(0.8, min((after[0] - before[0] for before, after in pairwise(bars)), default=4.0) * 0.85)
    sign = -1 if which == 1 else 1
    return "".join(f"M{bar[0]:.1f} {_MIDDLE}h{wide:.1f}v{sign * bar[which]:.1f}h-{wide:.1f}z" for bar in bars if bar[which])


def _gap(gap: Any, begin: float, end: float, scale: float) -> str:
    if not isinstance(gap, list | tuple) or len(gap) != 2:
        return ""
    low, high = max(begin, float(gap[0])), min(end, float(gap[1]))
    if low >= high:
        return ""
    x, wide = _LEFT + (low - begin) * scale, (high - low) * scale
    return f'<rect class="gap" x="{x:.1f}" y="{_MIDDLE - _HALF}" width="{wide:.1f}" height="{2 * _HALF}"/>'


def _ticks(begin: float, end: float, scale: float) -> Iterator[str]:
    step = next((size for size in (0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800) if (end - begin) / size <= 9), 3600)
    number = int(begin // step) + (begin % step > 0)
    while number * step < end - step / 3:
        x = _LEFT + (number * step - begin) * scale
        anchor = "middle" if x > _LEFT + 12 else "start"
        yield f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 3}" text-anchor="{anchor}">{number * step:g} s</text>'
        number += 1
