"""Make docs/images/page.png, a refused call as the page shows it, and rehearsal.png, a rehearsal under way: real calls to a real server.

    python docs/screenshot.py

Needs /usr/bin/chromium and the package in development mode (`.ci/install-partners`, `pip install .[dev]`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
MOST_OCTETS = 200 * 1024
CUT_UUI = "7b226f726749643a2022303044z;encoding=hex"

sys.path.insert(0, str(ROOT))

from tests.end_to_end.server import Server, serving  # noqa: E402
from tests.page.partner_calls import Partner  # noqa: E402
from tests.page.visits import BROWSER  # noqa: E402


def main() -> None:
    """Place the calls, take the pictures."""
    with TemporaryDirectory() as name, serving(Path(name)) as server, sync_playwright() as playwright:
        partner = Partner(server.sip_port, server.ca, Path(name))
        partner.whole_call("--to", "+4930123456", "--uui", CUT_UUI)
        call = server.get("/api/v1/calls")["calls"][0]["id"]
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        page = chromium.new_page(viewport={"width": 1180, "height": 760}, color_scheme="light")
        page.goto(f"http://127.0.0.1:{server.http_port}/#/calls/{call}/ladder?m=0")
        page.locator("pre.message mark").first.wait_for()
        page.locator("svg.ladder").wait_for()
        page.locator(".stream.live").wait_for()
        IMAGES.mkdir(exist_ok=True)
        page.screenshot(path=IMAGES / "page.png")
        rehearse(server, partner)
        page.goto("about:blank")
        page.goto(
            f"http://127.0.0.1:{server.http_port}/#/rehearsals/{server.get('/api/v1/rehearsals')['rehearsals'][0]['id']}?step=connectivity/canada"
        )
        page.locator(".attempt-list").wait_for()
        page.locator(".stream.live").wait_for()
        page.screenshot(path=IMAGES / "rehearsal.png")
        chromium.close()
        partner.end()
    for picture in (IMAGES / "page.png", IMAGES / "rehearsal.png"):
        size = picture.stat().st_size
        print(f"{picture.relative_to(ROOT)}: {size} octets")
        if size > MOST_OCTETS:
            raise SystemExit(f"larger than {MOST_OCTETS} octets")


def rehearse(server: Server, partner: Partner) -> None:
    """Begin a rehearsal of four regions; two calls pass, one fails."""
    regions = ["us-west", "us-east", "canada", "frankfurt"]
    hosts = {one["name"]: one["host"] for one in server.get("/api/v1/regions")["regions"]}
    server.post("/api/v1/rehearsals", {"name": "Dry run", "regions": regions, "escalations": ["bye"]})
    for region in regions[:2]:
        partner.whole_call("--to", f"sip:echo@{hosts[region]}", seconds=3.0)
    partner.whole_call("--to", f"sip:echo@{hosts['canada']}", "--no-uui")


if __name__ == "__main__":
    main()
