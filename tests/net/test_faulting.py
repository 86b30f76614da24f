from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from sbc_sim.calls.faults import BadFault, Target
from sbc_sim.journal.entries import Entry
from sbc_sim.journal.owners import Alone
from sbc_sim.net.faulting import Faulting


class Room:
    """Faults, a clock, what was told and which certificates were asked for."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[Entry] = []
        self.rotated: list[tuple[str, str]] = []
        self.waiting: list[Deferred[Any]] | None = None
        known = {"region": ["frankfurt", "london"], "partner": ["acme"]}
        self.faulting = Faulting(self.clock, self.clock.seconds, self.told.append, None, known)
        self.faulting.rotate = self._rotate

    def _rotate(self, how: str, region: str) -> Deferred[dict[str, Any]]:
        self.rotated.append((how, region))
        if self.waiting is None:
            return succeed({})
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def changes(self) -> list[str]:
        return [entry.data["change"] for entry in self.told]


def test_a_fault_ends_on_time_though_nobody_asks() -> None:
    room = Room()
    room.faulting.put("short", {"type": "busy", "seconds": 5})
    room.faulting.put("long", {"type": "busy", "seconds": 9})
    room.clock.pump([0.0, 4.9])
    assert room.changes() == ["set", "set"]
    room.clock.pump([0.2, 4.0])
    assert room.changes() == ["set", "set", "expired", "expired"]
    assert room.clock.getDelayedCalls() == []


def test_certificates_follow_the_faults_of_tls_and_go_back_when_they_end() -> None:
    room = Room()
    room.faulting.put("old", {"type": "tls-certificate", "value": "expired", "seconds": 5, "scope": {"region": "london"}})
    room.clock.advance(0)
    room.faulting.put("else", {"type": "busy"})
    room.clock.pump([0.0, 6.0, 0.0])
    assert room.rotated == [("expired", "london"), ("original", "london")]


def test_certificates_change_one_after_the_other_so_that_the_last_word_holds() -> None:
    room = Room()
    room.waiting = []
    room.faulting.put("a", {"type": "tls-certificate", "value": "expired"})
    room.clock.advance(0)
    room.faulting.remove("a")
    room.clock.advance(0)
    assert room.rotated == [("expired", "")]
    room.waiting[0].callback({})
    assert room.rotated == [("expired", ""), ("original", "")]


def test_a_certificate_for_everywhere_is_followed_by_those_of_regions_again() -> None:
    room = Room()
    room.faulting.put("one", {"type": "tls-certificate", "value": "self-signed", "scope": {"region": "london"}})
    room.clock.advance(0)
    room.faulting.put("all", {"type": "tls-certificate", "value": "wrong-name"})
    room.clock.advance(0)
    assert room.rotated[1:] == [("wrong-name", ""), ("self-signed", "london")]


def test_faults_of_the_settings_stay_when_the_api_s_are_cleared_and_name_regions_that_there_are() -> None:
    room = Room()
    room.faulting.start({"from-the-file": {"type": "busy", "scope": {"region": "london"}}})
    room.faulting.put("mine", {"type": "busy"})
    assert room.faulting.clear() == 1
    assert [fault["name"] for fault in room.faulting.all()] == ["from-the-file"]
    with pytest.raises(BadFault, match="There is no region 'londn'"):
        room.faulting.start({"x": {"type": "busy", "scope": {"region": "londn"}}})


def test_nothing_rings_after_the_end() -> None:
    room = Room()
    room.faulting.put("x", {"type": "busy", "seconds": 5})
    room.clock.advance(0)
    room.faulting.stop()
    assert room.clock.getDelayedCalls() == []


class Others(Alone):
    """The others, as somebody who orders knows them: what they would do is written down."""

    name = "here"

    def __init__(self) -> None:
        self.orders: list[tuple[str, Any]] = []

    def order(self, target: str, what: str, data: Any) -> None:
        assert target == ""
        self.orders.append((what, data))


def two_rooms() -> tuple[Room, Room, Others]:
    """Two replicas: the first one's orders are written down."""
    here, there, others = Room(), Room(), Others()
    here.faulting = Faulting(here.clock, here.clock.seconds, here.told.append, None, {"region": [], "partner": []}, others)
    return here, there, others


def carry_out(there: Room, others: Others) -> None:
    for what, data in others.orders:
        there.faulting.ordered(what, data)
    others.orders.clear()


def test_what_one_replica_sets_another_one_sets_too_and_the_first_alone_tells_the_journal() -> None:
    here, there, others = two_rooms()
    here.faulting.put("short", {"type": "busy", "seconds": 5})
    here.faulting.put("twice", {"type": "busy", "count": 2})
    here.faulting.put("gone", {"type": "busy"})
    carry_out(there, others)
    assert [fault["name"] for fault in there.faulting.all()] == ["short", "twice", "gone"]
    here.faulting.remove("gone")
    assert not here.faulting.remove("gone")
    carry_out(there, others)
    for room in (here, there):
        room.clock.advance(6)
    assert [fault["name"] for fault in there.faulting.all()] == [fault["name"] for fault in here.faulting.all()] == ["twice"]
    here.faulting.clear()
    carry_out(there, others)
    assert there.faulting.all() == []
    assert (there.changes(), here.changes()) == ([], ["set", "set", "set", "removed", "expired", "removed"])


def test_hits_are_told_together_after_a_moment_and_use_a_fault_up_at_both() -> None:
    here, there, others = two_rooms()
    here.faulting.put("three", {"type": "busy", "count": 3})
    carry_out(there, others)
    fault = next(here.faulting.table.candidates(("signalling",), Target(), 0.0))
    assert here.faulting.table.take(fault, 0.0)
    assert here.faulting.table.take(fault, 0.0)
    assert others.orders == []
    here.clock.advance(1)
    assert others.orders == [("fault-hits", {"hits": {"three": 2}})]
    carry_out(there, others)
    assert there.faulting.all()[0]["remaining"] == 1
    assert there.faulting.table.take(next(there.faulting.table.candidates(("signalling",), Target(), 0.0)), 0.0)
    assert there.faulting.all() == []
    assert there.changes() == ["used up"], "who was hit last tells it"


def test_a_replica_that_begins_later_gets_what_is_left_of_each_fault() -> None:
    here, there, others = two_rooms()
    members = {"type": "busy", "count": 5, "seconds": 60, "seed": 7, "probability": 0.5, "scope": {"number": "100*"}}
    here.faulting.put("all", members)
    here.faulting.put("tls", {"type": "tls-certificate", "value": "expired"})
    here.faulting.table.put(here.faulting.read("ours", {"type": "busy"}, "settings"), 0.0)
    here.faulting.table.hit_elsewhere("all", 2, 0.0)
    here.clock.advance(20)
    others.orders[:] = [("fault-put", fault) for fault in here.faulting.standing()]
    there.clock.advance(20)
    carry_out(there, others)
    kept = ("name", "type", "value", "seed", "scope", "probability", "count", "hits", "remaining", "by", "expiresAt")
    assert [{name: fault[name] for name in kept} for fault in there.faulting.all()] == [
        {name: fault[name] for name in kept} for fault in here.faulting.all() if fault["by"] == "api"
    ]
