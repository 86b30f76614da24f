"""Every view: no complaint of the browser, nothing serious for axe-core in light and dark, and readable at the width of a telephone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.raw_sip import connected, invite
from tests.end_to_end.server import Server, serving
from tests.page.conftest import Opening
from tests.page.partner_calls import Partner

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]

HEX = "7b226f7267;encoding=hex"
TABS = ("verdict", "ladder", "media", "uui", "messages", "files")


@dataclass(frozen=True)
class Placed:
    """Ids of calls that the views show."""

    good: str
    refused: str
    without_uui: str
    odd_digits: str
    clear_media: str


@pytest.fixture(scope="module")
def placed(server: Server, partner: Partner) -> Placed:
    """A call that was taken and one that was refused, and a connection that failed."""
    partner.whole_call("--to", "good", seconds=1.0)
    partner.whole_call("--to", "refused", "--uui", "7b2z2;encoding=hex")
    partner.whole_call("--to", "without-uui", "--no-uui")
    partner.whole_call("--to", "odd-digits", "--uui", f"{'ab' * 200}c;encoding=hex")
    with connected(server.sip_port, server.ca) as raw:
        raw.send(invite("clear-media", HEX).replace(b"RTP/SAVP", b" RTP/AVP").replace(b"5550100@localhost;", b"clear-media@localhost;"))
        assert raw.final() is not None
    partner.attempt()
    calls = {call["numbers"]["requestUri"]: call["id"] for call in server.get("/api/v1/calls")["calls"]}
    return Placed(*(calls[name] for name in ("good", "refused", "without-uui", "odd-digits", "clear-media")))


VIEWS = {
    "calls": ("#/calls", "table.list .badge.fail"),
    "rehearsals": ("#/rehearsals", ".begin fieldset"),
    "faults": ("#/faults", ".set-fault select"),
    "voice-calls": ("#/voice-calls", ".give-key form"),
    "flow": ("#/calls/{good}/flow", ".flow-tab .facts"),
    "attempts": ("#/attempts", ".attempt .cure"),
    "outside": ("#/outside", ".outside li"),
    "verdict": ("#/calls/{good}/verdict?rule=SBC-UUI-031", ".tiles .finding"),
    "refused": ("#/calls/{refused}", ".finding.fail"),
    "ladder": ("#/calls/{refused}/ladder?m=0", "pre.message"),
    "media": ("#/calls/{good}/media", ".chart canvas"),
    "uui": ("#/calls/{good}/uui", ".lengths .fill"),
    "messages": ("#/calls/{refused}/messages", ".one-message[open] pre"),
    "files": ("#/calls/{good}/files", ".files a"),
    "workbench": ("#/uui", ".workbench textarea"),
    "rules": ("#/rules?area=UUI", ".rule-list li"),
    "rule": ("#/rules/SBC-UUI-002", ".rule-page .platforms"),
    "connect": ("#/connect", ".steps table"),
    "judge": ("#/judge", ".judge textarea"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_opens_clean_shuts_nobody_out_and_fits_a_telephone(name: str, visit: Opening, base: str, placed: Placed) -> None:
    fragment, there = VIEWS[name]
    seen = visit(base, reduced_motion="reduce")
    page = seen.open(fragment.format(good=placed.good, refused=placed.refused))
    page.locator(there).first.wait_for()
    if name == "workbench":
        fill_workbench(page)
    found = seen.axe()
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {line}" for line in seen.axe("color-contrast")]
    assert not found, "\n".join(found)
    page.set_viewport_size({"width": 390, "height": 844})
    assert seen.overflow() <= 0


@pytest.mark.parametrize("which", ["refused", "without_uui", "odd_digits", "clear_media"])
def test_no_tab_of_a_refused_call_is_wider_than_a_telephone_and_the_open_tab_is_seen(
    which: str, visit: Opening, base: str, placed: Placed
) -> None:
    seen = visit(base, viewport={"width": 390, "height": 844})
    for tab in TABS:
        page = seen.open(f"#/calls/{getattr(placed, which)}/{tab}")
        page.locator(".headline .first").wait_for()
        page.locator(".tabs + *").first.wait_for()
        assert seen.overflow() <= 0, tab
        box = page.locator(".tabs a[aria-current]").bounding_box()
        assert box is not None
        assert box["x"] >= 0, tab
        assert box["x"] + box["width"] <= 390, tab


def test_the_ladder_can_be_read_on_a_telephone(visit: Opening, base: str, placed: Placed) -> None:
    page = visit(base, viewport={"width": 390, "height": 844}).open(f"#/calls/{placed.good}/ladder")
    page.locator("svg.ladder [data-message='0']").wait_for()
    scale = page.evaluate("document.querySelector('svg.ladder').getScreenCTM().a")
    assert 11 * scale >= 9.5, "the smallest text, in pixels"


def test_no_two_landmarks_of_an_opened_rule_have_the_same_name(visit: Opening, base: str, placed: Placed) -> None:
    seen = visit(base)
    page = seen.open(f"#/calls/{placed.refused}/verdict?rule=SBC-UUI-003")
    page.locator(".tiles .finding").wait_for()
    assert not seen.axe("landmark-unique", least="minor")


def test_the_mark_stands_on_the_offending_digit_when_a_token_before_it_is_masked(visit: Opening, base: str) -> None:
    page = visit(base).open("#/uui")
    token = ".".join(("eyJhbGciOiJSUzI1NiJ9", "eyJpc3MiOiIwMEQwMDAwMDAwMDAwMDEiLCJzdWIiOiJhIn0", "c2lnbmF0dXJl" * 8))
    value = f'{{"jwt":"{token}","orgId":"00D"}}'.encode().hex() + "0;encoding=hex"
    page.get_by_label("A header line").fill(f"User-to-User: {value}")
    mark = page.get_by_label("the header value", exact=True).locator("mark")
    mark.wait_for()
    assert "masked]" in page.get_by_label("the header value", exact=True).inner_text()
    assert mark.inner_text() == "0"


def fill_workbench(page: Page) -> None:
    page.get_by_label("A header line").fill(f"User-to-User: {HEX}")
    page.locator(".workbench .finding").first.wait_for()


def test_the_workbench_names_what_is_wrong_and_writes_what_it_reads(visit: Opening, base: str) -> None:
    page = visit(base).open("#/uui")
    page.get_by_role("button", name="echo test").click()
    line = page.get_by_label("the header line", exact=True)
    line.filter(has_text=b"echo-test-org".hex()).wait_for()
    written = line.inner_text()
    page.get_by_label("A header line").fill(written)
    page.locator(".workbench .good").wait_for()
    assert "echo-test-org" in page.get_by_label("the decoded text", exact=True).inner_text()
    page.get_by_label("A header line").fill(HEX)
    page.locator(".workbench .finding", has_text="SBC-UUI-024").wait_for()


def test_rules_are_searched_as_explain_searches_and_the_address_can_be_shared(visit: Opening, base: str, server: Server) -> None:
    page = visit(base).open("#/rules")
    page.get_by_label("Search").fill("unknown_ca")
    expected = [rule["id"] for rule in server.get("/api/v1/rules?q=unknown_ca")["rules"]]
    page.wait_for_function("(count) => document.querySelectorAll('.rule-list li').length === count", arg=len(expected))
    assert "q=unknown_ca" in page.url
    page.reload()
    page.wait_for_function("(count) => document.querySelectorAll('.rule-list li').length === count", arg=len(expected))
    assert page.locator(".rule-list .rule-id").all_inner_texts() == expected


def test_a_pasted_invite_is_judged_with_verdict_and_ladder(visit: Opening, base: str, server: Server, placed: Placed) -> None:
    invite = server.get(f"/api/v1/calls/{placed.refused}/messages?secrets=show")["messages"][0]["text"]
    seen = visit(base)
    page = seen.open("#/judge")
    page.get_by_label("or SIP messages as text").fill(invite)
    page.get_by_role("button", name="Judge", exact=True).click()
    judged = page.locator(".judged").first
    judged.locator(".finding.fail", has_text="SBC-UUI-003").first.wait_for()
    assert "INVITE" in judged.get_by_label("the ladder", exact=True).inner_text()
    assert not seen.axe()


@pytest.mark.usefixtures("placed")
def test_filters_stay_in_the_address_and_hold_for_calls_that_come_later(visit: Opening, base: str, partner: Partner) -> None:
    page = visit(base).open("#/calls")
    page.get_by_label("Verdict, state").select_option("fail")
    assert "status=fail" in page.url
    page.locator("tr", has_text="refused").first.wait_for()
    page.wait_for_function("!document.querySelector('table.list').textContent.includes('good')")
    partner.whole_call("--to", "passes-by", seconds=0.3)
    partner.whole_call("--to", "refused-later", "--no-uui")
    page.locator("tr", has_text="refused-later").wait_for()
    assert page.locator("tr", has_text="passes-by").count() == 0


def test_the_theme_can_be_chosen_and_is_remembered(visit: Opening, base: str) -> None:
    page = visit(base, color_scheme="light").open("#/rules")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    for _ in range(2):
        page.get_by_role("button", name="Colours").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_an_empty_list_tells_how_to_call_older_calls_come_when_asked_for_a_reset_shows(visit: Opening, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        seen = visit(f"http://127.0.0.1:{server.http_port}/")
        page = seen.open()
        page.locator(".empty", has_text=f"sbc-sim call tls:127.0.0.1:{server.sip_port}").wait_for()
        partner = Partner(server.sip_port, server.ca, tmp_path)
        partner.whole_call("--to", "the-oldest", "--no-uui")
        partner.whole_call("--calls", "104", "--no-uui")
        rows = page.locator("table.list tbody tr")
        rows.nth(104).wait_for()
        page.reload()
        rows.nth(99).wait_for()
        assert rows.count() == 100
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.matches('tbody tr:first-child a')")
        page.get_by_role("button", name="Older calls").click()
        rows.nth(104).wait_for()
        page.get_by_label("Text").fill("the-oldest")
        rows.nth(1).wait_for(state="detached")
        assert rows.count() == 1
        server.post("/api/v1/reset")
        page.locator(".empty").wait_for()
        partner.end()
        seen.close()
