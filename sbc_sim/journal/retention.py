"""What has to go from the database: by count, by age, by size, a few calls at a time.

Live calls never go. Whoever deletes is the writer; here is decided what. Where several write, each looks, and who comes second finds
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sbc_sim.journal.database import Connection, Database

STEP = 25
"""Calls that go at once."""
AGE_SECONDS = 60.0
"""So often the age is looked at."""


@dataclass(frozen=True, slots=True)
class FileBounds:
    """How much of ended calls a database keeps."""

    calls: int = 10_000
    octets: int = 1024 * 1024 * 1024
    """Of the file; in PostgreSQL, whose files do not shrink, of what is kept, as estimated everywhere."""
    age_seconds: float = 30 * 86400.0


class Victim(NamedTuple):
    """A call that goes."""

    ordinal: int
    id: str
    octets: int


class Retention:
    """Finds what is over a bound. Every method raises sqlite3.Error or DatabaseError."""

    def __init__(self, connection: Connection, database: Database, bounds: FileBounds) -> None:
        """Nothing is looked at yet."""
        self.connection = connection
        self._database = database
        self._bounds = bounds
        self._age_at = self._loose_at = float("-inf")

    def surplus(self, calls: int, octets: int) -> list[Victim]:
        """The next calls to go because there are too many, oldest first; `calls`, `octets`: how much there is."""
        too_many = calls - self._bounds.calls
        if too_many > 0:
            return self._oldest(min(STEP, too_many))
        if self._database.used_octets(self.connection, octets) > self._bounds.octets:
            return self._oldest(STEP)
        return []

    def loose_before(self, now: float) -> float | None:
        """Entries of no call from before this time go too, unix seconds; None: it is not the time to look."""
        if now < self._loose_at:
            return None
        self._loose_at = now + AGE_SECONDS
        return now - self._bounds.age_seconds

    def aged(self, now: float) -> list[Victim]:
        """The next calls to go because they are old; `now`: unix seconds."""
        if now < self._age_at:
            return []
        rows = self.connection.execute(
            "SELECT ordinal, id, octets FROM calls WHERE over = 1 AND last_at < ? ORDER BY last_at LIMIT ?",
            (now - self._bounds.age_seconds, STEP),
        )
        found = [Victim(*row) for row in rows.fetchall()]
        if len(found) < STEP:
            self._age_at = now + AGE_SECONDS
        return found

    def _oldest(self, most: int) -> list[Victim]:
        rows = self.connection.execute("SELECT ordinal, id, octets FROM calls WHERE over = 1 ORDER BY ordinal LIMIT ?", (most,))
        return [Victim(*row) for row in rows.fetchall()]

    def give_back(self) -> bool:
        """Give some empty pages back to the disk; True when that was worth it and may be again."""
        return self._database.give_back(self.connection, self._bounds.octets)
