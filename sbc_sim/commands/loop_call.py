"""The call that `doctor` places through the address that partners dial: the simulator on its configured ports, or the one that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.addresses import bridged
from sbc_sim.commands.examination import Check
from sbc_sim.commands.shared import INTERRUPTED, end_reactor, own_version, run_reactor, the_reactor
from sbc_sim.commands.uui import ECHO_PAYLOAD
from sbc_sim.sip.uri import host_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sbc_sim.partner.partner_call import CallResult
    from sbc_sim.settings import Settings
    from sbc_sim.sip.peer import TlsFailure

LONGEST = 8.0
"""After this, and the length of the call, it is given up: a packet filter that drops answers nothing."""
NAME = "loop call"


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    target: str
    problems: list[str] = field(default_factory=list)
    failure: TlsFailure | None = None
    """No connection, and why."""
    trouble: str = ""
    """Why the call could not even be tried."""
    result: CallResult | None = None
    verdict: Mapping[str, Any] | None = None
    """The simulator's, when it ran here."""


def place(host: str, port: int, ca_file: Path | None, seconds: float, serving: Settings | None) -> Outcome:
    """Call host:port, 0 for the port that is listened on, with a check of the certificate against `ca_file` (None: this machine's roots).

    `seconds`: from answer to BYE. `serving`: the simulator is run with these settings for as long as the call takes.
    """
    from sbc_sim import logs
    from sbc_sim.placing import Order, Placement, PlacingError, complaints
    from sbc_sim.service import Service, ServiceError

    reactor = the_reactor()
    logs.start_logging("error", "console")
    outcome = Outcome(host_port(host, port))
    service = None
    try:
        if serving is not None:
            service = Service(serving, reactor, own_version())
            service.listen()
            port = port or service.ports.sip
            outcome.target = host_port(host, port)
        placement = Placement(Order(_plan(host, port, seconds), ca_file=ca_file), reactor)
        over = placement.run()
    except (ServiceError, PlacingError) as error:
        outcome.trouble = str(error)
        return outcome
    last = reactor.callLater(LONGEST + seconds, placement.hang_up)
    over.addBoth(lambda _: last.cancel() if last.active() else None)
    if service is not None:
        over.addBoth(lambda _: service.stop())
    over.addBoth(lambda _: end_reactor(reactor))
    if run_reactor(reactor, placement.hang_up) == INTERRUPTED:
        raise click.Abort
    outcome.failure, outcome.result = placement.failure, next(iter(placement.results), None)
    outcome.problems = [] if outcome.result is None else complaints(outcome.result)
    outcome.verdict = None if service is None else _verdict(service)
    return outcome


def _plan(host: str, port: int, seconds: float) -> Any:
    from sbc_sim.partner.placed_call import CallPlan

    uri = f"sip:echo@{host_port(host, port)};transport=tls"
    uui = f"{ECHO_PAYLOAD.encode().hex()};encoding=hex"
    return CallPlan(host, port, uri, "<sip:+15550100@partner.invalid>", f"<{uri}>", uui, seconds=seconds)


def _verdict(service: Any) -> Mapping[str, Any] | None:
    from sbc_sim.journal.store import CallQuery

    newest = service.store.calls(CallQuery(limit=1)).calls
    view = service.store.call(newest[0].id) if newest else None
    return None if view is None else view.verdict


def judged(outcome: Outcome, contained: bool | None = None) -> Check:
    """Say what the call showed; `contained`: from inside of a container with a network of its own (None: look)."""
    contained = bridged() if contained is None else contained
    if outcome.trouble:
        return Check(NAME, "fail", outcome.trouble, "see the checks above")
    if outcome.failure is not None:
        return _no_connection(outcome.target, outcome.failure, contained)
    result = outcome.result
    if result is None or result.answered_at is None:
        return _unanswered(outcome)
    if outcome.problems:
        cure = "forward the media ports (UDP) too, and set media.advertised to the address where they are reached"
        return Check(NAME, "fail", f"{outcome.target} answered, but {'; '.join(outcome.problems)}", cure)
    return _passed(outcome, result, contained)


def _passed(outcome: Outcome, result: CallResult, contained: bool) -> Check:
    from sbc_sim.commands.call import proof_text

    assert result.proof is not None
    seen = f"{outcome.target} answered, its certificate was accepted, {proof_text(result.proof)}"
    status = str((outcome.verdict or {}).get("status") or "pass")
    wrong = [finding for finding in (outcome.verdict or {}).get("findings", ()) if finding.get("status") in ("warn", "fail")]
    if contained and _loopback(outcome.target) and status != "fail":
        seen += f"; verdict: {status}; but that is this container's own loopback: it proves the simulator, and nothing of published ports"
        return Check(NAME, "warn", seen, _PUBLISHED.format(target=outcome.target))
    if not wrong:
        return Check(NAME, "pass", f"{seen}; verdict: {status}")
    shown = "; ".join(f"{finding['rule']} {finding.get('detail', '')}" for finding in wrong[:4])
    return Check(
        NAME, status if status in ("warn", "fail") else "pass", f"{seen}; verdict: {status}: {shown}", f"sbc-sim explain {wrong[0]['rule']}"
    )


def _loopback(target: str) -> bool:
    host = target.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _no_connection(target: str, failure: TlsFailure, contained: bool) -> Check:
    from sbc_sim.exports.redaction import clean
    from sbc_sim.rules.tls import PROBLEMS
    from sbc_sim.sip.peer import TlsProblem

    strangers = (TlsProblem.UNREACHABLE, TlsProblem.HANDSHAKE_TIMEOUT, TlsProblem.CLOSED_EARLY, TlsProblem.NOT_TLS)
    cures = {
        **dict.fromkeys(strangers, _NOT_HERE),
        TlsProblem.UNTRUSTED_SERVER: _OF_CERTIFICATE.get(failure.certificate, _OF_CERTIFICATE["chain"]).format(target=target),
    }
    cure = cures.get(failure.problem, f"sbc-sim explain {PROBLEMS[failure.problem]}")
    seen = f"no connection to {target}: {clean(failure.detail)}"
    if failure.problem in strangers and contained:
        return Check(NAME, "warn", f"{seen}, as seen from inside of this container", _FROM_ITS_HOST.format(target=target))
    return Check(NAME, "fail", seen, cure)


def _unanswered(outcome: Outcome) -> Check:
    from sbc_sim.exports.redaction import clean

    result = outcome.result
    if result is None or result.status is None or result.ended_by == "network":
        why = clean(result.problems[-1]) if result is not None and result.problems else f"nothing within {LONGEST:g} s"
        return Check(NAME, "fail", f"no answer from {outcome.target}: {why}", _NOT_HERE)
    said = clean(f"{result.status} {result.reason} {result.warning or ''}".strip())
    return Check(NAME, "fail", f"{outcome.target} refused: {said}", "the Warning names the rule: sbc-sim explain RULE")


_PUBLISHED = "ask from its host: sbc-sim doctor --api URL --token TOKEN, or sbc-sim call tls:{target} --ca FILE"
_OF_CERTIFICATE = {
    "name": "make the certificate one for that address: `--tls-names`, or another file in tls.cert_file",
    "dates": "put a renewed certificate into tls.cert_file, and compare the clocks of both machines",
    "chain": "look whether {target} leads to this instance, or to another simulator or proxy; if it is the right one, put the whole chain "
    "into tls.cert_file, or name its root (PEM) with --ca",
}
"""By what is wrong with it (TlsFailure.certificate)."""
_FROM_ITS_HOST = (
    "published ports are often out of reach from inside: ask from its host with sbc-sim doctor --api URL --token TOKEN, or from where a "
    "partner is with sbc-sim call tls:{target}"
)
_NOT_HERE = (
    "set sip.advertised to an address that leads to this machine, and forward its port; a router that does not let its own inside dial "
    "its outside address needs this test from outside: sbc-sim call tls:HOST:PORT"
)
