"""Replicas of a test on a real database, each with its thread or turned by hand."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass, field

from sbc_sim.journal.database import Connection, Database
from sbc_sim.journal.lookout import Lookout
from sbc_sim.journal.lost import LostCalls
from sbc_sim.journal.replica import Member, Order, ReplicaOptions
from sbc_sim.journal.replicas import register

BEAT, LOST = 20.0, 100.0
OPTIONS = ReplicaOptions(heartbeat_seconds=BEAT, lost_seconds=LOST)
"""The database's clock is a real one: these are so long that a busy machine makes nobody late."""


class Turns:
    """The thread of the calls of a test: what is to be called there waits until the test calls it."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def __call__(self, call: Callable[[], None]) -> None:
        self._waiting.put(call)

    def run(self) -> None:
        """Call what waits."""
        while not self._waiting.empty():
            self._waiting.get()()

    def run_until(self, reached: Callable[[], bool], seconds: float = 30.0) -> None:
        """Call what comes until something is so."""
        while not reached():
            self._waiting.get(timeout=seconds)()


@dataclass
class Turned:
    """A replica without a thread: a test says when it is its turn, and how late it is by its own clock."""

    lookout: Lookout
    now: float = 100.0
    orders: list[Order] = field(default_factory=list)
    left: list[tuple[str, str, bool]] = field(default_factory=list)
    rejoined: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lookout.listeners.on_order = self.orders.append
        self.lookout.listeners.on_left = lambda replica, ours: self.left.append((replica.name, str(replica.state), ours))
        self.lookout.listeners.on_rejoined = self.rejoined.append

    @property
    def name(self) -> str:
        return self.lookout.member.name

    def step(self, seconds: float = 0.0) -> None:
        """Let so many seconds go by, then do what is due until there is a pause."""
        self.now += seconds
        for _ in range(100):
            if self.lookout.step(self.now) > 0:
                assert not self.lookout.trouble, self.lookout.trouble
                return
        raise AssertionError("it never pauses")

    def order(self, target: str, what: str, **data: object) -> None:
        """Send an order at once."""
        assert self.lookout.outbox.put(target, what, data, self.now)
        self.step()

    @property
    def listed(self) -> dict[str, str]:
        """Names and states."""
        return {replica.name: str(replica.state) for replica in self.lookout.listed}


def turned(database: Database, name: str, options: ReplicaOptions = OPTIONS, connect: Callable[[], Connection] | None = None) -> Turned:
    """A replica that is registered and has had its first turn."""
    connect = connect or database.connect
    member = register(connect, name, {"http": f"http://{name}.example"})
    one = Turned(Lookout(connect, member, options, LostCalls(), lambda call: call()))
    one.step()
    return one


def make_older(database: Database, name: str, seconds: float) -> None:
    """Let the database think that it heard of a replica so much longer ago."""
    connection = database.connect()
    connection.execute("UPDATE replicas SET seen_at = seen_at - ? WHERE name = ?", (seconds, name))
    connection.close()
