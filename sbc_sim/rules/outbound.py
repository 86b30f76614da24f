"""What may be said of a call that we placed: how the partner answered it, not how our own INVITE looks."""

from __future__ import annotations

from sbc_sim.rules.finding import Finding
from sbc_sim.rules.outcome import skipped

_OURS = (
    "SBC-SIP-",
    "SBC-HDR-",
    "SBC-UUI-",
    "SBC-NET-001",
    "SBC-NET-002",
    "SBC-NET-003",
    "SBC-SDP-002",
    "SBC-MEDIA-001",
    "SBC-DLG-001",
    "SBC-DLG-007",
)
"""Rules about an INVITE that comes to us, about the echo, and about the ACK that is ours to send."""


def only_theirs(findings: list[Finding]) -> list[Finding]:
    """Keep what the partner's side of the call can break."""
    why = "We placed this call: the INVITE is ours."
    return [skipped(finding.rule, why) if finding.rule.startswith(_OURS) else finding for finding in findings]
