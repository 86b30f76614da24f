"""Everything about one call in one zip file, for a support ticket. The same call gives the same octets: times are those of the call."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sbc_sim.exports.capture import NOTHING, Capture
from sbc_sim.exports.redacted import HIDDEN, Redaction, redacted
from sbc_sim.journal.store import Trace

LARGEST_FILE = 64 * 1024 * 1024
"""Octets of one file; a larger one is left out and the README says so."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_OLDEST = (1980, 1, 1, 0, 0, 0)
"""Before it zip has no times."""
_MOST_MESSAGES_OCTETS = 16 * 1024 * 1024

ABOUT = {
    "report.html": "the report to read and print: verdict, what to mend, evidence, ladder, messages; needs no network",
    "report.json": "the same for programs (schema sbc-sim.report/1)",
    "junit.xml": "the verdict for CI servers, a test case for each rule",
    "ladder.txt": "the ladder as text",
    "ladder.svg": "the ladder as a picture",
    "messages.txt": "every SIP message in full",
    "capture.pcapng": "the call for Wireshark: SIP, RTP and RTCP readable, findings as packet comments",
    "audio.wav": "what was received (left) and sent (right)",
}


def bundle_zip(trace: Trace, capture: Capture | None, level: Redaction) -> bytes:
    """Pack the call. The folder in it is named after the call's id."""
    shown, capture = redacted(trace, level), capture or NOTHING
    stamp = _stamp(trace)
    folder = "sbc-sim-" + (_UNSAFE.sub("_", trace.call.id)[:80].strip(".") or "call")
    written: list[tuple[str, int]] = []
    left_out: list[str] = []
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as zipped:
        for name, octets in _files(trace, shown, capture, level):
            if len(octets) > LARGEST_FILE:
                left_out.append(f"{name} is left out: it has {len(octets)} octets, more than {LARGEST_FILE}.")
                continue
            _add(zipped, f"{folder}/{name}", octets, stamp)
            written.append((name, len(octets)))
        _add(zipped, f"{folder}/README.txt", _readme(shown, capture, level, written, left_out).encode(), stamp)
    return out.getvalue()


def _add(zipped: ZipFile, path: str, octets: bytes, stamp: tuple[int, int, int, int, int, int]) -> None:
    entry = ZipInfo(path, stamp)
    # Named, for the defaults differ from system to system.
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    entry.compress_type = ZIP_STORED if path.endswith(".wav") else ZIP_DEFLATED
    zipped.writestr(entry, octets, compresslevel=zlib.Z_DEFAULT_COMPRESSION if path.endswith(".wav") else 6)


def _stamp(trace: Trace) -> tuple[int, int, int, int, int, int]:
    at = datetime.fromtimestamp(trace.call.ended_at or trace.call.started_at or 0.0, UTC)
    return _OLDEST if at.year < 1980 or at.year > 2107 else (at.year, at.month, at.day, at.hour, at.minute, at.second)


def _files(trace: Trace, shown: Trace, capture: Capture, level: Redaction) -> Iterator[tuple[str, bytes]]:
    from sbc_sim.exports.junit import junit_xml
    from sbc_sim.exports.ladder_svg import ladder_svg
    from sbc_sim.exports.ladder_text import ladder_text
    from sbc_sim.exports.pcapng import pcapng_of
    from sbc_sim.exports.report import data_of
    from sbc_sim.exports.report_html import html_of
    from sbc_sim.exports.wav import audio_wav

    data = data_of(shown, capture, level)
    yield "report.html", _octets(html_of(shown, data))
    yield "report.json", json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace") + b"\n"
    yield "junit.xml", _octets(junit_xml((shown,)))
    yield "ladder.txt", _octets(ladder_text(shown))
    yield "ladder.svg", _octets(ladder_svg(shown))
    yield "messages.txt", _octets("".join(_messages(shown)))
    yield "capture.pcapng", pcapng_of(trace, shown, capture, level)
    audio = audio_wav(capture) if level is not Redaction.STRICT else None
    if audio is not None:
        yield "audio.wav", audio


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _messages(trace: Trace) -> Iterator[str]:
    """Every message with a line above it; what the trace still holds after its redaction is shown."""
    from sbc_sim.exports.ladder_rows import NUMBERED
    from sbc_sim.exports.redaction import message_text, visible
    from sbc_sim.journal.view import rfc3339

    start, room = trace.call.started_at or 0.0, _MOST_MESSAGES_OCTETS
    for number, entry in enumerate(entry for entry in trace.entries if entry.kind in NUMBERED):
        way = "from the partner" if entry.data.get("direction", "in") == "in" else "to the partner"
        summary = visible(str(entry.data.get("summary") or entry.data.get("detail") or ""))
        yield f"--- {number}  {rfc3339(entry.at)}  {entry.at - start:+.3f}  {way}  {summary}  ({len(entry.raw)} octets)\n\n"
        text = message_text(entry.raw[:room], secrets=True)
        room -= len(entry.raw[:room])
        yield text if text.endswith("\n") else f"{text}\n"
        yield "\n"
    if not room:
        yield "--- the rest is left out: too many octets\n"


def _readme(shown: Trace, capture: Capture, level: Redaction, written: Iterable[tuple[str, int]], left_out: Iterable[str]) -> str:
    from sbc_sim.exports.redaction import visible
    from sbc_sim.exports.report import conclusion

    lines = [f"Call {visible(shown.call.id)}, recorded by sbc-sim.", "", visible(conclusion(shown)["sentence"]), "", "What is in here:", ""]
    lines += [f"  {name:<16} {ABOUT[name]} ({size} octets)" for name, size in written]
    lines += ["", f"Redaction level: {level.value}"]
    hidden = HIDDEN[level] or ("nothing; this file holds keys and tokens, so treat it as a secret",)
    lines += [f"  hidden: {what}" for what in hidden]
    lines += ["", *left_out, *(f"note: {visible(note)}" for note in capture.notes)]
    lines += [f"note: {shown.dropped} journal entries of the middle of the call were not kept"] if shown.dropped else []
    return "".join(f"{line}\n" for line in lines).rstrip("\n") + "\n"
