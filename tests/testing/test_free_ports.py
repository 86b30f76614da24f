"""Ports that nobody has, as many neighbours as are wanted."""

from __future__ import annotations

import socket

import pytest

from sbc_sim.testing import free_ports


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_neighbours_are_held_until_the_block_ends_and_the_first_is_even(kind: socket.SocketKind) -> None:
    with free_ports.held(kind, 4, "127.0.0.1") as (first, sockets):
        assert [one.getsockname() for one in sockets] == [("127.0.0.1", first + number) for number in range(4)]
        assert first % 2 == 0
        with socket.socket(socket.AF_INET, kind) as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", first + 3))
    assert sockets[0].fileno() == -1


def test_a_port_that_somebody_has_is_passed_over_and_when_all_are_taken_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with free_ports.held(socket.SOCK_DGRAM, 2) as (first, sockets):
        monkeypatch.setattr(free_ports, "FIRST_PORT", first)
        monkeypatch.setattr(free_ports, "LAST_PORT", first + 2)
        with pytest.raises(OSError, match=rf"no 2 neighbouring free ports between {first} and {first + 2}"):
            free_ports.free(socket.SOCK_DGRAM, 2)
        sockets[1].close()
        monkeypatch.setattr(free_ports.secrets, "randbelow", lambda span: 0)
        assert free_ports.free(socket.SOCK_DGRAM) == first + 1
