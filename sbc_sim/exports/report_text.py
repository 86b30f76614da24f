"""The verdict as text for terminals: rule by rule, then the proof of the echo. No colour codes.

Texts in findings come from the wire in part: they are masked and escaped once more here, whoever made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from sbc_sim.exports.journey import journey_lines
from sbc_sim.exports.ladder import duration_text
from sbc_sim.exports.redaction import clean
from sbc_sim.journal.view import CallView, address_text

ORDER = ("fail", "warn", "unknown", "pass", "skip")
"""Worst first; within a status in the order of the catalogue."""
AT_LENGTH = ("fail", "warn")
"""Findings that are told with their evidence, why and fix."""
COUNTED = {"fail": "failed", "warn": "with a warning", "pass": "passed", "skip": "not reached", "unknown": "undecided"}
GUESSES = ("guess", "not published", "unknown at Salesforce")
"""Words by which the catalogue says that a source tells little of the real SBC."""
INDENT = " " * 6
NARROWEST = 60


def rests_on_guess(finding: Mapping[str, Any]) -> bool:
    """Tell whether a finding rests on a guess about the real SBC: its source says so, or nobody could decide it (requirement 147)."""
    return finding.get("status") == "unknown" or any(word in str(finding.get("source") or "") for word in GUESSES)


def verdict_text(verdict: Mapping[str, Any], width: int = 100, everything: bool = True) -> str:
    """Write the data of a VERDICT entry: ``PASS  SBC-UUI-001  title`` a line, why and fix beneath what failed or warned.

    Without `everything` only what failed or warned is listed; the counts stay. An empty verdict gives one line that says so.
    """
    if not verdict.get("status"):
        return "no verdict: the call goes on, or was cut off before it could be judged\n"
    width = max(NARROWEST, width)
    findings = sorted(verdict.get("findings", ()), key=lambda finding: _place(finding.get("status")))
    lines = list(_head(verdict))
    for finding in findings:
        if finding.get("status") in AT_LENGTH:
            lines += ["", *_at_length(finding, width)]
    short = [finding for finding in findings if everything and finding.get("status") not in AT_LENGTH]
    lines += ["", *(_line(finding, width) for finding in short)] if short else []
    return "".join(f"{line}\n" for line in lines)


def echo_text(call: CallView) -> str:
    """Write the proof of the echo: packets both ways, loss, jitter, delay, level."""
    report = call.media
    if not call.agreements:
        return "echo: no media was agreed on\n"
    agreed = call.agreements[-1]
    lines = [f"media: {clean(agreed.get('codec'))} over SRTP, {clean(agreed.get('suite'))}, {clean(agreed.get('remote'))}"]
    if report is None or not (report.get("packetsReceived") or report.get("packetsSent")):
        trouble = list(_trouble(report or {}))
        what = "no packet could be taken" if trouble else "no packet came"
        return "".join(f"{line}\n" for line in (*lines, f"echo: {what}, so nothing was echoed", *trouble))
    lines += _echo_lines(call, report)
    return "".join(f"{line}\n" for line in lines)


def journey_text(call: CallView) -> str:
    """Write what goes with the call beside its messages, a line each; empty for a plain echo call."""
    return "".join(f"{line}\n" for line in journey_lines(call))


def _place(status: object) -> int:
    return ORDER.index(status) if status in ORDER else len(ORDER)


def _head(verdict: Mapping[str, Any]) -> Iterator[str]:
    origin = [f"profile {verdict['profile']}"] if verdict.get("profile") else []
    origin += [f"rule set {verdict['ruleSet']}"] if verdict.get("ruleSet") else []
    yield f"verdict: {str(verdict['status']).upper()}" + (f"  ({', '.join(origin)})" if origin else "")
    counts = verdict.get("counts") or {}
    yield ", ".join(f"{counts[status]} {word}" for status, word in COUNTED.items() if counts.get(status)) or "no rule applied"
    guessed = [finding for finding in verdict.get("findings", ()) if finding.get("status") in AT_LENGTH and rests_on_guess(finding)]
    if guessed:
        yield f"resting on a guess about the real SBC: {', '.join(clean(finding.get('rule', '')) for finding in guessed)}"


def _line(finding: Mapping[str, Any], width: int) -> str:
    """One line for a rule that is kept, not reached or undecided; what was seen is left out where it does not fit."""
    status, rule = str(finding.get("status", "")).upper(), clean(finding.get("rule", ""))
    title, detail = clean(finding.get("title", "")), clean(finding.get("detail") or "")
    text = f"{status:<7} {rule:<13} {title}"
    if detail and len(text) + 3 + len(detail) <= width:
        return f"{text} - {detail}"
    return text if len(text) <= width else text[: width - 3] + "..."


def _at_length(finding: Mapping[str, Any], width: int) -> Iterator[str]:
    status, rule = str(finding.get("status", "")).upper(), clean(finding.get("rule", ""))
    yield from wrap(f"{status:<4}  {rule}  {clean(finding.get('title', ''))}", width, subsequent_indent=INDENT, break_on_hyphens=False)
    yield from _item("seen", finding.get("detail"), width)
    for quote in finding.get("evidence") or ():
        yield from _quote(quote, width)
    yield from _item("why", finding.get("why"), width)
    yield from _item("fix", finding.get("fix"), width)
    yield from _item("source", finding.get("source"), width)
    platforms = finding.get("platforms") or {}
    if platforms:
        yield from _item("where", f"settings of {', '.join(platforms)}: sbc-sim explain {rule}", width)


def _item(name: str, text: object, width: int) -> list[str]:
    if not text:
        return []
    return wrap(clean(text), width, initial_indent=f"{INDENT}{name + ':':<8}", subsequent_indent=INDENT + " " * 8, break_on_hyphens=False)


def _quote(quote: Mapping[str, Any], width: int) -> Iterator[str]:
    """The quoted text, with a mark under the first bad character when it can be shown."""
    original, offset = str(quote.get("text", "")), quote.get("offset")
    text = clean(original)
    place = ", ".join(clean(part) for part in (quote.get("message"), quote.get("header")) if part)
    front = INDENT + " " * 8
    room = width - len(front) - 6
    start = 0
    if isinstance(offset, int) and offset > room // 2:
        start = max(0, min(offset - room // 2, len(text) - room))
    shown = ("..." if start else "") + text[start : start + room] + ("..." if len(text) > start + room else "")
    yield f"{INDENT}{'in:':<8}{place}" if place else f"{INDENT}in:"
    yield front + shown
    if isinstance(offset, int) and text == original and start <= offset <= start + room:
        yield front + " " * (offset - start + (3 if start else 0)) + "^"


def _echo_lines(call: CallView, report: Mapping[str, Any]) -> Iterator[str]:
    received, sent, echoed = (report.get(name, 0) for name in ("packetsReceived", "packetsSent", "echoedPackets"))
    share = f" ({echoed / received:.1%})" if received else ""
    remote = address_text(report.get("remote")) or "the SDP address"
    yield f"echo: {received} packets received, {echoed} echoed{share}, {sent} sent to {clean(remote)}"
    path = [f"lost {report.get('lost', 0)}", f"jitter {report.get('jitterMs', 0.0):.1f} ms (at most {report.get('maxJitterMs', 0.0):.1f})"]
    if call.first_packet_ms is not None:
        path.append(f"first packet {duration_text(call.first_packet_ms / 1000)} after the answer")
    if report.get("maxEchoDelayMs") is not None:
        path.append(f"echoed within {report['maxEchoDelayMs']:.2f} ms")
    yield f"path: {', '.join(path)}"
    if report.get("levelDbfs") is not None:
        silent, audio = report.get("silentPackets", 0), report.get("audioPackets", 0)
        yield f"audio: level {report['levelDbfs']:.1f} dBFS, {silent} of {audio} packets silent"
    if call.keys_pressed:
        yield f"keys: {' '.join(clean(key.get('digit', '?')) for key in call.keys_pressed)}"
    yield from _trouble(report)


def _trouble(report: Mapping[str, Any]) -> Iterator[str]:
    """Packets that were not taken, when there were any."""
    kinds = (
        ("authFailures", "failed authentication"),
        ("oldKey", "used the old key"),
        ("plainRtp", "were not encrypted"),
        ("replayed", "were replayed"),
        ("malformed", "were malformed"),
        ("wrongPayload", "had a wrong payload type"),
        ("stray", "came from another source"),
        ("foreign", "were a stranger's, not counted against the partner"),
        ("unwantedWhileHeld", "came while on hold"),
    )
    found = [f"{report[name]} {words}" for name, words in kinds if report.get(name)]
    if found:
        yield f"not taken: {', '.join(found)}"
