"""The ladder of a call as a list of rows: the one drawing core under text, SVG and Mermaid.

A row is an arrow (a message), a double line (the media of the call) or a remark. Findings that failed or warned stand with the row they
concern; those about the connection stand with the facts at the top, and what belongs to no row stands at the end.
All text is masked and escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sbc_sim.exports.journey import facts as journey_facts
from sbc_sim.exports.ladder_journey import ONCE, journey_row
from sbc_sim.exports.ladder_marks import Marks, area
from sbc_sim.exports.ladder_rows import AT_THE_TOP, NUMBERED, Finding, Ladder, Row, Shape
from sbc_sim.exports.redaction import clean
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.journal.view import CallView, rfc3339

DATED = 366 * 86400.0
"""What was before has no date: logs that give no time, or the time of the day alone."""
MOST_ROWS = 400


def build_ladder(trace: Trace) -> Ladder:
    """Read a trace."""
    call = trace.call
    marks = Marks(trace)
    fact_marks = marks.taken(lambda finding: area(finding) in AT_THE_TOP)
    rows = marks.placed(_shortened(_with_totals(_rows(trace), trace)))
    return Ladder(
        heading=_heading(call),
        left=("partner" if call.direction == "inbound" else "SBC (called)", call.peer or "not in the trace"),
        right=("sbc-sim", _local(trace.opened)),
        facts=(*_facts(trace.opened), *journey_facts(call)),
        fact_marks=fact_marks,
        rows=tuple(rows),
        loose_marks=marks.taken(lambda finding: True),
        ending=_ending(trace),
        verdict=(call.verdict or {}).get("status"),
        judged=call.direction == "inbound",
        over=call.over,
    )


def findings_by_message(trace: Trace) -> dict[int, list[Finding]]:
    """Tell which findings that failed or warned concern which message (see NUMBERED)."""
    marks = Marks(trace)
    marks.taken(lambda finding: area(finding) in AT_THE_TOP)
    rows = _rows(trace)
    found: dict[int, list[Finding]] = {}
    for place, findings in marks.by_row(rows).items():
        number = rows[place].message
        if number is not None:
            found.setdefault(number, []).extend(findings)
    return found


def duration_text(seconds: float) -> str:
    """Write a duration for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _date(at: float | None) -> str:
    """Write a time; of a log without dates it is none."""
    return "" if at is None or at < DATED else rfc3339(at) or ""


def _heading(call: CallView) -> tuple[str, ...]:
    place = [text for text in (call.region, call.partner, call.scenario) if text]
    return (
        "  ".join(clean(text) for text in (f"call {call.id}", call.direction, *place, _date(call.started_at))),
        f"from {clean(call.caller or '?')}",
        f"to   {clean(call.called or '?')}",
    )


def _local(opened: Entry | None) -> str:
    peer = opened.data.get("peer", {}) if opened else {}
    host = str(peer.get("localHost", ""))
    return (f"[{host}]" if ":" in host else host) + f":{peer.get('localPort', '')}" if host else ""


def _facts(opened: Entry | None) -> tuple[str, ...]:
    if opened is None:
        return ("TLS facts are not known: the connection is older than what the journal remembers",)
    tls = opened.data.get("tls")
    if not tls:
        return ("no TLS",)
    name = tls.get("serverName")
    shown, asked_for = tls.get("clientCertificate"), tls.get("certificateRequested")
    parts = (
        str(tls.get("version", "TLS")),
        str(tls.get("cipher", "")),
        f"server name {name}" if name else "no server name (SNI)",
        f"client certificate {shown}" if shown else "no client certificate",
        "the server asks for a client certificate" if asked_for else "",
    )
    return (clean(", ".join(part for part in parts if part)),)


def _ending(trace: Trace) -> tuple[str, ...]:
    call = trace.call
    if not call.over:
        return (f"the call is {call.state}",)
    if call.state == "rejected":
        rule = next(
            (e.data.get("rule") for e in reversed(trace.entries) if e.kind is Kind.REJECTED and e.data.get("method") == "INVITE"), None
        )
        if rule is None and call.ended_by == "network":  # nobody sent that status
            return (clean(f"no call: {call.end_reason}"),)
        if rule is not None and call.ended_by is None:  # judged from a trace without an answer
            return (clean(f"{call.end_reason} by {rule}"),)
        why = rule or call.end_reason
        return (clean(f"rejected with {call.end_status} by {why}" if call.end_status else f"rejected: {why}"),)
    since = call.answered_at if call.answered_at is not None else call.started_at
    lasted = f" after {duration_text(max(0.0, call.ended_at - since))}" if call.ended_at is not None and since is not None else ""
    return (clean(f"ended by {call.ended_by}: {call.end_reason}{lasted}"),)


# --- messages and remarks ------------------------------------------------------------------------------------------------


def _rows(trace: Trace) -> list[Row]:
    start = trace.call.started_at or (trace.entries[0].at if trace.entries else 0.0)
    rows: list[Row] = []
    agreed: list[Row] = []
    messages = 0
    for index, entry in enumerate(trace.entries):
        if trace.dropped and index == trace.dropped_after:
            rows.append(Row(entry.at - start, Shape.REMARK, f"{trace.dropped} entries are left out here"))
        if entry.kind is Kind.MEDIA_AGREED:
            agreed.append(Row(entry.at - start, Shape.MEDIA, _media_label(entry.data)))
        row = _row(entry, entry.at - start, messages)
        messages += entry.kind in NUMBERED
        if row is not None and not _folded(rows, row):
            _add(rows, row, agreed)
    return [*rows, *agreed]


def _add(rows: list[Row], row: Row, agreed: list[Row]) -> None:
    """Add a row; media that is agreed on is drawn once the exchange that agreed on it is over."""
    settles = row.label == "ACK" or (row.label.startswith("2") and row.label.endswith("(UPDATE)"))
    belongs = row.label in ("INVITE", "UPDATE", "PRACK") or row.label.endswith(("(INVITE)", "(UPDATE)", "(PRACK)"))
    if settles:
        rows += [row, *(replace(media, at=row.at) for media in agreed)]
        agreed.clear()
    elif row.message is not None and row.shape is Shape.ARROW and not belongs:
        rows += [*agreed, row]
        agreed.clear()
    else:
        rows.append(row)


def _shortened(rows: list[Row]) -> list[Row]:
    """Leave out the middle of a ladder that nobody could read."""
    half = MOST_ROWS // 2
    if len(rows) <= 2 * half:
        return rows
    gap = Row(rows[half].at, Shape.REMARK, f"{len(rows) - 2 * half} rows are left out here")
    return [*rows[:half], gap, *rows[-half:]]


def _row(entry: Entry, at: float, message: int) -> Row | None:
    data = entry.data
    if entry.kind is Kind.MESSAGE:
        inbound = data.get("direction") == "in"
        key = (inbound, data.get("summary"), data.get("cseq"))
        return Row(at, Shape.ARROW, clean(data.get("summary", "?")), inbound, _notes(entry), message=message, key=key)
    if entry.kind is Kind.DTMF:
        return Row(at, Shape.REMARK, f"key {clean(data.get('digit', '?'))}", True, key=("key",))
    if entry.kind is Kind.PARSE_ERROR:
        return Row(at, Shape.REMARK, f"unreadable: {clean(data.get('detail', ''))}", True, message=message)
    if entry.kind is Kind.NOTE:
        return Row(at, Shape.REMARK, clean(data.get("text", "")))
    return journey_row(entry, at)


def _notes(entry: Entry) -> tuple[str, ...]:
    """What a message carries, read leniently from its octets."""
    head, _, body = entry.raw.partition(b"\r\n\r\n")
    lower = head.lower()
    notes = []
    if body:
        notes.append("SDP" if b"application/sdp" in lower else f"body of {len(body)} octets")
    if b"\r\nuser-to-user" in lower:
        notes.append("User-to-User")
    return tuple(notes)


def _folded(rows: list[Row], row: Row) -> bool:
    """Fold a repetition into the row it repeats, and keys pressed one after the other into one row."""
    if not row.key:
        return False
    if row.key[0] == ONCE:
        return any(other.key == row.key for other in rows)
    if row.key == ("key",):
        if rows and rows[-1].key == row.key:
            rows[-1] = replace(rows[-1], label=f"{rows[-1].label} {row.label.removeprefix('key ')}", last_at=row.at)
            return True
        return False
    for index in range(len(rows) - 1, max(-1, len(rows) - 13), -1):
        if rows[index].key == row.key:
            rows[index] = replace(rows[index], times=rows[index].times + 1, last_at=row.at)
            return True
    return False


# --- media ---------------------------------------------------------------------------------------------------------------


def _with_totals(rows: list[Row], trace: Trace) -> list[Row]:
    """Give the last media row the totals of the call; a row is made when the agreement itself was dropped from the trace."""
    call = trace.call
    places = [index for index, row in enumerate(rows) if row.shape is Shape.MEDIA]
    if not places and call.agreements:
        last = call.agreements[-1]
        rows.append(Row(last["at"] - (call.started_at or 0.0), Shape.MEDIA, _media_label(last)))
        places = [len(rows) - 1]
    report = call.media or {}
    if places and report:
        received, sent = report.get("packetsReceived", 0), report.get("packetsSent", 0)
        echoed = sent == report.get("echoedPackets")
        rows[places[-1]] = replace(rows[places[-1]], received=received, sent=sent, echoed=echoed, notes=_media_notes(report))
    return rows


def _media_label(agreement: Mapping[str, Any]) -> str:
    parts = [f"SRTP {agreement.get('codec')}", str(agreement.get("suite"))]
    if agreement.get("held"):
        parts.append("on hold")
    elif agreement.get("change"):
        parts.append("changed")
    return clean(", ".join(parts))


def _media_notes(report: Mapping[str, Any]) -> tuple[str, ...]:
    """What is worth saying of the packets beside their numbers."""
    worth = (
        ("lost", "lost"),
        ("authFailures", "failed authentication"),
        ("oldKey", "with the old key"),
        ("plainRtp", "not encrypted"),
        ("wrongPayload", "of a wrong payload type"),
    )
    return tuple(f"{report[name]} {text}" for name, text in worth if report.get(name))
