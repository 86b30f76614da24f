"""A leg that sends by the clock: one frame every packet time, whoever provides it."""

from __future__ import annotations

from sbc_sim.rtp.audio import frame_octets
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription

EARLY_S = 0.005
"""A frame goes out this much too early rather than a whole timer interval too late."""

MOST_AT_ONCE = 5
"""Frames that one call of `due` gives when the clock was late."""

FORGIVEN_S = 1.0
"""Who is later than this does not catch up but leaves the time out, as after a silence."""


class PacedLeg(Endpoint):
    """A leg with a clock. A kind of it provides frames by `_next_frame`; nothing is sent, and none is asked for, on hold."""

    __slots__ = ("_next_at", "_next_timestamp", "_ptime", "_timestamp_step")

    paced = True

    def __init__(self, description: LegDescription, now: float) -> None:
        """Begin; the first frame is due at once. Raise ValueError for a suite or key that cannot be used."""
        super().__init__(description, now)
        self._next_at = now
        self._next_timestamp = description.first_timestamp
        self._set_step(description)

    def _set_step(self, description: LegDescription) -> None:
        self._ptime = description.ptime_ms / 1000
        self._timestamp_step = frame_octets(description.ptime_ms)

    def change(self, description: LegDescription) -> None:
        """Go on as described from now; frames go on where they were."""
        if description.ssrc != self.transmission.ssrc:
            self._next_timestamp = description.first_timestamp
        super().change(description)
        self._set_step(description)

    def due(self, now: float) -> list[bytes]:
        """Give the packets whose time has come: usually one, none when asked early or on hold, a few when asked late."""
        if now - self._next_at > FORGIVEN_S:
            self._leave_out(now)
        datagrams: list[bytes] = []
        while self._next_at <= now + EARLY_S and len(datagrams) < MOST_AT_ONCE:
            datagram = self._next_packet(now)
            if datagram is not None:
                datagrams.append(datagram)
            self._next_at += self._ptime
            self._next_timestamp += self._timestamp_step
        return datagrams

    def _leave_out(self, now: float) -> None:
        missed = int((now - self._next_at) / self._ptime)
        self._next_at += missed * self._ptime
        self._next_timestamp += missed * self._timestamp_step
        self.transmission.marker = True

    def _next_packet(self, now: float) -> bytes | None:
        if not self._may_send:
            self.transmission.marker = True
            return None
        frame = self._next_frame(now)
        if frame is None:
            return None
        return self.transmission.send(frame, self.transmission.sequence, self._next_timestamp, now, self.reception.expected_source)

    def _next_frame(self, now: float) -> bytes | None:
        """Give the payload of the next packet in the codec of the leg, or None for a packet time without one."""
        raise NotImplementedError
