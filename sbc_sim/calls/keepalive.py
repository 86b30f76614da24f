"""OPTIONS of ours to partners, every so often: does the way on which calls are given back still work (requirement 141)?

Each way is one address of one partner: its return_uri, and that of each region where it differs. It has a connection, which stays open and
is dialled anew once it is gone, and one open request at most. A way that does not answer is dialled anew: its connection may be dead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.calls.desk import Desk
from sbc_sim.calls.escalation_plan import Target, target_of
from sbc_sim.calls.outputs import Close
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.production import is_production
from sbc_sim.journal.entries import Kind
from sbc_sim.journal.view import rfc3339
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.tls import judge_attempt
from sbc_sim.sip.effects import ClientTransaction
from sbc_sim.sip.message import Response
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem
from sbc_sim.sip.text import printable
from sbc_sim.sip.uri import host_port

MOST_WAYS = 200
"""Addresses that are asked; further ones are left out."""
RESULTS = ("answered", "refused", "unanswered", "lost", "unreachable", "tls")


@dataclass(frozen=True, slots=True)
class KeepalivePlan:
    """Whom to ask, and how often."""

    seconds: float = 0.0
    """From one OPTIONS to the next on a way; 0: never."""
    partners: Sequence[Partner] = ()


@dataclass(slots=True)
class _Way:
    """One address of one partner, and how it stands."""

    partner: str
    region: str
    target: Target
    trust: str
    due: float | None = None
    """When it is asked next, unix seconds; None while it is being asked."""
    connection: int | None = None
    opened: bool = False
    asked: ClientTransaction | None = None
    began_at: float = 0.0
    sent_at: float | None = None
    """Of the newest OPTIONS, unix seconds."""
    answered_at: float | None = None
    """Of the newest answer."""
    status: int | None = None
    took: float | None = None
    """Seconds from the newest OPTIONS to its answer."""
    result: str = ""
    why: str = ""
    """Why the newest failed, and the cure; empty when it did not."""
    failures: int = 0
    """In a row."""
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def uri(self) -> str:
        """Whom to ask: the server, not a user on it."""
        return f"sip:{host_port(self.target.host, self.target.port)};transport=tls"


def ways_of(partners: Iterable[Partner]) -> list[_Way]:
    """List the addresses to ask: a partner's own, and those that differ from it in a region. Raises TemplateError for no URI at all."""
    ways = []
    for partner in partners:
        uris = {"": partner.return_uri} | {region: partner.at(region).return_uri for region in sorted(partner.by_region)}
        for region, uri in uris.items():
            if uri and (not region or uri != partner.return_uri):
                ways.append(_Way(partner.name, region, target_of(uri, f"return_uri of {partner.name}"), partner.ca))
    return ways[:MOST_WAYS]


class Keepalive:
    """Asks all ways in turn; time is an argument."""

    def __init__(self, plan: KeepalivePlan, desk: Desk) -> None:
        """Ask nobody yet: the first `advance` begins."""
        self._seconds = plan.seconds
        self._desk = desk
        self._ways = ways_of(plan.partners) if plan.seconds > 0 else []
        self._by_connection: dict[int, _Way] = {}
        self._asked: dict[ClientTransaction, _Way] = {}
        self.deadline: float | None = 0.0 if self._ways else None
        """When `advance` must be called next, unix seconds."""
        self._begun = False

    # --- what happens --------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Ask those whose time has come. The first round is spread over the interval, so that not all are asked at once."""
        if self.deadline is None or now < self.deadline:
            return
        if not self._begun:
            self._begun = True
            for number, way in enumerate(self._ways):
                way.due = now + self._seconds * number / len(self._ways)
        for way in self._ways:
            if way.due is not None and way.due <= now:
                self._ask(way, now)
        self._rearm()

    def stop(self) -> None:
        """Ask no more."""
        for way in self._ways:
            way.due = None
        self._seconds, self.deadline = 0.0, None

    def needs(self, connection: int) -> bool:
        """Tell whether a connection is one of these, which stay open."""
        return connection in self._by_connection

    def connected(self, connection: int, now: float) -> None:
        """Ask on a connection that was opened for it."""
        way = self._by_connection.get(connection)
        if way is not None and not way.opened:
            way.opened = True
            self._send(way, connection, now)

    def refused(self, connection: int, peer: Peer, failure: TlsFailure, now: float) -> None:
        """Note why a connection cannot be had."""
        way = self._by_connection.get(connection)
        if way is None:
            return
        self._drop(way)
        found = judge_attempt(peer, failure, self._desk.policy)[0]
        cure = "" if is_production(way.target.host) else f" {found.fix or RULES[found.rule].fix}"
        result = "unreachable" if failure.problem is TlsProblem.UNREACHABLE else "tls"
        self._failed(way, result, f"{found.detail}{cure}", now)

    def lost(self, connection: int) -> None:
        """Forget a connection that is gone; the next OPTIONS dials anew."""
        way = self._by_connection.get(connection)
        if way is not None:
            self._drop(way)

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer; those to other requests are left alone."""
        if response.status < 200:
            return
        way = self._asked.pop(transaction, None)
        if way is None:
            return
        way.asked = None
        way.answered_at, way.status = now, response.status
        way.took = now - way.began_at
        if response.status < 300:
            self._well(way, now)
            return
        told = f"{response.status} {printable(response.reason, 60)}"
        self._failed(
            way, "refused", f"It answered OPTIONS with {told}. Let it answer 200 to the SBC's address (RFC 3261 section 11.2).", now
        )

    def unanswered(self, transaction: ClientTransaction, status: int, why: str, now: float) -> None:
        """Note an OPTIONS without an answer; other requests are left alone."""
        way = self._asked.pop(transaction, None)
        if way is None:
            return
        way.asked = None
        if status == 503:
            cure = "Keep the connection open until requests on it are answered, and see in your log why it was closed."
            self._failed(way, "lost", f"{printable(why, 200)}. {cure}", now)
            return
        cure = "TLS works, so look at what is behind it: is the SIP service up, and does it take OPTIONS from the SBC's address?"
        self._failed(way, "unanswered", f"{printable(why, 200)}. {cure}", now)
        if way.connection is not None:
            self._desk.outbox.put(Close(way.connection, "OPTIONS was not answered", abort=True))
            self._drop(way)

    # --- what is done --------------------------------------------------------------------------------------------------

    def _ask(self, way: _Way, now: float) -> None:
        way.due, way.began_at = None, now
        if way.connection is not None:
            self._send(way, way.connection, now)
            return
        way.connection, effects = self._desk.agent.dial(way.target.host, way.target.port, way.trust)
        self._by_connection[way.connection] = way
        self._desk.outbox.carry(effects, now)

    def _send(self, way: _Way, connection: int, now: float) -> None:
        way.began_at = way.sent_at = now
        caller = f"<sip:sbc-sim@{self._desk.warn_host}>"
        client = self._desk.agent.client
        way.asked, effects = client.ask(connection, "OPTIONS", way.uri, caller, f"<{way.uri}>", now, (("Accept", "application/sdp"),))
        self._asked[way.asked] = way
        self._desk.outbox.carry(effects, now)

    def _drop(self, way: _Way) -> None:
        if way.connection is not None:
            self._by_connection.pop(way.connection, None)
        way.connection, way.opened = None, False

    def _well(self, way: _Way, now: float) -> None:
        if way.failures:
            self._note(way, f"{way.target.host} answers OPTIONS again, after {way.failures} that failed", "answered", now)
        way.failures, way.why = 0, ""
        self._over(way, "answered", max(now, way.began_at + self._seconds))

    def _failed(self, way: _Way, result: str, why: str, now: float) -> None:
        way.failures += 1
        way.why = why
        at = host_port(way.target.host, way.target.port)
        where = f" in {way.region}" if way.region else ""
        self._note(way, f"OPTIONS to {way.partner}{where} at {at}: {why}", result, now)
        self._over(way, result, now + self._seconds)

    def _over(self, way: _Way, result: str, due: float) -> None:
        way.result = result
        way.counts[result] += 1
        way.due = due if self._seconds > 0 else None
        self._rearm()

    def _rearm(self) -> None:
        self.deadline = min((way.due for way in self._ways if way.due is not None), default=None)

    def _note(self, way: _Way, text: str, result: str, now: float) -> None:
        told = {"partner": way.partner, "region": way.region or None, "result": result, "status": way.status, "uri": way.uri}
        self._desk.outbox.record(Kind.NOTE, None, now, {"text": text, "options": told})

    # --- telling -------------------------------------------------------------------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """OPTIONS by what became of them; all zero, or nothing when none are sent."""
        return {result: sum(way.counts[result] for way in self._ways) for result in RESULTS} if self._ways else {}

    def states(self, partner: str) -> list[dict[str, Any]]:
        """Tell how the ways of a partner stand, as JSON."""
        return [_told(way) for way in self._ways if way.partner == partner]


def _told(way: _Way) -> dict[str, Any]:
    return {
        "region": way.region or None,
        "uri": way.uri,
        "result": way.result or "waiting",
        "status": way.status,
        "lastSentAt": None if way.sent_at is None else rfc3339(way.sent_at),
        "lastAnswerAt": None if way.answered_at is None else rfc3339(way.answered_at),
        "roundTripMs": None if way.took is None else round(way.took * 1000, 1),
        "failures": way.failures,
        "why": way.why or None,
    }
