"""The partner's test suite in examples/ runs as it stands, away from the checkout, with the SIP client that is here."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.suites import ROOT, run_pytest

pytestmark = pytest.mark.timeout(300)


@pytest.mark.slow
def test_the_example_suite_passes(tmp_path: Path) -> None:
    pytest.importorskip("pytest_asyncio")
    suite = shutil.copytree(ROOT / "examples", tmp_path / "suite", ignore=shutil.ignore_patterns("__pycache__"))
    done = run_pytest(suite, tmp_path / "t", ("sbc_sim", "asyncio"), "-q")
    tests = sum(len(re.findall(r"(?m)^(?:async )?def test_", file.read_text())) for file in suite.glob("test_*.py"))
    assert re.search(rf"(?m)^{tests} passed in ", done.stdout), done.stdout + done.stderr
