"""Who goes along with a call, by its conduct: one line for each kind."""

from __future__ import annotations

from sbc_sim.calls.companion import Acts, Companion
from sbc_sim.calls.conduct import Conduct
from sbc_sim.calls.fault_acts import fault_companions


def companions(conduct: Conduct, acts: Acts) -> list[Companion]:
    """Give the companions of a call that is about to ring, the most urgent one first."""
    found: list[Companion] = fault_companions(conduct, acts)
    if conduct.agent is not None:
        from sbc_sim.calls.agent import AgentTalk  # only calls to an agent pay for it

        found.append(AgentTalk(conduct.agent, acts))
    return found
