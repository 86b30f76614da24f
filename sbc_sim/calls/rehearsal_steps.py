"""One step of a rehearsal: what it waits for, what was tried, and the table of its states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sbc_sim.journal.view import rfc3339
from sbc_sim.sip.errors import InvalidInput

MOST_ATTEMPTS = 10
"""Attempts kept for one step: the first and the newest; `tried` counts all."""
MOST_FINDINGS = 12
LONGEST_TEXT = 600


class StepState(StrEnum):
    """How far a step is."""

    PENDING = "pending"
    """Its turn has not come."""
    WAITING = "waiting"
    RUNNING = "running"
    """A call or request for it is under way."""
    PASSED = "passed"
    FAILED = "failed"
    """The last try failed, or none came in time. While the step has a deadline, another try still counts."""
    SKIPPED = "skipped"
    """Left out by somebody, or not reached."""


class StepInput(StrEnum):
    """What happens to a step."""

    TURN = "turn"
    """Its turn has come."""
    BEGIN = "begin"
    """A try is under way."""
    PASS = "pass"
    FAIL = "fail"
    IGNORE = "ignore"
    """The try does not count."""
    LATE = "late"
    """Its time is over."""
    SKIP = "skip"
    RETRY = "retry"
    """Somebody wants it done again."""
    BACK = "back"
    """Its turn is over without a result: an earlier step begins anew, or the process ended under it."""


_PENDING, _WAITING, _RUNNING = StepState.PENDING, StepState.WAITING, StepState.RUNNING
_PASSED, _FAILED, _SKIPPED = StepState.PASSED, StepState.FAILED, StepState.SKIPPED

STEP: Mapping[tuple[StepState, StepInput], StepState] = {
    (_PENDING, StepInput.TURN): _WAITING,
    (_PENDING, StepInput.BEGIN): _RUNNING,
    (_PENDING, StepInput.PASS): _PASSED,  # order on the wire is not always the order of the list
    (_PENDING, StepInput.FAIL): _FAILED,
    (_PENDING, StepInput.SKIP): _SKIPPED,
    (_PENDING, StepInput.BACK): _PENDING,
    (_WAITING, StepInput.BEGIN): _RUNNING,
    (_WAITING, StepInput.PASS): _PASSED,
    (_WAITING, StepInput.FAIL): _FAILED,
    (_WAITING, StepInput.IGNORE): _WAITING,
    (_WAITING, StepInput.LATE): _FAILED,
    (_WAITING, StepInput.SKIP): _SKIPPED,
    (_WAITING, StepInput.BACK): _PENDING,
    (_RUNNING, StepInput.BEGIN): _RUNNING,
    (_RUNNING, StepInput.PASS): _PASSED,
    (_RUNNING, StepInput.FAIL): _FAILED,
    (_RUNNING, StepInput.IGNORE): _WAITING,
    (_RUNNING, StepInput.LATE): _FAILED,
    (_RUNNING, StepInput.SKIP): _SKIPPED,
    (_RUNNING, StepInput.BACK): _PENDING,
    (_PASSED, StepInput.PASS): _PASSED,
    (_PASSED, StepInput.RETRY): _WAITING,
    (_FAILED, StepInput.BEGIN): _RUNNING,
    (_FAILED, StepInput.PASS): _PASSED,
    (_FAILED, StepInput.FAIL): _FAILED,
    (_FAILED, StepInput.IGNORE): _FAILED,
    (_FAILED, StepInput.LATE): _FAILED,
    (_FAILED, StepInput.SKIP): _SKIPPED,
    (_FAILED, StepInput.RETRY): _WAITING,
    (_FAILED, StepInput.BACK): _FAILED,
    (_SKIPPED, StepInput.RETRY): _WAITING,
    (_SKIPPED, StepInput.BACK): _PENDING,
}
"""What is missing is illegal: a passed step fails no more, and one that is skipped takes no try."""


@dataclass(slots=True)
class Attempt:
    """One try: a call, or a request to the Telephony Integration API."""

    at: float
    """Unix seconds."""
    status: str = "running"
    """``running`` | ``passed`` | ``failed`` | ``skipped``: it does not count, for a fault of ours was in it"""
    text: str = ""
    """How it went, in sentences."""
    call: str | None = None
    voice_call: str | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    """``{rule, status, detail, evidence}`` of what was not in order."""
    checks: list[dict[str, Any]] = field(default_factory=list)
    """``{name, status, text}``: what the step demands, one by one (requirement 142)."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """What was done wrong on purpose during it."""

    def data(self) -> dict[str, Any]:
        """The attempt as JSON values."""
        return {
            "at": rfc3339(self.at),
            "call": self.call,
            "voiceCall": self.voice_call,
            "status": self.status,
            "text": self.text[:LONGEST_TEXT],
            "findings": self.findings[:MOST_FINDINGS],
            "checks": self.checks,
            "faults": self.faults[:MOST_FINDINGS],
        }


@dataclass(slots=True)
class Step:
    """One step."""

    id: str
    """``connectivity/frankfurt``, ``e2e-bye/create``"""
    kind: str
    """``connectivity``, ``create``, ``invite``, ``agent`` ... ``compare``, ``form``"""
    title: str
    expects: str
    """What must happen, in a sentence."""
    region: str | None = None
    needs: str = ""
    """Id of the step before whose success this one cannot be done; empty: none."""
    state: StepState = StepState.PENDING
    missing: list[str] = field(default_factory=list)
    """What still has to come, a sentence each."""
    why: str = ""
    """Why the last try failed, or why the step was left out."""
    deadline: float | None = None
    """Until when it waits, unix seconds; None: it does not."""
    attempts: list[Attempt] = field(default_factory=list)
    tried: int = 0
    call: str | None = None
    voice_call: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    vendor_key: str | None = None
    """vendorCallKey of the voice call that was created."""

    @property
    def open(self) -> bool:
        """Whether a try still counts: it waits, one is under way, or the last one failed before the deadline."""
        return self.state in (_WAITING, _RUNNING) or (self.state is _FAILED and self.deadline is not None)

    @property
    def done(self) -> bool:
        """Whether the steps behind it may have their turn."""
        return self.state is _PASSED or (self.state is _SKIPPED and not self.not_reached)

    @property
    def not_reached(self) -> bool:
        """Whether it was left out because an earlier step failed."""
        return self.state is _SKIPPED and self.why.startswith(NOT_REACHED)

    def move(self, what: StepInput, now: float) -> None:
        """Go to the next state. Raises InvalidInput for what the table does not know."""
        try:
            self.state = STEP[self.state, what]
        except KeyError:
            raise InvalidInput(f"step {self.id}: no {what} in state {self.state}") from None
        self.ended_at = now if self.state in (_PASSED, _FAILED, _SKIPPED) else None

    def note(self, attempt: Attempt) -> None:
        """Keep an attempt; of many the first and the newest stay."""
        self.tried += 1
        self.attempts.append(attempt)
        if len(self.attempts) > MOST_ATTEMPTS:
            del self.attempts[1]
        self.call, self.voice_call = attempt.call or self.call, attempt.voice_call or self.voice_call

    def running(self, call: str | None) -> Attempt | None:
        """The attempt of this call that is under way."""
        return next((one for one in reversed(self.attempts) if one.status == "running" and one.call == call), None)

    def data(self) -> dict[str, Any]:
        """The step as JSON values."""
        return {
            "id": self.id,
            "kind": self.kind,
            "region": self.region,
            "title": self.title,
            "expects": self.expects,
            "needs": self.needs,
            "state": self.state.value,
            "missing": self.missing,
            "why": self.why[:LONGEST_TEXT],
            "deadline": rfc3339(self.deadline),
            "attempts": [attempt.data() for attempt in self.attempts],
            "tried": self.tried,
            "call": self.call,
            "voiceCall": self.voice_call,
            "startedAt": rfc3339(self.started_at),
            "endedAt": rfc3339(self.ended_at),
            "vendorCallKey": self.vendor_key,
        }


NOT_REACHED = "Not reached"


def step_of(data: Mapping[str, Any]) -> Step:
    """Read what `Step.data` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    return Step(
        str(data["id"]),
        str(data["kind"]),
        str(data["title"]),
        str(data["expects"]),
        data.get("region"),
        str(data.get("needs") or ""),
        StepState(data["state"]),
        list(data.get("missing") or ()),
        str(data.get("why") or ""),
        unix(data.get("deadline")),
        [_attempt_of(one) for one in data.get("attempts") or ()],
        int(data.get("tried") or 0),
        data.get("call"),
        data.get("voiceCall"),
        unix(data.get("startedAt")),
        unix(data.get("endedAt")),
        data.get("vendorCallKey"),
    )


def _attempt_of(data: Mapping[str, Any]) -> Attempt:
    return Attempt(
        unix(data["at"]) or 0.0,
        str(data["status"]),
        str(data.get("text") or ""),
        data.get("call"),
        data.get("voiceCall"),
        list(data.get("findings") or ()),
        list(data.get("checks") or ()),
        list(data.get("faults") or ()),
    )


def unix(text: object) -> float | None:
    """Read RFC 3339 as unix seconds; None stays None. Raises ValueError."""
    return None if text is None else datetime.fromisoformat(str(text)).timestamp()
