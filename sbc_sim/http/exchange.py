"""A request and its answer as plain values: what a route's function gets and gives. No Twisted here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    body: bytes = field(repr=False)
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def json_reply(value: Any, status: int = 200, media_type: str = JSON, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Answer with JSON. Octets that were not UTF-8 (surrogates) show as ``\\xNN``, for no client could read them."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Reply(status, _SURROGATE.sub(_shown, text).encode(), media_type, headers)


def text_reply(text: str, media_type: str = TEXT) -> Reply:
    """Answer with text."""
    return Reply(200, text.encode("utf-8", "backslashreplace"), media_type)


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\\\u{code:04x}"
