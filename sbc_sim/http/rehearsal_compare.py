"""The partner's trace against the calls of a rehearsal: what counts for the step `compare` (requirement 143)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sbc_sim.journal.store import Trace
from sbc_sim.offline.changes import Weight
from sbc_sim.offline.compare import ComparedCall, Comparison, compare, comparison_data
from sbc_sim.rules.policy import Policy
from sbc_sim.traces.recording import Recording

MOST_SENTENCES = 6
ONLY_ONE = "being the only one"
"""How a comparison says that nothing but the lack of others made it take two calls for one."""


def compared(theirs: Recording, ours: Sequence[Trace], policy: Policy, spent: Callable[[], bool]) -> tuple[dict[str, Any], str, bool]:
    """Hold a trace against calls of ours; give the comparisons, the result in sentences, and whether nothing broke on the way."""
    comparisons = [(trace.call.id, compare(theirs, trace, policy, spent)) for trace in ours]
    told = {"comparisons": [{"call": call, **comparison_data(comparison)} for call, comparison in comparisons]}
    pairs = list(_pairs(comparison for _, comparison in comparisons))
    broken = [sentence for call in pairs for sentence in _broken(call)]
    changed = [header for call in pairs for header in _changed(call)]
    matched = len(pairs)
    if not matched:
        return told, "None of the calls of this rehearsal is in the partner's trace.", False
    text = f"{matched} of {len(ours)} calls are in both traces. "
    text += " ".join(broken[:MOST_SENTENCES]) if broken else _harmless(changed)
    text += f" {len(broken) - MOST_SENTENCES} more changes break something." if len(broken) > MOST_SENTENCES else ""
    return told, text, not broken


def _pairs(comparisons: Iterable[Comparison]) -> Iterator[ComparedCall]:
    """Pairs that are worth something: echo calls look alike, so one call of theirs counts for one of ours, by Call-ID before all else."""
    found = [call for comparison in comparisons for call in comparison.calls if call.matched_by != ONLY_ONE]
    taken: set[str] = set()
    for call in sorted(found, key=lambda call: not call.matched_by.startswith("Call-ID")):
        if call.theirs not in taken:
            taken.add(call.theirs)
            yield call


def _harmless(changed: Iterable[str]) -> str:
    names = sorted(set(changed))
    return f"Nothing broke on the way; changed were {', '.join(names)}." if names else "Nothing that matters changed on the way."


def _changed(call: ComparedCall) -> Iterator[str]:
    """Headers that changed in a way that matters."""
    for message in call.messages:
        yield from (change.header for change in message.changes if change.weight is Weight.MATTERS)
        if message.body:
            yield "the body"


def _broken(call: ComparedCall) -> Iterator[str]:
    """What broke on the way, a sentence each."""
    for message in call.messages:
        for change in message.changes:
            if change.weight is Weight.BREAKS:
                rules = f" ({', '.join(change.rules)})" if change.rules else ""
                yield f"{change.header} of {message.summary} was {change.what} on the way{rules}{f': {change.why}' if change.why else ''}."
        known = {rule for change in message.changes for rule in change.rules}
        for finding in message.broken:
            if finding.rule not in known:
                yield f"{finding.rule} held for {message.summary} as sent, and not as it arrived: {finding.detail}"
