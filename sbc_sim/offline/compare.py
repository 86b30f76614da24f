"""The partner's trace against ours: headers that changed on the way, messages lost or repeated, clocks that differ (requirement 143)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sbc_sim.calls.session import capabilities
from sbc_sim.exports.redaction import mask
from sbc_sim.journal.store import Trace
from sbc_sim.offline.changes import Change, Line, Weight, body_lines, changes_between
from sbc_sim.offline.copies import CallCopies, Copy, Pair, calls_of, paired_calls, paired_messages
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Status
from sbc_sim.rules.judge import judge_invite
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.signalling import judge_malformed
from sbc_sim.sdp.answer import negotiate
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.message import Message, Request, check_request
from sbc_sim.sip.text import printable
from sbc_sim.sip.uui import found_elsewhere, read
from sbc_sim.traces.allowance import Allowance, Spent, TimeSpent
from sbc_sim.traces.recording import Recording

MOST_CALLS = 100
_BAD = (Status.WARN, Status.FAIL)


@dataclass(frozen=True, slots=True)
class Compared:
    """One message that both sides saw, or one of them."""

    summary: str
    sequence: tuple[str, str]
    inbound: bool
    """True: from the partner to the SBC."""
    seen_by: str
    """``both`` | ``theirs`` | ``ours``"""
    why: str
    """What it means that one side alone saw it, empty for both."""
    at: float | None
    """When it was sent, as far as known; unix seconds of the sender's clock."""
    delay: float | None
    """Seconds on the way, the difference of the clocks taken out."""
    repeats: tuple[int, int]
    """How often more they and we saw it."""
    changes: tuple[Change, ...]
    body: tuple[Line, ...]
    broken: tuple[Finding, ...]
    """Rules that held for it as it was sent, and not as it arrived."""


@dataclass(frozen=True, slots=True)
class ComparedCall:
    """One call at both ends."""

    theirs: str
    """Call-ID there."""
    ours: str
    matched_by: str
    clock_offset: float | None
    """Seconds that our clock is ahead of theirs, if both ways take equally long."""
    one_way: float | None
    """Shortest time of a message on the way, seconds, under the same condition."""
    messages: tuple[Compared, ...]

    @property
    def worst(self) -> Weight | None:
        """The heaviest change of the call; None when nothing changed."""
        found = {change.weight for message in self.messages for change in message.changes}
        found |= {Weight.BREAKS for message in self.messages if message.broken}
        found |= {Weight.MATTERS for message in self.messages if message.body or (message.why and not message.summary.startswith("100"))}
        return next((weight for weight in Weight if weight in found), None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All calls that both sides have."""

    calls: tuple[ComparedCall, ...]
    notes: tuple[str, ...]


def compare(theirs: Recording | Trace, ours: Recording | Trace, policy: Policy | None = None, spent: Spent | None = None) -> Comparison:
    """Hold the partner's trace against ours. Never raises, whatever the traces hold; what cannot be matched is told in the notes.

    `spent` tells when the time for it is over: the calls compared until then count, a note tells of the others.
    """
    time = Allowance(spent)
    found: dict[str, list[str]] = {"theirs": [], "ours": []}
    sides = [calls_of(theirs, time, found["theirs"]), calls_of(ours, time, found["ours"])]
    notes = [*_notes_of(theirs, "theirs"), *_notes_of(ours, "ours")]
    notes += [f"{name}: {note}" for name, of_side in found.items() for note in of_side]
    notes += [f"{name}: there is no call in this trace." for name, calls in zip(("theirs", "ours"), sides, strict=True) if not calls]
    pairs = list(paired_calls(sides[0], sides[1][:MOST_CALLS], time))
    compared: list[ComparedCall] = []
    for there, here, by in pairs:
        try:
            compared.append(_call(there, here, by, policy or Policy(), time))
        except TimeSpent:
            break
    if time.ended:
        notes.append(f"The time allowed for the traces is over: {len(compared)} calls were compared. Cut the traces to the call.")
    if all(sides):
        matched = {id(here) for _, here, _ in pairs}
        notes += [f"ours: the call {_named(call)} is not in their trace." for call in sides[1][:MOST_CALLS] if id(call) not in matched]
        others = len(sides[0]) - len(pairs)
        if others:
            notes.append(f"theirs: {others} more call{'s' if others > 1 else ''} or legs have no counterpart in ours.")
    return Comparison(tuple(compared), tuple(notes))


def _notes_of(side: Recording | Trace, name: str) -> Iterable[str]:
    return [f"{name}: {note}" for note in side.notes] if isinstance(side, Recording) else []


def _named(call: CallCopies) -> str:
    return printable(call.call_id, 60)


def _call(theirs: CallCopies, ours: CallCopies, matched_by: str, policy: Policy, time: Allowance) -> ComparedCall:
    pairs = paired_messages(theirs, ours)
    offset, one_way = _clocks(pairs)
    messages = tuple(_message(pair, offset, policy, time) for pair in pairs)
    return ComparedCall(theirs.call_id, ours.call_id, matched_by, offset, one_way, messages)


# --- time --------------------------------------------------------------------------------------------------------------------------


def _clocks(pairs: list[Pair]) -> tuple[float | None, float | None]:
    """Estimate the difference of the clocks from the quickest message each way, as NTP does (RFC 5905 section 8)."""
    there, back = (_quickest(pairs, inbound) for inbound in (True, False))
    if there is None or back is None:
        return None, None
    return (there - back) / 2, max(0.0, (there + back) / 2)


def _quickest(pairs: list[Pair], inbound: bool) -> float | None:
    gaps = [_gap(pair) for pair in pairs if pair.known.inbound is inbound and not any(pair.repeats)]
    return min((gap for gap in gaps if gap is not None), default=None)


def _gap(pair: Pair) -> float | None:
    """Seconds from the sender's time to the receiver's, by their own clocks."""
    sent, came = _travel(pair)
    if sent is None or came is None or sent.at is None or came.at is None:
        return None
    return came.at - sent.at


def _travel(pair: Pair) -> tuple[Copy | None, Copy | None]:
    """As sent, as arrived."""
    return (pair.theirs, pair.ours) if pair.known.inbound else (pair.ours, pair.theirs)


# --- one message -------------------------------------------------------------------------------------------------------------------


def _message(pair: Pair, offset: float | None, policy: Policy, time: Allowance) -> Compared:
    time.need(32)
    sent, came = _travel(pair)
    known, gap = pair.known, _gap(pair)
    delay = None if gap is None or offset is None else gap - (offset if known.inbound else -offset)
    changes: tuple[Change, ...] = ()
    body: tuple[Line, ...] = ()
    broken: list[Finding] = []
    if sent is not None and came is not None:
        broken = broken_between(sent.message, came.message, policy)
        changes = tuple(_with_rules(change, broken) for change in changes_between(sent.message, came.message))
        body = tuple(_with_why(body_lines(sent.message.body, came.message.body)))
    return Compared(
        known.summary,
        known.sequence,
        known.inbound,
        "both" if pair.theirs and pair.ours else "theirs" if pair.theirs else "ours",
        _alone(pair),
        (sent or known).at,
        delay,
        pair.repeats,
        changes,
        body,
        tuple(broken),
    )


def _alone(pair: Pair) -> str:
    """What it means that one side did not see a message."""
    if pair.theirs and pair.ours:
        return ""
    copy = pair.known
    if copy.summary.startswith("100 "):
        return "100 goes from hop to hop only"
    sender_saw_it = (pair.theirs is None) is not copy.inbound
    where = "the SBC" if pair.theirs is None else "their end"
    return f"it left {where} and is not in the other trace" if sender_saw_it else f"it came to {where}, but nobody sent it: made on the way"


def _with_rules(change: Change, broken: list[Finding]) -> Change:
    name = change.header.lower()
    rules = tuple(finding.rule for finding in broken if _is_about(finding, name))
    return replace(change, rules=rules, weight=Weight.BREAKS) if rules else change


def _is_about(finding: Finding, header: str) -> bool:
    if "-UUI-" in finding.rule:
        return header == "user-to-user"
    return any(quote.header.lower() == header for quote in finding.evidence)


def _with_why(lines: list[Line]) -> Iterable[Line]:
    """Two lines that look alike once they are masked need a word."""
    shown = [mask(line.text) for line in lines]
    for line, text in zip(lines, shown, strict=True):
        twin = any(other == text and one.sign != line.sign for one, other in zip(lines, shown, strict=True))
        yield replace(line, why="differs within what is masked") if twin and text != line.text else line


def broken_between(before: Message, after: Message, policy: Policy) -> list[Finding]:
    """Find the rules about an INVITE that held before and do not after; worst first."""
    if not isinstance(before, Request) or not isinstance(after, Request) or before.method != "INVITE":
        return []
    held = {finding.rule: finding.status for finding in _findings(before, policy)}
    order = (Status.PASS, Status.SKIP, Status.UNKNOWN, Status.WARN, Status.FAIL)
    worse = [f for f in _findings(after, policy) if f.status in _BAD and order.index(f.status) > order.index(held.get(f.rule, Status.PASS))]
    return sorted(worse, key=lambda finding: finding.status is not Status.FAIL)


def _findings(invite: Request, policy: Policy) -> list[Finding]:
    try:
        check_request(invite)
        offer = sdp_body(invite)
    except MalformedMessage as error:
        return [judge_malformed(error, invite.raw)]
    evidence = Evidence(invite=invite, uui=read(invite.headers, policy.uui_expectation(), found_elsewhere(invite)))
    evidence.offer, evidence.offered_by_us = offer, offer is None
    evidence.negotiation = None if offer is None else negotiate(offer, capabilities(policy))
    return judge_invite(evidence, policy)


# --- telling -----------------------------------------------------------------------------------------------------------------------


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Tell of a comparison as JSON values, in full: whoever shows them masks them."""
    return {"calls": [_call_data(call) for call in comparison.calls], "notes": list(comparison.notes)}


def _call_data(call: ComparedCall) -> dict[str, Any]:
    return {
        "theirCallId": call.theirs,
        "ourCallId": call.ours,
        "matchedBy": call.matched_by,
        "worst": call.worst.value if call.worst else None,
        "clockOffsetMs": _ms(call.clock_offset),
        "oneWayMs": _ms(call.one_way),
        "messages": [_message_data(message) for message in call.messages],
    }


def _message_data(message: Compared) -> dict[str, Any]:
    return {
        "summary": message.summary,
        "cseq": " ".join(message.sequence),
        "direction": "toSbc" if message.inbound else "fromSbc",
        "seenBy": message.seen_by,
        "why": message.why,
        "delayMs": _ms(message.delay),
        "repeats": {"theirs": message.repeats[0], "ours": message.repeats[1]},
        "changes": [_change_data(change) for change in message.changes],
        "body": [{"sign": line.sign, "text": line.text, "why": line.why} for line in message.body],
        "broken": [{"rule": f.rule, "status": f.status.value, "detail": f.detail} for f in message.broken],
    }


def _change_data(change: Change) -> dict[str, Any]:
    return {
        "what": change.what,
        "header": change.header,
        "before": change.before,
        "after": change.after,
        "position": change.position,
        "weight": change.weight.value,
        "why": change.why,
        "rules": list(change.rules),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
