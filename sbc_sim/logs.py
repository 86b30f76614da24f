"""Log lines on standard error, as text or JSON: Twisted's log events, and one line for what happens to each call.

Twisted's own logger does the work: it is there anyway, and a logging package beside it would cost the start a quarter of a second
(docs/decisions/0007).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent, globalLogBeginner
from zope.interface import implementer

from sbc_sim.exports.redaction import mask
from sbc_sim.journal.entries import Entry
from sbc_sim.terminal import journal_line

_LEVELS = {"debug": LogLevel.debug, "info": LogLevel.info, "warning": LogLevel.warn, "error": LogLevel.error}
_NAMES = {LogLevel.debug: "debug", LogLevel.info: "info", LogLevel.warn: "warning", LogLevel.error: "error", LogLevel.critical: "error"}
_ORDER = list(LogLevel.iterconstants())
_CHATTY = ("twisted.", "log_legacy", "sbc_sim.http.")
"""Sources of which only warnings are news: that a factory starts and stops says nothing."""
_log = Logger(namespace="sbc_sim")
_worker = {"number": 0}
"""Which of several workers writes here; 0: the only process, or their parent."""


@implementer(ILogObserver)
class LineObserver:
    """Writes one line for each event, and a traceback below it where there is one."""

    def __init__(self, stream: TextIO, level: str, as_json: bool) -> None:
        self._stream = stream
        self._least = _ORDER.index(_LEVELS[level])
        self._line = _json_line if as_json else _text_line

    def __call__(self, event: LogEvent) -> None:
        """Write what is important enough; a closed terminal is nobody's problem here."""
        chatty = str(event.get("log_namespace", "")).startswith(_CHATTY)
        least = max(self._least, _ORDER.index(LogLevel.warn)) if chatty else self._least
        if _ORDER.index(event.get("log_level", LogLevel.info)) < least:
            return
        try:
            self._stream.write(self._line(event) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass


def _text_line(event: LogEvent) -> str:
    time = datetime.fromtimestamp(event.get("log_time", 0.0)).strftime("%H:%M:%S")
    level = _NAMES[event.get("log_level", LogLevel.info)]
    worker = f"[{_worker['number']}] " if _worker["number"] else ""
    line = f"{time} {worker}{'' if level == 'info' else level + ': '}{mask(formatEvent(event))}"
    failure = event.get("log_failure")
    return f"{line}\n{mask(failure.getTraceback())}" if failure is not None else line


def _json_line(event: LogEvent) -> str:
    told: dict[str, Any] = {
        "time": datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _NAMES[event.get("log_level", LogLevel.info)],
        "source": event.get("log_namespace", ""),
        **({"worker": _worker["number"]} if _worker["number"] else {}),
        "message": mask(formatEvent(event)),
        **cast("Mapping[str, Any]", event.get("told", {})),
    }
    if event.get("log_failure") is not None:
        told["traceback"] = mask(event["log_failure"].getTraceback())
    return json.dumps(told, ensure_ascii=False, default=str)


def start_logging(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send Twisted's log to a stream. `level` and `form` are the settings of log.*."""
    target = stream or sys.stderr
    observer = LineObserver(target, level, form == "json" or (form == "auto" and not target.isatty()))
    globalLogBeginner.beginLoggingTo([cast(Any, observer)], discardBuffer=True, redirectStandardIO=False)


def name_worker(number: int) -> None:
    """Have each line of this process name the worker that it is."""
    _worker["number"] = number


def say_at(level: str, message: str) -> None:
    """Log one line; levels as of the setting log.level."""
    _log.emit(_LEVELS[level], "{message}", message=message, told={})


def say(message: str, **told: object) -> None:
    """Log one line; `told` are members of the JSON form."""
    _log.info("{message}", message=message, told=told)


def tell(entry: Entry) -> None:
    """Log what an entry of the journal tells, when it is something a watcher wants to know: a subscriber of the store."""
    line = journal_line(entry)
    if line is not None:
        level, text = line
        _log.emit(_LEVELS[level], "{message}", message=text, told={"kind": entry.kind.value, "call": entry.call})
