"""What the chart holds beside its templates: schema, values, dashboard, alerts and the test call. No helm is needed here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.end_to_end.server import PATIENT, Server, serving
from tests.helm.chart import CHART, ROOT

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_schema_is_what_the_settings_make_it() -> None:
    done = subprocess.run([sys.executable, ROOT / "helm" / "make_schema.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _objects(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        for index, one in enumerate(node):
            yield from _objects(one, f"{place}/{index}")
    elif isinstance(node, dict):
        if node.get("type") == "object" and isinstance(node["type"], str):
            yield place, node
        for name, one in node.items():
            yield from _objects(one, f"{place}/{name}")


ANYTHING = {
    "/properties/global",
    "/properties/settings/properties/scenarios",
    "/properties/settings/properties/faults/additionalProperties",
}
"""Helm hands the first down to every chart; what scenarios and faults hold depends on their kind: the simulator checks it at its start."""


def test_the_schema_is_closed_at_every_level() -> None:
    Draft7Validator.check_schema(SCHEMA)
    free = [place for place, node in _objects(SCHEMA) if node.get("additionalProperties", True) is True and place not in ANYTHING]
    assert not free


def test_the_schema_knows_every_value_and_takes_the_defaults() -> None:
    assert set(SCHEMA["properties"]) - {"global"} == set(VALUES)
    assert not list(Draft7Validator(SCHEMA).iter_errors(VALUES))


def _metrics(text: str) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"sbc_sim_[a-z_]+", text)}


def test_the_page_names_every_alert() -> None:
    names = re.findall(r"(?m)^- alert: (\w+)$", (CHART / "files" / "alerts.yaml").read_text())
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    assert len(names) > 1
    assert [name for name in names if f"`{name}`" not in page] == []


def test_dashboard_and_alerts_ask_for_metrics_that_there_are() -> None:
    """docs/metrics.md is made from the metrics themselves, those of shared stores included; `make check` holds it."""
    asked = _metrics((CHART / "files" / "dashboard.json").read_text()) | _metrics((CHART / "files" / "alerts.yaml").read_text())
    told = _metrics((ROOT / "docs" / "metrics.md").read_text())
    assert len(asked) > 15
    assert not asked - told


def test_the_dashboard_is_json_with_panels_of_their_own_ids() -> None:
    board = json.loads((CHART / "files" / "dashboard.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 10


# --- the test call ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A simulator that judges patiently."""
    with serving(tmp_path_factory.mktemp("chart"), **PATIENT) as server:
        yield server


def _test_call(server: Server, *ignored: str) -> subprocess.CompletedProcess[str]:
    api = f"http://127.0.0.1:{server.http_port}"
    arguments = [f"127.0.0.1:{server.sip_port}", api, "2", "localhost", str(server.ca), *ignored]
    command = [sys.executable, CHART / "files" / "place_a_call.py", *arguments]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": path, "PYTHONPATH": str(ROOT)})


def test_the_test_call_passes_and_shows_its_ladder(plain_server: Server) -> None:
    done = _test_call(plain_server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "INVITE" in done.stdout
    assert done.stdout.rstrip().endswith("passed")


def test_the_test_call_fails_on_a_failed_rule_and_names_it_with_its_cure(tmp_path: Path) -> None:
    with serving(tmp_path, UUI__LIMIT="20", UUI__OVER_LIMIT="refuse") as server:
        done = _test_call(server)
    assert done.returncode == 1, done.stdout
    assert re.search(r"(?m)^SBC-UUI-\d{3} .*\n  cure: \S", done.stdout), done.stdout


def test_the_test_call_fails_where_nobody_listens(plain_server: Server) -> None:
    command = [sys.executable, CHART / "files" / "place_a_call.py", "127.0.0.1:9", "http://127.0.0.1:9", "0.5", "", str(plain_server.ca)]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": path, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert "FAILED: no connection to 127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
