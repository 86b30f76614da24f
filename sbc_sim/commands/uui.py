"""Commands for User-to-User values: uui decode, encode, lint."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from sbc_sim.commands.shared import PASSED, RULE_FAILED, SettingsCommand, as_json, loaded, say, say_json, width

if TYPE_CHECKING:
    from sbc_sim.rules.evidence import Evidence

ECHO_PAYLOAD = '{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'
"""The content that selects the echo test."""

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
    from sbc_sim.calls.telling import user_to_user
    from sbc_sim.exports.redaction import mask_uui
    from sbc_sim.exports.uui_text import uui_text

    evidence = _evidence_of(value, ctx)
    assert evidence.uui is not None
    data = user_to_user(evidence.uui, [])
    told = data if secrets else mask_uui(data)
    if as_json:
        say_json(told)
    else:
        say(uui_text(told, data).rstrip("\n"))
    return RULE_FAILED if evidence.uui.decoded is None else PASSED


@uui.command("lint", cls=SettingsCommand)
@header_value
@as_json
@click.pass_context
def uui_lint(ctx: click.Context, value: str, as_json: bool) -> int:
    """Judge a value by the rules for User-to-User. Exit code 1 when one is broken."""
    from sbc_sim.calls.telling import finding as finding_data
    from sbc_sim.exports.report_text import verdict_text
    from sbc_sim.rules.finding import Status, verdict
    from sbc_sim.rules.uui import judge

    evidence = _evidence_of(value, ctx)
    judged = verdict(judge(evidence, loaded(ctx).settings.policy()))
    findings = [finding_data(finding) for finding in judged.findings]
    if as_json:
        say_json(findings)
    else:
        told = {"status": judged.status.value, "counts": judged.counts, "findings": findings}
        say(verdict_text(told, width(), everything=False).rstrip("\n"))
    return RULE_FAILED if judged.status is Status.FAIL else PASSED


def _evidence_of(value: str, ctx: click.Context) -> Evidence:
    """Put the value into an INVITE of its own, for the judges read messages."""
    from sbc_sim.calls.call import uui_expectation
    from sbc_sim.rules.evidence import Evidence
    from sbc_sim.sip.message import Headers, Request
    from sbc_sim.sip.uui import read

    words = _words_of(value)
    invite = Request("INVITE", "sip:echo@sbc-sim.invalid", Headers([("User-to-User", words)]))
    return Evidence(invite=invite, uui=read(invite.headers, uui_expectation(loaded(ctx).settings.policy())))


def _words_of(value: str) -> str:
    """Take the argument, or standard input for `-`, without the header's name."""
    text = (sys.stdin.read() if value == "-" else value).strip("\r\n")
    name, colon, rest = text.partition(":")
    return rest.strip() if colon and name.strip().lower() in {"user-to-user", "x-user-to-user"} else text


@uui.command("encode")
@click.argument("text", metavar="TEXT|-", required=False)
@click.option("--echo", is_flag=True, help="The content that selects the echo test.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="A field of a JSON object; may be repeated.")
@click.option("--header", is_flag=True, help="Print the whole header line.")
@as_json
def uui_encode(text: str | None, echo: bool, fields: tuple[str, ...], header: bool, as_json: bool) -> None:
    """Write text as the value of a User-to-User header."""
    if (text is not None) + echo + bool(fields) != 1:
        raise click.UsageError("give one of TEXT, --echo or --field NAME=VALUE")
    if text is not None:
        content = sys.stdin.read() if text == "-" else text
    else:
        content = ECHO_PAYLOAD if echo else json.dumps(_fields_of(fields), separators=(",", ":"), ensure_ascii=False)
    digits = content.encode("utf-8", "surrogateescape").hex()
    value = f"{digits};encoding=hex"
    if as_json:
        say_json({"value": value, "content": content, "lengths": {"value": len(digits), "decoded": len(digits) // 2}})
    else:
        say(f"User-to-User: {value}" if header else value)


def _fields_of(pairs: tuple[str, ...]) -> dict[str, str]:
    named = [pair.partition("=") for pair in pairs]
    if wrong := next((pair for pair, (_, equals, _) in zip(pairs, named, strict=True) if not equals), None):
        raise click.BadParameter(f"{wrong!r} is not NAME=VALUE")
    return {name: value for name, _, value in named}
