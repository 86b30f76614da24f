"""What stands before IP in a frame: Ethernet and its tags, Linux cooked, loopback, PPP. Each gives where IP begins."""

from __future__ import annotations

from collections.abc import Callable

IPV4, IPV6, VLAN, QINQ, OLD_QINQ, PPPOE, MPLS, MPLS_MANY = 0x0800, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x8864, 0x8847, 0x8848
UPPER_PDU = 252
MOST_TAGS = 8
NOT_IP = -1
"""Says that a frame is whole but carries no IP: ARP, LLDP, ..."""
CUT = -2
"""Says that a frame ends before IP begins."""

LinkLayer = Callable[[bytes], int]
"""Gives the offset of the IP header in a frame, or NOT_IP, or CUT."""


def _u16(data: bytes, place: int) -> int:
    return data[place] << 8 | data[place + 1]


def _by_ether_type(data: bytes, place: int, ether_type: int) -> int:
    """Skip VLAN tags (802.1Q, 802.1ad), PPPoE and MPLS labels that stand at `place`."""
    for _ in range(MOST_TAGS):
        if ether_type in (IPV4, IPV6):
            return place
        if ether_type in (VLAN, QINQ, OLD_QINQ):
            if len(data) < place + 4:
                return CUT
            place, ether_type = place + 4, _u16(data, place + 2)
        elif ether_type == PPPOE:
            return _ppp(data, place + 6)
        elif ether_type in (MPLS, MPLS_MANY):
            return _mpls(data, place)
        else:
            return NOT_IP
    return NOT_IP


def _mpls(data: bytes, place: int) -> int:
    for _ in range(MOST_TAGS):
        if len(data) < place + 4:
            return CUT
        place += 4
        if data[place - 2] & 1:  # bottom of the stack, RFC 3032 section 2.1
            return place
    return NOT_IP


def _ethernet(data: bytes) -> int:
    return _by_ether_type(data, 14, _u16(data, 12)) if len(data) >= 14 else CUT


def _linux_cooked(data: bytes) -> int:
    return _by_ether_type(data, 16, _u16(data, 14)) if len(data) >= 16 else CUT


def _linux_cooked_2(data: bytes) -> int:
    return _by_ether_type(data, 20, _u16(data, 0)) if len(data) >= 20 else CUT


def _raw(data: bytes) -> int:
    return 0 if data else CUT


def _null(data: bytes) -> int:
    """BSD loopback: an address family in the order of the capturing machine; only 2 and the various numbers of IPv6 matter."""
    if len(data) < 4:
        return CUT
    family = max(data[0], data[3])
    return 4 if family in (2, 10, 24, 28, 30) else NOT_IP


def _ppp(data: bytes, place: int = 0) -> int:
    """RFC 1661 and 1662: address and control may be left out, the protocol may be one octet."""
    if data[place : place + 2] == b"\xff\x03":
        place += 2
    if len(data) < place + 2:
        return CUT
    if data[place] & 1:
        return place + 1 if data[place] in (0x21, 0x57) else NOT_IP
    return place + 2 if _u16(data, place) in (0x0021, 0x0057) else NOT_IP


LINK_LAYERS: dict[int, LinkLayer] = {
    0: _null,
    1: _ethernet,
    9: _ppp,
    12: _raw,
    14: _raw,
    50: _ppp,
    101: _raw,
    108: _null,
    113: _linux_cooked,
    228: _raw,
    229: _raw,
    276: _linux_cooked_2,
}
"""By LINKTYPE number."""

LINK_NAMES = {105: "802.11", 119: "802.11 with Prism", 127: "802.11 with radiotap", 187: "Bluetooth", 189: "USB", 220: "USB"}


def link_name(link: int) -> str:
    """Name a link type for people."""
    return f"{LINK_NAMES[link]} (link type {link})" if link in LINK_NAMES else f"link type {link}"
