"""The connectivity test of a rehearsal, with calls that a real caller placed at a real switchboard; only where they came from is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from sbc_sim.calls.choosing import Choosing
from sbc_sim.calls.faults import FaultTable, read_fault
from sbc_sim.calls.numbers import NumberTable
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.rehearsal import Rehearsal
from sbc_sim.calls.rehearsal_calls import PROOFS
from sbc_sim.calls.rehearsal_plan import Wanted
from sbc_sim.calls.rehearsals import BETWEEN_COPIES, MOST_REHEARSALS, Rehearsals, TooMany
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.errors import InvalidInput
from sbc_sim.sip.uui import encode
from tests.support.joined import Joined

START = 1_700_000_000.0
PARTNERS = {"acme": Partner("acme", signalling=("192.0.2.0/24",)), "zen": Partner("zen")}
REGIONS = (("frankfurt", "FRANKFURT"), ("london", "LONDON"), ("tokyo", "TOKYO"))


def desk() -> Rehearsals:
    numbers = itertools.count(1)
    return Rehearsals(lambda now: f"r{next(numbers)}", PARTNERS, REGIONS)


def begin(desk: Rehearsals, *regions: str, now: float = START, **more: Any) -> Rehearsal:
    return desk.begin(Wanted("acme", regions or ("frankfurt",), more.pop("parts", ("connectivity",)), **more), now)[0]


def placed(region: str | None = "frankfurt", partner: str | None = "acme", later: float = 0.0, **how: Any) -> list[Entry]:
    """What the switchboard wrote down about a call, told as one of this region and partner; `later` than the start, seconds."""
    joined = Joined(**{"seconds": 2.0, "now": START + later, **how})
    joined.run()
    return told_from(joined.sbc.entries, region, partner)


def told_from(entries: Iterable[Entry], region: str | None, partner: str | None) -> list[Entry]:
    place = {"region": region, "partner": partner, "chosenBy": "SNI" if region else ""}
    return [replace(entry, data={**entry.data, **place}) if entry.kind is Kind.CALL_STARTED else entry for entry in entries]


def feed(desk: Rehearsals, entries: Iterable[Entry]) -> list[Entry]:
    """Let the rehearsals observe entries as the shell does; give what they told the journal."""
    store, told = MemoryStore(), []
    for entry in entries:
        store.append(entry)
        if desk.wants(entry):
            told += desk.observe(entry, store.call(entry.call) if entry.call else None)
    return told


@cache
def a_good_call() -> list[Entry]:
    return placed()


def test_a_call_with_the_echo_payload_passes_all_six_checks() -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    told = feed(rehearsals, placed())
    step = one.steps["connectivity/frankfurt"]
    assert (one.state, step.state, step.tried) == ("passed", "passed", 1)
    assert [(check["name"], check["status"]) for check in step.attempts[0].checks] == [
        ("TLS", "pass"), ("User-to-User", "pass"), ("SDP", "pass"), ("SRTP", "pass"), ("Echo", "pass"), ("BYE", "pass"),
    ]  # fmt: skip
    assert [(entry.data["change"], (entry.data.get("step") or {}).get("state")) for entry in told] == [
        ("step", "running"), ("step", "passed"), ("whole", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("how", "failing", "words"),
    [
        ({"user_to_user": encode('{"orgId":"00D5i00000ABCDE"}')}, {"User-to-User"}, "it names the org 00D5i00000ABCDE"),
        ({"user_to_user": encode("hello")}, {"User-to-User"}, "it is not that JSON object"),
        ({"offer": Policy(codecs=("PCMA",))}, {"SDP"}, "refused with 488 by SBC-SDP-006: No common codec"),
        ({"user_to_user": None}, {"User-to-User"}, "refused with 400 by SBC-UUI-001"),
        ({"seconds": 0.9}, {"Echo"}, "SBC-MEDIA-001: The call lasted"),
    ],
)
def test_a_call_that_lacks_something_fails_with_the_reason_and_the_rule(how: dict[str, Any], failing: set[str], words: str) -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    entries = placed(**how)
    feed(rehearsals, entries)
    step = one.steps["connectivity/frankfurt"]
    assert (step.state, one.running, step.open) == ("failed", True, True)
    assert {check["name"] for check in step.attempts[0].checks if check["status"] == "fail"} == failing
    assert words in step.why
    assert step.why.startswith(f"The call {step.call} of 22:13:20 UTC failed.")
    feed(rehearsals, placed(later=60))
    assert (step.state, step.tried, one.state) == ("passed", 2, "passed")


def test_a_refused_call_says_of_the_rest_that_it_was_not_reached() -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    feed(rehearsals, placed(offer=Policy(codecs=("PCMA",))))
    checks = {check["name"]: check for check in one.steps["connectivity/frankfurt"].attempts[0].checks}
    assert [name for name, check in checks.items() if check["status"] == "skip"] == ["SRTP", "Echo", "BYE"]
    assert checks["TLS"]["status"] == checks["User-to-User"]["status"] == "pass"


def test_every_region_has_a_step_of_its_own_and_a_call_counts_for_its_region_alone() -> None:
    rehearsals = desk()
    one = begin(rehearsals, "frankfurt", "london")
    feed(rehearsals, placed("london"))
    assert {step.region: step.state.value for step in one.steps.values()} == {"frankfurt": "waiting", "london": "passed"}
    assert one.running


def test_a_call_of_a_region_that_is_not_asked_for_is_told_to_whom_waits() -> None:
    rehearsals = desk()
    one = begin(rehearsals, "frankfurt", "london")
    feed(rehearsals, placed("tokyo"))
    step = one.steps["connectivity/frankfurt"]
    assert (step.state, step.tried) == ("waiting", 0)
    assert step.why.endswith("reached the region tokyo (by SNI); this rehearsal waits for frankfurt and london.")
    assert [note["text"] for note in one.notes] == [step.why]


def test_why_a_try_failed_stands_when_a_call_comes_that_is_no_try_of_the_step() -> None:
    rehearsals = desk()
    one = begin(rehearsals, "frankfurt", "london")
    feed(rehearsals, placed(user_to_user=None))
    step, other = one.steps["connectivity/frankfurt"], one.steps["connectivity/london"]
    failed = step.why
    feed(rehearsals, placed("tokyo", later=60))
    assert "SBC-UUI-001" in failed
    assert step.why == failed
    assert [note["text"] for note in one.notes] == [other.why]


def test_a_call_that_names_no_region_counts_when_there_is_only_one() -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    feed(rehearsals, placed(None))
    assert one.state == "passed"
    two = begin(rehearsals, "frankfurt", "london", now=START + 100)
    feed(rehearsals, placed(None, later=100))
    assert "names no region: neither its server name (SNI) nor its Request-URI is that of one" in two.steps["connectivity/london"].why


def test_calls_of_another_partner_do_not_count_and_those_of_nobody_do() -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    assert feed(rehearsals, placed(partner="zen")) == []
    feed(rehearsals, placed(partner=None, later=50))
    assert one.state == "passed"


def test_a_connection_that_never_became_a_call_is_told_when_it_came_from_the_partner() -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    finding = {"rule": "SBC-TLS-004", "status": "fail", "detail": "unknown CA"}
    for place, host in enumerate(("198.51.100.7", "192.0.2.7")):
        data = {"peer": {"host": host, "port": 1}, "detail": "the partner does not trust the certificate", "findings": [finding]}
        feed(rehearsals, [Entry(START + 5 * place, Kind.ATTEMPT, None, data)])
    step = one.steps["connectivity/frankfurt"]
    assert step.why == "A connection from 192.0.2.7 never became a call: the partner does not trust the certificate (SBC-TLS-004)."
    assert len(one.notes) == 1


@pytest.mark.parametrize(
    ("number", "fault", "told"),
    [
        ("1011", None, "test number 1011 (wrong-key)"),
        ("1010", None, "test number 1010 (one-way)"),
        ("echo", {"type": "wrong-key"}, "the fault f (wrong-key)"),
        ("echo", {"type": "loss", "value": 1.0}, "the fault f (loss)"),
        ("4860", None, "test number 4860 (busy)"),
    ],
)
def test_a_call_with_something_wrong_on_purpose_does_not_count_and_the_step_waits_on(number: str, fault: Any, told: str) -> None:
    rehearsals, table = desk(), FaultTable()
    if fault is not None:
        table.put(read_fault("f", fault), START)
    one = begin(rehearsals, tries=1)
    feed(rehearsals, placed(number=number, seconds=4.0, choose=Choosing(NumberTable(), table)))
    step = one.steps["connectivity/frankfurt"]
    (attempt,) = step.attempts
    assert (step.state, step.open, step.tried, attempt.status) == ("waiting", True, 0, "skipped")
    assert attempt.text == step.why == f"Not counted: {told} on purpose, so that the call proves nothing."
    assert [kind["type"] for kind in attempt.faults] == [told.partition("(")[2].strip(")")]
    feed(rehearsals, placed(later=60))
    assert (step.state, one.state) == ("passed", "passed")


@pytest.mark.parametrize("rule", sorted(rule for rules in PROOFS.values() for rule in rules))
@pytest.mark.parametrize("status", ["skip", "unknown", None])
def test_what_was_not_judged_is_not_proved(rule: str, status: str | None) -> None:
    def without(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [one if one["rule"] != rule else {**one, "status": status} for one in found if one["rule"] != rule or status]

    rehearsals = desk()
    one = begin(rehearsals)
    entries = [replace(e, data={**e.data, "findings": without(e.data["findings"])}) if e.kind is Kind.VERDICT else e for e in a_good_call()]
    feed(rehearsals, entries)
    step = one.steps["connectivity/frankfurt"]
    (name,) = (name for name, rules in PROOFS.items() if rule in rules)
    assert [check["name"] for check in step.attempts[0].checks if check["status"] != "pass"] == [name]
    assert f"not proved: {rule}" in step.why.lower().replace(rule.lower(), rule)


def test_a_try_shows_the_place_of_what_was_not_in_order() -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    feed(rehearsals, placed(offer=Policy(codecs=("PCMA",))))
    finding = next(f for f in one.steps["connectivity/frankfurt"].attempts[0].findings if f["rule"] == "SBC-SDP-006")
    assert finding["evidence"].startswith("INVITE, SDP line ")
    assert "m=audio" in finding["evidence"]


def test_each_partner_rehearses_once_at_a_time_and_several_do_at_once() -> None:
    rehearsals = desk()
    one = begin(rehearsals)
    with pytest.raises(TooMany, match="the rehearsal r1 of the partner acme is running"):
        begin(rehearsals)
    other = rehearsals.begin(Wanted("zen", ("london",), ("connectivity",)), START)[0]
    feed(rehearsals, placed("london", "zen"))
    assert (one.state, other.state) == ("running", "passed")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("nobody", ("london",)), "there is no partner 'nobody'; known: acme, zen"),
        (Wanted("acme", ("paris",)), "there is no region 'paris'; known: frankfurt, london, tokyo"),
        (Wanted("acme", (), ("connectivity",)), "nothing is to be rehearsed"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_with_what_is_known(wanted: Wanted, words: str) -> None:
    with pytest.raises(InvalidInput, match=words.replace("?", ".")):
        desk().begin(wanted, START)


def test_the_oldest_that_is_over_goes_for_a_new_one() -> None:
    rehearsals = desk()
    for number in range(MOST_REHEARSALS + 3):
        begin(rehearsals, now=START + number).stop(START + number)
    assert len(rehearsals) == MOST_REHEARSALS
    assert rehearsals.get("r1") is None
    assert rehearsals.listed()[0].id == f"r{MOST_REHEARSALS + 3}"


def test_another_process_goes_on_where_this_one_ended() -> None:
    rehearsals = desk()
    told = [*rehearsals.begin(Wanted("acme", ("frankfurt", "london"), ("connectivity",), step_seconds=60), START)[1]]
    told += feed(rehearsals, placed("london"))
    up = [entry for entry in placed("frankfurt", later=10) if entry.kind not in (Kind.CALL_ENDED, Kind.VERDICT)]
    told += feed(rehearsals, up)
    later = desk()
    later.restore(reversed(told), START + 1000)
    one = later.get("r1")
    assert one is not None
    assert one.running
    assert one.steps["connectivity/london"].state == "passed"
    frankfurt = one.steps["connectivity/frankfurt"]
    assert (frankfurt.state, frankfurt.deadline) == ("waiting", START + 1060)
    assert frankfurt.attempts[0].text == frankfurt.why == "The simulator was started again while it was under way."
    feed(later, placed("frankfurt", later=1000))
    assert one.state == "passed"


def test_what_cannot_be_read_back_is_left_out() -> None:
    rehearsals = desk()
    whole = begin(rehearsals).data()
    broken = [{**whole, "state": "dancing"}, {"id": "x"}, {**whole, "steps": [{"id": 1}]}, {**whole, "createdAt": "yesterday"}]
    entries = [
        Entry(START, Kind.REHEARSAL, None, {"rehearsal": f"b{place}", "change": "whole", "whole": data})
        for place, data in enumerate(broken)
    ]
    later = desk()
    assert later.restore([Entry(START, Kind.NOTE, None, {}), *entries], START) == []
    assert len(later) == 0


def test_a_rehearsal_is_told_anew_before_the_journal_forgets_it() -> None:
    rehearsals = desk()
    assert not any(rehearsals.kept_outside(Entry(START, Kind.NOTE, None)) for _ in range(BETWEEN_COPIES))
    begin(rehearsals)
    due = [rehearsals.kept_outside(Entry(START, Kind.NOTE, None)) for _ in range(BETWEEN_COPIES)]
    assert due.count(True) == 1
    assert [entry.data["change"] for entry in rehearsals.copies(START)] == ["whole"]


def test_nothing_that_comes_with_every_second_of_a_call_is_looked_at() -> None:
    rehearsals = desk()
    begin(rehearsals)
    assert not any(rehearsals.wants(Entry(START, kind, "c")) for kind in (Kind.MEDIA, Kind.DTMF, Kind.FINDING, Kind.CONNECTION_OPENED))
    assert not rehearsals.wants(Entry(START, Kind.MESSAGE, "c", {"method": "INVITE", "status": 200}))


def test_refer_is_refused_at_once_in_the_published_profile_and_named_by_its_setting() -> None:
    asked = {"parts": ("end-to-end",), "escalations": ("refer",)}
    with pytest.raises(InvalidInput, match=r"rules\.profile extended"):
        begin(desk(), **asked)
    numbers = itertools.count(1)
    assert begin(Rehearsals(lambda now: f"r{next(numbers)}", PARTNERS, REGIONS, profile="extended"), **asked).running
