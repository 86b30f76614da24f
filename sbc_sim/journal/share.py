"""Who this process is among several that write to one store, and by what numbers their entries are told apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sbc_sim.journal.entries import Entry, Kind

Turn = Callable[[Callable[[], None]], None]
"""Has something done on the thread of the calls (`reactor.callFromThread`)."""

SLOT_BITS = 10
SLOTS = 1 << SLOT_BITS
"""Replicas that may write at the same time."""

_NEVER_FIRST = frozenset({Kind.NOTE, Kind.VOICE_CALL, Kind.TELEPHONY, Kind.PARTNER_CHECK, Kind.ESCALATION, Kind.CALL_ENDED, Kind.VERDICT})
"""Kinds of entries by which no call begins: in a shared store such an entry may be about a call of another replica."""


@dataclass(frozen=True, slots=True)
class ShareOptions:
    """What makes a store one that others write to as well."""

    replica: str
    """Name of this process; no other living one has it. Not empty."""
    slot: int
    """0 to SLOTS - 1; no other living one has it."""
    turn: Turn
    """Has something done on the thread of the calls (`reactor.callFromThread`)."""


class Share:
    """How entries are numbered: one after the other by who is alone, and by the time where several write.

    A number of a shared store is microseconds since 1970 and the slot, so that cursors hold for the calls of all, newest first.
    """

    def __init__(self, options: ShareOptions | None = None, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock`: nanoseconds since 1970; where it runs backwards, numbers go on growing."""
        self.replica = options.replica if options else ""
        self._slot = options.slot if options else 0
        self._clock = clock
        self.shared = options is not None

    def become(self, options: ShareOptions) -> None:
        """Go on under another name or slot: the others had taken us for lost."""
        self.replica, self._slot = options.replica, options.slot

    def next(self, last: int) -> int:
        """The number after `last`, which was given out here, or by an earlier life of this process."""
        if not self.shared:
            return last + 1
        return max((last >> SLOT_BITS) + 1, self._clock() // 1000) << SLOT_BITS | self._slot

    def may_begin(self, entry: Entry) -> bool:
        """Whether a call that is not known here may begin with this entry."""
        return not self.shared or entry.kind not in _NEVER_FIRST


def ordinal_at(seconds: float) -> int:
    """The lowest number of a time in unix seconds, for comparing."""
    return int(seconds * 1_000_000) << SLOT_BITS
