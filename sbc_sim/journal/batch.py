"""One transaction in the making: entries go in, rows come out, by the same bounds as in memory.

Several may write to one database. Each has the calls that began with it, so that nobody else changes their rows; what all have in common
(how much there is, what is too old) is counted anew from time to time (`recount`), and who finds a thing done already goes on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from sbc_sim.journal.database import Connection, newest_name
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.latest import is_open, is_voice_call, name_of
from sbc_sim.journal.packing import pack
from sbc_sim.journal.queue import Waiting
from sbc_sim.journal.reading import CALL_COLUMNS, Rows, call_row, column, recounted
from sbc_sim.journal.record import CallRecord, StoreLimits, entry_octets
from sbc_sim.journal.retention import Victim
from sbc_sim.journal.ring import Ring
from sbc_sim.journal.share import Share, ordinal_at
from sbc_sim.journal.view import CallView

LATE_CALLS = 200
"""Ended calls that are kept at hand for their last entries."""
MOST_FORGOTTEN = 10_000
AT_ONCE = 500
"""Calls that one statement deletes."""

_CALL = (
    f"INSERT INTO calls ({', '.join(CALL_COLUMNS)}) VALUES ({', '.join('?' * len(CALL_COLUMNS))}) "
    f"ON CONFLICT (ordinal) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in CALL_COLUMNS[2:])}"
)
_ENTRY = "INSERT INTO entries (call, seq, at, kind, data, raw, ordinal) VALUES (?, ?, ?, ?, ?, ?, ?)"
_LOOSE = "INSERT INTO loose (ordinal, attempt, at, kind, data, raw, octets, replica) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_VOICE_CALL = (
    "INSERT INTO voice_calls (id, ordinal, at, open, octets, data, replica) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ("ordinal", "at", "open", "octets", "data", "replica"))
    + " WHERE excluded.ordinal >= voice_calls.ordinal"
)
_COUNTER = (
    "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value "
    "WHERE excluded.value > counters.value"
)
_TRIM = "DELETE FROM entries WHERE call = ? AND seq IN (SELECT seq FROM entries WHERE call = ? AND seq >= ? ORDER BY seq LIMIT ?)"


class Batch:
    """One transaction in the making, and all that the writer knows of the database; thrown away when the transaction fails."""

    def __init__(self, connection: Connection, limits: StoreLimits, share: Share, forgotten: Iterable[str] = ()) -> None:
        """Read how full the database is. Raises sqlite3.Error or DatabaseError."""
        self.connection = connection
        self.rows = Rows(connection)
        self.forgotten: OrderedDict[str, None] = OrderedDict.fromkeys(forgotten)
        self._limits = limits
        self._share = share
        self._records: OrderedDict[str, CallRecord] = OrderedDict()
        self._touched: dict[str, float] = {}
        self._entries: list[tuple[Any, ...]] = []
        self._loose: list[tuple[Any, ...]] = []
        self._trims: dict[str, int] = {}
        self.dropped = 0
        self.newest = self.rows.newest(share.replica)
        """Ordinal up to which the database has everything of this replica."""
        self._voice_calls: dict[str, tuple[Any, ...]] = {}
        self._too_old: dict[bool, int] = {}
        self.recount()

    def recount(self) -> None:
        """Count all that is there, for others may have written or deleted meanwhile. Raises sqlite3.Error or DatabaseError."""
        self.calls, octets = self.connection.execute("SELECT count(*), coalesce(sum(octets), 0) FROM calls").fetchone()
        self.octets = int(octets)
        self._voice_octets = 0
        self._rings = {attempt: self._ring(attempt) for attempt in (False, True)}
        self._count_voice_calls()

    def _ring(self, attempt: bool) -> Ring[None]:
        ring = Ring[None](self._limits.attempts if attempt else self._limits.outside, self._limits.share)
        statement = "SELECT ordinal, octets FROM loose WHERE attempt = ? ORDER BY ordinal"
        for ordinal, octets in self.connection.execute(statement, (int(attempt),)).fetchall():
            self._add_to(ring, attempt, ordinal, octets)
        self.octets += ring.octets
        return ring

    def _add_to(self, ring: Ring[None], attempt: bool, ordinal: int, octets: int) -> int:
        """Count one more; return how many have to go for it."""
        gone = ring.add(ordinal, None, octets)
        if gone:
            self._too_old[attempt] = ring.lowest
        return gone

    def trim_loose(self) -> None:
        """Take out what is over the bounds on entries of no call. Raises sqlite3.Error or DatabaseError."""
        for attempt, lowest in self._too_old.items():
            self.connection.execute("DELETE FROM loose WHERE attempt = ? AND ordinal < ?", (int(attempt), lowest))
        self._too_old.clear()

    def take(self, item: Waiting) -> None:
        """Take what waited into the transaction; what the file has already, by a commit of which nobody heard, is passed over.

        Raises sqlite3.Error or DatabaseError.
        """
        if item.entry is None:
            self._clear(item.until)
        elif item.ordinal <= self.newest:
            pass
        elif is_voice_call(item.entry):
            self._take_voice_call(item.ordinal, item.entry)
        elif item.entry.call is None:
            self._take_loose(item.ordinal, item.entry)
        else:
            self.take_for_call(item.entry.call, item)

    def take_for_call(self, call: str, item: Waiting) -> None:
        """Take an entry of a call. Raises sqlite3.Error."""
        entry = item.entry
        assert entry is not None
        record = self._record(call)
        if record is None:
            if call in self.forgotten or not self._begins(item):  # a call that was evicted must not rise again as a fragment
                self.dropped += 1
                return
            record = self._records[call] = CallRecord(CallView(call, item.ordinal, replica=self._share.replica))
            self.calls += 1
        record.newest = max(record.newest, item.ordinal)
        record.opened = record.opened or item.opened
        record.view.dropped += item.missed
        before = record.octets
        gone = record.keep(entry, item.octets or entry_octets(entry), self._limits)
        self.octets += record.octets - before
        self.dropped += gone
        seq = len(record.first) + len(record.last) + record.view.dropped - 1
        row = (record.view.ordinal, seq, entry.at, str(entry.kind), pack(entry, self.rows.words), entry.raw or None, item.ordinal)
        self._entries.append(row)
        self._touched[call] = entry.at
        if gone:
            self._trims[call] = self._trims.get(call, 0) + gone

    def _begins(self, item: Waiting) -> bool:
        """Whether a call that is not known may begin with this: where others delete too, only with what its replica knows to be new."""
        return not self._share.shared or item.begins or item.missed > 0

    def _record(self, call: str) -> CallRecord | None:
        record = self._records.get(call)
        if record is None and call not in self.forgotten:
            record = self.rows.record(call)
            if record is not None:
                self._records[call] = recounted(record)
        if record is not None and record.view.over and self._share.shared and call not in self._touched and not self._is_there(record):
            self._forget(call)
            return None
        return record

    def _is_there(self, record: CallRecord) -> bool:
        """Whether a call that is over was not deleted by another replica; it stays now until our transaction ends."""
        statement = f"SELECT 1 FROM calls WHERE ordinal = ?{self.connection.row_lock}"
        return self.connection.execute(statement, (record.view.ordinal,)).fetchone() is not None

    def _take_loose(self, ordinal: int, entry: Entry) -> None:
        attempt, octets = entry.kind is Kind.ATTEMPT, entry_octets(entry)
        ring = self._rings[attempt]
        before = ring.octets
        self.dropped += self._add_to(ring, attempt, ordinal, octets)
        self.octets += ring.octets - before
        packed = pack(entry, self.rows.words)
        self._loose.append((ordinal, int(attempt), entry.at, str(entry.kind), packed, entry.raw or None, octets, self._share.replica))

    def _take_voice_call(self, ordinal: int, entry: Entry) -> None:
        name, octets = column(name_of(entry)), entry_octets(entry)
        self._voice_calls.pop(name, None)
        row = (name, ordinal, entry.at, int(is_open(entry)), octets, pack(entry, self.rows.words), self._share.replica)
        self._voice_calls[name] = row

    def _write_voice_calls(self) -> None:
        """Write the newest of each, and take out what is too much: closed ones first, then by how long ago they changed."""
        if not self._voice_calls:
            return
        self.connection.executemany(_VOICE_CALL, [self._voice_calls[name] for name in sorted(self._voice_calls)])
        self._voice_calls.clear()
        number = self._count_voice_calls()
        limits = self._limits
        gone: list[tuple[str]] = []
        if number > limits.voice_calls or self._voice_octets > limits.voice_call_octets:
            octets = self._voice_octets
            for name, size in self.connection.execute("SELECT id, octets FROM voice_calls ORDER BY open, ordinal").fetchall():
                left = number - len(gone)
                if left <= limits.voice_calls and (octets <= limits.voice_call_octets or left == 1):
                    break
                gone.append((name,))
                octets -= size
            self.connection.executemany("DELETE FROM voice_calls WHERE id = ?", gone)
            self.dropped += len(gone)
            self._count_voice_calls()

    def _count_voice_calls(self) -> int:
        """Read how many there are, and how long they are."""
        number, octets = self.connection.execute("SELECT count(*), coalesce(sum(octets), 0) FROM voice_calls").fetchone()
        self.octets += int(octets) - self._voice_octets
        self._voice_octets = int(octets)
        return int(number)

    def write(self, ordinal: int) -> None:
        """Hand all that was taken to the database. Raises sqlite3.Error or DatabaseError."""
        self._write_calls()
        self._write_voice_calls()
        if self._loose:
            self._write_loose()
            self.trim_loose()
        if ordinal:
            self.connection.execute(_COUNTER, (newest_name(self._share.replica), ordinal))

    def _write_loose(self) -> None:
        self.connection.executemany(_LOOSE, self._loose)
        self._loose.clear()

    def _write_calls(self) -> None:
        if not self._touched:
            return
        self.connection.executemany(_ENTRY, self._entries)
        self._entries.clear()
        for call, gone in self._trims.items():
            record = self._records[call]
            self.connection.execute(_TRIM, (record.view.ordinal, record.view.ordinal, len(record.first), gone))
        self._trims.clear()
        rows = [call_row(self._records[call], at, self.rows.words) for call, at in self._touched.items()]
        self.connection.executemany(_CALL, rows)
        self._touched.clear()

    def tidy(self) -> None:
        """After a commit: let go of calls that are over, but for those that may still get their last entries."""
        over = [call for call, record in self._records.items() if record.view.over]
        for call in over[:-LATE_CALLS]:
            del self._records[call]

    def delete(self, victims: Iterable[Victim]) -> None:
        """Take calls out of the database, unless somebody did so already. Raises sqlite3.Error or DatabaseError."""
        for ordinal, call, octets in victims:
            # The call before its entries: where another replica is adding one, this waits for it and then finds it.
            if self.connection.execute("DELETE FROM calls WHERE ordinal = ?", (ordinal,)).rowcount:
                self.calls -= 1
                self.octets -= octets
            self.dropped += self.connection.execute("DELETE FROM entries WHERE call = ?", (ordinal,)).rowcount
            self._forget(call)

    def delete_loose(self, before: float) -> None:
        """Take entries of no call from before this time out of the database. Raises sqlite3.Error or DatabaseError."""
        if self.connection.execute("DELETE FROM loose WHERE at < ?", (before,)).rowcount:
            self.octets -= sum(ring.octets for ring in self._rings.values())
            self._rings = {attempt: self._ring(attempt) for attempt in self._rings}
        if self.connection.execute("DELETE FROM voice_calls WHERE at < ?", (before,)).rowcount:
            self._count_voice_calls()
        if self._share.shared:  # of replicas that are long gone
            names = (newest_name(self._share.replica), "ordinal:%", "told:%", ordinal_at(before))
            self.connection.execute("DELETE FROM counters WHERE name <> ? AND (name LIKE ? OR name LIKE ?) AND value < ?", names)

    def _clear(self, until: int) -> None:
        """Take out what is over by now or belongs to no call, and began up to this ordinal.

        The wish may be late, by a database that was away: what others began after it is not meant.
        """
        self._write_calls()
        self._write_voice_calls()
        self._loose = [row for row in self._loose if row[0] > until]
        self._write_loose()
        over = self.connection.execute(
            "SELECT ordinal, id FROM calls WHERE over = 1 AND ordinal <= ? ORDER BY ordinal", (until,)
        ).fetchall()
        for start in range(0, len(over), AT_ONCE):
            ordinals = [ordinal for ordinal, _ in over[start : start + AT_ONCE]]
            marks = ", ".join("?" * len(ordinals))
            self.connection.execute(f"DELETE FROM calls WHERE ordinal IN ({marks})", ordinals)
            self.connection.execute(f"DELETE FROM entries WHERE call IN ({marks})", ordinals)
        for _, call in over:
            self._forget(call)
        self.connection.execute("DELETE FROM loose WHERE ordinal <= ?", (until,))
        self.connection.execute("DELETE FROM voice_calls WHERE open = 0 AND ordinal <= ?", (until,))
        self.recount()

    def _forget(self, call: str) -> None:
        self._records.pop(call, None)
        self.forgotten[call] = None
        if len(self.forgotten) > MOST_FORGOTTEN:
            self.forgotten.popitem(last=False)
