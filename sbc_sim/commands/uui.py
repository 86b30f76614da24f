"""Commands for User-to-User values: uui decode, encode, lint."""

from __future__ import annotations

import json
import sys

import click

from sbc_sim.commands.shared import PASSED, RULE_FAILED, SettingsCommand, as_json, loaded, say, say_json, width

ECHO_PAYLOAD = '{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'
"""The content that selects the echo test. Here too, for commands that do not judge start without the rules."""

secrets_shown = click.option("--secrets", is_flag=True, help="Show tokens in full.")
header_value = click.argument("value", metavar="VALUE|-")


@click.group()
def uui() -> None:
    """Read and write User-to-User headers.

    VALUE is what stands behind the colon, with or without ;encoding=hex, or the whole header line; - reads it from standard input.
    """


@uui.command("decode", cls=SettingsCommand)
@header_value
@secrets_shown
@as_json
@click.pass_context
def uui_decode(ctx: click.Context, value: str, secrets: bool, as_json: bool) -> int:
    """Show what a value holds: text, JSON fields, token, lengths, and what is wrong with it. Exit code 1 when it cannot be read."""
    from sbc_sim.calls.uui_alone import decoded
    from sbc_sim.exports.redaction import mask_uui
    from sbc_sim.exports.uui_text import uui_text

    data = decoded(_given(value), loaded(ctx).settings.policy())
    told = data if secrets else mask_uui(data)
    if as_json:
        say_json(told)
    else:
        say(uui_text(told, data).rstrip("\n"))
    return RULE_FAILED if data["decoded"] is None else PASSED


@uui.command("lint", cls=SettingsCommand)
@header_value
@as_json
@click.pass_context
def uui_lint(ctx: click.Context, value: str, as_json: bool) -> int:
    """Judge a value by the rules for User-to-User. Exit code 1 when one is broken."""
    from sbc_sim.calls.uui_alone import judged, verdict_data
    from sbc_sim.exports.report_text import verdict_text

    told = verdict_data(judged(_given(value), loaded(ctx).settings.policy()))
    if as_json:
        say_json(told["findings"])
    else:
        say(verdict_text(told, width(), everything=False).rstrip("\n"))
    return RULE_FAILED if told["status"] == "fail" else PASSED


def _given(value: str) -> str:
    """Take the argument, or standard input for `-`."""
    return sys.stdin.read() if value == "-" else value


@uui.command("encode")
@click.argument("text", metavar="TEXT|-", required=False)
@click.option("--echo", is_flag=True, help="The content that selects the echo test.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="A field of a JSON object; may be repeated.")
@click.option("--header", is_flag=True, help="Print the whole header line.")
@as_json
def uui_encode(text: str | None, echo: bool, fields: tuple[str, ...], header: bool, as_json: bool) -> None:
    """Write text as the value of a User-to-User header."""
    from sbc_sim.calls.uui_alone import encoded

    if (text is not None) + echo + bool(fields) != 1:
        raise click.UsageError("give one of TEXT, --echo or --field NAME=VALUE")
    if text is not None:
        content = _given(text)
    else:
        content = ECHO_PAYLOAD if echo else json.dumps(_fields_of(fields), separators=(",", ":"), ensure_ascii=False)
    told = encoded(content)
    if as_json:
        say_json(told)
    else:
        say(told["header"] if header else told["value"])


def _fields_of(pairs: tuple[str, ...]) -> dict[str, str]:
    named = [pair.partition("=") for pair in pairs]
    if wrong := next((pair for pair, (_, equals, _) in zip(pairs, named, strict=True) if not equals), None):
        raise click.BadParameter(f"{wrong!r} is not NAME=VALUE")
    return {name: value for name, _, value in named}
