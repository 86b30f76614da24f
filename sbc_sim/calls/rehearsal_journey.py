"""The end-to-end test of a rehearsal (requirement 144): from the voice call by REST to the rep's linked record, for one way of escalation.

What is known of it stands in its steps: the voice call at `create`, the call to the agent at `invite`, the returned leg at `return`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from sbc_sim.calls import rehearsal_calls
from sbc_sim.calls.rehearsal_plan import ORDER, spoken
from sbc_sim.calls.rehearsal_steps import Attempt, Step, StepState
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import CallView
from sbc_sim.rules.quoting import whole_sentence

TALK = ("agent", "customer", "escalate")
CHECKS = (
    ("customerAlive", "customer-alive", "The customer's leg is alive", "The customer's leg was dropped"),
    ("repReached", "rep", "A rep took the call", "No rep was reached"),
    ("linked", "linked", "The rep's record refers to the agent's", "The rep's record does not refer to the agent's voice call"),
)
"""Member of PARTNER_CHECK, step, and what to say of both outcomes."""
CLOSED_EARLY = "SBC-E2E-013"
ELSEWHERE = frozenset(("SBC-E2E-010", CLOSED_EARLY, *(f"SBC-E2E-{number:03d}" for number in range(20, 40))))
"""Rules about what steps of their own wait for: `closed`, `escalate`, `return`, `ended` and the partner check."""
API = "/telephony/v1"
SAME_ID = 15
"""Ids of 15 and of 18 characters mean the same record."""


class Checklist(Protocol):
    """The rehearsal, as its end-to-end test needs it."""

    def step(self, name: str) -> Step:
        """One step."""

    def begin(self, step: Step, attempt: Attempt, now: float) -> None:
        """A try is under way."""

    def pass_step(self, step: Step, text: str, now: float, **who: str | None) -> None:
        """A step has what it demands."""

    def fail_step(self, step: Step, why: str, now: float, findings: Iterable[Mapping[str, Any]] = (), **who: str | None) -> None:
        """A try failed."""

    def again(self, steps: Iterable[Step], now: float) -> None:
        """Let steps wait for their turn once more."""

    def allows(self, region: str | None) -> bool:
        """Whether a call of this region counts."""

    def stray(self, text: str, call: str | None, now: float) -> None:
        """Say of a call or a request that it belongs to no step."""


class Journey:
    """One end-to-end test."""

    def __init__(self, checklist: Checklist, mode: str) -> None:
        """`mode`: how the agent gives the call back."""
        self.mode = mode
        self._list = checklist
        self._names = ORDER[mode]
        self._bye: str = ""
        """How our BYE was answered, as far as it was."""
        self._up = False
        """Whether the call to the agent goes on; never so after a restart, which no call survives."""

    def step(self, name: str) -> Step:
        """A step by the last part of its id."""
        return self._list.step(f"e2e-{self.mode}/{name}")

    @property
    def steps(self) -> list[Step]:
        """All in their order."""
        return [self.step(name) for name in self._names]

    @property
    def settled(self) -> bool:
        """Whether nothing of it waits any more."""
        return not any(step.open or step.state is StepState.PENDING for step in self.steps)

    @property
    def call(self) -> str | None:
        """The call to the agent, by its id, once it was found to be the right one."""
        invite = self.step("invite")
        return invite.call if invite.state is StepState.PASSED else None

    @property
    def voice_call(self) -> str | None:
        """The agent's voice call, by its id."""
        return self.step("create").voice_call

    def follows(self, view: CallView) -> bool:
        """Whether this is the call to the agent, or the leg that returns it, and not one that was tried before."""
        return self.call is not None and self.call in (view.id, view.escalation_of)

    # --- REST ------------------------------------------------------------------------------------------------------------

    def requested(self, entry: Entry) -> None:
        """Take a request to the Telephony Integration API, or what became of a voice call."""
        if entry.kind is Kind.VOICE_CALL:
            self._recorded(entry.data, entry.at)
        elif (entry.data.get("status") or 0) >= 400:
            self._refused(entry.data, entry.at)
        elif entry.data.get("operation") == "create":
            self._created(entry.data, entry.at)

    def _refused(self, data: Mapping[str, Any], now: float) -> None:
        """A refused request is a try of the step that waits for one of its sort."""
        step = next((step for step in map(self.step, _asked_for(data)) if step.open), None)
        if step is None:
            self._list.stray(f"It belongs to no step: {refusal(data)}", None, now)
            return
        findings = rehearsal_calls.worst_first(data.get("findings") or ())
        self._list.fail_step(step, refusal(data), now, findings, voice_call=_text(data.get("voiceCallId")))

    def _created(self, data: Mapping[str, Any], now: float) -> None:
        parent = (data.get("request") or {}).get("parentVoiceCallId") if isinstance(data.get("request"), Mapping) else None
        if parent:  # the rep's leg
            return
        step = self.step("create")
        voice_call = _text(data.get("voiceCallId"))
        if step.state is StepState.PASSED and self.call is not None:
            if self.step("ended").done:
                self._unlinked(voice_call, data, now)
                return
            if self._up and not self._broken():
                self._list.stray(
                    f"It belongs to no step: the voice call {voice_call} was created while the call {self.call} is up.", None, now
                )
                return
        if step.state is not StepState.SKIPPED:
            self._list.again(self.steps, now)
        step.vendor_key = _text(data.get("vendorCallKey"))
        text = f"The voice call {voice_call} was created, with the vendorCallKey {data.get('vendorCallKey')} ({data.get('status')})."
        self._list.pass_step(step, text, now, voice_call=voice_call)

    def _unlinked(self, voice_call: str | None, data: Mapping[str, Any], now: float) -> None:
        """A voice call without a parent, after the call to the agent: that of the rep, which refers to nothing, or another journey."""
        linked = self.step("linked")
        if data.get("vendorCallKey") and data.get("vendorCallKey") == self.step("create").vendor_key:
            return  # the same record, told once more
        anew = f"To do the whole test again, retry {self.step('create').id} first."
        if linked.done or linked.not_reached or (linked.state is StepState.FAILED and not linked.open):
            self._list.stray(
                f"It belongs to no step: the voice call {voice_call} was created after the call {self.call}. {anew}", None, now
            )
            return
        text = f"{CHECKS[-1][-1]} {self.voice_call}: {voice_call} was created without parentVoiceCallId. {anew}"
        self._list.fail_step(linked, text, now, call=self.call, voice_call=voice_call)

    def _recorded(self, data: Mapping[str, Any], now: float) -> None:
        step = self.step("closed")
        if not same_id(data.get("voiceCallId"), self.voice_call) or data.get("state") != "closed" or step.done:
            return
        when = self._too_early(now)
        if when:
            detail = f"The voice call {self.voice_call} was closed {when}: a PATCH without isActiveCall true closes it."
            found = {"rule": CLOSED_EARLY, "status": "fail", "detail": detail}
            self._list.fail_step(step, f"{CLOSED_EARLY}: {detail}", now, [found], call=self.call, voice_call=self.voice_call)
        elif self.call is not None:
            ended = data.get("endTime")
            self._list.pass_step(step, "The voice call was closed" + (f", with endTime {ended}." if ended else "."), now,
                                 voice_call=self.voice_call)  # fmt: skip

    def _too_early(self, now: float) -> str:
        """When the voice call was closed, if that was before the agent gave the call back; as SBC-E2E-013 counts it."""
        invite = self.step("invite")
        if self.call is None:
            return "before its call was answered" if invite.open else ""
        if not self._up or self.step("escalate").state is StepState.PASSED:
            return ""
        return f"{now - (invite.ended_at or now):.1f} s after the answer, while its SIP call was up"

    # --- the call to the agent -------------------------------------------------------------------------------------------

    def invited(self, view: CallView, now: float) -> None:
        """Take a call that means the agent and was answered, or is over without having been."""
        create, invite = self.step("create"), self.step("invite")
        if create.state is not StepState.PASSED:
            if create.open:
                self._list.fail_step(create, _no_create(view), now, (), call=view.id)
            return
        if invite.state is StepState.PASSED:
            if self.step("ended").done or (self._up and not self._broken()):
                anew = f"To do the whole test again, retry {create.id} first."
                told = rehearsal_calls.told(view)
                self._list.stray(f"It belongs to no step: {told} came after the call {self.call} to the agent. {anew}", view.id, now)
                return
            self._list.again([one for one in self.steps if one is not create], now)
        why = self._why_not(view)
        if why:
            self._list.fail_step(invite, why, now, rehearsal_calls.worst_first(view.findings), call=view.id)
            return
        self._bye, self._up = "", True
        agreed = view.agreements[-1] if view.agreements else {}
        text = f"Answered: User-to-User names the voice call {self.voice_call}; {agreed.get('codec')} with {agreed.get('suite')}."
        self._list.pass_step(invite, text, now, call=view.id, voice_call=self.voice_call)

    def _broken(self) -> bool:
        return any(one.state is StepState.FAILED or one.not_reached for one in self.steps)

    def _why_not(self, view: CallView) -> str:
        """Why a call is not the one that `invite` waits for; empty: it is."""
        if view.answered_at is None:
            return rehearsal_calls.refused_text(view)
        if not self._list.allows(view.region):
            return f"It reached the region {view.region}, which is none of this rehearsal."
        bad = next((one for one in view.findings if one.get("status") == "fail" and "-E2E-" in str(one.get("rule"))), None)
        if bad is not None:
            return f"{bad.get('rule')}: {bad.get('detail')}"
        if view.scenario == "echo":
            return f"It reached the echo and not the agent: {view.scenario_why or 'User-to-User names no org of a customer'}."
        return self._why_other_record(view)

    def _why_other_record(self, view: CallView) -> str:
        uui = view.uui or {}
        named = [value for value in (rehearsal_calls.value_of(uui, name) for name in ("callId", "voiceCallId", "vendorCallKey")) if value]
        record = view.voice_call or {}
        linked = record.get("voiceCallId")
        if linked is not None:
            return "" if same_id(linked, self.voice_call) else f"User-to-User names the voice call {linked}, not {self.voice_call}."
        if any(same_id(value, self.voice_call) or value == self.step("create").vendor_key for value in named):
            return ""
        seen = f"it names {named[0]}" if named else "it names none"
        return f"User-to-User does not name the voice call {self.voice_call} that was created: {seen}."

    def observe(self, entry: Entry, view: CallView) -> None:
        """Take an entry of the call to the agent, or of the leg that returns it."""
        follow = _FOLLOW.get(entry.kind)
        if follow is None:
            return
        if view.id == self.call:
            follow(self, entry, view)
        elif entry.kind is Kind.CALL_STATE and entry.data.get("state") == "answered":
            self._returned(view, entry.at)

    def _agent(self, entry: Entry, view: CallView) -> None:
        event, text = entry.data.get("event"), whole_sentence(str(entry.data.get("text") or ""))
        if event == "prompt-over":
            self._pass("agent", text or "The agent spoke.", entry.at)
        elif event in ("speech", "digit"):
            self._pass("customer", text or "The agent heard the caller.", entry.at)

    def _escalation(self, entry: Entry, view: CallView) -> None:
        data, now = entry.data, entry.at
        state, mode = data.get("state"), data.get("mode") or (view.escalation or {}).get("mode")
        text = whole_sentence(str(data.get("text") or ""))
        if state == "failed" and self.mode == "invite-back":
            self._fail("return", text or "The return by INVITE failed.", now)
        elif state == "returned" and self.mode == "invite-back":
            self._pass("return", text or "The partner answered the INVITE that returns the call.", now)
        elif state == "began" and mode not in (None, self.mode):
            self._fail("escalate", f"The call was given back by {spoken(str(mode))}; this part rehearses {spoken(self.mode)}.", now)
        elif state == "began":
            why = data.get("why")
            self._pass("escalate", f"The agent gave the call back by {spoken(self.mode)}" + (f": {why}." if why else "."), now)

    def _returned(self, view: CallView, now: float) -> None:
        agreed = view.agreements[-1] if view.agreements else {}
        suite = agreed.get("suite")
        if "return" in self._names:
            self.step("return").call = view.id
            self._pass("return", "The partner answered the INVITE that returns the call" + (f", with {suite}." if suite else "."), now)

    def _message(self, entry: Entry, view: CallView) -> None:
        """Note how our BYE was answered."""
        data = entry.data
        if data.get("direction") == "in" and data.get("status") and data.get("method") == "BYE" and not self._bye:
            self._bye = f"{data['status']} {data.get('reason') or ''}".strip()

    def _check(self, entry: Entry, view: CallView) -> None:
        """Take the partner check: what it says of the customer's leg, the rep and the records."""
        data, now = entry.data, entry.at
        said, by = (
            whole_sentence(str(data.get("text") or "")),
            {"rest": "REST", "api": "the partner's word", "return": "the call back"}.get(str(data.get("by")), "the end of the time"),
        )
        for member, name, held, broken in CHECKS:
            value = data.get(member)
            if value is True:
                late = (data.get("late") or {}).get(member)
                when = "" if late is None else f" {late:g} s after escalation.check_seconds"
                self._pass(name, f"{held} (known by {by}{when}).", now)
            elif value is False:
                self._fail_next(name, f"{broken}. {said}".strip(), now)
            elif data.get("by") == "deadline":
                self._fail_next(name, f"Nothing told of it in time (escalation.check_seconds). {said}".strip(), now)

    def _fail_next(self, name: str, why: str, now: float) -> None:
        """Fail a check when nothing before it failed: what follows a failed check is not reached."""
        before = self.step(self.step(name).needs.rpartition("/")[2])
        if before.done:
            self._fail(name, why, now)

    def _over(self, entry: Entry, view: CallView) -> None:
        """The call to the agent is over: judge how it ended, and the step of the talk that was left."""
        now, by = entry.at, view.ended_by
        self._up = False
        if self.step("escalate").done:
            self._ended(view, now)
        left = next((name for name in TALK if not self.step(name).done), None)
        if left is not None and not self._failed_with(left, view.id):
            who = "The partner ended the call" if by == "partner" else f"The call ended ({view.end_reason})"
            self._fail(left, f"{who} before this step: {_what_lacked(left)}", now)

    def _failed_with(self, name: str, call: str) -> bool:
        """Whether a step failed by this call already, for a reason of its own."""
        attempts = self.step(name).attempts
        return bool(attempts) and attempts[-1].status == "failed" and attempts[-1].call == call

    def _ended(self, view: CallView, now: float) -> None:
        """Judge the end of the first leg: the BYE, and what the verdict on the call says beyond the other steps."""
        answer = f"with {self._bye}" if self._bye else "by nobody"
        text = "The partner's BYE ended the first leg, before ours." if view.ended_by == "partner" else f"Our BYE was answered {answer}."
        bad = rehearsal_calls.worst_first(rehearsal_calls.found_in(view))
        failed = [one for one in bad if one.get("status") == "fail" and one.get("rule") not in rehearsal_calls.OURS | ELSEWHERE]
        if view.ended_by != "partner" and not self._bye.startswith("2"):
            self._list.fail_step(self.step("ended"), text, now, bad, call=view.id)
        elif failed:
            why = f"{text} The verdict on the call failed: {failed[0].get('rule')}: {failed[0].get('detail') or failed[0].get('title')}"
            self._list.fail_step(self.step("ended"), why, now, failed, call=view.id)
        else:
            self._list.pass_step(self.step("ended"), text, now, call=view.id)

    def interrupted(self, now: float) -> None:
        """Begin anew when the call to the agent was under way while nothing was observed: what came of it is not known."""
        if self.call is not None and not self.step("ended").done and not self.settled:
            self._up = False
            self._list.again(self.steps, now)

    def _pass(self, name: str, text: str, now: float) -> None:
        step = self.step(name)
        if step.state is not StepState.PASSED:
            call = step.call if name == "return" else self.call
            self._list.pass_step(step, text, now, call=call, voice_call=self.voice_call)

    def _fail(self, name: str, why: str, now: float) -> None:
        self._list.fail_step(self.step(name), why, now, call=self.call, voice_call=self.voice_call)


_FOLLOW: Mapping[Kind, Callable[[Journey, Entry, CallView], None]] = {
    Kind.AGENT: Journey._agent,
    Kind.ESCALATION: Journey._escalation,
    Kind.MESSAGE: Journey._message,
    Kind.PARTNER_CHECK: Journey._check,
    Kind.CALL_ENDED: Journey._over,
    Kind.CALL_STATE: lambda journey, entry, view: None,
}


def same_id(one: object, other: object) -> bool:
    """Whether two ids name one record: those of 15 characters leave out the last three of 18."""
    if not isinstance(one, str) or not isinstance(other, str) or not one or not other:
        return False
    return one == other or (min(len(one), len(other)) == SAME_ID and one[:SAME_ID] == other[:SAME_ID])


def _asked_for(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Steps that wait for a request such as this; none: no step does."""
    operation, body = data.get("operation"), data.get("request")
    if operation == "create":
        return ("create", "rep", "linked")
    if operation != "update":
        return ()
    routed = isinstance(body, Mapping) and ("acceptTime" in body or "agent" in body)
    return ("rep", "closed") if routed else ("closed", "rep")


def refusal(data: Mapping[str, Any]) -> str:
    """Say which request was refused, and why."""
    findings = rehearsal_calls.worst_first(data.get("findings") or ())
    answer = data.get("answer")
    said = findings[0] if findings else answer if isinstance(answer, Mapping) else {}
    why = " ".join(filter(None, (f"{said['rule']}:" if said.get("rule") else "", str(said.get("detail") or said.get("message") or ""))))
    path = str(data.get("path") or "")
    path = path if path.startswith(API) else f"{API}{path}"
    return f"{data.get('method')} {path} was refused with {data.get('status')}. {why}".strip()


def _what_lacked(name: str) -> str:
    return {
        "agent": "the agent had not spoken.",
        "customer": "the agent had heard neither speech nor a key.",
        "escalate": "the agent had not escalated.",
    }[name]


def _no_create(view: CallView) -> str:
    told = rehearsal_calls.told(view)
    return (
        f"{told[:1].upper()}{told[1:]} meant the agent, but no voice call was created before it: "
        "POST /telephony/v1/voiceCalls first, and name its voiceCallId in User-to-User."
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
