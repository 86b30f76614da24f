"""The voice call that goes with a SIP call: whether it was there, whether both sides agree, and what its requests did wrong.

Judged from the User-to-User value and the record (requirements 65, 69, 117 to 133). Mistakes of single requests were answered there and
then; here they only warn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Refusal, Status
from sbc_sim.rules.outcome import found, passed, skipped, undecided, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote, sentence, whole_sentence
from sbc_sim.sip.headers import user_of_address
from sbc_sim.sip.text import printable
from sbc_sim.sip.uri import user_of_uri
from sbc_sim.sip.uui import Uui, UuiFault

RULES = tuple(f"SBC-E2E-{number:03d}" for number in range(1, 20))
_CREATED, _NAMED, _ORG, _DOMAIN, _TOKEN, _ROOM, _ONE, _NUMBERS, _REUSED, _CLOSED = RULES[:10]
_EARLY = "SBC-E2E-013"
_OF_REQUESTS = ("SBC-E2E-011", "SBC-E2E-012", "SBC-E2E-014", "SBC-E2E-015", "SBC-E2E-016", "SBC-E2E-017", "SBC-E2E-018")
_HANDLE = "SBC-E2E-019"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?(:\d{1,5})?")
_STATUS = {"warn": Status.WARN, "fail": Status.FAIL, "refuse": Status.FAIL}


def judge_invite(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge what can be told when the INVITE comes; with the settings at refuse an unknown voice call or org and a bad token refuse it."""
    uui = evidence.uui
    if not evidence.journey.rest or uui is None or not _names_anything(uui):
        return []
    return [_created(evidence, uui, policy), _org(evidence, uui, policy), _domain(uui, policy), _token(evidence, uui, policy)]


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge a call: one finding for every rule from 001 to 019."""
    uui, journey = evidence.uui, evidence.journey
    if journey.is_return:
        return [skipped(rule, "This is the call back itself; the escalated call answers for it.") for rule in RULES]
    if not journey.rest:
        return [skipped(rule, "No Telephony Integration API was asked.") for rule in RULES]
    if uui is None or uui.is_echo or not (journey.expected or _names_anything(uui)):
        return [_handle(evidence) if rule == _HANDLE else skipped(rule, _NO_VOICE_CALL) for rule in RULES]
    found_so_far = [
        _created(evidence, uui, policy),
        _named(evidence, uui),
        _org(evidence, uui, policy),
        _domain(uui, policy),
        _token(evidence, uui, policy),
        _room(uui),
        _one_call(evidence, uui),
        _numbers(evidence),
        _reused(evidence),
        _closed(evidence),
        _early(evidence),
        _handle(evidence),
        *(_requests(evidence, rule) for rule in _OF_REQUESTS),
    ]
    return sorted(found_so_far, key=lambda finding: finding.rule)


_NO_VOICE_CALL = "The call is an echo test or a trial: no voice call goes with it."


def _names_anything(uui: Uui) -> bool:
    """Whether the value names a voice call or holds a token, as that of a real call does."""
    return not uui.is_echo and any(name in (uui.named or {}) for name in ("callId", "vendorCallKey", "jwt"))


def _value(uui: Uui, name: str) -> str:
    value = (uui.fields or {}).get((uui.named or {}).get(name, ""))
    return value if isinstance(value, str) else ""


def _keys(uui: Uui) -> list[str]:
    return [value for value in (_value(uui, "callId"), _value(uui, "vendorCallKey")) if value]


def _strict(rule: str, how: str, detail: str, status: int, uui: Uui, fix: str = "") -> Finding:
    """A finding that warns, fails or refuses, as is set."""
    shown = quote(uui.text or "", f"{uui.header_name}, decoded") if rule != _TOKEN and uui.text and "eyJ" not in uui.text else None
    return found(rule, _STATUS[how], detail, shown, fix=fix, refused=Refusal(status) if how == "refuse" else None)


def _created(evidence: Evidence, uui: Uui, policy: Policy) -> Finding:
    journey, keys = evidence.journey, _keys(uui)
    record = journey.voice_call
    if not keys:
        return skipped(_CREATED, f"User-to-User names no voice call: see {_NAMED}.")
    if record is None:
        detail = (
            f"User-to-User names the voice call {printable(keys[0], 60)!r}, which nobody created: no POST /voiceCalls gave that id or key."
        )
        return _strict(_CREATED, policy.e2e_unknown_call, detail, 404, uui)
    if journey.known_at_invite is False:
        detail = f"The voice call {record['voiceCallId']} was created only after the INVITE that names it."
        return _strict(_CREATED, policy.e2e_unknown_call, detail, 404, uui)
    return passed(_CREATED, f"The voice call {record['voiceCallId']} was there when the INVITE came.")


def _named(evidence: Evidence, uui: Uui) -> Finding:
    keys = _keys(uui)
    if keys:
        return passed(_NAMED, f"It names {printable(keys[0], 60)!r}.")
    members = ", ".join(printable(name, 40) for name in list(uui.fields or {})[:8]) or "nothing that can be read"
    detail = f"User-to-User names no voice call: it holds {members}."
    return found(_NAMED, Status.FAIL, detail)


def _org(evidence: Evidence, uui: Uui, policy: Policy) -> Finding:
    org, journey = _value(uui, "orgId"), evidence.journey
    record_org = str((journey.voice_call or {}).get("org") or "")
    if not org:
        return skipped(_ORG, "User-to-User names no org.")
    if record_org and record_org[:15] != org[:15]:
        detail = f"orgId is {printable(org, 40)!r}, but the voice call was created by the org {printable(record_org, 40)!r}."
        return _strict(_ORG, policy.e2e_unknown_org, detail, 404, uui)
    if not record_org and journey.known_org is False:
        detail = f"orgId is {printable(org, 40)!r}, an org for which no key is known."
        return _strict(_ORG, policy.e2e_unknown_org, detail, 404, uui)
    return (
        passed(_ORG, f"Both name the org {printable(org, 40)}.") if record_org else skipped(_ORG, "There is no voice call to compare with.")
    )


def _domain(uui: Uui, policy: Policy) -> Finding:
    domain = _value(uui, "scrt2Domain")
    if not domain:
        return skipped(_DOMAIN, "User-to-User names no scrt2Domain.")
    if "://" in domain or "/" in domain:
        host = domain.partition("://")[2].partition("/")[0] or domain.partition("/")[0]
        detail = f"scrt2Domain is {printable(domain, 80)!r}, a URL."
        return warned(_DOMAIN, detail, fix=f"Send the host name alone: {printable(host, 80)}.")
    if not _HOST.fullmatch(domain):
        return warned(_DOMAIN, f"scrt2Domain is {printable(domain, 80)!r}, which is no host name.")
    if policy.e2e_domains and domain.lower() not in {known.lower() for known in policy.e2e_domains}:
        known = ", ".join(policy.e2e_domains[:3])
        return warned(_DOMAIN, f"scrt2Domain is {printable(domain, 80)!r}; {known} is expected (telephony.scrt2_domains).")
    return passed(_DOMAIN, f"It is {printable(domain, 80)}.")


def _token(evidence: Evidence, uui: Uui, policy: Policy) -> Finding:
    journey = evidence.journey
    if uui.jwt is None:
        if any(problem.fault is UuiFault.BAD_JWT for problem in uui.problems):
            return _strict(_TOKEN, policy.e2e_token, "What should be the JWT cannot be read: see SBC-UUI-033.", 403, uui)
        return warned(_TOKEN, "User-to-User holds no JWT.")
    if journey.token_trouble is None:
        return skipped(_TOKEN, "The token was not checked (telephony.verify).")
    if not journey.token_trouble:
        return passed(_TOKEN, f"{uui.jwt.key} is good: signature, iss, sub, iat and exp.")
    if journey.token_undecided:
        return undecided(_TOKEN, journey.token_trouble)
    return _strict(_TOKEN, policy.e2e_token, f"The JWT in User-to-User: {journey.token_trouble}", 403, uui, journey.token_fix)


def _room(uui: Uui) -> Finding:
    if uui.jwt is None:
        return skipped(_ROOM, "User-to-User holds no JWT.")
    lengths = f"{uui.value_length} digits of value, {uui.line_length} of header line, {uui.decoded_length} octets decoded"
    if any(problem.fault is UuiFault.OVER_LIMIT for problem in uui.problems):
        detail = f"The JWT of {uui.jwt.length} characters takes {2 * uui.jwt.length} hex digits and makes the value too long: {lengths}."
        return warned(_ROOM, detail)
    return passed(_ROOM, f"The JWT of {uui.jwt.length} characters fits: {lengths}.")


def _one_call(evidence: Evidence, uui: Uui) -> Finding:
    record, keys = evidence.journey.voice_call, _keys(uui)
    if record is None or len(keys) < 2:
        return skipped(_ONE, "User-to-User does not name a voice call that is known by both id and key.")
    names = (str(record["voiceCallId"]), str(record["voiceCallId"])[:15], str(record["vendorCallKey"]))
    strange = [key for key in keys if key not in names]
    if strange:
        detail = (
            f"User-to-User names {printable(strange[0], 60)!r} too, but the voice call is {names[0]} with the key"
            f" {printable(names[2], 60)!r}."
        )
        return found(_ONE, Status.FAIL, detail)
    return passed(_ONE, f"Both name {names[0]}.")


def _numbers(evidence: Evidence) -> Finding:
    record, invite = evidence.journey.voice_call, evidence.invite
    if record is None or invite is None:
        return skipped(_NUMBERS, "There is no voice call to compare with.")
    callers = [
        user
        for name in ("P-Asserted-Identity", "From")
        for value in invite.headers.listed(name)[:2]
        if (user := user_of_address(value, "header"))
    ]
    called = user_of_uri(invite.uri)
    differ = []
    if callers and record.get("from") and not any(_same_number(user, str(record["from"])) for user in callers):
        differ.append(f"the caller is {printable(callers[0], 40)} in SIP and {printable(str(record['from']), 40)} in the record")
    if called and record.get("to") and not _same_number(called, str(record["to"])):
        differ.append(f"the called number is {printable(called, 40)} in SIP and {printable(str(record['to']), 40)} in the record")
    if differ:
        return warned(_NUMBERS, whole_sentence("; ".join(differ)))
    return passed(_NUMBERS, f"From {printable(str(record.get('from')), 40)} to {printable(str(record.get('to')), 40)} in both.")


def _same_number(one: str, other: str) -> bool:
    """Whether two numbers mean the same: digits only, one may lack the country code. What holds no digits is not compared."""
    first, second = (re.sub(r"\D", "", text) for text in (one, other))
    if not first or not second or len(first) < 6:
        return True  # a test number or a name: nothing to compare
    return first.endswith(second) or second.endswith(first)


def _reused(evidence: Evidence) -> Finding:
    journey = evidence.journey
    if journey.voice_call is None:
        return skipped(_REUSED, "There is no voice call.")
    if journey.named_before:
        detail = f"The voice call {journey.voice_call['voiceCallId']} was named by the SIP call {journey.named_before} before."
        return warned(_REUSED, detail)
    return _requests(evidence, _REUSED)


def _closed(evidence: Evidence) -> Finding:
    record = evidence.journey.voice_call
    if record is None:
        return skipped(_CLOSED, "There is no voice call.")
    if record.get("closedAt") is not None:
        return passed(_CLOSED, f"The voice call {record['voiceCallId']} was closed.")
    said = f"The voice call {record['voiceCallId']} is still open (state {record.get('state')})"
    if evidence.journey.not_closed_after:
        detail = f"{said}, {evidence.journey.not_closed_after:g} s after the SIP call ended (telephony.close_seconds)."
        return warned(_CLOSED, detail)
    return undecided(_CLOSED, f"{said} at the end of the SIP call; that is looked at again later.")


def _early(evidence: Evidence) -> Finding:
    journey, record = evidence.journey, evidence.journey.voice_call
    if record is None:
        return skipped(_EARLY, "There is no voice call.")
    closed = record.get("closedAt")
    if evidence.answered_at is None:
        return skipped(_EARLY, "The call was not answered.")
    until = min(at for at in (evidence.ended_at, journey.escalated_at, float("inf")) if at is not None)
    if isinstance(closed, int | float) and closed < until and journey.known_at_invite:
        when = (
            "before the call was answered" if closed < evidence.answered_at else f"{closed - evidence.answered_at:.1f} s after the answer"
        )
        return found(_EARLY, Status.FAIL, f"The voice call {record['voiceCallId']} was closed {when}, while its SIP call was up.")
    return passed(_EARLY, "It was not closed while its SIP call was up.")


def _requests(evidence: Evidence, rule: str) -> Finding:
    """What was said of the requests about the voice call under this rule."""
    record: Mapping[str, Any] | None = evidence.journey.voice_call
    if record is None:
        return skipped(rule, "There is no voice call.")
    told = [one for one in record.get("findings") or () if one.get("rule") == rule]
    if not told:
        return passed(rule, f"Nothing against {record.get('requests', 0)} requests about the voice call.")
    more = f" And {len(told) - 1} more." if len(told) > 1 else ""
    return warned(rule, f"{sentence(str(told[0]['detail']))}{more}", fix=str(told[0].get("fix") or ""))


def _handle(evidence: Evidence) -> Finding:
    journey = evidence.journey
    if journey.handle_trouble:
        return found(_HANDLE, Status.FAIL, sentence(journey.handle_trouble))
    if journey.handle:
        return passed(_HANDLE, f"The handle {printable(journey.handle, 60)} was good.")
    return skipped(_HANDLE, "No handle came with the call.")
