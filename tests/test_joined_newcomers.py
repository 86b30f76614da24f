"""A replica that has just begun is told what the others were told before: by the oldest, or when that one is dead by the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from sbc_sim.joined import Joined
from sbc_sim.journal.replicas import Replicas, register
from sbc_sim.journal.sqlite_file import SqliteFile
from tests.end_to_end.clients.conversation import wait_until
from tests.support.replicas import BEAT, OPTIONS, Turns, make_older

SET = "fault-put"
WELCOME = 2 * BEAT + 1


class Member:
    """One that is joined, on a real file and with a thread; its reactor's clock is turned by the test."""

    def __init__(self, file: SqliteFile, name: str, turns: Turns) -> None:
        self.clock = Clock()
        self.replicas = Replicas(file.connect, register(file.connect, name, {}), turns, OPTIONS)
        self.joined = Joined(self.replicas, self.clock, heartbeat_seconds=BEAT)
        self.joined.standing = self._standing
        self.asked = 0
        self.told: list[object] = []
        self.joined.on(SET, lambda data: self.told.append(data["name"]))

    def _standing(self) -> list[tuple[str, Mapping[str, Any]]]:
        self.asked += 1
        return [(SET, {"name": "busy"})]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[tuple[Member, Member, SqliteFile, Turns]]:
    """The oldest is registered and gives no sign of life any more; the second has heard the third ask."""
    file, turns = SqliteFile(tmp_path / "calls.db", alone=False), Turns()
    file.prepare()
    oldest, second = Member(file, "oldest", turns), Member(file, "second", turns)
    second.joined.start()
    turns.run()
    newcomer = Member(file, "newcomer", turns)
    newcomer.joined.start()
    turns.run_until(lambda: bool(second.clock.getDelayedCalls()))
    yield second, newcomer, file, turns
    for member in (oldest, second, newcomer):
        member.joined.stop()
    file.free()


def test_when_the_oldest_is_dead_and_nobody_knows_it_yet_the_next_tells_the_newcomer(
    three: tuple[Member, Member, SqliteFile, Turns],
) -> None:
    second, newcomer, _, turns = three
    second.clock.advance(WELCOME - 0.1)
    assert second.asked == 0
    second.clock.advance(0.2)
    turns.run_until(lambda: newcomer.told == ["busy"])
    assert (second.asked, second.clock.getDelayedCalls()) == (1, [])


def test_the_next_tells_nothing_when_the_oldest_has_lived_since(three: tuple[Member, Member, SqliteFile, Turns]) -> None:
    second, _, file, _ = three
    before = {one.name: one.seen_at for one in second.joined.listed()}["oldest"]
    make_older(file, "oldest", -50.0)  # a sign of life after the newcomer asked
    wait_until(lambda: {one.name: one.seen_at for one in second.joined.listed()}["oldest"] > before, "the second has seen it")
    second.clock.advance(WELCOME + 1)
    assert second.asked == 0
