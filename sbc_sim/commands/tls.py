"""Commands for certificates: tls ca, issue, show, rotate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.asking import asks_an_instance, client_of, explained
from sbc_sim.commands.shared import CannotRun, SettingsCommand, as_json, loaded, say, say_json
from sbc_sim.journal.view import camel

if TYPE_CHECKING:
    from sbc_sim.net.certificates import CertificateFiles


@click.group()
def tls() -> None:
    """Make and show certificates."""


@tls.command("ca", cls=SettingsCommand)
@click.option("--pem", is_flag=True, help="Print the certificate itself.")
@as_json
@click.pass_context
def tls_ca(ctx: click.Context, pem: bool, as_json: bool) -> None:
    """Say where the CA certificate is that partners must trust (made when missing), and its fingerprint."""
    ca = _files(ctx).ca
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
    from sbc_sim.net.certificates import issue
    from sbc_sim.net.pem_files import CertificateError

    try:
        certificate, key = issue(loaded(ctx).settings.tls.dir, names, stem or names[0].replace("*", "any").replace(":", "-"))
    except CertificateError as error:
        raise CannotRun(str(error)) from None
    _show_certificates([certificate], as_json)
    if not as_json:
        say(f"key          {key}")


@tls.command("show", cls=SettingsCommand)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@as_json
@click.pass_context
def tls_show(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Show certificates: those of FILE, or the CA's and the server's of this simulator."""
    if not files:
        here = _files(ctx)
        files = (here.ca, here.server)
    _show_certificates(files, as_json)


@tls.command("rotate")
@click.argument("how", required=False, metavar="[HOW]")
@click.option("--region", help="Only in this region. Default: everywhere.")
@asks_an_instance
@as_json
def tls_rotate(how: str | None, region: str | None, as_json: bool, **wanted: Any) -> None:
    """Rehearse a rotation on a running instance: new connections see another certificate, calls that are up go on.

    HOW is new-leaf (the same CA), new-ca, expired, wrong-name, self-signed, missing-intermediate, or original to go back. Without it:
    what is shown now. After new-ca --json has the CA that partners must trust.
    """
    client = client_of(wanted)
    with explained():
        if how is None and region is None:
            told = list(client.get("/api/v1/tls")["certificates"])
        else:
            told = [client.post("/api/v1/tls/rotate", {"how": how or "new-leaf", **({"region": region} if region else {})})]
    if as_json:
        say_json(told if how is None and region is None else told[0])
        return
    for number, shown in enumerate(told):
        if number:
            say()
        _say_shown(shown)


def _say_shown(shown: Mapping[str, Any]) -> None:
    from sbc_sim.exports.redaction import clean

    where = f"{shown['region']} ({shown['host']})" if shown.get("region") else "clients that name no region"
    since = f", since {shown['since']}" if shown.get("since") else ""
    rows = {
        "shown to": where,
        "how": f"{shown['how']}{since}",
        "subject": shown["subject"],
        "issuer": shown["issuer"],
        "names": ", ".join(shown["names"]),
        "not after": shown["notAfter"],
        "SHA-256": shown["fingerprint"],
    }
    for name, value in rows.items():
        say(f"{name:<12} {clean(value)}")
    if shown.get("caPem"):
        say(f"CA to trust\n{shown['caPem'].rstrip()}")


def _files(ctx: click.Context) -> CertificateFiles:
    """Make what is missing in the directory of the settings."""
    from sbc_sim.service import ServiceError, certificate_files

    try:
        return certificate_files(loaded(ctx).settings)
    except ServiceError as error:
        raise CannotRun(str(error)) from None


def _show_certificates(files: Sequence[Path], as_json: bool) -> None:
    from dataclasses import asdict

    from sbc_sim.net.certificates import show
    from sbc_sim.net.pem_files import CertificateError

    try:
        facts = {str(file): asdict(show(file)) for file in files}
    except CertificateError as error:
        raise CannotRun(str(error)) from None
    if as_json:
        say_json([{"file": file, **{camel(name): _json_value(value) for name, value in fact.items()}} for file, fact in facts.items()])
        return
    for file, fact in facts.items():
        say(f"file         {file}")
        for name, value in fact.items():
            say(f"{name.replace('_', ' '):<12} {', '.join(value) if isinstance(value, tuple) else value}")


def _json_value(value: object) -> object:
    """Times as everywhere in JSON: RFC 3339, UTC."""
    from sbc_sim.journal.view import rfc3339

    return rfc3339(value.timestamp()) if isinstance(value, datetime) else value
