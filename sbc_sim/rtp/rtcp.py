"""RTCP packets: sender and receiver reports, SDES CNAME, BYE (RFC 3550 section 6). In clear; SRTCP is srtp.py's affair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

SR, RR, SDES, BYE = 200, 201, 202, 203

_CNAME = 1
_HEADER = Struct("!BBH")
_SENDER = Struct("!IIIII")
_BLOCK = Struct("!IIIIII")
_UNIX_TO_NTP = 2_208_988_800
_FRACTION = 1 << 32


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one receiver says about one sender (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Since its last report, in 1/256."""
    lost: int
    """In all; signed, 24 bits."""
    highest: int
    """Extended highest sequence number, 32 bits."""
    jitter: int
    """Timestamp units."""
    last_sr: int = 0
    """Middle 32 bits of the NTP time of the sender's last report; 0: none came."""
    delay: int = 0
    """Between that report and this one, in 1/65536 s."""


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What a sender says about itself."""

    ntp: int
    """64 bits: seconds since 1900 and their fraction."""
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Report:
    """A sender report when it has sender information, else a receiver report."""

    ssrc: int
    sender: SenderInfo | None = None
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """One SDES chunk: only its CNAME is kept."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Bye:
    """The sources that leave."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A packet type that is not read here: APP, feedback, XR and so on."""

    packet_type: int


RtcpPacket = Report | Description | Bye | Other


def ntp_time(now: float) -> int:
    """Convert unix seconds to a 64-bit NTP timestamp."""
    return int((now + _UNIX_TO_NTP) * _FRACTION)


def middle(ntp: int) -> int:
    """Give the middle 32 bits, in which reports count time: 1/65536 s, wrapping every 18 hours."""
    return ntp >> 16 & 0xFFFFFFFF


def _packet(count: int, packet_type: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


def build_report(report: Report) -> bytes:
    """Write an SR or RR; at most 31 blocks fit."""
    body = report.ssrc.to_bytes(4, "big")
    if report.sender is not None:
        info = report.sender
        numbers = (info.ntp >> 32, info.ntp, info.timestamp, info.packets, info.octets)
        body += _SENDER.pack(*(number & 0xFFFFFFFF for number in numbers))
    blocks = report.blocks[:31]
    return _packet(len(blocks), RR if report.sender is None else SR, body + b"".join(_build_block(block) for block in blocks))


def _build_block(block: ReportBlock) -> bytes:
    losses = (block.fraction_lost & 0xFF) << 24 | max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF
    numbers = (block.ssrc, losses, block.highest, block.jitter, block.last_sr, block.delay)
    return _BLOCK.pack(*(number & 0xFFFFFFFF for number in numbers))


def build_cname(ssrc: int, cname: str) -> bytes:
    """Write an SDES packet with one CNAME (at most 255 octets of it)."""
    text = cname.encode()[:255]
    chunk = ssrc.to_bytes(4, "big") + bytes([_CNAME, len(text)]) + text
    return _packet(1, SDES, chunk + bytes(4 - len(chunk) % 4))


def build_bye(ssrc: int) -> bytes:
    """Write a BYE for one source."""
    return _packet(1, BYE, ssrc.to_bytes(4, "big"))


def parse(datagram: bytes) -> list[RtcpPacket] | None:
    """Read a compound packet (also a reduced-size one, RFC 5506); None when its lengths do not add up."""
    packets: list[RtcpPacket] = []
    offset = 0
    while offset < len(datagram):
        end = _end_of_packet(datagram, offset)
        if end is None:
            return None
        if not _read_into(packets, datagram, offset, end):
            return None
        offset = end
    return packets or None


def _end_of_packet(datagram: bytes, offset: int) -> int | None:
    if len(datagram) < offset + 4 or datagram[offset] >> 6 != 2 or not 192 <= datagram[offset + 1] < 224:
        return None
    end = offset + 4 + 4 * int.from_bytes(datagram[offset + 2 : offset + 4], "big")
    return end if end <= len(datagram) else None


def looks_clear(datagram: bytes) -> bool:
    """Tell RTCP in clear from SRTCP: there the lengths stop short of the end, where index and tag are."""
    return parse(datagram) is not None


def _read_into(packets: list[RtcpPacket], datagram: bytes, offset: int, end: int) -> bool:
    count, packet_type = datagram[offset] & 0x1F, datagram[offset + 1]
    if datagram[offset] & 0x20:
        padding = datagram[end - 1]
        if end != len(datagram) or padding == 0 or padding % 4 or padding > end - offset - 4:
            return False
        end -= padding
    body = datagram[offset + 4 : end]
    if packet_type in (SR, RR):
        return _read_report(packets, body, count, with_sender=packet_type == SR)
    if packet_type == SDES:
        packets.extend(_descriptions(body, count))
    elif packet_type == BYE:
        if len(body) < 4 * count:
            return False
        packets.append(Bye(tuple(int.from_bytes(body[4 * n : 4 * n + 4], "big") for n in range(count))))
    else:
        packets.append(Other(packet_type))
    return True


def _read_report(packets: list[RtcpPacket], body: bytes, count: int, *, with_sender: bool) -> bool:
    start = 4 + (_SENDER.size if with_sender else 0)
    if len(body) < start + count * _BLOCK.size:
        return False
    sender = None
    if with_sender:
        high, low, timestamp, sent, octets = _SENDER.unpack_from(body, 4)
        sender = SenderInfo(high << 32 | low, timestamp, sent, octets)
    blocks = tuple(_read_block(body, start + n * _BLOCK.size) for n in range(count))
    packets.append(Report(int.from_bytes(body[:4], "big"), sender, blocks))
    return True


def _read_block(body: bytes, offset: int) -> ReportBlock:
    ssrc, losses, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
    lost = losses & 0xFFFFFF
    return ReportBlock(ssrc, losses >> 24, lost - 0x1000000 if lost & 0x800000 else lost, highest, jitter, last_sr, delay)


def _descriptions(body: bytes, count: int) -> Iterator[Description]:
    """Walk the chunks of an SDES packet as far as they make sense (section 6.5)."""
    offset = 0
    for _ in range(count):
        if len(body) < offset + 4:
            return
        ssrc = int.from_bytes(body[offset : offset + 4], "big")
        offset += 4
        while offset + 1 < len(body) and body[offset] != 0:
            text = body[offset + 2 : offset + 2 + body[offset + 1]]
            if body[offset] == _CNAME:
                yield Description(ssrc, text.decode("utf-8", "replace"))
            offset += 2 + body[offset + 1]
        offset = offset // 4 * 4 + 4
