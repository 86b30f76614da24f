from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from sbc_sim.exports.journey import agent_text, check_text, escalation_text, fault_text
from sbc_sim.exports.junit import junit_xml
from sbc_sim.exports.ladder import build_ladder
from sbc_sim.exports.ladder_mermaid import ladder_mermaid
from sbc_sim.exports.ladder_rows import Shape
from sbc_sim.exports.ladder_svg import ladder_svg
from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.exports.redacted import Redaction, redacted
from sbc_sim.exports.report import report_data, report_schema
from sbc_sim.exports.report_html import report_html
from sbc_sim.exports.report_text import journey_text, verdict_text
from tests.support.documents import a_good_call, trace_of
from tests.support.flow import CUSTOMER, FINDING, KEY, ORG, SIGNATURE, first_leg, second_leg

SHARE, STRICT, NONE = Redaction.SHARE, Redaction.STRICT, Redaction.NONE
VALID = jsonschema_rs.validator_for(report_schema())
TOLD = (
    "reaches agent: User-to-User names org",
    "voice call 0LQ000000000001AAA, key conv-7f3e is routed",
    'agent says: "Hello, how can I help?"',
    "PATCH /voiceCalls/conv-7f3e/omniFlow (200)",
    "agent hears the key: 7",
    "gives the call back by an INVITE to the partner: digit 7 was pressed",
    "calls the partner: at back.acme.example:5061, call c2",
    "the partner has the call: call c2",
    "partner check: the customer's leg lives, a human rep was reached, the rep's voice call is not linked",
)


def test_the_ladder_has_a_row_for_all_that_goes_with_a_call_in_its_order() -> None:
    labels = [row.label for row in build_ladder(first_leg()).rows]
    places = [next(place for place, label in enumerate(labels) if told in label) for told in TOLD]
    assert places == sorted(places)
    assert sum("voice call 0LQ000000000001AAA" in label for label in labels) == 1, "what has not changed is not told twice"
    assert not any("greeting" in label for label in labels), "steps and ends of prompts are told by their prompts"


def test_a_rest_request_is_an_arrow_from_the_partner_with_its_findings_beside_it() -> None:
    ladder = build_ladder(first_leg())
    (row,) = [row for row in ladder.rows if "omniFlow" in row.label]
    assert (row.shape, row.inbound, row.message) == (Shape.ARROW, True, None)
    assert [mark.rule for mark in row.marks] == ["SBC-E2E-002"]
    assert [mark.rule for other in ladder.rows if other is not row for mark in other.marks] == []
    assert not ladder.loose_marks, "a finding stands in one place"


def test_every_drawing_tells_the_whole_flow() -> None:
    trace = first_leg()
    text, svg, mermaid = (
        " ".join(re.sub("<[^>]*>", " ", drawn).split()) for drawn in (ladder_text(trace, 120), ladder_svg(trace), ladder_mermaid(trace))
    )
    for drawn in (text, svg, mermaid):
        assert "region frankfurt, chosen by SNI" in drawn
        assert "how can I help?" in drawn
        assert "omniFlow (200)" in drawn
        assert "wrong on purpose" in drawn
        assert "a human rep was reached" in drawn


def test_the_second_leg_refers_to_the_first_one_and_no_verdict_is_missed() -> None:
    trace = second_leg()
    assert "gives back the call c1" in ladder_text(trace)
    assert report_data(trace, None, NONE)["conclusion"]["sentence"] == "The call gives back call c1, and is judged with that one."


def test_an_echo_call_tells_nothing_of_a_flow() -> None:
    trace = a_good_call()
    assert journey_text(trace.call) == ""
    assert report_data(trace, None, NONE)["journey"]["any"] is False
    assert "The whole flow" not in report_html(trace, None, NONE)


@pytest.mark.parametrize("level", list(Redaction))
def test_the_report_tells_the_flow_and_keeps_its_schema(level: Redaction) -> None:
    data = report_data(first_leg(), None, level)
    VALID.validate(data)
    journey = data["journey"]
    assert (journey["region"], journey["chosenBy"], journey["scenario"]) == ("frankfurt", "SNI", "agent")
    assert [event["event"] for event in journey["agent"]] == ["step", "prompt", "prompt-over", "digit"]
    assert journey["escalation"]["mode"] == "invite-back"
    assert len(journey["words"]["escalation"]) == 4
    assert len(journey["requests"]) == 1
    assert [guess["rule"] for guess in data["guesses"]] == ["SBC-E2E-002"]


def test_the_report_lists_the_parameters_for_the_flow_without_those_that_salesforce_reads() -> None:
    assert report_data(first_leg(), None, NONE)["journey"]["flowInput"] == {"loyalty": "gold"}


def test_the_html_of_the_report_tells_every_part_and_which_findings_rest_on_guesses() -> None:
    html = report_html(first_leg(), None, NONE)
    for told in ("chosen by", "how can I help?", "loss (value 0.02, seed 7", "omniFlow (200)", "X-Customer: Ann Miller", "loyalty", "gold"):
        assert told in html, told
    assert "rests on a guess about the real SBC" in html


def test_junit_names_scenario_region_faults_voice_call_escalation_and_guesses() -> None:
    told = {one.get("name"): one.get("value") for one in ElementTree.fromstring(junit_xml((first_leg(),))).iter("property")}
    assert (told["region"], told["regionChosenBy"], told["scenario"], told["guesses"]) == ("frankfurt", "SNI", "agent", "SBC-E2E-002")
    assert told["escalation"].startswith("escalation by an INVITE to the partner (digit 7 was pressed): began > calling > data > returned")
    assert "loss" in told["faults"]
    assert "0LQ000000000001AAA" in told["voiceCall"]


def test_the_terminal_tells_the_flow_in_a_few_lines_and_what_rests_on_a_guess() -> None:
    lines = journey_text(first_leg().call).splitlines()
    assert lines[0] == "region frankfurt, chosen by SNI"
    assert any(line.startswith("escalation by an INVITE to the partner") for line in lines)
    assert "resting on a guess about the real SBC: SBC-E2E-002" in verdict_text(first_leg().call.verdict or {})


# --- redaction ------------------------------------------------------------------------------------------------------------


def everything(level: Redaction) -> str:
    trace = redacted(first_leg(), level)
    call = trace.call
    held = [[entry.data for entry in trace.entries], call.summary(), call.agent, call.voice_call, call.escalation, call.verdict]
    return json.dumps(held) + json.dumps(report_data(first_leg(), None, level)) + report_html(first_leg(), None, level)


@pytest.mark.parametrize("secret", [SIGNATURE, CUSTOMER, "4930123456", "k-123456789"])
def test_share_hides_tokens_keys_and_numbers_in_everything_that_goes_with_a_call(secret: str) -> None:
    assert secret in everything(NONE)
    assert secret not in everything(SHARE)


def test_share_hides_which_key_was_pressed_and_leaves_what_colleagues_need() -> None:
    shown = everything(SHARE)
    assert "digit 7" not in shown
    assert '"text": "7"' not in shown
    for kept in (ORG, KEY, "Hello, how can I help?", "back.acme.example:5061", "AcmeCentre", "acme", "loyalty"):
        assert kept in shown, kept


@pytest.mark.parametrize(
    "secret", [SIGNATURE, CUSTOMER, "4930123456", "k-123456789", ORG, KEY, "AcmeCentre", "Ann Miller", "acme", "how can I help", "digit 7"]
)
def test_strict_hides_who_talked_about_what_too(secret: str) -> None:
    assert secret in everything(NONE)
    assert secret not in everything(STRICT)


def test_strict_leaves_the_shape_of_the_flow() -> None:
    trace = redacted(first_leg(), STRICT)
    labels = [row.label for row in build_ladder(trace).rows]
    assert any(label.startswith("PATCH /voiceCalls/****") and label.endswith("/omniFlow (200)") for label in labels)
    assert any(label.startswith("calls the partner: at h") and label.endswith(":5061, call c2") for label in labels)
    assert trace.call.region == "frankfurt"


@pytest.mark.parametrize("level", [SHARE, STRICT])
def test_masking_a_flow_twice_changes_nothing_more(level: Redaction) -> None:
    once = redacted(first_leg(), level)
    assert redacted(once, level) == once


# --- words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"event": "prompt", "text": "Hello"}, 'agent says: "Hello"'),
        ({"event": "speech", "text": "1.2 s of speech"}, "agent hears: 1.2 s of speech"),
        ({"event": "silence"}, "agent hears nothing"),
        ({"event": "step", "step": "offer"}, "agent goes on with: offer"),
        ({"event": "something new"}, "agent something new"),
        ({}, "agent"),
    ],
)
def test_what_the_agent_does_is_told_in_words(event: dict[str, str], words: str) -> None:
    assert agent_text(event) == words


def test_what_was_set_wrong_on_purpose_is_told_with_its_parameters() -> None:
    fault = {"name": "busy-hour", "type": "busy", "value": None, "scope": {"region": "tokyo"}, "hits": 4, "createdAt": "x"}
    assert fault_text(fault) == "busy (scope region tokyo), set as busy-hour"
    assert fault_text({"type": "loss", "name": "loss"}) == "loss"
    number = {"name": "agent-escalates", "type": "escalate", "value": 0.0, "seed": 2001, "by": "number 2001"}
    assert fault_text(number) == "escalate, by test number 2001"


def test_an_escalation_that_failed_says_why_and_a_check_what_is_not_known() -> None:
    assert (
        escalation_text({"state": "failed", "text": "nobody answers at 192.0.2.9:5061"})
        == "giving back failed: nobody answers at 192.0.2.9:5061"
    )
    assert escalation_text({"state": "began", "mode": "bye", "why": "silence"}) == "gives the call back by BYE: silence"
    assert check_text({"customerAlive": False, "repReached": None, "by": "deadline"}) == (
        "partner check: the customer's leg was dropped, the time for it is over"
    )
    assert check_text({}) == "partner check: nothing is known yet"


def test_findings_of_a_request_that_the_verdict_words_otherwise_are_both_told() -> None:
    trace = first_leg()
    entries = [entry for entry in trace.entries if entry.kind != "verdict"]
    other = {**FINDING, "detail": "queue is missing in two requests"}
    again = trace_of(
        [*entries, type(entries[0])(entries[-1].at + 1, type(entries[0].kind)("verdict"), "c1", {"status": "warn", "findings": [other]})]
    )
    ladder = build_ladder(again)
    assert [mark.text for mark in ladder.loose_marks] == ["queue is missing in two requests"]
