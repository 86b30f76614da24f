"""The calls of a switchboard: what leads to each of them, when each is due, and which two belong together.

A call is entered when its INVITE comes or goes, stays for a while after its end for its late messages, and is then forgotten. This is
the one place that knows which stage a call is in: whoever holds on to a forgotten call may still hand it in, and nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sbc_sim.calls.call import Call
from sbc_sim.calls.outbox import CallKey, Outbox
from sbc_sim.calls.outputs import Close
from sbc_sim.sip.alarms import Alarms
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction, ServerTransaction, Unreadable
from sbc_sim.sip.user_agent import UserAgent

LINGER = 64.0
"""Seconds for which an ended call still takes its late messages (ACK to a refusal, a repeated BYE)."""
Lead = ServerTransaction | ClientTransaction | Dialog | Unreadable
"""What leads to a call."""


@dataclass(slots=True)
class _Page:
    """What is kept of one call until it is forgotten."""

    call: Call
    key: CallKey
    leads: list[Lead] = field(default_factory=list)
    other: str = ""
    """Id of the other leg of an escalation: what happens to one may move the other."""


class Register:
    """All calls that are not forgotten."""

    def __init__(self, agent: UserAgent, outbox: Outbox, ended: Callable[[str, float], None]) -> None:
        """`ended` is told of the end of each call, once: its id and the time."""
        self.live: dict[str, Call] = {}
        """Calls without a verdict, by id."""
        self._agent = agent
        self._outbox = outbox
        self._ended = ended
        self._pages: dict[str, _Page] = {}
        self._owners: dict[Lead, Call] = {}
        self._alarms: Alarms[Call] = Alarms()

    @property
    def deadline(self) -> float | None:
        """When `due` has something to give next."""
        return self._alarms.deadline

    @property
    def empty(self) -> bool:
        """Whether every call is forgotten, with all that led to it."""
        return not self._pages and not self._owners and not self.live

    def enter(self, call: Call, key: CallKey, lead: Lead | None) -> None:
        """Take in a new call. Messages with `key` are written down with it; `lead` is what it began with."""
        self.live[call.id] = call
        self._outbox.calls[key] = call.id
        self._pages[call.id] = _Page(call, key)
        if lead is not None:
            self._own(lead, call)

    def join(self, one: Call, other: Call) -> None:
        """Note that two calls are the legs of one escalation."""
        self._pages[one.id].other, self._pages[other.id].other = other.id, one.id

    def of(self, lead: Lead) -> Call | None:
        """Which call something leads to."""
        return self._owners.get(lead)

    def owner(self, transaction: ServerTransaction | ClientTransaction) -> Call | None:
        """Which call answers for a transaction: the one that it began, or that of its dialog."""
        return self._owners.get(transaction) or (self._owners.get(transaction.dialog) if transaction.dialog else None)

    def moved(self, call: Call, now: float) -> None:
        """Keep what became of a call that was acted on, and of its other leg: dialog, next alarm, end."""
        page = self._pages.get(call.id)
        if page is None:
            return
        self._keep(page, now)
        other = self._pages.get(page.other)
        if other is not None:
            self._keep(other, now)

    def due(self, now: float) -> Iterator[Call]:
        """Give the live calls whose time has come; those that have lingered long enough are forgotten meanwhile."""
        for call in self._alarms.due(now):
            if call.over:
                self._forget(call)
            else:
                yield call

    def _keep(self, page: _Page, now: float) -> None:
        call = page.call
        if call.dialog is not None and call.dialog not in self._owners:
            self._own(call.dialog, call)
            call.dialog.trust = call.place.partner.ca if call.place.partner is not None else ""
        if not call.over:
            self._alarms.set(call, call.deadline)
        elif self.live.pop(call.id, None) is not None:
            self._alarms.set(call, now + LINGER)
            self._ended(call.id, now)

    def _own(self, lead: Lead, call: Call) -> None:
        self._owners[lead] = call
        self._pages[call.id].leads.append(lead)

    def _forget(self, call: Call) -> None:
        """Drop what points to a call that ended a while ago."""
        page = self._pages.pop(call.id)
        for lead in page.leads:
            self._owners.pop(lead, None)
        if self._outbox.calls.get(page.key) == call.id:
            del self._outbox.calls[page.key]
        if call.outbound_connection is not None and not self._agent.uses(call.outbound_connection):
            self._outbox.put(Close(call.outbound_connection, "the call back is over"))
