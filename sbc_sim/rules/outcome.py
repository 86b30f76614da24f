"""How a judge says what it found: one function per status."""

from __future__ import annotations

from sbc_sim.rules.finding import Finding, Quote, Refusal, Status


def found(rule: str, status: Status, detail: str, *evidence: Quote | None, fix: str = "", refused: Refusal | None = None) -> Finding:
    """Build a finding; quotes that could not be made (None) are left out."""
    return Finding(rule, status, detail, tuple(quote for quote in evidence if quote is not None), fix, refused)


def passed(rule: str, detail: str, *evidence: Quote | None) -> Finding:
    """Say that the rule holds; `detail` names what was seen."""
    return found(rule, Status.PASS, detail, *evidence)


def warned(rule: str, detail: str, *evidence: Quote | None, fix: str = "") -> Finding:
    """Say that the rule is broken in a way that the call survives."""
    return found(rule, Status.WARN, detail, *evidence, fix=fix)


def failed(rule: str, detail: str, *evidence: Quote | None, fix: str = "", refused: Refusal | None = None) -> Finding:
    """Say that the rule is broken; with `refused` the request is answered so."""
    return found(rule, Status.FAIL, detail, *evidence, fix=fix, refused=refused)


def skipped(rule: str, why: str) -> Finding:
    """Say that the call never reached the point where the rule applies."""
    return found(rule, Status.SKIP, why)


def undecided(rule: str, why: str) -> Finding:
    """Say that what was seen is not enough to decide."""
    return found(rule, Status.UNKNOWN, why)
