"""Signing in with a browser, and what keeps foreign pages from using it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.http.conftest import Lab, started

MakeLab = Callable[..., Lab]
TOKEN = "correct-horse"


def signed_in(lab: Lab, **headers: str) -> str:
    """Sign in and give the cookie as a browser would send it."""
    response = lab.client.post("/api/v1/session", json={"token": TOKEN}, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    lab.client.cookies.clear()
    return str(response.headers["set-cookie"].partition(";")[0])


def test_the_cookie_opens_what_the_token_opens_and_does_not_tell_it(make_lab: MakeLab) -> None:
    lab = make_lab(token=TOKEN)
    cookie = signed_in(lab)
    assert TOKEN not in cookie
    for path in ("/api/v1/calls", "/metrics", "/api/v1/info", "/api/v1/openapi.json"):
        assert lab.client.get(path).status_code == 401
        assert lab.client.get(path, headers={"Cookie": cookie}).status_code == 200
        assert lab.client.get(path, headers={"Cookie": f"a=b; {cookie}; c=d"}).status_code == 200


def test_the_cookie_is_for_our_pages_alone(make_lab: MakeLab) -> None:
    lab = make_lab(token=TOKEN)
    plain = lab.client.post("/api/v1/session", json={"token": TOKEN}).headers["set-cookie"]
    assert plain.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]
    behind = {"X-Forwarded-Prefix": "/tools/sim/", "X-Forwarded-Proto": "https"}
    proxied = lab.client.post("/tools/sim/api/v1/session", json={"token": TOKEN}, headers=behind).headers["set-cookie"]
    assert proxied.split("; ")[1:] == ["Path=/tools/sim", "HttpOnly", "SameSite=Strict", "Secure"]
    under = make_lab(token=TOKEN, base_path="/sbc-sim/")
    assert "Path=/sbc-sim;" in under.client.post("/sbc-sim/api/v1/session", json={"token": TOKEN}).headers["set-cookie"]


@pytest.mark.parametrize("prefix", ["/a;Domain=evil", "/a\tb", "//evil", "/../x", "/x/../..", "/..", "/.", "/a/./b", "/a b", "evil"])
def test_a_prefix_that_is_none_does_not_get_into_the_cookie(make_lab: MakeLab, prefix: str) -> None:
    lab = make_lab(token=TOKEN)
    cookie = lab.client.post("/api/v1/session", json={"token": TOKEN}, headers={"X-Forwarded-Prefix": prefix}).headers["set-cookie"]
    assert cookie.split("; ")[1] == "Path=/"


@pytest.mark.parametrize(
    ("body", "status"), [({"token": "wrong"}, 403), ({"token": ""}, 403), ({}, 400), ({"tokne": TOKEN}, 400), ({"token": 5}, 400)]
)
def test_a_wrong_token_signs_nobody_in(make_lab: MakeLab, body: dict[str, object], status: int) -> None:
    lab = make_lab(token=TOKEN)
    response = lab.client.post("/api/v1/session", json=body)
    assert response.status_code == status
    assert "set-cookie" not in response.headers
    assert TOKEN not in response.text


@pytest.mark.parametrize("cookie", ["NAME=", "NAME=x", f"NAME={TOKEN}", "NAME", "=", ";;", "NAME=\xe9"])
def test_a_wrong_cookie_opens_nothing(make_lab: MakeLab, cookie: str) -> None:
    lab = make_lab(token=TOKEN)
    named = cookie.replace("NAME", f"sbc-sim-token-{lab.port}")
    assert lab.client.get("/api/v1/calls", headers={"Cookie": named.encode("latin-1")}).status_code == 401


def test_two_instances_on_one_host_do_not_sign_each_other_out(make_lab: MakeLab) -> None:
    one, other = make_lab(token=TOKEN), make_lab(token="another")
    cookies = [signed_in(one), other.client.post("/api/v1/session", json={"token": "another"}).headers["set-cookie"].partition(";")[0]]
    assert len({cookie.partition("=")[0] for cookie in cookies}) == 2  # a browser keeps both, whatever the port
    for lab in (one, other):
        assert lab.client.get("/api/v1/calls", headers={"Cookie": "; ".join(cookies)}).status_code == 200


@pytest.mark.parametrize("prefix", ["/.well-known", "/a..b", "/...", "/v1.2/sim"])
def test_dots_in_the_names_of_a_prefix_are_fine(make_lab: MakeLab, prefix: str) -> None:
    lab = make_lab(token=TOKEN)
    cookie = lab.client.post("/api/v1/session", json={"token": TOKEN}, headers={"X-Forwarded-Prefix": prefix}).headers["set-cookie"]
    assert cookie.split("; ")[1] == f"Path={prefix}"


def test_a_wrong_bearer_token_is_not_helped_by_a_cookie(make_lab: MakeLab) -> None:
    lab = make_lab(token=TOKEN)
    headers = {"Cookie": signed_in(lab), "Authorization": "Bearer wrong"}
    assert lab.client.get("/api/v1/calls", headers=headers).status_code == 401


def test_the_cookie_of_one_token_is_worth_nothing_after_it_changed(make_lab: MakeLab) -> None:
    cookie = signed_in(make_lab(token=TOKEN))
    assert make_lab(token="another").client.get("/api/v1/calls", headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403), ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "OWN"}, 200), ({"Origin": "OWN", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)  # fmt: skip
def test_with_the_cookie_a_change_needs_proof_that_our_page_asked(make_lab: MakeLab, headers: dict[str, str], status: int) -> None:
    lab = make_lab(token=TOKEN)
    own = {name: value.replace("OWN", f"http://127.0.0.1:{lab.port}") for name, value in headers.items()}
    assert lab.client.post("/api/v1/reset", headers={"Cookie": signed_in(lab), **own}).status_code == status


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_without_a_token_a_browser_of_a_foreign_page_changes_nothing_either(lab: Lab, site: str) -> None:
    lab.tell(started("c1"))
    response = lab.client.post("/api/v1/calls/c1/hangup", headers={"Sec-Fetch-Site": site})
    assert (response.status_code, response.json()["code"]) == (403, "foreign-origin")
    assert lab.hung_up == []
    assert lab.client.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200  # a link may lead here


def test_a_program_with_the_token_needs_no_origin(make_lab: MakeLab) -> None:
    lab = make_lab(token=TOKEN)
    assert lab.client.post("/api/v1/reset", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_signing_out_takes_the_cookie_back(make_lab: MakeLab) -> None:
    lab = make_lab(token=TOKEN, base_path="/sim")
    response = lab.client.delete("/sim/api/v1/session")
    assert response.status_code == 204
    assert f"sbc-sim-token-{lab.port}=; Path=/sim; " in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]


def test_where_no_token_is_asked_for_signing_in_gives_no_cookie(lab: Lab) -> None:
    response = lab.client.post("/api/v1/session", json={"token": "anything"})
    assert response.status_code == 204
    assert "set-cookie" not in response.headers
    assert lab.client.post("/api/v1/session", json={"token": "x"}, headers={"Host": "evil.example"}).status_code == 403


def test_a_sign_in_form_has_no_room_for_megabytes(make_lab: MakeLab) -> None:
    lab = make_lab(token=TOKEN)
    assert lab.client.post("/api/v1/session", json={"token": "x" * 5000}).status_code == 413
    assert lab.client.post("/api/v1/session", json={"token": "x" * 2000}).status_code == 400
