"""The report of one call as one HTML file: no script, no request to anywhere, light and dark, fit for paper.

A Content-Security-Policy in the file allows its own style (by its hash) and nothing else. jinja2 escapes every text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sbc_sim.exports.capture import Capture
from sbc_sim.exports.ladder_svg import ladder_css, ladder_svg
from sbc_sim.exports.level_svg import level_css, level_svg
from sbc_sim.exports.redacted import Redaction, redacted
from sbc_sim.exports.redaction import visible
from sbc_sim.exports.report import data_of
from sbc_sim.journal.store import Trace

if TYPE_CHECKING:
    from jinja2 import Template

_LONGEST_QUOTE = 2000
_AT_LENGTH = ("fail", "warn")
_MEDIA_NUMBERS = (
    ("packetsReceived", "packets received"),
    ("packetsSent", "packets sent"),
    ("echoedPackets", "packets echoed"),
    ("lost", "packets lost"),
    ("duplicates", "duplicates"),
    ("reordered", "out of order"),
    ("jitterMs", "jitter, ms"),
    ("maxJitterMs", "greatest jitter, ms"),
    ("firstPacketMs", "first packet after the answer, ms"),
    ("maxEchoDelayMs", "echoed within, ms"),
    ("levelDbfs", "level, dBFS"),
    ("silentPackets", "silent packets"),
    ("authFailures", "failed authentication"),
    ("plainRtp", "not encrypted"),
    ("replayed", "replayed"),
    ("wrongPayload", "wrong payload type"),
    ("remote", "sent to"),
)
_ALWAYS = ("packetsReceived", "packetsSent", "echoedPackets", "lost", "jitterMs", "remote")
Piece = tuple[str, str, str]
"""Text, status of what it is marked for (empty: not marked), and what the mark says."""


def report_html(trace: Trace, capture: Capture | None, level: Redaction) -> str:
    """Write the report. The trace is redacted here; whoever redacted it before calls `html_of`."""
    shown = redacted(trace, level)
    return html_of(shown, data_of(shown, capture, level))


def html_of(trace: Trace, data: Mapping[str, Any]) -> str:
    """Write the report from its data and the trace it was made from, both redacted."""
    from markupsafe import Markup

    style = _style()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    findings = data["verdict"]["findings"]
    return _template().render(
        data=data,
        style=Markup(style),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        ladder=Markup(ladder_svg(trace, embedded=True, links=True)),
        levels=Markup(level_svg(data["series"])) if data["series"] else "",
        told=[_finding(finding) for finding in findings if finding.get("status") in _AT_LENGTH],
        others=[finding for finding in findings if finding.get("status") not in _AT_LENGTH],
        numbers=list(_numbers((data["media"] or {}).get("report"))),
        descriptions=list(_descriptions(data["messages"])),
        messages=[{**message, "pieces": list(pieces(message["text"], message["marks"]))} for message in data["messages"]],
        guessed={guess["rule"] for guess in data["guesses"]},
        shown=visible,
    )


@cache
def _style() -> str:
    own = files("sbc_sim.exports").joinpath("templates/report.css").read_text("utf-8")
    return own + ladder_css() + level_css()


@cache
def _template() -> Template:
    from jinja2 import Environment

    # Autoescape for every text: nearly all of them come from a stranger.
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("sbc_sim.exports").joinpath("templates/report.html").read_text("utf-8"))


def pieces(text: str, marks: Iterable[Mapping[str, Any]]) -> Iterator[Piece]:
    """Cut a text at the ends of its marks, which may overlap; a failure wins over a warning."""
    listed = [mark for mark in marks if mark["start"] < mark["end"] <= len(text)]
    cuts = sorted({0, len(text), *(mark["start"] for mark in listed), *(mark["end"] for mark in listed)})
    for start, end in pairwise(cuts):
        over = [mark for mark in listed if mark["start"] <= start and end <= mark["end"]]
        status = "" if not over else "fail" if any(mark["status"] == "fail" for mark in over) else "warn"
        yield text[start:end], status, "; ".join(f"{mark['rule']}: {mark['detail'] or mark['title']}" for mark in over)


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {**finding, "quotes": [_quote(quote) for quote in finding.get("evidence") or ()]}


def _quote(quote: Mapping[str, Any]) -> dict[str, Any]:
    """A quote with the offending character marked; where escaping has moved it, none is."""
    original, offset = str(quote.get("text", ""))[:_LONGEST_QUOTE], quote.get("offset")
    text = visible(original)
    marks: list[dict[str, Any]] = []
    if isinstance(offset, int) and 0 <= offset < len(text) and text == original:
        marks = [{"start": offset, "end": offset + 1, "status": "fail", "rule": "here", "detail": "the first offending character"}]
    place = ", ".join(visible(str(part)) for part in (quote.get("message"), quote.get("header")) if part)
    return {"place": place, "pieces": list(pieces(text, marks))}


def _numbers(report: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """What is worth a line of the media report: what is always told, and what is not nothing."""
    for name, words in _MEDIA_NUMBERS:
        value = (report or {}).get(name)
        if report is not None and value is not None and (value or name in _ALWAYS):
            yield words, round(value, 2) if isinstance(value, float) else value


def _descriptions(messages: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The first two session descriptions that differ from each other: offer and answer."""
    seen: list[str] = []
    for message in messages:
        _, _, body = message["text"].partition("\n\n")
        if body.startswith("v=0") and body not in seen and len(seen) < 2:
            seen.append(body)
            yield f"{message['summary']}, {'received' if message['direction'] == 'in' else 'sent'}", body
