"""The Telephony Integration API by https: a listener of its own, with the simulator's certificate, and nothing else on it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread

from sbc_sim.http.site import SiteOptions, build_telephony_site
from sbc_sim.http.telephony_source import TelephonySource
from sbc_sim.net import certificates
from sbc_sim.net.https import https_factory
from sbc_sim.telephony.keys import KeyRing
from sbc_sim.telephony.model import Telephony
from tests.support.rest_client import NOW, claims, create_body, known_key, signed

reactor: Any = _reactor
HEADERS = {"Authorization": f"Bearer {signed(claims())}"}


@pytest.fixture
def port(reactor_thread: None, faults: list[dict[str, Any]], tmp_path: Path) -> Iterator[int]:
    """A listener with a certificate made in `tmp_path`."""
    files = certificates.ensure(tmp_path, ["127.0.0.1", "localhost"])
    source = TelephonySource(Telephony(ring=KeyRing([known_key()])), lambda: NOW, lambda entry: None)

    def listen() -> Any:
        site = build_telephony_site(source, SiteOptions(body_limit=4096), reactor)
        return reactor.listenTCP(0, https_factory(site, certificates.load(files)), 50, "127.0.0.1")

    listening = blockingCallFromThread(reactor, listen)
    yield listening.getHost().port
    blockingCallFromThread(reactor, listening.stopListening)


@pytest.fixture
def client(port: int, tmp_path: Path) -> Iterator[httpx.Client]:
    trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, trust_env=False, timeout=60, headers=HEADERS) as client:
        yield client


def test_a_voice_call_is_created_over_tls_by_who_trusts_the_ca(client: httpx.Client) -> None:
    assert client.post("/telephony/v1/voiceCalls", json=create_body()).status_code == 201
    assert client.patch("/telephony/v1/voiceCalls/key-1", json={}).json() == {"status": "pending"}


def test_nothing_but_the_api_is_served_there(client: httpx.Client) -> None:
    for path in ("/", "/api/v1/calls", "/metrics", "/telephony/v10/voiceCalls"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-path")


def test_the_api_itself_says_which_paths_there_are(client: httpx.Client) -> None:
    assert client.get("/telephony/v1").json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_page_of_another_origin_is_refused_there_too(client: httpx.Client, header: dict[str, str]) -> None:
    answer = client.post("/telephony/v1/voiceCalls", json=create_body(), headers=header)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")
    assert client.get("/telephony/v1/voiceCalls/key-1/voicemailDrop").json()["message"].startswith("There is no voice call")


@pytest.mark.parametrize("octets", [5000, 200_000])
def test_a_body_that_is_too_large_is_refused_with_an_answer_each_time(client: httpx.Client, octets: int) -> None:
    for _ in range(25):
        assert client.post("/telephony/v1/voiceCalls", content=b"x" * octets).status_code == 413
        assert client.post("/telephony/v1/voiceCalls", content=iter([b"x" * 5000] * (octets // 5000))).status_code == 413


def test_old_tls_and_clear_text_get_no_answer_and_hold_nobody_up(port: int, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(b"GET /telephony/v1/voiceCalls HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            while answer := line.recv(4096):
                assert not answer.startswith(b"HTTP")
        except ConnectionResetError:
            pass
    assert client.get("/telephony/v1/voiceCalls/key-1/voicemailDrop").status_code == 404
