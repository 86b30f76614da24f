"""How much is taken in a second, by org."""

from __future__ import annotations

from collections import OrderedDict, deque

MOST_ORGS = 1000
"""Orgs that are counted; of more, those that were silent longest are forgotten."""


class Pace:
    """So many in any one second, for each org."""

    def __init__(self, most: float) -> None:
        """`most` in a second; below 1 it means one in 1/most seconds."""
        self._most = max(1, int(most))
        self._window = max(1.0, 1.0 / most)
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, org: str, now: float, count: int = 1) -> float:
        """Count `count` more at `now` (unix seconds); 0.0 when they fit, else after how many seconds they would."""
        seen = self._seen.setdefault(org, deque())
        self._seen.move_to_end(org)
        if len(self._seen) > MOST_ORGS:
            self._seen.popitem(last=False)
        while seen and seen[0] <= now - self._window:
            seen.popleft()
        if len(seen) + count > self._most:
            return max(0.001, seen[0] + self._window - now) if seen else self._window
        seen.extend([now] * count)
        return 0.0
