"""Giving a call back by order, and the partner's word of what became of the customer (requirements 107, 111)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

from sbc_sim.calls.escalation_plan import CannotEscalate
from sbc_sim.calls.partner_check import PartnerWord
from sbc_sim.http.bodies import read_body
from sbc_sim.http.calls_api import call_json
from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, bad_request, no_call
from sbc_sim.http.routes import Route
from sbc_sim.journal.store import Store
from sbc_sim.sip.text import printable

LIMIT = 16 * 1024


class EscalationDesk(Protocol):
    """The escalations of the running simulator."""

    def escalate(self, call: str, mode: str, why: str, target: str) -> None:
        """Give a live call back; `mode` and `target` empty: as set. Raises CannotEscalate."""

    def partner_says(self, call: str, word: PartnerWord) -> None:
        """Take the partner's word about an escalated call. Raises CannotEscalate."""


class NoEscalations:
    """The desk of an interface without a simulator behind it."""

    def escalate(self, call: str, mode: str, why: str, target: str) -> None:
        """Refuse."""
        raise CannotEscalate("not-here", "Calls cannot be given back here.", "Ask a running simulator.")

    def partner_says(self, call: str, word: PartnerWord) -> None:
        """Refuse."""
        raise CannotEscalate("not-here", "There is no partner check here.", "Ask a running simulator.")


class EscalationApi:
    """Routes about escalations."""

    def __init__(self, store: Store, desk: EscalationDesk) -> None:
        """`store` has the calls, `desk` does what is ordered."""
        self._store = store
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        one = "/api/v1/calls/{id}"
        return (
            Route("POST", f"{one}/escalate", self.escalate, "Give a live call back to the partner", body_limit=LIMIT,
                  request="EscalateRequest", response="Call", status=HTTPStatus.ACCEPTED, problems=(409, 503, 504)),
            Route("POST", f"{one}/partner", self.partner, "Say what became of the customer of an escalated call", body_limit=LIMIT,
                  request="PartnerRequest", response="Call", problems=(409, 503, 504)),
        )  # fmt: skip

    def escalate(self, asked: Asked) -> Reply:
        """Give a call back."""
        call, said = asked.names["id"], read_body(asked.body, "EscalateRequest")
        try:
            self._desk.escalate(call, said.mode or "", printable(said.why or "", 200), (said.target or "").strip())
        except CannotEscalate as error:
            raise self._problem(error, call) from None
        return self._call(call, 202)

    def partner(self, asked: Asked) -> Reply:
        """Take the partner's word."""
        call, said = asked.names["id"], read_body(asked.body, "PartnerRequest")
        if all(value in (None, "") for value in said.model_dump().values()):
            raise bad_request(
                "nothing-said",
                "The body says nothing of the customer.",
                'Send at least one of customerAlive, repReached, linked, repCall and text, as {"customerAlive": true}.',
            )
        word = PartnerWord(
            said.customer_alive, said.rep_reached, said.linked, printable(said.rep_call or "", 80), printable(said.text or "", 400)
        )
        try:
            self._desk.partner_says(call, word)
        except CannotEscalate as error:
            raise self._problem(error, call) from None
        return self._call(call, 200)

    def _call(self, call: str, status: int) -> Reply:
        view = self._store.call(call)
        if view is None:
            raise no_call(self._store, call)
        return json_reply(call_json(view), status)

    def _problem(self, error: CannotEscalate, call: str) -> Problem:
        if error.code == "no-such-call":
            return no_call(self._store, call)
        return Problem(400 if error.by_request else 409, error.code, str(error), error.fix)
