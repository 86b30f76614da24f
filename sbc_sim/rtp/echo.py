"""The echo: each audio packet goes back octet by octet, as a stream of our own (own SSRC, numbers, key).

What the numbers look like is chosen so that the caller hears what the network did on the way up, and nothing of our making:

- Sequence numbers and timestamps follow the received ones at a fixed distance. A packet that was lost is a gap in the echo too, and one
  that came late goes back late under its own number, so that the peer's jitter buffer can put it in its place.
- Duplicates are not echoed (SRTP's replay window holds them back).
- DTMF, comfort noise, other payload types, empty packets and what arrives on hold are not echoed and take no number: the echo is then
  silent for a while, as with silence suppression, and goes on with the marker set. Audio that comes late from before such a pause is
  dropped: the number that it would need has been given away, and no number may be used twice under one SRTP key.
- A new SSRC of the peer, or a jump to other numbers, does not make ours jump: the distance is measured anew, the timestamp by the clock.
"""

from __future__ import annotations

from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.rtp.reception import Heard
from sbc_sim.rtp.statistics import StreamStatistics


class EchoLeg(Endpoint):
    """A leg that sends back what it hears."""

    __slots__ = ("_restarts", "_sequence_distance", "_skipped", "_stream", "_timestamp_distance")

    def __init__(self, description: LegDescription, now: float) -> None:
        """Begin; raise ValueError for a suite or key that cannot be used."""
        super().__init__(description, now)
        self._stream: StreamStatistics | None = None
        """The stream that the distances below belong to."""
        self._restarts = 0
        self._sequence_distance = 0
        self._timestamp_distance = 0
        self._skipped = 0

    def change(self, description: LegDescription) -> None:
        """Go on as described; a new SSRC of our own measures its distance to the peer's anew."""
        if description.ssrc != self.transmission.ssrc:
            self._stream = None
        super().change(description)

    def _hear(self, heard: Heard, now: float) -> bytes | None:
        stream, sequence, timestamp, marker, payload = heard
        if not self._may_echo:
            stream.skip(sequence)
            return None
        if stream is not self._stream or stream.restarts != self._restarts:
            self._measure(stream, sequence, timestamp, now)
        if sequence <= stream.floor:
            return None
        transmission = self.transmission
        if marker or stream.skipped != self._skipped:
            self._skipped = stream.skipped
            transmission.marker = True
        number = sequence - stream.skipped + self._sequence_distance
        destination = self.reception.expected_source
        packet = transmission.send(payload, number, timestamp + self._timestamp_distance, now, destination)
        if packet is not None:
            self.echoed += 1
        return packet

    def _measure(self, stream: StreamStatistics, sequence: int, timestamp: int, now: float) -> None:
        """Join a new stream, or new numbers, to ours: the next number, and a timestamp later by the time that passed."""
        transmission = self.transmission
        self._stream, self._restarts, self._skipped = stream, stream.restarts, stream.skipped
        self._sequence_distance = transmission.sequence - (sequence - stream.skipped)
        self._timestamp_distance = transmission.timestamp_at(now) - timestamp
        stream.floor = sequence - 1
        transmission.marker = True
