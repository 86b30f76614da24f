"""What the thread of the replicas does at each turn: a sign of life, orders out and in, and the calls of those that left.

`step` does what is due at a time that it is told, and says when it wants to be called again. What the database refuses is tried again.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from sbc_sim.journal.bell import Ear, ring
from sbc_sim.journal.database import Connection
from sbc_sim.journal.membership import Heard, OrderNumbers, Outbox, Wellness, free_name, free_slot
from sbc_sim.journal.replica import SLOTS, Member, Order, Replica, ReplicaOptions, ReplicaState
from sbc_sim.journal.replica_rows import Known, ReplicaRows
from sbc_sim.journal.store import StoreError

MOST_TRIES = 50
"""So often a new replica looks for a name and a slot while others take the same ones."""
FORGET_SECONDS = 15.0
JUDGE_SECONDS = 1.0
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0
"""Longest time between two tries while the database cannot be had."""
CALLS_AT_ONCE = 50
"""Calls of one that left that are ended in one transaction: in between there is a sign of life."""


class Closer(Protocol):
    """Who ends the calls of one that left."""

    def live(self, line: Connection, left: Replica) -> list[str]:
        """Calls of it that are still up."""

    def end(self, line: Connection, left: Replica, calls: Sequence[str], closer: str, now: float) -> None:
        """End these, within a transaction of the caller; `closer`: our name, `now`: unix seconds."""


def entered(rows: ReplicaRows, member: Member) -> Member:
    """Write down that we live: with the slot of `member` when no living replica has it, and its name likewise. Raises StoreError.

    A slot below 0 is none: the best free one is taken.
    """
    for _ in range(MOST_TRIES):
        taken = rows.taken()
        living = [(slot, name) for slot, state, _, name in taken if state == ReplicaState.LIVE]
        own = member.slot if member.slot >= 0 and all(slot != member.slot for slot, _ in living) else None
        slot = own if own is not None else free_slot((slot, state, seen) for slot, state, seen, _ in taken)
        if slot is None:
            break
        found = replace(member, id=secrets.token_hex(8), name=free_name(member.name, {name for _, name in living}), slot=slot)
        if rows.enter(found):
            return found
    raise StoreError(f"{SLOTS} replicas share this store already: stop some, or name another database in store.url")


@dataclass(slots=True)
class Closing:
    """One that left, and its calls that are yet to be ended."""

    left: Replica
    calls: deque[str]


class Listeners:
    """Who is told; each is called on the thread of the calls."""

    def __init__(self) -> None:
        """Nobody yet."""
        self.on_order: Callable[[Order], None] = lambda order: None
        self.on_left: Callable[[Replica, bool], None] = lambda replica, ours: None
        self.on_rejoined: Callable[[Member], None] = lambda member: None
        self.on_trouble: Callable[[str], None] = lambda trouble: None


class Lookout:
    """The work of the thread, without it. What stands here in public is read by the other thread, each value whole."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        member: Member,
        options: ReplicaOptions,
        closer: Closer,
        tell: Callable[[Callable[[], None]], None],
        sentence: Callable[[Exception], str] = str,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`connect` may raise what a database raises, `sentence` says it in words. `tell` has something called on the thread of the calls.

        `wall`: unix seconds.
        """
        self.member = member
        self.listeners = Listeners()
        self.outbox = Outbox()
        self.listed: tuple[Replica, ...] = ()
        self.trouble = ""
        self.sent = self.received = 0
        self.line: Connection | None = None
        """The connection, while there is one."""
        self._connect, self._options, self._closer, self._tell, self._wall = connect, options, closer, tell, wall
        self._sentence = sentence
        self._wellness = Wellness(options)
        self._numbers = OrderNumbers(member.slot)
        self._heard = Heard()
        self._since: float | None = None
        self._closing: deque[Closing] = deque()
        self._watched: dict[str, Replica] = {}
        self._ear: Ear | None = None
        self._news = True
        self._beat_at = self._judge_at = self._forget_at = self._retry_at = float("-inf")
        self._pause = FIRST_PAUSE

    # --- turns -------------------------------------------------------------------------------------------------------

    def step(self, now: float) -> float:
        """Do what is due at `now`, seconds of a steady clock; return after how many seconds there is more to do."""
        if now < self._retry_at:
            return self._retry_at - now
        try:
            if self.line is None:
                self.line = self._connect()
                self._ear = Ear(self.line)
                self._beat_at = self._judge_at = float("-inf")
            pause = self._work(self.line, now)
        except Exception as error:  # whatever it is: the calls go on, and `trouble` says what is wrong
            self._failed(error, now)
            return self._pause
        self._set_trouble("")
        self._pause = FIRST_PAUSE
        return pause

    def finish(self) -> None:
        """Send what waits, say that we are gone, and let go."""
        try:
            if self.line is None:
                self.line = self._connect()
            rows = ReplicaRows(self.line)
            while self.outbox:
                self._send(self.line, rows, float("-inf"))
            with transaction(self.line):
                rows.leave(self.member.id)
                ring(self.line)
        except Exception as error:  # then the others find out by the silence
            self.trouble = self._sentence(error)
        self._let_go()

    def _failed(self, error: Exception, now: float) -> None:
        self._set_trouble(self._sentence(error) or repr(error))
        if not _is_busy(error):
            self._wellness.failed()
        self._closing.clear()  # who closes them is asked again
        self._let_go()
        self._retry_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE, self._options.lost_seconds / 4)  # others may be back sooner, and judge

    def _set_trouble(self, trouble: str) -> None:
        """Note how it is, and tell when it begins and when it is over."""
        changed = bool(trouble) != bool(self.trouble)
        self.trouble = trouble
        if changed:
            self._tell(lambda: self.listeners.on_trouble(trouble))

    def _let_go(self) -> None:
        line, self.line = self.line, None
        if line is not None:
            with suppress(Exception):  # it is broken: that is why it goes
                line.close()

    def _work(self, line: Connection, now: float) -> float:
        rows, ear = ReplicaRows(line), self._ear
        assert ear is not None
        self._news = ear.heard() or self._news
        if now >= self._beat_at:
            self._beat(line, rows, now)
            self._news = True
        self._send(line, rows, now)
        if self._news:  # an order, or one that came or left
            self._look(rows.listing(self.member.id))
            self._receive(line, rows)
        if self._closing:
            self._close_some(line, rows)
            return 0.0
        if now >= self._judge_at and self._may_judge(rows, now):
            self._judge(line, rows)
            self._judge_at = now + JUDGE_SECONDS
        if now >= self._forget_at:
            rows.forget()
            self._forget_at = now + FORGET_SECONDS
        self._news = ear.heard()  # also what came while we asked for something else
        return 0.0 if self._closing or self.outbox or self._news else min(self._beat_at - now, JUDGE_SECONDS)

    # --- being there -------------------------------------------------------------------------------------------------

    def _beat(self, line: Connection, rows: ReplicaRows, now: float) -> None:
        seen_at = rows.beat(self.member.id)
        if seen_at is None:
            self._rejoin(rows)
            ring(line)
            seen_at = rows.beat(self.member.id)
        if seen_at is not None:
            self._wellness.beat(now, seen_at)
        self._beat_at = now + self._options.heartbeat_seconds

    def _rejoin(self, rows: ReplicaRows) -> None:
        """Others declared us lost while we could not be heard, and ended our calls in the journal."""
        self.member = member = entered(rows, self.member)
        self._wellness.failed()
        self._numbers = OrderNumbers(member.slot)
        self._tell(lambda: self.listeners.on_rejoined(member))

    def _look(self, known: Sequence[Known]) -> None:
        """Take the listing, and tell of those that left since the last one and whose calls have been ended."""
        newest = {one.replica.name: one.replica for one in known}
        self.listed = tuple(newest.values())
        if self._since is None:
            self._since = next((one.replica.started_at for one in known if one.replica.own), None)
        for one in known:
            replica = one.replica
            if replica.state is ReplicaState.LIVE:
                self._watched[replica.id] = replica
            elif one.closed and self._watched.pop(replica.id, None) is not None:
                self._tell_left(replica, ours=False)
        there = {one.replica.id for one in known}
        self._watched = {number: replica for number, replica in self._watched.items() if number in there}

    def _tell_left(self, left: Replica, ours: bool) -> None:
        self._tell(lambda: self.listeners.on_left(left, ours))

    # --- those that left ---------------------------------------------------------------------------------------------

    def _may_judge(self, rows: ReplicaRows, now: float) -> bool:
        """Whether we are well, and are by the clocks of this very moment: since the last heartbeat the machine may have slept."""
        if self._wellness.may_judge(now):
            self._wellness.beat(now, rows.now())
        return self._wellness.may_judge(now)

    def _judge(self, line: Connection, rows: ReplicaRows) -> None:
        with transaction(line):
            left = rows.judge(self.member.id, self._options.lost_seconds)
            closing = [Closing(one, deque(self._closer.live(line, one))) for one in left]
        self._closing.extend(closing)
        if left:
            self._look(rows.listing(self.member.id))

    def _close_some(self, line: Connection, rows: ReplicaRows) -> None:
        closing = self._closing[0]
        calls = [closing.calls[place] for place in range(min(CALLS_AT_ONCE, len(closing.calls)))]
        with transaction(line):
            if calls:
                self._closer.end(line, closing.left, calls, self.member.name, rows.now())
            if len(calls) == len(closing.calls):
                rows.closed(closing.left.id)
                ring(line)
        for _ in calls:
            closing.calls.popleft()
        if not closing.calls:
            self._closing.popleft()
            self._watched.pop(closing.left.id, None)
            self._tell_left(closing.left, ours=True)

    # --- orders ------------------------------------------------------------------------------------------------------

    def _send(self, line: Connection, rows: ReplicaRows, now: float) -> None:
        orders = self.outbox.waiting(now)
        if orders:
            with transaction(line):
                rows.send(self.member.name, orders, lambda: self._numbers.next(self._wall()))
                ring(line)
            self.outbox.sent(len(orders))
            self.sent += len(orders)

    def _receive(self, line: Connection, rows: ReplicaRows) -> None:
        """Take what is for us: away first, then told, so that nothing is ever done twice."""
        if self._since is None:
            return
        self._news = False
        orders = rows.waiting(self.member.name, self._since, self._heard.new)
        ours = [order.id for order in orders if order.target]
        if ours:
            with transaction(line):
                rows.take(ours)
        self._heard.add(order.id for order in orders if not order.target)
        self.received += len(orders)
        for order in orders:
            self._tell_order(order)

    def _tell_order(self, order: Order) -> None:
        self._tell(lambda: self.listeners.on_order(order))


def _is_busy(error: Exception) -> bool:
    """Whether another process was only writing for long: the database is there."""
    return str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


@contextmanager
def transaction(line: Connection) -> Iterator[None]:
    """Do all or nothing. Raises what the database raises."""
    line.begin()
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the connection is broken: what went wrong first says more
            line.rollback()
        raise
    line.commit()
