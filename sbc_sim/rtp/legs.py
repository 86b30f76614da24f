"""Which leg a description asks for. Media faults are put around a leg here, so that no kind of leg knows of them."""

from __future__ import annotations

from collections.abc import Mapping

from sbc_sim.rtp.agent import AgentLeg
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.rtp.mute import MuteLeg
from sbc_sim.rtp.ringing import RingingLeg

KINDS: Mapping[str, type[Endpoint]] = {"echo": EchoLeg, "agent": AgentLeg, "mute": MuteLeg, "ringing": RingingLeg}
"""By `MediaConduct.kind`."""


def make_leg(description: LegDescription, now: float) -> Endpoint:
    """Make the leg that `description.conduct` asks for; raise ValueError for a kind, suite or key that cannot be used."""
    kind = KINDS.get(description.conduct.kind)
    if kind is None:
        raise ValueError(f"a leg of kind {description.conduct.kind!r}: {', '.join(KINDS)}")
    if description.conduct.faults:
        from sbc_sim.rtp.faults import faulty  # only who asks for faults pays for them

        kind = faulty(kind)
    return kind(description, now)
