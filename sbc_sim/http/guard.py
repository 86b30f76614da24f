"""Who may ask: token, Host and Origin, and the sub-path of a reverse proxy.

Without a token the interface listens on loopback, where every web page in the user's browser could reach it: by a name of its own
that resolves to 127.0.0.1 (hence the Host check), or by requests from a foreign page (hence the Origin check).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from ipaddress import ip_address

from sbc_sim.http.problem import Problem, bad_request

_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~\-]+)+")
"""A path without dot segments: what a client makes of those is another path (RFC 3986 section 5.2.4)."""
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._\-]+)(?::(?P<port>\d{1,5}))?")

COOKIE = "sbc-sim-token"
"""Name of the session cookie; see `cookie_name`."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 section 9.2.1)."""

Header = Callable[[str], list[str]]
"""All values of a header by its name."""


def cookie_name(header: Header) -> str:
    """Name the session cookie by the port that the client asked: cookies know no ports (RFC 6265 section 8.5), so instances on one host
    would otherwise sign each other out.
    """
    match = _HOST.fullmatch((header("Host") or [""])[0])
    return f"{COOKIE}-{match['port']}" if match is not None and match["port"] else COOKIE


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of admission; see SiteOptions for the members."""

    token: str | None
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    base_path: str

    def relative(self, path: str, header: Header) -> str:
        """Cut off the sub-path under which a reverse proxy serves us, by setting or by X-Forwarded-Prefix."""
        for prefix in self._prefixes(header):
            if path == prefix or path.startswith(prefix + "/"):
                return path[len(prefix) :] or "/"
        return path

    def prefix(self, header: Header) -> str:
        """Return the sub-path under which the client sees us, without a slash at its end; empty: none."""
        return next(iter(self._prefixes(header)), "")

    def _prefixes(self, header: Header) -> list[str]:
        named = (self.base_path.rstrip("/"), *(value.rstrip("/") for value in header("X-Forwarded-Prefix")))
        return [prefix for prefix in named if _PREFIX.fullmatch(prefix)]

    def check_origin(self, header: Header, method: str = "GET") -> None:
        """Raise Problem 403 when the request comes from a page of another origin. Holds for every path."""
        for origin in header("Origin"):
            own = origin.partition("://")[2].lower() == (header("Host") or ["none"])[0].lower()
            if not own and origin not in self.origins:
                raise _foreign(origin)
        site = (header("Sec-Fetch-Site") or [""])[0]
        if method not in SAFE and site in ("cross-site", "same-site") and not header("Origin"):
            raise _foreign("another site")

    def check(self, header: Header, method: str = "GET") -> None:
        """Raise Problem 400, 401 or 403 when the request may not be answered."""
        if self.token is not None:
            self._check_token(header, method)
        else:
            self.check_host(header)

    def fits(self, given: str) -> bool:
        """Say whether this is the token; true when none is asked for."""
        return self.token is None or compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())

    @property
    def session(self) -> str:
        """What the cookie holds: made of the token, so that it opens as much, but does not tell it. Empty without a token."""
        return "" if self.token is None else hmac(self.token.encode(), b"sbc-sim session", sha256).hexdigest()

    def _check_token(self, header: Header, method: str) -> None:
        scheme, _, given = (header("Authorization") or [""])[0].partition(" ")
        if scheme.lower() == "bearer" and self.fits(given.strip()):
            return
        if not given and self._has_session(header):
            self._check_own_page(header, method)
            return
        detail = "The token is wrong." if given else "This interface asks for a token."
        fix = "Send the header Authorization: Bearer TOKEN; the banner of `sbc-sim serve` shows the token, http.token sets it."
        raise Problem(401, "token-needed", detail, fix, (("WWW-Authenticate", 'Bearer realm="sbc-sim"'),))

    def _has_session(self, header: Header) -> bool:
        own = cookie_name(header)
        pairs = (pair.strip().partition("=") for value in header("Cookie") for pair in value.split(";"))
        return any(name == own and compare_digest(value.encode(), self.session.encode()) for name, _, value in pairs)

    def _check_own_page(self, header: Header, method: str) -> None:
        """Ask for proof that a change comes from a page of ours: a browser sends the cookie whoever made it ask, so it must say who did."""
        if method not in SAFE and not header("Origin") and (header("Sec-Fetch-Site") or [""])[0] not in ("same-origin", "none"):
            fix = "Browsers send Origin by themselves; a program should send the header Authorization: Bearer TOKEN instead of the cookie."
            raise Problem(403, "origin-needed", "With the session cookie, a change needs the header Origin.", fix)

    def check_host(self, header: Header) -> None:
        """Raise Problem 400 or 403 when we do not go by the name in Host; with a token any name will do."""
        if self.token is not None:
            return
        values = header("Host")
        match = _HOST.fullmatch(values[0]) if len(values) == 1 else None
        if match is None:
            raise bad_request("bad-host", "The request needs exactly one readable Host header.", "Most clients send it by themselves.")
        name = match["name"].lower()
        if not (_is_own(name) or name in self.hosts or "*" in self.hosts):
            fix = "Use localhost or the address, or add the name to http.hosts, or set a token."
            raise Problem(403, "foreign-host", f"The simulator does not go by the name {name[:80]}.", fix)


def _foreign(origin: str) -> Problem:
    fix = "Ask from the simulator's own page or from a program. A page of your own can be named in http.origins."
    return Problem(403, "foreign-origin", f"A page of {origin[:80]} may not ask here.", fix)


def _is_own(name: str) -> bool:
    """Localhost, and address literals: those no foreign page can take for its own name (no DNS rebinding)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
