"""The agents of one process: which scenarios there are, and which of them a call gets. Scenarios are read when first needed, then kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sbc_sim import marked_yaml
from sbc_sim.calls.conduct import CallFacts, Conduct
from sbc_sim.calls.nearest import nearest
from sbc_sim.calls.prompts import Prompts
from sbc_sim.calls.scenario import Scenario, ScenarioError
from sbc_sim.rtp.leg import MediaConduct

SHIPPED = ("support", "escalate")
"""Scenarios in the package."""
USUAL = "support"


def read_text(text: str, where: str, name: str = "", prompts: Prompts | None = None) -> Scenario:
    """Read a scenario from YAML or JSON text. Raises ScenarioError."""
    try:
        written = marked_yaml.read(text)
    except marked_yaml.NotTaken as problem:
        raise ScenarioError(f"{where}, {problem}") from None
    return Scenario.parse(written, where, name=name, prompts=prompts or Prompts())


def read_file(path: Path, name: str = "", prompts: Prompts | None = None) -> Scenario:
    """Read a scenario from a file; its own prompts are looked for beside it unless `prompts` has a folder. Raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"the scenario {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text (octet {error.start})") from None
    return read_text(text, str(path), name or path.stem, prompts or Prompts(path.parent))


def shipped_text(name: str) -> str:
    """Give the YAML of a shipped scenario."""
    from importlib.resources import files  # not every start pays for it

    return (files("sbc_sim") / "scenarios" / f"{name}.yaml").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What can be set of the agents."""

    scenario: str = USUAL
    by_partner: Mapping[str, str] = field(default_factory=dict)
    """Scenario of a partner's calls; goes before that of a region."""
    by_region: Mapping[str, str] = field(default_factory=dict)
    speech_dbfs: float = -40.0
    pause_ms: int = 700
    prompts_dir: Path | None = None


class Agents:
    """Gives the conduct of an agent for a call: scenario and leg."""

    def __init__(self, settings: AgentSettings, own: Mapping[str, Any]) -> None:
        """`own`: scenarios of the settings by name, each a mapping or a file's name. Raises ScenarioError for names that are not there."""
        self._settings = settings
        self._own = own
        self._prompts = Prompts(settings.prompts_dir) if settings.prompts_dir is not None else None
        self._read: dict[str, Scenario] = {}
        self._media = MediaConduct("agent", speech_dbfs=settings.speech_dbfs, pause_ms=settings.pause_ms)
        chosen = {"agent.scenario": settings.scenario}
        chosen |= {f"agent.by_partner.{name}": scenario for name, scenario in settings.by_partner.items()}
        chosen |= {f"agent.by_region.{name}": scenario for name, scenario in settings.by_region.items()}
        for key, name in chosen.items():
            if name not in self.names:
                raise ScenarioError(f"{key}: there is no scenario {name!r}, {nearest(name, self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """All scenarios: the settings' own, and the shipped ones."""
        return (*self._own, *(name for name in SHIPPED if name not in self._own))

    def check(self) -> list[str]:
        """Read every scenario of the settings now; return the warnings. Raises ScenarioError."""
        return [warning for name in self._own for warning in self.scenario(name).warnings]

    def scenario(self, name: str) -> Scenario:
        """Give a scenario by its name. Raises ScenarioError."""
        scenario = self._read.get(name)
        if scenario is None:
            scenario = self._read[name] = self._find(name)
        return scenario

    def _find(self, name: str) -> Scenario:
        own = self._own.get(name)
        if isinstance(own, str):
            return read_file(Path(own), name, self._prompts)
        if own is not None:
            return Scenario.parse(own, f"scenarios.{name}", name=name, prompts=self._prompts or Prompts())
        if name not in SHIPPED:
            raise ScenarioError(f"there is no scenario {name!r}; there is {', '.join(self.names)}")
        return read_text(shipped_text(name), f"{name}.yaml", name, self._prompts)

    def choose(self, facts: CallFacts) -> str:
        """Name the scenario of a call: its partner's, else its region's, else the usual one."""
        settings, place = self._settings, facts.place
        partner = settings.by_partner.get(place.partner.name) if place.partner is not None else None
        region = settings.by_region.get(place.region.name) if place.region is not None else None
        return partner or region or settings.scenario

    def __call__(self, facts: CallFacts) -> Conduct:
        """Give the conduct for a call."""
        name = self.choose(facts)
        return Conduct("agent", f"scenario {name}", agent=self.scenario(name), media=self._media)
