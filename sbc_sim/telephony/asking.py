"""A request to the API and its answer as values, and the table of its paths (facts 2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from sbc_sim.telephony.record import VoiceCall
from sbc_sim.telephony.remark import BODY, FAIL, Refused, Remark
from sbc_sim.telephony.tokens import Identity


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request as it came, below ``/telephony/v1``."""

    method: str
    path: str
    """Begins with a slash, percent-encoded as it came: ``/voiceCalls/0LQ.../omniFlow``."""
    query: Mapping[str, str] = field(default_factory=dict)
    authorization: str = field(default="", repr=False)
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Noted:
    """What happened, for the journal."""

    kind: str
    """``telephony`` or ``voice.call``: values of journal.entries.Kind, which this room does not see."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RestFault:
    """What is done wrong on purpose."""

    name: str
    type: str
    """telephony-slow, telephony-500, telephony-429, telephony-403, telephony-drop or telephony-garbage"""
    value: float | None = None
    """Seconds of delay or of Retry-After, or the status for telephony-500."""


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """The answer."""

    status: int
    body: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()
    entries: tuple[Noted, ...] = ()
    changed: tuple[VoiceCall, ...] = ()
    """Voice calls as they are now."""
    fault: RestFault | None = None
    """To be carried out by who sends the answer: slow, drop, garbage."""


@dataclass(slots=True)
class Ask:
    """A request that found its operation and passed the token check; what is said of it is collected here."""

    operation: str
    key: str
    """What stands in the path: an id or a vendorCallKey."""
    body: Mapping[str, Any]
    query: Mapping[str, str]
    who: Identity
    now: float
    remarks: list[Remark] = field(default_factory=list)
    changed: dict[str, VoiceCall] = field(default_factory=dict)
    about: VoiceCall | None = None
    """The voice call that it is about."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation gives."""

    status: int
    body: Mapping[str, Any]


_ID = r"(?P<key>[^/]+)"
PATHS: tuple[tuple[str, str, str], ...] = (
    ("POST", "/voiceCalls", "create"),
    ("POST", "/voiceCalls/messages", "messagesInBulk"),
    ("POST", "/voiceCalls/reserveRoutableNumber", "reserveRoutableNumber"),
    ("POST", "/voiceCalls/createVoiceCallContext", "createVoiceCallContext"),
    ("GET", "/voiceCalls/defaultOutboundPhoneNumber", "defaultOutboundPhoneNumber"),
    ("GET", "/voiceCalls/voicemailGreeting", "voicemailGreeting"),
    ("PATCH", f"/voiceCalls/route/{_ID}", "route"),
    ("PATCH", f"/voiceCalls/{_ID}", "update"),
    ("PATCH", f"/voiceCalls/{_ID}/omniFlow", "omniFlow"),
    ("PATCH", f"/voiceCalls/{_ID}/clearRouting", "clearRouting"),
    ("POST", f"/voiceCalls/{_ID}/reroute", "reroute"),
    ("PATCH", f"/voiceCalls/{_ID}/reroute", "reroute"),
    ("POST", f"/voiceCalls/{_ID}/routeVoiceCall", "route"),
    ("POST", f"/voiceCalls/{_ID}/requestCallback", "requestCallback"),
    ("POST", f"/voiceCalls/{_ID}/messages", "messages"),
    ("POST", f"/voiceCalls/{_ID}/realtimeConversationEvents", "realtimeConversationEvents"),
    ("POST", f"/voiceCalls/{_ID}/postConversationEvents", "postConversationEvents"),
    ("GET", f"/voiceCalls/{_ID}/voicemailDrop", "voicemailDrop"),
)
"""Method, path and operation; both spellings where documents and real clients differ."""
_PATTERNS = tuple((method, re.compile(path), path, operation) for method, path, operation in PATHS)


def find_operation(method: str, path: str) -> tuple[str, str]:
    """Return operation and key of a request. Raises Refused 404 or 405."""
    path = path.rstrip("/") or "/"
    allowed: list[str] = []
    for known, pattern, _, operation in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if known == method:
            return operation, unquote(match.groupdict().get("key") or "")
        allowed.append(known)
    shown = path[:120]
    if allowed:
        listed = ", ".join(sorted(set(allowed)))
        told = Remark(BODY, FAIL, f"{shown} does not answer {method[:20]}.", f"Use {listed}.")
        raise Refused(405, "METHOD_NOT_ALLOWED", told, (("Allow", listed),))
    names = ", ".join(dict.fromkeys(path.replace(_ID, "{id}") for _, path, _ in PATHS))
    fix = f"{_near(path, names.split(', '))}Known below /telephony/v1: {names}."
    raise Refused(404, "NOT_FOUND", Remark(BODY, FAIL, f"The API has no path {shown}.", fix))


def _near(path: str, known: Sequence[str]) -> str:
    """Say which path is meant: letter case and spelling aside, and whatever stands in the place of the id."""
    parts = path.split("/")[:5]
    for template in known:
        wanted = template.split("/")
        if len(wanted) == len(parts) and all(
            two == "{id}" or get_close_matches(one.lower(), [two.lower()], 1, 0.8)
            for one, two in zip(parts, wanted, strict=True)
            if one or two
        ):
            return f"Did you mean {template}? "
    last = get_close_matches(parts[-1].lower(), [template.rpartition("/")[2].lower() for template in known], 1, 0.8)
    found = next((template for template in known if last and template.lower().endswith(f"/{last[0]}")), "")
    return f"Did you mean {found}? " if found else ""
