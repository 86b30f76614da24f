"""SRTP and SRTCP with keys from SDES (RFC 3711, 4568, 7714): libsrtp through pylibsrtp.

pylibsrtp does the cryptography. Two things are added: a refusal is a value and not an exception, because strangers send what they like;
and the C functions are called on a buffer that a session keeps, where the binding has the signature that is known here. That spares an
allocation per packet and an exception per refusal (1 to 2 us each way); any other binding is used through pylibsrtp's public methods. A
session is for one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pylibsrtp

from sbc_sim.rtp.leg import SrtpKey

PROFILES: dict[str, tuple[int, int]] = {
    "AES_CM_128_HMAC_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}
"""libsrtp's profile and the octets of master key and salt, by suite. SHA1_32 shortens the SRTP tag only: its SRTCP tag has 80 bits."""

SUITES: tuple[str, ...] = tuple(PROFILES)
"""Suites that can be agreed on, in our order of preference."""

TAG_OCTETS = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4, "AEAD_AES_128_GCM": 16, "AEAD_AES_256_GCM": 16}
"""What each suite appends to an RTP packet."""

REPLAY_WINDOW = 128
"""Packets (RFC 3711 section 3.3.2 asks for 64 or more); also how late a packet may come: two and a half seconds. A wide one costs time."""

LONGEST = 1500
"""No longer datagram is opened: Ethernet's MTU."""

LONGEST_CLEAR = LONGEST - 160
"""Longest packet that is protected: leaves room for what the suites append."""


class Refusal(IntEnum):
    """Why libsrtp did not take a packet; the numbers are srtp_err_status_t."""

    BAD = 2
    """Too short, or otherwise not a packet."""
    AUTHENTICATION = 7
    REPLAYED = 9
    """A packet with this index was taken before. libsrtp looks before it authenticates, so this one may be a forgery."""
    TOO_OLD = 10
    """Behind the replay window."""
    OTHER = 1
    """Nothing that has happened yet: key used up, out of memory."""


_REFUSALS: dict[int, Refusal] = {int(refusal): refusal for refusal in Refusal} | {21: Refusal.BAD}

_Transform = Callable[[bytes], "bytes | Refusal"]

_SIGNATURE = "srtp_err_status_t(*)(struct srtp_ctx_t_ *, void *, int *)"


def _known_binding() -> Any:
    """Give pylibsrtp's binding when its functions are the ones of libsrtp 2, else None."""
    try:
        from pylibsrtp import _binding as binding

        names = ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp")
        signatures = {str(binding.ffi.typeof(getattr(binding.lib, name)).cname) for name in names}
    except (ImportError, AttributeError, TypeError):
        return None
    return binding if signatures == {_SIGNATURE} else None


_BINDING = _known_binding()


def _direct(session: pylibsrtp.Session, name: str, longest: int) -> _Transform:
    """Call libsrtp's function on a buffer of our own."""
    ffi, function, context = _BINDING.ffi, getattr(_BINDING.lib, name), session._srtp[0]
    octets, length = ffi.new("unsigned char[]", LONGEST + 4), ffi.new("int *")
    view = ffi.buffer(octets)

    # `_alive` keeps the session, and with it the context, as long as this function.
    def transform(packet: bytes, _alive: pylibsrtp.Session = session) -> bytes | Refusal:
        size = len(packet)
        if size > longest:
            return Refusal.BAD
        view[0:size] = packet
        length[0] = size
        status = function(context, octets, length)
        if status:
            return _REFUSALS.get(status, Refusal.OTHER)
        return view[0 : length[0]]  # type: ignore[no-any-return]

    return transform


def _public(method: Callable[[bytes], bytes], longest: int) -> _Transform:
    """Call pylibsrtp's method; its error says in words what libsrtp said as a number."""

    def transform(packet: bytes) -> bytes | Refusal:
        if len(packet) > longest:
            return Refusal.BAD
        try:
            return method(packet)
        except pylibsrtp.Error as error:
            return _REFUSALS.get(_error_number(str(error)), Refusal.OTHER)

    return transform


def _error_number(text: str) -> int:
    return pylibsrtp.ERRORS.index(text) if text in pylibsrtp.ERRORS else int(Refusal.OTHER)


def _session(key: SrtpKey, ssrc_type: int) -> pylibsrtp.Session:
    if key.suite not in PROFILES:
        raise ValueError(f"no SRTP suite {key.suite!r}; there are {', '.join(SUITES)}")
    profile, octets = PROFILES[key.suite]
    if len(key.key_salt) != octets:
        raise ValueError(f"{key.suite} takes {octets} octets of key and salt, got {len(key.key_salt)}")
    policy = pylibsrtp.Policy(key=key.key_salt, ssrc_type=ssrc_type, srtp_profile=profile)
    policy.window_size = REPLAY_WINDOW
    return pylibsrtp.Session(policy)


def _transform(session: pylibsrtp.Session, name: str, longest: int) -> _Transform:
    if _BINDING is not None:
        return _direct(session, name, longest)
    return _public(getattr(session, name.removeprefix("srtp_")), longest)


class SrtpReceiver:
    """Opens what a peer protects with its key, whatever its SSRCs; keeps rollover counter and replay window for each."""

    def __init__(self, key: SrtpKey) -> None:
        """Raise ValueError for an unknown suite or a key of the wrong length."""
        self._session = _session(key, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.open: _Transform = _transform(self._session, "srtp_unprotect", LONGEST)
        """SRTP packet -> RTP packet, or why not."""
        self.open_rtcp: _Transform = _transform(self._session, "srtp_unprotect_rtcp", LONGEST)
        """SRTCP packet -> RTCP packet, or why not."""

    def forget(self, ssrc: int) -> None:
        """Drop the state of one SSRC; an SSRC that was never seen is ignored."""
        try:
            self._session.remove_stream(ssrc)
        except pylibsrtp.Error:
            return


class SrtpSender:
    """Protects our own packets. A sequence number that was used before is refused: its keystream must not be used twice."""

    def __init__(self, key: SrtpKey) -> None:
        """Raise ValueError for an unknown suite or a key of the wrong length."""
        self._session = _session(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.protect: _Transform = _transform(self._session, "srtp_protect", LONGEST_CLEAR)
        """RTP packet -> SRTP packet, or why not."""
        self.protect_rtcp: _Transform = _transform(self._session, "srtp_protect_rtcp", LONGEST_CLEAR)
        """RTCP packet -> SRTCP packet, or why not."""
