"""Session descriptions read with patience (RFC 8866): every line keeps its number and its octets.

`read` never raises. What is wrong is listed as flaws: fatal ones leave the description unusable, the others were passed over.
Lines are held as Latin-1 text, so that any octet survives reading and writing; `readable` turns them into something for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_OCTETS = 65_536
MAX_LINES = 2_000
MAX_FLAWS = 20

_LINE = re.compile(r"[A-Za-z]=")
_PORT = re.compile(r"([0-9]{1,5})(?:/([0-9]{1,5}))?")
_NUMBER = re.compile(r"[0-9]{1,20}")
_SESSION_ORDER = {letter: rank for rank, letter in enumerate("vosiuepcbtka")} | {"r": 9, "z": 9}
_MEDIA_ORDER = {letter: rank for rank, letter in enumerate("icbka")}


@dataclass(frozen=True, slots=True)
class SdpLine:
    """One line without its line end. The text stays out of repr, since it may hold a key."""

    number: int
    text: str = field(repr=False)

    @property
    def letter(self) -> str:
        """The type letter, case kept: it is significant."""
        return self.text[:1]

    @property
    def value(self) -> str:
        """Everything after the equals sign, without blanks around it."""
        return self.text[2:].strip(" \t")

    def attribute(self) -> tuple[str, str]:
        """Name (in lower case) and value of an a= line."""
        name, _, value = self.value.partition(":")
        return name.strip(" \t").lower(), value.strip(" \t")


Attribute = tuple[SdpLine, str]
"""An a= line and its value."""
Attributes = dict[str, tuple[Attribute, ...]]
"""The a= lines of one part by name (in lower case), each in the order of the lines."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One breach of the syntax, with its line or the line number at which something is missing."""

    detail: str
    number: int
    line: SdpLine | None = None
    fatal: bool = False


class Flaws(list[Flaw]):
    """The flaws found so far."""

    def at(self, line: SdpLine, detail: str, fatal: bool = False) -> None:
        """Note what is wrong with a line."""
        self.append(Flaw(detail, line.number, line, fatal))

    def missing(self, number: int, detail: str, fatal: bool = False) -> None:
        """Note what should stand at a line number and does not."""
        self.append(Flaw(detail, number, None, fatal))


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line (RFC 8866 section 5.2)."""

    session_id: str
    version: int
    address: str
    line: SdpLine


@dataclass(frozen=True, slots=True)
class MediaSection:
    """One m= line with the lines below it. `port` is None when the line can't be read."""

    line: SdpLine
    kind: str
    port: int | None
    profile: str
    """As written: an answer repeats it."""
    formats: tuple[str, ...]
    lines: tuple[SdpLine, ...] = ()
    named: Attributes = field(default_factory=dict, repr=False)

    def attributes(self, name: str) -> tuple[Attribute, ...]:
        """Each a= line of that name with its value."""
        return self.named.get(name, ())


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A description as read: the lines above the first m= line, then the media sections."""

    lines: tuple[SdpLine, ...] = ()
    session: tuple[SdpLine, ...] = ()
    media: tuple[MediaSection, ...] = ()
    origin: Origin | None = None
    flaws: tuple[Flaw, ...] = ()
    named: Attributes = field(default_factory=dict, repr=False)

    def attributes(self, name: str) -> tuple[Attribute, ...]:
        """Each a= line of that name above the first m= line, with its value."""
        return self.named.get(name, ())

    def encode(self) -> bytes:
        """The description again: same octets, every line ended with CRLF, blank lines gone."""
        return write(line.text for line in self.lines)


def write(lines: Iterable[str]) -> bytes:
    """Lines without ends (Latin-1 text) -> a description."""
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def readable(text: str) -> str:
    """Latin-1 text as people should see it: UTF-8 where it is, escapes for anything else that does not print (or turns text round)."""
    shown = text.encode("latin-1", "replace").decode("utf-8", "backslashreplace")
    return shown if shown.isprintable() else "".join(map(_visible, shown))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def blanks(value: str) -> list[str]:
    """The fields of a value. Only blank and tab part them: other Unicode spaces are octets of something else."""
    return [part for part in re.split(r"[ \t]+", value) if part]


def _by_name(lines: Iterable[SdpLine]) -> Attributes:
    found: dict[str, list[Attribute]] = {}
    for line in lines:
        if line.letter == "a":
            name, value = line.attribute()
            found.setdefault(name, []).append((line, value))
    return {name: tuple(values) for name, values in found.items()}


def read(sdp: bytes) -> SessionDescription:
    """Read any octets as a description. Never raises; see `flaws`."""
    flaw = _limits(sdp)
    if flaw is not None:
        return SessionDescription(flaws=(flaw,))
    flaws = Flaws()
    lines = _lines(sdp, flaws)
    if not lines:
        if not flaws:
            flaws.missing(1, "The description is empty: it needs at least v=, o=, s=, t=, c= and an m=audio line.", fatal=True)
        return SessionDescription(flaws=_bounded(flaws))
    session, groups = _cut(lines)
    origin = _check_session(session, flaws)
    media = tuple(_media(group, flaws) for group in groups)
    return SessionDescription(tuple(lines), tuple(session), media, origin, _bounded(flaws), _by_name(session))


def _limits(sdp: bytes) -> Flaw | None:
    if len(sdp) > MAX_OCTETS:
        return Flaw(f"The description has {len(sdp)} octets; more than {MAX_OCTETS} are not read.", 1, fatal=True)
    count = sdp.count(b"\n")
    if count > MAX_LINES:
        return Flaw(f"The description has {count} lines; more than {MAX_LINES} are not read.", MAX_LINES + 1, fatal=True)
    return None


def _bounded(flaws: Flaws) -> tuple[Flaw, ...]:
    """Fatal flaws first to survive the cut: whether a description is usable must not hang on how many oddities it has."""
    if len(flaws) <= MAX_FLAWS:
        return tuple(flaws)
    return tuple(sorted(flaws, key=lambda flaw: not flaw.fatal)[:MAX_FLAWS])


def _lines(sdp: bytes, flaws: Flaws) -> list[SdpLine]:
    """Cut at CRLF or LF (RFC 8866 section 5 asks readers to take both)."""
    lines: list[SdpLine] = []
    blank: int | None = None
    for number, piece in enumerate(sdp.decode("latin-1").split("\n"), start=1):
        text = piece.removesuffix("\r")
        if not text.strip(" \t"):
            blank = blank or number
            continue
        if blank is not None:
            flaws.missing(blank, "An empty line stands inside the description: leave it out.")
            blank = None
        line = SdpLine(number, text)
        fault = _line_fault(text)
        if fault:
            flaws.at(line, fault, fatal=True)
        else:
            lines.append(line)
    return lines


def _line_fault(text: str) -> str:
    if text.startswith("\xef\xbb\xbf"):
        return "A byte order mark stands before the line: send UTF-8 without it."
    if not _LINE.match(text):
        return "This is not an SDP line: each is one letter, an equals sign, then the value, with no blank before them."
    if "\r" in text or "\x00" in text:
        return "A bare CR or a NUL stands inside the line: lines end with CRLF, and values hold neither."
    return ""


def _cut(lines: list[SdpLine]) -> tuple[list[SdpLine], list[list[SdpLine]]]:
    session: list[SdpLine] = []
    groups: list[list[SdpLine]] = []
    for line in lines:
        if line.letter == "m":
            groups.append([line])
        else:
            (groups[-1] if groups else session).append(line)
    return session, groups


def _check_session(session: list[SdpLine], flaws: Flaws) -> Origin | None:
    by_letter: dict[str, list[SdpLine]] = {}
    for line in session:
        by_letter.setdefault(line.letter, []).append(line)
    _check_version(session, by_letter.get("v", []), flaws)
    origin = _origin(by_letter.get("o", []), flaws)
    for letter, example in (("s", "s=-"), ("t", "t=0 0")):
        if letter not in by_letter:
            place = (origin.line.number if origin else 1) + 1
            flaws.missing(place, f"The {letter}= line is missing: write {example} above the first m= line.")
    _check_repeats(by_letter, flaws)
    _check_order(session, _SESSION_ORDER, "session part, whose order is v o s i u e p c b t r z k a", flaws)
    return origin


def _check_version(session: list[SdpLine], found: list[SdpLine], flaws: Flaws) -> None:
    if not found:
        flaws.missing(1, "The v= line is missing: the first line must be v=0.", fatal=True)
        return
    first = found[0]
    if first.value != "0":
        flaws.at(first, f"The SDP version is {first.value[:20] or 'empty'}: write v=0.", fatal=True)
    for line in found[1:]:
        flaws.at(line, "A second v= line: one body carries one description.", fatal=True)
    if session[0] is not first:
        flaws.at(first, "v=0 is not the first line.")


def _origin(found: list[SdpLine], flaws: Flaws) -> Origin | None:
    if not found:
        flaws.missing(2, "The o= line is missing: write o=- SESSION-ID VERSION IN IP4 ADDRESS below v=0.", fatal=True)
        return None
    for line in found[1:]:
        flaws.at(line, "A second o= line: a description has one origin.", fatal=True)
    return _read_origin(found[0], flaws)


def _read_origin(line: SdpLine, flaws: Flaws) -> Origin | None:
    """Read from the right: a user name with blanks in it is a common mistake that harms nobody."""
    fields = blanks(line.value)
    if len(fields) < 6 or not _NUMBER.fullmatch(fields[-4]):
        detail = "The o= line can't be read: write o=- SESSION-ID VERSION IN IP4 ADDRESS with decimal numbers of up to 20 digits."
        flaws.at(line, detail, fatal=True)
        return None
    if len(fields) > 6:
        flaws.at(line, "The user name of the o= line has a blank in it: write - instead.")
    if not _NUMBER.fullmatch(fields[-5]):
        flaws.at(line, "The session id of the o= line is not a decimal number.")
    return Origin(fields[-5], int(fields[-4]), fields[-1], line)


def _check_repeats(by_letter: dict[str, list[SdpLine]], flaws: Flaws) -> None:
    for line in by_letter.get("s", [])[1:]:
        flaws.at(line, "A second s= line: a description has one.")
    connections = by_letter.get("c", [])
    for line in connections[1:]:
        differs = line.value != connections[0].value
        detail = f"A second c= line stands above the first m= line{' with another address' if differs else ''}: keep one."
        flaws.at(line, detail, fatal=differs)


def _check_order(lines: list[SdpLine], ranks: dict[str, int], place: str, flaws: Flaws) -> None:
    """Note unknown letters, and the first line that stands too low."""
    last = 0
    noted = False
    for line in lines:
        rank = ranks.get(line.letter)
        if rank is None:
            _note_stranger(line, place, flaws)
            continue
        if rank < last and not noted:
            noted = True
            flaws.at(line, f"The {line.letter}= line stands too low in the {place}.")
        last = max(last, rank)


def _note_stranger(line: SdpLine, place: str, flaws: Flaws) -> None:
    if line.letter in "vo" and place.startswith("media"):
        flaws.at(line, f"An {line.letter}= line stands below an m= line: it belongs to the top of the description.", fatal=True)
    else:
        flaws.at(line, f"A {line.letter}= line has no place in the {place}: it was passed over.")


def _media(group: list[SdpLine], flaws: Flaws) -> MediaSection:
    line, *rest = group
    _check_order(rest, _MEDIA_ORDER, "media part, whose order is m i c b k a", flaws)
    fields = blanks(line.value)
    port = _port(line, fields, flaws)
    kind, profile = fields[0] if fields else "", fields[2] if len(fields) > 2 else ""
    if port is not None and len(fields) < 4:
        fatal = port > 0 and kind.lower() == "audio"
        flaws.at(line, "The m= line names no format: write m=audio PORT RTP/SAVP 0.", fatal=fatal)
    return MediaSection(line, kind, port, profile, tuple(fields[3:]), tuple(rest), _by_name(rest))


def _port(line: SdpLine, fields: list[str], flaws: Flaws) -> int | None:
    match = _PORT.fullmatch(fields[1]) if len(fields) > 2 else None
    if match is None or int(match[1]) > 65_535:
        flaws.at(line, "The m= line can't be read: write m=audio PORT RTP/SAVP 0 with a port from 0 to 65535.", fatal=True)
        return None
    if match[2] is not None and int(match[2]) != 1:
        flaws.at(line, "The m= line asks for several ports: only the first is used.")
    return int(match[1])
