"""Turns the user agent's effects into outputs and journal entries: the one place where a message is written down and sent."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from sbc_sim.calls.outputs import Connect, Output, Record, Send
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.sip.effects import Dial, Effect, Transmit
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.text import printable
from sbc_sim.sip.uri import host_port
from sbc_sim.sip.user_agent import UserAgent

_TAG = re.compile(r";\s*tag\s*=\s*([^;,\s>]+)", re.IGNORECASE)
CallKey = tuple[str, str]
"""Call-ID and the peer's tag."""


def call_key(message: Request | Response, received: bool) -> CallKey:
    """Read leniently, for broken messages are written down too. The peer's tag stands in From of what it asks and To of what we ask."""
    by_peer = received == isinstance(message, Request)
    value = message.headers.first("From" if by_peer else "To") or ""
    tag = _TAG.search(value)
    return (message.headers.first("Call-ID") or "", tag[1] if tag else "")


class Outbox:
    """Collects what one visit to the core's door leads to. Events that need a decision are left in `events`."""

    def __init__(self, user_agent: UserAgent) -> None:
        """Share the user agent, which knows the peers."""
        self.events: deque[Effect] = deque()
        self.calls: dict[CallKey, str] = {}
        """Which call a message is written down with. Decisions never go by this: dialogs and transactions own their calls."""
        self._agent = user_agent
        self._outputs: list[Output] = []

    def take(self) -> list[Output]:
        """Hand over all outputs so far, in order."""
        taken, self._outputs = self._outputs, []
        return taken

    def put(self, output: Output) -> None:
        """Add one output."""
        self._outputs.append(output)

    def record(self, kind: Kind, call: str | None, now: float, data: Mapping[str, Any], raw: bytes = b"") -> None:
        """Append one entry to the journal."""
        self._outputs.append(Record(Entry(now, kind, call, data, raw)))

    def carry(self, effects: list[Effect], now: float) -> None:
        """Send and record what is to be sent; keep the rest as events."""
        for effect in effects:
            if isinstance(effect, Transmit):
                raw = effect.message.to_bytes()
                self.message(effect.connection, effect.message, raw, False, now, effect.repeated)
                self._outputs.append(Send(effect.connection, raw))
            elif isinstance(effect, Dial):
                self._outputs.append(Connect(effect.connection, effect.host, effect.port, effect.host, effect.trust))
            else:
                self.events.append(effect)

    def receive(self, connection: int, message: Request | Response, begins: Callable[[Effect], object], now: float) -> None:
        """Take a message that came: `begins` opens the book of a call for what begins one, then it is written down, then acted on."""
        effects = self._agent.receive(connection, message, now)
        for effect in effects:
            begins(effect)
        self.message(connection, message, message.raw, True, now)
        self.carry(effects, now)

    def message(self, connection: int, message: Request | Response, raw: bytes, received: bool, now: float, repeated: bool = False) -> None:
        """Write a message down, with the call it belongs to."""
        data = message_data(message, connection, received, repeated, self._agent.peer(connection))
        self.record(Kind.MESSAGE, self.call_of(message, received), now, data, raw)

    def call_of(self, message: Request | Response, received: bool) -> str | None:
        """Id of the call that a message belongs to by Call-ID and the peer's tag, None for none."""
        call_id, tag = call_key(message, received)
        # A call that we placed is known before the peer has a tag.
        return self.calls.get((call_id, tag)) or self.calls.get((call_id, ""))


def message_data(message: Request | Response, connection: int, received: bool, repeated: bool, peer: Peer | None) -> dict[str, Any]:
    """Tell of one message: MESSAGE."""
    return {
        "connection": connection,
        "direction": "in" if received else "out",
        "sipCallId": message.headers.first("Call-ID") or "",
        "repeated": repeated,
        "peer": address_of(peer),
        "warning": message.headers.first("Warning"),
        **_summary(message),
    }


def address_of(peer: Peer | None) -> str:
    """``host:port`` of a peer, brackets around IPv6; empty when unknown."""
    return "" if peer is None else host_port(peer.host, peer.port)


def _summary(message: Request | Response) -> dict[str, Any]:
    number, method = _sequence(message)
    if isinstance(message, Request):
        shown = printable(message.method, 32)
        return {"method": shown, "status": None, "reason": "", "uri": message.uri, "cseq": number, "summary": shown}
    summary = f"{message.status} {printable(message.reason, 60)} ({method})"
    return {"method": method, "status": message.status, "reason": message.reason, "uri": "", "cseq": number, "summary": summary}


def _sequence(message: Request | Response) -> tuple[int | None, str]:
    """CSeq read leniently: entries are written for broken messages too."""
    number, _, method = (message.headers.first("CSeq") or "").strip().partition(" ")
    return (int(number) if number.isascii() and number.isdigit() and len(number) < 12 else None), printable(method.strip(), 32)
