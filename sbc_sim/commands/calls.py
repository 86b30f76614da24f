"""Commands about the calls of a running instance: ls, show, export, escalate, hangup. They exit 0 whatever the verdict says."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.asking import asks_an_instance, client_of, explained
from sbc_sim.commands.call_files import export
from sbc_sim.commands.shared import as_json, paint, say, say_json, width

if TYPE_CHECKING:
    from sbc_sim.client import Client
    from sbc_sim.journal.view import CallView

STATUSES = ("ringing", "answered", "ended", "rejected", "pass", "warn", "fail")
FROM_THE_START = "0"
"""No instance has given this id to an event: it answers with `resync`, upon which the list is read, and no call falls between."""
MOST_SEEN = 10_000
SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.group()
def calls() -> None:
    """List, show, export, give back and end the calls of a running instance. Their exit code says nothing of a verdict."""


@calls.command("ls")
@click.option("--status", type=click.Choice(STATUSES), help="Only calls in this state, or with this verdict.")
@click.option("--since", metavar="TIME", help="Only calls from then on: 10m, 2h, 1d, or 2026-01-31T12:00:00Z.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many, newest first.")
@click.option("--follow", is_flag=True, help="Go on with what happens; the list then is oldest first. Ends with Ctrl-C.")
@asks_an_instance
@as_json
def calls_ls(status: str | None, since: str | None, limit: int, follow: bool, as_json: bool, **wanted: Any) -> None:
    """List calls, newest first. With --json and --follow each line is a JSON object."""
    client = client_of(wanted)
    filters = {"status": status, "since": _since(since)}
    with explained():
        if follow:
            _Following(client, filters, limit, as_json).run()
            return
        found = list(client.calls(most=limit, **filters))
    if client.incomplete:
        click.echo(f"sbc-sim: the list is not complete: {safe(client.incomplete)}", err=True)
    if as_json:
        say_json(found)
    elif not found and client.incomplete:
        say("no calls that can be read")
    elif not found:
        say("no calls" + (" like that" if status or since else " yet; `sbc-sim call tls:HOST:PORT` places one"))
    else:
        from sbc_sim.commands.call_rows import heading, row

        say(paint(heading(width()), "title"))
        say("\n".join(row(call, width(), paint) for call in found))


@calls.command("show")
@click.argument("call", metavar="ID|last")
@click.option("--messages", is_flag=True, help="The SIP messages, secrets masked.")
@click.option("--verdict", "verdict_only", is_flag=True, help="The verdict, rule by rule.")
@asks_an_instance
@as_json
def calls_show(call: str, messages: bool, verdict_only: bool, as_json: bool, **wanted: Any) -> None:
    """Show one call: ladder, what failed or warned, User-to-User and media.

    With --messages or --verdict that alone: every message, every rule.
    """
    client = client_of(wanted)
    with explained():
        about = client.call(call)
        if as_json:
            say_json(_data(client, about, messages))
            return
        for title, text in _parts(client, about, messages, verdict_only):
            say(paint(title, "title"))
            say(text)


@calls.command("escalate")
@click.argument("call", metavar="ID|last")
@click.option("--mode", type=click.Choice(("bye", "bye+data", "invite-back", "refer")), help="How. Default: as set (escalation.mode).")
@click.option("--why", metavar="TEXT", help="In words, for report, Reason header and templates.")
@click.option("--target", metavar="URI", help="sips:USER@HOST:PORT to call back, or to refer to, instead of what is set.")
@asks_an_instance
@as_json
def calls_escalate(call: str, mode: str | None, why: str | None, target: str | None, as_json: bool, **wanted: Any) -> None:
    """Give a live call back to the partner, as the agent does when a human is wanted."""
    client = client_of(wanted)
    with explained():
        about = client.escalate(str(client.call(call)["id"]), mode, why, target)
    if as_json:
        say_json(about)
    else:
        say(f"call {safe(str(about['id']))} is being given back; `sbc-sim calls show {safe(str(about['id']))}` tells how it goes")


@calls.command("hangup")
@click.argument("call", metavar="ID|last")
@asks_an_instance
def calls_hangup(call: str, **wanted: Any) -> None:
    """End a live call with BYE."""
    client = client_of(wanted)
    with explained():
        about = client.call(call)
        client.hang_up(str(about["id"]))
    say(f"call {safe(str(about['id']))} is being ended with BYE")


calls.add_command(export)


def _since(text: str | None) -> str | None:
    """Give a time of the API: a span is counted back from now."""
    import time

    from sbc_sim.journal.view import rfc3339

    span = SPAN.fullmatch(text or "")
    return rfc3339(max(0.0, time.time() - float(span[1]) * SECONDS[span[2]])) if span else text


def _data(client: Client, about: Mapping[str, Any], messages: bool) -> dict[str, Any]:
    call = str(about["id"])
    told = {"call": about, "verdict": client.verdict(call), "uui": client.uui(call), "media": client.media(call)}
    return told | ({"messages": list(client.messages(call))} if messages else {})


def _parts(client: Client, about: Mapping[str, Any], messages: bool, verdict_only: bool) -> Iterator[tuple[str, str]]:
    from sbc_sim.exports.report_text import echo_text, verdict_text
    from sbc_sim.exports.uui_text import uui_text

    call, everything = str(about["id"]), not (messages or verdict_only)
    if everything:
        yield f"Call {safe(call)}", safe(client.ladder(call, width()))
    if messages:
        yield "The messages", "".join(map(message_text, client.messages(call)))
    if verdict_only or everything:
        yield "The verdict, rule by rule", verdict_text(client.verdict(call), width(), everything=verdict_only)
    if everything:
        uui = client.uui(call)
        nothing = "there was none\n" if uui.get("read", True) else "not read: the INVITE was refused before\n"
        yield "User-to-User", uui_text(uui) if uui.get("raw") is not None else nothing
        yield "The echo, as the simulator measured it", echo_text(view_of(about, client.media(call))).rstrip("\n")


def safe(text: str) -> str:
    """Escape what no terminal may get, line by line; an instance that is not ours could send anything."""
    from sbc_sim.exports.redaction import visible

    return "\n".join(map(visible, text.split("\n")))


def message_text(message: Mapping[str, Any]) -> str:
    """Write a message with a line above it that says when, which way and between whom."""
    from sbc_sim.commands.call_rows import started
    from sbc_sim.exports.redaction import clean

    way = {"in": "received from", "out": "sent to"}.get(str(message.get("direction")), "unreadable octets from")
    number, summary = message.get("number", ""), clean(message.get("summary") or message.get("detail") or "")
    head = f"--- {number} {started(message.get('at'))} {way} {clean(message.get('peer') or 'the partner')}: {summary}"
    cut = "\n(cut off)" if message.get("truncated") else ""
    body = safe(str(message.get("text", "")).replace("\r\n", "\n").rstrip("\n"))
    return f"{head}\n{body}{cut}\n\n"


def view_of(about: Mapping[str, Any], media: Mapping[str, Any]) -> CallView:
    """Build what `echo_text` reads from what the API tells of a call and its media."""
    from sbc_sim.journal.view import CallView

    view = CallView(str(about.get("id")), answered_at=_unix(about.get("answeredAt")))
    view.agreements = [media["agreed"]] if media.get("agreed") else []
    if media.get("report"):
        view.media = {**media["report"], "firstPacketAt": _unix(media["report"].get("firstPacketAt"))}
    view.keys_pressed = list(media.get("dtmf") or ())
    return view


def _unix(at: object) -> float | None:
    from datetime import datetime

    try:
        return datetime.fromisoformat(str(at)).timestamp()
    except ValueError:
        return None


class _Following:
    """`ls --follow`: a line whenever a call comes to another state."""

    def __init__(self, client: Client, filters: Mapping[str, str | None], limit: int, as_json: bool) -> None:
        self._client = client
        self._filters = filters
        self._limit = limit
        self._as_json = as_json
        self._states: OrderedDict[str, str] = OrderedDict()

    def run(self) -> None:
        """Go on until interrupted."""
        from sbc_sim.commands.call_rows import heading

        self._client.info()  # where nobody answers, say so before a heading
        if not self._as_json:
            say(paint(heading(width()), "title"))
        self._catch_up()
        for event in self._client.events(after=FROM_THE_START):
            if event.name.startswith("call.") and self._wanted(event.data):
                self._tell(event.name, event.data)
            elif event.name == "attempt" and not any(self._filters.values()):
                self._tell_attempt(event.data)
            elif event.name == "resync":
                self._catch_up()
            elif event.name == "reset":
                self._states.clear()

    def _catch_up(self) -> None:
        """Tell what was missed, oldest first."""
        for call in reversed(list(self._client.calls(most=self._limit, **self._filters))):
            self._tell("call", call)

    def _wanted(self, call: Mapping[str, Any]) -> bool:
        status = self._filters["status"]
        return status in (None, call.get("state"), (call.get("verdict") or {}).get("status"))

    def _tell(self, event: str, call: Mapping[str, Any]) -> None:
        key, state = str(call.get("id")), str(call.get("state"))
        if self._states.get(key) == state:
            return
        self._states[key] = state
        if len(self._states) > MOST_SEEN:
            self._states.popitem(last=False)
        self._say({"event": event, **call}, lambda: self._row(call))

    def _row(self, call: Mapping[str, Any]) -> str:
        from sbc_sim.commands.call_rows import row

        return row(call, width(), paint)

    def _tell_attempt(self, attempt: Mapping[str, Any]) -> None:
        from sbc_sim.commands.call_rows import attempt_row

        self._say({"event": "attempt", **attempt}, lambda: paint(attempt_row(attempt), "warning"))

    def _say(self, told: Mapping[str, Any], as_text: Any) -> None:
        import json

        say(json.dumps(told, ensure_ascii=False, default=str) if self._as_json else as_text())
