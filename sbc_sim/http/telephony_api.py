"""The Telephony Integration API on the wire: /telephony/v1/... is handed to the model as it comes, and the answer carried out, faults too.

Clients show a JWT, not our token, and go by whatever name leads here. Where no JWT is asked for and no token guards the interface, the
name in Host is checked as elsewhere: a foreign page in a browser shall not make voice calls.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.http.channel import Incoming
from sbc_sim.http.clock import Clock
from sbc_sim.http.exchange import Asked, Reply, json_reply, json_text
from sbc_sim.http.guard import Guard, Header
from sbc_sim.http.problem import Problem
from sbc_sim.http.routes import Route, read_any_query
from sbc_sim.http.telephony_source import TelephonySource
from sbc_sim.telephony.asking import RestAnswer, RestRequest
from sbc_sim.telephony.model import BASE

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
LONGEST_BODY = 256 * 1024
"""Octets of a request: five calls with five messages of ten thousand characters each."""
LONGEST_DELAY = 120.0
"""Seconds that the fault telephony-slow may hold an answer."""


class TelephonyApi:
    """The routes below /telephony/v1."""

    def __init__(self, source: TelephonySource | None, guard: Guard, clock: Clock) -> None:
        """`source` None: the API is switched off."""
        self._source = source
        self._guard = guard
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """Lines for each method: the paths are the model's own business."""
        return tuple(
            Route(method, BASE + below, self.ask, "The Telephony Integration API", produces="", open=True, consumes=("*",),
                  any_query=True, documented=False, body_limit=LONGEST_BODY)
            for method in METHODS
            for below in ("", "/", "/{path...}")
        )  # fmt: skip

    def ask(self, asked: Asked) -> Reply | Deferred[Reply]:
        """Answer a request. Raises Problem 404 when the API is switched off."""
        source = self._source
        if source is None:
            raise Problem(404, "no-telephony", "The Telephony Integration API is switched off.", "Set telephony.enabled: true.")
        if source.model.options.verify != "require":
            self._guard.check_host(asked.header)
        answer = self._answer(source, asked)
        if source.settled is None or not answer.changed:
            return carry_out(answer, self._clock)
        return source.settled().addCallback(lambda _: carry_out(answer, self._clock))

    def _answer(self, source: TelephonySource, asked: Asked) -> RestAnswer:
        begun = self._clock.seconds()
        path = asked.path.removeprefix(BASE)
        request = RestRequest(asked.method, path, asked.query, asked.first("Authorization"), asked.media_type, asked.body)
        return source.answer(request, lambda: (self._clock.seconds() - begun) * 1000)


def carry_out(answer: RestAnswer, clock: Clock) -> Reply | Deferred[Reply]:
    """Make the reply, late, cut off or not at all where a fault wants that."""
    reply = json_reply(answer.body, answer.status, headers=answer.headers)
    fault = answer.fault
    if fault is None:
        return reply
    if fault.type == "telephony-drop":
        return Reply(0, b"", cut=True)
    if fault.type == "telephony-garbage":
        written = json_text(answer.body).encode()
        return Reply(answer.status, written[: max(1, len(written) // 2)], headers=answer.headers)
    later: Deferred[Reply] = Deferred()
    alarm = clock.callLater(min(fault.value or 5.0, LONGEST_DELAY), lambda: later.callback(reply))
    later.addErrback(lambda gone: alarm.cancel() if alarm.active() else None)
    return later


class TelephonyFront:
    """The API alone, for a listener of its own (telephony.tls_listen): whoever reaches that one reaches nothing else."""

    def __init__(self, api: TelephonyApi, guard: Guard, body_limit: int) -> None:
        """`body_limit`: octets; never more than `LONGEST_BODY`."""
        self._api = api
        self._guard = guard
        self._body_limit = min(body_limit, LONGEST_BODY)

    def answer(self, incoming: Incoming) -> Any:
        """Answer. Raises Problem 403 for the page of another origin, 404 for what is not of the API."""
        self._guard.check_origin(incoming.header, incoming.method)
        path, _, query = incoming.target.partition("?")
        if path != BASE and not path.startswith(BASE + "/"):
            fix = f"Paths here begin with {BASE}/; everything else is at http.listen."
            raise Problem(404, "no-such-path", f"Nothing is served at {path[:200]}.", fix)
        kind = (incoming.header("Content-Type") or [""])[0].partition(";")[0].strip().lower()
        asked = Asked(incoming.method, path, {}, read_any_query(query), incoming.body, "", kind, header=incoming.header)
        return self._api.ask(asked)

    def most_octets(self, method: str, target: str, header: Header) -> int:
        """Tell how long a body may be."""
        return self._body_limit
