"""Commands for the scenarios of the agent: scenario check, show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.shared import PASSED, USAGE, SettingsCommand, Unusable, as_json, loaded, paint, say, say_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sbc_sim.calls.agents import Agents
    from sbc_sim.calls.scenario import Action, Rule, Scenario, Step


@click.group()
def scenario() -> None:
    """Look at what the simulated agent says and does (docs/agent.md)."""


@scenario.command("check")
@click.argument("file", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--prompts", type=click.Path(path_type=Path), metavar="DIR", help="Folder of own prompts. Default: beside FILE.")
@as_json
def scenario_check(file: Path, prompts: Path | None, as_json: bool) -> int:
    """Read a scenario and say what is wrong with it, with line and step. Exit code 2 when it cannot be used."""
    from sbc_sim.calls.scenario import ScenarioError

    try:
        found = _read(file, prompts)
    except ScenarioError as error:
        if not as_json:
            raise Unusable(str(error)) from None
        say_json({"ok": False, "error": str(error), "warnings": []})
        return USAGE
    if as_json:
        say_json({"ok": True, "error": None, "warnings": list(found.warnings), **_data(found)})
        return PASSED
    for warning in found.warnings:
        say(paint(f"warning: {warning}", "warning"))
    said = sum(1 for step in found.steps.values() if step.prompt)
    say(f"{file}: the scenario {found.name} can be used: {len(found.steps)} steps, {said} with a prompt, it begins with {found.start}")
    return PASSED


def _read(file: Path, folder: Path | None) -> Scenario:
    from sbc_sim.calls.agents import read_file, read_text
    from sbc_sim.calls.prompts import Prompts

    prompts = None if folder is None else Prompts(folder)
    if str(file) != "-":
        return read_file(file, prompts=prompts)
    return read_text(sys.stdin.read(), "standard input", prompts=prompts)


@scenario.command("show", cls=SettingsCommand)
@click.argument("name", required=False)
@click.option("--yaml", "source", is_flag=True, help="Print the file of a shipped scenario, to begin one's own with.")
@as_json
@click.pass_context
def scenario_show(ctx: click.Context, name: str | None, source: bool, as_json: bool) -> int:
    """Show a scenario step by step; without NAME list all: those of the settings, and those that ship."""
    from sbc_sim.calls.agents import SHIPPED, Agents, shipped_text
    from sbc_sim.calls.scenario import ScenarioError

    settings = loaded(ctx).settings
    try:
        agents = Agents(settings.agent_settings(), settings.scenarios)
        if name is None:
            _list(agents, settings.agent.scenario, as_json)
            return PASSED
        if source and name not in SHIPPED:
            raise ScenarioError(f"{name!r} does not ship: there is {', '.join(SHIPPED)}")
        found = agents.scenario(name)
    except ScenarioError as error:
        raise Unusable(str(error)) from None
    if source:
        say(shipped_text(name).rstrip("\n"))
    elif as_json:
        say_json(_data(found))
    else:
        say("\n".join(_lines(found)))
    return PASSED


def _list(agents: Agents, usual: str, as_json: bool) -> None:
    found = {name: agents.scenario(name) for name in agents.names}
    if as_json:
        say_json([{"name": name, "about": one.about, "default": name == usual} for name, one in found.items()])
        return
    wide = max(map(len, found))
    for name, one in found.items():
        say(f"{paint(name.ljust(wide), 'strong')}  {one.about}{'  (agent.scenario)' if name == usual else ''}")


def _lines(found: Scenario) -> Iterator[str]:
    yield f"{paint(found.name, 'title')}  {found.about}".rstrip()
    yield f"ends after {found.bounds.seconds:g} s, or {found.bounds.steps} steps"
    if found.always:
        yield paint("always", "strong")
        yield from map(_rule, found.always)
    for step in found.steps.values():
        yield from _step(step, found)
    yield from (paint(f"warning: {warning}", "warning") for warning in found.warnings)


def _step(step: Step, found: Scenario) -> Iterator[str]:
    from sbc_sim.calls.prompts import seconds

    yield paint(step.name, "strong") + ("  (begins here)" if step.name == found.start else "")
    if step.prompt:
        says = f"  ({step.prompt}, {seconds(found.voice(step.prompt)):.1f} s, interrupted by: {step.barge_in.value})"
        yield f'  says      "{step.text}"{paint(says, "quiet")}'
    yield from map(_rule, step.rules)
    if step.then is not None:
        yield f"  {'then':<16}{_action(step.then)}"


def _rule(rule: Rule) -> str:
    return f"  {rule.condition!s:<16}{_action(rule.action)}"


def _action(action: Action) -> str:
    data = f"  with {', '.join(f'{name}={value}' for name, value in action.data.items())}" if action.data else ""
    return f"{action}{f'  ({action.why})' if action.why else ''}{data}"


def _data(found: Scenario) -> dict[str, Any]:
    steps = [
        {
            "name": step.name,
            "line": step.line,
            "prompt": step.prompt or None,
            "text": step.text or None,
            "bargeIn": step.barge_in.value,
            "when": [_rule_data(rule) for rule in step.rules],
            "then": None if step.then is None else _action_data(step.then),
        }
        for step in found.steps.values()
    ]
    bounds = {"steps": found.bounds.steps, "seconds": found.bounds.seconds}
    always = [_rule_data(rule) for rule in found.always]
    return {"name": found.name, "about": found.about, "start": found.start, "bounds": bounds, "always": always, "steps": steps}


def _rule_data(rule: Rule) -> dict[str, Any]:
    return {"condition": str(rule.condition), "line": rule.line, **_action_data(rule.action)}


def _action_data(action: Action) -> dict[str, Any]:
    more = {"step": action.step, "mode": action.mode, "why": action.why, "data": dict(action.data)}
    return {"action": action.kind.value, **{name: value for name, value in more.items() if value}}
