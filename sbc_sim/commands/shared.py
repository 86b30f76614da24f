"""What several commands share: exit codes, refusals, settings as flags, printing, running the reactor."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sbc_sim.settings import Loaded

PASSED, RULE_FAILED, USAGE, CANNOT_RUN, NO_CALLS, INCOMPLETE, INTERRUPTED, NOBODY_READS = 0, 1, 2, 3, 4, 5, 130, 141


class Unusable(click.ClickException):
    """Arguments or settings that cannot be used."""

    exit_code = USAGE

    def show(self, file: Any = None) -> None:
        """Say it in one line."""
        click.echo(f"sbc-sim: {self.format_message()}", err=True, file=file)


class CannotRun(Unusable):
    """Something outside stands in the way: a port, TLS, the network."""

    exit_code = CANNOT_RUN


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


def loaded(ctx: click.Context, files: bool = False) -> Loaded:
    """Load the settings from flags, environment and file; what cannot be used ends the command with 2.

    `files`: read those too that partners, regions and agents name.
    """
    from sbc_sim.settings import SettingsError, load

    try:
        found = load(ctx.meta.get("flags", {}), file=ctx.meta.get("config"))
        if files:
            from sbc_sim.partner_files import check_files

            check_files(found)
            from sbc_sim.agent_files import check_agents

            check_agents(found)
            if found.settings.workers.count > 1:
                from sbc_sim.worker_plan import shares

                shares(found.settings, found.origins)
        return found
    except SettingsError as error:
        raise Unusable(str(error)) from None


@contextlib.contextmanager
def passing_folder(what: str) -> Iterator[Path]:
    """Give a folder, for this user alone, that goes with the block. Raises CannotRun where nothing can be written."""
    import tempfile

    from sbc_sim.settings_data import scratch

    try:
        folder = tempfile.TemporaryDirectory(prefix=f"sbc-sim-{what}-", dir=scratch())
    except OSError as error:
        raise CannotRun(f"no folder for temporary files can be written ({error.strerror}): mount one (--tmpfs /tmp)") from None
    with folder as name:
        yield Path(name)


def may_dial(host: str) -> bool:
    """Tell whether a name of Salesforce's production may be dialled: only when the settings say so in as many words."""
    from sbc_sim.calls.production import DIAL_WORDS, is_production

    if not is_production(host):
        return False
    from sbc_sim.settings import SettingsError, load

    try:
        return load().settings.sip.dial_production == DIAL_WORDS
    except SettingsError as error:
        raise Unusable(str(error)) from None


def say(text: str = "") -> None:
    """Print, coloured only on a terminal that wants it (NO_COLOR)."""
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def say_json(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def own_version() -> str:
    """Version of the installed package; a checkout that was never installed has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sbc-sim")
    except PackageNotFoundError:
        return "0+unknown"


def width() -> int:
    """Columns to write in: the terminal's, within reason."""
    import shutil

    return max(60, min(120, shutil.get_terminal_size((100, 24)).columns))


def the_reactor() -> Any:
    """Import Twisted's reactor, which only commands that run one should pay for.

    Its clock is the wall clock as it comes: a step backwards would hold up every timer. It gets one that never steps.
    """
    from twisted.internet import reactor as global_reactor

    reactor: Any = global_reactor
    reactor.seconds = time.monotonic
    return reactor


def end_on_sigterm() -> None:
    """End at once on SIGTERM until `run_reactor` takes over, where the system would not: the first process of a container."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(PASSED))


def run_reactor(reactor: Any, stop: Callable[[], object], drain: Callable[[], object] | None = None) -> int:
    """Run until somebody calls `end_reactor`; returns 0, or 130 after an interrupt.

    SIGINT and SIGTERM call `stop`, which must lead to `end_reactor` by and by; a second signal ends the process at once. With `drain`, a
    first SIGTERM calls that, which must lead to `stop` by and by, and the next signal `stop`.
    """
    code: int | None = None
    left = [stop] if drain is None else [stop, drain]

    def interrupted(number: int, _: object) -> None:
        nonlocal code
        if not left:
            os._exit(INTERRUPTED)
        if number == signal.SIGINT:
            del left[1:]
        code = code if code is not None else INTERRUPTED if number == signal.SIGINT else PASSED
        reactor.callFromThread(left.pop())

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    gc.freeze()  # modules and rooms stay for good: no collection need look at them again
    gc.enable()
    reactor.run(installSignalHandlers=False)
    return code or PASSED


def end_reactor(reactor: Any) -> None:
    """Stop the reactor; a second time does nothing."""
    from twisted.internet.error import ReactorNotRunning

    with contextlib.suppress(ReactorNotRunning):
        reactor.stop()


class Ending:
    """How a service that serves ends: calls may go on for limits.drain_seconds, or end at once."""

    def __init__(self, service: Any, reactor: Any) -> None:
        """Nothing has ended yet."""
        self._service = service
        self._reactor = reactor
        self._begun = False

    def drain(self) -> None:
        """Take no new calls, and stop when the live ones are over or their time is."""
        seconds, live = self._service.settings.limits.drain_seconds, self._service.switchboard.live_calls
        if seconds and live:
            from sbc_sim import logs

            logs.say(f"stopping: no new calls, and the live ones get BYE in {seconds:g} s (limits.drain_seconds)", calls=live)
        self._service.drain(seconds).addCallback(lambda _: self.stop())

    def stop(self) -> None:
        """End calls with BYE, then the reactor; a second time does nothing."""
        if not self._begun:
            self._begun = True
            self._service.stop().addBoth(lambda _: end_reactor(self._reactor))


STYLES: dict[str, dict[str, Any]] = {
    "title": {"bold": True},
    "strong": {"fg": "cyan"},
    "quiet": {"dim": True},
    "good": {"fg": "green"},
    "warning": {"fg": "yellow"},
    "bad": {"fg": "red"},
}


def paint(text: str, style: str) -> str:
    """Colour a text for `say`, which leaves the colour out where it is not wanted."""
    return click.style(text, **STYLES[style])
