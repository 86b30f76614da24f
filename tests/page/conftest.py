"""A real Chromium on the page of a real server; whatever the browser complains of is a failure of the test that looked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.conftest import require
from tests.end_to_end.server import Server, serving
from tests.page.partner_calls import Partner
from tests.page.visits import BROWSER, PATIENCE_MS, Visit, missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Opening = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of the page."""
    require("Chromium with Playwright and axe-core", missing())
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`sbc-sim serve`, with the page."""
    require("Chromium with Playwright and axe-core", missing())
    with serving(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(scope="session")
def partner(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partner]:
    """Somebody who calls the server."""
    partner = Partner(server.sip_port, server.ca, tmp_path_factory.mktemp("partner"))
    yield partner
    partner.end()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Opening]:
    """Open a page of a server: `visit(url, **context_options)`. Complaints of the browser fail the test at its end."""
    visits: list[Visit] = []

    def opened(url: str, **options: object) -> Visit:
        visits.append(Visit(browser, url, options))
        return visits[-1]

    yield opened
    for each in visits:
        each.close()
    complaints = [line for each in visits for line in each.complaints]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def base(server: Server) -> str:
    """Address of the page."""
    return f"http://127.0.0.1:{server.http_port}/"
