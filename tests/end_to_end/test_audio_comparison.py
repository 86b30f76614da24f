"""The judge of the echo tests is judged first: what is no copy must not pass for one."""

from __future__ import annotations

import math
from array import array
from pathlib import Path

import pytest

from tests.end_to_end.clients.audio import RATE, compare, read_wav, speech, write_wav


@pytest.fixture(scope="module")
def sent() -> array[int]:
    return speech(2.0, seed=1)


def test_a_delayed_copy_counts_whole(sent: array[int]) -> None:
    seen = compare(sent, array("h", [0] * 777) + sent + array("h", [0] * 900))
    assert (seen.fraction, seen.delay, seen.jumps) == (1.0, 777 / RATE, 0)


def test_another_caller_does_not_count(sent: array[int]) -> None:
    assert compare(sent, speech(2.0, seed=2)).fraction == 0.0


def test_silence_and_nothing_do_not_count(sent: array[int]) -> None:
    assert compare(sent, array("h", [0] * 20000)).fraction == 0.0
    assert compare(sent, array("h")).fraction == 0.0


def test_a_tone_as_loud_as_the_speech_does_not_count(sent: array[int]) -> None:
    tone = array("h", [round(6000 * math.sin(index / 3)) for index in range(2 * RATE)])
    assert compare(sent, tone).fraction == 0.0


def test_a_louder_copy_does_not_count(sent: array[int]) -> None:
    assert compare(sent, array("h", [sample + sample // 8 for sample in sent])).fraction < 0.01


def test_a_fifth_that_was_lost_is_missing_from_the_count(sent: array[int]) -> None:
    received = array("h", sent)
    for lost in range(0, len(received), 1600):
        received[lost : lost + 320] = array("h", [0] * 320)
    assert compare(sent, received).fraction == pytest.approx(0.8)


def test_a_slip_of_the_jitter_buffer_costs_little(sent: array[int]) -> None:
    seen = compare(sent, sent[:4040] + array("h", [0] * 160) + sent[4040:])
    assert seen.fraction > 0.99
    assert seen.jumps == 1


def test_the_halves_in_the_wrong_order_count_once(sent: array[int]) -> None:
    half = len(sent) // 2
    assert compare(sent, sent[half:] + sent[:half]).fraction == pytest.approx(0.5, abs=0.01)


def test_what_is_said_is_never_silent_and_differs_everywhere(sent: array[int]) -> None:
    blocks = {sent[at : at + 80].tobytes() for at in range(0, len(sent), 80)}
    assert 0 not in sent
    assert len(blocks) == len(sent) // 80


def test_a_wav_is_read_back_even_before_its_head_is_written(sent: array[int], tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    write_wav(path, sent)
    assert read_wav(path) == sent
    path.write_bytes(bytes(44) + path.read_bytes()[44:])
    assert read_wav(path) == sent
