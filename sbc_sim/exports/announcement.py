"""Session announcements (SAP, RFC 2974) that tell Wireshark which addresses speak RTP in clear: it reads their SDP like that of a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sbc_sim.exports.ip_packets import Address, packed, udp_packet

MOST_TALKERS = 16
SAP_PORT = 9875
_SAP_GROUPS = {4: "224.2.127.254", 16: "ff0e::2:7ffe"}
_VERSION_1, _FROM_IPV6 = 0x20, 0x10
_MEDIA_IN_ONE = 4
"""Media sections of one SDP that Wireshark looks at."""


@dataclass(frozen=True, slots=True)
class Talkers:
    """Who speaks RTP with whom."""

    addresses: tuple[Address, ...] = ()
    """Ours first."""
    codec: str = "PCMU"
    payload_type: int = 0
    dtmf_payload_type: int | None = None


def announcements(talkers: Talkers) -> Iterator[bytes]:
    """Give the packets which tell Wireshark that these addresses speak RTP, not SRTP."""
    addresses = talkers.addresses[:MOST_TALKERS]
    for start in range(0, len(addresses), _MEDIA_IN_ONE):
        yield _announcement(addresses[0], _sdp(addresses[start : start + _MEDIA_IN_ONE], talkers).encode(), start)


def _announcement(own: Address, sdp: bytes, number: int) -> bytes:
    origin = packed(own[0])
    flags = _VERSION_1 | (_FROM_IPV6 if len(origin) == 16 else 0)
    head = bytes([flags, 0]) + (number + 1).to_bytes(2, "big") + origin
    # No payload type: "v=0" says the same (RFC 2974 section 3), and behind a type Wireshark calls the end of the SDP malformed.
    return udp_packet((own[0], SAP_PORT), (_SAP_GROUPS[len(origin)], SAP_PORT), head + sdp)


def _sdp(addresses: tuple[Address, ...], talkers: Talkers) -> str:
    formats = [str(talkers.payload_type)]
    lines = [f"a=rtpmap:{talkers.payload_type} {talkers.codec}/8000"]
    if talkers.dtmf_payload_type is not None:
        formats.append(str(talkers.dtmf_payload_type))
        lines.append(f"a=rtpmap:{talkers.dtmf_payload_type} telephone-event/8000")
    text = ["v=0", "o=sbc-sim 0 0 IN IP4 0.0.0.0", "s=in clear", "t=0 0"]
    for host, port in addresses:
        family = "IP6" if ":" in host else "IP4"
        text += [f"m=audio {port} RTP/AVP {' '.join(formats)}", f"c=IN {family} {host}", *lines]
    return "\r\n".join([*text, ""])
