"""Reading server-sent events from a real socket, chunk by chunk."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class EventStream:
    """An open connection to /api/v1/events."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self._file = line.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            read = self._file.readline()
            assert read, head
            head += read
        self.head = head.decode()
        self.status = int(self.head.split()[1])
        self._text = b""
        self.whole = False
        """True once the answer has ended as it should, and was not cut."""
        self.last = ""
        """The last id seen, also of a block without data."""

    def close(self) -> None:
        """Hang up."""
        self._file.close()

    def _chunk(self) -> bytes:
        if "chunked" not in self.head:
            return self._file.read1(65536)
        line = self._file.readline()
        self.whole = line == b"0\r\n"
        size = int(line or b"0", 16)
        data = self._file.read(size)
        self._file.readline()
        return data

    def blocks(self) -> Iterator[list[str]]:
        """Lines between empty lines, until the answer ends."""
        while True:
            while b"\n\n" not in self._text:
                data = self._chunk()
                if not data:
                    return
                self._text += data
            block, _, self._text = self._text.partition(b"\n\n")
            yield block.decode().split("\n")

    def events(self) -> Iterator[tuple[str, Any]]:
        """Names and data."""
        for block in self.blocks():
            fields = dict(line.split(": ", 1) for line in block if line and not line.startswith(":"))
            self.last = fields.get("id", self.last)
            if "data" in fields:
                yield fields["event"], json.loads(fields["data"])

    def opened(self) -> None:
        """Read the first block, which comes once this listener is known."""
        next(self.blocks())

    def until(self, name: str, call: str | None = None) -> list[tuple[str, Any]]:
        """Events up to the first of this name (and call)."""
        seen = []
        for event in self.events():
            seen.append(event)
            if event[0] == name and call in (None, event[1].get("id"), event[1].get("call")):
                return seen
        raise AssertionError(f"the stream ended after {seen}")


@contextmanager
def following(port: int, query: str = "", last: str = "", version: str = "1.1", headers: str = "") -> Iterator[EventStream]:
    """Follow the events of the interface on this port."""
    resume = f"Last-Event-ID: {last}\r\n" if last else ""
    with socket.create_connection(("127.0.0.1", port), 20) as line:
        line.sendall(f"GET /api/v1/events{query} HTTP/{version}\r\nHost: localhost:{port}\r\n{resume}{headers}\r\n".encode())
        stream = EventStream(line)
        try:
            yield stream
        finally:
            stream.close()
