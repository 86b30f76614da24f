from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet import reactor

from sbc_sim.calls.fault_types import FAULT_TYPES
from sbc_sim.calls.numbers import NUMBERS, NumberTable
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.net.faulting import Faulting

KNOWN = {"region": ["frankfurt", "london"], "partner": ["acme"]}
NOW = 1_700_000_000.0


@pytest.fixture
def told() -> list[Entry]:
    return []


@pytest.fixture
def client(make_lab: Callable[..., Any], told: list[Entry]) -> Any:
    numbers = NumberTable(more={"+49301234": "agent"})
    return make_lab(more={"faults": Faulting(reactor, lambda: NOW, told.append, numbers, KNOWN)}).client  # type: ignore[arg-type]


def test_a_fault_is_set_looked_at_set_anew_and_taken_away_and_each_change_is_told(client: Any, told: list[Entry]) -> None:
    body = {"type": "loss", "value": 0.1, "seed": 7, "scope": {"region": "london"}, "count": 3, "seconds": 60}
    first = client.put("/api/v1/faults/lossy", json=body)
    assert first.status_code == 200
    assert {name: first.json()[name] for name in ("name", "value", "remaining", "expiresAt", "by")} == {
        "name": "lossy", "value": 0.1, "remaining": 3, "expiresAt": "2023-11-14T22:14:20.000Z", "by": "api"
    }  # fmt: skip
    assert client.get("/api/v1/faults/lossy").json() == first.json()
    assert client.put("/api/v1/faults/lossy", json={"type": "busy"}).json()["type"] == "busy"
    assert [fault["type"] for fault in client.get("/api/v1/faults").json()["faults"]] == ["busy"]
    assert client.delete("/api/v1/faults/lossy").status_code == 204
    assert client.get("/api/v1/faults").json()["faults"] == []
    assert [entry.data["change"] for entry in told] == ["set", "set", "removed"]
    assert {entry.kind for entry in told} == {Kind.FAULT_CHANGED}


@pytest.mark.parametrize(("body", "member", "fix"), [
    ({"type": "bussy"}, "type", "Did you mean busy?"),
    ({"type": "loss", "value": 1.5}, "value", "Use 0 to 1."),
    ({"type": "loss", "prob": 0.5}, "prob", "Did you mean probability?"),
    ({"type": "busy", "scope": {"region": "londn"}}, "scope.region", "Did you mean london?"),
    ({"type": "busy", "scope": {"partner": "acm"}}, "scope.partner", "Did you mean acme?"),
    ({"type": "tls-certificate", "count": 1}, "count", "It holds for all new connections; end it by seconds, or by DELETE."),
    ({}, "type", None),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_with_the_member_and_the_nearest_word(
    client: Any, told: list[Entry], body: dict[str, Any], member: str, fix: str | None
) -> None:
    problem = client.put("/api/v1/faults/x", json=body)
    assert (problem.status_code, problem.json()["code"], problem.json()["member"]) == (400, "bad-fault", member)
    assert fix in (None, problem.json()["fix"])
    assert told == []


def test_a_fault_that_is_not_there_is_a_404_that_names_those_that_are(client: Any) -> None:
    client.put("/api/v1/faults/one", json={"type": "busy"})
    for answer in (client.get("/api/v1/faults/two"), client.delete("/api/v1/faults/two")):
        assert (answer.status_code, answer.json()["fix"]) == (404, "Set now: one.")


def test_all_faults_of_the_api_go_at_once(client: Any) -> None:
    for name in ("a", "b"):
        client.put(f"/api/v1/faults/{name}", json={"type": "busy"})
    assert client.delete("/api/v1/faults").json() == {"removed": 2}


def test_the_test_numbers_are_listed_with_what_settings_add(client: Any) -> None:
    numbers = client.get("/api/v1/numbers").json()["numbers"]
    assert [one["number"] for one in numbers] == [one.number for one in NUMBERS]
    assert next(one for one in numbers if one["name"] == "agent")["also"] == ["+49301234"]
    assert next(one for one in numbers if one["name"] == "delay")["faults"] == [{"type": "delay", "value": 400.0}]


def test_every_type_can_be_set_over_http_as_the_list_of_types_says(client: Any) -> None:
    types = client.get("/api/v1/faults").json()["types"]
    assert [one["name"] for one in types] == list(FAULT_TYPES)
    for one in types:
        assert client.put("/api/v1/faults/x", json={"type": one["name"]}).json()["value"] == one["usual"]


def test_without_a_desk_nothing_is_set(lab: Any) -> None:
    assert lab.client.get("/api/v1/faults").json()["faults"] == []
    assert lab.client.put("/api/v1/faults/x", json={"type": "busy"}).status_code == 409
