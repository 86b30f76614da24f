"""Scenarios: what an agent says and does, as data. docs/agent.md explains the language by example.

    scenario = Scenario.parse(marked_yaml.read(text), "support.yaml")       # or plain mappings, as JSON gives them: then without lines
    scenario.steps["greeting"].rules

A scenario is a set of steps. A step says a prompt, then either goes on at once (`then`) or listens until one of its rules (`when`), or one
of the rules for every step (`always`), comes true. An action goes to a step, escalates, or ends the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sbc_sim.calls.prompts import Prompts
from sbc_sim.rtp.leg import Prompt

MOST_STEPS = 200
MOST_RULES = 40
"""In one step, and in `always`."""

_SHIPPED = Prompts()


class ScenarioError(ValueError):
    """A scenario that cannot be used: one sentence with file, line, step, reason and cure."""


class Heard(StrEnum):
    """What a rule waits for."""

    DIGIT = "digit"
    """One of some keys."""
    SPEECH = "speech"
    """The other side has said something and made a pause."""
    SILENCE = "silence"
    """Neither speech nor a key for so long, after the prompt."""
    AFTER = "after"
    """So long after the step began, its prompt included."""
    TALKED = "talked"
    """The other side has spoken for so long in all, in this call. Comes true once."""
    LASTED = "lasted"
    """The call has lasted so long since its ACK. Comes true once."""


class BargeIn(StrEnum):
    """What interrupts a prompt."""

    DIGITS = "digits"
    """A key for which there is a rule."""
    SPEECH = "speech"
    """Such a key, and speech as soon as it begins."""
    NEVER = "never"


class ActionKind(StrEnum):
    """What an action does."""

    GO = "go"
    ESCALATE = "escalate"
    END = "end"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a rule waits for."""

    heard: Heard
    digits: str = ""
    """Keys that fit; of DIGIT only."""
    seconds: float = 0.0

    def __str__(self) -> str:
        """Say it as a scenario has it."""
        if self.heard is Heard.DIGIT:
            return "digit any" if len(self.digits) == 16 else f"digit {' '.join(self.digits)}"
        return self.heard.value if self.heard is Heard.SPEECH else f"{self.heard.value} {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class Action:
    """What is done then."""

    kind: ActionKind
    step: str = ""
    """Where to go."""
    mode: str = ""
    """How to escalate: bye, bye+data, invite-back, refer; empty: as set for the call."""
    why: str = ""
    """In words, for ladder and report; of an escalation also for the partner."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Of an escalation: what the partner is given with it, by name."""

    def __str__(self) -> str:
        """Say it as a scenario has it."""
        return f"{self.kind} {self.step or self.mode}".strip()


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition and what follows from it."""

    condition: Condition
    action: Action
    line: int = 0
    """In the file; 0: not known."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    name: str
    prompt: str = ""
    """Name of a shipped prompt or a WAV file; empty: nothing is said."""
    text: str = ""
    """What the prompt says, in words."""
    barge_in: BargeIn = BargeIn.DIGITS
    rules: tuple[Rule, ...] = ()
    then: Action | None = None
    """What follows when the prompt is over; None: listen."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may do at most; at a bound the agent ends it normally."""

    steps: int = 100
    """Steps entered."""
    seconds: float = 600.0
    """Since the ACK."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario by its name."""

    name: str
    about: str = ""
    start: str = ""
    """The first step."""
    steps: Mapping[str, Step] = field(default_factory=dict)
    always: tuple[Rule, ...] = ()
    """Rules of every step, looked at before the step's own; one that goes to the step where the call is has no effect there."""
    bounds: Bounds = Bounds()
    warnings: tuple[str, ...] = ()
    """What is odd but can be used, a sentence each."""
    where: str = ""
    """File or setting that it came from."""
    voice: Callable[[str], Prompt] = field(default=_SHIPPED.get, repr=False, compare=False)
    """Gives a prompt by its name; raises PromptError."""

    @staticmethod
    def parse(data: Any, where: str, *, name: str = "", prompts: Prompts = _SHIPPED) -> Scenario:
        """Read a scenario from values with lines (marked_yaml) or plain mappings; every prompt of one's own is looked at, too.

        `where` names the file or setting in errors; `name` is used unless the scenario names itself. Raises ScenarioError.
        """
        from sbc_sim.calls.scenario_reading import read_scenario

        return read_scenario(data, where, name, prompts)
