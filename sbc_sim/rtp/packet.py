"""RTP packets (RFC 3550 section 5.1), and which protocol a datagram on a media port belongs to (RFC 7983).

The echo's fast path reads the twelve fixed octets itself with `FIXED_HEADER`; what is here is the same in readable form, and the
slow path for packets with padding, CSRCs or a header extension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from struct import Struct

FIXED_HEADER = Struct("!BBHII")
"""Flags, marker and payload type, sequence number, timestamp, SSRC."""

HEADER_OCTETS = 12
PLAIN_FLAGS = 0x80
"""First octet of a packet of version 2 without padding, extension and CSRC: nearly all there are."""

MARKER = 0x80
COMFORT_NOISE = 13
"""Static payload type of RFC 3389."""

CLOCK_RATE = 8000
"""Timestamp units per second of PCMU, PCMA and the telephone-events beside them."""


class Kind(Enum):
    """What arrived, by its first octets."""

    RTP = "rtp"
    RTCP = "rtcp"
    STUN = "stun"
    DTLS = "dtls"
    UNKNOWN = "unknown"


def classify(datagram: bytes) -> Kind:
    """Tell RTP, RTCP, STUN and DTLS apart (RFC 7983 section 7; RTCP by its packet type, RFC 5761 section 4)."""
    if not datagram:
        return Kind.UNKNOWN
    first = datagram[0]
    if first < 4:
        return Kind.STUN
    if 20 <= first < 64:
        return Kind.DTLS
    if not 128 <= first < 192:
        return Kind.UNKNOWN
    if len(datagram) >= 8 and 192 <= datagram[1] < 224:
        return Kind.RTCP
    return Kind.RTP if len(datagram) >= HEADER_OCTETS else Kind.UNKNOWN


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet in clear, without its padding, CSRCs and header extension."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = field(repr=False)
    marker: bool = False


def payload_of(packet: bytes) -> bytes | None:
    """Cut the payload out of a clear packet: CSRC list, extension and padding skipped; None when their lengths cannot be true."""
    if len(packet) < HEADER_OCTETS:
        return None
    flags = packet[0]
    start = HEADER_OCTETS + 4 * (flags & 0x0F)
    if flags & 0x10:
        if len(packet) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    padding = packet[-1] if flags & 0x20 else 0
    end = len(packet) - padding
    if end < start or (flags & 0x20 and padding == 0):
        return None
    return packet[start:end]


def parse(packet: bytes) -> RtpPacket | None:
    """Read a clear packet; None when it is not RTP of version 2 or its inner lengths are wrong."""
    payload = payload_of(packet)
    if payload is None or packet[0] >> 6 != 2:
        return None
    _, second, sequence, timestamp, ssrc = FIXED_HEADER.unpack_from(packet)
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, payload, second >= MARKER)


def build(packet: RtpPacket) -> bytes:
    """Write a packet without padding, CSRC and extension; sequence number and timestamp are taken modulo their width."""
    second = packet.payload_type | (MARKER if packet.marker else 0)
    header = FIXED_HEADER.pack(PLAIN_FLAGS, second, packet.sequence & 0xFFFF, packet.timestamp & 0xFFFFFFFF, packet.ssrc)
    return header + packet.payload
