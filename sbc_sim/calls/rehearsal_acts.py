"""What somebody wants of a rehearsal, as a value: so that it can be told to the replica that watches over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sbc_sim.calls.rehearsal import Rehearsal


@dataclass(frozen=True, slots=True)
class RehearsalAct:
    """One wish."""

    verb: str
    """``stop`` | ``resume`` | ``retry`` | ``skip`` | ``compared``"""
    step: str = ""
    """Of retry and skip: its id."""
    text: str = ""
    """Of compared: what came of holding the partner's trace against the calls ..."""
    fine: bool = False
    """... and whether all was well."""

    def do(self, one: Rehearsal, now: float) -> None:
        """Do it at `now`, unix seconds. Raises KeyError for what there is not, InvalidInput for what cannot be now."""
        _VERBS[self.verb](self, one, now)

    def data(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> RehearsalAct:
        """Read what `data` wrote. Raises KeyError."""
        return cls(str(data["verb"]), str(data["step"]), str(data["text"]), bool(data["fine"]))


def _resume(act: RehearsalAct, one: Rehearsal, now: float) -> None:
    if not one.running:
        one.resume(now)


_VERBS: Mapping[str, Callable[[RehearsalAct, Rehearsal, float], None]] = {
    "stop": lambda act, one, now: one.stop(now),
    "resume": _resume,
    "retry": lambda act, one, now: one.retry(act.step, now),
    "skip": lambda act, one, now: one.skip(act.step, now),
    "compared": lambda act, one, now: one.compared(act.text, act.fine, now),
}
