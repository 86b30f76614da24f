"""A store in memory: quick, and bounded in every direction, so that no peer can fill the machine.

Bounds are on calls, on entries of one call (the first and the last ones stay: how it began and how it ended), on attempts, on entries
outside of calls, and on the octets of everything.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.sharing import SharedFindings
from sbc_sim.journal.store import MOST_PER_PAGE, BadCursor, CallPage, CallQuery, EntryPage, Listener, StoreHealth, StoreSize, Trace
from sbc_sim.journal.view import CallView

SHARE = 8
"""No single call, and no list outside of calls, may take more than this part of all octets."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How much is kept. Every number is at least 1."""

    calls: int = 1000
    first_entries: int = 200
    """Entries kept from the beginning of a call ..."""
    last_entries: int = 800
    """... and from its end."""
    attempts: int = 1000
    outside: int = 2000
    connections: int = 10_000
    """Open connections whose TLS facts are remembered for calls to come."""
    octets: int = 64 * 1024 * 1024
    """Of everything, estimated. Ended calls go first, oldest before newer."""


@dataclass(slots=True)
class _Record:
    """What is kept of one call."""

    view: CallView
    first: list[Entry] = field(default_factory=list)
    last: deque[Entry] = field(default_factory=deque)
    octets: int = 0
    opened: Entry | None = None


@dataclass(slots=True)
class _Ring:
    """The newest entries of a kind, bounded by number and octets."""

    most: int
    most_octets: int
    kept: deque[tuple[int, Entry]] = field(default_factory=deque)
    octets: int = 0

    def add(self, ordinal: int, entry: Entry) -> int:
        """Keep one more; return how many had to go."""
        self.kept.append((ordinal, entry))
        self.octets += entry_octets(entry)
        gone = 0
        while len(self.kept) > self.most or (self.octets > self.most_octets and len(self.kept) > 1):
            self.octets -= entry_octets(self.kept.popleft()[1])
            gone += 1
        return gone

    def page(self, limit: int, cursor: str | None) -> EntryPage:
        """Newest first, older than the cursor."""
        below, limit = _below(cursor), _bounded(limit)
        found = [(ordinal, entry) for ordinal, entry in reversed(self.kept) if ordinal < below][: limit + 1]
        more = str(found[limit - 1][0]) if len(found) > limit else None
        return EntryPage(tuple(entry for _, entry in found[:limit]), more)


class MemoryStore:
    """A `Store` that forgets when the process ends."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        """Make an empty store."""
        self._limits = limits or StoreLimits()
        share = max(1, self._limits.octets // SHARE)
        self._share = share
        self._calls: OrderedDict[str, _Record] = OrderedDict()
        self._over: OrderedDict[str, None] = OrderedDict()
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        self._attempts = _Ring(self._limits.attempts, share)
        self._outside = _Ring(self._limits.outside, share)
        self._connections: OrderedDict[int, Entry] = OrderedDict()
        self._listeners: list[Listener] = []
        self._shared = SharedFindings()
        self._ordinal = 0
        self._call_octets = 0
        self._dropped = 0

    def append(self, entry: Entry) -> None:
        """Keep an entry, then tell it to every subscriber."""
        self._ordinal += 1
        if entry.call is not None:
            self._append_to_call(entry.call, entry)
        elif entry.kind is Kind.ATTEMPT:
            self._dropped += self._attempts.add(self._ordinal, entry)
        else:
            self._append_outside(entry)
        for listener in tuple(self._listeners):
            listener(entry)

    def calls(self, query: CallQuery) -> CallPage:
        """Calls that match, newest first. Raises BadCursor."""
        below, limit = _below(query.cursor), _bounded(query.limit)
        found: list[CallView] = []
        for record in reversed(self._calls.values()):
            if record.view.ordinal < below and query.matches(record.view):
                if len(found) == limit:
                    return CallPage(tuple(found), str(found[-1].ordinal))
                found.append(record.view)
        return CallPage(tuple(found), None)

    def call(self, call: str) -> CallView | None:
        """One call, or None. The view is for reading only."""
        record = self._calls.get(call)
        return record.view if record else None

    def trace(self, call: str) -> Trace | None:
        """One call with its entries, or None."""
        record = self._calls.get(call)
        if record is None:
            return None
        return Trace(record.view, (*record.first, *record.last), record.view.dropped, len(record.first), record.opened)

    def attempts(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """ATTEMPT entries, newest first. Raises BadCursor."""
        return self._attempts.page(limit, cursor)

    def outside(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """Other entries that belong to no call, newest first. Raises BadCursor."""
        return self._outside.page(limit, cursor)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every entry after it is kept; the returned function ends that."""
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

    def clear(self) -> int:
        """Forget what is over and what belongs to no call; return how many calls went."""
        over = list(self._over)
        for call in over:
            self._forget(call)
        self._attempts = _Ring(self._limits.attempts, self._share)
        self._outside = _Ring(self._limits.outside, self._share)
        return len(over)

    def close(self) -> None:
        """Nothing to let go of."""

    @property
    def _octets(self) -> int:
        return self._call_octets + self._attempts.octets + self._outside.octets

    def _append_outside(self, entry: Entry) -> None:
        if entry.kind is Kind.CONNECTION_OPENED:
            self._connections[entry.data["connection"]] = entry
            if len(self._connections) > self._limits.connections:
                self._connections.popitem(last=False)
        elif entry.kind is Kind.CONNECTION_CLOSED:
            self._connections.pop(entry.data["connection"], None)
        self._dropped += self._outside.add(self._ordinal, entry)

    def _append_to_call(self, call: str, entry: Entry) -> None:
        record = self._calls.get(call)
        if record is None:
            if call in self._forgotten:  # a call that was evicted must not rise again as a fragment
                self._dropped += 1
                return
            record = self._calls[call] = _Record(CallView(call, self._ordinal))
        self._keep(record, self._shared.shared(entry))
        if record.opened is None and record.view.connection is not None:
            record.opened = self._connections.get(record.view.connection)
        if record.view.over:
            self._over.setdefault(call)
        self._evict()

    def _keep(self, record: _Record, entry: Entry) -> None:
        record.view.add(entry)
        room = len(record.first) < self._limits.first_entries and record.octets < self._share // 2
        if room and not record.last:
            record.first.append(entry)
        else:
            record.last.append(entry)
        self._grow(record, entry_octets(entry))
        while len(record.last) > self._limits.last_entries or (record.octets > self._share and len(record.last) > 1):
            self._grow(record, -entry_octets(record.last.popleft()))
            record.view.dropped += 1
            self._dropped += 1

    def _grow(self, record: _Record, octets: int) -> None:
        record.octets += octets
        self._call_octets += octets

    def _evict(self) -> None:
        while len(self._calls) > self._limits.calls or (self._octets > self._limits.octets and len(self._calls) > 1):
            record = self._forget(next(iter(self._over), None) or next(iter(self._calls)))
            self._dropped += len(record.first) + len(record.last)

    def _forget(self, call: str) -> _Record:
        record = self._calls.pop(call)
        self._over.pop(call, None)
        self._call_octets -= record.octets
        self._forgotten[call] = None
        if len(self._forgotten) > self._limits.calls:
            self._forgotten.popitem(last=False)
        return record


def entry_octets(entry: Entry) -> int:
    """Estimate the memory of an entry: its octets and texts, and a flat charge for each value."""
    if entry.kind is Kind.VERDICT:  # the words of the catalogue are there once for all calls
        return 1000 + sum(60 + len(str(finding.get("detail", ""))) for finding in entry.data.get("findings", ()))
    return 200 + len(entry.raw) + _value_octets(entry.data)


def _value_octets(value: Any) -> int:
    if isinstance(value, str):
        return 60 + len(value)
    if isinstance(value, dict):
        return 60 + sum([16 + _value_octets(inner) for inner in value.values()])
    if isinstance(value, list | tuple):
        return 60 + sum([8 + _value_octets(inner) for inner in value])
    return 28


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST_PER_PAGE))


def _below(cursor: str | None) -> int:
    """Read a cursor: the ordinal that everything on the page is below."""
    if cursor is None:
        return 2**63
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 19):
        raise BadCursor(f"{cursor[:40]!r} is no cursor that this interface has given out")
    return int(cursor)
