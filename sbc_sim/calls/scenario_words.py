"""The words of the scenario language: times, conditions, actions. Each function raises ValueError with reason and cure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sbc_sim.calls.nearest import nearest
from sbc_sim.calls.scenario import Action, ActionKind, Condition, Heard
from sbc_sim.rtp.dtmf import DIGITS

MODES = ("bye", "bye+data", "invite-back", "refer")
SHORTEST_S = 0.1
LONGEST_S = 3600.0
LONGEST_TEXT = 500
_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "seconds": 1.0, "second": 1.0, "ms": 0.001, "min": 60.0, "minutes": 60.0, "minute": 60.0}
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]*)")
_KEY_NAMES = {"star": "*", "hash": "#", "pound": "#"}
_EXAMPLES = "digit 0, digit 1-3, digit any, speech, silence 6 s, after 30 s, talked 60 s, lasted 5 min"


def seconds_of(text: str) -> float:
    """Read a time: `6 s`, `1500 ms`, `2 min`, or a number of seconds."""
    found = _TIME.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{text[:40]!r} is no time: write 6 s, 1500 ms or 2 min")
    seconds = float(found[1]) * _UNITS[found[2]]
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise ValueError(f"{text[:40]!r} is out of bounds: at least 0.1 s, at most an hour")
    return seconds


def condition_of(text: str) -> Condition:
    """Read what a rule waits for."""
    word, _, rest = " ".join(text.split()).partition(" ")
    word = "digit" if word.lower() == "digits" else word.lower()
    try:
        heard = Heard(word)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no condition, {nearest(word, Heard)}: for example {_EXAMPLES}") from None
    if heard is Heard.SPEECH:
        if rest:
            raise ValueError(f"{text[:60]!r}: speech stands alone; `talked {rest[:20]}` waits for so much of it")
        return Condition(heard)
    if heard is Heard.DIGIT:
        return Condition(heard, digits=_keys_of(rest))
    if not rest:
        raise ValueError(f"{text[:60]!r}: how long? For example {word} 6 s")
    return Condition(heard, seconds=seconds_of(rest))


def _keys_of(text: str) -> str:
    """Read keys: `0`, `1 2`, `1-3`, `any`, `star`."""
    if text.lower() == "any":
        return DIGITS
    keys = "".join(_span(word) for word in text.replace(",", " ").split())
    if not keys:
        raise ValueError("digit: which one? For example digit 0, digit 1-3, digit any")
    return "".join(key for key in DIGITS if key in keys)


def _span(word: str) -> str:
    word = _KEY_NAMES.get(word.lower(), word.upper())
    if len(word) == 3 and word[1] == "-" and word[0].isdigit() and word[2].isdigit() and word[0] <= word[2]:
        return "".join(str(key) for key in range(int(word[0]), int(word[2]) + 1))
    if any(key not in DIGITS for key in word):
        raise ValueError(f"{word[:20]!r} is no key: 0 to 9, star, hash, A to D, a span such as 1-3, or any")
    return word


def action_of(text: str, steps: Iterable[str]) -> Action:
    """Read an action in one line: `go STEP`, `escalate`, `escalate MODE`, `end`, `end WHY`."""
    word, _, rest = " ".join(text.split()).partition(" ")
    try:
        kind = ActionKind(word.lower())
    except ValueError:
        known = list(steps)
        if text.strip() in known:
            raise ValueError(f"{text.strip()!r} is a step: write `go {text.strip()}`") from None
        raise ValueError(f"{text[:60]!r} is no action, {nearest(word, ActionKind)}: go STEP, escalate, escalate MODE, or end") from None
    if kind is ActionKind.GO:
        return Action(kind, step=step_of(rest, steps))
    return Action(kind, mode=mode_of(rest)) if kind is ActionKind.ESCALATE else Action(kind, why=rest)


def step_of(name: str, steps: Iterable[str]) -> str:
    """Check the name of a step."""
    known = list(steps)
    if name in known:
        return name
    raise ValueError(f"there is no step {name[:60]!r}, {nearest(name, known)}" if name else "go: to which step? For example go greeting")


def mode_of(text: str) -> str:
    """Check how to escalate; empty: as set for the call."""
    mode = text.strip().lower()
    if mode and mode not in MODES:
        raise ValueError(f"escalate {text[:40]!r}: {nearest(mode, MODES)}; without a mode it is the one that is set (escalation.mode)")
    return mode
