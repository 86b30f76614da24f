"""The page's files: found by name and by nothing else, with the headers that keep it closed to the outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sbc_sim.http.exchange import Asked
from sbc_sim.http.page_files import PageFiles
from sbc_sim.http.problem import Problem
from tests.http.conftest import Lab

MakeLab = Callable[..., Lab]
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}
FOLDER = Path(__file__).parents[2] / "sbc_sim" / "http" / "page"


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER["Accept"], True), ("text/html", True), ("text/html, application/json", True), ("text/html;q=0.5, application/json", False),
        ("*/*", False), ("", False), ("application/json", False), ("text/html;q=0, */*", False), ("text/*", None), ("image/png", None),
    ],
)  # fmt: skip
def test_browsers_get_the_page_and_programs_the_index(lab: Lab, accept: str, page: bool | None) -> None:
    response = lab.client.get("/", headers={"Accept": accept})
    if page is None:
        assert response.status_code == 406
    else:
        assert response.headers["content-type"] == ("text/html; charset=utf-8" if page else "application/json")
        assert "Accept" in response.headers["vary"]


def test_the_page_and_its_files_are_open_since_they_hold_no_data(make_lab: MakeLab) -> None:
    lab = make_lab(token="t0ken")
    assert lab.client.get("/", headers=BROWSER).status_code == 200
    assert lab.client.get("/").status_code == 401
    for file in (FOLDER / "assets").glob("*.js"):
        response = lab.client.get(f"/assets/{file.name}")
        assert response.content == file.read_bytes()
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"


def test_the_page_may_load_its_own_files_only_and_stand_in_no_frame(lab: Lab) -> None:
    for path in ("/", "/assets/app.js"):
        headers = lab.client.get(path, headers=BROWSER).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy == {
            "default-src": "'self'", "img-src": "'self' data:", "base-uri": "'none'", "frame-ancestors": "'none'", "form-action": "'none'",
            "object-src": "'none'",
        }  # fmt: skip
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_a_browser_that_has_a_file_already_is_told_so(lab: Lab) -> None:
    for path in ("/", "/assets/app.js"):
        first = lab.client.get(path, headers=BROWSER)
        tag = first.headers["etag"]
        for shown in (tag, f"W/{tag}", f'"other", {tag}'):
            again = lab.client.get(path, headers=BROWSER | {"If-None-Match": shown})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            assert "content-length" not in again.headers
        assert lab.client.get(path, headers=BROWSER | {"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../index.html", "..%2Findex.html", "%2e%2e/%2e%2e/site.py", "/etc/passwd", "%2Fetc%2Fpasswd", "app.js%00", "app.js/", "./app.js",
        "APP.JS",
        "..%5Cindex.html", "app.js%2F..", ".hidden", "", "x" * 5000,
    ],
)  # fmt: skip
def test_no_path_leads_anywhere_but_to_a_file_by_its_name(lab: Lab, path: str) -> None:
    answer = lab.raw(f"GET /assets/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"problem+json" in answer


def test_only_the_page_and_what_it_loads_is_given(tmp_path: Path) -> None:
    (tmp_path / "assets" / "deep").mkdir(parents=True)
    for name in ("index.html", "notes.txt", "assets/a.js", "assets/deep/b.css", "assets/x.py", "assets/.secret"):
        (tmp_path / name).write_text(name)
    files = PageFiles(tmp_path)
    (route,) = files.routes()

    def ask(name: str) -> bytes:
        return route.function(Asked("GET", f"/assets/{name}", {"file": name})).body  # type: ignore[union-attr]

    assert (ask("a.js"), ask("deep/b.css")) == (b"assets/a.js", b"assets/deep/b.css")
    for name in ("x.py", ".secret", "../notes.txt", "../index.html", "deep"):
        with pytest.raises(Problem):
            ask(name)


def test_an_installation_without_a_page_says_so(tmp_path: Path) -> None:
    with pytest.raises(Problem) as problem:
        PageFiles(tmp_path / "nothing").index(Asked("GET", "/"))
    assert problem.value.code == "no-page"


def test_behind_a_sub_path_the_page_is_one_slash_further(make_lab: MakeLab) -> None:
    lab = make_lab(base_path="/sbc-sim")
    response = lab.client.get("/sbc-sim", headers=BROWSER, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (308, "/sbc-sim/")
    assert lab.client.get("/sbc-sim/", headers=BROWSER).status_code == 200
    assert lab.client.get("/sbc-sim").json()["name"] == "sbc-sim"
