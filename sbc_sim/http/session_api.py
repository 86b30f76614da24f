"""Signing in with a browser: the token once, then a cookie, for EventSource, players and downloads cannot send the token themselves."""

from __future__ import annotations

from http import HTTPStatus

from sbc_sim.http.bodies import read_body
from sbc_sim.http.exchange import Asked, Reply
from sbc_sim.http.guard import Guard, cookie_name
from sbc_sim.http.problem import Problem
from sbc_sim.http.routes import Route

LIMIT = 4096


class SessionApi:
    """Routes for signing in and out."""

    def __init__(self, guard: Guard) -> None:
        """`guard` knows the token."""
        self._guard = guard

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        path = "/api/v1/session"
        return (
            Route("POST", path, self.sign_in, "Sign in: a cookie for the token", open=True, body_limit=LIMIT, request="SignIn",
                  status=HTTPStatus.NO_CONTENT),
            Route("DELETE", path, self.sign_out, "Sign out", open=True, status=HTTPStatus.NO_CONTENT),
        )  # fmt: skip

    def sign_in(self, asked: Asked) -> Reply:
        """Give the cookie. Raises Problem 403 for a wrong token."""
        self._guard.check_host(asked.header)
        if not self._guard.fits(read_body(asked.body, "SignIn").token):
            fix = "The banner of `sbc-sim serve` shows the token, http.token sets it."
            raise Problem(403, "wrong-token", "The token is wrong.", fix)
        return Reply(204, b"", headers=(self._cookie(asked, self._guard.session, ""),) if self._guard.session else ())

    def sign_out(self, asked: Asked) -> Reply:
        """Take the cookie back."""
        self._guard.check_host(asked.header)
        return Reply(204, b"", headers=(self._cookie(asked, "", "; Max-Age=0"),))

    def _cookie(self, asked: Asked, value: str, age: str) -> tuple[str, str]:
        secure = "; Secure" if asked.first("X-Forwarded-Proto").strip().lower() == "https" else ""
        return "Set-Cookie", f"{cookie_name(asked.header)}={value}; Path={asked.prefix or '/'}; HttpOnly; SameSite=Strict{secure}{age}"
