from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from sbc_sim.calls.faults import BadFault
from sbc_sim.journal.entries import Entry
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
