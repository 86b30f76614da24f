"""The partner check: what becomes of the customer after an escalation (requirements 111-113).

Facts come from the voice calls of the Telephony Integration API, or by word of the API. The first leg is long over by then, so each change
is a journal entry of its own and leads to a new verdict. What can still be overtaken (the agent's record closed, a rep's record that names
no other) counts only when `escalation.check_seconds` are over. What is learnt later, for up to an hour, replaces the verdict of then and is
told with its delay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sbc_sim.calls.companion import Acts
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.escalation import doubtful_rep, told_late
from sbc_sim.rules.journey import Journey, ReturnTrouble
from sbc_sim.telephony.ids import short_id
from sbc_sim.telephony.record import VoiceCall

MOST_CHECKS = 2000
"""Calls whose check is open, or can still be told of; the oldest go first."""
LATE_S = 3600.0
"""So long after the window what voice calls tell still counts: a rep may take long, and a rehearsal waits for one."""
MOST_ENTRIES = 20
"""Changes of one call that are written down."""

VoiceCalls = Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
"""Give the voice calls that may have to do with one: itself as it is now, those that name it, those of the same customer after it."""


@dataclass(frozen=True, slots=True)
class PartnerWord:
    """What the partner says of an escalated call; None: nothing is said."""

    customer_alive: bool | None = None
    rep_reached: bool | None = None
    linked: bool | None = None
    rep_call: str = ""
    text: str = ""


class CheckedCall(Acts, Protocol):
    """A call whose escalation is checked."""

    def judge_again(self, now: float) -> None:
        """Give a new verdict."""


@dataclass(slots=True)
class _Check:
    call: CheckedCall
    until: float
    due: float
    """When to look at it next; news of its voice calls come before that."""
    signs: frozenset[str]
    """By which a voice call can name its own."""
    entries: int = 0
    open: bool = True
    """The window is."""
    watched: bool = True
    """Its voice calls can still tell something."""


class PartnerChecks:
    """All checks of a switchboard."""

    def __init__(self, voice_calls: VoiceCalls) -> None:
        """Know of none."""
        self._voice_calls = voice_calls
        self._checks: dict[str, _Check] = {}
        self._open: dict[str, _Check] = {}
        self._by_sign: dict[str, dict[str, _Check]] = {}
        self.deadline: float | None = None
        """When `advance` must be called next."""

    @property
    def waiting(self) -> int:
        """Checks that are open."""
        return len(self._open)

    def knows(self, call_id: str) -> bool:
        """Tell whether the partner's word about a call can be taken."""
        return call_id in self._checks

    def begin(self, call: CheckedCall, now: float) -> None:
        """Open the check of a call whose first leg has just ended."""
        journey = call.evidence.journey
        back = journey.returning
        if back is not None and back.trouble is ReturnTrouble.HUNG_UP:
            return
        journey.checked = "waiting"
        while len(self._checks) >= MOST_CHECKS:
            self._cut_short(self._checks.pop(next(iter(self._checks))), now)
        check = _Check(call, now + journey.check_seconds, now, _signs(journey.voice_call or {}))
        self._checks[call.id] = self._open[call.id] = check
        for sign in check.signs:
            self._by_sign.setdefault(sign, {})[call.id] = check
        self.deadline = now

    def tell(self, call_id: str, word: PartnerWord, now: float) -> bool:
        """Take the partner's word, also after the window has closed; False when no such check is known."""
        check = self._checks.get(call_id)
        if check is None:
            return False
        journey = check.call.evidence.journey
        before = _known(journey)
        for name in _FACTS:
            said = getattr(word, name)
            if said is not None:
                setattr(journey, name, said)
        journey.rep_doubtful = journey.rep_doubtful and word.rep_reached is None and word.linked is None
        journey.rep_call = word.rep_call or journey.rep_call
        journey.check_text = word.text or journey.check_text
        if journey.rep_reached and journey.customer_alive is None:
            journey.customer_alive = True
        if word.rep_reached and journey.linked is None and journey.voice_call is not None:
            take_records(journey, self._voice_calls(journey.voice_call))
            journey.rep_call = word.rep_call or journey.rep_call
        _note_late(journey, before, now - check.until)
        self._changed(check, "api", now)
        return True

    def advance(self, now: float) -> None:
        """Look at those that have just begun, and close those that have waited long enough."""
        if self.deadline is None or now < self.deadline:
            return
        for check in [check for check in self._open.values() if check.due <= now]:
            self._look(check, now)
            check.due = check.until
        self.deadline = min((check.due for check in self._open.values()), default=None)

    def record_changed(self, record: VoiceCall, now: float) -> None:
        """Look at the checks that a changed voice call is of, or names."""
        touched: dict[str, _Check] = {}
        for sign in {record.id[:15], record.parent, record.parent[:15], record.vendor_call_key} - {""}:
            touched.update(self._by_sign.get(sign, {}))
        for check in touched.values():
            self._look(check, now)

    def close_all(self, now: float) -> None:
        """Wait for nothing more: the simulator is shut down."""
        for check in list(self._open.values()):
            self._cut_short(check, now)
        self.deadline = None

    def _look(self, check: _Check, now: float) -> None:
        if now > check.until + LATE_S and not check.open:
            self._shut(check)
            return
        journey, over = check.call.evidence.journey, now >= check.until
        if take_return(journey):
            self._changed(check, "return", now)
        if check.watched and journey.voice_call is not None:
            before = _known(journey)
            if take_records(journey, self._voice_calls(journey.voice_call), over and check.open):
                _note_late(journey, before, now - check.until)
                self._changed(check, "rest", now)
        if over:
            self._close(check, "done" if journey.rep_reached else "late", "deadline", now)

    def _changed(self, check: _Check, by: str, now: float) -> None:
        journey = check.call.evidence.journey
        if (_complete(journey) and not journey.rep_doubtful) or (by == "api" and journey.customer_alive is False):
            journey.checked = "done"
            self._shut(check)
        self._write(check, by, now)

    def _cut_short(self, check: _Check, now: float) -> None:
        """End a check for a reason of our own, which says nothing of the partner."""
        self._close(check, "done" if check.call.evidence.journey.rep_reached else "cut", "cut", now)

    def _close(self, check: _Check, how: str, by: str, now: float) -> None:
        """End the waiting. What comes late still counts, unless we ended it."""
        was_open, check.open = check.open, False
        self._open.pop(check.call.id, None)
        if by == "cut":
            self._shut(check)
        if was_open:
            check.call.evidence.journey.checked = how
            self._write(check, by, now)

    def _shut(self, check: _Check) -> None:
        """Look at its voice calls no more."""
        check.open = check.watched = False
        self._open.pop(check.call.id, None)
        for sign in check.signs:
            named = self._by_sign.get(sign, {})
            named.pop(check.call.id, None)
            if not named:
                self._by_sign.pop(sign, None)

    def _write(self, check: _Check, by: str, now: float) -> None:
        if check.entries < MOST_ENTRIES:
            check.entries += 1
            check.call.record(Kind.PARTNER_CHECK, now, check_data(check.call.evidence.journey, by))
            check.call.judge_again(now)


_FACTS = ("customer_alive", "rep_reached", "linked")


def _note_late(journey: Journey, before: tuple[object, ...], after_s: float) -> None:
    """Keep which facts became known so many seconds after the window, when it was over."""
    if after_s > 0:
        changed = (name for name, was, now in zip(_FACTS, before, _known(journey), strict=False) if was != now)
        journey.late |= dict.fromkeys(changed, after_s)


def _signs(first: Mapping[str, Any]) -> frozenset[str]:
    return frozenset({short_id(first.get("voiceCallId")), str(first.get("vendorCallKey") or "")} - {""})


def _complete(journey: Journey) -> bool:
    """Nothing more can be learnt: a rep was reached and it is known whether the records are linked, or there will be none."""
    if journey.customer_alive is None or journey.rep_reached is None:
        return False
    return journey.linked is not None or not journey.rep_reached


_MEMBERS = {"customer_alive": "customerAlive", "rep_reached": "repReached", "linked": "linked"}


def check_data(journey: Journey, by: str) -> dict[str, Any]:
    """Tell what is known: PARTNER_CHECK."""
    return {
        "customerAlive": journey.customer_alive,
        "repReached": journey.rep_reached,
        "linked": journey.linked,
        "repCall": journey.rep_call,
        "late": {_MEMBERS[name]: round(seconds, 1) for name, seconds in journey.late.items()},
        "by": by,
        "state": journey.checked,
        "text": journey.check_text or _in_words(journey),
    }


def _in_words(journey: Journey) -> str:
    if journey.customer_alive is False:
        return "the partner treated BYE as end of call: the customer's leg was dropped"
    if journey.rep_doubtful:
        return f"{doubtful_rep(journey)}, so that it may be another call"
    if journey.rep_reached:
        linked = {True: ", and its record is linked", False: ", but its record is not linked", None: ""}
        return f"a rep took the call{told_late(journey, 'rep_reached')}{linked[journey.linked]}"
    if journey.checked == "late" and journey.customer_alive:
        return "the customer's leg lives, but no rep was reached in time"
    if journey.checked == "late":
        return "the partner treated BYE as end of call, as far as can be told: no rep was reached in time"
    return "the check was cut short" if journey.checked == "cut" else "waiting for the rep"


# --- from the records of the Telephony Integration API ---------------------------------------------------------------


def take_return(journey: Journey) -> bool:
    """Take it from a call back that came up that the customer was kept; True when that is news."""
    came_up = journey.returning is not None and journey.returning.up_at is not None
    if came_up and journey.customer_alive is None:
        journey.customer_alive = True
        return True
    return False


def take_records(journey: Journey, voice_calls: Sequence[Mapping[str, Any]], last: bool = False) -> bool:
    """Take what voice calls tell of an escalated one (`journey.voice_call`); True when that is news.

    With the `last` look hints count, too: that the first one is closed, and that another one of the same customer has a rep.
    """
    before = _known(journey)
    first = journey.voice_call or {}
    now_first = next((record for record in voice_calls if same_call(record, first)), first)
    others = [record for record in voice_calls if not same_call(record, first)]
    linked = [record for record in others if refers_to(record, first)]
    goes_on = (now_first,) if has_rep(now_first) and _rep_of(now_first) != _rep_of(journey.voice_call_then) else ()
    taken = next((record for record in (*linked, *goes_on) if has_rep(record)), None)
    if taken is not None:
        journey.rep_reached = journey.customer_alive = journey.linked = True
        journey.rep_doubtful = False
        journey.rep_call = str(taken.get("voiceCallId") or "")
    elif linked:
        journey.customer_alive = True
        journey.linked = True if journey.rep_reached else journey.linked
        journey.rep_call = str(linked[0].get("voiceCallId") or "")
    elif last and journey.rep_reached is None:
        _take_hints(journey, now_first, others)
    return before != _known(journey)


def _known(journey: Journey) -> tuple[object, ...]:
    return journey.customer_alive, journey.rep_reached, journey.linked, journey.rep_call


def _take_hints(journey: Journey, now_first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> None:
    """Nothing else came: a rep of the same customer since the escalation may be the one, a closed record means a dropped customer."""
    perhaps = next((record for record in others if has_rep(record) and _since(journey, record)), None)
    if perhaps is not None:
        journey.rep_reached = journey.customer_alive = journey.rep_doubtful = True
        journey.linked = False
        journey.rep_call = str(perhaps.get("voiceCallId") or "")
    elif journey.customer_alive is None and has_ended(now_first) and not has_ended(journey.voice_call_then):
        journey.customer_alive = False


def _since(journey: Journey, record: Mapping[str, Any]) -> bool:
    """Tell whether a record was made since the escalation; the last look comes when the window closes."""
    made = record.get("createdAt")
    return isinstance(made, int | float) and journey.escalated_at is not None and made >= journey.escalated_at


def same_call(record: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Tell whether two records are of the same voice call."""
    return bool(record.get("voiceCallId")) and short_id(record.get("voiceCallId")) == short_id(first.get("voiceCallId"))


def refers_to(record: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Tell whether a record names another as its parent, or carries its vendorCallKey (requirement 112)."""
    parent = record.get("parentVoiceCallId")
    keys = {short_id(first.get("voiceCallId")), str(first.get("vendorCallKey") or "")} - {""}
    return short_id(parent) in keys or str(parent or "") in keys or str(record.get("vendorCallKey") or "") in keys


def has_rep(record: Mapping[str, Any]) -> bool:
    """Tell whether a rep has accepted the call of a record."""
    return bool(record.get("acceptTime") or record.get("agent"))


def _rep_of(record: Mapping[str, Any]) -> tuple[object, object]:
    return record.get("acceptTime"), record.get("agent")


def has_ended(record: Mapping[str, Any]) -> bool:
    """Tell whether the partner has said that the call of a record is over."""
    return bool(record.get("endTime")) or record.get("isActiveCall") is False
