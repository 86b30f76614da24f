"""The partner check: what becomes of the customer after an escalation (requirements 111-113).

Facts come from the voice calls of the Telephony Integration API, or by word of the API. The first leg is long over by then, so each change
is a journal entry of its own and leads to a new verdict. After `escalation.check_seconds` what is not known stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sbc_sim.calls.companion import Acts
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.journey import Journey, ReturnTrouble

MOST_CHECKS = 2000
"""Calls whose check is open, or can still be told of; the oldest go first."""
MOST_ENTRIES = 20
"""Changes of one call that are written down."""
LOOK = 0.5
"""Seconds between two looks at the voice calls."""

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
    entries: int = 0
    open: bool = True


class PartnerChecks:
    """All checks of a switchboard."""

    def __init__(self, voice_calls: VoiceCalls) -> None:
        """Know of none."""
        self._voice_calls = voice_calls
        self._checks: dict[str, _Check] = {}
        self._look_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When `advance` must be called next."""
        return self._look_at

    @property
    def waiting(self) -> int:
        """Checks that are open."""
        return sum(check.open for check in self._checks.values())

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
            self._close(self._checks.pop(next(iter(self._checks))), now)
        self._checks[call.id] = _Check(call, now + journey.check_seconds)
        self._look_at = now

    def tell(self, call_id: str, word: PartnerWord, now: float) -> bool:
        """Take the partner's word, also after the window has closed; False when no such check is known."""
        check = self._checks.get(call_id)
        if check is None:
            return False
        journey = check.call.evidence.journey
        for name in ("customer_alive", "rep_reached", "linked"):
            said = getattr(word, name)
            if said is not None:
                setattr(journey, name, said)
        journey.rep_call = word.rep_call or journey.rep_call
        journey.check_text = word.text or journey.check_text
        if journey.rep_reached and journey.customer_alive is None:
            journey.customer_alive = True
        self._changed(check, "api", now)
        return True

    def advance(self, now: float) -> None:
        """Look at the voice calls, and close what has waited long enough."""
        if self._look_at is None or now < self._look_at:
            return
        for check in list(self._checks.values()):
            if check.open:
                self._look(check, now)
        self._look_at = min((min(check.until, now + LOOK) for check in self._checks.values() if check.open), default=None)

    def look_now(self, now: float) -> None:
        """A voice call has changed: look at once."""
        if self._look_at is not None:
            self._look_at = now
            self.advance(now)

    def close_all(self, now: float) -> None:
        """Wait for nothing more: the simulator is shut down."""
        for check in self._checks.values():
            self._close(check, now)
        self._look_at = None

    def _look(self, check: _Check, now: float) -> None:
        journey = check.call.evidence.journey
        if journey.voice_call is not None and take_records(journey, self._voice_calls(journey.voice_call)):
            self._changed(check, "rest", now)
        if check.open and now >= check.until:
            self._close(check, now)

    def _changed(self, check: _Check, by: str, now: float) -> None:
        journey = check.call.evidence.journey
        if _complete(journey) or (by == "api" and journey.customer_alive is False):
            journey.checked, check.open = "done", False
        self._write(check, by, now)

    def _close(self, check: _Check, now: float) -> None:
        if check.open:
            journey = check.call.evidence.journey
            journey.checked = "done" if journey.rep_reached else "late"
            check.open = False
            self._write(check, "deadline", now)

    def _write(self, check: _Check, by: str, now: float) -> None:
        if check.entries < MOST_ENTRIES:
            check.entries += 1
            check.call.record(Kind.PARTNER_CHECK, now, check_data(check.call.evidence.journey, by))
            check.call.judge_again(now)


def _complete(journey: Journey) -> bool:
    """Nothing more can be learnt: a rep was reached and it is known whether the records are linked, or there will be none."""
    if journey.customer_alive is None or journey.rep_reached is None:
        return False
    return journey.linked is not None or not journey.rep_reached


def check_data(journey: Journey, by: str) -> dict[str, Any]:
    """Tell what is known: PARTNER_CHECK."""
    return {
        "customerAlive": journey.customer_alive,
        "repReached": journey.rep_reached,
        "linked": journey.linked,
        "repCall": journey.rep_call,
        "by": by,
        "state": journey.checked,
        "text": journey.check_text or _in_words(journey),
    }


def _in_words(journey: Journey) -> str:
    if journey.customer_alive is False:
        return "the partner treated BYE as end of call: the customer's leg was dropped"
    if journey.rep_reached:
        linked = {True: ", and its record is linked", False: ", but its record is not linked", None: ""}
        return f"a rep took the call{linked[journey.linked]}"
    if journey.checked == "late":
        return "the partner treated BYE as end of call, as far as can be told: no rep was reached in time"
    return "waiting for the rep"


# --- from the records of the Telephony Integration API ---------------------------------------------------------------


def take_records(journey: Journey, voice_calls: Sequence[Mapping[str, Any]]) -> bool:
    """Take what voice calls tell of an escalated one (`journey.voice_call`); True when that is news."""
    before = (journey.customer_alive, journey.rep_reached, journey.linked, journey.rep_call)
    first = journey.voice_call or {}
    now_first = next((record for record in voice_calls if same_call(record, first)), first)
    others = [record for record in voice_calls if not same_call(record, first)]
    linked = [record for record in others if refers_to(record, first)]
    goes_on = (now_first,) if has_rep(now_first) and _rep_of(now_first) != _rep_of(journey.voice_call_then) else ()
    taken = next((record for record in (*linked, *goes_on, *others) if has_rep(record)), None)
    if taken is not None:
        journey.rep_reached, journey.customer_alive = True, True
        journey.linked = taken is now_first or refers_to(taken, first)
        journey.rep_call = str(taken.get("voiceCallId") or "")
    elif linked:
        journey.customer_alive = True
        journey.rep_call = str(linked[0].get("voiceCallId") or "")
    elif has_ended(now_first) and not has_ended(journey.voice_call_then):
        journey.customer_alive = False
    return before != (journey.customer_alive, journey.rep_reached, journey.linked, journey.rep_call)


def same_call(record: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Tell whether two records are of the same voice call."""
    return bool(record.get("voiceCallId")) and _short(record.get("voiceCallId")) == _short(first.get("voiceCallId"))


def refers_to(record: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Tell whether a record names another as its parent, or carries its vendorCallKey (requirement 112)."""
    parent = record.get("parentVoiceCallId")
    keys = {_short(first.get("voiceCallId")), str(first.get("vendorCallKey") or "")} - {""}
    return _short(parent) in keys or str(parent or "") in keys or str(record.get("vendorCallKey") or "") in keys


def has_rep(record: Mapping[str, Any]) -> bool:
    """Tell whether a rep has accepted the call of a record."""
    return bool(record.get("acceptTime") or record.get("agent"))


def _rep_of(record: Mapping[str, Any]) -> tuple[object, object]:
    return record.get("acceptTime"), record.get("agent")


def has_ended(record: Mapping[str, Any]) -> bool:
    """Tell whether the partner has said that the call of a record is over."""
    return bool(record.get("endTime")) or record.get("isActiveCall") is False


def _short(value: object) -> str:
    """Ids of 15 and 18 characters name the same record."""
    return str(value or "")[:15]
