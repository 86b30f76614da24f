"""Who shares the store, as the API and the metrics tell it."""

from __future__ import annotations

from collections.abc import Callable

from sbc_sim.http.metrics import Gauges, Metrics
from sbc_sim.journal.replica import Replica, ReplicaState
from sbc_sim.journal.store import StoreSize
from tests.http.conftest import Lab


def test_replicas_are_listed_with_what_is_known_of_them(make_lab: Callable[..., Lab]) -> None:
    known = (
        Replica("1", "pod-a", 0, 1_700_000_000.0, 1_700_000_002.0, ReplicaState.LIVE, {"http": "http://192.0.2.1:8080"}, own=True),
        Replica("2", "pod-b", 1, 1_700_000_001.0, 1_700_000_001.5, ReplicaState.LOST),
    )
    lab = make_lab(more={"replicas": lambda: known})
    first, second = lab.client.get("/api/v1/replicas").json()["replicas"]
    assert first == {
        "name": "pod-a",
        "state": "live",
        "own": True,
        "slot": 0,
        "startedAt": "2023-11-14T22:13:20.000Z",
        "seenAt": "2023-11-14T22:13:22.000Z",
        "about": {"http": "http://192.0.2.1:8080"},
    }
    assert (second["name"], second["state"], second["own"]) == ("pod-b", "lost", False)


def test_a_store_that_is_not_shared_has_no_replicas(lab: Lab) -> None:
    assert lab.client.get("/api/v1/replicas").json() == {"replicas": []}


def test_the_metrics_count_living_replicas_and_orders_only_where_a_store_is_shared() -> None:
    def text(**more: object) -> str:
        gauges = Gauges(media_ports=lambda: (0, 0), store_size=lambda: StoreSize(0, 0, 0), **more)  # type: ignore[arg-type]
        return Metrics(gauges, "1.2.3").exposition()[0].decode()

    shared = text(replicas=lambda: 3, orders=lambda: {"sent": 4, "dropped": 1})
    assert "sbc_sim_replicas_live 3.0" in shared
    assert 'sbc_sim_orders_total{result="sent"} 4.0' in shared
    assert 'sbc_sim_orders_total{result="dropped"} 1.0' in shared
    assert "sbc_sim_replicas_live" not in text()
