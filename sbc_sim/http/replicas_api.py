"""Who shares the store: the replicas, as the database tells of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.routes import Route
from sbc_sim.journal.owners import Fellows
from sbc_sim.journal.replica import Replica
from sbc_sim.journal.view import rfc3339


class ReplicasApi:
    """The route that lists the replicas."""

    def __init__(self, listed: Callable[[], Sequence[Replica]]) -> None:
        """`listed` never waits; it gives none when the store is not shared."""
        self._listed = listed

    def routes(self) -> tuple[Route, ...]:
        """The line for the route table."""
        return (Route("GET", "/api/v1/replicas", self.list, "The replicas that share the store", response="Replicas"),)

    def list(self, asked: Asked) -> Reply:
        """List those that live, and those that left within the last hour."""
        return json_reply({"replicas": [replica_json(replica) for replica in self._listed()]})


def replica_json(replica: Replica) -> Mapping[str, Any]:
    """Write a replica as the API shows it."""
    return {
        "name": replica.name,
        "state": replica.state.value,
        "own": replica.own,
        "slot": replica.slot,
        "startedAt": rfc3339(replica.started_at),
        "seenAt": rfc3339(replica.seen_at),
        "about": dict(replica.about),
    }


def replicas_info(fellows: Fellows) -> Mapping[str, Any]:
    """Tell in /api/v1/info who answers, and who else there is."""
    told = [{"name": one.name, "state": one.state.value, "http": one.about.get("http")} for one in fellows.listed()]
    return {"replica": fellows.name or None, "replicas": told}
