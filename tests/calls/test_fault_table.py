from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.calls.choosing import Choosing
from sbc_sim.calls.conduct import CallFacts, Conduct
from sbc_sim.calls.fault_types import FAULT_TYPES
from sbc_sim.calls.faults import MOST_FAULTS, BadFault, FaultTable, Target, read_fault
from sbc_sim.calls.numbers import NUMBERS, NumberTable
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.region import Place, Region
from sbc_sim.rtp.leg import MediaConduct
from sbc_sim.sip.message import Headers
from sbc_sim.sip.uui import UuiExpectation, read
from tests.support.sip import ECHO

NOW = 1_700_000_000.0
EVERYBODY = Target("+15551000000")


def table_of(**faults: dict[str, Any]) -> FaultTable:
    table = FaultTable()
    for name, members in faults.items():
        table.put(read_fault(name, members), NOW)
    return table


def strikes(table: FaultTable, target: Target = EVERYBODY, now: float = NOW) -> list[str]:
    return [fault.name for fault in table.candidates(("signalling", "media"), target, now) if table.take(fault, now)]


# --- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAULT_TYPES.values(), ids=lambda kind: kind.name)
def test_every_type_can_be_set_by_its_name_alone_and_tells_what_it_does(kind: Any) -> None:
    fault = read_fault("x", {"type": kind.name})
    assert fault.value == kind.usual
    assert kind.does[0].islower()
    assert not kind.does.endswith(".")
    assert kind.area in ("signalling", "media", "tls", "telephony")


@pytest.mark.parametrize(("members", "member", "says"), [
    ({}, "type", "needs a type"),
    ({"type": "bussy"}, "type", "Did you mean busy?"),
    ({"type": 7}, "type", "no fault of the type '7'"),
    ({"type": "busy", "vaule": 1}, "vaule", "Did you mean value?"),
    ({"type": "busy", "value": 1}, "value", "takes no value"),
    ({"type": "loss", "value": 2}, "value", "Use 0 to 1"),
    ({"type": "loss", "value": "much"}, "value", "must be a number"),
    ({"type": "loss", "value": True}, "value", "must be a number"),
    ({"type": "loss", "value": float("nan")}, "value", "must be a number"),
    ({"type": "loss", "value": float("inf")}, "value", "must be a number"),
    ({"type": "one-way", "value": "outt"}, "value", "Did you mean out?"),
    ({"type": "tls-certificate", "value": "expird"}, "value", "Did you mean expired?"),
    ({"type": "redirect", "value": "sip:a@b\r\nX: y"}, "value", "no SIP URI"),
    ({"type": "redirect", "value": "sip:a@b>"}, "value", "no SIP URI"),
    ({"type": "redirect", "value": "b"}, "value", "no SIP URI"),
    ({"type": "busy", "probability": 0}, "probability", "Use more than 0"),
    ({"type": "busy", "probability": 1.5}, "probability", "to 1"),
    ({"type": "busy", "count": 0}, "count", "whole number"),
    ({"type": "busy", "count": 1.0}, "count", "whole number"),
    ({"type": "busy", "seconds": -1}, "seconds", "Use more than 0"),
    ({"type": "busy", "seed": 2**60}, "seed", "whole number"),
    ({"type": "busy", "scope": "all"}, "scope", "must be an object"),
    ({"type": "busy", "scope": {"numbr": "1"}}, "scope.numbr", "Did you mean number?"),
    ({"type": "busy", "scope": {"number": 1}}, "scope.number", "must be text"),
    ({"type": "busy", "scope": {"path": "/x"}}, "scope.path", "number and region and partner"),
    ({"type": "telephony-500", "scope": {"number": "1"}}, "scope.number", "partner and path"),
])  # fmt: skip
def test_a_fault_that_makes_no_sense_is_refused_with_its_member_and_what_would(members: dict[str, Any], member: str, says: str) -> None:
    with pytest.raises(BadFault) as error:
        read_fault("x", members)
    assert error.value.member == member
    assert says in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "x" * 65, "ü"])
def test_a_name_that_would_not_stand_in_a_url_is_refused(name: str) -> None:
    with pytest.raises(BadFault):
        read_fault(name, {"type": "busy"})


_TEXT = st.text(max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["type", "value", "seed", "scope", "probability", "count", "seconds", "x"]), _JSON),
    st.sampled_from(list(FAULT_TYPES)),
)
def test_whatever_json_is_given_a_fault_is_read_or_refused_as_such(members: dict[str, Any], kind: str) -> None:
    with contextlib.suppress(BadFault):
        assert read_fault("x", {**members, "type": kind}).type.name == kind


# --- the table ---------------------------------------------------------------------------------------------------------


def test_a_fault_is_used_up_after_its_count_and_expires_after_its_time_and_both_are_told() -> None:
    told: list[tuple[str, str]] = []
    table = FaultTable(lambda now, data: told.append((data["name"], data["change"])))
    table.put(read_fault("twice", {"type": "busy", "count": 2}), NOW)
    table.put(read_fault("soon", {"type": "loss", "seconds": 10}), NOW)
    assert table.deadline == NOW + 10
    assert [strikes(table), strikes(table), strikes(table)] == [["twice", "soon"], ["twice", "soon"], ["soon"]]
    assert strikes(table, now=NOW + 10) == []
    assert told == [("twice", "set"), ("soon", "set"), ("twice", "used up"), ("soon", "expired")]
    assert table.deadline is None


def test_what_is_told_of_a_fault_says_how_often_it_struck_and_what_is_left() -> None:
    table = table_of(few={"type": "busy", "count": 5, "seconds": 60, "scope": {"region": "frankfurt"}})
    strikes(table, Target(region="frankfurt"))
    told = table.one("few", NOW)
    assert told is not None
    assert {name: told[name] for name in ("hits", "remaining", "expiresAt", "scope", "by")} == {
        "hits": 1, "remaining": 4, "expiresAt": "2023-11-14T22:14:20.000Z", "scope": {"region": "frankfurt"}, "by": "api"
    }  # fmt: skip
    assert table.active() == {"busy": 1}


@pytest.mark.parametrize(("scope", "target", "meant"), [
    ({}, Target("1"), True),
    ({"number": "+15551000000"}, Target("+1-555-100-0000"), True),
    ({"number": "+1555*"}, Target("+15551000000"), True),
    ({"number": "+1555"}, Target("+15551000000"), False),
    ({"region": "london"}, Target(region="frankfurt"), False),
    ({"region": "london"}, Target(region=""), False),
    ({"partner": "acme", "region": "london"}, Target(region="london", partner="acme"), True),
    ({"partner": "acme", "region": "london"}, Target(region="london", partner="other"), False),
])  # fmt: skip
def test_a_fault_strikes_only_whom_it_is_meant_for(scope: dict[str, str], target: Target, meant: bool) -> None:
    assert strikes(table_of(x={"type": "busy", "scope": scope}), target) == (["x"] if meant else [])


def test_chance_follows_from_the_seed_and_comes_near_the_probability() -> None:
    runs = [[bool(strikes(table_of_one)) for _ in range(1000)] for table_of_one in (_some(1), _some(1), _some(2))]
    assert runs[0] == runs[1] != runs[2]
    assert 250 < sum(runs[0]) < 350


def _some(seed: int) -> FaultTable:
    return table_of(some={"type": "busy", "probability": 0.3, "seed": seed})


def test_no_more_than_a_hundred_are_kept_but_one_can_be_set_anew() -> None:
    table = table_of(**{f"f{n}": {"type": "busy"} for n in range(MOST_FAULTS)})
    with pytest.raises(BadFault, match="100 faults are set already"):
        table.put(read_fault("more", {"type": "busy"}), NOW)
    assert table.put(read_fault("f0", {"type": "loss"}), NOW)["hits"] == 0


def test_a_reset_takes_what_the_api_has_set_and_leaves_the_settings_theirs() -> None:
    table = table_of(by_api={"type": "busy"})
    table.put(read_fault("set", {"type": "loss"}, "settings"), NOW)
    assert table.clear(NOW) == 1
    assert [fault["name"] for fault in table.all(NOW)] == ["set"]
    assert table.remove("set", NOW)
    assert not table.remove("set", NOW)


def test_a_telephony_fault_strikes_requests_and_no_calls() -> None:
    table = table_of(slow={"type": "telephony-slow", "value": 2, "count": 1, "scope": {"path": "/voiceCalls", "partner": "acme"}})
    assert strikes(table) == []
    assert table.telephony("/telephony/v1/voiceCalls", "other", NOW) is None
    hit = table.telephony("/telephony/v1/voiceCalls", "acme", NOW)
    assert hit is not None
    assert (hit.type.name, hit.value) == ("telephony-slow", 2.0)
    assert table.telephony("/telephony/v1/voiceCalls", "acme", NOW) is None


# --- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "name"), [
    ("1003", "bye-after"), ("+15551003", "bye-after"), ("001003", "bye-after"), ("+1-555-1003", "bye-after"),
    ("1003;phone-context=x", "bye-after"),
    ("busy", "busy"), ("Busy", "busy"), ("agent", "agent"), ("echo", "echo"), ("bye-at-once", "bye-at-once"), ("2001", "agent-escalates"),
])  # fmt: skip
def test_a_test_number_is_known_by_digits_and_by_name(user: str, name: str) -> None:
    found = NumberTable().find(user)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "user", ["+15551000000", "15551003", "0001003", "+4915551003", "10031003", "", "9999", "+1003", "bus", "١٠٠٣", "1003x"]
)
def test_any_other_user_part_is_no_test_number(user: str) -> None:
    assert NumberTable().find(user) is None


def test_settings_add_numbers_and_name_what_there_is_when_they_err() -> None:
    table = NumberTable(more={"+49 30 1234": "agent", "sales": "4860"})
    assert [one.name for one in (table.find("+49301234"), table.find("sales")) if one] == ["agent", "busy"]
    assert next(one["also"] for one in table.told() if one["name"] == "agent") == ["+49301234"]
    with pytest.raises(ValueError, match="'operator' is no test number: there are echo, "):
        NumberTable(more={"1": "operator"})


def test_names_and_numbers_are_each_there_once() -> None:
    assert len({one.name for one in NUMBERS}) == len({one.number for one in NUMBERS}) == len(NUMBERS)


# --- the choice --------------------------------------------------------------------------------------------------------

OTHER_ORG = b'{"orgId":"00D000000000001","scrt2Domain":"x.example"}'.hex() + ";encoding=hex"


def facts(number: str, header: str | None = None, host: str = "", caller: str = "") -> CallFacts:
    fields = [("User-to-User", header)] if header else []
    place = Place(Region("frankfurt"), Partner("acme"))
    return CallFacts("call-1", number, read(Headers(fields), UuiExpectation()), place, host, caller)


def an_agent(call: CallFacts) -> Conduct:
    return Conduct("agent", why="scenario support", media=MediaConduct("agent"))


def chosen(number: str, header: str | None = None, table: FaultTable | None = None, **options: Any) -> Conduct:
    return Choosing(NumberTable(), table or FaultTable(), an_agent)(facts(number, header, **options), NOW)


@pytest.mark.parametrize(("number", "header", "scenario", "why"), [
    ("+15551000000", ECHO, "echo", "User-to-User of the echo test"),
    ("+15551000000", OTHER_ORG, "agent", "User-to-User names org 00D000000000001: scenario support"),
    ("+15551000000", None, "echo", "any number: the echo"),
    ("agent", ECHO, "agent", "test number 2000 (agent), which goes before the User-to-User of the echo test: scenario support"),
    ("1000", OTHER_ORG, "echo", "test number 1000 (echo), which goes before the User-to-User naming org 00D000000000001"),
    ("4860", OTHER_ORG, "busy", "test number 4860 (busy), which goes before the User-to-User naming org 00D000000000001"),
    ("2001", None, "agent-escalates", "test number 2001 (agent-escalates): scenario support"),
])  # fmt: skip
def test_number_goes_before_user_to_user_and_the_reason_is_told_in_words(number: str, header: str | None, scenario: str, why: str) -> None:
    conduct = chosen(number, header)
    assert (conduct.scenario, conduct.why) == (scenario, why)


def test_a_test_number_with_a_fault_of_its_own_meets_no_other_fault_and_the_plain_ones_do() -> None:
    table = table_of(lossy={"type": "loss"})
    assert [fault["name"] for fault in chosen("1003", table=table).faults] == ["bye-after"]
    assert [fault["name"] for fault in chosen("echo", table=table).faults] == ["lossy"]
    assert chosen("agent", table=table).media.kind == "agent"
    assert chosen("agent", table=table).media.faults == (("loss", 0.05),)


def test_a_strength_of_zero_is_zero_and_not_all_of_it():
    assert chosen("echo", table=table_of(none={"type": "loss", "value": 0})).media.faults == (("loss", 0.0),)


def test_what_excludes_an_earlier_fault_does_not_strike_and_is_not_counted() -> None:
    table = table_of(first={"type": "busy"}, second={"type": "overload"}, third={"type": "no-answer"})
    conduct = chosen("+15551000000", table=table)
    assert conduct.answer is not None
    assert conduct.answer.status == 486
    assert [fault["name"] for fault in conduct.faults] == ["first"]
    assert [fault["hits"] for fault in table.all(NOW)] == [1, 0, 0]


def test_region_and_partner_of_the_call_are_looked_at() -> None:
    assert chosen("1", table=table_of(x={"type": "busy", "scope": {"region": "frankfurt", "partner": "acme"}})).faults
    assert not chosen("1", table=table_of(x={"type": "busy", "scope": {"region": "london"}})).faults


def test_without_test_numbers_their_digits_are_ordinary_numbers() -> None:
    conduct = Choosing(None, FaultTable(), an_agent)(facts("4860", ECHO), NOW)
    assert (conduct.scenario, conduct.answer) == ("echo", None)


def test_without_an_agent_the_echo_answers_and_says_so() -> None:
    conduct = Choosing(NumberTable(), FaultTable())(facts("agent"), NOW)
    assert conduct.why == "test number 2000 (agent), but there is no agent here: the echo"


def test_who_was_asked_to_wait_is_remembered_by_address_and_number() -> None:
    choose = Choosing(NumberTable(), FaultTable())
    assert choose(facts("5030", host="192.0.2.1"), NOW).retried == ""
    assert choose(facts("5030", host="192.0.2.2"), NOW + 1).waited is False
    assert choose(facts("echo", host="192.0.2.1"), NOW + 1).waited is False
    early = choose(facts("5030", host="192.0.2.1"), NOW + 4)
    assert early.retried.startswith("6.0 s before")
    late = choose(facts("5030", host="192.0.2.1"), NOW + 20)
    assert (late.waited, late.retried) == (True, "")


def test_another_customer_behind_the_same_address_was_asked_nothing_and_one_later_call_settles_it() -> None:
    table = table_of(once={"type": "overload", "count": 1})
    choose = Choosing(NumberTable(), table)
    call = {"number": "+15551000000", "host": "192.0.2.1"}
    choose(facts(**call, caller="+15550111"), NOW)
    assert choose(facts(**call, caller="+15550222"), NOW + 1).waited is False
    assert choose(facts(**call, caller="+15550111"), NOW + 4).retried.startswith("6.0 s before")
    assert choose(facts(**call, caller="+15550111"), NOW + 5).waited is False
    assert not choose._waits


@given(
    st.lists(st.sampled_from([name for name, kind in FAULT_TYPES.items() if kind.area in ("signalling", "media")]), unique=True, max_size=8)
)
def test_any_set_of_faults_makes_a_conduct_that_stamps_each_that_strikes(names: list[str]) -> None:
    table = table_of(**{name: {"type": name} for name in names})
    conduct = chosen("+15551000000", table=table)
    stamped = [fault["name"] for fault in conduct.faults]
    assert [fault["name"] for fault in table.all(NOW) if fault["hits"]] == stamped
    assert (conduct.answer is not None) + conduct.silent + conduct.never_answer <= 1
