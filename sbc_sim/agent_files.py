"""Scenarios and prompts that the settings name, read before anything starts: each mistake with its setting, file and line."""

from __future__ import annotations

from collections.abc import Iterator

from sbc_sim.calls.agents import Agents
from sbc_sim.calls.scenario import Scenario, ScenarioError
from sbc_sim.settings import Loaded, SettingsError, place_of


def check_agents(loaded: Loaded) -> None:
    """Read what the agents follow and say. Raises SettingsError, with setting and line, for what cannot be used."""
    for key, reason in _unusable(loaded):
        raise SettingsError(f"{place_of(key, loaded.origins)}: {reason}")


def _unusable(loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Settings that cannot be used, and why."""
    settings = loaded.settings
    folder = settings.agent.prompts_dir
    if folder is not None and not folder.is_dir():
        yield "agent.prompts_dir", f"there is no folder {folder}"
    try:
        agents = Agents(settings.agent_settings(), settings.scenarios)
    except ScenarioError as error:
        key, _, reason = str(error).partition(": ")
        yield key, reason
        return
    for name in settings.scenarios:
        key = f"scenarios.{name}"
        try:
            scenario = agents.scenario(name)
        except ScenarioError as error:
            yield key, str(error).removeprefix(key).lstrip(",: ")
            continue
        if settings.rules.profile != "extended":
            yield from ((key, f"{at}: escalate refer needs rules.profile extended") for at in _refers(scenario, key))


def _refers(scenario: Scenario, key: str) -> Iterator[str]:
    """Name each place where a call is given back by REFER."""
    file = "" if scenario.where == key else f"{scenario.where}, "
    for step in scenario.steps.values():
        actions = [(rule.action, rule.line) for rule in step.rules] + ([(step.then, step.line)] if step.then is not None else [])
        yield from (f"{file}line {line}, step {step.name}" for action, line in actions if action.mode == "refer")
    yield from (f"{file}line {rule.line}, always" for rule in scenario.always if rule.action.mode == "refer")
