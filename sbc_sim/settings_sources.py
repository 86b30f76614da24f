"""Where settings come from: file, environment and flags, each read into flat keys with the origin of every value.

A key is ``section.name``, ``regions.NAME.member``, ``partners.NAME.by_region.REGION.member``, ``faults.NAME.member`` or ``scenarios.NAME``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sbc_sim.marked_yaml import MOST_CHARACTERS, NotTaken, Written, read
from sbc_sim.net.file_errors import unreadable
from sbc_sim.settings_maps import MAPS, NAME, PUBLISHED, PartnerRegionSettings
from sbc_sim.settings_values import SettingsError

PREFIX = "SBC_SIM_"
OTHER_VARIABLES = frozenset(
    {"SBC_SIM_CONFIG", "SBC_SIM_API", "SBC_SIM_TOKEN", "SBC_SIM_TOKEN_FILE", "SBC_SIM_REQUIRE_PARTNERS", "SBC_SIM_RFC4475"}
)
"""Variables with our prefix that are no settings: where the file is, whom the client asks, and what the test suite is told."""
_KUBERNETES_LINK = re.compile(r"SBC_SIM(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT|PORT)(_[A-Z0-9_]+)?")
"""A pod finds SBC_SIM_SERVICE_HOST and the like in its environment when a Service is called sbc-sim: not ours, not an error."""

Source: TypeAlias = dict[str, tuple[object, str]]
"""key -> value and origin"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key, for flags and documents."""

    key: str
    """section.key"""
    description: str
    default: str
    secret: bool = False

    @property
    def variable(self) -> str:
        """Name in the environment."""
        return PREFIX + self.key.upper().replace(".", "__")

    @property
    def flag(self) -> str:
        """Name on the command line."""
        return "--" + self.key.replace(".", "-").replace("_", "-")


Known: TypeAlias = Mapping[str, Setting]


def unknown(what: str, word: str, valid: Iterable[str]) -> SettingsError:
    """Make the refusal of a name that there is not, with the nearest that there is."""
    known = {name.removeprefix(PREFIX): name for name in valid}  # the prefix alone would make any two alike
    near = difflib.get_close_matches(word.removeprefix(PREFIX), known, n=1)
    return SettingsError(f"{what} is not known; " + (f"the nearest setting is {known[near[0]]}" if near else _NOTHING_NEAR))


_NOTHING_NEAR = "no setting is called alike: `sbc-sim config schema` has all of them"


# --- the file ---------------------------------------------------------------------------------------------------------


def from_file(path: Path, known: Known, sections: Iterable[str]) -> Source:
    """Read the settings file. Raises SettingsError, with the line."""
    origin = _Origin(f"file {path}", str(path))
    members = _members(_document(path), origin, "")
    found: Source = {}
    for section, node in members.items():
        if section in MAPS:
            found |= dict(_flat(section, node, origin))
        elif section in sections:
            found |= dict(_section(section, node, origin, known))
        else:
            raise unknown(f"{origin.place(node)}{section}", section, [*sections, *MAPS])
    return found


def _document(path: Path) -> Written:
    try:
        with path.open(encoding="utf-8") as file:
            return read(file.read(MOST_CHARACTERS + 1))
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {unreadable(path, error)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"the settings file {path} is not YAML: it is not UTF-8 text") from None
    except NotTaken as problem:
        raise SettingsError(f"the settings file {path} cannot be used: {problem}") from None


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where nodes come from: in words for an origin, and as the beginning of an error."""

    words: str
    what: str

    def of(self, node: Written) -> str:
        return f"{self.words}, line {node.line}" if node.line else self.words

    def place(self, node: Written) -> str:
        return f"{self.what}, line {node.line}: " if node.line else f"{self.what}: "


def _members(node: Written, origin: _Origin, key: str) -> dict[str, Written]:
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise SettingsError(f"{origin.place(node)}{f'{key} ' if key else 'it '}must be a mapping of names to values, not {node.kind}")
    return node.value


def _section(section: str, node: Written, origin: _Origin, known: Known) -> Iterator[tuple[str, tuple[object, str]]]:
    for name, member in _members(node, origin, section).items():
        if (key := f"{section}.{name}") not in known:
            raise unknown(f"{origin.place(member)}{key}", key, known)
        yield key, (member.text(), origin.of(member))


def _flat(map_name: str, node: Written, origin: _Origin) -> Iterator[tuple[str, tuple[object, str]]]:
    for name, members in _members(node, origin, map_name).items():
        key = f"{map_name}.{name}"
        if not NAME.fullmatch(name):
            raise SettingsError(
                f"{origin.place(members)}{key} cannot be a name: lower-case letters, digits, - and _, a letter or digit first"
            )
        if map_name == "scenarios":
            yield key, (members.data(), origin.of(members))
        else:
            yield from _flat_members(key, members, origin, MAPS[map_name])


def _flat_members(key: str, node: Written, origin: _Origin, model: Any) -> Iterator[tuple[str, tuple[object, str]]]:
    found = _members(node, origin, key)
    if not found:  # named, with nothing of its own: it is there
        yield key, ({}, origin.of(node))
    for name, member in found.items():
        here = f"{key}.{name}"
        if model is None:
            yield here, (member.data(), origin.of(member))
        elif name not in model.model_fields:
            raise unknown(f"{origin.place(member)}{here}", here, [f"{key}.{field}" for field in model.model_fields])
        elif name == "by_region":
            for region, differs in _members(member, origin, here).items():
                yield from _flat_members(f"{here}.{region}", differs, origin, PartnerRegionSettings)
        else:
            yield here, (member.text(), origin.of(member))


# --- the environment --------------------------------------------------------------------------------------------------


def from_environment(environment: Mapping[str, str], known: Known, names: Iterable[str]) -> Source:
    """Read the variables with our prefix; `names` are those of regions, partners and so on that are known already. Raises SettingsError."""
    by_name = {setting.variable: setting for setting in known.values()}
    files = {f"{setting.variable}_FILE": setting for setting in known.values() if setting.secret}
    called = {name.replace("-", "_"): name for name in (*PUBLISHED, *names)}
    found: Source = {}
    for name, value in sorted(environment.items()):  # a whole map comes before its members
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        if name in by_name:
            found[by_name[name].key] = value, f"environment {name}"
        elif name in files:
            found.setdefault(files[name].key, (_secret(name, value), f"environment {name}"))
        elif (path := _map_path(name, called)) is not None:
            found |= dict(_placed(path, value, _Origin(f"environment {name}", f"environment variable {name}")))
        elif "__" in name or not _KUBERNETES_LINK.fullmatch(name):
            raise unknown(f"environment variable {name}", name, [*by_name, *files, *(PREFIX + section.upper() for section in MAPS)])
    return found


def _map_path(variable: str, called: Mapping[str, str]) -> list[str] | None:
    section, *rest = variable.removeprefix(PREFIX).lower().split("__")
    if section not in MAPS:
        return None
    names = {0, 2} if section == "partners" and rest[1:2] == ["by_region"] else {0}
    return [section, *(called.get(word, word.replace("_", "-")) if index in names else word for index, word in enumerate(rest))]


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name} names {path}, which cannot be read: {unreadable(path, error)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name} names {path}, which cannot be read: it is not UTF-8 text") from None


# --- flags ------------------------------------------------------------------------------------------------------------


def from_flags(flags: Mapping[str, str], known: Known) -> Source:
    """Read flags: key -> text. Raises SettingsError."""
    found: Source = {}
    for key, value in flags.items():
        path = key.split(".")
        if path[0] in MAPS:
            found |= dict(_placed(path, value, _Origin(f"flag --set {key}", f"flag --set {key}")))
        elif key in known:
            found[key] = value, f"flag {known[key].flag}"
        else:
            raise unknown(f"setting {key}", key, [*known, *MAPS])
    return found


def _placed(path: Sequence[str], text: str, origin: _Origin) -> Iterator[tuple[str, tuple[object, str]]]:
    """Put a text where a path leads to: a member's value, or a mapping in JSON or YAML from there on."""
    section, *names = path
    wants_mapping = len(names) < 2 or names[1:] == ["by_region"] or (len(names) == 3 and names[1] == "by_region")
    node = Written(text)
    if wants_mapping and (section != "scenarios" or text.lstrip().startswith("{")):
        try:
            node = _without_lines(read(text))
        except NotTaken as problem:
            raise SettingsError(f"{origin.what}: {problem.reason}") from None
    for name in reversed(names):
        node = Written({name: node})
    yield from _flat(section, node, origin)


def _without_lines(node: Written) -> Written:
    """A variable is one line."""
    match node.value:
        case dict():
            return Written({name: _without_lines(member) for name, member in node.value.items()}, 0, node.quoted)
        case list():
            return Written([_without_lines(member) for member in node.value], 0, node.quoted)
        case _:
            return Written(node.value, 0, node.quoted)
