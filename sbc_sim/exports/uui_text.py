"""A User-to-User value as text for terminals: lengths, content, fields, token, a mark under the first bad character. No colours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sbc_sim.exports.redaction import visible

WINDOW = 76
"""Longest excerpt that is shown round a bad character."""

OPTIONAL = ("no-purpose",)
"""What may be left out (RFC 7433): worth a word, but not wrong in itself; whether the policy wants it, SBC-UUI-018 says."""


def uui_text(data: Mapping[str, Any], original: Mapping[str, Any] | None = None) -> str:
    """Write the data of a UUI entry. `data` was masked by the caller; `original` is the same before that.

    A place is only marked in a text that masking left alone: elsewhere the mark would stand under another character.
    """
    return "".join(f"{line}\n" for line in (*_content_lines(data), *_problem_lines(data, data if original is None else original)))


def _content_lines(data: Mapping[str, Any]) -> Iterator[str]:
    lengths = data.get("lengths") or {}
    value, decoded, line = (lengths.get(name, 0) for name in ("value", "decoded", "line"))
    yield f"lengths   {value} hex digits, {decoded} octets decoded, {line} characters of header line"
    for name, value in data.get("parameters") or ():
        yield f"parameter {visible(name)}" + ("" if value is None else f"={visible(str(value))}")
    if data.get("leadingOctet") is not None:
        yield f"stripped  one leading octet, {data['leadingOctet']:02x}"
    if data.get("decoded") is not None:
        yield f"text      {visible(str(data['decoded']))}"
    named = {key: name for name, key in (data.get("named") or {}).items()}
    for key, value in (data.get("fields") or {}).items():
        alias = f"  ({named[key]})" if named.get(key, key) != key else ""
        yield f"field     {visible(str(key))} = {visible(_short(value))}{alias}"
    yield from _jwt_lines(data.get("jwt"))
    if data.get("isEcho"):
        yield "echo      this content selects the echo test"


def _jwt_lines(jwt: Mapping[str, Any] | None) -> Iterator[str]:
    if jwt:
        yield f"token     {visible(str(jwt.get('masked', '')))}  (signature not checked)"
        yield f"  header  {visible(_short(jwt.get('header')))}"
        yield f"  claims  {visible(_short(jwt.get('claims')))}"


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _problem_lines(data: Mapping[str, Any], original: Mapping[str, Any]) -> Iterator[str]:
    for problem in data.get("problems") or ():
        position, name = problem.get("position"), "raw" if problem.get("within") == "value" else "decoded"
        place = "" if position is None else f" (at {position} of the {'value' if name == 'raw' else 'decoded text'})"
        front = "note     " if problem.get("fault") in OPTIONAL else "problem  "
        yield f"{front} {visible(str(problem['detail']))}{place}"
        if position is not None and data.get(name) and data[name] == original.get(name):
            yield from _marked(str(data[name]), int(position))


def _marked(text: str, position: int) -> Iterator[str]:
    """Show the neighbourhood of a position with a mark under it."""
    start = max(0, min(position - WINDOW // 2, len(text) - WINDOW))
    front = ("..." if start else "") + visible(text[start:position])
    end = start + WINDOW
    yield f"          {front}{visible(text[position:end])}{'...' if end < len(text) else ''}"
    yield f"          {' ' * len(front)}^"
