"""One audio stream of a description: profile, key, codec, address and direction, with all that stands against it."""

from __future__ import annotations

from sbc_sim.sdp.address import Destination, read_destination
from sbc_sim.sdp.crypto import CryptoChoice, choose
from sbc_sim.sdp.description import Attribute, MediaSection, SdpLine, SessionDescription, readable
from sbc_sim.sdp.formats import audio_formats, choose_codec, choose_telephone_event, packet_times
from sbc_sim.sdp.masking import Problems
from sbc_sim.sdp.negotiation import Capabilities, Direction, Negotiation, SdpFault

SECURE_PROFILES = ("RTP/SAVP", "RTP/SAVPF")
PLAIN_PROFILES = ("RTP/AVP", "RTP/AVPF")

_ICE = ("candidate", "ice-ufrag", "ice-pwd", "ice-options", "ice-lite")
_SENDS = (Direction.SENDRECV, Direction.SENDONLY)
_RECEIVES = (Direction.SENDRECV, Direction.RECVONLY)


def read_stream(description: SessionDescription, index: int, capabilities: Capabilities, mux_allowed: bool = True) -> Negotiation:
    """Read the m= line `index` as the audio stream of a call. With `mux_allowed` false a=rtcp-mux is passed over."""
    section = description.media[index]
    profile, count = readable(section.profile), len(description.media)
    problems = Problems()
    formats = audio_formats(section, problems)
    names = tuple(str(offered) for offered in formats)
    if not section.port:  # nothing else counts then; an unreadable port (None) is already a flaw of the syntax
        problems.clear()
        if section.port == 0:
            problems.add(SdpFault.AUDIO_REFUSED, "The audio stream has port 0: it is refused or ended.", section.line, fatal=True)
        return Negotiation(tuple(problems), media_index=index, media_count=count, profile=profile, offered_codecs=names)
    choice = _read_security(description, section, capabilities, problems)
    codec, payload_type = choose_codec(section, formats, capabilities.codecs, problems)
    dtmf = choose_telephone_event(section, formats, problems)
    destination = read_destination(description, section, section.port, capabilities.ipv6, mux_allowed, problems)
    ptime, max_ptime = packet_times(section, capabilities, problems)
    _note_ice(description, section, problems)
    theirs = stream_direction(description, section, problems)
    return Negotiation(
        problems=tuple(problems),
        refused_crypto=choice.refused,
        media_index=index,
        media_count=count,
        profile=profile,
        codec=codec,
        payload_type=payload_type,
        offered_codecs=names,
        dtmf_payload_type=dtmf,
        crypto=choice.crypto,
        remote=destination.rtp,
        remote_rtcp=destination.rtcp,
        rtcp_mux=destination.mux,
        direction=_answered(theirs, destination),
        held=destination.held or theirs in (Direction.SENDONLY, Direction.INACTIVE),
        ptime=ptime,
        max_ptime=max_ptime,
    )


# --- direction (RFC 3264 sections 6.1 and 8.4) ------------------------------------------------------------------------


def make_direction(sends: bool, receives: bool) -> Direction:
    """The direction that sends and receives as told."""
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


def sends(direction: Direction) -> bool:
    """True when media flows away from the one whose direction this is."""
    return direction in _SENDS


def receives(direction: Direction) -> bool:
    """True when media flows to the one whose direction this is."""
    return direction in _RECEIVES


def _answered(theirs: Direction, destination: Destination) -> Direction:
    """Our direction: theirs turned round, and without sending to an address of hold."""
    return make_direction(receives(theirs) and not destination.held, sends(theirs))


def stream_direction(description: SessionDescription, section: MediaSection, problems: Problems) -> Direction:
    """The direction that the description gives the stream: its own, that of the session, or sendrecv."""
    own = _directions(section)
    for _, direction, line in own[1:]:
        if direction is not own[0][1]:
            detail = f"A second direction, a={direction}: the first, a={own[0][1]}, is used."
            problems.add(SdpFault.ODD_SYNTAX, detail, line)
    found = own or _directions(description)
    return found[0][1] if found else Direction.SENDRECV


def _directions(part: SessionDescription | MediaSection) -> list[tuple[int, Direction, SdpLine]]:
    return sorted((line.number, direction, line) for direction in Direction for line, _ in part.attributes(direction))


# --- profile and keys -------------------------------------------------------------------------------------------------


def is_dtls(profile: str) -> bool:
    """True for UDP/TLS/RTP/SAVP and its kin (RFC 5764)."""
    return profile.endswith(("/RTP/SAVP", "/RTP/SAVPF")) and "TLS" in profile


def _read_security(description: SessionDescription, section: MediaSection, capabilities: Capabilities, problems: Problems) -> CryptoChoice:
    lines = section.attributes("crypto")
    for line, _ in description.attributes("crypto")[:1]:
        detail = "a=crypto stands above the first m= line, where it has no meaning: write it below the m=audio line."
        problems.add(SdpFault.ODD_SYNTAX, detail, line)
    fingerprint = next(iter(section.attributes("fingerprint") + description.attributes("fingerprint")), None)
    profile = section.profile.upper()
    if is_dtls(profile):
        clash = " (those that are here don't fit the profile)" if lines else ""
        detail = f"Keys by DTLS are not taken here: offer RTP/SAVP with a=crypto lines{clash}."
        problems.add(SdpFault.DTLS_ONLY, detail, section.line, fatal=True)
        return CryptoChoice()
    if fingerprint and not lines and profile in SECURE_PROFILES + PLAIN_PROFILES:
        problems.add(SdpFault.DTLS_ONLY, "Keys by DTLS only: offer RTP/SAVP with a=crypto lines.", fingerprint[0], fatal=True)
        return CryptoChoice()
    if not _check_profile(section, profile, bool(lines), capabilities, problems):
        return CryptoChoice()
    if fingerprint:
        problems.add(SdpFault.DTLS_BESIDE, "DTLS is offered beside a=crypto: a=crypto is used.", fingerprint[0])
    return _choose_crypto(section, lines, capabilities, problems)


def _check_profile(section: MediaSection, profile: str, crypto: bool, capabilities: Capabilities, problems: Problems) -> bool:
    """Note what is wrong with the profile. True when the a=crypto lines are worth reading."""
    if profile not in SECURE_PROFILES + PLAIN_PROFILES:
        detail = f"The profile {section.profile[:40]} is not SRTP with keys in the description: offer RTP/SAVP."
        problems.add(SdpFault.OTHER_PROFILE, detail, section.line, fatal=True)
        return False
    if profile in PLAIN_PROFILES and crypto:
        allowed = "is taken as a setting allows it" if capabilities.crypto_in_avp else "is not taken here: offer RTP/SAVP"
        detail = f"{section.profile} with a=crypto leaves open whether media is encrypted, and {allowed}."
        problems.add(SdpFault.CRYPTO_IN_AVP, detail, section.line, fatal=not capabilities.crypto_in_avp)
    elif profile in PLAIN_PROFILES:
        detail = f"{section.profile} is media without encryption: offer RTP/SAVP with a=crypto lines{_capability_hint(section)}."
        problems.add(SdpFault.NOT_SRTP, detail, section.line, fatal=True)
    elif not crypto:
        detail = f"{section.profile} without a=crypto: the keys are missing. Write at least one a=crypto line below the m= line."
        problems.add(SdpFault.NO_CRYPTO, detail, section.line, fatal=True)
    return crypto


def _capability_hint(section: MediaSection) -> str:
    if any(section.attributes(name) for name in ("tcap", "acap", "pcfg")):
        return " in the m= line itself (the capabilities of RFC 5939 in a=tcap, a=acap and a=pcfg are not read here)"
    return ""


def _choose_crypto(section: MediaSection, lines: tuple[Attribute, ...], capabilities: Capabilities, problems: Problems) -> CryptoChoice:
    choice = choose(lines, capabilities.suites, capabilities.unencrypted)
    if choice.crypto is None:
        fault = SdpFault.CRYPTO_UNUSABLE if choice.wanted else SdpFault.NO_COMMON_SUITE
        if choice.wanted:
            detail = "No a=crypto line can be used. " + " ".join(f"Line {refusal.line}: {refusal.detail}" for refusal in choice.refused[:4])
        else:
            detail = f"No a=crypto line names a suite that is taken here; taken: {', '.join(capabilities.suites) or 'none'}."
        problems.add(fault, detail, lines[0][0], fatal=True)
    return choice


def _note_ice(description: SessionDescription, section: MediaSection, problems: Problems) -> None:
    lines = [line for name in _ICE for line, _ in description.attributes(name) + section.attributes(name)]
    if lines:
        first = min(lines, key=lambda line: line.number)
        problems.add(SdpFault.ICE_OFFERED, "ICE is offered: it is left aside, media goes to the address of the c= line.", first)
