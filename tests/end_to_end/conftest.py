"""A running simulator for the tests, and what a missing real client means: a loud skip, or an error where they are required."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.end_to_end.clients.audio import speech, write_wav
from tests.end_to_end.server import ROOT, Server, serving


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`sbc-sim serve` with the default policy, for the tests of one module."""
    with serving(tmp_path_factory.mktemp("sbc-sim")) as server:
        yield server


def require(name: str, missing: str | None) -> None:
    """Skip loudly when a real client is not installed; with SBC_SIM_REQUIRE_PARTNERS=1, fail."""
    if missing is None:
        return
    environment = Path(sys.prefix)
    venv = environment.relative_to(ROOT) if environment.is_relative_to(ROOT) else environment
    words = f"REAL PARTNER MISSING: {name} (not found: {missing}). To install it: .ci/install-partners {venv}"
    if os.environ.get("SBC_SIM_REQUIRE_PARTNERS") == "1":
        raise RuntimeError(words)
    pytest.skip(words)


class Saying:
    """Something distinctive to say: the samples, and a WAV of them with silence after."""

    def __init__(self, folder: Path, seconds: float, seed: int) -> None:
        self.seconds = seconds
        self.samples = speech(seconds, seed)
        self.wav = folder / "saying.wav"
        write_wav(self.wav, self.samples, silence_after=150.0)  # baresip 1.0 ends the call at the end of its file


@pytest.fixture
def saying(tmp_path: Path, request: pytest.FixtureRequest) -> Saying:
    """Four and a half seconds, different in every test."""
    return Saying(tmp_path, 4.5, seed=sum(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A CA that the server has never heard of, for the partner's side."""
    return trustme.CA(organization_name="a partner's own CA")
