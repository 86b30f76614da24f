"""`sbc-sim rehearse`: begin the endorsement checklist at a running instance or go on with one, and follow it on the terminal.

The calls and requests are the partner's own; this only watches. Ctrl-C ends the watching, not the rehearsal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.asking import asks_an_instance, client_of, explained
from sbc_sim.commands.rehearse_against import Against, against_of, against_options, play
from sbc_sim.commands.shared import INCOMPLETE, INTERRUPTED, NO_CALLS, PASSED, RULE_FAILED, Unusable, paint, say, say_json, width

if TYPE_CHECKING:
    from sbc_sim.client import Client

PARTS = ("connectivity", "end-to-end", "compare", "form")
MODES = ("bye", "bye+data", "invite-back", "refer")
EVENTS = ("rehearsal.step", "rehearsal.changed", "resync", "reset")
FROM_THE_START = "0"
"""No instance has given this id to an event: it answers with `resync`, upon which the rehearsal is read, and nothing falls between."""
STYLES = {
    "passed": "good",
    "failed": "bad",
    "skipped": "quiet",
    "running": "strong",
    "waiting": "strong",
    "pending": "quiet",
    "incomplete": "warning",
    "stopped": "warning",
}
PRINTED = "-"
"""Value of --json that means standard output."""
OVER = ("passed", "failed", "incomplete", "stopped")

Rehearsal = Mapping[str, Any]
OnChange = Callable[[Rehearsal], None]


def follow(client: Client, rehearsal: Rehearsal, on_change: OnChange) -> Rehearsal:
    """Follow a rehearsal until it is over; `on_change` is told of it now and whenever it is another. Returns it as it ended.

    Raises ApiError.
    """
    name = str(rehearsal["id"])
    for event in client.events(after=FROM_THE_START):
        if event.name not in EVENTS or event.data.get("rehearsal", name) != name:
            continue
        rehearsal = client.get(f"/api/v1/rehearsals/{name}")
        on_change(rehearsal)
        if rehearsal["state"] in OVER:
            break
    return rehearsal


def exit_code(rehearsal: Rehearsal) -> int:
    """0 passed; 1 a step failed; 4 what failed did so because no call or request ever came; 5 nothing failed, but a step was left out."""
    failed = [step for step in rehearsal["steps"] if step["state"] == "failed"]
    if rehearsal["state"] == "passed":
        return PASSED
    if rehearsal["state"] == "incomplete":
        return INCOMPLETE
    if failed and not any(step["tried"] for step in failed):
        return NO_CALLS
    return RULE_FAILED


@click.command()
@click.option(
    "--region", "regions", multiple=True, metavar="REGION", help="A region to test, several times for several. Default: all of the partner."
)
@click.option("--partner", help="Whose rehearsal. Default: the only partner of the instance.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="What to rehearse. Default: connectivity and end-to-end.")
@click.option(
    "--escalation",
    "escalations",
    multiple=True,
    type=click.Choice(MODES),
    help="How the agent gives calls back. Default: bye, invite-back.",
)
@click.option(
    "--step-seconds", type=click.FloatRange(0, 86400, min_open=True), help="How long a step waits. Default: as the instance has it."
)
@click.option("--tries", type=click.IntRange(0, 1000), help="Failed tries after which a step is given up. Default: until its time is over.")
@click.option("--name", help="What people call it.")
@click.option("--resume", metavar="ID|last", help="Go on with a rehearsal; what failed is tried again.")
@click.option("--stop", metavar="ID|last", help="Stop a rehearsal; --resume goes on with it.")
@click.option("--list", "listing", is_flag=True, help="List the rehearsals.")
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the protocol as JUnit XML at the end."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the protocol to read and print.")
@click.option(
    "--json",
    "report",
    is_flag=False,
    flag_value=PRINTED,
    metavar="[FILE]",
    help="Write the protocol as JSON; without FILE, or with -, print the rehearsal as JSON instead of its progress.",
)
@click.option(
    "--form",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the signalling form; Markdown when FILE ends in .md.",
)
@against_options
@asks_an_instance
def rehearse(**wanted: Any) -> int:
    """Rehearse the endorsement at a running instance, and follow it: which step waits, what is missing, why the last try failed.

    Place your calls and requests as the partner guide says; each is matched to its step. Ends with 0 when all passed, 1 when a step failed,
    4 when the expected calls never came, 5 when a step was left out. With --against the built-in partner places them; `--against self`
    needs no instance.
    """
    as_json_too = wanted["report"] == PRINTED
    against = against_of(wanted)
    client = client_of(wanted)
    if against is not None:
        return _played(against, client, wanted, as_json_too)
    with explained():
        if wanted["listing"]:
            return _list(client, as_json_too)
        if wanted["stop"]:
            return _stop(client, wanted["stop"], as_json_too)
        begun = _resumed(client, wanted["resume"]) if wanted["resume"] else client.post("/api/v1/rehearsals", _body(wanted))
        return watch(client, begun, files_of(wanted), as_json_too)


def _played(against: Against, client: Client, wanted: Mapping[str, Any], as_json: bool) -> int:
    """Let the built-in partner play the other side, and say the same of it as of any rehearsal."""
    shown, files = Progress(as_json), files_of(wanted)
    with explained():
        ended, troubles = play(against, client, _body(wanted), shown.show, lambda at, one: fetch(at, one, files, as_json))
    for trouble in () if as_json else troubles:
        say(paint(f"the partner: {clean(trouble)}", "quiet"))
    if as_json:
        say_json(ended)
    return exit_code(ended)


def watch(client: Client, begun: Rehearsal, files: Mapping[str, Path], as_json: bool) -> int:
    """Follow a rehearsal on the terminal, fetch its files, give the exit code. Raises ApiError."""
    shown = Progress(as_json)
    try:
        ended = follow(client, begun, shown.show)
    except KeyboardInterrupt:
        name = begun["id"]
        if not as_json:
            say()
            say(f"The rehearsal goes on. Follow it again: sbc-sim rehearse --resume {name}    Stop it: sbc-sim rehearse --stop {name}")
        return INTERRUPTED
    fetch(client, ended, files, as_json)
    if as_json:
        say_json(ended)
    return exit_code(ended)


def files_of(wanted: Mapping[str, Any]) -> dict[str, Path]:
    """What is to be written, by the last part of its path in the API."""
    form = wanted.get("form")
    ending = "md" if form is not None and form.suffix.lower() in (".md", ".markdown") else "html"
    named = {
        "report.xml": wanted.get("junit"),
        "report.html": wanted.get("html"),
        "report.json": None if wanted.get("report") in (None, PRINTED) else Path(wanted["report"]),
        f"signaling-form.{ending}": form,
    }
    return {name: path for name, path in named.items() if path is not None}


def fetch(client: Client, rehearsal: Rehearsal, files: Mapping[str, Path], quiet: bool = False) -> None:
    """Write the files of a rehearsal. Raises ApiError, and Unusable for a file that cannot be written."""
    for name, path in files.items():
        try:
            with path.open("wb") as file:
                client.download(f"/api/v1/rehearsals/{rehearsal['id']}/{name}", file)
        except OSError as error:
            raise Unusable(f"{path} cannot be written: {error.strerror or error}") from None
        if not quiet:
            say(f"wrote {path}")


def _body(wanted: Mapping[str, Any]) -> dict[str, Any]:
    named = {
        "partner": wanted["partner"],
        "regions": list(wanted["regions"]) or None,
        "parts": list(wanted["parts"]) or None,
        "escalations": list(wanted["escalations"]) or None,
        "stepSeconds": wanted["step_seconds"],
        "tries": wanted["tries"],
        "name": wanted["name"],
    }
    return {name: value for name, value in named.items() if value is not None}


def _named(client: Client, name: str) -> str:
    if name != "last":
        return name
    listed = client.get("/api/v1/rehearsals")["rehearsals"]
    if not listed:
        raise Unusable("there is no rehearsal yet; `sbc-sim rehearse` begins one")
    return str(listed[0]["id"])


def _resumed(client: Client, name: str) -> Rehearsal:
    from urllib.parse import quote

    path = f"/api/v1/rehearsals/{quote(_named(client, name), safe='')}"
    one = client.get(path)
    return one if one["state"] in ("running", "passed", "incomplete") else client.post(f"{path}/resume", {})


def _stop(client: Client, name: str, as_json: bool) -> int:
    from urllib.parse import quote

    stopped = client.post(f"/api/v1/rehearsals/{quote(_named(client, name), safe='')}/stop", {})
    if as_json:
        say_json(stopped)
    else:
        say(f"stopped {stopped['id']}; go on with: sbc-sim rehearse --resume {stopped['id']}")
    return PASSED


def _list(client: Client, as_json: bool) -> int:
    found = client.get("/api/v1/rehearsals")["rehearsals"]
    if as_json:
        say_json(found)
    elif not found:
        say("no rehearsals yet; `sbc-sim rehearse` begins one")
    for one in () if as_json else found:
        state = paint(f"{one['state']:<8}", STYLES.get(one["state"], "quiet"))
        say(f"{one['id']}  {state}  {one['createdAt'][:19]}Z  {clean(one['partner'])}  {counted(one['counts'])}  {clean(one['name'])}")
    return PASSED


# --- on the terminal -----------------------------------------------------------------------------------------------------


def clean(text: object) -> str:
    """Escape what no terminal may get."""
    from sbc_sim.exports.redaction import clean as cleaned

    return cleaned(text)


def counted(counts: Mapping[str, int]) -> str:
    """Write how many steps there are of each sort."""
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no steps"


class Progress:
    """Says what is new: a line when a step changes, what is missing, why a try failed. Nothing is drawn over."""

    def __init__(self, silent: bool = False) -> None:
        """`silent`: say nothing, for who wants JSON at the end."""
        self._silent = silent
        self._known: dict[str, tuple[str, str, int]] = {}
        self._notes = 0
        self._headed = False

    def show(self, rehearsal: Rehearsal) -> None:
        """Say what is new in a rehearsal."""
        for line in () if self._silent else self._lines(rehearsal):
            say(line)

    def _lines(self, rehearsal: Rehearsal) -> Iterator[str]:
        if not self._headed:
            self._headed = True
            yield paint(f"Rehearsal {clean(rehearsal['id'])} of {clean(rehearsal['partner'])}: {len(rehearsal['steps'])} steps", "title")
        for step in rehearsal["steps"]:
            yield from self._step(step)
        for note in rehearsal.get("notes", ())[self._notes :]:
            yield from wrapped(f"note: {clean(note['text'])}", "warning")
        self._notes = len(rehearsal.get("notes", ()))
        if rehearsal["state"] in OVER:
            style = STYLES[rehearsal["state"]]
            yield paint(f"{rehearsal['state']}: {counted(rehearsal['counts'])}", style)

    def _step(self, step: Mapping[str, Any]) -> Iterator[str]:
        now = (str(step["state"]), str(step["why"]), int(step["tried"]))
        before = self._known.get(step["id"])
        self._known[step["id"]] = now
        if before == now or (before is None and step["state"] == "pending"):
            return
        state = paint(f"{step['state']:<8}", STYLES.get(step["state"], "quiet"))
        yield f"{_clock()} {state} {clean(step['id']):<26} {clean(step['title'])}"
        yield from self._details(step)

    def _details(self, step: Mapping[str, Any]) -> Iterator[str]:
        state = step["state"]
        if state == "passed" and step["attempts"]:
            yield from wrapped(clean(step["attempts"][-1]["text"]), "quiet")
        elif state in ("waiting", "failed", "skipped") and step["why"]:
            yield from wrapped(clean(step["why"]), "bad" if state == "failed" else "warning")
        if state == "waiting":
            for missing in step["missing"]:
                yield from wrapped(clean(missing), "quiet")
        elif state == "failed" and step["deadline"]:
            yield from wrapped(f"Another try counts until {step['deadline'][11:19]} UTC.", "quiet")


def wrapped(text: str, style: str) -> Iterator[str]:
    """Break a text to the width of the terminal, under the line of its step."""
    import textwrap

    for line in textwrap.wrap(text, max(40, width() - 18)):
        yield " " * 18 + paint(line, style)


def _clock() -> str:
    return time.strftime("%H:%M:%S")
