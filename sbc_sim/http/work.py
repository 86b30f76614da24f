"""Work that takes long goes to threads, few at once and bounded in number, so that no report or trace holds up a call.

What a job reads was taken from the store before, on the reactor's thread: a job is a function of values.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
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


class Work:
    """Jobs under way, and those that wait for one of them to end."""

    def __init__(self, clock: Clock, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING) -> None:
        """`clock`: the reactor. Threads are made with the first job."""
        self._clock = clock
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Deferred[Any], Callable[[], Any]]] = deque()
        self._running = 0
        self._pool: ThreadPool | None = None
        self._long_turn = sys.getswitchinterval()

    def do(self, job: Callable[[], T]) -> Deferred[T]:
        """Do a job in its turn and give what it returns. Raises Problem 503 when too many wait; cancelling forgets a job that waits."""
        if len(self._waiting) >= self._most_waiting:
            detail = f"{self._running} reports or traces are being worked on and {len(self._waiting)} wait."
            raise Problem(503, "too-much-work", detail, "Ask again in a moment.", (("Retry-After", "2"),))
        asked: Deferred[T] = Deferred(self._forget)
        self._waiting.append((asked, job))
        self._begin()
        return asked

    def stop(self) -> None:
        """Begin nothing more. What runs is not waited for: its threads end with the process."""
        self._waiting.clear()

    def _begin(self) -> None:
        while self._running < self._at_once and self._waiting:
            asked, job = self._waiting.popleft()
            self._running += 1
            sys.setswitchinterval(SHORT_TURN)
            deferToThreadPool(cast(Any, self._clock), self._threads(), job).addBoth(self._ended, asked)

    def _ended(self, result: Any, asked: Deferred[Any]) -> None:
        self._running -= 1
        if not self._running:
            sys.setswitchinterval(self._long_turn)
        if not asked.called:
            asked.callback(result)
        self._begin()

    def _threads(self) -> ThreadPool:
        if self._pool is None:
            self._pool = ThreadPool(0, self._at_once, "http-work")
            self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
            self._pool.start()
        return self._pool

    def _forget(self, asked: Deferred[Any]) -> None:
        self._waiting = deque(one for one in self._waiting if one[0] is not asked)
