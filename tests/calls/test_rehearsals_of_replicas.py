"""Rehearsals of several replicas: one owner each, followed by the others, taken over when the owner is lost. What each tells, all hear."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from sbc_sim.calls.rehearsal_acts import RehearsalAct
from sbc_sim.calls.rehearsal_plan import Wanted
from sbc_sim.calls.rehearsals import Rehearsals, TooMany
from sbc_sim.journal.entries import Entry
from sbc_sim.sip.errors import InvalidInput
from tests.calls.test_rehearsal import PARTNERS, REGIONS, START, feed, placed

WANTED = Wanted("acme", ("frankfurt", "london"), ("connectivity",), step_seconds=60)


def replica(name: str) -> Rehearsals:
    numbers = itertools.count(1)
    return Rehearsals(lambda now: f"{name}{next(numbers)}", PARTNERS, REGIONS, "published", "1", owner=name)


def pair() -> tuple[Rehearsals, Rehearsals, list[Entry]]:
    """One that has begun a rehearsal, another one that heard of it, and all that was told."""
    one, two = replica("one"), replica("two")
    told = one.begin(WANTED, START)[1]
    hear(two, told)
    return one, two, told


def hear(desk: Rehearsals, told: Iterable[Entry]) -> None:
    for entry in told:
        desk.follow(entry)


def state(desk: Rehearsals, name: str = "one1") -> tuple[str, str, list[str]]:
    one = desk.get(name)
    assert one is not None
    return one.owner, one.state.value, [step.state.value for step in one.steps.values()]


def test_who_hears_of_a_rehearsal_shows_it_as_its_owner_does_and_observes_nothing() -> None:
    one, two, _ = pair()
    call = placed("london")
    assert not any(two.wants(entry) for entry in call)
    hear(two, feed(one, call))
    assert state(two) == state(one) == ("one", "running", ["waiting", "passed"])
    known, shown = one.get("one1"), two.get("one1")
    assert known is not None
    assert shown is not None
    assert shown.data() == known.data()
    assert (two.deadline, two.advance(START + 1000), two.copies(START)) == (None, [], [])


def test_a_partner_rehearses_at_one_replica_at_a_time_and_the_agent_of_any_gives_calls_back_as_it_wants() -> None:
    _, two, _ = pair()
    with pytest.raises(TooMany, match="one1 of the partner acme is running"):
        two.begin(WANTED, START)
    other, mine = replica("one"), replica("two")
    hear(mine, other.begin(Wanted("zen", (), ("end-to-end",), ("invite-back",)), START)[1])
    assert mine.escalation_for("zen") == "invite-back"


def test_what_somebody_wants_by_another_replica_shows_there_at_once_and_is_told_by_the_owner_alone() -> None:
    one, two, _ = pair()
    stop = RehearsalAct("stop")
    assert two.act("one1", lambda found: stop.do(found, START + 1), START + 1) == []
    assert state(two)[1] == "stopped"
    with pytest.raises(InvalidInput):
        two.act("one1", lambda found: stop.do(found, START + 2), START + 2)
    again = RehearsalAct.from_data(stop.data())
    hear(two, one.act("one1", lambda found: again.do(found, START + 3), START + 3))
    assert state(two) == state(one) == ("one", "stopped", ["pending", "pending"])


def test_one_goes_on_with_what_a_lost_one_had_and_its_tries_that_were_under_way_failed() -> None:
    one, two, _ = pair()
    three = replica("three")
    hear(three, one.copies(START))
    up = [entry for entry in placed("frankfurt") if entry.kind not in ("call.ended", "verdict")]
    hear(two, feed(one, up))
    hear(three, two.take_over("one", START + 20))
    assert state(three)[0] == state(two)[0] == "two"
    step = two.get("one1").steps["connectivity/frankfurt"]  # type: ignore[union-attr]
    assert (step.state, step.deadline) == ("waiting", START + 80)
    assert step.attempts[0].text == "The replica one, which watched over it, was lost while it was under way."
    hear(three, feed(two, placed("frankfurt", later=30)))
    assert state(three) == ("two", "running", ["passed", "waiting"])
    assert three.take_over("one", START + 40) == []


def test_two_that_have_the_same_one_agree_on_who_changed_it_last() -> None:
    one, two, told = pair()
    taken = two.take_over("one", START + 20)
    kept = feed(one, placed("london", later=30))  # it was only cut off, and went on
    hear(one, taken)
    assert state(one)[0] == "one", "what it knows is newer"
    hear(two, one.entries(START + 31))
    hear(two, kept)
    assert state(two) == state(one)
    assert told


def test_what_is_read_from_the_journal_is_followed_where_its_owner_lives_and_gone_on_with_where_not() -> None:
    one, _, told = pair()
    told += feed(one, placed("london"))
    late = replica("late")
    assert late.restore(reversed(told), START + 5, lambda name: name == "one") == []
    assert state(late) == ("one", "running", ["waiting", "passed"])
    heir = replica("heir")
    assert [entry.data["owner"] for entry in heir.restore(reversed(told), START + 5)] == ["heir"]
    assert state(heir) == ("heir", "running", ["waiting", "passed"])


def test_who_missed_something_reads_what_the_others_have_and_keeps_its_own() -> None:
    one, two, told = pair()
    mine = two.begin(Wanted("zen", ("tokyo",), ("connectivity",)), START)[0]
    told += feed(one, placed("london"))
    two.read_again(reversed([*told, *two.copies(START)]))
    assert state(two) == ("one", "running", ["waiting", "passed"])
    assert two.get(mine.id) is mine


def test_what_makes_no_sense_is_passed_over() -> None:
    _, two, told = pair()
    before = state(two)
    data = told[0].data
    for broken in ({**data, "whole": {"id": "one1"}}, {**data, "whole": None, "step": {"id": 1}}, {"owner": "one"}, {}):
        two.follow(Entry(START, told[0].kind, None, broken))
    assert state(two) == before
