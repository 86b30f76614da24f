"""A small HTTP client of a running sbc-sim: the standard library alone, so that a test suite can use it without anything else of ours.

    client = Client()                          # SBC_SIM_API and SBC_SIM_TOKEN, else http://127.0.0.1:8061
    for call in client.calls(status="fail"):
        print(call["id"], client.verdict(call["id"])["counts"])

Everything raises ApiError for an answer that is none, and Unreachable where nobody answers. JSON is given as it comes: camelCase names.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import stringprep
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

__tracebackhide__ = True  # pytest shows a failure at the line that asked, not here
DEFAULT_API = "http://127.0.0.1:8061"
JSON = "application/json"
PAGE = 200
"""Members asked for at once."""
MOST_JSON = 256 * 1024 * 1024
"""Octets of one JSON answer that are read."""
CHUNK = 64 * 1024
LONGEST_EVENT = 4 * 1024 * 1024
SILENCE = 45.0
"""The events come with a sign of life every 15 seconds; after this the connection counts as lost."""
SETTLED = 10.0
"""A connection that held for so many seconds was none that fails at once."""
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds before each further attempt to follow the events again."""

Json = dict[str, Any]
Progress = Callable[[int, int | None], None]
"""Called with the octets that have come, and how many there will be where that is known."""


class ApiError(Exception):
    """An answer that is an error: what was seen, a word for programs, what to do."""

    def __init__(self, status: int, code: str, detail: str, fix: str = "") -> None:
        """`status` is that of HTTP, 0 when there was no answer."""
        super().__init__(f"{detail} {fix}".strip())
        self.status = status
        self.code = code
        self.detail = detail
        self.fix = fix


class Unreachable(ApiError):
    """Nobody answers at the address."""

    def __init__(self, address: str, reason: str) -> None:
        """`reason` in a few words."""
        cure = "Start `sbc-sim serve`, or name the instance with --api or SBC_SIM_API."
        super().__init__(0, "unreachable", f"No sbc-sim answers at {address}: {reason}.", cure)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    id: str
    """To go on behind it: `events(after=...)`."""
    name: str
    """``call.started``, ``call.updated``, ``call.ended``, ``verdict``, ``message``, ``attempt``, ``store``, ``reset``, ``resync``."""
    data: Json


class Client:
    """Asks one instance. Each question is a connection of its own, so an object may be shared by threads."""

    def __init__(
        self, api: str | None = None, token: str | None = None, timeout: float = 30.0, environment: Mapping[str, str] | None = None
    ) -> None:
        """`api`: URL, with the sub-path if there is one; `timeout` in seconds.

        Without them SBC_SIM_API, SBC_SIM_TOKEN and the file that SBC_SIM_TOKEN_FILE names count; for the instance of this machine also
        SBC_SIM_HTTP__TOKEN and SBC_SIM_HTTP__TOKEN_FILE, which it is itself told its token by in a container. Raises ValueError for an
        address that cannot be one, OSError for a file that cannot be read.
        """
        known = os.environ if environment is None else environment
        address = api or known.get("SBC_SIM_API") or DEFAULT_API
        own = ("SBC_SIM_TOKEN", "SBC_SIM_HTTP__TOKEN") if address.rstrip("/") == DEFAULT_API else ("SBC_SIM_TOKEN",)
        self._token = token or next(filter(None, (known.get(name) or _from_file(known.get(f"{name}_FILE")) for name in own)), "")
        self._timeout = timeout
        self._secure, self._host, self._port, self._prefix = _taken_apart(address)
        self.api = address.rstrip("/")
        self.incomplete = ""
        """Why calls were missing in the list that was read last; empty when all were there."""
        if not self._token.isascii() or any(character.isspace() for character in self._token):
            raise ValueError("the token holds characters that no token has: copy it again from the banner")

    @property
    def token(self) -> str | None:
        """The token that it shows, None without one."""
        return self._token or None

    # --- questions -----------------------------------------------------------------------------------------------------

    def info(self) -> Json:
        """Version, addresses, fingerprint."""
        return self.get("/api/v1/info")

    def setup(self) -> Json:
        """How a partner points its SBC at the instance."""
        return self.get("/api/v1/setup")

    def calls(self, most: int | None = None, **filters: str | None) -> Iterator[Json]:
        """Calls, newest first, page by page as they are taken; at most `most`. Filters: status, since, region, partner."""
        return self._pages("/api/v1/calls", "calls", most, filters)

    def attempts(self, most: int | None = None) -> Iterator[Json]:
        """Connections that never became SIP connections, newest first."""
        return self._pages("/api/v1/attempts", "attempts", most, {})

    def call(self, call: str) -> Json:
        """One call by its id; ``last`` is the newest."""
        if not call.strip():
            raise ApiError(404, "no-such-call", "The id of the call is empty.", "Take one from `sbc-sim calls ls`, or `last`.")
        if call != "last":
            return self.get(f"/api/v1/calls/{_segment(call)}")
        newest = next(self.calls(most=1), None)
        if newest is None and self.incomplete:
            raise ApiError(503, "store-unreadable", f"The newest call cannot be told: {self.incomplete}.", "Ask again in a moment.")
        if newest is None:
            raise ApiError(404, "no-such-call", "There is no call yet.", "Place one: `sbc-sim call tls:HOST:PORT`.")
        return newest

    def messages(self, call: str, secrets: bool = False) -> Iterator[Json]:
        """The SIP messages of a call, oldest first."""
        return self._pages(f"/api/v1/calls/{_segment(call)}/messages", "messages", None, {"secrets": "show" if secrets else None})

    def verdict(self, call: str) -> Json:
        """Every rule and what it says of the call."""
        return self.get(f"/api/v1/calls/{_segment(call)}/verdict")

    def media(self, call: str) -> Json:
        """What offer and answer agreed on, and what the media plane saw."""
        return self.get(f"/api/v1/calls/{_segment(call)}/media")

    def uui(self, call: str) -> Json:
        """The User-to-User header, taken apart."""
        return self.get(f"/api/v1/calls/{_segment(call)}/uui")

    def ladder(self, call: str, width: int = 100) -> str:
        """The ladder as text."""
        with self._asked("GET", f"/api/v1/calls/{_segment(call)}/ladder.txt?width={width}") as answer:
            return self._read(answer, MOST_JSON).decode("utf-8", "replace")

    def wait(self, match: Mapping[str, Any] | None = None, state: str = "ended", timeout: float = 15.0, after: str | None = None) -> Json:
        """Wait for a call; `timeout` in seconds, then ApiError 408. The words are those of POST /api/v1/calls/wait."""
        wish = {"match": dict(match or {}), "state": state, "timeoutS": timeout, **({} if after is None else {"after": after})}
        return self.post("/api/v1/calls/wait", wish, patience=timeout + self._timeout)

    def reset(self) -> int:
        """Forget calls that are over, and attempts; return how many calls went."""
        return int(self.post("/api/v1/reset", {}).get("forgotten", 0))

    def hang_up(self, call: str) -> None:
        """End a live call with BYE."""
        self.post(f"/api/v1/calls/{_segment(call)}/hangup", {})

    def escalate(self, call: str, mode: str | None = None, why: str | None = None, target: str | None = None) -> Json:
        """Give a live call back to the partner, as set unless `mode` and `target` say otherwise; return the call."""
        said = {"mode": mode, "why": why, "target": target}
        return self.post(f"/api/v1/calls/{_segment(call)}/escalate", {name: value for name, value in said.items() if value is not None})

    def partner_says(self, call: str, **facts: object) -> Json:
        """Say what became of the customer of an escalated call: customerAlive, repReached, linked, repCall, text; return the call."""
        return self.post(f"/api/v1/calls/{_segment(call)}/partner", facts)

    def download(self, path: str, target: BinaryIO, progress: Progress | None = None) -> int:
        """Stream what is at a path of the instance into a file that is open for writing; return its octets."""
        come = 0
        with self._asked("GET", path, accept="*/*") as answer:
            length = answer.length
            while piece := self._read(answer, CHUNK):
                target.write(piece)
                come += len(piece)
                if progress is not None:
                    progress(come, length)
        if length is not None and come < length:
            raise Unreachable(self.api, f"the answer ended after {come} of {length} octets")
        return come

    # --- events ----------------------------------------------------------------------------------------------------------

    def events(self, after: str | None = None, again: bool = True) -> Iterator[Event]:
        """Follow what happens, for ever: an event `resync` tells that something was missed.

        A connection that is lost is taken up again where it ended (`again`), five times in a row at most; then Unreachable.
        """
        last, failures, begun = after, 0, False
        while True:
            connected_at = time.monotonic()
            try:
                with self._asked("GET", "/api/v1/events", accept="text/event-stream", headers=_after(last), patience=SILENCE) as answer:
                    begun = True
                    for event in _parsed(lambda: self._line(answer)):
                        last, failures = event.id or last, 0
                        yield event
                lost = Unreachable(self.api, "it ended the events")
            except Unreachable as error:
                lost = error
            failures = 0 if time.monotonic() - connected_at > SETTLED else failures
            if not (again and begun) or failures == len(PAUSES):
                raise lost
            time.sleep(PAUSES[failures])
            failures += 1

    def _line(self, answer: http.client.HTTPResponse) -> bytes:
        with self._talking(SILENCE):
            return answer.readline(LONGEST_EVENT + 1)

    # --- asking ------------------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Json:
        """GET a JSON object."""
        return self._json("GET", path, None, None)

    def post(self, path: str, body: Mapping[str, Any], patience: float | None = None) -> Json:
        """POST a JSON object; returns the answer's, empty when it has none."""
        return self._json("POST", path, json.dumps(body).encode(), patience)

    def put(self, path: str, body: Mapping[str, Any]) -> Json:
        """PUT a JSON object; returns the answer's, empty when it has none."""
        return self._json("PUT", path, json.dumps(body).encode(), None)

    def delete(self, path: str) -> Json:
        """DELETE; returns the answer's JSON object, empty when it has none."""
        return self._json("DELETE", path, None, None)

    def _json(self, method: str, path: str, body: bytes | None, patience: float | None) -> Json:
        with self._asked(method, path, body, patience=patience) as answer:
            octets = self._read(answer, MOST_JSON)
        try:
            value = json.loads(octets or b"{}")
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._stranger("its answer is not a JSON object")
        return value

    def _pages(self, path: str, member: str, most: int | None, filters: Mapping[str, str | None]) -> Iterator[Json]:
        left, cursor = most, ""
        while left is None or left > 0:
            asked = {"limit": str(PAGE if left is None else min(left, PAGE)), **filters, "cursor": cursor}
            page = self.get(f"{path}?{urlencode({name: value for name, value in asked.items() if value})}")
            listed = page.get(member)
            if not isinstance(listed, list):
                raise self._stranger(f"its answer has no {member}")
            self.incomplete = str(page.get("incomplete") or "")
            yield from listed[:left]
            left = None if left is None else left - len(listed)
            cursor = str(page.get("next") or "")
            if not cursor or not listed:
                return

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
        patience: float | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask, and give the answer to read. Raises ApiError."""
        said = {"Accept": f"{accept}, */*;q=0.5" if accept == JSON else accept, **(headers or {})}
        if body is not None:
            said["Content-Type"] = JSON
        if self._token:
            said["Authorization"] = f"Bearer {self._token}"
        longest = patience or self._timeout
        with closing(self._connection(longest)) as connection:
            with self._talking(longest):
                connection.request(method, f"{self._prefix}{path}", body, said)
                answer = connection.getresponse()
                if answer.status >= 300:
                    raise self._refused(answer)
            yield answer

    def _read(self, answer: http.client.HTTPResponse, most: int) -> bytes:
        with self._talking(self._timeout):
            return answer.read(most)

    @contextmanager
    def _talking(self, longest: float) -> Iterator[None]:
        """Say of what fails on the network that nobody answers. What fails on our own disk is not the network's."""
        try:
            yield
        except TimeoutError:
            raise Unreachable(self.api, f"no answer within {longest:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(self.api, _reason(error)) from None

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def _refused(self, answer: http.client.HTTPResponse) -> ApiError:
        """Read problem+json (RFC 9457)."""
        try:
            told = json.loads(answer.read(CHUNK))
            return ApiError(answer.status, str(told["code"]), str(told["detail"]), str(told.get("fix", "")))
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return self._stranger(f"it answers {answer.status} {answer.reason}", answer.status)

    def _stranger(self, seen: str, status: int = 502) -> ApiError:
        fix = "Check the address: what listens there may be another program, or a proxy in front."
        return ApiError(status, "not-sbc-sim", f"What answers at {self.api} does not speak as sbc-sim does: {seen}.", fix)


def _after(last: str | None) -> dict[str, str]:
    return {} if last is None else {"Last-Event-ID": last}


def _parsed(read_line: Callable[[], bytes]) -> Iterator[Event]:
    """Read a stream of events (WHATWG HTML section 9.2); what is no event of ours is passed over."""
    fields: dict[str, str] = {}
    octets = 0
    last = ""
    while line := read_line():
        octets += len(line)
        if octets > LONGEST_EVENT:
            raise ApiError(502, "event-too-long", f"An event is longer than {LONGEST_EVENT} octets.", "Check the address.")
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            continue
        last = fields.get("id", last)
        data = _object(fields.get("data", ""))
        if data is not None:
            yield Event(last, fields.get("event", "message"), data)
        fields, octets = {}, 0


def _object(text: str) -> Json | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _segment(text: str) -> str:
    """One segment of a path, whatever it holds: no id leads elsewhere."""
    return quote(text, safe="").replace(".", "%2E") if set(text) <= {"."} else quote(text, safe="")


def _from_file(path: str | None) -> str:
    return Path(path).read_text(encoding="utf-8").strip() if path else ""


def _taken_apart(api: str) -> tuple[bool, str, int | None, str]:
    """Give whether it is https, host, port and sub-path. Raises ValueError."""
    try:
        parts = urlsplit(api if "://" in api else f"http://{api}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    beside = parts.query or parts.fragment or parts.username or not api.isprintable()
    if parts.scheme not in ("http", "https") or not parts.hostname or beside:
        raise ValueError(f"{api!r} is no address of an sbc-sim: write http://HOST:PORT, with the sub-path behind it if there is one")
    if _is_production(parts.hostname):
        raise ValueError(f"{parts.hostname} is a name of Salesforce's production: no sbc-sim answers there, so it is not dialled")
    return parts.scheme == "https", parts.hostname, port, quote(parts.path.rstrip("/"), safe="/%~")


def _is_production(host: str) -> bool:
    """As `is_production` of calls/production, which this module cannot see, for it is used alone: one table of names tests both."""
    mapped = "".join(sign for sign in host.translate({0x3002: ".", 0xFF0E: ".", 0xFF61: "."}) if not stringprep.in_table_b1(sign))
    plain = unicodedata.normalize("NFKC", mapped).strip().lower().strip("[]").rstrip(".")
    return plain == "salesforce-ccaas.com" or plain.endswith(".salesforce-ccaas.com")


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, http.client.BadStatusLine | http.client.LineTooLong):
        return "the answer is not HTTP"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
