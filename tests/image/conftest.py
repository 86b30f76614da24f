"""The image, built once for all tests of a worker; without podman they are skipped loudly, or fail where it is required."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import require
from tests.end_to_end.conftest import saying as saying
from tests.support import podman as containers
from tests.support.podman import Podman


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    require("podman", containers.missing())
    found = Podman()
    yield found
    found.close()


@pytest.fixture(scope="session")
def image(podman: Podman) -> str:
    return podman.build()
