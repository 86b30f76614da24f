"""The page follows a real call while it goes on, and tells why a refused one was refused."""

from __future__ import annotations

import re
import socket
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.raw_sip import connected, invite, request
from tests.end_to_end.server import Server, serving
from tests.page.conftest import Opening
from tests.page.partner_calls import Partner
from tests.page.visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]

BAD_UUI = "7b2z2;encoding=hex"
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def expect(what: Locator | Page):  # type: ignore[no-untyped-def]
    from playwright.sync_api import expect as playwright_expect

    return playwright_expect(what)


def row(page: Page, words: str) -> Locator:
    """The row of the list that mentions these words."""
    return page.locator("table.list tbody tr", has_text=words)


def packets(page: Page) -> int:
    """Packets received, as the head of a call shows them."""
    shown = re.match(r"(\d+) / \d+", page.locator(".packets").inner_text())
    return int(shown.group(1)) if shown else 0


def test_a_call_shows_while_it_goes_on_and_its_verdict_when_it_ends(visit: Opening, base: str, partner: Partner) -> None:
    page = visit(base).open("#/calls?text=live-one")
    expect(page.locator(".stream")).to_have_text("live")
    page.evaluate("window.notLoadedAnew = true")
    partner.call("--to", "live-one")

    listed = row(page, "live-one")
    expect(listed.locator(".c-state")).to_have_text("answered")
    expect(listed.locator(".c-packets")).to_contain_text(re.compile(r"[1-9]\d* / [1-9]"))
    listed.get_by_role("link").click()

    expect(page.locator(".headline")).to_contain_text("The call goes on")
    before = packets(page)
    page.wait_for_function("(before) => parseInt(document.querySelector('.packets').textContent) > before", arg=before)
    page.get_by_role("link", name="Ladder").click()
    arrows = page.locator("svg.ladder [data-message]")
    expect(arrows.last).to_contain_text("ACK")

    page.get_by_role("button", name="Hang up").click()
    expect(arrows.last).to_contain_text("200 OK (BYE)")
    expect(page.locator(".headline")).to_contain_text("passes")
    expect(page.locator(".call-head")).to_contain_text("ended")
    expect(page.locator(".call-head .badge")).to_have_text(re.compile("pass|warn"))
    assert page.evaluate("window.notLoadedAnew") is True


def test_the_list_keeps_the_row_in_focus_while_new_calls_come(visit: Opening, base: str, partner: Partner) -> None:
    partner.whole_call("--to", "kept-row", seconds=0.2)
    page = visit(base).open("#/calls")
    page.locator("tr", has_text="kept-row").get_by_role("link").focus()
    partner.whole_call("--to", "newer-row", "--no-uui", seconds=0.2)
    expect(page.locator("table.list tbody tr").first).to_contain_text("newer-row")
    expect(page.locator("tr", has_text="kept-row").get_by_role("link")).to_be_focused()


def test_a_refused_call_shows_the_offending_octets_marked(visit: Opening, base: str, partner: Partner) -> None:
    partner.whole_call("--to", "bad-uui", "--uui", BAD_UUI)
    page = visit(base).open("#/calls?status=fail")
    row(page, "bad-uui").get_by_role("link").click()
    expect(page.locator(".headline")).to_contain_text("refused this call with 400")
    expect(page.locator(".headline .first")).to_contain_text("SBC-UUI-003")
    expect(page.locator(".finding.fail .evidence mark").first).to_have_text("z")

    page.get_by_role("link", name="Ladder").click()
    page.locator("svg.ladder [data-message='0']").click()
    expect(page.locator("pre.message mark.fail").first).to_contain_text("z")
    expect(page.locator(".mark-list")).to_contain_text("SBC-UUI-003")

    page.get_by_role("button", name="beside a correct INVITE").click()
    wrong = page.locator(".reference tr.ref-wrong", has_text="User-to-User")
    expect(wrong).to_contain_text(BAD_UUI)
    expect(wrong).to_contain_text("SBC-UUI-003")


def test_a_call_that_a_restart_forgot_is_not_shown_as_live(visit: Opening, tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        seen = visit(f"http://127.0.0.1:{first.http_port}/")
        seen.expected += ["ERR_", "404"]
        partner = Partner(first.sip_port, first.ca, tmp_path)
        partner.call("--to", "forgotten")
        page = seen.open("#/calls?text=forgotten")
        row(page, "forgotten").get_by_role("link").click()
        expect(page.locator(".headline")).to_contain_text("The call goes on")
        page.get_by_role("link", name="Ladder").click()
        expect(page.locator("svg.ladder [data-message='0']")).to_be_visible()
        port = first.http_port
        first.conversation.process.kill()  # an orderly end would tell the page how the call ended
    partner.end()
    expect(page.locator(".stream")).to_have_text("reconnecting")
    expect(page.locator(".headline")).to_contain_text("is not known")
    expect(page.get_by_role("button", name="Hang up")).to_have_count(0)
    assert page.locator(".trouble").count() <= 1
    (tmp_path / "ports.json").unlink()
    with serving(tmp_path, HTTP__LISTEN=f"127.0.0.1:{port}"):
        expect(page.locator(".stream")).to_have_text("live")
        expect(page.locator(".hint")).to_contain_text("remembered by this page only")
        expect(page.locator(".call-head .badge")).to_have_text(re.compile("end not known"))
        expect(page.get_by_role("button", name="Hang up")).to_have_count(0)
        stopped = page.locator(".call-head .number").inner_text()
        page.wait_for_timeout(1100)  # longer than a turn of the clock
        assert page.locator(".call-head .number").inner_text() == stopped
        seen.close()


def test_a_connection_of_ours_that_failed_is_told_as_ours(visit: Opening, base: str, server: Server) -> None:
    """The partner is gone after its ACK: for its BYE the SBC dials the Contact, where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else gets it
        port = closed.getsockname()[1]
        page = visit(base).open("#/calls")
        expect(page.locator(".stream")).to_have_text("live")
        with connected(server.sip_port, server.ca) as raw:
            raw.send(invite("gone-away", "7b7d;encoding=hex").replace(b"127.0.0.1:5061;transport", b"127.0.0.1:%d;transport" % port))
            answer = raw.final()
            assert answer is not None
            assert answer.status == 200, answer.head
            tag = (answer.header("To") or "").partition(";")
            raw.send(request("ACK", "gone-away", to_tag="".join(tag[1:])))
            expect(row(page, "+15550111").first.locator(".c-state")).to_have_text("answered")
        call = next(call for call in server.get("/api/v1/calls")["calls"] if call["sipCallId"].startswith("gone-away@"))
        server.post(f"/api/v1/calls/{call['id']}/hangup")
        expect(page.locator(".hint")).to_contain_text(f"our connection to 127.0.0.1:{port} never became a call")
        expect(visit(base).open("#/attempts").locator(".attempt").first).to_contain_text(f"our connection to 127.0.0.1:{port}")


def test_trouble_of_the_store_is_told_while_it_lasts(visit: Opening, tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    with serving(tmp_path, STORE__URL=f"sqlite:{file}") as server:
        seen = visit(f"http://127.0.0.1:{server.http_port}/")
        page = seen.open("#/calls")
        expect(page.locator(".stream")).to_have_text("live")
        other = sqlite3.connect(file, timeout=30, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            partner = Partner(server.sip_port, server.ca, tmp_path)
            partner.whole_call("--to", "unwritten", "--no-uui")
            expect(page.locator(".banner")).to_contain_text("another program holds a lock")
            expect(row(page, "unwritten")).to_be_visible()
        finally:
            other.rollback()
            other.close()
        expect(page.locator(".banner")).to_have_count(0)
        seen.close()


def test_a_connection_that_never_became_a_call_shows_with_its_cure(visit: Opening, base: str, partner: Partner) -> None:
    page = visit(base).open("#/calls")
    expect(page.locator(".stream")).to_have_text("live")
    partner.attempt()
    expect(page.locator(".hint")).to_contain_text("never became a call")
    page.get_by_role("link", name="What to do").click()
    first = page.locator(".attempt").first
    expect(first).to_contain_text("unknown_ca")
    expect(first).to_contain_text("Import our CA")


def test_what_partners_send_is_text_and_never_markup(visit: Opening, base: str, partner: Partner, server: Server) -> None:
    partner.whole_call("--to", "hostile", "--header", f"Subject:{SCRIPT}", "--uui-text", SCRIPT, seconds=0.3)
    partner.whole_call("--to", "unreadable", "--from", SCRIPT)
    calls = {call["numbers"]["requestUri"]: f"#/calls/{call['id']}" for call in server.get("/api/v1/calls")["calls"]}
    hostile, unreadable = calls["hostile"], calls["unreadable"]
    seen: Visit = visit(base)
    for view in (unreadable, f"{unreadable}/ladder?m=0", f"{hostile}/ladder?m=0", f"{hostile}/messages", f"{hostile}/uui"):
        page = seen.open(view)
        expect(page.locator("main")).to_contain_text("onerror=alert(1)")
        assert page.locator("main img, main script").count() == 0
    page = seen.open("#/calls")
    expect(row(page, "unreadable")).to_be_visible()
    assert page.locator("main img, main script").count() == 0


def test_a_message_is_reached_from_the_list_by_keyboard_alone(visit: Opening, base: str, partner: Partner) -> None:
    partner.whole_call("--to", "keys-alone", seconds=0.3)
    page = visit(base).open("#/calls?text=keys-alone")
    expect(row(page, "keys-alone")).to_be_visible()

    def tab_to(wanted: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
                return
        raise AssertionError(f"Tab never came to {wanted}")

    tab_to("a[data-call]")
    page.keyboard.press("Enter")
    expect(page.locator(".call-head")).to_be_visible()
    tab_to(".tabs a[href*='/ladder']")
    page.keyboard.press("Enter")
    expect(page.locator("svg.ladder")).to_be_visible()
    tab_to("svg.ladder [data-message='0']")
    page.keyboard.press("Enter")
    expect(page.locator(".beside h2")).to_have_text("INVITE")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".beside h2")).to_have_text("100 Trying (INVITE)")
    outlined = page.evaluate("getComputedStyle(document.activeElement.querySelector('.hit')).stroke")
    assert outlined != "none"


def test_a_stream_that_breaks_is_taken_up_again_without_a_gap(visit: Opening, base: str, partner: Partner) -> None:
    seen = visit(base)
    page = seen.open("#/calls?text=after-the-break")
    expect(page.locator(".stream")).to_have_text("live")
    seen.expected.append("ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    partner.whole_call("--to", "after-the-break", seconds=0.2)
    page.context.set_offline(False)
    expect(row(page, "after-the-break").locator(".c-state")).to_have_text("ended")
