"""What was said and what happened in a call: messages, in bulk too, and events (facts 2.2, 2.3; requirements 124, 128, 129)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sbc_sim.sip.text import printable
from sbc_sim.telephony import members
from sbc_sim.telephony.asking import Ask, Done
from sbc_sim.telephony.desk import Desk
from sbc_sim.telephony.record import VoiceCall
from sbc_sim.telephony.remark import FAIL, MEMBERS, MESSAGE_KEY, WARN, Refused, Remark
from sbc_sim.telephony.states import Step

SENDERS = ("END_USER", "EXTERNAL_USER", "HUMAN_AGENT", "SUPERVISOR", "VIRTUAL_AGENT")
MESSAGE_MEMBERS = ("participantId", "messageId", "startTime", "endTime", "content", "senderType")
MOST_CALLS = 5
MOST_MESSAGES = 5
"""In one bulk request."""
MOST_EVENTS = 100
SHOWN = 200
"""Characters of the last message that the record keeps."""


def messages(desk: Desk, ask: Ask) -> Done:
    """POST /voiceCalls/{vendorCallKey}/messages: one message."""
    record = _by_message_key(desk, ask)
    message = _read_message("", ask.body, ask.remarks)
    _check_pace(desk, ask, 1)
    desk.keep(ask, _said(desk, ask, record, [message]))
    return Done(200, {"result": "Success"})


def messages_in_bulk(desk: Desk, ask: Ask) -> Done:
    """POST /voiceCalls/messages: at most five calls with at most five messages each. All or nothing."""
    read: list[tuple[VoiceCall, list[Mapping[str, Any]]]] = []
    for place, entry in enumerate(members.objects("entries", ask.body.get("entries"), MOST_CALLS, "TOO_MANY_ENTRIES")):
        where = f"entries[{place}]"
        if entry.get("vendorCallKey") in (None, ""):
            raise members.missing(f"{where}.vendorCallKey", '"call-4711"')
        ask.key = members.checked_text(f"{where}.vendorCallKey", entry["vendorCallKey"], members.LONGEST_KEY)
        found = members.objects(f"{where}.messages", entry.get("messages"), MOST_MESSAGES, "TOO_MANY_MESSAGES")
        told = [_read_message(f"{where}.messages[{number}].", one, ask.remarks) for number, one in enumerate(found)]
        read.append((_by_message_key(desk, ask), told))
    _check_pace(desk, ask, sum(len(told) for _, told in read))
    for record, told in read:
        desk.keep(ask, _said(desk, ask, ask.changed.get(record.id, record), told))
    return Done(200, {"result": "Accepted"})


def _by_message_key(desk: Desk, ask: Ask) -> VoiceCall:
    """Find the voice call whose vendorCallKey this is, and which is the first of its conversation. Raises Refused."""
    record = desk.need(ask)
    first = desk.table.first_of(record)
    if ask.key == first.vendor_call_key:
        return record
    if ask.key == record.vendor_call_key:
        detail = f"{printable(ask.key, 60)!r} is the vendorCallKey of a later call; messages go to that of the first one."
    else:
        detail = f"{printable(ask.key, 60)!r} is the record's id; messages go to the vendorCallKey."
    told = Remark(MESSAGE_KEY, FAIL, detail, f"Use /voiceCalls/{first.vendor_call_key}/messages.")
    if desk.options.message_key == "refuse":
        raise Refused(400, "INVALID_KEY", told)
    ask.remarks.append(replace(told, status=WARN))
    return first


def _read_message(where: str, message: Mapping[str, Any], remarks: list[Remark]) -> Mapping[str, Any]:
    """Check one message; `where` stands before the names of its members. Raises Refused."""
    for name in ("participantId", "content", "senderType"):
        if message.get(name) in (None, ""):
            raise members.missing(f"{where}{name}", '"END_USER"' if name == "senderType" else "")
        members.checked_text(f"{where}{name}", message[name], members.LONGEST_CONTENT if name == "content" else members.LONGEST_KEY)
    members.choice(f"{where}senderType", message["senderType"], SENDERS)
    if message.get("messageId") is None:
        raise members.missing(f"{where}messageId", '"a1b2c3"')
    if not members.checked_text(f"{where}messageId", message["messageId"], members.LONGEST_KEY):
        fix = "Make an id that is never empty: a UUID does."
        remarks.append(Remark(MEMBERS, WARN, f"{where}messageId is empty: messages cannot be told apart.", fix))
    start = members.epoch_ms(f"{where}startTime", message.get("startTime"), remarks)
    end = members.epoch_ms(f"{where}endTime", message.get("endTime"), remarks)
    if end < start:
        detail = f"{where}endTime lies {start - end} ms before startTime."
        remarks.append(Remark(MEMBERS, WARN, detail, "Both are milliseconds since 1970 of the same utterance."))
    members.unknown(message, MESSAGE_MEMBERS, remarks)
    return message


def _said(desk: Desk, ask: Ask, record: VoiceCall, told: list[Mapping[str, Any]]) -> VoiceCall:
    last = told[-1]
    shown = {"senderType": last["senderType"], "content": str(last["content"])[:SHOWN]}
    after = desk.step(ask, record, Step.SPEAK)
    return replace(after, messages=after.messages + len(told), last_message=shown)


def _check_pace(desk: Desk, ask: Ask, count: int) -> None:
    wait = desk.utterances.take(ask.who.org, ask.now, count)
    if wait:
        most = desk.options.utterances_per_second
        raise desk.too_many(f"More than {most:g} utterances came in a second (telephony.utterances_per_second).", wait)


def conversation_events(desk: Desk, ask: Ask) -> Done:
    """POST .../realtimeConversationEvents and .../postConversationEvents."""
    record = desk.need(ask)
    body = ask.body
    members.unknown(body, ("service", "persist", "events"), ask.remarks)
    members.optional_text(body, "service")
    if body.get("persist") is not None and not isinstance(body["persist"], bool):
        members.optional_text(body, "persist", 16)
    for place, event in enumerate(members.objects("events", body.get("events"), MOST_EVENTS)):
        where = f"events[{place}]"
        if event.get("type") in (None, ""):
            raise members.missing(f"{where}.type")
        members.checked_text(f"{where}.type", event["type"])
        if isinstance(event.get("startTime"), int | float):
            members.epoch_ms(f"{where}.startTime", event["startTime"], ask.remarks)
    desk.keep(ask, record)
    return Done(202, {})
