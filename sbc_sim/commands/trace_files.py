"""Traces on the command line: a file or standard input, a key log beside it, and what is wrong with either in one sentence."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.shared import CannotRun, Unusable

if TYPE_CHECKING:
    from sbc_sim.traces.recording import Recording

LARGEST = 256 * 1024 * 1024
"""Octets of a trace that are read."""
LARGEST_KEY_LOG = 32 * 1024 * 1024
READABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
key_log_option = click.option(
    "--key-log", "key_log", type=READABLE, metavar="FILE", help="TLS secrets of the trace, in the format of SSLKEYLOGFILE."
)


def tells_bugs(command: Callable[..., int]) -> Callable[..., int]:
    """Let a mistake of ours end the command with 3, its traceback on standard error: Python would end with 1, as if a rule had failed."""

    @functools.wraps(command)
    def run(*arguments: Any, **more: Any) -> int:
        try:
            return command(*arguments, **more)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception as error:
            from traceback import print_exc

            print_exc()
            name = type(error).__name__
            raise CannotRun(f"internal error ({name}): this is a bug of sbc-sim, please report it with the lines above") from error

    return run


def recording_of(name: str, key_log: Path | None) -> Recording:
    """Read a trace; `-` is standard input. What is none ends the command with 2."""
    from sbc_sim.traces.limits import Limits
    from sbc_sim.traces.reading import read_trace
    from sbc_sim.traces.recording import TraceError

    octets = octets_of(name)
    try:
        return read_trace(octets, key_log_text(key_log), Limits(inflated=LARGEST))
    except TraceError as error:
        from sbc_sim.exports.redaction import clean

        raise Unusable(f"{shown(name)}: {clean(str(error))}") from None


def octets_of(name: str) -> bytes:
    """Read a file or standard input, up to the bound."""
    try:
        if name == "-":
            octets = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                octets = file.read(LARGEST + 1)
    except OSError as error:
        raise Unusable(f"{shown(name)} cannot be read: {error.strerror or error}") from None
    if len(octets) > LARGEST:
        raise Unusable(f"{shown(name)} has more than {LARGEST // 2**20} MiB: cut it down to the calls in question (editcap, tshark -Y)")
    return octets


def key_log_text(file: Path | None) -> str:
    """Read a key log; none is an empty one."""
    if file is None:
        return ""
    try:
        with file.open("rb") as opened:
            octets = opened.read(LARGEST_KEY_LOG + 1)
    except OSError as error:
        raise Unusable(f"{shown(str(file))} cannot be read: {error.strerror or error}") from None
    if len(octets) > LARGEST_KEY_LOG:
        raise Unusable(f"{shown(str(file))} has more than {LARGEST_KEY_LOG // 2**20} MiB: that is no key log of one trace")
    return octets.decode("ascii", "replace")


def shown(name: str) -> str:
    """Name a file in a message."""
    from sbc_sim.exports.redaction import visible

    return "standard input" if name == "-" else visible(name)
