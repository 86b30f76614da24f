"""The partner's requests to the Telephony Integration API: bodies, tokens and the User-to-User value that follows from them.

What to ask stands here; asking is done elsewhere. Tokens are signed with RS256 as the documented clients do: iss the org, sub the call
centre's API name, a jti of their own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

BASE = "/telephony/v1"
TOKEN_SECONDS = 300
UUI_TOKEN_SECONDS = 3600
"""Of the token in User-to-User."""
PROVIDER = "sbc-sim"


@dataclass(frozen=True, slots=True)
class Org:
    """The Salesforce org that the partner's calls are for."""

    org_id: str = "00D000000000001"
    call_center: str = "RehearsedPartner"
    """API name."""
    domain: str = "rehearsal.my.salesforce-scrt.com"
    """scrt2Domain: only named in User-to-User, never asked."""
    agent: str = "005000000000001AAA"
    """User id of the human rep."""


@dataclass(frozen=True, slots=True)
class RestRequest:
    """What to ask."""

    method: str
    path: str
    """Below the base address of the API."""
    body: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes tokens."""

    org: Org
    key: RSAPrivateKey = field(repr=False)
    new_token: Callable[[int], str]
    late: float = 0.0
    """Seconds by which its tokens have expired when they are made: a mistake on purpose."""

    def bearer(self, now: float) -> str:
        """Make the token of one request."""
        return self._signed(now, TOKEN_SECONDS, {"jti": self.new_token(8)})

    def for_call(self, now: float) -> str:
        """Make the token that stands in User-to-User: without jti, for the header has little room."""
        return self._signed(now, UUI_TOKEN_SECONDS, {})

    def _signed(self, now: float, life: int, more: Mapping[str, Any]) -> str:
        import jwt

        begun = int(now - self.late) - (life if self.late else 0)
        claims = {"iss": self.org.org_id, "sub": self.org.call_center, "iat": begun, "exp": begun + life, **more}
        with warnings.catch_warnings():
            # A key of 1,024 bits is weak, and documented: with a longer one no token fits into the User-to-User header.
            warnings.simplefilter("ignore")
            return str(jwt.encode(claims, self.key, "RS256", headers={"typ": None}))

    def public_pem(self) -> str:
        """Give the public half, as the simulator wants it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _iso(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def create(org: Org, vendor_key: str, caller: str, called: str, now: float, parent: str = "") -> RestRequest:
    """Create a voice call: inbound, or with a `parent` the rep's, as a transfer."""
    body: dict[str, Any] = {
        "callCenterApiName": org.call_center,
        "vendorCallKey": vendor_key,
        "to": called,
        "from": caller,
        "initiationMethod": "Transfer" if parent else "Inbound",
        "startTime": _iso(now),
        "participants": [{"participantKey": caller, "type": "END_USER"}],
        "callAttributes": json.dumps({"rehearsal": "true"}),
    }
    if parent:
        body["parentVoiceCallId"] = parent
    return RestRequest("POST", "/voiceCalls", body)


def accept(org: Org, voice_call: str, now: float) -> RestRequest:
    """The rep takes the call."""
    return RestRequest("PATCH", f"/voiceCalls/{voice_call}", {"acceptTime": _iso(now), "agent": org.agent, "isActiveCall": True})


def say(vendor_key: str, number: int, speaker: str, text: str, now: float) -> RestRequest:
    """One message of the transcript; `vendor_key` is that of the first call. `speaker`: END_USER, VIRTUAL_AGENT, HUMAN_AGENT ..."""
    milliseconds = int(now * 1000)
    body = {
        "participantId": f"{vendor_key}{speaker}",
        "messageId": f"{vendor_key}-{number}",
        "startTime": milliseconds,
        "endTime": milliseconds,
        "content": text,
        "senderType": speaker,
    }
    return RestRequest("POST", f"/voiceCalls/{vendor_key}/messages", body)


def close(voice_call: str, now: float) -> RestRequest:
    """The conversation is over."""
    return RestRequest("PATCH", f"/voiceCalls/{voice_call}", {"endTime": _iso(now), "isActiveCall": False})


def content_for(org_id: str, domain: str, voice_call: str, token: str = "") -> str:
    """Write what User-to-User holds for a call to the agent: JSON without a blank, for hex digits count twice. Without a token, none."""
    members = {"orgId": org_id, "scrt2Domain": domain, "voiceCallId": voice_call} | ({"jwt": token} if token else {})
    return json.dumps(members, separators=(",", ":"))
