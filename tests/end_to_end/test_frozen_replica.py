"""A replica that stands still for so long that the others take it for lost, and then goes on: its calls do too."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.many_calls import Caller
from tests.end_to_end.server import Server, serving
from tests.support.postgres import Cluster

pytestmark = [pytest.mark.partners, pytest.mark.timeout(240)]


def test_who_was_taken_for_lost_and_lives_has_its_calls_back_in_the_journal_of_all(postgres: Cluster, tmp_path: Path) -> None:
    common = {
        "STORE__URL": postgres.database(),
        "STORE__PASSWORD": postgres.password,
        "REPLICAS__HEARTBEAT_SECONDS": "0.5",
        "REPLICAS__LOST_SECONDS": "3",
        "TLS__DIR": str(tmp_path / "certs"),
    }
    for name in ("pod-a", "pod-b"):
        (tmp_path / name).mkdir()
    with (
        serving(tmp_path / "pod-a", REPLICAS__NAME="pod-a", **common) as frozen,
        serving(tmp_path / "pod-b", REPLICAS__NAME="pod-b", **common) as other,
    ):
        asyncio.run(freeze(frozen, other, tmp_path / "certs" / "ca.pem"))


async def freeze(frozen: Server, other: Server, ca: Path) -> None:
    async with Caller(frozen.sip_port, ca) as caller:
        ended, going_on = await caller.place("ended-later"), await caller.place("going-on")
        for call in (ended, going_on):
            other.wait_for_call(call.sip_call_id, "answered")
        os.kill(frozen.pid, signal.SIGSTOP)
        for call in (ended, going_on):
            told = other.wait_for_call(call.sip_call_id, "ended")
            assert (told["endReason"], told["replica"]) == ("lost", "pod-a")
        os.kill(frozen.pid, signal.SIGCONT)
        wait_until(lambda: len(live(other)) == 2, "both stand as live again")
        assert await caller.hang_up(ended) == 200
        wait_until(lambda: live(other) == [going_on.sip_call_id], "one is ended")
        (over,) = other.get("/api/v1/calls?status=ended")["calls"]
        assert (over["sipCallId"], over["endedBy"], over["endReason"]) == (ended.sip_call_id, "partner", "normal")
        known = other.get("/api/v1/calls?status=answered")["calls"][0]
        assert "others had taken this replica for lost" in " ".join(other.text(f"/api/v1/calls/{known['id']}/ladder.txt").split())
        other.post(f"/api/v1/calls/{known['id']}/hangup")
        await asyncio.wait_for(going_on.over.wait(), 60.0)


def live(server: Server) -> list[str]:
    return [call["sipCallId"] for call in server.get("/api/v1/calls?status=answered")["calls"]]
