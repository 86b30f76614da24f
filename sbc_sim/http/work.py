"""Work that takes long goes to threads, few at once and bounded in number, so that no report or trace holds up a call.

What a job reads was taken from the store before, on the reactor's thread: a job is a function of values.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from sbc_sim.http.clock import Clock
from sbc_sim.http.problem import Problem

AT_ONCE = 2
MOST_WAITING = 16
SHORT_TURN = 0.0005
"""Seconds after which Python takes the interpreter from a thread while jobs run (5 ms otherwise): the reactor must not wait for it."""

T = TypeVar("T")


class Patience:
    """How long a job may take. Whoever does it asks, in whatever thread: `spent` is true from the end of its time on, or once stopped."""

    def __init__(self, seconds: float) -> None:
        """`seconds` count from the beginning of the job."""
        self._seconds = seconds
        self._end: float | None = None
        self.over = False
        """Whether somebody was told that the time is spent."""

    def begin(self) -> None:
        """Start the clock, unless an earlier part of the job did."""
        if self._end is None:
            self._end = time.monotonic() + self._seconds

    def stop(self) -> None:
        """Let the time be spent: nobody waits for the result any more."""
        self._end = 0.0

    def spent(self) -> bool:
        """Tell whether the job should end."""
        if self._end is not None and time.monotonic() >= self._end:
            self.over = True
        return self.over


class Pace:
    """Short turns of the interpreter while any thread works."""

    def __init__(self) -> None:
        """Take note of the usual turn."""
        self._jobs = 0
        self._long_turn = sys.getswitchinterval()

    def begin(self) -> None:
        """Count a job that begins."""
        self._jobs += 1
        sys.setswitchinterval(SHORT_TURN)

    def end(self) -> None:
        """Count a job that ended."""
        self._jobs -= 1
        if not self._jobs:
            sys.setswitchinterval(self._long_turn)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    asked: Deferred[Any]
    function: Callable[[], Any]
    patience: Patience | None

    def done(self) -> Any:
        if self.patience is not None:
            self.patience.begin()
        return self.function()


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    made: Deferred[Any]
    waiting: list[Deferred[Any]] = field(default_factory=list)

    def leave(self, asked: Deferred[Any]) -> None:
        self.waiting.remove(asked)
        if not self.waiting:
            self.made.cancel()


class Work:
    """Jobs under way, and those that wait for one of them to end: a lane of its own for each sort."""

    def __init__(self, clock: Clock, pace: Pace, what: str = "files", at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING) -> None:
        """`clock`: the reactor; `pace` is shared by all lanes; `what` is worked on, for people. Threads are made with the first job."""
        self._clock = clock
        self._pace = pace
        self._what = what
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._waiting: deque[_Job] = deque()
        self._running: list[_Job] = []
        self._shared: dict[Hashable, _Shared] = {}
        self._pool: ThreadPool | None = None

    def do(self, job: Callable[[], T], patience: Patience | None = None) -> Deferred[T]:
        """Do a job in its turn and give what it returns. Raises Problem 503 when too many wait.

        Cancelling forgets a job that waits; one that runs ends early when it asks its `patience`.
        """
        if len(self._waiting) >= self._most_waiting:
            detail = f"{len(self._running)} {self._what} are being worked on and {len(self._waiting)} wait."
            raise Problem(503, "too-much-work", detail, "Ask again in a moment.", (("Retry-After", "2"),))
        one = _Job(Deferred(self._forget), job, patience)
        self._waiting.append(one)
        self._begin()
        return one.asked

    def share(self, key: Hashable, job: Callable[[], T]) -> Deferred[T]:
        """Do a job, or wait with whoever asked for the same before: who follows a live call asks for the same at the same time.

        Raises Problem 503 when too many wait. Cancelling leaves the others their answer; a job that nobody waits for is forgotten.
        """
        shared = self._shared.get(key)
        if shared is None:
            made = self.do(job)
            shared = self._shared[key] = _Shared(made)
            made.addBoth(self._give, shared, key)
        asked: Deferred[T] = Deferred(shared.leave)
        shared.waiting.append(asked)
        return asked

    def _give(self, result: Any, shared: _Shared, key: Hashable) -> None:
        del self._shared[key]
        for asked in tuple(shared.waiting):
            asked.callback(result)

    def go_on(self, job: Callable[[], T], patience: Patience | None = None) -> Deferred[T]:
        """Do a second part of a job that had its turn: it goes before whoever waits, and is never too much."""
        one = _Job(Deferred(self._forget), job, patience)
        self._waiting.appendleft(one)
        self._begin()
        return one.asked

    def stop(self) -> None:
        """Begin nothing more. What runs is told to end, but not waited for: its threads end with the process."""
        self._waiting.clear()
        for one in self._running:
            if one.patience is not None:
                one.patience.stop()

    def _begin(self) -> None:
        while len(self._running) < self._at_once and self._waiting:
            one = self._waiting.popleft()
            self._running.append(one)
            self._pace.begin()
            deferToThreadPool(cast(Any, self._clock), self._threads(), one.done).addBoth(self._ended, one)

    def _ended(self, result: Any, one: _Job) -> None:
        self._running.remove(one)
        self._pace.end()
        if not one.asked.called:
            one.asked.callback(result)
        self._begin()

    def _threads(self) -> ThreadPool:
        if self._pool is None:
            self._pool = ThreadPool(0, self._at_once, "http-work")
            self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
            self._pool.start()
        return self._pool

    def _forget(self, asked: Deferred[Any]) -> None:
        self._waiting = deque(one for one in self._waiting if one.asked is not asked)
        for one in self._running:
            if one.asked is asked and one.patience is not None:
                one.patience.stop()
