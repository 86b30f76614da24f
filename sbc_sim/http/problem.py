"""Errors as RFC 9457 problem details: what went wrong, a stable code for programs, and how to mend it for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sbc_sim.http.exchange import Reply, json_reply

if TYPE_CHECKING:
    from sbc_sim.journal.store import Store

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that cannot be answered as asked. Raised anywhere below a route, turned into its answer in one place."""

    def __init__(self, status: int, code: str, detail: str, fix: str = "", headers: tuple[tuple[str, str], ...] = (), **more: Any) -> None:
        """`code` is a stable word; `detail` says what was seen, `fix` what to do about it; `more` are further members (camelCase)."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fix = fix
        self.headers = headers
        self.more = more

    def reply(self, instance: str = "") -> Reply:
        """Write it as an answer; `instance` is the path that was asked for."""
        members = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "fix": self.fix,
            **({"instance": instance} if instance else {}),
            **self.more,
        }
        return json_reply(members, self.status, MEDIA_TYPE, self.headers)


def bad_request(code: str, detail: str, fix: str = "", **more: Any) -> Problem:
    """Return a 400."""
    return Problem(400, code, detail, fix, **more)


def not_found(what: str, name: str, fix: str = "") -> Problem:
    """Return a 404 for something that has an id."""
    return Problem(404, f"no-such-{what}", f"There is no {what} {name[:80]!r}.", fix)


def no_call(store: Store, call: str) -> Problem:
    """Return a 404 for a call that the store just did not find; a 503 where it could not look for older calls, and those of others."""
    unreadable = store.health().unreadable
    if unreadable:
        detail = f"Whether there is a call {call[:80]!r} cannot be told now: {unreadable}."
        return Problem(503, "store-unreadable", detail, "Ask again in a moment.", (("Retry-After", "2"),))
    return not_found("call", call, "GET /api/v1/calls lists the calls that are kept; old ones are forgotten.")
