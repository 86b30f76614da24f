"""The command line: arguments become Settings or a question, answers become text or JSON, and an exit code.

Exit codes: 0 passed, 1 a rule failed, 2 usage or settings, 3 could not run (port, TLS, network), 4 the expected calls never came,
130 interrupted, 141 whoever read the output went away before it was all told. A command is imported when it is called, and every room
by the command that needs it: no command pays for the others at its start.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

import click

from sbc_sim.commands.shared import INTERRUPTED, NOBODY_READS, PASSED, CannotRun, end_on_sigterm, own_version, say

_MODULES: Mapping[str, str] = {
    "serve": "serve",
    "ready": "serve",
    "demo": "demo",
    "call": "call",
    "answer": "answer",
    "calls": "calls",
    "rehearse": "rehearse",
    "doctor": "doctor",
    "judge": "judge",
    "compare": "compare",
    "scenario": "scenario",
    "tls": "tls",
    "uui": "uui",
    "numbers": "numbers",
    "explain": "about",
    "config": "about",
    "version": "about",
}
"""Where in `sbc_sim.commands` each command stands, under its own name."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code. No command at all means `serve`."""
    if arguments is None:  # a process of our own: nothing that is made during its start is garbage; `run_reactor` switches it on again
        gc.disable()
        end_on_sigterm()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look through every installed package for them
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
    return code if isinstance(code, int) else PASSED


def _imported(name: str) -> click.Command:
    command: click.Command = getattr(import_module(f"sbc_sim.commands.{_MODULES[name]}"), name)
    return command


class _Commands(click.Group):
    """Imports a command when it is asked for.

    Tells an output that takes no more apart from what the command found: click would end with 1, which means that a rule failed.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all of them."""
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give one, None when there is none of the name."""
        return _imported(cmd_name) if cmd_name in _MODULES else None

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        """Read the arguments; --help and --version print here."""
        with _output():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _output():
            return super().invoke(ctx)


@contextmanager
def _output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in _OUTPUT_ERRORS:
            raise
        # what waits in the buffer would be tried again at the end of the process, and be a traceback there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:  # `sbc-sim judge FILE | head`: no mistake, but not a verdict either
            raise click.exceptions.Exit(NOBODY_READS) from None
        raise CannotRun(f"the output cannot be written: {error.strerror}") from None


_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What writing to a pipe, a file or a terminal can end with; files that a command names itself are refused by the command."""


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        say(f"sbc-sim {own_version()}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, help="Print the version.", callback=_print_version)
def cli() -> None:
    """Simulate the Salesforce SBC for SIP partners: SIP over TLS, SDES-SRTP, an echo, and a verdict.

    Without a command: serve.
    """


def whole_tree() -> click.Group:
    """Give every command at once, in the order of documents."""
    return click.Group("sbc-sim", {name: _imported(name) for name in _MODULES})
