"""Write the pages that are made from the code: docs/rules.md from the catalogue, docs/settings.md from the settings model, docs/cli.md from
the commands, docs/metrics.md from the metrics; and the settings' part of the schema of the Helm chart's values.

    python docs/make.py            write them
    python docs/make.py --check    exit 1 when one is not what the code says (part of `make check`)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path

from cli_page import cli_markdown
from metrics_page import metrics_markdown

from sbc_sim.rules.explain import as_markdown
from sbc_sim.settings import Settings, all_settings, sections, shown
from sbc_sim.settings_maps import MAP_TEXTS, PartnerRegionSettings, PartnerSettings, RegionSettings

HERE = Path(__file__).parent


def settings_markdown() -> str:
    """Write every setting with its names, default and meaning."""
    return "".join(f"{line}\n" for line in _settings_lines())


def _settings_lines() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "Made by `make docs` from `sbc_sim/settings.py`. A flag beats the environment, which beats the file, which beats the default."
    yield "The file is YAML: the one of `--config`, else of `SBC_SIM_CONFIG`, else `/etc/sbc-sim/config.yaml` if there. The key"
    yield "`section.name` is `--section-name` on the command line and `SBC_SIM_SECTION__NAME` in the environment; a secret can also come"
    yield "from the file that `SBC_SIM_SECTION__NAME_FILE` names. Lists are words between commas, mappings `a=b,c=d`."
    yield "`sbc-sim config show` tells where each value came from."
    for section, model in sections().items():
        yield ""
        yield f"## {section}"
        yield ""
        yield str(model.__doc__)
        yield ""
        yield "| setting | default | meaning |"
        yield "|---|---|---|"
        for setting in all_settings().values():
            if setting.key.startswith(f"{section}."):
                default = f"`{setting.default}`" if setting.default else ""
                choices = _choices(Settings.model_json_schema()["$defs"][section.capitalize()]["properties"][setting.key.partition(".")[2]])
                yield f"| `{setting.key}` | {default} | {setting.description}{choices} |"

    yield from _map_lines()


def _map_lines() -> Iterator[str]:
    yield ""
    yield "## Maps of names"
    yield ""
    yield "In the file these are mappings from a name (lower-case letters, digits, `-` and `_`) to what is said of it. In the environment"
    yield "`SBC_SIM_REGIONS__FRANKFURT__LISTEN=0.0.0.0:5062` sets one member, `SBC_SIM_PARTNERS='{\"acme\": {...}}'` many, as JSON;"
    yield "on the command line it is `--set regions.frankfurt.listen=0.0.0.0:5062`. A name's `-` is `_` in the environment. What"
    yield "regions and partners are for: [regions.md](regions.md)."
    models = {"regions.NAME": RegionSettings, "partners.NAME": PartnerSettings, "partners.NAME.by_region.REGION": PartnerRegionSettings}
    for section, text in MAP_TEXTS.items():
        yield from ("", f"### {section}", "", text)
        for key, model in models.items():
            if key.startswith(section):
                yield from ("", "| setting | default | meaning |", "|---|---|---|")
                for name, info in model.model_fields.items():
                    default = f"`{shown(info.default)}`" if shown(info.default) else ""
                    yield f"| `{key}.{name}` | {default} | {info.description} |"


def _choices(schema: dict[str, object]) -> str:
    values = schema.get("enum") or []
    assert isinstance(values, list)
    words = ", ".join(f"`{value}`" if value else "nothing" for value in values)
    return f" One of {words}." if len(values) > 1 else ""


PAGES = {"rules.md": as_markdown, "settings.md": settings_markdown, "cli.md": cli_markdown, "metrics.md": metrics_markdown}
CHART = run_path(str(HERE.parent / "helm" / "make_schema.py"))
PAGES |= {"../helm/sbc-sim/values.schema.json": CHART["schema"], "../helm/sbc-sim/files/variables.json": CHART["variables"]}


def main(arguments: list[str]) -> int:
    """Write, or check."""
    stale = [name for name, make in PAGES.items() if not (HERE / name).exists() or (HERE / name).read_text(encoding="utf-8") != make()]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is not what the code says: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
