"""The whole flow around a SIP call, as the rules of the area E2E see it: its voice call, its escalation, its return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ReturnTrouble(StrEnum):
    """Why a call could not be given back to the partner by an INVITE or REFER of ours."""

    NO_TARGET = "no-target"
    NO_PORT = "no-port"
    """Our own media ports are all in use."""
    DEAD = "dead"
    SLOW = "slow"
    CLEAR_TEXT = "clear-text"
    CHAIN = "chain"
    NAME = "name"
    DATES = "dates"
    INSISTS = "insists"
    """On a client certificate."""
    TLS = "tls"
    """Any other failure of the handshake."""
    LOST = "lost"
    """The connection broke before the INVITE was answered."""
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    NOT_SRTP = "not-srtp"
    HUNG_UP = "hung-up"
    """The partner ended the first leg before the return was up: nobody is left to be given back."""
    REFER_REFUSED = "refer-refused"
    REFER_FAILED = "refer-failed"


@dataclass(slots=True)
class Returning:
    """The way back of a call that is escalated, as both legs know it."""

    call: str = ""
    """Id of the new leg; empty when it never came to an INVITE."""
    target: str = ""
    """``host:port``."""
    chosen_by: str = ""
    """What named the target: the API, return_uri of the partner, escalation.return_uri, the Contact of the call."""
    trouble: ReturnTrouble | None = None
    detail: str = ""
    """The trouble in a sentence."""
    connected: bool = False
    """TCP and TLS were up."""
    asked_for_certificate: bool = False
    """The partner's server asked for a client certificate."""
    status: int | None = None
    """Final answer to the INVITE."""
    up_at: float | None = None
    reported: int | None = None
    """Mode refer: the last status that a NOTIFY told."""


@dataclass(slots=True)
class Journey:
    """What is known so far. Times are unix seconds; None or empty: not reached, or not known."""

    expected: bool = False
    """The call reached the agent, so that there should be a voice call and, after an escalation, a human rep."""
    rest: bool = False
    """There is a Telephony Integration API that knows of voice calls; False offline, and where it is switched off."""
    known_org: bool | None = None
    """Whether there is a key for the org that User-to-User names; None: no key is bound to an org."""
    token_trouble: str | None = None
    """What is wrong with the JWT in User-to-User, a sentence; empty: it is good; None: not checked."""
    token_fix: str = ""
    token_undecided: bool = False
    """It could not be checked, for no key is known."""
    named_before: str = ""
    """Another SIP call that named the same voice call before."""
    not_closed_after: float = 0.0
    """Seconds that the voice call was still open after the SIP call; 0: not looked at again yet."""
    handle: str = ""
    """Routable number or context handle that came with the call."""
    handle_trouble: str = ""
    voice_call: Mapping[str, Any] | None = None
    """The voice call that the User-to-User value names, as in VOICE_CALL, as it is now."""
    known_at_invite: bool | None = None
    """Whether it was there when the INVITE came."""
    voice_call_then: Mapping[str, Any] = field(default_factory=dict)
    """The same as it was when the call was escalated."""
    escalated_at: float | None = None
    mode: str = ""
    """bye | bye+data | invite-back | refer"""
    why: str = ""
    """Why it was escalated, in words."""
    trouble: str = ""
    """Why the return failed, in a sentence."""
    checked: str = ""
    """Empty: no escalation; ``waiting``; ``done``; ``late``: the time for it ran out; ``cut``: we ended the check before its time."""
    customer_alive: bool | None = None
    """The partner kept the customer's leg after our BYE."""
    rep_reached: bool | None = None
    linked: bool | None = None
    """The rep's voice call refers to the first one."""
    rep_call: str = ""
    rep_doubtful: bool = False
    """The rep's voice call names no other and is only of the same customer: it may have nothing to do with this one."""
    returning: Returning | None = None
    """Modes invite-back and refer."""
    is_return: bool = False
    """This is the new leg of an escalation: the first leg answers for what comes of it."""
    bye_status: int | None = None
    """How the partner answered the BYE of the escalation; None: it did not."""
    bye_unanswered: str = ""
    """Why our BYE has no answer, in words; empty: it has one, or it is still open."""
    bye_undelivered: bool = False
    """The reason is the connection: whether our BYE arrived cannot be told."""
    bye_crossed: bool = False
    """The partner's own BYE came while ours was open: its dialog was over, so that 481 is a good answer (RFC 3261 section 15.1.2)."""
    late: dict[str, float] = field(default_factory=dict)
    """What became known only after the window of the check: ``customer_alive``, ``rep_reached`` or ``linked``, and the seconds after it."""
    check_text: str = ""
    """What the partner check saw, in words."""
    check_seconds: float = 0.0
