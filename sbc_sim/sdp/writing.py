"""Our own descriptions: answers and offers as bytes (RFC 3264 sections 5, 6 and 8; RFC 4568 section 5.1).

Wrong arguments are our own fault and raise ValueError.
"""

from __future__ import annotations

import ipaddress
import re

from sbc_sim.sdp.crypto import write_crypto
from sbc_sim.sdp.description import MediaSection, SessionDescription, read, write
from sbc_sim.sdp.formats import STATIC_PAYLOAD_TYPES
from sbc_sim.sdp.negotiation import Direction, LocalMedia, Negotiation

_TIMES = re.compile(r"[0-9]{1,20} [0-9]{1,20}")
_HOST = re.compile(r"[A-Za-z0-9.:_-]+")


def build_answer(offer: bytes, negotiation: Negotiation, local: LocalMedia) -> bytes:
    """Write the answer: same m= lines in the same order, others port 0, one crypto line with the offer's tag and our key.

    When the negotiation is not usable every stream is refused with port 0: the answer to an offer that ends its stream.
    """
    description = read(offer)
    lines = _head(local, _times(description))
    for index, section in enumerate(description.media):
        if negotiation.usable and index == negotiation.media_index:
            lines += _taken(section, negotiation, local)
        else:
            lines.append(_refused(section))
    return write(lines)


def build_offer(
    local: LocalMedia,
    suites: tuple[str, ...],
    keys: tuple[bytes, ...],
    codecs: tuple[str, ...] = ("PCMU",),
    dtmf_payload_type: int | None = 101,
    direction: Direction = Direction.SENDRECV,
    rtcp_mux: bool = True,
    previous: bytes | None = None,
) -> bytes:
    """Write an offer with one crypto line per suite (`keys` runs beside `suites`); `local.crypto_key` is not used.

    `previous`, our last description in the dialog, is needed once the session has several m= lines or another profile than
    RTP/SAVP: a new offer keeps every m= line that was ever there (RFC 3264 section 8).
    """
    if not suites or len(suites) != len(keys) or not codecs:
        raise ValueError("an offer needs codecs, suites and one key by suite")
    crypto = [write_crypto(tag, suite, key) for tag, (suite, key) in enumerate(zip(suites, keys, strict=True), start=1)]
    formats = [(STATIC_PAYLOAD_TYPES[codec], codec) for codec in codecs if codec in STATIC_PAYLOAD_TYPES]
    if len(formats) != len(codecs):
        raise ValueError(f"no static payload type for one of {codecs}")
    before = read(previous).media if previous is not None else ()
    place = _place(before)
    profile = before[place].profile if place < len(before) and before[place].port else "RTP/SAVP"
    streams = [[_refused(section)] for section in before]
    streams[place : place + 1] = [_stream(local, profile, formats, dtmf_payload_type, direction, crypto, rtcp_mux)]
    return write([*_head(local, ["t=0 0"]), *(line for stream in streams for line in stream)])


def _place(before: tuple[MediaSection, ...]) -> int:
    """Where the audio stands in a new offer: where it is live, else where it was refused, else behind all others."""
    audio = [index for index, section in enumerate(before) if section.kind.lower() == "audio"]
    return next((index for index in audio if before[index].port), audio[0] if audio else len(before))


def _head(local: LocalMedia, times: list[str]) -> list[str]:
    address = _address(local.host)
    origin = f"o=sbc-sim {local.session_id} {local.version} {address}"
    return ["v=0", origin, "s=-", f"c={address}", *times]


def _address(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is neither an address nor a host name")
    try:
        return f"IN IP{ipaddress.ip_address(host).version} {host}"
    except ValueError:
        return f"IN IP4 {host}"


def _times(description: SessionDescription) -> list[str]:
    """The t= lines of an answer are those of the offer (RFC 3264 section 6)."""
    times = [line.text for line in description.session if line.letter == "t" and _TIMES.fullmatch(line.value)]
    return times[:8] or ["t=0 0"]


def _refused(section: MediaSection) -> str:
    """The m= line with port 0 and its formats. What a broken line lacks is filled in, since an answer must parse."""
    return f"m={section.kind or 'audio'} 0 {section.profile or 'RTP/SAVP'} {' '.join(section.formats) or '0'}"


def _taken(section: MediaSection, negotiation: Negotiation, local: LocalMedia) -> list[str]:
    crypto = negotiation.crypto
    if crypto is None or not negotiation.codec:
        raise ValueError("a negotiation without key or codec can't be answered")
    line = write_crypto(crypto.tag, crypto.suite, local.crypto_key, crypto.parameters)
    formats = [(negotiation.payload_type, negotiation.codec)]
    dtmf, mux = negotiation.dtmf_payload_type, negotiation.rtcp_mux
    return _stream(local, section.profile, formats, dtmf, negotiation.direction, [line], mux)


def _stream(
    local: LocalMedia,
    profile: str,
    formats: list[tuple[int, str]],
    dtmf: int | None,
    direction: Direction,
    crypto: list[str],
    rtcp_mux: bool,
) -> list[str]:
    numbers = [number for number, _ in formats] + ([] if dtmf is None else [dtmf])
    lines = [f"m=audio {local.rtp_port} {profile} {' '.join(str(number) for number in numbers)}"]
    lines += [f"a=rtpmap:{number} {codec}/8000" for number, codec in formats]
    if dtmf is not None:
        lines += [f"a=rtpmap:{dtmf} telephone-event/8000", f"a=fmtp:{dtmf} 0-15"]
    lines += [f"a=ptime:{local.ptime}", f"a={direction}", *crypto]
    if rtcp_mux:
        lines.append("a=rtcp-mux")
    if local.rtcp_port != local.rtp_port + 1 and not (rtcp_mux and local.rtcp_port == local.rtp_port):
        lines.append(f"a=rtcp:{local.rtcp_port}")
    return lines
