"""Every path of the Telephony Integration API, in both spellings, with what is documented and what is not (121 to 133)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbc_sim.telephony import ids, record, remark
from sbc_sim.telephony.asking import PATHS, RestFault, RestRequest
from sbc_sim.telephony.keys import KeyEntry, KeyRing, read_keys
from sbc_sim.telephony.options import TelephonyOptions
from sbc_sim.telephony.record import VoiceCall
from sbc_sim.telephony.states import VOICE_CALL, Step, VoiceCallState
from tests.support.rest_client import (
    CENTER,
    NOW,
    ORG_18,
    Rest,
    claims,
    create_body,
    known_key,
    message_body,
    private_key,
    public_pem,
    signed,
)

ATTRIBUTES = '{"language":"de","intent":"refund"}'


# --- create ----------------------------------------------------------------------------------------------------------------------


def test_create_answers_with_an_id_of_a_voice_call_and_no_errors() -> None:
    answer = Rest().ask("POST", "/voiceCalls", create_body(callAttributes=ATTRIBUTES, callOrigin="Voicemail", callSubtype="PSTN"))
    assert answer.status == 201
    assert answer.body == {"voiceCallId": answer.body["voiceCallId"], "errors": []}
    assert ids.looks_like(answer.body["voiceCallId"], "0LQ")
    assert len(answer.body["voiceCallId"]) == 18
    (kept,) = answer.changed
    assert kept.attributes == {"language": "de", "intent": "refund"}
    assert kept.data()["callOrigin"] == "Voicemail"
    assert (kept.org, kept.call_center, kept.partner) == (ORG_18, CENTER, "acme")
    assert [noted.kind for noted in answer.entries] == ["telephony", "voice.call"]


@pytest.mark.parametrize("name", ["callCenterApiName", "vendorCallKey", "to", "from", "initiationMethod", "startTime", "participants"])
@pytest.mark.parametrize("value", [None, ""])
def test_create_names_the_required_member_that_is_missing(name: str, value: str | None) -> None:
    rest = Rest()
    answer = rest.ask("POST", "/voiceCalls", create_body(**{name: value}))
    assert answer.status == 400
    assert name in answer.body["message"]
    assert name in answer.body["fix"]
    assert rest.rules(answer) == {"SBC-E2E-017"}
    assert len(rest.telephony.table) == 0


def test_all_required_members_that_are_missing_are_named_at_once() -> None:
    answer = Rest().ask("POST", "/voiceCalls", create_body(to=None, startTime="", participants=None))
    assert answer.body["message"] == "The required members to, startTime and participants are missing."
    assert answer.body["fix"].startswith('Add "to": "+15550100", "startTime": "2026-')


@pytest.mark.parametrize(
    ("written", "says"), [("2026-W05", "is not date"), ("20260131", "is not date"), ("2026-01-31T12:00:00", "has no zone")]
)
def test_a_time_that_only_iso_8601_knows_is_remarked_on(written: str, says: str) -> None:
    rest = Rest()
    answer = rest.ask("POST", "/voiceCalls", create_body(startTime=written))
    (told,) = answer.entries[0].data["findings"]
    assert (answer.status, told["rule"], told["status"]) == (201, "SBC-E2E-015", "warn")
    assert says in told["detail"]
    for good in ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123+01:00"):
        assert rest.rules(rest.ask("PATCH", "/voiceCalls/key-1", {"isActiveCall": True, "startTime": good})) == set()


def test_why_json_cannot_be_read_is_told_without_words_of_python() -> None:
    told = Rest().ask("POST", "/voiceCalls", b'{"a": ' + b"9" * 5000 + b"}").body["message"]
    assert told == "The body is not JSON: a number in it has too many digits."


def test_the_first_request_of_a_second_may_not_exceed_the_limit_either() -> None:
    rest = Rest(TelephonyOptions(utterances_per_second=3))
    rest.create("key-0")
    assert rest.ask("POST", "/voiceCalls/messages", bulk(1, 4)).status == 429
    assert rest.ask("POST", "/voiceCalls/messages", bulk(1, 3)).status == 200


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "outbound": ({"initiationMethod": "Outbound"}, "Outbound is not for calls"),
    "lower case": ({"initiationMethod": "inbound"}, "Write Inbound"),
    "no method": ({"initiationMethod": "Dance"}, "Inbound or Transfer"),
    "transfer without parent": ({"initiationMethod": "Transfer"}, "parentVoiceCallId"),
    "number as time": ({"startTime": 1_795_000_000_000}, "milliseconds since 1970 are for messages"),
    "no time": ({"startTime": "yesterday"}, "no ISO 8601"),
    "number as key": ({"vendorCallKey": 4711}, "text is expected"),
    "endless key": ({"vendorCallKey": "k" * 256}, "at most 255"),
    "participants as object": ({"participants": {"type": "END_USER"}}, "a list of objects"),
    "no participants": ({"participants": []}, "one at least"),
    "participant without key": ({"participants": [{"type": "END_USER"}]}, "participants[0].participantKey"),
    "another type": ({"participants": [{"participantKey": "a", "type": "AGENT"}]}, "END_USER is expected"),
    "origin": ({"callOrigin": "Moon"}, "callOrigin"),
    "subtype": ({"callSubtype": "pstn"}, "Write PSTN"),
}


@pytest.mark.parametrize("name", WRONG)
def test_create_refuses_what_is_not_as_documented(name: str) -> None:
    changed, says = WRONG[name]
    answer = Rest().ask("POST", "/voiceCalls", create_body(**changed))
    assert answer.status == 400
    assert says in f"{answer.body['message']} {answer.body['fix']}"


@pytest.mark.parametrize("value", [{"a": 1}, "{", "[1]", "NaN", 5, '{"a":' * 50 + "1" + "}" * 50])
def test_attributes_that_are_no_json_in_a_string_fail_in_part_or_whole(value: Any) -> None:
    partial = Rest().ask("POST", "/voiceCalls", create_body(callAttributes=value))
    assert partial.status == 201
    assert partial.body["voiceCallId"].startswith("0LQ")
    assert "callAttributes" in partial.body["errors"][0]
    strict = Rest(TelephonyOptions(bad_attributes="refuse")).ask("POST", "/voiceCalls", create_body(callAttributes=value))
    assert (strict.status, strict.body["rule"]) == (400, "SBC-E2E-014")


def test_a_vendor_call_key_again_gives_the_same_voice_call_or_409() -> None:
    rest = Rest()
    first = rest.create("key-1")
    again = rest.ask("POST", "/voiceCalls", create_body("key-1", to="+15550111"))
    assert (again.status, again.body["voiceCallId"]) == (201, first)
    assert rest.rules(again) == {"SBC-E2E-009"}
    assert "another to" in again.entries[0].data["findings"][0]["detail"]
    strict = Rest(TelephonyOptions(same_vendor_key="conflict"))
    strict.create("key-1")
    assert strict.ask("POST", "/voiceCalls", create_body("key-1")).status == 409


def test_a_transfer_is_linked_to_its_parent_by_any_of_its_names() -> None:
    rest = Rest()
    first = rest.create("key-1")
    for number, parent in enumerate((first, first[:15], "key-1")):
        rest.create(f"rep-{number}", initiationMethod="Transfer", parentVoiceCallId=parent)
    assert [one.vendor_call_key for one in rest.telephony.linked_to(first)] == ["rep-0", "rep-1", "rep-2"]
    lost = rest.ask("POST", "/voiceCalls", create_body("rep-9", initiationMethod="Transfer", parentVoiceCallId="0LQ000000000009"))
    assert lost.status == 201
    assert rest.rules(lost) == {"SBC-E2E-001"}


# --- which voice call ------------------------------------------------------------------------------------------------------------


ON_ONE = [
    ("PATCH", "{}", {"isActiveCall": True}, 200, {"status": "pending"}),
    ("PATCH", "{}/omniFlow", {"flowDevName": "Support"}, 200, None),
    ("PATCH", "{}/omniFlow", {"flowName": "Support"}, 200, None),
    ("PATCH", "{}/omniFlow", {"dialedNumber": "+15550100"}, 200, None),
    ("PATCH", "{}/clearRouting", b"null", 200, {"status": "Success"}),
    ("PATCH", "{}/clearRouting", b"{}", 200, {"status": "Success"}),
    ("PATCH", "{}/clearRouting", b"", 200, {"status": "Success"}),
    ("POST", "{}/reroute", b"", 200, {"status": "Success"}),
    ("PATCH", "{}/reroute", b"null", 200, {"status": "Success"}),
    ("POST", "{}/routeVoiceCall", {"routingTarget": "00G000000000001"}, 200, {"status": "Success"}),
    ("PATCH", "route/{}", {"routingTarget": "00G000000000001", "fallbackQueue": "00G000000000002"}, 200, {"status": "Success"}),
    ("POST", "{}/requestCallback", {"callbackNumber": "+15550199", "isPreviewCallback": False}, 200, None),
    ("POST", "{}/realtimeConversationEvents", {"service": "s", "persist": True, "events": [{"type": "t", "value": 1}]}, 202, {}),
    ("POST", "{}/postConversationEvents", {"service": "s", "events": [{"type": "t"}]}, 202, {}),
    ("GET", "{}/voicemailDrop", b"", 200, {"recordingUrl": "https://example.com/r.wav"}),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), ON_ONE, ids=lambda value: str(value)[:40])
def test_every_path_takes_an_id_of_15_or_18_characters_and_the_vendor_call_key(
    method: str, path: str, body: Any, status: int, expected: dict[str, Any] | None
) -> None:
    rest = Rest(TelephonyOptions(recording_url="https://example.com/r.wav"))
    voice_call = rest.create("key 1/é")
    for key in (voice_call, voice_call[:15], "key%201%2F%C3%A9"):
        answer = rest.ask(method, f"/voiceCalls/{path.format(key)}", body)
        assert answer.status == status, answer.body
        assert expected is None or answer.body == expected
    for key, cure in (("0LQ000000000009", "POST /voiceCalls first"), ("undefined", "JavaScript"), (voice_call[:15] + "000", "letter case")):
        lost = rest.ask(method, f"/voiceCalls/{path.format(key)}", body)
        assert lost.status == 404
        assert cure in lost.body["fix"] + lost.body["message"]


def test_a_voice_call_of_another_org_is_not_found_and_the_answer_says_whose_it_is() -> None:
    rest = Rest()
    voice_call = rest.create()
    rest.ring.put(replace(rest.ring.entries[0], name="other", org="00D000000000009", call_center=""))
    stranger = signed(claims(iss="00D000000000009"), private_key())
    answer = rest.ask("PATCH", f"/voiceCalls/{voice_call}", {}, stranger)
    assert (answer.status, answer.body["rule"]) == (404, "SBC-E2E-003")
    assert rest.state() == "created"
    assert rest.ask("PATCH", "/voiceCalls/key-1", {}, stranger).status == 404


def test_patch_without_is_active_call_true_closes_and_an_unknown_key_may_create() -> None:
    rest = Rest()
    voice_call = rest.create()
    assert rest.ask("PATCH", f"/voiceCalls/{voice_call}", {"isActiveCall": True, "queue": "00G1"}).changed[0].is_open
    closed = rest.ask("PATCH", f"/voiceCalls/{voice_call}", {"endTime": "2026-11-18T12:05:00Z"}).changed[0]
    assert (closed.is_open, closed.closed_at, closed.data()["queue"]) == (False, NOW, "00G1")
    rest.create("key-2")
    rest.ask("PATCH", "/voiceCalls/key-2", {"isActiveCall": False})
    assert rest.state("key-2") == "closed"
    lenient = Rest(TelephonyOptions(unknown_patch="create"))
    made = lenient.ask("PATCH", "/voiceCalls/unheard-of", {"isActiveCall": True})
    assert (made.status, lenient.rules(made)) == (200, {"SBC-E2E-001"})
    assert lenient.state("unheard-of") == "active"


def test_a_patch_that_goes_on_but_forgets_is_active_call_is_told_what_it_did() -> None:
    rest = Rest()
    voice_call = rest.create()
    answer = rest.ask("PATCH", f"/voiceCalls/{voice_call}", {"acceptTime": "2026-11-18T12:01:00Z", "agent": "005000000000001"})
    assert "no isActiveCall: that closes" in answer.entries[0].data["findings"][0]["detail"]
    assert rest.state() == "closed"
    assert answer.changed[0].accepted_at == NOW


@pytest.mark.parametrize(
    ("member", "value"),
    [("endTime", 17), ("endTime", "late"), ("totalHoldDuration", "ten"), ("numberOfHolds", -1), ("isActiveCall", "true"),
     ("disconnectReason", "bye"), ("disconnectReason", {"isError": True}), ("agent", 5), ("callOrigin", "Moon")],
)  # fmt: skip
def test_patch_refuses_members_of_the_wrong_type_and_changes_nothing(member: str, value: Any) -> None:
    rest = Rest()
    rest.create()
    answer = rest.ask("PATCH", "/voiceCalls/key-1", {member: value})
    assert answer.status == 400
    assert member in answer.body["message"]
    assert rest.state() == "created"


def test_members_that_nobody_documents_are_ignored_and_the_near_one_is_named() -> None:
    rest = Rest()
    rest.create()
    answer = rest.ask("PATCH", "/voiceCalls/key-1", {"isactivecall": True, "isActiveCall": True})
    assert answer.status == 200
    assert "Did you mean isActiveCall" in answer.entries[0].data["findings"][0]["fix"]


# --- routing ---------------------------------------------------------------------------------------------------------------------


def test_omni_flow_answers_agent_and_queue_that_stay_the_same_and_errors_without_a_flow() -> None:
    rest = Rest(TelephonyOptions(channels=("+15550100",)))
    rest.create()
    first, second = (rest.ask("PATCH", "/voiceCalls/key-1/omniFlow", {"dialedNumber": "+15550100"}).body for _ in range(2))
    assert first == second
    assert first["agent"].startswith("005")
    assert first["queue"].startswith("00G")
    for body in ({}, {"dialedNumber": "+15550999"}, {"fallbackQueue": "00G1"}):
        answer = rest.ask("PATCH", "/voiceCalls/key-1/omniFlow", body)
        assert set(answer.body) == {"errors"}
        assert "no flow was executed" in answer.body["errors"][0]
    by_flow = rest.ask("PATCH", "/voiceCalls/key-1/omniFlow", {"dialedNumber": "+15550999", "flowDevName": "F", "transferTarget": "00G7"})
    assert set(by_flow.body) == {"agent", "queue"}
    record = rest.telephony.find("key-1")
    assert record is not None
    assert record.routing is not None
    assert (record.routing["by"], record.routing["flowInputParameters"]) == ("parameters", {"transferTarget": "00G7"})


def test_what_is_pending_is_cleared_and_there_is_nothing_to_clear_twice() -> None:
    rest = Rest()
    rest.create()
    rest.ask("PATCH", "/voiceCalls/key-1/omniFlow", {"flowDevName": "F"})
    assert rest.state() == "queued"
    assert rest.rules(rest.ask("PATCH", "/voiceCalls/key-1/clearRouting", b"null")) == set()
    record = rest.telephony.find("key-1")
    assert record is not None
    assert (record.state, record.routing) == (VoiceCallState.ACTIVE, None)
    assert rest.rules(rest.ask("PATCH", "/voiceCalls/key-1/clearRouting", b"null")) == {"SBC-E2E-012"}
    strict = Rest(TelephonyOptions(out_of_order="refuse"))
    strict.create()
    assert strict.ask("PATCH", "/voiceCalls/key-1/clearRouting").status == 409


def test_route_needs_a_target_and_callback_a_number() -> None:
    rest = Rest()
    rest.create()
    assert "routingTarget" in rest.ask("POST", "/voiceCalls/key-1/routeVoiceCall", {}).body["message"]
    assert "callbackNumber" in rest.ask("POST", "/voiceCalls/key-1/requestCallback", {}).body["message"]
    assert rest.ask("POST", "/voiceCalls/key-1/requestCallback", {"callbackNumber": "+15550199"}).body["recordId"]


# --- messages --------------------------------------------------------------------------------------------------------------------


def test_flow_input_parameters_are_bounded_and_what_is_refused_is_not_kept() -> None:
    rest = Rest()
    rest.create()
    for method, path, member in (("PATCH", "omniFlow", {"flowDevName": "F"}), ("POST", "routeVoiceCall", {"routingTarget": "F"})):
        answer = rest.ask(method, f"/voiceCalls/key-1/{path}", {**member, "flowInputParameters": {"a": ["x" * 1000] * 40}})
        assert (answer.status, answer.body["code"]) == (400, "INVALID_FIELD")
        assert "flowInputParameters has 40167 characters" in answer.body["message"]
        kept = rest.telephony.find("key-1")
        assert kept is not None
        assert kept.routing is None
        assert all(len(json.dumps(entry.data)) < 10_000 for entry in answer.entries)
    assert rest.ask("PATCH", "/voiceCalls/key-1/omniFlow", {"flowDevName": "F", "flowInputParameters": {"a": "x" * 32_000}}).status == 200


def test_a_request_is_told_with_its_first_remarks_and_the_last() -> None:
    rest = Rest()
    rest.create()
    events = [{"type": "X", "startTime": 1} for _ in range(99)]
    answer = rest.ask("POST", "/voiceCalls/key-1/realtimeConversationEvents", {"events": [*events, {}]})
    told = answer.entries[0].data["findings"]
    assert (len(told), told[-1]["detail"]) == (20, "The required member events[99].type is missing.")


def test_messages_go_to_the_vendor_call_key_of_the_first_call_only() -> None:
    rest = Rest()
    first = rest.create("key-1")
    rest.create("rep-1", initiationMethod="Transfer", parentVoiceCallId=first)
    assert rest.ask("POST", "/voiceCalls/key-1/messages", message_body()).body == {"result": "Success"}
    for key in (first, first[:15], "rep-1"):
        answer = rest.ask("POST", f"/voiceCalls/{key}/messages", message_body())
        assert (answer.status, answer.body["rule"]) == (400, "SBC-E2E-011")
        assert "/voiceCalls/key-1/messages" in answer.body["fix"]
    lenient = Rest(TelephonyOptions(message_key="warn"))
    voice_call = lenient.create("key-1")
    assert lenient.ask("POST", f"/voiceCalls/{voice_call}/messages", message_body()).status == 200


@pytest.mark.parametrize("sender", ["END_USER", "EXTERNAL_USER", "HUMAN_AGENT", "SUPERVISOR", "VIRTUAL_AGENT"])
def test_any_participant_id_goes_with_each_of_the_five_senders(sender: str) -> None:
    rest = Rest()
    rest.create()
    assert rest.ask("POST", "/voiceCalls/key-1/messages", message_body(senderType=sender, participantId="+15550199")).status == 200


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"senderType": "ROBOT"}, "senderType"),
        ({"content": None}, "content"),
        ({"participantId": ""}, "participantId"),
        ({"messageId": None}, "messageId"),
        ({"startTime": None}, "startTime"),
        ({"startTime": "2026-11-18T12:00:00Z"}, "milliseconds since 1970"),
        ({"endTime": 1.5}, "whole number"),
        ({"endTime": True}, "whole number"),
        ({"endTime": -5}, "no time"),
    ],
)
def test_a_message_is_checked_member_by_member(changed: dict[str, Any], says: str) -> None:
    rest = Rest()
    rest.create()
    answer = rest.ask("POST", "/voiceCalls/key-1/messages", message_body(**changed))
    assert answer.status == 400
    assert says in answer.body["message"]


def test_seconds_an_empty_id_and_an_end_before_its_beginning_are_only_remarked_on() -> None:
    rest = Rest()
    rest.create()
    for changed, says in (({"startTime": 1_795_000_000, "endTime": 1_795_000_001}, "seconds"), ({"messageId": ""}, "empty"),
                          ({"endTime": int(NOW * 1000) - 9}, "before startTime")):  # fmt: skip
        answer = rest.ask("POST", "/voiceCalls/key-1/messages", message_body(**changed))
        assert answer.status == 200
        assert any(says in one["detail"] for one in answer.entries[0].data["findings"]), changed


def bulk(calls: int, each: int) -> dict[str, Any]:
    return {"entries": [{"vendorCallKey": f"key-{number}", "messages": [message_body()] * each} for number in range(calls)]}


def test_messages_in_bulk_are_at_most_five_calls_with_five_each() -> None:
    rest = Rest()
    for number in range(6):
        rest.create(f"key-{number}")
    assert rest.ask("POST", "/voiceCalls/messages", bulk(5, 5)).body == {"result": "Accepted"}
    record = rest.telephony.find("key-4")
    assert record is not None
    assert record.messages == 5
    for body in (bulk(6, 1), bulk(1, 6), {}, {"entries": []}, {"entries": [{"messages": [message_body()]}]}):
        assert rest.ask("POST", "/voiceCalls/messages", body).status == 400
    assert rest.ask("POST", "/voiceCalls/messages", {"entries": [{"vendorCallKey": "no", "messages": [message_body()]}]}).status == 404


# --- handles and look-ups ----------------------------------------------------------------------------------------------------------


CONTEXT = {"scrt2Domain": "acme.my.salesforce-scrt.com", "toNumber": "+15550100", "callId": "key-1"}


@pytest.mark.parametrize("country", ["countryCode", "country"])
def test_a_routable_number_is_good_once_within_180_seconds_for_the_number_it_was_reserved_for(country: str) -> None:
    rest = Rest()
    body = {country: "US", "fromNumber": "+15550199", "context": CONTEXT}
    answer = rest.ask("POST", "/voiceCalls/reserveRoutableNumber", body).body
    assert (answer["status"], answer["mode"]) == ("success", "number")
    handle = answer["handle"]
    assert set(handle) == {"routableNumber", "uid", "expiresAt"}
    handles = rest.telephony.handles
    assert "reserved for a call from" in handles.redeem(handle["routableNumber"], "+15550777", NOW + 1)[1]
    assert handles.redeem(handle["routableNumber"], "+15550199", NOW + 180)[1] == ""
    assert "was used" in handles.redeem(handle["routableNumber"], "+15550199", NOW + 181)[1]
    late = rest.ask("POST", "/voiceCalls/reserveRoutableNumber", body).body["handle"]["routableNumber"]
    assert "expired 1 s ago" in handles.redeem(late, "+15550199", NOW + 181)[1]
    assert "nobody was given" in handles.redeem("+15559999", "+15550199", NOW)[1]
    assert "countryCode" in rest.ask("POST", "/voiceCalls/reserveRoutableNumber", {"fromNumber": "+15550199"}).body["message"]


def test_a_number_that_is_good_still_is_given_to_nobody_else() -> None:
    rest = Rest()
    body = {"countryCode": "US", "fromNumber": "+15550199", "context": CONTEXT}

    def reserve() -> Any:
        return rest.ask("POST", "/voiceCalls/reserveRoutableNumber", body)

    first = reserve().body["handle"]["routableNumber"]
    rest.now += 60
    assert len({reserve().body["handle"]["routableNumber"] for _ in range(99)} - {first}) == 99
    refused = reserve()
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (429, "120")
    assert rest.telephony.handles.redeem(first, "+15550199", rest.now)[1] == ""
    assert reserve().body["handle"]["routableNumber"] == first


@pytest.mark.parametrize(("spelling", "mode"), [("correlationId", "correlationID"), ("contextID", "contextID")])
def test_the_handle_of_a_context_has_the_spelling_that_is_set(spelling: str, mode: str) -> None:
    rest = Rest(TelephonyOptions(context_handle=spelling))
    answer = rest.ask("POST", "/voiceCalls/createVoiceCallContext", {"fromNumber": "+15550199", "context": CONTEXT}).body
    assert (answer["mode"], set(answer["handle"])) == (mode, {spelling, "expiresAt"})
    assert answer["handle"][spelling] in rest.telephony.handles
    lacking = rest.ask("POST", "/voiceCalls/createVoiceCallContext", {"fromNumber": "1", "context": {"scrt2Domain": "a", "toNumber": "1"}})
    assert "context.callId" in lacking.body["message"]


def test_an_org_that_is_not_provisioned_gets_perm_missing() -> None:
    rest = Rest(TelephonyOptions(provisioned=False))
    for path in ("reserveRoutableNumber", "createVoiceCallContext"):
        answer = rest.ask("POST", f"/voiceCalls/{path}", {"country": "US", "fromNumber": "+15550199", "context": CONTEXT})
        assert (answer.status, answer.body["code"]) == (403, "PERM_MISSING")


def test_look_ups_answer_what_is_set_and_404_otherwise() -> None:
    rest = Rest(TelephonyOptions(greeting_url="https://example.com/g.wav", outbound_number="+15550142"))
    assert rest.ask("GET", "/voiceCalls/voicemailGreeting?toPhoneNumber=+15550100").body == {"greetingUrl": "https://example.com/g.wav"}
    assert rest.ask("GET", "/voiceCalls/defaultOutboundPhoneNumber?externalRepId=7").body == {"phoneNumber": "+15550142"}
    assert "externalRepId" in rest.ask("GET", "/voiceCalls/defaultOutboundPhoneNumber").body["message"]
    rest.create()
    assert rest.ask("GET", "/voiceCalls/key-1/voicemailDrop").status == 404


# --- limits and faults -------------------------------------------------------------------------------------------------------------


def test_more_calls_in_a_second_than_the_org_may_get_429_with_retry_after() -> None:
    rest = Rest(TelephonyOptions(calls_per_second=2))
    for number in range(2):
        rest.create(f"key-{number}")
    answer = rest.ask("POST", "/voiceCalls", create_body("key-9"))
    assert (answer.status, answer.body["code"], answer.headers) == (429, "RATE_LIMITED", (("Retry-After", "1"),))
    rest.now += 1.0
    assert rest.ask("POST", "/voiceCalls", create_body("key-9")).status == 201


def test_more_utterances_and_more_open_calls_than_allowed_get_429_too() -> None:
    rest = Rest(TelephonyOptions(utterances_per_second=3, concurrent_calls=1))
    rest.create("key-0")
    assert rest.ask("POST", "/voiceCalls/messages", bulk(1, 3)).status == 200
    assert rest.ask("POST", "/voiceCalls/messages", bulk(1, 1)).body["code"] == "RATE_LIMITED"
    assert rest.ask("POST", "/voiceCalls", create_body("key-9")).status == 429
    rest.ask("PATCH", "/voiceCalls/key-0", {})
    assert rest.ask("POST", "/voiceCalls", create_body("key-9")).status == 201


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (RestFault("f", "telephony-500", 502.0), 502, "UNKNOWN_EXCEPTION"),
        (RestFault("f", "telephony-429", 7.0), 429, "RATE_LIMITED"),
        (RestFault("f", "telephony-403"), 403, "PERM_MISSING"),
    ],
)
def test_a_fault_answers_on_purpose_and_changes_nothing(fault: RestFault, status: int, code: str) -> None:
    rest = Rest()
    asked: list[tuple[str, str]] = []
    rest.telephony.fault = lambda path, partner, now: asked.append((path, partner)) or fault
    answer = rest.ask("POST", "/voiceCalls", create_body())
    assert (answer.status, answer.body["code"]) == (status, code)
    assert asked == [("/telephony/v1/voiceCalls", "acme")]
    assert status != 429 or dict(answer.headers)["Retry-After"] == "7"
    assert len(rest.telephony.table) == 0


def test_faults_of_the_wire_are_left_to_who_sends_the_answer() -> None:
    rest = Rest()
    fault = RestFault("f", "telephony-slow", 3.0)
    rest.telephony.fault = lambda path, partner, now: fault
    answer = rest.ask("POST", "/voiceCalls", create_body())
    assert (answer.status, answer.fault) == (201, fault)


# --- bounds ------------------------------------------------------------------------------------------------------------------------


def test_when_the_table_is_full_closed_calls_make_room_and_open_ones_only_after_a_day() -> None:
    rest = Rest(TelephonyOptions(max_calls=3))
    for number in range(3):
        rest.create(f"key-{number}")
    rest.ask("PATCH", "/voiceCalls/key-1", {})
    rest.create("key-3")
    assert {one.vendor_call_key for one in rest.telephony.table} == {"key-0", "key-2", "key-3"}
    answer = rest.ask("POST", "/voiceCalls", create_body("key-4"))
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (429, "1")
    assert "telephony.max_calls" in answer.body["message"]
    assert rest.ask("PATCH", "/voiceCalls/key-0", {"isActiveCall": True}).status == 200
    rest.now += 86_400
    rest.token = signed(claims(rest.now))
    rest.create("key-4")
    assert {one.vendor_call_key for one in rest.telephony.table} == {"key-0", "key-3", "key-4"}
    assert (rest.telephony.table.evicted, rest.telephony.table.open) == (2, 3)


def test_open_calls_are_counted_for_each_org() -> None:
    ring = KeyRing([known_key(), KeyEntry("other", read_keys(public_pem(2048, 1)), "00D000000000009")])
    rest = Rest(TelephonyOptions(concurrent_calls=1), ring=ring)
    rest.create("key-0")
    other = signed(claims(iss="00D000000000009"), private_key(2048, 1))
    assert rest.ask("POST", "/voiceCalls", create_body("key-1"), other).status == 201
    assert "of this org" in rest.ask("POST", "/voiceCalls", create_body("key-2")).body["message"]


def test_a_voice_call_keeps_only_so_many_remarks_and_the_journal_only_the_beginning_of_a_body() -> None:
    rest = Rest()
    rest.create()
    for number in range(record.MOST_REMARKS + 9):
        rest.ask("PATCH", "/voiceCalls/key-1", {"isActiveCall": True, f"strange{number}": "x" * 9000})
    kept = rest.telephony.find("key-1")
    assert kept is not None
    assert len(kept.findings) == record.MOST_REMARKS
    assert all(len(str(told)) < 12_000 for told in rest.telephony.requests)


def test_tokens_never_stand_in_what_is_told_of_a_request() -> None:
    rest = Rest()
    answer = rest.ask("POST", "/voiceCalls", create_body(callAttributes='{"jwt":"' + rest.token + '"}'))
    assert rest.token.rpartition(".")[2] not in str(answer.entries[0].data)
    refused = rest.ask("PATCH", f"/voiceCalls/{rest.token}", {"agent": rest.token})
    assert rest.token.rpartition(".")[2] not in str(refused.entries[0].data)


def test_a_record_is_read_back_as_it_was_written() -> None:
    rest = Rest()
    voice_call = rest.create(callAttributes=ATTRIBUTES)
    rest.ask("PATCH", f"/voiceCalls/{voice_call}/omniFlow", {"flowDevName": "F"})
    rest.ask("POST", "/voiceCalls/key-1/messages", message_body(messageId=""))
    rest.ask("PATCH", f"/voiceCalls/{voice_call}", {"acceptTime": "2026-11-18T12:01:00Z", "agent": "005000000000001"})
    kept = rest.telephony.find("key-1")
    assert kept is not None
    assert VoiceCall.from_data(kept.data()) == kept
    fresh = Rest()
    fresh.telephony.restore("voice.call", kept.data())
    fresh.telephony.restore("voice.call", {"voiceCallId": "damaged"})
    assert fresh.telephony.find(voice_call[:15]) == kept
    assert fresh.create("key-2") != voice_call


# --- paths, and anything at all ------------------------------------------------------------------------------------------------------


def test_a_path_or_method_that_there_is_not_gets_404_or_405_with_what_there_is() -> None:
    rest = Rest()
    assert "/voiceCalls/{id}/omniFlow" in rest.ask("POST", "/voicecalls", {}).body["fix"]
    answer = rest.ask("POST", "/voiceCalls/key-1", {})
    assert (answer.status, dict(answer.headers)["Allow"]) == (405, "PATCH")
    assert rest.ask("POST", "/voiceCalls/", create_body()).status == 201


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"text"', b"5", b"\xff\xfe", b'{"a":NaN}', b"[" * 100_000, b'{"a":' * 40 + b"1" + b"}" * 40])
def test_a_body_that_is_no_json_object_gets_400(raw: bytes) -> None:
    answer = Rest().ask("POST", "/voiceCalls", raw)
    assert (answer.status, answer.body["code"]) == (400, "JSON_PARSER_ERROR")


def test_a_body_in_another_format_gets_415_and_one_without_a_declared_type_is_read() -> None:
    rest = Rest()
    for kind, status in (("application/xml", 415), ("text/plain", 415), ("", 200), ("application/vnd.api+json", 200)):
        rest.telephony.clear()
        if rest.telephony.find("key-1") is None:
            rest.create()
        request = RestRequest("PATCH", "/voiceCalls/key-1", {}, f"Bearer {rest.token}", kind, b'{"isActiveCall":true}')
        assert rest.telephony.answer(request, NOW).status == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "callCenterApiName",
        "vendorCallKey",
        "to",
        "from",
        "initiationMethod",
        "startTime",
        "participants",
        "parentVoiceCallId",
        "callAttributes",
        "isActiveCall",
        "endTime",
        "acceptTime",
        "agent",
        "disconnectReason",
        "dialedNumber",
        "flowDevName",
        "flowInputParameters",
        "routingTarget",
        "callbackNumber",
        "entries",
        "messages",
        "content",
        "senderType",
        "messageId",
        "participantId",
        "events",
        "country",
        "fromNumber",
        "context",
    ]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(PATHS),
    st.sampled_from(["key-1", "0LQ000000000001", "%ff", "x" * 300]),
    st.dictionaries(NAMES, JSON, max_size=6),
    st.data(),
)
def test_whatever_a_body_holds_the_answer_is_a_json_object_and_no_server_error(
    path: tuple[str, str, str], key: str, body: dict[str, Any], data: st.DataObject
) -> None:
    rest = Rest(TelephonyOptions(verify="off"))
    rest.create()
    good = create_body(data.draw(st.sampled_from(["key-1", "key-2"]))) | message_body()
    method, template, _ = path
    answer = rest.ask(method, template.replace("(?P<key>[^/]+)", key), data.draw(st.sampled_from([body, good | body])))
    assert 200 <= answer.status < 500
    assert answer.status < 300 or answer.body["errors"][0]["rule"].startswith("SBC-E2E-")


@pytest.mark.parametrize("raw", [b"\x00", b"GET", b"/" * 5000, "é".encode() * 3000])
def test_whatever_stands_in_the_authorization_header_and_path_is_answered(raw: bytes) -> None:
    text = raw.decode("latin-1")
    for authorization, path in ((f"Bearer {text}", "/voiceCalls"), (text, "/voiceCalls"), ("", f"/{text}")):
        assert 400 <= Rest().telephony.answer(RestRequest("POST", path, {}, authorization, "", b"{}"), NOW).status < 500


# --- the table of states -----------------------------------------------------------------------------------------------------------


@given(st.sampled_from(VoiceCallState), st.sampled_from(Step))
def test_every_pair_of_state_and_step_is_in_the_table_or_out_of_order(state: VoiceCallState, step: Step) -> None:
    before = VoiceCall("0LQ", "k", "", "", "", NOW, NOW, state=state, closed_at=NOW if state is VoiceCallState.CLOSED else None)
    after = before.step(step, NOW + 1)
    assert (after is None) == ((state, step) not in VOICE_CALL)
    if after is not None:
        assert after.state is VOICE_CALL[state, step]
        assert (after.closed_at is not None) == (after.state is VoiceCallState.CLOSED)
    assert state is not VoiceCallState.CLOSED or after is None or after.state is VoiceCallState.CLOSED, "nothing opens a closed call"


def test_every_open_state_can_be_reached_and_closed() -> None:
    reached = {VoiceCallState.CREATED, *VOICE_CALL.values()}
    assert reached == set(VoiceCallState)
    assert all((state, Step.CLOSE) in VOICE_CALL for state in VoiceCallState)


def test_every_rule_of_a_remark_is_in_the_catalogue() -> None:
    from sbc_sim.rules.catalogue import RULES

    named = {value for name, value in vars(remark).items() if isinstance(value, str) and value.startswith("SBC-")}
    assert len(named) == 19
    assert named <= set(RULES)
