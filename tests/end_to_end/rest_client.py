"""The Telephony Integration API asked by hand: PyJWT, urllib, and bodies as the documents have them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
import warnings
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.end_to_end.server import Server

ORG, CENTER, DOMAIN = "00D000000000777", "ByHand", "byhand.my.salesforce-scrt.com"


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)  # so that a token fits into User-to-User


@dataclass
class ByHand:
    """A partner's REST side."""

    server: Server
    key: rsa.RSAPrivateKey = field(default_factory=_key)

    def __post_init__(self) -> None:
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self._send("PUT", "/api/v1/telephony/keys/byhand", {"pem": pem, "orgId": ORG, "callCenter": CENTER}, "")

    def token(self, **more: Any) -> str:
        now = int(time.time())
        claims = {"iss": ORG, "sub": CENTER, "iat": now, "exp": now + 300, **more}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of so short a key
            return jwt.encode(claims, self.key, "RS256", headers={"typ": None})

    def ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """A request with a token of its own."""
        return self._send(method, f"/telephony/v1/voiceCalls{path}", body, self.token(jti=uuid.uuid4().hex))

    def create(self, vendor_key: str, parent: str = "") -> str:
        """Create a voice call; returns its id."""
        body = {
            "callCenterApiName": CENTER,
            "vendorCallKey": vendor_key,
            "to": "+15550100",
            "from": "+15550111",
            "initiationMethod": "Transfer" if parent else "Inbound",
            "startTime": "2026-01-01T10:00:00.000Z",
            "participants": [{"participantKey": "+15550111", "type": "END_USER"}],
        }
        return str(self.ask("POST", "", body | ({"parentVoiceCallId": parent} if parent else {}))["voiceCallId"])

    def user_to_user(self, voice_call: str) -> str:
        content = {"orgId": ORG, "scrt2Domain": DOMAIN, "voiceCallId": voice_call, "jwt": self.token()}
        return f"{json.dumps(content, separators=(',', ':')).encode().hex()};encoding=hex"

    def _send(self, method: str, path: str, body: dict[str, Any] | None, token: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.server.http_port}{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                told: dict[str, Any] = json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{method} {path}: {refusal.code} {refusal.read().decode()}") from None
        return told
