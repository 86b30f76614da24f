"""Keeping a session alive by its timer (RFC 4028): agree to an interval, refresh it or wait for the peer to."""

from __future__ import annotations

from sbc_sim.calls.book import Book
from sbc_sim.calls.outbox import Outbox
from sbc_sim.calls.outputs import Environment
from sbc_sim.calls.session_timer import SessionTimer, minimum, timer_after_refresh, timer_for, timer_headers
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.user_agent import UserAgent

Ending = tuple[str, str]
"""Reason and text with which the call must end."""
LONGEST = 1800
"""Interval that a refresh asks for when none was agreed on, seconds (RFC 4028 section 4 recommends it)."""


class Renewal:
    """The session timer of one call, and our refresh that is under way."""

    def __init__(self, book: Book, agent: UserAgent, outbox: Outbox, environment: Environment) -> None:
        """Begin without a timer: the peer has to ask for one."""
        self._book = book
        self._agent = agent
        self._outbox = outbox
        self._new_token = environment.new_token
        self._by_itself = environment.choices is None
        self._timer: SessionTimer | None = None
        self._refresh: ClientTransaction | None = None
        self._update = False

    @property
    def deadline(self) -> float | None:
        """When `look` must be called next."""
        timer = self._timer
        return timer.alarm if timer is not None and (self._by_itself or not timer.ours) else None

    @property
    def method(self) -> str:
        """By what a refresh is sent: UPDATE when the partner allows it, else INVITE."""
        return "UPDATE" if self._update else "INVITE"

    def agree(self, request: Request, now: float) -> Extra:
        """Agree to what an INVITE or UPDATE asks for; give the headers of its 2xx. A refresh without an interval ends the timer."""
        self._timer = timer_for(request, now)
        allowed = {method.upper() for method in request.headers.listed("Allow")}
        self._update = "UPDATE" in allowed if allowed else self._update
        return timer_headers(self._timer)

    def look(self, dialog: Dialog, local: bytes, now: float) -> Ending | None:
        """Refresh when it is time (`local` is our description as it stands); return how the call must end when no refresh came."""
        timer = self._timer
        if timer is None or self.deadline is None or now < timer.alarm:
            return None
        if now >= timer.expires:
            who = "our refresh was not answered in time" if timer.ours else f"no refresh within {timer.interval} s"
            return "session-expired", who
        self.refresh(self.method, dialog, local, now)
        return None

    def refresh(self, method: str, dialog: Dialog, local: bytes, now: float) -> None:
        """Refresh the session by UPDATE or INVITE."""
        interval = self._timer.interval if self._timer is not None else LONGEST
        self._timer = self._timer.refreshing() if self._timer is not None else None
        extra: Extra = (("Session-Expires", f"{interval};refresher=uac"), ("Min-SE", "90"))
        self._refresh, effects = self._agent.client.request(dialog, method, now, extra, local if method == "INVITE" else b"")
        self._outbox.carry(effects, now)

    def owns(self, transaction: ClientTransaction) -> bool:
        """Tell whether a request of ours is the refresh."""
        return transaction is self._refresh

    def answered(self, response: Response, now: float) -> Ending | None:
        """Take the final answer to the refresh: the timer begins anew, or another try is made, or the call must end."""
        self._refresh = None
        timer, status = self._timer, response.status
        if status in (408, 481):
            return "session-expired", f"the refresh was answered {status}"
        if timer is None:
            if status >= 300:
                self._book.mistake(f"our refresh of the session was refused with {status}")
            return None
        if status < 300:
            self._timer = timer_after_refresh(response, now)
        elif status == 422:
            self._timer = timer.again(now, minimum(response))
        elif status == 491:
            # Whoever did not make the Call-ID waits 0 to 2 s before the next try (RFC 3261 section 14.1).
            self._timer = timer.again(now + int(self._new_token(1), 16) / 128)
        else:
            self._book.mistake(f"the session refresh was refused with {status}")
        return None

    def unanswered(self, why: str) -> Ending:
        """Give the refresh up."""
        self._refresh = None
        return "session-expired", f"refresh of the session: {why}"
