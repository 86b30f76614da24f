"""A call from its entries, without a store."""

from __future__ import annotations

from collections.abc import Iterable

from sbc_sim.journal.entries import Entry
from sbc_sim.journal.view import CallView


def fold(call: str, entries: Iterable[Entry]) -> CallView:
    """Fold all entries of a call."""
    view = CallView(call)
    for entry in entries:
        view.add(entry)
    return view
