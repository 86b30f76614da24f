"""The README's first command: demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.call import complaints_of, failure_text, proof_text
from sbc_sim.commands.shared import (
    CANNOT_RUN,
    INTERRUPTED,
    PASSED,
    RULE_FAILED,
    CannotRun,
    SettingsCommand,
    as_json,
    end_reactor,
    loaded,
    own_version,
    paint,
    passing_folder,
    run_reactor,
    say,
    say_json,
    the_reactor,
    width,
)
from sbc_sim.commands.uui import ECHO_PAYLOAD

if TYPE_CHECKING:
    from sbc_sim.journal.store import Trace
    from sbc_sim.placing import Order, Placement
    from sbc_sim.service import Service


FREE = {"sip.listen": "127.0.0.1:0", "media.listen": "127.0.0.1", "media.ports": "0", "http.listen": "127.0.0.1:0"}


@click.command(cls=SettingsCommand)
@click.option("--seconds", type=click.FloatRange(1, 60), default=3.0, show_default=True, help="From answer to BYE.")
@click.option("--escalate", is_flag=True, help="The end-to-end test instead: the agent gives the call back by a new INVITE.")
@as_json
@click.pass_context
def demo(ctx: click.Context, seconds: float, escalate: bool, as_json: bool) -> int:
    """Serve on free ports, place one real call over TLS and SRTP, print ladder, verdict and echo proof, and exit."""
    with passing_folder("demo") as folder:
        ctx.meta["flags"] = FREE | {"tls.dir": str(folder)} | ctx.meta.get("flags", {})
        if escalate and as_json:
            raise click.UsageError("--escalate tells its calls as text: `rehearse --against self --json` gives the same as JSON")
        if escalate:
            return _escalate(ctx)
        service, placement = _run(ctx, seconds)
        return _tell(service, placement, as_json)


def _escalate(ctx: click.Context) -> int:
    reactor = the_reactor()
    from sbc_sim import logs
    from sbc_sim.commands.demo_escalation import show_return

    ctx.meta["flags"] = {"store.url": "memory:"} | ctx.meta["flags"]
    logs.start_logging("warning", "console")
    return show_return(loaded(ctx).settings, reactor)


def _run(ctx: click.Context, seconds: float) -> tuple[Service, Placement]:
    settings = loaded(ctx).settings
    settings = settings.model_copy(update={"store": settings.store.model_copy(update={"url": "memory:"})})  # `serve` may have the file
    reactor = the_reactor()
    from sbc_sim import logs
    from sbc_sim.placing import Placement, PlacingError
    from sbc_sim.service import Service, ServiceError

    logs.start_logging("warning", "console")
    try:
        service = Service(settings, reactor, own_version())
        service.listen()
        placement = Placement(_order(service, seconds), reactor)
        over = placement.run()
    except (ServiceError, PlacingError) as error:
        raise CannotRun(str(error)) from None
    over.addBoth(lambda _: service.stop())
    over.addBoth(lambda _: end_reactor(reactor))
    if run_reactor(reactor, placement.hang_up) == INTERRUPTED:
        raise click.Abort
    return service, placement


def _order(service: Service, seconds: float) -> Order:
    from sbc_sim.partner.placed_call import CallPlan
    from sbc_sim.placing import Order
    from sbc_sim.settings import Endpoint

    host, port = service.settings.sip.listen.host, service.ports.sip
    uri = f"sip:echo@{Endpoint(host, port)};transport=tls"
    uui = f"{ECHO_PAYLOAD.encode().hex()};encoding=hex"
    plan = CallPlan(host, port, uri, "<sip:+15550100@partner.invalid>", f"<{uri}>", uui, seconds=seconds)
    return Order(plan, ca_file=service.ca_file, verify=service.ca_file is not None)


def _tell(service: Service, placement: Placement, as_json: bool) -> int:
    from sbc_sim.journal.store import CallQuery

    calls = service.store.calls(CallQuery()).calls
    trace = service.store.trace(calls[0].id) if calls else None
    wrong = complaints_of(placement)
    if as_json:
        say_json(_data(placement, trace, wrong))
    else:
        _say_all(placement, trace, wrong)
    if placement.failure is not None:
        return CANNOT_RUN
    failed = trace is None or (trace.call.verdict or {}).get("status") not in ("pass", "warn")
    return RULE_FAILED if failed or wrong else PASSED


def _data(placement: Placement, trace: Trace | None, wrong: list[str]) -> dict[str, Any]:
    from sbc_sim.commands.call import result_data
    from sbc_sim.exports.redaction import mask_call, mask_values

    call = None if trace is None else {**mask_call(trace.call.summary()), "verdict": mask_values(trace.call.verdict)}
    return {"call": call, "partner": result_data(placement.results[0], wrong)}


def _say_all(placement: Placement, trace: Trace | None, wrong: list[str]) -> None:
    from sbc_sim.exports.ladder_text import ladder_text
    from sbc_sim.exports.redaction import clean
    from sbc_sim.exports.report_text import echo_text, verdict_text

    if placement.failure is not None:
        say(failure_text(placement.failure))
    if trace is not None:
        say(paint("What went over the wire, as the simulator saw it", "title"))
        say(ladder_text(trace, width()))
        say(paint("The verdict, rule by rule", "title"))
        say(verdict_text(trace.call.verdict or {}, width()))
        say(paint("The echo, as the simulator measured it", "title"))
        say(echo_text(trace.call))
    result = placement.results[0]
    if result.proof is not None:
        say(paint("The echo, as the caller heard it", "title"))
        say(proof_text(result.proof))
    for problem in wrong:
        say(paint(f"problem: {clean(problem)}", "warning"))
    say()
    say("For real use: sbc-sim serve")
