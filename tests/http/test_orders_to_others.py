"""What is answered when other replicas are needed: once they have done it, or with a problem that names them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sbc_sim.calls.partner_check import PartnerWord
from sbc_sim.http.faults_api import NoFaults
from sbc_sim.journal.owners import Alone, OwnerGone, OwnerSilent, TooManyOrders
from tests.http.conftest import Lab, answered, started

MakeLab = Callable[..., Lab]


class Unable:
    """Escalations whose owner is gone, or cannot be told."""

    def escalate(self, call: str, mode: str, why: str, target: str) -> None:
        raise OwnerGone("pod-2")

    def partner_says(self, call: str, word: PartnerWord) -> None:
        raise TooManyOrders


class Asking(Unable):
    """Escalations that ask the owner."""

    def escalate(self, call: str, mode: str, why: str, target: str) -> None:
        pass


class Settable(NoFaults):
    """Faults that can be set."""

    def put(self, name: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "name": name, "type": "busy", "value": None, "seed": 1, "scope": {}, "probability": 1.0, "count": None, "seconds": None,
            "by": "api", "hits": 0, "remaining": None, "createdAt": "2026-01-01T00:00:00.000Z", "expiresAt": None,
        }  # fmt: skip


class Slow(Alone):
    """Others that have something to do yet."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.then: list[Callable[[OwnerSilent | None], None]] = []

    def when_done(self, then: Callable[[OwnerSilent | None], None]) -> bool:
        self.then.append(then)
        self.asked.set()
        return True


def test_a_call_whose_replica_is_gone_is_a_conflict_that_names_it(make_lab: MakeLab) -> None:
    answer = make_lab(more={"escalations": Unable()}).client.post("/api/v1/calls/x/escalate", json={})
    assert (answer.status_code, answer.json()["code"], answer.json()["replica"]) == (409, "owner-gone", "pod-2")
    assert answer.json()["detail"] == "The replica pod-2 had this call, and is there no more; the others end its calls as lost."


def test_orders_that_nobody_takes_are_told_with_the_place_to_look(make_lab: MakeLab) -> None:
    answer = make_lab(more={"escalations": Unable()}).client.post("/api/v1/calls/x/partner", json={"customerAlive": True})
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "too-many-orders", "5")
    assert "store.trouble" in answer.json()["fix"]


@pytest.mark.timeout(60)
def test_an_answer_leaves_when_the_others_have_done_what_it_ordered(make_lab: MakeLab) -> None:
    others = Slow()
    lab = make_lab(more={"faults": Settable(), "fellows": others})
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(lab.client.put("/api/v1/faults/one", json={"type": "busy"})))
    asking.start()
    assert others.asked.wait(30)
    assert lab.on_reactor(lambda: list(answers)) == []
    lab.on_reactor(lambda: others.then[0](None))
    asking.join(30)
    assert answers[0].json()["name"] == "one"


@pytest.mark.timeout(60)
def test_an_owner_that_does_not_answer_is_told_with_its_last_sign_of_life(make_lab: MakeLab) -> None:
    others = Slow()
    lab = make_lab(more={"escalations": Asking(), "fellows": others})
    lab.tell(started("x"), answered("x"))
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(lab.client.post("/api/v1/calls/x/escalate", json={})))
    asking.start()
    assert others.asked.wait(30)
    lab.on_reactor(lambda: others.then[0](OwnerSilent("pod-2", 4.0, 1_767_225_600.0)))
    asking.join(30)
    told = answers[0].json()
    assert (answers[0].status_code, told["code"], told["replica"], told["seenAt"]) == (
        504,
        "owner-silent",
        "pod-2",
        "2026-01-01T00:00:00.000Z",
    )
    assert "did not answer within 4 s; its last sign of life was at 2026-01-01T00:00:00.000Z" in told["detail"]
