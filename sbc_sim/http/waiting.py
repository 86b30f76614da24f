"""Waiting for a call without polling: what is waited for is compared with a call whenever the journal tells something new of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.http.clock import Alarm, Clock
from sbc_sim.http.problem import Problem
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import EVERYTHING, MOST_PER_PAGE, NOTHING, CallQuery, Store
from sbc_sim.journal.view import CallView

MOST_LOOKED_BACK = 2 * MOST_PER_PAGE
"""Calls of the past that a new wish is compared with."""

STATES = ("ringing", "answered", "ended", "rejected")
SAME = {"sipCallId": "sip_call_id", "region": "region", "partner": "partner", "direction": "direction", "scenario": "scenario"}
"""Members of `match` that must be equal, and what they are equal to."""

_URI_USER = re.compile(r"(?:sips?|tel):(?P<user>[^@;>?\s]+)", re.IGNORECASE)
_SEPARATORS = str.maketrans("", "", "-.() ")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which call is waited for, and how far it must be."""

    match: Mapping[str, Any] = field(default_factory=dict)
    state: str = "ended"
    """ringing | answered | ended | rejected; what is past a state has reached it, and a rejected call has ended."""
    after: str | float | None = None
    """Only calls that began after this one (an id) or this time (unix seconds)."""
    after_ordinal: int | None = None
    """The place of the call `after` in the store, when it is still known there."""

    def fits(self, view: CallView) -> bool:
        """True when it is such a call, however far it is."""
        return self._is_after(view) and all(_member_fits(view, name, wanted) for name, wanted in self.match.items())

    def reached(self, view: CallView) -> bool:
        """True when a call is as far as wished."""
        if self.state == "answered":
            return view.answered_at is not None
        if self.state == "rejected":
            return view.state == "rejected"
        return view.over or self.state == "ringing"

    def _is_after(self, view: CallView) -> bool:
        if self.after is None:
            return True
        if isinstance(self.after, str):
            return view.ordinal > self.after_ordinal if self.after_ordinal is not None else view.id > self.after
        return (view.started_at or 0.0) > self.after


@dataclass(slots=True)
class _Waiter:
    wish: Wish
    deferred: Deferred[CallView]
    alarm: Alarm


class Waiting:
    """All who wait for a call."""

    def __init__(self, store: Store, clock: Clock, most: int) -> None:
        """`most`: how many may wait at once."""
        self._store = store
        self._clock = clock
        self._most = most
        self._waiters: list[_Waiter] = []
        self._news: dict[str, None] = {}
        self._looking = False
        store.subscribe(self._heard, others=self._wanted, missed=self._look_anew)

    def __len__(self) -> int:
        """How many wait now."""
        return len(self._waiters)

    def wait(self, wish: Wish, timeout: float) -> Deferred[CallView]:
        """Give the call as soon as there is one; fails with Problem 408 after `timeout` seconds. Raises Problem 503 when too many wait.

        Cancelling ends the waiting. A call that is there already is given at once: the newest, or the first one after `after`.
        """
        deferred: Deferred[CallView] = Deferred(self._forget)
        self._looking = True  # so that nothing falls between the look back and the waiting
        try:
            found = self._look_back(wish)
        finally:
            self._looking = False
        if found is not None:
            deferred.callback(found)
        elif len(self._waiters) >= self._most:
            fix = "Wait with fewer requests at once."
            raise Problem(503, "too-many-waiters", f"{self._most} requests wait already.", fix, (("Retry-After", "1"),))
        else:
            self._waiters.append(_Waiter(wish, deferred, self._clock.callLater(timeout, self._give_up, deferred, timeout)))
        return deferred

    def _wanted(self) -> Collection[Kind]:
        """What other replicas do is read while somebody waits."""
        return EVERYTHING if self._waiters or self._looking else NOTHING

    def _look_back(self, wish: Wish) -> CallView | None:
        fitting = [view for view in self._past() if wish.fits(view) and wish.reached(view)]
        return None if not fitting else fitting[0 if wish.after is None else -1]

    def _past(self) -> list[CallView]:
        """Calls of the past, newest first."""
        past: list[CallView] = []
        cursor: str | None = None
        while len(past) < MOST_LOOKED_BACK:
            page = self._store.calls(CallQuery(limit=MOST_PER_PAGE, cursor=cursor))
            past += page.calls
            cursor = page.next
            if cursor is None:
                break
        return past

    def _heard(self, entry: Entry) -> None:
        if entry.call is None or not self._waiters:
            return
        if not self._news:  # look once the batch of entries is whole: a call ends by several of them
            self._clock.callLater(0, self._look)
        self._news[entry.call] = None

    def _look(self) -> None:
        news, self._news = self._news, {}
        for view in filter(None, map(self._store.call, news)):
            for waiter in [w for w in self._waiters if w.wish.fits(view) and w.wish.reached(view)]:
                self._take(waiter)
                waiter.deferred.callback(view)

    def _look_anew(self) -> None:
        """Look at all calls again: other replicas did more than could be followed."""
        for waiter in tuple(self._waiters):
            found = self._look_back(waiter.wish)
            if found is not None:
                self._take(waiter)
                waiter.deferred.callback(found)

    def _give_up(self, deferred: Deferred[CallView], timeout: float) -> None:
        waiter = next(w for w in self._waiters if w.deferred is deferred)
        self._take(waiter)
        nearly = [{"id": view.id, "state": view.state} for view in self._past() if waiter.wish.fits(view)][:10]
        seen = f"{len(nearly)} such calls came, none got that far" if nearly else "no such call came"
        fix = "Look at /api/v1/calls and /api/v1/attempts: the call may have come with other values, or failed before it was one."
        detail = f"Waited {timeout:g} s for a call that is {waiter.wish.state}: {seen}."
        deferred.errback(Problem(408, "no-such-call-in-time", detail, fix, seen=nearly))

    def _forget(self, deferred: Deferred[CallView]) -> None:
        for waiter in [w for w in self._waiters if w.deferred is deferred]:
            self._take(waiter)

    def _take(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        if waiter.alarm.active():
            waiter.alarm.cancel()


def parse_time(text: str) -> float:
    """Read an RFC 3339 time with its offset; return unix seconds. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))  # a plus sign in a query arrives as a blank
    if moment.tzinfo is None:
        raise ValueError("no offset from UTC")
    return moment.astimezone(UTC).timestamp()


def number_fits(header: str, wanted: str) -> bool:
    """True when a From or To value is the wanted one: verbatim, or by the user part of its URI, separators in numbers aside."""
    if header == wanted or not wanted:
        return header == wanted
    return _user(header) == _user(wanted) or header.partition("<")[2].partition(">")[0] == wanted


def _user(text: str) -> str:
    match = _URI_USER.search(text)
    user = match["user"] if match else text
    return user.translate(_SEPARATORS) if re.fullmatch(r"\+?[\d\-.() ]+", user) else user


def _member_fits(view: CallView, name: str, wanted: Any) -> bool:
    return _MEMBERS[name](view, wanted) if name in _MEMBERS else getattr(view, SAME[name]) == wanted


def _uui_fits(view: CallView, wanted: Any) -> bool:
    uui = view.uui or {}
    if isinstance(wanted, str):
        return wanted in (uui.get("raw"), uui.get("decoded"), str(uui.get("raw")).partition(";")[0])
    fields, named = uui.get("fields") or {}, uui.get("named") or {}
    return all(_value_fits(fields.get(name, fields.get(named.get(name))), value) for name, value in wanted.items())


def _value_fits(found: Any, wanted: Any) -> bool:
    return found == wanted or (found is not None and not isinstance(found, bool | dict | list) and str(found) == str(wanted))


_MEMBERS: Mapping[str, Callable[[CallView, Any], bool]] = {
    "uui": _uui_fits,
    "to": lambda view, wanted: number_fits(view.called, wanted) or number_fits(view.request_uri, wanted),
    "from": lambda view, wanted: number_fits(view.caller, wanted),
}

MATCHABLE = (*_MEMBERS, *SAME)
