"""Commands that tell: version, config, explain."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from typing import Any

import click

from sbc_sim.commands.shared import PASSED, SettingsCommand, Unusable, as_json, loaded, own_version, say, say_json, width

MOST_IN_FULL = 3
"""Rules that are explained in full at once; more of them would scroll away."""


@click.command()
@as_json
def version(as_json: bool) -> None:
    """Print the version."""
    import platform

    here = {"version": own_version(), "python": platform.python_version(), "platform": platform.platform()}
    if as_json:
        say_json(here)
    else:
        say(f"sbc-sim {here['version']} (Python {here['python']}, {here['platform']})")


@click.group()
def config() -> None:
    """Show or check the settings."""


@config.command("show", cls=SettingsCommand)
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@as_json
@click.pass_context
def config_show(ctx: click.Context, changed: bool, as_json: bool) -> None:
    """Print the effective settings with the origin of each value."""
    from sbc_sim.settings import shown

    current = loaded(ctx)
    rows = {key: (current.settings.value(key), origin) for key, origin in current.origins.items() if not changed or origin != "default"}
    if as_json:
        dumped: Any = current.settings.model_dump(mode="json")
        say_json({key: {"value": reduce(getitem, key.split("."), dumped), "origin": origin} for key, (_, origin) in rows.items()})
        return
    key_width = max(map(len, rows), default=0)
    value_width = min(40, max((len(shown(value)) for value, _ in rows.values()), default=0))
    for key, (value, origin) in rows.items():
        say(f"{key:<{key_width}}  {shown(value) or '-':<{value_width}}  {click.style(origin, dim=origin == 'default')}")


@config.command("check", cls=SettingsCommand)
@click.pass_context
def config_check(ctx: click.Context) -> None:
    """Say whether the settings can be used, scenarios and their prompts among them (exit code 2 when not)."""
    from sbc_sim.calls.agents import Agents
    from sbc_sim.calls.scenario import ScenarioError
    from sbc_sim.settings_maps import nested_networks

    found = loaded(ctx, files=True)
    try:
        warnings = Agents(found.settings.agent_settings(), found.settings.scenarios).check()
    except ScenarioError as error:
        raise Unusable(str(error)) from None
    for warning in (*warnings, *nested_networks(found.settings.partners)):
        say(f"warning: {warning}")
    origins = found.origins
    changed = sum(origin != "default" for origin in origins.values())
    say(f"the settings are fine: {changed} of {len(origins)} are set, the others are at their defaults")


@config.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the settings file."""
    from sbc_sim.settings import Settings

    say_json(Settings.model_json_schema())


@click.command()
@click.argument("word", required=False, default="")
@as_json
def explain(word: str, as_json: bool) -> int:
    """Say what a rule demands, why, and how to mend a breach.

    WORD is a rule id, a status code, a TLS alert or a word; without it all rules are listed. More than three rules get a line each.
    """
    from sbc_sim.rules.explain import as_line, as_text, rule_data
    from sbc_sim.rules.explain import explain as find

    rules = find(word)
    if as_json:
        say_json([rule_data(rule) for rule in rules])
    elif word and len(rules) <= MOST_IN_FULL:
        say("\n\n".join(as_text(rule, width()) for rule in rules))
    else:
        say("\n".join(map(as_line, rules)))
        if word:
            say(f"\n{len(rules)} rules are about {word}; all about one of them: sbc-sim explain {rules[0].id}")
    if not rules:
        known = "no status that a rule answers with" if word.isdecimal() and len(word) == 3 else "nothing that a rule is about"
        raise Unusable(f"{word!r} is {known}; `sbc-sim explain` lists them all")
    return PASSED
