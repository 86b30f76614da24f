"""What can be learned from the sequence numbers, timestamps and arrival times of one stream (RFC 3550 A.1, A.3, A.8).

The packets are authentic and the replay window lets no number through twice, so there is no probation here: a number that jumps is a
sender that started anew.
"""

from __future__ import annotations

from sbc_sim.rtp.packet import CLOCK_RATE

MAX_DROPOUT = 3000
"""A forward jump of this many packets or more is a new start, not loss (RFC 3550 A.1)."""

_TIMESTAMPS = 1 << 32
_IMPLAUSIBLE = 10 * CLOCK_RATE
"""A packet that is ten seconds off was not delayed: the sender's clock was set anew (after a hold, say)."""


class StreamStatistics:
    """Reception of one SSRC. Sequence numbers are extended to never wrap."""

    __slots__ = (
        "_expected_before",
        "_received_before",
        "_restarted_expected",
        "_restarted_received",
        "_transit",
        "first",
        "floor",
        "highest",
        "jitter",
        "max_jitter",
        "received",
        "reordered",
        "restarts",
        "skipped",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int) -> None:
        """Begin just before the first packet, which is then counted like any other."""
        self.ssrc = ssrc
        self.first = sequence
        self.highest = sequence - 1
        self.received = 0
        """Packets since the last (re)start."""
        self.reordered = 0
        self.restarts = 0
        self.skipped = 0
        """Packets in their order that carried no audio to pass on."""
        self.floor = sequence - 1
        """Extended number of the newest such packet: audio that comes late from before it has no place left in a numbering without it."""
        self.jitter = 0.0
        """Timestamp units."""
        self.max_jitter = 0.0
        self._transit: float | None = None
        self._restarted_expected = 0
        self._restarted_received = 0
        self._expected_before = 0
        self._received_before = 0

    def take(self, sequence: int) -> int:
        """Count a packet and give its extended sequence number: it is the newest when it equals `highest` afterwards, else late."""
        extended = self.highest + 1
        if extended & 0xFFFF != sequence:
            return self._out_of_line(sequence)
        self.highest = extended
        self.received += 1
        return extended

    def take_audio(self, sequence: int, timestamp: int, now: float) -> int:
        """Count an audio packet as `take` does, and take its arrival time into the jitter (RFC 3550 A.8)."""
        extended = self.highest + 1
        if extended & 0xFFFF == sequence:
            self.highest = extended
            self.received += 1
        else:
            extended = self._out_of_line(sequence)
        before = self._transit
        self._transit = transit = now * CLOCK_RATE - timestamp
        if before is not None:
            difference = transit - before
            if difference < 0.0:
                difference = -difference
            if difference > _IMPLAUSIBLE:
                difference = self._without_wrap(difference)
            self.jitter = jitter = self.jitter + (difference - self.jitter) / 16.0
            if jitter > self.max_jitter:
                self.max_jitter = jitter
        return extended

    def _out_of_line(self, sequence: int) -> int:
        """Find the place of a packet after a gap, behind the newest, or at a new start."""
        self.received += 1
        ahead = (sequence - self.highest) & 0xFFFF
        if ahead >= 0x8000 or ahead == 0:
            self.reordered += 1
            return self.highest - ((0x10000 - ahead) & 0xFFFF or 0x10000)
        extended = self.highest + ahead
        if ahead >= MAX_DROPOUT:
            self._restart(extended)
        self.highest = extended
        return extended

    def _restart(self, extended: int) -> None:
        self._restarted_expected += self.highest - self.first + 1
        self._restarted_received += self.received - 1
        self.first = extended
        self.received = 1
        self.restarts += 1
        self._transit = None

    def skip(self, extended: int) -> None:
        """Take a packet out of the numbering that is passed on: no audio, or none that may be sent."""
        if extended == self.highest:
            self.skipped += 1
            self.floor = extended

    def _without_wrap(self, difference: float) -> float:
        wrapped = abs(difference - _TIMESTAMPS)
        return wrapped if wrapped <= _IMPLAUSIBLE else self.jitter

    def forget_transit(self) -> None:
        """Measure jitter from the next packet on: a talkspurt begins, whose timestamp may be anything (RFC 3551 section 4.1)."""
        self._transit = None

    @property
    def all_received(self) -> int:
        """Packets over all restarts."""
        return self._restarted_received + self.received

    @property
    def expected(self) -> int:
        """Packets that should have arrived (RFC 3550 A.3), over all restarts."""
        return self._restarted_expected + self.highest - self.first + 1

    @property
    def lost(self) -> int:
        """Expected less received, never below 0."""
        return max(0, self.expected - self.all_received)

    def fraction_since_last(self) -> int:
        """Fraction lost since the last call, in 1/256, as a report block wants it (RFC 3550 A.3)."""
        expected, received = self.expected, self.all_received
        expected_now, received_now = expected - self._expected_before, received - self._received_before
        self._expected_before, self._received_before = expected, received
        if expected_now <= 0 or expected_now <= received_now:
            return 0
        return min(255, ((expected_now - received_now) << 8) // expected_now)
