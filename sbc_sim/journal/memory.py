"""A store in memory: quick, and bounded in every direction, so that no peer can fill the machine.

Bounds are on calls, on entries of one call (the first and the last ones stay: how it began and how it ended), on attempts, on entries
outside of calls, and on the octets of everything.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import MOST_PER_PAGE, BadCursor, CallPage, CallQuery, EntryPage, Listener, StoreSize, Trace
from sbc_sim.journal.view import CallView


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
    connections: int = 10_000
    """Open connections whose TLS facts are remembered for calls to come."""
    octets: int = 256 * 1024 * 1024
    """Of everything, estimated. Calls go first, oldest ended ones before others."""


class MemoryStore:
    """A `Store` that forgets when the process ends."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        """Make an empty store."""
        raise NotImplementedError
