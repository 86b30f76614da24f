"""The protocol of a rehearsal and the signalling form: golden facts of documents made from real calls of a real switchboard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from sbc_sim.calls.rehearsal import Rehearsal
from sbc_sim.calls.rehearsal_plan import Wanted
from sbc_sim.calls.rehearsals import Rehearsals
from sbc_sim.exports.form import Authority, Line, Profile, all_flags, form_data, form_html, form_markdown
from sbc_sim.exports.redacted import Redaction, text_mask
from sbc_sim.exports.rehearsal_html import rehearsal_html
from sbc_sim.exports.rehearsal_junit import rehearsal_junit
from sbc_sim.exports.rehearsal_report import About, calls_of, rehearsal_data, rehearsal_schema
from sbc_sim.exports.report_text import rests_on_guess
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.store import Trace
from sbc_sim.rules.policy import Policy
from tests.support.joined import Joined

START = 1_700_000_000.0
LOSSY = ({"name": "lossy", "type": "loss"},)
ABOUT = About("Acme <Centre>", "London", "Acme CCaaS", {"frankfurt": "FRANKFURT", "london": "LONDON"}, "1.2.3")


def a_rehearsal() -> tuple[dict[str, Any], dict[str, Trace]]:
    """Frankfurt failed with PCMA alone, a call under a fault did not count, then it passed; the rest saw no call in time."""
    rehearsals, store = Rehearsals(lambda now: "r1"), MemoryStore()
    wanted = Wanted("partner", ("frankfurt", "london"), ("connectivity", "end-to-end"), ("bye",), 60.0, 0, "for <Ann>")
    one = rehearsals.begin(wanted, START)[0]
    for later, offer, faults in ((0.0, Policy(codecs=("PCMA",)), ()), (5.0, Policy(), LOSSY), (10.0, Policy(), ())):
        joined = Joined(now=START + later, seconds=2.0, offer=offer)
        joined.run()
        for entry in joined.sbc.entries:
            told = placed_in_frankfurt(entry, faults)
            store.append(told)
            if rehearsals.wants(told):
                rehearsals.observe(told, store.call(told.call) if told.call else None)
    rehearsals.advance(START + 100)
    data = one.data()
    return data, {call: trace for call in calls_of(data) if (trace := store.trace(call)) is not None}


def placed_in_frankfurt(entry: Entry, faults: Sequence[dict[str, str]] = ()) -> Entry:
    if entry.kind is Kind.CALL_STARTED:
        return replace(entry, data={**entry.data, "region": "frankfurt", "chosenBy": "SNI"})
    if entry.kind is Kind.SCENARIO:
        return replace(entry, data={**entry.data, "faults": list(faults)})
    return entry


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, Any], dict[str, Trace]]:
    return a_rehearsal()


def test_the_protocol_says_of_each_step_what_was_expected_and_observed(made: Any) -> None:
    data = rehearsal_data(*made, ABOUT, Redaction.SHARE)
    frankfurt, london, create, *others = data["steps"]
    assert frankfurt["verdict"] == "pass"
    assert frankfurt["observed"].startswith("TLS, User-to-User, SDP, SRTP, the echo in both directions and BYE passed")
    assert frankfurt["attempts"][0]["text"].startswith("It was refused with 488 by SBC-SDP-006: No common codec")
    assert frankfurt["tried"] == 2
    assert (london["verdict"], london["attempts"], london["observed"]) == ("fail", [], london["why"])
    assert london["why"].startswith("Nothing came within 60 s. No call with the echo payload has reached LONDON")
    assert create["verdict"] == "fail"
    assert {(step["verdict"], step["observed"]) for step in others} == {("skip", "Not reached: e2e-bye/create failed.")}
    assert data["conclusion"]["sentence"] == "The rehearsal failed: 1 of 12 steps passed, 2 failed."
    assert [first["step"] for first in data["conclusion"]["mendFirst"]] == ["connectivity/london", "e2e-bye/create"]


def test_it_says_which_profile_rules_and_guesses_it_rests_on_and_what_was_done_on_purpose(made: Any) -> None:
    data = rehearsal_data(*made, ABOUT, Redaction.SHARE)
    assert (data["rehearsal"]["profile"], data["writtenBy"], data["rehearsal"]["ruleSet"]) == ("published", "sbc-sim 1.2.3", "1")
    assert {guess["rule"] for guess in data["guesses"]} == {
        finding["rule"] for trace in made[1].values() for finding in trace.call.verdict["findings"] if rests_on_guess(finding)
    }
    assert len(data["guesses"]) > 3
    assert data["faults"] == [{"step": "connectivity/frankfurt", "fault": {"name": "lossy", "type": "loss"}}]
    assert {call["id"] for call in data["calls"]} == {attempt["call"] for attempt in data["steps"][0]["attempts"]}
    assert all("INVITE" in call["ladder"] for call in data["calls"])


def test_the_masks_are_made_once_for_each_call_and_not_once_for_each_step(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsal, traces = made
    asked: list[Trace] = []

    def counted(trace: Trace, level: Redaction) -> Callable[[str], str]:
        asked.append(trace)
        return text_mask(trace, level)

    monkeypatch.setattr("sbc_sim.exports.rehearsal_report.text_mask", counted)
    rehearsal_data(rehearsal, traces, ABOUT, Redaction.STRICT)
    assert len(asked) == len(traces)


def test_the_name_of_a_rehearsal_shows_colleagues_no_whole_number(made: Any) -> None:
    rehearsal, traces = made
    named = {**rehearsal, "name": "for +4915112345678"}
    shown = {level: rehearsal_data(named, traces, ABOUT, level)["rehearsal"]["name"] for level in Redaction}
    assert (shown[Redaction.NONE], shown[Redaction.STRICT]) == (named["name"], "(hidden)")
    assert shown[Redaction.SHARE].startswith("for ")
    assert "4915112345678" not in shown[Redaction.SHARE]


def test_an_incomplete_rehearsal_says_so_in_its_sentence(made: Any) -> None:
    rehearsal, traces = made
    data = rehearsal_data({**rehearsal, "state": "incomplete"}, traces, ABOUT, Redaction.SHARE)
    assert data["conclusion"]["sentence"] == "The rehearsal is incomplete: 1 of 12 steps passed, 11 left out by somebody."
    assert [error.message for error in jsonschema_rs.validator_for(rehearsal_schema()).iter_errors(data)] == []


@pytest.mark.parametrize("level", list(Redaction))
def test_it_keeps_its_schema_at_every_level_of_redaction(made: Any, level: Redaction) -> None:
    data = rehearsal_data(*made, ABOUT, level)
    assert [error.message for error in jsonschema_rs.validator_for(rehearsal_schema()).iter_errors(data)] == []
    assert data["redaction"]["level"] == level.value


def test_strangers_see_neither_the_partner_nor_addresses_and_colleagues_no_whole_number(made: Any) -> None:
    texts = {level: rehearsal_html(*made, ABOUT, level) for level in Redaction}
    assert "15550111" in texts[Redaction.NONE]
    assert "15550111" not in texts[Redaction.SHARE] + texts[Redaction.STRICT]
    assert "Acme" in texts[Redaction.SHARE]
    assert not [word for word in ("Acme", "London", "Ann", "192.0.2.1") if word in texts[Redaction.STRICT].replace("LONDON", "")]


def test_the_page_runs_nothing_asks_for_nothing_and_escapes_what_came_from_outside(made: Any) -> None:
    html = rehearsal_html(*made, ABOUT, Redaction.SHARE)
    assert "<script" not in html
    assert "Acme &lt;Centre&gt;" in html
    assert re.search(r"Content-Security-Policy\" content=\"default-src (&#39;|')none", html)
    assert not re.findall(r'(?:src|href)="(?!#|data:)', html)
    for words in ("Expected", "Observed", "What rests on a guess", "Done wrong on purpose", "it is no endorsement by Salesforce"):
        assert words in html
    targets, ids = set(re.findall(r'href="#([^"]+)"', html)), set(re.findall(r' id="([^"]+)"', html))
    assert targets <= ids


def test_junit_has_a_case_for_each_step_with_failures_and_what_was_not_reached(made: Any) -> None:
    suite = ElementTree.fromstring(rehearsal_junit(rehearsal_data(*made, ABOUT, Redaction.SHARE)))[0]
    cases = {case.get("name", "").partition(":")[0]: case for case in suite.iter("testcase")}
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped"), len(cases)) == ("12", "2", "9", 12)
    failure = cases["connectivity/london"].find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("Nothing came within 60 s.")
    skipped = cases["e2e-bye/agent"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "Not reached: e2e-bye/create failed."
    assert cases["connectivity/frankfurt"].find("failure") is None
    assert cases["connectivity/frankfurt"].get("classname") == "rehearsal.connectivity"


def test_junit_of_hostile_words_is_still_xml() -> None:
    one = Rehearsal("r1", Wanted("p", ("x",), ("connectivity",), name='"]]>&\x00\x1b'), {}, START)
    one.fail_step(one.steps["connectivity/x"], '<b>\x00\ud800"&', START, call='c"<')
    assert ElementTree.fromstring(rehearsal_junit(rehearsal_data(one.data(), {}, ABOUT, Redaction.NONE)))


# --- the form --------------------------------------------------------------------------------------------------------------

LINE = Line("frankfurt", "FRANKFURT", ("192.0.2.0/24",), (), "5061", "31000-31999", "sips:back@sbc.acme.example:5061")
GOOD = Profile("acme", "Acme", "Acme CCaaS", "London", (LINE,), (Authority("CN=Acme Root", "2030-01-01", "AB:CD"),), has_ca=True)


def a_call() -> Trace:
    joined = Joined(seconds=2.0)
    joined.run()
    store = MemoryStore()
    for entry in joined.sbc.entries:
        store.append(placed_in_frankfurt(entry))
    trace = store.trace(next(entry.call for entry in joined.sbc.entries if entry.call))
    assert trace is not None
    return trace


def test_a_form_has_a_row_for_each_region_from_settings_and_from_calls() -> None:
    data = form_data(GOOD, {"frankfurt": [a_call()]})
    (row,) = data["rows"]
    assert (row["signalling"], row["media"], row["signallingPorts"]) == (["192.0.2.0/24"], ["192.0.2.0/24"], "5061")
    assert row["seen"]["sources"] == ["192.0.2.1"]
    assert row["seen"]["media"] == ["192.0.2.1:31000"]
    assert row["seen"]["userToUser"].startswith("7b22")
    assert "15550111" not in str(row["seen"]["headers"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            {"signalling": ()},
            "No signalling subnet is named: the form wants public IPv4 addresses, as /32 for a single one. The calls came from",
        ),
        ({"signalling": ("198.51.100.7/32",)}, "Calls came from 192.0.2.1, which none of the signalling subnets 198.51.100.7/32 contains."),
        ({"signalling": ("10.0.0.0/8", "192.0.2.0/24")}, "The signalling subnet 10.0.0.0/8 is not public"),
        ({"signalling": ("2001:db8::/32", "192.0.2.0/24")}, "The signalling subnet 2001:db8::/32 is IPv6: the form wants IPv4."),
        ({"media": ("198.51.100.0/24",)}, "Media was sent from 192.0.2.1:31000, which none of the media subnets 198.51.100.0/24 contains."),
        ({"media_ports": ""}, "No media ports are named"),
        ({"media_ports": "40000-41000"}, "Media was sent from 192.0.2.1:31000, a port outside of the media ports 40000-41000."),
        ({"signalling_ports": "5071"}, "but the signalling port of the form is 5071."),
    ],
)
def test_what_is_missing_or_contradicted_by_the_traffic_is_flagged(line: dict[str, Any], words: str) -> None:
    flags = all_flags(form_data(replace(GOOD, lines=(replace(LINE, **line),)), {"frankfurt": [a_call()]}))
    assert any(words in flag for flag in flags), flags


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"provider": ""}, "set partners.acme.provider"),
        ({"location": ""}, "set partners.acme.location"),
        ({"has_ca": False, "authorities": ()}, "set partners.acme.ca_file"),
        ({"trouble": "The CA file x cannot be read: no."}, "The CA file x cannot be read: no."),
        ({"lines": ()}, "No region is mapped"),
    ],
)
def test_what_is_missing_of_the_partner_is_flagged(profile: dict[str, Any], words: str) -> None:
    assert any(words in flag for flag in form_data(replace(GOOD, **profile), {})["flags"])


def test_a_region_without_a_call_is_flagged() -> None:
    flags = form_data(GOOD, {})["rows"][0]["flags"]
    assert flags[0] == "No call has passed in this region: the connectivity test is still to be done."


def test_a_form_that_the_traffic_bears_out_is_complete() -> None:
    line = replace(LINE, signalling=("8.8.44.0/24",), signalling_ports="5061, 40001")
    data = form_data(replace(GOOD, lines=(line,)), {"frankfurt": [moved(a_call(), "192.0.2.1", "8.8.44.88")]})
    assert (all_flags(data), data["complete"]) == ([], True)
    assert "Nothing." in form_markdown(data)


def moved(trace: Trace, host: str, to: str) -> Trace:
    """The same call from another address that is as long."""

    def entry(one: Entry) -> Entry:
        return replace(one, data=json.loads(json.dumps(one.data).replace(host, to)), raw=one.raw.replace(host.encode(), to.encode()))

    store = MemoryStore()
    for one in (*([trace.opened] if trace.opened else []), *trace.entries):
        store.append(entry(one))
    found = store.trace(trace.call.id)
    assert found is not None
    return found


def test_the_form_is_written_as_markdown_and_as_a_page_with_its_flags() -> None:
    hostile = replace(
        GOOD, label="Ac|me <b>", location="[x](y) `z` _w_", lines=(LINE, replace(LINE, region="london", label="LONDON", signalling=()))
    )
    data = form_data(hostile, {"frankfurt": [a_call()]})
    markdown, html = form_markdown(data), form_html(data)
    assert "| FRANKFURT | 192.0.2.0/24 | 5061 | 192.0.2.0/24 | 31000-31999 | sips:back@sbc.acme.example:5061 |" in markdown
    assert "| LONDON | **missing** |" in markdown
    assert "- Partner: Ac\\|me &lt;b>" in markdown
    assert r"- Customers' data centre: \[x\](y) \`z\` \_w\_" in markdown
    assert "CN=Acme Root, valid until 2030-01-01, SHA-256 AB:CD" in markdown
    assert "Ac|me &lt;b&gt;" in html
    for flag in all_flags(data):
        assert flag.partition(":")[0] in markdown
        assert flag.partition(":")[0] in html


def test_a_flag_of_several_regions_stands_there_once() -> None:
    lines = tuple(replace(LINE, region=name, label=name.upper(), media_ports="") for name in ("frankfurt", "london"))
    calls = {name: [a_call()] for name in ("frankfurt", "london", "tokyo")}
    missing = "No media ports are named: the form wants the range from which RTP is sent."
    told = [flag for flag in all_flags(form_data(replace(GOOD, lines=lines), calls)) if missing in flag]
    assert told == [f"Every region: {missing}"]
    third = replace(LINE, region="tokyo", label="TOKYO")
    told = [flag for flag in all_flags(form_data(replace(GOOD, lines=(*lines, third)), calls)) if missing in flag]
    assert told == [f"FRANKFURT, LONDON: {missing}"]
