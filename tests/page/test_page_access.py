"""The page behind a token, and behind a reverse proxy with a sub-path."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.end_to_end.server import Server, serving
from tests.page.conftest import Opening
from tests.page.partner_calls import Partner

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]

PREFIX = "/tools/sbc-sim"
TOKEN = "a token that nobody guesses"
HOP = {"connection", "transfer-encoding", "keep-alive"}


@contextmanager
def proxied(upstream: int) -> Iterator[int]:
    """A reverse proxy that serves `upstream` below PREFIX, which it cuts off; everything else is 404. Gives its port."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # the end of an answer is the end of its connection

        def pass_on(self) -> None:
            if not f"{self.path}/".startswith(PREFIX + "/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=60)
            try:
                connection.request(self.command, self.path.removeprefix(PREFIX) or "/", body, {**headers, "X-Forwarded-Prefix": PREFIX})
                answer = connection.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                self.end_headers()
                while octets := answer.read1(65536):
                    self.wfile.write(octets)
                    self.wfile.flush()
            except OSError:  # the browser went away
                self.close_connection = True
            finally:
                connection.close()

        do_GET = do_POST = do_DELETE = pass_on

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def test_the_page_works_behind_a_sub_path(visit: Opening, server: Server, partner: Partner) -> None:
    with proxied(server.http_port) as port:
        seen = visit(f"http://127.0.0.1:{port}{PREFIX}/")
        page = seen.open("#/calls?text=through-the-proxy")
        page.locator(".stream", has_text="live").wait_for()
        partner.whole_call("--to", "through-the-proxy", seconds=0.5)
        page.locator("tr", has_text="through-the-proxy").get_by_role("link").click()
        page.get_by_role("link", name="Ladder").click()
        page.locator("svg.ladder [data-message='0']").wait_for()
        page.get_by_role("link", name="Files").click()
        with page.expect_download() as loaded:
            page.get_by_role("link", name="Ladder as text").click()
        assert "INVITE" in Path(loaded.value.path()).read_text("utf-8")
        seen.open("#/connect").get_by_role("link", name="Download the CA").wait_for()
        with page.expect_download() as loaded:
            page.get_by_role("link", name="Download the CA").click()
        assert "BEGIN CERTIFICATE" in Path(loaded.value.path()).read_text("ascii")
        seen.close()


def test_an_address_without_its_last_slash_tells_what_is_missing(visit: Opening, server: Server) -> None:
    with proxied(server.http_port) as port:
        seen = visit(f"http://127.0.0.1:{port}{PREFIX}")
        seen.expected += ["404", "MIME type"]
        page = seen.open()
        page.get_by_text("the address must end with a slash").wait_for(state="visible")
        seen.url += "/"
        page = seen.open()
        page.locator(".stream", has_text="live").wait_for()
        assert page.get_by_text("the address must end with a slash").count() == 0
        seen.close()


def test_a_token_is_asked_for_once_and_opens_stream_and_downloads_too(visit: Opening, tmp_path: Path) -> None:
    with serving(tmp_path, HTTP__TOKEN=TOKEN) as guarded:
        partner = Partner(guarded.sip_port, guarded.ca, tmp_path)
        seen = visit(f"http://127.0.0.1:{guarded.http_port}/")
        seen.expected += ["401 (Unauthorized)", "403 (Forbidden)"]
        page = seen.open("#/calls")
        field = page.get_by_label("Token", exact=True)
        field.wait_for()
        assert not seen.axe()
        field.fill("a wrong one")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").get_by_text("The token is wrong.").wait_for()
        field.fill(TOKEN)
        page.keyboard.press("Enter")
        page.locator(".stream", has_text="live").wait_for()

        partner.whole_call("--to", "with-token", seconds=0.5)
        page.locator("tr", has_text="with-token").get_by_role("link").click()
        page.get_by_role("link", name="Files").click()
        with page.expect_download() as loaded:
            page.get_by_role("link", name="Ladder as text").click()
        assert "INVITE" in Path(loaded.value.path()).read_text("utf-8")
        assert TOKEN not in page.evaluate("document.cookie + JSON.stringify(localStorage)")

        page.get_by_role("button", name="Sign out").click()
        field.wait_for()
        page.reload()
        field.wait_for()
        partner.end()
        seen.close()
