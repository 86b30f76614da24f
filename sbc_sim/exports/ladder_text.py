"""The ladder as text for terminals: 80 to 120 columns, no colour codes."""

from __future__ import annotations

from sbc_sim.journal.store import Trace


def ladder_text(trace: Trace, width: int = 100, plain: bool = False) -> str:
    """Draw the call as text that ends in a newline; `plain` keeps to ASCII. `width` is brought into 80 to 120."""
    raise NotImplementedError
