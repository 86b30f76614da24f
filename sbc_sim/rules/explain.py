"""Rules explained: search, text for terminals, Markdown for docs/rules.md, JSON for the API."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from sbc_sim.rules.alerts import ALERTS, alert_named
from sbc_sim.rules.catalogue import AREAS, RULE_SET_VERSION, RULES, area
from sbc_sim.rules.finding import Finding, Quote, Rule
from sbc_sim.sip.responses import REASONS

SEVERITIES = {
    "must": "a standard or the partner guide says so",
    "profile": "Salesforce is silent: what is enforced is a setting, and the real SBC may differ",
    "advice": "good practice: a breach alone never refuses a call",
}


# --- search ----------------------------------------------------------------------------------------------------------------------


def explain(word: str = "") -> list[Rule]:
    """Find rules by id or its end, status code, TLS alert, fault word, setting, or free words; an empty word lists all."""
    wanted = word.strip().lower()
    if not wanted:
        return list(RULES.values())
    if re.fullmatch(r"\d{3}", wanted):  # a status: that the digits stand somewhere in a text says nothing of it
        return _by_keyword(wanted)
    return _by_id(wanted) or _by_keyword(wanted) or _by_text(wanted)


def _by_id(wanted: str) -> list[Rule]:
    """Take SBC-UUI-002, UUI-002, uui-2, and SBC-UUI or UUI for a whole area."""
    match = re.fullmatch(r"(?:sbc-)?([a-z]+)(?:-(\d{1,3}))?", wanted)
    if match is None or match[1].upper() not in AREAS:
        return []
    number = None if match[2] is None else int(match[2])
    return [rule for rule in RULES.values() if area(rule.id) == match[1].upper() and number in (None, int(rule.id[-3:]))]


def _by_keyword(wanted: str) -> list[Rule]:
    alert = alert_named(wanted)
    first = [RULES[alert.rule]] if alert else []
    spelled = {wanted, wanted.replace("_", "-"), wanted.replace("-", "_")}
    named = (rule for rule in RULES.values() if spelled & set(rule.keywords) or rule.setting == wanted)
    return [*first, *(rule for rule in named if rule not in first)]


def _by_text(wanted: str) -> list[Rule]:
    words = wanted.split()
    return [rule for rule in RULES.values() if all(one in _searched(rule) for one in words)]


def _searched(rule: Rule) -> str:
    parts = (rule.id, rule.title, rule.why, rule.fix, rule.source, rule.setting, *rule.keywords, *rule.platforms, *rule.platforms.values())
    return " ".join(parts).lower()


# --- text ------------------------------------------------------------------------------------------------------------------------


def as_line(rule: Rule) -> str:
    """Write one rule in one line: id, severity, demand."""
    return f"{rule.id:<13}  {rule.severity:<7}  {rule.title}"


def as_text(rule: Rule, width: int = 100) -> str:
    """Write one rule for a terminal of that width."""
    width = max(width, 40)
    lines = [f"{rule.id}  {rule.severity}", *textwrap.wrap(rule.title, width), ""]
    for name, text in (("Why", rule.why), ("Fix", rule.fix), ("Source", rule.source), ("Setting", rule.setting)):
        lines += _entry(name, text, 9, width)
    alerts = [f"{name} ({alert.code}): {alert.meaning}" for name, alert in ALERTS.items() if alert.rule == rule.id]
    for place, text in enumerate(alerts):
        lines += _entry("" if place else "Alerts", text, 9, width)
    if rule.platforms:
        lines += ["", "On known platforms"]
        column = max(map(len, rule.platforms)) + 2
        for name, text in rule.platforms.items():
            lines += _entry(f"  {name}", text, column + 2, width)
    return "\n".join(lines)


def _entry(name: str, text: str, column: int, width: int) -> list[str]:
    """Write a name, and its text hanging behind it; an empty text gives nothing."""
    if not text:
        return []
    lead = f"{name:<{column}}"
    return textwrap.wrap(text, width, initial_indent=lead, subsequent_indent=" " * column, break_long_words=False, break_on_hyphens=False)


# --- Markdown --------------------------------------------------------------------------------------------------------------------


def as_markdown() -> str:
    """Write docs/rules.md."""
    return "".join(f"{line}\n" for line in _page())


def _page() -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield f"Made from the catalogue in `sbc_sim/rules/entries/`. Rule set {RULE_SET_VERSION}, {len(RULES)} rules. `sbc-sim explain WORD`"
    yield "finds any of them: by id, status code (`sbc-sim explain 488`), TLS alert (`unknown_ca`) or any word."
    yield ""
    yield "A rule is broken at one of three severities:"
    yield ""
    yield from (f"- **{name}**: {text}" for name, text in SEVERITIES.items())
    yield ""
    yield "Settings of platforms are where to look, not tried here unless the [recipe](recipes/index.md) says so; HOST, HEX, NUMBER stand"
    yield "for your values."
    yield from _contents()
    for code, about in AREAS.items():
        yield from _chapter(code, about)
    yield from _status_table()
    yield from _alert_table()


def _contents() -> Iterator[str]:
    yield ""
    yield "| area | about | rules |"
    yield "|---|---|---|"
    for code, about in AREAS.items():
        ids = [rule.id for rule in RULES.values() if area(rule.id) == code]
        yield f"| [{code}](#{code.lower()}) | {about} | {ids[0]} to {ids[-1]} |"


def _chapter(code: str, about: str) -> Iterator[str]:
    yield ""
    yield f"## {code}"
    yield ""
    yield f"{about[:1].upper()}{about[1:]}."
    for rule in RULES.values():
        if area(rule.id) == code:
            yield from _section(rule)


def _section(rule: Rule) -> Iterator[str]:
    yield ""
    yield f"### {rule.id}"
    yield ""
    yield f"**{_escaped(rule.title)}** ({rule.severity})"
    yield ""
    yield _escaped(rule.why)
    yield ""
    yield f"- **Fix:** {_escaped(rule.fix)}"
    yield f"- **Source:** {_escaped(rule.source)}"
    if rule.setting:
        yield f"- **Setting:** [`{rule.setting}`](settings.md)"
    for name, text in rule.platforms.items():
        yield f"- {name}: {_escaped(text)}"


def _status_table() -> Iterator[str]:
    yield ""
    yield "## Status codes"
    yield ""
    yield "Each refusal names its rule in a Warning header, so that the partner's own trace explains itself."
    yield ""
    yield "| status | rules |"
    yield "|---|---|"
    for status, reason in REASONS.items():
        ids = [rule.id for rule in RULES.values() if str(status) in rule.keywords]
        if status < 400 or not ids:
            continue
        yield f"| {status} {reason} | {', '.join(f'[{i}](#{i.lower()})' for i in ids)} |"


def _alert_table() -> Iterator[str]:
    yield ""
    yield "## TLS alerts"
    yield ""
    yield "| alert | code | what its sender found | when the partner sent it | rule |"
    yield "|---|---|---|---|---|"
    for name, alert in ALERTS.items():
        link = f"[{alert.rule}](#{alert.rule.lower()})"
        yield f"| `{name}` | {alert.code} | {_escaped(alert.meaning)} | {_escaped(alert.advice)} | {link} |"


def _escaped(text: str) -> str:
    """Keep Markdown from reading our text as its own."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


# --- JSON ------------------------------------------------------------------------------------------------------------------------


def quote_data(quote: Quote) -> dict[str, Any]:
    """JSON shape of a quote."""
    return {"message": quote.message, "header": quote.header, "text": quote.text, "offset": quote.offset}


def finding_data(finding: Finding, rule: Rule) -> dict[str, Any]:
    """JSON shape of a finding (interface.md): what was seen, and the rule's own words beside it."""
    return {
        "rule": finding.rule,
        "status": finding.status.value,
        "severity": rule.severity,
        "title": rule.title,
        "detail": finding.detail,
        "evidence": [quote_data(quote) for quote in finding.evidence],
        "source": rule.source,
        "why": rule.why,
        "fix": finding.fix or rule.fix,
        "platforms": dict(rule.platforms),
    }


def rule_data(rule: Rule) -> dict[str, Any]:
    """JSON shape of a rule."""
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity,
        "why": rule.why,
        "fix": rule.fix,
        "source": rule.source,
        "platforms": dict(rule.platforms),
        "setting": rule.setting or None,
        "keywords": list(rule.keywords),
    }
