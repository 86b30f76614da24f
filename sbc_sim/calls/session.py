"""The session of a call: which media we offered or answered, with which keys, and the leg that follows from it (RFC 3264, 4568).

Keys and ports come from the environment; what is agreed goes out as a `LegDescription`. Nothing here decides whether a
description is acceptable: that is judged from the `Negotiation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sbc_sim.calls.outputs import Environment
from sbc_sim.rtp.leg import Direction, LegDescription, MediaAddress, MediaConduct, SrtpKey
from sbc_sim.rules.policy import Policy
from sbc_sim.sdp.answer import KEY_SALT_LENGTH, Capabilities, LocalMedia, Negotiation, build_answer, build_offer, negotiate
from sbc_sim.sdp.negotiation import Direction as SdpDirection
from sbc_sim.sip.peer import Peer

_PLAIN = MediaConduct()


def capabilities(policy: Policy) -> Capabilities:
    """What the policy lets us agree to."""
    return Capabilities(
        suites=policy.suites,
        codecs=policy.codecs,
        crypto_in_avp=policy.crypto_in_avp == "accept",
        ipv6=policy.ipv6,
        min_ptime=policy.min_ptime,
        max_ptime=policy.max_ptime,
    )


def seen_by(address: MediaAddress, peer: Peer | None) -> MediaAddress:
    """Fill in the host when none is advertised: the address by which the peer reached us is one that it can reach."""
    return address if address.host or peer is None else replace(address, host=peer.local_host.partition("%")[0])


@dataclass(frozen=True, slots=True)
class _Stream:
    """The constants of our RTP stream: they outlive changes of the session."""

    session_id: int
    ssrc: int
    first_sequence: int
    first_timestamp: int
    cname: str


class Session:
    """Our half of the media of one call."""

    def __init__(self, call: str, address: MediaAddress, policy: Policy, environment: Environment, conduct: MediaConduct = _PLAIN) -> None:
        """Draw the random constants of the stream; `address` was taken with `open_media`."""
        self._conduct = conduct
        self.on_hold = False
        """Our last offer put the call on hold."""
        self.address = address
        self.leg: LegDescription | None = None
        self.local: bytes = b""
        """The last description that we sent."""
        self.remote: bytes = b""
        """The last description of the peer that was accepted."""
        self._call = call
        self._policy = policy
        self._new_key = environment.new_key
        self._keys: dict[str, bytes] = {}
        self._version = 0
        token = environment.new_token
        self._stream = _Stream(int(token(4), 16), int(token(4), 16) or 1, int(token(2), 16), int(token(4), 16), token(6))

    def read(self, sdp: bytes) -> Negotiation:
        """Read an offer of the peer against its previous description."""
        return negotiate(sdp, capabilities(self._policy), previous=self.remote or None)

    def read_answer(self, sdp: bytes) -> Negotiation:
        """Read the peer's answer to our last offer."""
        return negotiate(sdp, capabilities(self._policy), offer=self.local, previous=self.remote or None)

    def answer(self, offer: bytes, agreed: Negotiation) -> bytes:
        """Write the answer to a usable offer and settle the leg."""
        assert agreed.crypto is not None
        key = self._key(agreed.crypto.suite)
        self.remote = offer
        self.leg = self._leg(agreed, key)
        return self._versioned(lambda version: build_answer(offer, agreed, self._local_media(key, version, self._ptime(agreed))))

    def offer(self, held: bool | None = None) -> bytes:
        """Write an offer: every suite that we may use, or just the agreed one once the session stands.

        `held` puts the call on hold or takes it off; None leaves that as it is.
        """
        self.on_hold = self.on_hold if held is None else held
        direction = SdpDirection.SENDONLY if self.on_hold else SdpDirection.SENDRECV
        suites = (self.leg.receive_key.suite,) if self.leg else self._policy.suites
        keys = tuple(self._key(suite) for suite in suites)
        dtmf = self.leg.dtmf_payload_type if self.leg else 101
        previous = self.local or None
        return self._versioned(
            lambda version: build_offer(
                self._local_media(b"", version, 20), suites, keys, self._policy.codecs, dtmf, direction, previous=previous
            )
        )

    def settle(self, sdp: bytes, agreed: Negotiation) -> None:
        """Take the peer's usable answer to our offer."""
        assert agreed.crypto is not None
        self.remote = sdp
        self.leg = self._leg(agreed, self._key(agreed.crypto.suite))

    def _key(self, suite: str) -> bytes:
        """Our own key for a suite, made once: an unchanged key keeps the SRTP state through a re-INVITE."""
        if suite not in self._keys:
            self._keys[suite] = self._new_key(KEY_SALT_LENGTH[suite])
        return self._keys[suite]

    def _versioned(self, build: Callable[[int], bytes]) -> bytes:
        """Raise the o= version by one exactly when the description changed (RFC 3264 section 8)."""
        same = build(self._version)
        if not self.local or same == self.local:
            self.local = same
            return same
        self._version += 1
        self.local = build(self._version)
        return self.local

    def _local_media(self, key: bytes, version: int, ptime: int) -> LocalMedia:
        at = self.address
        return LocalMedia(at.host, at.rtp_port, at.rtcp_port, key, self._stream.session_id, version, ptime)

    def _ptime(self, agreed: Negotiation) -> int:
        return min(max(agreed.ptime, self._policy.min_ptime), self._policy.max_ptime)

    def _leg(self, agreed: Negotiation, own_key: bytes) -> LegDescription:
        assert agreed.crypto is not None
        assert agreed.remote is not None
        suite = agreed.crypto.suite
        return LegDescription(
            call=self._call,
            remote=agreed.remote,
            remote_rtcp=None if agreed.rtcp_mux else agreed.remote_rtcp,
            receive_key=SrtpKey(suite, agreed.crypto.key_salt),
            send_key=SrtpKey(suite, own_key),
            payload_type=agreed.payload_type,
            codec=agreed.codec,
            dtmf_payload_type=agreed.dtmf_payload_type,
            direction=Direction(agreed.direction.value),
            ptime_ms=self._ptime(agreed),
            ssrc=self._stream.ssrc,
            first_sequence=self._stream.first_sequence,
            first_timestamp=self._stream.first_timestamp,
            cname=self._stream.cname,
            latch=self._policy.latch,
            conduct=self._conduct,
        )
