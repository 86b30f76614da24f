"""Creating and changing voice calls: POST /voiceCalls and PATCH /voiceCalls/{id} (facts 2.2, requirements 121 to 124, 131)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sbc_sim.sip.text import printable
from sbc_sim.telephony import members
from sbc_sim.telephony.asking import Ask, Done
from sbc_sim.telephony.desk import Desk
from sbc_sim.telephony.record import VoiceCall
from sbc_sim.telephony.remark import CREATE, FAIL, KEY_REUSED, LIMITS, MEMBERS, TOKEN, WARN, Refused, Remark, bad_member
from sbc_sim.telephony.states import Step

CREATE_MEMBERS = (
    *("callCenterApiName", "vendorCallKey", "to", "from", "initiationMethod", "startTime", "participants"),
    *("parentVoiceCallId", "callOrigin", "queue", "callSubtype", "callAttributes"),
)
REQUIRED = {
    "callCenterApiName": '"AcmeCallCenter"',
    "vendorCallKey": '"call-4711"',
    "to": '"+15550100"',
    "from": '"+15550199"',
    "initiationMethod": '"Inbound"',
    "startTime": '"2026-01-31T12:00:00.000Z"',
    "participants": '[{"participantKey": "+15550199", "type": "END_USER"}]',
}
"""Members of a create that must be there, each with an example."""
TIMES = ("startTime", "endTime", "enqueueTime", "acceptTime")
NUMBERS = ("totalHoldDuration", "longestHoldDuration", "numberOfHolds", "agentInteractionDuration", "totalRecordingDuration")
TEXTS = ("fromNumber", "queue", "agent", "callOrigin", "recordingLocation")
UPDATE_MEMBERS = (*TIMES, *NUMBERS, *TEXTS, "callAttributes", "isActiveCall", "disconnectReason")
METHODS = ("Inbound", "Transfer")
ORIGINS = ("Preview", "Progressive", "Voicemail")
SUBTYPES = ("PSTN", "WebRTC")
MOST_PARTICIPANTS = 20


def create(desk: Desk, ask: Ask) -> Done:
    """POST /voiceCalls: make a voice call, or give the one that the vendorCallKey has already."""
    body = ask.body
    made = _read_create(desk, ask)
    known = desk.table.find(made.vendor_call_key, ask.who.org)
    if known is not None and known.vendor_call_key == made.vendor_call_key:
        return _known_already(desk, ask, known, made)
    _check_limits(desk, ask)
    attributes, trouble = members.attributes(body.get("callAttributes"), ask.remarks)
    if trouble and desk.options.bad_attributes == "refuse":
        raise Refused(400, "INVALID_FIELD", replace(ask.remarks[-1], status=FAIL))
    ask.about = replace(made, id=desk.table.new_id(ask.now), attributes=attributes)
    desk.keep(ask, ask.about)
    return Done(desk.options.create_status, {"voiceCallId": ask.about.id, "errors": [f"{trouble}."] if trouble else []})


def _read_create(desk: Desk, ask: Ask) -> VoiceCall:
    """Check every member of a create. Raises Refused."""
    body, remarks = ask.body, ask.remarks
    members.all_there(body, REQUIRED)
    center = members.text(body, "callCenterApiName", example='"AcmeCallCenter"')
    key = members.clean_text(body, "vendorCallKey", members.LONGEST_KEY, '"call-4711"')
    called, caller = (members.clean_text(body, name, example=REQUIRED[name]) for name in ("to", "from"))
    method = _initiation(members.text(body, "initiationMethod", example='"Inbound"'))
    start = members.iso_time("startTime", body["startTime"], remarks)
    participants = _participants(body)
    parent = _parent(desk, ask, method)
    details = _create_details(body)
    members.phone_number("to", called, remarks)
    members.phone_number("from", caller, remarks)
    members.unknown(body, CREATE_MEMBERS, remarks)
    _check_center(ask, center)
    return VoiceCall(
        id="",
        vendor_call_key=key,
        org=ask.who.org,
        call_center=center,
        partner=ask.who.partner,
        created_at=ask.now,
        updated_at=ask.now,
        caller=caller,
        called=called,
        initiation_method=method,
        start_time=start,
        parent=parent,
        participants=participants,
        details=details,
    )


def _initiation(method: str) -> str:
    if method == "Outbound":
        fix = "Send Inbound for a call that a customer made, Transfer for one that is passed on."
        raise bad_member("initiationMethod Outbound is not for calls that reach an agent.", fix)
    return members.choice("initiationMethod", method, METHODS)


def _participants(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    found = members.objects("participants", body.get("participants"), MOST_PARTICIPANTS)
    kept = []
    for place, one in enumerate(found):
        for name in ("participantKey", "type"):
            if one.get(name) in (None, ""):
                raise members.missing(f"participants[{place}].{name}", '"END_USER"' if name == "type" else '"+15550199"')
            members.checked_text(f"participants[{place}].{name}", one[name], members.LONGEST_KEY)
        members.choice(f"participants[{place}].type", one["type"], ("END_USER",))
        kept.append({"participantKey": one["participantKey"], "type": one["type"]})
    return tuple(kept)


def _parent(desk: Desk, ask: Ask, method: str) -> str:
    parent = members.optional_text(ask.body, "parentVoiceCallId", members.LONGEST_KEY)
    if method == "Transfer" and not parent:
        raise members.missing(
            "parentVoiceCallId", '"0LQ...", the id of the voice call that is passed on: initiationMethod Transfer needs it'
        )
    if parent and desk.table.find(parent, ask.who.org) is None:
        detail = f"parentVoiceCallId {printable(parent, 40)!r} names no voice call of this org: the two are not linked."
        ask.remarks.append(Remark(CREATE, FAIL, detail, "Send the voiceCallId that POST /voiceCalls gave for the first call."))
    return parent


def _create_details(body: Mapping[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {}
    for name, allowed in (("callOrigin", ORIGINS), ("callSubtype", SUBTYPES), ("queue", ())):
        value = members.optional_text(body, name)
        if value:
            details[name] = members.choice(name, value, allowed) if allowed else value
    return details


def _check_center(ask: Ask, center: str) -> None:
    if ask.who.call_center and ask.who.call_center != center:
        detail = f"callCenterApiName is {printable(center, 40)!r}, but the token's sub is {printable(ask.who.call_center, 40)!r}."
        ask.remarks.append(Remark(TOKEN, FAIL, detail, "Use the API name of the call centre in both."))


def _known_already(desk: Desk, ask: Ask, known: VoiceCall, again: VoiceCall) -> Done:
    differs = [
        name
        for name, old, new in (
            ("to", known.called, again.called),
            ("from", known.caller, again.caller),
            ("startTime", known.start_time, again.start_time),
            ("initiationMethod", known.initiation_method, again.initiation_method),
        )
        if old != new
    ]
    closed = "" if known.is_open else " and is closed"
    said = f", with another {', '.join(differs)}" if differs else ""
    detail = f"vendorCallKey {printable(known.vendor_call_key, 60)!r} was used before{said}: it belongs to {known.id}{closed}."
    fix = "Make a new vendorCallKey for each call; the same one means the same voice call."
    ask.about = known
    if desk.options.same_vendor_key == "conflict":
        raise Refused(409, "DUPLICATE_VALUE", Remark(KEY_REUSED, FAIL, detail, fix))
    ask.remarks.append(Remark(KEY_REUSED, FAIL if differs or closed else WARN, detail, fix))
    desk.keep(ask, known)
    return Done(desk.options.create_status, {"voiceCallId": known.id, "errors": []})


def _check_limits(desk: Desk, ask: Ask) -> None:
    options = desk.options
    wait = desk.calls.take(ask.who.org, ask.now)
    if wait:
        raise desk.too_many(f"More than {options.calls_per_second:g} calls were created in a second (telephony.calls_per_second).", wait)
    told = ""
    if desk.table.open_of(ask.who.org) >= options.concurrent_calls:
        told = f"{desk.table.open_of(ask.who.org)} voice calls of this org are open (telephony.concurrent_calls)."
    elif not desk.table.has_room(ask.now):
        told = f"{desk.table.open} voice calls are open, of all orgs together: no more can be kept (telephony.max_calls)."
    if told:
        fix = "Close calls that are over: PATCH without isActiveCall true. Here, telephony.max_calls makes more room."
        raise Refused(429, "RATE_LIMITED", Remark(LIMITS, FAIL, told, fix), (("Retry-After", "1"),))


def update(desk: Desk, ask: Ask) -> Done:
    """PATCH /voiceCalls/{id}: change it; without isActiveCall true that closes the conversation."""
    changes = _read_update(ask)
    record = desk.find(ask) or _made_by_patch(desk, ask)
    desk.about(ask, record)
    attributes, trouble = members.attributes(ask.body.get("callAttributes"), ask.remarks)
    if trouble and desk.options.bad_attributes == "refuse":
        raise Refused(400, "INVALID_FIELD", replace(ask.remarks[-1], status=FAIL))
    steps = list(_steps(ask.body))
    record = replace(record, details={**record.details, **changes}, attributes=attributes or record.attributes)
    _remark_closing(ask, steps)
    for step in steps:
        record = desk.step(ask, record, step)
    desk.keep(ask, record)
    return Done(200, {"status": "pending"})


def _read_update(ask: Ask) -> dict[str, Any]:
    """Check every member of a PATCH. Raises Refused."""
    body = ask.body
    members.unknown(body, UPDATE_MEMBERS, ask.remarks)
    changes: dict[str, Any] = {}
    for name in UPDATE_MEMBERS:
        value = body.get(name)
        if value is None or name == "callAttributes":
            continue
        if name in TIMES:
            changes[name] = members.iso_time(name, value, ask.remarks)
        elif name in NUMBERS:
            changes[name] = members.number(name, value)
        elif name in TEXTS:
            changes[name] = members.checked_text(name, value)
        elif name == "isActiveCall":
            members.truth(name, value)
        else:
            changes[name] = _disconnect_reason(value)
    if changes.get("callOrigin"):
        members.choice("callOrigin", changes["callOrigin"], ORIGINS)
    return changes


def _disconnect_reason(value: object) -> Mapping[str, Any]:
    reason = members.mapping("disconnectReason", value)
    if reason.get("value") in (None, ""):
        raise members.missing("disconnectReason.value")
    members.checked_text("disconnectReason.value", reason["value"])
    if reason.get("isError") is not None:
        members.truth("disconnectReason.isError", reason["isError"])
    return {"value": reason["value"], "isError": bool(reason.get("isError"))}


def _steps(body: Mapping[str, Any]) -> list[Step]:
    """What the members of a PATCH mean, in order."""
    steps = [Step.UPDATE]
    if body.get("enqueueTime") is not None:
        steps.append(Step.ENQUEUE)
    if body.get("acceptTime") is not None or body.get("agent"):
        steps.append(Step.ACCEPT)
    if body.get("isActiveCall") is not True:
        steps.append(Step.CLOSE)
    return steps


def _remark_closing(ask: Ask, steps: list[Step]) -> None:
    if Step.CLOSE in steps and len(steps) > 2 and "isActiveCall" not in ask.body:
        told = " and ".join(name for name in ("enqueueTime", "acceptTime", "agent") if ask.body.get(name) is not None)
        detail = f"This PATCH brings {told}, so that the call goes on, but no isActiveCall: that closes the conversation."
        ask.remarks.append(Remark(MEMBERS, WARN, detail, "Add isActiveCall: true to every PATCH but the last one."))


def _made_by_patch(desk: Desk, ask: Ask) -> VoiceCall:
    """Make the voice call that a PATCH names and nobody created, where that is set. Raises Refused."""
    if desk.options.unknown_patch != "create" or len(ask.key) > members.LONGEST_KEY:
        raise desk.unknown(ask)
    detail = f"PATCH came for {printable(ask.key, 60)!r}, which nobody created: a voice call was made of it (telephony.unknown_patch)."
    ask.remarks.append(Remark(CREATE, WARN, detail, "Create the voice call by POST /voiceCalls first."))
    _check_limits(desk, ask)
    who = ask.who
    return VoiceCall(desk.table.new_id(ask.now), ask.key, who.org, who.call_center, who.partner, ask.now, ask.now)
