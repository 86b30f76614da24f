"""Two processes with one PostgreSQL: whichever is asked, all calls are there, and what is ordered is done by the one that has the call."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.end_to_end import raw_sip
from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.clients.conversation import PATIENCE, wait_until
from tests.end_to_end.raw_sip import RawSip, connected
from tests.end_to_end.server import Server, serving
from tests.support.postgres import Cluster

pytestmark = [pytest.mark.timeout(180), pytest.mark.partners]


@dataclass
class Pair:
    """Two replicas that know each other."""

    one: Server
    two: Server

    def call(self, server: Server, raw: RawSip, name: str) -> str:
        """Have a call answered by one of them, and known to both; returns its id."""
        raw.send(raw_sip.invite(name, ECHO_UUI))
        answer = raw.final()
        assert answer is not None
        assert answer.status == 200
        tag = re.search(r";tag=[^\s;>]+", answer.header("To") or "")
        assert tag is not None
        raw.send(raw_sip.request("ACK", name, to_tag=tag[0]))
        other = self.two if server is self.one else self.one
        return str(other.wait_for_call(f"{name}@partner.example", "answered")["id"])


def replicas(server: Server) -> dict[str, str]:
    return {one["name"]: one["state"] for one in server.get("/api/v1/info")["replicas"]}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Pair]:
    url = postgres.database()
    with ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            settings = {"STORE__URL": url, "STORE__PASSWORD": Cluster.password, "REPLICAS__NAME": name, "LOG__LEVEL": "info"}
            servers.append(stack.enter_context(serving(tmp_path_factory.mktemp(name), **settings)))
        for server in servers:
            wait_until(lambda s=server: replicas(s) == {"one": "live", "two": "live"}, "both know each other")  # type: ignore[misc]
        yield Pair(*servers)


def ask(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask, and give status and JSON, whatever they are."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


def test_a_call_of_one_is_listed_by_the_other_with_its_owner_and_hung_up_there(pair: Pair) -> None:
    with connected(pair.one.sip_port, pair.one.ca) as raw:
        call = pair.call(pair.one, raw, "hung-up-elsewhere")
        shown = pair.two.get(f"/api/v1/calls/{call}")
        assert (shown["replica"], shown["state"]) == ("one", "answered")
        assert ask(pair.two, "POST", f"/api/v1/calls/{call}/hangup") == (202, {"id": call, "state": "answered"})
        assert raw.request().startswith("BYE ")
    ended = pair.two.wait_for_call("hung-up-elsewhere@partner.example", "ended")
    assert (ended["endedBy"], ended["endReason"]) == ("sbc", "api")
    assert ended == pair.one.get(f"/api/v1/calls/{call}")
    assert ask(pair.two, "POST", f"/api/v1/calls/{call}/hangup")[1]["code"] == "call-not-live"
