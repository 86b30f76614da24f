"""Reads a scenario out of data: checks names, types and bounds, says file, line and step of what is wrong; looks at how steps connect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sbc_sim.calls.nearest import nearest
from sbc_sim.calls.prompts import Prompts
from sbc_sim.calls.scenario import (
    MOST_RULES,
    MOST_STEPS,
    Action,
    ActionKind,
    BargeIn,
    Bounds,
    Condition,
    Heard,
    Rule,
    Scenario,
    ScenarioError,
    Step,
)
from sbc_sim.calls.scenario_words import LONGEST_S, LONGEST_TEXT, action_of, condition_of, mode_of, seconds_of, step_of
from sbc_sim.marked_yaml import Written

MOST_DATA = 20
_NAME = re.compile(r"[\w][\w.+-]{0,59}")
_BARGE_IN = {"yes": BargeIn.SPEECH, "true": BargeIn.SPEECH, "no": BargeIn.NEVER, "false": BargeIn.NEVER} | {b.value: b for b in BargeIn}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a scenario, for errors."""

    where: str
    line: int = 0
    within: str = ""
    """``step greeting``, ``always``"""

    def at(self, value: Any, within: str = "") -> Spot:
        """Give the place of a value within this one."""
        return Spot(self.where, line_of(value) or self.line, within or self.within)

    def refuse(self, reason: str) -> ScenarioError:
        """Make the error."""
        line = f"line {self.line}" if self.line else ""
        return ScenarioError(f"{', '.join(part for part in (self.where, line, self.within) if part)}: {reason}")

    def read(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call what raises ValueError with the reason only."""
        try:
            return function(*arguments)
        except ScenarioError:
            raise
        except ValueError as error:
            raise self.refuse(str(error)) from None


def line_of(data: Any) -> int:
    """Line of a value that knows it; 0 for plain data."""
    return data.line if isinstance(data, Written) else 0


def plain(data: Any) -> Any:
    """Give the value without its line."""
    return data.value if isinstance(data, Written) else data


def text_of(data: Any, spot: Spot, longest: int = LONGEST_TEXT) -> str:
    """Give text; numbers and yes/no as they are written."""
    value = plain(data)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float) and len(str(value)) <= longest:
        return str(value).strip()
    raise spot.at(data).refuse(f"longer than {longest} characters" if isinstance(value, str) else f"{_kind(value)} where text belongs")


def members_of(data: Any, spot: Spot, known: Iterable[str] = ()) -> dict[str, Written]:
    """Give the members of a mapping with their lines; with `known`, only those are allowed."""
    value = plain(data)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise spot.at(data).refuse(f"{_kind(value)} where a mapping of names to values belongs")
    lines = getattr(value, "lines", {})
    members = {str(name): member if isinstance(member, Written) else Written(member, lines.get(name, 0)) for name, member in value.items()}
    for name, member in members.items():
        if known and name not in known:
            raise spot.at(member).refuse(f"{name[:60]!r} is not known here, {nearest(name, known)}")
    return members


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "a value"


# --- the whole -------------------------------------------------------------------------------------------------------------------


def read_scenario(data: Any, where: str, name: str, prompts: Prompts) -> Scenario:
    """Read it all. Raises ScenarioError."""
    spot = Spot(where)
    members = members_of(data, spot, ("name", "about", "start", "bounds", "always", "steps"))
    if "steps" not in members:
        raise spot.at(data).refuse("there are no steps: begin with `steps:` and one step below it")
    written = members_of(members["steps"], spot.at(members["steps"], "steps"))
    if not 0 < len(written) <= MOST_STEPS:
        raise spot.at(members["steps"], "steps").refuse(f"{len(written)} steps: there must be at least one, and at most {MOST_STEPS}")
    names = list(written)
    steps = {one: _step(one, members, spot.at(members, f"step {one[:60]}"), names, prompts) for one, members in written.items()}
    start = names[0]
    if "start" in members:
        start = spot.at(members["start"], "start").read(step_of, text_of(members["start"], spot), names)
    scenario = Scenario(
        name=text_of(members["name"], spot.at(members["name"], "name"), 60) if "name" in members else name or "scenario",
        about=text_of(members["about"], spot.at(members["about"], "about")) if "about" in members else "",
        start=start,
        steps=steps,
        always=_rules(members.get("always"), spot.at(members.get("always"), "always"), names),
        bounds=_bounds(members.get("bounds"), spot.at(members.get("bounds"), "bounds")),
        where=where,
        voice=prompts.get,
    )
    _refuse_loops(scenario, spot)
    return replace(scenario, warnings=tuple(_warnings(scenario, spot)))


def _bounds(data: Any, spot: Spot) -> Bounds:
    members = members_of(data, spot, ("steps", "seconds"))
    bounds = Bounds()
    if "steps" in members:
        text = text_of(members["steps"], spot)
        if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= 10_000:
            raise spot.at(members["steps"]).refuse(f"{text[:40]!r} is no number of steps from 1 to 10,000")
        bounds = replace(bounds, steps=int(text))
    if "seconds" in members:
        bounds = replace(bounds, seconds=spot.at(members["seconds"]).read(seconds_of, text_of(members["seconds"], spot)))
    return bounds


# --- one step --------------------------------------------------------------------------------------------------------------------


def _step(name: str, data: Any, spot: Spot, names: list[str], prompts: Prompts) -> Step:
    spot = spot.at(data)
    if not _NAME.fullmatch(name):
        raise spot.refuse("a step's name is one word of letters, digits, - and _, at most 60 of them")
    members = members_of(data, spot, ("say", "text", "barge-in", "when", "then"))
    prompt, text = _prompt(members, spot, prompts)
    rules = _rules(members.get("when"), spot.at(members.get("when")), names)
    then = _action(members["then"], spot.at(members["then"]), names) if "then" in members else None
    if not rules and then is None:
        raise spot.refuse("nothing follows: add `when` with what it waits for, or `then` with what comes after the prompt")
    return Step(name, prompt, text, _barge_in(members, spot), rules, then, line_of(data))


def _prompt(members: Mapping[str, Any], spot: Spot, prompts: Prompts) -> tuple[str, str]:
    text = text_of(members["text"], spot) if "text" in members else ""
    if "say" not in members:
        if text:
            raise spot.at(members["text"]).refuse("there is text but no prompt: name one with `say`, a shipped one or a WAV file")
        return "", ""
    spot = spot.at(members["say"])
    name = text_of(members["say"], spot, 240)
    spot.read(prompts.get, name)
    return name, text or prompts.text(name) or name


def _barge_in(members: Mapping[str, Any], spot: Spot) -> BargeIn:
    if "barge-in" not in members:
        return BargeIn.DIGITS
    word = text_of(members["barge-in"], spot).lower()
    if word not in _BARGE_IN:
        raise spot.at(members["barge-in"]).refuse(f"barge-in {word[:40]!r}: {nearest(word, BargeIn)}")
    return _BARGE_IN[word]


def _rules(data: Any, spot: Spot, names: list[str]) -> tuple[Rule, ...]:
    members = members_of(data, spot)
    if len(members) > MOST_RULES:
        raise spot.refuse(f"{len(members)} rules: at most {MOST_RULES} are taken")
    rules: list[Rule] = []
    for text, action in members.items():
        at = spot.at(action)
        condition = at.read(condition_of, text)
        if (known := _covered(condition, rules)) is not None:
            raise at.refuse(f"{text[:60]!r} never comes true: {known} stands before it")
        rules.append(Rule(condition, _action(action, at, names), at.line))
    return tuple(rules)


def _covered(condition: Condition, rules: list[Rule]) -> Condition | None:
    """Give the rule before that takes all that this one waits for."""
    for known in (rule.condition for rule in rules):
        same = known.heard is condition.heard and known.seconds <= condition.seconds
        if same and (condition.heard is not Heard.DIGIT or set(condition.digits) <= set(known.digits)):
            return known
    return None


def _action(data: Any, spot: Spot, names: list[str]) -> Action:
    if not isinstance(plain(data), Mapping):
        if plain(data) is None:
            raise spot.refuse("nothing stands behind it: go STEP, escalate, or end")
        return spot.read(action_of, text_of(data, spot), names)
    kinds = [kind.value for kind in ActionKind]
    members = members_of(data, spot, (*kinds, "why", "data"))
    chosen = [name for name in members if name in kinds]
    if len(chosen) != 1:
        raise spot.refuse(f"one of {', '.join(kinds)} is wanted, there is {' and '.join(chosen) or 'none'}")
    word = "" if plain(members[chosen[0]]) is None else text_of(members[chosen[0]], spot)
    why = text_of(members["why"], spot) if "why" in members else ""
    kind = ActionKind(chosen[0])
    if "data" in members and kind is not ActionKind.ESCALATE:
        raise spot.at(members["data"]).refuse("data goes with escalate only")
    match kind:
        case ActionKind.GO:
            return Action(kind, step=spot.read(step_of, word, names), why=why)
        case ActionKind.ESCALATE:
            return Action(kind, mode=spot.read(mode_of, word), why=why, data=_data(members.get("data"), spot))
        case _:
            return Action(kind, why=why or word)


def _data(data: Any, spot: Spot) -> dict[str, str]:
    members = members_of(data, spot.at(data))
    if len(members) > MOST_DATA:
        raise spot.at(data).refuse(f"{len(members)} members of data: at most {MOST_DATA} are taken")
    found = {name: text_of(value, spot.at(value)) for name, value in members.items()}
    for name, value in found.items():
        if not name or len(name) > 60 or any(not character.isprintable() for character in name + value):
            raise spot.at(members[name]).refuse(f"data {name[:60]!r}: names of 1 to 60 printable characters, values without line breaks")
    return found


# --- how the steps connect -------------------------------------------------------------------------------------------------------


def _refuse_loops(scenario: Scenario, spot: Spot) -> None:
    """Refuse rounds of steps of which none ever listens: only the bounds would stop them."""
    for step in scenario.steps.values():
        passed = [step.name]
        then = step.then
        while then is not None and then.kind is ActionKind.GO:
            if then.step in passed:
                way = " -> ".join([*passed[passed.index(then.step) :], then.step])
                at = Spot(spot.where, scenario.steps[then.step].line, f"step {then.step}")
                raise at.refuse(f"{way} goes round without ever listening: give one of these steps `when` instead of `then`")
            passed.append(then.step)
            then = scenario.steps[then.step].then


def _warnings(scenario: Scenario, spot: Spot) -> Iterable[str]:
    reached = _reached(scenario)
    for step in scenario.steps.values():
        at = Spot(spot.where, step.line, f"step {step.name}")
        if step.name not in reached:
            yield str(at.refuse("no step leads here"))
        if step.then is None and not any(rule.condition.seconds for rule in (*step.rules, *scenario.always)):
            least = f"add `silence 6 s` or `after 30 s`, or the call ends here after {scenario.bounds.seconds:g} s"
            yield str(at.refuse(f"it waits without a limit of time: {least}"))
    if scenario.bounds.seconds > LONGEST_S / 2:
        yield str(
            Spot(spot.where, 0, "bounds").refuse(f"{scenario.bounds.seconds:g} s may be longer than a call may last (limits.call_seconds)")
        )


def _reached(scenario: Scenario) -> set[str]:
    reached: set[str] = set()
    waiting = [scenario.start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            step = scenario.steps[name]
            actions = [rule.action for rule in (*step.rules, *scenario.always)] + ([step.then] if step.then else [])
            waiting += [action.step for action in actions if action.kind is ActionKind.GO]
    return reached
