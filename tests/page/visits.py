"""A visit of the page: its window, and everything that the browser found wrong with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

BROWSER = "/usr/bin/chromium"
PATIENCE_MS = 30_000
"""Only ever spent on a failure."""
WEIGHTS = ("minor", "moderate", "serious", "critical")
VIOLATIONS = "addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`))"


def missing() -> str | None:
    """What is not installed, None when all is there."""
    if not Path(BROWSER).exists():
        return BROWSER
    return next((name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None), None)


def axe_source() -> str:
    """The text of axe-core."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf-8")


class Visit:
    """One window with a context of its own."""

    def __init__(self, browser: Browser, url: str, options: dict[str, Any]) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.expected: list[str] = []
        """Pieces of console errors that the test provokes."""
        self._context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        self._context.add_init_script(VIOLATIONS)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def open(self, fragment: str = "") -> Page:
        """Go to a view. Anew, not by the address alone, so that each view is seen as a link opens it."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}{fragment}")
        return self.page

    def axe(self, *rules: str, least: str = "serious") -> list[str]:
        """Findings of axe-core in the view as it stands that weigh at least so much, one line each; of `rules` alone when given."""
        if not self.page.evaluate("typeof axe !== 'undefined'"):
            self.page.evaluate(axe_source())
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = self.page.evaluate("(options) => axe.run(document, options).then((result) => result.violations)", options)
        return [
            f"{one['impact']} {one['id']}: {node['html'][:160]}"
            for one in found
            if one["impact"] in WEIGHTS[WEIGHTS.index(least) :]
            for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """By how many pixels the view is wider than its window."""
        wide: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wide

    def close(self) -> None:
        """Close the window; what it complains of after that counts no more."""
        self._context.close()

    def _said(self, message: ConsoleMessage) -> None:
        text = f"{message.text} {message.location.get('url', '')}"
        if message.type in ("error", "warning") and not any(piece in text for piece in self.expected):
            self.complaints.append(f"console {message.type}: {text}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).scheme not in ("data", "blob", "about") and urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.complaints.append(f"a request to elsewhere: {request.url}")
