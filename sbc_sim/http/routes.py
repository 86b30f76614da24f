"""The route table: one line for each method and path, and how a request finds its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote_to_bytes

from twisted.internet.defer import Deferred

from sbc_sim.http.exchange import JSON, Asked, Reply, StreamReply
from sbc_sim.http.problem import Problem, bad_request

MOST_QUERY_MEMBERS = 32

Answer = Reply | StreamReply
Answering = Callable[[Asked], Answer | Deferred[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table."""

    method: str
    template: str
    """Path with ``{name}`` for one segment and ``{name...}`` for all that follows."""
    function: Answering
    summary: str
    """One line for people."""
    query: tuple[str, ...] = ()
    """Names that may stand in the query; any other is refused."""
    produces: str = JSON
    """Media type; empty when the function negotiates itself."""
    open: bool = False
    """Answered without token and whatever the Host header."""
    open_to_browsers: bool = False
    """Like `open`, but only for who asks for HTML: the page, which holds no data."""
    consumes: tuple[str, ...] = (JSON,)
    """Media types of the body that are taken; ``*``: any, for the function has its own say."""
    body_limit: int | None = None
    """Largest body in octets, None: as for all."""
    raw_limit: int | None = None
    """Largest body that is no JSON, so that it is not longer by what JSON adds; None: as `body_limit`."""
    request: str = ""
    """Name of the model of a JSON body in http/models.py; empty: there is none."""
    response: str = ""
    """Name of the model of the JSON answer."""
    status: HTTPStatus = HTTPStatus.OK
    """Of the answer when all is well."""
    problems: tuple[int, ...] = ()
    """Statuses of problems that this route has beside those that its shape brings (a body, names in the path, a query)."""
    any_query: bool = False
    """The function reads the query itself."""
    documented: bool = True
    """Stands in the OpenAPI document; the Telephony Integration API is not ours to describe."""


class RouteTable:
    """All routes, found by path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Compile the templates."""
        self.routes = tuple(routes)
        self._by_template: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            self._by_template.setdefault(route.template, {})[route.method] = route
        self._patterns = [(_pattern(template), methods) for template, methods in self._by_template.items()]

    def find(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        """Return the routes of a path by method, and what stands in the template's places. Raises Problem 404 or 400."""
        for pattern, methods in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                return methods, {name: _decoded(text) for name, text in match.groupdict().items()}
        near = difflib.get_close_matches(path[:200], self._by_template, 1, 0.6)
        fix = f"Did you mean {near[0]}?" if near else "The paths start with /api/v1/; /livez, /readyz and /metrics stand beside them."
        raise Problem(404, "no-such-path", f"Nothing is served at {path[:200]}.", fix)


def choose(methods: Mapping[str, Route], method: str, path: str) -> Route:
    """Return the route for a method; HEAD is answered by GET. Raises Problem 405."""
    route = methods.get("GET" if method == "HEAD" else method)
    if route is None:
        allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
        raise Problem(405, "method-not-allowed", f"{path} does not answer {method[:20]}.", f"Use {allowed}.", (("Allow", allowed),))
    return route


def read_query(text: str, known: tuple[str, ...]) -> dict[str, str]:
    """Read a query string. Raises Problem 400 for names that the route does not know, doubles, and what is not UTF-8."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_QUERY_MEMBERS)
    except (ValueError, UnicodeDecodeError):
        raise bad_request("bad-query", "The query string cannot be read.", "Percent-encode it as UTF-8, name=value joined by &.") from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            fix = f"Known here: {', '.join(known)}." if known else "This path takes no query."
            raise bad_request("unknown-parameter", f"The parameter {name[:40]!r} means nothing here.", fix)
        if name in query:
            raise bad_request("repeated-parameter", f"The parameter {name} stands there twice.", "Give it once.")
        query[name] = value
    return query


def read_any_query(text: str) -> dict[str, str]:
    """Read a query string whose names are not known, the last value of each; what cannot be read is left out."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_QUERY_MEMBERS))
    except ValueError:
        return {}


def check_accept(accept: str, produced: str) -> None:
    """Raise Problem 406 when the Accept header rules out the media type that is produced (RFC 9110 section 12.5.1)."""
    if not accept.strip() or not produced:
        return
    kind = produced.partition(";")[0]
    best: tuple[int, float] = (-1, 0.0)
    for element in accept.split(","):
        range_, quality = _media_range(element)
        weight = {kind: 2, kind.partition("/")[0] + "/*": 1, "*/*": 0}.get(range_, -1)
        if weight > best[0]:
            best = (weight, quality)
    if best[1] <= 0.0:
        raise Problem(406, "not-acceptable", f"This path gives {kind}, which the Accept header rules out.", f"Send Accept: {kind} or none.")


def wants_html(accept: str) -> bool:
    """Say whether a browser asks: HTML is named and liked at least as much as JSON. A program that takes anything gets JSON."""
    liked = dict(_media_range(element) for element in accept.split(","))
    html = liked.get("text/html", 0.0)
    return html > 0.0 and html >= liked.get(JSON, 0.0)


def _media_range(element: str) -> tuple[str, float]:
    range_, *parameters = (part.strip().lower() for part in element.split(";"))
    quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        return range_, float(quality)
    except ValueError:
        return range_, 0.0


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+(?:\.\.\.)?)\}", template)
    return re.compile("".join(_place(piece) if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)))


def _place(name: str) -> str:
    return f"(?P<{name[:-3]}>.+)" if name.endswith("...") else f"(?P<{name}>[^/]+)"


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise bad_request("bad-path", "The path is not percent-encoded UTF-8.") from None
