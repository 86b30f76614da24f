"""Handles and look-ups: reserveRoutableNumber, createVoiceCallContext, voicemail (facts 1.8, 2.2; requirements 130, 132, 133)."""

from __future__ import annotations

from datetime import UTC, datetime

from sbc_sim.telephony import members
from sbc_sim.telephony.asking import Ask, Done
from sbc_sim.telephony.desk import Desk
from sbc_sim.telephony.handles import NUMBERS
from sbc_sim.telephony.remark import BODY, FAIL, HANDLE, Refused, Remark

CONTEXT_MEMBERS = ("scrt2Domain", "toNumber", "callId", "transactionId", "originalFromNumber")


def reserve_routable_number(desk: Desk, ask: Ask) -> Done:
    """POST /voiceCalls/reserveRoutableNumber: a number that is good for 180 s; countryCode and country are both taken."""
    _check_provisioned(desk)
    country = members.optional_text(ask.body, "countryCode", 8) or members.optional_text(ask.body, "country", 8)
    if not country:
        raise members.missing("countryCode", '"US"')
    members.unknown(ask.body, ("countryCode", "country", "fromNumber", "context"), ask.remarks)
    from_number, context = _context(ask)
    handle = desk.handles.reserve(ask.who.org, from_number, context, ask.now, desk.options.handle_seconds)
    if isinstance(handle, float):
        raise desk.too_many(f"All {NUMBERS} routable numbers are reserved, of all orgs together.", handle)
    uid = f"ldid_{handle.value.lstrip('+')}_{int(ask.now * 1e9)}"
    made = {"routableNumber": handle.value, "uid": uid, "expiresAt": _when(handle.expires_at)}
    return Done(200, {"status": "success", "mode": "number", "handle": made})


def create_voice_call_context(desk: Desk, ask: Ask) -> Done:
    """POST /voiceCalls/createVoiceCallContext: a handle for a SIP header; spelled as telephony.context_handle says."""
    _check_provisioned(desk)
    members.unknown(ask.body, ("fromNumber", "context"), ask.remarks)
    from_number, context = _context(ask)
    handle = desk.handles.open_context(ask.who.org, from_number, context, ask.now, desk.options.handle_seconds)
    spelling = desk.options.context_handle
    mode = "correlationID" if spelling == "correlationId" else "contextID"
    return Done(200, {"status": "success", "mode": mode, "handle": {spelling: handle.value, "expiresAt": _when(handle.expires_at)}})


def _context(ask: Ask) -> tuple[str, dict[str, object]]:
    from_number = members.text(ask.body, "fromNumber", example='"+15550199"')
    members.phone_number("fromNumber", from_number, ask.remarks)
    context = members.mapping("context", ask.body.get("context") if ask.body.get("context") is not None else {})
    for name in CONTEXT_MEMBERS:
        members.optional_text(context, name)
    for name in ("scrt2Domain", "toNumber", "callId"):
        if not context.get(name):
            raise members.missing(f"context.{name}")
    members.unknown(context, CONTEXT_MEMBERS, ask.remarks)
    return from_number, {name: context[name] for name in CONTEXT_MEMBERS if context.get(name)}


def _check_provisioned(desk: Desk) -> None:
    if not desk.options.provisioned:
        detail = "The org is not provisioned for this (telephony.provisioned)."
        raise Refused(
            403, "PERM_MISSING", Remark(HANDLE, FAIL, detail, "Ask Salesforce to provision the org; here: telephony.provisioned: true.")
        )


def default_outbound_phone_number(desk: Desk, ask: Ask) -> Done:
    """GET /voiceCalls/defaultOutboundPhoneNumber?externalRepId="""
    _need_query(ask, "externalRepId")
    return _found("phoneNumber", desk.options.outbound_number, "telephony.outbound_number")


def voicemail_greeting(desk: Desk, ask: Ask) -> Done:
    """GET /voiceCalls/voicemailGreeting?toPhoneNumber="""
    _need_query(ask, "toPhoneNumber")
    return _found("greetingUrl", desk.options.greeting_url, "telephony.greeting_url")


def voicemail_drop(desk: Desk, ask: Ask) -> Done:
    """GET /voiceCalls/{id}/voicemailDrop"""
    desk.need(ask)
    return _found("recordingUrl", desk.options.recording_url, "telephony.recording_url")


def _need_query(ask: Ask, name: str) -> None:
    if not ask.query.get(name):
        detail = f"The query has no {name}."
        raise Refused(400, "REQUIRED_FIELD_MISSING", Remark(BODY, FAIL, detail, f"Add ?{name}=... to the path."))


def _found(name: str, value: str, setting: str) -> Done:
    if not value:
        raise Refused(404, "NOT_FOUND", Remark(BODY, FAIL, f"There is no {name}.", f"Set {setting} to give one."))
    return Done(200, {name: value})


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
