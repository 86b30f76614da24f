"""The grammar that all header values share: lists, quoted strings, escapes, parameters (RFC 3261 sections 7.3.1 and 25.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from sbc_sim.sip.errors import Malformation, MalformedMessage

MAX_NUMBER = 2**32 - 1
"""Largest delta-seconds, Expires, RSeq and the like (RFC 3261 section 20)."""
TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
"""A token as a regular expression (section 25.1)."""


def printable(text: str | bytes, limit: int = 80) -> str:
    """Text that is safe to show: what does not print becomes an escape, and at most `limit` characters of it are kept."""
    if isinstance(text, bytes):
        text = text[: limit + 1].decode("utf-8", "surrogateescape")
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(map(_escape, shown))
    return shown if len(text) <= limit else shown + "..."


def _escape(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # an octet that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def one_line(text: str) -> str:
    """Text without line ends or NUL: what a peer supplied must never begin a header line of ours."""
    if "\r" in text or "\n" in text or "\0" in text:
        text = re.sub(r"[\r\n\0]+", " ", text)
    return text


def quote(text: str) -> str:
    """Text as a quoted-string (RFC 3261 section 25.1); line ends become blanks, for no escape can carry them."""
    return '"' + one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """The inside of a quoted-string; text without quotes is given back as it is."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def unescape(text: str) -> str:
    """Percent-decode (RFC 3261 section 19.1.2); octets that are not UTF-8 stay as surrogates."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _splitter(separator: str) -> re.Pattern[str]:
    # Unclosed quotes and brackets run to the end: reading stays linear, and the parser of the element then names the place.
    return re.compile(rf'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|<[^>]*(?:>|\Z)|({separator})', re.DOTALL)


_SPLITTERS = {",": _splitter(","), ";": _splitter(";")}


def split_list(value: str, separator: str = ",") -> list[str]:
    """Split at top-level separators, quotes and angle brackets respected; parts are stripped and empty ones left out."""
    if '"' not in value and "<" not in value:
        parts = value.split(separator)
    else:
        cuts = [match.start() for match in _SPLITTERS[separator].finditer(value) if match[1]]
        parts = [value[a + 1 : b] for a, b in zip([-1, *cuts], [*cuts, len(value)], strict=True)]
    return [stripped for part in parts if (stripped := part.strip())]


def bad_header(where: str, detail: str, value: str) -> MalformedMessage:
    """Refuse a header value: the sentence names the header, the reason, and quotes the value."""
    return MalformedMessage(Malformation.BAD_HEADER, f"{where}: {detail}: {printable(value)}", where)


def parse_number(text: str, where: str, maximum: int = MAX_NUMBER) -> int:
    """A decimal number of a header such as Max-Forwards, Expires or RSeq; trailing parameters and comments are ignored."""
    match = re.match(r"([0-9]++)\s*+(?:[;(].*)?\Z", text.strip(), re.DOTALL)
    if match is None:
        raise bad_header(where, "not a number", text)
    digits = match[1].lstrip("0") or "0"
    if len(digits) > 20 or int(digits) > maximum:
        raise bad_header(where, f"number above {maximum}", text)
    return int(digits)


# --- parameters -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameters:
    """``;name=value;flag`` in order, as written; names compare case-insensitively."""

    items: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, text: str, where: str) -> Parameters:
        """Read the text after the first semicolon. Empty parameters (``;;``) are skipped."""
        return cls(tuple(parse_parameter(part, where) for part in split_list(text, ";")))

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        return iter(self.items)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str) -> str | None:
        """Value of the first parameter of that name, unquoted; empty for a flag, None when absent."""
        wanted = name.lower()
        for key, value in self.items:
            if key.lower() == wanted:
                return unquote(value) if value else ""
        return None

    def replaced(self, name: str, value: str | None) -> Parameters:
        """Give the first parameter of that name another value (None makes a flag), or append it."""
        wanted = name.lower()
        for index, (key, _) in enumerate(self.items):
            if key.lower() == wanted:
                return Parameters((*self.items[:index], (key, value), *self.items[index + 1 :]))
        return Parameters((*self.items, (name, value)))

    def without(self, name: str) -> Parameters:
        """Leave out every parameter of that name."""
        return Parameters(tuple(item for item in self.items if item[0].lower() != name.lower()))

    def __str__(self) -> str:
        return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.items)


NO_PARAMETERS = Parameters()
"""The empty list of parameters."""


def parse_parameter(part: str, where: str) -> tuple[str, str | None]:
    """Read ``name=value`` or a flag; blanks around the equals sign are dropped."""
    name, equals, value = part.partition("=")
    if not (name := name.rstrip()):
        raise bad_header(where, "parameter without a name", part)
    return name, value.strip() if equals else None
