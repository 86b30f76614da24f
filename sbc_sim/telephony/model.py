"""The door of the room: a request goes in with the time, an answer comes out with what the journal shall know of it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sbc_sim.sip.text import printable
from sbc_sim.sip.uui_mask import mask_jwt
from sbc_sim.telephony import conversation, numbers, routing, voice_calls
from sbc_sim.telephony.asking import Ask, Done, Noted, RestAnswer, RestFault, RestRequest, find_operation
from sbc_sim.telephony.desk import Desk
from sbc_sim.telephony.handles import Handles
from sbc_sim.telephony.ids import same_org
from sbc_sim.telephony.keys import KeyRing
from sbc_sim.telephony.limits import Pace
from sbc_sim.telephony.members import read_object
from sbc_sim.telephony.options import TelephonyOptions
from sbc_sim.telephony.record import MOST_REMARKS, VoiceCall
from sbc_sim.telephony.remark import BODY, FAIL, LIMITS, TOKEN, WARN, Refused, Remark
from sbc_sim.telephony.table import VoiceCallTable
from sbc_sim.telephony.tokens import Identity, TokenDesk, TokenTrouble, claims_of

FAULT_STATUS = {"telephony-500": 500, "telephony-429": 429, "telephony-403": 403}
FORM = "application/x-www-form-urlencoded"
SAYS_NOTHING = (b"", b"null", b"{}")
JSON_TYPES = ("", "application/json", FORM)
"""Declared types that are read as JSON: some clients name none, or their own default, when there is next to nothing to send."""
SENT_AS_FAULT = ("telephony-slow", "telephony-drop", "telephony-garbage")
"""Faults that concern how the answer is sent; the shell carries them out."""
MOST_REQUESTS = 2000
"""Requests that are remembered for /api/v1/voice-calls; the oldest are forgotten first."""
LONGEST_KEPT = 4096
"""Characters of a body that the journal keeps."""

Fault = Callable[[str, str, float], RestFault | None]
"""`fault(path, partner, now)`: what shall be done wrong with a request to ``/telephony/v1/...``, None for nothing; may count and expire."""
BASE = "/telephony/v1"


def no_fault(path: str, partner: str, now: float) -> RestFault | None:
    """Do nothing wrong."""
    return None


_OPERATIONS: Mapping[str, Callable[[Desk, Ask], Done]] = {
    "create": voice_calls.create,
    "update": voice_calls.update,
    "omniFlow": routing.omni_flow,
    "route": routing.route,
    "reroute": routing.reroute,
    "clearRouting": routing.clear_routing,
    "requestCallback": routing.request_callback,
    "messages": conversation.messages,
    "messagesInBulk": conversation.messages_in_bulk,
    "realtimeConversationEvents": conversation.conversation_events,
    "postConversationEvents": conversation.conversation_events,
    "reserveRoutableNumber": numbers.reserve_routable_number,
    "createVoiceCallContext": numbers.create_voice_call_context,
    "defaultOutboundPhoneNumber": numbers.default_outbound_phone_number,
    "voicemailGreeting": numbers.voicemail_greeting,
    "voicemailDrop": numbers.voicemail_drop,
}


class Telephony:
    """The Telephony Integration API of one process."""

    def __init__(self, options: TelephonyOptions | None = None, ring: KeyRing | None = None, fault: Fault = no_fault) -> None:
        """Begin with no voice calls."""
        self.options = options or TelephonyOptions()
        self.ring = ring if ring is not None else KeyRing()
        self.fault = fault
        self.requests: deque[Mapping[str, Any]] = deque(maxlen=MOST_REQUESTS)
        """`data` of the TELEPHONY entries, oldest first."""
        self.tokens = TokenDesk(self.ring, self.options)
        self.handles = Handles()
        self.table = VoiceCallTable(self.options.max_calls)
        calls, utterances = Pace(self.options.calls_per_second), Pace(self.options.utterances_per_second)
        self._desk = Desk(self.options, self.table, self.handles, calls, utterances)
        self._count = 0
        self._suffix = ""

    def share(self, slot: int) -> None:
        """Let ids tell which of several replicas made them; `slot`: its number, unlike those of the others."""
        self.table.slot, self._suffix = slot, f"-{slot}"

    # --- the door ----------------------------------------------------------------------------------------------------

    def answer(self, request: RestRequest, now: float) -> RestAnswer:
        """Answer a request at `now`, unix seconds. Raises nothing, whatever was sent."""
        ask = Ask("", "", {}, request.query, Identity(), now)
        fault: RestFault | None = None
        headers: tuple[tuple[str, str], ...] = ()
        try:
            ask.operation, ask.key = find_operation(request.method, request.path)
            ask.who = self._claimed(request)
            fault = self.fault(BASE + request.path, ask.who.partner, now)
            _give_in(fault)
            self._admit(request, ask)
            _check_content_type(request, ask)
            ask.body = read_object(request.body)
            done = _OPERATIONS[ask.operation](self._desk, ask)
        except Refused as refused:
            done, headers = Done(refused.status, refused.body), refused.headers
            if refused.remark.rule:
                ask.remarks.append(refused.remark)
        changed = self._settle(ask)
        told = Noted("telephony", self._told(request, ask, done, fault))
        self.requests.append(told.data)
        entries = (told, *(Noted("voice.call", record.data()) for record in changed))
        shown = fault if fault is not None and fault.type in SENT_AS_FAULT else None
        return RestAnswer(done.status, done.body, headers, entries, changed, shown)

    def _claimed(self, request: RestRequest) -> Identity:
        """Who asks, as the token says without being checked: by that faults are chosen."""
        token = request.authorization.strip().partition(" ")[2].strip()
        claims = claims_of(token)
        org, sub = (str(claims.get(name) or "") for name in ("iss", "sub"))
        return Identity(org, sub, self.tokens.owner_of(token, org) if claims else "")

    def _admit(self, request: RestRequest, ask: Ask) -> None:
        """Check the token as telephony.verify says. Raises Refused."""
        verify = self.options.verify
        if verify == "off":
            return
        identity, trouble = self.tokens.from_header(request.authorization, ask.now)
        if trouble is None:
            ask.who = identity
            return
        told = Remark(TOKEN, FAIL, trouble.detail, trouble.fix)
        if trouble.code == "TOKEN_REUSED" and self.options.jti_reuse == "warn":
            ask.who = identity
            ask.remarks.append(replace(told, status=WARN))
        elif verify == "report":
            ask.who = identity if identity.org else ask.who
            ask.remarks.append(told)
        else:
            ask.who = identity if identity.org else ask.who
            raise self._refused(trouble, told)

    def _refused(self, trouble: TokenTrouble, told: Remark) -> Refused:
        status = 401 if trouble.missing or trouble.code == "NO_KEY" else self.options.refused_status
        challenge = 'Bearer realm="telephony"' + ("" if trouble.code == "TOKEN_MISSING" else ', error="invalid_token"')
        return Refused(status, trouble.code, told, (("WWW-Authenticate", challenge),) if status == 401 else ())

    def _settle(self, ask: Ask) -> tuple[VoiceCall, ...]:
        """Keep what was said of the request with the voice call that it is about."""
        about, remarks = ask.about, tuple(ask.remarks)
        if about is not None and remarks:
            after = (self.table.find(about.id) or about).remarked(remarks)
            if after is not about and self.table.find(about.id) is not None:
                self.table.put(after)
                ask.changed[after.id] = ask.about = after
        return tuple(ask.changed.values())

    def _told(self, request: RestRequest, ask: Ask, done: Done, fault: RestFault | None) -> dict[str, Any]:
        self._count += 1
        about = ask.about
        return {
            "id": f"{int(ask.now * 1000):012x}{self._count & 0xFFFF:04x}{self._suffix}",
            "at": ask.now,
            "method": request.method[:20],
            "path": mask_jwt(printable(BASE + request.path, 300)),
            "operation": ask.operation or None,
            "status": done.status,
            "voiceCallId": None if about is None else about.id,
            "vendorCallKey": None if about is None else about.vendor_call_key,
            "org": printable(ask.who.org, 60) or None,
            "callCenter": printable(ask.who.call_center, 120) or None,
            "partner": ask.who.partner or None,
            "verified": ask.who.verified,
            "request": _kept(ask.body) if ask.body else _kept_text(request.body),
            "answer": _kept(done.body),
            "findings": [remark.data() for remark in (*ask.remarks[: MOST_REMARKS - 1], *ask.remarks[MOST_REMARKS - 1 :][-1:])],
            "fault": None if fault is None else {"name": fault.name, "type": fault.type},
        }

    # --- for SIP calls, and for those who look -------------------------------------------------------------------------

    def find(self, key: str, org: str | None = None) -> VoiceCall | None:
        """Find by id (15 or 18 characters) or vendorCallKey; `org` None: whosever it is."""
        return self.table.find(key, org)

    def linked_to(self, key: str) -> tuple[VoiceCall, ...]:
        """Voice calls that refer to this one as their parent, oldest first: a rep's call after an escalation, say."""
        record = self.find(key)
        return () if record is None else tuple(self.table.children(record))

    def requests_of(self, record: VoiceCall) -> list[Mapping[str, Any]]:
        """`data` of the TELEPHONY entries about a voice call that are remembered, oldest first."""
        return [told for told in self.requests if told.get("voiceCallId") == record.id]

    def named_by(self, keys: Iterable[str], org: str) -> VoiceCall | None:
        """Find the voice call that a SIP call names by one of these keys: that of its org before that of another."""
        for key in keys:
            found = self.find(key, org) or self.find(key)
            if found is not None:
                return found
        return None

    def check_token(self, token: str, org: str, now: float) -> TokenTrouble | None:
        """Check the token of a User-to-User value at `now` like that of a request, without counting its jti as used."""
        if self.options.verify == "off":
            return None
        identity, trouble = self.tokens.check(token, now)
        if trouble is None and org and not same_org(identity.org, org):
            detail = f"iss is {printable(identity.org, 40)!r}, but orgId of the User-to-User value is {printable(org, 40)!r}."
            return TokenTrouble("TOKEN_ISSUER", detail, "Make the token for the org that the value names.")
        return trouble

    def link(self, record: VoiceCall, call: str, now: float) -> VoiceCall:
        """Note that a SIP call names this voice call; give it as it is now."""
        current = self.table.find(record.id) or record
        after = replace(current, call=call, updated_at=now)
        self.table.put(after)
        return after

    # --- remembering ---------------------------------------------------------------------------------------------------

    def restore(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take back an entry of an earlier run, oldest first; what cannot be read is left out."""
        if kind == "telephony":
            self.requests.append(dict(data))
            return
        try:
            record = VoiceCall.from_data(data)
        except (KeyError, TypeError, ValueError):
            return
        self.table.put(record)

    def follow(self, data: Mapping[str, Any]) -> VoiceCall | None:
        """Take a voice call that another replica has changed; None when what is known here is as new, or it cannot be read."""
        try:
            record = VoiceCall.from_data(data)
        except (KeyError, TypeError, ValueError):
            return None
        known = self.table.find(record.id)
        if known is not None and (known.data() == data or _age(known) > _age(record)):
            return None
        self.table.put(record)
        return record

    def heard(self, told: Mapping[str, Any]) -> None:
        """Remember a request that another replica has answered: `data` of its TELEPHONY entry. What we know is passed over."""
        if self._suffix and not str(told.get("id")).endswith(self._suffix):
            self.requests.append(dict(told))

    def clear(self) -> int:
        """Forget closed voice calls, and the requests; return how many voice calls went."""
        self.requests.clear()
        return self.table.clear()


def _age(record: VoiceCall) -> tuple[float, int, int]:
    """What only ever grows."""
    return record.updated_at, record.requests, len(record.findings)


def _give_in(fault: RestFault | None) -> None:
    """Answer with the status that a fault wants. Raises Refused."""
    status = None if fault is None else FAULT_STATUS.get(fault.type)
    if fault is None or status is None:
        return
    if fault.type == "telephony-500" and fault.value:
        status = min(599, max(500, int(fault.value)))
    rule = LIMITS if status == 429 else ""  # no rule speaks of the others: nothing is wrong with the request
    told = Remark(rule, WARN, f"The fault {fault.name!r} answers {status} on purpose.", "See GET /api/v1/faults.")
    wait = str(max(1, round(fault.value or 1)) if status == 429 else 1)
    code = {429: "RATE_LIMITED", 403: "PERM_MISSING", 503: "SERVICE_UNAVAILABLE"}.get(status, "UNKNOWN_EXCEPTION")
    raise Refused(status, code, told, (("Retry-After", wait),) if status in (429, 503) else ())


def _check_content_type(request: RestRequest, ask: Ask) -> None:
    """Raise Refused 415 for a body that is declared as something that is not read; JSON that is declared as a form is remarked on."""
    declared = request.content_type
    if declared == FORM and request.body.strip() not in SAYS_NOTHING:
        detail = f"The body is declared as {FORM}, but is read as JSON."
        ask.remarks.append(Remark(BODY, WARN, detail, "Send Content-Type: application/json."))
    if not request.body.strip() or declared in JSON_TYPES or declared.endswith("+json"):
        return
    detail = f"The body is declared as {printable(declared, 60)}."
    fix = "Send JSON with Content-Type: application/json; XML is documented too, but not played here."
    raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", Remark(BODY, FAIL, detail, fix))


def _kept(body: Mapping[str, Any]) -> Any:
    """A body as the journal keeps it: tokens masked, and cut when it is long."""
    written = mask_jwt(json.dumps(body, ensure_ascii=False))
    return json.loads(written) if len(written) <= LONGEST_KEPT else {"cut": written[:LONGEST_KEPT], "characters": len(written)}


def _kept_text(body: bytes) -> Any:
    """A body that was not read."""
    return {"text": mask_jwt(printable(body[:LONGEST_KEPT], LONGEST_KEPT)), "octets": len(body)} if body else None
