"""An echo that rings first: before the call is answered it plays a tone (early media), then it is the echo."""

from __future__ import annotations

import audioop
import math
from functools import cache

from sbc_sim.rtp.audio import PCMU_SILENCE, TO_PCMA, frame_octets
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import LegDescription, Prompt
from sbc_sim.rtp.paced import EARLY_S, FORGIVEN_S, MOST_AT_ONCE
from sbc_sim.rtp.packet import CLOCK_RATE
from sbc_sim.rtp.reception import Heard

_ON_S, _OFF_S = 2, 4
"""North American ringing: 440 and 480 Hz, two seconds on, four off."""


@cache
def _cadence() -> bytes:
    wave = [math.sin(2 * math.pi * 440 * n / CLOCK_RATE) + math.sin(2 * math.pi * 480 * n / CLOCK_RATE) for n in range(_ON_S * CLOCK_RATE)]
    linear = b"".join(int(2600 * value).to_bytes(2, "little", signed=True) for value in wave)
    return audioop.lin2ulaw(linear, 2) + bytes([PCMU_SILENCE]) * (_OFF_S * CLOCK_RATE)


def ringing_tone(seconds: float) -> bytes:
    """Give so many seconds of ringing as PCMU."""
    octets = int(seconds * CLOCK_RATE)
    cadence = _cadence()
    return (cadence * (octets // len(cadence) + 1))[:octets]


class RingingLeg(EchoLeg):
    """An echo that plays what it is told to say; while it does it echoes nothing."""

    __slots__ = ("_next_at", "_position", "_prompt", "_timestamp")

    paced = True

    def __init__(self, description: LegDescription, now: float) -> None:
        """Begin as an echo."""
        super().__init__(description, now)
        self._prompt: bytes | None = None
        self._position = 0
        self._next_at = now
        self._timestamp = description.first_timestamp

    def say(self, prompt: Prompt | None, now: float) -> None:
        """Play a prompt, or be an echo (again)."""
        self._prompt = None if prompt is None else prompt.pcmu
        if self._prompt is not None and self.description.codec == "PCMA":
            self._prompt = self._prompt.translate(TO_PCMA)
        self._position, self._next_at, self._timestamp = 0, now, self.transmission.timestamp_at(now)
        self.transmission.marker = True
        self._stream = None  # the echo measures its distance anew, from what was played

    def due(self, now: float) -> list[bytes]:
        """Give the packets of the prompt whose time has come."""
        datagrams: list[bytes] = []
        if self._prompt is None:
            return datagrams
        if now - self._next_at > FORGIVEN_S:
            self._next_at = now
        step = frame_octets(self.description.ptime_ms)
        while self._next_at <= now + EARLY_S and len(datagrams) < MOST_AT_ONCE:
            frame = self._prompt[self._position : self._position + step]
            if len(frame) < step:
                self._prompt = None
                break
            datagram = self._packet(frame, step, now)
            if datagram is not None:
                datagrams.append(datagram)
        return datagrams

    def _packet(self, frame: bytes, step: int, now: float) -> bytes | None:
        self._position += step
        self._next_at += step / CLOCK_RATE
        timestamp, self._timestamp = self._timestamp, self._timestamp + step
        if not self._may_send:
            return None
        return self.transmission.send(frame, self.transmission.sequence, timestamp, now, self.destination)

    def _hear(self, heard: Heard, now: float) -> bytes | None:
        if self._prompt is not None:
            heard[0].skip(heard[1])
            return None
        return super()._hear(heard, now)
