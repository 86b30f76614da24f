"""Holds every answer against the OpenAPI document, more strictly than clients do: a member that is not documented is an error here."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs

from sbc_sim.http.openapi import document
from sbc_sim.http.routes import Route, RouteTable


def check_answer(table: RouteTable, response: httpx.Response, prefix: str = "") -> None:
    """Raise AssertionError when a route answered as it does not say that it does."""
    path = response.request.url.raw_path.decode("latin-1").partition("?")[0].removeprefix(prefix)
    method = "GET" if response.request.method == "HEAD" else response.request.method
    route = find(table, path, method)
    if route is None or not route.documented or response.status_code in (401, 405):  # not of this route: of the guard, or of no route
        return
    answers = operations(table)[route.template.replace("...}", "}")][method.lower()]["responses"]
    assert str(response.status_code) in answers, f"{method} {route.template} does not say that it answers {response.status_code}"
    content = answers[str(response.status_code)].get("content")
    if not content or response.request.method == "HEAD":
        return
    kind = response.headers["content-type"].partition(";")[0]
    documented = {name.partition(";")[0]: name for name in content}
    assert kind in documented or "*/*" in documented, f"{method} {route.template} does not say that it gives {kind}"
    if kind.endswith("json") and kind in documented:
        check_schema(table, content[documented[kind]]["schema"], response.json(), f"{method} {route.template} {response.status_code}")


def find(table: RouteTable, path: str, method: str) -> Route | None:
    """The route that answers, None for paths and methods that there are not."""
    try:
        return table.find(path)[0].get(method)
    except Exception:
        return None


def check_schema(table: RouteTable, schema: Any, value: Any, what: str) -> None:
    """Raise AssertionError naming the first place that does not fit."""
    defined = {**schema, "components": {"schemas": strict_schemas(table)}}
    error = next(iter(jsonschema_rs.validator_for(defined).iter_errors(value)), None)
    assert error is None, f"{what}: {list(error.instance_path)}: {error.message[:500]}"


_DOCUMENTS: dict[str, dict[str, Any]] = {}


def _of(table: RouteTable) -> dict[str, Any]:
    """One document for all tables: only their functions differ."""
    if "one" not in _DOCUMENTS:
        _DOCUMENTS["one"] = document(table.routes, "1", has_token=False)
        _DOCUMENTS["strict"] = strict(_DOCUMENTS["one"]["components"]["schemas"])
    return _DOCUMENTS["one"]


def operations(table: RouteTable) -> dict[str, Any]:
    """Paths of the document."""
    return _of(table)["paths"]  # type: ignore[no-any-return]


def strict_schemas(table: RouteTable) -> dict[str, Any]:
    """Schemas that allow no member beyond those named."""
    _of(table)
    return _DOCUMENTS["strict"]


def strict(schema: Any) -> Any:
    """Copy a schema so that objects with named members have no others."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: strict(one) for name, one in schema.items()}
    if copy.get("type") == "object" and "properties" in copy and "oneOf" not in copy:
        copy.setdefault("additionalProperties", False)
    return copy
