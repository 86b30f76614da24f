"""A rehearsal of the endorsement as a test sees it (docs/rehearsal.md)."""

from __future__ import annotations

from pathlib import Path

from sbc_sim.client import Json
from sbc_sim.testing.asking import WatchedClient
from sbc_sim.testing.awaiting import Patience, in_thread
from sbc_sim.testing.telling import plain

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
LOOK = 0.1
"""Seconds between two looks."""
FILES = {".html": "report.html", ".json": "report.json", ".xml": "report.xml", ".md": "signaling-form.md"}


class RehearsalFailed(AssertionError):
    """A rehearsal did not pass; the message holds its steps and why they failed."""


class Rehearsal:
    """One rehearsal. Its attributes are as of the last look; `refresh` looks again."""

    def __init__(self, client: WatchedClient, data: Json) -> None:
        """`data` as GET /api/v1/rehearsals/{id} tells it."""
        self._client = client
        self.data = data

    def __repr__(self) -> str:
        return f"<Rehearsal {self.id}: {self.state}>"

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.data["id"])

    @property
    def state(self) -> str:
        """``running``, ``passed``, ``failed``, ``incomplete`` or ``stopped``."""
        return str(self.data.get("state"))

    @property
    def over(self) -> bool:
        """True when it runs no more."""
        return self.state != "running"

    @property
    def steps(self) -> list[Json]:
        """Its steps: id, state, what is missing, why the last try failed."""
        return list(self.data.get("steps") or [])

    def step(self, name: str) -> Json:
        """Give one step by its id, ``connectivity/frankfurt`` say. Raises LookupError."""
        found = next((step for step in self.steps if step.get("id") == name), None)
        if found is None:
            raise LookupError(f"{name} is no step of this rehearsal; there are {', '.join(str(step.get('id')) for step in self.steps)}")
        return found

    def refresh(self) -> Rehearsal:
        """Read it anew."""
        self.data = self._client.get(f"/api/v1/rehearsals/{self.id}")
        return self

    def wait(self, timeout: float | None = None) -> Rehearsal:
        """Wait for its end; `timeout` in seconds, four times that of a call unless said. Raises RehearsalFailed with what is missing."""
        return self._wait(Patience(self._seconds(timeout)))

    async def wait_async(self, timeout: float | None = None) -> Rehearsal:
        """As `wait`, for asynchronous tests."""
        return await in_thread(self._wait, self._seconds(timeout))

    def assert_passed(self) -> None:
        """See that every step passed. Raises RehearsalFailed."""
        if self.refresh().state != "passed":
            raise RehearsalFailed(self.text())

    def stop(self) -> Rehearsal:
        """Let nothing count any more."""
        self.data = self._client.post(f"/api/v1/rehearsals/{self.id}/stop", {})
        return self

    def save(self, path: str | Path) -> Path:
        """Write its protocol: .html, .json or .xml (JUnit); .md is the signalling form. Raises ValueError."""
        target = Path(path)
        if (name := FILES.get(target.suffix)) is None:
            raise ValueError(f"{target.name}: no file of a rehearsal ends so; there are {' '.join(FILES)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            self._client.download(f"/api/v1/rehearsals/{self.id}/{name}", file)
        return target

    def text(self) -> str:
        """Tell of its steps, one line each, and why those that failed did."""
        lines = [f"rehearsal {self.id} is {self.state}"]
        for step in self.steps:
            lines += [f"  {step.get('state', ''):<8} {step.get('id')}", *(f"             {plain(why)}" for why in _whys(step))]
        return "\n".join(lines)

    def _seconds(self, timeout: float | None) -> float:
        return 4 * self._client.patience if timeout is None else timeout

    def _wait(self, patience: Patience) -> Rehearsal:
        while not self.refresh().over:
            if not patience.left:
                raise RehearsalFailed(f"not over after {patience.seconds:g} s: {self.text()}")
            patience.pause(LOOK)
        return self


def _whys(step: Json) -> list[str]:
    if step.get("state") == "passed":
        return []
    return [why for why in (step.get("why"), *(step.get("missing") or ())) if why]
