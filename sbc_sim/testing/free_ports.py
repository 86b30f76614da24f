"""Neighbouring ports that nobody has, for what has to know its ports before it starts. The standard library alone."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

FIRST_PORT, LAST_PORT = 20000, 32000
"""Where they are looked for: below those that the system gives away by itself (32768 and up), so that none is taken meanwhile."""


def free(kind: socket.SocketKind, count: int = 1, host: str = "0.0.0.0") -> int:
    """Find the first of `count` neighbouring ports that nobody has, an even one when `count` is even. Raises OSError."""
    with held(kind, count, host) as (first, _):
        return first


@contextmanager
def held(kind: socket.SocketKind, count: int, host: str = "0.0.0.0") -> Iterator[tuple[int, list[socket.socket]]]:
    """As `free`, and hold them until the block ends: gives the first one, and the sockets in order."""
    span = (LAST_PORT - FIRST_PORT) // count
    begin = secrets.randbelow(span)
    for step in range(span):
        first = FIRST_PORT + (begin + step) % span * count
        with ExitStack() as opened:
            sockets = [opened.enter_context(socket.socket(socket.AF_INET, kind)) for _ in range(count)]
            if _bound(sockets, host, first):
                yield first, sockets
                return
    raise OSError(f"there are no {count} neighbouring free ports between {FIRST_PORT} and {LAST_PORT} on this machine")


def _bound(sockets: list[socket.socket], host: str, first: int) -> bool:
    try:
        for port, one in enumerate(sockets, first):
            one.bind((host, port))
    except OSError:
        return False
    return True
