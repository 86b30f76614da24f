"""Verdicts as JUnit XML, for the test pages of CI servers: a suite for each call, a test case for each rule.

A rule that failed is a failure with what was seen, the quoted evidence and the cure. A warning is a passed case whose system-out says so:
CI servers know no third colour, and a warning must not turn a build red. A rule that was not reached or not decided is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from sbc_sim.exports.journey import escalation_lines, fault_text, voice_call_text
from sbc_sim.exports.redaction import clean
from sbc_sim.exports.report_text import AT_LENGTH, rests_on_guess
from sbc_sim.journal.store import Trace
from sbc_sim.journal.view import CallView, rfc3339
from sbc_sim.rules.catalogue import AREAS, area

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow, escaped or not."""
LONGEST = 4000
"""Characters of one text."""


def junit_xml(traces: Iterable[Trace]) -> str:
    """Write the verdicts of calls as one document; texts in it are masked. A call without a verdict is a suite without cases."""
    suites = [_suite(trace.call) for trace in traces]
    counts = {name: sum(suite[1][name] for suite in suites) for name in ("tests", "failures", "skipped")}
    totals = f'tests="{counts["tests"]}" failures="{counts["failures"]}" errors="0" skipped="{counts["skipped"]}"'
    seconds = sum(suite[2] for suite in suites)
    body = "".join(suite[0] for suite in suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="sbc-sim" {totals} time="{seconds:.3f}">\n{body}</testsuites>\n'


def _suite(call: CallView) -> tuple[str, dict[str, int], float]:
    verdict = call.verdict or {}
    findings = [finding for finding in verdict.get("findings", ()) if isinstance(finding, Mapping)]
    statuses = [finding.get("status") for finding in findings]
    counts = {"tests": len(findings), "failures": statuses.count("fail"), "skipped": statuses.count("skip") + statuses.count("unknown")}
    seconds = max(0.0, (call.ended_at or call.started_at or 0.0) - (call.started_at or 0.0))
    stamp = (rfc3339(call.started_at) or "1970-01-01T00:00:00.000Z")[:19]
    attributes = " ".join(f'{name}="{count}"' for name, count in counts.items())
    named = f'name={_attribute(f"call {call.id}")} timestamp="{stamp}" hostname="sbc-sim"'
    head = f'  <testsuite {named} {attributes} errors="0" time="{seconds:.3f}">\n'
    return "".join([head, *_properties(call, verdict), *map(_case, findings), "  </testsuite>\n"]), counts, seconds


def _properties(call: CallView, verdict: Mapping[str, Any]) -> Iterator[str]:
    told = {
        "call": call.id,
        "sipCallId": call.sip_call_id,
        "from": call.caller,
        "to": call.called,
        "direction": call.direction if call.direction != "inbound" else None,
        "region": call.region,
        "regionChosenBy": call.chosen_by or None,
        "partner": call.partner,
        "scenario": call.scenario,
        "scenarioWhy": call.scenario_why or None,
        "faults": "; ".join(fault_text(fault) for fault in call.faults) or None,
        "voiceCall": voice_call_text(call.voice_call) if call.voice_call else None,
        "escalation": "; ".join(escalation_lines(call.escalation)) if call.escalation else None,
        "escalationOf": call.escalation_of,
        "state": call.state,
        "endReason": call.end_reason,
        "verdict": verdict.get("status"),
        "profile": verdict.get("profile"),
        "ruleSet": verdict.get("ruleSet"),
        "guesses": " ".join(_guessed(verdict)) or None,
    }
    yield "    <properties>\n"
    for name, value in told.items():
        if value is not None:
            yield f'      <property name="{name}" value={_attribute(value)}/>\n'
    yield "    </properties>\n"


def _guessed(verdict: Mapping[str, Any]) -> Iterator[str]:
    """Rules that failed or warned and rest on a guess about the real SBC."""
    for finding in verdict.get("findings", ()):
        if isinstance(finding, Mapping) and finding.get("status") in AT_LENGTH and rests_on_guess(finding):
            yield str(finding.get("rule", ""))


def _case(finding: Mapping[str, Any]) -> str:
    rule = str(finding.get("rule", ""))
    named = area(rule) if rule.count("-") == 2 else ""
    group = f"{named}: {AREAS[named]}" if named in AREAS else named or "rules"
    name = f"{rule} {finding.get('title', '')}"
    inside = _inside(finding)
    opening = f'    <testcase classname={_attribute(group)} name={_attribute(name)} time="0"'
    return f"{opening}/>\n" if not inside else f"{opening}>\n{inside}    </testcase>\n"


def _inside(finding: Mapping[str, Any]) -> str:
    status, detail = finding.get("status"), finding.get("detail") or finding.get("title") or ""
    if status == "fail":
        text = "\n".join(_told(finding))
        return f"      <failure message={_attribute(detail)} type={_attribute(finding.get('severity') or 'must')}>{_text(text)}</failure>\n"
    if status == "warn":
        return f"      <system-out>{_text('WARNING: ' + chr(10).join(_told(finding)))}</system-out>\n"
    if status in ("skip", "unknown"):
        why = "not reached" if status == "skip" else "not decided: it rests on a guess about the real SBC"
        return f"      <skipped message={_attribute(f'{why}. {detail}' if finding.get('detail') else why)}/>\n"
    return ""


def _told(finding: Mapping[str, Any]) -> Iterator[str]:
    yield clean(finding.get("detail") or finding.get("title") or "")
    for quote in finding.get("evidence") or ():
        place = ", ".join(clean(part) for part in (quote.get("message"), quote.get("header")) if part)
        offset = quote.get("offset")
        yield f"in {place or 'the call'}{f', at {offset}' if isinstance(offset, int) else ''}: {clean(quote.get('text', ''))}"
    for name in ("why", "fix", "source"):
        if finding.get(name):
            yield f"{name}: {clean(finding[name])}"


def _attribute(value: object) -> str:
    return quoteattr(_legal(clean(value)))


def _text(text: str) -> str:
    return escape(_legal(text))


def _legal(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
