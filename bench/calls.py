"""Signalling against a real `serve` process: calls set up per CPU-second, and memory per idle call.

A raw TLS client places the calls: what it costs is not counted. Each call is INVITE, 100, 180, 200, ACK and, for the rate,
BYE, 200; User-to-User, SDP, verdict and journal are all on, as for a partner's call.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.media import cpu_seconds

ECHO = b'{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'.hex()
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n"
)
SETTINGS = {
    "SBC_SIM_SIP__LISTEN": "127.0.0.1:0",
    "SBC_SIM_HTTP__LISTEN": "127.0.0.1:0",
    "SBC_SIM_MEDIA__LISTEN": "127.0.0.1",
    "SBC_SIM_MEDIA__PORTS": "0",
    "SBC_SIM_MEDIA__MODE": "mux",
    "SBC_SIM_SIP__RING_SECONDS": "0",
    "SBC_SIM_LIMITS__CALLS": "100000",
    "SBC_SIM_LIMITS__CALLS_PER_SECOND": "100000",
    "SBC_SIM_LIMITS__TRANSACTIONS": "1000000",
    "SBC_SIM_STORE__MAX_CALLS": "100000",
    "SBC_SIM_STORE__MAX_BYTES": str(2**32),
    "SBC_SIM_LOG__LEVEL": "error",
}


def _environment() -> dict[str, str]:
    """Ours without settings, and with compiled modules kept: to compile all of them at each start is not what an installed package does."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_") and name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def serving(
    folder: Path, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any], float]]:
    """Run `serve`, with further settings; give the process, its ports, and the seconds until /readyz said 200."""
    ports_file = folder / "ports.json"
    ports_file.unlink(missing_ok=True)
    environment = _environment() | SETTINGS | {"SBC_SIM_TLS__DIR": str(folder / "certs")} | dict(more)
    command = [sys.executable, "-m", "sbc_sim", "serve", "--ports-file", str(ports_file)]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not ports_file.exists():
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise SystemExit("serve did not come up")
            time.sleep(0.002)
        ports = json.loads(ports_file.read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['http']}/readyz", timeout=10) as answer:
            assert answer.status == 200
        yield process, ports, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


class Responses:
    """Cuts the server's responses out of a connection; its bodies end with its header's length."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        self._buffer += data

    def find(self, call_id: str, cseq: str) -> tuple[bytes, bytes] | None:
        """Give head and body of the final response with this Call-ID and CSeq, and let go of all before it; None until it is here."""
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            size = int(_value(head, b"content-length") or b"0")
            if not found or len(rest) < size:
                return None
            self._buffer, body = rest[size:], rest[:size]
            if not head.startswith(b"SIP/2.0 1") and (_value(head, b"call-id"), _value(head, b"cseq")) == (call_id.encode(), cseq.encode()):
                return head, body


def _value(head: bytes, name: bytes) -> bytes:
    """One header's value; empty without it."""
    found = re.search(rb"(?im)^" + name + rb":[ \t]*(.*?)\r?$", head)
    return found[1] if found else b""


class Caller:
    """One TLS connection that places calls as fast as they are answered."""

    def __init__(self, port: int, ca: Path) -> None:
        """Connect."""
        context = ssl.create_default_context(cafile=str(ca))
        self._tls = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname="localhost")
        self._tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._responses = Responses()
        self.body = b""
        """Of the last final response."""
        self._count = 0

    def _final(self, method: str, number: int, cseq: int) -> bytes:
        """Read up to the final response to this request; others are passed over, such as a 200 that a late ACK made the server repeat."""
        while True:
            found = self._responses.find(f"{id(self)}-{number}", f"{cseq} {method}")
            if found is not None:
                head, self.body = found
                return head
            data = self._tls.recv(65536)
            if not data:
                raise SystemExit("the server closed the connection")
            self._responses.feed(data)

    def _request(self, method: str, number: int, cseq: int, to: str, body: str = "") -> bytes:
        extra = f"Contact: <sip:b@127.0.0.1:5071;transport=tls>\r\nUser-to-User: {ECHO};encoding=hex\r\n" if body else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} sip:echo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5071;branch=z9hG4bK{id(self)}{number}{method}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:+15550111@bench.invalid>;tag=f{number}\r\nTo: {to}\r\nCall-ID: {id(self)}-{number}\r\n"
            f"CSeq: {cseq} {method}\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def invite(self, number: int, body: str) -> int:
        """Place one call with an offer of one's own, up to the ACK; return the port of the answer. Numbers must not repeat."""
        self._tls.sendall(self._request("INVITE", number, 1, "<sip:echo@127.0.0.1>", body))
        head = self._final("INVITE", number, 1)
        found, answer = re.search(rb"(?im)^to:\s*(.*?)\r?$", head), re.search(rb"m=audio (\d+)", self.body)
        assert found is not None, head.decode()
        assert answer is not None, self.body.decode()
        self._tls.sendall(self._request("ACK", number, 1, found[1].decode()))
        return int(answer[1])

    def call(self, hang_up: bool) -> None:
        """Place one call up to the ACK; end it when asked to."""
        self._count += 1
        number = self._count
        self._tls.sendall(self._request("INVITE", number, 1, "<sip:echo@127.0.0.1>", SDP))
        head = self._final("INVITE", number, 1)
        assert head.startswith(b"SIP/2.0 200"), head.decode()
        found = re.search(rb"(?im)^to:\s*(.*?)\r?$", head)
        assert found is not None
        to = found[1].decode()
        self._tls.sendall(self._request("ACK", number, 1, to))
        if hang_up:
            self._tls.sendall(self._request("BYE", number, 2, to))
            head = self._final("BYE", number, 2)
            assert head.startswith(b"SIP/2.0 200"), head.decode()


def resident(pid: int) -> int:
    """Octets of resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def measure_rate(calls: int = 500) -> str:
    """Whole calls, INVITE to the answer of BYE, per second of the server's CPU."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (process, ports, _):
        caller = Caller(ports["sip"], Path(name) / "certs" / "ca.pem")
        for _ in range(50):
            caller.call(hang_up=True)
        before, began = cpu_seconds(process.pid), time.perf_counter()
        for _ in range(calls):
            caller.call(hang_up=True)
        took, spent = time.perf_counter() - began, cpu_seconds(process.pid) - before
    rate = f"{calls} with verdict and journal, {calls / took:.0f} calls/s one after the other"
    return f"signalling: {calls / spent:.0f} calls per CPU-second ({rate})"


def measure_memory(calls: int = 500) -> str:
    """Resident memory that one established, idle call adds."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (process, ports, _):
        caller = Caller(ports["sip"], Path(name) / "certs" / "ca.pem")
        for _ in range(50):
            caller.call(hang_up=False)
        before = resident(process.pid)
        for _ in range(calls):
            caller.call(hang_up=False)
        grown = resident(process.pid) - before
    bounds = f"{calls} calls up, media open, journal included; {before / 2**20:.0f} MiB before"
    return f"memory: {grown / calls / 1024:.1f} KiB resident per idle call ({bounds})"


def measure_start(times: int = 5) -> str:
    """From starting the process to the first 200 of /readyz, certificates already made; the best of some tries."""
    with tempfile.TemporaryDirectory() as name:
        with serving(Path(name)):
            pass  # makes the certificates
        tries = []
        for _ in range(times):
            with serving(Path(name)) as (_, _, seconds):
                tries.append(seconds)
    return f"start: {min(tries):.2f} s from serve to ready (best of {times}, worst {max(tries):.2f} s)"


def measure_import(times: int = 5) -> str:
    """Interpreter start and the import of everything that `serve` needs; the best of some tries."""
    code = "import time; t = time.perf_counter(); import sbc_sim.service; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    tries = [float(subprocess.run(command, capture_output=True, check=True, text=True, env=_environment()).stdout) for _ in range(times)]
    return f"import: {min(tries):.2f} s for all that serve imports (best of {times})"
