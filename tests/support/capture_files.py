"""Captures made for tests: frames of any link layer, TCP conversations with true sequence numbers, pcap and pcapng files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from struct import pack

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 5061)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
Address = tuple[str, int]
Said = tuple[bool, bytes]
"""Who sent it (True: the client), and what."""


@dataclass(frozen=True)
class Frame:
    """Octets at a time; `original`: how long it was before it was cut."""

    at: float
    data: bytes
    original: int | None = None
    interface: int = 0


def ethernet(packet: bytes, tags: bytes = b"") -> bytes:
    """Put an IP packet into Ethernet."""
    return bytes(range(12)) + tags + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def ip(
    source: str, destination: str, protocol: int, body: bytes, identification: int = 0, fragment: int = 0, options: bytes = b""
) -> bytes:
    """Put a segment into IPv4 or IPv6."""
    ends = ip_address(source).packed, ip_address(destination).packed
    if len(ends[0]) == 4:
        length = 20 + len(options)
        head = pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(body), identification, fragment, 64, protocol, 0)
        return head + b"".join(ends) + options + body
    return pack("!IHBB", 6 << 28, len(body), protocol, 64) + b"".join(ends) + body


def tcp_segment(source: int, destination: int, sequence: int, acknowledged: int, flags: int, data: bytes = b"") -> bytes:
    """One segment."""
    return pack("!HHIIBBHHH", source, destination, sequence % 2**32, acknowledged % 2**32, 5 << 4, flags, 65535, 0, 0) + data


def udp_datagram(source: int, destination: int, data: bytes) -> bytes:
    """One datagram."""
    return pack("!HHHH", source, destination, 8 + len(data), 0) + data


def udp_frame(at: float, source: Address, destination: Address, data: bytes) -> Frame:
    """One datagram on Ethernet."""
    return Frame(at, ethernet(ip(source[0], destination[0], 17, udp_datagram(source[1], destination[1], data))))


@dataclass
class Conversation:
    """A TCP connection; each method gives the frames of one thing that happens."""

    client: Address = CLIENT
    server: Address = SERVER
    sequences: list[int] = field(default_factory=lambda: [1000, 5000])
    at: float = 1_700_000_000.0
    step: float = 0.001
    segment: int = 1448

    def opening(self) -> Iterator[Frame]:
        """SYN, SYN-ACK, ACK."""
        yield self.frame(True, SYN)
        self.sequences[0] += 1
        yield self.frame(False, SYN | ACK)
        self.sequences[1] += 1
        yield self.frame(True, ACK)

    def say(self, from_client: bool, data: bytes) -> Iterator[Frame]:
        """Octets, in segments."""
        for start in range(0, len(data), self.segment):
            piece = data[start : start + self.segment]
            yield self.frame(from_client, PSH | ACK, piece)
            self.sequences[0 if from_client else 1] += len(piece)

    def closing(self, by_client: bool = True) -> Iterator[Frame]:
        """FIN of both."""
        for side in (by_client, not by_client):
            yield self.frame(side, FIN | ACK)
            self.sequences[0 if side else 1] += 1

    def frame(self, from_client: bool, flags: int, data: bytes = b"", sequence: int | None = None) -> Frame:
        """One segment at the next moment."""
        source, destination = (self.client, self.server) if from_client else (self.server, self.client)
        own, other = self.sequences if from_client else self.sequences[::-1]
        self.at += self.step
        segment = tcp_segment(source[1], destination[1], own if sequence is None else sequence, other if flags & ACK else 0, flags, data)
        return Frame(self.at, ethernet(ip(source[0], destination[0], 6, segment)))

    def whole(self, said: Iterable[Said]) -> list[Frame]:
        """All of it."""
        frames = list(self.opening())
        for from_client, data in said:
            frames += self.say(from_client, data)
        return [*frames, *self.closing()]


def pcap(frames: Iterable[Frame], link: int = 1, order: str = "<", nano: bool = False) -> bytes:
    """Write a pcap file."""
    scale, magic = (10**9, 0xA1B23C4D) if nano else (10**6, 0xA1B2C3D4)
    pieces = [pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for frame in frames:
        seconds = int(frame.at)
        fraction = min(scale - 1, round((frame.at - seconds) * scale))
        original = len(frame.data) if frame.original is None else frame.original
        pieces += [pack(order + "IIII", seconds, fraction, len(frame.data), original), frame.data]
    return b"".join(pieces)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """One pcapng block."""
    body += bytes(-len(body) % 4)
    size = pack(order + "I", len(body) + 12)
    return pack(order + "I", kind) + size + body + size


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """One option of a block."""
    return pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    """A section header block."""
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, options: bytes = b"", order: str = "<", snap_length: int = 0) -> bytes:
    """An interface description block."""
    return block(1, pack(order + "HHI", link, 0, snap_length) + options, order)


def enhanced_packet(frame: Frame, order: str = "<", ticks: int = 10**6) -> bytes:
    """An enhanced packet block."""
    moment = round(frame.at * ticks)
    original = len(frame.data) if frame.original is None else frame.original
    head = pack(order + "IIIII", frame.interface, moment >> 32, moment & 0xFFFFFFFF, len(frame.data), original)
    return block(6, head + frame.data, order)


def tls_secrets(text: str, order: str = "<") -> bytes:
    """A decryption secrets block."""
    return block(10, pack(order + "II", 0x544C534B, len(text)) + text.encode(), order)


def pcapng(frames: Sequence[Frame], link: int = 1, order: str = "<", key_log: str = "") -> bytes:
    """Write a pcapng file with one interface."""
    secrets = tls_secrets(key_log, order) if key_log else b""
    return section(order) + interface(link, order=order) + secrets + b"".join(enhanced_packet(frame, order) for frame in frames)
