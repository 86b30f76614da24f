"""A TCP server that is no SIP server over TLS: it says the same words to whoever sends anything. For partners that do it wrong."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol


class Rude(Protocol):
    """One connection; `words` may be empty."""

    def __init__(self, words: bytes) -> None:
        self._words = words

    def dataReceived(self, data: bytes) -> None:
        """Answer whatever comes."""
        transport: Any = self.transport
        if self._words and transport is not None:
            transport.write(self._words)


class RudeFactory(Factory):
    """Listen with it."""

    def __init__(self, words: bytes) -> None:
        self._words = words

    def buildProtocol(self, addr: IAddress | None) -> Rude:
        """Take a connection."""
        return Rude(self._words)
