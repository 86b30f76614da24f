"""Ports that several processes listen on: kept for them, and kept from strangers."""

from __future__ import annotations

import socket

import pytest
from twisted.internet import reactor as global_reactor
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from sbc_sim.net.shared_ports import listen_shared, reserve


def knock(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_a_reserved_port_takes_no_connections_until_a_worker_listens_and_any_number_of_them_may() -> None:
    with reserve("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        assert not knock(port)
        listen = listen_shared(global_reactor)
        ports = [listen(port, Factory(), 5, "127.0.0.1") for _ in range(2)]
        try:
            assert [listening.getHost().port for listening in ports] == [port, port]
            assert knock(port)
        finally:
            for listening in ports:
                listening.stopListening()


def test_a_port_that_another_program_listens_on_is_not_reserved_even_when_that_one_would_share() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="Address already in use"):
            reserve("127.0.0.1", other.getsockname()[1])


def test_a_worker_cannot_listen_on_the_port_of_a_program_that_does_not_share() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(CannotListenError, match="Address already in use"):
            listen_shared(global_reactor)(other.getsockname()[1], Factory(), 5, "127.0.0.1")
