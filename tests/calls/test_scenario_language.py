"""The scenario language: what it says, and that each mistake is told with file, line, step and the nearest word."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim import marked_yaml
from sbc_sim.calls.agents import SHIPPED, Agents, AgentSettings, read_file, read_text
from sbc_sim.calls.conduct import CallFacts
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.region import Place, Region
from sbc_sim.calls.scenario import Action, ActionKind, BargeIn, Condition, Heard, Scenario, ScenarioError
from sbc_sim.calls.scenario_words import condition_of, seconds_of
from sbc_sim.rtp.dtmf import DIGITS

WHOLE = """\
name: shop
about: Sells.
start: hello
bounds: {steps: 20, seconds: 2 min}
always:
  digit 0: {escalate: bye+data, why: asked for a human, data: {queue: sales, attempt: 1}}
steps:
  other:
    say: answer
    then: end
  hello:
    say: greeting
    text: Hello, shop.
    barge-in: speech
    when:
      speech: go other
      digit 1-3: go other
      silence 1500 ms: escalate invite-back
      after 30 s: {go: other, why: too slow}
      talked 20 s: escalate
      lasted 1 min: end that was all
"""


def test_a_scenario_says_what_it_means():
    shop = read_text(WHOLE, "shop.yaml")
    assert (shop.name, shop.about, shop.start, shop.bounds.steps, shop.bounds.seconds) == ("shop", "Sells.", "hello", 20, 120.0)
    assert list(shop.steps) == ["other", "hello"]
    hello = shop.steps["hello"]
    assert (hello.prompt, hello.text, hello.barge_in, hello.line) == ("greeting", "Hello, shop.", BargeIn.SPEECH, 11)
    assert [(rule.condition, str(rule.action), rule.line) for rule in hello.rules] == [
        (Condition(Heard.SPEECH), "go other", 16),
        (Condition(Heard.DIGIT, digits="123"), "go other", 17),
        (Condition(Heard.SILENCE, seconds=1.5), "escalate invite-back", 18),
        (Condition(Heard.AFTER, seconds=30.0), "go other", 19),
        (Condition(Heard.TALKED, seconds=20.0), "escalate", 20),
        (Condition(Heard.LASTED, seconds=60.0), "end", 21),
    ]
    assert hello.rules[-1].action.why == "that was all"
    always = shop.always[0].action
    assert always == Action(ActionKind.ESCALATE, mode="bye+data", why="asked for a human", data={"queue": "sales", "attempt": "1"})
    assert shop.warnings == ()


def test_conditions_are_written_back_as_they_are_read():
    for text in ("digit 0", "digit 1 2 3", "digit any", "speech", "silence 6 s", "after 0.5 s", "talked 60 s", "lasted 300 s"):
        assert str(condition_of(text)) == text


@pytest.mark.parametrize(
    ("text", "keys"), [("digit star", "*"), ("digits 1,2", "12"), ("digit hash #", "#"), ("digit 4-6 0", "0456"), ("DIGIT any", DIGITS)]
)
def test_keys_can_be_named_in_several_ways(text, keys):
    assert condition_of(text).digits == keys


@pytest.mark.parametrize(("text", "seconds"), [("6", 6), ("6s", 6), ("1500 ms", 1.5), ("2 min", 120), ("0.5 s", 0.5)])
def test_times_can_be_written_in_several_ways(text, seconds):
    assert seconds_of(text) == seconds


WRONG = [
    ("stepps: {}", "line 1: 'stepps' is not known here, did you mean 'steps'?"),
    ("about: x", "there are no steps"),
    ("steps: {}", "steps: 0 steps"),
    ("steps: [a]", "a list where a mapping"),
    ("steps:\n  a:\n    say: greeting\n    sya: x\n    then: end", "line 4, step a: 'sya' is not known here, did you mean 'say'?"),
    ("steps:\n  a:\n    say: greting\n    then: end", "line 3, step a: there is no prompt 'greting', did you mean 'greeting'?"),
    ("steps:\n  a:\n    say: greeting", "line 2, step a: nothing follows: add `when`"),
    ("steps:\n  a:\n    text: hello\n    then: end", "line 3, step a: there is text but no prompt"),
    ("steps:\n  a:\n    say: greeting\n    barge-in: sometimes\n    then: end", "line 4, step a: barge-in 'sometimes': there is digits"),
    ("steps:\n  a:\n    then: go b\n  bb:\n    then: end", "line 3, step a: there is no step 'b', did you mean 'bb'?"),
    ("steps:\n  a:\n    then: a", "line 3, step a: 'a' is a step: write `go a`"),
    ("steps:\n  a:\n    then: gone", "'gone' is no action, did you mean 'go'?"),
    ("steps:\n  a:\n    then: go", "go: to which step?"),
    ("steps:\n  a:\n    then:", "nothing stands behind it"),
    ("steps:\n  a:\n    then: [end]", "a list where text belongs"),
    ("steps:\n  a:\n    then: escalate by", "escalate 'by': did you mean 'bye'?"),
    ("steps:\n  a:\n    then: {escalate: , end: }", "one of go, escalate, end is wanted, there is escalate and end"),
    ("steps:\n  a:\n    then: {why: x}", "one of go, escalate, end is wanted, there is none"),
    ("steps:\n  a:\n    then: {end: , data: {a: b}}", "data goes with escalate only"),
    ("steps:\n  a:\n    then: {escalate: , data: {a: [b]}}", "a list where text belongs"),
    ("steps:\n  a:\n    when:\n      speach: end", "line 4, step a: 'speach' is no condition, did you mean 'speech'?"),
    ("steps:\n  a:\n    when:\n      speech 5 s: end", "`talked 5 s` waits for so much of it"),
    ("steps:\n  a:\n    when:\n      silence: end", "how long? For example silence 6 s"),
    ("steps:\n  a:\n    when:\n      silence long: end", "'long' is no time: write 6 s"),
    ("steps:\n  a:\n    when:\n      silence 0 s: end", "'0 s' is out of bounds"),
    ("steps:\n  a:\n    when:\n      after 2 hours: end", "'2 hours' is no time"),
    ("steps:\n  a:\n    when:\n      digit: end", "digit: which one?"),
    ("steps:\n  a:\n    when:\n      digit x: end", "'X' is no key"),
    (
        "steps:\n  a:\n    when:\n      digit any: end\n      digit 1: end",
        "line 5, step a: 'digit 1' never comes true: digit any stands before it",
    ),
    ("steps:\n  a:\n    when:\n      silence 3 s: end\n      silence 6 s: end", "never comes true: silence 3 s stands before it"),
    ("steps:\n  a:\n    when:\n      speech: end\n      speech: end", "line 5: 'speech' stands here a second time; it was in line 4"),
    ("start: b\nsteps:\n  a:\n    then: end", "line 1, start: there is no step 'b'"),
    ("bounds: {steps: many}\nsteps:\n  a:\n    then: end", "'many' is no number of steps"),
    ("bounds: {minutes: 1}\nsteps:\n  a:\n    then: end", "'minutes' is not known here"),
    ("always:\n  digit 1: go x\nsteps:\n  a:\n    then: end", "line 2, always: there is no step 'x'"),
    ("steps:\n  a b:\n    then: end", "a step's name is one word"),
    ("steps: &x {a: {then: end}}\nalways: *x", "the alias *x"),
    ("steps: {", "not YAML"),
    ("- 1", "a list where a mapping"),
    ("", "there are no steps"),
    (f"about: {'x' * 600}\nsteps:\n  a:\n    then: end", "longer than 500 characters"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[told[:50] for _, told in WRONG])
def test_a_mistake_is_told_with_file_line_step_and_the_nearest_word(text, told):
    with pytest.raises(ScenarioError) as refused:
        read_text(text, "mine.yaml")
    assert str(refused.value).startswith("mine.yaml")
    assert told in str(refused.value)


def test_a_round_of_steps_that_never_listen_is_refused():
    text = "steps:\n  in:\n    then: go a\n  a:\n    say: greeting\n    then: go b\n  b:\n    say: answer\n    then: go a\n"
    with pytest.raises(ScenarioError, match=r"mine.yaml, line 4, step a: a -> b -> a goes round without ever listening"):
        read_text(text, "mine.yaml")


def test_what_is_odd_but_can_be_used_is_a_warning():
    text = "steps:\n  a:\n    say: greeting\n    when:\n      speech: end\n  b:\n    then: end\n"
    assert read_text(text, "mine.yaml").warnings == (
        "mine.yaml, line 2, step a: it waits without a limit of time: add `silence 6 s` or `after 30 s`, or the call ends here after 600 s",
        "mine.yaml, line 6, step b: no step leads here",
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_scenarios_have_nothing_odd(name):
    scenario = Agents(AgentSettings(), {}).scenario(name)
    assert scenario.name == name
    assert scenario.about
    assert scenario.warnings == ()
    assert all(scenario.voice(step.prompt).pcmu for step in scenario.steps.values())


def test_a_scenario_in_the_settings_knows_its_lines_too():
    settings = marked_yaml.read("scenarios:\n  mine:\n    steps:\n      a:\n        then: go b\n").data()
    with pytest.raises(ScenarioError, match=r"scenarios.mine, line 5, step a: there is no step 'b'"):
        Agents(AgentSettings(scenario="mine"), settings["scenarios"]).check()


def test_plain_data_is_read_without_lines():
    scenario = Scenario.parse({"bounds": {"seconds": 30}, "steps": {"a": {"barge-in": False, "when": {"digit 1": "end"}}}}, "there")
    assert scenario.bounds.seconds == 30.0
    assert scenario.steps["a"].barge_in is BargeIn.NEVER
    with pytest.raises(ScenarioError, match=r"^there, step a: there is no step 'b'"):
        Scenario.parse({"steps": {"a": {"then": "go b"}}}, "there")


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["go a", "end", "escalate", "greeting"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "steps",
                    "a",
                    "b",
                    "say",
                    "text",
                    "when",
                    "then",
                    "always",
                    "bounds",
                    "digit 1",
                    "speech",
                    "silence 1 s",
                    "go",
                    "end",
                    "data",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_values)
def test_any_data_is_a_scenario_or_a_sentence(data):
    told = ""
    try:
        scenario = Scenario.parse(data, "there")
    except ScenarioError as error:
        told = str(error)
    assert told.startswith("there") if told else scenario.steps


def _facts(partner: str = "", region: str = "") -> CallFacts:
    place = Place(Region(region) if region else None, Partner(partner) if partner else None)
    return CallFacts("c", "2000", None, place)


def test_the_scenario_of_a_partner_goes_before_that_of_a_region_and_that_before_the_usual_one():
    agents = Agents(
        AgentSettings(by_partner={"acme": "escalate"}, by_region={"tokyo": "mine"}), {"mine": {"steps": {"a": {"then": "end"}}}}
    )
    assert agents.choose(_facts()) == "support"
    assert agents.choose(_facts(region="tokyo")) == "mine"
    assert agents.choose(_facts("acme", "tokyo")) == "escalate"
    conduct = agents(_facts("acme"))
    assert (conduct.scenario, conduct.why, conduct.media.kind) == ("agent", "scenario escalate", "agent")
    assert conduct.agent is agents(_facts("acme")).agent


def test_a_scenario_that_is_not_there_is_told_at_the_start():
    with pytest.raises(ScenarioError, match=r"agent.by_region.tokyo: there is no scenario 'suport', did you mean 'support'"):
        Agents(AgentSettings(by_region={"tokyo": "suport"}), {})


def test_a_scenario_in_a_file_finds_its_prompts_beside_it(tmp_path: Path):
    with wave.open(str(tmp_path / "beep.wav"), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(b"\x00\x10" * 800)
    file = tmp_path / "mine.yaml"
    file.write_text("steps:\n  a:\n    say: beep.wav\n    then: end\n")
    scenario = Agents(AgentSettings(scenario="mine"), {"mine": str(file)}).scenario("mine")
    assert len(scenario.voice("beep.wav").pcmu) == 800
    assert scenario.steps["a"].text == "beep.wav"


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path):
    with pytest.raises(ScenarioError, match=r"gone.yaml cannot be read: No such file"):
        read_file(tmp_path / "gone.yaml")
    (tmp_path / "octets.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match=r"octets.yaml: not UTF-8 text"):
        read_file(tmp_path / "octets.yaml")


def test_the_scenario_of_the_documents_can_be_used(tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs" / "agent.md").read_text(encoding="utf-8")
    text = next(block for block in page.split("```yaml\n")[1:] if block.startswith("# mine.yaml")).partition("```")[0]
    with wave.open(str(tmp_path / "hello.wav"), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(b"\x00\x10" * 800)
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    scenario = read_file(file)
    assert list(scenario.steps) == ["hello", "hurry", "thanks", "bye", "human"]
    assert scenario.warnings == ()
