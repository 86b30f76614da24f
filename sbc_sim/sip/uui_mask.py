"""Keeping tokens out of what is shown (requirement 68): in clear text and inside hex digits."""

from __future__ import annotations

import re
from dataclasses import replace

from sbc_sim.sip.uui_facts import Uui

_SHOWN = 10
_LONG = 200
"""A run that begins like a JWT and is so long is cut without a dot too: base64 of JSON begins the same way and may hold a token."""
# Possessive runs that always match: linear whatever the text is.
_RUN = re.compile(r"[A-Za-z0-9_\-.]++")
_HEX_RUN = re.compile(r"65794[aA](?:2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA]){20,}+")
"""``eyJ`` and what a JWT may hold, each octet as two hex digits."""
_TWICE_RUN = re.compile(r"3635373934[46]1(?:3[0-9]|[46][1-6]){40,}+")
"""The same, hex-encoded once more."""


def mask_jwt(text: str) -> str:
    """Cut every JWT in a text to its first characters and ``...``."""
    return _RUN.sub(lambda match: _cut(match[0], "..."), text) if "eyJ" in text else text


def hide_jwt(text: str) -> str:
    """Put stars over every JWT in a text; the length stays, so that indexes into the text still fit."""
    return _RUN.sub(lambda match: _cut(match[0], None), text) if "eyJ" in text else text


_HEX_TOKEN = re.compile(r"65794[aA][0-9a-fA-F]{14}([^;]*)")
_HEX_TOKEN_END = re.compile(r"22(?=2[cC]|7[dD]|20|3[aA]|5[dD]|0[aAdD9]|;|\Z)")
"""A closing quote, in hex, and what stands behind one in JSON; whatever the alignment, for a digit may be missing."""


def hide_value(raw: str) -> str:
    """Put stars over every JWT in a header value, in hex digits too, also where they are damaged; length and bad characters stay."""
    return _HEX_TOKEN.sub(_starred, hide_jwt(raw))


def _starred(match: re.Match[str]) -> str:
    tail = match[1]
    end = _HEX_TOKEN_END.search(tail)
    cut = end.start() if end else len(tail)
    front = match[0][: len(match[0]) - len(tail)]
    return front + re.sub(r"[0-9a-fA-F]", "*", tail[:cut]) + tail[cut:]


def _cut(run: str, mark: str | None) -> str:
    start = run.find("eyJ")
    if start < 0 or ("." not in run[start:] and len(run) < _LONG):
        return run
    end = start + _SHOWN
    return run[:end] + ("*" * (len(run) - end) if mark is None else mark)


def mask_value(raw: str) -> str:
    """A header value, or what it decodes to, with every JWT in it cut short, also inside hex digits."""
    shown = _HEX_RUN.sub(lambda match: match[0][: 2 * _SHOWN] + "...", mask_jwt(raw))
    return _TWICE_RUN.sub(lambda match: match[0][: 4 * _SHOWN] + "...", shown)


def mask(uui: Uui) -> Uui:
    """The same with every token cut short: what may be shown by default. Lengths and problems stay as they are."""
    secret = _token_of(uui)
    text = None if uui.text is None else _without(mask_value(uui.text), secret)
    return replace(
        uui,
        raw=None if uui.raw is None else _without(mask_value(uui.raw), secret),
        data=None if uui.data is None else _without(mask_value(uui.data), secret),
        text=text,
        decoded=uui.decoded if text is None or text == uui.text else text.encode("utf-8", "replace"),
        fields=None if uui.fields is None else {key: _masked(value, secret) for key, value in uui.fields.items()},
    )


def _token_of(uui: Uui) -> str:
    """The value of the field that holds the JWT, or should hold one: a secret in either case."""
    key = uui.jwt.key if uui.jwt else (uui.named or {}).get("jwt", "")
    value = (uui.fields or {}).get(key)
    return value if isinstance(value, str) and len(value) > _SHOWN else ""


def _without(text: str, secret: str) -> str:
    if not secret:
        return text
    octets = secret.encode("utf-8", "replace")
    text = text.replace(secret, secret[:_SHOWN] + "...")
    return re.sub(octets.hex(), octets[:_SHOWN].hex() + "...", text, flags=re.IGNORECASE)


def _masked(value: object, secret: str) -> object:
    if isinstance(value, str):
        return _without(mask_value(value), secret)
    if isinstance(value, list):
        return [_masked(item, secret) for item in value]
    if isinstance(value, dict):
        return {key: _masked(item, secret) for key, item in value.items()}
    return value
