"""Bounds and times of the switchboard: plain values, filled from settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Each field names the setting it comes from. Times in seconds, sizes in octets."""

    calls: int = 200  # limits.calls
    calls_per_second: float = 50.0  # limits.calls_per_second
    call_seconds: float = 3600.0  # limits.call_seconds
    media_timeout_seconds: float = 60.0  # limits.media_timeout_seconds
    ring_seconds: float = 0.2  # sip.ring_seconds: from 180 to 200
    transactions: int = 20_000  # limits.transactions
    header_bytes: int = 32 * 1024  # limits.header_bytes
    body_bytes: int = 64 * 1024  # limits.body_bytes
    uri_bytes: int = 2048  # limits.uri_bytes
