"""Calls as rows for a terminal. What came from outside is masked and escaped: a row is one line, whatever a header held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sbc_sim.exports.redaction import clean

Paint = Callable[[str, str], str]
COLUMNS = {"STARTED": 14, "CALL": 25, "STATE": 8, "VERDICT": 9, "SECONDS": 7, "FROM": 8, "TO": 8}
"""Names and least widths, from left to right; FROM and TO share what is left."""
BY_NEED = ("CALL", "VERDICT", "STATE", "TO", "STARTED", "FROM", "SECONDS")
"""What is left out last stands first: a narrow terminal gets fewer columns, not longer lines."""
GAP = "  "
STYLES = {"pass": "good", "warn": "warning", "fail": "bad"}


def heading(width: int) -> str:
    """Name the columns."""
    return GAP.join(f"{name:<{space}}" for name, space in _widths(width).items()).rstrip()


def row(call: Mapping[str, Any], width: int, paint: Paint = lambda text, style: text) -> str:
    """Write a call as the API tells it in one line of at most `width` columns, 46 at least."""
    status = str((call.get("verdict") or {}).get("status"))
    cells = {
        "STARTED": started(call.get("startedAt")),
        "CALL": clean(call.get("id", "")),
        "STATE": clean(call.get("state", "")),
        "VERDICT": _verdict(call.get("verdict")),
        "SECONDS": _seconds(call),
        "FROM": _number(call, "from"),
        "TO": _number(call, "requestUri"),
    }
    written = {name: f"{_cut(cells[name], space):<{space}}" for name, space in _widths(width).items()}
    if status in STYLES:
        written["VERDICT"] = paint(written["VERDICT"], STYLES[status])
    return GAP.join(written.values()).rstrip()


def _widths(width: int) -> dict[str, int]:
    """Choose the columns that fit, and give each its width."""
    chosen: dict[str, int] = {}
    left = width + len(GAP)
    for name in BY_NEED:
        needed = COLUMNS[name] + len(GAP)
        if needed > left and len(chosen) >= 3:
            break
        chosen[name] = COLUMNS[name]
        left -= needed
    numbers = [name for name in ("TO", "FROM") if name in chosen]
    for place, name in enumerate(numbers):
        chosen[name] += max(0, left) // len(numbers) + (max(0, left) % len(numbers) if place == 0 else 0)
    return {name: chosen[name] for name in COLUMNS if name in chosen}


def attempt_row(attempt: Mapping[str, Any]) -> str:
    """Write a connection that never became a call in one line, however long: its end is the cure."""
    peer = attempt.get("peer") or {}
    way = "to" if peer.get("dialled") else "from"
    said = f"no call {way} {clean(peer.get('host', '?'))}: {clean(attempt.get('detail') or attempt.get('problem', ''))}"
    return f"{started(attempt.get('at')):<{COLUMNS['STARTED']}}{GAP}{said}"


def started(at: object) -> str:
    """Write a time of the API in local time: without the date when it is today's."""
    try:
        moment = datetime.fromisoformat(str(at)).astimezone()
    except ValueError:
        return "-"
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S") + f".{moment.microsecond // 1000:03d}" if today else moment.strftime("%m-%d %H:%M:%S")


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
