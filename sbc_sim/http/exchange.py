"""A request and its answer as plain values: what a route's function gets and gives. No Twisted here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that passed the guard and found its route."""

    method: str
    path: str
    """Without sub-path and query."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What stood in the places of the route's template, percent-decoded."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Only names that the route knows, each once."""
    body: bytes = field(default=b"", repr=False)
    accept: str = ""
    """The Accept header, empty when there is none."""
    media_type: str = ""
    """Of the body, in lower case, without parameters."""
    prefix: str = ""
    """Sub-path under which the client sees us, without a slash at its end."""
    header: Callable[[str], list[str]] = field(default=lambda name: [], repr=False)
    """All values of a header by its name."""

    def first(self, name: str) -> str:
        """Return the first value of a header, empty when there is none."""
        return (self.header(name) or [""])[0]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    body: bytes = field(repr=False)
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    """Cut the connection instead of answering: a fault that was asked for."""


class Line(Protocol):
    """An answer without end, as whoever writes it sees it."""

    def write(self, data: bytes) -> None:
        """Send octets; they wait when the client does not read."""

    def finish(self) -> None:
        """End the answer in good order."""

    def abort(self) -> None:
        """Cut the connection."""

    @property
    def waiting(self) -> int:
        """Octets that wait since the client does not read, those on their way in the socket aside."""


@dataclass(frozen=True, slots=True)
class StreamReply:
    """An answer that goes on until one side ends it."""

    media_type: str
    begin: Callable[[Line], Callable[[], None]]
    """Called once the header section is written; gives what is to be called when the connection is gone or the answer finished."""
    headers: tuple[tuple[str, str], ...] = ()


def json_reply(value: Any, status: int = 200, media_type: str = JSON, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Answer with JSON. Octets that were not UTF-8 (surrogates) show as ``\\xNN``, for no client could read them."""
    return Reply(status, json_text(value).encode(), media_type, headers)


def json_text(value: Any) -> str:
    """Write JSON on one line that every client can read."""
    return _SURROGATE.sub(_shown, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def text_reply(text: str, media_type: str = TEXT) -> Reply:
    """Answer with text."""
    return Reply(200, text.encode("utf-8", "backslashreplace"), media_type)


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\\\u{code:04x}"
