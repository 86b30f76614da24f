"""Alarms: set, moved, taken away, rung in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.sip.alarms import Alarms


def test_a_moved_alarm_rings_once_at_its_new_time():
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 1.0)
    alarms.set("a", 3.0)
    assert alarms.deadline == 3.0
    assert list(alarms.due(2.0)) == []
    assert list(alarms.due(3.0)) == ["a"]
    assert alarms.deadline is None


def test_an_alarm_that_was_taken_away_does_not_ring():
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 1.0)
    alarms.set("a", None)
    assert alarms.deadline is None
    assert list(alarms.due(10.0)) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 50))), max_size=400), st.integers(0, 60))
def test_alarms_agree_with_a_plain_dictionary(steps, now):
    alarms: Alarms[int] = Alarms()
    plain: dict[int, float] = {}
    for key, due in steps:
        alarms.set(key, due)
        plain.pop(key, None)
        if due is not None:
            plain[key] = due
    assert alarms.deadline == min(plain.values(), default=None)
    assert len(alarms) == len(plain)
    rung = list(alarms.due(now))
    assert sorted(rung) == sorted(key for key, due in plain.items() if due <= now)
    assert [plain[key] for key in rung] == sorted(plain[key] for key in rung)


def test_one_that_raises_leaves_the_others_to_ring():
    alarms: Alarms[str] = Alarms()
    for key in "abc":
        alarms.set(key, 1.0)
    for key in alarms.due(1.0):
        assert key == "a"
        break
    assert list(alarms.due(1.0)) == ["b", "c"]


def test_what_is_set_while_it_rings_waits_for_the_next_time():
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 1.0)
    rung = []
    for key in alarms.due(5.0):
        rung.append(key)
        alarms.set(key, 2.0)
    assert rung == ["a"]
    assert alarms.deadline == 2.0
