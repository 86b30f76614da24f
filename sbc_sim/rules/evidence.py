"""Evidence: what is known about one call, as the rules see it. Filled by calls/ as the call goes on, or by an offline judge."""

from __future__ import annotations

from dataclasses import dataclass, field

from sbc_sim.rtp.leg import LegDescription, LegReport
from sbc_sim.rules.journey import Journey
from sbc_sim.rules.provocation import Provocation
from sbc_sim.sdp.answer import Negotiation
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.uui import Uui


@dataclass(slots=True)
class Evidence:
    """Everything known about one call so far; None or empty means: not reached, or not seen."""

    peer: Peer | None = None
    invite: Request | None = None
    unread_headers: str = ""
    """Non-empty: why the header section of the INVITE was not read whole; what is not seen in it may be there."""
    unread_content: str = ""
    """Non-empty: why User-to-User and session description of the INVITE were not looked at; whether there are any is not known."""
    uui: Uui | None = None
    offer: bytes | None = None
    """The peer's SDP (its offer, or its answer to our offer)."""
    offered_by_us: bool = False
    negotiation: Negotiation | None = None
    leg: LegDescription | None = None
    report: LegReport | None = None
    """None until media was started; the last report otherwise."""
    scenario: str = "echo"
    """What the call reached: echo, agent or the name of a test number. Whether it was an agent: `journey.expected`."""
    invited_at: float | None = None
    answered_at: float | None = None
    """200 sent."""
    acknowledged_at: float | None = None
    ended_at: float | None = None
    ended_by: str = ""
    """partner | sbc"""
    end_reason: str = ""
    """normal | cancelled | no-ack | no-prack | media-timeout | max-duration | session-expired | refused | api | shutdown
    | fault (ended on purpose) | escalated | returned | agent-ended | agent-limit (neither is an escalation)"""
    refused_status: int | None = None
    held_s: float = 0.0
    """Seconds on hold between answer and end."""
    methods: dict[str, int] = field(default_factory=dict)
    """In-dialog requests received by method."""
    refer_seen: bool = False
    bye_reason: str | None = None
    """Reason header of the peer's BYE, verbatim."""
    malformed_in_dialog: int = 0
    """Messages of the dialog, ACKs among them, that could not be read."""
    dialog_errors: list[str] = field(default_factory=list)
    """Sentences about in-dialog mistakes of the peer: old CSeq, offer while pending, ACK with another CSeq ..."""
    outbound: bool = False
    """We placed this call: `invite` is ours, and what is judged is how the partner answers."""
    journey: Journey = field(default_factory=Journey)
    provocation: Provocation = field(default_factory=Provocation)
    overloaded: str = ""
    """Non-empty: why no call can be taken now (limits.calls, limits.calls_per_second, media ports), quoted in the 503."""
