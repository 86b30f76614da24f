"""What README and the other pages tell people to type is there, and the first command works."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from sbc_sim.cli import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *(ROOT / name / "README.md" for name in ("certs", "examples"))]
COMMAND = re.compile(r"(?:^|`|\$ )(?:\.venv/bin/)?sbc-sim ([a-z][^`\n]*)", re.MULTILINE)


def code_of(page: Path) -> str:
    """Only what stands in code: blocks and spans."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`(sbc-sim [^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*blocks, *spans])


def commands() -> list[tuple[str, str]]:
    return sorted({(page.name, found) for page in PAGES for found in COMMAND.findall(code_of(page))})


@pytest.mark.parametrize(("page", "words"), commands())
def test_every_command_of_the_pages_exists_with_its_options(page, words):
    command: click.Command = cli
    context = click.Context(cli, info_name="sbc-sim")
    rest = shlex.split(words, comments=True)
    while isinstance(command, click.Group) and rest:
        name = rest.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"{page}: sbc-sim {words}"
        context = click.Context(command, parent=context, info_name=name)
    known = {option for param in command.get_params(context) for option in param.opts}
    assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known


def test_the_readme_begins_with_its_two_make_commands():
    first = re.search(r"^```[a-z]*\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert first is not None
    assert first.group(1).split("\n")[:2] == ["make demo", "make test"]


def test_make_knows_every_target_that_the_pages_name():
    for target in {found for page in PAGES for found in re.findall(r"^make ([a-z]+)", code_of(page), re.MULTILINE)}:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True, timeout=30)


def test_the_links_of_the_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
