"""Files about one call: ladders, capture, audio, reports, bundle, and the columns that the page draws.

The store and the captures are read on the reactor's thread; the file is made in another (http/work), from values that no longer change.
Captures are in the memory of the replica that has the call: what needs them is made there (http/elsewhere).
What makes a file is imported with the first request for one, for few processes ever make one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from sbc_sim.exports.capture import Capture
from sbc_sim.http.elsewhere import Elsewhere, Here
from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, bad_request, no_call
from sbc_sim.http.ranges import ranged
from sbc_sim.http.routes import Route
from sbc_sim.http.work import Work
from sbc_sim.journal.store import Store, Trace

if TYPE_CHECKING:
    from sbc_sim.exports.redacted import Redaction

SVG = "image/svg+xml"
MERMAID = "text/vnd.mermaid; charset=utf-8"
PCAPNG = "application/vnd.tcpdump.pcap"
WAV = "audio/wav"
HTML = "text/html; charset=utf-8"
XML = "application/xml"
ZIP = "application/zip"
LEVELS = ("none", "share", "strict")
"""Of exports.redacted.Redaction, which is imported with the first file."""
REPORT_POLICY = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; sandbox",
)
"""A report is one file with its style inside; nothing in it may run or fetch."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class DocumentsApi:
    """Routes that give files."""

    def __init__(self, store: Store, capture: Callable[[Trace], Capture], work: Work, views: Work, elsewhere: Elsewhere) -> None:
        """See Sources for the parts. `work`: the lane for files; `views`: that for what a page shows."""
        self._elsewhere = elsewhere
        self._store = store
        self._capture = capture
        self._work = work
        self._views = views

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        one, redaction, busy, there = "/api/v1/calls/{id}", ("redaction",), (503,), self._at_owner
        report, bundle, series = there(self.report_html), there(self.bundle), there(self.series)
        return (
            Route("GET", f"{one}/ladder.svg", self.ladder_svg, "The ladder as a picture", ("embedded", *redaction), SVG, problems=busy),
            Route("GET", f"{one}/ladder.mmd", self.ladder_mermaid, "The ladder for Mermaid", redaction, MERMAID, problems=busy),
            Route("GET", f"{one}/capture.pcapng", there(self.capture), "The capture for Wireshark", redaction, PCAPNG, problems=busy),
            Route("GET", f"{one}/audio.wav", there(self.audio), "The audio of both directions", redaction, WAV, problems=(416, *busy)),
            Route("GET", f"{one}/report.html", report, "The report to read and print", redaction, HTML, problems=busy),
            Route("GET", f"{one}/report.json", there(self.report_json), "The report for programs", redaction, response="Report",
                  problems=busy),
            Route("GET", f"{one}/report.xml", self.report_xml, "The report as JUnit XML", redaction, XML, problems=busy),
            Route("GET", f"{one}/bundle.zip", bundle, "All of it, for a support ticket", redaction, ZIP, problems=busy),
            Route("GET", f"{one}/media/series", series, "Its media over time, in columns", response="Series", problems=busy),
            Route("GET", f"{one}/reference", self.reference, "Its INVITE beside a correct one", response="Reference", problems=busy),
        )  # fmt: skip

    def ladder_svg(self, asked: Asked) -> Deferred[Reply]:
        """Draw the ladder, with its style inside, or with class names only for a page that brings a style."""
        trace, embedded, level = self._trace(asked), _flag(asked, "embedded"), level_of(asked, "none")

        def draw() -> Reply:
            from sbc_sim.exports.ladder_svg import ladder_svg
            from sbc_sim.exports.redacted import redacted

            policy = (("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),)
            return Reply(200, _octets(ladder_svg(redacted(trace, level), embedded)), SVG, policy)

        return self._views.share(same(asked, trace), draw)

    def ladder_mermaid(self, asked: Asked) -> Deferred[Reply]:
        """Write the ladder as a sequence diagram."""
        trace, level = self._trace(asked), level_of(asked, "none")

        def draw() -> Reply:
            from sbc_sim.exports.ladder_mermaid import ladder_mermaid
            from sbc_sim.exports.redacted import redacted

            return Reply(200, _octets(ladder_mermaid(redacted(trace, level))), MERMAID)

        return self._views.share(same(asked, trace), draw)

    def capture(self, asked: Asked) -> Deferred[Reply]:
        """Give the call as a capture; nothing is hidden unless asked for, since Wireshark needs what would be hidden."""
        trace, captured, level = self._parts(asked, "none")

        def write() -> Reply:
            from sbc_sim.exports.pcapng import capture_pcapng

            return _file(asked, capture_pcapng(trace, captured, level), PCAPNG, "pcapng")

        return self._work.share(same(asked, trace), write)

    def audio(self, asked: Asked) -> Deferred[Reply]:
        """Give what was heard (left) and said (right)."""
        trace, captured, level = self._parts(asked)
        if level == "strict":
            fix = "Use redaction=share, which keeps the audio."
            raise Problem(404, "audio-hidden", "At this level of redaction the audio is hidden, so there is no file of it.", fix)

        def write() -> Reply:
            from sbc_sim.exports.wav import audio_wav

            octets = audio_wav(captured)
            if octets is None:
                self._elsewhere.no_audio(trace)
                raise _no_audio(captured)
            return ranged(_file(asked, octets, WAV, "wav"), asked.first("Range"))

        return self._work.share(same(asked, trace), write)

    def report_html(self, asked: Asked) -> Deferred[Reply]:
        """Give the report for people. Browsers show it; `Save as` names it well."""
        trace, captured, level = self._parts(asked)

        def write() -> Reply:
            from sbc_sim.exports.report_html import report_html

            octets = _octets(report_html(trace, captured, level))
            return _file(asked, octets, HTML, "html", "inline", (REPORT_POLICY,))

        return self._work.share(same(asked, trace), write)

    def report_json(self, asked: Asked) -> Deferred[Reply]:
        """Give the report for programs."""
        trace, captured, level = self._parts(asked)

        def write() -> Reply:
            from sbc_sim.exports.report import report_data

            return json_reply(report_data(trace, captured, level), headers=(_disposition(asked, "json", "inline"),))

        return self._work.share(same(asked, trace), write)

    def report_xml(self, asked: Asked) -> Deferred[Reply]:
        """Give the verdict as JUnit XML: a test case for each rule."""
        trace, _, level = self._parts(asked)

        def write() -> Reply:
            from sbc_sim.exports.junit import junit_xml
            from sbc_sim.exports.redacted import redacted

            return _file(asked, _octets(junit_xml((redacted(trace, level),))), XML, "xml")

        return self._work.share(same(asked, trace), write)

    def bundle(self, asked: Asked) -> Deferred[Reply]:
        """Give all files as one."""
        trace, captured, level = self._parts(asked)

        def write() -> Reply:
            from sbc_sim.exports.bundle import bundle_zip

            return _file(asked, bundle_zip(trace, captured, level), ZIP, "zip")

        return self._work.share(same(asked, trace), write)

    def series(self, asked: Asked) -> Deferred[Reply]:
        """Give loss, jitter and level over time."""
        trace = self._trace(asked)
        captured = self._capture(trace)

        def count() -> Reply:
            from sbc_sim.exports.series import media_series

            return json_reply(media_series(trace, captured))

        return self._views.share(same(asked, trace), count)

    def reference(self, asked: Asked) -> Deferred[Reply]:
        """Set the INVITE of the call beside a correct one. Secrets are masked."""
        trace = self._trace(asked)

        def compare() -> Reply:
            from sbc_sim.exports.reference import reference_invite

            return json_reply(reference_invite(trace))

        return self._views.share(same(asked, trace), compare)

    def _at_owner(self, here: Here) -> Here:
        """Have a file made by the replica that has the call's capture."""

        @wraps(here)  # a route goes by the name of its function
        def answer(asked: Asked) -> Deferred[Reply]:
            return self._elsewhere.answer(asked, self._trace, here)

        return answer

    def _parts(self, asked: Asked, default: str = "share") -> tuple[Trace, Capture, Redaction]:
        trace = self._trace(asked)
        return trace, self._capture(trace), level_of(asked, default)

    def _trace(self, asked: Asked) -> Trace:
        trace = self._store.trace(asked.names["id"])
        if trace is None:
            raise no_call(self._store, asked.names["id"])
        return still(trace)


def still(trace: Trace) -> Trace:
    """Copy the view of a call, to which a live call goes on adding, so that another thread can read it."""
    view = copy(trace.call)
    for name in ("agreements", "keys_pressed", "findings", "faults"):
        setattr(view, name, list(getattr(view, name)))
    return replace(trace, call=view)


def same(asked: Asked, trace: Trace) -> Hashable:
    """What makes two requests about a call one: the path, how it is asked for, and how much was known of the call."""
    return asked.path, tuple(sorted(asked.query.items())), asked.first("Range"), len(trace.entries), trace.dropped


def level_of(asked: Asked, default: str = "share") -> Redaction:
    """Read `redaction`. Raises Problem 400."""
    wanted = asked.query.get("redaction", default)
    if wanted not in LEVELS:
        raise bad_request("bad-redaction", f"redaction={wanted[:20]!r} is no level.", f"Use one of {', '.join(LEVELS)}.")
    from sbc_sim.exports.redacted import Redaction

    return Redaction(wanted)


def _flag(asked: Asked, name: str) -> bool:
    wanted = asked.query.get(name, "false")
    if wanted not in ("true", "false", "1", "0"):
        raise bad_request("bad-flag", f"{name}={wanted[:20]!r} is neither true nor false.", f"Use {name}=true, or leave it out.")
    return wanted in ("true", "1")


def _file(
    asked: Asked, octets: bytes, media_type: str, ending: str, how: str = "attachment", headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    return Reply(200, octets, media_type, (_disposition(asked, ending, how), *headers))


def _disposition(asked: Asked, ending: str, how: str) -> tuple[str, str]:
    """Name a file after the id of its call and nothing that a partner wrote."""
    return "Content-Disposition", f'{how}; filename="sbc-sim-{_UNSAFE.sub("_", asked.names["id"])[:80]}.{ending}"'


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _no_audio(captured: Capture) -> Problem:
    why = "; ".join(captured.notes) or "no packet of it was kept"
    fix = "See capture.enabled and capture.media_seconds; captures are in memory and end with the process. A call without media has none."
    return Problem(404, "no-audio", f"No audio was captured: {why}.", fix)
