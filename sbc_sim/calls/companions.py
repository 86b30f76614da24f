"""Who goes along with a call, by its conduct: one line for each kind."""

from __future__ import annotations

from sbc_sim.calls.companion import Acts, Companion
from sbc_sim.calls.conduct import Conduct


def companions(conduct: Conduct, acts: Acts) -> list[Companion]:
    """Give the companions of a call that is about to ring, the most urgent one first."""
    found: list[Companion] = []
    return found
