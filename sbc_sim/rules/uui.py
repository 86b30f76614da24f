"""User-to-User: what each shape of the header means under the policy (requirements 52-64, 67).

Reading is done by `sip.uui`; here stands which rule a fault breaks, whether it refuses the call, and how it is told with
its place and the three lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote, Refusal, Status
from sbc_sim.rules.outcome import found, passed, skipped
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote, quote_octets, sentence
from sbc_sim.sip.uui import Uui, UuiFault, UuiProblem
from sbc_sim.sip.uui_mask import hide_jwt, hide_value

FAULTS: dict[UuiFault, str] = {
    UuiFault.MISSING: "SBC-UUI-001",
    UuiFault.ODD_DIGITS: "SBC-UUI-002",
    UuiFault.NOT_HEX: "SBC-UUI-003",
    UuiFault.BLANK_INSIDE: "SBC-UUI-004",
    UuiFault.HEX_PREFIX: "SBC-UUI-005",
    UuiFault.LOOKS_BASE64: "SBC-UUI-006",
    UuiFault.LOOKS_PLAIN_TEXT: "SBC-UUI-007",
    UuiFault.LOOKS_PERCENT_ENCODED: "SBC-UUI-008",
    UuiFault.DOUBLE_ENCODED: "SBC-UUI-009",
    UuiFault.EMPTY: "SBC-UUI-010",
    UuiFault.ELSEWHERE: "SBC-UUI-011",
    UuiFault.SEVERAL: "SBC-UUI-012",
    UuiFault.BAD_GRAMMAR: "SBC-UUI-013",
    UuiFault.UNTERMINATED_QUOTE: "SBC-UUI-014",
    UuiFault.DUPLICATE_PARAMETER: "SBC-UUI-015",
    UuiFault.NO_ENCODING: "SBC-UUI-016",
    UuiFault.OTHER_ENCODING: "SBC-UUI-017",
    UuiFault.NO_PURPOSE: "SBC-UUI-018",
    UuiFault.OTHER_PURPOSE: "SBC-UUI-019",
    UuiFault.NOT_UTF8: "SBC-UUI-020",
    UuiFault.LEADING_OCTET: "SBC-UUI-021",
    UuiFault.BOM: "SBC-UUI-022",
    UuiFault.NOT_JSON: "SBC-UUI-023",
    UuiFault.TRUNCATED_JSON: "SBC-UUI-024",
    UuiFault.TRAILING_TEXT: "SBC-UUI-025",
    UuiFault.NOT_OBJECT: "SBC-UUI-026",
    UuiFault.DUPLICATE_KEY: "SBC-UUI-027",
    UuiFault.TOO_DEEP: "SBC-UUI-028",
    UuiFault.MISSING_KEY: "SBC-UUI-029",
    UuiFault.WRONG_VALUE_TYPE: "SBC-UUI-030",
    UuiFault.OVER_LIMIT: "SBC-UUI-031",
    UuiFault.ECHO_DOMAIN_DIFFERS: "SBC-UUI-032",
    UuiFault.BAD_JWT: "SBC-UUI-033",
}
"""Every fault belongs to exactly one rule (a test walks the enum)."""

RULES = tuple(sorted(FAULTS.values()))
_ABSENT = (UuiFault.MISSING, UuiFault.EMPTY, UuiFault.ELSEWHERE)
_SHAPE = (
    UuiFault.ODD_DIGITS,
    UuiFault.NOT_HEX,
    UuiFault.BLANK_INSIDE,
    UuiFault.HEX_PREFIX,
    UuiFault.LOOKS_BASE64,
    UuiFault.LOOKS_PLAIN_TEXT,
    UuiFault.LOOKS_PERCENT_ENCODED,
)
"""Faults of the hex digits; they only warn where another encoding is tolerated."""
_CONTENT = (
    UuiFault.DOUBLE_ENCODED,
    UuiFault.BOM,
    UuiFault.NOT_JSON,
    UuiFault.TRUNCATED_JSON,
    UuiFault.TRAILING_TEXT,
    UuiFault.NOT_OBJECT,
    UuiFault.DUPLICATE_KEY,
    UuiFault.TOO_DEEP,
    UuiFault.MISSING_KEY,
    UuiFault.WRONG_VALUE_TYPE,
)
"""Faults of the content, governed by uui.content."""
_FIRST_OF_CONTENT = "SBC-UUI-020"
"""Rules from this one on look at the decoded octets."""

_WARNS: dict[UuiFault, Callable[[Policy], bool]] = {
    **{fault: lambda policy: policy.uui_missing == "warn" for fault in _ABSENT},
    **{fault: lambda policy: policy.uui_content == "warn" for fault in _CONTENT},
    UuiFault.SEVERAL: lambda policy: policy.uui_several != "refuse",
    UuiFault.OTHER_ENCODING: lambda policy: policy.uui_encoding == "lenient",
    UuiFault.NO_PURPOSE: lambda policy: policy.uui_purpose != "required",
    UuiFault.OTHER_PURPOSE: lambda policy: policy.uui_purpose != "required",
    UuiFault.LEADING_OCTET: lambda policy: policy.uui_leading_octet == "strip",
    UuiFault.OVER_LIMIT: lambda policy: policy.uui_over_limit == "warn",
    UuiFault.DUPLICATE_PARAMETER: lambda policy: True,
    UuiFault.NO_ENCODING: lambda policy: True,
    UuiFault.ECHO_DOMAIN_DIFFERS: lambda policy: True,
    UuiFault.BAD_JWT: lambda policy: True,
}
"""Whether a fault only warns under the policy; what is not named here always refuses the call."""


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge the User-to-User header: the problems in the order in which they were found, then the rules that hold."""
    uui = evidence.uui
    if uui is None:
        return [skipped(rule, evidence.unread_content or "The User-to-User header was not read.") for rule in RULES]
    lenient = policy.uui_encoding == "lenient" and any(p.fault is UuiFault.OTHER_ENCODING for p in uui.problems)
    broken: dict[str, Finding] = {}
    for problem in uui.problems:
        finding = _broken(uui, problem, policy, lenient)
        earlier = broken.get(finding.rule)
        broken[finding.rule] = finding if earlier is None else replace(earlier, detail=f"{sentence(problem.detail)} {earlier.detail}")
    return [*broken.values(), *_kept(uui, [rule for rule in RULES if rule not in broken])]


def lengths(uui: Uui) -> str:
    """Tell the three lengths of a value in one sentence."""
    return f"Lengths: {uui.value_length} digits of value, {uui.line_length} of header line, {uui.decoded_length} octets decoded."


def _broken(uui: Uui, problem: UuiProblem, policy: Policy, lenient: bool) -> Finding:
    fault = problem.fault
    decide = _WARNS.get(fault)
    warns = lenient and fault in _SHAPE if decide is None else decide(policy)
    status = Status.WARN if warns else Status.FAIL
    if fault is UuiFault.NO_PURPOSE and warns:
        status = Status.PASS
    detail = sentence(problem.detail)
    if fault not in (UuiFault.MISSING, UuiFault.ELSEWHERE):
        detail = f"{detail} {lengths(uui)}"
    return found(FAULTS[fault], status, detail, _shown(uui, problem), refused=None if warns else Refusal(400))


def _shown(uui: Uui, problem: UuiProblem) -> Quote | None:
    """Quote the value, or what it decodes to, with the first bad character marked; a token is starred out."""
    if problem.within == "value":
        return None if uui.raw is None else quote(_without_token(uui, uui.raw), uui.header_name, position=problem.position)
    place = f"{uui.header_name}, decoded"
    if uui.text is None:
        hidden = None if uui.decoded is None else hide_jwt(uui.decoded.decode("latin-1")).encode("latin-1")
        return None if hidden is None else quote_octets(hidden, place, position=problem.position)
    return quote(hide_jwt(uui.text), place, position=problem.position)


def _without_token(uui: Uui, raw: str) -> str:
    """Put stars over the hex digits of the JWT, be they damaged or not; the length stays, so that positions still fit."""
    token = (uui.fields or {}).get(uui.jwt.key) if uui.jwt else None
    if not isinstance(token, str):
        return hide_value(raw)
    digits = token.encode("utf-8", "replace").hex()
    start = raw.lower().find(digits)
    shown = start + 20
    return raw if start < 0 else raw[:shown] + "*" * (len(digits) - 20) + raw[start + len(digits) :]


# --- rules that hold -----------------------------------------------------------------------------------------------------------


def _kept(uui: Uui, rules: list[str]) -> list[Finding]:
    absent = next((p for p in uui.problems if p.fault in _ABSENT), None)
    if absent is not None:
        return [skipped(rule, f"There is no value to look at: see {FAULTS[absent.fault]}.") for rule in rules]
    form = f"{uui.header_name}: {_form(uui)}"
    members = None if uui.fields is None else f"A JSON object with {', '.join(list(uui.fields)[:8]) or 'no members'}."
    return [passed(rule, form) if rule < _FIRST_OF_CONTENT else _content(uui, rule, members) for rule in rules]


def _form(uui: Uui) -> str:
    named = ";".join(name if value is None else f"{name}={value}" for name, value in uui.parameters)
    return f"{uui.value_length} digits, {f'parameters {named}' if named else 'no parameters'}."


def _content(uui: Uui, rule: str, members: str | None) -> Finding:
    if rule == "SBC-UUI-031":
        return passed(rule, lengths(uui))
    if rule == "SBC-UUI-032":
        return _echo(uui)
    if uui.decoded is None:
        return skipped(rule, "The value could not be decoded.")
    if rule in ("SBC-UUI-020", "SBC-UUI-021"):
        return passed(rule, f"{uui.decoded_length} octets of UTF-8 text.") if uui.text is not None else skipped(rule, "Not text.")
    if rule == "SBC-UUI-033":
        held = f"{uui.jwt.key} holds a JWT of {uui.jwt.length} characters." if uui.jwt else ""
        return passed(rule, held) if held else skipped(rule, "The value holds no JWT.")
    return skipped(rule, "The value holds no JSON object.") if members is None else passed(rule, members)


def _echo(uui: Uui) -> Finding:
    if uui.is_echo:
        return passed("SBC-UUI-032", f"The echo test's payload: {uui.decoded_length} octets.")
    return skipped("SBC-UUI-032", "The value does not name the org of the echo test.")
