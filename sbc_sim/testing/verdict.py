"""What the rules say of a call, as values whose text tells a reader of a test report what to do."""

from __future__ import annotations

import difflib
import fnmatch
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
WIDTH = 110
"""Columns of a finding's text."""
MOST_EVIDENCE = 4
"""Pieces of evidence of one finding in a message."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of a call."""

    rule: str
    """``SBC-UUI-002``"""
    status: str
    """``pass``, ``warn``, ``fail``, ``skip`` (did not apply) or ``unknown`` (could not be told)."""
    title: str
    """What the rule wants."""
    detail: str
    """What was seen."""
    fix: str = field(default="", repr=False)
    why: str = field(default="", repr=False)
    source: str = field(default="", repr=False)
    severity: str = field(default="", repr=False)
    evidence: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Pieces of the traffic: message, header, text."""
    platforms: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What to set, by platform."""

    @property
    def passed(self) -> bool:
        """True when the rule was kept. One that did not apply was not: see `status`."""
        return self.status == "pass"

    @property
    def failed(self) -> bool:
        """True when the rule was broken."""
        return self.status == "fail"

    def text(self) -> str:
        """Several lines: what was seen, where, and how to mend it."""
        lines = [f"{self.status.upper()} {self.rule}  {self.title}", *_told("seen", self.detail)]
        for piece in self.evidence[:MOST_EVIDENCE]:
            lines += _told("at", f"{piece.get('message')}, {piece.get('header')}: {piece.get('text')}")
        return "\n".join([*lines, *_told("fix", self.fix), *_told("source", self.source)])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all rules say of a call."""

    status: str
    """``pass``, ``warn`` or ``fail``."""
    final: bool
    """False while the call goes on."""
    counts: Mapping[str, int]
    """By status of the findings."""
    findings: tuple[Finding, ...] = field(repr=False)
    """One for each rule."""

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The rules that were broken."""
        return tuple(finding for finding in self.findings if finding.status == "fail")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What works and may not elsewhere."""
        return tuple(finding for finding in self.findings if finding.status == "warn")

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def rule(self, name: str) -> Finding:
        """Give the finding of one rule. Raises LookupError naming the nearest rule that there is."""
        found = next((finding for finding in self.findings if finding.rule == name.upper()), None)
        if found is None:
            known = f"is no rule{self._near(name)}" if self.final else "has not spoken: not all rules do before the end of a call"
            raise LookupError(f"{name} {known}")
        return found

    def against(self, ignore: Iterable[str] = (), strict: bool = False) -> tuple[Finding, ...]:
        """List what keeps a call from having passed: broken rules, and warnings too when `strict`.

        `ignore`: ids of rules, or patterns as SBC-MEDIA-*. Raises LookupError for one that fits no rule, so that no typing mistake stays.
        """
        patterns = [ignore] if isinstance(ignore, str) else [pattern.upper() for pattern in ignore]
        for pattern in patterns:
            if self.final and not any(fnmatch.fnmatchcase(finding.rule, pattern) for finding in self.findings):
                raise LookupError(f"ignore={pattern!r} fits no rule{self._near(pattern)}")
        bad = (*self.failed, *self.warnings) if strict else self.failed
        return tuple(finding for finding in bad if not any(fnmatch.fnmatchcase(finding.rule, pattern) for pattern in patterns))

    def _near(self, name: str) -> str:
        near = difflib.get_close_matches(name.upper(), [finding.rule for finding in self.findings], n=1, cutoff=0.0)
        return f"; the nearest is {near[0]}" if near else ""


def verdict_of(told: Mapping[str, Any]) -> Verdict:
    """Read the answer of GET /api/v1/calls/{id}/verdict."""
    return Verdict(
        str(told.get("status", "")),
        bool(told.get("final")),
        dict(told.get("counts") or {}),
        tuple(finding_of(finding) for finding in told.get("findings") or ()),
    )


def finding_of(told: Mapping[str, Any]) -> Finding:
    """Read one finding as the API tells it."""
    texts = {name: str(told.get(name) or "") for name in ("rule", "status", "title", "detail", "fix", "why", "source", "severity")}
    return Finding(**texts, evidence=tuple(told.get("evidence") or ()), platforms=dict(told.get("platforms") or {}))


def _told(name: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {name:<7} ", subsequent_indent=" " * 10) if text else []
