"""Voice calls as they are now: of each only the newest entry is kept, so that many changes of one push out no other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from sbc_sim.journal.entries import Entry, Kind


@dataclass(frozen=True, slots=True)
class Known:
    """The newest entry of a voice call."""

    ordinal: int
    entry: Entry
    octets: int


def is_voice_call(entry: Entry) -> bool:
    """Whether an entry tells of a voice call by itself: in a call it is a part of the call's trace."""
    return entry.kind is Kind.VOICE_CALL and entry.call is None


def name_of(entry: Entry) -> str:
    """Which voice call an entry tells of."""
    return str(entry.data.get("voiceCallId"))


def is_open(entry: Entry) -> bool:
    """Whether the voice call is not closed."""
    return bool(entry.data.get("isActiveCall"))


class Latest:
    """The voice calls that are kept. When there are too many the closed one that changed longest ago goes, else the oldest open one."""

    def __init__(self, most: int, most_octets: int) -> None:
        """None yet."""
        self._most, self._most_octets = most, most_octets
        self._kept: OrderedDict[str, Known] = OrderedDict()
        self.octets = 0
        """Of all of them."""

    def __iter__(self) -> Iterator[Known]:
        """The one that changed longest ago first."""
        return iter(tuple(self._kept.values()))

    def put(self, ordinal: int, entry: Entry, octets: int) -> int:
        """Keep a voice call instead of what was known of it; return how many others had to go."""
        before = self._kept.pop(name_of(entry), None)
        self._kept[name_of(entry)] = Known(ordinal, entry, octets)
        self.octets += octets - (before.octets if before is not None else 0)
        gone = 0
        while len(self._kept) > self._most or (self.octets > self._most_octets and len(self._kept) > 1):
            name = next((name for name, one in self._kept.items() if not is_open(one.entry)), next(iter(self._kept)))
            self.octets -= self._kept.pop(name).octets
            gone += 1
        return gone

    def clear(self, until: int) -> None:
        """Forget what is closed and has not changed since this place."""
        for name in [name for name, one in self._kept.items() if not is_open(one.entry) and one.ordinal <= until]:
            self.octets -= self._kept.pop(name).octets
