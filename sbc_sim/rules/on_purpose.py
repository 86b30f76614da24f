"""What a fault of ours has caused is not held against the partner: the finding says so, and counts for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sbc_sim.rules.finding import Finding, Status
from sbc_sim.rules.provocation import Provocation

_SHORT = ("SBC-MEDIA-001", "SBC-MEDIA-002", "SBC-MEDIA-003", "SBC-MEDIA-008")
"""What a call that we end early cannot prove."""
_UNHEARD = ("SBC-MEDIA-001", "SBC-MEDIA-003", "SBC-MEDIA-004")
"""What the partner cannot hear, and may hang up for."""
_DEAF = (
    *("SBC-SRTP-009", "SBC-SRTP-010", "SBC-SRTP-011", "SBC-SRTP-012", "SBC-DLG-002"),
    *(f"SBC-MEDIA-{number:03d}" for number in range(1, 21)),
)
"""All that is seen in media which we do not hear."""
_UNANSWERED = ("SBC-DLG-013",)

TOUCHED: Mapping[str, tuple[str, ...]] = {
    "silence": _UNANSWERED,
    "no-answer": _UNANSWERED,
    "slow-answer": _UNANSWERED,
    "early-media": _UNANSWERED,
    "bye-after": _SHORT,
    "bye-at-once": (*_SHORT, "SBC-DLG-001"),
    "escalate": _SHORT,
    "reset": ("SBC-DLG-002", "SBC-DLG-008", "SBC-MEDIA-018"),
    "hold": ("SBC-MEDIA-001", "SBC-MEDIA-018"),
    "loss": ("SBC-MEDIA-004",),
    "burst": ("SBC-MEDIA-004",),
    "jitter": ("SBC-MEDIA-004", "SBC-MEDIA-020"),
    "reorder": ("SBC-MEDIA-004",),
    "duplicate": ("SBC-MEDIA-004",),
    "delay": ("SBC-MEDIA-004", "SBC-MEDIA-020"),
    "one-way": _UNHEARD,
    "one-way in": _DEAF,
    "wrong-key": _UNHEARD,
}
"""Rules whose finding may be a fault's doing, by its type."""


def excused(findings: list[Finding], seen: Provocation) -> list[Finding]:
    """Let what a fault may have caused count for nothing: fail and warn become skip, with the fault's name. Others stay as they are."""
    if not seen.faults:
        return findings
    causes: dict[str, Mapping[str, Any]] = {}
    for fault in seen.faults:
        for rule in TOUCHED.get(_kind(fault), ()):
            causes.setdefault(rule, fault)
    return [_excused(finding, causes[finding.rule]) if finding.rule in causes else finding for finding in findings]


def _kind(fault: Mapping[str, Any]) -> str:
    kind = str(fault.get("type"))
    return f"{kind} in" if kind == "one-way" and fault.get("value") == "in" else kind


def _excused(finding: Finding, fault: Mapping[str, Any]) -> Finding:
    if finding.status not in (Status.FAIL, Status.WARN):
        return finding
    return replace(finding, status=Status.SKIP, detail=f"{finding.detail} Caused by {named(fault)} on purpose.", refusal=None)


def named(fault: Mapping[str, Any]) -> str:
    """Name a fault in a sentence: ``the fault five-busy (busy)``, ``test number 4860 (busy)``."""
    by = str(fault.get("by") or "")
    return f"test {by} ({fault.get('type')})" if by.startswith("number") else f"the fault {fault.get('name')} ({fault.get('type')})"
