"""What the built-in partner does for a rehearsal: for each step that waits, one deed. It reads the rehearsal as the API tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Task(StrEnum):
    """What can be done."""

    CONNECT = "connect"
    """Place the echo call to a region."""
    CREATE = "create"
    """Create the voice call by REST."""
    CALL = "call"
    """Send the call to the agent."""
    SPEAK = "speak"
    """The customer speaks."""
    ASK = "ask"
    """The customer presses the key that asks for a human."""
    KEEP = "keep"
    """Tell that the customer's leg is alive, as it is."""
    REP = "rep"
    """Route the call to the rep: create the rep's voice call, and accept."""
    CLOSE = "close"
    """Close the voice call."""
    TRACE = "trace"
    """Hand in our own trace."""


TASKS: Mapping[str, Task] = {
    "connectivity": Task.CONNECT,
    "create": Task.CREATE,
    "invite": Task.CALL,
    "customer": Task.SPEAK,
    "escalate": Task.ASK,
    "customer-alive": Task.KEEP,
    "rep": Task.REP,
    "closed": Task.CLOSE,
    "compare": Task.TRACE,
}
"""By kind of step. The others come by themselves: the agent speaks, the call comes back, the SBC ends the first leg, records are linked."""


class Mistake(StrEnum):
    """What the partner does wrong on purpose, one thing at a time."""

    NONE = "none"
    NO_CREATE = "no-create"
    """Sends the call without a voice call made before it."""
    WRONG_ORG = "wrong-org"
    """Names another org in User-to-User than the one it made the voice call for."""
    EXPIRED_JWT = "expired-jwt"
    """Its tokens have expired."""
    PCMA_ONLY = "pcma-only"
    """Offers no PCMU in the connectivity test."""
    UNLINKED_REP = "unlinked-rep"
    """The rep's voice call does not refer to the first one."""
    DROP_CUSTOMER = "drop-customer"
    """Takes the BYE for the end of the call, and hangs up on the customer."""


SPOILS: Mapping[Mistake, str] = {
    Mistake.NO_CREATE: "create",
    Mistake.WRONG_ORG: "invite",
    Mistake.EXPIRED_JWT: "create",
    Mistake.PCMA_ONLY: "connectivity",
    Mistake.UNLINKED_REP: "linked",
    Mistake.DROP_CUSTOMER: "customer-alive",
}
"""Which kind of step fails by each."""


UNSETTLED = ("pending", "waiting", "running")


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to do for one step."""

    task: Task
    step: str
    """Its id."""
    region: str = ""
    mode: str = ""
    """How the agent is to give the call back, in the end-to-end test."""
    call: str | None = None
    """The SBC's id of the call that the step is about."""


class Journey:
    """Remembers what was done; each step gets one deed for each of its tries."""

    def __init__(self, mistake: Mistake = Mistake.NONE, at_once: int = 5) -> None:
        """`at_once`: so many connectivity calls at the same time."""
        self._mistake = mistake
        self._at_once = at_once
        self._begun: set[tuple[str, int]] = set()

    def due(self, rehearsal: Mapping[str, Any]) -> list[Deed]:
        """Say what to do now, in order, and count it as begun. `rehearsal` as GET /api/v1/rehearsals/ID gives it."""
        if rehearsal.get("state") != "running":
            return []
        steps: Sequence[Mapping[str, Any]] = rehearsal.get("steps") or ()
        deeds = list(self._waiting(steps))
        for deed in deeds:
            self._begun.add((deed.step, _tries(steps, deed.step)))
        return deeds

    def _waiting(self, steps: Sequence[Mapping[str, Any]]) -> Iterator[Deed]:
        room = self._at_once - self._up(steps)
        call = {str(step["id"]).partition("/")[0]: step.get("call") for step in steps if step.get("kind") == "invite"}
        for step in steps:
            name, kind = str(step["id"]), str(step.get("kind"))
            task, key = TASKS.get(kind), (name, int(step.get("tried") or 0))
            if task is None or step.get("state") != "waiting" or key in self._begun or self._not_yet(task, name, steps):
                continue
            if task is Task.CONNECT:
                room -= 1
                if room < 0:
                    continue
            part = name.partition("/")[0]
            yield Deed(task, name, str(step.get("region") or ""), part.removeprefix("e2e-") if part in call else "", call.get(part))
        yield from self._call_without_create(steps)

    def _not_yet(self, task: Task, name: str, steps: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a step that waits is to wait on: a voice call that is never made, or one that is closed before the rep has it."""
        if task is Task.CREATE:
            return self._mistake is Mistake.NO_CREATE
        rep = f"{name.partition('/')[0]}/rep"
        return task is Task.CLOSE and any(step["id"] == rep and step.get("state") in UNSETTLED for step in steps)

    def _call_without_create(self, steps: Sequence[Mapping[str, Any]]) -> Iterator[Deed]:
        """With the mistake no-create the call goes out while the voice call is still waited for."""
        if self._mistake is not Mistake.NO_CREATE:
            return
        for step in steps:
            part = str(step["id"]).partition("/")[0]
            key = (f"{part}/invite", 0)
            if step.get("kind") == "create" and step.get("state") == "waiting" and key not in self._begun:
                yield Deed(Task.CALL, key[0], "", part.removeprefix("e2e-"))

    def _up(self, steps: Sequence[Mapping[str, Any]]) -> int:
        """Connectivity calls that were placed and are not judged yet."""
        begun = {name for name, _ in self._begun}
        return sum(
            step.get("kind") == "connectivity" and step["id"] in begun and step.get("state") in ("waiting", "running") for step in steps
        )


def _tries(steps: Sequence[Mapping[str, Any]], name: str) -> int:
    return next((int(step.get("tried") or 0) for step in steps if step["id"] == name), 0)
