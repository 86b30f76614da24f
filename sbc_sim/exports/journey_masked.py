"""What is hidden of the entries beside the messages: agent, escalation, partner check, voice calls and their REST requests.

A request may hold anything that a partner's program knows: what is not known to be harmless is treated as content of a stranger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sbc_sim.exports.filling import stars
from sbc_sim.exports.keys import HIDDEN_KEY
from sbc_sim.journal.entries import Kind
from sbc_sim.journal.store import Trace

JOURNEY = (Kind.SCENARIO, Kind.AGENT, Kind.ESCALATION, Kind.PARTNER_CHECK, Kind.VOICE_CALL, Kind.TELEPHONY)
_NAMED_KEY = re.compile(r"\b(keys?|digits?|dtmf)([ :=]{1,2}\"?'?)([0-9*#A-D]{1,32})(?![0-9A-Za-z])", re.IGNORECASE)
_KEY_MEMBERS = ("digit", "digits", "key", "keys")
_IDENTIFYING = re.compile(
    r"org|orgId|iss|sub|callCent(?:er|re)(?:ApiName)?|vendorCallKey|partner|participantKey|participantId", re.IGNORECASE
)
_RECORD_KEPT = frozenset(
    {"voiceCallId", "state", "isActiveCall", "createdAt", "updatedAt", "acceptedAt", "closedAt", "requests", "messages", "call", "findings"}
)
_REQUEST_KEPT = frozenset({"id", "method", "operation", "status", "voiceCallId", "durationMs", "findings"})
"""Members of a voice call, and of a request, that are our own words: a stranger may see them. The rest may be any text of the partner's."""
_PATH_WORDS = frozenset(
    {
        "telephony", "v1", "voiceCalls", "omniFlow", "clearRouting", "reroute", "routeVoiceCall", "route", "requestCallback", "messages",
        "realtimeConversationEvents", "postConversationEvents", "reserveRoutableNumber", "createVoiceCallContext", "voicemailDrop",
        "defaultOutboundPhoneNumber", "voicemailGreeting", "",
    }
)  # fmt: skip
_ESCALATION_KEPT = frozenset({"mode", "state", "why", "call", "at", "text", "target", "customerAlive", "repReached", "linked", "by"})


def records(trace: Trace) -> Iterator[Any]:
    """What may hold phone numbers where no URI says so, in the order in which it came."""
    for entry in trace.entries:
        if entry.kind in JOURNEY:
            yield dict(entry.data)
    call = trace.call
    yield from (call.voice_call, call.escalation, call.faults, call.agent)


def names_in(value: Any) -> Iterator[str]:
    """Texts of a record that name somebody, by the names of their members."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if isinstance(inner, str) and _IDENTIFYING.fullmatch(str(name)):
                yield inner
            yield from names_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from names_in(inner)


def targets_in(trace: Trace) -> Iterator[str]:
    """Hosts to which calls were given back."""
    told = [entry.data for entry in trace.entries if entry.kind is Kind.ESCALATION]
    for data in (*told, trace.call.escalation or {}):
        target = data.get("target")
        if isinstance(target, str) and target:
            yield host_of_target(target)


def host_of_target(target: str) -> str:
    """``host`` of ``host:port``."""
    host, colon, port = target.rpartition(":")
    return (host if colon and port.isdigit() else target).strip("[]")


def without_pressed_keys(kind: Kind, value: Any, name: str = "", event: str = "") -> Any:
    """Copy what an entry tells without the keys that were pressed."""
    if isinstance(value, Mapping):
        event = str(value.get("event") or event) if kind is Kind.AGENT else ""
        return {key: without_pressed_keys(kind, inner, str(key), event) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_pressed_keys(kind, inner, name, event) for inner in value]
    if not isinstance(value, str):
        return value
    if kind is Kind.AGENT and (name in _KEY_MEMBERS or (event == "digit" and name == "text")):
        return HIDDEN_KEY if value else value
    return _NAMED_KEY.sub(lambda match: match[1] + match[2] + HIDDEN_KEY * len(match[3]), value)


def hidden_from_strangers(kind: Kind, data: Mapping[str, Any]) -> dict[str, Any]:
    """Copy what an entry tells without what only its own parties may know; hosts and numbers are hidden by the caller."""
    if kind is Kind.AGENT:
        return {name: starred(inner) if name in ("text", *_KEY_MEMBERS) else inner for name, inner in data.items()}
    if kind is Kind.PARTNER_CHECK:
        return {name: starred(inner) if name not in _ESCALATION_KEPT or name == "text" else inner for name, inner in data.items()}
    if kind is Kind.ESCALATION:
        return _escalation(data)
    if kind is Kind.SCENARIO:
        return {name: [_fault(one) for one in inner] if name == "faults" else inner for name, inner in data.items()}
    return _request(data) if kind is Kind.TELEPHONY else _record(data)


def _escalation(data: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, inner in data.items():
        if name == "states" and isinstance(inner, list | tuple):
            shown[name] = [_escalation(state) if isinstance(state, Mapping) else starred(state) for state in inner]
        elif name == "check" and isinstance(inner, Mapping):
            shown[name] = hidden_from_strangers(Kind.PARTNER_CHECK, inner)
        else:
            # Of a whole escalation the text may be that of its data; each of its states has its own.
            hide = name not in _ESCALATION_KEPT or (name == "text" and (data.get("state") == "data" or "states" in data))
            shown[name] = starred(inner) if hide else inner
    return shown


def _fault(fault: Any) -> Any:
    scope = fault.get("scope") if isinstance(fault, Mapping) else None
    if not isinstance(scope, Mapping):
        return fault
    return {**fault, "scope": {name: inner if name == "region" else starred(inner) for name, inner in scope.items()}}


def _record(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: inner if name == "findings" or (name in _RECORD_KEPT and _single(inner)) else starred(inner) for name, inner in data.items()
    }


def _single(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple)


def _request(data: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: inner if name in _REQUEST_KEPT else starred(inner) for name, inner in data.items()}
    if isinstance(data.get("path"), str):
        shown["path"] = "/".join(part if part in _PATH_WORDS else stars(part) for part in data["path"].partition("?")[0].split("/"))
    return shown


def starred(value: Any) -> Any:
    """Copy a JSON value with stars for all that it holds; names of members stay."""
    if isinstance(value, str):
        return stars(value)
    if isinstance(value, Mapping):
        return {name: starred(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [starred(inner) for inner in value]
    return 0 if isinstance(value, int | float) and not isinstance(value, bool) else value
