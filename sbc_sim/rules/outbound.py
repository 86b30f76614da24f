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
    "SBC-DLG-001",
    "SBC-DLG-007",
    "SBC-DLG-013",
)
"""Rules about an INVITE that comes to us, and about the ACK that is ours to send."""
_NOT_ASKED = ("SBC-MEDIA-001", "SBC-MEDIA-005")
"""Nobody echoes here, and a rep who says nothing yet is no fault."""


def only_theirs(findings: list[Finding]) -> list[Finding]:
    """Keep what the partner's side of the call can break."""
    return [_theirs(finding) for finding in findings]


def _theirs(finding: Finding) -> Finding:
    if finding.rule.startswith(_OURS):
        return skipped(finding.rule, "We placed this call: the INVITE is ours.")
    return skipped(finding.rule, "Nothing is asked of what is said on a call back.") if finding.rule in _NOT_ASKED else finding
