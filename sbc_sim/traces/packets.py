"""Frames become packets: IPv4 and IPv6 with their options and extension headers, then TCP or UDP."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import NamedTuple

from sbc_sim.traces.fragments import Fragments
from sbc_sim.traces.frames import Frame
from sbc_sim.traces.limits import Notes
from sbc_sim.traces.link_layers import CUT, LINK_LAYERS, NOT_IP, UPPER_PDU, link_name
from sbc_sim.traces.recording import Address
from sbc_sim.traces.upper_pdu import read_pdu

TCP, UDP = 6, 17
PDU_TCP, PDU_UDP = 1006, 1017
"""Decrypted or extracted application octets that a capture tool wrote without headers, and what they had been carried by."""
_IP_IN_IP, _IPV6_IN_IP, _SCTP = 4, 41, 132
_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS = frozenset((0, 43, _FRAGMENT, _AUTHENTICATION, 60))  # hop-by-hop, routing, destination: RFC 8200 section 4
_MOST_HEADERS = 16
_DEEPEST = 3
_REMEMBERED = 65_536

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10


class Packet(NamedTuple):
    """One TCP segment or UDP datagram."""

    at: float
    protocol: int
    source: Address
    destination: Address
    payload: bytes
    missing: int = 0
    """Octets behind the payload that were not captured."""
    sequence: int = 0
    acknowledged: int = 0
    flags: int = 0
    origin: tuple[int, bytes] = (0, b"")
    """Interface, and what stood before IP: a packet that was captured twice differs here."""
    identification: int = 0


class _Cut(Exception):
    """A frame ends within its headers."""


class _Carried(NamedTuple):
    """What an IP packet carries, in `data` from `start` to `end`."""

    at: float
    source: str
    destination: str
    protocol: int
    data: bytes
    start: int
    end: int
    missing: int
    origin: tuple[int, bytes]
    identification: int


class Packets:
    """Takes frames, gives packets. What is none is counted in the notes."""

    def __init__(self, notes: Notes) -> None:
        """`notes`: where the frames that cannot be read are counted."""
        self._notes = notes
        self._fragments = Fragments(notes)
        self._hosts: dict[bytes, str] = {}
        self._ends: dict[tuple[str, int], Address] = {}

    def close(self) -> None:
        """Say that no frames follow."""
        self._fragments.close()

    def packet(self, frame: Frame) -> Packet | None:
        """Take the TCP segment or UDP datagram out of a frame; None for what carries none, or not all of one yet."""
        try:
            return self._packet(frame)
        except _Cut:
            self._notes.count("frames end within their headers and were left out: capture with snap length 0 (whole packets).")
            return None

    def _packet(self, frame: Frame) -> Packet | None:
        if frame.link == UPPER_PDU:
            return self._pdu(frame)
        layer = LINK_LAYERS.get(frame.link)
        if layer is None:
            self._notes.count(f"frames of {link_name(frame.link)} cannot be read: capture on an Ethernet or IP interface, or on `any`.")
            return None
        start = layer(frame.data)
        if start == NOT_IP:
            return None
        if start == CUT or start >= len(frame.data):
            raise _Cut
        origin = (frame.interface, frame.data[:start])
        return self._ip(frame.at, frame.data, start, len(frame.data), origin, 0)

    def _pdu(self, frame: Frame) -> Packet | None:
        pdu = read_pdu(frame.data)
        if pdu is None:
            self._notes.count("exported PDUs are neither SIP nor RTP, or have no addresses, and were left out.")
            return None
        kind = PDU_TCP if pdu.over_tcp else PDU_UDP
        return Packet(frame.at, kind, pdu.source, pdu.destination, pdu.payload, frame.missing, origin=(frame.interface, b""))

    # --- IP -----------------------------------------------------------------------------------------------------------

    def _ip(self, at: float, data: bytes, start: int, end: int, origin: tuple[int, bytes], depth: int) -> Packet | None:
        version = data[start] >> 4
        read = self._ipv4 if version == 4 else self._ipv6 if version == 6 else None
        carried = read(at, data, start, end, origin) if read is not None else None
        if carried is None:
            return None
        if carried.protocol in (_IP_IN_IP, _IPV6_IN_IP):
            inside = depth < _DEEPEST and carried.start < carried.end
            return self._ip(at, carried.data, carried.start, carried.end, origin, depth + 1) if inside else None
        return self._transport(carried)

    def _ipv4(self, at: float, data: bytes, start: int, end: int, origin: tuple[int, bytes]) -> _Carried | None:
        body = start + (data[start] & 0x0F) * 4
        if body - start < 20 or body > end:
            raise _Cut
        total = data[start + 2] << 8 | data[start + 3] or end - start  # 0: filled in later by the network card (offload)
        if start + total < body:
            raise _Cut
        missing = max(0, start + total - end)
        end = min(end, start + total)
        place, protocol, pair = data[start + 6] << 8 | data[start + 7], data[start + 9], data[start + 12 : start + 20]
        identification = data[start + 4] << 8 | data[start + 5]
        if place & 0x3FFF:
            key = (4, pair, protocol, identification, origin[0])
            whole = self._fragments.add(key, at, (place & 0x1FFF) * 8, data[body:end], bool(place & 0x2000), missing)
            if whole is None:
                return None
            data, missing = whole
            body, end = 0, len(data)
        return _Carried(at, self._host(pair[:4]), self._host(pair[4:]), protocol, data, body, end, missing, origin, identification)

    def _ipv6(self, at: float, data: bytes, start: int, end: int, origin: tuple[int, bytes]) -> _Carried | None:
        if end - start < 40:
            raise _Cut
        length = data[start + 4] << 8 | data[start + 5]
        protocol, pair, body = data[start + 6], data[start + 8 : start + 40], start + 40
        missing = max(0, body + length - end) if length else 0
        end = min(end, body + length) if length else end
        for _ in range(_MOST_HEADERS):
            if protocol not in _EXTENSIONS:
                return _Carried(at, self._host(pair[:16]), self._host(pair[16:]), protocol, data, body, end, missing, origin, 0)
            if end - body < 8:
                raise _Cut
            following = data[body]
            if protocol == _FRAGMENT:
                place = data[body + 2] << 8 | data[body + 3]
                key = (6, pair, following, data[body + 4 : body + 8], origin[0])
                whole = self._fragments.add(key, at, place & 0xFFF8, data[body + 8 : end], bool(place & 1), missing)
                if whole is None:
                    return None
                data, missing = whole
                body, end = 0, len(data)
            else:
                body += (data[body + 1] + 2) * 4 if protocol == _AUTHENTICATION else (data[body + 1] + 1) * 8
            protocol = following
        return None

    def _host(self, octets: bytes) -> str:
        host = self._hosts.get(octets)
        if host is None:
            if len(self._hosts) >= _REMEMBERED:
                self._hosts.clear()
            host = ".".join(map(str, octets)) if len(octets) == 4 else str(IPv6Address(octets))
            self._hosts[octets] = host
        return host

    def _end(self, host: str, port: int) -> Address:
        key = (host, port)
        end = self._ends.get(key)
        if end is None:
            if len(self._ends) >= _REMEMBERED:
                self._ends.clear()
            end = self._ends[key] = key
        return end

    # --- TCP and UDP --------------------------------------------------------------------------------------------------

    def _transport(self, carried: _Carried) -> Packet | None:
        at, source, destination, protocol, data, start, end, missing, origin, identification = carried
        if protocol == _SCTP:
            self._notes.count("SCTP packets were left out: SIP over SCTP is not read.")
        if protocol not in (TCP, UDP):
            return None
        if end - start < (20 if protocol == TCP else 8):
            raise _Cut
        ends = self._end(source, data[start] << 8 | data[start + 1]), self._end(destination, data[start + 2] << 8 | data[start + 3])
        if protocol == UDP:
            length = data[start + 4] << 8 | data[start + 5]
            if length >= 8:  # 0: a jumbogram, or offload
                missing = max(0, min(missing, start + length - end))
                end = min(end, start + length)
            return Packet(at, UDP, *ends, data[start + 8 : end], missing, 0, 0, 0, origin, identification)
        header = (data[start + 12] >> 4) * 4
        if header < 20 or start + header > end:
            raise _Cut
        sequence, acknowledged = int.from_bytes(data[start + 4 : start + 8]), int.from_bytes(data[start + 8 : start + 12])
        return Packet(at, TCP, *ends, data[start + header : end], missing, sequence, acknowledged, data[start + 13], origin, identification)
