"""Replicas on a real database: who is there, what one asks of another, and who is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbc_sim.journal import replica_rows
from sbc_sim.journal.database import Connection, Database, DatabaseError
from sbc_sim.journal.lookout import JUDGE_SECONDS, Lookout
from sbc_sim.journal.lost import LostCalls
from sbc_sim.journal.postgres import PostgresDatabase
from sbc_sim.journal.replica import MOST_ABOUT_OCTETS, ORDER_SECONDS, SLOTS, ReplicaState
from sbc_sim.journal.replicas import Replicas, register
from sbc_sim.journal.sqlite_file import SqliteFile
from sbc_sim.journal.store import StoreError
from tests.support.replicas import BEAT, LOST, OPTIONS, Turned, Turns, make_older, turned


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.partners)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    database: Database = SqliteFile(tmp_path / "calls.db", alone=False)
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgres")
        database = PostgresDatabase(cluster.database(), cluster.password)
    database.prepare()
    yield database
    database.free()


def change(database: Database, statement: str, *values: object) -> None:
    connection = database.connect()
    connection.execute(statement, values)
    connection.close()


def make_well(one: Turned) -> None:
    """Let it be well for so long that it may judge others."""
    for _ in range(int(LOST / BEAT) + 1):
        one.step(BEAT)


# --- being there -----------------------------------------------------------------------------------------------------


def test_replicas_see_each_other_with_slots_of_their_own(database: Database) -> None:
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    first.step(BEAT)
    assert first.listed == second.listed == {"pod-a": "live", "pod-b": "live"}
    assert {replica.slot for replica in first.lookout.listed} == {0, 1}
    assert [replica.own for replica in first.lookout.listed] == [True, False]
    assert first.lookout.listed[1].about == {"http": "http://pod-b.example"}


def test_a_second_one_of_the_same_name_gets_a_number(database: Database) -> None:
    turned(database, "pod")
    assert turned(database, "pod").name == "pod-2"


def test_who_stops_says_so_and_gives_the_name_back(database: Database) -> None:
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    second.lookout.finish()
    first.step(BEAT)
    assert first.listed == {"pod-a": "live", "pod-b": "gone"}
    again = turned(database, "pod-b")
    assert (again.name, again.lookout.member.slot) == ("pod-b", 2)
    first.step(BEAT)
    assert first.listed == {"pod-a": "live", "pod-b": "live"}


def test_the_1025th_replica_is_refused_with_the_cure(database: Database) -> None:
    connection = database.connect()
    connection.begin()
    for slot in range(SLOTS):
        connection.execute("INSERT INTO replicas VALUES (?, ?, ?, 0, 0, 'live', '{}', NULL, NULL, NULL)", (f"id{slot}", f"pod{slot}", slot))
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="1024 replicas share this store already: stop some"):
        register(database.connect, "one-more", {})


def test_what_a_replica_says_about_itself_is_bounded(database: Database) -> None:
    with pytest.raises(ValueError, match="longer than"):
        register(database.connect, "pod", {"http": "x" * MOST_ABOUT_OCTETS})


def test_those_that_left_long_ago_are_forgotten(database: Database) -> None:
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    second.lookout.finish()
    make_older(database, "pod-b", 3601.0)
    first.step(BEAT)
    first.step(BEAT)
    assert first.listed == {"pod-a": "live"}


def test_nobody_is_lost_because_the_machine_slept_between_two_heartbeats(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sleep that steady clocks do not count, or a clock that is set: others are judged more often than heartbeats are sent."""
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    make_well(first)
    second.step(BEAT)
    for kind, clock in tuple(replica_rows._CLOCKS.items()):
        monkeypatch.setitem(replica_rows._CLOCKS, kind, f"({clock} + 3600)")
    first.step(JUDGE_SECONDS)
    assert (first.listed, first.left) == ({"pod-a": "live", "pod-b": "live"}, [])
    for _ in range(int(LOST / BEAT) - 1):
        first.step(BEAT)
    assert first.left == [], "the others get the time to be heard again"
    for _ in range(3):
        first.step(BEAT)
    assert first.left == [("pod-b", "lost", True)]


# --- orders ----------------------------------------------------------------------------------------------------------


def test_an_order_is_heard_once_by_the_one_it_is_for(database: Database) -> None:
    first, second, third = (turned(database, name) for name in ("pod-a", "pod-b", "pod-c"))
    first.order("pod-b", "hang-up", call="c1")
    for one in (first, second, third, second):
        one.step(BEAT)
    assert [(order.sender, order.what, order.data) for order in second.orders] == [("pod-a", "hang-up", {"call": "c1"})]
    assert first.orders == third.orders == []


def test_an_order_to_all_is_heard_once_by_every_other(database: Database) -> None:
    first, second, third = (turned(database, name) for name in ("pod-a", "pod-b", "pod-c"))
    first.order("", "fault-put", name="deaf")
    for one in (first, second, third, first, second, third):
        one.step(BEAT)
    assert first.orders == []
    assert [order.what for order in second.orders] == [order.what for order in third.orders] == ["fault-put"]


def test_orders_of_one_sender_are_heard_in_their_order_whomever_they_are_for(database: Database) -> None:
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    for number in range(700):
        assert first.lookout.outbox.put("" if number % 3 else "pod-b", "count", {"n": number}, first.now)
    first.step()
    second.step(BEAT)
    second.step(BEAT)
    assert [order.data["n"] for order in second.orders] == list(range(700))


def test_who_comes_later_does_not_hear_what_was_said_before(database: Database) -> None:
    first = turned(database, "pod-a")
    first.order("", "reset")
    later = turned(database, "pod-b")
    first.order("", "fault-put")
    later.step(BEAT)
    assert [order.what for order in later.orders] == ["fault-put"]


def test_an_order_that_nobody_took_is_forgotten_after_a_minute(database: Database) -> None:
    first = turned(database, "pod-a")
    first.order("pod-b", "hang-up")
    change(database, "UPDATE orders SET at = at - ?", ORDER_SECONDS + 1)
    first.step(BEAT)
    second = turned(database, "pod-b")
    second.step(BEAT)
    assert second.orders == []
    connection = database.connect()
    assert connection.execute("SELECT count(*) FROM orders").fetchone()[0] == 0
    connection.close()


def test_an_order_says_how_old_it_was_when_it_was_taken(database: Database) -> None:
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    first.order("pod-b", "hang-up")
    first.step()
    change(database, "UPDATE orders SET at = at - ?", 20.0)
    second.step(BEAT)
    assert [order.age >= 20.0 for order in second.orders] == [True]


def test_an_order_that_is_not_sent_in_its_time_is_not_sent(database: Database) -> None:
    first = turned(database, "pod-a")
    assert first.lookout.outbox.put("pod-b", "hang-up", {}, first.now, within=4.0)
    assert first.lookout.outbox.put("pod-b", "escalate", {}, first.now)
    assert [order.what for order in first.lookout.outbox.waiting(first.now + 5.0)] == ["escalate"]
    assert first.lookout.outbox.dropped == 1


# --- the lost --------------------------------------------------------------------------------------------------------


def test_who_is_not_heard_of_is_lost_and_exactly_one_takes_over(database: Database) -> None:
    first, second, _ = (turned(database, name) for name in ("pod-a", "pod-b", "pod-c"))
    for one in (first, second):
        make_well(one)
    make_older(database, "pod-c", LOST + 1)
    for one in (first, second, first, second):
        one.step(BEAT)
    assert first.listed["pod-c"] == second.listed["pod-c"] == "lost"
    assert sorted(first.left + second.left) == [("pod-c", "lost", False), ("pod-c", "lost", True)]


def test_who_is_only_late_is_not_lost(database: Database) -> None:
    first, _ = turned(database, "pod-a"), turned(database, "pod-b")
    make_well(first)
    make_older(database, "pod-b", LOST / 2)
    first.step(BEAT)
    assert first.listed["pod-b"] == "live"


def test_who_was_cut_off_itself_does_not_judge_the_others(database: Database) -> None:
    first, _ = turned(database, "pod-a"), turned(database, "pod-b")
    make_well(first)
    make_older(database, "pod-b", 3 * LOST)
    first.step(3 * LOST)
    for _ in range(4):
        first.step(BEAT)
    assert first.listed["pod-b"] == "live"
    first.step(BEAT)
    assert first.left == [("pod-b", "lost", True)]


def test_a_process_that_writes_to_the_file_for_long_keeps_nobody_from_judging(tmp_path: Path) -> None:
    database = SqliteFile(tmp_path / "calls.db", alone=False)
    database.prepare()
    first, _ = turned(database, "pod-a"), turned(database, "pod-b")
    make_well(first)
    make_older(database, "pod-b", LOST + 1)
    writing = database.connect()
    writing.begin()
    first.now += BEAT
    first.lookout.step(first.now)
    assert "locked" in first.lookout.trouble
    writing.rollback()
    writing.close()
    first.step(1.0)
    assert first.left == [("pod-b", "lost", True)]


def test_who_finds_itself_declared_lost_registers_anew(database: Database) -> None:
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    before = second.lookout.member
    make_well(first)
    make_older(database, "pod-b", LOST + 1)
    first.step(BEAT)
    assert first.listed["pod-b"] == "lost"
    second.step(BEAT)
    after = second.lookout.member
    assert second.rejoined == [after]
    assert after.id != before.id
    assert (after.name, after.slot) == (before.name, before.slot)
    first.step(BEAT)
    assert first.listed["pod-b"] == "live"
    first.order("pod-b", "hang-up")
    second.step(BEAT)
    assert [order.what for order in second.orders] == ["hang-up"]


def test_what_one_that_died_left_undone_is_done_by_another(database: Database) -> None:
    first, second, _ = (turned(database, name) for name in ("pod-a", "pod-b", "pod-c"))
    make_well(first)
    dying = second.lookout.member.id
    connection = database.connect()
    connection.execute("UPDATE replicas SET state = 'lost', closer = ?, closing_at = seen_at - 101 WHERE name = 'pod-c'", (dying,))
    connection.close()
    first.step(BEAT)
    assert first.left == [("pod-c", "lost", True)]


def test_one_that_said_it_is_gone_is_taken_over_at_once(database: Database) -> None:
    first, second = turned(database, "pod-a"), turned(database, "pod-b")
    make_well(first)
    second.lookout.finish()
    first.step(BEAT)
    assert first.left == [("pod-b", "gone", True)]


# --- the thread ------------------------------------------------------------------------------------------------------


def running(database: Database, name: str, turns: Turns, connect: Callable[[], Connection] | None = None) -> Replicas:
    connect = connect or database.connect
    replicas = Replicas(connect, register(connect, name, {}), turns, OPTIONS)
    replicas.start()
    return replicas


def test_an_order_reaches_another_process_without_waiting_for_a_heartbeat(database: Database) -> None:
    turns, heard = Turns(), list[str]()
    first, second = running(database, "pod-a", turns), running(database, "pod-b", turns)
    second.on_order = lambda order: heard.append(order.what)
    for number in range(5):
        assert first.order("pod-b", f"do-{number}", {})
        turns.run_until(lambda: bool(heard) and heard[-1] == f"do-{number}", 60.0)  # noqa: B023
    first.stop()
    second.stop()
    assert heard == [f"do-{number}" for number in range(5)]
    assert first.orders()["sent"] == second.orders()["received"] == 5


def test_a_stop_sends_what_waits_and_says_gone(database: Database) -> None:
    turns, heard = Turns(), list[str]()
    second = running(database, "pod-b", turns)
    second.on_order = lambda order: heard.append(order.what)
    first = running(database, "pod-a", turns)
    first.order("pod-b", "farewell", {})
    first.stop()
    first.stop()
    assert not first.order("pod-b", "too-late", {})
    turns.run_until(lambda: heard == ["farewell"])
    second.stop()
    states = {replica.name: replica.state for replica in turned(database, "pod-c").lookout.listed}
    assert states == {"pod-a": ReplicaState.GONE, "pod-b": ReplicaState.GONE, "pod-c": ReplicaState.LIVE}


def test_a_database_that_cannot_be_had_is_told_and_tried_again(database: Database) -> None:
    away = True

    def connect() -> Connection:
        if away:
            raise DatabaseError("the server closed the connection")
        return database.connect()

    member = register(database.connect, "pod-a", {})
    one = turned(database, "pod-b")
    late = Turned(Lookout(connect, member, OPTIONS, LostCalls(), lambda call: call()))
    told = list[str]()
    late.lookout.listeners.on_trouble = told.append
    pauses = [late.lookout.step(now) for now in (100.0, 101.0, 103.0, 107.0, 120.0, 140.0, 160.0)]
    assert late.lookout.trouble == "the server closed the connection"
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5.0
    away = False
    late.now = 200.0
    late.order("pod-b", "hang-up")
    one.step(BEAT)
    assert late.lookout.trouble == ""
    assert told == ["the server closed the connection", ""]
    assert [order.what for order in one.orders] == ["hang-up"]
