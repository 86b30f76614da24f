"""Quotes: the very text that shows a finding, safe to print, with the place of the first bad character.

Long values are cut to a window round that place, so a token inside a User-to-User value never stands in a finding as a whole.
"""

from __future__ import annotations

from sbc_sim.rules.finding import Quote
from sbc_sim.sip.message import Request
from sbc_sim.sip.text import printable

WINDOW = 160
"""Longest quoted text, in characters of the original."""


def escaped(text: str) -> str:
    """Make control, undecodable and invisible characters visible; everything else stays as it is."""
    return printable(text, len(text))


def sentence(text: str) -> str:
    """End a text with a full stop, where it has no end of its own."""
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def capital(text: str) -> str:
    """Begin a text with a capital."""
    return text[:1].upper() + text[1:]


def whole_sentence(text: str) -> str:
    """Begin a text with a capital and end it with a full stop; nothing stays nothing."""
    return sentence(capital(text.strip()))


def quote(text: str, header: str, message: str = "INVITE", position: int | None = None) -> Quote:
    """Quote `text`; `position` is the index of the first bad character in it, or None."""
    start, end = 0, len(text)
    if end > WINDOW:
        start = max(0, min((position or 0) - WINDOW // 2, end - WINDOW))
        end = start + WINDOW
    front = "..." if start else ""
    shown = front + escaped(text[start:end]) + ("..." if end < len(text) else "")
    offset = None if position is None else len(front) + len(escaped(text[start : min(position, end)]))
    return Quote(shown, header, offset, message)


def quote_octets(octets: bytes, header: str, message: str = "INVITE", position: int | None = None) -> Quote:
    """Quote octets as UTF-8 text; `position` counts octets."""
    text = octets.decode("utf-8", "surrogateescape")
    place = None if position is None else len(octets[:position].decode("utf-8", "surrogateescape"))
    return quote(text, header, message, place)


def quote_header(request: Request | None, name: str, position: int | None = None) -> Quote | None:
    """Quote the first header field of that name, or None when the request has none."""
    value = None if request is None else request.headers.first(name)
    return None if request is None or value is None else quote(value, name, request.method, position)


def quote_start_line(request: Request) -> Quote:
    """Quote the request line with the Request-URI marked."""
    line = f"{request.method} {request.uri} {request.version}"
    return quote(line, "start line", request.method, len(request.method) + 1)
