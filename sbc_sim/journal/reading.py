"""What stands in the database, read back as calls, entries and records. Each of the threads reads by a connection of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sbc_sim.journal.database import Connection, newest_name
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.packing import Packed, Words, damage_is_an_error, pack_findings, pack_plain, unpack, unpack_findings, unpack_plain
from sbc_sim.journal.record import CallRecord, entry_octets
from sbc_sim.journal.store import EVERYTHING, CallQuery
from sbc_sim.journal.view import CallView

LISTED = tuple(member.name for member in fields(CallView) if member.name not in ("id", "ordinal", "findings", "verdict"))
"""Members of a view that its row keeps as they are."""
STATES = ("ringing", "answered", "ended", "rejected")

CALL_COLUMNS = (
    *("ordinal", "id", "over", "region", "partner", "state", "verdict"),
    *("started_at", "last_at", "octets", "first", "opened", "findings", "view", "replica", "newest"),
)
MOST_AT_ONCE = 200
"""Rows of a list that are fetched at once."""

Wanted = Callable[[str, int, bool], bool]
"""Asked with id and ordinal of a call, and whether it is over."""


class Rows:
    """Reads by one connection. Every method raises sqlite3.Error or DatabaseError, on damage that the database does not see as well."""

    def __init__(self, connection: Connection) -> None:
        """Read the words of the rules."""
        self.connection = connection
        self.words = Words(connection, lambda: connection.hold("words"))

    def calls(self, query: CallQuery, below: int, wanted: Wanted) -> Iterator[CallView]:
        """Calls that match with ordinals below this one, newest first, as lists show them; `wanted` says which of them."""
        most = max(1, min(query.limit, MOST_AT_ONCE)) + 1
        full = True
        while full:
            rows = self._places(query, below)
            full = len(rows) == MOST_AT_ONCE
            below = rows[-1][1] if rows else below
            found = [ordinal for call, ordinal, over in rows if wanted(call, ordinal, bool(over))]
            for start in range(0, len(found), most):
                yield from self._views(found[start : start + most])

    def _places(self, query: CallQuery, below: int) -> list[tuple[str, int, int]]:
        where, values = _conditions(query, below)
        statement = f"SELECT id, ordinal, over FROM calls WHERE {where} ORDER BY ordinal DESC LIMIT {MOST_AT_ONCE}"
        return self.connection.execute(statement, values).fetchall()

    def _views(self, ordinals: Sequence[int]) -> Iterator[CallView]:
        marks = ", ".join("?" * len(ordinals))
        statement = f"SELECT id, ordinal, view FROM calls WHERE ordinal IN ({marks}) ORDER BY ordinal DESC"
        for row in self.connection.execute(statement, ordinals).fetchall():
            yield _view(*row)

    def call(self, call: str) -> CallView | None:
        """One call with all its findings."""
        row = self.connection.execute("SELECT id, ordinal, view, findings FROM calls WHERE id = ?", (column(call),)).fetchone()
        if row is None:
            return None
        view = _view(*row[:3])
        view.findings = unpack_findings(row[3], self.words) if row[3] is not None else []
        verdict = self.connection.execute(
            "SELECT kind, data FROM entries WHERE call = ? AND kind = ? ORDER BY seq DESC LIMIT 1", (view.ordinal, str(Kind.VERDICT))
        ).fetchone()
        if verdict is not None:
            view.verdict = unpack(verdict[0], verdict[1], self.words)
        return view

    def record(self, call: str) -> CallRecord | None:
        """All that is kept of a call; `octets` as estimated when it was kept."""
        inside = self.connection.in_transaction
        if not inside:
            self.connection.execute("BEGIN")  # another one may write between our questions
        try:
            return self._record(call)
        finally:
            if not inside:
                self.connection.rollback()

    def _record(self, call: str) -> CallRecord | None:
        view = self.call(call)
        if view is None:
            return None
        row = self.connection.execute("SELECT first, octets, opened, newest FROM calls WHERE ordinal = ?", (view.ordinal,)).fetchone()
        rows = self.connection.execute("SELECT at, kind, data, raw FROM entries WHERE call = ? ORDER BY seq", (view.ordinal,))
        entries = [self._entry(call, *one) for one in rows]
        first, octets, opened, newest = row
        return CallRecord(view, entries[:first], deque(entries[first:]), octets, _opened(opened), newest)

    def loose(self, attempts: bool, below: int) -> Iterator[tuple[int, Entry]]:
        """Attempts, or other entries of no call, with ordinals below this one, newest first."""
        statement = (
            f"SELECT ordinal, at, kind, data, raw FROM loose WHERE attempt = ? AND ordinal < ? ORDER BY ordinal DESC LIMIT {MOST_AT_ONCE}"
        )
        rows: list[Any] = [(below,)]
        while rows:
            rows = self.connection.execute(statement, (int(attempts), rows[-1][0])).fetchall()
            for ordinal, *rest in rows:
                yield ordinal, self._entry(None, *rest)

    def voice_calls(self) -> Iterator[tuple[int, Entry]]:
        """Voice calls with the ordinals of their entries, changed longest ago first."""
        for ordinal, at, data in self.connection.execute("SELECT ordinal, at, data FROM voice_calls ORDER BY ordinal").fetchall():
            yield ordinal, self._entry(None, at, Kind.VOICE_CALL, data, None)

    def written(self, replica: str, since: int, until: int, most: int, kinds: Collection[Kind] = EVERYTHING) -> list[tuple[int, Entry]]:
        """The first entries of a replica after one ordinal and up to another, with theirs: of calls, of no call, and of voice calls.

        Only those of some `kinds`, which costs next to nothing where there are none.
        """
        names = sorted(map(str, kinds)) if len(kinds) < len(EVERYTHING) else []
        only = f"kind IN ({', '.join('?' * len(names))}) AND " if names else ""
        of_calls = (
            "SELECT e.ordinal, c.id, e.at, e.kind, e.data, e.raw FROM calls c JOIN entries e ON e.call = c.ordinal "
            f"WHERE {only}c.replica = ? AND c.newest > ? AND e.ordinal > ? AND e.ordinal <= ? ORDER BY e.ordinal LIMIT ?"
        )
        rest = "WHERE replica = ? AND ordinal > ? AND ordinal <= ? ORDER BY ordinal LIMIT ?"
        of_no_call = f"SELECT ordinal, at, kind, data, raw FROM loose {rest.replace('WHERE ', f'WHERE {only}')}"
        changed = f"SELECT ordinal, at, data FROM voice_calls {rest}"
        ask = self.connection.execute
        place, kind = (replica, since, until, most), str(Kind.VOICE_CALL)
        found = [tuple(row) for row in ask(of_calls, (*names, replica, since, *place[1:])).fetchall()]
        found += [(ordinal, None, *row) for ordinal, *row in ask(of_no_call, (*names, *place)).fetchall()]
        if Kind.VOICE_CALL in kinds:
            found += [(ordinal, None, at, kind, data, None) for ordinal, at, data in ask(changed, place).fetchall()]
        found.sort(key=lambda row: row[0])
        return [(row[0], self._entry(*row[1:])) for row in found[:most]]

    def newest(self, replica: str) -> int:
        """Ordinal up to which the database has everything of a replica."""
        row = self.connection.execute("SELECT value FROM counters WHERE name = ?", (newest_name(replica),)).fetchone()
        return 0 if row is None else int(row[0])

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
    """Write text so that the database takes it: octets that were no text are escaped, and so is NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def call_row(record: CallRecord, last_at: float, words: Words) -> tuple[Any, ...]:
    """The values of CALL_COLUMNS."""
    view = record.view
    verdict = None if view.verdict is None else {name: value for name, value in view.verdict.items() if name != "findings"}
    listed = {name: getattr(view, name) for name in LISTED}
    status = None if verdict is None else verdict.get("status")
    return (
        view.ordinal,
        column(view.id),
        int(view.over),
        *(None if text is None else column(text) for text in (view.region, view.partner, view.state, status)),
        view.started_at,
        last_at,
        record.octets,
        len(record.first),
        None if record.opened is None else pack_plain([record.opened.at, record.opened.data]),
        pack_findings(view.findings, words) if view.findings else None,
        pack_plain({**listed, "verdict": verdict}),
        view.replica,
        record.newest,
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
