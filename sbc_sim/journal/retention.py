"""What has to go from the file, and giving its room back: by count, by age, by size, a few calls at a time.

Live calls never go. Whoever deletes is the writer; here is decided what.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

STEP = 25
"""Calls that go at once."""
PAGES = 256
"""Pages of the file that are given back at once, and how many empty ones are worth it."""
AGE_SECONDS = 60.0
"""So often the age is looked at."""


@dataclass(frozen=True, slots=True)
class FileBounds:
    """How much of ended calls a file keeps."""

    calls: int = 10_000
    octets: int = 1024 * 1024 * 1024
    """Largest file."""
    age_seconds: float = 30 * 86400.0


class Victim(NamedTuple):
    """A call that goes."""

    ordinal: int
    id: str
    octets: int


class Retention:
    """Finds what is over a bound. Every method raises sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection, bounds: FileBounds) -> None:
        """Nothing is looked at yet."""
        self._connection = connection
        self._bounds = bounds
        self._age_at = self._loose_at = float("-inf")
        self._page = int(connection.execute("PRAGMA page_size").fetchone()[0])

    def victims(self, calls: int, now: float) -> list[Victim]:
        """The next calls to go, oldest first; `calls`: how many there are, `now`: unix seconds."""
        too_many = calls - self._bounds.calls
        if too_many > 0:
            return self._oldest(min(STEP, too_many))
        if self.used_octets() > self._bounds.octets:
            return self._oldest(STEP)
        return self._aged(now)

    def loose_before(self, now: float) -> float | None:
        """Entries of no call from before this time go too, unix seconds; None: it is not the time to look."""
        if now < self._loose_at:
            return None
        self._loose_at = now + AGE_SECONDS
        return now - self._bounds.age_seconds

    def _aged(self, now: float) -> list[Victim]:
        if now < self._age_at:
            return []
        rows = self._connection.execute(
            "SELECT ordinal, id, octets FROM calls WHERE over = 1 AND last_at < ? ORDER BY last_at LIMIT ?",
            (now - self._bounds.age_seconds, STEP),
        )
        found = [Victim(*row) for row in rows]
        if len(found) < STEP:
            self._age_at = now + AGE_SECONDS
        return found

    def _oldest(self, most: int) -> list[Victim]:
        rows = self._connection.execute("SELECT ordinal, id, octets FROM calls WHERE over = 1 ORDER BY ordinal LIMIT ?", (most,))
        return [Victim(*row) for row in rows]

    def used_octets(self) -> int:
        """Octets of the file that hold something."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._page

    def file_octets(self) -> int:
        """Octets of the file."""
        return self._pragma("page_count") * self._page

    def give_back(self) -> bool:
        """Give some empty pages back to the disk; True when that was worth it and may be again."""
        free = self._pragma("freelist_count")
        if free < PAGES and (not free or self.file_octets() <= self._bounds.octets):
            return False
        self._connection.executescript(f"PRAGMA incremental_vacuum({PAGES})")  # `execute` would stop after the first page
        return True

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
