"""What is written of numbers and faults is what the tables say."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

from sbc_sim.calls.fault_types import FAULT_TYPES
from sbc_sim.calls.numbers import NUMBERS
from sbc_sim.cli import cli
from sbc_sim.rules.catalogue import RULES

ROOT = Path(__file__).parents[2]
FAULTS = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def test_the_page_has_the_whole_table_of_test_numbers() -> None:
    assert re.findall(r"^\| `(\d{4})` \| `([a-z-]+)` \| (.+) \|$", FAULTS, re.MULTILINE) == [(n.number, n.name, n.does) for n in NUMBERS]


def test_the_page_of_faults_has_every_type_with_what_it_does() -> None:
    told = dict(re.findall(r"^\| `([a-z0-9-]+)` \| ([a-z][^|]+) \| [^|]*\|$", FAULTS, re.MULTILINE))
    assert {name: told.get(name) for name in FAULT_TYPES} == {kind.name: kind.does for kind in FAULT_TYPES.values()}


def test_the_page_of_faults_names_rules_that_there_are() -> None:
    assert set(re.findall(r"SBC-[A-Z]+-\d+", FAULTS)) <= set(RULES)


def test_the_command_lists_numbers_and_types() -> None:
    run = CliRunner().invoke
    text = run(cli, ["numbers", "--sip-numbers", "sales=busy"]).output
    assert all(number.number in text and number.does in text for number in NUMBERS)
    assert "(also sales)" in text
    assert [row["name"] for row in json.loads(run(cli, ["numbers", "--faults", "--json"]).output)] == list(FAULT_TYPES)
    assert all(name in run(cli, ["numbers", "--faults"]).output for name in FAULT_TYPES)
    assert (
        "off" in run(cli, ["numbers", "--no-sip-test-numbers"]).output
        or "off" in run(cli, ["numbers", "--sip-test-numbers", "false"]).output
    )
