"""pytest in a process of its own, as a partner runs it: with the plugins of its environment, and nothing that is set for these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_pytest(
    folder: Path, temporary: Path, plugins: Iterable[str], *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the suite in `folder`. `plugins` are named as their entry points are; the many others that are installed would cost a second."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SBC_SIM_"))}
    own = {"PYTHONPATH": str(ROOT), "COLUMNS": "160", "PYTHONUTF8": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--basetemp", str(temporary), "--sbc-sim-timeout", "100"]
    command += [*arguments, *(word for plugin in plugins for word in ("-p", plugin))]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", env={**clean, **own, **environment}, check=False
    )
