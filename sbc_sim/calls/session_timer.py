"""The session timer (RFC 4028): off unless the peer asks, then kept properly."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import SessionExpires
from sbc_sim.sip.message import Request, Response

SHORTEST = 90
"""No interval may be below it (section 5), whatever an answer says."""


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """An agreed interval and who refreshes. Times are unix seconds."""

    interval: int
    """Seconds."""
    ours: bool
    """We refresh; else the peer."""
    started: float
    """The last refresh that succeeded, or the first 2xx."""
    refresh_at: float | None = None
    """When we send the next refresh; None while one is under way, or when it is the peer's turn."""

    @property
    def expires(self) -> float:
        """When to give the session up: min(32 s, a third) before its end (section 10)."""
        return self.started + self.interval - min(32.0, self.interval / 3)

    @property
    def alarm(self) -> float:
        """When to act next."""
        return self.expires if self.refresh_at is None else min(self.refresh_at, self.expires)

    def refreshing(self) -> SessionTimer:
        """Return the timer while our refresh is under way."""
        return replace(self, refresh_at=None)

    def again(self, at: float, interval: int = 0) -> SessionTimer:
        """Return the timer after a refusal that another try may mend, perhaps with a longer interval."""
        return replace(self, refresh_at=at, interval=max(self.interval, interval))


def _timer(interval: int, ours: bool, now: float) -> SessionTimer:
    """Begin to count; we refresh at half time (section 7.2)."""
    return SessionTimer(interval, ours, now, now + interval / 2 if ours else None)


def requested(message: Request | Response) -> SessionExpires | None:
    """Read Session-Expires; None when absent or unreadable."""
    return _read(message, "Session-Expires")


def minimum(response: Response) -> int:
    """Read Min-SE of a 422, 0 when absent or unreadable (section 7.3)."""
    found = _read(response, "Min-SE")
    return found.delta if found is not None else 0


def _read(message: Request | Response, name: str) -> SessionExpires | None:
    text = message.headers.first(name)
    if text is None:
        return None
    try:
        return SessionExpires.parse(text, name)
    except MalformedMessage:
        return None


def timer_for(request: Request, now: float) -> SessionTimer | None:
    """Agree to the interval that a request asks for: the UAC refreshes if it can, unless it says otherwise (section 9, table 2)."""
    wanted = requested(request)
    if wanted is None:
        return None
    can_refresh = any(tag.lower() == "timer" for tag in request.headers.listed("Supported"))
    return _timer(wanted.delta, not can_refresh or wanted.refresher == "uas", now)


def timer_headers(timer: SessionTimer | None) -> tuple[tuple[str, str], ...]:
    """Headers of the 2xx: Require: timer only when the UAC is to refresh (section 9)."""
    if timer is None:
        return ()
    refresher = "uas" if timer.ours else "uac"
    required = () if timer.ours else (("Require", "timer"),)
    return (("Session-Expires", f"{timer.interval};refresher={refresher}"), *required)


def timer_after_refresh(response: Response, now: float) -> SessionTimer | None:
    """Agree to what the 2xx to our refresh says, in which we are the UAC; without Session-Expires the timer ends (section 7.2)."""
    agreed = requested(response)
    if agreed is None:
        return None
    return _timer(max(SHORTEST, agreed.delta), agreed.refresher != "uas", now)
