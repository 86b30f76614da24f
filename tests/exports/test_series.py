"""Media over time as columns: loss, jitter and levels in the step in which they happened."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.exports.capture import NOTHING, Capture, MediaRecording
from sbc_sim.exports.series import MOST_POINTS, media_series
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.recording import Clip
from tests.support.srtp_peer import frame

START = 1_700_000_000.0
FAR = ("192.0.2.77", 24000)
COLUMNS = ("t", "received", "sent", "lost", "jitterMs", "levelIn", "levelOut")
Packet = tuple[float, tuple[str, int], bytes]


def packet(number: int, late: float = 0.0, payload: bytes | None = None, ssrc: int = 1, payload_type: int = 0) -> Packet:
    rtp = RtpPacket(payload_type, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc, frame(number) if payload is None else payload)
    return START + 0.005 + 0.02 * number + late, FAR, build(rtp)  # never at the edge of a step


def a_trace(*reports: dict[str, Any], answered: bool = True) -> Trace:
    store = MemoryStore()
    store.append(Entry(START - 1, Kind.CALL_STARTED, "c", {}))
    if answered:
        store.append(Entry(START, Kind.CALL_STATE, "c", {"state": "answered"}))
    for number, report in enumerate(reports):
        store.append(Entry(START + 1 + 5 * number, Kind.MEDIA, "c", report))
    trace = store.trace("c")
    assert trace is not None
    return trace


def series(received: list[Packet], sent: list[Packet] | None = None, **gap: int) -> dict[str, Any]:
    capture = Capture(media=MediaRecording("203.0.113.5", 31000, 31001, Clip(tuple(received), **gap), Clip(tuple(sent or ()))))
    told = media_series(a_trace(), capture)
    assert len({len(told[name]) for name in COLUMNS}) == 1, "columns of equal length"
    assert len(told["t"]) <= MOST_POINTS
    assert told["t"] == sorted(set(told["t"]))
    return told


def test_each_step_has_its_packets_and_its_time_since_the_answer() -> None:
    told = series([packet(n) for n in range(25)], [packet(n, 0.001, ssrc=2) for n in range(10, 20)])
    assert (told["source"], told["stepMs"], told["gap"]) == ("capture", 100, None)
    assert told["t"] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert told["received"] == [5, 5, 5, 5, 5]
    assert told["sent"] == [0, 0, 5, 5, 0]


def test_loss_stands_where_it_showed_and_numbers_may_wrap() -> None:
    numbers = [n for n in range(65_520, 65_560) if n not in (65_535, 65_536, 65_550)]
    told = series([packet(n) for n in numbers])
    shown = {round(t - 65_520 * 0.02, 1): lost for t, lost in zip(told["t"], told["lost"], strict=True) if lost}
    assert list(shown.values()) == [2, 1]
    assert sum(told["received"]) == len(numbers)


def test_a_packet_that_comes_late_after_all_is_not_lost() -> None:
    told = series([packet(0), packet(1), packet(8), packet(2, 0.2), packet(9)])
    assert sum(told["lost"]) == 5


def test_jitter_is_that_of_rfc_3550_and_none_where_nothing_came() -> None:
    told = series([packet(0), packet(1, 0.016), packet(30)])
    assert told["jitterMs"][0] == 1.0  # 16 ms of change, a sixteenth of it
    assert told["jitterMs"][1:-1] == [None] * (len(told["t"]) - 2)
    assert told["jitterMs"][-1] == pytest.approx(1.0 + (16 - 1.0) / 16, abs=0.01)


def test_levels_are_dbfs_and_none_without_audio() -> None:
    loud, quiet = bytes([0x80]) * 160, bytes([0xFF]) * 160
    told = series(
        [packet(0, payload=loud), packet(5, payload=quiet), packet(10, payload=b"\x05\x0a\x00\xa0", payload_type=101)],
        [packet(1, payload=loud, ssrc=2)],
    )
    assert told["levelIn"] == [-0.2, -96.0, None]  # the loudest code of PCMU is 32124 of 32768
    assert told["levelOut"][0] == told["levelIn"][0]
    assert told["levelOut"][1:] == [None, None]
    assert told["received"] == [1, 1, 1]


def test_the_echo_delay_is_found_by_equal_payloads() -> None:
    heard = [packet(n) for n in range(20)]
    assert series(heard, [packet(n, 0.035, ssrc=2) for n in range(20)])["echoDelayMs"] == pytest.approx(35.0, abs=0.01)
    assert series(heard, [packet(n, ssrc=2, payload=frame(n + 1000)) for n in range(20)])["echoDelayMs"] is None
    assert series(heard)["echoDelayMs"] is None


def test_silence_that_is_the_same_in_each_packet_tells_no_delay() -> None:
    silence = bytes([0xFF]) * 160
    heard = [packet(n, payload=silence) for n in range(20)]
    assert series(heard, [packet(n, 0.035, silence, ssrc=2) for n in range(20)])["echoDelayMs"] is None


def test_what_was_not_kept_is_a_gap_and_no_loss() -> None:
    told = series([packet(n) for n in range(50)] + [packet(n) for n in range(180_000, 180_050)], dropped_after=50, dropped=179_950)
    assert sum(count or 0 for count in told["lost"]) == 0
    assert told["gap"] == [0.985, 3600.005]
    assert told["stepMs"] == 100
    breaks = [place for place, count in enumerate(told["received"]) if count is None]
    assert len(breaks) == 1
    assert told["t"][breaks[0] - 1] < told["gap"][0] < told["t"][breaks[0]] + 0.1
    assert told["t"][breaks[0]] < told["gap"][1] < told["t"][breaks[0] + 1] + 0.1


def test_leaps_over_thousands_of_numbers_are_counted_without_remembering_each() -> None:
    leaps = 300
    leaping = [packet(2900 * n) for n in range(leaps)]
    tracemalloc.start()
    told = series([(START + 0.02 * n, FAR, octets) for n, (_, _, octets) in enumerate(leaping)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(told["lost"]) == 2899 * (leaps - 1)
    assert peak < 8_000_000, "each of the numbers in a dictionary took 120 MB"


def test_a_packet_that_comes_late_into_one_of_several_gaps_is_taken_off_where_it_was_missed() -> None:
    numbers = [0, 10, 20, 5, 5, 15, 21]
    told = series([(START + 0.005 + 0.1 * place, FAR, packet(number)[2]) for place, number in enumerate(numbers)])
    assert told["lost"] == [0, 8, 8, 0, 0, 0, 0]


def test_a_long_call_gets_longer_steps() -> None:
    told = series([packet(n) for n in range(0, 180_000, 60)])
    assert told["stepMs"] > 100
    assert told["stepMs"] % 100 == 0
    assert sum(told["received"]) == 3000


def test_without_packets_the_reports_of_the_journal_are_told_by_what_they_grew() -> None:
    first = {"packetsReceived": 48, "packetsSent": 47, "lost": 2, "jitterMs": 1.5, "levelDbfs": -16.0}
    second = {"packetsReceived": 298, "packetsSent": 297, "lost": 2, "jitterMs": 2.5, "levelDbfs": -17.0, "final": True}
    told = media_series(a_trace(first, second), NOTHING)
    assert told == {
        "source": "journal",
        "stepMs": 5000,
        "t": [1.0, 6.0],
        "received": [48, 250],
        "sent": [47, 250],
        "lost": [2, 0],
        "jitterMs": [1.5, 2.5],
        "levelIn": [-16.0, -17.0],
        "levelOut": [None, None],
        "echoDelayMs": None,
        "gap": None,
    }


def test_a_call_without_media_has_empty_columns() -> None:
    told = media_series(a_trace(answered=False), NOTHING)
    assert told["source"] == "journal"
    assert all(told[name] == [] for name in COLUMNS)


@given(
    st.lists(st.tuples(st.floats(0, 4000), st.binary(max_size=200)), min_size=1, max_size=30),
    st.lists(st.tuples(st.floats(0, 4000), st.binary(max_size=200)), max_size=30),
    st.integers(0, 31),
    st.integers(0, 5000),
)
def test_whatever_was_kept_the_columns_fit(
    received: list[tuple[float, bytes]], sent: list[tuple[float, bytes]], dropped_after: int, dropped: int
) -> None:
    def packets(of: list[tuple[float, bytes]]) -> list[Packet]:
        return [(START + at, FAR, b"\x80\x00" + octets) for at, octets in sorted(of, key=lambda one: one[0])]

    series(packets(received), packets(sent), dropped_after=min(dropped_after, len(received)), dropped=dropped)
