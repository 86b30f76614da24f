"""The peer that talks to the legs under test."""

from __future__ import annotations

import pytest

from tests.support.srtp_peer import Peer


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture(scope="session")
def make_peer() -> type[Peer]:
    return Peer
