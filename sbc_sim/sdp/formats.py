"""Codecs, telephone-event and packet times of one audio stream (RFC 3551 section 6, RFC 4733, RFC 8866 sections 6.4 to 6.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sbc_sim.sdp.description import MediaSection, SdpLine, readable
from sbc_sim.sdp.masking import Problems
from sbc_sim.sdp.negotiation import Capabilities, SdpFault

DEFAULT_PTIME = 20
STATIC_PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
"""What we can offer: G.711 at 8 kHz, one channel."""

_RTPMAP = re.compile(r"([0-9]{1,3})[ \t]+([^/\s]+)/([0-9]{1,6})(?:/([0-9]{1,2}))?(?:[ \t;].*)?")
_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}")
_MILLISECONDS = re.compile(r"([0-9]{1,4})(?:\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One format of an m= line. The name is empty for a dynamic payload type without rtpmap."""

    payload_type: int
    name: str = ""
    rate: int = 0
    channels: int = 1
    line: SdpLine | None = None
    """Its rtpmap."""

    def __str__(self) -> str:
        if not self.name:
            return f"payload type {self.payload_type} without rtpmap"
        return f"{self.name}/{self.rate}" + (f"/{self.channels}" if self.channels > 1 else "")

    def is_telephony(self, name: str) -> bool:
        """True for that name (case does not count) at 8 kHz, one channel."""
        return self.name.upper() == name.upper() and self.rate == 8000 and self.channels == 1


_STATIC = {
    number: AudioFormat(number, name, rate, channels)
    for number, name, rate, channels in (
        (0, "PCMU", 8000, 1),
        (3, "GSM", 8000, 1),
        (4, "G723", 8000, 1),
        (5, "DVI4", 8000, 1),
        (6, "DVI4", 16000, 1),
        (7, "LPC", 8000, 1),
        (8, "PCMA", 8000, 1),
        (9, "G722", 8000, 1),
        (10, "L16", 44100, 2),
        (11, "L16", 44100, 1),
        (12, "QCELP", 8000, 1),
        (13, "CN", 8000, 1),
        (14, "MPA", 90000, 1),
        (15, "G728", 8000, 1),
        (16, "DVI4", 11025, 1),
        (17, "DVI4", 22050, 1),
        (18, "G729", 8000, 1),
    )
}


def audio_formats(section: MediaSection, problems: Problems) -> tuple[AudioFormat, ...]:
    """The formats in the peer's order, by rtpmap, else by RFC 3551's static payload types."""
    mapped = _rtpmaps(section, problems)
    known = dict.fromkeys(int(text) for text in section.formats if _is_payload_type(text))
    strange = [text for text in section.formats if not _is_payload_type(text)]
    if strange:
        named = ", ".join(text[:20] for text in strange[:5])
        problems.add(SdpFault.ODD_SYNTAX, f"No payload types from 0 to 127, and so passed over: {named}.", section.line)
    return tuple(mapped.get(number) or _STATIC.get(number) or AudioFormat(number) for number in known)


def _is_payload_type(text: str) -> bool:
    return _PAYLOAD_TYPE.fullmatch(text) is not None and int(text) <= 127


def _rtpmaps(section: MediaSection, problems: Problems) -> dict[int, AudioFormat]:
    found: dict[int, AudioFormat] = {}
    for line, value in section.attributes("rtpmap"):
        match = _RTPMAP.fullmatch(value)
        if match is None:
            problems.add(SdpFault.ODD_SYNTAX, "The rtpmap can't be read: write a=rtpmap:PAYLOAD-TYPE NAME/RATE.", line)
            continue
        number = int(match[1])
        fresh = AudioFormat(number, readable(match[2])[:40], int(match[3]), int(match[4] or 1) or 1, line)
        if str(found.setdefault(number, fresh)) != str(fresh):
            problems.add(SdpFault.ODD_SYNTAX, f"A second rtpmap for payload type {number}: the first is used.", line)
    return found


def choose_codec(section: MediaSection, formats: tuple[AudioFormat, ...], codecs: tuple[str, ...], problems: Problems) -> tuple[str, int]:
    """Codec name as in `codecs` and payload type of the first common one, in the peer's order; else ("", 0) and a problem."""
    for offered in formats:
        for codec in codecs:
            if offered.is_telephony(codec):
                return codec, offered.payload_type
    names = ", ".join(str(offered) for offered in formats[:12]) or "none"
    taken = ", ".join(f"{codec}/8000" for codec in codecs)
    pcma = any(offered.is_telephony("PCMA") for offered in formats)
    fault = SdpFault.PCMA_ONLY if pcma and "PCMA" not in codecs else SdpFault.NO_CODEC
    detail = f"No common codec: named are {names}; taken is {taken or 'none'}."
    problems.add(fault, detail, section.line, fatal=True)
    return "", 0


def choose_telephone_event(section: MediaSection, formats: tuple[AudioFormat, ...], problems: Problems) -> int | None:
    """Payload type of telephone-event/8000 (RFC 4733: the clock rate must be that of the audio), or None and a note."""
    events = [offered for offered in formats if offered.name.lower() == "telephone-event"]
    for offered in events:
        if offered.is_telephony("telephone-event"):
            return offered.payload_type
    if events:
        named = ", ".join(str(offered) for offered in events[:4])
        detail = f"{named} is there, but the audio has 8000 Hz: DTMF needs telephone-event/8000."
        problems.add(SdpFault.NO_TELEPHONE_EVENT, detail, events[0].line or section.line)
    else:
        detail = "No telephone-event/8000: DTMF can't be sent. Add 101 to the m= line and a=rtpmap:101 telephone-event/8000 below it."
        problems.add(SdpFault.NO_TELEPHONE_EVENT, detail, section.line)
    return None


def packet_times(section: MediaSection, capabilities: Capabilities, problems: Problems) -> tuple[int, int | None]:
    """Packet time to send in ms, and a=maxptime. Both are wishes of the receiver; ours is held inside the allowed range."""
    wish, wish_line = _milliseconds(section, "ptime", problems)
    most, most_line = _milliseconds(section, "maxptime", problems)
    low, high = capabilities.min_ptime, capabilities.max_ptime
    ptime = DEFAULT_PTIME if wish is None else wish
    if not low <= ptime <= high:
        held = min(max(ptime, low), high)
        detail = f"The packet time of {ptime} ms is outside {low} to {high} ms: {held} ms are sent."
        problems.add(SdpFault.PTIME_RANGE, detail, wish_line)
        ptime = held
    if most is None or ptime <= most:
        return ptime, most
    if most < low:
        detail = f"At most {most} ms of audio by packet are wanted, and less than {low} ms are not sent here."
        problems.add(SdpFault.PTIME_CLASH, detail, most_line, fatal=True)
        return low, most
    return most, most


def _milliseconds(section: MediaSection, name: str, problems: Problems) -> tuple[int | None, SdpLine | None]:
    found = section.attributes(name)
    if not found:
        return None, None
    line, value = found[0]
    match = _MILLISECONDS.fullmatch(value)
    if match is None or int(match[1]) == 0:
        problems.add(SdpFault.ODD_SYNTAX, f"a={name} is not a number of milliseconds above 0: it was passed over.", line)
        return None, line
    return int(match[1]), line
