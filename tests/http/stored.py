"""A whole call of the real switchboard in the store, with a capture of its media beside it."""

from __future__ import annotations

from dataclasses import replace

from sbc_sim.exports.capture import Capture, MediaRecording
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.recording import Clip
from tests.http.conftest import Lab
from tests.support.sip import Exchange

FAR = ("192.0.2.1", 24000)


def a_call(hang_up: bool = True) -> tuple[str, list[Entry]]:
    """Id and entries of one call, ended or still answered."""
    exchange = Exchange()
    placed = exchange.line().call()
    exchange.wait(3.0)
    if hang_up:
        placed.send("BYE")
    (call,) = {entry.call for entry in exchange.entries if entry.call is not None}
    return call, exchange.entries


def a_capture(at: float) -> Capture:
    """A second of audio each way."""
    received = tuple((at + n / 50, FAR, build(RtpPacket(0, n, n * 160, 1, bytes([n]) * 160))) for n in range(50))
    sent = tuple((at + n / 50 + 0.01, FAR, build(RtpPacket(0, n, n * 160, 2, bytes([n]) * 160))) for n in range(50))
    return Capture(media=MediaRecording("192.0.2.2", 31000, 31001, Clip(received), Clip(sent)))


def keep_a_call(lab: Lab, captured: bool = True, hang_up: bool = True, name: str = "") -> str:
    """Put a call into the store of a lab; return its id."""
    call, entries = a_call(hang_up)
    name = name or call
    lab.tell(*(replace(entry, call=name) if entry.call == call else entry for entry in entries))
    if captured:
        at = next(entry.at for entry in entries if entry.kind is Kind.CALL_STATE and entry.data["state"] == "answered")
        lab.captures[name] = a_capture(at)
    return name
