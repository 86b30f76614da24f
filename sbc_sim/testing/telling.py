"""The texts of failures: what was seen of a call, what of it is wrong, how to mend it, and what came instead of what was waited for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sbc_sim.testing.verdict import Finding, finding_of

MOST_CALLS = 5
"""Calls and attempts that a message names, each."""
LONGEST = 300
"""Characters of one value in a message."""
QUIET = ("connection.opened", "connection.closed")
NOBODY = "Nor did anybody connect: is the SBC sent to sbc_sim.host and sbc_sim.sip_port, over TLS?"
CONNECTED = "Somebody connected over TLS, and sent no INVITE: the connection is fine, so look at the SBC's routing and at what it logs."


def plain(text: object) -> str:
    """Make any text of others fit for one line of a report."""
    line = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in str(text))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def number(call: Mapping[str, Any], member: str) -> str:
    """Give the number, or the user part, that a header of a call holds."""
    return str((call.get("numbers") or {}).get(member) or call.get(member) or "")


def summary(call: Mapping[str, Any]) -> str:
    """Tell of a call in one line."""
    verdict = (call.get("verdict") or {}).get("status") or "no verdict yet"
    state = f"{call.get('state')} {call.get('endStatus') or ''}".strip()
    parts = [call.get("id"), call.get("direction"), f"{number(call, 'from')} -> {number(call, 'requestUri')}", state, verdict]
    return plain("  ".join(str(part) for part in parts))


def name(call: Mapping[str, Any]) -> str:
    """Name a call as the first line of its text does."""
    return f"call {call.get('id')} from {plain(number(call, 'from'))} to {plain(number(call, 'requestUri'))}"


def headline(bad: Sequence[Finding]) -> str:
    """Say what is wrong in a few words."""
    rules = ", ".join(finding.rule for finding in bad)
    broken = any(finding.failed for finding in bad)
    return f"{rules} {'is' if len(bad) == 1 else 'are'} {'not kept by' if broken else 'warned of in'}"


def call_text(what: str, findings: Iterable[Finding], ladder: str) -> str:
    """Tell of a call what is wrong, finding by finding, and its ladder."""
    return "\n\n".join([what, *(finding.text() for finding in findings), f"{ladder.rstrip()}\n"])


def missed(
    wanted: str,
    seconds: float,
    calls: Sequence[Mapping[str, Any]],
    match: Mapping[str, Any],
    attempts: Sequence[Mapping[str, Any]],
    outside: Sequence[Mapping[str, Any]],
) -> str:
    """Tell what came, and failed to come, while a call was waited for; `outside`: what belongs to no call."""
    lines = [f"no {wanted} within {seconds:g} s."]
    if calls:
        lines += [f"What came since this test began ({len(calls)}):"]
        for call in calls[:MOST_CALLS]:
            lines += [f"  {summary(call)}", *(f"      {difference}" for difference in differences(call, match))]
    else:
        lines += ["Not one call came since this test began."]
    if attempts:
        lines += ["", attempts_text(attempts)]
    trouble = [entry for entry in outside if entry.get("kind") not in QUIET]
    if trouble:
        lines += ["", "What came and belongs to no call:", *(_entry(entry) for entry in trouble[-MOST_CALLS:])]
    elif not calls and not attempts:
        came = any(entry.get("kind") == "connection.opened" for entry in outside)
        lines += [CONNECTED if came else NOBODY]
    return "\n".join(lines)


def _entry(entry: Mapping[str, Any]) -> str:
    told = [entry.get(name) for name in ("detail", "why", "summary", "method", "text") if entry.get(name)]
    return f"  {entry.get('kind')}: {plain(told[0]) if told else ''}"


def differences(call: Mapping[str, Any], match: Mapping[str, Any]) -> list[str]:
    """Say which members of what was asked for a call has otherwise, as far as that can be seen at a glance."""
    found: list[str] = []
    for name, wanted in match.items():
        if name == "uui":
            found += _uui_differences(call.get("uui") or {}, wanted)
        elif name in ("to", "from"):
            member = "requestUri" if name == "to" else "from"
            if str(wanted).lstrip("+") not in str(call.get(member)) + str(call.get(name)):
                found += [f"{name} is {plain(number(call, member))!r}, not {plain(wanted)!r}"]
        elif call.get(name) != wanted:
            found += [f"{name} is {plain(call.get(name))!r}, not {plain(wanted)!r}"]
    return found


def _uui_differences(uui: Mapping[str, Any], wanted: Any) -> list[str]:
    if not uui:
        return ["it has no User-to-User that could be read"]
    if isinstance(wanted, str):
        same = wanted in (uui.get("raw"), uui.get("decoded"))
        return [] if same else [f"User-to-User is {plain(uui.get('raw'))!r}, which decodes to {plain(uui.get('decoded'))!r}"]
    fields = uui.get("fields") or {}
    differing = {name: value for name, value in wanted.items() if str(fields.get(name)) != str(value)}
    told = [f"uui.{name} is {plain(fields[name])!r}, not {plain(value)!r}" for name, value in differing.items() if name in fields]
    lacking = [name for name in differing if name not in fields]
    return told + ([f"uui has no {', '.join(lacking)}; it decodes to {plain(uui.get('decoded'))!r}"] if lacking else [])


def _attempt(attempt: Mapping[str, Any]) -> list[str]:
    peer = attempt.get("peer") or {}
    lines = [f"  from {peer.get('host')}:{peer.get('port')}: {plain(attempt.get('detail'))}"]
    for finding in attempt.get("findings") or ():
        lines += [f"    {line}" for line in finding_of(finding).text().splitlines()]
    return lines


def described(match: Mapping[str, Any], state: str) -> str:
    """Say what is waited for: `call with to="4860" that is ended`."""
    wanted = [f"{name}={json.dumps(value, default=str)}" for name, value in match.items()]
    return f"call{' with ' if wanted else ''}{', '.join(wanted)} that is {state}"


def attempts_text(attempts: Sequence[Mapping[str, Any]]) -> str:
    """Tell of connections that never became calls."""
    lines = [f"{len(attempts)} connection{'s' * (len(attempts) != 1)} never became a call:"]
    for attempt in attempts[:MOST_CALLS]:
        lines += _attempt(attempt)
    return "\n".join(lines)
