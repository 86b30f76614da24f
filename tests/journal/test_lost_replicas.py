"""The calls of a replica that died: another one ends them, in the stores of all that are left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sbc_sim.journal.database import Database
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.kept import KeptStore
from sbc_sim.journal.postgres import PostgresDatabase
from sbc_sim.journal.replica import ReplicaOptions
from sbc_sim.journal.replicas import Replicas, register
from sbc_sim.journal.share import ShareOptions
from sbc_sim.journal.sqlite_file import SqliteFile
from sbc_sim.journal.store import CallQuery
from tests.end_to_end.clients.conversation import wait_until
from tests.support.postgres import Cluster
from tests.support.replicas import BEAT, LOST, Turned, Turns, make_older, turned

Make = Callable[[], Database]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.partners)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes the same database again and again: one for each replica."""
    with ExitStack() as stack:
        url, password = "", ""
        if request.param == "postgresql":
            cluster: Cluster = request.getfixturevalue("postgres")
            url, password = cluster.database(), cluster.password

        def make() -> Database:
            database: Database = PostgresDatabase(url, password) if url else SqliteFile(tmp_path / "calls.db", alone=False)
            database.prepare()
            stack.callback(database.free)
            return database

        yield make


class Shared:
    """A replica with its store."""

    def __init__(self, make: Make, name: str) -> None:
        self.turns = Turns()
        self.replica = turned(make(), name)
        member = self.replica.lookout.member
        self.store = KeptStore(make(), 1000.0, share=ShareOptions(member.name, member.slot, self.turns))
        self.told: list[Entry] = []
        self.store.subscribe(self.told.append, others=True)

    def begin(self, call: str, at: float = 1000.0) -> None:
        self.store.append(Entry(at, Kind.CALL_STARTED, call, {"sipCallId": f"{call}@partner", "direction": "inbound"}))
        self.store.append(Entry(at + 1, Kind.CALL_STATE, call, {"state": "answered"}))


@pytest.fixture
def three(make: Make) -> Iterator[list[Shared]]:
    shared = [Shared(make, name) for name in ("pod-a", "pod-b", "pod-c")]
    yield shared
    for one in shared:
        one.store.close()


def lose(three: list[Shared], make: Make, name: str) -> None:
    """Let one be silent for too long, and the others notice."""
    make_well(three[0].replica)
    make_older(make(), name, LOST + 1)
    three[0].replica.step(BEAT)


def make_well(one: Turned) -> None:
    for _ in range(int(LOST / BEAT) + 1):
        one.step(BEAT)


def ended(one: Shared) -> list[str]:
    return [entry.call for entry in one.told if entry.kind is Kind.CALL_ENDED and entry.call]


def test_the_calls_of_one_that_died_are_ended_as_lost_and_say_so(three: list[Shared], make: Make) -> None:
    first, second, dead = three
    for number in range(120):  # more than are ended in one transaction
        dead.begin(f"dead-{number}")
    second.begin("alive")
    for one in three:
        assert one.store.flush(60.0)
    lose(three, make, "pod-c")
    for one in (first, second):
        one.turns.run_until(lambda: len(ended(one)) == 120)  # noqa: B023
        view = one.store.call("dead-7")
        assert view is not None
        assert (view.state, view.ended_by, view.end_reason, view.replica) == ("ended", "sbc", "lost", "pod-c")
        alive = one.store.call("alive")
        assert alive is not None
        assert alive.state == "answered"
    trace = first.store.trace("dead-7")
    assert trace is not None
    note = next(entry for entry in trace.entries if entry.kind is Kind.NOTE).data["text"]
    assert "the replica pod-c that had this call is there no more" in note
    assert "last heard of the call at 1970-01-01T00:16:41.000Z" in note
    assert "ended by the replica pod-a" in note
    assert first.replica.left == [("pod-c", "lost", True)]
    assert first.store.calls(CallQuery(status="answered")).calls[0].id == "alive"


def test_the_calls_of_one_that_lives_again_are_not_those_of_its_earlier_life(three: list[Shared], make: Make) -> None:
    dead = three[2]
    dead.begin("before")
    assert dead.store.flush(60.0)
    make_well(three[0].replica)
    dead.replica.lookout.finish()  # it stopped, but its call stands as live
    again = Shared(make, "pod-c")
    again.begin("after")
    assert again.store.flush(60.0)
    three[0].replica.step(BEAT)
    three[0].turns.run_until(lambda: ended(three[0]) == ["before"])
    after = three[0].store.call("after")
    assert after is not None
    assert (after.state, after.replica) == ("answered", "pod-c")
    again.store.close()


@pytest.mark.partners
def test_after_an_outage_of_the_database_nobody_is_lost_and_orders_go_on(own_postgres: Cluster) -> None:
    database = PostgresDatabase(own_postgres.database(), own_postgres.password)
    database.prepare()
    turns, heard, left = Turns(), list[str](), list[str]()
    options = ReplicaOptions(heartbeat_seconds=0.2, lost_seconds=20.0)
    both = [Replicas(database.connect, register(database.connect, name, {}), turns, options) for name in ("pod-a", "pod-b")]
    first, second = both
    second.on_order = lambda order: heard.append(order.what)
    for one in both:
        one.on_left = lambda replica, ours: left.append(replica.name)
        one.start()
    first.order("pod-b", "before", {})
    turns.run_until(lambda: heard == ["before"])
    own_postgres.kill()
    first.order("pod-b", "meanwhile", {})
    wait_until(lambda: bool(first.trouble and second.trouble), "both notice")
    own_postgres.start()
    make_older(database, "pod-a", 60.0)
    make_older(database, "pod-b", 60.0)
    turns.run_until(lambda: heard == ["before", "meanwhile"])
    for one in both:
        one.stop()
    assert first.trouble == second.trouble == ""
    assert left == []
