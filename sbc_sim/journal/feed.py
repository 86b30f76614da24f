"""What other replicas wrote to a shared store, told to those here who listen to all calls.

A thread with a connection of its own waits until the database tells of a commit (PostgreSQL), or looks whether there was one (SQLite).
Each replica counts up to where its entries are written; what lies between that and what was told last is read in the order of its
ordinals, and told on the thread of the calls. Nobody waits for anybody: who falls too far behind is told that something was missed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sbc_sim.journal.bell import LOOK_SECONDS, Bell
from sbc_sim.journal.database import FAILURES, Connection, Database
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.reading import Rows
from sbc_sim.journal.share import SLOTS, ShareOptions, ordinal_at
from sbc_sim.journal.store import NOTHING, Listener, Missed, Wanted, everything

CHANNEL = "sbc_sim_journal"
"""On it PostgreSQL tells `REPLICA ORDINAL` with each commit."""
AT_ONCE = 200
"""Entries that are told at once; the calls have their turn in between."""
MOST_BEHIND = 5000
"""Entries of one replica that are told one after the other; what is more is missed."""
QUIET_SECONDS = 1.0
"""PostgreSQL is asked so often though it told nothing: a lost connection is noticed."""
RETRY_SECONDS = 2.0


class Hearing(NamedTuple):
    """Somebody who listens to all."""

    listener: Listener
    missed: Missed
    wanted: Wanted = everything


class Feed(threading.Thread):
    """Reads what the others wrote."""

    def __init__(self, database: Database, share: ShareOptions) -> None:
        """Not started yet. Nothing is read while nobody listens."""
        super().__init__(name="sbc-sim feed", daemon=True)
        self._database, self._share = database, share
        self._own = {share.replica}
        self._hearing: list[Hearing] = []
        self._bell = Bell()
        self._told = threading.Event()
        self._closed = False
        self._seen: dict[str, int] | None = None
        self._by_slot: dict[int, int] = {}
        """As `_seen`: who comes back under another name brings along calls of which much was told already."""
        self._version: int | None = None
        self.missed = 0
        """How often something was too much to be told."""

    # --- on the thread of the calls ------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener, missed: Missed, wanted: Wanted = everything) -> Callable[[], None]:
        """Tell what others append from now on, of kinds that are wanted; the returned function ends that."""
        hearing = Hearing(listener, missed, wanted)
        self._hearing.append(hearing)

        def end() -> None:
            if hearing in self._hearing:
                self._hearing.remove(hearing)

        return end

    def rejoin(self, share: ShareOptions) -> None:
        """Go on as another replica; what we wrote before is our own. A name of ours that another has now is heard from here on."""
        given_up, self._own = self._own - {share.replica}, {share.replica}
        if self._seen is not None and given_up:
            self._seen |= dict.fromkeys(given_up, ordinal_at(time.time()))
            self.missed += 1
            self._tell([], True)
        self._share = share

    def close(self, seconds: float) -> None:
        """Read no more; waits so long for what is being read. A second time does nothing."""
        self._closed = True
        self._told.set()
        self._bell.pull()
        if self.ident is not None:
            self.join(seconds)
        if not self.is_alive():
            self._bell.close()

    def _tell(self, entries: list[Entry], missed: bool) -> None:
        try:
            for hearing in tuple(self._hearing):
                self._tell_one(hearing, entries, missed)
        finally:
            self._told.set()

    def _tell_one(self, hearing: Hearing, entries: list[Entry], missed: bool) -> None:
        for entry in entries:
            if hearing in self._hearing and not self._closed and entry.kind in hearing.wanted():
                hearing.listener(entry)
        if missed and not self._closed and hearing.wanted():
            hearing.missed()

    # --- in its own thread ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Read until it is closed, by a new connection where the old one was lost."""
        failures = 0
        while not self._closed:
            try:
                self._follow()
            except FAILURES:  # the writer's trouble tells of it
                failures += 1
                self._bell.wait(None, min(RETRY_SECONDS, 0.1 * 2 ** min(failures, 10)))

    def _follow(self) -> None:
        connection = self._database.connect()
        try:
            if connection.kind == "postgresql":
                connection.execute(f"LISTEN {CHANNEL}")
            self._version = None
            rows = Rows(connection)
            while not self._closed:
                if self._news(connection):
                    self._read(connection, rows)
                self._bell.wait(connection, LOOK_SECONDS if connection.fileno() is None else QUIET_SECONDS)
        finally:
            connection.close()

    def _news(self, connection: Connection) -> bool:
        """Whether anybody may have written since this was asked last."""
        if connection.kind == "postgresql":
            connection.heard()
            return True
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        changed, self._version = version != self._version, version
        return changed

    def _read(self, connection: Connection, rows: Rows) -> None:
        newest = _newest(connection)
        for own in tuple(self._own):
            newest.pop(own, None)
        if self._seen is None:
            self._seen = dict(newest)
        for replica, until in newest.items():
            slot = until % SLOTS
            since = self._seen.get(replica, self._by_slot.get(slot, 0))
            if until > since:
                self._catch_up(rows, replica, since, until)
            self._seen[replica] = max(until, since)
            self._by_slot[slot] = max(until, self._by_slot.get(slot, 0))

    def _catch_up(self, rows: Rows, replica: str, since: int, until: int) -> None:
        told = 0
        while (wanted := self._wanted()) and not self._closed:
            found = rows.written(replica, since, until, AT_ONCE, wanted)
            told += len(found)
            behind = told >= MOST_BEHIND and len(found) == AT_ONCE
            if found or behind:
                self._pass_on([entry for _, entry in found], behind)
            if behind or len(found) < AT_ONCE:
                self.missed += behind
                return
            since = found[-1][0]

    def _wanted(self) -> frozenset[Kind]:
        """What any of those who listen wants just now."""
        return NOTHING.union(*(hearing.wanted() for hearing in tuple(self._hearing)))

    def _pass_on(self, entries: list[Entry], missed: bool) -> None:
        """Have them told, and wait until they are: what is not heard yet does not pile up."""
        self._told.clear()
        if not self._closed:
            self._share.turn(lambda: self._tell(entries, missed))
            self._told.wait()


def _newest(connection: Connection) -> dict[str, int]:
    """Up to which ordinal there is something of each replica."""
    statement = "SELECT name, value FROM counters WHERE name LIKE ? OR name LIKE ?"
    newest: dict[str, int] = {}
    for replica, value in _named(connection.execute(statement, ("ordinal:%", "told:%")).fetchall()):
        newest[replica] = max(value, newest.get(replica, 0))
    return newest


def _named(rows: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    return ((name.partition(":")[2], int(value)) for name, value in rows)
