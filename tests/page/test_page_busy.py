"""The page spares a server that has much to do: it reads on instead of anew, and comes back when told to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.page.conftest import Opening
from tests.page.partner_calls import Partner

if TYPE_CHECKING:
    from playwright.sync_api import Request, Route

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]


def test_messages_of_a_live_call_are_read_on_from_the_last_one(visit: Opening, base: str, partner: Partner) -> None:
    from playwright.sync_api import expect

    def reads_on(request: Request) -> bool:
        return "/messages?" in request.url and "cursor=" in request.url

    page = visit(base).open("#/calls?text=reads-on")
    partner.call("--to", "reads-on")
    page.locator("table.list tbody tr", has_text="reads-on").get_by_role("link").click()
    with page.expect_request(reads_on):
        page.get_by_role("link", name="Ladder").click()
        expect(page.locator("svg.ladder [data-message]").last).to_contain_text("ACK")
    page.locator("svg.ladder [data-message='0']").click()
    expect(page.locator(".beside")).to_contain_text("INVITE sip:")
    page.get_by_role("button", name="Hang up").click()
    bye = page.locator("svg.ladder [data-message]", has_text="200 OK (BYE)")
    bye.click()
    expect(page.locator(".beside")).to_contain_text("SIP/2.0 200 OK")


def test_a_server_with_too_much_to_do_is_asked_again_when_it_said(visit: Opening, base: str, partner: Partner) -> None:
    from playwright.sync_api import expect

    partner.whole_call("--to", "busy-once", seconds=0.3)
    seen = visit(base)
    seen.expected.append("503")
    page, refused = seen.open("#/calls?text=busy-once"), list[str]()

    def once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        told = json.dumps({"status": 503, "code": "too-much-work", "detail": "Too much to do.", "fix": "Ask again."})
        route.fulfill(status=503, headers={"Retry-After": "1", "Content-Type": "application/problem+json"}, body=told)

    page.route("**/ladder.svg*", once)
    page.locator("table.list tbody tr", has_text="busy-once").get_by_role("link").click()
    page.get_by_role("link", name="Ladder").click()
    expect(page.locator("svg.ladder [data-message='0']")).to_be_visible()
    expect(page.locator(".ladder-side .trouble")).to_have_count(0)
    assert refused
