"""A whole rehearsal that nobody attends: ten regions, then the end-to-end test with both ways back, in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

MOST_SECONDS = 60.0


def measure() -> str:
    """Run `rehearse --against self` as a newcomer does."""
    command = [sys.executable, "-m", "sbc_sim", "rehearse", "--against", "self", "--json"]
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    rehearsal = json.loads(done.stdout)
    steps, passed = len(rehearsal["steps"]), rehearsal["counts"]["passed"]
    connectivity = sum(step["kind"] == "connectivity" for step in rehearsal["steps"])
    told = f"rehearsal: {connectivity} regions and both ways back unattended in {seconds:.1f} s ({cpu:.1f} s of CPU)"
    return f"{told}, {passed} of {steps} steps passed; wanted: under {MOST_SECONDS:.0f} s"
