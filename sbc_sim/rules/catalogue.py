"""The catalogue: every rule by its id. Ids are never reused; a rule that is given up leaves its number free for ever.

The words stand in `entries/`; the judges in the modules that `judge` joins.
"""

from __future__ import annotations

from sbc_sim.rules.entries.dialog import DLG, HDR
from sbc_sim.rules.entries.e2e_records import E2E_RECORDS
from sbc_sim.rules.entries.e2e_return import E2E_RETURN
from sbc_sim.rules.entries.media import MEDIA
from sbc_sim.rules.entries.reactions import REACTIONS
from sbc_sim.rules.entries.sdp import SDP, SRTP
from sbc_sim.rules.entries.sip import FORM, REQUEST
from sbc_sim.rules.entries.tls import NET, TLS
from sbc_sim.rules.entries.uui_content import UUI_CONTENT
from sbc_sim.rules.entries.uui_form import UUI_FORM
from sbc_sim.rules.finding import Rule

RULE_SET_VERSION = "1"
"""Grows with every change in what the rules demand; stands in each verdict."""

AREAS = {
    "TLS": "the TLS handshake",
    "NET": "the network below the call",
    "SIP": "SIP requests",
    "HDR": "header fields that identify parties",
    "UUI": "the User-to-User header",
    "SDP": "offer and answer",
    "SRTP": "SRTP and its keys",
    "MEDIA": "audio, the echo, RTCP, DTMF",
    "DLG": "the dialog from answer to BYE",
    "E2E": "the whole flow: voice call, escalation, the way back to a human rep",
}
"""Areas in the order in which a call meets them: the middle part of an id and what it is about."""

RULES: dict[str, Rule] = {
    r.id: r
    for r in (*TLS, *NET, *FORM, *REQUEST, *HDR, *UUI_FORM, *UUI_CONTENT, *SDP, *SRTP, *MEDIA, *DLG, *REACTIONS, *E2E_RECORDS, *E2E_RETURN)
}


def rule(rule_id: str) -> Rule:
    """Return the rule with that id; raises KeyError for an unknown id."""
    return RULES[rule_id]


def area(rule_id: str) -> str:
    """Return the area of an id: the part between its dashes."""
    return rule_id.split("-")[1]
