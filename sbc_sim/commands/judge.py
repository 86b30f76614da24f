"""Commands about traces of the partner's own: judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sbc_sim.commands.shared import (
    NO_CALLS,
    PASSED,
    RULE_FAILED,
    CannotRun,
    SettingsCommand,
    as_json,
    loaded,
    paint,
    say,
    say_json,
    width,
)
from sbc_sim.commands.trace_files import key_log_option, recording_of, tells_bugs

if TYPE_CHECKING:
    from sbc_sim.journal.store import Trace
    from sbc_sim.offline.judge import Judged
    from sbc_sim.traces.recording import Address

MOST_IN_FULL = 10
"""Calls that are told in full at once; more of them get a line each."""
OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=SettingsCommand)
@click.argument("file", metavar="FILE|-")
@key_log_option
@click.option("--sbc", metavar="HOST[:PORT]", help="Only calls that lead to this address. Default: every INVITE's destination is the SBC.")
@click.option("--call", "call_id", default="", metavar="CALL-ID", help="Only the calls with this Call-ID.")
@click.option("--ladder", is_flag=True, help="Print the ladder alone, without the verdict.")
@click.option("--all", "everything", is_flag=True, help=f"Tell each call in full, although there are more than {MOST_IN_FULL}.")
@click.option("--html", "html_file", type=OUT, metavar="FILE", help="Write the report; of several calls, each to a numbered file.")
@click.option("--junit", "junit_file", type=OUT, metavar="FILE", help="Write the verdicts as JUnit XML.")
@as_json
@click.pass_context
@tells_bugs
def judge(
    ctx: click.Context,
    file: str,
    key_log: Path | None,
    sbc: str | None,
    call_id: str,
    ladder: bool,
    everything: bool,
    html_file: Path | None,
    junit_file: Path | None,
    as_json: bool,
) -> int:
    """Apply the rules to a trace of your own: SIP as text, pcap or pcapng, TLS with a key log. Nothing is sent anywhere.

    Exit code 0 when no rule failed, 1 when one did, 2 for what is no trace, 4 when there is no call in it.
    """
    settings = loaded(ctx).settings
    address = _address(sbc)
    from sbc_sim.offline.judge import judge as judged_calls

    judged = judged_calls(recording_of(file, key_log), settings.policy(), settings.call_limits(), address, call_id)
    _write_files(judged, html_file, junit_file)
    if as_json:
        from sbc_sim.offline.telling import judged_data

        say_json(judged_data(judged))
    elif len(judged.calls) > MOST_IN_FULL and not everything:
        _say_table(judged)
    else:
        _say(judged, ladder)
    return _code(judged)


def _address(text: str | None) -> Address | None:
    """Read HOST[:PORT]; IPv6 with a port stands in brackets."""
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (host.count(":") and not host.endswith("]")):
        host, port = text, "0"
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise click.BadParameter(f"{text!r} is not HOST or HOST:PORT, for example 203.0.113.5:5061", param_hint="--sbc")
    return host.strip("[]"), int(port)


def _code(judged: Judged) -> int:
    statuses = [trace.call.verdict["status"] for trace in judged.calls if trace.call.verdict]
    if not statuses:
        return NO_CALLS
    return RULE_FAILED if "fail" in statuses else PASSED


def _write_files(judged: Judged, html_file: Path | None, junit_file: Path | None) -> None:
    if junit_file is not None:
        from sbc_sim.exports.junit import junit_xml

        _write(junit_file, junit_xml(judged.calls))
    if html_file is None:
        return
    from sbc_sim.exports.redacted import Redaction
    from sbc_sim.exports.report_html import report_html

    several = len(judged.calls) > 1
    for number, trace in enumerate(judged.calls, 1):
        name = html_file.with_name(f"{html_file.stem}-{number}{html_file.suffix}") if several else html_file
        _write(name, report_html(trace, None, Redaction.SHARE))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise CannotRun(f"{file} cannot be written: {error.strerror or error}") from None


def _say(judged: Judged, ladder_only: bool) -> None:
    from sbc_sim.exports.ladder_text import ladder_text

    for trace in judged.calls:
        say(paint(f"What went over the wire{_which(trace, judged)}", "title"))
        say(ladder_text(trace, width()))
        if not ladder_only:
            _say_verdict(trace)
    _say_notes(judged)


def _say_table(judged: Judged) -> None:
    rows = [("CALL", "FROM", "TO", "VERDICT", "WORST RULE"), *map(_row, judged.calls)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for number, row in enumerate(rows):
        line = "  ".join((*(f"{cell:<{space}}" for cell, space in zip(row, widths, strict=False)), row[4])).rstrip()
        say(line if number else paint(line, "title"))
    say(f"\n{len(judged.calls)} calls; one of them in full: --call CALL-ID; all of them: --all; for programs: --json")
    _say_notes(judged)


def _row(trace: Trace) -> tuple[str, ...]:
    from sbc_sim.exports.redaction import clean

    call, verdict = trace.call, trace.call.verdict or {}
    wrong = [finding for finding in verdict.get("findings", ()) if finding.get("status") == verdict.get("status") in ("fail", "warn")]
    worst = f"{wrong[0].get('rule')} {wrong[0].get('title', '')}" if wrong else ""
    ends = (clean(call.caller)[:40], clean(call.called or call.request_uri)[:40])
    return clean(call.sip_call_id), *ends, str(verdict.get("status") or "none"), clean(worst)[:70]


def _which(trace: Trace, judged: Judged) -> str:
    from sbc_sim.exports.redaction import clean

    return f", Call-ID {clean(trace.call.sip_call_id)[:80]}" if len(judged.calls) > 1 else ""


def _say_verdict(trace: Trace) -> None:
    from sbc_sim.exports.report_text import echo_text, verdict_text

    say(paint("The verdict, rule by rule", "title"))
    say(verdict_text(trace.call.verdict or {}, width()))
    if trace.call.media is not None:
        say(paint("The echo, as the trace shows it", "title"))
        say(echo_text(trace.call))


def _say_notes(judged: Judged) -> None:
    from textwrap import wrap

    from sbc_sim.exports.redaction import clean

    if not judged.calls:
        say(paint("no call in the trace", "warning"))
    for note in judged.notes:
        say("\n".join(wrap(f"note: {clean(note)}", width(), subsequent_indent="      ", break_on_hyphens=False)))
