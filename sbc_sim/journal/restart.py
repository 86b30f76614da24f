"""What becomes of calls that were up when the process before this one ended: they ended too, and their traces say so."""

from __future__ import annotations

import sqlite3

from sbc_sim.journal.batch import Batch
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.queue import Waiting
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.view import rfc3339

REASON = "restart"


def end_live_calls(connection: sqlite3.Connection, limits: StoreLimits, ordinal: int, now: float) -> list[str]:
    """End every call of the file that is still up, at the time of its last known entry; return which.

    `ordinal`: the newest in the file; `now`: the time of this start, unix seconds. Raises sqlite3.Error.
    """
    live = connection.execute("SELECT id, last_at FROM calls WHERE over = 0 ORDER BY ordinal").fetchall()
    if not live:
        return []
    batch = Batch(connection, limits)
    connection.execute("BEGIN IMMEDIATE")
    for call, last_at in live:
        for entry in _ending(call, last_at, now):
            ordinal += 1
            batch.take_for_call(call, Waiting(ordinal, entry))
    batch.write(ordinal)
    connection.execute("COMMIT")
    return [call for call, _ in live]


def _ending(call: str, last_at: float, now: float) -> tuple[Entry, Entry]:
    text = (
        "the simulator stopped without ending this call, and no BYE was sent; "
        f"last heard of the call at {rfc3339(last_at)}, started again at {rfc3339(now)}"
    )
    ended = {"endedBy": "sbc", "endReason": REASON, "state": "ended", "status": None}
    return Entry(last_at, Kind.NOTE, call, {"text": text}), Entry(last_at, Kind.CALL_ENDED, call, ended)
