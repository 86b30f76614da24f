"""The files of the page as they stand: whole, from here alone, and what was vendored is what it says it is."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "sbc_sim" / "http" / "page"
ASSETS = PAGE / "assets"
OURS = sorted(path for path in ASSETS.iterdir() if path.suffix in (".js", ".css"))


def test_vendored_files_have_the_checksums_that_their_list_states() -> None:
    listed = re.findall(r"(?m)^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (ASSETS / "vendor" / "README.md").read_text("utf-8"))
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in (ASSETS / "vendor").iterdir() if path.suffix in (".js", ".css")}
    assert dict(listed) == found


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_module_imports_only_files_that_are_there_and_names_no_other_host(path: Path) -> None:
    text = path.read_text("utf-8")
    for wanted in re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", text):
        assert wanted.startswith("./"), wanted
        assert (ASSETS / wanted).is_file(), wanted
    assert not re.search(r"https?://|\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)


def test_the_frame_brings_nothing_inline_and_loads_what_is_there() -> None:
    text = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", text)
    for wanted in re.findall(r'(?:src|href)="(assets/[^"]+)"', text):
        assert wanted == "assets/ladder.css" or (PAGE / wanted).is_file(), wanted  # that one stands beside what draws the ladder
