"""Rehearsals in a running simulator: fed from the journal, told to the journal, woken when a step's time is over.

What is appended while others are told of an entry would reach them out of order, so entries wait for the next turn of the reactor.

Where several replicas share the store, each rehearsal has one owner, who hears the calls of all and alone says what becomes of it. The
others follow what it tells. What somebody wants of it by another replica's API is shown there at once, and done by the owner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from twisted.logger import Logger

from sbc_sim.calls.partner import Partner
from sbc_sim.calls.rehearsal import Rehearsal
from sbc_sim.calls.rehearsal_acts import RehearsalAct
from sbc_sim.calls.rehearsal_plan import FORM, Wanted
from sbc_sim.calls.rehearsal_steps import StepState
from sbc_sim.calls.rehearsals import Rehearsals
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.owners import Alone, Fellows
from sbc_sim.journal.store import EVERYTHING, Store

_REHEARSALS = frozenset({Kind.REHEARSAL})
REHEARSAL = "rehearsal"
"""The order to the owner of a rehearsal: `RehearsalAct.data` with its `id`."""
MOST_WAITING = 10_000
"""Entries that wait for a turn; a reactor that is so far behind has other troubles."""

CheckForm = Callable[[Rehearsal], Iterable[str]]
"""What is missing in the form of a rehearsal, or contradicts the traffic: a sentence each."""


class Rehearsing:
    """The shell around `Rehearsals`."""

    _log = Logger()

    def __init__(
        self,
        rehearsals: Rehearsals,
        store: Store,
        reactor: Any,
        now: Callable[[], float],
        check_form: CheckForm = lambda one: (),
        fellows: Fellows | None = None,
    ) -> None:
        """`now`: unix seconds. `fellows`: the other replicas. Nothing is observed yet."""
        self.rehearsals = rehearsals
        self._fellows = fellows or Alone()
        self._store, self._reactor, self._now, self._check_form = store, reactor, now, check_form
        self._waiting: deque[Entry] = deque(maxlen=MOST_WAITING)
        self._alarm: Any = None
        self._alarm_at: float | None = None
        self._turn: Any = None
        self._copy_due = False
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        """Go on with what a process before this one left, and listen."""
        if self._store.health().kind != "memory":
            self._append(self.rehearsals.restore(_outside(self._store), self._now(), self._fellows.lives))
        self._end = self._store.subscribe(self._heard, others=self._wanted, missed=self._missed)
        self._wake_later()

    def stop(self) -> None:
        """Tell what is not told yet, and listen no more."""
        if self._end is not None:
            self._look()
            self._end()
            self._end = None
        for call in (self._turn, self._alarm):
            if call is not None and call.active():
                call.cancel()

    # --- asked by the API --------------------------------------------------------------------------------------------------

    @property
    def partners(self) -> Mapping[str, Partner]:
        """Those that can rehearse, by name."""
        return self.rehearsals.partners

    @property
    def labels(self) -> Mapping[str, str]:
        """Regions as published, by name."""
        return self.rehearsals.labels

    @property
    def step_seconds(self) -> float:
        """How long a step waits unless it is said."""
        return self.rehearsals.step_seconds

    def listed(self) -> list[Rehearsal]:
        """All of them, newest first."""
        self._look()
        return self.rehearsals.listed()

    def get(self, name: str) -> Rehearsal | None:
        """One by its id."""
        self._look()
        return self.rehearsals.get(name)

    def begin(self, wanted: Wanted) -> Rehearsal:
        """Begin one. Raises TooMany and InvalidInput."""
        self._look()
        made, entries = self.rehearsals.begin(wanted, self._now())
        self._append(entries)
        self._after()
        return made

    def act(self, name: str, act: RehearsalAct) -> Rehearsal:
        """Do something with one, or have its owner do it. Raises KeyError, InvalidInput, TooMany and TooManyOrders."""
        self._look()
        now, one = self._now(), self.rehearsals.get(name)
        if one is not None and one.owner != self.rehearsals.owner and not self._fellows.lives(one.owner):
            self.take_over(one.owner)
        self._append(self.rehearsals.act(name, lambda one: act.do(one, now), now))
        one = self.rehearsals.get(name)
        if one is not None and one.owner != self.rehearsals.owner:
            self._fellows.order(one.owner, REHEARSAL, {"id": name, **act.data()})
        self._after()
        return one or self.rehearsals.listed()[0]

    def ordered(self, data: Mapping[str, Any]) -> None:
        """Do what somebody wants by the API of another replica. Raises KeyError, InvalidInput and TooMany."""
        if (one := self.rehearsals.get(str(data["id"]))) is not None and one.owner == self.rehearsals.owner:
            self.act(one.id, RehearsalAct.from_data(data))

    def take_over(self, owner: str) -> None:
        """Watch over what a replica had that is there no more."""
        self._append(self.rehearsals.take_over(owner, self._now()))
        self._after()

    def renamed(self, name: str) -> None:
        """Go on under another name."""
        self._append(self.rehearsals.renamed(name, self._now()))

    def clear(self) -> None:
        """Forget those that are over: the store was emptied."""
        self._append(self.rehearsals.clear(self._now()))

    # --- what happens ------------------------------------------------------------------------------------------------------

    def _heard(self, entry: Entry) -> None:
        if entry.kind is Kind.REHEARSAL:
            self.rehearsals.follow(entry)
        wanted = self.rehearsals.wants(entry)
        if wanted:
            self._waiting.append(entry)
        self._copy_due |= self.rehearsals.kept_outside(entry)
        if (wanted or self._copy_due) and self._turn is None:
            self._turn = self._reactor.callLater(0, self._take_turn)

    def _wanted(self) -> Collection[Kind]:
        """Without any rehearsal only the beginning of one is news: calls of other replicas are not read for nothing."""
        return EVERYTHING if self.rehearsals.there else _REHEARSALS

    def _missed(self) -> None:
        """Read again how the rehearsals of other replicas are: they told more than could be followed."""
        self.rehearsals.read_again(_outside(self._store))

    def _take_turn(self) -> None:
        self._turn = None
        self._look()

    def _look(self) -> None:
        """Observe what waits. A fault of ours must not stop the simulator: it is logged, and the entry is passed over."""
        while self._waiting:
            entry = self._waiting.popleft()
            try:
                view = self._store.call(entry.call) if entry.call is not None else None
                self._append(self.rehearsals.observe(entry, view))
            except Exception:
                self._log.failure("a rehearsal met a fault of its own at {kind}, please report it", kind=entry.kind)
        if self._copy_due:
            self._copy_due = False
            self._append(self.rehearsals.copies(self._now()))
        self._after()

    def _after(self) -> None:
        for one in self.rehearsals.watched:
            step = one.steps.get(FORM)
            if step is not None and step.state is StepState.WAITING:
                self._settle_form(one)
        self._wake_later()

    def _settle_form(self, one: Rehearsal) -> None:
        now, flags = self._now(), list(self._check_form(one))
        self._append(self.rehearsals.act(one.id, lambda rehearsal: rehearsal.form_checked(flags, now), now))

    def _append(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._store.append(entry)

    # --- time --------------------------------------------------------------------------------------------------------------

    def _wake_later(self) -> None:
        at = self.rehearsals.deadline
        if at == self._alarm_at and self._alarm is not None and self._alarm.active():
            return
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = None if at is None else self._reactor.callLater(max(0.0, at - self._now()), self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self._look()
        self._append(self.rehearsals.advance(self._now()))
        self._after()


def _outside(store: Store) -> Iterator[Entry]:
    """Entries outside of calls, newest first."""
    cursor: str | None = None
    while True:
        page = store.outside(500, cursor)
        yield from page.entries
        cursor = page.next
        if cursor is None:
            return
