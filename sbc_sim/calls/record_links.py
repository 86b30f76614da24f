"""SIP calls and the voice calls that they name: found at the INVITE, followed while either changes, looked at once more after the end.

A link makes a VOICE_CALL entry in the journal of the SIP call, and so does each change of the record until it is closed and the partner
check is over. A voice call that is still open some time after its SIP call leads to a new verdict (SBC-E2E-010).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sbc_sim.calls.companion import Acts
from sbc_sim.calls.outbox import Outbox
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.evidence import Evidence
from sbc_sim.sip.headers import user_of_address
from sbc_sim.sip.uri import user_of_uri
from sbc_sim.sip.uui import Uui
from sbc_sim.telephony.ids import same_org
from sbc_sim.telephony.model import Telephony
from sbc_sim.telephony.record import VoiceCall

MOST_LINKS = 2000
"""SIP calls whose voice call is followed; the oldest go first."""
MOST_NEWS = 100
"""Changes of one voice call that are written down with its SIP call."""
MOST_LATER = 20
"""Later voice calls of the same customer that are looked at, the oldest of them."""
LATEST_NEWS = 600.0
"""Seconds after the end of a SIP call in which changes of its voice call still count for it."""


class LinkedCall(Acts, Protocol):
    """A SIP call, as its link sees it."""

    @property
    def over(self) -> bool:
        """Whether its verdict was given."""

    def judge_again(self, now: float) -> None:
        """Give a new verdict."""


@dataclass(slots=True)
class _Link:
    call: LinkedCall
    keys: tuple[str, ...]
    """By which the User-to-User value names its voice call."""
    org: str
    news: int = 0
    ended_at: float | None = None
    look_at: float | None = None
    """When to look whether the voice call was closed."""


class RecordLinks:
    """All links of a switchboard."""

    def __init__(self, telephony: Telephony | None, outbox: Outbox | None) -> None:
        """`telephony` None: there is no API, and nothing is ever linked."""
        self._telephony = telephony
        self._outbox = outbox
        self._links: dict[str, _Link] = {}
        self.deadline: float | None = None
        """When `advance` must be called next."""

    # --- at the INVITE -------------------------------------------------------------------------------------------------

    def look(self, evidence: Evidence, now: float) -> None:
        """Find out what the rules must know about the voice call that an INVITE names."""
        telephony, uui = self._telephony, evidence.uui
        if telephony is None:
            return
        journey = evidence.journey
        journey.rest = True
        self._redeem(telephony, evidence, now)
        if uui is None or uui.is_echo or not uui.fields:
            return
        org, keys = _value(uui, "orgId"), _keys(uui)
        orgs = [entry.org for entry in telephony.ring.entries if entry.org]
        journey.known_org = any(same_org(known, org) for known in orgs) if orgs and org else None
        record = telephony.named_by(keys, org)
        journey.known_at_invite = record is not None if keys else None
        if record is not None:
            journey.voice_call = record.data()
            journey.named_before = record.call
        self._check_token(telephony, evidence, org, now)

    def _check_token(self, telephony: Telephony, evidence: Evidence, org: str, now: float) -> None:
        uui, journey = evidence.uui, evidence.journey
        token = (uui.fields or {}).get(uui.jwt.key) if uui is not None and uui.jwt is not None else None
        if not isinstance(token, str) or telephony.options.verify == "off":
            return
        trouble = telephony.check_token(token, org, now)
        journey.token_trouble = "" if trouble is None else trouble.detail
        journey.token_fix = "" if trouble is None else trouble.fix
        journey.token_undecided = trouble is not None and trouble.code == "NO_KEY"

    def _redeem(self, telephony: Telephony, evidence: Evidence, now: float) -> None:
        """Use the handle that comes with a call: a routable number that is called, or a context in a header."""
        invite, journey, name = evidence.invite, evidence.journey, telephony.options.context_header
        if invite is None:
            return
        called = user_of_uri(invite.uri)
        value = called if called in telephony.handles else (invite.headers.first(name) or "").strip() if name else ""
        if not value:
            return
        caller = user_of_address(invite.headers.first("From") or "", "From")
        handle, why = telephony.handles.redeem(value, caller, now)
        journey.handle, journey.handle_trouble = value, why
        key = str(handle.context.get("callId") or "") if handle is not None and not why else ""
        record = telephony.find(key, handle.org or None) if handle is not None and key else None
        if record is not None and handle is not None and _may_be_of(record, handle.org):
            journey.voice_call, journey.known_at_invite = record.data(), True

    def taken(self, call: LinkedCall, now: float) -> None:
        """Link a call that is not refused."""
        telephony, uui, journey = self._telephony, call.evidence.uui, call.evidence.journey
        keys = _keys(uui) if uui is not None and not uui.is_echo else ()
        if telephony is None or not (keys or journey.voice_call):
            return
        while len(self._links) >= MOST_LINKS:
            del self._links[next(iter(self._links))]
        self._links[call.id] = _Link(call, keys, _value(uui, "orgId") if uui is not None else "")
        if journey.voice_call is not None:
            record = telephony.find(str(journey.voice_call["voiceCallId"]))
            if record is not None:
                self._tell(self._links[call.id], telephony.link(record, call.id, now), now, everywhere=True)

    # --- later -----------------------------------------------------------------------------------------------------------

    def changed(self, record: VoiceCall, now: float) -> None:
        """Take a voice call that a request has changed; one that is created too late finds the call that waits for it."""
        link = self._links.get(record.call) or self._waiting_for(record)
        if link is None or (link.ended_at is not None and now > link.ended_at + LATEST_NEWS):
            return
        if not record.call and self._telephony is not None:
            record = self._telephony.link(record, link.call.id, now)
            self._tell(link, record, now, everywhere=True)
        else:
            self._tell(link, record, now)
        if link.call.over and link.look_at is not None and not record.is_open:
            link.look_at = None
            link.call.judge_again(now)

    def _waiting_for(self, record: VoiceCall) -> _Link | None:
        for link in reversed(self._links.values()):
            names = {record.id, record.id[:15]} | ({record.vendor_call_key} if _may_be_of(record, link.org) else set())
            if link.call.evidence.journey.voice_call is None and not link.call.over and names.intersection(link.keys):
                return link
        return None

    def ended(self, call_id: str, now: float) -> None:
        """A call is over: look later whether its voice call was closed."""
        link = self._links.get(call_id)
        if link is None or self._telephony is None:
            return
        link.ended_at = now
        record = link.call.evidence.journey.voice_call
        answered = link.call.evidence.answered_at is not None
        if record is not None and record.get("closedAt") is None and answered:
            link.look_at = now + self._telephony.options.close_seconds
            self._rearm()

    def advance(self, now: float) -> None:
        """Judge the calls anew whose voice call was not closed in time."""
        if self.deadline is None or now < self.deadline or self._telephony is None:
            return
        for link in self._links.values():
            if link.look_at is not None and now >= link.look_at:
                link.look_at = None
                link.call.evidence.journey.not_closed_after = self._telephony.options.close_seconds
                link.call.judge_again(now)
        self._rearm()

    def _rearm(self) -> None:
        self.deadline = min((link.look_at for link in self._links.values() if link.look_at is not None), default=None)

    def _tell(self, link: _Link, record: VoiceCall, now: float, everywhere: bool = False) -> None:
        """Write down how the voice call is now, with the SIP call, and for itself when it was linked."""
        data = record.data()
        link.call.evidence.journey.voice_call = data
        link.news += 1
        if link.news <= MOST_NEWS:
            link.call.record(Kind.VOICE_CALL, now, data)
        if everywhere and self._outbox is not None:
            self._outbox.record(Kind.VOICE_CALL, None, now, data)


def voice_calls_about(telephony: Telephony, first: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Give the voice calls that may have to do with one: itself, those that name it, those of the same customer after it."""
    record = telephony.find(str(first.get("voiceCallId") or ""))
    if record is None:
        return ()
    linked = telephony.table.children(record)
    known = {one.id for one in (record, *linked)}
    later = [one for one in _later(telephony, record) if one.id not in known and same_org(one.org, record.org)]
    return [one.data() for one in (record, *linked, *later)]


def _later(telephony: Telephony, record: VoiceCall) -> list[VoiceCall]:
    return telephony.table.later_of(record, MOST_LATER) if record.caller else []


def _may_be_of(record: VoiceCall, org: str) -> bool:
    """Whether a voice call is of this org, or one of both says none: each org has vendorCallKeys of its own."""
    return not record.org or not org or same_org(record.org, org)


def _value(uui: Uui, name: str) -> str:
    value = (uui.fields or {}).get((uui.named or {}).get(name, ""))
    return value if isinstance(value, str) else ""


def _keys(uui: Uui) -> tuple[str, ...]:
    return tuple(value for value in (_value(uui, "callId"), _value(uui, "vendorCallKey")) if value)
