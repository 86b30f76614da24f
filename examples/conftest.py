"""Settings of the simulator for this suite, and the SBC under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from my_sbc import MySbc, installed_sbc


@pytest.fixture(scope="session")
def sbc_sim_settings() -> dict[str, object]:
    """Calls of this suite are short: twenty packets shall do as proof of the echo."""
    return {"media.min_packets": 20}


@pytest.fixture
def my_sbc(sbc_sim: Any, tmp_path: Path) -> Iterator[MySbc]:
    """The SBC, set up for the simulator: where to call, and the CA to trust."""
    sbc = installed_sbc(sbc_sim.host, sbc_sim.sip_port, sbc_sim.ca_pem, tmp_path)
    yield sbc
    sbc.stop()
