"""Prometheus metrics, all derived from journal entries or asked for when scraped, so that they tell what the API tells.

No Call-ID, number or User-to-User value is ever a label, and every label has a bounded set of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sbc_sim.journal.entries import Entry
from sbc_sim.journal.store import StoreSize


def _nothing() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is asked for at the moment of a scrape."""

    media_ports: Callable[[], tuple[int, int]]
    """(in use, limit)"""
    store_size: Callable[[], StoreSize]
    reactor_lag: Callable[[], float] = float
    """How late the reactor's last timer was, seconds."""
    certificate_expiry: Callable[[], float | None] = lambda: None
    """notAfter of the server certificate, unix seconds; None: none loaded."""
    faults: Callable[[], Mapping[str, int]] = _nothing
    """Active faults by type."""


class Metrics:
    """Counts what the journal tells: `store.subscribe(metrics.observe)`."""

    def __init__(self, gauges: Gauges, version: str) -> None:
        """Make a registry of its own, every series at its start."""
        raise NotImplementedError

    def observe(self, entry: Entry) -> None:
        """Take one entry into account."""
        raise NotImplementedError

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Text for a scraper and its content type, by the scraper's Accept header."""
        raise NotImplementedError
