"""What becomes of calls that were up when the process that had them ended: they ended too, and their traces say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sbc_sim.journal.batch import Batch
from sbc_sim.journal.database import Connection, told_name
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.queue import Waiting
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.share import Share, ShareOptions
from sbc_sim.journal.view import LOST, rfc3339

REASON = "restart"

Words = Callable[[float], str]
"""What the note says, given the time of a call's last entry."""


def end_live_calls(connection: Connection, limits: StoreLimits, ordinal: int, now: float) -> list[str]:
    """End every call of a store that is not shared and still up, at the time of its last known entry; return which.

    `ordinal`: the newest in the store; `now`: the time of this start, unix seconds. Raises sqlite3.Error or DatabaseError.
    """
    live = connection.execute("SELECT id, last_at FROM calls WHERE over = 0 ORDER BY ordinal").fetchall()
    if not live:
        return []
    batch = Batch(connection, limits, Share())
    connection.begin()
    batch.write(_end(batch, live, _restart_words(now), REASON, ordinal, Share()))
    connection.commit()
    return [call for call, _ in live]


def end_calls_of_nobody(connection: Connection, limits: StoreLimits, share: ShareOptions, now: float) -> list[str]:
    """End the calls that a process left up which had this store alone, before it was shared; return which.

    They carry no name of a replica, so none that lives has them. `share`: who does it; `now`: the time of this start, unix seconds. Raises
    sqlite3.Error or DatabaseError.
    """
    statement = "SELECT id, last_at FROM calls WHERE replica = '' AND over = 0 ORDER BY ordinal"
    if not connection.execute(statement).fetchall():
        return []
    connection.begin()
    live = connection.execute(f"{statement}{connection.row_lock}").fetchall()  # again: another one may be starting too
    numbers = Share(share)
    batch = Batch(connection, limits, numbers)
    _end(batch, live, _restart_words(now), REASON, batch.newest, numbers)
    batch.write(0)
    connection.commit()
    return [call for call, _ in live]


def _restart_words(now: float) -> Words:
    def words(last_at: float) -> str:
        return (
            "the simulator stopped without ending this call, and no BYE was sent; "
            f"last heard of the call at {rfc3339(last_at)}, started again at {rfc3339(now)}"
        )

    return words


def end_lost_calls(
    connection: Connection, limits: StoreLimits, closer: str, lost: str, slot: int, calls: Sequence[str], heard_at: float, now: float
) -> list[str]:
    """End these calls of a replica that is there no more, at the time of their last entries; return which were still up.

    Within a transaction of the caller. `closer`: name of who does it; `lost`, `slot`: name and slot of the replica; `heard_at`: its last
    sign of life, `now`: of this decision, unix seconds both. Raises sqlite3.Error or DatabaseError: also when the replica lives after all,
    and adds to a call at the same time; then the transaction has to be taken back, and may be tried again.
    """
    marks = ", ".join("?" * len(calls))
    statement = f"SELECT id, last_at FROM calls WHERE over = 0 AND replica = ? AND id IN ({marks}) ORDER BY ordinal{connection.row_lock}"
    live = connection.execute(statement, (lost, *calls)).fetchall() if calls else []
    if not live:
        return []
    share = Share(ShareOptions(lost, slot, lambda task: None))
    batch = Batch(connection, limits, share)

    def words(last_at: float) -> str:
        return (
            f"the replica {lost} that had this call is there no more, and no BYE was sent; last heard of the call at {rfc3339(last_at)}, "
            f"of the replica at {rfc3339(heard_at)}; ended by the replica {closer} at {rfc3339(now)}"
        )

    ordinal = _end(batch, live, words, LOST, batch.newest, share)
    batch.write(0)  # not by the counter that says what the replica itself has written: it may live, and have older entries in its queue
    connection.execute(
        "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (told_name(lost), ordinal),
    )
    connection.tell(lost, ordinal)
    return [call for call, _ in live]


def _end(batch: Batch, live: Sequence[tuple[str, float]], words: Words, reason: str, ordinal: int, share: Share) -> int:
    """Take the last entries of all these calls; return the ordinal of the last one."""
    for call, last_at in live:
        for entry in _ending(call, last_at, words(last_at), reason):
            ordinal = share.next(ordinal)
            batch.take_for_call(call, Waiting(ordinal, entry))
    return ordinal


def _ending(call: str, last_at: float, text: str, reason: str) -> tuple[Entry, Entry]:
    ended = {"endedBy": "sbc", "endReason": reason, "state": "ended", "status": None}
    return Entry(last_at, Kind.NOTE, call, {"text": text}), Entry(last_at, Kind.CALL_ENDED, call, ended)
