"""A real call, captured by a real tshark and judged offline, gets the verdict that it got live, rule by rule."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clients import capturing
from tests.end_to_end.clients.baresip_wheel import WheelBaresip
from tests.end_to_end.clients.call import CallWish, calling
from tests.end_to_end.clients.conversation import PATIENCE, wait_until
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.server import ROOT, Server, serving

pytestmark = [pytest.mark.partners, pytest.mark.timeout(240)]

PATIENT = {"max_jitter_ms": "100000", "max_first_packet_ms": "100000", "max_echo_delay_ms": "100000", "max_loss": "0.5"}
"""Times that a busy machine makes longer at one place than at the other must not decide."""
FLAGS = [word for name, value in PATIENT.items() for word in ("--set", f"media.{name}={value}")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A simulator that writes its TLS secrets down."""
    require(capturing.NAME, capturing.missing())
    folder = tmp_path_factory.mktemp("judged")
    settings = {f"MEDIA__{name.upper()}": value for name, value in PATIENT.items()}
    with serving(folder, CAPTURE__KEY_LOG_FILE=str(folder / "keys.log"), **settings) as server:
        yield server


def keys_of(server: Server) -> Path:
    return server.ca.parent.parent / "keys.log"


def sbc_sim(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sbc_sim", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def judged(file: Path, *words: str) -> dict[str, Any]:
    """The one call of a trace, as `sbc-sim judge` tells it."""
    answer = sbc_sim("judge", str(file), "--json", *FLAGS, *words)
    assert answer.returncode in (0, 1), answer.stderr + answer.stdout
    data = json.loads(answer.stdout)
    assert len(data["calls"]) == 1, data["notes"]
    call: dict[str, Any] = data["calls"][0]
    return call


def statuses(findings: list[dict[str, Any]]) -> dict[str, str]:
    return {finding["rule"]: finding["status"] for finding in findings}


def live(server: Server, call: str) -> dict[str, str]:
    return statuses(server.get(f"/api/v1/calls/{call}/verdict")["findings"])


def place_call(server: Server, *words: str) -> None:
    target = f"tls:127.0.0.1:{server.sip_port}"
    sbc_sim("call", target, "--ca", str(server.ca), "--seconds", "2.5", *words)


def newest(server: Server) -> dict[str, Any]:
    call: dict[str, Any] = server.get("/api/v1/calls?limit=1")["calls"][0]
    return call


def compared(online: dict[str, str], offline: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    return {rule: (status, offline.get(rule)) for rule, status in online.items() if offline.get(rule) != status}


@pytest.mark.parametrize(
    "words",
    [(), ("--suite", "AEAD_AES_256_GCM"), ("--no-uui",), ("--uui", "zz"), ("--header", "Session-Expires: 90")],
    ids=["good", "GCM", "no UUI", "odd UUI", "session timer"],
)
def test_a_capture_of_our_caller_with_a_key_log_gives_the_live_verdict(server: Server, tmp_path: Path, words: tuple[str, ...]) -> None:
    trace = tmp_path / "call.pcapng"
    with capturing.captured(trace, server.sip_port):
        place_call(server, *words)
    online = newest(server)
    server.wait_for_call(online["sipCallId"], "ended")
    offline = judged(trace, "--key-log", str(keys_of(server)), "--sbc", f"127.0.0.1:{server.sip_port}")
    assert offline["sipCallId"] == online["sipCallId"]
    assert compared(live(server, online["id"]), statuses(offline["findings"])) == {}
    assert offline["state"] == newest(server)["state"]


def test_a_capture_of_baresip_gives_the_live_verdict(server: Server, tmp_path: Path) -> None:
    client = WheelBaresip()
    require(client.name, client.missing())
    saying = Saying(tmp_path, 4.0, seed=3)
    trace = tmp_path / "call.pcapng"
    with capturing.captured(trace, server.sip_port):
        with calling(client, CallWish(client.host, server.sip_port, server.ca, saying.wav), tmp_path) as call:
            call.wait_answered()
            call.wait_heard(2.5)
            call.hang_up()
        wait_until(lambda: newest(server)["state"] == "ended", "the call is over at the server")
    online = newest(server)
    offline = judged(trace, "--key-log", str(keys_of(server)))
    assert offline["sipCallId"] == online["sipCallId"]
    assert compared(live(server, online["id"]), statuses(offline["findings"])) == {}


def test_a_call_that_the_server_ends_is_judged_as_live(server: Server, tmp_path: Path) -> None:
    client = WheelBaresip()
    require(client.name, client.missing())
    saying = Saying(tmp_path, 4.0, seed=5)
    trace = tmp_path / "call.pcapng"
    with capturing.captured(trace, server.sip_port):
        with calling(client, CallWish(client.host, server.sip_port, server.ca, saying.wav), tmp_path) as call:
            call.wait_answered()
            call.wait_heard(2.0)
            server.post(f"/api/v1/calls/{newest(server)['id']}/hangup")
            call.wait_closed()
        wait_until(lambda: newest(server)["state"] == "ended", "the call is over at the server")
    online = newest(server)
    offline = judged(trace, "--key-log", str(keys_of(server)))
    assert (offline["endedBy"], offline["endReason"]) == ("sbc", "api")
    assert compared(live(server, online["id"]), statuses(offline["findings"])) == {}


def test_our_own_capture_gives_the_live_verdict_and_masked_ones_fail_nothing(server: Server, tmp_path: Path) -> None:
    place_call(server)
    online = newest(server)
    for level in ("none", "share", "strict"):
        address = f"http://127.0.0.1:{server.http_port}/api/v1/calls/{online['id']}/capture.pcapng?redaction={level}"
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            (tmp_path / f"{level}.pcapng").write_bytes(answer.read())
    assert compared(live(server, online["id"]), statuses(judged(tmp_path / "none.pcapng")["findings"])) == {}
    for level in ("share", "strict"):
        told = statuses(judged(tmp_path / f"{level}.pcapng")["findings"])
        different = compared(live(server, online["id"]), told)
        assert {after for _, after in different.values()} <= {"skip"}, "what is masked cannot be judged, and is not blamed"
        assert not {rule for rule in different if rule.startswith(("SBC-SDP", "SBC-SRTP", "SBC-DLG", "SBC-SIP"))}


def test_the_partners_capture_is_compared_with_the_call_of_the_instance(server: Server, tmp_path: Path) -> None:
    trace = tmp_path / "call.pcapng"
    with capturing.captured(trace, server.sip_port):
        place_call(server)
    answer = sbc_sim(
        "compare", str(trace), newest(server)["id"], "--key-log", str(keys_of(server)), "--api", f"http://127.0.0.1:{server.http_port}"
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "nothing changed" in answer.stdout
    assert "clocks: ours is" in answer.stdout
