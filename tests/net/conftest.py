"""A reactor in a thread, a tiny core that writes down what it is told, and a shell and listener joined to it."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from twisted.internet import reactor as _reactor
from twisted.internet.task import Clock
from twisted.internet.threads import blockingCallFromThread
from twisted.logger import globalLogPublisher

from sbc_sim.calls.outputs import Output
from sbc_sim.journal.entries import Entry
from sbc_sim.net import certificates
from sbc_sim.net.shell import Shell
from sbc_sim.net.sip_connection import ConnectionLimits
from sbc_sim.net.sip_tls import SipDialler, SipListener
from sbc_sim.net.tls_contexts import ClientTls, ServerTls
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.sip.peer import Peer, TlsFailure

reactor: Any = _reactor
WAIT = 10.0


@dataclass
class Told:
    """One call through the core's door."""

    what: str
    connection: int = 0
    peer: Peer | None = None
    failure: TlsFailure | None = None
    data: bytes = b""
    why: str = ""


class ScriptedCore:
    """A real core with nothing in it: it writes down what it is told and answers by functions that the test gives."""

    def __init__(self) -> None:
        self.told: queue.Queue[Told] = queue.Queue()
        self.deadline: float | None = None
        self.at_rest = True
        self.abandoned = 0
        self.used = False
        self.unfinished: float | None = None
        self.on_receive: Callable[[int, bytes, float], list[Output]] = lambda connection, data, now: []
        self.on_connected: Callable[[int], list[Output]] = lambda connection: []
        self.on_advance: Callable[[float], list[Output]] = lambda now: []
        self.on_lost: Callable[[int], list[Output]] = lambda connection: []
        self.on_refused: Callable[[int], list[Output]] = lambda connection: []
        self.on_shutdown: Callable[[float], list[Output]] = lambda now: []

    def connected(self, connection: int, peer: Peer, now: float) -> list[Output]:
        self.told.put(Told("connected", connection, peer))
        return self.on_connected(connection)

    def refused(self, connection: int, peer: Peer, failure: TlsFailure, now: float) -> list[Output]:
        self.told.put(Told("refused", connection, peer, failure))
        return self.on_refused(connection)

    def receive(self, connection: int, data: bytes, now: float) -> list[Output]:
        self.told.put(Told("receive", connection, data=data))
        return self.on_receive(connection, data, now)

    def lost(self, connection: int, why: str, now: float) -> list[Output]:
        self.told.put(Told("lost", connection, why=why))
        return self.on_lost(connection)

    def advance(self, now: float) -> list[Output]:
        self.told.put(Told("advance"))
        return self.on_advance(now)

    def unfinished_since(self, connection: int) -> float | None:
        return self.unfinished

    def in_use(self, connection: int) -> bool:
        return self.used

    def abandon(self, now: float) -> list[Output]:
        self.abandoned += 1
        return []

    def shutdown(self, now: float) -> list[Output]:
        self.told.put(Told("shutdown"))
        return self.on_shutdown(now)

    # --- for tests

    def next(self, what: str | None = None, timeout: float = WAIT) -> Told:
        """The next thing told; it must be `what`."""
        told = self.told.get(timeout=timeout)
        assert what is None or told.what == what, f"expected {what}, was told {told}"
        return told

    def refusal(self) -> TlsFailure:
        failure = self.next("refused").failure
        assert failure is not None
        return failure

    def octets(self, count: int) -> bytes:
        """Exactly `count` octets received, however they were cut."""
        data = b""
        while len(data) < count:
            data += self.next("receive").data
        assert len(data) == count
        return data

    def silent(self) -> bool:
        return self.told.empty()


class SteeredReactor:
    """The real reactor for sockets, and a clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.listenTCP = reactor.listenTCP
        self.seconds = self.clock.seconds

    def callLater(self, delay: float, call: Callable[..., object], *args: object) -> Any:
        return (self.clock if delay else reactor).callLater(delay, call, *args)


class MediaLog:
    """Writes down what the media plane would do."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    def start(self, leg: LegDescription) -> None:
        self.done.append(("start", leg.call))

    def stop(self, call: str) -> None:
        self.done.append(("stop", call))


@dataclass
class Lab:
    """A shell with a core that the test scripts, and perhaps a listener."""

    core: ScriptedCore
    shell: Shell
    listener: SipListener
    ca: Path
    journal: list[Entry] = field(default_factory=list)
    media: MediaLog = field(default_factory=MediaLog)
    steered: SteeredReactor | None = None

    def advance(self, seconds: float) -> None:
        """Let time pass, when the lab was made `steered`."""
        assert self.steered is not None
        self.run(self.steered.clock.advance, seconds)

    @property
    def address(self) -> tuple[str, int]:
        return self.listener.host, self.listener.port

    def tcp(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=WAIT)

    def context(self, **attributes: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        for name, value in attributes.items():
            setattr(context, name, value)
        return context

    def tls(self, context: ssl.SSLContext | None = None, name: str = "localhost") -> ssl.SSLSocket:
        return (context or self.context()).wrap_socket(self.tcp(), server_hostname=name)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        return blockingCallFromThread(reactor, function, *args)


@pytest.fixture(scope="session")
def reactor_thread() -> None:
    """Run the one reactor of this process in a thread; it cannot be started twice, so it goes on until the process ends."""
    if not reactor.running:
        up = threading.Event()
        reactor.callWhenRunning(up.set)
        threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
        assert up.wait(WAIT)


@pytest.fixture(scope="session")
def certificate_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA and certificate made once: RSA keys take a moment."""
    directory = tmp_path_factory.mktemp("certs")
    certificates.ensure(directory, ["sbc.example.net"])
    return directory


@pytest.fixture(scope="session")
def partner_ca() -> trustme.CA:
    return trustme.CA(organization_name="Partner")


@pytest.fixture
def faults() -> Iterator[list[dict[str, Any]]]:
    """Every traceback that was logged. A test that expects some clears the list."""
    seen: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if "log_failure" in event:
            seen.append(event)

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)
    assert not seen, [str(event["log_failure"]) for event in seen]


@pytest.fixture
def make_lab(reactor_thread: None, certificate_dir: Path, faults: list[dict[str, Any]]) -> Iterator[Callable[..., Lab]]:
    """Build shells on real sockets; everything is closed at the end of the test."""
    labs: list[Lab] = []

    def build(
        tls: ServerTls | None = None,
        limits: ConnectionLimits | None = None,
        credentials: certificates.Credentials | None = None,
        client: ClientTls | None = None,
        core: ScriptedCore | None = None,
        steered: bool = False,
        **listener: Any,
    ) -> Lab:
        shown = credentials or certificates.load(certificates.ensure(certificate_dir))
        bounds = limits or ConnectionLimits()
        scripted, journal, media = core or ScriptedCore(), [], MediaLog()
        dialler = SipDialler(reactor, client, bounds) if client else None
        steering = SteeredReactor() if steered else None

        def begin() -> Lab:
            shell = Shell(reactor, scripted, media, journal.append, dialler=dialler)
            port = SipListener(steering or reactor, shell, shown, tls or ServerTls(), bounds, **listener)
            port.listen("127.0.0.1", 0)
            shell.start(port)
            return Lab(scripted, shell, port, certificate_dir / "ca.pem", journal, media, steering)

        lab: Lab = blockingCallFromThread(reactor, begin)
        labs.append(lab)
        return lab

    yield build
    for lab in labs:
        lab.core.at_rest = True
        lab.core.on_shutdown = lambda now: []
        blockingCallFromThread(reactor, lab.shell.stop, 0.0)


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()
