"""How calls are given back, as it is set: plain values that cost nothing to import."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_DATA = '{"orgId":"{orgId}","voiceCallId":"{voiceCallId}","vendorCallKey":"{vendorCallKey}"}'


@dataclass(frozen=True, slots=True)
class EscalationPlan:
    """The settings `escalation.*`. Times in seconds."""

    mode: str = "bye"
    reason: str = ""
    """Reason header of the BYE (RFC 3326), a template; empty: ours."""
    data: str = DEFAULT_DATA
    """User-to-User in clear, a template; it is sent as hex (RFC 7433). Empty: the header is left out."""
    headers: tuple[tuple[str, str], ...] = ()
    """X-headers: name and template."""
    return_uri: str = ""
    """Where a call is given back to when its partner names nothing; empty: the Contact of the call."""
    seconds: float = 20.0
    """How long a call that was given back by INVITE is kept up before our BYE."""
    ring_seconds: float = 30.0
    """Longest wait for an answer to INVITE or REFER, and for the end of a transfer."""
    check_seconds: float = 30.0
    """How long after the escalation the partner check waits."""
