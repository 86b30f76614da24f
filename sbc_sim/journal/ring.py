"""The newest of what belongs to no call, bounded by number and octets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Ring(Generic[Item]):
    """Items with the places they have among all entries; the oldest go first, the newest one always stays."""

    def __init__(self, most: int, most_octets: int) -> None:
        """An empty one."""
        self._most = most
        self._most_octets = most_octets
        self._kept: deque[tuple[int, Item, int]] = deque()
        self.octets = 0
        """Of all items."""

    def add(self, ordinal: int, item: Item, octets: int) -> int:
        """Keep one more; return how many had to go."""
        self._kept.append((ordinal, item, octets))
        self.octets += octets
        gone = 0
        while len(self._kept) > self._most or (self.octets > self._most_octets and len(self._kept) > 1):
            self.octets -= self._kept.popleft()[2]
            gone += 1
        return gone

    def drop(self, until: int) -> None:
        """Let go of all up to this place."""
        while self._kept and self._kept[0][0] <= until:
            self.octets -= self._kept.popleft()[2]

    def below(self, ordinal: int) -> Iterator[tuple[int, Item]]:
        """Newest first, older than this."""
        return ((place, item) for place, item, _ in reversed(self._kept) if place < ordinal)

    @property
    def lowest(self) -> int:
        """Place of the oldest one kept."""
        return self._kept[0][0] if self._kept else 0
