"""The partner's side for the tests of the page: calls placed by `sbc-sim call`, real SIP over TLS and SRTP."""

from __future__ import annotations

import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path

from tests.end_to_end.clients.conversation import Conversation
from tests.end_to_end.server import ROOT


class Partner:
    """Calls one server; each call is a process of its own."""

    def __init__(self, sip_port: int, ca: Path, folder: Path) -> None:
        self._port = sip_port
        self._ca = ca
        self._folder = folder
        self._calls: list[Conversation] = []

    def call(self, *options: str, seconds: float = 600.0) -> Conversation:
        """Place a call that goes on until somebody ends it."""
        command = [sys.executable, "-m", "sbc_sim", "call", f"tls:127.0.0.1:{self._port}", "--ca", str(self._ca)]
        name = f"call-{len(self._calls)}"
        placed = Conversation(
            name, [*command, "--seconds", str(seconds), *options], self._folder, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        )
        self._calls.append(placed)
        return placed

    def whole_call(self, *options: str, seconds: float = 1.5) -> None:
        """Place a call and wait for its end, whatever came of it."""
        self.call(*options, seconds=seconds).process.wait(60)

    def attempt(self) -> None:
        """Begin a TLS handshake and refuse the certificate of the server."""
        with socket.create_connection(("127.0.0.1", self._port), 30) as plain, suppress(ssl.SSLError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")

    def end(self) -> None:
        """End the calls that still go on."""
        for placed in self._calls:
            placed.end()
