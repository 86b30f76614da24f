"""A look at the media of a call, once a second: what to tell, and whether the call must end (requirements 102, 103)."""

from __future__ import annotations

from sbc_sim.calls import telling
from sbc_sim.calls.book import Book
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outputs import Environment
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegReport

LOOK = 1.0
"""Seconds between two looks."""
_NOTES = ((10.0, 1.0), (60.0, 2.0))
"""(so long after the media began, seconds between two MEDIA entries): dense while somebody watches whether it works at all."""
_LATER = 5.0


def _pause(age: float) -> float:
    """Seconds between two MEDIA entries of a call whose media began so long ago."""
    return next((pause for until, pause in _NOTES if age < until), _LATER)


class MediaWatch:
    """What the media plane reports about one call."""

    def __init__(self, book: Book, limits: Limits, environment: Environment, now: float) -> None:
        """Begin when media was started."""
        self.deadline: float | None = now + LOOK
        self._book = book
        self._limits = limits
        self._environment = environment
        self._began = now
        self._changed = now
        self._noted_at = 0.0
        self._noted: LegReport | None = None
        self._keys_told = 0
        self._held_since: float | None = None
        self._expects = True

    def changed(self, held: bool, expects: bool, now: float) -> None:
        """The session changed: count the time on hold; the wait for media begins anew, if our direction lets us expect any."""
        self._count_hold(now)
        self._held_since = now if held else None
        self._expects = expects and not held
        self._changed = now

    def _count_hold(self, now: float) -> None:
        if self._held_since is not None:
            self._book.evidence.held_s += now - self._held_since
            self._held_since = None

    def look(self, now: float) -> tuple[str, str] | None:
        """Tell what is new; return reason and text when the call must end."""
        self.deadline = now + LOOK
        report = self._environment.read_media(self._book.call_id)
        if report is None:
            return self._must_end(None, now)
        known = self._book.evidence.report
        first = report.packets_received > 0 and (known is None or known.packets_received == 0)
        self._take(report, now)
        due = now - self._noted_at >= _pause(now - self._began) - LOOK / 2  # looks come a little late, or early
        if first or (due and report != self._noted):
            self._noted_at, self._noted = now, report
            self._book.record(Kind.MEDIA, now, telling.media(report, False))
        return self._must_end(report, now)

    def _take(self, report: LegReport, now: float) -> None:
        self._book.evidence.report = report
        for event in report.dtmf[self._keys_told :]:
            self._book.record(Kind.DTMF, now, {"digit": event.digit, "durationMs": event.duration_ms})
        self._keys_told = len(report.dtmf)

    def _must_end(self, report: LegReport | None, now: float) -> tuple[str, str] | None:
        """Without a report (the leg failed, or none was agreed on yet) silence counts from the last change."""
        heard = max(self._changed, (report.last_packet_at or 0.0) if report is not None else 0.0)
        if self._expects and now - heard >= self._limits.media_timeout_seconds:
            return "media-timeout", f"no SRTP for {self._limits.media_timeout_seconds:g} s"
        if now - self._began >= self._limits.call_seconds:
            return "max-duration", f"longest call is {self._limits.call_seconds:g} s"
        return None

    def close(self, now: float) -> None:
        """Take the last report."""
        self.deadline = None
        self._count_hold(now)
        report = self._environment.read_media(self._book.call_id)
        if report is not None:
            self._take(report, now)
            self._book.record(Kind.MEDIA, now, telling.media(report, True))
