"""What a caller says, and how much of it came back as a copy, sample by sample.

The energy of a tone proves nothing: a server that plays a tone of its own has it too. So a caller says something that
nobody else says (seeded noise in the rhythm of speech), and only runs of equal samples count. Every sample lies on the
G.711 mu-law grid (ITU-T G.711, table 2a), so that coding and decoding change nothing and equal can mean equal. Zero is
left out, because mu-law has two codes for it.
"""

from __future__ import annotations  # array[int] is for type checkers only before Python 3.12

import array
import itertools
import math
import random
import struct
from dataclasses import dataclass
from pathlib import Path

RATE = 8000
BLOCK = 80  # 10 ms: short enough to lose little at a slip of the jitter buffer, long enough to be unique
SYLLABLES_PER_SECOND = 4.0


def _decoded(code: int) -> int:
    """The linear value of one mu-law code."""
    bits = ~code & 0xFF
    magnitude = ((((bits & 0x0F) << 3) + 0x84) << ((bits & 0x70) >> 4)) - 0x84
    return -magnitude if bits & 0x80 else magnitude


_GRID = sorted({_decoded(code) for code in range(256)} - {0})


def _on_grid(value: float) -> int:
    return min(_GRID, key=lambda point: abs(point - value))


def speech(seconds: float, seed: int) -> array.array[int]:
    """Noise in the rhythm of speech: different for every seed, never silent, every sample on the mu-law grid."""
    chance = random.Random(seed)
    nearest = {step: _on_grid(step * 32) for step in range(-1024, 1025)}
    samples = array.array("h")
    smooth = 0.0
    for index in range(int(seconds * RATE)):
        loudness = 3500 + 3000 * math.sin(2 * math.pi * SYLLABLES_PER_SECOND * index / RATE)
        smooth = 0.5 * smooth + chance.gauss(0.0, 1.0)
        samples.append(nearest[max(-1000, min(1000, round(smooth * loudness / 32)))])
    return samples


def write_wav(path: Path, samples: array.array[int], silence_after: float = 0.0) -> None:
    """16-bit mono at 8 kHz; the silence keeps a client that ends at the end of its file on the line."""
    data = samples.tobytes() + bytes(2 * int(silence_after * RATE))
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", len(data))
    path.write_bytes(head + data)


def read_wav(path: Path) -> array.array[int]:
    """The samples of a 16-bit mono WAV, also of one that is still being written: some writers fill in the 44 octets of its head last."""
    octets = path.read_bytes() if path.exists() else b""
    start = octets.find(b"data")
    body = octets[start + 8 if start >= 0 else 44 :]
    samples = array.array("h")
    samples.frombytes(body[: len(body) // 2 * 2])
    return samples


@dataclass(frozen=True)
class Comparison:
    """How much of what was sent came back: fraction of samples (0 to 1), delay of the first copy (s), jumps of the delay."""

    fraction: float
    delay: float
    jumps: int

    def __str__(self) -> str:
        return f"{self.fraction:.1%} came back as a copy, first after {self.delay * 1000:.0f} ms, {self.jumps} jumps of the delay"


def _even_find(haystack: bytes, needle: bytes, start: int) -> int:
    found = haystack.find(needle, start)
    while found >= 0 and found % 2:
        found = haystack.find(needle, found + 1)
    return found


def compare(sent: array.array[int], received: array.array[int]) -> Comparison:
    """Find each 10 ms of `sent` in `received`, in order; what is found counts whole, the rest not at all."""
    haystack = received.tobytes()
    at = 0
    delays: list[int] = []
    for index in range(0, len(sent) - BLOCK + 1, BLOCK):
        found = _even_find(haystack, sent[index : index + BLOCK].tobytes(), at)
        if found >= 0:
            at = found + 2 * BLOCK
            delays.append(found // 2 - index)
    jumps = sum(1 for before, after in itertools.pairwise(delays) if before != after)
    return Comparison(len(delays) * BLOCK / len(sent) if sent else 0.0, delays[0] / RATE if delays else math.inf, jumps)
