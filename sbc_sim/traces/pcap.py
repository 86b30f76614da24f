"""The classic capture file of libpcap: a header of 24 octets, then packets with 16 octets before each."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from sbc_sim.traces.frames import Frame, sane_time
from sbc_sim.traces.limits import Notes
from sbc_sim.traces.recording import TraceError

LARGEST_PACKET = 16 * 1024 * 1024
"""A length beyond this is damage and not a packet."""


class _Variant(NamedTuple):
    order: str
    fraction: float
    header: int
    """Octets before each packet."""


_VARIANTS = {
    b"\xd4\xc3\xb2\xa1": _Variant("<", 1e-6, 16),
    b"\xa1\xb2\xc3\xd4": _Variant(">", 1e-6, 16),
    b"\x4d\x3c\xb2\xa1": _Variant("<", 1e-9, 16),
    b"\xa1\xb2\x3c\x4d": _Variant(">", 1e-9, 16),
    b"\x34\xcd\xb2\xa1": _Variant("<", 1e-6, 24),  # Kuznetzov's, still written by some devices
    b"\xa1\xb2\xcd\x34": _Variant(">", 1e-6, 24),
}


def is_pcap(data: bytes) -> bool:
    """Tell by the magic number."""
    return data[:4] in _VARIANTS


def read_pcap(data: bytes, notes: Notes) -> Iterator[Frame]:
    """Give the frames in the order of the file. Damage ends the reading with a note. Raises TraceError for a cut file header."""
    variant = _VARIANTS[data[:4]]
    if len(data) < 24:
        raise TraceError(f"The pcap file ends within its header, after {len(data)} octets of 24: copy the file again, in binary mode.")
    link = Struct(variant.order + "I").unpack_from(data, 20)[0] & 0xFFFF  # above: what is known of frame check sequences
    header = Struct(variant.order + "IIII")
    place, length = 24, len(data)
    while place < length:
        if place + variant.header > length:
            notes.add(f"The capture ends within the header of a packet at octet {place}: the file was cut, what comes before is read.")
            return
        seconds, fraction, captured, original = header.unpack_from(data, place)
        if captured > LARGEST_PACKET:
            notes.add(f"The packet at octet {place} says it has {captured} octets: the file is damaged, only what comes before is read.")
            return
        start = place + variant.header
        place = start + captured
        if place > length:
            notes.add(f"The capture ends within the packet at octet {start}: the file was cut, what comes before is read.")
            return
        yield Frame(sane_time(seconds + fraction * variant.fraction), link, 0, data[start:place], max(0, original - captured))
