"""The values that go in and out of offer and answer: what was read, what stands against it, what we can do.

They are named by `sbc_sim.sdp.answer`, which is the door of this room; they live here so that the modules behind the door can share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Direction(StrEnum):
    """Stream direction as seen by us (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


class SdpFault(StrEnum):
    """Every reason why a description cannot be used, or is odd."""

    UNPARSABLE = "unparsable"
    NO_AUDIO = "no-audio"
    AUDIO_REFUSED = "audio-refused"
    """Port 0 in the audio line (an answer that refuses, or an offer that ends the stream)."""
    NO_CODEC = "no-codec"
    PCMA_ONLY = "pcma-only"
    """A special case of no common codec that has its own advice."""
    NOT_SRTP = "not-srtp"
    """RTP/AVP or RTP/AVPF without crypto."""
    CRYPTO_IN_AVP = "crypto-in-avp"
    """RTP/AVP with a=crypto: 'optimistic' SRTP."""
    DTLS_ONLY = "dtls-only"
    """UDP/TLS/RTP/SAVP(F) or a fingerprint without any a=crypto."""
    OTHER_PROFILE = "other-profile"
    NO_CRYPTO = "no-crypto"
    """RTP/SAVP without a=crypto."""
    NO_COMMON_SUITE = "no-common-suite"
    CRYPTO_UNUSABLE = "crypto-unusable"
    """Wanted suites were offered but every such line has a fault."""
    IPV6 = "ipv6"
    NO_ADDRESS = "no-address"
    BAD_ADDRESS = "bad-address"
    """A host name, a multicast or an unparsable address in c=."""
    PTIME_RANGE = "ptime-range"
    PTIME_CLASH = "ptime-clash"
    """a=maxptime below our packet time."""
    NO_TELEPHONE_EVENT = "no-telephone-event"
    ICE_OFFERED = "ice-offered"
    DTLS_BESIDE = "dtls-beside"
    EXTRA_STREAMS = "extra-streams"
    """Further audio, video or other streams: refused with port 0."""
    ODD_RTP_PORT = "odd-rtp-port"
    VERSION_NOT_RAISED = "version-not-raised"
    """SDP changed and the o= version did not grow by one (RFC 3264 section 8)."""
    ANSWER_MISMATCH = "answer-mismatch"
    """In an answer: other number of m= lines, other profile, tag or suite that we did not offer, several crypto lines, our own key."""
    ODD_SYNTAX = "odd-syntax"
    """A line that is wrong or out of place, but was read or passed over without harm. Never fatal."""


@dataclass(frozen=True, slots=True)
class SdpProblem:
    """One reason, with its place."""

    fault: SdpFault
    detail: str
    """One sentence with the values seen."""
    line: int | None = None
    """SDP line number from 1."""
    text: str = ""
    """The line verbatim; keys masked."""
    fatal: bool = False
    """No session can be made while this stands (under the given capabilities)."""


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One a=crypto attribute (RFC 4568 section 9.1)."""

    tag: int
    suite: str
    key_salt: bytes = field(repr=False)
    lifetime: int | None = None
    """Packets; from a number or 2^n."""
    mki: tuple[int, int] | None = None
    parameters: tuple[str, ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True)
class CryptoRefusal:
    """Why one offered a=crypto line was passed over (requirements 88-90)."""

    text: str
    """The line with its key masked."""
    detail: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What we can and may agree to."""

    suites: tuple[str, ...]
    codecs: tuple[str, ...] = ("PCMU",)
    crypto_in_avp: bool = False
    ipv6: bool = False
    min_ptime: int = 10
    max_ptime: int = 60
    unencrypted: bool = False


@dataclass(frozen=True, slots=True)
class Negotiation:
    """All that one description says about the stream that we take, and what stands against it."""

    problems: tuple[SdpProblem, ...] = ()
    refused_crypto: tuple[CryptoRefusal, ...] = ()
    media_index: int | None = None
    """Which m= line we take."""
    media_count: int = 0
    profile: str = ""
    codec: str = ""
    payload_type: int = 0
    offered_codecs: tuple[str, ...] = ()
    """All audio formats of the taken line as name/rate, in order."""
    dtmf_payload_type: int | None = None
    crypto: CryptoLine | None = None
    """The chosen line: the peer's key."""
    remote: tuple[str, int] | None = None
    """RTP address of the peer; host 0.0.0.0 or :: is the old form of hold, and `direction` then forbids sending."""
    remote_rtcp: tuple[str, int] | None = None
    """None with rtcp-mux."""
    rtcp_mux: bool = False
    direction: Direction = Direction.SENDRECV
    """OUR direction after the answer: hold sendonly -> recvonly, inactive -> inactive."""
    held: bool = False
    """The peer put us on hold (sendonly, inactive, or c=0.0.0.0)."""
    ptime: int = 20
    """Packet time that the peer wants to receive, ms."""
    max_ptime: int | None = None
    session: tuple[str, str, int] | None = None
    """o= username/session id/version of the peer: (session id, address, version)."""

    @property
    def usable(self) -> bool:
        """True when a session can be made."""
        return not any(problem.fatal for problem in self.problems)


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our side of the stream, for writing SDP."""

    host: str
    rtp_port: int
    rtcp_port: int
    crypto_key: bytes = field(repr=False)
    """Our own master key and salt, of the length of the suite."""
    session_id: int = 0
    version: int = 0
    ptime: int = 20


KEY_SALT_LENGTH = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
"""Octets of master key and salt by suite (RFC 4568 6.2, 6188, 7714)."""
