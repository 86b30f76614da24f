"""The Telephony Integration API as the routes know it: the model, the time, and where its entries go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.calls import telling
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.owners import Alone, Fellows
from sbc_sim.journal.store import Store
from sbc_sim.journal.view import rfc3339
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.finding import Finding, Status
from sbc_sim.telephony.asking import RestAnswer, RestRequest
from sbc_sim.telephony.keys import KeyEntry, ordered_entry
from sbc_sim.telephony.model import Telephony
from sbc_sim.telephony.record import VoiceCall

MOST_RESTORED = 5000
"""Entries of an earlier run that are looked at."""
KEY_PUT, KEY_DELETE = "key-put", "key-delete"
"""Orders to all other replicas: `KeyEntry.order`, ``{name}``."""
_PAGE = 500
_TIMES = ("at", "createdAt", "updatedAt", "acceptedAt", "closedAt")


Settled = Callable[[], "Deferred[None]"]
"""Fires when other replicas know what was appended by now."""


@dataclass(slots=True)
class TelephonySource:
    """What the routes need."""

    model: Telephony
    now: Callable[[], float]
    """Unix seconds."""
    append: Callable[[Entry], None]
    """Keep an entry."""
    changed: Callable[[VoiceCall], None] = lambda record: None
    """Tell the SIP side that a voice call is another now."""
    partners: tuple[str, ...] = ()
    """Names of those that there are; none: any name will do."""
    fellows: Fellows = field(default_factory=Alone)
    """The other replicas."""
    settled: Settled | None = None
    """What an answer waits for that tells of a change; None: nothing."""

    def put_key(self, entry: KeyEntry) -> None:
        """Keep keys, here and at the other replicas. Raises BadKey and TooManyOrders."""
        self.model.ring.put(entry)
        if self.fellows.name:
            self.fellows.order("", KEY_PUT, entry.order())

    def drop_key(self, name: str) -> bool:
        """Forget keys, here and at the other replicas; False when there are none. Raises TooManyOrders."""
        there = self.model.ring.drop(name)
        if there:
            self.fellows.order("", KEY_DELETE, {"name": name})
        return there

    def ordered(self, what: str, data: Mapping[str, Any]) -> None:
        """Do what another replica has done. Raises BadKey and KeyError."""
        if what == KEY_PUT:
            self.model.ring.put(ordered_entry(data))
        else:
            self.model.ring.drop(str(data["name"]))

    def standing(self) -> list[dict[str, str]]:
        """The keys that the API was given, as `ordered` takes them: for a replica that has just begun."""
        return [entry.order() for entry in self.model.ring.entries if entry.origin == "api"]

    def follow(self, entry: Entry) -> None:
        """Take what another replica tells of voice calls; our own entries say nothing new."""
        if entry.kind is Kind.VOICE_CALL and entry.call is None:
            record = self.model.follow(entry.data)
            if record is not None:
                self.changed(record)
        elif entry.kind is Kind.TELEPHONY:
            self.model.heard(entry.data)

    def answer(self, request: RestRequest, spent_ms: Callable[[], float] = lambda: 0.0) -> RestAnswer:
        """Answer a request, and write down what happened."""
        now = self.now()
        answer = self.model.answer(request, now)
        linked = next((record.call for record in answer.changed if record.call), None)
        for noted in answer.entries:
            kind = Kind(noted.kind)
            if kind is Kind.TELEPHONY:
                data = {**noted.data, "findings": full_findings(noted.data["findings"]), "durationMs": round(spent_ms(), 3)}
                self.append(Entry(now, kind, linked, data))
            else:
                self.append(Entry(now, kind, None, noted.data))
        for record in answer.changed:
            self.changed(record)
        return answer


def full_findings(remarks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write remarks as findings, with the words of their rules."""
    return [
        telling.finding(Finding(str(one["rule"]), Status(one["status"]), str(one["detail"]), fix=str(one.get("fix") or "")))
        for one in remarks
        if one.get("rule") in RULES
    ]


def voice_call_shown(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `VoiceCall.data` gave as clients see it, in answers and events: times as RFC 3339, null for none, findings in full."""
    shown: dict[str, Any] = {name: value for name, value in data.items() if name != "details"} | times_shown(data)
    none = {name: None for name in ("call", "parentVoiceCallId") if shown.get(name) == ""}
    return shown | none | {"findings": full_findings(data.get("findings") or ())}


def times_shown(data: Mapping[str, Any]) -> dict[str, Any]:
    """The times of ours in it, as RFC 3339."""
    return {name: rfc3339(data[name]) for name in _TIMES if isinstance(data.get(name), int | float)}


def restore(model: Telephony, store: Store) -> int:
    """Take back voice calls and requests of earlier runs, as far as the store has kept them; return how many voice calls."""
    found: list[Entry] = []
    cursor, looked_at = None, 0
    while looked_at < MOST_RESTORED:
        page = store.outside(_PAGE, cursor)
        found += [entry for entry in page.entries if entry.kind is Kind.TELEPHONY]
        looked_at += len(page.entries)
        cursor = page.next
        if cursor is None:
            break
    known = store.voice_calls()
    parents_first = sorted(known, key=lambda entry: str(entry.data.get("voiceCallId")))
    for entry in (*parents_first, *known, *reversed(found)):  # in the end in the order in which they changed, by which they make room
        model.restore(entry.kind.value, entry.data)
    return len(model.table)
