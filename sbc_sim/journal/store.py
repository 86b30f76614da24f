"""The door of the journal: one small interface that every store keeps, and the values that go through it.

A store is written to and read from one thread (the reactor's); one that does slow IO does it behind this door. Every store must
pass tests/journal/test_store_contract.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import CallView

MOST_PER_PAGE = 500


class BadCursor(ValueError):
    """A cursor that no store has given out."""


class StoreError(Exception):
    """Why a store cannot be opened: one sentence with the cure."""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which calls, newest first. None means: any."""

    region: str | None = None
    partner: str | None = None
    status: str | None = None
    """A verdict (pass, warn, fail) or a state (ringing, answered, ended, rejected): the words do not overlap."""
    since: float | None = None
    """Calls that started at this time or later, unix seconds."""
    limit: int = 50
    """1 to MOST_PER_PAGE; outside of that it is brought inside."""
    cursor: str | None = None
    """`next` of the page before."""

    def matches(self, view: CallView) -> bool:
        """True when the call is one of those asked for (`limit` and `cursor` aside)."""
        return (
            self.region in (None, view.region)
            and self.partner in (None, view.partner)
            and self.status in (None, view.state, (view.verdict or {}).get("status"))
            and (self.since is None or (view.started_at or 0.0) >= self.since)
        )


@dataclass(frozen=True, slots=True)
class CallPage:
    """Calls, newest first, and where the next page starts (None: no more)."""

    calls: tuple[CallView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries that belong to no call, newest first, and where the next page starts."""

    entries: tuple[Entry, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of a call, in the order of events."""

    call: CallView
    entries: tuple[Entry, ...]
    dropped: int = 0
    """How many entries were left out of the middle."""
    dropped_after: int = 0
    """They stood behind this many of `entries`."""
    opened: Entry | None = None
    """CONNECTION_OPENED of the connection on which the call came, when it is known: the TLS facts."""


@dataclass(frozen=True, slots=True)
class StoreSize:
    """How full a store is."""

    calls: int
    octets: int
    """Estimated octets of all that is kept."""
    dropped: int
    """Entries dropped since the start, for whatever bound."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """Whether what is appended also survives."""

    kind: str
    """``memory`` | ``sqlite`` | ``postgresql``"""
    durable: bool = False
    """What is appended now survives: False for a store that forgets when the process ends, and while there is ``trouble``."""
    trouble: str = ""
    """One sentence with the cure while entries cannot be written; empty when all is well."""
    waiting: int = 0
    """Entries that are not on disk yet."""
    lost: int = 0
    """Entries that never will be: they waited while the disk failed and the queue was full."""
    file_octets: int = 0
    unreadable: str = ""
    """One sentence with the cure when older calls could not be read the last time: lists are short, and traces are missing."""

    missed: int = 0
    """How often other replicas wrote more than could be told to who listens to all."""

    @property
    def told(self) -> str:
        """The one sentence for people: that calls are lost from now on weighs more than that old ones cannot be read."""
        return self.trouble or self.unreadable


Listener = Callable[[Entry], None]
Missed = Callable[[], None]


Wanted = Callable[[], Collection[Kind]]
"""What somebody would hear of other replicas just now: nobody reads what nobody wants. Also called on other threads."""
EVERYTHING: frozenset[Kind] = frozenset(Kind)
NOTHING: frozenset[Kind] = frozenset()


def everything() -> Collection[Kind]:
    """Want all, always."""
    return EVERYTHING


def nothing() -> None:
    """Do nothing: for who misses nothing by missing something."""


class Store(Protocol):
    """The door."""

    @property
    def shared(self) -> bool:
        """Whether other processes write to it too."""

    def append(self, entry: Entry) -> None:
        """Keep an entry, then tell it to every subscriber."""

    def calls(self, query: CallQuery) -> CallPage:
        """Calls that match, newest first. Raises BadCursor.

        Their views are for lists: `findings`, and the findings within `verdict`, may be missing; `call` gives all.
        """

    def call(self, call: str) -> CallView | None:
        """One call, or None when it is not (or no longer) known. The view is for reading only."""

    def trace(self, call: str) -> Trace | None:
        """One call with its entries, or None."""

    def attempts(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """ATTEMPT entries, newest first. Raises BadCursor."""

    def outside(self, limit: int = 50, cursor: str | None = None) -> EntryPage:
        """Other entries that belong to no call (messages outside dialogs, parse errors, connections), newest first; see also `voice_calls`.

        Raises BadCursor.
        """

    def voice_calls(self) -> tuple[Entry, ...]:
        """The newest VOICE_CALL entry of each voice call that is kept, of those that belong to no call; changed longest ago first."""

    def subscribe(self, listener: Listener, others: bool | Wanted = False, missed: Missed = nothing) -> Callable[[], None]:
        """Call `listener` with every entry after it is kept; the returned function ends that.

        With `others` it is also told what other replicas appended to a shared store, in the order of each of them, on the thread of the
        calls, a moment after it was written: all of it, or the kinds that are wanted at that moment. `missed` is called when some of that
        was too much to be told. A listener must be quick and must not raise.
        """

    def size(self) -> StoreSize:
        """How full the store is."""

    def health(self) -> StoreHealth:
        """Whether what is appended also survives."""

    def clear(self, until: int | None = None) -> int:
        """Forget every call that is over, all attempts, and what belongs to no call; return how many calls went.

        Live calls and open voice calls stay, and so does what is newer than the ordinal `until`.
        """

    def close(self) -> None:
        """Write what waits and let go of the file; nothing may be appended afterwards. A second time does nothing."""
