"""Reports and drawings in a real browser: nothing runs, nothing leaves, nothing overlaps, and it prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sbc_sim.exports.ladder_svg import ladder_css, ladder_svg
from sbc_sim.exports.redacted import Redaction
from sbc_sim.exports.report_html import report_html
from sbc_sim.journal.store import Trace
from tests.end_to_end.conftest import require
from tests.exports.test_ladder_svg import a_crowded_call
from tests.exports.test_report import a_hostile_call
from tests.page.visits import BROWSER, VIOLATIONS, WEIGHTS, axe_source, missing
from tests.support.documents import a_call_with_findings, a_tone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.partners
OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll('svg.ladder text')].map((text) => [text.getBBox(), text.textContent]);
  const width = document.querySelector('svg.ladder').viewBox.baseVal.width;
  const found = boxes.filter(([box]) => box.x < 0 || box.x + box.width > width).map(([, text]) => `outside: ${text}`);
  boxes.forEach(([a, one], index) => boxes.slice(index + 1).forEach(([b, other]) => {
    const apart = a.x + a.width <= b.x + 1 || b.x + b.width <= a.x + 1 || a.y + a.height <= b.y + 3 || b.y + b.height <= a.y + 3;
    if (!apart) found.push(`${one} | ${other}`);
  }));
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require("Chromium with Playwright and axe-core", missing())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


class Window:
    """A window on a file, and all that it did."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        context = browser.new_context(**options)
        context.add_init_script(VIOLATIONS)
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())


def written(folder: Path, trace: Trace) -> Path:
    path = folder / "report.html"
    path.write_text(report_html(trace, a_tone(), Redaction.SHARE), "utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")])
def test_a_report_is_quiet_fits_its_window_and_can_be_read_by_everybody(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    path = written(tmp_path, a_call_with_findings())
    window = Window(browser, path, viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=False)
    assert window.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = window.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
    assert window.asked == [path.as_uri()]
    assert window.said == []
    window.page.evaluate(axe_source())
    found = window.page.evaluate("axe.run()")["violations"]
    assert [(one["id"], node["html"]) for one in found if one["impact"] in WEIGHTS[2:] for node in one["nodes"]] == []


def test_what_a_stranger_wrote_does_nothing_in_a_report(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, a_hostile_call())
    window = Window(browser, path)
    assert window.page.locator("details").count() > 0
    assert window.asked == [path.as_uri()]
    assert window.said == []
    assert window.page.locator("script, img, iframe").count() == 0


def test_the_policy_of_a_report_stops_a_script_and_a_request_that_got_in(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, a_call_with_findings())
    text = path.read_text("utf-8").replace("</body>", "<script>document.title = 'ran'</script><img src='https://192.0.2.1/x'></body>")
    path.write_text(text, "utf-8")
    window = Window(browser, path)
    assert window.page.title() != "ran"
    assert any("inline script" in line for line in window.said)
    assert any("192.0.2.1" in line and "Content Security Policy" in line for line in window.said)


def test_an_arrow_leads_to_its_message(browser: Browser, tmp_path: Path) -> None:
    window = Window(browser, written(tmp_path, a_call_with_findings()))
    message = window.page.locator("#message-0")
    assert not message.is_visible()
    window.page.locator("svg.ladder a.row").first.click()
    message.wait_for(state="visible")
    assert message.inner_text().startswith("INVITE sip:")


def test_a_report_prints_with_every_message(browser: Browser, tmp_path: Path) -> None:
    window = Window(browser, written(tmp_path, a_call_with_findings()), color_scheme="dark")
    window.page.emulate_media(media="print")
    assert window.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert window.page.evaluate("[...document.querySelectorAll('.message pre')].every((one) => one.getBoundingClientRect().height > 20)")
    octets = window.page.pdf(format="A4")
    assert octets.startswith(b"%PDF-")
    assert octets.count(b"/Type /Page") >= 2


@pytest.mark.parametrize("make", [a_call_with_findings, a_crowded_call])
def test_text_in_the_ladder_does_not_overlap_as_the_browser_measures_it(browser: Browser, tmp_path: Path, make: Any) -> None:
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><style>{ladder_css()}</style>{ladder_svg(make(), embedded=True)}", "utf-8")
    window = Window(browser, path)
    assert window.page.evaluate("document.querySelectorAll('svg.ladder text').length") > 20
    assert window.page.evaluate(OVERLAPS) == []


def test_a_drawing_of_its_own_opens_without_a_complaint_in_both_schemes(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "ladder.svg"
    path.write_text(ladder_svg(a_crowded_call()), "utf-8")
    grounds = []
    for scheme in ("light", "dark"):
        window = Window(browser, path, color_scheme=scheme)
        grounds.append(window.page.evaluate("getComputedStyle(document.querySelector('.ground')).fill"))
        assert window.said == []
        assert window.asked == [path.as_uri()]
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]
