"""Rules explained: search, text for terminals, Markdown for docs/rules.md, JSON for the API."""

from __future__ import annotations

from typing import Any

from sbc_sim.rules.finding import Finding, Quote, Rule


def explain(word: str = "") -> list[Rule]:
    """Find rules by id, status code, alert name, fault word, or free words; an empty word lists all."""
    return []


def as_text(rule: Rule, width: int = 100) -> str:
    """Write one rule for a terminal of that width."""
    return ""


def as_line(rule: Rule) -> str:
    """Write one rule in one line: id, severity, demand."""
    return f"{rule.id}  {rule.severity:<7}  {rule.title}"


def as_markdown() -> str:
    """Write docs/rules.md."""
    return ""


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
