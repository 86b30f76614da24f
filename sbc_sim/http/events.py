"""Events as they happen (server-sent events): what the journal tells, in numbers that a browser can follow.

Nobody listening: an entry costs a note in a ring. Somebody listening: what came since the last turn is written once for all of them;
the updates of one call are folded, and only so many calls are looked at in one turn, so that the reactor stays free for media.

An id is ``<boot>-<number>``. Who comes back with one that the ring still reaches gets what was missed; else the event ``resync`` says
that something was.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sbc_sim.exports.redaction import mask_call, mask_values
from sbc_sim.http.clock import Alarm, Clock
from sbc_sim.http.exchange import Asked, Line, StreamReply, json_text
from sbc_sim.http.problem import Problem
from sbc_sim.http.routes import Route
from sbc_sim.http.telephony_source import voice_call_shown
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import NOTHING, Store, StoreHealth
from sbc_sim.journal.view import rfc3339
from sbc_sim.telephony.record import brief

EVENT_STREAM = "text/event-stream"
TURN = 0.05
"""Seconds between two turns of writing."""
BETWEEN_UPDATES = 0.2
"""Seconds between two updates of one call."""
MOST_CALLS = 20
"""Calls that are written in one turn; the others have theirs in the next."""
KEEP_ALIVE = 15.0
MOST_KEPT = 2000
MOST_KEPT_OCTETS = 8 * 1024 * 1024
MOST_UNREAD = 256 * 1024
"""Octets that may wait for a listener that does not read; then it is cut off."""
MOST_CAUGHT_UP = 512 * 1024
"""Octets of missed events that are sent; whoever missed more reads everything anew."""
MOST_WRITTEN_AT_ONCE = 200
"""Calls that are written for somebody who comes back."""
MOST_COUNTED = 10_000
"""Calls whose messages are counted."""
_NUMBERS = re.compile(r"\d[\d.,]*")
HEADERS = (("X-Accel-Buffering", "no"),)
"""For nginx, which would hold events back."""


@dataclass(slots=True)
class Event:
    """One event."""

    name: str
    call: str | None
    """For call.*: the call that is read once the event is written."""
    data: Mapping[str, Any] | None
    number: int = 0
    octets: bytes = b""
    """As sent, once it was."""


class Events:
    """What happened lately, and who listens."""

    def __init__(self, store: Store, clock: Clock, boot: str, most_listeners: int, most_kept: int = MOST_KEPT) -> None:
        """`boot`: text that no other run of the service has."""
        self._store = store
        self._clock = clock
        self._boot = boot
        self._most_listeners = most_listeners
        self._most_kept = most_kept
        self._ring: deque[Event] = deque()
        self._ring_octets = 0
        self._number = 0
        self._lines: dict[Line, None] = {}
        self._pending: deque[Event] = deque()
        self._due: dict[str, None] = {}
        self._updated: OrderedDict[str, float] = OrderedDict()
        self._counted: OrderedDict[str, int] = OrderedDict()
        self._turn: Alarm | None = None
        self._breath: Alarm | None = None
        self._health = store.health()
        self._heard_all_since = 0
        """Since this event somebody listened, so that what other replicas did is among the events too."""
        self._end = store.subscribe(self._heard, others=self._wanted, missed=self._missed_some)

    def __len__(self) -> int:
        """How many listen now."""
        return len(self._lines)

    def routes(self) -> tuple[Route, ...]:
        """The line for the route table."""
        return (Route("GET", "/api/v1/events", self.follow, "Events as they happen", ("lastEventId",), EVENT_STREAM, problems=(503,)),)

    def follow(self, asked: Asked) -> StreamReply:
        """Begin to tell someone. Raises Problem 503 when too many listen."""
        if len(self._lines) >= self._most_listeners:
            fix = "Close a page, or raise http.listeners."
            raise Problem(503, "too-many-listeners", f"{self._most_listeners} listen already.", fix, (("Retry-After", "5"),))
        last = asked.first("Last-Event-ID") or asked.query.get("lastEventId", "")  # a browser that comes back repeats the old query
        return StreamReply(EVENT_STREAM, lambda line: self._begin(line, last), HEADERS)

    def reset(self) -> None:
        """Tell that the store was emptied."""
        self._tell(Event("reset", None, {}))

    def close(self) -> None:
        """Write what waits, and listen to the store no more."""
        self._end()
        while self._pending:
            self._write_some()
        for alarm in (self._turn, self._breath):
            if alarm is not None and alarm.active():
                alarm.cancel()

    def _wanted(self) -> Collection[Kind]:
        """What other replicas do is read while somebody listens."""
        return TOLD if self._lines else NOTHING

    def _missed_some(self) -> None:
        """Tell that other replicas did more than could be followed: whoever listens reads everything anew."""
        self._tell(Event("resync", None, {}))

    # --- what happened -------------------------------------------------------------------------------------------------

    def _heard(self, entry: Entry) -> None:
        if entry.kind in _OF_NO_CALL:
            told = voice_call_shown(brief(entry.data)) if entry.kind is Kind.VOICE_CALL else entry.data
            self._tell(Event(_OF_NO_CALL[entry.kind], None, {"at": rfc3339(entry.at), **told}))
        if entry.kind is Kind.REHEARSAL:
            self._tell(_rehearsal_event(entry))
        name = _NAMES.get(entry.kind)
        if name is None or (entry.call is None) != (entry.kind is Kind.ATTEMPT):
            return
        if name == "call.updated":
            self._changed(str(entry.call))
            return
        event = Event(name, entry.call, self._data(entry))
        if entry.kind is Kind.CALL_ENDED:
            self._due.pop(str(entry.call), None)
        self._tell(event)

    def _changed(self, call: str) -> None:
        if self._lines:
            self._due[call] = None
            self._wake()
        elif not (self._ring and self._ring[-1].call == call and self._ring[-1].name == "call.updated"):
            self._keep(Event("call.updated", call, None))

    def _tell(self, event: Event) -> None:
        if self._lines:
            self._pending.append(event)
            self._wake()
        else:
            self._keep(event)

    def _data(self, entry: Entry) -> Mapping[str, Any] | None:
        """Give what the event tells; None for a call, which is read when the event is written."""
        data = entry.data
        if entry.kind in (Kind.MESSAGE, Kind.PARSE_ERROR):
            number = self._counted[str(entry.call)] = self._counted.pop(str(entry.call), -1) + 1
            if len(self._counted) > MOST_COUNTED:
                self._counted.popitem(last=False)
            told = {"direction": data.get("direction", "in"), "summary": data.get("summary") or data.get("malformation", "")}
            return {"call": entry.call, "number": number, "at": rfc3339(entry.at), **told}
        if entry.kind is Kind.VERDICT:
            return {"call": entry.call, "status": data.get("status"), "counts": data.get("counts", {})}
        return {"at": rfc3339(entry.at), "id": None, **data} if entry.kind is Kind.ATTEMPT else None

    def _keep(self, event: Event) -> None:
        self._number += 1
        event.number = self._number
        self._ring.append(event)
        self._ring_octets += len(event.octets)
        while len(self._ring) > self._most_kept or (self._ring_octets > MOST_KEPT_OCTETS and len(self._ring) > 1):
            self._ring_octets -= len(self._ring.popleft().octets)

    # --- turns of writing ----------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._turn is None:
            self._turn = self._clock.callLater(TURN, self._write)

    def _write(self) -> None:
        """Write what came since the last turn, once for all."""
        self._turn = None
        self._write_some()
        self._look_at_store()
        if self._pending or self._due:
            self._wake()

    def _write_some(self) -> None:
        now, written = self._clock.seconds(), []
        room = MOST_CALLS
        while self._pending and room:
            event = self._pending.popleft()
            room -= event.data is None
            written.append(self._sent(event, now))
        for call in [call for call in self._due if now - self._updated.get(call, 0.0) >= BETWEEN_UPDATES][:room]:
            del self._due[call]
            written.append(self._sent(Event("call.updated", call, None), now))
        self._send(b"".join(written))

    def _sent(self, event: Event, now: float) -> bytes:
        """Number an event, write it and keep it."""
        event.octets = self._written(event, self._number + 1)
        if event.data is None and event.call is not None:
            self._note_update(event.call, now, event.name == "call.ended")
        self._keep(event)
        return event.octets

    def _note_update(self, call: str, now: float, ended: bool) -> None:
        self._updated.pop(call, None)
        if not ended:
            self._updated[call] = now
            if len(self._updated) > MOST_COUNTED:
                self._updated.popitem(last=False)

    def _written(self, event: Event, number: int) -> bytes:
        """Write an event; empty when its call is forgotten already."""
        data: Any = None
        if event.data is not None:
            data = mask_values(event.data)
        elif event.call is not None:
            view = self._store.call(event.call)
            data = None if view is None else mask_call(view.summary())
        if data is None:
            return b""
        return f"id: {self._boot}-{number}\nevent: {event.name}\ndata: {json_text(data)}\n\n".encode()

    def _send(self, octets: bytes) -> None:
        for line in tuple(self._lines) if octets else ():
            if line.waiting + len(octets) > MOST_UNREAD and line.waiting:
                line.abort()
            else:
                line.write(octets)

    # --- who listens ---------------------------------------------------------------------------------------------------

    def _begin(self, line: Line, last: str) -> Callable[[], None]:
        """Say from where on events come, and what was missed since `last`."""
        missed = self._missed(last)
        if self._store.shared and not self._lines:
            self._number += 1  # tells who comes back with an id from before
            self._heard_all_since = self._number
        here = f"id: {self._boot}-{self._number}\n"
        if missed is None:
            missed = f"{here}event: resync\ndata: {{}}\n\n".encode()
        line.write(f"retry: 1000\n{'' if last else here}\n".encode() + missed)
        self._lines[line] = None
        if self._breath is None:
            self._breath = self._clock.callLater(KEEP_ALIVE, self._breathe)
        return lambda: self._gone(line)

    def _missed(self, last: str) -> bytes | None:
        """Write what came after the event with the id `last`; None when that cannot be told any more."""
        boot, _, digits = last.rpartition("-")
        if not last:
            return b""
        if boot != self._boot or not (digits.isascii() and digits.isdigit() and len(digits) < 16):
            return None
        if self._store.shared and (not self._lines or int(digits) < self._heard_all_since):
            return None  # nobody read meanwhile what the other replicas did
        first = self._ring[0].number if self._ring else self._number + 1
        if not first - 1 <= int(digits) <= self._number:
            return None
        return self._caught_up([event for event in self._ring if event.number > int(digits)])

    def _caught_up(self, events: list[Event]) -> bytes | None:
        """Write events, those of one call that nobody has written yet only once."""
        newest = {event.call: event.number for event in events if event.data is None and not event.octets and event.name != "call.started"}
        fresh, octets = 0, []
        for event in events:
            if event.octets:
                octets.append(event.octets)
            elif event.data is not None or event.name == "call.started" or newest.get(event.call) == event.number:
                fresh += event.data is None
                octets.append(self._written(event, event.number))
        if fresh > MOST_WRITTEN_AT_ONCE or sum(map(len, octets)) > MOST_CAUGHT_UP:
            return None
        return b"".join(octets)

    def _gone(self, line: Line) -> None:
        self._lines.pop(line, None)

    def _breathe(self) -> None:
        """Show all listeners that we are here, and note whether the store is well."""
        self._breath = None
        if not self._lines:
            return
        self._send(b": here\n\n")
        self._look_at_store()
        self._breath = self._clock.callLater(KEEP_ALIVE, self._breathe)

    def _look_at_store(self) -> None:
        """Tell of the store when its trouble is another one: not when only the numbers in its words have changed."""
        health = self._store.health()
        if (_kind_of(health.told), health.durable) != (_kind_of(self._health.told), self._health.durable):
            self._health = health
            self._tell(Event("store", None, health_json(health)))


def _rehearsal_event(entry: Entry) -> Event:
    """A step as it is now; or that the rehearsal began, stopped, goes on or ended: without its steps, for a page asks for those."""
    step, whole = entry.data.get("step"), entry.data.get("whole") or {}
    about = {"at": rfc3339(entry.at), **{name: value for name, value in entry.data.items() if name not in ("step", "whole", "change")}}
    if step:
        return Event("rehearsal.step", None, {**about, **step, "step": step.get("id")})
    return Event("rehearsal.changed", None, {**about, **{name: value for name, value in whole.items() if name != "steps"}})


def _kind_of(trouble: str) -> str:
    return _NUMBERS.sub("", trouble)


def health_json(health: StoreHealth) -> dict[str, Any]:
    """What clients see of the health of the store."""
    told = {"kind": health.kind, "durable": health.durable, "trouble": health.told, "waiting": health.waiting, "lost": health.lost}
    return {**told, "unreadable": health.unreadable}


_NAMES: Mapping[Kind, str] = {
    Kind.CALL_STARTED: "call.started",
    Kind.CALL_ENDED: "call.ended",
    Kind.VERDICT: "verdict",
    Kind.MESSAGE: "message",
    Kind.PARSE_ERROR: "message",
    Kind.ATTEMPT: "attempt",
    **dict.fromkeys((Kind.CALL_STATE, Kind.UUI, Kind.MEDIA_AGREED, Kind.MEDIA, Kind.DTMF, Kind.FINDING), "call.updated"),
    **dict.fromkeys((Kind.SCENARIO, Kind.AGENT, Kind.ESCALATION, Kind.PARTNER_CHECK, Kind.VOICE_CALL, Kind.TELEPHONY), "call.updated"),
}
_OF_NO_CALL: Mapping[Kind, str] = {Kind.FAULT_CHANGED: "fault.changed", Kind.VOICE_CALL: "voice.call"}
"""What is told with its data whether or not it belongs to a call."""
TOLD = frozenset({*_NAMES, *_OF_NO_CALL, Kind.REHEARSAL})
"""Kinds of entries of which there are events."""
