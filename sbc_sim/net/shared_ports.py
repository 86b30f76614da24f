"""TCP ports that several processes listen on (SO_REUSEPORT): the system deals connections out among those that listen right now.

A process that keeps the port for others holds a socket that is bound and does not listen: it gets no connections, and the port cannot go
to a stranger while one of the others starts anew.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import CannotListenError

from sbc_sim.net.shapes import Listen, ListeningPort


def reserve(host: str, port: int) -> socket.socket:
    """Bind a port for the workers to listen on; port 0 takes any free one. Raises OSError when a program has it already.

    The first try asks for the port alone: with SO_REUSEPORT a second simulator of the same user would get it too, and half of the calls.
    """
    if port:
        _bound(host, port, shared=False).close()
    return _bound(host, port, shared=True)


def listen_shared(reactor: Any) -> Listen:
    """Give what listens as `reactor.listenTCP` does, on ports that others may listen on too; it raises CannotListenError."""

    def listen(port: int, factory: Any, backlog: int = 50, interface: str = "") -> ListeningPort:
        try:
            with _bound(interface, port, shared=True) as sock:
                sock.setblocking(False)
                sock.listen(backlog)
                adopted: ListeningPort = reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
        except OSError as error:
            raise CannotListenError(interface, port, error) from None  # type: ignore[no-untyped-call]
        return adopted

    return listen


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Twisted does: connections of an earlier run may linger
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock
