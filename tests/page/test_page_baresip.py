"""A call that baresip places, on the page while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.clients.baresip_debian import DebianBaresip
from tests.end_to_end.clients.call import CALLER, CallWish, calling
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.server import Server
from tests.page.conftest import Opening
from tests.page.visits import PATIENCE_MS

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]


def test_a_call_of_baresip_shows_live_and_ends_with_its_verdict(
    visit: Opening, base: str, server: Server, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from playwright.sync_api import expect

    def soon(what: Locator):  # type: ignore[no-untyped-def]
        return expect(what)

    client = DebianBaresip()
    require(client.name, client.missing())
    saying = Saying(tmp_path_factory.mktemp("said"), 4.5, seed=7)
    page = visit(base).open(f"#/calls?text={CALLER.lstrip('+')}")
    wish = CallWish(client.host, server.sip_port, server.ca, saying.wav)
    with calling(client, wish, tmp_path) as call:
        row = page.locator("table.list tbody tr", has_text=CALLER)
        soon(row.locator(".c-state")).to_have_text("answered")
        call.wait_heard(2.0)
        row.get_by_role("link").click()
        soon(page.locator(".headline")).to_contain_text("The call goes on")
        page.get_by_role("link", name="Ladder").click()
        arrows = page.locator("svg.ladder [data-message]")
        soon(arrows.last).to_contain_text("ACK")
        page.wait_for_function("() => parseInt(document.querySelector('.packets').textContent) > 100", timeout=PATIENCE_MS)
        call.hang_up()
        soon(arrows.last).to_contain_text("200 OK (BYE)")
        soon(page.locator(".headline")).to_contain_text("passes")
