"""Why nothing can be kept in a folder is a sentence, whatever stands in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sbc_sim.settings_data import obstacle
from tests.end_to_end.server import ROOT


@contextmanager
def _as_a_stranger() -> Iterator[None]:
    """Be a user who owns nothing, as far as this user may; who is not root is held up by the mode of the folder alone."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(4711)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_below_one_that_this_user_may_not_enter_is_a_sentence(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0)
    try:
        with _as_a_stranger():
            said = obstacle(closed / "data")
            user = os.geteuid()
    finally:
        closed.chmod(0o700)
    assert f"{closed / 'data'} cannot be reached by user {user} of group " in said
    assert said.endswith("(Permission denied)")


@pytest.mark.parametrize(
    ("name", "why"), [("nowhere", "is not there"), ("file", "is no folder"), ("file/below", "is not there"), (".", "")]
)
def test_what_is_in_the_way_is_named(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    assert obstacle(tmp_path / name).endswith(why)
    assert bool(obstacle(tmp_path / name)) == bool(why)


def test_config_check_goes_well_with_a_folder_that_cannot_be_looked_at() -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")}
    command = [sys.executable, "-m", "sbc_sim", "config", "check"]
    wanted = {**variables, "PYTHONPATH": str(ROOT), "SBC_SIM_DATA__DIR": "/" + "n" * 300}
    done = subprocess.run(command, env=wanted, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
