"""A rule, a finding about one call, and the verdict: the values that everything else shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Status(StrEnum):
    """What a rule said about a call."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    """The call never reached the point where the rule applies."""
    UNKNOWN = "unknown"
    """The rule rests on a guess about Salesforce and cannot be decided."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The place that shows a finding."""

    text: str
    """Verbatim text, control characters escaped, secrets masked."""
    header: str = ""
    """Header name, ``start line``, ``SDP line 7``, ``RTP``, ``TLS``."""
    offset: int | None = None
    """Position of the first offending character within ``text``, from 0."""
    message: str = ""
    """Which message: ``INVITE``, ``200 OK`` ... as in the ladder."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a broken rule is answered on the wire."""

    status: int
    warn_code: int = 399
    """Warning code (RFC 3261 section 20.43)."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers that the status demands: Allow, Accept, Unsupported, Retry-After, Min-SE ..."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says about one call."""

    rule: str
    """Rule id, for example SBC-UUI-002."""
    status: Status
    detail: str
    """What was seen in this call, in one or two plain sentences with the values."""
    evidence: tuple[Quote, ...] = ()
    fix: str = ""
    """What to change in this very case; empty: the rule's general advice."""
    refusal: Refusal | None = None
    """Set when the finding must be answered with a refusal."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the catalogue. Ids are never reused."""

    id: str
    title: str
    """The rule as a demand: what must hold."""
    severity: str
    """``must`` (a standard or the guide says so), ``profile`` (Salesforce is silent: a setting), ``advice``."""
    why: str
    fix: str
    source: str
    """RFC section or page of facts that the rule follows."""
    platforms: Mapping[str, str] = field(default_factory=dict)
    """Platform name -> the setting to look at."""
    setting: str = ""
    """Our setting that governs the rule, if any."""
    keywords: tuple[str, ...] = ()
    """Words by which ``explain`` finds it too: status codes, alert names."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole of the findings about a call."""

    status: Status
    """fail when any finding failed, else warn when any warned, else pass."""
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by status."""
        return {status.value: sum(f.status is status for f in self.findings) for status in Status}


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Sum up findings: the worst of fail, warn, pass; skip and unknown do not count."""
    kept = tuple(findings)
    seen = {f.status for f in kept}
    worst = next((s for s in (Status.FAIL, Status.WARN) if s in seen), Status.PASS)
    return Verdict(worst, kept)


_WORSE = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.PASS, Status.SKIP)


def with_found(judged: Verdict, found: Iterable[Finding]) -> Verdict:
    """Put findings made on the way where the judge spoke of the same rule without knowing them.

    Several about one rule become one: the worst, with how many there were.
    """
    by_rule: dict[str, list[Finding]] = {}
    for finding in found:
        by_rule.setdefault(finding.rule, []).append(finding)
    kept = [_joined(by_rule.pop(f.rule, []), f) for f in judged.findings]
    return verdict(_agreeing([*kept, *(_joined(rest, rest[0]) for rest in by_rule.values())]))


_READABLE = "SBC-DLG-012"
_FORM = tuple(f"SBC-SIP-{number:03d}" for number in range(1, 17))
"""Rules of the grammar."""


def _agreeing(findings: list[Finding]) -> list[Finding]:
    """Let "every message could be read" not stand beside a message that could not."""
    unread = [f.rule for f in findings if f.rule in _FORM and f.status is Status.FAIL]
    if not unread:
        return findings
    detail = f"A message of this call could not be read: see {', '.join(unread)}."
    return [replace(f, status=Status.FAIL, detail=detail) if f.rule == _READABLE and f.status is Status.PASS else f for f in findings]


def _joined(found: list[Finding], judged: Finding) -> Finding:
    if not found:
        return judged
    worst = min(found, key=lambda f: _WORSE.index(f.status))
    return worst if len(found) == 1 else replace(worst, detail=f"{worst.detail} ({len(found)} times in this call)")
