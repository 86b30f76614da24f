"""Three replicas on one PostgreSQL behind a Kamailio that dispatches over TLS: what a partner sees of them, and what the journal keeps."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.end_to_end.clients import kamailio
from tests.end_to_end.clients.conversation import PATIENCE
from tests.end_to_end.clients.kamailio import Proxy
from tests.end_to_end.clients.kamailio_dispatcher import dispatching
from tests.end_to_end.conftest import require
from tests.end_to_end.many_calls import Caller, Placed
from tests.end_to_end.server import Server, serving
from tests.support.postgres import Cluster

pytestmark = [pytest.mark.partners, pytest.mark.timeout(400)]

NAMES = ("pod-a", "pod-b", "pod-c")
AT_ONCE = 30
"""Calls that are being set up at the same time."""

Json = dict[str, Any]


@dataclass
class Fleet:
    """The replicas, what they share, and what stands before them."""

    servers: dict[str, Server]
    proxy: Proxy
    ca: Path
    cluster: Cluster

    def caller(self) -> Caller:
        return Caller(self.proxy.port, self.ca)

    def owner(self, call: Placed) -> str:
        """Name of the replica that answered a call."""
        return next(name for name, server in self.servers.items() if server.sip_port == call.server)

    def another(self, name: str) -> Server:
        return next(server for other, server in self.servers.items() if other != name)


@pytest.fixture
def fleet(own_postgres: Cluster, authority: trustme.CA, tmp_path: Path) -> Iterator[Fleet]:
    require(kamailio.NAME, kamailio.missing())
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    leaf.private_key_pem.write_to_path(str(tmp_path / "proxy.key"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "proxy.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "proxy-ca.pem"))
    url, servers = own_postgres.database(), dict[str, Server]()
    with ExitStack() as stack:

        def begin(name: str) -> Server:
            (tmp_path / name).mkdir()
            return stack.enter_context(serving(tmp_path / name, **settings_of(name, url, tmp_path / "certs")))

        servers[NAMES[0]] = begin(NAMES[0])  # it makes the certificates
        with ThreadPoolExecutor() as pool:
            servers |= dict(zip(NAMES[1:], pool.map(begin, NAMES[1:]), strict=True))
        ports = [server.sip_port for server in servers.values()]
        trusted = tmp_path / "certs" / "ca.pem"
        proxy = stack.enter_context(dispatching(tmp_path, tmp_path / "proxy.key", tmp_path / "proxy.pem", trusted, ports))
        yield Fleet(servers, proxy, tmp_path / "proxy-ca.pem", own_postgres)


def settings_of(name: str, url: str, certs: Path) -> dict[str, str]:
    return {
        "STORE__URL": url,
        "STORE__PASSWORD": Cluster.password,
        "REPLICAS__NAME": name,
        "TLS__DIR": str(certs),
        "LIMITS__CALLS": "2000",
        "LIMITS__MEDIA_TIMEOUT_SECONDS": "600",  # nobody sends any
        "LIMITS__CALLS_PER_SECOND": "2000",
        "CAPTURE__ENABLED": "false",
        "LOG__LEVEL": "error",
    }


async def place_all(caller: Caller, names: Iterable[str], hang_up: bool = True) -> list[Placed]:
    """Place calls, some at a time; all must be answered."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Placed:
        async with gate:
            call = await caller.place(name)
            assert call.answered, (name, call.statuses)
            if hang_up:
                assert await caller.hang_up(call) == 200
            return call

    return list(await asyncio.gather(*map(one, names)))


def journal(server: Server) -> dict[str, list[Json]]:
    """All calls that a replica knows of, by their Call-ID."""
    found: dict[str, list[Json]] = defaultdict(list)
    cursor = ""
    while True:
        page = server.get(f"/api/v1/calls?limit=200{cursor}")
        for call in page["calls"]:
            found[call["sipCallId"]].append(call)
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


async def until(wanted: Callable[[], bool], what: str) -> None:
    """Ask now and then: the replicas have calls to see to."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await asyncio.to_thread(wanted):
        assert asyncio.get_running_loop().time() < deadline, f"{what}: not within {PATIENCE:.0f} s"
        await asyncio.sleep(0.5)


async def until_known(server: Server, calls: Iterable[Placed], state: str) -> None:
    """Wait until a replica knows all these calls, each in this state."""

    def known() -> bool:
        found = journal(server)
        return all([call["state"] for call in found[placed.sip_call_id]] == [state] for placed in wanted)

    wanted = list(calls)
    await until(known, f"{len(wanted)} calls are {state}")


# --- hang up and escalate --------------------------------------------------------------------------------------------


def test_a_call_is_hung_up_and_another_given_back_by_a_replica_that_has_neither(fleet: Fleet) -> None:
    async def calls() -> None:
        async with fleet.caller() as caller:
            first, second = await place_all(caller, ["hung-up", "given-back"], hang_up=False)
            for call, order in ((first, "hangup"), (second, "escalate")):
                other = fleet.another(fleet.owner(call))
                known = await asyncio.to_thread(other.wait_for_call, call.sip_call_id, "answered")
                assert known["replica"] == fleet.owner(call)
                await asyncio.to_thread(other.post, f"/api/v1/calls/{known['id']}/{order}")
                await asyncio.wait_for(call.over.wait(), PATIENCE)
                told = await asyncio.to_thread(other.wait_for_call, call.sip_call_id, "ended")
                assert told["endedBy"] == "sbc"
                assert told["endReason"] == {"hangup": "api", "escalate": "escalated"}[order]

    asyncio.run(calls())


# --- one dies --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_of_a_thousand_calls_none_is_answered_twice_or_lost_though_a_replica_is_killed_in_the_middle(fleet: Fleet) -> None:
    dead = fleet.servers["pod-a"]
    left = [fleet.servers[name] for name in ("pod-b", "pod-c")]
    placed: dict[str, list[Placed]] = {}

    async def calls() -> None:
        async with fleet.caller() as caller:
            placed["before"] = await place_all(caller, [f"before-{number}" for number in range(410)])
            placed["up"] = await place_all(caller, [f"up-{number}" for number in range(60)], hang_up=False)
            await until_known(left[0], placed["up"], "answered")
            await until_known(left[1], placed["before"], "ended")
            burst = [asyncio.create_task(caller.place(f"burst-{number}")) for number in range(30)]
            await asyncio.wait(burst, return_when=asyncio.FIRST_COMPLETED)
            os.kill(dead.pid, signal.SIGKILL)
            after = asyncio.create_task(place_all(caller, [f"after-{number}" for number in range(500)]))
            placed["burst"] = list(await asyncio.gather(*burst))
            placed["after"] = await after
            for call in (*placed["up"], *placed["burst"]):
                if call.server != dead.sip_port:
                    assert await caller.hang_up(call) == 200
            lost = [call for call in placed["up"] if call.server == dead.sip_port]
            assert lost
            await until_known(left[0], lost, "ended")

    asyncio.run(calls())
    everything = [call for calls in placed.values() for call in calls]
    assert len(everything) == 1000
    assert [call.statuses for call in everything] == [[200]] * 1000, "each INVITE has one answer"
    assert all(len(call.tags) == 1 for call in everything), "and none a second one"
    for server in left:
        check_journal(journal(server), placed, fleet)
        check_lost(server, [call for call in placed["up"] if call.server == dead.sip_port])
        states = {one["name"]: one["state"] for one in server.get("/api/v1/replicas")["replicas"]}
        assert states == {"pod-a": "lost", "pod-b": "live", "pod-c": "live"}


def check_journal(known: dict[str, list[Json]], placed: dict[str, list[Placed]], fleet: Fleet) -> None:
    """Every call that its caller saw answered stands there once, with the replica that answered it; none is live any more."""
    unwritten = []
    for part, calls in placed.items():
        for call in calls:
            owner = fleet.owner(call)
            there = [one for one in known[call.sip_call_id] if one["replica"] == owner]
            if part == "burst" and owner == "pod-a" and not there:
                unwritten.append(call)  # answered within the last flush interval before the kill: nobody can know of it
                continue
            assert [one["state"] for one in there] == ["ended"], (part, call.name, owner, known[call.sip_call_id])
            also = [one for one in known[call.sip_call_id] if one["replica"] != owner]
            assert all(one["replica"] == "pod-a" and one["endReason"] == "lost" for one in also), also
    assert all(one["state"] in ("ended", "rejected") for calls in known.values() for one in calls)
    assert {fleet.owner(call) for call in placed["after"]} == {"pod-b", "pod-c"}
    print(f"{len(unwritten)} calls of the burst were answered within the last flush interval")


def check_lost(server: Server, lost: list[Placed]) -> None:
    """The dead one's calls ended as lost, within 15 s of its last sign of life."""
    known = journal(server)
    for call in lost:
        (one,) = known[call.sip_call_id]
        assert (one["endedBy"], one["endReason"], one["replica"]) == ("sbc", "lost", "pod-a")
    (one,) = known[lost[0].sip_call_id]
    text = re.sub(r"[│\s]+", " ", server.text(f"/api/v1/calls/{one['id']}/ladder.txt"))
    times = re.search(r"of the replica at (\S+Z); ended by the replica pod-[bc] at (\S+Z)", text)
    assert times, text
    heard, ended = (datetime.fromisoformat(time) for time in times.groups())
    assert (ended - heard).total_seconds() < 15.0


# --- the database is away --------------------------------------------------------------------------------------------


def test_calls_go_on_while_the_database_is_away_and_stand_in_the_journal_of_all_afterwards(fleet: Fleet) -> None:
    async def calls() -> None:
        async with fleet.caller() as caller:
            before = await place_all(caller, [f"before-{number}" for number in range(15)])
            up = await place_all(caller, [f"up-{number}" for number in range(6)], hang_up=False)
            await until_known(fleet.servers["pod-a"], [*before], "ended")
            await asyncio.to_thread(fleet.cluster.stop)
            meanwhile = await place_all(caller, [f"meanwhile-{number}" for number in range(30)])
            for server in fleet.servers.values():
                await until(lambda: bool(health(server)["trouble"]), "the trouble is told")  # noqa: B023
            for call in up[:3]:
                assert await caller.hang_up(call) == 200
            await asyncio.to_thread(fleet.cluster.start)
            for call in up[3:]:
                assert await caller.hang_up(call) == 200
            for server in fleet.servers.values():
                await until_known(server, [*before, *up, *meanwhile], "ended")
                await until(lambda: not health(server)["trouble"], "all is well again")  # noqa: B023

    asyncio.run(calls())
    for server in fleet.servers.values():
        assert health(server)["lost"] == 0
        assert all(one["endReason"] != "lost" for calls in journal(server).values() for one in calls)
        assert {one["state"] for one in server.get("/api/v1/replicas")["replicas"]} == {"live"}


def health(server: Server) -> Json:
    told: Json = server.get("/api/v1/info")["store"]
    return told
