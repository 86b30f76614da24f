"""User-to-User headers that break each rule, read by the real reader, under the policy that decides about them."""

from __future__ import annotations

import base64
import json

from sbc_sim.rules.finding import Status
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Headers
from sbc_sim.sip.uui import read
from tests.rules.rule_samples import ECHO, Case, expectation, hex_of, known

PASS, WARN, FAIL, SKIP = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP
ECHO_JSON = bytes.fromhex(ECHO).decode()
P = ";encoding=hex;purpose=isdn-uui"
REQUIRED = Policy(uui_content="require")
KNOWN_KEYS = '"orgId":"00D","scrt2Domain":"x"'


def jwt(size: int) -> str:
    """A token of about that many characters."""
    header = base64.urlsafe_b64encode(b'{"alg":"RS256"}').decode().rstrip("=")
    claims = base64.urlsafe_b64encode(b'{"sub":"cc"}').decode().rstrip("=")
    return f"{header}.{claims}.{'A' * (size - len(header) - len(claims) - 2)}"


def content(text: str | bytes, rule: str, says: str) -> list[Case]:
    """A fault of the content: a warning by default, a refusal under uui.content=require."""
    return [Case(rule, WARN, says, uui=hex_of(text)), Case(rule, FAIL, says, policy=REQUIRED, uui=hex_of(text))]


FORM = [
    Case("SBC-UUI-001", FAIL, "no User-to-User", uui=None),
    Case("SBC-UUI-001", WARN, "no User-to-User", policy=Policy(uui_missing="warn"), uui=None),
    Case("SBC-UUI-002", FAIL, "Lengths: 117 digits", uui=ECHO[:-1] + P),
    Case("SBC-UUI-003", FAIL, "Lengths", uui=ECHO[:20] + "g" + ECHO[21:] + P),
    Case("SBC-UUI-004", FAIL, "Lengths", uui=ECHO[:20] + " " + ECHO[20:] + P),
    Case("SBC-UUI-005", FAIL, "Lengths", uui="0x" + ECHO + P),
    Case("SBC-UUI-006", FAIL, "Lengths", uui=base64.b64encode(ECHO_JSON.encode()).decode() + P),
    Case("SBC-UUI-007", FAIL, "Lengths", uui="customer-4711-hello" + P),
    Case("SBC-UUI-008", FAIL, "Lengths", uui="%7B%22orgId%22%3A%22echo%22%7D" + P),
    *content(ECHO, "SBC-UUI-009", "twice"),
    Case("SBC-UUI-010", FAIL, "empty", uui=""),
    Case("SBC-UUI-010", WARN, "empty", policy=Policy(uui_missing="warn"), uui=""),
    Case("SBC-UUI-011", FAIL, "Refer-To", known(uui=read(Headers([]), expectation(Policy()), "Refer-To"))),
    Case("SBC-UUI-001", SKIP, "see SBC-UUI-011", known(uui=read(Headers([]), expectation(Policy()), "Refer-To"))),
    Case("SBC-UUI-012", FAIL, "2 User-to-User values", uui=f"{ECHO}{P}, {ECHO}{P}"),
    Case("SBC-UUI-012", WARN, "the first was read", policy=Policy(uui_several="first"), uui=f"{ECHO}{P}, {ECHO}{P}"),
    Case("SBC-UUI-013", FAIL, "Lengths", uui=f"{ECHO};=hex;encoding=hex"),
    Case("SBC-UUI-014", FAIL, "Lengths", uui=f'"{ECHO}{P}'),
    Case("SBC-UUI-015", WARN, "encoding", uui=f"{ECHO};encoding=hex{P}"),
    Case("SBC-UUI-016", WARN, "encoding", uui=f"{ECHO};purpose=isdn-uui"),
    Case("SBC-UUI-017", FAIL, "ascii", uui="hello;encoding=ascii;purpose=isdn-uui"),
    Case("SBC-UUI-017", WARN, "ascii", policy=Policy(uui_encoding="lenient"), uui="hello;encoding=ascii;purpose=isdn-uui"),
    Case("SBC-UUI-018", PASS, "purpose", uui=f"{ECHO};encoding=hex"),
    Case("SBC-UUI-018", FAIL, "purpose", policy=Policy(uui_purpose="required"), uui=f"{ECHO};encoding=hex"),
    Case("SBC-UUI-019", WARN, "isdn-interwork", uui=f"{ECHO};encoding=hex;purpose=isdn-interwork"),
    Case("SBC-UUI-019", FAIL, "other", policy=Policy(uui_purpose="required"), uui=f"{ECHO};encoding=hex;purpose=other"),
]

CONTENT = [
    Case("SBC-UUI-020", FAIL, "index 1", uui=hex_of(b"a\xe4b")),
    Case("SBC-UUI-021", WARN, "04", uui="04" + ECHO + P),
    Case("SBC-UUI-021", FAIL, "04", policy=Policy(uui_leading_octet="refuse"), uui="04" + ECHO + P),
    *content(b"\xef\xbb\xbf" + ECHO_JSON.encode(), "SBC-UUI-022", "byte order mark"),
    *content("Hello", "SBC-UUI-023", "plain text"),
    *content(ECHO_JSON[:-9], "SBC-UUI-024", "cut after 50 octets"),
    *content(ECHO_JSON + " x", "SBC-UUI-025", "follows the end"),
    *content("[1,2]", "SBC-UUI-026", "an array"),
    *content('{"orgId":"1",' + KNOWN_KEYS + "}", "SBC-UUI-027", "twice"),
    *content('{"a":' * 9 + "1" + "}" * 9, "SBC-UUI-028", "9 deep"),
    *content('{"orgId":"00D"}', "SBC-UUI-029", "scrt2Domain is missing"),
    *content('{"orgId":5,"scrt2Domain":"x"}', "SBC-UUI-030", "orgId"),
    Case("SBC-UUI-031", WARN, "above the limit of 100", policy=Policy(uui_limit=100)),
    Case("SBC-UUI-031", FAIL, "59", policy=Policy(uui_limit=50, uui_limit_scope="decoded", uui_over_limit="refuse")),
    Case("SBC-UUI-031", PASS, "Lengths: 118 digits of value"),
    Case("SBC-UUI-032", WARN, "other:1", uui=hex_of('{"orgId":"echo-test-org","scrt2Domain":"other:1"}')),
    Case("SBC-UUI-032", SKIP, "echo test", uui=hex_of("{" + KNOWN_KEYS + "}")),
    Case("SBC-UUI-033", WARN, "does not decode as a JWT", uui=hex_of('{"jwt":"abc",' + KNOWN_KEYS + "}")),
    Case("SBC-UUI-033", PASS, "jwt holds a JWT of 200", uui=hex_of(json.dumps({"jwt": jwt(200), "orgId": "1", "scrt2Domain": "x"}))),
    Case("SBC-UUI-023", SKIP, "no JSON object", uui=hex_of("[1]")),
    Case("SBC-UUI-020", SKIP, "could not be decoded", uui="xyz!" + P),
]

CASES = [*FORM, *CONTENT]
