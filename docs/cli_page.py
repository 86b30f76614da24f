"""docs/cli.md from the commands themselves, with an example for each: a command without one is an error."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from sbc_sim.cli import whole_tree
from sbc_sim.commands.shared import SettingsCommand

HEAD = """# The command line

Made by `make docs` from the commands themselves; `sbc-sim COMMAND --help` says the same. `python -m sbc_sim` is `sbc-sim`, and
without a command it is `sbc-sim serve`.

Commands marked *settings* take every setting as a flag too (`--media-ports 31000-31199`), `--set KEY=VALUE` for any setting by its name,
and `--config FILE`: [settings.md](settings.md) lists them. `-` as a FILE is standard input or output. Colours and progress appear on
terminals only, and colours never where `NO_COLOR` is set. Keys and tokens are masked, and control characters from outside escaped, in all
that is printed.

| exit code | meaning |
|---|---|
| 0 | it went well; a command that only reads or exports ends so whatever a verdict says |
| 1 | a rule failed, a call did not pass, or what was asked about is not so |
| 2 | arguments, settings or a file that cannot be used; a call or token that the instance does not know |
| 3 | it could not run: a port, a certificate, the network, an instance that does not answer |
| 4 | the calls that were looked for are not there |
| 5 | `rehearse`: nothing failed, but a step was left out |
| 130 | interrupted |
| 141 | whoever read the output (`head`) went away before it was all told |

Commands that ask a running instance find it by `--api`, else `SBC_SIM_API`, else at http://127.0.0.1:8061, with the token of `--token` or
`--token-file`, else `SBC_SIM_TOKEN` or the file that `SBC_SIM_TOKEN_FILE` names.
"""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "serve": ("serve", "serve --sip-advertised sbc.example.com --media-advertised 203.0.113.5", "serve --store-url sqlite:calls.db"),
    "ready": ("ready --wait --timeout 20", "ready --http-listen 127.0.0.1:18061"),
    "demo": ("demo", "demo --seconds 10 --json", "demo --escalate"),
    "call": (
        "call tls:127.0.0.1:5061 --ladder",
        'call tls:sbc.example.com:5061 --ca their-ca.pem --uui-text \'{"orgId":"00D"}\'',
        "call tls:127.0.0.1:5061 --calls 10 --seconds 30 --json",
    ),
    "answer": (
        "answer --listen 127.0.0.1:5071",
        "answer --listen 0.0.0.0:5071 --name sbc.acme.example --calls 1 --timeout 120 --json",
        "answer --mistake demands-certificate",
    ),
    "rehearse": (
        "rehearse --region frankfurt --region london --html protocol.html --form form.md",
        "rehearse --part connectivity --tries 1 --junit rehearsal.xml",
        "rehearse --resume last",
        "rehearse --against self",
    ),
    "calls ls": ("calls ls", "calls ls --status fail --since 2h", "calls ls --follow"),
    "calls show": ("calls show last", "calls show last --messages", "calls show last --json"),
    "calls escalate": ("calls escalate last", "calls escalate last --mode invite-back --target sips:rep@sbc.example.com:5071"),
    "calls hangup": ("calls hangup last",),
    "calls export": (
        "calls export last --pcapng",
        "calls export last --html report.html --zip --redaction strict",
        "calls export last --pcapng - --api http://sbc-sim.example:8061",
    ),
    "doctor": ("doctor", "doctor --sip-advertised sbc.example.com", "doctor --api http://127.0.0.1:8061 --json"),
    "judge": ("judge trace.pcapng --key-log keys.log", "judge invite.txt", "judge trace.pcap --junit verdicts.xml"),
    "compare": ("compare ours.pcapng last --key-log keys.log", "compare theirs.txt ours.txt --all"),
    "tls ca": ("tls ca",),
    "tls issue": ("tls issue sbc.example.com 203.0.113.5 --as sbc",),
    "tls show": ("tls show", "tls show certs/server.pem --json"),
    "scenario check": ("scenario check mine.yaml", "scenario check - --json"),
    "scenario show": ("scenario show", "scenario show support", "scenario show support --yaml"),
    "tls rotate": ("tls rotate new-leaf", "tls rotate expired --region frankfurt", "tls rotate original"),
    "uui decode": ('uui decode "7b226f72674964223a22303044227d;encoding=hex"', "uui decode - --json"),
    "uui encode": ("uui encode --echo", "uui encode --field orgId=00D --field scrt2Domain=example.com --header"),
    "uui lint": ('uui lint "7b226f72674964223a22303044227d;encoding=hex"',),
    "numbers": ("numbers", "numbers --faults", "numbers --json"),
    "explain": ("explain SBC-UUI-002", "explain 488", "explain unknown_ca"),
    "config show": ("config show --changed",),
    "config check": ("config check --config config.yaml",),
    "config schema": ("config schema",),
    "version": ("version --json",),
}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Group, click.Command]]:
    """List every command that does something, with the words that call it and the group that it is in."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), group, command


def cli_markdown() -> str:
    """Write the page."""
    return HEAD + "".join(f"{line}\n" for words, group, command in commands(whole_tree()) for line in _section(words, group, command))


def _section(words: str, group: click.Group, command: click.Command) -> Iterator[str]:
    yield ""
    yield f"## sbc-sim {words}"
    yield ""
    yield inspect.cleandoc(command.help or "")
    yield ""
    more = inspect.cleandoc(group.help or "").partition("\n\n")[2] if " " in words else ""
    yield from ([more, ""] if more else [])
    yield "```"
    yield from (f"sbc-sim {example}" for example in EXAMPLES[words])
    yield "```"
    yield ""
    yield "| argument, option | meaning |"
    yield "|---|---|"
    for parameter in command.params:  # not get_params: the settings have a page of their own
        yield f"| {_name(parameter)} | {_meaning(parameter)} |"
    if isinstance(command, SettingsCommand):
        yield "| *settings* | `--config FILE`, `--set KEY=VALUE`, and a flag for each of [settings.md](settings.md) |"


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        metavar = "" if parameter.is_flag else " " + (parameter.metavar or _values(parameter))
        return _code(f"{parameter.opts[0]}{metavar}")
    return _code(str(parameter.metavar or (parameter.name or "").upper()))


def _values(parameter: click.Option) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return "|".join(map(str, kind.choices))
    return {"path": "FILE", "float range": "NUMBER", "integer range": "NUMBER"}.get(kind.name, kind.name.upper())


def _meaning(parameter: click.Parameter) -> str:
    if not isinstance(parameter, click.Option):
        return "may be repeated" if parameter.nargs == -1 else ("" if parameter.required else "may be left out")
    shown = f" [{parameter.default}]" if parameter.show_default else ""
    return ((parameter.help or "") + shown).replace("|", "\\|")


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"
