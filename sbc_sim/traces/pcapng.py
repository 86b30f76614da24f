"""The newer capture file (draft-ietf-opsawg-pcapng): blocks of sections, interfaces, packets and TLS secrets."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from sbc_sim.traces.frames import Frame, sane_time
from sbc_sim.traces.limits import Notes
from sbc_sim.traces.recording import TraceError

SECTION = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET, _SECRETS = 1, 2, 3, 6, 10
_TLS_KEY_LOG = 0x544C534B
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_IF_NAME, _IF_TSRESOL, _IF_TSOFFSET = 2, 9, 14
MOST_INTERFACES = 10_000


class _Interface(NamedTuple):
    number: int
    link: int
    snap_length: int
    resolution: float = 1e-6
    offset: int = 0
    name: str = ""


class _Order(NamedTuple):
    """Numbers in the order of octets of one section."""

    u16: Struct
    u32: Struct
    i64: Struct
    two_u16: Struct
    packet: Struct

    @staticmethod
    def of(sign: str) -> _Order:
        return _Order(Struct(sign + "H"), Struct(sign + "I"), Struct(sign + "q"), Struct(sign + "HH"), Struct(sign + "IIIII"))


def is_pcapng(data: bytes) -> bool:
    """Tell by the first block."""
    return data[:4] == SECTION


class PcapNg:
    """One file. `secrets` is complete when all frames were read."""

    def __init__(self, data: bytes, notes: Notes) -> None:
        """`data`: the whole file. Raises TraceError when its first section cannot be read."""
        self._data = data
        self._notes = notes
        self._order = _Order.of("<")
        self._interfaces: list[_Interface] = []
        self._known = 0
        self.secrets: list[str] = []
        if data[8:12] not in _ORDERS:
            raise TraceError("The pcapng file has no byte-order magic at octet 8: copy the file again, in binary mode.")

    def frames(self) -> Iterator[Frame]:
        """Give the frames in the order of the file. Damage ends the reading with a note."""
        place, length = 0, len(self._data)
        while place < length:
            if place + 12 > length:
                self._notes.add(f"The capture ends within a block at octet {place}: the file was cut, what comes before is read.")
                return
            if self._data[place : place + 4] == SECTION and not self._section(place):
                return
            kind, size = self._order.u32.unpack_from(self._data, place)[0], self._order.u32.unpack_from(self._data, place + 4)[0]
            if size < 12 or place + size > length:
                wrong = f"says it has {size} octets of {length - place}"
                self._notes.add(f"The block at octet {place} {wrong}: the file is cut or damaged there, only what comes before is read.")
                return
            frame = self._block(kind, place + 8, place + size - 4)
            if frame is not None:
                yield frame
            place += size + -size % 4  # some writers forget the padding in the length

    def _section(self, place: int) -> bool:
        sign = _ORDERS.get(self._data[place + 8 : place + 12])
        if sign is None:
            self._notes.add(f"The section at octet {place} has no byte-order magic: only what comes before is read.")
            return False
        self._order = _Order.of(sign)
        self._interfaces = []
        return True

    def _block(self, kind: int, start: int, end: int) -> Frame | None:
        if kind == _PACKET:
            return self._packet(start, end)
        if kind == _INTERFACE:
            self._interface(start, end)
        elif kind == _SECRETS:
            self._secrets(start, end)
        elif kind == _SIMPLE_PACKET:
            return self._simple_packet(start, end)
        elif kind == _OLD_PACKET:
            return self._old_packet(start, end)
        return None  # statistics, names, comments, custom blocks: nothing that is judged

    def _interface(self, start: int, end: int) -> None:
        if end - start < 8 or self._known >= MOST_INTERFACES:
            self._notes.count("interface descriptions of the capture were too short or too many and left out.")
            return
        link = self._order.u16.unpack_from(self._data, start)[0]
        interface = _Interface(self._known, link, self._order.u32.unpack_from(self._data, start + 4)[0])
        for code, place, length in self._options(start + 8, end):
            interface = self._with_option(interface, code, place, length)
        self._known += 1
        self._interfaces.append(interface)

    def _with_option(self, interface: _Interface, code: int, place: int, length: int) -> _Interface:
        if code == _IF_TSRESOL and length == 1:
            value = self._data[place]
            return interface._replace(resolution=2.0 ** -(value & 0x7F) if value & 0x80 else 10.0**-value)
        if code == _IF_TSOFFSET and length == 8:
            return interface._replace(offset=self._order.i64.unpack_from(self._data, place)[0])
        if code == _IF_NAME:
            return interface._replace(name=self._data[place : place + min(length, 100)].decode("utf-8", "replace"))
        return interface

    def _options(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Give code, place and length of each option; a cut one ends the list."""
        while start + 4 <= end:
            code, length = self._order.two_u16.unpack_from(self._data, start)
            if code == 0 or start + 4 + length > end:
                return
            yield code, start + 4, length
            start += 4 + length + -length % 4

    def _packet(self, start: int, end: int) -> Frame | None:
        if end - start < 20:
            return self._damaged()
        number, high, low, captured, original = self._order.packet.unpack_from(self._data, start)
        return self._frame(number, high << 32 | low, start + 20, captured, original, end)

    def _old_packet(self, start: int, end: int) -> Frame | None:
        if end - start < 20:
            return self._damaged()
        _, high, low, captured, original = self._order.packet.unpack_from(self._data, start)
        return self._frame(self._order.u16.unpack_from(self._data, start)[0], high << 32 | low, start + 20, captured, original, end)

    def _simple_packet(self, start: int, end: int) -> Frame | None:
        if end - start < 4 or not self._interfaces:
            return self._damaged()
        self._notes.add("The capture has packets without times (simple packet blocks): they all count from 0; save it with times.")
        original = self._order.u32.unpack_from(self._data, start)[0]
        captured = min(original, end - start - 4, self._interfaces[0].snap_length or original)
        return self._frame(0, 0, start + 4, captured, original, end)

    def _frame(self, number: int, ticks: int, start: int, captured: int, original: int, end: int) -> Frame | None:
        if number >= len(self._interfaces) or start + captured > end:
            return self._damaged()
        interface = self._interfaces[number]
        at = sane_time(ticks * interface.resolution + interface.offset)
        data = self._data[start : start + captured]
        return Frame(at, interface.link, interface.number, data, max(0, original - captured), interface.name)

    def _damaged(self) -> Frame | None:
        self._notes.count("packet blocks of the capture are damaged (length or interface number) and left out.")
        return None

    def _secrets(self, start: int, end: int) -> None:
        if end - start < 8:
            return
        kind, length = self._order.u32.unpack_from(self._data, start)[0], self._order.u32.unpack_from(self._data, start + 4)[0]
        if kind == _TLS_KEY_LOG:
            self.secrets.append(self._data[start + 8 : min(end, start + 8 + length)].decode("ascii", "replace"))
