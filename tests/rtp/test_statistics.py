from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.rtp.statistics import MAX_DROPOUT, StreamStatistics


def stream(first: int = 0) -> StreamStatistics:
    return StreamStatistics(1, first)


def take(statistics: StreamStatistics, numbers: range | list[int]) -> list[int]:
    return [statistics.take(number & 0xFFFF) for number in numbers]


@pytest.mark.parametrize("first", [0, 1, 65535, 40_000])
def test_packets_in_order_are_neither_lost_nor_reordered_over_two_wraps(first: int) -> None:
    statistics = stream(first)
    assert take(statistics, range(first, first + 140_000)) == list(range(first, first + 140_000))
    assert (statistics.expected, statistics.received, statistics.lost, statistics.reordered) == (140_000, 140_000, 0, 0)


def test_missing_numbers_are_lost_until_they_come_late() -> None:
    statistics = stream(65_530)
    take(statistics, [65_530, 65_531, 65_536, 65_537])
    assert statistics.lost == 4
    assert take(statistics, [65_533]) == [65_533]
    assert (statistics.lost, statistics.reordered, statistics.highest) == (3, 1, 65_537)


def test_a_packet_from_before_the_first_does_not_make_loss_negative() -> None:
    statistics = stream(10)
    take(statistics, [10, 9, 8])
    assert (statistics.lost, statistics.reordered, statistics.highest) == (0, 2, 10)


def test_a_number_seen_before_is_never_taken_for_the_newest() -> None:
    statistics = stream(10)
    take(statistics, [10, 11])
    assert statistics.take(11) < statistics.highest


def test_a_jump_by_the_dropout_limit_is_a_new_start_and_one_less_is_loss() -> None:
    jumped, lossy = stream(), stream()
    take(jumped, [0, 1, 1 + MAX_DROPOUT, 2 + MAX_DROPOUT])
    take(lossy, [0, 1, MAX_DROPOUT])
    assert (jumped.restarts, jumped.lost, jumped.expected, jumped.all_received) == (1, 0, 4, 4)
    assert (lossy.restarts, lossy.lost) == (0, MAX_DROPOUT - 2)


def test_loss_before_a_new_start_stays_counted() -> None:
    statistics = stream()
    take(statistics, [0, 2, 10_000, 10_002])
    assert (statistics.expected, statistics.lost) == (6, 2)


def test_the_fraction_lost_is_of_the_time_since_the_last_report() -> None:
    statistics = stream()
    take(statistics, [0, 1, 2, 3])
    assert statistics.fraction_since_last() == 0
    take(statistics, [5, 7])
    assert statistics.fraction_since_last() == 128
    assert statistics.fraction_since_last() == 0
    take(statistics, [4])
    assert statistics.fraction_since_last() == 0


def reference_jitter(arrivals: list[tuple[int, float]]) -> float:
    """RFC 3550 A.8 as it stands there, from a list of (timestamp, arrival in timestamp units)."""
    jitter, transit = 0.0, arrivals[0][1] - arrivals[0][0]
    for timestamp, arrival in arrivals[1:]:
        difference = abs(arrival - timestamp - transit)
        transit = arrival - timestamp
        jitter += (1.0 / 16.0) * (difference - jitter)
    return jitter


def test_jitter_is_that_of_rfc_3550_a_8() -> None:
    chance = random.Random(3)
    arrivals = [(n * 160, n * 160 + chance.uniform(0, 200)) for n in range(500)]
    statistics = stream()
    for n, (timestamp, arrival) in enumerate(arrivals):
        statistics.take_audio(n, timestamp, arrival / 8000)
    assert statistics.jitter == pytest.approx(reference_jitter(arrivals), rel=1e-6)
    assert statistics.max_jitter >= statistics.jitter > 20


def test_steady_packets_have_no_jitter_even_where_the_timestamp_wraps() -> None:
    statistics = stream()
    for n in range(100):
        statistics.take_audio(n, (2**32 - 8000 + n * 160) % 2**32, 1e9 + n * 0.02)
    assert statistics.jitter < 0.01


def test_a_clock_set_anew_by_the_sender_is_no_jitter() -> None:
    statistics = stream()
    for n in range(10):
        statistics.take_audio(n, n * 160, 1e9 + n * 0.02)
    for n in range(10, 20):
        statistics.take_audio(n, 3_000_000 + n * 160, 1e9 + n * 0.02)
    assert statistics.max_jitter < 0.01


def test_a_talkspurt_with_a_timestamp_of_its_own_is_no_jitter() -> None:
    statistics = stream()
    for n in range(10):
        statistics.take_audio(n, n * 160, 1e9 + n * 0.02)
    statistics.forget_transit()
    statistics.take_audio(10, 40_000, 1e9 + 0.2)
    assert statistics.max_jitter < 0.01


@given(st.lists(st.integers(0, 65535), max_size=60), st.integers(0, 65535))
def test_any_numbers_keep_the_sums_consistent(numbers: list[int], first: int) -> None:
    statistics = stream(first)
    for number in [first, *numbers]:
        assert statistics.take(number) <= statistics.highest
    assert statistics.all_received == len(numbers) + 1
    assert 0 <= statistics.lost <= statistics.expected
    assert 0 <= statistics.fraction_since_last() <= 255
