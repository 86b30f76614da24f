"""Requests to the Telephony Integration API per second of the server's CPU: HTTP on a kept connection, JWT of a 2,048-bit key checked each
time, a fresh one with a jti for each request, body checked, journal written.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.calls import cpu_seconds, serving

ORG = "00D5g000004CFGE"


def measure(calls: int = 150) -> str:
    """Create, message, omniFlow, message, PATCH for each voice call."""
    key = rsa.generate_private_key(65537, 2048)
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (process, ports, _):
        line = http.client.HTTPConnection("127.0.0.1", ports["http"], timeout=30)
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        ask(line, "PUT", f"/api/v1/telephony/keys/bench?orgId={ORG}", pem, "application/x-pem-file")
        for number in range(20):
            _voice_call(line, key, f"warm-{number}")
        took, before = 0.0, cpu_seconds(process.pid)
        for number in range(calls):
            prepared = [_token(key) for _ in range(5)]
            began = time.perf_counter()
            _voice_call(line, key, f"key-{number}", prepared)
            took += time.perf_counter() - began
            time.sleep(0.005)  # not more than the org's 50 calls in a second
        spent = cpu_seconds(process.pid) - before
    requests = 5 * calls
    told = f"{requests} with JWT check, journal included; {requests / took:.0f} requests/s one after the other"
    return f"rest: {requests / spent:.0f} requests per CPU-second ({told})"


def _token(key: rsa.RSAPrivateKey) -> str:
    now = int(time.time())
    return jwt.encode({"iss": ORG, "sub": "Bench", "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex}, key, "RS256")


def _voice_call(line: http.client.HTTPConnection, key: rsa.RSAPrivateKey, name: str, tokens: list[str] | None = None) -> None:
    tokens = tokens or [_token(key) for _ in range(5)]
    created = {
        "callCenterApiName": "Bench", "vendorCallKey": name, "to": "+15550100", "from": "+15550199", "initiationMethod": "Inbound",
        "startTime": "2026-01-31T12:00:00.000Z", "participants": [{"participantKey": "+15550199", "type": "END_USER"}],
    }  # fmt: skip
    now = int(time.time() * 1000)
    said = {
        "participantId": f"{name}END_USER",
        "messageId": "m",
        "startTime": now,
        "endTime": now,
        "content": "hello",
        "senderType": "END_USER",
    }
    for token, (method, path, body) in zip(
        tokens,
        (
            ("POST", "", created),
            ("POST", f"/{name}/messages", said),
            ("PATCH", f"/{name}/omniFlow", {"dialedNumber": "+15550100"}),
            ("POST", f"/{name}/messages", said),
            ("PATCH", f"/{name}", {"endTime": "2026-01-31T12:05:00.000Z"}),
        ),
        strict=True,
    ):
        ask(line, method, f"/telephony/v1/voiceCalls{path}", json.dumps(body).encode(), "application/json", token)


def ask(line: http.client.HTTPConnection, method: str, path: str, body: bytes, kind: str, token: str = "") -> Any:
    """One request; anything but 2xx ends the measurement."""
    line.request(method, path, body, {"Content-Type": kind, **({"Authorization": f"Bearer {token}"} if token else {})})
    answer = line.getresponse()
    told = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {told.decode()}")
    return told
