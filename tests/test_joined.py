"""What this process asks of another replica by name is answered once that one has done it, or told to be silent; and is not done late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from sbc_sim.addresses import Addresses
from sbc_sim.joined import Joined, about
from sbc_sim.journal.owners import HANG_UP, OWNER_PATIENCE, OwnerSilent
from sbc_sim.journal.replica import Order
from sbc_sim.journal.replicas import Replicas, register
from sbc_sim.journal.sqlite_file import SqliteFile
from sbc_sim.settings import Settings
from tests.support.replicas import OPTIONS, Turns


class Member:
    """One that is joined, on a real file and with a thread; its reactor's clock is turned by the test."""

    def __init__(self, file: SqliteFile, name: str, turns: Turns) -> None:
        self.clock = Clock()
        self.replicas = Replicas(file.connect, register(file.connect, name, {}), turns, OPTIONS)
        self.joined = Joined(self.replicas, self.clock)
        self.done: list[object] = []
        self.told: list[OwnerSilent | None] = []
        self.joined.on(HANG_UP, lambda data: self.done.append(data["call"]))


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def pair(tmp_path: Path, turns: Turns) -> Iterator[tuple[Member, Member]]:
    file = SqliteFile(tmp_path / "calls.db", alone=False)
    file.prepare()
    pair = Member(file, "one", turns), Member(file, "two", turns)
    yield pair
    for member in pair:
        member.joined.stop()
    file.free()


def test_an_order_to_the_owner_is_answered_once_it_is_done(pair: tuple[Member, Member], turns: Turns) -> None:
    one, two = pair
    one.joined.start()
    two.joined.start()
    one.joined.order("two", HANG_UP, {"call": "c1"})
    assert one.joined.when_done(one.told.append)
    turns.run_until(lambda: bool(one.told))
    assert (two.done, one.told) == (["c1"], [None])


def test_an_owner_that_is_dead_is_told_to_be_silent(pair: tuple[Member, Member]) -> None:
    one, _ = pair
    one.joined.order("two", HANG_UP, {"call": "c1"})
    assert one.joined.when_done(one.told.append)
    one.clock.advance(OWNER_PATIENCE - 0.1)
    assert one.told == []
    one.clock.advance(0.2)
    assert [told and told.replica for told in one.told] == ["two"]


def test_who_stood_still_does_not_do_what_was_ordered_meanwhile(pair: tuple[Member, Member]) -> None:
    _, two = pair
    late = Order(1, 0.0, "one", "two", HANG_UP, {"call": "late", "ask": 1, "within": OWNER_PATIENCE}, age=OWNER_PATIENCE + 1)
    in_time = Order(2, 0.0, "one", "two", HANG_UP, {"call": "in time", "ask": 2, "within": OWNER_PATIENCE}, age=0.1)
    for order in (late, in_time):
        two.replicas.on_order(order)
    assert two.done == ["in time"]


def test_a_replica_without_an_advertised_address_tells_where_its_calls_are_reached() -> None:
    assert about(Settings(), Addresses("", 0, "", "192.0.2.7"), "1", None, 5062)["sip"] == "192.0.2.7:5062"
    assert about(Settings(), Addresses("sbc1.example", 5061, "", ""), "1", None, 5061)["sip"] == "sbc1.example:5061"
