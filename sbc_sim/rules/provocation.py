"""What was done wrong on purpose in a call, and how the partner took it: the evidence of the rules SBC-DLG-014 to 019."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Provocation:
    """Empty in nearly every call. Times are unix seconds."""

    faults: tuple[Mapping[str, Any], ...] = ()
    """As in the call JSON: name, type, value, seed, by."""
    refused_at: float | None = None
    """The INVITE was refused or redirected on purpose."""
    refusal_acknowledged_at: float | None = None
    waited: bool = False
    """The caller had been asked to wait by Retry-After, ..."""
    retried: str = ""
    """... and called again too early: how much, in words."""
    unanswered: bool = False
    """The INVITE was left without a final answer."""
    byes: int = 0
    """BYEs of the partner that were left without an answer."""
    packets_after_bye: int | None = None
    """Media that came from half a second after the first of those on; None: not looked at."""
    hold_asked: bool = False
    """We put the call on hold by re-INVITE, ..."""
    hold_status: int | None = None
    """... and this was the answer; 408: none came."""
    hold_direction: str = ""
    """Direction of the partner's answer to it, as written."""
    reset_at: float | None = None
    """We dropped the TCP connection, ..."""
    back_at: float | None = None
    """... and then a request of the dialog came on another one."""

    @property
    def types(self) -> frozenset[str]:
        """Types of the faults."""
        return frozenset(str(fault.get("type")) for fault in self.faults)
