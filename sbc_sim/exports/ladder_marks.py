"""Which row of a ladder a finding stands with: the message it quotes, or the media."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from sbc_sim.exports.ladder_rows import AT_THE_MEDIA, NUMBERED, TOLD, Finding, Mark, Row, Shape
from sbc_sim.exports.redaction import clean
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace


class Marks:
    """The findings that are still to be placed."""

    def __init__(self, trace: Trace) -> None:
        """Begin with all that failed or warned."""
        found: Iterable[Finding] = (trace.call.verdict or {}).get("findings", trace.call.findings)
        self._left = sorted((f for f in found if f.get("status") in TOLD), key=lambda f: TOLD.index(f["status"]))
        self._told_after = _told_after(trace.entries)

    def taken(self, wanted: Callable[[Finding], bool]) -> tuple[Mark, ...]:
        """Take out those that are wanted."""
        taken = [finding for finding in self._left if wanted(finding)]
        self._left = [finding for finding in self._left if not wanted(finding)]
        return tuple(_mark(finding) for finding in taken)

    def placed(self, rows: Iterable[Row]) -> list[Row]:
        """Give each row those that concern it: first the messages that findings quote, then the media, which quotes nothing."""
        beside = self._beside_messages(list(rows))
        return [replace(row, marks=(*row.marks, *self.taken(partial(_concerns_media, row)))) for row in beside]

    def _beside_messages(self, rows: list[Row]) -> list[Row]:
        drawn = {(mark.rule, mark.text) for row in rows for mark in row.marks}  # findings of REST requests stand with them already
        self._left = [finding for finding in self._left if (_mark(finding).rule, _mark(finding).text) not in drawn]
        found = self.by_row(rows)
        return [replace(row, marks=(*row.marks, *map(_mark, found[n]))) if n in found else row for n, row in enumerate(rows)]

    def by_row(self, rows: list[Row]) -> dict[int, list[Finding]]:
        """Take out those that concern a message, by the place of its row."""
        found: dict[int, list[Finding]] = defaultdict(list)
        left = []
        for finding in self._left:
            place = self._place(finding, rows)
            if place is None:
                left.append(finding)
            else:
                found[place].append(finding)
        self._left = left
        return found

    def _place(self, finding: Finding, rows: list[Row]) -> int | None:
        """Take the last message of its name that had come when the finding was told; the first one when that is not known."""
        places = [index for index, row in enumerate(rows) if _concerns_message(finding, row)]
        told_after = self._told_after.get(_identity(finding), 0)
        come = [index for index in places if (rows[index].message or 0) < told_after]
        return come[-1] if come else next(iter(places), None)


def _told_after(entries: Sequence[Entry]) -> dict[tuple[object, object], int]:
    """Behind how many messages of the trace each finding stands; places, not times, for two messages may share an instant."""
    behind: dict[tuple[object, object], int] = {}
    messages = 0
    for entry in entries:
        messages += entry.kind in NUMBERED
        if entry.kind is Kind.FINDING:
            behind.setdefault(_identity(entry.data), messages)
    return behind


def _identity(finding: Finding) -> tuple[object, object]:
    return finding.get("rule"), finding.get("detail")


def _concerns_message(finding: Finding, row: Row) -> bool:
    if row.shape is not Shape.ARROW:
        return False
    named = _named(finding)
    if named:
        return row.label == named or row.label.startswith(f"{named} (")
    if finding.get("rule") == "SBC-SIP-024":  # a method needs no quote
        return row.label == "REFER"
    return row.label == "INVITE" and area(finding) in ("UUI", "SDP", "HDR", "SIP")


def _concerns_media(row: Row, finding: Finding) -> bool:
    return row.shape is Shape.MEDIA and area(finding) in AT_THE_MEDIA


def _named(finding: Finding) -> str:
    """The message that the finding quotes, empty for none."""
    return next((str(quote["message"]) for quote in finding.get("evidence") or () if quote.get("message")), "")


def area(finding: Finding) -> str:
    """The area of a finding's rule: TLS, SIP, UUI, ..."""
    return [*str(finding.get("rule", "")).split("-"), ""][1]


def _mark(finding: Finding) -> Mark:
    return Mark(str(finding["status"]), clean(finding.get("rule", "")), clean(finding.get("detail") or finding.get("title") or ""))
