"""What a replica decides by itself: names, slots, whether it may judge, and which orders it sends and hears."""

from __future__ import annotations

import pytest

from sbc_sim.journal.membership import MOST_HEARD, MOST_WAITING, Heard, OrderNumbers, Outbox, Wellness, free_name, free_slot
from sbc_sim.journal.replica import MOST_NAME, MOST_ORDER_OCTETS, ORDER_SECONDS, SLOTS, ReplicaOptions

OPTIONS = ReplicaOptions(heartbeat_seconds=2.0, lost_seconds=10.0)


def beaten(wellness: Wellness, *times: tuple[float, float]) -> Wellness:
    for now, database in times:
        wellness.beat(now, database)
    return wellness


def test_only_who_was_well_for_the_whole_time_may_judge() -> None:
    wellness = beaten(Wellness(OPTIONS), (100.0, 5000.0), (102.0, 5002.0), (104.0, 5004.0), (106.0, 5006.0), (108.0, 5008.0))
    assert not wellness.may_judge(109.9)
    assert wellness.may_judge(110.0)


def test_who_never_reached_the_database_judges_nobody() -> None:
    assert not Wellness(OPTIONS).may_judge(1e9)


@pytest.mark.parametrize(
    "gap",
    [
        pytest.param((118.0, 5018.0), id="it slept"),
        pytest.param((112.0, 8600.0), id="the clock was put forward"),
        pytest.param((112.0, 1400.0), id="the clock was put back"),
    ],
)
def test_after_a_gap_the_others_get_their_full_time_to_be_seen_again(gap: tuple[float, float]) -> None:
    wellness = beaten(Wellness(OPTIONS), *((100.0 + second, 5000.0 + second) for second in range(0, 12, 2)))
    assert wellness.may_judge(110.0)
    wellness.beat(*gap)
    assert not wellness.may_judge(gap[0] + 9.9)
    assert wellness.may_judge(gap[0] + 10.0)


def test_one_failure_is_enough_to_begin_anew() -> None:
    wellness = beaten(Wellness(OPTIONS), *((100.0 + second, 5000.0 + second) for second in range(0, 12, 2)))
    wellness.failed()
    wellness.beat(112.0, 5012.0)
    assert not wellness.may_judge(121.9)


def test_a_slot_is_taken_that_nobody_had_lately() -> None:
    assert free_slot([]) == 0
    assert free_slot([(0, "live", 9.0), (1, "gone", 8.0), (2, "lost", 7.0)]) == 3


def test_when_all_slots_are_known_the_one_left_longest_ago_is_taken() -> None:
    taken = [(slot, "live", 100.0) for slot in range(2, SLOTS)]
    assert free_slot([*taken, (0, "gone", 50.0), (1, "lost", 40.0)]) == 1


def test_there_is_no_slot_when_all_are_with_the_living() -> None:
    assert free_slot([(slot, "live", 100.0) for slot in range(SLOTS)]) is None


def test_a_slot_of_a_living_one_is_not_taken_though_an_older_life_left_it() -> None:
    taken = [(slot, "live", 100.0) for slot in range(SLOTS)]
    assert free_slot([*taken, (7, "gone", 10.0)]) is None


def test_a_name_that_a_living_replica_has_gets_a_number() -> None:
    assert free_name("pod", set()) == "pod"
    assert free_name("pod", {"pod"}) == "pod-2"
    assert free_name("pod", {"pod", "pod-2"}) == "pod-3"


def test_a_name_stays_within_its_length_with_its_number() -> None:
    long = "x" * 200
    first = free_name(long, set())
    second = free_name(long, {first})
    assert len(first) == len(second) == MOST_NAME
    assert second.endswith("x-2")


def test_orders_leave_in_their_order_and_stay_until_they_are_sent() -> None:
    outbox = Outbox()
    for number in range(3):
        assert outbox.put("pod", "hang-up", {"call": str(number)}, now=0.0)
    assert [order.data for order in outbox.waiting(1.0, most=2)] == ['{"call":"0"}', '{"call":"1"}']
    outbox.sent(1)
    assert [order.data for order in outbox.waiting(1.0)] == ['{"call":"1"}', '{"call":"2"}']
    outbox.sent(2)
    assert not outbox


def test_too_many_orders_are_refused_and_counted() -> None:
    outbox = Outbox()
    taken = [outbox.put("pod", "reset", {}, now=0.0) for _ in range(MOST_WAITING + 2)]
    assert taken == [True] * MOST_WAITING + [False] * 2
    assert outbox.dropped == 2


def test_an_order_that_waited_for_a_minute_is_not_sent_any_more() -> None:
    outbox = Outbox()
    outbox.put("pod", "old", {}, now=0.0)
    outbox.put("pod", "young", {}, now=50.0)
    assert [order.what for order in outbox.waiting(ORDER_SECONDS + 0.1)] == ["young"]
    assert outbox.dropped == 1


def test_an_order_that_is_too_long_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="octets long"):
        Outbox().put("pod", "fault-put", {"fault": "x" * MOST_ORDER_OCTETS}, now=0.0)


def test_numbers_of_orders_rise_though_the_clock_runs_back_and_carry_the_slot() -> None:
    numbers = OrderNumbers(slot=7)
    given = [numbers.next(now) for now in (1000.0, 1000.0, 900.0, 1001.0)]
    assert given == sorted(set(given))
    assert {number % SLOTS for number in given} == {7}


def test_what_was_heard_is_not_new_and_the_memory_of_it_is_bounded() -> None:
    heard = Heard()
    heard.add(range(MOST_HEARD + 10))
    assert not heard.new(MOST_HEARD + 9)
    assert heard.new(0)
    assert heard.new(MOST_HEARD + 10)
