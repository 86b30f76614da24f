"""The rehearsal with a real client: baresip places the calls by hand, plain requests do the REST, `sbc-sim answer` takes the call back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.calls.region import PUBLIC_HOST, PUBLIC_REGIONS
from tests.end_to_end.clients.baresip_wheel import WheelBaresip
from tests.end_to_end.clients.call import CallWish, calling
from tests.end_to_end.clients.conversation import Conversation, wait_until
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.rest_client import ByHand
from tests.end_to_end.server import PATIENT, ROOT, Server, serving

pytestmark = [pytest.mark.partners, pytest.mark.timeout(300)]
CLIENT = WheelBaresip()
HOSTS = {name: PUBLIC_HOST.format(code=code) for name, _, code in PUBLIC_REGIONS}
REGIONS = ("frankfurt", "sydney")


@pytest.fixture
def answerer(tmp_path: Path) -> Iterator[Conversation]:
    require(CLIENT.name, CLIENT.missing())
    command = [sys.executable, "-m", "sbc_sim", "answer", "--tls-dir", str(tmp_path / "certs"), "--seconds", "2", "--timeout", "250"]
    conversation = Conversation("answer", command, tmp_path, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"})
    yield conversation
    conversation.end()


@pytest.fixture
def server(answerer: Conversation, tmp_path: Path) -> Iterator[Server]:
    uri = answerer.wait_for(r"partners\.NAME\.return_uri: (\S+)").group(1)
    with serving(tmp_path, **PATIENT, ESCALATION__RETURN_URI=uri) as running:
        yield running


def rehearsal_of(server: Server, name: str) -> dict[str, Any]:
    told: dict[str, Any] = server.get(f"/api/v1/rehearsals/{name}")
    return told


def wait_passed(server: Server, name: str, *steps: str) -> None:
    """Until these steps have passed; what failed is told at once."""

    def passed() -> bool:
        states = {step["id"]: step for step in rehearsal_of(server, name)["steps"]}
        failed = [f"{step['id']}: {step['why']}" for step in states.values() if step["state"] == "failed"]
        assert not failed, failed
        return all(states[step]["state"] == "passed" for step in steps)

    wait_until(passed, f"{', '.join(steps)} passed", said=lambda: str([(s["id"], s["state"]) for s in rehearsal_of(server, name)["steps"]]))


def step_of(server: Server, name: str, step: str) -> dict[str, Any]:
    return next(one for one in rehearsal_of(server, name)["steps"] if one["id"] == step)


def connect(server: Server, region: str, saying: Saying, folder: Path) -> None:
    """The echo call, with the region's host in the Request-URI; what is dialled is this machine."""
    wish = CallWish(HOSTS[region], server.sip_port, server.ca, saying.wav, proxy=f"127.0.0.1:{server.sip_port}")
    folder.mkdir()
    with calling(CLIENT, wish, folder) as call:
        call.wait_answered()
        call.wait_heard(3.0)
        call.hang_up()


def test_a_rehearsal_by_hand_with_baresip_passes_from_the_first_region_to_the_closed_voice_call(
    server: Server, answerer: Conversation, tmp_path: Path
) -> None:
    saying = Saying(tmp_path, 3.0, seed=11)
    wanted = {"regions": REGIONS, "parts": ["connectivity", "end-to-end"], "escalations": ["bye", "invite-back"]}
    name = server.post("/api/v1/rehearsals", wanted)["id"]
    for region in REGIONS:
        connect(server, region, saying, tmp_path / region)
    wait_passed(server, name, *(f"connectivity/{region}" for region in REGIONS))

    by_hand = ByHand(server)
    for mode in ("bye", "invite-back"):
        voice_call = by_hand.create(f"by-hand-{mode}")
        wait_passed(server, name, f"e2e-{mode}/create")
        wish = CallWish("127.0.0.1", server.sip_port, server.ca, saying.wav, "agent", by_hand.user_to_user(voice_call))
        folder = tmp_path / mode
        folder.mkdir()
        with calling(CLIENT, replace(wish), folder) as call:
            call.wait_answered()
            wait_passed(server, name, f"e2e-{mode}/agent", f"e2e-{mode}/customer")
            call.tell("digit", "0")
            call.wait_closed()
        wait_passed(server, name, f"e2e-{mode}/escalate", f"e2e-{mode}/ended")
        agent_call = step_of(server, name, f"e2e-{mode}/invite")["call"]
        server.post(f"/api/v1/calls/{agent_call}/partner", {"customerAlive": True})
        rep = by_hand.create(f"by-hand-{mode}-rep", voice_call)
        by_hand.ask("PATCH", f"/{rep}", {"acceptTime": "2026-01-01T10:05:00.000Z", "agent": "005000000000001AAA", "isActiveCall": True})
        wait_passed(server, name, f"e2e-{mode}/rep", f"e2e-{mode}/linked")
        by_hand.ask("PATCH", f"/{voice_call}", {"endTime": "2026-01-01T10:09:00.000Z", "isActiveCall": False})
        wait_passed(server, name, f"e2e-{mode}/closed")

    wait_until(lambda: rehearsal_of(server, name)["state"] == "passed", "the rehearsal has passed")
    answerer.wait_for(r"^  in order$")
