"""Calls that name a voice call of the Telephony Integration API: whether it was there, fits, and was treated as documented."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Status
from sbc_sim.rules.journey import Journey
from sbc_sim.rules.policy import Policy
from tests.rules.rule_samples import NOW, Case, an_invite, hex_of

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN
ORG = "00D5g000004CFGEA2F"[:15]
ID = "0LQSB0000000001AAA"


def part(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


JWT = f"{part({'alg': 'RS256'})}.{part({'iss': ORG, 'sub': 'Acme', 'iat': 1, 'exp': 2})}.{'s' * 171}"
LONG_JWT = f"{part({'alg': 'RS256'})}.{part({'iss': ORG, 'sub': 'Acme', 'iat': 1, 'exp': 2})}.{'s' * 342}"
RECORD: dict[str, Any] = {
    "voiceCallId": ID, "vendorCallKey": "key-1", "org": ORG, "state": "closed", "from": "+442071234567", "to": "+15550100",
    "requests": 5, "findings": [], "closedAt": NOW + 22, "createdAt": NOW - 1,
}  # fmt: skip


def value(**members: Any) -> str:
    held = {"orgId": ORG, "scrt2Domain": "acme.my.salesforce-scrt.com", "voiceCallId": ID, "jwt": JWT, **members}
    return hex_of(json.dumps({name: member for name, member in held.items() if member is not None}, separators=(",", ":")))


GOOD = value()


def known(record: dict[str, Any] | None = RECORD, **facts: Any) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        seen = {"token_trouble": "", "known_at_invite": record is not None, **facts}
        evidence.journey = Journey(expected=True, rest=True, voice_call=record, **seen)

    return change


WELL = known()


def told(rule: str) -> Callable[[Evidence], None]:
    finding = {"rule": rule, "status": "fail", "detail": f"What {rule} said of a request.", "fix": "Mend it."}
    return known({**RECORD, "findings": [finding, {**finding, "detail": "And again."}]})


def case(rule: int, status: Status, says: str, change: Callable[[Evidence], None] = WELL, uui: str | None = GOOD, **more: Any) -> Case:
    return Case(f"SBC-E2E-{rule:03d}", status, says, change, uui=uui, **more)


REFUSING = Policy(e2e_unknown_call="refuse", e2e_unknown_org="refuse", e2e_token="refuse")

AT_THE_INVITE = [
    case(1, PASS, f"{ID} was there"),
    case(1, FAIL, "which nobody created", known(None)),
    case(1, WARN, "which nobody created", known(None), policy=Policy(e2e_unknown_call="warn")),
    case(1, FAIL, "only after the INVITE", known(known_at_invite=False)),
    case(1, SKIP, "see SBC-E2E-002", known(None), value(voiceCallId=None)),
    case(2, PASS, ID),
    case(2, FAIL, "it holds orgId, scrt2Domain, jwt", known(None), value(voiceCallId=None)),
    case(3, PASS, ORG),
    case(3, FAIL, "created by the org '00D000000000009'", known({**RECORD, "org": "00D000000000009"})),
    case(3, FAIL, "for which no key is known", known(None, known_org=False)),
    case(3, SKIP, "no voice call to compare", known(None)),
    case(4, PASS, "acme.my.salesforce-scrt.com"),
    case(4, WARN, "a URL", uui=value(scrt2Domain="https://acme.my.salesforce-scrt.com/telephony/v1")),
    case(4, WARN, "no host name", uui=value(scrt2Domain="acme_scrt com")),
    case(4, WARN, "other.example is expected", policy=Policy(e2e_domains=("other.example",))),
    case(4, PASS, "acme", policy=Policy(e2e_domains=("ACME.my.salesforce-scrt.com",))),
    case(5, PASS, "jwt is good"),
    case(5, FAIL, "exp is long ago", known(token_trouble="exp is long ago.")),
    case(5, WARN, "holds no JWT", uui=value(jwt=None)),
    case(5, FAIL, "see SBC-UUI-033", uui=value(jwt="eyJx.y")),
    case(5, UNKNOWN, "No public key", known(token_trouble="No public key is known.", token_undecided=True)),
    case(5, SKIP, "not checked", known(token_trouble=None)),
    case(6, PASS, "fits", policy=Policy(uui_limit=2000)),
    case(6, WARN, "makes the value too long", uui=value(jwt=LONG_JWT)),
    case(6, SKIP, "no JWT", uui=value(jwt=None)),
]

LATER = [
    case(7, PASS, "Both name", uui=value(vendorCallKey="key-1")),
    case(7, FAIL, "names 'key-2' too", uui=value(vendorCallKey="key-2")),
    case(7, SKIP, "by both"),
    case(8, PASS, "in both"),
    case(8, WARN, "The caller is +442071234567 in SIP and +15559999", known({**RECORD, "from": "+15559999999"})),
    case(8, WARN, "The called number is +15550100 in SIP", known({**RECORD, "to": "+15550777"})),
    case(8, PASS, "in both", invite=an_invite("sip:2000@sbc.example", user_to_user=GOOD)),
    case(9, PASS, "Nothing against 5 requests"),
    case(9, WARN, "by the SIP call c0 before", known(named_before="c0")),
    case(9, WARN, "SBC-E2E-009 said", told("SBC-E2E-009")),
    case(10, PASS, "was closed"),
    case(10, UNKNOWN, "looked at again", known({**RECORD, "closedAt": None, "state": "active"})),
    case(10, WARN, "30 s after the SIP call", known({**RECORD, "closedAt": None, "state": "active"}, not_closed_after=30.0)),
    case(13, PASS, "not closed while"),
    case(13, FAIL, "4.0 s after the answer", known({**RECORD, "closedAt": NOW + 5})),
    case(13, FAIL, "before the call was answered", known({**RECORD, "closedAt": NOW + 0.5})),
    case(13, PASS, "not closed while", known({**RECORD, "closedAt": NOW + 12}, escalated_at=NOW + 11)),
    *(
        one
        for number in (11, 12, 14, 15, 16, 17, 18)
        for one in (
            case(number, PASS, "Nothing against 5"),
            case(number, WARN, f"SBC-E2E-{number:03d} said of a request. And 1 more.", told(f"SBC-E2E-{number:03d}")),
            case(number, SKIP, "no voice call", known(None)),
        )
    ),
    case(19, SKIP, "No handle"),
    case(19, PASS, "+15558000000 was good", known(handle="+15558000000")),
    case(19, FAIL, "expired 3 s ago", known(handle="+15558000000", handle_trouble="it expired 3 s ago")),
]

UNCONCERNED = [
    Case("SBC-E2E-001", SKIP, "No Telephony Integration API"),
    Case("SBC-E2E-001", SKIP, "an echo test", lambda evidence: setattr(evidence, "journey", Journey(rest=True, expected=True))),
    case(1, SKIP, "the call back itself", lambda evidence: setattr(evidence, "journey", replace(Journey(rest=True), is_return=True))),
]

CASES = [*AT_THE_INVITE, *LATER, *UNCONCERNED]
