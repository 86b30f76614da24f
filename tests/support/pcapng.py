"""A pcapng reader by the letter of the draft, of its own: it shares nothing with the writer, and refuses whatever is not exact."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field

UDP, TCP = 17, 6


@dataclass
class Packet:
    """An enhanced packet block."""

    interface: int
    nanoseconds: int
    octets: bytes
    length: int
    comments: list[str]


@dataclass
class File:
    """One section."""

    comments: list[str] = field(default_factory=list)
    application: str = ""
    interfaces: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)

    def on(self, interface: int) -> list[Packet]:
        """The packets of one interface."""
        return [packet for packet in self.packets if packet.interface == interface]


@dataclass
class Datagram:
    """What IP and UDP or TCP say of a packet."""

    protocol: int
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes
    sequence: int = 0
    acknowledged: int = 0
    flags: int = 0


def read(data: bytes) -> File:
    """Read a file of one little-endian section."""
    file, place = File(), 0
    assert struct.unpack_from("<IIIHH", data)[0::2] == (0x0A0D0D0A, 0x1A2B3C4D, 0)
    while place < len(data):
        kind, length = struct.unpack_from("<II", data, place)
        assert length % 4 == 0
        assert length >= 12
        assert place + length <= len(data)
        assert struct.unpack_from("<I", data, place + length - 4)[0] == length
        _block(file, kind, data[place + 8 : place + length - 4], first=place == 0)
        place += length
    return file


def _block(file: File, kind: int, body: bytes, first: bool) -> None:
    assert (kind == 0x0A0D0D0A) == first
    if first:
        assert struct.unpack("<IHHq", body[:16]) == (0x1A2B3C4D, 1, 0, -1)
        options = _options(body[16:])
        file.comments = [value.decode() for code, value in options if code == 1]
        file.application = dict(options)[4].decode()
    elif kind == 1:
        link_type, reserved, _ = struct.unpack("<HHI", body[:8])
        options = dict(_options(body[8:]))
        assert (link_type, reserved) == (1, 0), "libpcap wants one type for all, Ethernet"
        assert options[9] == b"\x09"
        file.interfaces.append(options[2].decode())
    elif kind == 10:
        secrets_type, length = struct.unpack("<II", body[:8])
        assert secrets_type == 0x544C534B
        assert not file.packets, "secrets stand before the packets that need them"
        file.secrets += body[8 : 8 + length].decode().splitlines()
    else:
        assert kind == 6
        file.packets.append(_packet(file, body))


def _packet(file: File, body: bytes) -> Packet:
    interface, high, low, captured, length = struct.unpack("<IIIII", body[:20])
    assert interface < len(file.interfaces)
    assert captured <= length
    padded = captured + -captured % 4
    assert not any(body[20 + captured : 20 + padded])
    comments = [value.decode() for code, value in _options(body[20 + padded :]) if code == 1]
    return Packet(interface, high << 32 | low, body[20 : 20 + captured], length, comments)


def _options(octets: bytes) -> list[tuple[int, bytes]]:
    options, place = [], 0
    while place < len(octets):
        code, length = struct.unpack_from("<HH", octets, place)
        if code == 0:
            assert (length, place + 4) == (0, len(octets))
            return options
        assert place + 4 + length <= len(octets)
        options.append((code, octets[place + 4 : place + 4 + length]))
        place += 4 + length + -length % 4
    assert not options, "options without an end"
    return options


def open_ip(octets: bytes, length: int) -> Datagram:
    """Read a frame whose checksums and lengths must be right; `length` is that on the wire."""
    kind, octets, length = octets[12:14], octets[14:], length - 14
    assert kind == (b"\x08\x00" if octets[0] >> 4 == 4 else b"\x86\xdd")
    if octets[0] >> 4 == 4:
        assert octets[0] == 0x45
        assert int.from_bytes(octets[2:4], "big") == length
        assert _sum(octets[:20]) == 0xFFFF
        ends, protocol, rest = (octets[12:16], octets[16:20]), octets[9], octets[20:]
    else:
        assert octets[0] >> 4 == 6
        assert int.from_bytes(octets[4:6], "big") == length - 40
        ends, protocol, rest = (octets[8:24], octets[24:40]), octets[6], octets[40:]
    if len(octets) == length and protocol in (UDP, TCP):
        assert _sum(b"".join(ends) + struct.pack("!II", len(rest), protocol) + rest) == 0xFFFF
    hosts = [str(ipaddress.ip_address(end)) for end in ends]
    if protocol not in (UDP, TCP):
        return Datagram(protocol, (hosts[0], 0), (hosts[1], 0), rest)
    ports = struct.unpack_from("!HH", rest)
    source, destination = (hosts[0], ports[0]), (hosts[1], ports[1])
    if protocol == UDP:
        return Datagram(UDP, source, destination, rest[8:])
    assert protocol == TCP
    sequence, acknowledged, offset, flags = struct.unpack_from("!IIBB", rest, 4)
    assert offset == 5 << 4
    return Datagram(TCP, source, destination, rest[20:], sequence, acknowledged, flags)


def _sum(octets: bytes) -> int:
    """RFC 1071, word by word."""
    total = 0
    for place in range(0, len(octets), 2):
        total += int.from_bytes(octets[place : place + 2].ljust(2, b"\x00"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@dataclass
class Stream:
    """What one end of a TCP connection sent."""

    octets: bytes = b""
    next: int | None = None


def tcp_streams(packets: list[Packet]) -> dict[tuple[tuple[str, int], tuple[str, int]], Stream]:
    """Put segments together; each must follow the one before, and acknowledge what the other side has sent."""
    streams: dict[tuple[tuple[str, int], tuple[str, int]], Stream] = {}
    for packet in packets:
        segment = open_ip(packet.octets, packet.length)
        assert segment.protocol == TCP
        stream = streams.setdefault((segment.source, segment.destination), Stream())
        other = streams.get((segment.destination, segment.source))
        assert stream.next in (None, segment.sequence)
        if segment.flags & 16:
            assert other is not None
            assert segment.acknowledged == other.next
        stream.octets += segment.payload
        stream.next = segment.sequence + len(segment.payload) + bool(segment.flags & 3) & 0xFFFFFFFF
    return streams
