"""Calls as rows for a terminal. What came from outside is masked and escaped: a row is one line, whatever a header held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sbc_sim.exports.redaction import clean

Paint = Callable[[str, str], str]
HEADINGS = ("STARTED", "CALL", "STATE", "VERDICT", "SECONDS", "FROM", "TO")
FIXED = (14, 25, 8, 9, 7)
"""Columns of what has a width of its own; numbers share the rest."""
STYLES = {"pass": "good", "warn": "warning", "fail": "bad"}
LEAST = 8


def heading(width: int) -> str:
    """Name the columns."""
    return _joined(HEADINGS, width)


def row(call: Mapping[str, Any], width: int, paint: Paint = lambda text, style: text) -> str:
    """Write a call as the API tells it in one line of at most `width` columns."""
    verdict = _verdict(call.get("verdict"))
    status = (call.get("verdict") or {}).get("status")
    cells = (
        started(call.get("startedAt")),
        clean(call.get("id", "")),
        clean(call.get("state", "")),
        verdict,
        _seconds(call),
        _number(call, "from"),
        _number(call, "requestUri"),
    )
    line = _joined(cells, width)
    if status not in STYLES:
        return line
    place = sum(FIXED[:3]) + 6
    return f"{line[:place]}{paint(line[place : place + FIXED[3]], STYLES[status])}{line[place + FIXED[3] :]}"


def attempt_row(attempt: Mapping[str, Any]) -> str:
    """Write a connection that never became a call in one line, however long: its end is the cure."""
    peer = attempt.get("peer") or {}
    said = f"no call from {clean(peer.get('host', '?'))}: {clean(attempt.get('detail') or attempt.get('problem', ''))}"
    return f"{started(attempt.get('at')):<{FIXED[0]}}  {said}"


def started(at: object) -> str:
    """Write a time of the API in local time: without the date when it is today's."""
    try:
        moment = datetime.fromisoformat(str(at)).astimezone()
    except ValueError:
        return "-"
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S") + f".{moment.microsecond // 1000:03d}" if today else moment.strftime("%m-%d %H:%M:%S")


def _joined(cells: Sequence[str], width: int) -> str:
    left = max(2 * LEAST, width - sum(FIXED) - 2 * len(FIXED) - 2)
    widths = (*FIXED, left // 2, left - left // 2)
    return "  ".join(f"{_cut(cell, columns):<{columns}}" for cell, columns in zip(cells, widths, strict=True)).rstrip()


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def _verdict(verdict: Mapping[str, Any] | None) -> str:
    status = (verdict or {}).get("status")
    if not status:
        return "-"
    count = ((verdict or {}).get("counts") or {}).get(status)
    return f"{clean(status)} {count}" if status in ("warn", "fail") and count else clean(status)


def _seconds(call: Mapping[str, Any]) -> str:
    """From the answer to the end; a call that goes on or was never answered has none."""
    try:
        lasted = datetime.fromisoformat(str(call.get("endedAt"))) - datetime.fromisoformat(str(call.get("answeredAt")))
    except (ValueError, TypeError):
        return "-"
    return f"{lasted.total_seconds():.1f}"


def _number(call: Mapping[str, Any], name: str) -> str:
    numbers = call.get("numbers") or {}
    return clean(numbers.get(name) or call.get(name) or "-")
