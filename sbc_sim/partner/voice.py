"""What somebody says on a call while it is up: silence until told otherwise, then speech, or keys. For a talk with an agent.

voice = Voice()
PlayLeg(description, now, voice)
voice.speak(1.5)
voice.press("0")
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, islice, repeat

from sbc_sim.rtp.audio import PCMU_SILENCE, tone
from sbc_sim.rtp.dtmf import DIGITS, Key

PTIME_MS = 20
SILENCE = bytes([PCMU_SILENCE]) * (8 * PTIME_MS)
PAUSE = 1.0
"""Seconds of silence after what was said, so that the other side knows that it was all."""


class Voice:
    """Frames of PCMU, 20 ms each, and keys, without end."""

    def __init__(self, seed: int = 1) -> None:
        """Silence first; `seed` makes one voice different from others."""
        self._words = tone(seed, PTIME_MS)
        self._queue: deque[Iterator[bytes | Key]] = deque()

    def __iter__(self) -> Voice:
        return self

    def __next__(self) -> bytes | Key:
        while self._queue:
            item = next(self._queue[0], None)
            if item is not None:
                return item
            self._queue.popleft()
        return SILENCE

    @property
    def quiet(self) -> bool:
        """Whether all that was to be said has been."""
        return not self._queue

    def speak(self, seconds: float) -> None:
        """Say something that is louder than any pause, then be silent for a second."""
        words = islice(self._words, max(1, int(seconds * 1000 / PTIME_MS)))
        self._queue.append(chain(words, repeat(SILENCE, int(PAUSE * 1000 / PTIME_MS))))

    def press(self, digits: str) -> None:
        """Press keys, a tenth of a second between two. Raises ValueError for what is on no telephone."""
        wrong = [digit for digit in digits if digit.upper() not in DIGITS]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is on no telephone")
        for digit in digits:
            self._queue.append(chain((Key(digit),), repeat(SILENCE, 5)))
