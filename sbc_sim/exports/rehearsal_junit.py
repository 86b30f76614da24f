"""A rehearsal as JUnit XML, for the test pages of CI servers: one suite, a test case for each step.

A step that failed is a failure with why; one that was left out, not reached or is still open is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from sbc_sim.exports.redaction import clean

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
LONGEST = 4000
"""Characters of one text."""


def rehearsal_junit(data: Mapping[str, Any]) -> str:
    """Write the report of a rehearsal (`rehearsal_data`) as JUnit."""
    run, steps = data["rehearsal"], data["steps"]
    verdicts = [step["verdict"] for step in steps]
    skipped = len(steps) - verdicts.count("pass") - verdicts.count("fail")
    seconds = _seconds(run["createdAt"], run["endedAt"] or run["updatedAt"])
    counts = f'tests="{len(steps)}" failures="{verdicts.count("fail")}" errors="0" skipped="{skipped}" time="{seconds:.3f}"'
    name = f"rehearsal {run['name'] or run['id']}"
    head = f'  <testsuite name={_attribute(name)} timestamp="{run["createdAt"][:19]}" hostname="sbc-sim" {counts}>\n'
    body = "".join([*_properties(data), *map(_case, steps)])
    return f'{_DECLARATION}<testsuites name="sbc-sim rehearsal" {counts}>\n{head}{body}  </testsuite>\n</testsuites>\n'


def _properties(data: Mapping[str, Any]) -> Iterator[str]:
    run = data["rehearsal"]
    told = {
        "rehearsal": run["id"],
        "partner": run["partner"],
        "state": run["state"],
        "profile": run["profile"],
        "ruleSet": run["ruleSet"],
        "regions": " ".join(run["regions"]),
        "guesses": " ".join(guess["rule"] for guess in data["guesses"] if {"fail", "warn", "unknown"} & set(guess["statuses"])),
    }
    yield "    <properties>\n"
    yield from (f'      <property name="{name}" value={_attribute(value)}/>\n' for name, value in told.items())
    yield "    </properties>\n"


def _case(step: Mapping[str, Any]) -> str:
    seconds = _seconds(step["startedAt"], step["endedAt"])
    named = f"{step['id']}: {step['title']}"
    group = f"rehearsal.{step['id'].partition('/')[0]}"
    opening = f'    <testcase classname={_attribute(group)} name={_attribute(named)} time="{seconds:.3f}"'
    inside = _inside(step)
    return f"{opening}>\n{inside}    </testcase>\n" if inside else f"{opening}/>\n"


def _inside(step: Mapping[str, Any]) -> str:
    if step["verdict"] == "pass":
        return f"      <system-out>{_text(step['observed'])}</system-out>\n"
    if step["verdict"] == "fail":
        return f"      <failure message={_attribute(step['why'])} type={_attribute(step['kind'])}>{_text(_told(step))}</failure>\n"
    why = step["why"] or " ".join([f"{step['state']}.", *step["missing"]])
    return f"      <skipped message={_attribute(why)}/>\n"


def _told(step: Mapping[str, Any]) -> str:
    lines = [f"expected: {step['expected']}", f"observed: {step['observed']}"]
    for finding in (step["attempts"] or [{"findings": ()}])[-1]["findings"]:
        lines.append(f"{finding['rule']} ({finding['status']}): {finding['detail']}")
        lines += [f"  {finding['evidence']}"] if finding.get("evidence") else []
    lines += [f"tried: {step['tried']}"] + ([f"call: {step['call']}"] if step["call"] else [])
    return "\n".join(map(clean, lines))


def _seconds(start: str | None, end: str | None) -> float:
    if start is None or end is None:
        return 0.0
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def _attribute(value: object) -> str:
    return quoteattr(_legal(clean(value)))


def _text(text: str) -> str:
    return escape(_legal(text))


def _legal(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
