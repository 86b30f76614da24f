"""The partner's test suite in examples/ runs as it stands, away from the checkout, with the SIP client that is here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(300)


@pytest.mark.slow
def test_the_example_suite_passes(tmp_path: Path) -> None:
    pytest.importorskip("pytest_asyncio")
    suite = shutil.copytree(ROOT / "examples", tmp_path / "suite", ignore=shutil.ignore_patterns("__pycache__"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SBC_SIM_"))}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "sbc_sim",
        "-p",
        "asyncio",
        "--sbc-sim-timeout",
        "100",
        "--basetemp",
        str(tmp_path / "t"),
    ]
    environment = {**clean, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, encoding="utf-8", env=environment)
    tests = sum(len(re.findall(r"(?m)^(?:async )?def test_", file.read_text())) for file in suite.glob("test_*.py"))
    assert re.search(rf"(?m)^{tests} passed in ", done.stdout), done.stdout + done.stderr
