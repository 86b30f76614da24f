"""What the level `share` makes of RTCP: the texts in it lose what messages lose, numbers first; reports and lengths stay.

Texts are the items of source descriptions (RFC 3550 section 6.5: CNAME, NAME, EMAIL, PHONE, LOC, TOOL, NOTE, PRIV) and the reason of a
BYE (section 6.6); what an APP holds (section 6.7) is taken for one, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sbc_sim.exports.filling import stars
from sbc_sim.exports.ip_packets import numeric
from sbc_sim.rtp.rtcp import BYE, SDES

Rewriting = Callable[[str], str]
"""Masks a text, a character an octet."""
_PRIVATE = 8
_APPLICATION = 204
_TEL = "tel:"


def masked_rtcp(compound: bytes, mask: Rewriting) -> bytes:
    """Copy an RTCP packet with its texts masked; octets that are cut or no RTCP stay as they are as far as they hold no text."""
    masked, place = bytearray(compound), 0
    while place + 4 <= len(compound):
        end = min(len(compound), place + 4 + 4 * int.from_bytes(compound[place + 2 : place + 4], "big"))
        for start, stop in _texts(compound, place, end):
            masked[start:stop] = masked_text(compound[start:stop].decode("latin-1"), mask).encode("latin-1")
        place = end
    return bytes(masked)


def is_rtcp(datagram: bytes) -> bool:
    """Tell RTCP from RTP, both maybe cut (RFC 5761 section 4)."""
    return len(datagram) >= 4 and datagram[0] >> 6 == 2 and 192 <= datagram[1] < 224


def masked_text(text: str, mask: Rewriting) -> str:
    """Mask the text of an item: what stands before an @ or alone may be a number without saying so. The length stays."""
    name, at, host = mask(text).partition("@")
    if at or numeric(name) == "0.0.0.0":
        name = " ".join(mask(_TEL + word)[len(_TEL) :] for word in name.split(" "))
    masked = name + at + host
    return masked if len(masked) == len(text) else stars(text)


def _texts(compound: bytes, place: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the texts of one packet of a compound stand."""
    count, kind = compound[place] & 0x1F, compound[place + 1]
    if kind == SDES:
        yield from _items(compound, place + 4, end)
    elif kind == _APPLICATION and place + 12 < end:
        yield place + 12, end
    elif kind == BYE and (reason := place + 4 + 4 * count) < end:
        yield reason + 1, min(end, reason + 1 + compound[reason])


def _items(compound: bytes, place: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the texts of all chunks stand: an SSRC, items, and null octets up to the next 32-bit boundary."""
    begin = place
    while place + 4 < end:
        place += 4  # the SSRC
        while place + 1 < end and compound[place]:
            start, stop = place + 2, min(end, place + 2 + compound[place + 1])
            prefix = 1 + compound[start] if compound[place] == _PRIVATE and start < stop else 0
            if prefix:
                yield start + 1, min(stop, start + prefix)
            yield min(stop, start + prefix), stop
            place = stop
        place += 4 - (place - begin) % 4
