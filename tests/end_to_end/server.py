"""`sbc-sim serve` as a subprocess, on free ports of loopback with a CA of its own, and its API at hand."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.clients.conversation import PATIENCE, Conversation, PartnerFailed, wait_until

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "SBC_SIM_SIP__LISTEN": "127.0.0.1:0",
    "SBC_SIM_HTTP__LISTEN": "127.0.0.1:0",
    "SBC_SIM_MEDIA__LISTEN": "127.0.0.1",
    "SBC_SIM_MEDIA__PORTS": "0",
}


@dataclass(frozen=True)
class Server:
    """A running simulator. `ca` is the CA file that a partner would import."""

    sip_port: int
    http_port: int
    ca: Path
    conversation: Conversation
    region_ports: Mapping[str, int] = field(default_factory=dict)
    """Of regions with a listener of their own."""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.conversation.process.pid

    def text(self, path: str) -> str:
        """GET a document that is no JSON."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def get(self, path: str) -> Any:
        """GET a JSON document."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}"))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST a JSON document; returns the answer's."""
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data, {"Content-Type": "application/json"})
        return self._ask(request)

    def metric(self, name: str) -> float:
        """The sum over all series of one metric."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=PATIENCE) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"(?m)^{name}(?:{{.*}})? (\S+)$", text))

    def wait_for_call(self, sip_call_id: str, state: str) -> dict[str, Any]:
        """The call with this Call-ID, once it is in this state (or was, for one that is over)."""
        wish = {"match": {"sipCallId": sip_call_id}, "state": state, "timeoutS": PATIENCE}
        call: dict[str, Any] = self.post("/api/v1/calls/wait", wish)
        return call

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE + 5) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{request.get_method()} {request.full_url}: {refusal.code} {refusal.read().decode()}") from None


PATIENT = {"MEDIA__MAX_JITTER_MS": "1e6", "MEDIA__MAX_FIRST_PACKET_MS": "1e6", "MEDIA__MAX_ECHO_DELAY_MS": "1e6", "MEDIA__MIN_PACKETS": "1"}
"""Settings for `serving` where verdicts count: a busy machine is no reason for another one."""


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Server]:
    """Serve until the block ends; an exception logged by then is a failure of the test that asked for the server.

    Settings by their names with a double underscore, as in LIMITS__MESSAGE_SECONDS="2".
    """
    ports_file = folder / "ports.json"
    wanted = {**SETTINGS, "SBC_SIM_TLS__DIR": str(folder / "certs"), **{f"SBC_SIM_{name}": value for name, value in settings.items()}}
    clean = [f"--unset={name}" for name in os.environ if name.startswith("SBC_SIM_")]  # what the suite itself is told is no setting
    command = ["env", *clean, *(f"{name}={value}" for name, value in wanted.items())]
    command += [sys.executable, "-m", "sbc_sim", "serve", "--ports-file", str(ports_file)]
    conversation = Conversation("sbc-sim", command, folder, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"})
    try:
        ports = _wait_ports(conversation, ports_file)
        yield Server(ports["sip"], ports["http"], folder / "certs" / "ca.pem", conversation, ports.get("regions", {}))
    finally:
        conversation.end()
    assert "Traceback" not in conversation.said, f"the server logged an exception:\n{conversation.last_words()}"


def _wait_ports(conversation: Conversation, ports_file: Path) -> dict[str, Any]:
    def written() -> bool:
        if conversation.process.poll() is not None:
            raise PartnerFailed(f"sbc-sim serve ended with {conversation.process.returncode}:\n{conversation.last_words()}")
        return ports_file.exists() and ports_file.read_text().rstrip().endswith("}")

    wait_until(written, "sbc-sim writes its ports file", said=conversation.last_words)
    ports: dict[str, Any] = json.loads(ports_file.read_text())
    return ports
