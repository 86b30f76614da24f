"""The journal of a call that goes the whole way: voice call, region, agent, escalation by INVITE, partner check; and of its second leg."""

from __future__ import annotations

import base64
import json
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from tests.support.documents import START, trace_of

ORG = "00D5i00000ABCDE"
CUSTOMER = "14155559876"
KEY = "conv-7f3e"
SIGNATURE = "c2lnbmF0dXJlLXRoYXQtbm9ib2R5LW1heS1zZWU"
FAULT = {"name": "lossy", "type": "loss", "value": 0.02, "seed": 7, "scope": {"number": f"+{CUSTOMER}", "region": "frankfurt"}}


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


TOKEN = f"{_part({'alg': 'RS256'})}.{_part({'iss': ORG, 'sub': 'CC'})}.{SIGNATURE}"
FINDING = {
    "rule": "SBC-E2E-002", "status": "warn", "severity": "advice", "title": "A field is left out", "detail": "queue is missing", "why": "",
    "fix": "", "source": "a guess", "evidence": [],
}  # fmt: skip
VOICE_CALL = {
    "voiceCallId": "0LQ000000000001AAA", "vendorCallKey": KEY, "orgId": ORG, "callCenterApiName": "AcmeCentre", "state": "routed",
    "from": f"+{CUSTOMER}", "to": "4930123456", "participants": [{"participantKey": CUSTOMER, "type": "END_USER"}], "partner": "acme",
    "callAttributes": '{"customer":"Ann Miller"}', "apiKey": "k-123456789", "note": TOKEN,
    "kind": "Ann Miller", "details": ["Ann Miller"], "messages": [{"content": "Ann Miller"}],
}  # fmt: skip
REQUEST = {
    "id": "t1", "method": "PATCH", "path": f"/telephony/v1/voiceCalls/{KEY}/omniFlow", "operation": "omniFlow", "status": 200,
    "voiceCallId": "0LQ000000000001AAA", "vendorCallKey": KEY, "org": ORG, "partner": "acme", "durationMs": 3.2,
    "request": {"authorization": f"Bearer {TOKEN}", "dialedNumber": "4930123456", "flowInputParameters": {"pin": "Ann Miller"}},
    "answer": {"agent": None, "queue": "00G1"}, "findings": [FINDING],
}  # fmt: skip


def first_leg() -> Trace:
    """The call that reached the agent."""
    return trace_of(_first_leg())


def _first_leg() -> list[Entry]:
    def entry(after: float, kind: Kind, /, **data: object) -> Entry:
        return Entry(START + after, kind, "c1", data)

    started = {
        "sipCallId": "x", "from": f"<sip:+{CUSTOMER}@acme.example>", "to": "<sip:2000@sbc.example>", "requestUri": "sip:2000@sbc.example",
        "region": "frankfurt", "partner": "acme", "chosenBy": "SNI", "peer": "192.0.2.1:5061",
    }  # fmt: skip
    fields = {"orgId": ORG, "scrt2Domain": "acme.salesforce-scrt.com", "voiceCallId": "0LQ000000000001AAA", "loyalty": "gold"}
    named = {"orgId": "orgId", "scrt2Domain": "scrt2Domain", "callId": "voiceCallId"}
    return [
        entry(0, Kind.CALL_STARTED, **started),
        entry(0.01, Kind.MESSAGE, direction="in", summary="INVITE", cseq=1),
        entry(0.02, Kind.UUI, raw="7b7d;encoding=hex", decoded=json.dumps(fields), fields=fields, named=named, lengths={"value": 4}),
        entry(0.03, Kind.SCENARIO, scenario="agent", why=f"User-to-User names org {ORG}", faults=[FAULT]),
        entry(0.04, Kind.VOICE_CALL, **VOICE_CALL),
        entry(0.05, Kind.MESSAGE, direction="out", summary="200 OK (INVITE)", cseq=1, status=200),
        entry(0.05, Kind.CALL_STATE, state="answered"),
        entry(1.0, Kind.AGENT, event="step", step="greeting", text="", line=3),
        entry(1.0, Kind.AGENT, event="prompt", step="greeting", text="Hello, how can I help?", line=4),
        entry(3.0, Kind.AGENT, event="prompt-over", step="greeting", text=""),
        entry(3.1, Kind.TELEPHONY, **REQUEST),
        entry(3.2, Kind.VOICE_CALL, **VOICE_CALL),
        entry(4.0, Kind.AGENT, event="digit", step="greeting", text="7", line=5),
        entry(4.1, Kind.ESCALATION, mode="invite-back", state="began", why="digit 7 was pressed"),
        entry(4.2, Kind.ESCALATION, state="calling", target="back.acme.example:5061", call="c2"),
        entry(4.3, Kind.ESCALATION, state="data", text="X-Customer: Ann Miller"),
        entry(4.5, Kind.ESCALATION, state="returned", call="c2"),
        entry(5.0, Kind.PARTNER_CHECK, customerAlive=True, repReached=True, linked=False, repCall="0LQ000000000002AAA", by="rest", text=""),
        entry(5.1, Kind.CALL_ENDED, endedBy="sbc", endReason="escalated", state="ended"),
        entry(5.2, Kind.VERDICT, status="warn", counts={"warn": 1, "pass": 4}, profile="published", ruleSet="1", findings=[FINDING]),
    ]


def second_leg() -> Trace:
    """The call by which it was given back."""
    started = {"sipCallId": "y", "direction": "outbound", "escalationOf": "c1", "from": "<sip:a@b>", "to": "<sip:c@d>"}
    entries = [
        Entry(START, Kind.CALL_STARTED, "c2", started),
        Entry(START, Kind.MESSAGE, "c2", {"direction": "out", "summary": "INVITE", "cseq": 1}),
        Entry(START + 3, Kind.CALL_ENDED, "c2", {"endedBy": "partner", "endReason": "normal", "state": "ended"}),
    ]
    return trace_of(entries)
