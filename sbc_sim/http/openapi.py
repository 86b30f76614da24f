"""The OpenAPI 3.1 document, made from the route table and the models: what is served is what is documented.

Built with the first request for it, since the models take longer to build than the rest of the interface takes to start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from http import HTTPStatus
from importlib import import_module
from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.http.calls_api import STATUSES
from sbc_sim.http.documents_api import LEVELS
from sbc_sim.http.exchange import JSON, Asked, Reply, json_reply
from sbc_sim.http.guard import COOKIE
from sbc_sim.http.problem import MEDIA_TYPE as PROBLEM
from sbc_sim.http.routes import Route
from sbc_sim.http.work import Work
from sbc_sim.journal.store import MOST_PER_PAGE

Json = dict[str, Any]

HTML = "text/html; charset=utf-8"
NEGOTIATED: Mapping[str, Mapping[str, Json]] = {
    "/": {JSON: {"$ref": "#/components/schemas/Index"}, HTML: {"type": "string"}},
    "/metrics": {"text/plain": {"type": "string"}, "application/openmetrics-text": {"type": "string"}},
    "/assets/{file...}": {"*/*": {}},
}
"""What routes give that choose the media type themselves."""

_LEVELS = list(LEVELS)
PARAMETERS: Mapping[str, tuple[Json, str]] = {
    "region": ({"type": "string"}, "Calls of this region."),
    "partner": ({"type": "string"}, "Calls of this partner."),
    "status": ({"enum": list(STATUSES)}, "A state, or a verdict: the words do not overlap."),
    "since": ({"type": "string", "format": "date-time"}, "Calls that started at this time or later."),
    "limit": ({"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE}, "How many at most."),
    "cursor": ({"type": "string", "pattern": "^[0-9]{1,18}$"}, "`next` of the page before, unchanged."),
    "secrets": ({"enum": ["show"]}, "Show keys and tokens; they are masked otherwise."),
    "width": ({"type": "integer", "minimum": 1, "maximum": 500}, "Columns; brought to 80 to 120."),
    "q": ({"type": "string"}, "A word: an id, a status code, an alert, a word of the rule."),
    "redaction": ({"enum": _LEVELS}, "How much is hidden: none, share (secrets and parts of numbers; the default) or strict."),
    "embedded": ({"type": "boolean"}, "Leave the style to the page around the picture."),
    "orgId": ({"type": "string", "maxLength": 18}, "iss of the tokens."),
    "callCenter": ({"type": "string", "maxLength": 255}, "sub of the tokens."),
    "lastEventId": ({"type": "string"}, "Id of the last event seen, for programs that cannot send the header Last-Event-ID."),
}
OWN_PARAMETERS: Mapping[tuple[str, str], tuple[Json, str]] = {
    ("/api/v1/calls/{id}/messages", "cursor"): ({"type": "string", "pattern": "^[0-9]{1,9}$"}, PARAMETERS["cursor"][1]),
    **{
        (f"/api/v1/calls/{{id}}/ladder.{kind}", "redaction"): ({"enum": _LEVELS}, "How much is hidden beside secrets; none is the default.")
        for kind in ("txt", "svg", "mmd")
    },
    ("/api/v1/calls/{id}/capture.pcapng", "redaction"): ({"enum": _LEVELS}, "How much is hidden; none is the default here."),
}
HEADERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "/api/v1/calls/{id}/audio.wav": (("Range", "One range of octets (RFC 9110 section 14)."),),
    "/api/v1/events": (("Last-Event-ID", "Id of the last event seen; what came since is sent first."),),
    "/assets/{file...}": (("If-None-Match", "The ETag of the copy at hand."),),
}
SESSION = "From POST /api/v1/session. Where the client names a port, the cookie's name ends in it: sbc-sim-token-8080."
EVERYWHERE = (400, 403, 408, 431, 500)
"""Statuses of problems that any request can meet."""
MORE: Mapping[str, Json] = {
    "/readyz": {"503": {"description": "Not ready", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Ready"}}}}},
    "/": {"304": {"description": "The copy at hand is good"}, "308": {"description": "The page is one slash further"}},
    "/assets/{file...}": {"304": {"description": "The copy at hand is good"}},
    "/api/v1/calls/{id}/audio.wav": {"206": {"description": "A part", "content": {"audio/wav": {"schema": {}}}}},
}
"""Answers beside the one that all routes have and the problems."""
ABOUT = (
    "What a simulator of the Salesforce SBC saw of each call, and what the rules say of it. Every error is problem+json (RFC 9457) with"
    " `code` for programs and `fix` for people. Times are RFC 3339 UTC. Members may be added; those that are there keep their names."
)


class OpenApi:
    """The document and its route."""

    def __init__(self, routes: Callable[[], Iterable[Route]], version: Callable[[], str], has_token: bool, work: Work) -> None:
        """`routes` gives the whole table, this route included."""
        self._routes = routes
        self._version = version
        self._has_token = has_token
        self._work = work

    def routes(self) -> tuple[Route, ...]:
        """The line for the route table."""
        return (Route("GET", "/api/v1/openapi.json", self.openapi, "This interface as OpenAPI 3.1", response="OpenApi", problems=(503,)),)

    def openapi(self, asked: Asked) -> Deferred[Reply]:
        """Give the document; its server is where the client sees us."""
        return self._work.do(lambda: json_reply({**self._document, "servers": [{"url": asked.prefix or "/"}]}))

    @cached_property
    def _document(self) -> Json:
        return document(tuple(self._routes()), self._version(), self._has_token)


def document(routes: Iterable[Route], version: str, has_token: bool) -> Json:
    """Make the document, without `servers`."""
    paths: dict[str, Json] = {}
    for route in routes:
        if not route.documented:
            continue
        paths.setdefault(route.template.replace("...}", "}"), {})[route.method.lower()] = _operation(route, has_token)
    components: Json = {"schemas": _schemas()}
    if has_token:
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": SESSION},
        }
    info = {"title": "sbc-sim", "version": version, "description": ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}


def _operation(route: Route, has_token: bool) -> Json:
    operation: Json = {
        "operationId": _camel(route.function.__name__),
        "summary": route.summary,
        "tags": [_tag(route.template)],
        "responses": _responses(route, has_token),
    }
    if parameters := [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)]:
        operation["parameters"] = parameters
    if route.request:
        operation["requestBody"] = _request_body(route)
    if has_token:
        operation["security"] = [] if route.open else [{"token": []}, {"session": []}]
    return operation


def _path_parameters(route: Route) -> list[Json]:
    names = [piece.partition("}")[0].removesuffix("...") for piece in route.template.split("{")[1:]]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names]


def _query_parameters(route: Route) -> list[Json]:
    return [_parameter(name, "query", *OWN_PARAMETERS.get((route.template, name), PARAMETERS[name])) for name in route.query]


def _header_parameters(route: Route) -> list[Json]:
    return [_parameter(name, "header", {"type": "string"}, about) for name, about in HEADERS.get(route.template, ())]


def _parameter(name: str, place: str, schema: Json, about: str) -> Json:
    return {"name": name, "in": place, "required": False, "description": about, "schema": schema}


def _request_body(route: Route) -> Json:
    model = import_module("sbc_sim.http.models").model(route.request)
    one_of = "oneOf" in (model.model_config.get("json_schema_extra") or {})
    required = one_of or any(field.is_required() for field in model.model_fields.values())
    content: Json = {}
    for kind in route.consumes:
        if kind == JSON:
            content[kind] = {"schema": {"$ref": f"#/components/schemas/{route.request}"}}
        else:
            content[kind] = {"schema": {"type": "string", "minLength": 1, **({} if kind.startswith("text/") else {"format": "binary"})}}
    return {"required": required, "content": content}


def _responses(route: Route, has_token: bool) -> Json:
    answers: Json = {str(int(route.status)): _success(route), **MORE.get(route.template, {})}
    for status in sorted(_problem_statuses(route, has_token)):
        known = answers.setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": {}})
        known["content"] = {**known.get("content", {}), PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return answers


def _success(route: Route) -> Json:
    if route.status is HTTPStatus.NO_CONTENT:
        return {"description": "Done"}
    if route.template in NEGOTIATED:
        kinds = NEGOTIATED[route.template]
    else:
        kinds = {route.produces: {"$ref": f"#/components/schemas/{route.response}"} if route.response else {}}
    return {"description": route.summary, "content": {kind: {"schema": schema} for kind, schema in kinds.items()}}


def _problem_statuses(route: Route, has_token: bool) -> set[int]:
    statuses = {*EVERYWHERE, *route.problems}
    statuses |= {406} if route.produces or route.template == "/" else set()
    statuses |= {401} if has_token and not route.open else set()
    statuses |= {404} if "{" in route.template else set()
    return statuses | ({413, 415} if route.method in ("POST", "PUT") else set())


def _schemas() -> Json:
    """Every model as a schema, by its name; bodies of requests as they are read, answers as they are written."""
    from pydantic.json_schema import models_json_schema

    models = import_module("sbc_sim.http.models")
    wanted: list[Any] = [(model, "validation" if issubclass(model, models.In) else "serialization") for model in models.every_model()]
    return dict(models_json_schema(wanted, ref_template="#/components/schemas/{model}")[1]["$defs"])


def _tag(template: str) -> str:
    segment = template.removeprefix("/api/v1/").strip("/").partition("/")[0]
    return segment if template.startswith("/api/v1/") else "service"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
