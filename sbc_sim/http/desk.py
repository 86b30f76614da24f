"""Where requests arrive: admit, find the route, check what was sent, answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.http.channel import Incoming
from sbc_sim.http.events import Events
from sbc_sim.http.exchange import JSON, Asked, Reply
from sbc_sim.http.guard import Guard, Header
from sbc_sim.http.problem import Problem
from sbc_sim.http.routes import Answer, Route, RouteTable, check_accept, choose, read_any_query, read_query, wants_html
from sbc_sim.http.waiting import Waiting
from sbc_sim.journal.owners import Alone, Fellows, OwnerGone, OwnerSilent, TooManyOrders
from sbc_sim.journal.view import rfc3339


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers requests by the route table."""

    guard: Guard
    table: RouteTable
    waiting: Waiting
    """Who waits for a call."""
    events: Events
    """Who follows what happens."""
    body_limit: int
    """Largest body in octets, where a route names no limit of its own."""
    fellows: Fellows = field(default_factory=Alone)
    """The other replicas."""

    def answer(self, incoming: Incoming) -> Answer | Deferred[Reply]:
        """Answer, or raise Problem."""
        header, method = incoming.header, incoming.method
        self.guard.check_origin(header, method)
        target, _, query = incoming.target.partition("?")
        path = self.guard.relative(target, header)
        route, names = self._route(method, path, header)
        accept = _accept(header)
        check_accept(accept, route.produces)
        media_type = _check_body(incoming, route)
        prefix = self.guard.prefix(header)
        if path == "/" and target == prefix and wants_html(accept):  # the page's links are relative to the slash
            return Reply(308, b"", headers=(("Location", f"{prefix}/"),))
        named = read_any_query(query) if route.any_query else read_query(query, route.query)
        asked = Asked(method, path, names, named, incoming.body, accept, media_type, prefix=prefix, header=header)
        try:
            return self._once_done(route.function(asked))
        except OwnerGone as gone:
            raise Problem(409, "owner-gone", str(gone), "Its endReason tells how it ended.", replica=gone.replica) from None
        except TooManyOrders as error:
            fix = "See store.trouble in GET /api/v1/info, and ask again."
            raise Problem(503, "too-many-orders", str(error), fix, (("Retry-After", "5"),)) from None

    def _once_done(self, reply: Answer | Deferred[Reply]) -> Answer | Deferred[Reply]:
        """Answer once the other replicas have done what this request made us order: what comes next may reach any of them."""
        done: Deferred[OwnerSilent | None] = Deferred()
        if not self.fellows.when_done(lambda silent: None if done.called else done.callback(silent)):
            return reply

        def answered(silent: OwnerSilent | None) -> Any:
            if silent is not None:
                raise _silent(silent)
            return reply

        return done.addCallback(answered)

    def most_octets(self, method: str, target: str, header: Header) -> int:
        """Tell how long a body may be, before it comes. Raises Problem when who asks for a long one is not admitted."""
        path = self.guard.relative(target.partition("?")[0], header)
        try:
            route, _ = self._route(method, path, header)
        except Problem:
            return self.body_limit  # told once the request is whole
        if route.body_limit is None:
            return self.body_limit
        self.guard.check_origin(header, method)
        kind = (header("Content-Type") or [""])[0].partition(";")[0].strip().lower()
        return route.body_limit if kind == JSON or route.raw_limit is None else route.raw_limit

    def _route(self, method: str, path: str, header: Header) -> tuple[Route, Mapping[str, str]]:
        """Find the route, but tell who is not admitted nothing about which paths there are."""
        try:
            methods, names = self.table.find(path)
            route = choose(methods, method, path)
        except Problem:
            self.guard.check(header, method)
            raise
        if not (route.open or (route.open_to_browsers and wants_html(_accept(header)))):
            self.guard.check(header, method)
        return route, names


def _silent(silent: OwnerSilent) -> Problem:
    seen_at = None if silent.seen_at is None else rfc3339(silent.seen_at)
    fix = "Look at GET /api/v1/replicas, and ask again: when that replica is lost, the others end its calls."
    return Problem(504, "owner-silent", str(silent), fix, replica=silent.replica, seenAt=seen_at)


def _accept(header: Header) -> str:
    return ", ".join(header("Accept"))


def _check_body(incoming: Incoming, route: Route) -> str:
    """Return the media type of the body. Raises Problem 415 for one that the route does not read."""
    kind = (incoming.header("Content-Type") or [""])[0].partition(";")[0].strip().lower()
    if incoming.body and kind not in route.consumes and "*" not in route.consumes:
        said = f"declared as {kind[:60]}" if kind else "of no declared type"
        if route.consumes == (JSON,):
            raise Problem(415, "not-json", f"The body is {said}.", "Send JSON with the header Content-Type: application/json.")
        fix = f"Send the header Content-Type with one of {', '.join(route.consumes)}."
        raise Problem(415, "unknown-media-type", f"The body is {said}.", fix)
    return kind
