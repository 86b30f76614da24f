"""`demo --escalate`: the end-to-end test with a return by INVITE, played by the built-in partner, and told by both legs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from sbc_sim.commands.answer import answer_lines
from sbc_sim.commands.shared import INTERRUPTED, PASSED, RULE_FAILED, CannotRun, end_reactor, own_version, paint, run_reactor, say, width

if TYPE_CHECKING:
    from sbc_sim.journal.store import Store, Trace
    from sbc_sim.settings import Settings
    from sbc_sim.unattended import Unattended

WANTED = {"parts": ["end-to-end"], "escalations": ["invite-back"], "name": "demo", "stepSeconds": 20}


def show_return(settings: Settings, reactor: Any) -> int:
    """Serve, create the voice call, call the agent, take the call back, route it to a rep; tell both legs. Returns the exit code."""
    from sbc_sim.answering import AnsweringError, AnswerOrder
    from sbc_sim.rehearsing import PartnerOrder
    from sbc_sim.service import ServiceError
    from sbc_sim.unattended import Aim, Unattended

    try:
        demo = Unattended(Aim(PartnerOrder("", 0, ""), AnswerOrder(tls_dir=settings.tls.dir), settings, own_version()), WANTED, reactor)
    except (AnsweringError, ServiceError) as error:
        raise CannotRun(str(error)) from None
    ended: list[Any] = []
    over = demo.run().addBoth(ended.append)
    over.addBoth(lambda _: end_reactor(reactor))
    if run_reactor(reactor, demo.stop) == INTERRUPTED or not ended:
        raise click.Abort
    if not isinstance(ended[0], dict):
        ended[0].raiseException()
    return _tell(demo, ended[0])


def _tell(demo: Unattended, rehearsal: Mapping[str, Any]) -> int:
    from sbc_sim.exports.ladder_text import ladder_text
    from sbc_sim.exports.redaction import clean

    assert demo.service is not None
    for trace in _traces(demo.service.store):
        title = "The call to the agent" if trace.call.direction == "inbound" else "The call that is given back"
        say(paint(f"{title}, as the simulator saw it", "title"))
        say(ladder_text(trace, width()))
    say(paint("The call that came back, as the partner saw it", "title"))
    for number, result in enumerate(demo.taken, 1):
        say("\n".join(answer_lines(number, result)))
    say()
    say(paint("The end-to-end test, step by step", "title"))
    for step in rehearsal["steps"]:
        style = "good" if step["state"] == "passed" else "bad"
        said = step["why"] or (step["attempts"][-1]["text"] if step["attempts"] else "")
        say(f"{paint(step['state'], style)}  {clean(step['title'])}: {clean(said)}")
    for trouble in demo.troubles:
        say(paint(f"problem: {clean(trouble)}", "warning"))
    return PASSED if rehearsal["state"] == "passed" else RULE_FAILED


def _traces(store: Store) -> Iterator[Trace]:
    """Both calls, in their order."""
    from sbc_sim.journal.store import CallQuery

    for call in reversed(store.calls(CallQuery()).calls):
        trace = store.trace(call.id)
        if trace is not None:
            yield trace
