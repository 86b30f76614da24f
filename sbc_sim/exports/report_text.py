"""The verdict as text for terminals: rule by rule, then the proof of the echo. No colour codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sbc_sim.journal.view import CallView


def verdict_text(verdict: Mapping[str, Any], width: int = 100, everything: bool = True) -> str:
    """Write the data of a VERDICT entry: ``PASS  SBC-UUI-001  title`` a line, why and fix beneath what failed or warned.

    Without `everything` only what failed, warned or is unknown is listed; the counts stay.
    """
    raise NotImplementedError


def echo_text(call: CallView) -> str:
    """Write the proof of the echo: packets both ways, loss, jitter, delay, level."""
    raise NotImplementedError
