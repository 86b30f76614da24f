from __future__ import annotations

import audioop
import io
import itertools
import math
import wave

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.rtp.audio import QUIETEST_DBFS, SILENCE_DBFS, AudioMeter, cut, dbfs, tone, wav_frames


def sine(amplitude: int, seconds: float = 0.2, rate: int = 8000, hertz: float = 1000) -> bytes:
    samples = (int(amplitude * math.sin(2 * math.pi * hertz * n / rate)) for n in range(int(rate * seconds)))
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def measured(payloads: list[bytes], codec: str = "PCMU") -> AudioMeter:
    meter = AudioMeter(codec)
    for payload in payloads:
        meter.add(payload)
    return meter


def frames(samples: bytes, codec: str = "PCMU") -> list[bytes]:
    octets = audioop.lin2ulaw(samples, 2) if codec == "PCMU" else audioop.lin2alaw(samples, 2)
    return [octets[n : n + 160] for n in range(0, len(octets), 160)]


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
@pytest.mark.parametrize("amplitude", [30000, 8000, 500])
def test_a_sine_has_its_mean_three_decibels_below_its_peak(codec: str, amplitude: int) -> None:
    meter = measured(frames(sine(amplitude), codec), codec)
    peak = 20 * math.log10(amplitude / 32768)
    assert meter.peak_dbfs == pytest.approx(peak, abs=0.5)
    assert meter.level_dbfs == pytest.approx(peak - 3.01, abs=0.3)


def test_levels_need_no_more_than_one_packet() -> None:
    assert measured(frames(sine(8000))[:1]).level_dbfs == pytest.approx(20 * math.log10(8000 / 32768) - 3.01, abs=0.5)


def test_before_any_audio_there_is_no_level() -> None:
    meter = measured([])
    assert (meter.level_dbfs, meter.peak_dbfs, meter.packet_ms, meter.packets) == (None, None, None, 0)


@pytest.mark.parametrize("octets", [b"\xff", b"\x7f", b"\xff\x7f", b"\xfe\x7e", b"\xf8\x78"])
def test_packets_of_the_quietest_codes_are_silent(octets: bytes) -> None:
    meter = measured([octets * (160 // len(octets))] * 7)
    assert (meter.silent_packets, meter.packets) == (7, 7)
    assert meter.level_dbfs is not None
    assert QUIETEST_DBFS <= meter.level_dbfs < SILENCE_DBFS


@pytest.mark.parametrize("octet", [0xF7, 0x77, 0x80, 0x00])
def test_packets_of_a_louder_code_are_not_silent(octet: int) -> None:
    assert measured([bytes([octet]) * 160]).silent_packets == 0


def test_alaw_silence_is_its_own() -> None:
    assert measured([b"\xd5" * 160, b"\x55" * 160], "PCMA").silent_packets == 2
    assert measured([b"\xff" * 160], "PCMA").silent_packets == 0


def test_one_louder_octet_breaks_the_silence() -> None:
    assert measured([b"\xff" * 80 + b"\x50" + b"\xff" * 79]).silent_packets == 0


def test_each_packet_is_counted() -> None:
    payloads = [b"\xff" * 160 if n % 3 == 0 else b"\x20" * 160 for n in range(1000)]
    meter = measured(payloads)
    assert (meter.packets, meter.octets, meter.silent_packets) == (1000, 160_000, 334)


def test_the_packet_time_is_the_most_frequent_one() -> None:
    assert measured([b"\x20" * 240] * 5 + [b"\x20" * 160] * 4).packet_ms == 30


def test_packets_of_ever_changing_sizes_are_counted_with_bounded_memory() -> None:
    meter = measured([b"\x20" * (1 + n % 300) for n in range(3000)])
    assert (meter.packets, meter.octets) == (3000, 3000 * 301 // 2)
    assert len(meter._sizes) <= 16


def test_an_unknown_codec_is_counted_but_has_no_level() -> None:
    meter = measured([b"\x20" * 160] * 3, "opus")
    assert (meter.packets, meter.level_dbfs, meter.silent_packets) == (3, None, 0)


def test_a_new_codec_applies_to_what_comes_after_it() -> None:
    meter = AudioMeter("PCMU")
    meter.add(b"\xff" * 160)
    meter.use("PCMA")
    meter.add(b"\xd5" * 160)
    assert meter.silent_packets == 2


@given(st.lists(st.binary(max_size=400), max_size=120), st.sampled_from(["PCMU", "PCMA", "other"]))
def test_any_payloads_are_measured_without_an_exception(payloads: list[bytes], codec: str) -> None:
    meter = measured(payloads, codec)
    assert meter.packets == len(payloads)
    assert meter.silent_packets <= meter.packets
    assert meter.level_dbfs is None or QUIETEST_DBFS <= meter.level_dbfs <= 0


@pytest.mark.parametrize(("amplitude", "level"), [(32768, 0.0), (16384, -6.02), (0, QUIETEST_DBFS), (0.0001, QUIETEST_DBFS)])
def test_levels_are_decibels_below_full_scale(amplitude: float, level: float) -> None:
    assert dbfs(amplitude) == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize("ptime", [10, 20, 30, 60])
def test_no_two_frames_of_a_tone_are_equal_and_none_is_silent(ptime: int) -> None:
    played = list(itertools.islice(tone(1, ptime), 30_000 // ptime))
    assert {len(frame) for frame in played} == {ptime * 8}
    assert len(set(played)) == len(played)
    assert measured(played).silent_packets == 0


def test_tones_of_different_seeds_have_no_frame_in_common() -> None:
    played = [frame for seed in range(50) for frame in itertools.islice(tone(seed), 200)]
    assert len(set(played)) == len(played)


def test_a_tone_is_loud_enough_to_be_heard_and_far_from_clipping() -> None:
    meter = measured(list(itertools.islice(tone(4), 500)))
    assert meter.level_dbfs is not None
    assert meter.peak_dbfs is not None
    assert -24 < meter.level_dbfs < -12
    assert -14 < meter.peak_dbfs < -3


def wav(samples: bytes, *, width: int = 2, rate: int = 8000, channels: int = 1) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return target.getvalue()


def level(payloads: list[bytes]) -> float:
    meter = measured(payloads)
    assert meter.level_dbfs is not None
    return meter.level_dbfs


def test_a_wav_file_of_the_right_kind_is_only_compressed() -> None:
    samples = sine(8000)
    assert b"".join(wav_frames(wav(samples))) == audioop.lin2ulaw(samples, 2)


def test_the_last_frame_is_filled_with_silence() -> None:
    assert wav_frames(wav(sine(8000, 0.03)), 20)[-1][80:] == b"\xff" * 80


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_linear_wav_becomes_the_same_audio(width: int, rate: int, channels: int) -> None:
    samples = audioop.lin2lin(sine(8000, 1.0, rate), 2, width)
    if width == 1:
        samples = audioop.bias(samples, 1, 128)
    if channels == 2:
        samples = audioop.tostereo(samples, width, 1, 1)
    converted = wav_frames(wav(samples, width=width, rate=rate, channels=channels))
    assert len(converted) in (50, 51)
    assert level(converted) == pytest.approx(20 * math.log10(8000 / 32768) - 3.01, abs=0.7)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\x10\0\0\0WAVEfmt ", b"\0" * 100, wav(b""), wav(sine(100))[:30]])
def test_what_is_no_wav_file_with_audio_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(ValueError, match="WAV"):
        wav_frames(data)


def test_compressed_and_many_channelled_wav_files_are_refused() -> None:
    linear = bytearray(wav(sine(100)))
    linear[20:22] = b"\x07\x00"  # the format tag of mu-law
    with pytest.raises(ValueError, match="linear PCM"):
        wav_frames(bytes(linear))
    with pytest.raises(ValueError, match="6 channels"):
        wav_frames(wav(bytes(1200), channels=6))


@settings(max_examples=200)
@given(st.binary(max_size=120), st.integers(0, 60))
def test_a_damaged_wav_file_is_converted_or_refused_with_a_reason(noise: bytes, place: int) -> None:
    data = bytearray(wav(sine(1000, 0.05)))
    data[place : place + len(noise)] = noise
    try:
        converted = wav_frames(bytes(data))
    except ValueError as refusal:
        converted = [str(refusal).encode()]
    assert all(converted)
    assert converted


def test_nothing_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="no audio"):
        cut(b"")
