"""Offer and answer (RFC 3264) for one audio stream over SRTP with SDES (RFC 4568): the door of this room.

`negotiate` reads an offer (or the answer to our own offer) and says what can be agreed and every reason why not;
`build_answer` and `build_offer` write ours. No rule lives here: problems are facts that the rules room judges.
"""

from __future__ import annotations

from dataclasses import replace

from sbc_sim.sdp.crypto import CryptoFault, parse_crypto
from sbc_sim.sdp.description import MediaSection, Origin, SessionDescription, read, readable
from sbc_sim.sdp.masking import Problems, mask_sdp
from sbc_sim.sdp.negotiation import (
    KEY_SALT_LENGTH,
    Capabilities,
    CryptoLine,
    CryptoRefusal,
    Direction,
    LocalMedia,
    Negotiation,
    SdpFault,
    SdpProblem,
)
from sbc_sim.sdp.stream import SECURE_PROFILES, make_direction, read_stream, receives, sends, stream_direction
from sbc_sim.sdp.writing import build_answer, build_offer

__all__ = [
    "KEY_SALT_LENGTH",
    "Capabilities",
    "CryptoLine",
    "CryptoRefusal",
    "Direction",
    "LocalMedia",
    "Negotiation",
    "SdpFault",
    "SdpProblem",
    "build_answer",
    "build_offer",
    "mask_sdp",
    "negotiate",
]

MAX_PROBLEMS = 50
MAX_AUDIO_STREAMS = 16
"""Looked at for a usable one; any more are refused like other extra streams."""


def negotiate(sdp: bytes, capabilities: Capabilities, offer: bytes | None = None, previous: bytes | None = None) -> Negotiation:
    """Read an offer, or with `offer` (our own) the answer to it; `previous` is the peer's last description for the o= rule.

    Never raises for any octets. In an answer `crypto` is the peer's key, and its tag says which of our keys is in use:
    `build_offer` numbers its lines from 1 in the order of its keys.
    """
    description = read(sdp)
    problems = Problems()
    for flaw in description.flaws:
        fault = SdpFault.UNPARSABLE if flaw.fatal else SdpFault.ODD_SYNTAX
        problems.add(fault, flaw.detail, flaw.line, flaw.fatal, flaw.number)
    if not description.lines:
        return Negotiation(tuple(problems))
    negotiation = _read_offer(description, capabilities) if offer is None else _read_answer(description, read(offer), capabilities)
    problems += negotiation.problems
    if previous is not None:
        _check_version(description, read(previous), problems)
    return replace(negotiation, problems=_bounded(problems), media_count=len(description.media), session=_session(description.origin))


def _bounded(problems: list[SdpProblem]) -> tuple[SdpProblem, ...]:
    """Fatal ones survive the cut: it must not make a description usable."""
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    return tuple(sorted(problems, key=lambda found: not found.fatal)[:MAX_PROBLEMS])


def _session(origin: Origin | None) -> tuple[str, str, int] | None:
    return (readable(origin.session_id), readable(origin.address), origin.version) if origin else None


def _is_audio(section: MediaSection) -> bool:
    return section.kind.lower() == "audio"


def _audio_indexes(description: SessionDescription) -> list[int]:
    return [index for index, section in enumerate(description.media) if _is_audio(section)][:MAX_AUDIO_STREAMS]


# --- an offer ---------------------------------------------------------------------------------------------------------


def _read_offer(description: SessionDescription, capabilities: Capabilities) -> Negotiation:
    """Take the best audio stream, the first of equals: a usable one, else for the report one that is meant for SRTP, else a live one."""
    problems = Problems()
    best, chosen = -1, Negotiation()
    for index in _audio_indexes(description):
        reading = read_stream(description, index, capabilities)
        merit = _merit(description.media[index], reading)
        if merit > best:
            best, chosen = merit, reading
        if merit == _USABLE:
            break
    if best < 0:
        _note_no_audio(description, problems)
    else:
        _note_extra_streams(description, chosen.media_index, problems)
    return replace(chosen, problems=(*chosen.problems, *problems))


_USABLE = 3


def _merit(section: MediaSection, reading: Negotiation) -> int:
    if not section.port:
        return 0
    if reading.usable:
        return _USABLE
    return 2 if section.profile.upper() in SECURE_PROFILES else 1


def _note_no_audio(description: SessionDescription, problems: Problems) -> None:
    line = description.media[0].line if description.media else None
    detail = "There is no audio stream: write m=audio PORT RTP/SAVP 0."
    problems.add(SdpFault.NO_AUDIO, detail, line, fatal=True, number=description.lines[-1].number + 1)


def _note_extra_streams(description: SessionDescription, taken: int | None, problems: Problems) -> None:
    extra = [section for index, section in enumerate(description.media) if index != taken and section.port]
    if extra:
        named = ", ".join(f"{section.kind[:20]} on line {section.line.number}" for section in extra[:5])
        more = " and more" if len(extra) > 5 else ""
        problems.add(SdpFault.EXTRA_STREAMS, f"One audio stream is taken; refused with port 0: {named}{more}.", extra[0].line)


# --- an answer to our offer -------------------------------------------------------------------------------------------


def _read_answer(description: SessionDescription, ours: SessionDescription, capabilities: Capabilities) -> Negotiation:
    index = _place(description, ours)
    problems = Problems()
    _check_streams(description, ours, index, problems)
    if index >= min(len(ours.media), len(description.media)) or not _is_audio(description.media[index]):
        _note_no_audio(description, problems)
        return Negotiation(tuple(problems))
    own, section = ours.media[index], description.media[index]
    keys = _own_keys(own)
    reading = read_stream(description, index, _offered(own, keys, capabilities), mux_allowed=bool(own.attributes("rtcp-mux")))
    if section.port:
        _check_crypto(section, reading.crypto, keys, problems)
        _check_mux(section, own, problems)
        reading = _narrowed(reading, description, ours, problems)
    unasked = () if _offers_events(own) else (SdpFault.NO_TELEPHONE_EVENT,)
    kept = [found for found in reading.problems if found.fault not in unasked]
    return replace(reading, problems=(*kept, *problems))


def _place(description: SessionDescription, ours: SessionDescription) -> int:
    """Which m= line is the call: the audio that both sides have open, else the first that we offered."""
    offered = [index for index in _audio_indexes(ours) if ours.media[index].port]
    both = [index for index in offered if index < len(description.media) and description.media[index].port]
    return next(iter(both + offered), 0)


def _offers_events(own: MediaSection) -> bool:
    return any("telephone-event" in value for _, value in own.attributes("rtpmap"))


def _own_keys(own: MediaSection) -> dict[int, CryptoLine]:
    found = {}
    for _, value in own.attributes("crypto"):
        try:
            crypto = parse_crypto(value)
        except CryptoFault:  # not written by build_offer; then it can't be answered either
            continue
        found[crypto.tag] = crypto
    return found


def _offered(own: MediaSection, keys: dict[int, CryptoLine], capabilities: Capabilities) -> Capabilities:
    """What we can agree to once our offer is out: only what stands in it."""
    named = {value.upper().partition(" ")[2] for _, value in own.attributes("rtpmap")}
    codecs = tuple(codec for codec in capabilities.codecs if f"{codec.upper()}/8000" in named)
    suites = tuple(dict.fromkeys(crypto.suite for crypto in keys.values()))
    return replace(capabilities, codecs=codecs or capabilities.codecs, suites=suites)


def _check_streams(description: SessionDescription, ours: SessionDescription, index: int, problems: Problems) -> None:
    """The m= lines of an answer are those of the offer (RFC 3264 section 6)."""
    count, need = len(description.media), len(ours.media)
    if count != need:
        detail = f"The answer has {count} m= lines, our offer has {need}: an answer repeats each of them in order."
        line = description.media[-1].line if description.media else None
        problems.add(SdpFault.ANSWER_MISMATCH, detail, line, fatal=True, number=description.lines[-1].number)
    for place, (own, section) in enumerate(zip(ours.media, description.media, strict=False)):
        detail = _stream_mismatch(own, section)
        if detail and (place == index or section.port):
            problems.add(SdpFault.ANSWER_MISMATCH, detail, section.line, fatal=place == index)


def _stream_mismatch(own: MediaSection, section: MediaSection) -> str:
    if own.kind.lower() != section.kind.lower():
        return f"m={section.kind[:20]} stands where our offer has m={own.kind}."
    if own.profile.upper() != section.profile.upper():
        return f"The profile is {section.profile[:40]}, our offer says {own.profile}: an answer keeps the profile."
    if own.port == 0 and section.port:
        return "The answer opens a stream that our offer has with port 0: it was passed over."
    return ""


def _check_crypto(section: MediaSection, crypto: CryptoLine | None, keys: dict[int, CryptoLine], problems: Problems) -> None:
    """One line, with tag and suite of one of ours, and a key of its own (RFC 4568 sections 5.1.2 and 5.1.3)."""
    lines = [line for line, _ in section.attributes("crypto")]
    if len(lines) > 1:
        detail = f"The answer has {len(lines)} a=crypto lines: it names exactly one, the chosen one."
        problems.add(SdpFault.ANSWER_MISMATCH, detail, lines[1], fatal=True)
    if crypto is None:
        return
    line = next(line for line in lines if line.number == crypto.line)
    own = keys.get(crypto.tag)
    if own is None:
        tags = ", ".join(str(tag) for tag in keys)
        detail = f"The tag {crypto.tag} is not in our offer, whose tags are {tags}: an answer repeats the tag of the line that it takes."
        problems.add(SdpFault.ANSWER_MISMATCH, detail, line, fatal=True)
    elif own.suite != crypto.suite:
        detail = f"Tag {crypto.tag} is {own.suite} in our offer, the answer says {crypto.suite}: an answer keeps tag and suite together."
        problems.add(SdpFault.ANSWER_MISMATCH, detail, line, fatal=True)
    if any(crypto.key_salt == offered.key_salt for offered in keys.values()):
        detail = "The answer sends our own key back: each side makes a key of its own for what it sends."
        problems.add(SdpFault.ANSWER_MISMATCH, detail, line, fatal=True)


def _check_mux(section: MediaSection, own: MediaSection, problems: Problems) -> None:
    for line, _ in section.attributes("rtcp-mux")[:1]:
        if not own.attributes("rtcp-mux"):
            problems.add(SdpFault.ANSWER_MISMATCH, "The answer has a=rtcp-mux, which our offer has not: it was passed over.", line)


def _narrowed(reading: Negotiation, description: SessionDescription, ours: SessionDescription, problems: Problems) -> Negotiation:
    """An answer can only narrow the direction of the offer (RFC 3264 section 6.1); held means: it lets us send less than we offered."""
    index = reading.media_index or 0
    section = description.media[index]
    theirs = stream_direction(description, section, Problems())
    offered = stream_direction(ours, ours.media[index], Problems())
    sending = sends(reading.direction) and sends(offered)
    direction = make_direction(sending, receives(reading.direction) and receives(offered))
    if (receives(theirs) and not sends(offered)) or (sends(theirs) and not receives(offered)):
        detail = f"a={theirs} does not answer our a={offered}: the stream is {direction} on our side."
        problems.add(SdpFault.ANSWER_MISMATCH, detail, section.line)
    return replace(reading, direction=direction, held=sends(offered) and not sending)


# --- the version of the o= line (RFC 3264 section 8) --------------------------------------------------------------------


def _check_version(description: SessionDescription, previous: SessionDescription, problems: Problems) -> None:
    """A changed description has the version raised by one and the same session id; an unchanged one may keep both."""
    new, old = description.origin, previous.origin
    if new is None or old is None:
        return
    same = _without_origin(description) == _without_origin(previous)
    if new.session_id != old.session_id:
        detail = f"The session id of o= went from {old.session_id} to {new.session_id}: it stays for the whole dialog."
    elif new.version == old.version + 1 or (same and new.version >= old.version):
        return
    elif new.version == old.version:
        detail = f"The description changed, and the version of o= is still {new.version}: write {old.version + 1}."
    else:
        detail = f"The version of o= went from {old.version} to {new.version}: write {old.version if same else old.version + 1}."
    problems.add(SdpFault.VERSION_NOT_RAISED, detail, new.line)


def _without_origin(description: SessionDescription) -> list[str]:
    return [line.text for line in description.lines if line.letter != "o"]
