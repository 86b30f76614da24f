"""kill -9 at any moment: the file is never damaged, and what was told to be safe is there, with everything before it.

That an entry is safe after one flush interval at most is proved in test_write_queue with a clock that the test moves; here nothing depends
on how quick the machine is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMES = 200
ENTRIES_OF_A_CALL = 22


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be had: what a killed process has written is with the kernel, so the disk would only cost time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as name:
        yield Path(name)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_writers_killed_hundreds_of_times_leave_a_whole_file_with_all_that_was_safe(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.journal.killed_child", str(folder), str(TIMES), "20261122"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == TIMES
    written = 0
    for one in told:
        assert one["killed"], one
        assert one["failed"] == [], one
        assert one["integrity"] == "ok", one
        if one["numbers"]:
            first, last = one["numbers"]
            assert one["gapless"], one
            assert (first - one["base"] - 1) % ENTRIES_OF_A_CALL == 0, f"only whole calls may have gone: {one}"
            assert last >= one["safe"], one
            written += 1
        elif one["numbers"] == []:
            assert one["safe"] <= (one["base"] or 0), one
    assert written > TIMES / 4, "enough of them were killed while they wrote"
    assert sum(one["base"] is None for one in told) > 0, "some of them were killed while they opened the file"
