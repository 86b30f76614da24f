"""A rehearsal: the endorsement checklist of one partner, step by step, as the journal tells of calls and requests (requirements 142-145).

It observes what happens and time, and never acts on a call: a step passes when the partner's real call or request did what it demands.
What it becomes is told as data, so that the journal keeps it and a later process goes on with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any

from sbc_sim.calls import rehearsal_calls
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.rehearsal_journey import Journey, refusal
from sbc_sim.calls.rehearsal_plan import COMPARE, CONNECTIVITY, FORM, STEP_SECONDS, Wanted, listed, missing_for, steps_of
from sbc_sim.calls.rehearsal_steps import NOT_REACHED, Attempt, Step, StepInput, StepState, step_of, unix
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import CallView, rfc3339
from sbc_sim.rules.quoting import capital
from sbc_sim.sip.errors import InvalidInput

STRAY_SECONDS = 1.0
"""Calls that belong to no step are told once in this time."""
MOST_NOTES = 20
RESTARTED = "The simulator was started again while it was under way."
MOST_DONE = 2000
"""Calls of which it is remembered that they were counted."""


class RehearsalState(StrEnum):
    """How far a rehearsal is."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    """Nothing failed, but a step that was asked for was left out."""
    STOPPED = "stopped"


class RehearsalInput(StrEnum):
    """What happens to a rehearsal."""

    ALL_PASSED = "all passed"
    """Every step passed."""
    SOME_FAILED = "some failed"
    """No step is open, and one failed or was not reached."""
    LEFT_OUT = "left out"
    """No step is open, none failed, and somebody left one out."""
    STOP = "stop"
    RESUME = "resume"


REHEARSAL: Mapping[tuple[RehearsalState, RehearsalInput], RehearsalState] = {
    (RehearsalState.RUNNING, RehearsalInput.ALL_PASSED): RehearsalState.PASSED,
    (RehearsalState.RUNNING, RehearsalInput.SOME_FAILED): RehearsalState.FAILED,
    (RehearsalState.RUNNING, RehearsalInput.LEFT_OUT): RehearsalState.INCOMPLETE,
    (RehearsalState.FAILED, RehearsalInput.LEFT_OUT): RehearsalState.INCOMPLETE,  # what failed was left out afterwards
    (RehearsalState.RUNNING, RehearsalInput.STOP): RehearsalState.STOPPED,
    (RehearsalState.STOPPED, RehearsalInput.RESUME): RehearsalState.RUNNING,
    (RehearsalState.FAILED, RehearsalInput.RESUME): RehearsalState.RUNNING,
    (RehearsalState.INCOMPLETE, RehearsalInput.RESUME): RehearsalState.RUNNING,  # what was left out is wanted
    (RehearsalState.PASSED, RehearsalInput.RESUME): RehearsalState.RUNNING,  # a step that passed is wanted again
}
"""What is missing is illegal."""


class Rehearsal:
    """One rehearsal. Times are unix seconds."""

    def __init__(self, name: str, wanted: Wanted, labels: Mapping[str, str], now: float, partner: Partner | None = None) -> None:
        """Make one that runs. `name`: its id; `labels`: regions as published."""
        self.id = name
        self.wanted = wanted
        self.partner = partner
        self.owner = ""
        """Name of the replica that watches over it; empty: there is one process only."""
        self.profile = "published"
        self.rule_set = ""
        self.state = RehearsalState.RUNNING
        self.created_at = self.updated_at = now
        self.ended_at: float | None = None
        self.steps: dict[str, Step] = {step.id: step for step in steps_of(wanted, labels)}
        self.notes: list[dict[str, Any]] = []
        """Calls that belonged to no step, newest last: ``{at, call, text}``."""
        self.changed: dict[str, None] = {}
        """Steps that changed since they were told last."""
        self.told_whole = False
        """Whether more changed than steps, so that all must be told."""
        self.known: Collection[str] = ()
        """Partners that there are: what names none of them counts as ours, such as a key that was given under another name."""
        self._labels = labels
        self._done: dict[str, None] = {}
        self._stray_at = self._request_at = float("-inf")
        self._since = now
        """Calls that came before do not count: the beginning, the last resume, the start of this process."""
        self.journeys = {mode: Journey(self, mode) for mode in wanted.escalations if f"e2e-{mode}/create" in self.steps}
        self.settle(now)

    # --- what can be asked -----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether calls and requests count."""
        return self.state is RehearsalState.RUNNING

    @property
    def deadline(self) -> float | None:
        """When `advance` wants to be called next."""
        if not self.running:
            return None
        return min((step.deadline for step in self.steps.values() if step.deadline is not None), default=None)

    @property
    def counts(self) -> dict[str, int]:
        """How many steps there are of each sort; a running one waits."""
        states = [step.state for step in self.steps.values()]
        told = {state.value: states.count(state) for state in StepState if state is not StepState.RUNNING}
        return {**told, "waiting": told["waiting"] + states.count(StepState.RUNNING)}

    @property
    def escalation(self) -> str:
        """The mode by which the agent gives the next call back; empty: no end-to-end test is under way."""
        journey = self.journey
        return journey.mode if journey is not None else ""

    @property
    def journey(self) -> Journey | None:
        """The end-to-end test that is under way: one after the other."""
        return next((journey for journey in self.journeys.values() if not journey.settled), None) if self.running else None

    def step(self, name: str) -> Step:
        """One step. Raises KeyError."""
        return self.steps[name]

    def allows(self, region: str | None) -> bool:
        """Whether a call of this region counts; one that names none does."""
        return not region or not self.wanted.regions or region in self.wanted.regions

    # --- what happens ----------------------------------------------------------------------------------------------------

    def observe(self, entry: Entry, view: CallView | None) -> None:
        """Take one more entry of the journal; `view`: the call it belongs to, as it is now."""
        if not self.running:
            return
        now = entry.at
        if view is not None:
            self._observe_call(entry, view, now)
        elif entry.kind is Kind.ATTEMPT:
            self._unreached(entry.data, now)
        if entry.kind in (Kind.TELEPHONY, Kind.VOICE_CALL) and self._is_ours(entry.data.get("partner")):
            self._requested(entry)
        self.settle(now)

    def _requested(self, entry: Entry) -> None:
        data = entry.data
        for journey in self._telling():
            if entry.kind is Kind.TELEPHONY and (data.get("status") or 0) >= 400 and not data.get("partner") and len(self.known) > 1:
                self.stray(f"It names no partner, so it belongs to no step: {refusal(data)}", None, entry.at)
            else:
                journey.requested(entry)

    def _telling(self) -> list[Journey]:
        current = self.journey
        return [current] if current is not None else []

    def _is_ours(self, partner: object) -> bool:
        return partner in (None, "", self.wanted.partner) or (bool(self.known) and partner not in self.known)

    def _observe_call(self, entry: Entry, view: CallView, now: float) -> None:
        if not self._is_ours(view.partner):
            return
        for journey in self._telling():
            if journey.follows(view):
                journey.observe(entry, view)
                return
        if view.direction != "inbound" or view.escalation_of:
            return
        if (view.started_at or now) < self._since:
            if entry.kind is Kind.CALL_ENDED:
                told = rehearsal_calls.told(view)
                self.stray(f"It belongs to no step: {told} came before this rehearsal began, or was resumed.", view.id, now)
            return
        if view.id in self._done:
            return
        if entry.kind is Kind.CALL_STATE and entry.data.get("state") == "answered":
            self._begun(view, now)
        elif entry.kind is Kind.CALL_ENDED:
            self._remember(view.id)
            self._over(view, now)

    def _remember(self, call: str) -> None:
        self._done[call] = None
        if len(self._done) > MOST_DONE:
            del self._done[next(iter(self._done))]

    def _begun(self, view: CallView, now: float) -> None:
        """A call was answered: it is a try of the step that it belongs to."""
        journey = self.journey
        if journey is not None and rehearsal_calls.means_agent(view):
            self._remember(view.id)
            journey.invited(view, now)
            return
        step = self._region_step(view)
        if step is not None and step.open:
            self.begin(step, Attempt(now, text="The call goes on.", call=view.id), now)

    def _over(self, view: CallView, now: float) -> None:
        """A call that is no part of an end-to-end test under way is over."""
        journey = self.journey
        if journey is not None and (rehearsal_calls.means_agent(view) or not self._connectivity()):
            journey.invited(view, now)
            return
        step = self._region_step(view)
        if step is None:
            self._stray(view, now)
        elif step.open:
            self._finish(step, view, now)

    def _finish(self, step: Step, view: CallView, now: float) -> None:
        attempt = rehearsal_calls.judged(view)
        if view.verdict is not None:
            self.rule_set = str(view.verdict.get("ruleSet") or self.rule_set)
        known = step.running(view.id)
        if known is not None:
            step.attempts[step.attempts.index(known)] = attempt
        else:
            step.note(attempt)
        if attempt.status == "passed":
            self.pass_step(step, attempt.text, now)
        elif attempt.status == "skipped":
            self._not_counted(step, attempt, now)
        else:
            self.fail_step(step, f"{capital(rehearsal_calls.told(view))} failed. {attempt.text}", now)

    def _not_counted(self, step: Step, attempt: Attempt, now: float) -> None:
        """Wait on: the call had a fault of ours, and is none of the tries that a step has."""
        step.tried -= 1
        step.why = attempt.text
        self._move(step, StepInput.IGNORE, now)

    def _connectivity(self) -> list[Step]:
        return [step for step in self.steps.values() if step.kind == CONNECTIVITY]

    def _region_step(self, view: CallView) -> Step | None:
        """The connectivity step of the call's region; one that names no region belongs to the only one."""
        steps = self._connectivity()
        if not view.region:
            return steps[0] if len(steps) == 1 else None
        return self.steps.get(f"{CONNECTIVITY}/{view.region}")

    def _stray(self, view: CallView, now: float) -> None:
        """Say of a call that it belongs to no step: whoever waits for one wants to know why it did not count."""
        waiting = [step for step in self._connectivity() if step.open]
        if not waiting:
            return
        regions = listed(str(step.region) for step in waiting[:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")
        if view.region:
            by = f" (by {view.chosen_by})" if view.chosen_by else ""
            text = f"{capital(rehearsal_calls.told(view))} reached the region {view.region}{by}; this rehearsal waits for {regions}."
        else:
            why = "neither its server name (SNI) nor its Request-URI is that of one"
            text = f"{capital(rehearsal_calls.told(view))} names no region: {why}. This rehearsal waits for {regions}."
        self._tell_waiting(waiting, text, view.id, now)

    def _unreached(self, data: Mapping[str, Any], now: float) -> None:
        """A connection that never became a SIP connection: no call can come of it."""
        peer = data.get("peer") or {}
        if not self._from_partner(str(peer.get("host") or "")):
            return
        waiting = [step for step in self._connectivity() if step.open] or [
            journey.step("invite") for journey in self._telling() if journey.step("invite").open
        ]
        rules = ", ".join(str(one.get("rule")) for one in data.get("findings") or () if one.get("status") == "fail")
        text = f"A connection from {peer.get('host')} never became a call: {data.get('detail')}" + (f" ({rules})." if rules else ".")
        self._tell_waiting(waiting, text, None, now)

    def _tell_waiting(self, waiting: Iterable[Step], text: str, call: str | None, now: float) -> None:
        if now - self._stray_at < STRAY_SECONDS:
            return
        self._stray_at = now
        self._remark(text, call, now)
        for step in waiting:
            if not step.attempts or step.attempts[-1].status != "failed":  # why a try failed stands until the next one
                step.why = text

    def stray(self, text: str, call: str | None, now: float) -> None:
        """Note what belongs to no step of the end-to-end test; each sentence once, and of requests one in `STRAY_SECONDS`."""
        if any(note["text"] == text for note in self.notes) or (call is None and now - self._request_at < STRAY_SECONDS):
            return
        if call is None:
            self._request_at = now
        self._remark(text, call, now)

    def _remark(self, text: str, call: str | None, now: float) -> None:
        self.notes = [*self.notes, {"at": rfc3339(now), "call": call, "text": text}][-MOST_NOTES:]
        self.told_whole = True

    def _from_partner(self, host: str) -> bool:
        networks = self.partner.signalling if self.partner is not None else ()
        if not networks:
            return True
        try:
            return any(ip_address(host) in ip_network(network, strict=False) for network in networks)
        except ValueError:
            return False

    # --- steps -----------------------------------------------------------------------------------------------------------

    def begin(self, step: Step, attempt: Attempt, now: float) -> None:
        """A try is under way."""
        self._turn(step, now)
        step.note(attempt)
        self._move(step, StepInput.BEGIN, now)

    def pass_step(self, step: Step, text: str, now: float, **who: str | None) -> None:
        """A step has what it demands; `who`: call and voice call that showed it, when no attempt is noted yet."""
        if step.state is StepState.SKIPPED:
            return
        if who or not step.attempts or step.attempts[-1].status != "passed":
            self._note(step, "passed", text, now, who)
        step.why, step.missing, step.deadline = "", [], None
        step.started_at = step.started_at or now
        self._move(step, StepInput.PASS, now)

    def fail_step(self, step: Step, why: str, now: float, findings: Iterable[Mapping[str, Any]] = (), **who: str | None) -> None:
        """A try failed. Until its deadline the step waits for the next one, unless enough were made."""
        if step.state in (StepState.PASSED, StepState.SKIPPED):
            return
        if who or not step.attempts or step.attempts[-1].status != "failed":
            self._note(step, "failed", why, now, who, findings)
        self._turn(step, now)
        step.why = why
        self._move(step, StepInput.FAIL, now)
        if self.wanted.tries and step.tried >= self.wanted.tries:
            step.deadline = None

    def _note(
        self, step: Step, status: str, text: str, now: float, who: Mapping[str, str | None], findings: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        told = [rehearsal_calls.brief(one) for one in findings]
        attempt = Attempt(now, status, text, who.get("call"), who.get("voice_call"), told)
        known = step.running(attempt.call) if attempt.call else None
        if known is None:
            step.note(attempt)
            return
        attempt.at = known.at
        step.attempts[step.attempts.index(known)] = attempt
        step.voice_call = attempt.voice_call or step.voice_call

    def _turn(self, step: Step, now: float) -> None:
        """Begin the time of a step that has not begun."""
        if step.state is StepState.PENDING:
            self._move(step, StepInput.TURN, now)
            step.started_at, step.deadline = now, now + self.wanted.step_seconds
            step.missing = missing_for(step, self._labels.get(step.region or "") or step.region or "the simulator")

    def _move(self, step: Step, what: StepInput, now: float) -> None:
        step.move(what, now)
        self.touch(step, now)

    def touch(self, step: Step, now: float) -> None:
        """Note that a step changed."""
        self.changed[step.id] = None
        self.updated_at = now

    # --- time ------------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Give up the steps whose time is over."""
        for step in list(self.steps.values()) if self.running else []:
            if step.deadline is not None and step.deadline <= now and step.open:
                self._late(step, now)
        self.settle(now)

    def _late(self, step: Step, now: float) -> None:
        failed_before = step.state is StepState.FAILED
        for attempt in step.attempts:
            if attempt.status == "running":
                attempt.status, attempt.text = "failed", "It was not over in time."
        self._move(step, StepInput.LATE, now)
        step.deadline = None
        if not failed_before:
            step.why = " ".join([f"Nothing came within {self.wanted.step_seconds:g} s.", *step.missing])

    def settle(self, now: float) -> None:
        """Let steps have their turn, leave out what cannot be reached any more, and end when nothing is open."""
        if not self.running:
            return
        for step in self.steps.values():
            self._settle_step(step, now)
        if not any(step.open or step.state is StepState.PENDING for step in self.steps.values()):
            self._change(self._outcome(), now)

    def _outcome(self) -> RehearsalInput:
        """What came of a rehearsal in which nothing is open."""
        steps = self.steps.values()
        if any(step.state is StepState.FAILED or step.not_reached for step in steps):
            return RehearsalInput.SOME_FAILED
        return RehearsalInput.ALL_PASSED if all(step.state is StepState.PASSED for step in steps) else RehearsalInput.LEFT_OUT

    def _settle_step(self, step: Step, now: float) -> None:
        if step.state is not StepState.PENDING:
            return
        before = self.steps.get(step.needs)
        if before is not None and not before.open and (before.state is StepState.FAILED or before.not_reached):
            step.why = f"{NOT_REACHED}: {before.id} failed." if before.state is StepState.FAILED else before.why
            self._move(step, StepInput.SKIP, now)
        elif self._has_turn(step, before):
            self._turn(step, now)

    def _has_turn(self, step: Step, before: Step | None) -> bool:
        if before is not None:
            return before.done
        if step.kind == CONNECTIVITY:
            return True
        if step.kind in ("create",):
            current = self.journey
            return current is not None and step is current.step("create")
        others = [one for one in self.steps.values() if one is not step and one.kind != FORM]
        return not any(one.open or one.state is StepState.PENDING for one in others)

    # --- what somebody wants ---------------------------------------------------------------------------------------------

    def stop(self, now: float) -> None:
        """Let nothing count until it is resumed. Raises InvalidInput when it does not run."""
        self._change(RehearsalInput.STOP, now)
        for step in self.steps.values():
            self._pause(step, "The rehearsal was stopped while it was under way.", now)

    def resume(self, now: float) -> None:
        """Go on: what waited waits anew, and what failed or was not reached is tried again. Raises InvalidInput when it cannot."""
        if self.state is RehearsalState.PASSED:
            raise InvalidInput("every step of it passed: retry a step, or begin a new one")
        if self.state is RehearsalState.INCOMPLETE:
            raise InvalidInput("nothing in it failed: retry a step that was left out, or begin a new one")
        self._change(RehearsalInput.RESUME, now)
        for step in self.steps.values():
            if step.state is StepState.FAILED:
                self._again(step, now)
        self.again([step for step in self.steps.values() if step.not_reached], now)
        self._unseen(now)
        self.settle(now)

    def _unseen(self, now: float) -> None:
        """Count nothing that was under way while nothing was observed."""
        self._since = now
        for journey in self.journeys.values():
            journey.interrupted(now)

    def retry(self, name: str, now: float) -> None:
        """Do a step again, whatever became of it. Raises KeyError, and InvalidInput when its turn has not come."""
        step = self.steps[name]
        before = self.steps.get(step.needs)
        if step.state in (StepState.PENDING, StepState.WAITING, StepState.RUNNING):
            raise InvalidInput(f"the step {name} is {step.state.value} already")
        if before is not None and not before.done:
            raise InvalidInput(f"the step {name} comes after {before.id}, which is {before.state.value}: retry that one")
        if not self.running:
            self._change(RehearsalInput.RESUME, now)
            self._since = now
        self._again(step, now)
        self.again([other for other in self.steps.values() if other.not_reached], now)
        self.settle(now)

    def skip(self, name: str, now: float) -> None:
        """Leave a step out. Raises KeyError, and InvalidInput for one that is over."""
        step = self.steps[name]
        if step.state in (StepState.PASSED, StepState.SKIPPED):
            raise InvalidInput(f"the step {name} is {step.state.value} already")
        self._move(step, StepInput.SKIP, now)
        step.why, step.deadline, step.missing = "Left out by somebody.", None, []
        self.settle(now)
        if self.state is RehearsalState.FAILED and self._outcome() is RehearsalInput.LEFT_OUT:
            self._change(RehearsalInput.LEFT_OUT, now)

    def form_checked(self, flags: Iterable[str], now: float) -> None:
        """Take what is missing in the signalling form, or contradicts the traffic; nothing: it is complete."""
        step, wrong = self.steps[FORM], list(flags)
        if not step.open:
            return
        if wrong:
            self.fail_step(step, " ".join(wrong), now)
            step.missing, step.deadline = wrong[:MOST_NOTES], None
        else:
            self.pass_step(step, "Every part of the form is there, and the traffic does not contradict it.", now)
        self.settle(now)

    def compared(self, text: str, fine: bool, now: float, call: str | None = None) -> None:
        """Take the result of holding the partner's trace against calls of this rehearsal. Raises KeyError without such a step."""
        step = self.steps[COMPARE]
        if step.state is StepState.SKIPPED:
            raise InvalidInput(f"the step {COMPARE} was left out: retry it first")
        if fine:
            self.pass_step(step, text, now, call=call)
        else:
            self.fail_step(step, text, now, call=call)
        self.settle(now)

    def restarted(self, now: float, why: str = RESTARTED) -> None:
        """Go on in another process: calls that were up are gone, and no time has passed for what waits. `why`: a sentence for tries."""
        for step in self.steps.values():
            was_open = step.open
            self._pause(step, why, now)
            if was_open and self.running and step.state is StepState.FAILED:
                step.deadline = now + self.wanted.step_seconds
        self._unseen(now)
        self.settle(now)

    def _pause(self, step: Step, why: str, now: float) -> None:
        if not step.open:
            return
        for attempt in step.attempts:
            if attempt.status == "running":
                attempt.status, attempt.text = "failed", why
                step.why = why
        step.deadline = None
        self._move(step, StepInput.BACK, now)

    def _again(self, step: Step, now: float) -> None:
        self._move(step, StepInput.RETRY, now)
        step.started_at, step.deadline = now, now + self.wanted.step_seconds
        step.missing = missing_for(step, self._labels.get(step.region or "") or step.region or "the simulator")

    def again(self, steps: Iterable[Step], now: float) -> None:
        """Let steps wait for their turn once more, since what comes before them is tried again. One that failed keeps its time."""
        for step in steps:
            if step.state is StepState.PASSED:
                self._move(step, StepInput.RETRY, now)
            if step.not_reached or step.state in (StepState.WAITING, StepState.RUNNING):
                step.why, step.deadline, step.missing = "", None, []
                self._move(step, StepInput.BACK, now)

    def _change(self, what: RehearsalInput, now: float) -> None:
        try:
            self.state = REHEARSAL[self.state, what]
        except KeyError:
            raise InvalidInput(f"the rehearsal is {self.state.value}") from None
        self.updated_at = now
        self.ended_at = now if self.state not in (RehearsalState.RUNNING, RehearsalState.STOPPED) else None
        self.told_whole = True

    # --- as data ---------------------------------------------------------------------------------------------------------

    def head(self) -> dict[str, Any]:
        """The rehearsal without its steps, JSON values only."""
        wanted = self.wanted
        return {
            "id": self.id,
            "name": wanted.name,
            "partner": wanted.partner,
            "regions": list(wanted.regions),
            "parts": list(wanted.parts),
            "escalations": list(self.journeys),
            "stepSeconds": wanted.step_seconds,
            "tries": wanted.tries,
            "profile": self.profile,
            "ruleSet": self.rule_set,
            "owner": self.owner or None,
            "state": self.state.value,
            "createdAt": rfc3339(self.created_at),
            "updatedAt": rfc3339(self.updated_at),
            "endedAt": rfc3339(self.ended_at),
            "counts": self.counts,
            "notes": self.notes,
        }

    def data(self) -> dict[str, Any]:
        """The rehearsal as API, journal and reports show it, JSON values only."""
        return {**self.head(), "steps": [step.data() for step in self.steps.values()]}


def rehearsal_of(data: Mapping[str, Any], labels: Mapping[str, str], partner: Partner | None = None) -> Rehearsal:
    """Read what `Rehearsal.data` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    wanted = Wanted(
        str(data["partner"]),
        tuple(data["regions"]),
        tuple(data["parts"]),
        tuple(data["escalations"]),
        float(data.get("stepSeconds") or STEP_SECONDS),
        int(data.get("tries") or 0),
        str(data.get("name") or ""),
    )
    made = Rehearsal(str(data["id"]), wanted, labels, unix(data["createdAt"]) or 0.0, partner)
    made.steps.update({step.id: step for step in map(step_of, data["steps"])})
    made.state = RehearsalState(data["state"])
    made.profile, made.rule_set = str(data.get("profile") or ""), str(data.get("ruleSet") or "")
    made.updated_at, made.ended_at = unix(data["updatedAt"]) or made.created_at, unix(data.get("endedAt"))
    made.notes = list(data.get("notes") or ())
    made.owner = str(data.get("owner") or "")
    made.changed.clear()
    made.told_whole = False
    return made
