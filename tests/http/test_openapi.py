"""The OpenAPI document: complete, true to the routes, and held against the running interface with generated requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from sbc_sim.http.openapi import PARAMETERS
from tests.http.conftest import Lab, started
from tests.http.stored import keep_a_call

MakeLab = Callable[..., Lab]
LEFT_OUT = r"^/api/v1/(events|calls/wait|reset)$|^/assets/"
"""Endless, waiting and forgetting: they have tests of their own."""
CONFIG = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", 304, 308, 400, 401, 403, 404, 409, 416, 422]},
        "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 406, 409, 413, 415, 422]},
    }
}
"""400: what JSON schema cannot say, such as Base64 that is none."""


def the_document(lab: Lab, **headers: str) -> dict[str, Any]:
    response = lab.client.get("/api/v1/openapi.json", headers=headers)
    assert response.status_code == 200
    return response.json()  # type: ignore[no-any-return]


def test_every_route_is_documented_with_its_parameters_and_a_name_of_its_own(lab: Lab) -> None:
    paths = the_document(lab)["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    documented = [route for route in lab.factory.front.table.routes if route.documented]
    assert len(operations) == len(documented)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert {route.template for route in lab.factory.front.table.routes if not route.documented} == {
        "/telephony/v1",
        "/telephony/v1/",
        "/telephony/v1/{path...}",
    }
    for route in documented:
        operation = paths[route.template.replace("...}", "}")][route.method.lower()]
        named = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
        assert named == list(route.query)
        assert ("requestBody" in operation) == bool(route.request)
        assert all("problem+json" in str(answer) for status, answer in operation["responses"].items() if status in ("400", "404", "500"))


def test_every_json_answer_has_a_model(lab: Lab) -> None:
    models = import_module("sbc_sim.http.models")
    for route in lab.factory.front.table.routes:
        if route.produces == "application/json" and route.status != 204:
            assert models.has_model(route.response), route.template
        assert not route.request or models.has_model(route.request)
    assert {name for route in lab.factory.front.table.routes for name in route.query} == set(PARAMETERS)


def test_a_cursor_is_documented_as_long_as_one_is_taken(lab: Lab) -> None:
    (pattern,) = {
        parameter["schema"]["pattern"]
        for parameter in the_document(lab)["paths"]["/api/v1/attempts"]["get"]["parameters"]
        if parameter["name"] == "cursor"
    }
    for digits in range(16, 22):
        taken = lab.client.get(f"/api/v1/attempts?cursor={'9' * digits}").status_code == 200
        assert taken == bool(re.match(pattern, "9" * digits)), digits


@pytest.mark.parametrize(
    ("path", "model", "body", "fits"),
    [
        ("uui/encode", "UuiContent", {"echo": True, "text": None}, True),
        ("uui/encode", "UuiContent", {"text": "a", "echo": None, "parameters": None}, True),
        ("uui/encode", "UuiContent", {"json": None, "text": None}, True),
        ("uui/encode", "UuiContent", {"json": None, "text": "a"}, False),
        ("uui/encode", "UuiContent", {"echo": True, "text": "a"}, False),
        ("uui/encode", "UuiContent", {"echo": None, "text": None}, False),
        ("judge", "TraceBody", {"capture": ""}, False),
        ("judge", "TraceBody", {"text": ""}, False),
        ("judge", "TraceBody", {"text": None, "capture": None}, False),
    ],
)
def test_a_body_is_taken_if_and_only_if_its_schema_says_so(lab: Lab, path: str, model: str, body: dict[str, Any], fits: bool) -> None:
    schema = {"$ref": f"#/components/schemas/{model}", "components": the_document(lab)["components"]}
    assert jsonschema_rs.is_valid(schema, body) == fits
    assert (lab.client.post(f"/api/v1/{path}", json=body).status_code != 400) == fits


def test_the_server_is_where_the_client_sees_us(make_lab: MakeLab) -> None:
    assert the_document(make_lab())["servers"] == [{"url": "/"}]
    assert the_document(make_lab(base_path="/sbc-sim/"))["servers"] == [{"url": "/sbc-sim"}]
    assert the_document(make_lab(), **{"X-Forwarded-Prefix": "/tools"})["servers"] == [{"url": "/tools"}]


def test_the_token_is_documented_where_one_is_asked_for(make_lab: MakeLab) -> None:
    assert "securitySchemes" not in the_document(make_lab())["components"]
    told = the_document(make_lab(token="t0ken"), Authorization="Bearer t0ken")
    assert set(told["components"]["securitySchemes"]) == {"token", "session"}
    assert told["paths"]["/livez"]["get"]["security"] == []
    assert told["paths"]["/api/v1/calls"]["get"]["security"] == [{"token": []}, {"session": []}]


def try_all(lab: Lab, document: dict[str, Any], ids: tuple[str, ...], examples: int, **headers: str) -> None:
    """Send generated requests, right and wrong ones, and check each answer in every way that schemathesis knows."""
    for path, operations in document["paths"].items():
        for operation in operations.values() if "/calls/{id}" in path else ():
            operation["parameters"][0]["schema"] = {"enum": list(ids)}
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(CONFIG)).exclude(path_regex=LEFT_OUT)
    base = f"http://127.0.0.1:{lab.port}"
    schema.config.update(base_url=base)

    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            tried += try_one(operation, mode, base, examples, headers)
    assert tried > examples * len(document["paths"])


def try_one(operation: Any, mode: Any, base: str, examples: int, headers: dict[str, str]) -> int:
    """Try one operation; return how many requests there were."""
    from hypothesis import given
    from hypothesis.errors import Unsatisfiable

    tried = 0

    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(base_url=base, headers=headers)

    try:
        one()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE  # nothing can be wrong where nothing can be said
    return tried


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_generated_requests_get_documented_answers_and_never_an_error_of_ours(make_lab: MakeLab) -> None:
    lab = make_lab(contract=False)
    lab.info.update(version="1.2.3")
    ids = (keep_a_call(lab), keep_a_call(lab, captured=False, hang_up=False), "bare", "nobody")
    lab.tell(started("bare"))
    try_all(lab, the_document(lab), ids, 8)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_generated_requests_without_the_token_get_nothing(make_lab: MakeLab) -> None:
    lab = make_lab(contract=False, token="t0ken")
    ids = (keep_a_call(lab),)
    try_all(lab, the_document(lab, Authorization="Bearer t0ken"), ids, 3, Authorization="Bearer t0ken")
