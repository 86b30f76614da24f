"""docs/cli.md tells every command and option that there is, none that is not, and its examples can be typed."""

import re
import shlex
from pathlib import Path

import click
import pytest

from sbc_sim.cli import whole_tree

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## sbc-sim ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def tree(group: click.Group | None = None, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Every command that does something, by the words that call it."""
    found: dict[str, click.Command] = {}
    for name, command in (group or whole_tree()).commands.items():
        found |= tree(command, (*path, name)) if isinstance(command, click.Group) else {" ".join((*path, name)): command}
    return found


def test_every_command_has_its_section_and_every_section_its_command():
    assert list(SECTIONS) == list(tree())


@pytest.mark.parametrize("words", list(tree()))
def test_the_options_of_a_command_are_those_of_its_section(words):
    told = set(re.findall(r"^\| `(--[a-z-]+)", SECTIONS[words], re.MULTILINE))
    assert told == {option for parameter in tree()[words].params for option in parameter.opts if option.startswith("--")}


@pytest.mark.parametrize("words", list(tree()))
def test_the_examples_of_a_command_can_be_typed(words):
    examples = re.findall(rf"^sbc-sim {words} ?(.*)$", SECTIONS[words], re.MULTILINE)
    assert examples
    command = tree()[words]
    for example in examples:
        context = click.Context(command, info_name=words)
        _, rest, _ = command.make_parser(context).parse_args(shlex.split(example))
        assert rest == [], example


def test_every_exit_code_is_explained():
    from sbc_sim.commands import shared

    codes = {
        getattr(shared, name)
        for name in ["PASSED", "RULE_FAILED", "USAGE", "CANNOT_RUN", "NO_CALLS", "INCOMPLETE", "INTERRUPTED", "NOBODY_READS"]
    }
    assert set(map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))) == codes
