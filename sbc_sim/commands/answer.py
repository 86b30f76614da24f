"""The command that takes calls as the partner: answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.shared import (
    INTERRUPTED,
    NO_CALLS,
    PASSED,
    RULE_FAILED,
    CannotRun,
    as_json,
    end_reactor,
    paint,
    run_reactor,
    say,
    say_json,
    the_reactor,
)
from sbc_sim.exports.redaction import clean, mask_uui, mask_values

if TYPE_CHECKING:
    from sbc_sim.answering import Answering, AnswerOrder
    from sbc_sim.journal.entries import Entry
    from sbc_sim.partner.answered_call import AnswerResult
    from sbc_sim.sip.message import Request

READABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
MISTAKES = ("asks-certificate", "demands-certificate", "wrong-name", "untrusted", "expired", "plain-text", "silent", "no-srtp")
LISTEN = "HOST:PORT"
SHOWN = ("From", "To", "P-Asserted-Identity", "Diversion", "History-Info", "Referred-By", "Replaces", "Reason", "User-Agent")


@click.command()
@click.option("--listen", default="127.0.0.1:0", show_default=True, metavar=LISTEN, help="Where the SBC calls back; port 0: any free one.")
@click.option("--cert", "cert_file", type=READABLE, help="Certificate (PEM: leaf, then its chain). Default: one under the CA of --tls-dir.")
@click.option("--key", "key_file", type=READABLE, help="Its private key.")
@click.option(
    "--tls-dir", type=click.Path(file_okay=False, path_type=Path), default=Path("certs"), show_default=True, help="Folder of the CA."
)
@click.option("--name", "names", multiple=True, metavar="NAME", help="Host name that the certificate is made for; may be repeated.")
@click.option(
    "--seconds", type=click.FloatRange(0.1, 86400), default=30.0, show_default=True, help="From ACK to our BYE; the SBC may be first."
)
@click.option("--ring-seconds", type=click.FloatRange(0, 600), default=0.2, show_default=True, help="From 180 to 200.")
@click.option("--calls", type=click.IntRange(0, 100000), default=0, show_default=True, help="End after so many; 0: never.")
@click.option("--timeout", type=click.FloatRange(0.1, 86400), help="End after so many seconds in any case; exit code 4 without a call.")
@click.option("--echo", is_flag=True, help="Send back what comes instead of a tone.")
@click.option("--refuse", type=click.IntRange(400, 699), metavar="STATUS", help="Refuse every call with this status.")
@click.option("--mistake", type=click.Choice(MISTAKES), default=None, help="Do this wrong on purpose.")
@as_json
def answer(listen: str, calls: int, timeout: float | None, as_json: bool, **wanted: Any) -> int:
    """Act as the partner's side of an escalation by INVITE: take the calls that the SBC gives back, over TLS with SRTP.

    Tells what each INVITE carries (User-to-User decoded), answers, plays a tone, and ends by BYE. Exit code 0 when every call was in order,
    1 when not, 3 when it cannot listen, 4 when no call came in time.
    """
    order = _order(listen, calls, wanted)
    reactor = the_reactor()
    from sbc_sim import logs
    from sbc_sim.answering import Answering, AnsweringError

    logs.start_logging("warning", "console")
    try:
        answering = Answering(order, reactor)
        answering.listen()
    except AnsweringError as error:
        raise CannotRun(str(error)) from None
    over = answering.run()
    over.addBoth(lambda _: end_reactor(reactor))
    if timeout is not None:
        reactor.callLater(timeout, answering.stop)
    teller = _Teller(answering, as_json)
    answering.store.subscribe(teller.hear)
    teller.greet()
    code = run_reactor(reactor, answering.stop)
    return teller.end(code)


def _order(listen: str, calls: int, wanted: dict[str, Any]) -> AnswerOrder:
    from sbc_sim.answering import AnswerOrder, Misconduct
    from sbc_sim.partner.answered_call import AnswerPlan
    from sbc_sim.rules.policy import Policy

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or not host:
        raise click.BadParameter(f"{listen!r} is not {LISTEN}", param_hint="--listen")
    if (wanted["cert_file"] is None) != (wanted["key_file"] is None):
        raise click.UsageError("--cert and --key go together")
    plan = AnswerPlan(wanted["seconds"], wanted["ring_seconds"], wanted["refuse"], suites=Policy().suites)
    return AnswerOrder(
        plan,
        host.strip("[]"),
        int(port),
        wanted["cert_file"],
        wanted["key_file"],
        wanted["tls_dir"],
        wanted["names"],
        calls,
        wanted["echo"],
        Misconduct(wanted["mistake"] or "none"),
    )


class _Teller:
    """Says where we listen, and each call when it is over."""

    def __init__(self, answering: Answering, as_json: bool) -> None:
        self._answering = answering
        self._json = as_json
        self._told: set[str] = set()
        self._passed = True

    def greet(self) -> None:
        """Say what to set."""
        if self._json:
            return
        answering = self._answering
        own = answering.order.cert_file is not None
        say(f"{paint('listening', 'title')}  tls:{answering.order.host}:{answering.port}, for the calls that the SBC gives back")
        say("set for the simulator:")
        say(f"  partners.NAME.return_uri: {paint(answering.uri, 'strong')}")
        if not own:
            ca = paint(str(answering.order.tls_dir / "ca.pem"), "strong")
            say(f"  partners.NAME.ca_file:    {ca}  (CA of our certificate)")
        if answering.order.misconduct != "none":
            say(paint(f"on purpose: {answering.order.misconduct}", "warning"))

    def hear(self, entry: Entry) -> None:
        """Tell a call that is over, or a connection that came to nothing."""
        if entry.kind.value == "attempt" and not self._json:
            say(paint(f"no call: a connection of {entry.data['peer']['host']} came to nothing: {clean(entry.data['detail'])}", "warning"))
        elif entry.kind.value == "call.ended" and entry.call not in self._told:
            self._told.add(entry.call or "")
            self._tell(next(result for result in self._answering.results if result.call == entry.call))

    def _tell(self, result: AnswerResult) -> None:
        self._passed = self._passed and not result.problems
        if not self._json:
            say("\n".join(answer_lines(len(self._told), result)))

    def end(self, code: int) -> int:
        """Say what came of all and give the exit code."""
        results = self._answering.results
        if self._json:
            failures = [clean(failure.detail) for failure in self._answering.failures]
            say_json({"uri": self._answering.uri, "calls": [answer_data(result) for result in results], "failures": failures})
        if code == INTERRUPTED:
            return INTERRUPTED
        if not results:
            return NO_CALLS
        return PASSED if self._passed else RULE_FAILED


def answer_lines(number: int, result: AnswerResult) -> list[str]:
    """Tell one call that was offered to us in some lines."""
    assert result.invite is not None
    lines = [f"{paint(f'call {number}', 'title')}  INVITE {clean(result.invite.uri)} from {result.peer}"]
    lines += [f"  {name}: {clean(value)}" for name, value in shown_headers(result.invite)]
    lines += [f"  {line}" for line in _uui_lines(result)]
    lines.append(f"  {_outcome(result)}")
    if result.bye is not None:
        lines += [f"  BYE with {name}: {clean(value)}" for name, value in shown_headers(result.bye) if name not in ("From", "To")]
    lines += [paint(f"  problem: {clean(problem)}", "warning") for problem in result.problems]
    lines.append(f"  {paint('in order', 'good') if not result.problems else paint('not in order', 'bad')}")
    return lines


def shown_headers(request: Request) -> Iterator[tuple[str, str]]:
    """Give the header fields that say something of the call: numbers, reasons and those of one's own (X-...)."""
    wanted = {name.lower() for name in SHOWN}
    for item in request.headers:
        name = item.name.lower()
        if name in wanted or (name.startswith("x-") and name != "x-user-to-user"):
            yield item.name, item.value


def _uui_lines(result: AnswerResult) -> list[str]:
    from sbc_sim.calls.telling import user_to_user
    from sbc_sim.exports.uui_text import uui_text

    if result.uui is None or result.uui.raw is None:
        return ["User-to-User: none"]
    data = user_to_user(result.uui, [])
    return [f"{result.uui.header_name}:", *(f"  {line}" for line in uui_text(mask_uui(data), data).splitlines())]


def _outcome(result: AnswerResult) -> str:
    if result.answered_at is None:
        return f"answered with {result.status or 'nothing'}"
    lasted = (result.ended_at or result.answered_at) - result.answered_at
    heard = result.report.packets_received if result.report is not None else 0
    media = f"{result.codec} over {result.suite}, {heard} packets heard" if result.suite else "no media"
    return f"answered, {media}, {lasted:.1f} s, ended by {result.ended_by}"


def answer_data(result: AnswerResult) -> dict[str, Any]:
    """JSON shape of a call that was offered to us, secrets masked."""
    from sbc_sim.calls.telling import media, user_to_user
    from sbc_sim.journal.view import rfc3339

    assert result.invite is not None
    told = {
        "passed": not result.problems,
        "problems": result.problems,
        "sipCallId": result.sip_call_id,
        "peer": result.peer,
        "requestUri": result.invite.uri,
        "headers": [list(pair) for pair in shown_headers(result.invite)],
        "numbers": result.numbers,
        "status": result.status,
        "startedAt": rfc3339(result.started_at),
        "answeredAt": rfc3339(result.answered_at),
        "endedAt": rfc3339(result.ended_at),
        "endedBy": result.ended_by,
        "byeStatus": result.bye_status,
        "codec": result.codec,
        "suite": result.suite,
        "media": None if result.report is None else media(result.report, True),
    }
    uui = None if result.uui is None else mask_uui(user_to_user(result.uui, []))
    return {**{name: mask_values(value) for name, value in told.items()}, "uui": uui}
