"""Conduct: how the far end behaves towards one call, chosen once, when its INVITE was found in order.

Without a test number and without a fault the conduct is the plain one, and nothing of what stands here costs a call anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.calls.region import Place
from sbc_sim.calls.scenario import Scenario
from sbc_sim.rtp.leg import MediaConduct
from sbc_sim.sip.uui import Uui


@dataclass(frozen=True, slots=True)
class CallFacts:
    """By what a conduct is chosen."""

    call: str
    number: str
    """User part of the Request-URI, percent-decoded; empty when there is none."""
    uui: Uui | None
    place: Place
    host: str = ""
    """Address that the call comes from; empty when not known."""
    caller: str = ""
    """User part of From: behind one address there may be many customers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer that is given on purpose."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Conduct:
    """What is done on purpose. Times in seconds."""

    scenario: str = "echo"
    """What the call reaches: ``echo``, ``agent`` or the name of a test number: as in the call JSON."""
    why: str = ""
    """How it was chosen, in words: ``any number: the echo``, ``User-to-User names org 00D...``."""
    answer: Answer | None = None
    """Refuse, or redirect, with this."""
    silent: bool = False
    """No answer but 100."""
    never_answer: bool = False
    """Ring until the partner gives up."""
    ring_seconds: float | None = None
    """From 180 to 200; None: as set."""
    early_media: bool = False
    """183 with SDP, and audio before the answer."""
    hang_up_after: float | None = None
    """After the ACK; 0: at once."""
    reset_after: float | None = None
    """Drop the TCP connection so long after the ACK."""
    ignore_bye: bool = False
    """Leave the partner's BYE without an answer."""
    hold_after: float | None = None
    """Hold by re-INVITE so long after the ACK, and resume as much later."""
    refresh_after: float | None = None
    """Refresh the session so long after the ACK."""
    renew_certificate_after: float | None = None
    """Show another server certificate on new connections so long after the ACK."""
    escalate_after: float | None = None
    escalate_mode: str = ""
    """Empty: as set."""
    agent: Scenario | None = None
    """What the agent says and does; None: the echo answers."""
    media: MediaConduct = field(default_factory=MediaConduct)
    waited: bool = False
    """The same caller was refused with Retry-After before, ..."""
    retried: str = ""
    """... and comes back too early: how much, in words."""
    faults: tuple[Mapping[str, Any], ...] = ()
    """What is done wrong on purpose, as it stands in every verdict that it touches: name, type, parameters."""


Choose = Callable[[CallFacts, float], Conduct]
"""Choose a conduct for a call at a time in unix seconds; may count and expire faults."""


def plain(facts: CallFacts, now: float) -> Conduct:
    """The echo for everything: what a switchboard does that is told nothing else."""
    return Conduct(why="any number: the echo")
