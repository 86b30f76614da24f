"""The partner's trace against the calls of a rehearsal: what counts for the step `compare` (requirement 143)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sbc_sim.journal.store import Trace
from sbc_sim.offline.changes import Weight
from sbc_sim.offline.compare import ComparedCall, compare, comparison_data
from sbc_sim.rules.policy import Policy
from sbc_sim.traces.recording import Recording

MOST_SENTENCES = 6


def compared(theirs: Recording, ours: Sequence[Trace], policy: Policy, spent: Callable[[], bool]) -> tuple[dict[str, Any], str, bool]:
    """Hold a trace against calls of ours; give the comparisons, the result in sentences, and whether nothing broke on the way."""
    told, broken, matched = [], list[str](), 0
    for trace in ours:
        comparison = compare(theirs, trace, policy, spent)
        told.append({"call": trace.call.id, **comparison_data(comparison)})
        matched += bool(comparison.calls)
        broken += [sentence for call in comparison.calls for sentence in _broken(call)]
    missing = len(ours) - matched
    if not matched:
        return {"comparisons": told}, "None of the calls of this rehearsal is in the partner's trace: their Call-IDs do not meet.", False
    text = f"{matched} of {len(ours)} calls are in both traces."
    text += " Nothing that matters changed on the way." if not broken else " " + " ".join(broken[:MOST_SENTENCES])
    text += f" {len(broken) - MOST_SENTENCES} more changes break something." if len(broken) > MOST_SENTENCES else ""
    text += f" {missing} calls are not in the partner's trace." if missing else ""
    return {"comparisons": told}, text, not broken


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
