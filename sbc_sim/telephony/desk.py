"""What all operations of the API share: the table, the options, and how a voice call is found, stepped and kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

from sbc_sim.sip.text import printable
from sbc_sim.telephony.asking import Ask
from sbc_sim.telephony.handles import Handles
from sbc_sim.telephony.ids import VOICE_CALL, looks_like, same_org
from sbc_sim.telephony.limits import Pace
from sbc_sim.telephony.options import TelephonyOptions
from sbc_sim.telephony.record import VoiceCall
from sbc_sim.telephony.remark import CREATE, FAIL, LIMITS, ORDER, ORG, WARN, Refused, Remark
from sbc_sim.telephony.states import Step, why_not
from sbc_sim.telephony.table import VoiceCallTable


@dataclass(slots=True)
class Desk:
    """What operations work with."""

    options: TelephonyOptions
    table: VoiceCallTable
    handles: Handles
    calls: Pace
    utterances: Pace
    changed: dict[str, VoiceCall] = field(default_factory=dict)

    def find(self, ask: Ask) -> VoiceCall | None:
        """Find the voice call of the path: by id of 15 or 18 characters or by vendorCallKey. Raises Refused for that of another org."""
        own = self.table.find(ask.key, ask.who.org)
        if own is not None and (same_org(own.org, ask.who.org) or not own.org or not ask.who.org):
            return own
        if own is not None:
            detail = f"Voice call {own.id} belongs to org {own.org}; the token's iss is {printable(ask.who.org, 40)}."
            raise Refused(404, "NOT_FOUND", Remark(ORG, FAIL, detail, "Use the token of the org that created the voice call."))
        return None

    def need(self, ask: Ask) -> VoiceCall:
        """Find the voice call of the path. Raises Refused 404 when there is none."""
        record = self.find(ask)
        if record is None:
            raise self.unknown(ask)
        self.about(ask, record)
        return record

    def about(self, ask: Ask, record: VoiceCall) -> None:
        """Note which voice call a request is about."""
        ask.about = record

    def unknown(self, ask: Ask) -> Refused:
        """Return the 404 for a key that names nothing."""
        shown = printable(ask.key, 60)
        detail = f"There is no voice call {shown!r} of this org."
        fix = "Create it by POST /voiceCalls first, and use its voiceCallId or its vendorCallKey."
        if looks_like(ask.key, VOICE_CALL) and self.table.find(ask.key[:15]) is not None:
            detail = f"There is no voice call {shown!r}, but one with the same first 15 characters: the last three do not fit."
            fix = "Use the id unchanged: letter case counts."
        elif ask.key in ("undefined", "null", "[object Object]", "NaN"):
            detail = f"The path names the voice call {shown!r}, which is what JavaScript writes for a value that is not there."
            fix = "Wait for the answer to POST /voiceCalls, and take voiceCallId out of it."
        return Refused(404, "NOT_FOUND", Remark(CREATE, FAIL, detail, fix))

    def step(self, ask: Ask, record: VoiceCall, step: Step) -> VoiceCall:
        """Take a step; one that is out of order is remarked on, or refused where that is set. Raises Refused 409."""
        after = record.step(step, ask.now)
        if after is not None:
            return after
        told = Remark(ORDER, WARN, f"Out of order: {why_not(record.state, step)}.", ORDER_OF_STEPS)
        if self.options.out_of_order == "refuse":
            raise Refused(409, "OUT_OF_ORDER", replace(told, status=FAIL))
        ask.remarks.append(told)
        return record

    def keep(self, ask: Ask, record: VoiceCall) -> None:
        """Keep a voice call as it is now."""
        record = replace(record, updated_at=ask.now, requests=record.requests + (record.id not in ask.changed))
        self.table.put(record)
        ask.changed[record.id] = record
        if ask.about is None or ask.about.id == record.id:
            ask.about = record

    def too_many(self, detail: str, wait: float) -> Refused:
        """Return the 429."""
        told = Remark(LIMITS, FAIL, detail, "Wait as long as Retry-After says, then try again.")
        return Refused(429, "RATE_LIMITED", told, (("Retry-After", str(max(1, ceil(wait)))),))


ORDER_OF_STEPS = (
    "The order is: POST /voiceCalls, then messages, omniFlow or routeVoiceCall, reroute or clearRouting while something is pending, "
    "PATCH with acceptTime and agent, and at last a PATCH without isActiveCall true."
)
