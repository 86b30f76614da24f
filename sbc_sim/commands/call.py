"""The command that acts as the partner: call."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.shared import (
    CANNOT_RUN,
    INTERRUPTED,
    PASSED,
    RULE_FAILED,
    CannotRun,
    Unusable,
    as_json,
    end_reactor,
    may_dial,
    run_reactor,
    say,
    say_json,
    the_reactor,
    width,
)
from sbc_sim.commands.uui import ECHO_PAYLOAD
from sbc_sim.exports.redaction import clean, mask, mask_values
from sbc_sim.journal.view import camel
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.uri import Uri, host_port

if TYPE_CHECKING:
    from sbc_sim.partner.partner_call import CallResult
    from sbc_sim.placing import Order, Placement
    from sbc_sim.rtp.play import EchoProof
    from sbc_sim.sip.peer import TlsFailure

RULE_ID = re.compile(r"SBC-[A-Z0-9]+-\d{3}")
SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM")
EXPECTED = ("echo", "agent", "any")
TARGET = "tls:HOST:PORT"
SIPS_PORT = 5061
"""Of SIP over TLS (RFC 3261 section 19.1.2)."""
ECHO_USER = "echo"
NO_CALL = "no call: "
READABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command()
@click.argument("target", metavar=TARGET)
@click.option("--ca", "ca_file", type=READABLE, help="CA (PEM) of the SBC's certificate. Default: certs/ca.pem if there.")
@click.option("--insecure", is_flag=True, help="Do not check the SBC's certificate.")
@click.option("--server-name", default="", help="Name that the certificate must be for. Default: HOST.")
@click.option("--uui", "uui_value", metavar="VALUE", help="User-to-User; bare hex digits get ;encoding=hex. Default: the echo content.")
@click.option("--uui-text", metavar="TEXT", help="User-to-User from text, written as hex.")
@click.option("--no-uui", is_flag=True, help="Leave User-to-User out.")
@click.option("--to", "called", default=None, help="Number, or a whole SIP URI. Default: echo, or TARGET when that is a URI.")
@click.option("--from", "caller", default="+15550100", show_default=True, help="Number, SIP URI, or name and <URI>.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="One more header; may be repeated.")
@click.option("--suite", "suites", multiple=True, type=click.Choice(SUITES), help="SRTP suite to offer; may be repeated, in order.")
@click.option("--wav", type=READABLE, help="Audio to play. Default: a tone that no other call has.")
@click.option("--seconds", type=click.FloatRange(0.1, 86400), default=5.0, show_default=True, help="From answer to BYE.")
@click.option("--calls", type=click.IntRange(1, 5000), default=1, show_default=True, help="How many at the same time.")
@click.option("--interval", type=click.FloatRange(0, 60), default=0.02, show_default=True, help="Seconds between two INVITEs.")
@click.option(
    "--expect", type=click.Choice(EXPECTED), default="echo", show_default=True, help="Who should answer; an agent may hang up first."
)
@click.option("--ladder", is_flag=True, help="Print the ladder of the first call.")
@as_json
def call(target: str, calls: int, interval: float, insecure: bool, expect: str, ladder: bool, as_json: bool, **wanted: Any) -> int:
    """Act as the partner: call TARGET over TLS with SRTP, check the echo octet by octet, hang up.

    TARGET is tls:HOST:PORT, or a SIP URI: sip:echo@HOST:PORT;transport=tls.
    Exit code 0 when every call was answered and its echo is what was sent, 1 when not, 3 without a connection.
    With --expect agent the audio must be another's than ours, with --expect any it is enough that some came back.
    """
    from sbc_sim.placing import Order

    ca_file = wanted["ca_file"] or (Path("certs/ca.pem") if Path("certs/ca.pem").exists() and not insecure else None)
    plan = _plan(target, {**wanted, "sbc_may_end": expect != "echo"})
    production = may_dial(plan.host)
    order = Order(plan, calls, interval, ca_file, not insecure, _frames(wanted["wav"]), production=production)
    placement = _place(order)
    return _tell(placement, expect, ladder, as_json)


def _plan(target: str, wanted: dict[str, Any]) -> Any:
    from sbc_sim.partner.placed_call import CallPlan

    host, port, uri = _target(target)
    if wanted["called"] is not None or not uri:
        uri = _called(ECHO_USER if wanted["called"] is None else wanted["called"], host_port(host, port))
    return CallPlan(
        host,
        port,
        uri,
        _caller(wanted["caller"]),
        f"<{uri}>",
        _user_to_user(wanted),
        seconds=wanted["seconds"],
        extra=tuple(_header(line) for line in wanted["headers"]),
        server_name=wanted["server_name"],
        suites=wanted["suites"] or SUITES[:1],
        sbc_may_end=wanted["sbc_may_end"],
    )


def _called(text: str, address: str) -> str:
    """Make the Request-URI of a number, or take the URI as it is."""
    return text if text.startswith(("sip:", "sips:", "tel:")) else f"sip:{text}@{address};transport=tls"


def _caller(text: str) -> str:
    """Make the value of From (RFC 3261 section 20.20) of a number, a URI or a whole name-addr."""
    if text.rstrip().endswith(">") and "<" in text:
        return text.strip()
    return f"<{text}>" if text.startswith(("sip:", "sips:", "tel:")) else f"<sip:{text}@partner.invalid>"


def _target(text: str) -> tuple[str, int, str]:
    """Read tls:HOST:PORT or a SIP URI: host, port, and whom to call when the URI says it. IPv6 stands in brackets."""
    if text.lower().startswith(("sip:", "sips:")):
        return _target_of_uri(text)
    rest = text.removeprefix("tls:").removeprefix("//")
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, str(SIPS_PORT)
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536 or text.startswith(("udp:", "tcp:")):
        raise click.BadParameter(f"{text!r} is neither {TARGET} nor a SIP URI", param_hint="TARGET")
    return host.strip("[]"), int(port), ""


def _target_of_uri(text: str) -> tuple[str, int, str]:
    """Read sip:USER@HOST:PORT;transport=tls: what is dialled is always TLS, so another transport is refused, and none means TLS."""
    try:
        uri = Uri.parse(text, "TARGET")
    except MalformedMessage as error:
        raise click.BadParameter(f"{text!r} is no SIP URI: {error}", param_hint="TARGET") from None
    if (transport := uri.parameters.get("transport") or "tls").lower() != "tls":
        raise click.BadParameter(f"{text!r} asks for {transport.upper()}; the SBC takes calls over TLS: transport=tls", param_hint="TARGET")
    if uri.port == 0:
        raise click.BadParameter(f"{text!r} names port 0, which nobody can be reached at", param_hint="TARGET")
    if uri.headers:
        raise click.BadParameter(f"{text!r} has headers after its question mark; give them as --header NAME:VALUE", param_hint="TARGET")
    return uri.host, uri.port or SIPS_PORT, str(uri) if uri.user else ""


def _user_to_user(wanted: dict[str, Any]) -> str | None:
    value, text = wanted["uui_value"], wanted["uui_text"]
    if (value is not None) + (text is not None) + wanted["no_uui"] > 1:
        raise click.UsageError("give one of --uui, --uui-text and --no-uui")
    if wanted["no_uui"]:
        return None
    if value is None:
        value = (ECHO_PAYLOAD if text is None else text).encode("utf-8", "surrogateescape").hex()
    bare = all(character in "0123456789abcdefABCDEF" for character in value)
    return f"{value};encoding=hex" if bare else str(value)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or "\n" in line or "\r" in line:
        raise click.BadParameter(f"{line!r} is not NAME:VALUE", param_hint="--header")
    return name.strip(), value.strip()


def _frames(wav: Path | None) -> tuple[bytes, ...]:
    from sbc_sim.rtp.audio import wav_frames

    if wav is None:
        return ()
    try:
        return tuple(wav_frames(wav.read_bytes()))
    except OSError as error:
        raise Unusable(f"{wav} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Unusable(f"{wav}: {error}") from None


def _place(order: Order) -> Placement:
    """Run a placement in the reactor until it is over or interrupted."""
    reactor = the_reactor()
    from sbc_sim import logs
    from sbc_sim.placing import Placement, PlacingError

    logs.start_logging("warning", "console")
    try:
        placement = Placement(order, reactor)
        over = placement.run()
    except PlacingError as error:
        raise CannotRun(str(error)) from None
    over.addBoth(lambda _: end_reactor(reactor))
    progress = _Progress(placement, reactor)
    code = run_reactor(reactor, placement.hang_up)
    progress.clear()
    if code == INTERRUPTED:
        raise click.Abort
    return placement


class _Progress:
    """A line on the terminal that tells how far the calls are; nothing where there is no terminal."""

    def __init__(self, placement: Placement, reactor: Any) -> None:
        self._placement = placement
        self._reactor = reactor
        self._shown = sys.stderr.isatty()
        if self._shown:
            reactor.callLater(0.2, self._tell)

    def _tell(self) -> None:
        results = self._placement.results
        up = sum(result.answered_at is not None and result.ended_at is None for result in results)
        over = sum(result.ended_at is not None for result in results)
        click.echo(f"\r{up} up, {over} of {len(results)} over ", nl=False, err=True)
        self._reactor.callLater(0.2, self._tell)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            click.echo("\r\033[K", nl=False, err=True)


# --- what came of it -----------------------------------------------------------------------------------------------------


def _tell(placement: Placement, expect: str, ladder: bool, as_json: bool) -> int:
    """Print the results and give the exit code."""
    from sbc_sim.placing import complaints

    results, failure = placement.results, placement.failure
    wrong = [complaints(result, expect) for result in results]
    if as_json:
        say_json({"calls": list(map(result_data, results, wrong)), "failure": None if failure is None else failure_data(failure)})
    else:
        if ladder:
            say_ladder(placement, results[0].call)
        lines = [result_text(number, *pair) for number, pair in enumerate(zip(results, wrong, strict=True), 1)]
        say("\n".join(lines if failure is None else [failure_text(failure)]))
        if len(results) > 1:
            say(f"{sum(not w for w in wrong)} of {len(results)} calls passed")
    if failure is not None:
        return CANNOT_RUN
    return RULE_FAILED if any(wrong) else PASSED


def complaints_of(placement: Placement) -> list[str]:
    """List what was wrong with any call of a placement."""
    from sbc_sim.placing import complaints

    return [complaint for result in placement.results for complaint in complaints(result)]


def say_ladder(placement: Placement, call: str) -> None:
    """Print the ladder of one call as its caller saw it."""
    from sbc_sim.exports.ladder_text import ladder_text

    trace = placement.store.trace(call)
    if trace is not None:
        say(ladder_text(trace, width()))


def result_text(number: int, result: CallResult, wrong: list[str]) -> str:
    """Tell one call in a few lines."""
    lines = [_outcome(result)]
    if result.warning:
        lines.append(f"Warning: {clean(result.warning)}")
        lines += [f"see: sbc-sim explain {rule}" for rule in RULE_ID.findall(result.warning)[:1]]
    if result.proof is not None:
        lines.append(proof_text(result.proof))
    lines += [f"problem: {clean(problem)}" for problem in wrong if NO_CALL + clean(problem) != lines[0]]
    lines.append("passed" if not wrong else "not passed")
    return "\n".join([f"call {number:<3} {lines[0]}", *(f"         {line}" for line in lines[1:])])


def _outcome(result: CallResult) -> str:
    if result.answered_at is None:
        if result.ended_by == "network" and result.problems:  # the status is our own: nobody sent it
            return NO_CALL + clean(result.problems[-1])
        return f"{result.status or 'no answer'} {clean(result.reason)}".rstrip()
    after = (result.answered_at - result.started_at) * 1000
    lasted = (result.ended_at or result.answered_at) - result.answered_at
    bye = f", BYE answered {result.bye_status}" if result.bye_status else ""
    return f"answered after {after:.0f} ms, {result.suite or 'no media'}, {lasted:.1f} s, ended by {result.ended_by or 'nobody'}{bye}"


def proof_text(proof: EchoProof) -> str:
    """Tell the proof of the echo, or that it was none, in one line."""
    from sbc_sim.placing import CameBack, came_back

    if came_back(proof) is CameBack.OTHER:
        return f"audio: {proof.returned} packets came from somebody who speaks, while {proof.sent} of ours went out"
    delay = ""
    if proof.delay_mean_ms is not None:
        delay = f"; back after {proof.delay_min_ms:.1f} / {proof.delay_mean_ms:.1f} / {proof.delay_max_ms:.1f} ms (least / mean / most)"
    return f"echo: {proof.identical} of {proof.sent} frames came back octet by octet, {proof.altered} altered, {proof.lost} lost{delay}"


def failure_text(failure: TlsFailure) -> str:
    """Tell why there was no connection, and what to do."""
    from sbc_sim.rules.tls import PROBLEMS

    alert = f" (TLS alert {failure.alert}{', sent by the SBC' if failure.alert_from_peer else ''})" if failure.alert else ""
    return f"no connection: {clean(failure.detail)}{alert}\n               see: sbc-sim explain {PROBLEMS[failure.problem]}"


def failure_data(failure: TlsFailure) -> dict[str, Any]:
    """JSON shape of a connection that could not be had, secrets masked."""
    return {
        "problem": failure.problem.value,
        "detail": mask(failure.detail),
        "alert": failure.alert,
        "alertFromPeer": failure.alert_from_peer,
    }


def result_data(result: CallResult, wrong: list[str]) -> dict[str, Any]:
    """JSON shape of a placed call, secrets masked: the SBC may have written back what it was sent."""
    from dataclasses import asdict

    from sbc_sim.calls.telling import media
    from sbc_sim.journal.view import rfc3339
    from sbc_sim.placing import came_back

    proof = result.proof
    told = {
        "passed": not wrong,
        "problems": wrong,
        "sipCallId": result.sip_call_id,
        "status": result.status,
        "reason": result.reason,
        "warning": result.warning,
        "startedAt": rfc3339(result.started_at),
        "answeredAt": rfc3339(result.answered_at),
        "endedAt": rfc3339(result.ended_at),
        "endedBy": result.ended_by,
        "byeStatus": result.bye_status,
        "suite": result.suite,
        "echo": None if proof is None else {**{camel(k): v for k, v in asdict(proof).items()}, "share": proof.share},
        "cameBack": str(came_back(proof)),
        "media": None if result.report is None else media(result.report, True),
    }
    return {name: mask_values(value) for name, value in told.items()}
