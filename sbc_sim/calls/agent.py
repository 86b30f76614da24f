"""The agent as a companion of its call: says what the step says, listens, follows the rules of its scenario, escalates or ends the call.

All that it does and hears stands in the journal in words (Kind.AGENT), with the step and its line in the scenario's file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from sbc_sim.calls.companion import Acts
from sbc_sim.calls.prompts import PromptError
from sbc_sim.calls.scenario import Action, ActionKind, BargeIn, Heard, Rule, Scenario, Step
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegEvent, LegEventKind, Prompt

ENDED = "agent-ended"
"""Why a call ended that the agent ended without escalating it (requirement 115)."""
TOO_LONG = "agent-limit"
"""... because of a bound of the scenario."""


class Talk(StrEnum):
    """Where the talk is."""

    WAITING = "waiting"
    """For the ACK."""
    SAYING = "saying"
    LISTENING = "listening"
    OVER = "over"


class Input(StrEnum):
    """What moves it on."""

    UP = "up"
    PROMPT_OVER = "prompt-over"
    SPEECH_BEGAN = "speech-began"
    SPEECH_ENDED = "speech-ended"
    DIGIT = "digit"
    TIME = "time"
    CALL_OVER = "call-over"


TALK: Mapping[tuple[Talk, Input], tuple[str, Talk]] = {
    (Talk.WAITING, Input.UP): ("_begin", Talk.LISTENING),
    (Talk.SAYING, Input.PROMPT_OVER): ("_prompt_over", Talk.LISTENING),
    (Talk.SAYING, Input.SPEECH_BEGAN): ("_interrupted", Talk.SAYING),
    (Talk.SAYING, Input.SPEECH_ENDED): ("_speech_over", Talk.SAYING),
    (Talk.SAYING, Input.DIGIT): ("_digit_while_saying", Talk.SAYING),
    (Talk.SAYING, Input.TIME): ("_look", Talk.SAYING),
    (Talk.LISTENING, Input.SPEECH_BEGAN): ("_speech_begins", Talk.LISTENING),
    (Talk.LISTENING, Input.SPEECH_ENDED): ("_spoken", Talk.LISTENING),
    (Talk.LISTENING, Input.DIGIT): ("_digit", Talk.LISTENING),
    (Talk.LISTENING, Input.TIME): ("_look", Talk.LISTENING),
    (Talk.WAITING, Input.CALL_OVER): ("_never_up", Talk.OVER),
    (Talk.SAYING, Input.CALL_OVER): ("_cut_short", Talk.OVER),
    (Talk.LISTENING, Input.CALL_OVER): ("_cut_short", Talk.OVER),
}
"""(state, input) -> (action, next state); an action may enter a step, which sets the state again. What is not here is ignored: the leg may
have heard something just before the talk moved on."""

_OF_LEG = {
    LegEventKind.SPEECH_BEGAN: Input.SPEECH_BEGAN,
    LegEventKind.SPEECH_ENDED: Input.SPEECH_ENDED,
    LegEventKind.DIGIT: Input.DIGIT,
    LegEventKind.PROMPT_OVER: Input.PROMPT_OVER,
}


class AgentTalk:
    """One agent in one call. A Companion."""

    def __init__(self, scenario: Scenario, acts: Acts) -> None:
        """Wait for the ACK."""
        self.state = Talk.WAITING
        self.deadline: float | None = None
        self._scenario = scenario
        self._acts = acts
        self._step: Step = scenario.steps[scenario.start]
        self._visits = 0
        self._playing = ""
        """Name of the prompt that plays, told apart from the same prompt in another visit."""
        self._up_at = self._step_at = self._quiet_since = 0.0
        self._speaking_since: float | None = None
        self._talked = 0.0
        """Seconds of finished speech in this call."""
        self._spent: set[int] = set()
        """Identities of the rules that come true once and did."""

    # --- what comes in -----------------------------------------------------------------------------------------------

    def established(self, now: float) -> None:
        """Begin to talk: the ACK has come."""
        self._take(Input.UP, "", now)

    def heard(self, event: LegEvent, now: float) -> None:
        """Take what the leg has heard, or that it is through with a prompt."""
        if event.kind is LegEventKind.PROMPT_OVER and event.value != self._playing:
            return  # of a prompt that was interrupted in the same moment
        self._take(_OF_LEG[event.kind], event.value, now)

    def advance(self, now: float) -> None:
        """Do what is due."""
        self._take(Input.TIME, "", now)

    def over(self, now: float) -> None:
        """Note how the talk ended when it was not the agent who ended it."""
        self._take(Input.CALL_OVER, "", now)

    def _take(self, what: Input, value: str, now: float) -> None:
        if what is not Input.CALL_OVER and self.state is not Talk.OVER and self._acts.evidence.journey.escalated_at is not None:
            self._give_up(now)
            return
        entry = TALK.get((self.state, what))
        if entry is None:
            return
        action, self.state = entry
        getattr(self, action)(value, now)
        self.deadline = None if self.state is Talk.OVER else min((at for at, _ in self._times(now)), default=None)

    def _give_up(self, now: float) -> None:
        """Fall silent: somebody else escalated the call, which may go on for a while."""
        self._cut_short("", now)
        self.state, self.deadline = Talk.OVER, None
        self._acts.say(None, now)

    # --- actions of the table ----------------------------------------------------------------------------------------

    def _begin(self, value: str, now: float) -> None:
        self._up_at = now
        self._enter(self._step, now)

    def _prompt_over(self, value: str, now: float) -> None:
        self._playing = ""
        self._note("prompt-over", self._step.prompt, now)
        self._listen(now)

    def _listen(self, now: float) -> None:
        """Go on after the prompt: at once, or when something is heard."""
        self.state, self._quiet_since = Talk.LISTENING, now
        if self._step.then is not None:
            self._do(self._step.then, "", self._step.line, now)

    def _interrupted(self, value: str, now: float) -> None:
        self._speech_begins(value, now)
        if self._step.barge_in is BargeIn.SPEECH:
            self._fall_silent("speech", now)

    def _fall_silent(self, why: str, now: float) -> None:
        self._note("prompt-over", f"{self._step.prompt}, interrupted by {why}", now)
        self._playing = ""
        self._acts.say(None, now)
        self.state, self._quiet_since = Talk.LISTENING, now

    def _speech_begins(self, value: str, now: float) -> None:
        self._speaking_since = now

    def _speech_over(self, value: str, now: float) -> None:
        """Take the end of speech that nobody listens to: it counts for `talked` only."""
        seconds = int(value) / 1000 if value.isdecimal() else 0.0
        self._talked += seconds
        self._speaking_since, self._quiet_since = None, now
        during = ", while the agent was speaking" if self.state is Talk.SAYING else ""
        self._note("speech", f"{seconds:.1f} s of speech{during}", now)

    def _spoken(self, value: str, now: float) -> None:
        self._speech_over(value, now)
        self._follow(Heard.SPEECH, "", now)

    def _digit_while_saying(self, value: str, now: float) -> None:
        rule = None if self._step.barge_in is BargeIn.NEVER else self._rule(Heard.DIGIT, value)
        if rule is None:
            why = "the prompt is not to be interrupted" if self._step.barge_in is BargeIn.NEVER else "no rule here waits for it"
            self._note("digit", f"{value}, during the prompt: {why}", now)
            return
        self._note("digit", f"{value}, during the prompt", now, rule.line)
        self._fall_silent(f"the key {value}", now)
        self._do(rule.action, f"the key {value} was pressed", rule.line, now)

    def _digit(self, value: str, now: float) -> None:
        self._quiet_since = now
        rule = self._rule(Heard.DIGIT, value)
        unused = "" if rule is not None else ": no rule here waits for it"
        self._note("digit", f"{value}{unused}", now, rule.line if rule else 0)
        if rule is not None:
            self._do(rule.action, f"the key {value} was pressed", rule.line, now)

    def _look(self, value: str, now: float) -> None:
        """Follow the rule whose time came first, or end the call at the bound of time."""
        due = sorted((entry for entry in self._times(now) if entry[0] <= now), key=lambda entry: entry[0])
        if not due:
            return
        rule = due[0][1]
        if rule is None:
            self._end(TOO_LONG, f"the scenario ends a call after {self._scenario.bounds.seconds:g} s (bounds.seconds)", now)
        else:
            self._strike(rule, now)

    def _strike(self, rule: Rule, now: float) -> None:
        condition, seconds = rule.condition, f"{rule.condition.seconds:g} s"
        if condition.heard in (Heard.TALKED, Heard.LASTED):
            self._spent.add(id(rule))
        why = {
            Heard.SILENCE: f"nothing was heard for {seconds}",
            Heard.AFTER: f"the step {self._step.name} has lasted {seconds}",
            Heard.TALKED: f"the other side has talked for {seconds}",
            Heard.LASTED: f"the call has lasted {seconds}",
        }[condition.heard]
        if condition.heard is Heard.SILENCE:
            self._note("silence", f"for {seconds}", now, rule.line)
        if self.state is Talk.SAYING:
            self._fall_silent(f"the rule {condition}", now)
        self._do(rule.action, why, rule.line, now)

    def _never_up(self, value: str, now: float) -> None:
        """The call ended before its ACK: nothing was said."""

    def _cut_short(self, value: str, now: float) -> None:
        evidence = self._acts.evidence
        doing = f"was saying {self._step.prompt}" if self._playing else "was listening"
        if evidence.journey.escalated_at is not None:
            how, outcome = "the call was escalated, but not by the agent", "escalation"
        elif evidence.ended_by == "partner":
            how, outcome = "the partner ended the call with BYE, and nothing was escalated", "partner"
        else:
            how, outcome = f"the call ended ({evidence.end_reason or 'for another reason'})", "other"
        self._note("end", f"{how}; it {doing} (step {self._step.name})", now, outcome=outcome)

    # --- steps and actions of the scenario ---------------------------------------------------------------------------

    def _enter(self, step: Step, now: float) -> None:
        self._visits += 1
        if self._visits > self._scenario.bounds.steps:
            self._end(TOO_LONG, f"the scenario ends a call after {self._scenario.bounds.steps} steps (bounds.steps)", now)
            return
        self._step, self._step_at = step, now
        self._note("step", step.name, now)
        prompt = self._prompt(step, now)
        if prompt is None:
            self._listen(now)
            return
        self.state, self._playing = Talk.SAYING, prompt.name
        self._note("prompt", step.text, now, prompt=step.prompt)
        self._acts.say(prompt, now)

    def _prompt(self, step: Step, now: float) -> Prompt | None:
        """Give what the step says; None when it says nothing, or what it says cannot be had any more."""
        if not step.prompt:
            return None
        try:
            return replace(self._scenario.voice(step.prompt), name=f"{step.prompt} ({self._visits})")
        except PromptError as error:
            self._note("problem", f"{step.prompt} cannot be said: {error}", now)
            return None

    def _do(self, action: Action, because: str, line: int, now: float) -> None:
        why = action.why or because
        match action.kind:
            case ActionKind.GO:
                self._enter(self._scenario.steps[action.step], now)
            case ActionKind.ESCALATE:
                self._escalate(action, why, line, now)
            case _:
                self._end(ENDED, why or "the scenario is at its end", now, line)

    def _escalate(self, action: Action, why: str, line: int, now: float) -> None:
        self.state = Talk.OVER
        why = why or f"the scenario {self._scenario.name} says so"
        self._note("end", f"escalation: {why}", now, line, outcome="escalation")
        self._acts.escalate(action.mode, why, now, action.data)

    def _end(self, reason: str, why: str, now: float, line: int = 0) -> None:
        self.state = Talk.OVER
        self._note("end", f"the call, no escalation: {why}", now, line, outcome="ended")
        self._acts.hang_up(reason, f"the agent has ended the call: {why}", now)

    # --- rules -------------------------------------------------------------------------------------------------------

    def _rules(self) -> Iterator[Rule]:
        """Give the rules that hold now: those for every step, unless they only lead to where the call is, then the step's own."""
        here = self._step.name
        yield from (rule for rule in self._scenario.always if rule.action.step != here)
        yield from self._step.rules

    def _rule(self, heard: Heard, digit: str) -> Rule | None:
        for rule in self._rules():
            if rule.condition.heard is heard and (heard is not Heard.DIGIT or digit in rule.condition.digits):
                return rule
        return None

    def _follow(self, heard: Heard, digit: str, now: float) -> None:
        rule = self._rule(heard, digit)
        if rule is not None:
            self._do(rule.action, "the other side has spoken", rule.line, now)

    def _times(self, now: float) -> Iterator[tuple[float, Rule | None]]:
        """Give when each rule about time comes true if nothing happens before; None: the bound of the whole call."""
        yield self._up_at + self._scenario.bounds.seconds, None
        for rule in self._rules():
            at = self._time(rule)
            if at is not None and id(rule) not in self._spent:
                yield at, rule

    def _time(self, rule: Rule) -> float | None:
        condition = rule.condition
        match condition.heard:
            case Heard.SILENCE:
                listening = self.state is Talk.LISTENING and self._speaking_since is None
                return self._quiet_since + condition.seconds if listening else None
            case Heard.AFTER:
                return self._step_at + condition.seconds
            case Heard.LASTED:
                return self._up_at + condition.seconds
            case Heard.TALKED:
                left = condition.seconds - self._talked
                if self._speaking_since is None:
                    return self._quiet_since if left <= 0 else None
                return self._speaking_since + left
            case _:
                return None

    # --- telling -----------------------------------------------------------------------------------------------------

    def _note(self, event: str, text: str, now: float, line: int = 0, **more: str) -> None:
        data = {"event": event, "step": self._step.name, "text": text, "line": line or self._step.line, **more}
        self._acts.record(Kind.AGENT, now, data)
