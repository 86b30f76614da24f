"""SIP calls and the voice calls that they name: a caller and a switchboard in memory, and the API's model beside them (65, 66, 69)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sbc_sim.calls.conduct import CallFacts, Conduct
from sbc_sim.calls.outputs import Environment
from sbc_sim.calls.record_links import voice_calls_about
from sbc_sim.journal.entries import Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.view import CallView
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.uui import encode
from sbc_sim.telephony.keys import KeyEntry, KeyRing, read_keys
from tests.support.joined import Joined, Side
from tests.support.rest_client import ORG, Rest, claims, create_body, known_key, private_key, public_pem, signed


def value(rest: Rest, voice_call: str | None, **changed: Any) -> str:
    """A User-to-User value as that of a real call; None leaves a member out."""
    held = {"orgId": ORG, "scrt2Domain": "acme.my.salesforce-scrt.com", "voiceCallId": voice_call, "jwt": rest.token, "tier": "gold"}
    return encode({name: member for name, member in {**held, **changed}.items() if member is not None})


def agent(facts: CallFacts, now: float) -> Conduct:
    """What plays is the echo, but a voice call is expected only where the User-to-User value names one."""
    return Conduct(scenario="agent")


@dataclass
class Flow:
    """One call, and requests to the API while it goes on."""

    uui: Callable[[Rest], str | None]
    policy: Policy = field(default_factory=Policy)
    seconds: float = 2.0
    before: Callable[[Rest], object] = lambda rest: rest.create(to="+15550100", **{"from": "+15550111"})
    during: Callable[[Rest], object] = lambda rest: None
    after: Callable[[Rest], object] = lambda rest: None
    number: str = "+15550100"
    rest: Rest = field(default_factory=Rest)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> CallView:
        rest = self.rest
        self.before(rest)
        original = Side.environment

        def environment(side: Side) -> Environment:
            made = original(side)
            if side.host != "203.0.113.5":
                return made
            return replace(made, telephony=rest.telephony, voice_calls=lambda first: voice_calls_about(rest.telephony, first))

        monkeypatch.setattr(Side, "environment", environment)
        joined = Joined(
            user_to_user=self.uui(rest), policy=self.policy, seconds=self.seconds, now=rest.now, number=self.number, choose=agent
        )  # fmt: skip
        self.joined = joined
        joined._took(joined.partner, joined.caller.start(joined.now))
        half, asked = joined.now + self.seconds / 2, False
        end = joined.now + 30
        while joined.now < end and not (joined.caller.finished and joined.switchboard.live_calls == 0):
            joined.step()
            if joined.now >= half and not asked:
                asked = True
                self.ask(self.during)
        self.ask(self.after)
        return self.view()

    def ask(self, what: Callable[[Rest], object]) -> None:
        """Do something by REST at the time of the call, and tell the switchboard of it, as the service does."""
        rest, joined = self.rest, self.joined
        rest.now = joined.now
        before = {record.id: record for record in rest.telephony.table}
        what(rest)
        for record in rest.telephony.table:
            if before.get(record.id) != record:
                joined._took(joined.sbc, joined.switchboard.voice_call_changed(record, joined.now))

    def wait(self, seconds: float) -> CallView:
        end = self.joined.now + seconds
        while self.joined.now < end:
            self.joined.now += 0.5
            deadline = self.joined.switchboard.deadline
            if deadline is not None and deadline <= self.joined.now:
                self.joined._took(self.joined.sbc, self.joined.switchboard.advance(self.joined.now))
        return self.view()

    def view(self) -> CallView:
        """The call as the journal makes it."""
        store = MemoryStore()
        for entry in self.joined.sbc.entries:
            store.append(entry)
        call = next(entry.call for entry in self.joined.sbc.entries if entry.call)
        view = store.call(call)
        assert view is not None
        return view


def finding(view: CallView, rule: int) -> dict[str, Any]:
    assert view.verdict is not None
    (one,) = (one for one in view.verdict["findings"] if one["rule"] == f"SBC-E2E-{rule:03d}")
    return one  # type: ignore[no-any-return]


def id_of(rest: Rest, key: str = "key-1") -> str:
    record = rest.telephony.find(key)
    assert record is not None
    return record.id


@pytest.mark.parametrize("name", ["id", "short id", "vendorCallKey"])
def test_a_call_finds_the_voice_call_that_it_names_by_any_of_its_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def uui(rest: Rest) -> str:
        if name == "vendorCallKey":
            return value(rest, None, vendorCallKey="key-1")
        return value(rest, id_of(rest) if name == "id" else id_of(rest)[:15])

    flow = Flow(uui, after=lambda rest: rest.ask("PATCH", "/voiceCalls/key-1", {"endTime": "2026-11-18T12:09:00Z"}))
    view = flow.run(monkeypatch)
    assert view.voice_call is not None
    assert view.summary()["voiceCallId"] == id_of(flow.rest)
    assert flow.rest.telephony.find("key-1").call == view.id  # type: ignore[union-attr]
    for rule in (1, 2, 3, 4, 5, 8, 10, 13):
        assert finding(view, rule)["status"] == "pass", finding(view, rule)
    # what a restart needs stands beside the calls
    assert any(entry.kind is Kind.VOICE_CALL and entry.call is None for entry in flow.joined.sbc.entries)


def test_a_call_that_names_a_voice_call_nobody_created_fails_with_the_sentence_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    view = Flow(lambda rest: value(rest, "0LQ000000000009AAA")).run(monkeypatch)
    assert finding(view, 1)["status"] == "fail"
    assert "which nobody created" in finding(view, 1)["detail"]
    assert view.voice_call is None
    assert any(one["rule"] == "SBC-E2E-001" for one in view.findings)


def test_a_voice_call_that_is_created_after_the_invite_is_linked_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(
        lambda rest: value(rest, None, vendorCallKey="late"), before=lambda rest: None, during=lambda rest: rest.create("late")
    )  # fmt: skip
    view = flow.run(monkeypatch)
    assert finding(view, 1)["status"] == "fail"
    assert "only after the INVITE" in finding(view, 1)["detail"]
    assert view.voice_call is not None


def test_an_org_that_is_not_that_of_the_voice_call_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    view = Flow(lambda rest: value(rest, id_of(rest), orgId="00D000000000009")).run(monkeypatch)
    assert finding(view, 3)["status"] == "fail"
    assert finding(view, 5)["status"] == "fail"
    assert "orgId of the User-to-User value" in finding(view, 5)["detail"]


def test_an_expired_token_in_the_value_fails_and_does_not_show_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def uui(rest: Rest) -> str:
        return value(rest, id_of(rest), jwt=signed(claims(rest.now, iat=int(rest.now) - 4000, exp=int(rest.now) - 60)))

    view = Flow(uui).run(monkeypatch)
    assert finding(view, 5)["status"] == "fail"
    assert "60 s ago" in finding(view, 5)["detail"]
    assert "eyJ" not in json.dumps(finding(view, 5))


REFUSING = Policy(e2e_unknown_call="refuse", e2e_unknown_org="refuse", e2e_token="refuse")


@pytest.mark.parametrize(
    ("changed", "status", "rule"),
    [
        ({"voiceCallId": "0LQ000000000009AAA"}, 404, "SBC-E2E-001"),
        ({"orgId": "00D000000000009"}, 404, "SBC-E2E-003"),
        ({"jwt": "other key"}, 403, "SBC-E2E-005"),
    ],
)
def test_where_that_is_set_a_mismatch_refuses_the_call(
    changed: dict[str, str], status: int, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uui(rest: Rest) -> str:
        more = {**changed, "jwt": signed(claims(rest.now), private_key(2048, 1))} if changed.get("jwt") == "other key" else changed
        return value(rest, more.get("voiceCallId", id_of(rest)), **{name: one for name, one in more.items() if name != "voiceCallId"})

    flow = Flow(uui, REFUSING)
    view = flow.run(monkeypatch)
    assert (view.state, view.end_status) == ("rejected", status)
    (refused,) = flow.joined.sbc.told(Kind.REJECTED)
    assert refused.data["rule"] == rule


def test_a_good_call_is_not_refused_by_the_strictest_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Flow(lambda rest: value(rest, id_of(rest)), REFUSING).run(monkeypatch).state == "ended"


def test_a_voice_call_that_stays_open_gets_its_finding_when_the_time_for_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(lambda rest: value(rest, id_of(rest)))
    assert finding(flow.run(monkeypatch), 10)["status"] == "unknown"
    late = flow.wait(35)
    assert finding(late, 10)["status"] == "warn"
    assert "30 s after the SIP call" in finding(late, 10)["detail"]


def test_a_voice_call_that_is_closed_in_time_leads_to_a_verdict_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(lambda rest: value(rest, id_of(rest)))
    flow.run(monkeypatch)
    flow.wait(5)
    flow.ask(lambda rest: rest.ask("PATCH", "/voiceCalls/key-1", {"endTime": "2026-11-18T12:09:00Z"}))
    assert finding(flow.view(), 10)["status"] == "pass"
    verdicts = len(flow.joined.sbc.told(Kind.VERDICT))
    flow.wait(60)
    assert len(flow.joined.sbc.told(Kind.VERDICT)) == verdicts == 2


def test_a_voice_call_that_is_closed_while_its_call_is_up_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(lambda rest: value(rest, id_of(rest)), during=lambda rest: rest.ask("PATCH", "/voiceCalls/key-1", {"queue": "00G1"}))
    view = flow.run(monkeypatch)
    assert finding(view, 13)["status"] == "fail"
    assert "while its SIP call was up" in finding(view, 13)["detail"]


def test_what_requests_did_wrong_warns_in_the_verdict_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(lambda rest: value(rest, id_of(rest)), during=lambda rest: rest.ask("PATCH", "/voiceCalls/key-1/clearRouting"))
    view = flow.run(monkeypatch)
    assert finding(view, 12)["status"] == "warn"
    assert "nothing is pending" in finding(view, 12)["detail"]
    assert [entry.data["requests"] for entry in flow.joined.sbc.told(Kind.VOICE_CALL) if entry.call][-1] == 2


def test_the_second_call_that_names_a_voice_call_is_told_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Flow(lambda rest: value(rest, id_of(rest)))
    before = first.run(monkeypatch)
    monkeypatch.undo()
    again = Flow(lambda rest: value(rest, id_of(rest)), before=lambda rest: None, rest=first.rest)
    again.rest.token = signed(claims(again.rest.now))
    view = again.run(monkeypatch)
    assert finding(view, 9)["status"] == "warn"
    assert before.id in finding(view, 9)["detail"]


def test_an_echo_call_has_nothing_to_do_with_voice_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(lambda rest: encode({"orgId": "echo-test-org", "scrt2Domain": "afv-wss-echo:7442"}), number="echo")
    view = flow.run(monkeypatch)
    assert {one["status"] for one in view.verdict["findings"] if "-E2E-0" in one["rule"] and one["rule"] < "SBC-E2E-020"} == {"skip"}  # type: ignore[index]
    assert not flow.joined.sbc.told(Kind.VOICE_CALL)


def test_a_reserved_number_finds_the_voice_call_and_is_good_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = Rest()
    context = {"scrt2Domain": "acme", "toNumber": "+15550100", "callId": "key-1"}
    rest.create(to="+15550100")
    number = rest.ask(
        "POST", "/voiceCalls/reserveRoutableNumber", {"country": "US", "fromNumber": "+15550111", "context": context}
    ).body["handle"]["routableNumber"]  # fmt: skip
    uui = encode({"orgId": ORG, "scrt2Domain": "acme"})
    first = Flow(lambda rest: uui, before=lambda rest: None, rest=rest, number=number).run(monkeypatch)
    assert first.summary()["voiceCallId"] == id_of(rest)
    assert finding(first, 19)["status"] == "pass"
    monkeypatch.undo()
    second = Flow(lambda rest: uui, before=lambda rest: None, rest=rest, number=number).run(monkeypatch)
    assert finding(second, 19)["status"] == "fail"
    assert "good for one call" in finding(second, 19)["detail"]


OTHER = "00D000000000009"


def of_two_orgs() -> Rest:
    return Rest(ring=KeyRing([known_key(), KeyEntry("other", read_keys(public_pem(2048, 1)), OTHER)]))


def create_for_other(rest: Rest) -> None:
    answer = rest.ask("POST", "/voiceCalls", create_body(), signed(claims(rest.now, iss=OTHER), private_key(2048, 1)))
    assert answer.status == 201


@pytest.mark.parametrize("own", [True, False])
def test_a_vendor_call_key_that_is_created_late_is_taken_for_the_call_only_when_the_org_fits(
    own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    create: Callable[[Rest], object] = Rest.create if own else create_for_other
    flow = Flow(lambda rest: value(rest, None, vendorCallKey="key-1"), before=lambda rest: None, during=create, rest=of_two_orgs())
    assert (flow.run(monkeypatch).voice_call is not None) is own


def test_a_reserved_number_does_not_find_the_voice_call_of_another_org(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = of_two_orgs()
    create_for_other(rest)
    context = {"scrt2Domain": "acme", "toNumber": "+15550100", "callId": "key-1"}
    body = {"country": "US", "fromNumber": "+15550111", "context": context}
    number = rest.ask("POST", "/voiceCalls/reserveRoutableNumber", body).body["handle"]["routableNumber"]
    view = Flow(lambda rest: encode({"orgId": ORG, "scrt2Domain": "acme"}), before=lambda rest: None, rest=rest, number=number).run(
        monkeypatch
    )
    assert view.voice_call is None
