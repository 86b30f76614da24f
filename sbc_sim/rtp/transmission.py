"""Our own RTP stream of one leg: SSRC, sequence numbers, timestamps, key, counters."""

from __future__ import annotations

from collections.abc import Callable

from sbc_sim.rtp import rtcp
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.rtp.packet import CLOCK_RATE, FIXED_HEADER, MARKER, PLAIN_FLAGS
from sbc_sim.rtp.srtp import SrtpSender

NOWHERE = ("", 0)


class Transmission:
    """Builds and protects packets. The SRTP state lives as long as the key stays the same, whatever else changes."""

    __slots__ = (
        "_before",
        "_key",
        "_protect",
        "_srtp",
        "marker",
        "octets",
        "packets",
        "payload_type",
        "record",
        "refused",
        "sent_at",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(self, description: LegDescription) -> None:
        """Begin a stream; raise ValueError for a suite or key that cannot be used."""
        self._key = description.send_key
        self._srtp = SrtpSender(self._key)
        self._protect = self._srtp.protect
        self.ssrc = description.ssrc
        self.payload_type = description.payload_type
        self.sequence = description.first_sequence
        """The next one, extended."""
        self.timestamp = description.first_timestamp
        """Of the newest packet."""
        self.sent_at: float | None = None
        self.packets = 0
        self.octets = 0
        self._before = (0, 0)
        """Packets and octets under former SSRCs."""
        self.refused = 0
        """Packets that libsrtp would not protect: an index used twice, or too long."""
        self.marker = True
        """The next packet begins a talkspurt (RFC 3551 section 4.1)."""
        self.record: Callable[[float, tuple[str, int], bytes], None] | None = None
        """Gets each packet in clear that could be protected, with its time and destination."""

    def change(self, description: LegDescription) -> None:
        """Go on under a new description. A new SSRC begins at the description's first numbers."""
        if description.send_key != self._key:
            self._key = description.send_key
            self._srtp = SrtpSender(self._key)
            self._protect = self._srtp.protect
        if description.ssrc != self.ssrc:
            self.ssrc = description.ssrc
            self._before = (self.packets, self.octets)
            self.sequence, self.timestamp, self.sent_at = description.first_sequence, description.first_timestamp, None
        self.payload_type = description.payload_type

    def send(self, payload: bytes, sequence: int, timestamp: int, now: float, destination: tuple[str, int] = NOWHERE) -> bytes | None:
        """Give the protected packet with this extended sequence number, which must not have been used; None when it cannot be.

        `destination` is where the caller will send it; only a recording wants to know.
        """
        second = self.payload_type
        if self.marker:
            second |= MARKER
            self.marker = False
        header = FIXED_HEADER.pack(PLAIN_FLAGS, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self.ssrc)
        clear = header + payload
        protect, record = self._protect, self.record  # by way of locals, as in Reception.receive
        packet = protect(clear)
        if not isinstance(packet, bytes):
            self.refused += 1
            return None
        if record is not None:
            record(now, destination, clear)
        if sequence >= self.sequence:
            self.sequence = sequence + 1
            self.timestamp = timestamp
            self.sent_at = now
        self.packets += 1
        self.octets += len(payload)
        return packet

    def timestamp_at(self, now: float) -> int:
        """Give the timestamp that belongs to a moment after the newest packet; before any packet, the first."""
        if self.sent_at is None:
            return self.timestamp
        return self.timestamp + max(0, round((now - self.sent_at) * CLOCK_RATE))

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """Protect a compound packet with the same key (RFC 3711 section 3.4)."""
        protected = self._srtp.protect_rtcp(packet)
        return protected if isinstance(protected, bytes) else None

    def sender_info(self, now: float) -> rtcp.SenderInfo | None:
        """Tell what a sender report says of the present SSRC; None before any packet."""
        packets, octets = self._before
        if self.packets == packets:
            return None
        return rtcp.SenderInfo(rtcp.ntp_time(now), self.timestamp_at(now), self.packets - packets, self.octets - octets)
