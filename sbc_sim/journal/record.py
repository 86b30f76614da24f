"""What a store keeps of one call: the first and the last entries, and the call that they make.

The store in memory and the writer of the file both keep their calls by this, so that a call is the same hot and cold.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import CallView

SHARE = 8
"""No single call, and no list outside of calls, may take more than this part of all octets."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How much is kept. Every number is at least 1."""

    calls: int = 1000
    first_entries: int = 200
    """Entries kept from the beginning of a call ..."""
    last_entries: int = 800
    """... and from its end."""
    attempts: int = 1000
    outside: int = 2000
    voice_calls: int = 2000
    """Voice calls of the Telephony Integration API, each as it is now ..."""
    voice_call_octets: int = 256 * 1024 * 1024
    """... and their octets in a file; in memory they have their share."""
    connections: int = 10_000
    """Open connections whose TLS facts are remembered for calls to come."""
    octets: int = 64 * 1024 * 1024
    """Of everything, estimated. Ended calls go first, oldest before newer."""

    @property
    def share(self) -> int:
        """Octets that one call, or one list outside of calls, may take."""
        return max(1, self.octets // SHARE)


@dataclass(slots=True)
class CallRecord:
    """What is kept of one call."""

    view: CallView
    first: list[Entry] = field(default_factory=list)
    last: deque[Entry] = field(default_factory=deque)
    octets: int = 0
    opened: Entry | None = None
    newest: int = 0
    """Ordinal of the newest entry."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that is kept, in the order of events."""
        return (*self.first, *self.last)

    def keep(self, entry: Entry, octets: int, limits: StoreLimits) -> int:
        """Take one more entry of so many octets; return how many had to go from the middle."""
        self.view.add(entry)
        self.octets += octets
        if not self.last and len(self.first) < limits.first_entries and self.octets - octets < limits.share // 2:
            self.first.append(entry)
        else:
            self.last.append(entry)
        gone = 0
        while len(self.last) > limits.last_entries or (self.octets > limits.share and len(self.last) > 1):
            self.octets -= entry_octets(self.last.popleft())
            gone += 1
        self.view.dropped += gone
        return gone


def entry_octets(entry: Entry) -> int:
    """Estimate the memory of an entry: its octets and texts, and a flat charge for each value."""
    if entry.kind is Kind.VERDICT:  # the words of the catalogue are there once for all calls
        return 1000 + sum(60 + len(str(finding.get("detail", ""))) for finding in entry.data.get("findings", ()))
    return 200 + len(entry.raw) + _value_octets(entry.data)


def _value_octets(value: Any) -> int:
    if isinstance(value, str):
        return 60 + len(value)
    if isinstance(value, dict):
        return 60 + sum([16 + _value_octets(inner) for inner in value.values()])
    if isinstance(value, list | tuple):
        return 60 + sum([8 + _value_octets(inner) for inner in value])
    return 28
