"""Copies of SIP messages for Homer and its kin: HEP version 3, one packet for each message, in clear although the wire was TLS.

A packet is ``HEP3``, its length in two octets, then chunks: vendor (two octets), type (two), length with its own header (two), value.
https://github.com/sipcapture/HEP, "HEP3 Network Protocol Specification" revision 12.
"""

from __future__ import annotations

import re
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from sbc_sim.journal.entries import Entry, Kind

Address = tuple[str, int]
Redact = Callable[[bytes], bytes]

MOST_OCTETS = 65535
"""The length of a packet has 16 bits, whatever carries it."""
TCP = 6
"""IP protocol (IANA): TLS has no number of its own."""
MOST_CONNECTIONS = 10_000
NODE = "sbc-sim"
_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Chunk(IntEnum):
    """Generic chunk types (vendor 0)."""

    FAMILY = 1
    IP_PROTOCOL = 2
    SOURCE_V4 = 3
    DESTINATION_V4 = 4
    SOURCE_V6 = 5
    DESTINATION_V6 = 6
    SOURCE_PORT = 7
    DESTINATION_PORT = 8
    SECONDS = 9
    MICROSECONDS = 10
    PROTOCOL = 11
    CAPTURE_ID = 12
    AUTHENTICATE_KEY = 14
    PAYLOAD = 15
    CORRELATION_ID = 17
    NODE_NAME = 19


FAMILIES = {4: 2, 6: 10}
"""AF_INET and AF_INET6 as HEP writes them, by IP version."""
SIP = 1
"""Protocol type of SIP."""


class TooLarge(ValueError):
    """A message that no HEP packet can hold."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Who makes the copies."""

    capture_id: int
    """0 to 2**32 - 1."""
    password: str = ""
    """Authenticate key; empty: none is sent."""
    node: str = NODE


def hep_packet(agent: Agent, payload: bytes, at: float, source: Address, destination: Address, correlation: str = "") -> bytes:
    """Write one SIP message as a HEP packet. `at`: unix seconds; `correlation`: the Call-ID.

    Addresses without the other's IP version are written as IPv6. Raises TooLarge, and ValueError for a host that is no address.
    """
    seconds, microseconds = divmod(round(at * 1_000_000), 1_000_000)
    chunks = [
        *_addresses(source, destination),
        _chunk(Chunk.SOURCE_PORT, struct.pack("!H", source[1])),
        _chunk(Chunk.DESTINATION_PORT, struct.pack("!H", destination[1])),
        _chunk(Chunk.SECONDS, struct.pack("!I", seconds)),
        _chunk(Chunk.MICROSECONDS, struct.pack("!I", microseconds)),
        _chunk(Chunk.PROTOCOL, bytes([SIP])),
        _chunk(Chunk.CAPTURE_ID, struct.pack("!I", agent.capture_id)),
        _chunk(Chunk.AUTHENTICATE_KEY, agent.password.encode()) if agent.password else b"",
        _chunk(Chunk.CORRELATION_ID, correlation.encode("utf-8", "surrogateescape")[:1024]) if correlation else b"",
        _chunk(Chunk.NODE_NAME, agent.node.encode()),
        _chunk(Chunk.PAYLOAD, payload),
    ]
    body = b"".join(chunks)
    if len(body) + 6 > MOST_OCTETS:
        raise TooLarge(f"a HEP packet holds at most {MOST_OCTETS} octets; this message would need {len(body) + 6}")
    return b"HEP3" + struct.pack("!H", len(body) + 6) + body


def _addresses(source: Address, destination: Address) -> tuple[bytes, ...]:
    ends = _ip(source[0]), _ip(destination[0])
    version = 6 if 6 in (ends[0].version, ends[1].version) else 4
    first, second = (_packed(end, version) for end in ends)
    kinds = (Chunk.SOURCE_V6, Chunk.DESTINATION_V6) if version == 6 else (Chunk.SOURCE_V4, Chunk.DESTINATION_V4)
    return (
        _chunk(Chunk.FAMILY, bytes([FAMILIES[version]])),
        _chunk(Chunk.IP_PROTOCOL, bytes([TCP])),
        _chunk(kinds[0], first),
        _chunk(kinds[1], second),
    )


def _ip(host: str) -> IPv4Address | IPv6Address:
    return ip_address(host.partition("%")[0].strip("[]"))


def _packed(address: IPv4Address | IPv6Address, version: int) -> bytes:
    return address.packed if address.version == version else b"\0" * 10 + b"\xff\xff" + address.packed


def _chunk(kind: Chunk, value: bytes) -> bytes:
    if len(value) + 6 > MOST_OCTETS:
        raise TooLarge(f"a HEP packet holds at most {MOST_OCTETS} octets; this message has {len(value)}")
    return struct.pack("!HHH", 0, kind, len(value) + 6) + value


class HepCopies:
    """Turns journal entries into packets: every SIP message, and what could not be read as one, redacted."""

    def __init__(self, agent: Agent, redact: Redact) -> None:
        """`redact` hides what is not to leave in the octets of a message, and keeps their number."""
        self._agent = agent
        self._redact = redact
        self._ends: OrderedDict[int, tuple[Address, Address]] = OrderedDict()
        self._unreadable = b""

    def packet(self, entry: Entry) -> bytes | None:
        """Give the packet of an entry, None for an entry that is no message. Entries come in their order. Raises TooLarge."""
        match entry.kind:
            case Kind.CONNECTION_OPENED:
                self._opened(entry)
            case Kind.CONNECTION_CLOSED:
                self._ends.pop(entry.data["connection"], None)
            case Kind.PARSE_ERROR:
                self._unreadable = entry.raw
                return self._copy(entry, True)
            case Kind.MESSAGE if entry.raw != self._unreadable:  # else it was copied as what could not be read
                return self._copy(entry, entry.data.get("direction") == "in")
            case Kind.MESSAGE:
                self._unreadable = b""
        return None

    def _opened(self, entry: Entry) -> None:
        peer = entry.data["peer"]
        self._ends[entry.data["connection"]] = (peer["host"], peer["port"]), (peer["localHost"], peer["localPort"])
        if len(self._ends) > MOST_CONNECTIONS:
            self._ends.popitem(last=False)

    def _copy(self, entry: Entry, received: bool) -> bytes | None:
        ends = self._ends.get(entry.data.get("connection", -1))
        if not entry.raw or ends is None:
            return None
        peer, own = ends
        source, destination = (peer, own) if received else (own, peer)
        octets = self._redact(entry.raw)
        return hep_packet(self._agent, octets, entry.at, source, destination, _call_id(octets))


def _call_id(octets: bytes) -> str:
    """Read the Call-ID as it leaves: its host may have been hidden. Empty when there is none."""
    found = _CALL_ID.search(octets.partition(b"\r\n\r\n")[0])
    return found[1].decode("utf-8", "surrogateescape") if found else ""
