"""One call, as a test holds it in its hands: what it was, what the rules say of it, its ladder and its files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sbc_sim.client import Json
from sbc_sim.testing import telling
from sbc_sim.testing.asking import WatchedClient
from sbc_sim.testing.awaiting import Patience, in_thread
from sbc_sim.testing.verdict import Finding, Verdict, verdict_of

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
LOOK = 0.05
"""Seconds between two looks at a verdict."""
STATES = ("ringing", "answered", "ended", "rejected")
FILES = {
    ".pcapng": "capture.pcapng",
    ".wav": "audio.wav",
    ".txt": "ladder.txt",
    ".svg": "ladder.svg",
    ".mmd": "ladder.mmd",
    ".html": "report.html",
    ".json": "report.json",
    ".xml": "report.xml",
    ".zip": "bundle.zip",
}
"""What `save` writes, by the ending of the name."""


class CallFailed(AssertionError):
    """A call is not as it should be; the message holds findings and ladder."""


class Call:
    """One call. What its attributes tell is as it was when the call was read; `refresh` reads it anew, `verdict` and `ladder` always do."""

    def __init__(self, client: WatchedClient, data: Json) -> None:
        """`data` as GET /api/v1/calls/{id} tells it."""
        self._client = client
        self.data = data
        """All of it, by the names of the API."""

    def __repr__(self) -> str:
        return f"<Call {telling.summary(self.data)}>"

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Its id here; ids sort by time."""
        return str(self.data["id"])

    @property
    def sip_call_id(self) -> str:
        """Call-ID of the SIP dialog."""
        return str(self.data.get("sipCallId") or "")

    @property
    def state(self) -> str:
        """``ringing``, ``answered``, ``ended`` or ``rejected``."""
        return str(self.data.get("state") or "")

    @property
    def over(self) -> bool:
        """True when it has ended or was rejected."""
        return self.state in ("ended", "rejected")

    @property
    def answered(self) -> bool:
        """True when it was answered, also when it is over by now."""
        return self.data.get("answeredAt") is not None

    @property
    def direction(self) -> str:
        """``inbound``, or ``outbound`` for a call that is given back to the partner."""
        return str(self.data.get("direction") or "")

    @property
    def scenario(self) -> str:
        """What it got: ``echo``, ``agent``, ``busy`` and so on; `scenario_why` tells why."""
        return str(self.data.get("scenario") or "")

    @property
    def scenario_why(self) -> str:
        """Why it got its scenario."""
        return str(self.data.get("scenarioWhy") or "")

    @property
    def region(self) -> str | None:
        """Region of the settings, None when it names none."""
        return self.data.get("region")

    @property
    def partner(self) -> str | None:
        """Partner of the settings."""
        return self.data.get("partner")

    @property
    def caller(self) -> str:
        """Number or user part of From."""
        return telling.number(self.data, "from")

    @property
    def called(self) -> str:
        """Number or user part of the Request-URI."""
        return telling.number(self.data, "requestUri")

    @property
    def ended_by(self) -> str | None:
        """``partner`` or ``sbc``; None while it is up."""
        return self.data.get("endedBy")

    @property
    def end_reason(self) -> str | None:
        """Why it ended, in a word or two."""
        return self.data.get("endReason")

    @property
    def status(self) -> int | None:
        """Status with which it was rejected, None when it was not."""
        return self.data.get("endStatus")

    @property
    def uui(self) -> Json:
        """Its User-to-User: raw, decoded, fields, lengths, findings; empty without one."""
        return self.data.get("uui") or {}

    @property
    def media(self) -> Json:
        """Its media: codec, suite, packetsReceived, echoedPackets and so on; empty without any."""
        return self.data.get("media") or {}

    @property
    def faults(self) -> list[Any]:
        """What was done wrong to it on purpose."""
        return self.data.get("faults") or []

    @property
    def escalation(self) -> Json | None:
        """How it was given back to the partner, None when it was not."""
        return self.data.get("escalation")

    # --- what there is to read of it -----------------------------------------------------------------------------------

    @property
    def verdict(self) -> Verdict:
        """What the rules say of it now; see `settled` for their last word."""
        return verdict_of(self._client.verdict(self.id))

    def rule(self, name: str) -> Finding:
        """Give what one rule says of it. Raises LookupError with the nearest rule there is."""
        return self._settled(Patience(self._client.patience if self.over else 0.0)).rule(name)

    def ladder(self, width: int = 100) -> str:
        """Draw its messages as text, 80 to 120 columns wide."""
        return self._client.ladder(self.id, width)

    def messages(self) -> list[Json]:
        """Give its SIP messages, oldest first, secrets masked."""
        return list(self._client.messages(self.id))

    def journey(self) -> Json:
        """Give what goes with it beside its messages: faults, the agent's talk, escalation and check, voice call."""
        return self._client.get(f"/api/v1/calls/{self.id}/journey")

    def save(self, path: str | Path) -> Path:
        """Write one of its files, which one says the ending: .pcapng .wav .txt .svg .mmd .html .json .xml .zip. Raises ValueError.

        The capture holds the wire as it was, keys included, for Wireshark; the reports mask numbers and secrets.
        """
        target = Path(path)
        if (name := FILES.get(target.suffix)) is None:
            raise ValueError(f"{target.name}: no file of a call ends so; there are {' '.join(FILES)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            with part.open("wb") as file:
                self._client.download(f"/api/v1/calls/{self.id}/{name}", file)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    # --- what is asserted of it ------------------------------------------------------------------------------------------

    def assert_passed(self, ignore: Iterable[str] = (), strict: bool = False) -> None:
        """See that no rule was broken; `strict`: and that none warned. Raises CallFailed with findings and ladder.

        `ignore`: rules that may be broken, as "SBC-UUI-024" or "SBC-MEDIA-*". The call must be over, since the last rules judge its end.
        """
        self._check(ignore, strict, Patience(self._client.patience))

    async def assert_passed_async(self, ignore: Iterable[str] = (), strict: bool = False) -> None:
        """As `assert_passed`, for asynchronous tests."""
        await in_thread(lambda patience: self._check(ignore, strict, patience), self._client.patience)

    def assert_rule(self, name: str, status: str = "pass") -> Finding:
        """See that one rule says `status`, and give its finding. Raises CallFailed with the finding and the ladder."""
        finding = self.rule(name)
        if finding.status != status:
            raise CallFailed(self._told(f"{finding.rule} says {finding.status}, not {status}, of", "", [finding]))
        return finding

    def _check(self, ignore: Iterable[str], strict: bool, patience: Patience) -> None:
        verdict = self._settled(patience)
        bad = verdict.against(ignore, strict)
        if bad:
            raise CallFailed(self._told(telling.headline(bad), "", bad))
        if not verdict.final:
            cure = 'Wait for its end first: wait_for_call(state="ended") is the default, or end it with hang_up().'
            what = "has ended without a verdict so far" if self.over else f"is {self.state}: the rules on its end have not spoken"
            raise CallFailed(self._told("", f"{what}. {cure}", []))

    def _told(self, before: str, behind: str, findings: Iterable[Finding]) -> str:
        first = " ".join(filter(None, (before, telling.name(self.data), behind)))
        return telling.call_text(first, findings, self.ladder())

    # --- what is done with it ----------------------------------------------------------------------------------------------

    def refresh(self) -> Call:
        """Read it anew."""
        self.data = self._client.call(self.id)
        return self

    def wait(self, state: str = "ended", timeout: float | None = None) -> Call:
        """Wait until it is so far, and read it anew; `timeout` in seconds. Raises CallFailed with its ladder."""
        return self._wait(state, Patience(self._client.seconds(timeout)))

    async def wait_async(self, state: str = "ended", timeout: float | None = None) -> Call:
        """As `wait`, for asynchronous tests."""
        return await in_thread(lambda patience: self._wait(state, patience), self._client.seconds(timeout))

    def hang_up(self) -> Call:
        """End it with BYE from the simulator's side, and wait until it is over."""
        self._client.hang_up(self.id)
        return self.wait()

    def escalate(self, mode: str | None = None, why: str | None = None, target: str | None = None) -> Call:
        """Give it back to the partner, as set unless `mode` and `target` say otherwise (docs/escalation.md)."""
        self.data = self._client.escalate(self.id, mode, why, target)
        return self

    def partner_says(self, **facts: object) -> Call:
        """Say what became of the customer of an escalated call: customerAlive, repReached, linked, repCall, text."""
        self.data = self._client.partner_says(self.id, **facts)
        return self

    def _wait(self, state: str, patience: Patience) -> Call:
        if state not in STATES:
            raise ValueError(f"{state!r} cannot be waited for: there are {', '.join(STATES)}")
        while not _reached(self.refresh(), state):
            if self.over:
                raise CallFailed(self._told("", f"is over and was never {state}", []))
            if not patience.left:
                raise CallFailed(self._told("", f"is {self.state}, not {state}, after {patience.seconds:g} s", []))
            patience.pause(LOOK)
        return self

    def _settled(self, patience: Patience) -> Verdict:
        """Give the last word of the rules on a call that is over; it may come seconds after the end."""
        verdict = self.verdict
        if not verdict.final:
            self.refresh()
        while not verdict.final and self.over and patience.left:
            patience.pause(LOOK)
            verdict = self.verdict
        return verdict


def _reached(call: Call, state: str) -> bool:
    """True when a call is as far; what is past a state has reached it, and a rejected call has ended."""
    return {"ringing": True, "answered": call.answered, "ended": call.over, "rejected": call.state == "rejected"}[state]
