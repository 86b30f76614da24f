"""Another replica is asked only where its address leads to it: loopback addresses of other machines are strangers' ports here."""

from __future__ import annotations

from typing import Any

import pytest

from sbc_sim.journal.reaching import address_of, loopback
from sbc_sim.journal.replica import Replica, ReplicaState

DOOR, COMMON = "http://127.0.0.1:40001", "http://10.0.0.7:8061"


def replica(**told: Any) -> Replica:
    return Replica("1", "pod", 0, 0.0, 0.0, ReplicaState.LIVE, told)


def test_a_worker_on_this_machine_is_asked_at_its_own_door_whatever_its_workers_have_in_common() -> None:
    assert address_of(replica(http=COMMON, common=COMMON, door=DOOR, loopback=loopback())) == DOOR


def test_a_worker_of_another_machine_is_asked_at_the_address_that_its_workers_have_in_common() -> None:
    assert address_of(replica(http=DOOR, common=COMMON, door=DOOR, loopback="another")) == COMMON


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_a_loopback_address_of_another_machine_is_never_asked(host: str) -> None:
    address = f"http://{host}:8061"
    assert address_of(replica(http=address, common=address, loopback="another")) == ""
    assert address_of(replica(http=address, common=address, loopback=loopback())) == address


def test_an_address_by_name_leads_there_from_anywhere() -> None:
    assert address_of(replica(http="https://sbc1.example/sub", loopback="another")) == "https://sbc1.example/sub"
    assert address_of(replica(http=None)) == ""
