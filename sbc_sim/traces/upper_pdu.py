"""Link type 252: application octets with tags that say what they are, as Wireshark's "Export PDUs to File" writes them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from sbc_sim.traces.recording import Address

_END, _PROTOCOL = 0, 12
_SOURCE_HOSTS, _DESTINATION_HOSTS = (20, 22), (21, 23)
_PORT_TYPE, _SOURCE_PORT, _DESTINATION_PORT = 24, 25, 26
_TCP_PORT = 2
_READ = ("sip", "sips", "rtp", "rtcp", "srtp", "srtcp", "udp")


class Pdu(NamedTuple):
    """What one exported PDU says of itself."""

    protocol: str
    source: Address
    destination: Address
    over_tcp: bool
    payload: bytes


def read_pdu(data: bytes) -> Pdu | None:
    """Read one; None when it is no SIP or RTP, has no addresses, or is cut."""
    tags: dict[int, bytes] = {}
    place = 0
    while place + 4 <= len(data):
        tag, length = int.from_bytes(data[place : place + 2]), int.from_bytes(data[place + 2 : place + 4])
        place += 4
        if tag == _END:
            return _pdu(tags, data[place:])
        tags[tag] = data[place : place + length]
        place += length
    return None


def _pdu(tags: dict[int, bytes], payload: bytes) -> Pdu | None:
    protocol = tags.get(_PROTOCOL, b"").rstrip(b"\0").decode("ascii", "replace").lower()
    source, destination = _end(tags, _SOURCE_HOSTS, _SOURCE_PORT), _end(tags, _DESTINATION_HOSTS, _DESTINATION_PORT)
    if protocol not in _READ or source is None or destination is None:
        return None
    return Pdu(protocol, source, destination, int.from_bytes(tags.get(_PORT_TYPE, b"")) == _TCP_PORT, payload)


def _end(tags: dict[int, bytes], hosts: tuple[int, int], port: int) -> Address | None:
    for tag in hosts:
        if len(tags.get(tag, b"")) in (4, 16):
            return str(ip_address(tags[tag])), int.from_bytes(tags.get(port, b"")[:4]) & 0xFFFF
    return None
