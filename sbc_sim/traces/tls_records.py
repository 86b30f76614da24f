"""Records cut out of a stream, and handshake messages out of records (RFC 8446 sections 4 and 5.1, RFC 5246 likewise)."""

from __future__ import annotations

from collections.abc import Iterator

from sbc_sim.traces.looks import is_tls_record
from sbc_sim.traces.tls_keys import Record

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
LONGEST_MESSAGE = 256 * 1024
"""Octets of a handshake message: certificate chains stay far below."""


class NoRecord(Exception):
    """The stream goes on with something that is no TLS record."""


class Records:
    """Cuts the records out of one direction."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = bytearray()
        self.passed = 0
        """Octets given as records so far."""

    def add(self, at: float, data: bytes) -> Iterator[Record]:
        """Take octets; gives the records that they complete. Raises NoRecord."""
        buffer = self._buffer
        buffer += data
        place = 0
        try:
            while len(buffer) - place >= 5:
                head = bytes(buffer[place : place + 5])
                if not is_tls_record(head):
                    raise NoRecord
                end = place + 5 + int.from_bytes(head[3:])
                if end > len(buffer):
                    return
                body = bytes(buffer[place + 5 : end])
                place = end
                yield Record(at, head[0], head[1:3], body)
        finally:
            self.passed += place
            del buffer[:place]


class HandshakeMessages:
    """Cuts the handshake messages out of the contents of records."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = bytearray()

    def add(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Take the content of a record; gives type and body of each message that it completes. Raises NoRecord for one without end."""
        buffer = self._buffer
        buffer += content
        while len(buffer) >= 4:
            length = int.from_bytes(buffer[1:4])
            if length > LONGEST_MESSAGE:
                raise NoRecord
            if len(buffer) < 4 + length:
                return
            kind, body = buffer[0], bytes(buffer[4 : 4 + length])
            del buffer[: 4 + length]
            yield kind, body
