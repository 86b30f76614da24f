"""A partner of the Telephony Integration API in memory: it signs with real keys and asks the model itself. Time is told."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sbc_sim.telephony.asking import RestAnswer, RestRequest
from sbc_sim.telephony.keys import KeyEntry, KeyRing, read_keys
from sbc_sim.telephony.model import Telephony
from sbc_sim.telephony.options import TelephonyOptions

NOW = 1_795_000_000.0
ORG = "00D5g000004CFGE"
ORG_18 = "00D5g000004CFGEEA4"
CENTER = "AcmeCallCenter"


@cache
def _made(bits: int, which: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def private_key(bits: int = 2048, which: int = 0) -> rsa.RSAPrivateKey:
    """One key of that length; another for each `which`."""
    return _made(bits, which)


def public_pem(bits: int = 2048, which: int = 0) -> bytes:
    return private_key(bits, which).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(claims: dict[str, Any], key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyJWT warns of 1,024 bits
        return jwt.encode(claims, private_key() if key is None else key, algorithm, headers=header or None)


def claims(now: float = NOW, **changed: Any) -> dict[str, Any]:
    """Claims as real clients send them; None leaves one out."""
    told = {"iss": ORG_18, "sub": CENTER, "iat": int(now), "exp": int(now) + 300, **changed}
    return {name: value for name, value in told.items() if value is not None}


def create_body(key: str = "key-1", **changed: Any) -> dict[str, Any]:
    """A create request as the demo connector sends it; None leaves a member out."""
    body = {
        "callCenterApiName": CENTER, "vendorCallKey": key, "to": "+15550100", "from": "+15550199", "initiationMethod": "Inbound",
        "startTime": "2026-11-18T12:00:00.000Z", "participants": [{"participantKey": "+15550199", "type": "END_USER"}], **changed,
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not None}


def message_body(**changed: Any) -> dict[str, Any]:
    body = {
        "participantId": "key-1END_USER", "messageId": "m1", "startTime": int(NOW * 1000), "endTime": int(NOW * 1000) + 900,
        "content": "hello", "senderType": "END_USER", **changed,
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not None}


def known_key(bits: int = 2048, org: str = ORG, center: str = CENTER, name: str = "acme") -> KeyEntry:
    return KeyEntry(name, read_keys(public_pem(bits)), org, center, name)


@dataclass
class Rest:
    """Asks a model."""

    options: TelephonyOptions = field(default_factory=TelephonyOptions)
    now: float = NOW
    ring: KeyRing = field(default_factory=lambda: KeyRing([known_key()]))

    def __post_init__(self) -> None:
        self.telephony = Telephony(self.options, self.ring)
        self.token = signed(claims(self.now))

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None, **query: str) -> RestAnswer:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, asked = path.partition("?")
        query |= dict(pair.split("=") for pair in asked.split("&") if pair)
        request = RestRequest(method, path, query, f"Bearer {self.token if token is None else token}", "application/json", raw)
        answer = self.telephony.answer(request, self.now)
        json.dumps(answer.body)
        assert isinstance(answer.body, dict)
        assert answer.entries[0].kind == "telephony"
        return answer

    def create(self, key: str = "key-1", **changed: Any) -> str:
        """Create a voice call; its id."""
        answer = self.ask("POST", "/voiceCalls", create_body(key, **changed))
        assert answer.status == 201, answer.body
        return str(answer.body["voiceCallId"])

    def state(self, key: str = "key-1") -> str:
        record = self.telephony.find(key)
        assert record is not None
        return record.state.value

    def rules(self, answer: RestAnswer) -> set[str]:
        """Rules that the answered request broke."""
        return {one["rule"] for one in answer.entries[0].data["findings"]}
