"""The end-to-end test of a rehearsal. Records and partner checks are told by the code that tells them; the rest is as calls write it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from sbc_sim.calls.conduct import CallFacts, Conduct
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.partner_check import check_data
from sbc_sim.calls.region import Place
from sbc_sim.calls.rehearsal import Rehearsal
from sbc_sim.calls.rehearsal_plan import Wanted
from sbc_sim.calls.rehearsals import Rehearsals, rehearsed
from sbc_sim.calls.scenario import Scenario
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.rules.journey import Journey
from sbc_sim.telephony.record import VoiceCall
from sbc_sim.telephony.states import VoiceCallState

START = 1_700_000_000.0
ORG, RECORD, KEY = "00D5i00000ABCDE", "0LQ000000000001AAA", "conv-1"


class Run:
    """One rehearsal, and the journal that it observes; each deed is a second after the one before."""

    def __init__(self, mode: str = "bye", **more: Any) -> None:
        self.now = START
        self.rehearsals = Rehearsals(lambda now: "r1", {"acme": Partner("acme")})
        wanted = Wanted("acme", ("frankfurt",), ("end-to-end",), (mode,), **more)
        self.one: Rehearsal = self.rehearsals.begin(wanted, START)[0]
        self.store = MemoryStore()
        self.record = VoiceCall(RECORD, KEY, ORG, "CC", "acme", START, START)
        self.mode, self.call = mode, "call-1"

    def tell(self, kind: Kind, call: str | None, data: dict[str, Any]) -> None:
        self.now += 1
        entry = Entry(self.now, kind, call, data)
        self.store.append(entry)
        if self.rehearsals.wants(entry):
            self.rehearsals.observe(entry, self.store.call(call) if call else None)

    def request(self, operation: str = "create", status: int = 201, **more: Any) -> None:
        told = {
            "method": "POST", "path": "/telephony/v1/voiceCalls", "operation": operation, "status": status, "voiceCallId": self.record.id,
            "vendorCallKey": KEY, "org": ORG, "partner": "acme", "request": {"from": "+15550111"}, "answer": {}, "findings": [],
        }  # fmt: skip
        self.tell(Kind.TELEPHONY, None, {**told, **more})

    def invite(self, voice_call: str | None = RECORD, scenario: str = "agent", org: str = ORG, **started: Any) -> None:
        about = {"direction": "inbound", "requestUri": "sip:2000@sbc", "region": "frankfurt", "partner": "acme", "from": "", "to": ""}
        self.tell(Kind.CALL_STARTED, self.call, {**about, **started})
        fields = {"orgId": org, "scrt2Domain": "d", "voiceCallId": voice_call} if voice_call else {"orgId": org, "scrt2Domain": "d"}
        named = {"orgId": "orgId", "scrt2Domain": "scrt2Domain", "callId": "voiceCallId"}
        self.tell(Kind.UUI, self.call, {"raw": "7b", "fields": fields, "named": named, "isEcho": False})
        self.tell(Kind.SCENARIO, self.call, {"scenario": scenario, "why": f"User-to-User names org {org}", "faults": []})

    def answer(self) -> None:
        self.tell(Kind.MEDIA_AGREED, self.call, {"codec": "PCMU", "suite": "AES_CM_128_HMAC_SHA1_80"})
        self.tell(Kind.CALL_STATE, self.call, {"state": "answered"})

    def talk(self, *events: str) -> None:
        for event in events:
            self.tell(Kind.AGENT, self.call, {"event": event, "step": "greet", "text": f"{event} it was", "line": 1})

    def escalate(self, state: str = "began", **more: Any) -> None:
        self.tell(Kind.ESCALATION, self.call, {"state": state, "text": "", "mode": self.mode, "why": "the caller asked", **more})

    def end(self, answer: int | None = 200, by: str = "sbc") -> None:
        if answer is not None:
            self.tell(Kind.MESSAGE, self.call, {"direction": "in", "method": "BYE", "status": answer, "reason": "OK"})
        reason = "escalated" if by == "sbc" else "normal"
        self.tell(Kind.CALL_ENDED, self.call, {"endedBy": by, "endReason": reason, "state": "ended", "status": None})

    def check(self, by: str = "rest", **known: Any) -> None:
        journey = Journey(checked="waiting")
        for name, value in known.items():
            setattr(journey, name, value)
        self.tell(Kind.PARTNER_CHECK, self.call, check_data(journey, by))

    def close(self) -> None:
        self.tell(Kind.VOICE_CALL, None, replace(self.record, state=VoiceCallState.CLOSED, closed_at=self.now).data())

    def return_leg(self, answered: bool = True) -> None:
        self.escalate("calling")
        if not answered:
            self.escalate("failed", text="192.0.2.9:5061: connection refused")
            return
        self.tell(Kind.CALL_STARTED, "call-2", {"direction": "outbound", "escalationOf": self.call, "partner": "acme", "requestUri": ""})
        self.tell(Kind.MEDIA_AGREED, "call-2", {"codec": "PCMU", "suite": "AES_CM_128_HMAC_SHA1_80"})
        self.tell(Kind.CALL_STATE, "call-2", {"state": "answered"})

    def to_the_talk(self) -> None:
        self.request()
        self.invite()
        self.answer()

    def to_the_talk_of(self, record: str) -> None:
        self.record = replace(self.record, id=record)
        self.request()
        self.invite(record)
        self.answer()

    def to_the_end_of_the_leg(self) -> None:
        self.to_the_talk()
        self.talk("prompt", "prompt-over", "speech")
        self.escalate()
        if self.mode == "invite-back":
            self.return_leg()
        self.end()

    def states(self) -> dict[str, str]:
        return {step.kind: step.state.value for step in self.one.steps.values()}

    def failed(self) -> list[str]:
        return [kind for kind, state in self.states().items() if state == "failed"]

    def why(self, kind: str) -> str:
        return self.one.steps[f"e2e-{self.mode}/{kind}"].why


@pytest.mark.parametrize("mode", ["bye", "invite-back"])
def test_the_whole_way_passes_step_by_step(mode: str) -> None:
    run = Run(mode)
    run.to_the_end_of_the_leg()
    run.check(customer_alive=True)
    run.check(customer_alive=True, rep_reached=True, linked=True)
    run.close()
    assert set(run.states().values()) == {"passed"}
    assert run.one.state == "passed"
    steps = run.one.steps
    assert steps[f"e2e-{mode}/create"].voice_call == RECORD
    assert steps[f"e2e-{mode}/invite"].call == "call-1"
    assert steps[f"e2e-{mode}/agent"].attempts[-1].text == "Prompt-over it was."
    assert steps[f"e2e-{mode}/ended"].attempts[-1].text == "Our BYE was answered with 200 OK."
    if mode == "invite-back":
        assert steps["e2e-invite-back/return"].call == "call-2"


def test_the_steps_wait_one_after_the_other() -> None:
    run = Run()
    assert [kind for kind, state in run.states().items() if state == "waiting"] == ["create"]
    run.request()
    assert [kind for kind, state in run.states().items() if state == "waiting"] == ["invite"]
    run.invite()
    run.answer()
    assert [kind for kind, state in run.states().items() if state == "waiting"] == ["agent"]
    assert run.one.steps["e2e-bye/agent"].missing == ["The agent has not spoken yet."]


def test_a_call_without_a_voice_call_before_it_fails_the_creation_and_nothing_else() -> None:
    run = Run(tries=1)
    run.invite(None)
    run.answer()
    run.talk("prompt-over")
    assert run.failed() == ["create"]
    assert "meant the agent, but no voice call was created before it: POST /telephony/v1/voiceCalls first" in run.why("create")
    assert run.one.state == "failed"


def test_a_refused_request_is_a_try_of_the_step_that_waits_for_one() -> None:
    run = Run()
    finding = {"rule": "SBC-E2E-016", "status": "fail", "detail": "exp is an hour ago"}
    run.request(status=401, findings=[finding], partner=None)
    create = run.one.steps["e2e-bye/create"]
    assert create.why == "POST /telephony/v1/voiceCalls was refused with 401. SBC-E2E-016: exp is an hour ago"
    assert create.attempts[0].findings == [{**finding, "evidence": ""}]
    run.request()
    assert (create.state, create.tried) == ("passed", 2)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda run: run.invite("0LQ000000000009AAA"),
            f"does not name the voice call {RECORD} that was created: it names 0LQ000000000009AAA",
        ),
        (lambda run: run.invite(None), "it names none"),
        (lambda run: run.invite(scenario="echo"), "It reached the echo and not the agent"),
        (lambda run: run.invite(region="london"), "It reached the region london, which is none of this rehearsal."),
    ],
)
def test_a_call_that_is_not_the_right_one_fails_the_invite_with_the_reason(prepare: Any, words: str) -> None:
    run = Run(tries=1)
    run.request()
    prepare(run)
    run.answer()
    run.talk("prompt-over", "speech")
    run.end(by="partner")
    assert (run.failed(), run.states()["agent"]) == (["invite"], "skipped")
    assert words in run.why("invite")


def test_a_finding_about_the_flow_fails_the_invite() -> None:
    run = Run(tries=1)
    run.request()
    run.invite()
    run.tell(Kind.FINDING, run.call, {"rule": "SBC-E2E-003", "status": "fail", "detail": "orgId is another"})
    run.answer()
    assert (run.failed(), run.why("invite")) == (["invite"], "SBC-E2E-003: orgId is another")


def test_a_refused_call_fails_the_invite_with_the_rule() -> None:
    run = Run(tries=1)
    run.request()
    run.invite()
    run.tell(Kind.FINDING, run.call, {"rule": "SBC-SDP-006", "status": "fail", "detail": "No common codec."})
    run.tell(Kind.CALL_ENDED, run.call, {"endedBy": "sbc", "endReason": "refused", "state": "rejected", "status": 488})
    assert (run.failed(), run.why("invite")) == (["invite"], "It was refused with 488 by SBC-SDP-006: No common codec.")


@pytest.mark.parametrize(
    ("events", "by", "failed", "words"),
    [
        ((), "partner", "agent", "The partner ended the call before this step: the agent had not spoken."),
        (("prompt-over",), "partner", "customer", "the agent had heard neither speech nor a key."),
        (("prompt-over", "digit"), "sbc", "escalate", "The call ended (escalated) before this step: the agent had not escalated."),
    ],
)
def test_a_call_that_ends_too_early_fails_the_step_that_was_next(events: tuple[str, ...], by: str, failed: str, words: str) -> None:
    run = Run(tries=1)
    run.to_the_talk()
    run.talk(*events)
    run.end(by=by)
    assert run.failed() == [failed]
    assert words in run.why(failed)


def test_another_way_of_escalation_than_the_one_that_is_rehearsed_fails() -> None:
    run = Run("invite-back", tries=1)
    run.to_the_talk()
    run.talk("prompt-over", "speech")
    run.escalate(mode="bye")
    assert run.why("escalate") == "The call was given back by BYE; this part rehearses a new INVITE."


@pytest.mark.parametrize(("answer", "words"), [(481, "Our BYE was answered with 481 OK."), (None, "Our BYE was answered by nobody.")])
def test_a_bye_that_is_not_answered_with_200_fails(answer: int | None, words: str) -> None:
    run = Run(tries=1)
    run.to_the_talk()
    run.talk("prompt-over", "speech")
    run.escalate()
    run.end(answer)
    assert (run.failed(), run.why("ended")) == (["ended"], words)


def test_a_return_that_fails_leaves_the_first_leg_in_order() -> None:
    run = Run("invite-back", tries=1)
    run.to_the_talk()
    run.talk("prompt-over", "speech")
    run.escalate()
    run.return_leg(answered=False)
    run.end()
    assert (run.failed(), run.states()["ended"]) == (["return"], "passed")
    assert run.why("return") == "192.0.2.9:5061: connection refused."
    assert run.states()["customer-alive"] == "skipped"


@pytest.mark.parametrize(
    ("known", "by", "failed", "words"),
    [
        ({"customer_alive": False}, "api", "customer-alive", "The customer's leg was dropped. The partner treated BYE as end of call"),
        ({"customer_alive": True, "rep_reached": True, "linked": False}, "rest", "linked", "does not refer to the agent's voice call"),
        ({"customer_alive": True, "checked": "late"}, "deadline", "rep", "Nothing told of it in time"),
        ({"checked": "late"}, "deadline", "customer-alive", "Nothing told of it in time (escalation.check_seconds)."),
    ],
)
def test_the_partner_check_fails_the_first_thing_that_does_not_hold(known: dict[str, Any], by: str, failed: str, words: str) -> None:
    run = Run(tries=1)
    run.to_the_end_of_the_leg()
    run.check(by, **known)
    run.close()
    assert (run.failed(), run.states()["closed"]) == ([failed], "passed")
    assert words in run.why(failed)


def test_a_rep_s_voice_call_is_no_new_beginning() -> None:
    run = Run()
    run.to_the_end_of_the_leg()
    run.request(request={"parentVoiceCallId": RECORD}, voiceCallId="0LQ000000000002AAA")
    assert run.one.steps["e2e-bye/create"].voice_call == RECORD


def test_after_a_failure_a_new_voice_call_begins_the_way_anew_and_can_pass() -> None:
    run = Run()
    run.to_the_talk()
    run.end(by="partner")
    assert run.failed() == ["agent"]
    run.call, run.record = "call-2b", replace(run.record, id="0LQ000000000007AAA")
    run.request()
    assert {name: run.states()[name] for name in ("create", "invite")} == {"create": "passed", "invite": "waiting"}
    run.invite("0LQ000000000007AAA")
    run.answer()
    run.talk("prompt-over", "speech")
    run.escalate()
    run.end()
    run.check(customer_alive=True, rep_reached=True, linked=True)
    run.close()
    assert run.one.state == "passed"
    assert run.one.steps["e2e-bye/invite"].call == "call-2b"
    assert run.one.steps["e2e-bye/agent"].tried == 2


def test_the_agent_gives_calls_back_as_the_test_under_way_wants_it() -> None:
    run = Run("invite-back")
    agent = Conduct("agent", agent=cast(Scenario, object()))
    facts = CallFacts("c", "2000", None, Place(partner=Partner("acme")))
    chosen = rehearsed(lambda facts, now: agent, run.rehearsals)
    assert chosen(facts, START).escalate_mode == "invite-back"
    assert rehearsed(lambda facts, now: replace(agent, escalate_mode="bye"), run.rehearsals)(facts, START).escalate_mode == "bye"
    assert rehearsed(lambda facts, now: Conduct(), run.rehearsals)(facts, START).escalate_mode == ""
    run.one.stop(run.now)
    assert chosen(facts, START).escalate_mode == ""


def test_a_record_that_is_closed_while_the_call_is_up_fails_the_closing_with_the_rule() -> None:
    run = Run(tries=1)
    run.to_the_talk()
    run.talk("prompt-over", "speech")
    run.close()
    run.escalate()
    run.end()
    run.check(customer_alive=True, rep_reached=True, linked=True)
    assert (run.failed(), run.one.state) == (["closed"], "failed")
    assert run.why("closed").startswith(
        f"SBC-E2E-013: The voice call {RECORD} was closed 3.0 s after the answer, while its SIP call was up"
    )
    assert run.one.steps["e2e-bye/closed"].attempts[-1].findings[0]["rule"] == "SBC-E2E-013"


def test_a_record_that_is_closed_as_soon_as_the_call_is_given_back_is_in_order() -> None:
    run = Run(tries=1)
    run.to_the_talk()
    run.talk("prompt-over", "speech")
    run.escalate()
    run.close()
    run.end()
    assert run.states()["closed"] == "passed"


@pytest.mark.parametrize(("rule", "failed"), [("SBC-SRTP-001", ["ended"]), ("SBC-MEDIA-020", []), ("SBC-E2E-021", [])])
def test_what_fails_in_the_verdict_fails_the_end_of_the_call_unless_it_is_ours_or_a_step_of_its_own(rule: str, failed: list[str]) -> None:
    run = Run(tries=1)
    run.to_the_talk()
    run.talk("prompt-over", "speech")
    run.escalate()
    finding = {"rule": rule, "status": "fail", "severity": "must", "title": "t", "detail": "It did not hold.", "evidence": []}
    run.tell(Kind.FINDING, run.call, finding)
    run.end()
    assert run.failed() == failed
    if failed:
        assert run.why("ended") == f"Our BYE was answered with 200 OK. The verdict on the call failed: {rule}: It did not hold."


def test_a_silent_caller_fails_that_step_and_no_second_one() -> None:
    run = Run(tries=1)
    run.to_the_talk()
    run.talk("prompt-over")
    run.escalate()
    run.end()
    run.check(customer_alive=True, rep_reached=True, linked=True)
    run.close()
    assert (run.failed(), run.states()["ended"], run.one.state) == (["customer"], "passed", "failed")


def test_a_step_left_out_by_somebody_does_not_hide_how_the_call_ended() -> None:
    run = Run(tries=1)
    run.to_the_talk()
    run.one.skip("e2e-bye/customer", run.now)
    run.talk("prompt-over")
    run.escalate()
    run.end(answer=481)
    assert run.failed() == ["ended"]


def test_the_reason_of_the_wrong_mode_is_kept_when_the_call_ends() -> None:
    run = Run()
    run.to_the_talk()
    run.talk("prompt-over", "speech")
    run.escalate(mode="refer")
    run.end()
    assert (run.failed(), run.why("escalate")) == (["escalate"], "The call was given back by REFER; this part rehearses BYE.")


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({"operation": "messages", "path": "/telephony/v1/voiceCalls/x/messages"}, None),
        ({"operation": "omniFlow", "method": "PATCH"}, None),
        ({"operation": "update", "method": "PATCH", "request": {"endTime": 1}}, "closed"),
    ],
)
def test_a_refused_request_fails_the_step_of_its_sort_and_is_a_note_otherwise(more: dict[str, Any], step: str | None) -> None:
    run = Run()
    run.to_the_end_of_the_leg()
    run.request(status=400, findings=[{"rule": "SBC-E2E-017", "status": "fail", "detail": "wrong"}], **more)
    assert run.failed() == ([step] if step else [])
    assert ["It belongs to no step" in note["text"] for note in run.one.notes] == ([] if step else [True])


def test_a_refused_acceptance_fails_the_rep_and_not_the_closing() -> None:
    run = Run()
    run.to_the_end_of_the_leg()
    run.check(customer_alive=True)
    run.request("update", 400, method="PATCH", request={"acceptTime": "soon", "agent": "7"})
    assert run.failed() == ["rep"]


def test_a_rep_s_record_without_its_parent_fails_the_link_and_begins_nothing_anew() -> None:
    run = Run()
    run.to_the_end_of_the_leg()
    run.check(by="deadline")
    run.request(voiceCallId="0LQ000000000007AAA", vendorCallKey="conv-1-rep")
    assert run.failed() == ["customer-alive", "linked"]
    assert run.one.steps["e2e-bye/create"].voice_call == RECORD
    assert (
        "does not refer to the agent's voice call 0LQ000000000001AAA: 0LQ000000000007AAA was created without parentVoiceCallId"
        in run.why("linked")
    )
    run.check(customer_alive=True, rep_reached=True, linked=True)
    run.close()
    assert run.one.state == "passed"


def test_a_rep_who_comes_after_the_window_of_the_check_passes_the_step_and_is_told_with_the_delay() -> None:
    run = Run()
    run.to_the_end_of_the_leg()
    run.check(customer_alive=True)
    run.check(by="deadline", customer_alive=True)
    assert run.failed() == ["rep"]
    run.check(customer_alive=True, rep_reached=True, linked=True, late={"rep_reached": 12.04, "linked": 12.04})
    rep = run.one.steps["e2e-bye/rep"]
    assert (rep.state, rep.attempts[-1].text) == ("passed", "A rep took the call (known by REST 12 s after escalation.check_seconds).")
    run.close()
    assert run.one.state == "passed"


def test_a_second_journey_while_the_first_waits_is_noted_and_retrying_the_creation_begins_anew() -> None:
    run = Run()
    run.to_the_end_of_the_leg()
    run.check(customer_alive=True, rep_reached=True, linked=True)
    run.call, run.record = "call-9", replace(run.record, id="0LQ000000000009AAA")
    run.request(vendorCallKey="conv-9")
    run.invite(run.record.id)
    run.answer()
    run.end(by="partner")
    assert [note["call"] for note in run.one.notes] == [None, "call-9"]
    assert all(note["text"].startswith("It belongs to no step: ") for note in run.one.notes)
    assert (run.failed(), run.states()["closed"]) == ([], "waiting")
    run.one.retry("e2e-bye/create", run.now)
    run.call = "call-10"
    run.to_the_talk_of("0LQ000000000009AAA")
    assert run.one.steps["e2e-bye/invite"].call == "call-10"
    assert run.states()["agent"] == "waiting"


@pytest.mark.parametrize(("partners", "failed"), [(("acme",), ["create"]), (("acme", "zen"), [])])
def test_a_refused_request_of_nobody_counts_for_a_single_partner_alone(partners: tuple[str, ...], failed: list[str]) -> None:
    run = Run()
    run.one.known = partners
    run.request(status=401, partner=None, findings=[{"rule": "SBC-E2E-016", "status": "fail", "detail": "no Authorization"}])
    assert run.failed() == failed
    assert len(run.one.notes) == 1 - len(failed)


def test_the_vendor_call_key_names_the_voice_call_and_words_about_it_do_not() -> None:
    for key, state in ((KEY, "passed"), ("created,", "failed")):
        run = Run()
        run.request()
        run.invite(key)
        run.answer()
        assert run.states()["invite"] == state
        assert run.one.steps["e2e-bye/create"].data()["vendorCallKey"] == KEY


def test_a_call_that_was_up_while_nothing_counted_does_not_count_and_the_test_begins_anew() -> None:
    run = Run()
    run.to_the_talk()
    run.one.stop(run.now)
    run.one.resume(run.now + 5)
    assert {name: run.states()[name] for name in ("create", "agent")} == {"create": "waiting", "agent": "pending"}
    run.now += 5
    run.request()
    run.end(by="partner")
    assert run.failed() == []
    assert "came before this rehearsal began, or was resumed" in run.one.notes[-1]["text"]
    run.call = "call-2b"
    run.invite()
    run.answer()
    assert run.states()["agent"] == "waiting"
