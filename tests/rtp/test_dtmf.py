from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.rtp.dtmf import DIGITS, MOST, MOST_STREAMS, DtmfReader


def packets(code: int, timestamp: int, durations: list[int], ends: int = 3) -> list[tuple[int, bytes]]:
    """An event as RFC 4733 section 2.5 sends it: growing durations, then the last one with the end bit, three times."""
    growing = [(timestamp, bytes([code, 10]) + duration.to_bytes(2, "big")) for duration in durations]
    return growing + [(timestamp, bytes([code, 0x8A]) + durations[-1].to_bytes(2, "big"))] * ends


def read(*events: list[tuple[int, bytes]]) -> list[tuple[str, int]]:
    reader = DtmfReader()
    for n, (timestamp, payload) in enumerate(packet for event in events for packet in event):
        reader.take(timestamp, payload, 100.0 + n)
    return [(event.digit, event.duration_ms) for event in reader.events]


@pytest.mark.parametrize(("code", "digit"), [*enumerate("0123456789*#ABCD"), (16, "flash")])
def test_each_event_code_is_one_digit_despite_three_end_packets(code: int, digit: str) -> None:
    assert read(packets(code, 5000, [160, 320, 480, 800])) == [(digit, 100)]


@pytest.mark.parametrize("lost", range(6))
def test_any_one_packet_may_be_lost_the_first_too(lost: int) -> None:
    event = packets(5, 5000, [160, 320, 480])
    del event[lost]
    assert read(event) == [("5", 60)]


def test_the_end_packets_alone_are_enough() -> None:
    assert read(packets(7, 5000, [480])[1:]) == [("7", 60)]


def test_the_same_key_twice_is_two_digits() -> None:
    assert read(packets(1, 5000, [800]), packets(1, 6600, [800])) == [("1", 100), ("1", 100)]


def test_without_end_packets_the_next_event_still_begins() -> None:
    assert read(packets(1, 5000, [160, 320], ends=0), packets(2, 9000, [160])) == [("1", 40), ("2", 20)]


def test_an_end_packet_that_comes_after_the_next_event_began_changes_nothing() -> None:
    first, second = packets(1, 5000, [800]), packets(2, 6600, [160, 320])
    reader = DtmfReader()
    for timestamp, payload in (*first[:2], *second):
        reader.take(timestamp, payload, 100.0)
    reader.take(*first[-1], 101.0, late=True)
    assert [(event.digit, event.duration_ms) for event in reader.events] == [("1", 100), ("2", 40)]


def test_a_key_after_the_senders_clock_was_set_back_is_a_digit() -> None:
    assert read(packets(1, 900_000, [800]), packets(2, 5000, [800]), packets(2, 6600, [160])) == [("1", 100), ("2", 100), ("2", 20)]


def test_a_late_first_packet_of_a_newer_event_begins_it() -> None:
    reader = DtmfReader()
    reader.take(*packets(1, 5000, [800])[-1], 100.0)
    reader.take(*packets(2, 6600, [160])[0], 100.1, late=True)
    assert [event.digit for event in reader.events] == ["1", "2"]


def test_packets_of_two_ssrcs_that_arrive_mixed_are_one_digit_each() -> None:
    reader = DtmfReader()
    for one, other in zip(packets(1, 900_000, [160, 320]), packets(2, 5000, [160, 480]), strict=True):
        reader.take(*one, 100.0, ssrc=7)
        reader.take(*other, 100.0, ssrc=8)
    assert [(event.digit, event.duration_ms) for event in reader.events] == [("1", 40), ("2", 60)]


def test_the_ssrcs_that_are_remembered_are_bounded() -> None:
    reader = DtmfReader()
    for ssrc in range(3 * MOST_STREAMS):
        reader.take(*packets(1, 5000, [160])[0], 100.0, ssrc=ssrc)
    assert len(reader._presses) == MOST_STREAMS
    assert len(reader.events) == 3 * MOST_STREAMS


def test_a_late_packet_with_a_smaller_duration_does_not_shorten_the_event() -> None:
    event = packets(1, 5000, [160, 320, 480])
    assert read([event[2], event[0], event[1]]) == [("1", 60)]


def test_the_timestamp_may_wrap_between_two_events() -> None:
    assert read(packets(1, 2**32 - 10, [160]), packets(2, 4000, [160])) == [("1", 20), ("2", 20)]


def test_a_long_event_in_segments_is_one_digit_with_the_whole_duration() -> None:
    first = packets(9, 1000, [8000, 0xFFFF], ends=0)
    second = packets(9, 1000 + 0xFFFF, [160, 14_465])
    assert read(first, second) == [("9", 10_000)]


def test_the_same_key_pressed_again_where_a_segment_could_begin_is_a_new_digit_after_an_end_bit() -> None:
    assert len(read(packets(9, 1000, [0xFFFF]), packets(9, 1000 + 0xFFFF, [160]))) == 2


def test_the_time_of_an_event_is_that_of_its_first_packet() -> None:
    reader = DtmfReader()
    for n, (timestamp, payload) in enumerate(packets(3, 1000, [160, 320, 480])):
        reader.take(timestamp, payload, 50.0 + n)
    assert [event.at for event in reader.events] == [50.0]


def test_events_that_are_no_keys_are_left_out() -> None:
    assert read(packets(64, 1000, [160]), packets(255, 3000, [160])) == []


def test_a_payload_that_is_too_short_is_counted() -> None:
    reader = DtmfReader()
    reader.take(1, b"\x01\x80\x00", 1.0)
    assert (reader.malformed, reader.events) == (1, ())


def test_only_the_first_events_are_kept_and_the_last_kept_one_is_not_changed_by_others() -> None:
    events = [packets(1, 1000 + 2000 * n, [80 * (n + 1)]) for n in range(MOST + 5)]
    kept = read(*events)
    assert len(kept) == MOST
    assert kept[-1] == ("1", 10 * MOST)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=8)), max_size=40))
def test_any_payloads_give_digits_and_never_an_exception(payloads: list[tuple[int, bytes]]) -> None:
    assert all(digit in DIGITS or digit == "flash" for digit, _ in read(payloads))
