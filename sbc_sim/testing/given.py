"""Settings as a test suite writes them: by their names, or in groups as the settings file has them. The standard library alone."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
MAPS = ("regions", "partners", "scenarios", "faults")
"""Groups whose members have names of the user's own."""
SECRETS = ("token", "password")
"""What the names of secret settings end with."""


def flat(settings: Mapping[str, object] | None) -> dict[str, object]:
    """Turn ``{"uui": {"missing": "warn"}}`` into ``{"uui.missing": "warn"}``: what is written last holds, in either form."""
    names: dict[str, object] = {}
    for name, value in (settings or {}).items():
        if isinstance(value, Mapping) and "." not in name and name not in MAPS:
            names |= {f"{name}.{member}": inner for member, inner in value.items()}
        else:
            names[name] = value
    return names


def named(settings: Mapping[str, object] | None) -> dict[str, object]:
    """As `flat`, without what is None: there the default holds."""
    return {name: value for name, value in flat(settings).items() if value is not None}


def shown(settings: Mapping[str, object]) -> str:
    """Write settings for a message: secrets are masked, those with a name that is misspelt too."""
    return json.dumps({name: _masked(name, value) for name, value in settings.items()}, default=str)


def _masked(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), member) for inner, member in value.items()}
    if difflib.get_close_matches(name.rpartition(".")[2].lower(), SECRETS, n=1, cutoff=0.7) or name.lower().endswith(SECRETS):
        return "..."
    scheme, found, rest = str(value).partition("://")
    return f"{scheme}://..." if found and ("@" in rest or "password" in rest.lower()) else value
