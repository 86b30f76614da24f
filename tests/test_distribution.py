"""What is handed out: sdist and wheel hold all that a stranger needs, and run where nothing else of ours is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERSION = "7.8.9"
pytestmark = pytest.mark.slow


def _run(*command: str | Path, cwd: Path, timeout: float = 300.0, **environment: str) -> str:
    """Run it in an environment without any setting of ours; what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SBC_SIM", "PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """The files of the package that are in the repository."""
    try:
        listed = _run("git", "ls-files", "sbc_sim", cwd=ROOT).split()
    except (OSError, AssertionError):
        pytest.skip("this is no git checkout, so nobody knows which files belong to it")
    return [name for name in listed if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    into = tmp_path_factory.mktemp("sdist")
    build = (sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", into)
    _run(*build, cwd=ROOT, SETUPTOOLS_SCM_PRETEND_VERSION=VERSION)
    return next(into.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist as an installer would."""
    source, into = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(source, filter="data")
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", into, cwd=next(source.iterdir()))
    return next(into.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment that holds the wheel and what it asks for."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(place, with_pip=True)
    programs = place / "bin"
    _run(programs / "pip", "install", "--quiet", "--constraint", _without_hashes(place.parent), wheel, cwd=place.parent)
    return programs


def _without_hashes(folder: Path) -> Path:
    """The locked versions as constraints: pip takes no hashes beside a wheel that has none."""
    lines = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8").splitlines()
    file = folder / "constraints.txt"
    file.write_text("\n".join(line.rstrip(" \\") for line in lines if not line.startswith(" ")), encoding="utf-8")
    return file


def test_the_wheel_made_from_the_sdist_holds_every_file_of_the_package(wheel: Path, tracked: list[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert set(tracked) <= inside
    assert {"sbc_sim/py.typed", "sbc_sim/http/page/index.html"} <= inside


def test_the_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"sbc_sim", f"sbc_sim-{VERSION}.dist-info"}


def test_the_sdist_brings_what_its_tests_and_documents_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"README.md", "LICENSE", "CHANGELOG.md", "Makefile", "Dockerfile", "requirements/run.txt", "requirements/image.txt"}
    assert wanted | {"docs/http.md", "tests/test_distribution.py", "helm/sbc-sim/Chart.yaml", "examples/README.md"} <= inside
    assert not [name for name in inside if "node_modules" in name or name.startswith((".git/", "certs/ca"))]


def test_the_version_of_the_tag_is_the_one_that_the_program_tells(installed: Path, tmp_path: Path) -> None:
    assert _run(installed / "sbc-sim", "version", cwd=tmp_path).startswith(f"sbc-sim {VERSION} ")


def test_a_demo_with_the_agent_runs_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    told = _run(installed / "sbc-sim", "demo", "--escalate", cwd=tmp_path)
    assert "ESCALAT" in told.upper()
    assert "BYE" in told


def test_the_checks_of_a_clean_installation_find_nothing_missing(installed: Path, tmp_path: Path) -> None:
    _run(installed / "pip", "check", cwd=tmp_path)
    schema = json.loads(_run(installed / "sbc-sim", "config", "schema", cwd=tmp_path))
    assert "store" in schema["properties"]
