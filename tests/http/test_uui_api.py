"""The User-to-User workbench over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sbc_sim.rules.policy import Policy
from tests.http.conftest import ECHO, Lab

HEX = ECHO.encode().hex()
VALUE = f"{HEX};encoding=hex"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIwMEQifQ.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LXNob3VsZC1yZWFk"


def post(lab: Lab, what: str, body: Any, query: str = "") -> dict[str, Any]:
    response = lab.client.post(f"/api/v1/uui/{what}{query}", json=body)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


@pytest.mark.parametrize("pasted", [VALUE, f"User-to-User: {VALUE}", f"user-to-user:{VALUE}\r\n", f"X-User-to-User: {VALUE}"])
def test_a_value_is_taken_apart_with_and_without_the_name_of_its_header(lab: Lab, pasted: str) -> None:
    told = post(lab, "decode", {"value": pasted})
    assert (told["decoded"], told["isEcho"], told["parameters"]) == (ECHO, True, [["encoding", "hex"]])
    assert told["lengths"] == {"value": len(HEX), "line": len(f"User-to-User: {VALUE}"), "decoded": len(ECHO)}
    assert [problem["fault"] for problem in told["problems"]] == ["no-purpose"]


def test_what_cannot_be_read_is_told_with_its_place_and_judged(lab: Lab) -> None:
    told = post(lab, "decode", {"value": "7b2z;encoding=hex"})
    assert told["decoded"] is None
    assert (told["problems"][0]["fault"], told["problems"][0]["position"]) == ("not-hex", 3)
    linted = post(lab, "lint", {"value": "7b2z;encoding=hex"})
    assert linted["status"] == "fail"
    assert "SBC-UUI-003" in [finding["rule"] for finding in linted["findings"] if finding["status"] == "fail"]
    assert sum(linted["counts"].values()) == len(linted["findings"])


def test_a_good_value_passes_the_lint(lab: Lab) -> None:
    assert post(lab, "lint", {"value": VALUE})["status"] in ("pass", "warn")
    assert post(lab, "lint", {"value": VALUE})["counts"]["fail"] == 0


def test_the_settings_of_the_instance_decide(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(more={"policy": Policy(uui_limit=10, uui_over_limit="refuse")})
    found = {finding["rule"]: finding["status"] for finding in post(lab, "lint", {"value": VALUE})["findings"]}
    assert found["SBC-UUI-031"] == "fail"


def test_tokens_are_masked_unless_asked_for(lab: Lab) -> None:
    value = post(lab, "encode", {"json": {"jwt": JWT}})["value"]
    secret = JWT.rpartition(".")[2]
    for text in (json.dumps(post(lab, "decode", {"value": value})), json.dumps(post(lab, "lint", {"value": value}))):
        assert secret not in text
        assert secret.encode().hex() not in text
    assert secret in post(lab, "decode", {"value": value}, "?secrets=show")["decoded"]
    assert lab.client.post("/api/v1/uui/decode?secrets=yes", json={"value": value}).json()["code"] == "bad-secrets"


@pytest.mark.parametrize(
    ("body", "content"),
    [
        ({"echo": True}, ECHO),
        ({"text": "héllo"}, "héllo"),
        ({"text": ""}, ""),
        ({"json": {"a": [1, "é"]}}, '{"a":[1,"é"]}'),
        ({"json": None}, "null"),
        ({"json": "x"}, '"x"'),
    ],
)
def test_what_is_written_reads_back_as_what_was_given(lab: Lab, body: dict[str, Any], content: str) -> None:
    made = post(lab, "encode", body)
    assert made["content"] == content
    assert made["value"] == f"{content.encode().hex()};encoding=hex"
    assert made["header"] == f"User-to-User: {made['value']}"
    if content:
        read = post(lab, "decode", {"value": made["header"]})
        assert (read["decoded"], read["lengths"]) == (content, made["lengths"])


def test_parameters_are_added_and_replace_the_usual_one(lab: Lab) -> None:
    made = post(lab, "encode", {"text": "a", "parameters": {"purpose": "isdn-uui", "content": "isdn-uui"}})
    assert made["value"] == "61;encoding=hex;purpose=isdn-uui;content=isdn-uui"
    assert post(lab, "encode", {"text": "a", "parameters": {"encoding": "HEX"}})["value"] == "61;encoding=HEX"


@pytest.mark.parametrize("what", ["decode", "lint", "encode"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[]", "not-an-object"), ("{", "bad-json"), ("[" * 100_000, "bad-json"), ('{"valeu": "x"}', "unknown-member"),
        ('{"value": 5, "text": 5}', None), ("{}", "bad-member"), ('{"value": null, "text": null}', None), ("", "bad-member"),
    ],
)  # fmt: skip
def test_a_body_that_does_not_fit_is_refused_with_the_member_named(lab: Lab, what: str, body: str, code: str | None) -> None:
    response = lab.client.post(f"/api/v1/uui/{what}", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["code"] in (code or response.json()["code"],)
    assert response.json()["fix"]


def test_a_member_that_is_nearly_right_is_named(lab: Lab) -> None:
    response = lab.client.post("/api/v1/uui/decode", json={"valeu": "x"})
    assert response.json()["fix"] == "Did you mean value?"


@pytest.mark.parametrize(
    "body",
    [
        {"text": "a", "echo": True}, {"echo": False}, {"echo": True, "parameters": {"a b": "c"}}, {"text": "a", "parameters": {"a": "b;c"}},
        {"text": "a", "parameters": {"a": "b\r\nX: y"}}, {"text": "a", "parameters": {str(n): "x" for n in range(17)}}, {"text": None},
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(lab: Lab, body: dict[str, Any]) -> None:
    response = lab.client.post("/api/v1/uui/encode", json=body)
    assert (response.status_code, response.json()["code"]) == (400, "bad-member")


def test_values_that_are_too_long_are_refused_by_their_length(lab: Lab) -> None:
    assert lab.client.post("/api/v1/uui/decode", json={"value": "a" * 65537}).json()["code"] == "bad-member"
    response = lab.client.post("/api/v1/uui/decode", json={"value": "a" * 300_000})
    assert (response.status_code, response.json()["limit"]) == (413, 256 * 1024)


def test_control_characters_and_other_scripts_break_nothing(lab: Lab) -> None:
    for value in ("\x00", "\x1b[2J", "é;encoding=hex", ";;;", '"', "a:b", ":", "\r\n\r\nINVITE", " " * 1000):
        post(lab, "decode", {"value": value})
        post(lab, "lint", {"value": value})
    for half_of_one in (b'{"json": {"a": "\\ud800"}}', b'{"text": "\\ud800"}'):
        refused = lab.client.post("/api/v1/uui/encode", content=half_of_one, headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad-member")
    half = lab.client.post("/api/v1/uui/decode", content=b'{"value": "\\ud83d"}', headers={"Content-Type": "application/json"})
    assert half.status_code in (200, 400)
