"""The catalogue: every rule by its id. Ids are never reused; a rule that is given up keeps its number."""

from __future__ import annotations

from sbc_sim.rules.finding import Rule

RULE_SET_VERSION = "1"
"""Grows with every change in what the rules demand; stands in each verdict."""

RULES: dict[str, Rule] = {}


def rule(rule_id: str) -> Rule:
    """Return the rule with that id; raises KeyError for an unknown id."""
    return RULES[rule_id]
