"""Speak the prompts that ship with the package: sbc_sim/prompts/*.wav from texts.json beside them, by espeak-ng (`make prompts`).

espeak-ng (apt install espeak-ng) speaks at 22,050 Hz. Here it becomes what a telephone carries: 8,000 Hz, mono, 16 bits, cut off at
3,500 Hz before the rate is lowered so that nothing folds back, even in level, with a fifth of a second of silence at the end.
Neither running sbc-sim nor its tests need this.
"""

from __future__ import annotations

import audioop
import io
import json
import math
import subprocess
import sys
import wave
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "sbc_sim" / "prompts"
RATE = 8000
CUT_OFF_HZ = 3500
TAPS = 64
"""On either side of a sample."""
PEAK = 0.7 * 32767
VOICE = ("-v", "en-us", "-s", "165", "-a", "100")


def spoken(text: str) -> tuple[int, list[int]]:
    """Have espeak-ng say a text; give the rate and the samples."""
    wav = subprocess.run(["espeak-ng", *VOICE, "--stdout", text], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(wav)) as source:
        rate, samples = source.getframerate(), source.readframes(1 << 30)
    return rate, [int.from_bytes(samples[n : n + 2], "little", signed=True) for n in range(0, len(samples) - 1, 2)]


def lowered(samples: list[int], rate: int) -> list[float]:
    """Lower the rate to 8,000 Hz by a windowed sinc."""
    step, width = rate / RATE, 2 * CUT_OFF_HZ / rate
    return [_sample(samples, n * step, width) for n in range(int(len(samples) / step))]


def _sample(samples: list[int], at: float, width: float) -> float:
    first, last = max(0, math.ceil(at - TAPS)), min(len(samples) - 1, math.floor(at + TAPS))
    return sum(samples[n] * _weight(n - at, width) for n in range(first, last + 1))


def _weight(distance: float, width: float) -> float:
    window = 0.5 + 0.5 * math.cos(math.pi * distance / TAPS)
    angle = math.pi * distance * width
    return window * width * (1.0 if abs(angle) < 1e-9 else math.sin(angle) / angle)


def trimmed(samples: list[float]) -> list[float]:
    """Cut silence off both ends."""
    loud = [n for n, sample in enumerate(samples) if abs(sample) > 300]
    return samples[max(0, loud[0] - RATE // 50) : loud[-1] + RATE // 50]


def write(name: str, text: str) -> None:
    """Make one file."""
    rate, samples = spoken(text)
    audio = trimmed(lowered(samples, rate))
    scale = PEAK / max(map(abs, audio))
    linear = b"".join(round(sample * scale).to_bytes(2, "little", signed=True) for sample in audio) + bytes(RATE // 5 * 2)
    with wave.open(str(FOLDER / f"{name}.wav"), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(RATE)
        target.writeframes(linear)
    print(f"{name}.wav  {len(linear) / 2 / RATE:.1f} s  {audioop.rms(linear, 2)} rms")


def main() -> None:
    """Make all of them, or those that are named."""
    texts = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))
    for name in sys.argv[1:] or texts:
        write(name, texts[name])


if __name__ == "__main__":
    main()
