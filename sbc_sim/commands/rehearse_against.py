"""`rehearse --against`: the built-in partner plays the other side, against an instance of its own or one that runs elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.shared import INTERRUPTED, CannotRun, Unusable, end_reactor, own_version, run_reactor, the_reactor

if TYPE_CHECKING:
    from sbc_sim.client import Client
    from sbc_sim.unattended import Aim, Unattended

SELF = "self"
MISTAKES = ("no-create", "wrong-org", "expired-jwt", "pcma-only", "unlinked-rep", "drop-customer")
END_TO_END = "end-to-end"
PART_OF = {"pcma-only": "connectivity"}
"""Part in which a mistake shows; any other in the end-to-end test."""
Change = Callable[[Mapping[str, Any]], object]
Finish = Callable[["Client", Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Against:
    """What `--against` and its companions say."""

    target: str
    """``self``, or ``tls:HOST:PORT``"""
    ca_file: Path | None = None
    insecure: bool = False
    tls_dir: Path = Path("certs")
    """Folder of the CA under which the certificate is made that we show when a call is given back."""
    answer_listen: tuple[str, int] = ("127.0.0.1", 0)
    mistake: str = "none"
    key_bits: int = 1024
    flags: Mapping[str, str] = field(default_factory=dict)
    """Settings of an instance in this process, on top of its own."""


def against_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --against and what goes with it to a command."""
    readable = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
    for option in (
        click.option(
            "--key-bits", type=click.Choice(("1024", "2048", "4096")), default="1024", help="Length of the key that signs its tokens."
        ),
        click.option("--mistake", type=click.Choice(MISTAKES), help="With --against: the one thing that the built-in partner does wrong."),
        click.option(
            "--answer", metavar="HOST:PORT", help="With --against tls: where calls are taken that are given back. Default: any port."
        ),
        click.option("--insecure", is_flag=True, help="With --against tls: do not check the certificate of the instance."),
        click.option("--ca", "ca_file", type=readable, help="With --against tls: its CA (PEM). Default: certs/ca.pem if there."),
        click.option("--against", metavar=f"{SELF}|tls:HOST:PORT", help="Let the built-in partner play the other side, unattended."),
    ):
        command = option(command)
    return command


def against_of(wanted: dict[str, Any]) -> Against | None:
    """Take those options out of a command's arguments. Raises UsageError and Unusable."""
    target, mistake, listen = wanted.pop("against"), wanted.pop("mistake"), wanted.pop("answer")
    ca_file, insecure, bits = wanted.pop("ca_file"), wanted.pop("insecure"), int(wanted.pop("key_bits"))
    if target is None:
        if mistake or listen or ca_file or insecure:
            raise click.UsageError("--mistake, --answer, --ca and --insecure go with --against")
        return None
    if any(wanted.get(name) for name in ("resume", "stop", "listing")):
        raise click.UsageError("--against begins a rehearsal of its own: leave --resume, --stop and --list out")
    if target != SELF:
        target_of(target)
    _check_mistake(mistake, wanted)
    usual = Path("certs/ca.pem")
    ca_file = ca_file or (usual if usual.exists() and not insecure else None)
    where = target_of(listen, "--answer") if listen else ("127.0.0.1", 0)
    return Against(target, ca_file, insecure, answer_listen=where, mistake=mistake or "none", key_bits=bits)


def _check_mistake(mistake: str | None, wanted: Mapping[str, Any]) -> None:
    """See that a mistake can show in what is rehearsed. Raises UsageError."""
    needed = PART_OF.get(mistake or "", END_TO_END)
    parts = wanted.get("parts")
    if mistake and parts and needed not in parts:
        raise click.UsageError(f"--mistake {mistake} shows in the part {needed} alone, which is not rehearsed: add --part {needed}")


def play(
    against: Against, client: Client, wanted: Mapping[str, Any], on_change: Change, finish: Finish
) -> tuple[Mapping[str, Any], list[str]]:
    """Play a rehearsal and return how it ended, and what the partner could not do.

    `client` asks the instance that runs elsewhere. `wanted` is the body of POST /api/v1/rehearsals; `on_change` gets the rehearsal at
    each look; `finish` is called in a thread while the instance still runs, to fetch reports. Raises CannotRun, Unusable and ApiError.
    """
    reactor = the_reactor()
    from sbc_sim import logs

    logs.start_logging("warning", "console")
    with ExitStack() as stack:
        rehearsal = _made(against, client, wanted, reactor, stack)
        rehearsal.on_change, rehearsal.finish = on_change, finish
        ended: list[Any] = []
        over = rehearsal.run()
        over.addBoth(ended.append)
        over.addBoth(lambda _: end_reactor(reactor))
        if run_reactor(reactor, rehearsal.stop) == INTERRUPTED:
            raise click.Abort
    return _told(ended), rehearsal.troubles


def _told(ended: list[Any]) -> Mapping[str, Any]:
    """Give the rehearsal as it ended, or raise why it did not."""
    if not ended:
        raise CannotRun("the rehearsal was interrupted")
    if not isinstance(ended[0], dict):
        ended[0].raiseException()
    rehearsal: Mapping[str, Any] = ended[0]
    return rehearsal


def _made(against: Against, client: Client, wanted: Mapping[str, Any], reactor: Any, stack: ExitStack) -> Unattended:
    from sbc_sim.answering import AnsweringError
    from sbc_sim.service import ServiceError
    from sbc_sim.unattended import Unattended

    aim = _aim(against, client, stack)
    try:
        return Unattended(aim, wanted, reactor)
    except (AnsweringError, ServiceError) as error:
        raise CannotRun(str(error)) from None


def _aim(against: Against, client: Client, stack: ExitStack) -> Aim:
    from sbc_sim.answering import AnswerOrder
    from sbc_sim.partner.journey import Mistake
    from sbc_sim.rehearsing import PartnerOrder
    from sbc_sim.unattended import Aim, free_settings

    mistake = Mistake(against.mistake)
    if against.target == SELF:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sbc-sim-rehearse-")))
        partner = PartnerOrder("", 0, "", mistake=mistake, key_bits=against.key_bits)
        return Aim(partner, AnswerOrder(tls_dir=folder), _settings({**free_settings(folder), **against.flags}), own_version())
    host, port = target_of(against.target)
    listen, answer_port = against.answer_listen
    partner = PartnerOrder(
        host,
        port,
        client.api,
        client.token,
        ca_file=against.ca_file,
        verify=not against.insecure,
        mistake=mistake,
        key_bits=against.key_bits,
    )
    return Aim(partner, AnswerOrder(host=listen, port=answer_port, tls_dir=against.tls_dir))


def _settings(flags: Mapping[str, str]) -> Any:
    from sbc_sim.settings import SettingsError, load

    try:
        return load(flags).settings
    except SettingsError as error:
        raise Unusable(str(error)) from None


def target_of(text: str, option: str = "--against") -> tuple[str, int]:
    """Read tls:HOST:PORT. Raises Unusable, also for names that are production (requirement 145)."""
    from sbc_sim.calls.production import is_production

    host, colon, port = text.removeprefix("tls:").removeprefix("//").rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or not host:
        form = f"neither {SELF} nor tls:HOST:PORT" if option == "--against" else "not HOST:PORT"
        raise Unusable(f"{option} {text!r} is {form}")
    if is_production(host):
        raise Unusable(f"{option} {host} is production: a rehearsal calls a simulator, at its own address")
    return host.strip("[]"), int(port)
