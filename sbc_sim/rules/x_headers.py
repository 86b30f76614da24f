"""Custom X-headers of the INVITE: which of them are captured (requirement 70)."""

from __future__ import annotations

from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import passed, skipped, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Headers, Request
from sbc_sim.sip.text import printable

RULE = "SBC-HDR-010"
_NOT_CUSTOM = ("x-user-to-user",)
"""Read elsewhere, or not at all."""


def sent(headers: Headers) -> list[tuple[str, str]]:
    """Give the X-headers of a message in order: name and value as they stand there."""
    return [(item.name, item.value) for item in headers if item.name.lower().startswith("x-") and item.name.lower() not in _NOT_CUSTOM]


def captured(headers: Headers, policy: Policy) -> dict[str, str]:
    """Give what is kept of the X-headers, by name; several of one name are joined by commas. Nothing in the published profile."""
    if policy.profile != "extended":
        return {}
    kept: dict[str, str] = {}
    for name, value in sent(headers)[: policy.x_headers]:
        joined = f"{kept[name]}, {value}" if name in kept else value
        if len(joined.encode()) <= policy.x_header_bytes:
            kept[printable(name, 80)] = printable(joined, policy.x_header_bytes)
    return kept


def judge(invite: Request, policy: Policy) -> Finding:
    """Say what became of the X-headers of an INVITE."""
    there = sent(invite.headers)
    if not there:
        return skipped(RULE, "The INVITE carries no X-header.")
    names = ", ".join(printable(name, 40) for name, _ in there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
    if policy.profile != "extended":
        return passed(RULE, f"{_count(there)} ignored: {names}. The profile published reads none; rules.profile extended captures them.")
    too_long = [name for name, value in there if len(value.encode()) > policy.x_header_bytes]
    if len(there) > policy.x_headers:
        detail = f"{_count(there)} came, and the first {policy.x_headers} are captured (sip.x_headers)."
        return warned(RULE, detail, Quote(f"{there[policy.x_headers][0]}: ...", there[policy.x_headers][0], 0, "INVITE"))
    if too_long:
        detail = f"{printable(too_long[0], 40)} is longer than {policy.x_header_bytes} octets (sip.x_header_bytes), so it was left out."
        return warned(RULE, detail, Quote(too_long[0], too_long[0], 0, "INVITE"))
    return passed(RULE, f"{_count(there)} captured: {names}.")


def _count(there: list[tuple[str, str]]) -> str:
    return f"{len(there)} X-header{'' if len(there) == 1 else 's'}"
