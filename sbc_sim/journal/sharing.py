"""Equal findings kept once. A verdict names every rule, and most of what it says is the same from call to call."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

from sbc_sim.journal.entries import Entry, Kind

MOST_SHARED = 20_000

Finding = Mapping[str, Any]


class SharedFindings:
    """Gives equal findings of different verdicts the same place in memory."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[Hashable, Finding] = {}
        self._platforms: dict[str, Any] = {}

    def shared(self, entry: Entry) -> Entry:
        """Return an equal entry; that of a verdict refers to findings that are known already where they are equal."""
        if entry.kind is not Kind.VERDICT or not entry.data.get("findings"):
            return entry
        return replace(entry, data={**entry.data, "findings": [self._one(finding) for finding in entry.data["findings"]]})

    def _one(self, finding: Finding) -> Finding:
        evidence = finding.get("evidence")
        key = (finding.get("rule"), finding.get("status"), finding.get("detail"), finding.get("fix"), repr(evidence) if evidence else "")
        known = self._known.get(key)
        if known is not None and known == finding:
            return known
        if len(self._known) >= MOST_SHARED:
            self._known.clear()
        kept = self._known[key] = self._with_shared_platforms(finding)
        return kept

    def _with_shared_platforms(self, finding: Finding) -> Finding:
        platforms = finding.get("platforms")
        if platforms and self._platforms.setdefault(str(finding.get("rule")), platforms) == platforms:
            return {**finding, "platforms": self._platforms[str(finding.get("rule"))]}
        return finding
