"""Who may ask: token, Host and Origin, and the sub-path of a reverse proxy.

Without a token the interface listens on loopback, where every web page in the user's browser could reach it: by a name of its own
that resolves to 127.0.0.1 (hence the Host check), or by requests from a foreign page (hence the Origin check).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import ip_address

from sbc_sim.http.problem import Problem, bad_request

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~\-]+)+")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._\-]+)(?::\d{1,5})?")

Header = Callable[[str], list[str]]
"""All values of a header by its name."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of admission; see SiteOptions for the members."""

    token: str | None
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    base_path: str

    def relative(self, path: str, header: Header) -> str:
        """Cut off the sub-path under which a reverse proxy serves us, by setting or by X-Forwarded-Prefix."""
        for prefix in (self.base_path.rstrip("/"), *(value.rstrip("/") for value in header("X-Forwarded-Prefix"))):
            if _PREFIX.fullmatch(prefix) and (path == prefix or path.startswith(prefix + "/")):
                return path[len(prefix) :] or "/"
        return path

    def check_origin(self, header: Header) -> None:
        """Raise Problem 403 when the request comes from a page of another origin. Holds for every path."""
        for origin in header("Origin"):
            own = origin.partition("://")[2].lower() == (header("Host") or ["none"])[0].lower()
            if not own and origin not in self.origins:
                fix = "Ask from the simulator's own page or from a program. A page of your own can be named in http.origins."
                raise Problem(403, "foreign-origin", f"A page of {origin[:80]} may not ask here.", fix)

    def check(self, header: Header) -> None:
        """Raise Problem 400, 401 or 403 when the request may not be answered."""
        if self.token is not None:
            self._check_token(header)
        else:
            self._check_host(header)

    def _check_token(self, header: Header) -> None:
        scheme, _, given = (header("Authorization") or [""])[0].partition(" ")
        if scheme.lower() == "bearer" and compare_digest(given.strip().encode(), (self.token or "").encode()):
            return
        detail = "The token is wrong." if given else "This interface asks for a token."
        fix = "Send the header Authorization: Bearer TOKEN; the banner of `sbc-sim serve` shows the token, http.token sets it."
        raise Problem(401, "token-needed", detail, fix, (("WWW-Authenticate", 'Bearer realm="sbc-sim"'),))

    def _check_host(self, header: Header) -> None:
        values = header("Host")
        match = _HOST.fullmatch(values[0]) if len(values) == 1 else None
        if match is None:
            raise bad_request("bad-host", "The request needs exactly one readable Host header.", "Most clients send it by themselves.")
        name = match["name"].lower()
        if not (_is_own(name) or name in self.hosts or "*" in self.hosts):
            fix = "Use localhost or the address, or add the name to http.hosts, or set a token."
            raise Problem(403, "foreign-host", f"The simulator does not go by the name {name[:80]}.", fix)


def _is_own(name: str) -> bool:
    """Localhost, and address literals: those no foreign page can take for its own name (no DNS rebinding)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
