"""What ends the calls of a replica that died or left without ending them: another one, so that no call stands as live for ever."""

from __future__ import annotations

from collections.abc import Sequence

from sbc_sim.journal.database import Connection
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.replica import SLOTS, Replica


class LostCalls:
    """Finds and ends them."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        """`limits`: what the store keeps of one call."""
        self._limits = limits or StoreLimits()

    def live(self, line: Connection, left: Replica) -> list[str]:
        """Calls of it that are still up. By its slot too: a newer replica may have the same name. Raises what a connection raises."""
        rows = line.execute("SELECT id, ordinal FROM calls WHERE replica = ? AND over = 0 ORDER BY ordinal", (left.name,)).fetchall()
        return [call for call, ordinal in rows if ordinal % SLOTS == left.slot]

    def end(self, line: Connection, left: Replica, calls: Sequence[str], closer: str, now: float) -> None:
        """End these, within a transaction of the caller; what has ended meanwhile is left alone. Raises what a connection raises.

        `closer`: name of who does it; `now`: unix seconds.
        """
        from sbc_sim.journal.restart import end_lost_calls  # packs entries and views: nothing that a start should wait for

        end_lost_calls(line, self._limits, closer, left.name, left.slot, calls, left.seen_at, now)
