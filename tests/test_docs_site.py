"""The pages become a site without a complaint, and what they say of metrics, settings and platforms is so."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from sbc_sim.rules.catalogue import RULES
from sbc_sim.settings import all_settings, sections
from tests.end_to_end.conftest import require
from tests.end_to_end.server import PATIENCE, serving

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
RECIPES = sorted(set((DOCS / "recipes").glob("*.md")) - {DOCS / "recipes" / "index.md"})
ECHO = b'{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'
CHART = yaml.safe_load((ROOT / "helm" / "sbc-sim" / "values.yaml").read_text(encoding="utf-8"))
ISSUE_WANTS = {"audiocodes", "oracle", "ribbon", "cube", "genesys", "asterisk", "freeswitch", "kamailio", "opensips"}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def built(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "--quiet",
        "-b",
        "html",
        "-d",
        str(target / "trees"),
        str(source),
        str(target),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    run = built(DOCS, tmp_path)
    assert run.returncode == 0, run.stderr
    assert 'id="sbc-uui-002"' in (tmp_path / "rules.html").read_text(encoding="utf-8")


def test_links_that_lead_nowhere_stop_the_build(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    shutil.copytree(DOCS / "_static", source / "_static")
    (source / "index.md").write_text("# Page\n\n[gone](gone.md)\n\n[no such heading](index.md#nowhere)\n\n![no picture](gone.png)\n")
    run = built(source, tmp_path / "site")
    assert run.returncode != 0
    assert [number for number in (3, 5, 7) if f"index.md:{number}" not in run.stderr] == []


def test_metrics_that_a_running_simulator_shows_are_all_on_the_page(tmp_path: Path) -> None:
    page = dict(re.findall(r"^\| `(sbc_sim_\w+)` \| (\w+) \|", text_of(DOCS / "metrics.md"), re.MULTILINE))
    with serving(tmp_path) as server, urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=PATIENCE) as answer:
        shown = dict(re.findall(r"^# TYPE (sbc_sim_\w+) (\w+)$", answer.read().decode(), re.MULTILINE))
    assert {name: page.get(name) for name in shown} == shown


def test_expressions_on_the_page_of_metrics_ask_for_metrics_and_rules_that_there_are() -> None:
    page = text_of(DOCS / "metrics.md")
    table, _, questions = page.partition("## What to look at")
    assert set(re.findall(r"sbc_sim_\w+", questions)) <= set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_and_rules_that_a_page_names_exist(page: Path) -> None:
    named = set(re.findall(r"`([a-z]+\.[a-z0-9_]+)(?:: [^`\n]*)?`", text_of(page)))
    ours = {name for name in named if name.partition(".")[0] in sections() and name.rpartition(".")[2] not in FILES_AND_EVENTS}
    chart = values_of(CHART) if page.name == "kubernetes.md" else set()
    assert ours <= {*all_settings(), *chart}
    assert set(re.findall(r"\bSBC-[A-Z0-9]+-\d{3}\b", text_of(page))) <= set(RULES)


def values_of(chart: dict[str, object]) -> set[str]:
    """The values of the chart, two names deep, which look like settings."""
    return {f"{name}.{member}" for name, members in chart.items() if isinstance(members, dict) for member in members}


FILES = {"pcapng", "wav", "svg", "txt", "xml", "html", "json", "db", "yaml", "pem", "key", "crt"}
FILES_AND_EVENTS = FILES | {"step", "changed", "shown", "trouble", "alert_message"}
"""`capture.pcapng`, `rehearsal.step`, `tls.key` and a filter of Wireshark look like settings and are none."""


def test_there_is_a_recipe_for_each_platform_that_was_promised() -> None:
    assert {recipe.stem for recipe in RECIPES} >= ISSUE_WANTS


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_says_whether_it_was_run_and_tells_the_four_things(recipe: Path) -> None:
    page = text_of(recipe)
    assert re.search(r"^\*\*Run here:\*\* (yes|no)\b", page, re.MULTILINE)
    assert all(word in page for word in ("CA", "SRTP", "User-to-User", "OPTIONS"))
    assert [digits for digits in re.findall(r"\b[0-9a-f]{60,}\b", page) if bytes.fromhex(digits) != ECHO] == []


def test_the_list_of_recipes_tells_of_each_what_the_recipe_tells() -> None:
    listed = dict(re.findall(r"^\| \[[^\]]+\]\((\w+)\.md\) \| \**(yes|no)\b", text_of(DOCS / "recipes" / "index.md"), re.MULTILINE))
    told = {recipe.stem: re.findall(r"^\*\*Run here:\*\* (\w+)", text_of(recipe), re.MULTILINE)[0] for recipe in RECIPES}
    assert listed == told


@pytest.mark.partners
def test_wireshark_knows_each_filter_of_the_page_about_captures(tmp_path: Path) -> None:
    require("tshark", None if shutil.which("tshark") else "tshark")
    table = re.search(r"^\| question \| display filter.*?\n\n", text_of(DOCS / "captures.md"), re.MULTILINE | re.DOTALL)
    assert table is not None
    filters = re.findall(r"^\| [A-Z][^|]* \| `([^`]+)`", table.group(), re.MULTILINE)
    nothing = tmp_path / "nothing.pcap"
    nothing.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    command = ["tshark", "-r", str(nothing), "-Y", " || ".join(f"({one})" for one in filters)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert len(filters) > 5
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_picture_of_the_readme_is_what_a_call_looks_like_today(tmp_path: Path) -> None:
    again = tmp_path / "ladder.svg"
    subprocess.run([sys.executable, str(DOCS / "make_ladder.py"), str(again)], cwd=ROOT, check=True, capture_output=True, timeout=110)
    assert labels(again) == labels(DOCS / "images" / "ladder.svg")


def labels(picture: Path) -> list[str]:
    """What its arrows say, and the verdict."""
    found = re.findall(r'<text class="(?:label|verdict)[^"]*"[^>]*>(.*?)</text>', text_of(picture))
    assert found
    return [re.sub(r"<[^>]+>", "", label) for label in found]
