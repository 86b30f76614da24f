"""Prompts: the shipped ones, one's own, and what is told of files that cannot be used."""

from __future__ import annotations

import audioop
import io
import struct
import wave
from pathlib import Path

import pytest

from sbc_sim.calls import prompts as room
from sbc_sim.calls.prompts import PromptError, Prompts, seconds, shipped_texts


def wav(path: Path, samples: bytes = b"\x00\x20" * 1600, channels: int = 1, width: int = 2, rate: int = 8000) -> Path:
    data = io.BytesIO()
    with wave.open(data, "wb") as target:
        target.setparams((channels, width, rate, 0, "NONE", ""))
        target.writeframes(samples)
    path.write_bytes(data.getvalue())
    return path


@pytest.mark.parametrize("name", list(shipped_texts()))
def test_a_shipped_prompt_is_what_a_telephone_carries_and_says_something(name):
    prompts = Prompts()
    prompt = prompts.get(name)
    assert 0.5 < seconds(prompt) < 10
    linear = audioop.ulaw2lin(prompt.pcmu, 2)
    assert 1000 < audioop.rms(linear, 2) < 6000
    assert audioop.max(linear[-3000:], 2) < 50, "it ends in silence"
    assert prompts.text(name)
    with (Path(room.__file__).parents[1] / "prompts" / f"{name}.wav").open("rb") as file, wave.open(file) as source:
        assert (source.getnchannels(), source.getsampwidth(), source.getframerate()) == (1, 2, 8000)
        assert audioop.lin2ulaw(source.readframes(1 << 20), 2) == prompt.pcmu


def test_a_file_of_ones_own_goes_before_the_shipped_prompt_of_its_name(tmp_path: Path):
    wav(tmp_path / "greeting.wav")
    prompts = Prompts(tmp_path)
    assert prompts.get("greeting").pcmu == audioop.lin2ulaw(b"\x00\x20" * 1600, 2)
    assert prompts.text("greeting") == ""
    assert prompts.get("answer").pcmu == Prompts().get("answer").pcmu


@pytest.mark.parametrize(("channels", "width", "rate"), [(2, 2, 8000), (1, 1, 8000), (1, 3, 16000), (1, 4, 48000)])
def test_linear_wav_files_of_other_rates_and_widths_are_converted(tmp_path: Path, channels: int, width: int, rate: int):
    wav(tmp_path / "a.wav", bytes(channels * width * rate), channels, width, rate)
    assert len(Prompts(tmp_path).get("a.wav").pcmu) == pytest.approx(8000, abs=2)


def test_a_bad_file_is_told_with_its_name_its_format_and_the_cure(tmp_path: Path):
    good = wav(tmp_path / "mulaw.wav").read_bytes()
    (tmp_path / "mulaw.wav").write_bytes(good[:20] + struct.pack("<H", 7) + good[22:])
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "cut.wav").write_bytes(good[:30])
    wav(tmp_path / "long.wav", bytes(2 * 8000 * 61))
    wav(tmp_path / "empty.wav", b"")
    for name, why in (
        ("mulaw", "unknown format: 7"),
        ("text", "not a WAV"),
        ("cut", "not a WAV"),
        ("long", "at most 60 s"),
        ("empty", "at most"),
    ):
        with pytest.raises(PromptError) as told:
            Prompts(tmp_path).get(f"{name}.wav")
        assert f"{tmp_path / name}.wav cannot be used" in str(told.value)
        assert why in str(told.value)
        assert "ffmpeg -i IN -ar 8000 -ac 1 -c:a pcm_s16le OUT.wav" in str(told.value)


def test_a_prompt_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(PromptError, match=r"gone.wav cannot be read: No such file"):
        Prompts(tmp_path).get("gone.wav")
    with pytest.raises(PromptError, match=r"there is no prompt 'greting', did you mean 'greeting'\?"):
        Prompts(tmp_path).get("greting")
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(PromptError, match=r"folder.wav cannot be read: Is a directory"):
        Prompts(tmp_path).get("folder.wav")


def test_prompts_are_kept_within_bounds_and_read_again_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "MOST_OCTETS", 3000)
    prompts = Prompts(tmp_path)
    for name in "abc":
        wav(tmp_path / f"{name}.wav")
    first = prompts.get("a.wav")
    assert prompts.get("a.wav") is first
    prompts.get("b.wav")
    (tmp_path / "a.wav").unlink()
    with pytest.raises(PromptError):
        prompts.get("a.wav")
    assert prompts.get("b.wav").pcmu == first.pcmu
