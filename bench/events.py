"""How late the reactor runs while pages listen: 100 calls with media, others that come and go, 50 connections to /api/v1/events.

The server is a whole `Service` in a process of its own, on real ports, with a probe in its reactor: every 5 ms it looks how late it was
called. Callers, media and listeners are here. The line tells the lag with nobody listening too, from the same run: on a shared machine
that is the yardstick; and the lag while reports are read and traces are sent without a pause.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.calls import SDP, SETTINGS, Caller, _environment
from sbc_sim.rtp.audio import tone
from sbc_sim.rtp.leg import SrtpKey
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.srtp import SrtpSender

PROBE_S = 0.005
SUITE = "AES_CM_128_HMAC_SHA1_80"
OFFERED = SrtpKey(SUITE, b64decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"))


def serve(folder: Path) -> None:
    """Be the server: print the ports, then, for each line on standard input, the lags since the line before, in ms."""
    from twisted.internet import reactor as _reactor
    from twisted.internet import stdio
    from twisted.protocols.basic import LineReceiver

    from sbc_sim.service import Service
    from sbc_sim.settings import load

    reactor: Any = _reactor
    own = {"SBC_SIM_MEDIA__MODE": "ports", "SBC_SIM_TLS__DIR": str(folder / "certs")}
    service = Service(load({}, {**SETTINGS, **own}).settings, reactor, "bench")
    service.listen()
    lags: list[float] = []

    class Asked(LineReceiver):
        delimiter = b"\n"

        def lineReceived(self, line: bytes) -> None:
            told = json.dumps([round(lag * 1000, 2) for lag in lags])
            lags.clear()
            self.sendLine(told.encode())

        def connectionLost(self, reason: Any = None) -> None:
            with contextlib.suppress(Exception):
                reactor.stop()

    def probe(due: float) -> None:
        now = time.monotonic()
        lags.append(max(0.0, now - due))
        reactor.callLater(PROBE_S, probe, now + PROBE_S)

    probe(time.monotonic())
    print(json.dumps({"sip": service.ports.sip, "http": service.ports.http}), flush=True)
    stdio.StandardIO(Asked())
    reactor.run()


@dataclass
class Talk:
    """Calls that go on, and their media."""

    port: int
    ca: Path
    targets: list[tuple[socket.socket, int]] = field(default_factory=list)

    def begin(self, calls: int) -> None:
        """Place the calls."""
        caller = Caller(self.port, self.ca)
        self._kept = caller
        for number in range(calls):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.setblocking(False)
            udp.bind(("127.0.0.1", 0))
            body = SDP.replace("m=audio 9 ", f"m=audio {udp.getsockname()[1]} ")
            self.targets.append((udp, caller.invite(number + 1, body)))

    def media(self, seconds: float) -> None:
        """Send a packet of each call every 20 ms, spread evenly, and drop what comes back."""
        frames = list(itertools.islice(tone(1), 50))
        senders = [SrtpSender(OFFERED) for _ in self.targets]
        calls, began, done = len(self.targets), time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            due = int((time.perf_counter() - began) / 0.02 * calls)
            for step in range(done, due):
                call, number = step % calls, step // calls
                udp, port = self.targets[call]
                packet = senders[call].protect(build(RtpPacket(0, number & 0xFFFF, number * 160, 0x9000 + call, frames[number % 50])))
                with contextlib.suppress(BlockingIOError):
                    udp.sendto(packet, ("127.0.0.1", port))
                    while True:
                        udp.recv(2048)
            done = due
            time.sleep(0.001)


class Pages:
    """Connections that follow the events and read them."""

    def __init__(self, port: int, number: int) -> None:
        """Connect."""
        self.events = 0
        self._over = False
        self._selector = selectors.DefaultSelector()
        for _ in range(number):
            line = socket.create_connection(("127.0.0.1", port), 30)
            line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self._selector.register(line, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.1):
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(1 << 20)
                assert data, "a listener was cut off"
                self.events += data.count(b"\nevent: ")

    def close(self) -> None:
        """Hang up."""
        self._over = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()


def percentile(values: list[float], share: float) -> float:
    """Give the value that this share of all stay below."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def churn(port: int, ca: Path, over: threading.Event, per_second: float) -> None:
    """Place short calls one after the other."""
    caller = Caller(port, ca)
    while not over.wait(1 / per_second):
        caller.call(hang_up=True)


def at_work(port: int, over: threading.Event, done: list[str]) -> None:
    """Read files of a call and have its capture judged, one after the other; `done` gets the kinds."""
    base = f"http://127.0.0.1:{port}/api/v1"
    with urlopen(f"{base}/calls?limit=1", timeout=60) as answer:
        call = f"{base}/calls/{json.load(answer)['calls'][0]['id']}"
    while not over.is_set():
        for name in ("bundle.zip", "report.html", "ladder.svg", "messages", "capture.pcapng"):
            with urlopen(f"{call}/{name}", timeout=60) as answer:
                content = answer.read()
            done.append(name)
        request = Request(f"{base}/judge", content, {"Content-Type": "application/vnd.tcpdump.pcap"})
        with urlopen(request, timeout=60) as answer:
            answer.read()
        done.append("judge")


def measure(calls: int = 100, pages: int = 50, seconds: float = 8.0, per_second: float = 5.0) -> str:
    """Run without and with listeners, and give the line."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "bench.events", "--serve", name]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment())
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            ports, ca = json.loads(server.stdout.readline()), Path(name) / "certs" / "ca.pem"
            talk, over = Talk(ports["sip"], ca), threading.Event()
            talk.begin(calls)
            short = threading.Thread(target=churn, args=(ports["sip"], ca, over, per_second), daemon=True)
            short.start()

            def lags() -> list[float]:
                talk.media(seconds / 4)
                _ask(server)  # what warming up cost is not counted
                talk.media(seconds)
                return _ask(server)

            alone = lags()
            listening = Pages(ports["http"], pages)
            heard = lags()
            rate = listening.events / (seconds * 1.25)
            done: list[str] = []
            working = threading.Thread(target=at_work, args=(ports["http"], over, done), daemon=True)
            working.start()
            busy, made = lags(), len(done)
            over.set()
            short.join()
            working.join()
            listening.close()
        finally:
            server.kill()
            server.wait()
    late, before = percentile(heard, 0.99), percentile(alone, 0.99)
    return (
        f"events: reactor lag p99 {late:.1f} ms with {pages} listeners (p50 {percentile(heard, 0.5):.1f};"
        f" nobody listening: p99 {before:.1f}) at {calls} calls with media and {per_second:g} more each second,"
        f" {rate:,.0f} events/s delivered (under 10 ms is wanted); p99 {percentile(busy, 0.99):.1f} ms while"
        f" {made / (seconds * 1.25):.1f} files/s were read and traces judged without a pause"
    )


def _ask(server: subprocess.Popen[str]) -> list[float]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    return list(json.loads(server.stdout.readline()))


def main() -> None:
    """Read the arguments and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    else:
        print(measure(options.calls, options.pages, options.seconds))


if __name__ == "__main__":
    main()
