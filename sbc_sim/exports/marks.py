"""Which characters of a message a finding is about, for readers that show the message with them marked.

Findings quote text that was escaped, cut and masked; here the quote is looked for in the message as it is shown. When it cannot be found
the header line is marked, else the start line.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

from sbc_sim.exports.ladder import findings_by_message
from sbc_sim.exports.ladder_rows import NUMBERED, Finding
from sbc_sim.exports.redaction import mask, message_text, visible
from sbc_sim.journal.store import Trace

LONGEST_MESSAGE = 128 * 1024
"""Octets of a message that are looked at; the API shows as many."""
MOST_MARKS = 200
Span = tuple[int, int]
_COMPACT = {
    "call-id": "i", "contact": "m", "content-encoding": "e", "content-length": "l", "content-type": "c", "from": "f", "subject": "s",
    "supported": "k", "to": "t", "via": "v", "session-expires": "x", "refer-to": "r", "referred-by": "b", "event": "o", "allow-events": "u",
}  # fmt: skip
_STARS = re.compile(r"(\*{4,})")
_WORD_END = re.compile(r"[\s;,<>\"]")


def marks(trace: Trace, number: int, secrets: bool = False) -> list[dict[str, Any]]:
    """Tell what findings that failed or warned say of message `number`, in the order of the places.

    Each has ``start`` and ``end``: offsets in the text that ``message_text(raw, secrets)`` gives for its first LONGEST_MESSAGE octets.
    `number` counts messages and unreadable ones from 0, as the API lists them; one that does not exist has no marks.
    """
    return all_marks(trace, secrets, (number,)).get(number, [])


def all_marks(trace: Trace, secrets: bool = False, only: Container[int] | None = None) -> dict[int, list[dict[str, Any]]]:
    """The marks of every message that has any, by its number; `only`: of these numbers."""
    listed = [entry for entry in trace.entries if entry.kind in NUMBERED]
    told = {}
    for number, findings in findings_by_message(trace).items():
        if only is not None and number not in only:
            continue
        text = message_text(listed[number].raw[:LONGEST_MESSAGE], secrets)
        method = str(listed[number].data.get("summary", ""))
        found = [mark for finding in findings for mark in _of_finding(finding, text, method, secrets)]
        told[number] = sorted(found, key=lambda mark: (mark["start"], mark["end"]))[:MOST_MARKS]
    return told


def _of_finding(finding: Finding, text: str, summary: str, secrets: bool) -> Iterator[dict[str, Any]]:
    quotes = [quote for quote in finding.get("evidence") or () if _of_message(str(quote.get("message") or ""), summary)]
    spans = dict.fromkeys(_place(quote, text, secrets) for quote in quotes) or {_start_line(text): None}
    detail = str(finding.get("detail") or "")
    for start, end in spans:
        yield {
            "start": start,
            "end": end,
            "rule": str(finding.get("rule", "")),
            "status": str(finding.get("status", "")),
            "title": visible(str(finding.get("title") or "")),
            "detail": visible(detail if secrets else mask(detail)),
        }


def _of_message(named: str, summary: str) -> bool:
    return not named or summary == named or summary.startswith(f"{named} (")


def _place(quote: Mapping[str, Any], text: str, secrets: bool) -> Span:
    """Where the quote stands; never empty in a text that is not."""
    header, quoted = str(quote.get("header") or ""), str(quote.get("text") or "")
    lines = list(_lines_of(header, text))
    front = 3 if quoted.startswith("...") else 0
    core = quoted[front : len(quoted) - 3 if quoted.endswith("...") and len(quoted) > 3 else None]
    shown = core if secrets else visible(mask(core))
    offset = quote.get("offset")
    place = offset - front if isinstance(offset, int) and offset >= front else None
    for low, high in lines:
        found = _found(text, low, high, shown, place if shown == core else None)
        found = found or (_found_in_hex(text, low, high, core, place) if "decoded" in header else None)
        if found is not None:
            return found
    low, high = _value(text, lines[0]) if lines else (0, 0)
    return (low, high) if low < high else _start_line(text)


def _found(text: str, low: int, high: int, shown: str, place: int | None) -> Span | None:
    start = text.find(shown, low, high) if shown.strip() else -1
    if start < 0 and _STARS.search(shown):  # a token in the quote was starred out, in the message it may stand
        pattern = "".join(f".{{{len(part)}}}" if part[:4] == "****" else re.escape(part) for part in _STARS.split(shown))
        match = re.compile(pattern).search(text, low, high)
        start = match.start() if match else -1
    if start < 0:
        return None
    end = start + len(shown)
    return (start, end) if place is None else _word(text, start, end, place)


def _found_in_hex(text: str, low: int, high: int, core: str, place: int | None) -> Span | None:
    """A quote of what was decoded, found in the digits."""
    digits = core.encode("utf-8", "surrogateescape").hex()
    start = text.lower().find(digits, low, high) if digits else -1
    if start < 0:
        return None
    if place is None:
        return start, start + len(digits)
    before = 2 * len(core[:place].encode("utf-8", "surrogateescape"))
    return (start + before, start + before + 2) if before < len(digits) else (start, start + len(digits))


def _word(text: str, start: int, end: int, place: int) -> Span:
    """From the offending character to the end of its word; behind the end of the quote, its last character."""
    first = min(start + place, end - 1)
    stop = _WORD_END.search(text, first + 1, end)
    return first, stop.start() if stop else end


def _lines_of(header: str, text: str) -> Iterator[Span]:
    """The lines that a quote names: ``SDP line 7``, ``start line``, or a header field with the lines that continue it."""
    lines = list(_lines(text))
    body = next((index + 1 for index, (low, high) in enumerate(lines) if low == high), len(lines))
    if header == "start line" or not lines:
        yield from lines[:1]
    elif header.startswith("SDP"):
        number = header.removeprefix("SDP line ")
        if number.isdigit() and 0 < int(number) <= len(lines) - body:
            yield lines[body + int(number) - 1]
        elif body < len(lines):
            yield lines[body][0], lines[-1][1]
    else:
        name = header.partition(",")[0].strip().lower()
        yield from _fields(name, text, lines[1:body]) if name else ()


def _fields(name: str, text: str, lines: list[Span]) -> Iterator[Span]:
    names = (name, _COMPACT.get(name, name))
    index = 0
    while index < len(lines):
        low, high = lines[index]
        index += 1
        if text[low:high].partition(":")[0].strip().lower() in names:
            while index < len(lines) and text.startswith((" ", "\\t"), lines[index][0]):  # a tab is shown as an escape
                high = lines[index][1]
                index += 1
            yield low, high


def _lines(text: str) -> Iterator[Span]:
    start = 0
    for line in text.split("\n"):
        yield start, start + len(line)
        start += len(line) + 1


def _value(text: str, line: Span) -> Span:
    """The value of a header line, or the whole line when it has none."""
    low, high = line
    colon = text.find(":", low, high)
    start = colon + 1 if colon >= 0 else low
    while start < high and text[start] == " ":
        start += 1
    return (start, high) if start < high else (low, high)


def _start_line(text: str) -> Span:
    end = text.find("\n")
    return 0, end if end > 0 else len(text)
