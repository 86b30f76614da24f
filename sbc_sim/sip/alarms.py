"""Many alarms, one deadline: the core's clockwork. Time is an argument here too."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Alarms(Generic[Key]):
    """When each key is due. Setting a key again moves its alarm; stale heap entries are skipped when they surface."""

    __slots__ = ("_due", "_heap", "_order")

    def __init__(self) -> None:
        """Start with no alarm."""
        self._due: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = 0

    def set(self, key: Key, due: float | None) -> None:
        """Ring for `key` at `due` (unix seconds); None takes the alarm away."""
        if due is None:
            self._due.pop(key, None)
            return
        known = self._due.get(key)
        if known is not None and known[0] == due:
            return
        self._order += 1
        self._due[key] = (due, self._order)
        heapq.heappush(self._heap, (due, self._order, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._due):
            self._heap = [(when, order, k) for k, (when, order) in self._due.items()]
            heapq.heapify(self._heap)

    def due(self, now: float) -> Iterator[Key]:
        """Take the keys whose time has come, earliest first, one at a time: should one make trouble, the others still ring.

        What is set meanwhile rings the next time, so that no key can keep ringing for ever.
        """
        latest = self._order
        while (deadline := self.deadline) is not None and deadline <= now and self._heap[0][1] <= latest:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            yield key

    @property
    def deadline(self) -> float | None:
        """The earliest alarm, None when there is none."""
        while self._heap:
            when, order, key = self._heap[0]
            if self._due.get(key) == (when, order):
                return when
            heapq.heappop(self._heap)
        return None

    def __len__(self) -> int:
        """Return the number of keys with an alarm."""
        return len(self._due)
