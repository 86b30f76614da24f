"""Scenarios: what an agent says and does, as data (placeholder until the agent is built: see the docstring of `Scenario`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario by its name."""

    name: str
