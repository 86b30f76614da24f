"""The command that holds the partner's trace against ours: compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.asking import asks_an_instance, client_of, explained
from sbc_sim.commands.shared import NO_CALLS, PASSED, RULE_FAILED, SettingsCommand, Unusable, as_json, loaded, say, say_json, width
from sbc_sim.commands.trace_files import READABLE, key_log_option, recording_of, shown, tells_bugs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sbc_sim.client import Client
    from sbc_sim.traces.recording import Octets, Recording


@click.command(cls=SettingsCommand)
@click.argument("theirs", metavar="THEIRS|-")
@click.argument("ours", metavar="OURS|ID|last")
@key_log_option
@click.option("--our-key-log", type=READABLE, metavar="FILE", help="TLS secrets of OURS, when it is a file of another capture.")
@click.option("--all", "everything", is_flag=True, help="Show harmless changes too, as any hop makes them.")
@asks_an_instance
@as_json
@click.pass_context
@tells_bugs
def compare(
    ctx: click.Context,
    /,
    theirs: str,
    ours: str,
    key_log: Path | None,
    our_key_log: Path | None,
    everything: bool,
    as_json: bool,
    **wanted: Any,
) -> int:
    """Hold the trace THEIRS (the partner's end) against OURS (the SBC's): what changed on the way, header by header, like a diff.

    OURS is a trace file, or the id of a call of a running instance. Exit code 0, 1 when a rule that held when a message was sent is
    broken when it arrives, 2 for what is no trace, 4 when no call is in both.
    """
    policy = loaded(ctx).settings.policy()
    there = recording_of(theirs, key_log)
    here = _ours(ours, our_key_log or key_log, client_of(wanted))
    from sbc_sim.offline.changes import Weight
    from sbc_sim.offline.compare import compare as compared
    from sbc_sim.offline.compare import comparison_data

    comparison = compared(there, here, policy)
    if as_json:
        from sbc_sim.exports.redaction import mask_values

        say_json(mask_values(comparison_data(comparison)))
    else:
        from sbc_sim.offline.comparison_text import comparison_text

        say(comparison_text(comparison, width(), everything).rstrip("\n"))
    if not comparison.calls:
        return NO_CALLS
    return RULE_FAILED if any(call.worst is Weight.BREAKS for call in comparison.calls) else PASSED


def _ours(name: str, key_log: Path | None, client: Client) -> Recording:
    """Read a file if there is one of that name, else ask the instance for the call."""
    if Path(name).is_file():
        return recording_of(name, key_log)
    if name == "-" or "/" in name or "." in Path(name).name:
        raise Unusable(f"{shown(name)}: no such file (OURS is a trace, or the id of a call of a running instance)")
    with explained():
        call = str(client.call(name)["id"])
        messages = list(client.messages(call, secrets=True))
    return _recording(messages)


def _recording(messages: Sequence[Mapping[str, Any]]) -> Recording:
    from sbc_sim.traces.recording import Flow, Recording

    octets = tuple(_octets(message) for message in messages if message.get("raw"))
    flow = Flow(1, "udp", ("", 0), ("", 0), octets[0].at if octets else 0.0)
    return Recording((flow,), octets)


def _octets(message: Mapping[str, Any]) -> Octets:
    from base64 import b64decode
    from datetime import datetime

    from sbc_sim.traces.recording import Octets

    try:
        at = datetime.fromisoformat(str(message.get("at"))).timestamp()
        raw = b64decode(str(message["raw"]), validate=True)
    except ValueError:
        raise Unusable("the instance answered with messages that cannot be read: is it another version?") from None
    return Octets(at, 1, message.get("direction") == "in", raw)
