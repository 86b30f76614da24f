"""Calls to make documents of: whole ones through the switchboard, and captures of their audio."""

from __future__ import annotations

import math
import struct

from sbc_sim.exports.capture import Capture, MediaRecording
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore, StoreLimits
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.leg import DtmfEvent, LegReport
from sbc_sim.rtp.recording import Clip
from tests.support.sip import Exchange, Placed, an_environment, an_invite

START = 1_700_000_000.0


def trace_of(entries: list[Entry], limits: StoreLimits | None = None) -> Trace:
    """The trace of the first call among entries."""
    store = MemoryStore(limits)
    for entry in entries:
        store.append(entry)
    trace = store.trace(next(entry.call for entry in entries if entry.call))
    assert trace is not None
    return trace


def an_echo_exchange(invite: bytes | None = None, seconds: float = 3.0, **reported: object) -> tuple[Exchange, Placed]:
    """A call with media as the media plane would report it, not yet ended."""
    reports: dict[str, LegReport] = {}
    exchange = Exchange(environment=an_environment(reports=reports))
    placed = exchange.line().call(invite)
    call = next(entry.call for entry in exchange.entries if entry.call)
    seen = {"packets_received": 150, "packets_sent": 150, "echoed_packets": 150, "expected": 150, "first_packet_at": exchange.now + 0.06}
    reports[call] = LegReport(**{**seen, "last_packet_at": exchange.now + seconds, **reported})  # type: ignore[arg-type]
    exchange.wait(seconds)
    return exchange, placed


def a_good_call(invite: bytes | None = None) -> Trace:
    """INVITE to BYE."""
    exchange, placed = an_echo_exchange(invite)
    placed.send("BYE")
    return trace_of(exchange.entries)


def a_call_with_findings(invite: bytes | None = None) -> Trace:
    """A call that fails one rule beside its REFER and warns of lost packets."""
    keys = (DtmfEvent("5", START + 1, 80), DtmfEvent("6", START + 1.2, 80))
    exchange, placed = an_echo_exchange(invite, lost=30, expected=180, dtmf=keys)
    placed.send("REFER", refer_to="<sip:x@y>")
    placed.send("BYE")
    return trace_of(exchange.entries)


def a_refused_call(**changed: str | tuple[str, ...]) -> Trace:
    """What comes of an INVITE that breaks rules."""
    exchange = Exchange()
    exchange.line().send(an_invite(**changed))
    return trace_of(exchange.entries)


def a_call_of(*messages: bytes, findings: tuple[dict[str, object], ...] = (), **started: object) -> Trace:
    """A call whose journal holds just these messages, however odd."""
    entries = [Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x", **started})]
    for number, raw in enumerate(messages):
        summary = raw.partition(b"\r\n")[0].decode("utf-8", "surrogateescape")
        entries.append(Entry(START + number, Kind.MESSAGE, "c1", {"direction": "in", "summary": summary, "cseq": number}, raw))
    if findings:
        entries.append(Entry(START + len(messages), Kind.VERDICT, "c1", {"status": "fail", "findings": list(findings)}))
    return trace_of(entries)


def a_tone(packets: int = 100) -> Capture:
    """A capture whose audio goes both ways, 20 ms a packet."""
    received = tuple((START + 0.02 * n, ("192.0.2.1", 24000), _packet(n)) for n in range(packets))
    sent = tuple((at + 0.001, far, packet) for at, far, packet in received)
    return Capture(media=MediaRecording("203.0.113.5", 31000, 31001, Clip(received), Clip(sent)))


def _packet(number: int) -> bytes:
    # Octets of u-law that rise and fall; no need for the codec here.
    payload = bytes(0x80 | int(20 + 19 * math.sin(k / 3)) for k in range(160))
    return struct.pack("!BBHII", 0x80, 0, number, number * 160, 7) + payload
