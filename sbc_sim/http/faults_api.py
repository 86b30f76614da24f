"""Faults set, looked at and taken away; and the table of test numbers.

What the faults are and do is in calls/fault_types; here they only come and go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from sbc_sim.calls.fault_types import told_types
from sbc_sim.calls.faults import BadFault
from sbc_sim.http.bodies import read_json_object
from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, bad_request, not_found
from sbc_sim.http.routes import Route

LIMIT = 16 * 1024


class FaultDesk(Protocol):
    """The faults of the running simulator."""

    def all(self) -> Sequence[Mapping[str, Any]]:
        """All, the oldest first, as JSON."""

    def one(self, name: str) -> Mapping[str, Any] | None:
        """One by its name."""

    def put(self, name: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Set one. Raises BadFault."""

    def remove(self, name: str) -> bool:
        """Take one away; False when it is not there."""

    def clear(self) -> int:
        """Take away those that the API has set; give their number."""

    def numbers(self) -> Sequence[Mapping[str, Any]]:
        """The test numbers, as JSON; none when they are off."""


class NoFaults:
    """The desk of a simulator without faults."""

    def all(self) -> Sequence[Mapping[str, Any]]:
        """None."""
        return ()

    def one(self, name: str) -> Mapping[str, Any] | None:
        """None."""
        return None

    def put(self, name: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse."""
        raise Problem(409, "not-here", "Faults cannot be set here.", "Ask a running simulator.")

    def remove(self, name: str) -> bool:
        """Nothing is there."""
        return False

    def clear(self) -> int:
        """Nothing is there."""
        return 0

    def numbers(self) -> Sequence[Mapping[str, Any]]:
        """None."""
        return ()


class FaultsApi:
    """Routes about faults and test numbers."""

    def __init__(self, desk: FaultDesk) -> None:
        """`desk` keeps the faults."""
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        one = "/api/v1/faults/{name}"
        return (
            Route("GET", "/api/v1/faults", self.all, "What is done wrong on purpose", response="Faults"),
            Route("DELETE", "/api/v1/faults", self.clear, "Take away the faults that the API has set", response="FaultsRemoved",
                  problems=(503,)),
            Route("GET", one, self.one, "One fault", response="Fault"),
            Route("PUT", one, self.put, "Set a fault, in place of one of the same name", body_limit=LIMIT, request="FaultBody",
                  response="Fault", problems=(409, 503)),
            Route("DELETE", one, self.remove, "Take a fault away", produces="", status=HTTPStatus.NO_CONTENT, problems=(503,)),
            Route("GET", "/api/v1/numbers", self.numbers, "The test numbers", response="Numbers"),
        )  # fmt: skip

    def all(self, asked: Asked) -> Reply:
        """List the faults, the oldest first, and the types that there are."""
        return json_reply({"faults": list(self._desk.all()), "types": told_types()})

    def one(self, asked: Asked) -> Reply:
        """Tell of one fault."""
        found = self._desk.one(asked.names["name"])
        if found is None:
            raise self._unknown(asked)
        return json_reply(found)

    def put(self, asked: Asked) -> Reply:
        """Set a fault. Raises Problem 400 naming the member that makes no sense and the nearest one that would."""
        try:
            return json_reply(self._desk.put(asked.names["name"], read_json_object(asked.body)))
        except BadFault as error:
            raise bad_request("bad-fault", error.detail, error.fix, **({"member": error.member} if error.member else {})) from None

    def remove(self, asked: Asked) -> Reply:
        """Take a fault away."""
        if not self._desk.remove(asked.names["name"]):
            raise self._unknown(asked)
        return Reply(204, b"")

    def clear(self, asked: Asked) -> Reply:
        """Take away the faults that came by the API; those of the settings stay."""
        return json_reply({"removed": self._desk.clear()})

    def numbers(self, asked: Asked) -> Reply:
        """List the test numbers."""
        return json_reply({"numbers": list(self._desk.numbers())})

    def _unknown(self, asked: Asked) -> Problem:
        names = ", ".join(str(fault["name"]) for fault in self._desk.all()[:10])
        return not_found("fault", asked.names["name"], f"Set now: {names}." if names else "No fault is set now.")
