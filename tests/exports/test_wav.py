"""The WAV of a call, read back by the standard library: each sample where it belongs, left and right."""

from __future__ import annotations

import audioop
import io
import struct
import wave

import pytest

from sbc_sim.exports.capture import NOTHING, Capture, MediaRecording
from sbc_sim.exports.wav import MOST_SECONDS, audio_wav
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.recording import Clip
from tests.support.srtp_peer import frame

START = 1_700_000_000.0
FAR = ("192.0.2.77", 24000)
Packet = tuple[float, tuple[str, int], bytes]


def packet(number: int, at: float | None = None, *, timestamp: int | None = None, ssrc: int = 1, payload_type: int = 0) -> Packet:
    """Packet `number` of a stream of 20 ms, at its time unless told otherwise."""
    stamp = (160 * number if timestamp is None else timestamp) & 0xFFFFFFFF
    rtp = RtpPacket(payload_type, number & 0xFFFF, stamp, ssrc, frame(number))
    return START + (0.02 * number if at is None else at), FAR, build(rtp)


def captured(received: list[Packet] | None = None, sent: list[Packet] | None = None, dropped_after: int = 0, dropped: int = 0) -> Capture:
    gap = {"dropped_after": dropped_after, "dropped": dropped}
    clips = [Clip(tuple(packets or ()), **(gap if packets else {})) for packets in (received, sent)]
    return Capture(media=MediaRecording("203.0.113.5", 31000, 31001, clips[0], clips[1]))


def channels(capture: Capture) -> tuple[bytes, bytes]:
    """Left and right, 16 bits."""
    octets = audio_wav(capture)
    assert octets is not None
    with wave.open(io.BytesIO(octets)) as audio:
        assert (audio.getnchannels(), audio.getframerate(), audio.getsampwidth()) == (2, 8000, 2)
        frames = audio.readframes(audio.getnframes())
        assert len(frames) == 4 * audio.getnframes()
    return audioop.tomono(frames, 2, 1, 0), audioop.tomono(frames, 2, 0, 1)


def heard(number: int) -> bytes:
    return audioop.ulaw2lin(frame(number), 2)


def silence(samples: int) -> bytes:
    return bytes(2 * samples)


def comment(capture: Capture) -> str:
    octets = audio_wav(capture) or b""
    place = octets.index(b"ICMT")
    (length,) = struct.unpack_from("<I", octets, place + 4)
    return octets[place + 8 : place + 8 + length].rstrip(b"\x00").decode()


def test_left_is_what_was_received_and_right_what_was_sent_sample_by_sample() -> None:
    left, right = channels(captured([packet(n) for n in range(3)], [packet(n + 10, 0.02 * n + 0.1, ssrc=2) for n in range(2)]))
    assert left == heard(0) + heard(1) + heard(2) + silence(len(left) // 2 - 480)
    assert right == silence(800) + heard(10) + heard(11)


def test_a_lost_packet_is_silence_in_its_place() -> None:
    left, _ = channels(captured([packet(0), packet(2)]))
    assert left == heard(0) + silence(160) + heard(2)


def test_timestamps_place_the_audio_and_not_the_jitter_of_arrival() -> None:
    left, _ = channels(captured([packet(0), packet(1, 0.019), packet(2, 0.075), packet(4, 0.081), packet(3, 0.0815)]))
    assert left == b"".join(heard(n) for n in range(5))


def test_timestamps_that_wrap_go_on() -> None:
    left, _ = channels(captured([packet(n, timestamp=2**32 - 160 + 160 * n) for n in range(3)]))
    assert left == heard(0) + heard(1) + heard(2)


@pytest.mark.parametrize("change", [{"timestamp": 5_000_000}, {"ssrc": 99, "timestamp": 320}])
def test_a_stream_that_begins_anew_is_put_where_it_arrived(change: dict[str, int]) -> None:
    left, _ = channels(captured([packet(0), packet(1), packet(7, 2.0, **change)]))
    assert left == heard(0) + heard(1) + silence(16_000 - 320) + heard(7)


def test_pcma_is_read_as_such_and_other_payload_types_are_no_audio() -> None:
    left, _ = channels(captured([packet(0, payload_type=8), packet(1, payload_type=101), packet(2)]))
    assert left == audioop.alaw2lin(frame(0), 2) + silence(160) + heard(2)


def test_what_was_not_kept_is_a_second_of_silence_and_the_file_says_so() -> None:
    far_apart = [packet(n) for n in range(5)] + [packet(n) for n in range(3000, 3005)]
    capture = captured(far_apart, far_apart, dropped_after=5, dropped=2995)
    for channel in channels(capture):
        assert channel == b"".join(map(heard, range(5))) + silence(8000) + b"".join(map(heard, range(3000, 3005)))
    assert comment(capture) == "left: received, right: sent; at 0.1 s: 58.9 s left out, packets were not kept (capture.media_seconds)"


def test_a_gap_in_one_direction_is_left_as_long_as_the_other_side_is_heard() -> None:
    received = [packet(n) for n in range(5)] + [packet(n) for n in range(100, 105)]
    capture = captured(received, dropped_after=5, dropped=95)
    media = capture.media
    assert media is not None
    whole = Capture(media=MediaRecording("203.0.113.5", 31000, 31001, media.received, Clip(tuple(packet(n, ssrc=2) for n in range(105)))))
    left, right = channels(whole)
    assert right == b"".join(map(heard, range(105)))
    assert left[2 * 16_000 :] == b"".join(map(heard, range(100, 105)))
    assert comment(whole) == "left: received, right: sent"


def test_a_long_time_without_audio_is_cut_to_a_second() -> None:
    capture = captured([packet(0), packet(1, 3000.0, timestamp=160)])
    left, _ = channels(capture)
    assert left == heard(0) + silence(8000) + heard(1)
    assert "no audio either way" in comment(capture)


def test_a_file_never_gets_longer_than_its_bound() -> None:
    capture = captured([packet(n, 9.0 * n, timestamp=72_000 * n) for n in range(100)])
    left, right = channels(capture)
    assert len(left) == len(right) == 2 * 8000 * MOST_SECONDS
    assert f"cut after {MOST_SECONDS} s" in comment(capture)


@pytest.mark.parametrize(
    "capture", [NOTHING, captured(), captured([packet(0, payload_type=101), (START, FAR, b"\x80"), (START, FAR, b"")])]
)
def test_without_audio_there_is_no_file(capture: Capture) -> None:
    assert audio_wav(capture) is None
