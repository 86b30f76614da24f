"""A User-to-User value on its own, pasted rather than received: read, judged and written by what reads and judges those of calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sbc_sim.calls import telling
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Verdict, verdict
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.uui import judge
from sbc_sim.sip.message import Headers, Request
from sbc_sim.sip.uui import ECHO_FIELDS, read

NAMES = frozenset({"user-to-user", "x-user-to-user"})
ECHO_PAYLOAD = json.dumps(ECHO_FIELDS, separators=(",", ":"))
"""The content that selects the echo test."""


def evidence_of(pasted: str, policy: Policy) -> Evidence:
    """Put a value, or a whole header line, into an INVITE of its own, for the judges read messages."""
    invite = Request("INVITE", "sip:echo@sbc-sim.invalid", Headers([("User-to-User", value_of(pasted))]))
    return Evidence(invite=invite, uui=read(invite.headers, policy.uui_expectation()))


def value_of(pasted: str) -> str:
    """Take the header's name off a line; RFC 7433 knows no short form."""
    text = pasted.strip("\r\n")
    name, colon, rest = text.partition(":")
    return rest.strip() if colon and name.strip().lower() in NAMES else text


def decoded(pasted: str, policy: Policy) -> dict[str, Any]:
    """Tell what a value holds, unmasked, as /uui tells it of a call; `decoded` is None when it cannot be read."""
    evidence = evidence_of(pasted, policy)
    assert evidence.uui is not None
    return telling.user_to_user(evidence.uui, [])


def judged(pasted: str, policy: Policy) -> Verdict:
    """Judge a value by the rules for User-to-User."""
    return verdict(judge(evidence_of(pasted, policy), policy))


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    """Tell a verdict as data, unmasked; `counts` by status."""
    findings = [telling.finding(finding) for finding in verdict.findings]
    return {"status": verdict.status.value, "counts": verdict.counts, "findings": findings}


def encoded(content: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Write text as a value: hex digits and parameters (RFC 7433 section 4.1); ``encoding=hex`` unless said otherwise.

    Parameters must be names and tokens: this does not check them. `lengths` as /uui has them.
    """
    digits = content.encode("utf-8", "surrogateescape").hex()
    value = digits + "".join(f";{name}={word}" for name, word in ({"encoding": "hex"} | dict(parameters or {})).items())
    header = f"User-to-User: {value}"
    lengths = {"value": len(digits), "line": len(header), "decoded": len(digits) // 2}
    return {"value": value, "header": header, "content": content, "lengths": lengths}
