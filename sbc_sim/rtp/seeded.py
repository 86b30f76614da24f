"""Chance that can be had again: numbers that follow from a seed, so that a fault strikes the same packets in every run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from itertools import count

_MASK = (1 << 64) - 1


def seed_of(*words: object) -> int:
    """Make a seed of 64 bits out of names and numbers: equal words give equal seeds, in every process."""
    text = "\0".join(map(str, words))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


def seeded_tokens(seed: str) -> Callable[[int], str]:
    """Give a source of tokens, n octets as 2n hex digits: the same ones in the same order in every run. For tests, not for secrets."""
    numbers = count()
    return lambda octets: hashlib.shake_256(f"{seed}\0{next(numbers)}".encode("utf-8", "surrogateescape")).hexdigest(octets)


class Seeded:
    """A stream of numbers from a seed (splitmix64: good enough for a network that loses packets, and quick)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        """Begin; any integer is a seed."""
        self._state = seed & _MASK

    def next(self) -> float:
        """Give the next number, 0.0 <= n < 1.0."""
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ state >> 27) * 0x94D049BB133111EB) & _MASK
        return ((state ^ state >> 31) >> 11) / 9007199254740992.0


class Strikes:
    """Which packets a fault strikes, each with the same chance: counted down to the next one, so that most packets cost next to nothing."""

    __slots__ = ("_left", "_log", "_numbers")

    def __init__(self, chance: float, seed: int) -> None:
        """`chance` above 0.0, at most 1.0."""
        self._numbers = Seeded(seed)
        self._log = math.log1p(-chance) if chance < 1.0 else 0.0
        self._left = self._gap()

    def _gap(self) -> int:
        """Give the number of packets before the next one that is struck (a geometric distribution)."""
        return int(math.log1p(-self._numbers.next()) / self._log) if self._log else 0

    def hit(self) -> bool:
        """Say whether this packet is struck."""
        if self._left:
            self._left -= 1
            return False
        self._left = self._gap()
        return True
