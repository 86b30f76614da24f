"""What one call proves for a rehearsal: TLS, User-to-User, SDP, SRTP, the echo in both directions, BYE (requirement 142)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sbc_sim.calls.rehearsal_steps import Attempt
from sbc_sim.journal.view import CallView, rfc3339
from sbc_sim.rules.catalogue import area
from sbc_sim.rules.on_purpose import named
from sbc_sim.rules.quoting import capital

Found = Mapping[str, Any]

BAD = ("fail", "warn")
ECHO_RULES = ("SBC-MEDIA-001", "SBC-MEDIA-002", "SBC-MEDIA-003", "SBC-MEDIA-004", "SBC-MEDIA-005")
"""Proved, arrives, returns, is heard, is no silence: a warning about one of them means that the echo is not proved both ways."""
BYE_RULES = ("SBC-DLG-001", "SBC-DLG-002")
LONGEST_QUOTE = 300
PROOFS: Mapping[str, tuple[str, ...]] = {
    "TLS": ("SBC-TLS-001",),
    "User-to-User": ("SBC-UUI-001",),
    "SDP": ("SBC-SDP-001",),
    "SRTP": ("SBC-SRTP-009", "SBC-SRTP-010"),
    "Echo": ("SBC-MEDIA-001", "SBC-MEDIA-002", "SBC-MEDIA-003"),
    "BYE": ("SBC-DLG-001", "SBC-DLG-002"),
}
"""Rules that must have been judged, and hold: that nothing failed proves nothing."""
OURS = frozenset({"SBC-MEDIA-020"})
"""Rules about the simulator itself."""


def means_agent(view: CallView) -> bool:
    """Whether a call is for the agent: it reached it, or its User-to-User value names an org other than that of the echo test."""
    if view.scenario is not None and view.scenario.startswith("agent"):
        return True
    uui = view.uui or {}
    return view.scenario != "echo" and bool(org_of(uui)) and not uui.get("isEcho")


def org_of(uui: Mapping[str, Any]) -> str:
    """Give the org that a User-to-User value names; empty without one."""
    return value_of(uui, "orgId")


def value_of(uui: Mapping[str, Any], name: str) -> str:
    """Give a member of the User-to-User value by our name for it; empty without one."""
    fields, named = uui.get("fields"), uui.get("named")
    if not isinstance(fields, Mapping):
        return ""
    key = (named or {}).get(name, name) if isinstance(named, Mapping) else name
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def judged(view: CallView) -> Attempt:
    """Judge a call that is over as a try of the connectivity step of its region; one with a fault of ours proves nothing."""
    checks = [{"name": name, **_proved(view, name, check(view))} for name, check in CHECKS]
    if view.answered_at is None:
        checks = [_reached(view, one) for one in checks]
    wrong = [check for check in checks if check["status"] == "fail"]
    findings = [brief(one) for one in worst_first(found_in(view)) if one.get("rule") not in OURS]
    faults = [dict(fault) for fault in view.faults]
    if faults:
        return Attempt(view.started_at or 0.0, "skipped", _not_counted(faults), view.id, None, findings, checks, faults)
    passed = all(check["status"] == "pass" for check in checks)
    text = _passed_text(findings) if passed else _failed_text(view, wrong)
    return Attempt(view.started_at or 0.0, "passed" if passed else "failed", text, view.id, None, findings, checks, faults)


def _not_counted(faults: list[dict[str, Any]]) -> str:
    return f"Not counted: {' and '.join(named(fault) for fault in faults)} on purpose, so that the call proves nothing."


def _reached(view: CallView, check: dict[str, Any]) -> dict[str, Any]:
    """Of a call that was not answered what a rule says counts, and its TLS and User-to-User when they were looked at."""
    looked_at = check["name"] == "TLS" or (check["name"] == "User-to-User" and view.uui is not None)
    if looked_at or check["text"].startswith("SBC-"):
        return check
    return {**check, "status": "skip", "text": NOT_ANSWERED}


NOT_ANSWERED = "Not reached: the call was not answered."


def _passed_text(findings: list[dict[str, Any]]) -> str:
    warned = len(findings)
    more = f", with {warned} warning{'s' if warned > 1 else ''}" if warned else ""
    return f"TLS, User-to-User, SDP, SRTP, the echo in both directions and BYE passed{more}."


def _failed_text(view: CallView, wrong: list[dict[str, Any]]) -> str:
    if view.answered_at is None:
        return refused_text(view)
    return " ".join(f"{check['name']}: {capital(check['text'])}" for check in wrong)


def found_in(view: CallView) -> list[Found]:
    """All findings of the verdict; of a call without one, those made on the way."""
    return list((view.verdict or {}).get("findings") or view.findings)


def worst_first(findings: Iterable[Found]) -> list[Found]:
    """Keep what failed or warned, failures first."""
    bad = [one for one in findings if one.get("status") in BAD]
    return sorted(bad, key=lambda one: BAD.index(one["status"]))


def brief(finding: Found) -> dict[str, Any]:
    """A finding as attempts keep it, with the first place that shows it."""
    shown = {name: str(finding.get(name) or "") for name in ("rule", "status", "detail")}
    quotes = finding.get("evidence") or ()
    return {**shown, "evidence": _quoted(quotes[0]) if quotes else ""}


def _quoted(quote: Mapping[str, Any]) -> str:
    """``INVITE, SDP line 7: m=audio 40000 RTP/AVP 0``."""
    place = ", ".join(str(quote[name]) for name in ("message", "header") if quote.get(name))
    return ": ".join(part for part in (place, str(quote.get("text") or "")) if part)[:LONGEST_QUOTE]


# --- the six things that must pass ---------------------------------------------------------------------------------------


def _proved(view: CallView, name: str, seen: dict[str, str]) -> dict[str, str]:
    """Let a check pass only when the rules that prove it hold; a warning says that they were judged."""
    held = {str(one.get("rule")) for one in found_in(view) if one.get("status") in ("pass", "warn")}
    open_ = [rule for rule in PROOFS[name] if rule not in held]
    if seen["status"] != "pass" or not open_:
        return seen
    told = next((one for one in found_in(view) if one.get("rule") == open_[0]), None)
    return _fail(f"not proved: {_sentence(told)}" if told else f"not proved: {open_[0]} was not judged.")


def _tls(view: CallView) -> dict[str, str]:
    bad = _failed(view, "TLS", "NET")
    return bad or {"status": "pass", "text": "The handshake was in order."}


def _uui(view: CallView) -> dict[str, str]:
    uui = view.uui
    bad = _failed(view, "UUI", "SIP", "HDR")
    if bad:
        return bad
    if uui is None or uui.get("raw") is None:
        return _fail("the INVITE has no User-to-User header; send the echo payload in hex with ;encoding=hex.")
    if not uui.get("isEcho"):
        org = org_of(uui)
        seen = f"it names the org {org}" if org else "it is not that JSON object"
        wanted = '{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'
        return _fail(f"it does not hold the echo payload {wanted}: {seen}.")
    return {"status": "pass", "text": "The INVITE carries the echo payload."}


def _sdp(view: CallView) -> dict[str, str]:
    bad = _failed(view, "SDP")
    if bad:
        return bad
    agreed = view.agreements[-1] if view.agreements else None
    if agreed is None:
        return _fail("no session was agreed on.")
    return {"status": "pass", "text": f"{agreed.get('codec')} was agreed on."}


def _srtp(view: CallView) -> dict[str, str]:
    bad = _failed(view, "SRTP")
    if bad:
        return bad
    agreed = view.agreements[-1] if view.agreements else {}
    received = (view.media or {}).get("packetsReceived", 0)
    if not received:
        return _fail("no SRTP packet could be decrypted, for none came.")
    return {"status": "pass", "text": f"{received} packets decrypted with {agreed.get('suite')}."}


def _echo(view: CallView) -> dict[str, str]:
    for one in worst_first(found_in(view)):
        if one.get("rule") in ECHO_RULES or (one.get("status") == "fail" and area(str(one.get("rule"))) == "MEDIA"):
            return _fail(_sentence(one))
    media = view.media or {}
    if not media.get("echoedPackets"):
        return _fail("nothing was echoed.")
    return {"status": "pass", "text": f"{media.get('packetsReceived')} packets in, {media.get('echoedPackets')} echoed back."}


def _bye(view: CallView) -> dict[str, str]:
    for one in worst_first(found_in(view)):
        if one.get("rule") in BYE_RULES or (one.get("status") == "fail" and area(str(one.get("rule"))) == "DLG"):
            return _fail(_sentence(one))
    if view.state != "ended" or view.end_reason in ("lost", "cancelled", "internal-error", "restart"):
        return _fail(f"the call did not end with BYE but with {view.end_reason or 'nothing'}.")
    return {"status": "pass", "text": f"The {'partner' if view.ended_by == 'partner' else 'simulator'}'s BYE ended the call."}


CHECKS: tuple[tuple[str, Callable[[CallView], dict[str, str]]], ...] = (
    ("TLS", _tls),
    ("User-to-User", _uui),
    ("SDP", _sdp),
    ("SRTP", _srtp),
    ("Echo", _echo),
    ("BYE", _bye),
)


def _failed(view: CallView, *areas: str) -> dict[str, str] | None:
    for one in worst_first(found_in(view)):
        if one.get("status") == "fail" and area(str(one.get("rule"))) in areas:
            return _fail(_sentence(one))
    return None


def _fail(text: str) -> dict[str, str]:
    return {"status": "fail", "text": text}


def _sentence(finding: Found) -> str:
    return f"{finding.get('rule')}: {finding.get('detail') or finding.get('title')}"


def told(view: CallView) -> str:
    """Name a call in a sentence: its id and when it came."""
    at = rfc3339(view.started_at)
    return f"the call {view.id}" + (f" of {at[11:19]} UTC" if at else "")


def refused_text(view: CallView) -> str:
    """Why a call was not answered, in a sentence with its rule."""
    first = next((one for one in worst_first(found_in(view)) if one.get("status") == "fail"), None)
    if view.end_reason == "cancelled":
        return "The partner cancelled it before it was answered."
    if view.faults and first is None:
        return f"It was refused with {view.end_status} on purpose: {view.scenario_why or view.scenario}."
    status = f" with {view.end_status}" if view.end_status else ""
    return f"It was refused{status}" + (f" by {_sentence(first)}" if first else ".")
