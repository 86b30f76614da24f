"""What may be said of an INVITE that was not read whole: what was seen of it, and nothing about what may stand in the rest."""

from __future__ import annotations

from sbc_sim.rules.finding import Finding, Status
from sbc_sim.rules.outcome import skipped

_OF_THE_WHOLE = ("SBC-HDR-001", "SBC-HDR-002")
"""Rules that choose among header fields: another one may be in what was not read."""
_FORM = tuple(f"SBC-SIP-{number:03d}" for number in range(1, 17))
"""Rules of the grammar, which are said to hold when a message was read."""
_ABOUT_HEADERS = ("SBC-HDR-", "SBC-UUI-", "SBC-SIP-029", "SBC-SIP-030")


def only_read(findings: list[Finding], why: str) -> list[Finding]:
    """Keep what rests on what was read of an INVITE; `why` tells why that was not everything."""
    return [finding if _rests_on_what_was_read(finding) else skipped(finding.rule, why) for finding in findings]


def _rests_on_what_was_read(finding: Finding) -> bool:
    rule = finding.rule
    if rule in _OF_THE_WHOLE or (rule in _FORM and finding.status is Status.PASS):
        return False
    if not rule.startswith(_ABOUT_HEADERS):
        return True
    return finding.status is Status.PASS or bool(finding.evidence)
