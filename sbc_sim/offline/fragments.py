"""Calls whose INVITE is not in the trace: what is there is shown, without a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sbc_sim.calls import telling
from sbc_sim.calls.outbox import message_data
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.offline.attempts import Heard, call_id_of
from sbc_sim.offline.framing import Spoken
from sbc_sim.offline.replay import peer_of
from sbc_sim.sip.message import Message, Request, Response
from sbc_sim.traces.recording import Address

MOST_MESSAGES = 1000


def fragment(spoken: list[Spoken], number: int, sbc: Address | None, outbound: bool = False) -> Iterator[Entry]:
    """Tell of the messages of one dialog as the journal of a call; without `sbc` the server of their connection counts as it.

    `outbound`: the SBC placed the call.
    """
    first = spoken[0]
    end = sbc if sbc in (first.flow.client, first.flow.server) and sbc is not None else first.flow.server
    call = f"{int(first.at * 1000):012x}{number & 0xFFFF:04x}-fragment"
    heard = [Heard(one, one.from_client == (one.flow.server == end)) for one in spoken[:MOST_MESSAGES]]
    peer = peer_of(heard[0], end)
    opened = {"connection": first.flow.number, "peer": telling.peer_data(peer), "tls": telling.tls_data(peer)}
    yield Entry(first.at, Kind.CONNECTION_OPENED, None, opened)
    started = _started(heard[0], end)
    if outbound and isinstance(first.message, Request):
        started |= {"direction": "outbound", "requestUri": first.message.uri}
    yield Entry(first.at, Kind.CALL_STARTED, call, started)
    yield Entry(first.at, Kind.CALL_STATE, call, {"state": "answered"})
    at = first.at
    for one in heard:
        at = max(at, one.spoken.at)
        data = message_data(one.message, one.spoken.flow.number, one.inbound, False, peer_of(one, end))
        yield Entry(at, Kind.MESSAGE, call, data, one.spoken.raw)
    answers = (one for one in heard if isinstance(one.message, Response) and 200 <= one.message.status < 300)
    over = next((one for one in answers if _method(one.message) == "BYE"), None)
    if over is not None:
        by = "sbc" if over.inbound else "partner"
        yield Entry(at, Kind.CALL_ENDED, call, {"endedBy": by, "endReason": "normal", "state": "ended", "status": None})


def _started(heard: Heard, sbc: Address) -> dict[str, Any]:
    message = heard.message
    by_partner = heard.inbound == isinstance(message, Request)
    names = ("From", "To") if by_partner else ("To", "From")
    caller, called = (message.headers.first(name) or "" for name in names)
    data = message_data(message, heard.spoken.flow.number, heard.inbound, False, peer_of(heard, sbc))
    return {
        "sipCallId": call_id_of(message),
        "direction": "inbound",
        "from": caller,
        "to": called,
        "requestUri": message.uri if isinstance(message, Request) and heard.inbound else "",
        "connection": heard.spoken.flow.number,
        "peer": data["peer"],
        "userAgent": message.headers.first("User-Agent"),
    }


def _method(message: Message) -> str:
    return (message.headers.first("CSeq") or "").strip().partition(" ")[2].strip()
