"""TCP segments become streams of octets (RFC 9293), each octet with the time of the packet that completed it."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from sbc_sim.traces.limits import Limits, Notes, Room
from sbc_sim.traces.looks import START_LINES, Kind, is_sip, is_tls_record, kind_of
from sbc_sim.traces.packets import ACK, FIN, RST, SYN, Packet
from sbc_sim.traces.recording import Address

_WRAP = 1 << 32
_HALF = 1 << 31
_HEAD = 2_200
"""Octets of each direction by which a connection is judged."""
_SEARCHED = 65_536
"""Octets searched for a start line where a capture begins in the middle of a connection."""
_WAIT = 1.0
"""Seconds that octets wait for earlier ones which the other end has acknowledged already."""


class Piece(NamedTuple):
    """Octets of one direction in order."""

    at: float
    side: int
    """Who sent it: 0 the end that was seen first, 1 the other."""
    data: bytes
    lost: int = 0
    """Octets before these that are not in the capture."""


class _Half:
    """One direction."""

    __slots__ = ("acknowledged", "began_with_syn", "fin", "head", "last_at", "lost", "next", "pending", "pending_octets", "start")

    def __init__(self) -> None:
        self.next: int | None = None
        """Position of the octet that comes next; positions never wrap."""
        self.start = 0
        self.began_with_syn = False
        self.pending: list[tuple[int, int, float, bytes, int]] = []
        self.pending_octets = 0
        self.acknowledged = -1
        self.lost = 0
        self.last_at = 0.0
        self.head = b""
        self.fin: float | None = None

    def position(self, sequence: int) -> int:
        """Unwrap a sequence number: the position that is nearest to the next one."""
        if self.next is None:
            return sequence
        return self.next + (sequence - self.next + _HALF) % _WRAP - _HALF


class Connection:
    """One TCP connection. `pieces` holds what was sent, of both directions in the order of completion."""

    def __init__(self, packet: Packet, number: int, limits: Limits, room: Room, notes: Notes) -> None:
        """`packet`: the first one; `number`: the order of connections in the capture."""
        self.number = number
        self.ends: tuple[Address, Address] = (packet.source, packet.destination)
        self.began_at = packet.at
        self.kind = Kind.UNDECIDED
        self.pieces: list[Piece] = []
        self.octets = 0
        self.gaps = 0
        self.refused = False
        self.answered = False
        self.ended_at: float | None = None
        self.end = ""
        self.last_at = packet.at
        self._client: int | None = None
        self._halves = (_Half(), _Half())
        self._limits, self._room, self._notes = limits, room, notes
        self._full = False
        self._serial = 0
        self._searched = 0

    @property
    def client(self) -> int:
        """The side that connected: the sender of the first SYN, else of the first octet."""
        if self._client is not None:
            return self._client
        return self.pieces[0].side if self.pieces else 0

    @property
    def midstream(self) -> bool:
        """Whether the capture began after the connection."""
        return not any(half.began_with_syn for half in self._halves)

    def name(self) -> str:
        """Name it for people, the client first."""
        client, server = self.ends[self.client], self.ends[1 - self.client]
        return f"{end_name(client)} -> {end_name(server)}"

    def is_new(self, packet: Packet, side: int) -> bool:
        """Tell whether a SYN begins another connection between the same ends."""
        if not packet.flags & SYN:
            return False
        half = self._halves[side]
        if half.next is None:
            return self.ended_at is not None and not packet.flags & ACK
        return (packet.sequence + 1 - half.start) % _WRAP != 0

    def add(self, packet: Packet, side: int) -> None:
        """Take one segment of this connection."""
        half = self._halves[side]
        self.last_at = packet.at
        self.answered = self.answered or side == 1
        sequence = packet.sequence
        if packet.flags & SYN:
            sequence = (sequence + 1) % _WRAP
            self._begin(half, side, sequence, bool(packet.flags & ACK))
        if packet.flags & ACK:
            other = self._halves[1 - side]
            other.acknowledged = other.position(packet.acknowledged)
        if packet.payload or packet.missing:
            self._data(half, side, packet, sequence)
        if half.pending and self._lost(half, packet.at):
            self._skip(half, side)
        if packet.flags & (FIN | RST):
            self._end(half, packet)

    def close(self) -> None:
        """Say that no packets follow: what waits for octets that never came is given with the gap."""
        for side, half in enumerate(self._halves):
            while half.pending:
                self._skip(half, side)
        if self.kind is Kind.UNDECIDED:
            self._drop()

    # --- sequence numbers ---------------------------------------------------------------------------------------------

    def _begin(self, half: _Half, side: int, sequence: int, answers: bool) -> None:
        if self._client is None:
            self._client = 1 - side if answers else side
        if half.next is None:
            half.next = half.start = sequence
        half.began_with_syn = half.began_with_syn or half.start == sequence  # a SYN may be captured late

    def _end(self, half: _Half, packet: Packet) -> None:
        if packet.flags & RST:
            if not self.end:
                self.end, self.ended_at = "rst", packet.at
                self.refused = not self.octets and not self.pieces
        elif half.fin is None:
            half.fin = packet.at
            if self.end != "rst":
                self.end, self.ended_at = "fin", packet.at

    def _data(self, half: _Half, side: int, packet: Packet, sequence: int) -> None:
        if half.next is None:
            half.next = half.start = sequence
        position = half.position(sequence)
        if position > half.next:
            self._wait(half, side, packet, position)
            return
        self._take(half, side, packet.at, position, packet.payload, packet.missing)
        while half.pending and half.pending[0][0] <= half.next:
            position, _, _, data, missing = heappop(half.pending)
            half.pending_octets -= len(data)
            self._take(half, side, packet.at, position, data, missing)

    def _wait(self, half: _Half, side: int, packet: Packet, position: int) -> None:
        self._serial += 1
        heappush(half.pending, (position, self._serial, packet.at, packet.payload, packet.missing))
        half.pending_octets += len(packet.payload)
        while half.pending and (half.pending_octets > self._limits.pending or len(half.pending) > 4096):
            self._skip(half, side)

    def _lost(self, half: _Half, now: float) -> bool:
        """Whether the other end has what the capture lacks: then it comes no more."""
        position, _, at, _, _ = half.pending[0]
        return half.acknowledged >= position and now - at > _WAIT

    def _skip(self, half: _Half, side: int) -> None:
        """Go on behind a hole."""
        assert half.next is not None
        half.lost += max(0, half.pending[0][0] - half.next)
        half.next = max(half.next, half.pending[0][0])
        while half.pending and half.pending[0][0] <= half.next:
            position, _, at, data, missing = heappop(half.pending)
            half.pending_octets -= len(data)
            self._take(half, side, at, position, data, missing)

    def _take(self, half: _Half, side: int, at: float, position: int, data: bytes, missing: int) -> None:
        assert half.next is not None
        old = half.next - position
        if old < len(data):
            half.next = position + len(data)
            self._give(half, side, at, data[old:] if old else data)
        behind = position + len(data) + missing
        if missing and behind > half.next:
            half.lost += behind - half.next
            half.next = behind
            self._notes.count("TCP segments were cut by the snap length of the capture: capture whole packets (snap length 0).")

    # --- octets -------------------------------------------------------------------------------------------------------

    def _give(self, half: _Half, side: int, at: float, data: bytes) -> None:
        at = half.last_at = max(at, half.last_at)
        if half.lost:
            self.gaps += 1
        if self.kind is not Kind.OTHER and self._fits(len(data)):
            self.pieces.append(Piece(at, side, data, half.lost))
            if self.kind is Kind.UNDECIDED:
                self._judge(half, data)
        half.lost = 0

    def _fits(self, octets: int) -> bool:
        if self._full:
            return False
        if self.octets + octets > self._limits.connection_octets or not self._room.take(octets):
            self._full = True
            self._notes.add(f"Connection {self.name()} is read up to {self.octets} octets only: cut the capture, or filter for its ports.")
            return False
        self.octets += octets
        return True

    def _judge(self, half: _Half, data: bytes) -> None:
        half.head = (half.head + data[:_HEAD]).lstrip(b"\r\n")[:_HEAD]  # keep-alives say nothing
        kind = kind_of(half.head) if half.head else Kind.UNDECIDED
        if not half.began_with_syn and kind is Kind.OTHER:
            kind = self._midstream_kind(data)
        if kind is Kind.OTHER:
            self._drop()
        self.kind = kind

    def _midstream_kind(self, data: bytes) -> Kind:
        """Judge a piece of a connection whose beginning was not captured: it may begin within a message or a record."""
        self._searched += len(data)
        if is_sip(data) or START_LINES.search(data) is not None:
            return Kind.SIP
        if is_tls_record(data):
            return Kind.TLS
        return Kind.UNDECIDED if self._searched < _SEARCHED else Kind.OTHER

    def _drop(self) -> None:
        self.kind = Kind.OTHER
        self._room.give_back(self.octets, len(self.pieces))
        self.octets = 0
        self.pieces = []


class Connections:
    """All TCP connections of a capture, in the order of their first packets."""

    def __init__(self, limits: Limits, room: Room, notes: Notes) -> None:
        """`room`: octets that may be kept in all."""
        self._limits, self._room, self._notes = limits, room, notes
        self._current: dict[tuple[Address, Address], tuple[Connection, int]] = {}
        self.all: list[Connection] = []

    def add(self, packet: Packet, number: int) -> None:
        """Take one segment; `number`: the count of packets so far, which orders connections and UDP flows."""
        found = self._current.get((packet.source, packet.destination))
        if found is not None and not found[0].is_new(packet, found[1]):
            found[0].add(packet, found[1])
        elif packet.flags & RST and found is None:
            return
        elif len(self.all) >= self._limits.connections:
            self._notes.count(f"TCP packets belong to connections beyond the first {self._limits.connections}, which is all that is read.")
        else:
            self._begin(packet, number)

    def _begin(self, packet: Packet, number: int) -> None:
        connection = Connection(packet, number, self._limits, self._room, self._notes)
        self._current[packet.source, packet.destination] = (connection, 0)
        self._current[packet.destination, packet.source] = (connection, 1)
        self.all.append(connection)
        connection.add(packet, 0)

    def close(self) -> None:
        """Say that no packets follow."""
        for connection in self.all:
            connection.close()


def end_name(end: Address) -> str:
    """Write HOST:PORT, IPv6 in brackets."""
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
