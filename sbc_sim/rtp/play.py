"""The caller's leg: sends frames by the clock and proves, octet by octet, which of them came back.

How it is used (by `sbc-sim call`, the demo and the tests):

    frames = itertools.islice(tone(seed=7), 500)                       # or wav_frames(data), or any PCMU frames
    leg = PlayLeg(description, now, frames)
    every 10 ms or so:  for datagram in leg.due(now): send it to leg.destination
    on a datagram:      leg.receive_rtp(datagram, source, now)         # gives nothing to send
    at the end:         leg.proof()

A `MediaPlane` does the middle part when its leg factory makes a PlayLeg; keep the legs that your factory makes: `proof()` still answers
after the media has been stopped. When the frames end half a second before the call does, the last ones have come back or are lost, and the
proof is exact; else those of the last half second that are not back count as in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sbc_sim.rtp.dtmf import Key, event_payloads
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.rtp.paced import PacedLeg
from sbc_sim.rtp.reception import Heard

PATIENCE_S = 0.5
"""A frame that was sent less than this ago may still be on its way."""

MEMORY_S = 10.0
"""A frame that comes back later than this is not recognised any more."""


@dataclass(frozen=True, slots=True)
class EchoProof:
    """What became of the frames that were sent. Times in milliseconds."""

    sent: int = 0
    returned: int = 0
    """Audio packets that came back, whatever was in them."""
    identical: int = 0
    """Sent frames that came back with each octet as it was sent."""
    altered: int = 0
    """Returned packets that are none of the frames waited for: changed, somebody else's, or there twice."""
    lost: int = 0
    """Sent frames that did not come back identical."""
    in_flight: int = 0
    """Sent frames not back yet that may still come: neither identical nor lost."""
    delay_min_ms: float | None = None
    delay_mean_ms: float | None = None
    delay_max_ms: float | None = None
    first_return_ms: float | None = None
    """From the first frame sent to the first packet that came back."""

    @property
    def share(self) -> float:
        """Identical frames among those that had time to come back, 0.0 to 1.0."""
        settled = self.sent - self.in_flight
        return self.identical / settled if settled else 0.0


class PlayLeg(PacedLeg):
    """A leg that sends frames of PCMU, one every packet time, and waits for them."""

    def __init__(self, description: LegDescription, now: float, frames: Iterable[bytes | Key]) -> None:
        """Begin; the first frame is due at once. `frames` may be endless; each should last `description.ptime_ms`.

        A `Key` among them is pressed as a telephone-event (RFC 4733); where none was agreed on it is passed over.
        """
        super().__init__(description, now)
        self._frames: Iterator[bytes | Key] = iter(frames)
        self._frame: bytes | None = None
        self._press: Iterator[bytes] = iter(())
        """What is left to send of the key that is pressed."""
        self._pressed_at = 0
        """Its timestamp."""
        self._sent = 0
        self._latest = now
        self.finished = False
        """True when the last frame was sent."""
        self._waiting: dict[bytes, deque[float]] = {}
        """When each frame that is not back yet was sent, by its octets: equal frames (silence, say) wait in line."""
        self._order: deque[tuple[float, bytes]] = deque()
        self._first_sent: float | None = None
        self._first_return: float | None = None
        self._returned = self._identical = self._lost = 0
        self._delay_sum = self._delay_max = 0.0
        self._delay_min: float | None = None

    def due(self, now: float) -> list[bytes]:
        """Give the packets whose time has come, and give up those that do not come back."""
        self._latest = now
        datagrams = super().due(now)
        self._forget(now)
        return datagrams

    def _next_packet(self, now: float) -> bytes | None:
        if self._may_send:
            event = next(self._press, None) or self._look_ahead()
            if event is not None:
                return self._send_event(event, now)
        datagram = super()._next_packet(now)
        if datagram is not None and self._frame is not None:
            self._await(self._frame, now)
        return datagram

    def _look_ahead(self) -> bytes | None:
        """Take the next frame; the first payload of an event when it is a key."""
        self._frame = None
        while not self.finished:
            item = next(self._frames, None)
            if not isinstance(item, Key):
                self._frame = item
                self.finished = item is None
                break
            if self.description.dtmf_payload_type is not None:
                self._press, self._pressed_at = event_payloads(item, self.description.ptime_ms), self._next_timestamp
                self.transmission.marker = True
                return next(self._press)
        return None

    def _send_event(self, payload: bytes, now: float) -> bytes | None:
        """Send one packet of a telephone-event: another payload type, and the same timestamp throughout."""
        sent, self.transmission.payload_type = self.transmission, self.description.dtmf_payload_type or 0
        try:
            return sent.send(payload, sent.sequence, self._pressed_at, now, self.destination)
        finally:
            sent.payload_type = self.description.payload_type

    def _next_frame(self, now: float) -> bytes | None:
        return self._frame

    def _await(self, frame: bytes, now: float) -> None:
        self._sent += 1
        if self._first_sent is None:
            self._first_sent = now
        self._waiting.setdefault(frame, deque()).append(now)
        self._order.append((now, frame))

    def _hear(self, heard: Heard, now: float) -> None:
        self._returned += 1
        if self._first_return is None:
            self._first_return = now
        times = self._waiting.get(heard[4])
        if not times:
            return
        delay = now - times.popleft()
        if not times:
            del self._waiting[heard[4]]
        self._identical += 1
        self._delay_sum += delay
        self._delay_max = max(self._delay_max, delay)
        self._delay_min = delay if self._delay_min is None else min(self._delay_min, delay)

    def _forget(self, now: float) -> None:
        """Give up frames that were sent too long ago; the queue is in order of time, so this looks at few."""
        while self._order and now - self._order[0][0] > MEMORY_S:
            sent_at, frame = self._order.popleft()
            times = self._waiting.get(frame)
            if times and times[0] == sent_at:
                times.popleft()
                self._lost += 1
                if not times:
                    del self._waiting[frame]

    def proof(self) -> EchoProof:
        """Say what came back so far."""
        waiting = [sent_at for times in self._waiting.values() for sent_at in times]
        in_flight = sum(self._latest - sent_at < PATIENCE_S for sent_at in waiting)
        identical, first = self._identical, self._first_sent
        return EchoProof(
            sent=self._sent,
            returned=self._returned,
            identical=identical,
            altered=self._returned - identical,
            lost=self._lost + len(waiting) - in_flight,
            in_flight=in_flight,
            delay_min_ms=None if self._delay_min is None else self._delay_min * 1000,
            delay_mean_ms=self._delay_sum / identical * 1000 if identical else None,
            delay_max_ms=self._delay_max * 1000 if identical else None,
            first_return_ms=None if first is None or self._first_return is None else (self._first_return - first) * 1000,
        )
