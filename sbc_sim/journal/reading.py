"""What stands in the file, read back as calls, entries and records. Each of the two threads reads by a connection of its own."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.packing import Packed, Words, damage_is_an_error, pack_findings, pack_plain, unpack, unpack_findings, unpack_plain
from sbc_sim.journal.record import CallRecord, entry_octets
from sbc_sim.journal.store import CallQuery
from sbc_sim.journal.view import CallView

LISTED = tuple(member.name for member in fields(CallView) if member.name not in ("id", "ordinal", "findings", "verdict"))
"""Members of a view that its row keeps as they are."""
STATES = ("ringing", "answered", "ended", "rejected")

CALL_COLUMNS = (
    *("ordinal", "id", "over", "region", "partner", "state", "verdict"),
    *("started_at", "last_at", "octets", "first", "opened", "findings", "view"),
)


class Rows:
    """Reads by one connection. Every method raises sqlite3.Error, on damage that SQLite does not see as well."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read the words of the rules."""
        self.connection = connection
        self.words = Words(connection)

    def calls(self, query: CallQuery, below: int, wanted: Callable[[str, int], bool]) -> Iterator[CallView]:
        """Calls that match with ordinals below this one, newest first, as lists show them; `wanted` is asked with id and ordinal."""
        where, values = _conditions(query, below)
        cursor = self.connection.execute(f"SELECT id, ordinal, view FROM calls WHERE {where} ORDER BY ordinal DESC", values)
        try:
            for call, ordinal, view in cursor:
                if wanted(call, ordinal):
                    yield _view(call, ordinal, view)
        finally:
            cursor.close()  # an open read would keep the writer from reusing its log

    def call(self, call: str) -> CallView | None:
        """One call with all its findings."""
        row = self.connection.execute("SELECT id, ordinal, view, findings FROM calls WHERE id = ?", (column(call),)).fetchone()
        if row is None:
            return None
        view = _view(*row[:3])
        view.findings = unpack_findings(row[3], self.words) if row[3] is not None else []
        verdict = self.connection.execute(
            "SELECT kind, data FROM entries WHERE call = ? AND kind = ? ORDER BY seq DESC LIMIT 1", (view.ordinal, Kind.VERDICT)
        ).fetchone()
        if verdict is not None:
            view.verdict = unpack(verdict[0], verdict[1], self.words)
        return view

    def record(self, call: str) -> CallRecord | None:
        """All that is kept of a call; `octets` as estimated when it was kept."""
        view = self.call(call)
        if view is None:
            return None
        row = self.connection.execute("SELECT first, octets, opened FROM calls WHERE ordinal = ?", (view.ordinal,)).fetchone()
        rows = self.connection.execute("SELECT at, kind, data, raw FROM entries WHERE call = ? ORDER BY seq", (view.ordinal,))
        entries = [self._entry(call, *one) for one in rows]
        first, octets, opened = row
        return CallRecord(view, entries[:first], deque(entries[first:]), octets, _opened(opened))

    def loose(self, attempts: bool, below: int) -> Iterator[tuple[int, Entry]]:
        """Attempts, or other entries of no call, with ordinals below this one, newest first."""
        cursor = self.connection.execute(
            "SELECT ordinal, at, kind, data, raw FROM loose WHERE attempt = ? AND ordinal < ? ORDER BY ordinal DESC", (attempts, below)
        )
        try:
            for ordinal, *rest in cursor:
                yield ordinal, self._entry(None, *rest)
        finally:
            cursor.close()

    def voice_calls(self) -> Iterator[tuple[int, Entry]]:
        """Voice calls with the ordinals of their entries, changed longest ago first."""
        cursor = self.connection.execute("SELECT ordinal, at, data FROM voice_calls ORDER BY ordinal")
        try:
            for ordinal, at, data in cursor:
                yield ordinal, self._entry(None, at, Kind.VOICE_CALL, data, None)
        finally:
            cursor.close()

    @damage_is_an_error()
    def _entry(self, call: str | None, at: float, kind: str, data: Packed, raw: bytes | None) -> Entry:
        return Entry(at, Kind(kind), call, unpack(kind, data, self.words), raw or b"")


def _conditions(query: CallQuery, below: int) -> tuple[str, list[Any]]:
    conditions: list[str] = ["ordinal < ?"]
    values: list[Any] = [below]
    status = "state" if query.status in STATES else "verdict"
    for name, test, value in (
        ("region", "=", query.region),
        ("partner", "=", query.partner),
        (status, "=", query.status),
        ("started_at", ">=", query.since),
    ):
        if value is not None:
            conditions.append(f"{name} {test} ?")
            values.append(column(value) if isinstance(value, str) else value)
    return " AND ".join(conditions), values


def column(text: str) -> str:
    """Write text so that SQLite takes it: octets that were no text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def call_row(record: CallRecord, last_at: float, words: Words) -> tuple[Any, ...]:
    """The values of CALL_COLUMNS."""
    view = record.view
    verdict = None if view.verdict is None else {name: value for name, value in view.verdict.items() if name != "findings"}
    listed = {name: getattr(view, name) for name in LISTED}
    status = None if verdict is None else verdict.get("status")
    return (
        view.ordinal,
        column(view.id),
        view.over,
        *(None if text is None else column(text) for text in (view.region, view.partner, view.state, status)),
        view.started_at,
        last_at,
        record.octets,
        len(record.first),
        None if record.opened is None else pack_plain([record.opened.at, record.opened.data]),
        pack_findings(view.findings, words) if view.findings else None,
        pack_plain({**listed, "verdict": verdict}),
    )


@damage_is_an_error()
def _view(call: str, ordinal: int, packed: Packed) -> CallView:
    members: dict[str, Any] = unpack_plain(packed)
    return CallView(call, ordinal, **members)


@damage_is_an_error()
def _opened(packed: Packed | None) -> Entry | None:
    if packed is None:
        return None
    at, data = unpack_plain(packed)
    return Entry(at, Kind.CONNECTION_OPENED, None, data)


def recounted(record: CallRecord) -> CallRecord:
    """Estimate the octets of a record anew, as they count when it goes on."""
    record.octets = sum(map(entry_octets, record.entries))
    return record
