"""Settings of `serve` with several processes.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text at start.
"""

from pydantic import Field

from sbc_sim.settings_values import Ports, Section

MOST_WORKERS = 64


class Workers(Section):
    """Several processes that share the ports and the journal, for more calls than one processor carries."""

    count: int = Field(1, ge=1, le=MOST_WORKERS, description="Processes that take calls. 1: no others.")
    sip_ports: Ports | None = Field(
        None,
        description="A SIP port for each worker alone, which its Contact names; 0: any free ones. Default: those after that of sip.listen.",
    )
