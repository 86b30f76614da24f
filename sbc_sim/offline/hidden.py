"""What was masked in a trace before somebody gave it away (our own captures at the levels share and strict): rules that it hides."""

from __future__ import annotations

import re

from sbc_sim.rules.uui import RULES
from sbc_sim.sip.message import Message

MASKED = "Masked in the trace."
_NUMBERS = ("SBC-HDR-001", "SBC-HDR-002")
_CONTENT = tuple(rule for rule in RULES if rule >= "SBC-UUI-020")
"""Rules about what the decoded value says."""
_STARS = re.compile(r"\*{2}")
_ALL_STARS = re.compile(r"sips?:\*+[@>]")


def hidden_rules(invite: Message) -> dict[str, str]:
    """Rules that cannot be judged because asterisks stand where the facts were, and why."""
    hidden: dict[str, str] = {}
    shown = " ".join(value for name in ("From", "P-Asserted-Identity", "Diversion") for value in invite.headers.all(name))
    if _STARS.search(shown):
        hidden |= dict.fromkeys(_NUMBERS, MASKED)
    value = " ".join(invite.headers.all("User-to-User")).lower()
    if "2a2a2a2a" in value or "****" in value:
        hidden |= dict.fromkeys(_CONTENT, MASKED)
    if _ALL_STARS.search(shown):
        hidden["SBC-MEDIA-005"] = "The audio is silenced in the trace."
    return hidden
