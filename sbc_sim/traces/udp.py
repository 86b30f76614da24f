"""UDP: which datagrams are SIP, which are media, and which were captured twice."""

from __future__ import annotations

from sbc_sim.traces.found import Found, carried_by_tls, was_probably_tls
from sbc_sim.traces.limits import Limits, Notes, Room
from sbc_sim.traces.looks import is_sip
from sbc_sim.traces.packets import PDU_TCP, Packet
from sbc_sim.traces.recording import Address, Datagram
from sbc_sim.traces.tls_session import Opened

_TWICE_WITHIN = 0.5
"""Seconds between two captures of one packet on its way through the host."""
_REMEMBERED = 20_000

_Ends = tuple[Address, Address]


class Datagrams:
    """All of UDP, and of what was exported without headers."""

    def __init__(self, limits: Limits, room: Room, notes: Notes) -> None:
        """`room`: octets that may be kept in all."""
        self._limits, self._room, self._notes = limits, room, notes
        self._flows: dict[tuple[_Ends, int], tuple[Found, Address]] = {}
        self._before: dict[tuple[Address, Address, bytes], Packet] = {}
        self._recent: dict[tuple[Address, Address, bytes], Packet] = {}
        self.flows: list[Found] = []
        self.media: list[Datagram] = []

    def add(self, packet: Packet, number: int, clear: bool) -> None:
        """Take one datagram; `number`: the count of packets so far; `clear`: the capturing side had decrypted it."""
        if packet.missing:
            self._notes.count("UDP datagrams were cut by the snap length of the capture: capture whole packets (snap length 0).")
        if not packet.payload or self._seen_before(packet):
            return
        known = self._flows.get((_ends(packet), packet.protocol))
        if is_sip(packet.payload):
            self._sip(packet, number, known, clear)
        elif known is not None and not packet.payload.strip(b"\r\n\0 "):
            self._append(packet, *known)  # keep-alive, RFC 5626 section 3.5.1
        elif len(self.media) >= self._limits.datagrams:
            self._notes.count(f"UDP datagrams are beyond the first {self._limits.datagrams}, which is all that is read.")
        elif self._fits(packet):
            self.media.append(Datagram(packet.at, packet.source, packet.destination, packet.payload, clear))

    def _sip(self, packet: Packet, number: int, known: tuple[Found, Address] | None, clear: bool) -> None:
        if known is None:
            if len(self._flows) >= self._limits.connections:
                self._notes.count(f"SIP datagrams belong to other ends than the first {self._limits.connections} pairs and are left out.")
                return
            known = self._begin(packet, number, clear)
        self._append(packet, *known)

    def _begin(self, packet: Packet, number: int, clear: bool) -> tuple[Found, Address]:
        transport = "tcp" if packet.protocol == PDU_TCP else "udp"
        found = Found(number, transport, packet.source, packet.destination, packet.at, is_copy=clear)
        if packet.protocol == PDU_TCP and was_probably_tls(packet.source, packet.destination):
            carried_by_tls(found)
        known = self._flows[_ends(packet), packet.protocol] = found, packet.source
        self.flows.append(found)
        return known

    def _fits(self, packet: Packet) -> bool:
        if self._room.take(len(packet.payload)):
            return True
        self._notes.add("The capture holds more octets or packets than are read: cut it to the call, or filter for its addresses.")
        return False

    def _append(self, packet: Packet, found: Found, client: Address) -> None:
        if self._fits(packet):
            found.octets.append(Opened(packet.at, packet.source == client, packet.payload))

    def _seen_before(self, packet: Packet) -> bool:
        """Whether another interface, or the same packet with other tags or hardware addresses, had these octets just before."""
        key = (packet.source, packet.destination, packet.payload)
        other = self._recent.get(key) or self._before.get(key)
        if (
            other is not None
            and other.origin != packet.origin
            and other.identification == packet.identification
            and abs(packet.at - other.at) < _TWICE_WITHIN
        ):
            self._notes.count("UDP datagrams were captured twice (several interfaces, tags or hardware addresses) and are read once.")
            return True
        if len(self._recent) >= _REMEMBERED:
            self._before, self._recent = self._recent, {}
        self._recent[key] = packet
        return False


def _ends(packet: Packet) -> _Ends:
    return (packet.source, packet.destination) if packet.source <= packet.destination else (packet.destination, packet.source)
