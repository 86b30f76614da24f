"""The command that brings documents of a call into files: calls export."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from sbc_sim.commands.asking import asks_an_instance, client_of, explained
from sbc_sim.commands.shared import CannotRun, Unusable

if TYPE_CHECKING:
    from sbc_sim.client import ApiError, Client, Progress

HERE = ""
"""What an option without FILE means: the usual name in the current folder."""
STDOUT = "-"
LARGE = 1024 * 1024
"""Octets from which on a progress is shown."""


@dataclass(frozen=True, slots=True)
class Document:
    """One kind of document that an instance makes of a call."""

    option: str
    path: str
    """Behind /api/v1/calls/{id}/."""
    ending: str
    about: str
    redacted: bool = True
    """The path takes ``redaction``."""
    binary: bool = False


DOCUMENTS = (
    Document("txt", "ladder.txt", ".txt", "The ladder as text.", redacted=False),
    Document("svg", "ladder.svg", ".svg", "The ladder as a picture.", redacted=False),
    Document("mmd", "ladder.mmd", ".mmd", "The ladder for Mermaid.", redacted=False),
    Document(
        "pcapng",
        "capture.pcapng",
        ".pcapng",
        "TLS, SIP and RTP for Wireshark.",
        binary=True,
    ),
    Document("wav", "audio.wav", ".wav", "What was heard (left) and said (right).", binary=True),
    Document("html", "report.html", ".html", "The report for people."),
    Document("json-report", "report.json", ".json", "The report for programs."),
    Document("junit", "report.xml", ".junit.xml", "JUnit XML, a test case for each rule."),
    Document("zip", "bundle.zip", ".zip", "All of it, for a support ticket.", binary=True),
)


def _options(command: Any) -> Any:
    for document in reversed(DOCUMENTS):
        name = document.option.replace("-", "_")
        command = click.option(
            f"--{document.option}", name, metavar="[FILE|-]", is_flag=False, flag_value=HERE, default=None, help=document.about
        )(command)
    return command


@click.command("export")
@click.argument("call", metavar="ID|last")
@_options
@click.option("--redaction", type=click.Choice(("none", "share", "strict")), help="What is hidden. Default: share; --pcapng: none.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@asks_an_instance
def export(call: str, redaction: str | None, force: bool, **wanted: Any) -> None:
    """Write documents of a call into files: each option without FILE into the current folder, - to standard output.

    A document that this call does not have stops no other; which one it is and why is said at the end, with exit code 2.
    """
    client = client_of(wanted)
    chosen = [(document, wanted[document.option.replace("-", "_")]) for document in DOCUMENTS]
    chosen = [(document, file) for document, file in chosen if file is not None]
    _check(chosen, redaction)
    with explained():
        about = client.call(call)
        targets = [(document, _target(document, file, str(about["id"]), force)) for document, file in chosen]
        _export_all(client, str(about["id"]), targets, redaction, force)


def _check(chosen: Sequence[tuple[Document, str]], redaction: str | None) -> None:
    if not chosen:
        raise click.UsageError(f"say what to export: {', '.join('--' + document.option for document in DOCUMENTS)}")
    as_is = [f"--{document.option}" for document, _ in chosen if not document.redacted]
    if redaction and as_is:
        raise click.UsageError(f"--redaction has no say in {', '.join(as_is)}: keys and tokens are masked there, numbers are not")
    out = [document for document, file in chosen if file == STDOUT]
    if len(out) > 1:
        raise click.UsageError("only one document can go to standard output")
    if out and out[0].binary and sys.stdout.isatty():
        raise click.UsageError(f"--{out[0].option} is nothing for a terminal: name a file, or send the output somewhere")
    named = [Path(file).absolute() for _, file in chosen if file not in (HERE, STDOUT)]
    if len(named) > len(set(named)):
        raise click.UsageError("two documents cannot go to the same file")


def file_name(call: str, ending: str) -> str:
    """Name a file after a call: letters, digits, dots and dashes alone, and never a hidden one, whatever the id holds."""
    return (re.sub(r"[^A-Za-z0-9._-]+", "_", call).lstrip(".-")[:100] or "call") + ending


def _target(document: Document, file: str, call: str, force: bool) -> Path | None:
    """Give the file to write, None for standard output; refuse before anything is written."""
    if file == STDOUT:
        return None
    path = Path(file) if file else Path(file_name(call, document.ending))
    if path.is_dir():
        path = path / file_name(call, document.ending)
    _refuse_existing(path, force)
    if not path.absolute().parent.is_dir():
        raise Unusable(f"there is no folder {path.absolute().parent}: make it first")
    return path


def _refuse_existing(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise Unusable(f"{path} is there already: name another file, or overwrite it with --force")


def _export_all(client: Client, call: str, targets: Sequence[tuple[Document, Path | None]], redaction: str | None, force: bool) -> None:
    from sbc_sim.client import ApiError
    from sbc_sim.exports.redaction import clean

    missing = []
    for document, target in targets:
        try:
            _export(client, call, document, target, redaction, force)
        except ApiError as error:
            if not _only_this(error):
                raise
            missing.append(f"no --{document.option}: {clean(str(error))}")
    for words in missing[:-1]:
        click.echo(f"sbc-sim: {words}", err=True)
    if missing:
        raise Unusable(missing[-1])


def _only_this(error: ApiError) -> bool:
    """Tell whether the others can still be had: not from an instance that is gone, nor with a token that it does not know."""
    return 400 <= error.status < 500 and error.status != 401


def _export(client: Client, call: str, document: Document, target: Path | None, redaction: str | None, force: bool) -> None:
    query = f"?redaction={redaction}" if redaction else ""
    path = f"/api/v1/calls/{quote(call, safe='')}/{document.path}{query}"
    with _progress(document.path) as progress:
        if target is None:
            _to_stdout(client, path, document, progress)
            return
        octets = _to_file(client, path, target, progress, force)
    click.echo(f"{target}  {_size(octets)}", err=True)


def _to_file(client: Client, path: str, target: Path, progress: Progress, force: bool) -> int:
    """Download beside the target and move it there when it is whole: what fails leaves nothing behind."""
    part = target.with_name(f".{target.name[:80]}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            octets = client.download(path, file, progress)
        _refuse_existing(target, force)  # somebody may have been quicker
        part.replace(target)
    except OSError as error:
        raise CannotRun(f"{target} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return octets


def _to_stdout(client: Client, path: str, document: Document, progress: Progress) -> None:
    from sbc_sim.commands.calls import safe

    if document.binary or not sys.stdout.isatty():
        client.download(path, sys.stdout.buffer, progress)
        sys.stdout.buffer.flush()
        return
    from io import BytesIO

    held = BytesIO()
    client.download(path, held, progress)
    click.echo(safe(held.getvalue().decode("utf-8", "replace")), nl=False)


@contextmanager
def _progress(name: str) -> Iterator[Progress]:
    """Tell on a terminal how far a large download is."""
    shown, last = False, 0.0

    def tell(come: int, length: int | None) -> None:
        nonlocal shown, last
        if come < LARGE or not sys.stderr.isatty() or time.monotonic() - last < 0.1:
            return
        shown, last = True, time.monotonic()
        click.echo(f"\r{name}: {_size(come)}" + (f" of {_size(length)}" if length else "") + " ", nl=False, err=True)

    try:
        yield tell
    finally:
        if shown:
            click.echo("\r\033[K", nl=False, err=True)


def _size(octets: int) -> str:
    for unit, scale in (("MiB", 1024 * 1024), ("KiB", 1024)):
        if octets >= scale:
            return f"{octets / scale:.1f} {unit}"
    return f"{octets} octets"
