"""SIP as people paste it: messages cut out of logs, mails and terminals, as nearly as they were on the wire.

What a log adds is taken off: a prefix on every line, indentation, quoting, the dots of `ngrep -W byline`, colours. Line ends become CRLF.
Nothing that a peer may have got wrong is repaired: a Content-Length that does not fit stays, with a note.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sbc_sim.traces.allowance import Allowance
from sbc_sim.traces.limits import Limits, Notes
from sbc_sim.traces.looks import METHODS
from sbc_sim.traces.recording import Recording, TraceError
from sbc_sim.traces.text_marks import Mark, is_frame, is_trailer, mark_of
from sbc_sim.traces.text_sides import Said, recorded

_REQUEST = rb"(?:" + METHODS + rb"|(?<![^\s>|])[A-Z]{3,20})[ \t]{1,4}\S{1,2000}[ \t]{1,4}SIP/2\.0\.?"
_START = re.compile(rb"(?:SIP/2\.0 {1,4}[1-6]\d\d(?:[ \t][^\r\n]*)?|" + _REQUEST + rb")[ \t]*\Z")
_HEADER = re.compile(rb"[A-Za-z][\w\-.!%*+`'~]{0,60}[ \t]*:")
_LENGTH = re.compile(rb"(?i)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t.]*$")
_TYPE = re.compile(rb"(?i)^(?:content-type|c)[ \t]*:[ \t]*([\w\-.+]+/[\w\-.+]+)")
_COLOURS = re.compile(rb"\x1b\[[0-9;]{0,20}m")
_QUOTING = re.compile(rb"[\s>|#*]*\Z")
_BODY_BEGINS = re.compile(rb"v=0|<\?xml|\{|--\S")
_SDP_LINE = re.compile(rb"[a-z]=")
_HOLDS_MESSAGES = (b"message/sip", b"multipart/")
_TOKENS = re.compile(rb"\d+|\D+")
_DIGITS = re.compile(rb"\d{1,30}")
_EMPTY_LINE = re.compile(rb"\n[ \t]*\r?\n")
LONGEST_PREFIX = 300
SHORTEST_BROKEN = 50
"""Octets of a line beside which one that begins with nothing known is taken for its rest: mails and tickets break at 60 to 80."""
LONGEST_START_LINE = 4096
LONGEST_MESSAGE = 256 * 1024
_CONTEXT = 4096
"""Octets before a message that are searched for what a tool wrote about it."""


@dataclass(slots=True)
class _Start:
    """Where a start line was found."""

    line: int
    """Offset of the line."""
    message: int
    """Offset of the message in it."""
    end: int
    """Offset behind the line with its end."""


def read_text(data: bytes, limits: Limits, notes: Notes, time: Allowance) -> Recording:
    """Read SIP messages out of a text. Raises TraceError when there is none."""
    text = _plain(data, notes)
    starts = list(itertools.islice(_starts(text), limits.messages + 1))
    if not starts and b"\\r\\n" in text:
        text = text.replace(b"\\r\\n", b"\r\n").replace(b'\\"', b'"')
        notes.add("Line ends were written as \\r\\n and were turned into real ones.")
        starts = list(itertools.islice(_starts(text), limits.messages + 1))
    if not starts:
        raise TraceError(_nothing(data))
    said = list(_Cutting(text, starts, limits, notes, time).messages())
    return recorded(said, notes)


def _nothing(data: bytes) -> str:
    if b"\0" in data[:4096]:
        return "The trace is neither pcap nor pcapng nor text: save it with Wireshark or tcpdump as pcapng, or paste the SIP messages."
    lines = data.count(b"\n") + 1
    return (
        f"No SIP message was found in {lines} line{'s' if lines > 1 else ''} of text: paste each from its start line "
        '("INVITE sip:... SIP/2.0" or "SIP/2.0 200 OK") with its headers behind it.'
    )


def _plain(data: bytes, notes: Notes) -> bytes:
    """Take off what editors and terminals add: byte order marks, UTF-16, colours."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        notes.add("The text was UTF-16 and was turned into UTF-8.")
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\x1b[" in data:
        data = _COLOURS.sub(b"", data)
    return data


def _starts(text: bytes) -> Iterator[_Start]:
    """Find lines that end in a start line and are followed by a header."""
    place = 0
    while (found := text.find(b"SIP/2.0", place)) >= 0:
        place = found + 7
        if text[place : place + 1] == b"/":
            continue
        # Each line is looked at once, however often the words are in it.
        line = max(text.rfind(b"\n", max(0, found - LONGEST_START_LINE), found) + 1, found - LONGEST_START_LINE, 0)
        end = text.find(b"\n", found, found + LONGEST_START_LINE)
        place = end if end >= 0 else found + LONGEST_START_LINE
        match = _START.search(text[line:end].rstrip(b"\r")) if end >= 0 else None
        if match is None or match.start() > LONGEST_PREFIX:
            continue
        start = _Start(line, line + match.start(), end + 1)
        if _is_followed(text, start):
            yield start


def _is_followed(text: bytes, start: _Start) -> bool:
    """Whether a header comes next: words about a message in a log have none."""
    end = text.find(b"\n", start.end, start.end + LONGEST_START_LINE)
    following = text[start.end : end if end >= 0 else start.end + LONGEST_START_LINE]
    prefix = _Prefix(text[start.line : start.message], following)
    return _HEADER.match(prefix.without(following.rstrip(b"\r"))) is not None


class _Prefix:
    """What a log or a mail put before each line of a message."""

    def __init__(self, prefix: bytes, following: bytes) -> None:
        """`prefix`: what stands before the start line; `following`: the whole line behind it."""
        self._same = prefix if _QUOTING.match(prefix) is not None else b""
        self._like: list[bytes] = []
        if prefix and not self._same:
            self._like = _TOKENS.findall(prefix)
            if self._length(following) is None:
                self._like = []

    @property
    def is_on_every_line(self) -> bool:
        """Whether lines without it belong to something else."""
        return bool(self._like)

    def fits(self, line: bytes) -> bool:
        """Whether a line has it."""
        return self._length(line) is not None

    def without(self, line: bytes) -> bytes:
        """Take it off a line."""
        if self._like:
            return line[self._length(line) or 0 :]
        if line.startswith(self._same):
            return line[len(self._same) :]
        return b"" if line.strip() == self._same.strip() else line

    def _length(self, line: bytes) -> int | None:
        """How long the like of it is on a line, where only numbers may differ; None where it is not."""
        place = 0
        for token in self._like:
            if token.isdigit():
                digits = _DIGITS.match(line, place)
                if digits is None:
                    return None
                place = digits.end()
            elif line.startswith(token, place):
                place += len(token)
            else:
                return len(line) if line == line[:place] + token.rstrip() else None
        return place


@dataclass(slots=True)
class _Line:
    """A line of a message: without its prefix and end."""

    text: bytes
    had_cr: bool
    end: int
    """Offset behind it in the text."""
    whole: bool = True
    """Whether it had an end."""


class _Cutting:
    """Cuts messages out of a text, one after the other."""

    def __init__(self, text: bytes, starts: list[_Start], limits: Limits, notes: Notes, time: Allowance) -> None:
        self._text, self._starts = text, starts
        self._limits, self._notes, self._time = limits, notes, time
        self._ahead = limits.looked_ahead
        """Octets that may still be looked at in vain behind the next start line."""

    def messages(self) -> Iterator[Said]:
        """Give the messages with what was said about them."""
        behind, number, after = 0, 0, Mark()
        pending: Said | None = None
        for place, start in enumerate(self._starts):
            if start.line < behind:
                continue  # within the body of the message before
            if number >= self._limits.messages:
                self._notes.add(f"Only the first {number} messages of the text are read: cut it to the call.")
                break
            if self._time.step(16):
                cut = f"it was cut after {number} messages"
                self._notes.add(f"The trace is longer than the time allowed for it: {cut}. Cut it to the call.")
                break
            number += 1
            mark, after = self._mark(behind, start)
            if pending is not None:
                yield _with_time(pending, after)
            end = self._starts[place + 1].line if place + 1 < len(self._starts) else len(self._text)
            data, behind = self._message(start, end, number)
            pending = Said(data, mark)
        if pending is not None:
            yield _with_time(pending, self._mark(behind, _Start(len(self._text), len(self._text), len(self._text)))[1])

    def _mark(self, behind: int, start: _Start) -> tuple[Mark, Mark]:
        """Read the lines between two messages: what they say of the one that follows, and of the one before."""
        lines = self._text[max(behind, start.message - _CONTEXT) : start.message].decode("utf-8", "replace").split("\n")
        quoting = self._text[start.line : start.message].strip()
        if quoting and _QUOTING.match(quoting) and self._text.startswith(quoting, start.end):
            lines = [line.removeprefix(quoting.decode()) for line in lines]  # ">>" may also mean "sent", but not on every line
        mark, after = Mark(), Mark()
        for line in reversed(lines[-12:]):
            if is_trailer(line):
                after = mark_of(line)
            elif not (mark.has_way and mark.at is not None):
                mark = mark.over(mark_of(line.strip()))
        return mark, after

    # --- one message --------------------------------------------------------------------------------------------------

    def _lines(self, start: _Start, end: int) -> Iterator[_Line]:
        """Give the lines of a message without their prefixes, up to a line that has none where all others have one."""
        following = self._text[start.end : start.end + LONGEST_START_LINE].partition(b"\n")[0]
        prefix = _Prefix(self._text[start.line : start.message], following)
        if start.message > start.line:
            self._notes.add("What stands before the lines of messages (indentation, quoting, log prefixes) was taken off.")
        place = start.line
        while place < end:
            stop = self._text.find(b"\n", place, end)
            raw, behind = (self._text[place:stop], stop + 1) if stop >= 0 else (self._text[place:end], end)
            line = raw[:-1] if raw.endswith(b"\r") else raw
            if place == start.line:
                text = line[start.message - start.line :]
            elif prefix.is_on_every_line and not prefix.fits(line):
                return
            else:
                text = prefix.without(line)
            yield _Line(text, line is not raw, behind, stop >= 0)
            place = behind

    def _message(self, start: _Start, end: int, number: int) -> tuple[bytes, int]:
        """Give the octets of a message and the offset behind it."""
        lines = list(self._bounded(start, end))
        dots = self._has_dots(lines)
        if dots:
            lines = [_Line(line.text.removesuffix(b"."), True, line.end, line.whole) for line in lines]
        head, rest = _head(lines)
        if not rest or rest[0].text.strip():
            missing = bool(rest) and _BODY_BEGINS.match(rest[0].text) is not None
            if missing:
                self._notes.add(f"Message {number}: the empty line between headers and body is missing; it is read as if it were there.")
            body = rest if missing else []
        else:
            head, body = [*head, rest[0]], rest[1:]
        if (wrapped := _wrapped(head, body)) is not None:
            self._notes.add(_looks_wrapped(number, wrapped))
        wire = b"\r\n".join([line.text.rstrip(b" \t") if dots else line.text for line in head if line.text]) + b"\r\n\r\n"
        if not all(line.had_cr for line in head if line.whole):
            self._notes.add("Lines of the text end in LF only, as copying makes them: CRLF was put in, as SIP has it.")
        octets, used = self._body(head, body, number)
        behind = used or (head[-1].end if head else end)
        self._ahead += max(0, behind - end)  # not in vain
        if len(wire) + len(octets) > LONGEST_MESSAGE - LONGEST_START_LINE:
            self._notes.add(f"Message {number} is longer than what is read of one ({LONGEST_MESSAGE} octets), or has no end.")
        return wire + octets, behind

    def _bounded(self, start: _Start, end: int) -> Iterator[_Line]:
        """Give the lines of a message and what may be its body; at most so many octets."""
        beyond = self._end_of_inner(start, end)
        octets = 0
        for line in self._lines(start, beyond):
            octets += len(line.text) + 2
            if octets > LONGEST_MESSAGE:
                return
            yield line

    def _end_of_inner(self, start: _Start, end: int) -> int:
        """Reach over start lines within a body that holds messages itself (message/sipfrag, multipart)."""
        empty = _EMPTY_LINE.search(self._text, start.message, min(end, start.message + LONGEST_MESSAGE))
        if empty is None:
            return end
        lines = self._text[start.message : empty.start()].split(b"\n")
        kind = next((match[1].lower() for line in lines if (match := _TYPE.match(line.strip()))), b"")
        length = next((int(match[1]) for line in lines if (match := _LENGTH.match(line.strip()))), 0)
        if not kind.startswith(_HOLDS_MESSAGES):
            return end
        if self._ahead <= 0:
            self._notes.add("Too many bodies say that they hold messages and do not: those of the rest are read up to the next start line.")
            return end
        place, left = empty.end(), min(length, LONGEST_MESSAGE)
        while left > 0 and place < len(self._text):
            stop = self._text.find(b"\n", place)
            behind = stop + 1 if stop >= 0 else len(self._text)
            left -= behind - place + (self._text[stop - 1 : stop] != b"\r")
            place = behind
        self._ahead -= max(0, place - end)
        return max(end, place)

    @staticmethod
    def _has_dots(lines: list[_Line]) -> bool:
        """Whether line ends were printed as dots, as `ngrep -W byline` does."""
        head = lines[: 1 + next((place for place, line in enumerate(lines) if line.text in (b".", b"")), len(lines))]
        return len(head) > 2 and head[-1].text == b"." and all(line.text.endswith(b".") for line in head)

    # --- bodies -------------------------------------------------------------------------------------------------------

    def _body(self, head: list[_Line], rest: list[_Line], number: int) -> tuple[bytes, int]:
        """Give the octets of the body and the offset behind it, 0 for none."""
        length = next((int(match[1]) for line in head if (match := _LENGTH.match(line.text))), None)
        has_type = any(_TYPE.match(line.text) for line in head)
        if (length == 0 or (length is None and not has_type)) and not (rest and _BODY_BEGINS.match(rest[0].text)):
            return b"", 0
        lines = _upto_frame(rest)
        if not any(line.text.strip() for line in lines):
            if length:
                self._notes.add(f"Message {number}: Content-Length says {length}, but there is no body.")
            return b"", 0
        if length is not None:
            is_sdp = rest[0].text.startswith(b"v=0")  # has CRLF (RFC 8866 section 5); other bodies may have had LF on the wire
            as_it_was = [None] if any(line.had_cr for line in head) else []
            endings = [*as_it_was, b"\r\n", *([] if is_sdp else [b"\n"])]
            fits = (_fitting(lines, length, ending, exactly) for exactly in (True, False) for ending in endings)
            fitting = next((found for found in fits if found is not None), None)
            if fitting is not None:
                return fitting
        lines = lines[: next((place for place in range(len(lines), 0, -1) if lines[place - 1].text.strip()), 0)]
        body = b"".join(line.text + b"\r\n" for line in lines)
        if length is None:
            self._notes.add(f"Message {number} has a body but no Content-Length: the body is taken up to the next message.")
        elif length == len(body) - 2:
            body = body[:-2]
        else:
            self._notes.add(_unfitting(number, length, body, b"masked]" in body))
        return body, lines[-1].end if lines else 0


def _head(lines: list[_Line]) -> tuple[list[_Line], list[_Line]]:
    """Part start line and headers from what follows."""
    for place, line in enumerate(lines[1:], 1):
        text = line.text
        if not text.strip():
            return lines[:place], lines[place:]
        if _HEADER.match(text) or text[:1] in b" \t":
            continue
        if _BODY_BEGINS.match(text) or is_frame(text.decode("utf-8", "replace")):
            return lines[:place], lines[place:]
    return lines, []


def _wrapped(head: list[_Line], body: list[_Line]) -> int | None:
    """Find a line that is no header field or line of SDP beside a long one: the rest of one that a mail or a ticket broke.

    Return its number within the message, from 1.
    """
    for number, (before, line) in enumerate(itertools.pairwise(head), 2):
        if line.text.strip() and line.text[:1] not in b" \t" and not _HEADER.match(line.text) and _is_long(before, line):
            return number
    if not body or not body[0].text.startswith(b"v=0"):
        return None
    for number, (before, line) in enumerate(itertools.pairwise(body), len(head) + 2):
        if not line.text.strip():
            return None
        if not _SDP_LINE.match(line.text) and _is_long(before, line):
            return None if is_frame(line.text.decode("utf-8", "replace")) else number
    return None


def _is_long(*lines: _Line) -> bool:
    return any(len(line.text) >= SHORTEST_BROKEN for line in lines)


def _looks_wrapped(number: int, line: int) -> str:
    return (
        f"Message {number} looks wrapped: its line {line}, beside a long one, is neither a header field nor a line of SDP. "
        "It is judged as it stands, broken lines too: join them as they were on the wire, or take the file from which it was copied."
    )


def _upto_frame(lines: list[_Line]) -> list[_Line]:
    for place, line in enumerate(lines):
        if line.text[:2].strip() and not _SDP_LINE.match(line.text) and is_frame(line.text.decode("utf-8", "replace")):
            return lines[:place]
    return lines


def _fitting(lines: list[_Line], length: int, ending: bytes | None, exactly: bool) -> tuple[bytes, int] | None:
    """Take as many octets as Content-Length says, when they end with a line.

    `ending`: what lines end in, None for as it was; `exactly`: nothing may follow directly, else only no more SDP.
    """
    octets, pieces = 0, []
    for place, line in enumerate(lines):
        end = ending or (b"\r\n" if line.had_cr else b"\n")
        piece = line.text + (end if line.whole or ending is not None else b"")
        pieces.append(piece)
        octets += len(piece)
        if octets >= length:
            following = lines[place + 1].text if place + 1 < len(lines) else b""
            goes_on = bool(following.strip()) if exactly else _SDP_LINE.match(following) is not None
            return (b"".join(pieces)[:length], line.end) if octets - length <= len(end) and not goes_on else None
    return None


def _unfitting(number: int, length: int, body: bytes, masked: bool) -> str:
    if masked:
        return f"Message {number}: parts of it are masked, so its Content-Length ({length}) does not fit its {len(body)} octets of body."
    return f"Message {number}: Content-Length says {length}, but the body has {len(body)} octets; both are left as they are."


def _with_time(said: Said, after: Mark) -> Said:
    return said if said.mark.at is not None or after.at is None else Said(said.data, said.mark.over(after))
