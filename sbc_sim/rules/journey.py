"""The whole flow around a SIP call, as the rules of the area E2E see it: its voice call, its escalation, its return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Journey:
    """What is known so far. Times are unix seconds; None or empty: not reached, or not known."""

    expected: bool = False
    """The call reached the agent, so that there should be a voice call and, after an escalation, a human rep."""
    voice_call: Mapping[str, Any] | None = None
    """The voice call that the User-to-User value names, as in VOICE_CALL, as it is now."""
    known_at_invite: bool | None = None
    """Whether it was there when the INVITE came."""
    escalated_at: float | None = None
    mode: str = ""
    """bye | bye+data | invite-back | refer"""
    trouble: str = ""
    """Why the return failed, in a sentence."""
    checked: str = ""
    """Empty: no escalation; ``waiting``; ``done``; ``late``: the time for it ran out."""
    customer_alive: bool | None = None
    """The partner kept the customer's leg after our BYE."""
    rep_reached: bool | None = None
    linked: bool | None = None
    """The rep's voice call refers to the first one."""
    rep_call: str = ""
