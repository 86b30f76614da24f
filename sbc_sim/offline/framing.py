"""Messages out of a recording: each flow's octets framed as the simulator frames them; what a datagram or a pasted text lacks is mended."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.message import Message, Request, Response, content_length, read_message
from sbc_sim.sip.stream import KeepAlive, MessageStream, StreamError, StreamLimits
from sbc_sim.sip.text import printable
from sbc_sim.traces.allowance import Allowance
from sbc_sim.traces.recording import Flow, Octets, Recording

MOST_MESSAGES = 100_000
"""More messages than this are not looked at."""
MOST_COMPLAINTS = 20
LATEST = 4_102_444_800.0
"""Start of the year 2100: no time of a trace is later, unix seconds."""
PIECES = ("udp", "text")
"""Transports of which each piece is one message."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH_LINE = re.compile(rb"^(?:Content-Length|l)[ \t]*:[^\r\n]*(?:\r?\n|\Z)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message of a trace."""

    at: float
    """Unix seconds, or seconds from the beginning of a text without times."""
    flow: Flow
    from_client: bool
    message: Message
    """As far as it could be read."""
    raw: bytes = field(repr=False)
    """As it was recorded."""
    fed: bytes = field(repr=False)
    """As a TLS connection would deliver it."""


@dataclass(slots=True)
class Framing:
    """What was read, and sentences about what could not be."""

    spoken: list[Spoken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        """Add a sentence, unless there are many."""
        if len(self.notes) < MOST_COMPLAINTS and text not in self.notes:
            self.notes.append(text)


def sane(at: float) -> float:
    """Bring a time into what dates can show."""
    return min(max(at, 0.0), LATEST) if math.isfinite(at) else 0.0


def framed(recording: Recording, limits: StreamLimits, time: Allowance | None = None) -> Framing:
    """Read every message of a recording, in its order, as long as there is time."""
    framing = Framing()
    flows = {flow.number: replace(flow, began_at=sane(flow.began_at), ended_at=_end(flow)) for flow in recording.flows}
    streams: dict[tuple[int, bool], MessageStream] = {}
    for piece in recording.octets:
        flow = flows.get(piece.flow)
        if flow is None:
            continue
        if len(framing.spoken) >= MOST_MESSAGES:
            framing.complain(f"Only the first {MOST_MESSAGES} messages were looked at: cut the trace down to the calls in question.")
            break
        if time is not None and time.step(8):
            framing.complain(f"The time allowed for the trace is over: its first {len(framing.spoken)} messages were looked at.")
            break
        if flow.transport in PIECES:
            framing.spoken += _from_piece(piece, flow, limits, framing)
        else:
            stream = streams.setdefault((flow.number, piece.from_client), MessageStream(limits))
            framing.spoken += _from_stream(piece, flow, stream, framing)
    return framing


def _end(flow: Flow) -> float | None:
    return None if flow.ended_at is None else sane(flow.ended_at)


def _from_stream(piece: Octets, flow: Flow, stream: MessageStream, framing: Framing) -> Iterator[Spoken]:
    for event in stream.feed(piece.data):
        if isinstance(event, StreamError):
            yield from _broken(event, piece, flow, framing)
        elif isinstance(event, Request | Response):
            yield Spoken(sane(piece.at), flow, piece.from_client, event, event.raw, event.raw)


def _broken(event: StreamError, piece: Octets, flow: Flow, framing: Framing) -> Iterator[Spoken]:
    """A broken message belongs to a call if enough of it can be read."""
    message = event.request or read_message(event.whole).message
    framing.complain(f"{place(flow, piece.from_client)}: {event.error.detail}")
    if message is not None:
        yield Spoken(sane(piece.at), flow, piece.from_client, message, event.whole, event.whole)


def place(flow: Flow, from_client: bool) -> str:
    """Name a flow and direction for people."""
    ends = [f"{printable(host, 60)}:{port}" for host, port in (flow.client, flow.server)]
    if not flow.client[0] and not flow.server[0]:
        return f"flow {flow.number}"
    return f"flow {flow.number} ({' -> '.join(ends if from_client else ends[::-1])})"


def _from_piece(piece: Octets, flow: Flow, limits: StreamLimits, framing: Framing) -> Iterator[Spoken]:
    """A datagram or a pasted message is whole by itself: its Content-Length may be missing, or wrong since line ends were changed."""
    raw = piece.data.lstrip(b"\r\n")
    if not raw.strip():
        return
    fed, why = _mended(raw)
    if why:
        framing.complain(f"{place(flow, piece.from_client)}: {why}")
    stream = MessageStream(limits)
    event = next((e for e in stream.feed(fed) if not isinstance(e, KeepAlive)), None)
    if isinstance(event, StreamError):
        yield from (replace(spoken, raw=raw, fed=fed) for spoken in _broken(event, piece, flow, framing))
    elif isinstance(event, Request | Response):
        yield Spoken(sane(piece.at), flow, piece.from_client, event, raw, fed)
    else:
        framing.complain(f"{place(flow, piece.from_client)}: a message is not whole: {printable(raw, 80)}")


def _mended(raw: bytes) -> tuple[bytes, str]:
    """Give the message a Content-Length that fits its body, and say why that was needed; empty when it was not."""
    end = _HEAD_END.search(raw)
    head, body = (raw[: end.end()], raw[end.end() :]) if end else (raw.rstrip(b"\r\n") + b"\r\n\r\n", b"")
    reading = read_message(head)
    try:
        length = content_length(reading.headers)
    except MalformedMessage:
        return head + body, ""
    if length is not None and length <= len(body):
        rest = body[length:]
        return head + body[:length], f"{len(rest)} octets behind a body were left out." if rest.strip() else ""
    if length is None:
        return _with_length(head, len(body)) + body, "Content-Length is missing, which TLS does not forgive: it was added." if body else ""
    told = f"Content-Length is {length}, the body has {len(body)} octets: the body was taken as it is (pasting changes line ends)."
    return _with_length(head, len(body)) + body, told


def _with_length(head: bytes, length: int) -> bytes:
    end = _HEAD_END.search(head)
    fields = head[: end.start()] if end else head.rstrip(b"\r\n")
    fields = _LENGTH_LINE.sub(b"", fields + b"\r\n").rstrip(b"\r\n")
    return fields + b"\r\nContent-Length: %d\r\n\r\n" % length
