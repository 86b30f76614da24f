"""One frame of a capture file, whatever file format and link layer it came from."""

from __future__ import annotations

from typing import NamedTuple

LATEST = 253_402_300_799.0
"""The last second of the year 9999: what is beyond is no time that anybody can write down."""


class Frame(NamedTuple):
    """The octets of one packet as captured."""

    at: float
    """Unix seconds."""
    link: int
    """LINKTYPE, as registered at tcpdump.org."""
    interface: int
    """Number of the interface in the file, over all sections."""
    data: bytes
    missing: int
    """Octets of the packet that were not captured (snap length)."""
    interface_name: str = ""


def sane_time(at: float) -> float:
    """Give the time, or 0.0 for one that no calendar has."""
    return at if 0.0 <= at <= LATEST else 0.0
