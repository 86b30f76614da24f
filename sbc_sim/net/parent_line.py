"""The line of a worker to its parent, watched by the reactor: a word on it asks to drain, and when it ends, the worker is to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IReadDescriptor)
class ParentLine:
    """Waits for what the parent wants."""

    def __init__(self, reactor: Any, line: socket.socket, at_word: Callable[[], object], at_end: Callable[[], object]) -> None:
        """`at_word`: take no more calls; `at_end`: stop now, called once. Both on the reactor's thread."""
        self._reactor = reactor
        self._line = line
        self._at_word = at_word
        self._at_end = at_end
        line.setblocking(False)
        reactor.addReader(self)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._line.fileno()

    def logPrefix(self) -> str:
        """Name this in Twisted's log."""
        return "parent"

    def doRead(self) -> None:
        """See what came, or whether it has ended."""
        try:
            heard = self._line.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if heard:
            self._at_word()
        else:
            self._reactor.removeReader(self)
            self._at_end()

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: Twisted calls this when the reactor stops."""
