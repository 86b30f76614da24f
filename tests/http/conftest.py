"""The HTTP interface on a real port, with a journal that a test fills by hand; the reactor runs in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread
from twisted.logger import LogLevel, globalLogPublisher

from sbc_sim.exports.capture import NOTHING, Capture
from sbc_sim.http.metrics import Gauges, Metrics
from sbc_sim.http.setup import Instance, setup_data
from sbc_sim.http.site import SiteOptions, Sources, build_site
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from tests.http.contract import check_answer

reactor: Any = _reactor
ECHO = '{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'
SETUP = setup_data(Instance(
    "sim.example", 5061, "192.0.2.5", 31000, 31019, "ports", ("localhost", "sim.example"), "AB:CD",
    f"{ECHO.encode().hex()};encoding=hex", ECHO,
))  # fmt: skip
START = 1_700_000_000.0


@dataclass
class Lab:
    """One interface that listens, and its journal."""

    store: MemoryStore
    port: int = 0
    factory: Any = None
    client: Any = None
    """An httpx.Client."""
    hung_up: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    captures: dict[str, Capture] = field(default_factory=dict)

    def tell(self, *entries: Entry) -> None:
        """Append to the journal, all in one turn of the reactor, as the shell does."""
        blockingCallFromThread(reactor, lambda: [self.store.append(entry) for entry in entries])

    def hold_to_contract(self, response: httpx.Response, prefix: str) -> None:
        """Check an answer against what the interface says of itself."""
        if response.headers.get("content-type") != "text/event-stream":
            response.read()
            check_answer(self.factory.front.table, response, prefix.rstrip("/"))

    def on_reactor(self, function: Callable[[], Any]) -> Any:
        return blockingCallFromThread(reactor, function)

    def until_waiting(self, number: int) -> None:
        """Return once that many requests to /calls/wait are under way."""
        end = time.monotonic() + 10
        while self.on_reactor(lambda: len(self.factory.front.waiting)) != number:
            assert time.monotonic() < end

    def raw(self, octets: bytes, half_close: bool = False, timeout: float = 10.0) -> bytes:
        """Send octets on a connection of their own and read until the other side closes."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout)) as line:
            line.sendall(octets)
            if half_close:
                line.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := line.recv(65536):
                answer += piece
            return answer


@pytest.fixture(scope="session")
def reactor_thread() -> None:
    """Run the one reactor of this process in a thread; it goes on until the process ends."""
    if not reactor.running:
        up = threading.Event()
        reactor.callWhenRunning(up.set)
        threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
        assert up.wait(10)


@pytest.fixture
def faults() -> Iterator[list[dict[str, Any]]]:
    """Everything that was logged as a fault; a test that caused one without saying so fails."""
    seen: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if event.get("log_level") in (LogLevel.error, LogLevel.critical):
            seen.append(event)

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)
    assert seen == []


@pytest.fixture
def make_lab(reactor_thread: None, faults: list[dict[str, Any]], tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Start an interface; `clock` is its reactor, `more` goes to Sources, `kept` is another store, the rest to SiteOptions.

    Every answer that its client gets is held against the OpenAPI document (`contract`).
    """
    ends: list[Callable[[], Any]] = []

    def make(clock: Any = reactor, contract: bool = True, more: dict[str, Any] | None = None, kept: Any = None, **options: Any) -> Lab:
        store = kept or MemoryStore()
        metrics = Metrics(Gauges(lambda: (2, 20), store.size, lambda: 0.001, lambda: 2_000_000_000.0), "1.2.3")
        store.subscribe(metrics.observe)
        (tmp_path / "ca.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n")
        lab = Lab(store)
        sources = Sources(
            store, metrics, lambda: lab.info, lambda: lab.unready, lambda call: lab.hung_up.append(call) is None, tmp_path / "ca.pem",
            **{"setup": lambda: SETUP, "capture": lambda trace: lab.captures.get(trace.call.id, NOTHING), **(more or {})},
        )  # fmt: skip
        lab.factory = blockingCallFromThread(reactor, build_site, sources, SiteOptions(**options), clock)
        listening = blockingCallFromThread(reactor, reactor.listenTCP, 0, lab.factory, 50, "127.0.0.1")
        lab.port = listening.getHost().port
        lab.client = httpx.Client(base_url=f"http://127.0.0.1:{lab.port}", timeout=20, trust_env=False, verify=False)
        if contract:
            lab.client.event_hooks = {"response": [lambda response: lab.hold_to_contract(response, str(options.get("base_path", "")))]}
        ends.extend((lab.client.close, lambda: blockingCallFromThread(reactor, listening.stopListening)))
        return lab

    yield make
    for end in ends:
        end()


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    """An interface as on loopback: no token."""
    return make_lab()


def started(call: str, at: float = START, **data: Any) -> Entry:
    """CALL_STARTED with every member that the contract names."""
    return Entry(at, Kind.CALL_STARTED, call, {
        "sipCallId": f"{call}@partner", "direction": "inbound", "from": '"Ann" <sip:+15550111@partner.example>;tag=1',
        "to": "<sip:+15550100@sbc.example>", "requestUri": "sip:+15550100@sbc.example", "region": None, "partner": None,
        "scenario": "echo", "connection": 1, "peer": "192.0.2.1:40001", "userAgent": "baresip", "numbers": {}, **data,
    })  # fmt: skip


def answered(call: str, at: float = START + 0.25) -> Entry:
    return Entry(at, Kind.CALL_STATE, call, {"state": "answered"})


def ended(call: str, at: float = START + 5.0, status: str = "pass", findings: tuple[dict[str, Any], ...] = (), **data: Any) -> list[Entry]:
    verdict = {"status": status, "counts": {status: 1}, "findings": list(findings), "profile": "published", "ruleSet": "1"}
    over = {"endedBy": "partner", "endReason": "normal", "state": "ended", "status": None, **data}
    return [Entry(at, Kind.VERDICT, call, verdict), Entry(at, Kind.CALL_ENDED, call, over)]


def message(call: str | None, summary: str, raw: bytes, at: float = START, direction: str = "in", **data: Any) -> Entry:
    first, _, rest = summary.partition(" ")
    status = int(first) if first.isdigit() else None
    method = rest.partition("(")[2].rstrip(")") if status else first
    return Entry(at, Kind.MESSAGE, call, {
        "connection": 1, "direction": direction, "method": method, "status": status, "reason": "", "uri": "", "cseq": 1,
        "sipCallId": "x", "summary": summary, "repeated": False, "peer": "192.0.2.1:40001", "warning": None, **data,
    }, raw)  # fmt: skip
