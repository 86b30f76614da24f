"""The Telephony Integration API asked by programs that nobody here wrote: axios and jsonwebtoken, used as the demo connectors do."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.end_to_end.conftest import require
from tests.end_to_end.server import ROOT, Server, serving
from tests.support.rest_client import CENTER, ORG, private_key, public_pem

pytestmark = pytest.mark.partners
NODE = ROOT / "tests" / "node"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A simulator that knows the key of the connector, and the file of its private half."""
    missing = "node" if shutil.which("node") is None else "" if (NODE / "node_modules" / "axios").is_dir() else "axios of tests/node"
    require("axios and jsonwebtoken", missing or None)
    folder = tmp_path_factory.mktemp("node")
    private = folder / "private.key"
    private.write_bytes(private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with serving(folder) as server:
        put(server, "/api/v1/telephony/keys/acme", {"pem": public_pem().decode(), "orgId": ORG, "callCenter": CENTER})
        yield server, private


def put(server: Server, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.http_port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in (200, 201)


def steps(api: tuple[Server, Path], scenario: str) -> dict[str, dict[str, Any]]:
    """Run the connector: the last answer of each step."""
    server, key = api
    command = ["node", "connector.mjs", f"http://127.0.0.1:{server.http_port}", str(key), scenario]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {told["step"]: told for told in map(json.loads, done.stdout.splitlines())}


def voice_call(api: tuple[Server, Path], key: str) -> dict[str, Any]:
    found: dict[str, Any] = api[0].get(f"/api/v1/voice-calls/{key}")
    return found


def test_the_demo_connector_runs_from_create_to_its_last_patch(api: tuple[Server, Path]) -> None:
    told = steps(api, "demo")
    assert {step: one["status"] for step, one in told.items()} == {
        "create": 201, "message": 200, "omniFlow": 200, "events": 202, "update": 200, "end": 200,
    }  # fmt: skip
    assert told["omniFlow"]["data"]["agent"].startswith("005")
    kept = voice_call(api, told["create"]["data"]["voiceCallId"])
    assert (kept["state"], kept["messages"], kept["partner"], kept["callAttributes"]) == ("closed", 2, "acme", {"vip": True})
    assert kept["findings"] == []
    assert [one["operation"] for one in kept["log"]] == [
        "create", "messages", "messages", "omniFlow", "realtimeConversationEvents", "update", "update",
    ]  # fmt: skip


def test_the_voicemail_chain_of_the_demo_connector_runs(api: tuple[Server, Path]) -> None:
    told = steps(api, "voicemail")
    assert {one["status"] for one in told.values()} == {200, 201}
    kept = voice_call(api, told["create"]["data"]["voiceCallId"])
    assert (kept["state"], kept["callOrigin"], kept["totalRecordingDuration"]) == ("closed", "Voicemail", 61)
    assert kept["findings"] == []


def test_the_requests_of_the_lambda_run_with_null_bodies_both_spellings_and_tokens_that_are_good_once(api: tuple[Server, Path]) -> None:
    told = steps(api, "lambda")
    assert {step: one["status"] for step, one in told.items() if step != "create"} == dict.fromkeys(set(told) - {"create"}, 200)
    assert len(told) == 12
    assert told["bulk"]["data"] == {"result": "Accepted"}
    assert told["reserve"]["data"]["handle"]["routableNumber"].startswith("+1555")
    assert told["context"]["data"]["handle"]["correlationId"]
    assert all(isinstance(one["data"], dict) for one in told.values())
    assert voice_call(api, "contact-1")["disconnectReason"]["value"] == "CUSTOMER_DISCONNECT"


def test_what_is_refused_reaches_the_client_with_its_rule_and_its_cure(api: tuple[Server, Path]) -> None:
    server, _ = api
    for name, type_ in (("limited", "telephony-429"), ("dropped", "telephony-drop"), ("garbage", "telephony-garbage")):
        put(server, f"/api/v1/faults/{name}", {"type": type_, "count": 1, "scope": {"path": "/voiceCalls"}})
    told = steps(api, "refused")
    # Each fault strikes once; the requests after them meet what is wrong with themselves.
    assert told["expired"]["status"] == 429
    assert told["expired"]["data"]["code"] == "RATE_LIMITED"
    assert told["expired"]["headers"]["retry-after"]
    assert told["subject"]["status"] is None
    assert told["subject"]["data"] == "ECONNRESET"
    assert isinstance(told["missing"]["data"], str)  # axios gives up on JSON that is cut off
    assert (told["unknown"]["status"], told["unknown"]["data"]["rule"]) == (404, "SBC-E2E-001")
    again = steps(api, "refused")
    assert (again["expired"]["status"], again["expired"]["data"]["code"]) == (401, "TOKEN_EXPIRED")
    assert (again["subject"]["status"], again["subject"]["data"]["code"]) == (401, "TOKEN_SUBJECT")
    assert "AcmeCallCenter" in again["subject"]["data"]["message"]
    assert (again["missing"]["status"], again["missing"]["data"]["errors"][0]["errorCode"]) == (400, "REQUIRED_FIELD_MISSING")
    assert again["limited"]["status"] == 201
