"""helm for the tests of the chart, and what its absence means."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import require
from tests.helm.chart import Helm, helm_binary


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The real program."""
    binary = helm_binary()
    require("helm", None if binary else "helm")
    return Helm(binary or "")
