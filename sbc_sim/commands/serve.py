"""Commands that run the simulator, and ask whether it runs: serve, ready."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sbc_sim.commands.shared import (
    PASSED,
    RULE_FAILED,
    CannotRun,
    Ending,
    SettingsCommand,
    loaded,
    own_version,
    paint,
    run_reactor,
    say,
    the_reactor,
)


def _keep_workers(ctx: click.Context, _: click.Parameter, count: int | None) -> None:
    if count is not None:
        ctx.meta.setdefault("flags", {})["workers.count"] = str(count)


@click.command(cls=SettingsCommand)
@click.option("--ports-file", type=click.Path(path_type=Path), help="Write the real ports there (JSON) once everything listens.")
@click.option("--until-stdin-ends", is_flag=True, help="Stop, as after SIGTERM, when standard input ends: with the program that holds it.")
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", expose_value=False, callback=_keep_workers, help="The same as --workers-count."
)
@click.pass_context
def serve(ctx: click.Context, ports_file: Path | None, until_stdin_ends: bool) -> int:
    """Run the simulator until it is interrupted."""
    found = loaded(ctx, files=True)
    settings = found.settings
    if settings.workers.count > 1:
        from sbc_sim.commands.serve_workers import serve_workers

        return serve_workers(found, ports_file, 0 if until_stdin_ends else None)
    reactor = the_reactor()
    from sbc_sim import logs, terminal
    from sbc_sim.service import Service, ServiceError

    logs.start_logging(settings.log.level, settings.log.format)
    try:
        service = Service(settings, reactor, own_version())
        service.listen()
        if ports_file is not None:
            service.write_ports(ports_file)
    except ServiceError as error:
        raise CannotRun(str(error)) from None
    service.store.subscribe(logs.tell)
    ports = service.ports
    say(terminal.banner(service.announcement.banner(), paint))
    logs.say(f"listening: sip {ports.sip}, http {ports.http}, media {ports.media_start}-{ports.media_end}", ports=asdict(ports))
    if until_stdin_ends:
        _stop_with_stdin(reactor)
    ending = Ending(service, reactor)
    return run_reactor(reactor, ending.stop, ending.drain)


def _stop_with_stdin(reactor: Any) -> None:
    """Send ourselves SIGTERM once standard input ends. A pipe ends with who holds it, even when that one was killed."""
    import signal
    import threading

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    watch = threading.Thread(target=wait, daemon=True, name="until-stdin-ends")
    reactor.callWhenRunning(watch.start)  # by then SIGTERM ends it in good order


@click.command(cls=SettingsCommand)
@click.option("--wait", is_flag=True, help="Ask until it is ready or the time is over.")
@click.option("--timeout", type=click.FloatRange(min=0), default=30.0, show_default=True, help="How long to wait, seconds.")
@click.option("--ports-file", type=click.Path(path_type=Path), help="The file that `serve --ports-file` writes.")
@click.pass_context
def ready(ctx: click.Context, wait: bool, timeout: float, ports_file: Path | None) -> int:
    """Exit 0 when the simulator says that it is ready for calls, else 1."""
    from sbc_sim.addresses import reachable

    endpoint = loaded(ctx).settings.http.listen
    until = time.monotonic() + timeout
    while True:
        problem = _not_ready(reachable(endpoint.host), endpoint.port, ports_file, max(0.1, min(5.0, timeout)))
        if not problem:
            return PASSED
        if not wait or time.monotonic() > until:
            click.echo(f"sbc-sim: not ready: {problem}", err=True)
            return RULE_FAILED
        time.sleep(0.05)


def _not_ready(host: str, port: int, ports_file: Path | None, timeout: float) -> str:
    import http.client

    from sbc_sim.settings import Endpoint

    try:
        port = json.loads(ports_file.read_text(encoding="utf-8"))["http"] if ports_file else port
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return f"{Endpoint(host, port)}: {error}"
    return "" if status == 200 else f"{Endpoint(host, port)}/readyz says {status}"
