"""Masking of secrets and of control characters, for everything that leaves the journal.

Masked are SDES keys (``inline:``), JWTs (in clear, and inside hex or Base64 of a User-to-User value), credentials in Authorization headers,
and JSON members that are called a token. What is around a masked piece stays, so that a reader sees what was there and how long it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def visible(text: str) -> str:
    """Escape control characters, line ends too, and what could turn or hide text: one line that is safe for terminals and pages."""
    raise NotImplementedError


def mask(text: str) -> str:
    """Mask every secret in a text; everything else stays as it is."""
    raise NotImplementedError


def message_text(raw: bytes, secrets: bool = False) -> str:
    """Write a SIP message for people: lines end in a single newline, control characters are escapes, secrets are masked unless asked for."""
    raise NotImplementedError


def mask_values(value: Any) -> Any:
    """Copy a JSON value with the secrets in all its strings masked; members called a token or a key are masked whole."""
    raise NotImplementedError


def mask_uui(data: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the data of a UUI entry, or the `uui` member of a call, with the secrets masked."""
    raise NotImplementedError
