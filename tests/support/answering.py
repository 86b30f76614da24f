"""A server of the standard library that answers as a test says: an instance that is none, or a hostile one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server of the standard library; gives its address."""

    class Desk(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Desk) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def send(desk: BaseHTTPRequestHandler, body: bytes, status: int = 200, kind: str = "application/json", length: int | None = None) -> None:
    desk.send_response(status)
    desk.send_header("Content-Type", kind)
    desk.send_header("Content-Length", str(len(body) if length is None else length))
    desk.end_headers()
    desk.wfile.write(body)
