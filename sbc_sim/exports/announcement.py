"""Exported PDUs (LINKTYPE_WIRESHARK_UPPER_PDU): octets that are given to one of Wireshark's dissectors by its name, without headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from sbc_sim.exports.ip_packets import Address, packed

MOST_TALKERS = 16
_TAG = Struct("!HH")
_DISSECTOR, _PORT_TYPE, _SOURCE_PORT, _DESTINATION_PORT = 12, 24, 25, 26
_SOURCES = {4: 20, 16: 22}
_DESTINATIONS = {4: 21, 16: 23}
_UDP_PORTS = 3
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
    """Give the PDUs which tell Wireshark that these addresses speak RTP, not SRTP."""
    addresses = talkers.addresses[:MOST_TALKERS]
    for start in range(0, len(addresses), _MEDIA_IN_ONE):
        pdu = _sdp(addresses[start : start + _MEDIA_IN_ONE], talkers).encode()
        yield _exported("sdp", addresses[0], addresses[-1], pdu)


def exported_datagram(source: Address, destination: Address, octets: bytes) -> bytes:
    """Give a datagram that Wireshark shall show as it is, whatever is known of its addresses."""
    return _exported("data", source, destination, octets)


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


def _exported(dissector: str, source: Address, destination: Address, octets: bytes) -> bytes:
    ends = packed(source[0]), packed(destination[0])
    tags = [
        (_DISSECTOR, dissector.encode()),
        (_SOURCES[len(ends[0])], ends[0]),
        (_DESTINATIONS[len(ends[1])], ends[1]),
        (_PORT_TYPE, _UDP_PORTS.to_bytes(4, "big")),
        (_SOURCE_PORT, source[1].to_bytes(4, "big")),
        (_DESTINATION_PORT, destination[1].to_bytes(4, "big")),
    ]
    head = b"".join(_TAG.pack(tag, len(value) + -len(value) % 4) + value + bytes(-len(value) % 4) for tag, value in tags)
    return head + _TAG.pack(0, 0) + octets
