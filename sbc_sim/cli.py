"""The command line: arguments become Settings or a question, answers become text or JSON, and an exit code.

Exit codes: 0 passed, 1 a rule failed, 2 usage or settings, 3 could not run (port, TLS, network), 4 the expected calls never came,
130 interrupted. Every room is imported by the command that needs it, so that `version` and `explain` start at once.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from sbc_sim.rules.evidence import Evidence
    from sbc_sim.settings import Loaded

PASSED, RULE_FAILED, USAGE, CANNOT_RUN, NO_CALLS, INTERRUPTED = 0, 1, 2, 3, 4, 130


class Unusable(click.ClickException):
    """Arguments or settings that cannot be used."""

    exit_code = USAGE

    def show(self, file: Any = None) -> None:
        """Say it in one line."""
        click.echo(f"sbc-sim: {self.format_message()}", err=True, file=file)


class CannotRun(Unusable):
    """Something outside stands in the way: a port, TLS, the network."""

    exit_code = CANNOT_RUN


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code. No command at all means `serve`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in {"--help", "-h", "--version"}):
        words.insert(0, "serve")
    sys.exit(_run(words))


def _run(words: list[str]) -> int:
    try:
        code = cli.main(words, prog_name="sbc-sim", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # `sbc-sim explain | head`: nobody listens any more, which is no mistake
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PASSED
    return code if isinstance(code, int) else PASSED


# --- what several commands share ---------------------------------------------------------------------------------------


class SettingsCommand(click.Command):
    """A command that takes every setting as a flag. The flags are made from the model, and only when such a command runs."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Add --config, --set and one flag for each setting to the command's own."""
        return [*super().get_params(ctx), *_setting_options()]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the command's own options first, then the settings by section."""
        own = [record for param in super().get_params(ctx) if (record := param.get_help_record(ctx))]
        with formatter.section("Options"):
            formatter.write_dl(own)
        with formatter.section("Settings (also as SBC_SIM_SECTION__KEY, and in the file of --config)"):
            formatter.write_dl([record for option in _setting_options() if (record := option.get_help_record(ctx))])


@functools.cache
def _setting_options() -> tuple[click.Option, ...]:
    from sbc_sim.settings import all_settings

    def keep(key: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
        def callback(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
            if value is not None:
                ctx.meta.setdefault("flags", {})[key] = value

        return callback

    def keep_pairs(ctx: click.Context, _: click.Parameter, pairs: tuple[str, ...]) -> None:
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals:
                raise click.BadParameter(f"{pair!r} is not KEY=VALUE, for example uui.missing=warn")
            ctx.meta.setdefault("flags", {})[key.strip()] = value

    def keep_file(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
        ctx.meta["config"] = path

    def option(flag: str, callback: Any, **more: Any) -> click.Option:
        return click.Option([flag], expose_value=False, callback=callback, **more)

    return (
        option("--config", keep_file, type=click.Path(path_type=Path), metavar="FILE", help="Settings file (YAML)."),
        option("--set", keep_pairs, multiple=True, metavar="KEY=VALUE", help="Any setting by its name."),
        *(
            option(s.flag, keep(s.key), metavar="VALUE", help=s.description + (f" [{s.default}]" if s.default else ""))
            for s in all_settings().values()
        ),
    )


def _loaded(ctx: click.Context) -> Loaded:
    from sbc_sim.settings import SettingsError, load

    try:
        return load(ctx.meta.get("flags", {}), file=ctx.meta.get("config"))
    except SettingsError as error:
        raise Unusable(str(error)) from None


def _say(text: str = "") -> None:
    """Print, coloured only on a terminal that wants it (NO_COLOR)."""
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def _say_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def own_version() -> str:
    """Version of the installed package; a checkout that was never installed has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sbc-sim")
    except PackageNotFoundError:
        return "0+unknown"


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        _say(f"sbc-sim {own_version()}")
        ctx.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, help="Print the version.", callback=_print_version)
def cli() -> None:
    """Simulate the Salesforce SBC for SIP partners: SIP over TLS, SDES-SRTP, an echo, and a verdict.

    Without a command: serve.
    """


# --- version, config, ready --------------------------------------------------------------------------------------------


@cli.command()
@as_json
def version(as_json: bool) -> None:
    """Print the version."""
    import platform

    here = {"version": own_version(), "python": platform.python_version(), "platform": platform.platform()}
    if as_json:
        _say_json(here)
    else:
        _say(f"sbc-sim {here['version']} (Python {here['python']}, {here['platform']})")


@cli.group()
def config() -> None:
    """Show or check the settings."""


@config.command("show", cls=SettingsCommand)
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@as_json
@click.pass_context
def config_show(ctx: click.Context, changed: bool, as_json: bool) -> None:
    """Print the effective settings with the origin of each value."""
    from sbc_sim.settings import shown

    loaded = _loaded(ctx)
    rows = {key: (loaded.settings.value(key), origin) for key, origin in loaded.origins.items() if not changed or origin != "default"}
    if as_json:
        dumped = loaded.settings.model_dump(mode="json")
        parts = {key: key.split(".") for key in rows}
        _say_json({key: {"value": dumped[parts[key][0]][parts[key][1]], "origin": origin} for key, (_, origin) in rows.items()})
        return
    key_width = max(map(len, rows), default=0)
    value_width = min(40, max((len(shown(value)) for value, _ in rows.values()), default=0))
    for key, (value, origin) in rows.items():
        _say(f"{key:<{key_width}}  {shown(value) or '-':<{value_width}}  {click.style(origin, dim=origin == 'default')}")


@config.command("check", cls=SettingsCommand)
@click.pass_context
def config_check(ctx: click.Context) -> None:
    """Say whether the settings can be used (exit code 2 when not)."""
    loaded = _loaded(ctx)
    changed = sum(origin != "default" for origin in loaded.origins.values())
    _say(f"the settings are fine: {changed} of {len(loaded.origins)} differ in origin from the defaults")


@config.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the settings file."""
    from sbc_sim.settings import Settings

    _say_json(Settings.model_json_schema())


@cli.command(cls=SettingsCommand)
@click.option("--wait", is_flag=True, help="Ask until it is ready or the time is over.")
@click.option("--timeout", type=click.FloatRange(min=0), default=30.0, show_default=True, help="How long to wait, seconds.")
@click.option("--ports-file", type=click.Path(path_type=Path), help="The file that `serve --ports-file` writes.")
@click.pass_context
def ready(ctx: click.Context, wait: bool, timeout: float, ports_file: Path | None) -> int:
    """Exit 0 when the simulator says that it is ready for calls, else 1."""
    endpoint = _loaded(ctx).settings.http.listen
    until = time.monotonic() + timeout
    while True:
        problem = _not_ready(_reachable(endpoint.host), endpoint.port, ports_file, max(0.1, min(5.0, timeout)))
        if not problem:
            return PASSED
        if not wait or time.monotonic() > until:
            click.echo(f"sbc-sim: not ready: {problem}", err=True)
            return RULE_FAILED
        time.sleep(0.05)


def _reachable(host: str) -> str:
    """Give an address by which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _not_ready(host: str, port: int, ports_file: Path | None, timeout: float) -> str:
    import http.client

    try:
        port = json.loads(ports_file.read_text(encoding="utf-8"))["http"] if ports_file else port
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return f"{host}:{port}: {error}"
    return "" if status == 200 else f"{host}:{port}/readyz says {status}"


# --- explain -----------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("word", required=False, default="")
@as_json
def explain(word: str, as_json: bool) -> int:
    """Say what a rule demands, why, and how to mend a breach.

    WORD is a rule id, a status code, a TLS alert or a word; without it all rules are listed.
    """
    from sbc_sim.rules.explain import as_line, as_text, rule_data
    from sbc_sim.rules.explain import explain as find

    rules = find(word)
    if as_json:
        _say_json([rule_data(rule) for rule in rules])
    elif word:
        _say("\n\n".join(as_text(rule, _width()) for rule in rules))
    else:
        _say("\n".join(map(as_line, rules)))
    if not rules:
        raise Unusable(f"no rule is about {word!r}; `sbc-sim explain` lists them all")
    return PASSED


def _width() -> int:
    import shutil

    return max(60, min(120, shutil.get_terminal_size((100, 24)).columns))


# --- User-to-User ------------------------------------------------------------------------------------------------------

ECHO_PAYLOAD = '{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'
"""The content that selects the echo test."""

secrets_shown = click.option("--secrets", is_flag=True, help="Show tokens in full.")
header_value = click.argument("value", metavar="VALUE|-")


@cli.group()
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
        _say_json(told)
    else:
        _say(uui_text(told, data).rstrip("\n"))
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
    judged = verdict(judge(evidence, _loaded(ctx).settings.policy()))
    findings = [finding_data(finding) for finding in judged.findings]
    if as_json:
        _say_json(findings)
    else:
        told = {"status": judged.status.value, "counts": judged.counts, "findings": findings}
        _say(verdict_text(told, _width(), everything=False).rstrip("\n"))
    return RULE_FAILED if judged.status is Status.FAIL else PASSED


def _evidence_of(value: str, ctx: click.Context) -> Evidence:
    """Put the value into an INVITE of its own, for the judges read messages."""
    from sbc_sim.calls.call import uui_expectation
    from sbc_sim.rules.evidence import Evidence
    from sbc_sim.sip.message import Headers, Request
    from sbc_sim.sip.uui import read

    words = _words_of(value)
    invite = Request("INVITE", "sip:echo@sbc-sim.invalid", Headers([("User-to-User", words)]))
    return Evidence(invite=invite, uui=read(invite.headers, uui_expectation(_loaded(ctx).settings.policy())))


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
        _say_json({"value": value, "content": content, "lengths": {"value": len(digits), "decoded": len(digits) // 2}})
    else:
        _say(f"User-to-User: {value}" if header else value)


def _fields_of(pairs: tuple[str, ...]) -> dict[str, str]:
    named = [pair.partition("=") for pair in pairs]
    if wrong := next((pair for pair, (_, equals, _) in zip(pairs, named, strict=True) if not equals), None):
        raise click.BadParameter(f"{wrong!r} is not NAME=VALUE")
    return {name: value for name, _, value in named}


# --- certificates ------------------------------------------------------------------------------------------------------


@cli.group()
def tls() -> None:
    """Make and show certificates."""


@tls.command("ca", cls=SettingsCommand)
@click.option("--pem", is_flag=True, help="Print the certificate itself.")
@as_json
@click.pass_context
def tls_ca(ctx: click.Context, pem: bool, as_json: bool) -> None:
    """Say where the CA certificate is that partners must trust (made when missing), and its fingerprint."""
    from sbc_sim.service import certificate_files

    ca = certificate_files(_loaded(ctx).settings).ca
    if pem:
        click.echo(ca.read_bytes(), nl=False)
    else:
        _show_certificates([ca], as_json)


@tls.command("issue", cls=SettingsCommand)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--as", "stem", help="File name without ending; default: the first name.")
@as_json
@click.pass_context
def tls_issue(ctx: click.Context, names: tuple[str, ...], stem: str | None, as_json: bool) -> None:
    """Make one more certificate under the local CA, for a server or client called NAME (host names or addresses)."""
    from sbc_sim.net.certificates import CertificateError, issue

    try:
        certificate, key = issue(_loaded(ctx).settings.tls.dir, names, stem or names[0].replace("*", "any").replace(":", "-"))
    except CertificateError as error:
        raise CannotRun(str(error)) from None
    _show_certificates([certificate], as_json)
    if not as_json:
        _say(f"key          {key}")


@tls.command("show", cls=SettingsCommand)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@as_json
@click.pass_context
def tls_show(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Show certificates: those of FILE, or the CA's and the server's of this simulator."""
    from sbc_sim.service import certificate_files

    if not files:
        here = certificate_files(_loaded(ctx).settings)
        files = (here.ca, here.server)
    _show_certificates(files, as_json)


def _show_certificates(files: Sequence[Path], as_json: bool) -> None:
    from dataclasses import asdict

    from sbc_sim.net.certificates import CertificateError, show

    try:
        facts = {str(file): asdict(show(file)) for file in files}
    except CertificateError as error:
        raise CannotRun(str(error)) from None
    if as_json:
        _say_json([{"file": file, **{_camel(name): value for name, value in fact.items()}} for file, fact in facts.items()])
        return
    for file, fact in facts.items():
        _say(f"file         {file}")
        for name, value in fact.items():
            _say(f"{name.replace('_', ' '):<12} {', '.join(value) if isinstance(value, tuple) else value}")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
