"""OPTIONS of a running simulator to partners over real TLS: one that answers, one that shows a certificate of another CA, a dead one."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.server import Server, serving
from tests.test_cli_answer import answering

WAIT = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    there: Path = tmp_path_factory.mktemp("there")
    with socket.socket() as nobody, answering(there, "--calls", "0") as (_, port):
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        uri = f"sips:back@127.0.0.1:{port}"
        partners = {
            "well": {"return_uri": uri, "ca_file": str(there / "certs" / "ca.pem")},
            "untrusted": {"return_uri": uri},
            "dead": {"return_uri": f"sips:back@127.0.0.1:{nobody.getsockname()[1]}"},
        }
        with serving(tmp_path_factory.mktemp("options"), PARTNERS=json.dumps(partners), SIP__OPTIONS_SECONDS="1") as running:
            yield running


def wait_for(server: Server, partner: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """How the OPTIONS to a partner fare, once they are as they should be."""
    until = time.monotonic() + WAIT
    while True:
        listed = server.get("/api/v1/partners")["partners"]
        (told,) = next(one["options"] for one in listed if one["name"] == partner)
        if done(told):
            return dict(told)
        assert time.monotonic() < until, told
        time.sleep(0.05)


def test_a_partner_that_answers_is_asked_again_and_again_on_one_connection(server: Server) -> None:
    first = wait_for(server, "well", lambda told: told["result"] == "answered")
    again = wait_for(server, "well", lambda told: told["lastAnswerAt"] > first["lastAnswerAt"])
    assert (again["result"], again["status"], again["failures"], again["why"]) == ("answered", 200, 0, None)
    assert server.metric('sbc_sim_options_sent_total{result="answered"}') >= 2
    assert server.metric("sbc_sim_sip_connections") == 1


def test_a_dead_partner_is_told_with_what_to_do(server: Server) -> None:
    told = wait_for(server, "dead", lambda told: told["failures"] >= 2)
    assert (told["result"], told["status"], told["lastAnswerAt"]) == ("unreachable", None, None)
    assert "nothing listens on that port" in told["why"]
    assert "Listen for TLS on the advertised address" in told["why"]


def test_a_partner_whose_ca_is_not_known_is_told_so(server: Server) -> None:
    told = wait_for(server, "untrusted", lambda told: told["failures"] >= 1)
    assert told["result"] == "tls"
    assert "ca_file" in told["why"]
