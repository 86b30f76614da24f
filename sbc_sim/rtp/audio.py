"""Audio in G.711: levels of what arrives, and frames to send from a tone or a WAV file. 8 kHz, mono, one octet per sample.

Levels are dBFS against the largest 16-bit sample: a full-scale square wave has 0 dBFS, a sine that just fits -3.
"""

from __future__ import annotations

import audioop
import io
import math
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

from sbc_sim.rtp.packet import CLOCK_RATE

QUIETEST_DBFS = -96.0
"""Level of nothing but zeros, and the least that 16 bits can tell."""

_FULL_SCALE = 32768.0

_LINEAR: dict[str, Callable[[bytes, int], bytes]] = {"PCMU": audioop.ulaw2lin, "PCMA": audioop.alaw2lin}
DECODERS = {0: _LINEAR["PCMU"], 8: _LINEAR["PCMA"]}
"""To linear samples of a width, by static payload type (RFC 3551 section 6): all that is agreed on here."""


def linear_of(codec: str) -> Callable[[bytes, int], bytes]:
    """Give what turns payloads of a codec into linear samples of a width; raise ValueError for any but PCMU and PCMA."""
    if codec not in _LINEAR:
        raise ValueError(f"no levels of {codec}: only of {' and '.join(_LINEAR)}")
    return _LINEAR[codec]


SILENCE_DBFS = -55.0
"""A packet without a sample above this is silent. In PCMU 0xFF and 0x7F are zero, and seven steps on either side are as quiet."""


def _quiet_codes(linear: Callable[[bytes, int], bytes]) -> bytes:
    loudest = int(_FULL_SCALE * 10 ** (SILENCE_DBFS / 20))
    return bytes(code for code in range(256) if audioop.max(linear(bytes([code]), 2), 2) <= loudest)


_SILENCE = {codec: _quiet_codes(linear) for codec, linear in _LINEAR.items()}

PCMU_SILENCE = 0xFF

TO_PCMA = audioop.lin2alaw(audioop.ulaw2lin(bytes(range(256)), 2), 2)
"""PCMA code of each PCMU code (G.711 table: the nearest level)."""

MOST_SIZES = 16
"""Different packet sizes that are counted."""


def dbfs(amplitude: float) -> float:
    """Give a 16-bit amplitude in dBFS, not below -96."""
    return max(QUIETEST_DBFS, 20.0 * math.log10(amplitude / _FULL_SCALE)) if amplitude > 0 else QUIETEST_DBFS


class AudioMeter:
    """Levels, silence and packet sizes of a stream.

    Silence and sizes are of all packets; levels are of every fourth: 20 ms in 80 give the same mean at a quarter of the cost.
    """

    __slots__ = (
        "_energy",
        "_linear",
        "_octets",
        "_peak",
        "_run_began",
        "_samples",
        "_silence",
        "_size",
        "_sizes",
        "packets",
        "silent_packets",
    )

    def __init__(self, codec: str) -> None:
        """Take PCMU or PCMA; payloads of any other codec are counted but not measured."""
        self._energy = 0.0
        self._samples = 0
        self._peak = 0
        self._sizes: Counter[int] = Counter()
        self._size = 0
        """Of the packets since number `_run_began`: sizes change so seldom that runs are counted, not packets."""
        self._run_began = 0
        self._octets = 0
        self.packets = 0
        self.silent_packets = 0
        self.use(codec)

    def use(self, codec: str) -> None:
        """Read what comes from now on as this codec."""
        self._linear = _LINEAR.get(codec)
        self._silence = _SILENCE.get(codec, b"")

    def add(self, payload: bytes) -> None:
        """Take one payload."""
        if len(payload) != self._size:
            self._end_run()
            self._size = len(payload)
        if self._linear is not None:
            if not self.packets & 3:
                self._add_levels(self._linear(payload, 2))
            if not payload.strip(self._silence):
                self.silent_packets += 1
        self.packets += 1

    def _end_run(self) -> None:
        """Count the packets of one size; sizes beyond the first sixteen count together, as 0."""
        known = self._size in self._sizes or len(self._sizes) < MOST_SIZES
        count = self.packets - self._run_began
        self._sizes[self._size if known else 0] += count
        self._octets += self._size * count
        self._run_began = self.packets

    def _add_levels(self, samples: bytes) -> None:
        if not samples:
            return
        count = len(samples) // 2
        self._energy += float(audioop.rms(samples, 2)) ** 2 * count
        self._samples += count
        self._peak = max(self._peak, audioop.max(samples, 2))

    @property
    def octets(self) -> int:
        """Payload octets of all packets."""
        self._end_run()
        return self._octets

    @property
    def level_dbfs(self) -> float | None:
        """Mean level of all audio; None before any."""
        return dbfs(math.sqrt(self._energy / self._samples)) if self._samples else None

    @property
    def peak_dbfs(self) -> float | None:
        """Loudest sample; None before any audio."""
        return dbfs(self._peak) if self._samples else None

    @property
    def packet_ms(self) -> float | None:
        """Duration of the most frequent packet size, ms."""
        self._end_run()
        size, count = max(self._sizes.items(), key=lambda item: item[1])
        return size * 1000 / CLOCK_RATE if count and size else None


def frame_octets(ptime_ms: int) -> int:
    """Octets of one frame of so many milliseconds."""
    return ptime_ms * CLOCK_RATE // 1000


_SWEEP_SECONDS = 8


@cache
def _sweeps() -> bytes:
    """Eight seconds of one tone rising and one falling through the speech band, 16 bits, about -14 dBFS."""
    samples = bytearray()
    for n in range(_SWEEP_SECONDS * CLOCK_RATE):
        t = n / CLOCK_RATE
        rising = math.sin(2 * math.pi * (300 + 160 * t) * t)
        falling = math.sin(2 * math.pi * (3000 - 140 * t) * t)
        samples += int(6500 * (rising + 0.7 * falling)).to_bytes(2, "little", signed=True)
    return bytes(samples)


def tone(seed: int, ptime_ms: int = 20) -> Iterator[bytes]:
    """Yield PCMU frames without end, no two of them equal: two sweeps, begun and weighted by the seed.

    Legs with different seeds send different audio, so an echo that belongs to another call is seen to be foreign.
    """
    sweeps = _sweeps()
    step = 2 * frame_octets(ptime_ms)
    laps, position = 0, 2 * (seed * 7919 % (len(sweeps) // 2 - step))
    while True:
        # A tone a little softer at each lap: by the golden ratio the weights never fall into a pattern.
        weight = 0.6 + 0.4 * ((seed * 0.7548776662 + laps * 0.6180339887) % 1.0)
        samples = audioop.mul(sweeps[position : position + step], 2, weight)
        yield audioop.lin2ulaw(samples, 2)
        position += step
        if position + step > len(sweeps):
            laps, position = laps + 1, 2 * (laps + 1) % step


LONGEST_WAV_S = 600


def wav_frames(data: bytes, ptime_ms: int = 20) -> list[bytes]:
    """Convert a WAV file (linear PCM of 8 to 32 bits, any rate, mono or stereo) to PCMU frames; the last is filled with silence.

    Raise ValueError with the reason when it is no such file, is empty, or lasts longer than ten minutes.
    """
    return cut(wav_pcmu(data), ptime_ms)


def wav_pcmu(data: bytes, longest_s: int = LONGEST_WAV_S) -> bytes:
    """Convert a WAV file (linear PCM of 8 to 32 bits, any rate, mono or stereo) to PCMU octets.

    Raise ValueError with the reason when it is no such file, is empty, or lasts longer than `longest_s`.
    """
    try:
        with wave.open(io.BytesIO(data)) as source:
            channels, width, rate = source.getnchannels(), source.getsampwidth(), source.getframerate()
            if not 0 < source.getnframes() <= longest_s * rate:
                raise ValueError(f"the WAV file must hold audio for at most {longest_s} s")
            samples = source.readframes(source.getnframes())
    except (wave.Error, EOFError, OSError, RuntimeError, ZeroDivisionError, OverflowError, MemoryError) as error:
        raise ValueError(f"not a WAV file of linear PCM: {str(error) or 'it is damaged'}") from error
    return _to_pcmu(samples, channels, width, rate)


def _to_pcmu(samples: bytes, channels: int, width: int, rate: int) -> bytes:
    if channels > 2 or width not in (1, 2, 3, 4) or rate <= 0:
        raise ValueError(f"a WAV file with {channels} channels of {8 * width} bits at {rate} Hz is not supported")
    samples = samples[: len(samples) // (width * channels) * width * channels]
    if width == 1:
        samples = audioop.bias(samples, 1, 128)  # 8-bit WAV is unsigned
    samples = audioop.lin2lin(samples, width, 2)
    if channels == 2:
        samples = audioop.tomono(samples, 2, 0.5, 0.5)
    if rate != CLOCK_RATE:
        try:
            samples, _ = audioop.ratecv(samples, 2, 1, rate, CLOCK_RATE, None)
        except (audioop.error, OverflowError, MemoryError) as error:
            raise ValueError(f"a WAV file at {rate} Hz cannot be converted: {error}") from error
    return audioop.lin2ulaw(samples, 2)


def cut(octets: bytes, ptime_ms: int = 20) -> list[bytes]:
    """Cut PCMU into frames; the last is filled with silence. Raise ValueError when there is nothing to cut."""
    size = frame_octets(ptime_ms)
    if not octets or size <= 0:
        raise ValueError("no audio")
    return [octets[start : start + size].ljust(size, bytes([PCMU_SILENCE])) for start in range(0, len(octets), size)]
