"""What becomes of the calls of a replica that died or left: another one ends them, and their traces say what is known."""

from __future__ import annotations

from collections.abc import Sequence

from sbc_sim.journal.database import Connection
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.replica import Replica

REASON = "lost"


class LostCalls:
    """Ends calls of those that left."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        """`limits`: what the store keeps of one call."""
        self._limits = limits or StoreLimits()

    def live(self, line: Connection, left: Replica) -> list[str]:
        """Calls of it that are still up. By its slot too: a newer replica may have the same name."""
        rows = line.execute("SELECT id, ordinal FROM calls WHERE replica = ? AND over = 0 ORDER BY ordinal", (left.name,)).fetchall()
        return [call for call, ordinal in rows if ordinal & 1023 == left.slot]

    def end(self, line: Connection, left: Replica, calls: Sequence[str]) -> None:
        """End these at the time of their last entries, within a transaction of the caller; what has ended meanwhile is left alone."""
        raise NotImplementedError
