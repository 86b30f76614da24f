"""Reads a trace, whatever it is: pcap, pcapng, either of them under gzip, or SIP as text."""

from __future__ import annotations

from collections.abc import Generator

from sbc_sim.traces.allowance import Allowance, Spent
from sbc_sim.traces.found import Found, found_in
from sbc_sim.traces.frames import Frame
from sbc_sim.traces.gzip_files import MAGIC, inflated
from sbc_sim.traces.key_log import KeyLog
from sbc_sim.traces.limits import Limits, Notes, Room
from sbc_sim.traces.packets import PDU_TCP, PDU_UDP, TCP, Packets
from sbc_sim.traces.pcap import is_pcap, read_pcap
from sbc_sim.traces.pcapng import PcapNg, is_pcapng
from sbc_sim.traces.recording import Address, Recording, TraceError
from sbc_sim.traces.tcp import Connections
from sbc_sim.traces.text import read_text
from sbc_sim.traces.udp import Datagrams

_OTHERS = {
    b"PK\x03\x04": ("a zip archive", "unpack it first"),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "unpack it first (`unzstd`)"),
    b"\x04\x22\x4d\x18": ("packed with lz4", "unpack it first (`unlz4`)"),
    b"\xfd7zX": ("packed with xz", "unpack it first (`unxz`)"),
    b"BZh": ("packed with bzip2", "unpack it first (`bunzip2`)"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first"),
    b"snoop\0\0\0": ("a snoop capture", "turn it into pcapng first: `editcap -F pcapng IN OUT`"),
    b"GMBU": ("a Network Monitor capture", "turn it into pcapng first: `editcap -F pcapng IN OUT`"),
    b"%PDF": ("a PDF", "give the trace itself"),
}
_CLEAR = " decrypted"
"""End of the names of interfaces that hold copies in clear (exports/pcapng)."""
_REMARKS = "notes for Wireshark"
"""Name of the interface that holds what was never on the wire."""
_SIP_PORTS = (5060, 5061)
_DEFAULTS = Limits()


def read_trace(data: bytes, key_log: str = "", limits: Limits = _DEFAULTS, spent: Spent | None = None) -> Recording:
    """Take a trace apart. `key_log`: text in the format of SSLKEYLOGFILE, for TLS. `spent`: tells when the time for it is over.

    Raises TraceError for what is no trace; what cannot be read within a trace, or is beyond the limits, is told in the notes.
    """
    notes, time = Notes(limits.notes), Allowance(spent)
    if data[:2] == MAGIC:
        data = inflated(data, limits, notes, time)
    if not data.strip():
        raise TraceError("The trace is empty: give a pcap or pcapng file, or the text of SIP messages.")
    if is_pcap(data) or is_pcapng(data):
        return _Capture(data, key_log, limits, notes, time).recording()
    for magic, (what, cure) in _OTHERS.items():
        if data.startswith(magic):
            raise TraceError(f"The trace is {what}: {cure}.")
    if key_log.strip():
        notes.add("The key log is not used: it opens TLS in a capture, and this is text.")
    return read_text(data, limits, notes, time)


class _Capture:
    """Reads a capture file."""

    def __init__(self, data: bytes, key_log: str, limits: Limits, notes: Notes, time: Allowance) -> None:
        self._data, self._limits, self._notes, self._time = data, limits, notes, time
        self._log = KeyLog()
        room = Room(limits.octets, limits.pieces)
        self._wire = Connections(limits, room, notes)
        self._copies = Connections(limits, room, notes)
        """Connections written in clear by the capturing side: they may have the ends of those on the wire."""
        self._datagrams = Datagrams(limits, room, notes)
        if key_log.strip() and not self._log.add(key_log) and not self._log.has_private_key:
            notes.add("The key log has no line in the format of SSLKEYLOGFILE (CLIENT_RANDOM ..., CLIENT_TRAFFIC_SECRET_0 ...).")

    def recording(self) -> Recording:
        """Read it."""
        self._read()
        found = self._found()
        if not found:
            self._tell_of_nothing()
        flows = tuple(flow.flow(number) for number, flow in enumerate(found, 1))
        octets = [piece for number, flow in enumerate(found, 1) for piece in flow.pieces(number)]
        octets.sort(key=lambda piece: piece.at)
        datagrams = sorted(self._datagrams.media, key=lambda datagram: datagram.at)
        self._tell_of_attempts(bool(found))
        return Recording(flows, tuple(octets), tuple(datagrams), self._notes.sentences())

    def _read(self) -> None:
        packets, frames = Packets(self._notes), self._frames()
        for number, frame in enumerate(frames):
            if number >= self._limits.packets:
                self._notes.add(f"Only the first {number} packets are read: cut the capture to the call, or filter for its addresses.")
                break
            if self._time.step():
                self._notes.add(f"The trace is longer than the time allowed for it: it was cut after {number} packets. Cut it to the call.")
                break
            packet = None if frame.interface_name == _REMARKS else packets.packet(frame)
            if packet is None:
                continue
            clear = packet.protocol in (PDU_TCP, PDU_UDP) or frame.interface_name.endswith(_CLEAR)
            if packet.protocol == TCP:
                (self._copies if clear else self._wire).add(packet, number)
            else:
                self._datagrams.add(packet, number, clear)
        frames.close()
        packets.close()
        self._wire.close()
        self._copies.close()

    def _frames(self) -> Generator[Frame, None, None]:
        if is_pcap(self._data):
            yield from read_pcap(self._data, self._notes)
            return
        file = PcapNg(self._data, self._notes)
        try:
            yield from file.frames()
        finally:
            for secrets in file.secrets:
                self._log.add(secrets)

    def _found(self) -> list[Found]:
        """Everything that is SIP or TLS, in the order of first packets."""
        wire = [found_in(connection, self._log, self._notes, self._time, False) for connection in self._wire.all]
        copies = [found_in(connection, self._log, self._notes, self._time, True) for connection in self._copies.all]
        if self._log.cut:
            self._notes.add("The key log is longer than what is read of it: leave in it what belongs to this capture.")
        everything = [found for found in (*wire, *copies, *self._datagrams.flows) if found is not None]
        return sorted(_once(everything), key=lambda found: found.number)

    # --- notes --------------------------------------------------------------------------------------------------------

    def _tell_of_nothing(self) -> None:
        others = len(self._wire.all) + len(self._copies.all)
        media = len(self._datagrams.media)
        some = f"{others} TCP connections and {media} UDP datagrams that carry neither"
        what = some if others or media else "no TCP and no UDP that can be read"
        self._notes.add(f"There is no SIP and no TLS in this capture, but {what}: capture on the interface and the ports of the SIP trunk.")

    def _tell_of_attempts(self, others: bool) -> None:
        """Say which connections never came about."""
        for connection in self._wire.all:
            if connection.octets or connection.pieces or connection.midstream:
                continue
            port = connection.ends[1 - connection.client][1]
            if others and port not in _SIP_PORTS:
                continue
            if connection.refused:
                self._notes.add(f"Connection {connection.name()} was refused (RST): nothing listens there, or a firewall refuses it.")
            elif not connection.answered:
                self._notes.add(f"Connection {connection.name()} was never answered: a firewall drops it, or the address is wrong.")


def _once(found: list[Found]) -> list[Found]:
    """Leave out the copies in clear of what TLS was opened for, unless the copy goes on for longer."""
    kept = [flow for flow in found if not flow.is_copy]
    originals = {_ends(flow): place for place, flow in enumerate(kept) if flow.tls is not None}
    for copy in found:
        if not copy.is_copy or not copy.octets:
            continue
        place = originals.get(_ends(copy))
        if place is None:
            kept.append(copy)
        elif _is_longer(copy, kept[place]):
            copy.tls, copy.server = kept[place].tls, kept[place].server
            kept[place] = copy
    return kept


def _ends(flow: Found) -> tuple[Address, str]:
    """The client, and the host of the server: the server's port of a copy may be made up."""
    return flow.client, flow.server[0]


def _is_longer(copy: Found, original: Found) -> bool:
    return not original.octets or (not original.end and original.octets[-1].at + 1.0 < copy.octets[-1].at)
