"""The voice calls that are known, bounded: by id of 15 or 18 characters, by vendorCallKey, by parent."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from heapq import nsmallest

from sbc_sim.telephony.ids import VOICE_CALL, number_of, numbered
from sbc_sim.telephony.record import VoiceCall

ABANDONED = 24 * 3600
"""Seconds after which an open voice call that nobody changed makes room."""
DEEPEST = 20
"""Parents of parents that are followed."""


def _made(record: VoiceCall) -> tuple[int, str]:
    """When: several replicas make ids, each with its own digits before the number."""
    return number_of(record.id), record.id


class VoiceCallTable:
    """All voice calls. When it is full the closed one that changed longest ago goes; see `has_room` for open ones."""

    def __init__(self, most: int) -> None:
        """`most`: how many are kept."""
        self._most = most
        self._by_id: OrderedDict[str, VoiceCall] = OrderedDict()
        self._by_key: dict[tuple[str, str], str] = {}
        self._children: dict[str, dict[str, None]] = {}
        self._last_number = 0
        self.slot = 0
        """Of this replica: a part of each id."""
        self.open = 0
        """How many are not closed."""
        self._open_of: Counter[str] = Counter()
        self.evicted = 0
        """How many had to go since the start."""

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[VoiceCall]:
        """The newest first, by when they were made."""
        return iter(sorted(self._by_id.values(), key=_made, reverse=True))

    def open_of(self, org: str) -> int:
        """How many of this org are not closed."""
        return self._open_of[org[:15]]

    def has_room(self, now: float) -> bool:
        """Whether one more can be kept without an open one going that was changed within a day of `now`, unix seconds."""
        return self.open < self._most or next(iter(self._by_id.values())).updated_at <= now - ABANDONED

    def new_id(self, now: float) -> str:
        """Make an id that no voice call of this or an earlier run has: by the milliseconds of `now`."""
        self._last_number = max(self._last_number + 1, int(now * 1000))
        while (made := numbered(VOICE_CALL, self._last_number, self.slot))[:15] in self._by_id:
            self._last_number += 1
        return made

    def find(self, key: str, org: str | None = None) -> VoiceCall | None:
        """Find by id (15 or 18 characters) or vendorCallKey; `org` None: whosever it is, the newest first."""
        record = self._by_id.get(key[:15]) if len(key) in (15, 18) else None
        if record is not None and (len(key) == 15 or record.id == key):
            return record
        if org is not None:
            return self._of_key(org, key)
        found = [record for (_, known), record_id in self._by_key.items() if known == key and (record := self._by_id.get(record_id))]
        return max(found, key=lambda one: one.created_at, default=None)

    def _of_key(self, org: str, key: str) -> VoiceCall | None:
        return self._by_id.get(self._by_key.get((org[:15], key), ""))

    def children(self, record: VoiceCall) -> list[VoiceCall]:
        """Voice calls that name this one as their parent, oldest first."""
        return [child for known in self._children.get(record.id[:15], ()) if (child := self._by_id.get(known)) is not None]

    def later_of(self, record: VoiceCall, most: int) -> list[VoiceCall]:
        """Voice calls of the same customer that were made after this one, oldest first; at most `most`."""
        at, caller = record.created_at, record.caller
        return nsmallest(most, (one for one in self._by_id.values() if one.caller == caller and one.created_at > at), _made)

    def first_of(self, record: VoiceCall) -> VoiceCall:
        """Follow the parents up to the first call of a conversation."""
        for _ in range(DEEPEST):
            parent = self.find(record.parent, record.org) if record.parent else None
            if parent is None or parent.id == record.id:
                break
            record = parent
        return record

    def put(self, record: VoiceCall) -> None:
        """Keep a voice call, instead of what was known of it."""
        short = record.id[:15]
        before = self._by_id.pop(short, None)
        self._count(before, -1)
        self._count(record, 1)
        self._by_id[short] = record
        self._by_key[record.org[:15], record.vendor_call_key] = short
        parent = self.find(record.parent, record.org) if record.parent and before is None else None
        if parent is not None:
            self._children.setdefault(parent.id[:15], {})[short] = None
        while len(self._by_id) > self._most:
            self._evict()

    def _count(self, record: VoiceCall | None, by: int) -> None:
        if record is not None and record.is_open:
            self.open += by
            self._open_of[record.org[:15]] += by
            if not self._open_of[record.org[:15]]:
                del self._open_of[record.org[:15]]

    def _evict(self) -> None:
        oldest = next((short for short, record in self._by_id.items() if not record.is_open), next(iter(self._by_id)))
        gone = self._by_id.pop(oldest)
        self._count(gone, -1)
        self.evicted += 1
        key = (gone.org[:15], gone.vendor_call_key)
        if self._by_key.get(key) == oldest:
            del self._by_key[key]
        self._children.pop(oldest, None)
        parent = self.find(gone.parent, gone.org) if gone.parent else None
        if parent is not None:
            self._children.get(parent.id[:15], {}).pop(oldest, None)

    def clear(self) -> int:
        """Forget what is closed; return how many that were."""
        closed = [record for record in self._by_id.values() if not record.is_open]
        kept = [record for record in self._by_id.values() if record.is_open]
        self._by_id.clear()
        self._by_key.clear()
        self._children.clear()
        self.open = 0
        self._open_of.clear()
        for record in kept:
            self.put(record)
        return len(closed)
