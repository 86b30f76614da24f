"""Which messages of a trace make one call: an initial INVITE and all that has its Call-ID and the caller's tag, leg by leg.

A trace may show several legs of one call: phone to proxy, proxy to SBC. Each leg ends at an SBC of its own, the destination of its INVITE.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sbc_sim.offline.framing import PIECES, Spoken
from sbc_sim.sip.message import Message, Request
from sbc_sim.sip.responses import has_tag
from sbc_sim.sip.text import printable
from sbc_sim.traces.recording import Address, Flow

_TAG = re.compile(r";\s*tag\s*=\s*([^;,\s>]+)", re.IGNORECASE)
MOST_LEGS = 50
"""Legs of one call that are told apart: destinations that INVITEs of one Call-ID and tag go to."""
MOST_HEARD = 5000
"""Messages of one attempt that are looked at."""
NOT_OF_A_DIALOG = frozenset({"OPTIONS", "REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE", "NOTIFY"})


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a call, and which way it went."""

    spoken: Spoken
    inbound: bool
    """True: towards the SBC."""

    @property
    def message(self) -> Message:
        """As far as it could be read."""
        return self.spoken.message


@dataclass(slots=True)
class Attempt:
    """One initial INVITE on one leg, with everything up to the next one."""

    call_id: str
    tag: str
    """The caller's."""
    sbc: Address
    partner: Address
    heard: list[Heard] = field(default_factory=list)
    left_out: int = 0
    """Messages beyond the bound."""

    def add(self, heard: Heard) -> None:
        """Take its next message."""
        if len(self.heard) < MOST_HEARD:
            self.heard.append(heard)
        else:
            self.left_out += 1


@dataclass(slots=True)
class Leg:
    """All attempts of one Call-ID towards one SBC."""

    number: int
    """In the order of first INVITEs."""
    call_id: str
    tag: str
    sbc: Address
    partner: Address
    flows: set[int] = field(default_factory=set)
    """Flows that carried its INVITE."""
    attempts: list[Attempt] = field(default_factory=list)
    sequence: str = ""
    """CSeq of the newest initial INVITE."""


@dataclass(slots=True)
class Sorted:
    """What the messages of a trace were sorted into."""

    attempts: list[Attempt]
    orphans: dict[str, list[Spoken]]
    """By Call-ID: messages of dialogs whose INVITE is not in the trace."""
    left_out: int = 0
    """INVITEs of legs beyond the bound."""

    def notes(self) -> Iterator[str]:
        """Say what was left out."""
        if self.left_out:
            yield f"{self.left_out} INVITEs were left out: they lead to more than {MOST_LEGS} places with one Call-ID and tag."
        cut = [attempt for attempt in self.attempts if attempt.left_out]
        for attempt in cut[:MOST_LEGS]:
            name = printable(attempt.call_id, 60)
            yield f"Call-ID {name}: only its first {MOST_HEARD} messages were looked at, {attempt.left_out} more were left out."


def sort_out(spoken: Iterable[Spoken]) -> Sorted:
    """Find the calls of a trace, in the order of their INVITEs."""
    spoken = list(spoken)
    legs = _legs(spoken)
    orphans: dict[str, list[Spoken]] = {}
    attempts: list[Attempt] = []
    left_out = 0
    for one in spoken:
        leg = _leg_of(one, legs)
        if leg is None:
            if _begins(one.message):
                left_out += 1
            else:
                _note_orphan(one, orphans)
            continue
        inbound = _inbound(one, leg)
        if inbound and _begins(one.message) and _sequence(one.message) != leg.sequence:
            leg.sequence = _sequence(one.message)
            leg.attempts.append(Attempt(leg.call_id, leg.tag, leg.sbc, leg.partner))
            attempts.append(leg.attempts[-1])
        if leg.attempts:
            leg.attempts[-1].add(Heard(one, inbound))
    return Sorted(attempts, orphans, left_out)


def _note_orphan(one: Spoken, orphans: dict[str, list[Spoken]]) -> None:
    method = one.message.method if isinstance(one.message, Request) else (one.message.headers.first("CSeq") or "").split()[-1:]
    name = method if isinstance(method, str) else "".join(method)
    if name.upper() not in NOT_OF_A_DIALOG:
        orphans.setdefault(call_id_of(one.message), []).append(one)


_Legs = dict[tuple[str, str], list[Leg]]
"""By Call-ID and the caller's tag."""


def _legs(spoken: list[Spoken]) -> _Legs:
    """Find one leg for each destination that an initial INVITE was sent to, up to the bound."""
    legs: dict[tuple[str, str, Address], Leg] = {}
    by_call: _Legs = {}
    for one in spoken:
        if not _begins(one.message):
            continue
        client, server = one.flow.client, one.flow.server
        sbc, partner = (server, client) if one.from_client else (client, server)
        call_id, tag = call_id_of(one.message), tag_of(one.message, "From")
        leg = legs.get((call_id, tag, sbc))
        if leg is None:
            of_call = by_call.setdefault((call_id, tag), [])
            if len(of_call) >= MOST_LEGS:
                continue
            leg = legs[call_id, tag, sbc] = Leg(len(legs), call_id, tag, sbc, partner)
            of_call.append(leg)
        leg.flows.add(one.flow.number)
    return by_call


def _leg_of(one: Spoken, legs: _Legs) -> Leg | None:
    """Find the leg by the caller's tag and the flow; a flow of its own (the SBC dialled back, the partner reconnected) goes by its ends."""
    call_id = call_id_of(one.message)
    tags = {tag_of(one.message, "From"), tag_of(one.message, "To")}
    fitting = sorted((leg for tag in tags for leg in legs.get((call_id, tag), ())), key=lambda leg: leg.number)
    own = [leg for leg in fitting if one.flow.number in leg.flows]
    return next(iter(own or [leg for leg in fitting if _between(one.flow, leg)]), None)


def _between(flow: Flow, leg: Leg) -> bool:
    return flow.server == leg.sbc or (flow.client[0], flow.server[0]) == (leg.sbc[0], leg.partner[0])


def _inbound(one: Spoken, leg: Leg) -> bool:
    """Tell whether a message goes towards the SBC. A text or datagrams may not tell who is who, but the tags do."""
    if one.flow.transport in PIECES:
        return (tag_of(one.message, "From") == leg.tag) == isinstance(one.message, Request)
    to_server = one.flow.server == leg.sbc or (one.flow.number in leg.flows and one.flow.client != leg.sbc)
    return one.from_client if to_server else not one.from_client


def _begins(message: Message) -> bool:
    return isinstance(message, Request) and message.method == "INVITE" and not has_tag(message.headers.first("To") or "")


def _sequence(message: Message) -> str:
    return (message.headers.first("CSeq") or "?").strip()


def call_id_of(message: Message) -> str:
    """Call-ID, empty when there is none."""
    return message.headers.first("Call-ID") or ""


def tag_of(message: Message, name: str) -> str:
    """Tag of From or To, read leniently; empty when there is none."""
    found = _TAG.search(message.headers.first(name) or "")
    return found[1] if found else ""
