"""Writes what the chart knows of the settings. --check: only see whether it is up to date.

values.schema.json is helm/schema.yaml joined with the schema of the settings; files/variables.json has the names of their variables.

The settings come from the same models that the simulator reads them with, so a wrong one is refused before anything is installed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from sbc_sim.settings import Settings, all_settings
from sbc_sim.settings_maps import MAPS
from sbc_sim.settings_sources import PREFIX

HERE = Path(__file__).parent
SOURCE = HERE / "schema.yaml"
TARGET = HERE / "sbc-sim" / "values.schema.json"
VARIABLES = HERE / "sbc-sim" / "files" / "variables.json"
_IDLE = ("title", "default", "format", "writeOnly")
"""Of no use in a chart: `config schema` has them."""
Node = Any


def schema() -> str:
    """Make the text of the file."""
    source = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    settings = Settings.model_json_schema()
    models = {name: _plain(model) for name, model in settings.pop("$defs").items()}
    whole = _closed(source, _plain(settings))
    whole["definitions"] |= {f"settings.{name}": model for name, model in models.items()}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"') + "\n"


def variables() -> str:
    """Make the text of the file that tells variables of settings from others."""
    every = all_settings().values()
    plain = [one.variable for one in every if not one.secret]
    secrets = [name for one in every if one.secret for name in (one.variable, f"{one.variable}_FILE")]
    maps = f"^{PREFIX}({'|'.join(name.upper() for name in MAPS)})(__|$)"
    return json.dumps({"settings": plain, "secrets": secrets, "maps": maps}, indent=1) + "\n"


def _closed(node: Node, settings: Node) -> Node:
    """Write out x-object and x-settings."""
    if isinstance(node, list):
        return [_closed(one, settings) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-settings"):
        return settings
    members = {name: _closed(one, settings) for name, one in node.items() if name != "x-object"}
    if "x-object" in node:
        inner = {name: _closed(one, settings) for name, one in node["x-object"].items()}
        members |= {"type": "object", "additionalProperties": False, "properties": inner}
    return members


def _plain(node: Node) -> Node:
    """Turn a schema of pydantic into one of draft 7 that stands among the definitions of the chart."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"].replace("#/$defs/", "#/definitions/settings.")}
    members = {}
    for name, one in node.items():
        if name == "properties":  # a setting may be called title
            members[name] = {member: _plain(what) for member, what in one.items()}
        elif name not in _IDLE:
            members[name] = _plain(one)
    return members


def main() -> int:
    """Write, or check."""
    texts = {TARGET: schema(), VARIABLES: variables()}
    if sys.argv[1:] == ["--check"]:
        stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in stale:
            print(f"{path.relative_to(HERE.parent)} is not up to date: run `python helm/make_schema.py`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
