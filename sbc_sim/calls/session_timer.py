"""The session timer (RFC 4028): off unless the peer asks, then kept properly."""

from __future__ import annotations

from dataclasses import dataclass

from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import SessionExpires
from sbc_sim.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """An agreed interval and who refreshes."""

    interval: int
    """Seconds."""
    ours: bool
    """We refresh; else the peer."""
    started: float

    @property
    def alarm(self) -> float:
        """When to act: refresh at half time, or give up min(32 s, a third) before expiry (sections 7.2 and 10)."""
        if self.ours:
            return self.started + self.interval / 2
        return self.started + self.interval - min(32.0, self.interval / 3)


def requested(request: Request) -> SessionExpires | None:
    """Read Session-Expires of a request; None when absent or unreadable."""
    text = request.headers.first("Session-Expires")
    if text is None:
        return None
    try:
        return SessionExpires.parse(text)
    except MalformedMessage:
        return None


def timer_for(request: Request, now: float) -> SessionTimer | None:
    """Agree to the interval that a request asks for: the UAC refreshes if it can, unless it says otherwise (section 9, table 2)."""
    wanted = requested(request)
    if wanted is None:
        return None
    can_refresh = any(tag.lower() == "timer" for tag in request.headers.listed("Supported"))
    return SessionTimer(wanted.delta, not can_refresh or wanted.refresher == "uas", now)


def timer_headers(timer: SessionTimer | None) -> tuple[tuple[str, str], ...]:
    """Headers of the 2xx: Require: timer only when the UAC is to refresh (section 9)."""
    if timer is None:
        return ()
    refresher = "uas" if timer.ours else "uac"
    required = () if timer.ours else (("Require", "timer"),)
    return (("Session-Expires", f"{timer.interval};refresher={refresher}"), *required)


def timer_after_refresh(timer: SessionTimer, response: Response, now: float) -> SessionTimer | None:
    """Agree to what the 2xx to our refresh says; without Session-Expires the timer ends (section 7.2)."""
    text = response.headers.first("Session-Expires")
    if text is None:
        return None
    try:
        agreed = SessionExpires.parse(text)
    except MalformedMessage:
        return SessionTimer(timer.interval, timer.ours, now)
    # In the refresh we are the UAC.
    return SessionTimer(agreed.delta, agreed.refresher != "uas", now)
