"""Ethernet frames made for octets whose real ones were never seen: UDP datagrams, and whole TCP connections with matching numbers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from struct import Struct

Address = tuple[str, int]

MOST_IN_SEGMENT = 1448
"""Octets of a TCP segment: what Ethernet takes with timestamps, as most stacks send."""

UDP, TCP = 17, 6
EXPERIMENT = 253
"""IP protocol for experiments and tests (RFC 3692): nobody reads more into it."""
FIN, SYN, PUSH, ACK = 1, 2, 8, 16

_LOCAL = b"\x02\x00"
"""A locally administered Ethernet address begins like this."""
_ETHERTYPES = {4: b"\x08\x00", 16: b"\x86\xdd"}

_UDP = Struct("!HHHH")
_TCP = Struct("!HHIIBBHHH")
_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")


def udp_packet(source: Address, destination: Address, payload: bytes) -> bytes:
    """Make the frame of a datagram."""
    length = 8 + len(payload)
    header = _UDP.pack(source[1], destination[1], length & 0xFFFF, 0)
    return _ip(UDP, source[0], destination[0], header + payload, 6)


def opaque_packet(source: Address, destination: Address, octets: bytes) -> bytes:
    """Make a frame between two hosts that no reader takes for UDP or RTP."""
    return _frame(EXPERIMENT, packed(source[0]), packed(destination[0]), octets)


class TcpStream:
    """One connection, made up so that every reader can follow it: handshake, data in segments, acknowledgements by the way, end."""

    def __init__(self, client: Address, server: Address) -> None:
        """The addresses of both ends."""
        self._ends = (client, server)
        self._next = [1_000_000, 2_000_000]
        """Sequence number of the next octet of client and server."""

    def opening(self) -> list[bytes]:
        """Give SYN, SYN-ACK and ACK."""
        first = self._segment(0, SYN, acknowledged=0)
        self._next[0] += 1
        second = self._segment(1, SYN | ACK)
        self._next[1] += 1
        return [first, second, self._segment(0, ACK)]

    def data(self, from_client: bool, octets: bytes) -> Iterator[bytes]:
        """Give the segments of what one side sends."""
        side = 0 if from_client else 1
        for start in range(0, len(octets), MOST_IN_SEGMENT):
            piece = octets[start : start + MOST_IN_SEGMENT]
            yield self._segment(side, PUSH | ACK, piece)
            self._next[side] = self._next[side] + len(piece) & 0xFFFFFFFF

    def closing(self, by_client: bool) -> list[bytes]:
        """Give the FIN of both sides, and the last ACK."""
        side = 0 if by_client else 1
        packets = []
        for end in (side, 1 - side):
            packets.append(self._segment(end, FIN | ACK))
            self._next[end] += 1
        return [*packets, self._segment(side, ACK)]

    def _segment(self, side: int, flags: int, payload: bytes = b"", acknowledged: int | None = None) -> bytes:
        source, destination = self._ends[side], self._ends[1 - side]
        numbers = self._next[side], self._next[1 - side] if acknowledged is None else acknowledged
        header = _TCP.pack(source[1], destination[1], *numbers, 5 << 4, flags, 65535, 0, 0)
        return _ip(TCP, source[0], destination[0], header + payload, 16)


def _ip(protocol: int, source: str, destination: str, segment: bytes, checksum_at: int) -> bytes:
    """Put a segment into a frame; its checksum goes to the offset `checksum_at`."""
    ends = packed(source), packed(destination)
    if len(ends[0]) != len(ends[1]):
        ends = mapped(ends[0]), mapped(ends[1])
    pseudo = b"".join(ends) + len(segment).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    return _frame(protocol, *ends, segment[:checksum_at] + _checksum(pseudo + segment) + segment[checksum_at + 2 :])


def _frame(protocol: int, source: bytes, destination: bytes, payload: bytes) -> bytes:
    """Put a payload into IPv4 when both ends are of it, else into IPv6, and that into Ethernet between made-up addresses."""
    if len(source) == len(destination) == 4:
        length = 20 + len(payload)
        header = _IPV4.pack(0x45, 0, length & 0xFFFF, 0, 0x4000, 64, protocol, 0, source, destination)
        header, kind = header[:10] + _checksum(header) + header[12:], _ETHERTYPES[4]
    else:
        source, destination = mapped(source), mapped(destination)
        header, kind = _IPV6.pack(6 << 28, len(payload) & 0xFFFF, protocol, 64, source, destination), _ETHERTYPES[16]
    return _LOCAL + destination[-4:] + _LOCAL + source[-4:] + kind + header + payload


def numeric(host: str) -> str:
    """Write an address in one form: IPv4 within IPv6 as IPv4, without zone or brackets; what is no address (a name) becomes 0.0.0.0."""
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return "0.0.0.0"
    return str(getattr(address, "ipv4_mapped", None) or address)


def packed(host: str) -> bytes:
    """Give an address as octets."""
    return ip_address(numeric(host)).packed


def mapped(address: bytes) -> bytes:
    """Give an IPv4 address as IPv6 has it (RFC 4291 section 2.5.5.2)."""
    return address if len(address) == 16 else bytes(10) + b"\xff\xff" + address


def _checksum(octets: bytes) -> bytes:
    """Sum as RFC 1071 does: adding 16-bit words with end-around carry is counting modulo 65535. Never 0, which UDP takes for none."""
    padded = octets + b"\x00" if len(octets) % 2 else octets
    remainder = int.from_bytes(padded, "big") % 0xFFFF
    return (0xFFFF - remainder).to_bytes(2, "big")
