"""A store in memory: quick, and bounded in every direction, so that no peer can fill the machine.

Bounds are on calls, on entries of one call (the first and the last ones stay: how it began and how it ended), on attempts, on entries
outside of calls, and on the octets of everything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.latest import Latest, is_voice_call
from sbc_sim.journal.record import CallRecord, StoreLimits, entry_octets
from sbc_sim.journal.ring import Ring
from sbc_sim.journal.share import Share
from sbc_sim.journal.sharing import SharedFindings
from sbc_sim.journal.store import (
    MOST_PER_PAGE,
    BadCursor,
    CallPage,
    CallQuery,
    EntryPage,
    Listener,
    Missed,
    StoreHealth,
    StoreSize,
    Trace,
    Wanted,
    nothing,
)
from sbc_sim.journal.view import CallView


class MemoryStore:
    """A `Store` that forgets when the process ends."""

    def __init__(
        self,
        limits: StoreLimits | None = None,
        ordinal: int = 0,
        live_stay: bool = False,
        share: Share | None = None,
    ) -> None:
        """Make an empty store.

        `ordinal`: the last one that was given out before. `live_stay`: live calls stay whatever their number; they still have to go when
        there is no other way to keep the bound on octets. `share`: who this is among several, and how they count.
        """
        self._share = share or Share()
        self._limits = limits or StoreLimits()
        self._live_stay = live_stay
        self._calls: OrderedDict[str, CallRecord] = OrderedDict()
        self._over: OrderedDict[str, None] = OrderedDict()
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        self._attempts = Ring[Entry](self._limits.attempts, self._limits.share)
        self._outside = Ring[Entry](self._limits.outside, self._limits.share)
        self._voice_calls = Latest(self._limits.voice_calls, min(self._limits.share, self._limits.voice_call_octets))
        self._connections: OrderedDict[int, Entry] = OrderedDict()
        self._listeners: list[Listener] = []
        self._shared = SharedFindings()
        self.ordinal = ordinal
        """Of the newest entry."""
        self._call_octets = 0
        self._dropped = 0

    @property
    def shared(self) -> bool:
        """Nobody else can write to it."""
        return False

    def append(self, entry: Entry) -> None:
        """Keep an entry, then tell it to every subscriber."""
        self.keep(entry)
        self.tell(entry)

    def keep(self, entry: Entry, octets: int | None = None) -> Entry:
        """Keep an entry and tell nobody yet; return it as it is kept: what is equal in many verdicts is the same object in all.

        `octets`: its `entry_octets`, when they are known already.
        """
        self.ordinal = self._share.next(self.ordinal)
        entry = self._shared.shared(entry)
        octets = entry_octets(entry) if octets is None else octets
        if entry.call is not None:
            self._append_to_call(entry.call, entry, octets)
        elif is_voice_call(entry):
            self._dropped += self._voice_calls.put(self.ordinal, entry, octets)
        elif entry.kind is Kind.ATTEMPT:
            self._dropped += self._attempts.add(self.ordinal, entry, octets)
        else:
            self._append_outside(entry, octets)
        return entry

    def tell(self, entry: Entry) -> None:
        """Tell an entry to every subscriber."""
        for listener in tuple(self._listeners):
            listener(entry)

    def calls(self, query: CallQuery) -> CallPage:
        """Calls that match, newest first. Raises BadCursor."""
        return call_page(self.matching(query), query.limit)

    def matching(self, query: CallQuery) -> Iterator[CallView]:
        """Calls that match and are older than the cursor, newest first. Raises BadCursor."""
        below = place_of(query.cursor)
        newest_first = (record.view for record in reversed(self._calls.values()))
        return (view for view in newest_first if view.ordinal < below and query.matches(view))

    def __contains__(self, call: str) -> bool:
        """Whether a call is kept."""
        return call in self._calls

    def record(self, call: str) -> CallRecord | None:
        """What is kept of a call, for reading only."""
        return self._calls.get(call)

    def call(self, call: str) -> CallView | None:
        """One call, or None. The view is for reading only."""
        record = self._calls.get(call)
        return record.view if record else None

    def trace(self, call: str) -> Trace | None:
        """One call with its entries, or None."""
        record = self._calls.get(call)
        if record is None:
            return None
        return Trace(record.view, record.entries, record.view.dropped, len(record.first), record.opened)

    def attempts(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """ATTEMPT entries, newest first. Raises BadCursor."""
        return entry_page(self.loose(True, cursor), limit)

    def outside(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """Other entries that belong to no call, newest first. Raises BadCursor."""
        return entry_page(self.loose(False, cursor), limit)

    def voice_calls(self) -> tuple[Entry, ...]:
        """The newest VOICE_CALL entry of each voice call, changed longest ago first."""
        return tuple(one.entry for one in self._voice_calls)

    @property
    def latest(self) -> Latest:
        """What is kept of voice calls, for reading only."""
        return self._voice_calls

    def loose(self, attempts: bool, cursor: str | None) -> Iterator[tuple[int, Entry]]:
        """Attempts, or what else belongs to no call, with their places, older than the cursor, newest first. Raises BadCursor."""
        return (self._attempts if attempts else self._outside).below(place_of(cursor))

    def subscribe(self, listener: Listener, others: bool | Wanted = False, missed: Missed = nothing) -> Callable[[], None]:
        """Call `listener` with every entry after it is kept; the returned function ends that. There are no others here."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def size(self) -> StoreSize:
        """How full the store is."""
        return StoreSize(len(self._calls), self._octets, self._dropped)

    def health(self) -> StoreHealth:
        """Nothing survives here, and nothing can fail."""
        return StoreHealth("memory")

    def forget(self, calls: Iterable[str]) -> None:
        """Forget calls of which another store has let go."""
        for call in calls:
            if call in self._calls:
                self._forget(call)

    def over(self) -> Iterator[CallRecord]:
        """Calls that are over, for reading only."""
        return (self._calls[call] for call in self._over)

    def clear(self, until: int | None = None) -> int:
        """Forget what is over and what belongs to no call, as far as it began up to `until`; return how many calls went."""
        until = self.ordinal if until is None else until
        over = [call for call in self._over if self._calls[call].view.ordinal <= until]
        for call in over:
            self._forget(call)
        for kept in (self._attempts, self._outside):
            kept.drop(until)
        self._voice_calls.clear(until)
        return len(over)

    def close(self) -> None:
        """Nothing to let go of."""

    @property
    def _octets(self) -> int:
        return self._call_octets + self._attempts.octets + self._outside.octets + self._voice_calls.octets

    def _append_outside(self, entry: Entry, octets: int) -> None:
        if entry.kind is Kind.CONNECTION_OPENED:
            self._connections[entry.data["connection"]] = entry
            if len(self._connections) > self._limits.connections:
                self._connections.popitem(last=False)
        elif entry.kind is Kind.CONNECTION_CLOSED:
            self._connections.pop(entry.data["connection"], None)
        self._dropped += self._outside.add(self.ordinal, entry, octets)

    def _append_to_call(self, call: str, entry: Entry, octets: int) -> None:
        record = self._calls.get(call)
        if record is None:
            if call in self._forgotten:  # a call that was evicted must not rise again as a fragment
                self._dropped += 1
                return
            if not self._share.may_begin(entry):  # another replica has this call, and all of it
                return
            record = self._calls[call] = CallRecord(CallView(call, self.ordinal, replica=self._share.replica))
        record.newest = self.ordinal
        self._keep(record, entry, octets)
        if record.opened is None and record.view.connection is not None:
            record.opened = self._connections.get(record.view.connection)
        if record.view.over:
            self._over.setdefault(call)
        self._evict()

    def _keep(self, record: CallRecord, entry: Entry, octets: int) -> None:
        before = record.octets
        self._dropped += record.keep(entry, octets, self._limits)
        self._call_octets += record.octets - before

    def _evict(self) -> None:
        while self._too_many() or (self._octets > self._limits.octets and len(self._calls) > 1):
            record = self._forget(next(iter(self._over), None) or next(iter(self._calls)))
            self._dropped += len(record.first) + len(record.last)

    def _too_many(self) -> bool:
        return len(self._calls) > self._limits.calls and not (self._live_stay and not self._over)

    def _forget(self, call: str) -> CallRecord:
        record = self._calls.pop(call)
        self._over.pop(call, None)
        self._call_octets -= record.octets
        self._forgotten[call] = None
        if len(self._forgotten) > self._limits.calls:
            self._forgotten.popitem(last=False)
        return record


def call_page(newest_first: Iterable[CallView], limit: int) -> CallPage:
    """Make a page of the first of these calls."""
    limit = _bounded(limit)
    found = tuple(islice(newest_first, limit + 1))
    return CallPage(found[:limit], str(found[limit - 1].ordinal) if len(found) > limit else None)


def entry_page(newest_first: Iterable[tuple[int, Entry]], limit: int) -> EntryPage:
    """Make a page of the first of these entries."""
    limit = _bounded(limit)
    found = tuple(islice(newest_first, limit + 1))
    more = str(found[limit - 1][0]) if len(found) > limit else None
    return EntryPage(tuple(entry for _, entry in found[:limit]), more)


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST_PER_PAGE))


def place_of(cursor: str | None) -> int:
    """Read a cursor: the ordinal that everything on the page is below. Raises BadCursor."""
    if cursor is None:
        return 2**63 - 1
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 19 and int(cursor) < 2**63):
        raise BadCursor(f"{cursor[:40]!r} is no cursor that this interface has given out")
    return int(cursor)
