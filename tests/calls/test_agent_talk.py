"""The agent in a call: every branch of its talk, on a real switchboard, with the events that a leg would tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.calls.agent import TALK, AgentTalk, Input, Talk
from sbc_sim.calls.agents import Agents, AgentSettings, read_text
from sbc_sim.calls.choosing import Choosing
from sbc_sim.calls.faults import FaultTable
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.numbers import NumberTable
from sbc_sim.calls.outputs import Say
from sbc_sim.calls.scenario import Scenario
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegEvent, LegEventKind, Prompt
from sbc_sim.sip.message import Request
from tests.support.sip import Exchange, Placed, an_environment, an_invite

ANOTHER_ORG = b'{"orgId":"00D5i000000ABCD","scrt2Domain":"acme.my.salesforce-scrt.com"}'.hex()
ALL = """\
bounds: {steps: 12, seconds: 100}
always:
  talked 20 s: go tired
  lasted 70 s: go late
  digit 9: go nine
steps:
  hello:
    say: greeting
    when:
      digit 1: go one
      speech: go chat
      silence 5 s: go hurry
      after 40 s: {end: , why: too slow}
  one:
    say: answer
    barge-in: never
    then: go quiet
  quiet:
    when:
      digit any: {escalate: bye+data, why: a key, data: {key: any}}
      silence 5 s: end
  chat:
    say: answer
    barge-in: speech
    when:
      speech: go hello
      silence 5 s: escalate
  hurry:
    say: still-there
    when:
      speech: go chat
      silence 5 s: end
  nine:
    say: goodbye
    when:
      silence 5 s: end
  tired:
    say: handover
    when:
      silence 9 s: end
  late:
    say: goodbye
    then: end
"""


class Talking:
    """A call to an agent that follows a scenario."""

    def __init__(self, text: str | None = None, user: str = "2000", **settings: Any) -> None:
        own = {} if text is None else {"mine": {"steps": {"a": {"then": "end"}}}}
        agents = Agents(AgentSettings(scenario="support" if text is None else "mine"), own)
        if text is not None:
            agents._read["mine"] = read_text(text, "mine.yaml", "mine")
        choosing = Choosing(NumberTable(), FaultTable(), agents)
        self.exchange = Exchange(
            limits=Limits(ring_seconds=0.0, media_timeout_seconds=1000.0, **settings),
            environment=replace(an_environment(), choose=choosing),
        )
        self.call: Placed = self.exchange.line().call(an_invite(uri=f"sip:{user}@sbc.example"))
        self.id = self.exchange.told(Kind.CALL_STARTED)[0].call or ""

    def hear(self, kind: LegEventKind, value: str = "") -> None:
        self.exchange.took(self.exchange.switchboard.heard(self.id, LegEvent(kind, value), self.exchange.now))

    def press(self, digit: str) -> None:
        self.hear(LegEventKind.DIGIT, digit)

    def speak(self, seconds: float) -> None:
        """The other side speaks and makes a pause."""
        self.hear(LegEventKind.SPEECH_BEGAN)
        self.wait(seconds + 0.7)
        if not self.over:
            self.hear(LegEventKind.SPEECH_ENDED, str(round(seconds * 1000)))

    def play(self) -> None:
        """The prompt that plays comes to its end."""
        assert self.prompt is not None, "no prompt plays"
        self.wait(len(self.prompt.pcmu) / 8000)
        self.hear(LegEventKind.PROMPT_OVER, self.prompt.name)

    def wait(self, seconds: float) -> None:
        self.exchange.wait(seconds)

    @property
    def prompt(self) -> Prompt | None:
        """What the leg was last told to play."""
        said = [output.prompt for output in self.exchange.outputs if isinstance(output, Say)]
        return said[-1] if said else None

    @property
    def notes(self) -> list[dict[str, Any]]:
        return [dict(entry.data) for entry in self.exchange.told(Kind.AGENT)]

    @property
    def steps(self) -> list[str]:
        return [note["step"] for note in self.notes if note["event"] == "step"]

    @property
    def end(self) -> dict[str, Any]:
        """The last note, which must be that of the end."""
        assert self.notes[-1]["event"] == "end"
        return self.notes[-1]

    @property
    def over(self) -> bool:
        return any(isinstance(message, Request) and message.method == "BYE" for message in self.call.line.messages)

    def bye(self) -> Request:
        """The BYE that was sent to the partner."""
        return next(m for m in self.call.line.messages if isinstance(m, Request) and m.method == "BYE")

    def ended(self) -> dict[str, Any]:
        """Answer the BYE; give CALL_ENDED."""
        bye = self.bye().headers
        lines = [f"{name}: {bye.first(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
        self.call.line.send(("SIP/2.0 200 OK\r\n" + "\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode())
        return dict(self.exchange.told(Kind.CALL_ENDED)[0].data)


def test_the_usual_talk_goes_from_greeting_to_goodbye_and_ends_without_escalation():
    talk = Talking()
    assert talk.prompt is not None
    assert talk.prompt.pcmu == Scenario.parse({"steps": {"a": {"then": "end"}}}, "x").voice("greeting").pcmu
    talk.play()
    talk.wait(2)
    talk.speak(3)
    talk.play()
    talk.speak(1)
    talk.play()
    assert talk.steps == ["greeting", "answer", "goodbye"]
    assert talk.end["outcome"] == "ended"
    assert "no escalation" in talk.end["text"]
    ended = talk.ended()
    assert (ended["endedBy"], ended["endReason"]) == ("sbc", "agent-ended")
    assert "the agent has ended the call" in (talk.bye().headers.first("Reason") or "")
    findings = talk.exchange.told(Kind.VERDICT)[-1].data["findings"]
    ending = next(finding for finding in findings if finding["rule"] == "SBC-DLG-002")
    assert ending["status"] != "fail"
    assert "without escalating" in ending["detail"], "told apart from an escalation (requirement 115)"


def test_zero_reaches_a_human_even_during_the_greeting_and_the_call_is_escalated():
    talk = Talking()
    talk.wait(1)
    talk.press("0")
    assert talk.steps == ["greeting", "handover"]
    talk.play()
    assert talk.end["outcome"] == "escalation"
    assert talk.end["text"] == "escalation: the caller asked for a human"
    assert talk.ended()["endReason"] == "escalated"


def test_when_nobody_talks_the_agent_speaks_up_and_then_ends():
    talk = Talking()
    talk.play()
    talk.wait(5.9)
    assert talk.steps == ["greeting"]
    talk.wait(0.2)
    assert talk.steps == ["greeting", "still-there"]
    talk.play()
    talk.wait(6.1)
    assert talk.end["text"] == "the call, no escalation: nobody spoke"
    assert [note["text"] for note in talk.notes if note["event"] == "silence"] == ["for 6 s"] * 2
    assert talk.ended()["endReason"] == "agent-ended"


def test_after_much_talk_the_agent_escalates():
    talk = Talking()
    talk.play()
    talk.hear(LegEventKind.SPEECH_BEGAN)
    talk.wait(61)
    assert talk.end["text"] == "escalation: the caller has talked for 60 s"
    assert talk.ended()["endReason"] == "escalated"


def test_the_scenario_escalate_escalates_right_after_its_prompt():
    talk = Talking("steps: {handover: {say: handover, then: escalate}}")
    talk.play()
    assert talk.end["text"] == "escalation: the scenario mine says so"
    assert talk.ended()["endReason"] == "escalated"


def test_the_entries_tell_the_talk_in_words_with_step_and_line():
    talk = Talking(ALL)
    talk.press("1")
    talk.play()
    talk.press("5")
    told = [(note["event"], note["step"], note["text"], note["line"]) for note in talk.notes]
    greeting = "Hello. This is the simulated agent. How can I help you? For a human, press zero."
    answer = "Thank you. I have taken note of that. Is there anything else?"
    assert told == [
        ("step", "hello", "hello", 7),
        ("prompt", "hello", greeting, 7),
        ("digit", "hello", "1, during the prompt", 10),
        ("prompt-over", "hello", "greeting, interrupted by the key 1", 7),
        ("step", "one", "one", 14),
        ("prompt", "one", answer, 14),
        ("prompt-over", "one", "answer", 14),
        ("step", "quiet", "quiet", 18),
        ("digit", "quiet", "5", 20),
        ("end", "quiet", "escalation: a key", 20),
    ]


def test_a_key_without_a_rule_interrupts_nothing():
    talk = Talking(ALL)
    talk.press("7")
    assert talk.steps == ["hello"]
    assert talk.prompt is not None
    assert talk.notes[-1]["text"] == "7, during the prompt: no rule here waits for it"
    talk.play()
    talk.press("7")
    assert talk.notes[-1]["text"] == "7: no rule here waits for it"


def test_a_key_that_nobody_waits_for_is_no_silence():
    talk = Talking(ALL)
    talk.play()
    talk.wait(4)
    talk.press("7")
    talk.wait(4)
    assert talk.steps == ["hello"]
    talk.wait(1.1)
    assert talk.steps == ["hello", "hurry"]


def test_a_prompt_that_must_not_be_interrupted_is_not():
    talk = Talking(ALL)
    talk.press("1")
    talk.press("9")
    assert talk.steps == ["hello", "one"]
    assert talk.notes[-1]["text"].endswith("the prompt is not to be interrupted")


def test_speech_interrupts_only_where_the_step_allows_it():
    talk = Talking(ALL)
    talk.hear(LegEventKind.SPEECH_BEGAN)
    assert talk.prompt is not None, "the greeting goes on"
    talk.hear(LegEventKind.SPEECH_ENDED, "500")
    assert talk.steps == ["hello"]
    talk.play()
    talk.speak(1)
    assert talk.steps == ["hello", "chat"]
    talk.hear(LegEventKind.SPEECH_BEGAN)
    assert talk.prompt is None, "the answer is cut off"
    talk.hear(LegEventKind.SPEECH_ENDED, "800")
    assert talk.steps == ["hello", "chat", "hello"]


def test_speech_that_began_during_the_prompt_counts_when_it_ends_after_it():
    talk = Talking(ALL)
    talk.hear(LegEventKind.SPEECH_BEGAN)
    talk.play()
    talk.wait(6)
    assert talk.steps == ["hello"], "who speaks is not silent"
    talk.hear(LegEventKind.SPEECH_ENDED, "9000")
    assert talk.steps == ["hello", "chat"]


def test_a_step_ends_at_its_deadline_its_prompt_included():
    talk = Talking(ALL)
    talk.wait(39.9)
    assert not talk.over
    talk.wait(0.2)
    assert talk.end["text"] == "the call, no escalation: too slow"


def test_talk_is_added_up_over_steps_and_counts_once():
    talk = Talking(ALL)
    talk.play()
    talk.speak(12)
    assert talk.steps[-1] == "chat"
    talk.hear(LegEventKind.SPEECH_BEGAN)
    talk.wait(7.9)
    assert talk.steps[-1] == "chat"
    talk.wait(0.2)
    assert talk.steps[-1] == "tired"
    talk.hear(LegEventKind.SPEECH_ENDED, "8100")
    talk.play()
    talk.wait(5)
    talk.press("9")
    talk.play()
    talk.wait(3)
    assert talk.steps == ["hello", "chat", "tired", "nine"], "not tired a second time"


def test_a_rule_of_every_step_that_leads_to_where_the_call_is_has_no_effect_there():
    talk = Talking(ALL)
    talk.press("9")
    talk.press("9")
    assert talk.steps == ["hello", "nine"]


def test_a_call_that_lasts_goes_where_the_scenario_says():
    talk = Talking(ALL)
    talk.play()
    talk.press("9")
    talk.hear(LegEventKind.SPEECH_BEGAN)  # never ends, and `talked` leads to a step that waits for silence
    talk.wait(70)
    assert talk.steps == ["hello", "nine", "tired", "late"]


def test_at_the_bound_of_time_the_agent_ends_the_call():
    talk = Talking("bounds: {seconds: 10}\nsteps:\n  a:\n    when: {speech: end}\n")
    talk.wait(10.1)
    assert talk.end["text"] == "the call, no escalation: the scenario ends a call after 10 s (bounds.seconds)"
    assert talk.ended()["endReason"] == "agent-limit"


def test_at_the_bound_of_steps_the_agent_ends_the_call():
    talk = Talking("bounds: {steps: 3}\nsteps:\n  a:\n    when: {digit 1: go b}\n  b:\n    when: {digit 1: go a}\n")
    for _ in range(3):
        talk.press("1")
    assert talk.steps == ["a", "b", "a"]
    assert talk.ended()["endReason"] == "agent-limit"


def test_when_the_partner_hangs_up_the_talk_is_noted_as_ended_by_the_partner():
    talk = Talking()
    talk.call.send("BYE")
    assert talk.end["outcome"] == "partner"
    assert talk.end["text"] == ("the partner ended the call with BYE, and nothing was escalated; it was saying greeting (step greeting)")
    assert dict(talk.exchange.told(Kind.CALL_ENDED)[0].data)["endedBy"] == "partner"
    kinds = [entry.kind for entry in talk.exchange.entries]
    assert kinds.index(Kind.VERDICT) > len(kinds) - 1 - kinds[::-1].index(Kind.AGENT), "noted before the verdict"


def test_a_call_that_the_api_hangs_up_or_escalates_is_noted_as_such():
    talk = Talking()
    talk.play()
    talk.exchange.took(talk.exchange.switchboard.hang_up(talk.id, talk.exchange.now))
    assert (talk.end["outcome"], talk.end["text"]) == ("other", "the call ended (api); it was listening (step greeting)")


def test_a_call_that_the_api_escalates_is_left_to_the_escalation():
    talk = Talking()
    talk.exchange.took(talk.exchange.switchboard.escalate(talk.id, "bye", "by hand", talk.exchange.now))
    assert talk.end["outcome"] == "escalation"
    assert talk.end["text"] == "the call was escalated, but not by the agent; it was saying greeting (step greeting)"
    assert talk.ended()["endReason"] == "escalated"


def test_while_the_call_is_being_given_back_the_agent_is_silent():
    talk = Talking()
    talk.exchange.switchboard._calls[talk.id].evidence.journey.escalated_at = talk.exchange.now
    talk.press("7")
    assert talk.prompt is None
    talk.wait(30)
    assert not talk.over
    assert [note["event"] for note in talk.notes].count("end") == 1


def test_after_the_end_nothing_is_said_any_more():
    talk = Talking()
    talk.press("0")
    talk.play()
    said = len(talk.notes)
    talk.press("0")
    talk.hear(LegEventKind.SPEECH_BEGAN)
    talk.wait(1)
    assert len(talk.notes) == said


def test_the_end_of_a_prompt_that_was_interrupted_in_the_same_moment_is_not_that_of_the_next():
    talk = Talking("steps:\n  a:\n    say: greeting\n    when: {digit 1: go b}\n  b:\n    say: greeting\n    then: end\n")
    first = talk.prompt
    assert first is not None
    talk.press("1")
    talk.hear(LegEventKind.PROMPT_OVER, first.name)
    assert not talk.over
    talk.play()
    assert talk.over


def test_a_prompt_that_is_gone_meanwhile_is_noted_and_the_talk_goes_on(tmp_path: Path):
    from tests.calls.test_prompts import wav

    file = wav(tmp_path / "mine.wav")
    text = f"steps:\n  a:\n    say: greeting\n    then: go b\n  b:\n    say: {file}\n    when: {{digit 1: escalate}}\n"
    talk = Talking(text)
    scenario_prompts = talk.exchange.switchboard._calls[talk.id]._companions[-1]._scenario.voice.__self__
    scenario_prompts._kept.clear()
    file.unlink()
    talk.play()
    assert "cannot be said: the prompt" in talk.notes[-1]["text"]
    talk.press("1")
    assert talk.end["outcome"] == "escalation"


def test_before_the_ack_the_agent_says_nothing_and_has_nothing_to_end():
    exchange = Exchange(environment=replace(an_environment(), choose=Choosing(NumberTable(), FaultTable(), Agents(AgentSettings(), {}))))
    placed = Placed(exchange.line(), an_invite(uri="sip:2000@sbc.example"))
    call = exchange.told(Kind.CALL_STARTED)[0].call or ""
    exchange.took(exchange.switchboard.heard(call, LegEvent(LegEventKind.DIGIT, "0"), exchange.now))
    exchange.wait(5)
    placed.send("BYE")
    assert exchange.told(Kind.AGENT) == []
    assert exchange.told(Kind.CALL_ENDED)


@pytest.mark.parametrize(("user", "user_to_user"), [("2000", None), ("agent", None), ("+15552000", None), ("+4930123", ANOTHER_ORG)])
def test_the_test_number_and_another_org_reach_the_agent(user, user_to_user):
    agents = Agents(AgentSettings(), {})
    exchange = Exchange(environment=replace(an_environment(), choose=Choosing(NumberTable(), FaultTable(), agents)))
    changed = {} if user_to_user is None else {"user_to_user": f"{user_to_user};encoding=hex"}
    exchange.line().call(an_invite(uri=f"sip:{user}@sbc.example", **changed))
    scenario = exchange.told(Kind.SCENARIO)[0].data
    assert scenario["scenario"] == "agent"
    assert scenario["why"].endswith("scenario support")
    assert exchange.started_media()[0].leg.conduct.kind == "agent"
    assert exchange.told(Kind.AGENT)


def test_any_other_call_keeps_the_echo_and_pays_nothing():
    exchange = Exchange(environment=replace(an_environment(), choose=Choosing(NumberTable(), FaultTable(), Agents(AgentSettings(), {}))))
    exchange.line().call()
    assert exchange.told(Kind.SCENARIO)[0].data["scenario"] == "echo"
    assert exchange.started_media()[0].leg.conduct.kind == "echo"
    assert exchange.told(Kind.AGENT) == []


def test_every_state_of_the_talk_can_end_and_nothing_leaves_the_last():
    assert {what for _, what in TALK} == set(Input)
    assert not [pair for pair in TALK if pair[0] is Talk.OVER]
    assert {before for before, what in TALK if what is Input.CALL_OVER} == set(Talk) - {Talk.OVER}
    assert all(hasattr(AgentTalk, action) for action, _ in TALK.values())
