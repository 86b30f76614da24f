"""What the commands share that ask a running instance: where it is, and what its errors mean for the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.shared import CannotRun, Unusable

if TYPE_CHECKING:
    from sbc_sim.client import Client


def asks_an_instance(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --api, --token and --token-file to a command."""
    for option in (
        click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File that holds the token."),
        click.option("--token", help="Token of the API. Default: SBC_SIM_TOKEN, or the file that SBC_SIM_TOKEN_FILE names."),
        click.option("--api", metavar="URL", help="The instance to ask. Default: SBC_SIM_API, or http://127.0.0.1:8061."),
    ):
        command = option(command)
    return command


def client_of(wanted: dict[str, Any], timeout: float = 30.0) -> Client:
    """Take the three options out of a command's arguments and make the client that they mean; `timeout` in seconds."""
    from sbc_sim.client import Client

    api, token, token_file = (wanted.pop(name) for name in ("api", "token", "token_file"))
    if token and token_file:
        raise click.UsageError("give one of --token and --token-file")
    try:
        return Client(api, token or (token_file.read_text(encoding="utf-8").strip() if token_file else None), timeout)
    except (ValueError, OSError) as error:
        raise Unusable(str(error)) from None


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the API into refusals: what was asked wrongly ends with 2, an instance that cannot answer with 3."""
    from sbc_sim.client import ApiError
    from sbc_sim.exports.redaction import clean

    try:
        yield
    except ApiError as error:
        words = clean(str(error))
        if error.status == 401:
            words += " Here: --token, SBC_SIM_TOKEN or SBC_SIM_TOKEN_FILE."
        raise (Unusable if 400 <= error.status < 500 else CannotRun)(words) from None
