"""Handles that the simulator gives out: routable numbers and contexts, good for one call within a short time (facts 1.8)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

MOST_HANDLES = 1000
"""Handles that are remembered, used and expired ones too; of more, the oldest are forgotten."""
NUMBERS = 100
"""Routable numbers: +15558000000 to +15558000099, taken in turn, those left out that are good still."""


@dataclass(frozen=True, slots=True)
class Handle:
    """One of them."""

    value: str
    """The number, or the id."""
    kind: str
    """``number`` or ``context``"""
    org: str
    from_number: str
    context: Mapping[str, Any]
    made_at: float
    expires_at: float
    used_at: float | None = None


class Handles:
    """All handles of one process."""

    def __init__(self) -> None:
        """None yet."""
        self._known: OrderedDict[str, Handle] = OrderedDict()
        self._count = 0
        self._next = 0

    def reserve(self, org: str, from_number: str, context: Mapping[str, Any], now: float, seconds: float) -> Handle | float:
        """Reserve a routable number, good until `now` + `seconds`; all being reserved: after how many seconds one is free."""
        soonest = seconds
        for step in range(NUMBERS):
            value = f"+1555800{(self._next + step) % NUMBERS:04d}"
            known = self._known.get(value)
            if known is None or known.used_at is not None or now > known.expires_at:
                self._next += step + 1
                return self._keep(Handle(value, "number", org, from_number, context, now, now + seconds))
            soonest = min(soonest, known.expires_at - now)
        return soonest

    def open_context(self, org: str, from_number: str, context: Mapping[str, Any], now: float, seconds: float) -> Handle:
        """Make a context; the client cannot choose its handle."""
        digits = sha256(f"{org} {self._count} {now}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        value = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        return self._keep(Handle(value, "context", org, from_number, context, now, now + seconds))

    def redeem(self, value: str, from_number: str, now: float) -> tuple[Handle | None, str]:
        """Use a handle: it, and an empty text; or why it is not good, in a sentence. A number goes with the number that calls."""
        known = self._known.get(value)
        if known is None:
            return None, f"nobody was given {value!r}, or it was forgotten"
        if known.used_at is not None:
            return known, f"{value!r} was used {now - known.used_at:.0f} s ago: a handle is good for one call"
        if now > known.expires_at:
            return (
                known,
                f"{value!r} expired {now - known.expires_at:.0f} s ago, {known.expires_at - known.made_at:.0f} s after it was given",
            )
        if known.kind == "number" and known.from_number and from_number != known.from_number:
            return known, f"{value!r} was reserved for a call from {known.from_number}, and this one is from {from_number or 'nobody'}"
        self._known[value] = replace(known, used_at=now)
        return known, ""

    def __contains__(self, value: str) -> bool:
        """Whether it was given out, and is remembered."""
        return value in self._known

    def _keep(self, handle: Handle) -> Handle:
        self._count += 1
        self._known.pop(handle.value, None)
        self._known[handle.value] = handle
        while len(self._known) > MOST_HANDLES:
            self._known.popitem(last=False)
        return handle
